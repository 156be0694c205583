"""An admin's own workbook as the beginning of new ones: templates/workbooks/KIND.xlsx (domain §7, workbooks.md §0).

A template is a file that is there already and has no rows. So nothing of it passes through a program that would lose
half: what is ours is patched in as into any file that people have touched, and pictures, charts, conditional formats,
print settings stay as they are. Of a sheet of ours a template has the row of headings, found by their texts, in any
order and under whatever stands above; and below it one row whose cell styles all rows get. What that row holds is an
example and goes. Columns and sheets that it leaves out are added at the end.

What cannot be done for certain is told in words, and no workbook of that kind is made until it is put right: a file
made without its template would stay so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from mailflow.core.table import Workbook
from mailflow.errors import UserError
from mailflow.sheets.base import Base, SheetBase
from mailflow.sheets.blocked import BlockedError
from mailflow.sheets.create import header_text, skeleton
from mailflow.sheets.dressing import dressed
from mailflow.sheets.graft import grafted
from mailflow.sheets.layout import MARK, Layout, heading_of, layouts
from mailflow.sheets.managed import HEADING_WITHIN, FoundSheet, find_headings, matches
from mailflow.sheets.names import SUFFIX, kind_of
from mailflow.sheets.opened import OpenedWorkbook
from mailflow.sheets.package import Content
from mailflow.sheets.part import Area, SheetPart, holds
from mailflow.sheets.rows import column_number
from mailflow.sheets.values import clean, text_of

_PLACEHOLDER = re.compile(r"\{([^{}\n]{1,20})\}")
_SECOND_HEADINGS = 0.6
"""A row that holds so large a share of our headings is a row of headings, too."""


def placeholders(workbook: Workbook) -> dict[str, str]:
    """What may stand in braces outside the tables, and what it becomes in this workbook."""
    kind, _, rest = workbook.name.removesuffix(SUFFIX).partition("-")
    words = {"标题": workbook.title, "工作簿": kind}
    if rest:
        words["年" if re.fullmatch(r"\d{4}", rest) else "工程师"] = rest
    return words


def from_template(data: bytes, workbook: Workbook, sheets: Sequence[Layout]) -> bytes:
    """A new workbook without rows, made from the template `data`. Same input, same bytes.

    Raises UserError with everything that is wrong with the template.
    """
    try:
        template = _Template(data, workbook, sheets)
        if problems := list(template.problems()):
            raise UserError([_of(workbook, text) for text in problems])
        new = template.made()
        if lacking := list(_lacking(new, sheets)):
            raise UserError([_of(workbook, text) for text in lacking])
        return new
    except BlockedError as error:
        raise UserError([_of(workbook, _reason(error))]) from error


def check(data: bytes, workbook: Workbook) -> tuple[list[str], list[str]]:
    """What is wrong with a template, and what it leaves out that will be added, in sentences.

    `workbook` is one of its kind, with or without rows.
    """
    try:
        sheets = layouts(workbook)
        template = _Template(data, workbook, sheets)
        problems = list(template.problems())
        return problems or list(_lacking(template.made(), sheets)), list(template.left_out())
    except BlockedError as error:
        return [_reason(error)], []


def starting_point(workbook: Workbook) -> bytes:
    """A template to begin with: what new workbooks of this kind look like without one."""
    sheets = tuple(replace(sheet, rows=(), note="{说明}" if sheet.note else "") for sheet in workbook.sheets)
    plain = replace(workbook, title="{标题}", sheets=sheets)
    return skeleton(plain, layouts(plain))


def _of(workbook: Workbook, text: str) -> str:
    return f"模板 {kind_of(workbook.name)}{SUFFIX}：{text}"


def _reason(error: BlockedError) -> str:
    """What is wrong, without what to do about a published file."""
    return error.reason.partition("。文件未改动")[0].partition("。可运行 mailflow")[0]


def _lacking(data: bytes, sheets: Sequence[Layout]) -> Iterator[str]:
    """What is not in a file into which everything should have been put."""
    opened = OpenedWorkbook(data)
    found = opened.found(sheets)
    for layout in sheets:
        if layout not in found:
            yield f"工作表“{layout.sheet.title}”加不进去，请在模板里放上它"
            continue
        there = find_headings(layout, {}, opened.part(found[layout]))[1]
        names = "、".join(heading_of(c) for c in layout.columns if c.field not in there)
        if names:
            yield f"工作表“{found[layout].title}”的列“{names}”加不进去：表格右边紧挨着别的内容，请空出来，或自己放上"


@dataclass(frozen=True)
class _Found:
    """A sheet of ours in the template."""

    layout: Layout
    found: FoundSheet
    part: SheetPart
    heading: int
    columns: dict[str, int]
    table: Area | None

    @property
    def under(self) -> int:
        """The row of styles."""
        return self.heading + 1

    def inside(self, row: int, column: int) -> bool:
        """Whether the cell is one of the table: headings and styles."""
        if self.table is not None:
            return self.heading <= row <= self.table.bottom and self.table.left <= column <= self.table.right
        return self.heading <= row <= self.under


class _Template:
    def __init__(self, data: bytes, workbook: Workbook, sheets: Sequence[Layout]) -> None:
        self._workbook = workbook
        self._sheets = sheets
        self._opened = OpenedWorkbook(data)
        self._words = placeholders(workbook)
        self._faults: list[str] = []
        found = self._opened.found(sheets)
        self._found = [sheet for layout in sheets if layout in found for sheet in self._look(layout, found[layout])]
        if not found:
            titles = "、".join(layout.sheet.title for layout in sheets)
            self._faults.append(f"没有一张工作表认得出来，应有：{titles}")

    def _look(self, layout: Layout, found: FoundSheet) -> Iterator[_Found]:
        part = self._opened.part(found)
        try:
            heading, columns = find_headings(layout, {}, part)
        except BlockedError as error:
            self._faults.append(_reason(error))
            return
        tables = [
            Area.of(self._opened.package.xml(path).get("ref", "A1"))
            for kind, path in self._opened.relations(found.path).values()
            if kind.endswith("/table")
        ]
        ours = min(columns.values())
        table = next((t for t in tables if t.top <= heading <= t.bottom and t.left <= ours <= t.right), None)
        yield _Found(layout, found, part, heading, columns, table)

    # -- what is wrong

    def problems(self) -> Iterator[str]:
        yield from self._faults
        for sheet in self._found:
            for text in self._wrong(sheet):
                yield f"工作表“{sheet.found.title}”{text}"
        for found in self._opened.sheets:
            for name in dict.fromkeys(self._unknown(found)):
                known = "、".join(f"{{{word}}}" for word in (*self._words, "工作表", "说明"))
                yield f"工作表“{found.title}”里的 {{{name}}} 不是占位，可用的：{known}"

    def _wrong(self, sheet: _Found) -> Iterator[str]:
        for area in sheet.part.merged:
            if area.bottom >= sheet.heading:
                yield f"的 {area} 是合并单元格：标题行和它下面不能合并"
        others = [row for row in self._headings(sheet) if row != sheet.heading]
        if others:
            yield f"有两行标题：第 {sheet.heading} 行和第 {others[0]} 行，请去掉一行"
            return
        if sheet.table is not None and sheet.table.top != sheet.heading:
            yield f"的表格不是从标题行（第 {sheet.heading} 行）开始的"
        if sheet.table is not None and self._totals(sheet):
            yield "的表格有汇总行：新的行会写到它下面，请去掉"
        for row in sheet.part.all_rows():
            cells = {letters: cell for letters, cell in row.cells.items() if holds(cell)}
            if row.number > sheet.under and cells:
                yield f"第 {row.number} 行有内容：标题行下面只能有一行样式，新的行接着往下写"
                return
            if row.number != sheet.under:
                continue
            for letters, cell in cells.items():
                if cell.formula:
                    yield f"的样式行里有公式（{letters}{row.number}）：公式不会带到各行，请去掉"
                elif not sheet.inside(row.number, column_number(letters)):
                    yield f"的样式行里，表格以外还有内容（{letters}{row.number}），请移到标题行上面"

    def _headings(self, sheet: _Found) -> list[int]:
        within = [row for row in sheet.part.rows() if row <= HEADING_WITHIN]
        least = max(2, _SECOND_HEADINGS * (len(sheet.columns) - (MARK.field in sheet.columns)))
        return [row for row in within if len(matches(sheet.layout, sheet.part, row, {})) >= least]

    def _totals(self, sheet: _Found) -> bool:
        paths = (p for kind, p in self._opened.relations(sheet.found.path).values() if kind.endswith("/table"))
        tables = [self._opened.package.xml(path) for path in paths]
        ours = [table for table in tables if Area.of(table.get("ref", "A1")) == sheet.table]
        return any(table.get("totalsRowCount", "0") != "0" for table in ours)

    def _unknown(self, found: FoundSheet) -> Iterator[str]:
        texts = [text for _, _, text in self._texts(found)]
        texts += [str(line.text) for line in self._printed(self._opened.part(found))]
        known = {*self._words, "工作表", "说明"}
        yield from (m[1] for text in texts for m in _PLACEHOLDER.finditer(text) if m[1] not in known)

    def left_out(self) -> Iterator[str]:
        """What will be added at the end."""
        there = {sheet.layout: sheet for sheet in self._found}
        for layout in self._sheets:
            if layout not in there:
                yield f"没有工作表“{layout.sheet.title}”，会照程序自带的样子加在最后"
                continue
            names = [heading_of(c) for c in layout.columns if c.field not in there[layout].columns and c is not MARK]
            if names:
                yield f"工作表“{layout.sheet.title}”没有列“{'、'.join(names)}”，会加在右边"

    # -- the new file

    def made(self) -> bytes:
        parts: dict[str, Content] = {}
        ours = {sheet.found: sheet for sheet in self._found}
        for found in self._opened.sheets:
            part = self._opened.part(found)
            if self._fill(found) | (found in ours and _emptied(ours[found])):
                parts[found.path] = part.pieces()
        data = self._opened.package.patched(parts)
        known = {
            sheet.layout.sheet.id: SheetBase(
                sheet.found.path,
                sheet.heading,
                sheet.columns,
                {c.field: heading_of(c) for c in sheet.layout.columns if c.field in sheet.columns},
            )
            for sheet in self._found
        }
        data = grafted(data, self._workbook, self._sheets, Base(data, known))
        return dressed(data, self._workbook, [sheet.layout for sheet in self._found])

    def _fill(self, found: FoundSheet) -> bool:
        """Puts words in the place of placeholders; says whether there were any."""
        part, changed = self._opened.part(found), False
        layout = next((sheet.layout for sheet in self._found if sheet.found == found), None)
        words = {**self._words, "工作表": found.title, "说明": layout.sheet.note if layout is not None else ""}

        printed = {name: header_text(word) for name, word in words.items()}

        def filled(text: str, by: Mapping[str, str]) -> str:
            return _PLACEHOLDER.sub(lambda match: by.get(match[1], match[0]), text)

        for row, column, text in list(self._texts(found)):
            part.put(row, column, clean(filled(text, words)) or None)
            changed = True
        for line in self._printed(part):
            if (said := str(line.text)) and _PLACEHOLDER.search(said):
                line.text, changed = filled(said, printed), True
        return changed

    def _texts(self, found: FoundSheet) -> Iterator[tuple[int, int, str]]:
        """Cells outside our table with something in braces: row, column, text."""
        part = self._opened.part(found)
        sheet = next((sheet for sheet in self._found if sheet.found == found), None)
        for row in part.all_rows():
            for letters, cell in row.cells.items():
                column = column_number(letters)
                if cell.formula or (sheet is not None and sheet.inside(row.number, column)):
                    continue
                text = text_of(part.value_of(cell)) if cell.kind in ("s", "str", "inlineStr") else ""
                if _PLACEHOLDER.search(text):
                    yield row.number, column, text

    def _printed(self, part: SheetPart) -> list[etree._Element]:
        """The lines of print headers and footers."""
        return [line for all_ in part.root.iter(f"{part.ns}headerFooter") for line in all_ if line.text]


def _emptied(sheet: _Found) -> bool:
    """Takes the examples out of the row of styles; says whether there were any."""
    row = sheet.part.row(sheet.under)
    examples = [letters for letters, cell in row.cells.items() if holds(cell)] if row is not None else []
    for letters in examples:
        sheet.part.put(sheet.under, column_number(letters), None)
    return bool(examples)
