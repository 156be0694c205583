"""One of our sheets in a file: where its columns stand, what is in its rows; changing cells and appending rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from mailflow.sheets.blocked import unsafe
from mailflow.sheets.fit import row_height, wraps
from mailflow.sheets.layout import Layout, heading_of, plain
from mailflow.sheets.merge import Merged, Seen, SeenRow
from mailflow.sheets.part import SheetPart
from mailflow.sheets.values import text_of

HEADING_WITHIN = 30
"""People put titles above the table; the headings are looked for in so many rows."""


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
        if row > HEADING_WITHIN:
            break
        there = matches(layout, part, row)
        if key.field in there and len(there) > len(best[1]):
            best = row, there
    row, there = best
    if not there or len(there) < min(2, len(layout.columns)):
        raise unsafe(f"工作表“{layout.sheet.title}”里找不到标题行或“{heading_of(key)}”列，请恢复列标题")
    for column in layout.columns:
        if len(there.get(column.field, ())) > 1:
            raise unsafe(f"工作表“{layout.sheet.title}”里有两列都叫“{heading_of(column)}”，请给其中一列改名")
    return row, {field: columns[0] for field, columns in there.items()}


def matches(layout: Layout, part: SheetPart, row: int) -> dict[str, list[int]]:
    """The columns in this row that carry one of our headings, by field."""
    fields = {plain(heading_of(column)): column.field for column in layout.columns}
    there: dict[str, list[int]] = {}
    for column in part.columns(row):
        field = fields.get(plain(text_of(part.value(row, column))))
        if field is not None:
            there.setdefault(field, []).append(column)
    return there
