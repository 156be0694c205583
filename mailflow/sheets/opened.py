"""A workbook as found: which of its sheets is which of ours, where our columns stand; and the patch."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lxml import etree

from mailflow.sheets.blocked import unsafe
from mailflow.sheets.fit import row_height, wraps
from mailflow.sheets.layout import Layout, heading_of
from mailflow.sheets.merge import Merged, Seen, SeenRow
from mailflow.sheets.names import identifier, sheet_title
from mailflow.sheets.package import Package, parse, serialise
from mailflow.sheets.part import Area, SheetPart, column_letters, text_of_runs
from mailflow.sheets.values import text_of

_HEADING_WITHIN = 30
"""People put titles above the table; the headings are looked for in so many rows."""
_ENOUGH = 0.6
"""Share of our headings by which a renamed sheet is recognised."""
_REVISIONS = "xl/revisions/"
_CALC_CHAIN = "xl/calcChain.xml"


@dataclass(frozen=True)
class FoundSheet:
    """A worksheet of the file."""

    title: str
    index: int
    path: str


class OpenedSheet:
    """One of our sheets in the file. Raises BlockedError when it cannot be read beyond doubt."""

    def __init__(self, layout: Layout, found: FoundSheet, part: SheetPart) -> None:
        self.layout = layout
        self.found = found
        self.part = part
        self.heading, self.columns = _headings(layout, part)
        self._check_merged()

    @cached_property
    def seen(self) -> Seen:
        rows = tuple(row for row in map(self._row, self.part.rows()) if row is not None)
        twice = [key for key, count in Counter(row.key for row in rows if row.key).items() if count > 1]
        if twice:
            raise unsafe(f"工作表“{self.found.title}”里编号 {twice[0][:40]} 出现了不止一行，请删去多余的行")
        return Seen(frozenset(self.columns), rows)

    def _row(self, number: int) -> SeenRow | None:
        if number <= self.heading:
            return None
        part = self.part
        values = {field: part.value(number, column) for field, column in self.columns.items()}
        if all(value is None for value in values.values()):
            return None
        formulas = frozenset(field for field, column in self.columns.items() if part.is_formula(number, column))
        return SeenRow(number, text_of(values[self.layout.key.field]).strip(), values, formulas)

    def _check_merged(self) -> None:
        ours = [self.columns[c.field] for c in self.layout.columns if c.field in self.columns]
        bottom = max((row.number for row in self.seen.rows), default=self.heading)
        for area in self.part.merged():
            rows_meet = area.top <= bottom and area.bottom >= self.heading
            if rows_meet and any(area.left <= column <= area.right for column in ours):
                raise unsafe(f"工作表“{self.found.title}”的 {area} 是合并单元格，请取消合并")

    def apply(self, merged: Merged) -> int:
        """Writes the changes and appends the rows; returns the number of the last appended row, or 0."""
        cells = [(number, self.columns[field]) for number, field, _ in merged.changes]
        if self.part.shared_masters(cells):
            raise unsafe(f"工作表“{self.found.title}”的系统列里有成片的公式，请删除这些公式")
        for (row, column), (_, _, value) in zip(cells, merged.changes, strict=True):
            self.part.put(row, column, value)
        for row in {number for number, _ in cells}:
            self._fit(row)
        return self._append(merged) if merged.appended else 0

    def _append(self, merged: Merged) -> int:
        first = max(self.part.last_row(), self.heading) + 1
        styles = {field: self._usual_style(column) for field, column in self.columns.items()}
        # left to right, so that no cell has to be put before another
        columns = sorted(self.columns.items(), key=lambda item: item[1])
        for row, values in enumerate(merged.appended, start=first):
            for field, column in columns:
                self.part.put(row, column, values[field], styles[field])
            self._fit(row)
        last = first + len(merged.appended) - 1
        self.part.grow(last, max(self.columns.values()))
        return last

    def _fit(self, row: int) -> None:
        self.part.fit(row, row_height((text_of(self.part.value(row, c)), width) for c, width in self._wrapped))

    @cached_property
    def _wrapped(self) -> list[tuple[int, float]]:
        """Our columns with wrapped text and their present widths."""
        there = [self.columns[c.field] for c in self.layout.columns if wraps(c) and c.field in self.columns]
        return [(column, self.part.width(column)) for column in there]

    def _usual_style(self, column: int) -> str | None:
        """The style that most of our rows have here: one row that a person coloured is no pattern for new ones."""
        styles = Counter(self.part.style(row.number, column) for row in self.seen.rows)
        if not styles:
            return self.part.style(self.heading + 1, column) or self.part.column_style(column)
        return styles.most_common(1)[0][0]


def _headings(layout: Layout, part: SheetPart) -> tuple[int, dict[str, int]]:
    """The heading row and our columns in it, by field. Raises BlockedError."""
    key = layout.key
    best: tuple[int, dict[str, list[int]]] = (0, {})
    for row in part.rows():
        if row > _HEADING_WITHIN:
            break
        there = _matches(layout, part, row)
        if key.field in there and len(there) > len(best[1]):
            best = row, there
    row, there = best
    if not there or len(there) < min(2, len(layout.columns)):
        raise unsafe(f"工作表“{layout.sheet.title}”里找不到标题行或“{heading_of(key)}”列，请恢复列标题")
    for column in layout.columns:
        if len(there.get(column.field, ())) > 1:
            raise unsafe(f"工作表“{layout.sheet.title}”里有两列都叫“{heading_of(column)}”，请给其中一列改名")
    return row, {field: columns[0] for field, columns in there.items()}


def _matches(layout: Layout, part: SheetPart, row: int) -> dict[str, list[int]]:
    """The columns in this row that carry one of our headings, by field."""
    fields = {_plain(heading_of(column)): column.field for column in layout.columns}
    there: dict[str, list[int]] = {}
    for column in part.columns(row):
        field = fields.get(_plain(text_of(part.value(row, column))))
        if field is not None:
            there.setdefault(field, []).append(column)
    return there


def _plain(heading: str) -> str:
    return "".join(heading.split()).casefold()


class OpenedWorkbook:
    """The file's bytes, read once. Raises BlockedError for what is no workbook or cannot be patched safely."""

    def __init__(self, data: bytes) -> None:
        self.package = Package(data)
        if any(name.startswith(_REVISIONS) for name in self.package.names):
            raise unsafe("文件是旧式“共享工作簿”，请取消共享")
        self.path = self._target("", "/officeDocument") or "xl/workbook.xml"
        self.root = self.package.xml(self.path)
        self._ns = f"{{{etree.QName(self.root).namespace}}}"
        properties = self.root.find(f"{self._ns}workbookPr")
        if properties is not None and properties.get("date1904") in ("1", "true"):
            raise unsafe("文件改用了 1904 日期系统，请在选项里改回")
        self.sheets = list(self._worksheets())
        self._parts: dict[str, SheetPart] = {}
        self._touched = False

    def find(self, layouts: Sequence[Layout]) -> list[OpenedSheet]:
        """Our sheets: by title, else (renamed) by marker, else by headings. What is certain goes first for all."""
        found: dict[Layout, FoundSheet] = {}
        for rule in (self._titled, self._marked, self._alike):
            for layout in layouts:
                free = [sheet for sheet in self.sheets if sheet not in found.values()]
                match = None if layout in found else rule(layout, free)
                if match is not None:
                    found[layout] = match
        for layout in layouts:
            if layout not in found:
                raise unsafe(f"工作表“{layout.sheet.title}”不见了，请撤销删除，或从备份复制回来")
        return [OpenedSheet(layout, found[layout], self._part(found[layout])) for layout in layouts]

    def _titled(self, layout: Layout, free: list[FoundSheet]) -> FoundSheet | None:
        title = sheet_title(layout.sheet.title).casefold()
        return next((sheet for sheet in free if sheet.title.casefold() == title), None)

    def _marked(self, layout: Layout, free: list[FoundSheet]) -> FoundSheet | None:
        return next((sheet for sheet in free if self._code_name(sheet) == identifier(layout.sheet.id)), None)

    def _alike(self, layout: Layout, free: list[FoundSheet]) -> FoundSheet | None:
        best = max(free, key=lambda sheet: self._likeness(layout, sheet), default=None)
        return best if best is not None and self._likeness(layout, best) >= _ENOUGH else None

    def patched(self, changes: dict[OpenedSheet, Merged]) -> bytes:
        """The file with these changes: managed sheet parts, their tables, and what tells programs to recalculate."""
        parts: dict[str, bytes] = {}
        lost = formulas = False
        for opened, merged in changes.items():
            lost |= any(opened.part.is_formula(row, opened.columns[field]) for row, field, _ in merged.changes)
            last = opened.apply(merged)
            if last:
                self._grow_filters(opened, last, len(merged.appended), parts)
            formulas |= opened.part.forget_results()
            parts[opened.found.path] = serialise(opened.part.root)
        if formulas or self._others_calculate(parts):
            self._recalculate()
        if self._touched:
            parts[self.path] = serialise(self.root)
        return self.package.patched(parts, self._without_calc_chain(parts) if lost else ())

    def _worksheets(self) -> Iterator[FoundSheet]:
        targets = self._relations(self.path)
        for index, element in enumerate(self.root.iter(f"{self._ns}sheet")):
            relation = next((v for k, v in element.attrib.items() if etree.QName(k).localname == "id" and "}" in k), "")
            kind, path = targets.get(str(relation), ("", ""))
            if kind.endswith("/worksheet"):
                yield FoundSheet(element.get("name", ""), index, path)

    def _relations(self, path: str) -> dict[str, tuple[str, str]]:
        """Type and target path of the relationships of a part ("" is the package), by id."""
        folder, name = posixpath.split(path)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if rels not in self.package.names:
            return {}
        return {
            element.get("Id", ""): (
                element.get("Type", ""),
                posixpath.normpath(posixpath.join("/", folder, element.get("Target", ""))).lstrip("/"),
            )
            for element in self.package.xml(rels)
            if isinstance(element.tag, str) and element.get("TargetMode") != "External"
        }

    def _target(self, path: str, kind: str) -> str | None:
        return next((target for type_, target in self._relations(path).values() if type_.endswith(kind)), None)

    @cached_property
    def _texts(self) -> list[str]:
        path = self._target(self.path, "/sharedStrings")
        if path is None or path not in self.package.names:
            return []
        root = self.package.xml(path)
        ns = f"{{{etree.QName(root).namespace}}}"
        return [text_of_runs(item, ns) for item in root.iterchildren(f"{ns}si")]

    def _part(self, found: FoundSheet) -> SheetPart:
        if found.path not in self._parts:
            self._parts[found.path] = SheetPart(self.package.xml(found.path), self._texts)
        return self._parts[found.path]

    def _code_name(self, found: FoundSheet) -> str | None:
        root = self._part(found).root
        properties = root.find(f"{{{etree.QName(root).namespace}}}sheetPr")
        return None if properties is None else properties.get("codeName")

    def _likeness(self, layout: Layout, found: FoundSheet) -> float:
        """Share of our headings that stand in one row of the sheet."""
        part = self._part(found)
        rows = [row for row in part.rows() if row <= _HEADING_WITHIN]
        most = max((len(_matches(layout, part, row)) for row in rows), default=0)
        return most / len(layout.columns)

    def _grow_filters(self, opened: OpenedSheet, last: int, count: int, parts: dict[str, bytes]) -> None:
        """Tables and filters that ended with our rows take the new ones in.

        Not across a total row or across other things below the table: then the new rows stand beneath, outside.
        """
        first = last - count + 1
        for kind, path in self._relations(opened.found.path).values():
            if kind.endswith("/table"):
                root = parse(parts.get(path) or self.package.read(path), path)
                if root.get("totalsRowCount", "0") == "0" and _grow(root, opened, first, last):
                    for inner in root.iter(f"{{{etree.QName(root).namespace}}}autoFilter"):
                        _grow(inner, opened, first, last)
                    parts[path] = serialise(root)
        own = opened.part.root.find(f"{{{etree.QName(opened.part.root).namespace}}}autoFilter")
        if own is not None and _grow(own, opened, first, last):
            self._grow_named_filter(opened, own.get("ref", ""))

    def _grow_named_filter(self, opened: OpenedSheet, ref: str) -> None:
        """The hidden name that repeats a sheet's own filter range."""
        area = Area.of(ref)
        for name in self.root.iter(f"{self._ns}definedName"):
            if name.get("name") == "_xlnm._FilterDatabase" and name.get("localSheetId") == str(opened.found.index):
                sheet = (name.text or "").rpartition("!")[0]
                corners = [(area.left, area.top), (area.right, area.bottom)]
                name.text = f"{sheet}!" + ":".join(f"${column_letters(column)}${row}" for column, row in corners)
                self._touched = True

    def _others_calculate(self, parts: dict[str, bytes]) -> bool:
        """Whether a sheet that is not patched calculates, perhaps with our cells."""
        others = [found.path for found in self.sheets if found.path not in parts]
        return any(b"<f>" in data or b"<f " in data or b":f>" in data for data in map(self.package.read, others))

    def _recalculate(self) -> None:
        """Asks for a full calculation at the next opening."""
        properties = self.root.find(f"{self._ns}calcPr")
        if properties is None:
            properties = etree.Element(f"{self._ns}calcPr")
            before = [self.root.find(f"{self._ns}{name}") for name in ("definedNames", "externalReferences", "sheets")]
            next(element for element in before if element is not None).addnext(properties)
        properties.set("fullCalcOnLoad", "1")
        self._touched = True

    def _without_calc_chain(self, parts: dict[str, bytes]) -> set[str]:
        """Takes the calculation chain out, which names a formula that is gone; programs make it anew."""
        if _CALC_CHAIN not in self.package.names:
            return set()
        folder, name = posixpath.split(self.path)
        for path, attribute in ((f"{folder}/_rels/{name}.rels", "Target"), ("[Content_Types].xml", "PartName")):
            root = self.package.xml(path)
            for element in list(root):
                if str(element.get(attribute, "")).endswith("calcChain.xml"):
                    root.remove(element)
            parts[path] = serialise(root)
        return {_CALC_CHAIN}


def _grow(element: etree._Element, opened: OpenedSheet, first: int, last: int) -> bool:
    """Extends a ref that starts at our headings and ended at the row before the first new one, or lower."""
    area = Area.of(element.get("ref", ""))
    ours = area.top == opened.heading and area.left <= min(opened.columns.values()) <= area.right
    if not ours or not first - 1 <= area.bottom < last:
        return False
    element.set("ref", str(area.to(last)))
    return True
