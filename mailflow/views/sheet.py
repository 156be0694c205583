"""From lines (field -> value) to a Sheet, in the order and under the headings that sheets.toml wants. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from mailflow.core.mapping import Mapping
from mailflow.core.table import Cell, Column, Sheet, SheetRow

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""When an empty workbook was changed."""

NOTE = Column(field="note", heading="备注", format="long", owner="person", width=24)


@dataclass(frozen=True)
class Line:
    """One row: values by field; fields that are people's own are left out."""

    values: dict[str, Cell]
    mark: Literal["", "late", "counted", "muted"] = ""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A sheet without its rows. The first column is the key and stays first."""

    id: str
    title: str
    columns: tuple[Column, ...]
    note: str = ""

    def filled(self, lines: Iterable[Line], mapping: Mapping) -> Sheet:
        columns = self._arranged(mapping)
        key = self.columns[0].field
        rows = (
            SheetRow(key=str(line.values[key]), values=tuple(line.values.get(c.field) for c in columns), mark=line.mark)
            for line in lines
        )
        return Sheet(id=self.id, title=self.title, columns=columns, rows=tuple(rows), note=self.note)

    def _arranged(self, mapping: Mapping) -> tuple[Column, ...]:
        """sheets.toml says order and headings; what it does not list follows, so that nothing is lost by a gap."""
        own = {c.field: c for c in self.columns}
        wanted = {c.field: c for c in mapping.sheets.columns.get(self.id, ()) if c.field in own}
        key = self.columns[0].field
        order = [key, *(f for f in wanted if f != key), *(f for f in own if f not in wanted and f != key)]
        return tuple(
            replace(own[f], heading=wanted[f].heading, width=wanted[f].width or own[f].width) if f in wanted else own[f]
            for f in order
        )


def newest(instants: Iterable[datetime | None]) -> datetime:
    """The newest of `instants`, or EPOCH."""
    return max((i for i in instants if i is not None), default=EPOCH)


def local(instant: datetime | None, mapping: Mapping) -> datetime | None:
    """What the person at the sheet reads: local and naive, to the second."""
    return mapping.calendar.local(instant).replace(tzinfo=None, microsecond=0) if instant else None
