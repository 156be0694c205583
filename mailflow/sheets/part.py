"""One sheet part as cells: read whatever any program wrote there, change single cells, leave everything else alone."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from lxml import etree

from mailflow.sheets.blocked import corrupt, unsafe
from mailflow.sheets.values import Stored, clean, escape, number_text, stored, unescape

MAX_ROW, MAX_COLUMN = 1_048_576, 16_384
MAX_AREA = 5_000_000
"""Rows times columns that may be in use: readers allocate the whole rectangle (workbooks.md §3)."""
_DEFAULT_WIDTH = 9.0
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


@lru_cache(maxsize=MAX_COLUMN)
def column_number(letters: str) -> int:
    """A is 1, AA is 27. 0 when it is no column."""
    number = 0
    for letter in letters:
        if not "A" <= letter <= "Z":
            return 0
        number = number * 26 + ord(letter) - 64
    return number if number <= MAX_COLUMN else 0


@lru_cache(maxsize=MAX_COLUMN)
def column_letters(number: int) -> str:
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@dataclass(frozen=True)
class Area:
    """A rectangle of cells, 1-based, ends included."""

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def of(cls, ref: str) -> Area:
        """From A1:C9 or A1; raises BlockedError for anything else."""
        first, _, last = ref.replace("$", "").partition(":")
        (top, left), (bottom, right) = split_ref(first), split_ref(last or first)
        return cls(top, left, bottom, right)

    def __str__(self) -> str:
        return f"{column_letters(self.left)}{self.top}:{column_letters(self.right)}{self.bottom}"

    def to(self, bottom: int) -> Area:
        return Area(self.top, self.left, max(self.bottom, bottom), self.right)


def split_ref(ref: str) -> tuple[int, int]:
    """Row and column of a cell reference; raises BlockedError when it is none."""
    letters = ref.rstrip("0123456789")
    digits, column = ref[len(letters) :], column_number(letters)
    row = int(digits) if len(digits) in range(1, 8) else 0
    if not column or not 1 <= row <= MAX_ROW:
        raise corrupt(f"单元格位置 {ref[:20]} 无法识别")
    return row, column


class SheetPart:
    """The cells of a worksheet part. Raises BlockedError for what no program would write."""

    def __init__(self, root: etree._Element, texts: Sequence[str]) -> None:
        self.root = root
        self._ns = f"{{{etree.QName(root).namespace}}}"
        self._formula = f"{self._ns}f"
        self._texts = texts
        data = root.find(f"{self._ns}sheetData")
        if data is None:
            raise corrupt("工作表没有数据区")
        self._data = data
        self._rows: dict[int, etree._Element] = {}
        self._cells: dict[int, dict[int, etree._Element]] = {}
        self._index()
        self._order = list(self._rows)

    def _index(self) -> None:
        row = 0
        for element in self._data.iterchildren(f"{self._ns}row"):
            row, last = _position(element.get("r"), row), row
            if not last < row <= MAX_ROW:
                raise corrupt("行的次序有误")
            self._rows[row] = element
            self._cells[row] = self._row_cells(element, row)
        if self.last_row() * max((max(cells, default=0) for cells in self._cells.values()), default=0) > MAX_AREA:
            raise unsafe("工作表在很远的行或列里有内容，请先删除那些单元格")

    def _row_cells(self, element: etree._Element, row: int) -> dict[int, etree._Element]:
        cells: dict[int, etree._Element] = {}
        column = 0
        for cell in element.iterchildren(f"{self._ns}c"):
            ref, last = cell.get("r"), column
            if ref is None:
                column += 1
            else:
                there, column = split_ref(ref)
                if there != row:
                    raise corrupt(f"单元格 {ref} 不在自己的行里")
            if not last < column <= MAX_COLUMN:
                raise corrupt("单元格的次序有误")
            cells[column] = cell
        return cells

    def rows(self) -> Iterable[int]:
        """Numbers of the rows that are there, ascending."""
        return self._cells.keys()

    def columns(self, row: int) -> Iterable[int]:
        return self._cells.get(row, {}).keys()

    def last_row(self) -> int:
        """The last row in which a cell holds something; 0 when none does."""
        filled = (row for row, cells in reversed(self._cells.items()) if any(len(cell) for cell in cells.values()))
        return max(next(filled, 0), max((area.bottom for area in self.merged()), default=0))

    def merged(self) -> list[Area]:
        return [Area.of(cell.get("ref", "")) for cell in self.root.iter(f"{self._ns}mergeCell")]

    def is_formula(self, row: int, column: int) -> bool:
        cell = self._cells.get(row, {}).get(column)
        if cell is None or not len(cell):
            return False
        # the formula comes first; looking there first makes a full sheet twice as fast
        return cell[0].tag == self._formula or (len(cell) > 1 and cell.find(self._formula) is not None)

    def value(self, row: int, column: int) -> Stored:
        """What the cell shows: of a formula its last result, of rich text the text."""
        cell = self._cells.get(row, {}).get(column)
        if cell is None or not len(cell):
            return None
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return text_of_runs(cell.find(f"{self._ns}is"), self._ns) or None
        content = cell.findtext(f"{self._ns}v")
        return None if content is None else self._typed(kind, content)

    def _typed(self, kind: str, content: str) -> Stored:
        try:
            if kind == "s":
                return self._texts[int(content)] or None
            if kind == "n":
                return stored(float(content)) if content.strip() else None
            if kind == "d":
                return stored(datetime.fromisoformat(content))
        except (ValueError, IndexError) as error:
            raise corrupt("单元格的内容无法识别") from error
        if kind == "b":
            return "TRUE" if content.strip() == "1" else "FALSE"
        return unescape(content) or None

    def style(self, row: int, column: int) -> str | None:
        cell = self._cells.get(row, {}).get(column)
        return None if cell is None else cell.get("s")

    def column_style(self, column: int) -> str | None:
        """The style that a person's program gives to new cells of the column."""
        element = self._column(column)
        return None if element is None else element.get("style")

    def _column(self, column: int) -> etree._Element | None:
        there = self.root.iter(f"{self._ns}col")
        return next((c for c in there if _number(c, "min") <= column <= _number(c, "max")), None)

    def put(self, row: int, column: int, value: Stored, style: str | None = None) -> None:
        """Makes the cell hold `value` as text or number; `style` only where the cell has none yet."""
        cell = self._cell(row, column)
        if style is not None and cell.get("s") is None:
            cell.set("s", style)
        for child in list(cell):
            cell.remove(child)
        for name in ("t", "cm", "vm"):  # type, and references to the metadata of a formula that is gone
            _drop(cell, name)
        _drop(self._rows[row], "spans")
        if isinstance(value, str):
            cell.set("t", "inlineStr")
            text = etree.SubElement(etree.SubElement(cell, f"{self._ns}is"), f"{self._ns}t")
            text.text = escape(clean(value))
            text.set(_SPACE, "preserve")
        elif value is not None:
            etree.SubElement(cell, f"{self._ns}v").text = number_text(value)

    def fit(self, row: int, height: float) -> None:
        """Makes the row at least so high, in points, unless a person set its height."""
        element = self._rows[row]
        if element.get("customHeight") not in ("1", "true"):
            element.set("ht", f"{max(height, _number(element, 'ht')):g}")

    def width(self, column: int) -> float:
        """The column's width in Latin characters."""
        element = self._column(column)
        return _DEFAULT_WIDTH if element is None else _number(element, "width") or _DEFAULT_WIDTH

    def _row(self, row: int) -> etree._Element:
        if row not in self._rows:
            element = etree.Element(f"{self._ns}row", r=str(row))
            place = bisect_left(self._order, row)
            if place < len(self._order):
                self._rows[self._order[place]].addprevious(element)
            else:
                self._data.append(element)
            self._order.insert(place, row)
            self._rows[row], self._cells[row] = element, {}
        return self._rows[row]

    def _cell(self, row: int, column: int) -> etree._Element:
        element, cells = self._row(row), self._cells.get(row, {})
        if column not in cells:
            cell = etree.Element(f"{self._ns}c", r=f"{column_letters(column)}{row}")
            behind = min((other for other in cells if other > column), default=None)
            if behind is None:
                # not append(): a row may end in an extension list
                last = max(cells, default=None)
                element.insert(0, cell) if last is None else cells[last].addnext(cell)
            else:
                cells[behind].addprevious(cell)
            cells[column] = cell
        return cells[column]

    def shared_masters(self, cells: Iterable[tuple[int, int]]) -> bool:
        """Whether overwriting `cells` would take a formula away that other cells share or that fills an area."""
        ours = {id(self._cells[row][column]) for row, column in cells if column in self._cells.get(row, {})}
        taken: set[str | None] = set()
        left: set[str | None] = set()
        for formula in self.root.iter(f"{self._ns}f"):
            mine, kind = id(formula.getparent()) in ours, formula.get("t")
            if mine and kind in ("array", "dataTable"):
                return True
            if kind == "shared":
                (taken if mine else left).add(formula.get("si"))
        return bool(taken & left)

    def forget_results(self) -> bool:
        """Drops the cached results of all formulas, since what they add up may have changed; says if there are any.

        Programs that believe in cached results would show the old sums (workbooks.md §1c).
        """
        formulas = list(self._data.iter(f"{self._ns}f"))
        for formula in formulas:
            cell = formula.getparent()
            result = None if cell is None else cell.find(f"{self._ns}v")
            if cell is not None and result is not None:
                cell.remove(result)
                _drop(cell, "t")
        return bool(formulas)

    def grow(self, bottom: int, right: int) -> None:
        """Extends the stated dimension of the sheet."""
        dimension = self.root.find(f"{self._ns}dimension")
        if dimension is not None:
            area = Area.of(dimension.get("ref", "A1")).to(bottom)
            dimension.set("ref", str(Area(area.top, area.left, area.bottom, max(area.right, right))))


def text_of_runs(element: etree._Element | None, ns: str) -> str:
    """The text of a string item: its own t or those of its runs; readings above the characters (rPh) left out."""
    if element is None:
        return ""
    runs = [element, *element.iterchildren(f"{ns}r")]
    return unescape("".join(text.text or "" for run in runs for text in run.iterchildren(f"{ns}t")))


def _drop(element: etree._Element, name: str) -> None:
    if name in element.attrib:
        del element.attrib[name]


def _number(element: etree._Element, name: str) -> float:
    """A number of an attribute; 0 when there is none."""
    try:
        number = float(element.get(name, "0"))
    except ValueError as error:
        raise corrupt("行高或列宽无法识别") from error
    return number if math.isfinite(number) else 0.0


def _position(given: str | None, last: int) -> int:
    if given is None:
        return last + 1
    if not given.isascii() or not given.isdigit() or len(given) > 7:
        raise corrupt("行号无法识别")
    return int(given)
