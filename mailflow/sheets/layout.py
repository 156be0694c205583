"""What each sheet shall hold, as stored values. Adds one hidden column that carries the rows' marks.

The mark is a value, not a cell style: it sorts with its row, and a conditional format colours the row by it. A style
would have to be merged into a styles part that a person's program has renumbered (workbooks.md §1c).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mailflow.core.table import Column, Sheet, Workbook
from mailflow.errors import UserError
from mailflow.sheets.names import sheet_title
from mailflow.sheets.values import Stored, clean, stored

MARK = Column(field="_mark", heading="系统标记")
MARKS = {"": None, "late": "逾期", "counted": "计入", "muted": "不计"}
STALE = MARKS["muted"]

Values = dict[str, Stored]
"""By field."""


def heading_of(column: Column) -> str:
    """The heading as it stands in the cell: one line, since a table's column name cannot hold two."""
    return " ".join(clean(column.heading).split())


def plain(heading: str) -> str:
    """The form in which headings are compared: people add blanks and line breaks."""
    return "".join(clean(heading).split()).casefold()


@dataclass(frozen=True, eq=False)
class Layout:
    """One sheet as it shall be."""

    sheet: Sheet
    columns: tuple[Column, ...]
    """The sheet's columns with the mark column behind them. The first holds the rows' keys."""
    rows: dict[str, Values]
    """All rows by key, in order."""

    @property
    def key(self) -> Column:
        return self.columns[0]


def layouts(workbook: Workbook) -> tuple[Layout, ...]:
    """All sheets. Raises UserError when headings or titles cannot stand beside each other in one workbook."""
    _check(workbook)
    return tuple(Layout(sheet, (*sheet.columns, MARK), _rows(sheet)) for sheet in workbook.sheets)


def _rows(sheet: Sheet) -> dict[str, Values]:
    fields = [column.field for column in sheet.columns]
    rows: dict[str, Values] = {}
    for row in sheet.rows:
        key = clean(row.key).strip()
        if not key or key in rows:
            raise ValueError(f"sheet {sheet.id}: row key {row.key!r} is empty or there twice")
        values = dict(zip(fields, map(stored, row.values), strict=True))
        # the key column holds the key itself, whatever its value says
        rows[key] = {**values, fields[0]: key, MARK.field: MARKS[row.mark]}
    return rows


def _check(workbook: Workbook) -> None:
    problems = []
    titles = [sheet_title(sheet.title).casefold() for sheet in workbook.sheets]
    if len(set(titles)) < len(titles) or not titles:
        problems.append(f"工作簿“{workbook.name}”的工作表标题有重复，或没有工作表")
    for sheet in workbook.sheets:
        headings = [plain(column.heading) for column in (*sheet.columns, MARK)]
        if len(set(headings)) < len(headings) or "" in headings:
            problems.append(f"工作表“{sheet.title}”的列标题有重复或为空")
    if problems:
        raise UserError(problems)


def content_hash(workbook: Workbook, sheets: Sequence[Layout]) -> str:
    """Digest of all that the workbook shall show; `changed` is not part of it."""
    shown = [
        [
            layout.sheet.id,
            layout.sheet.title,
            layout.sheet.note,
            [[c.field, c.heading, c.format, c.owner, c.choices, c.width] for c in layout.columns],
            list(layout.rows.values()),
        ]
        for layout in sheets
    ]
    text = json.dumps([workbook.name, workbook.title, shown], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
