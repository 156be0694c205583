"""Reads what was written with another reader than the one that wrote it, before it takes the place of the file."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook

from mailflow.sheets.blocked import BlockedError
from mailflow.sheets.managed import OpenedSheet
from mailflow.sheets.merge import Merged
from mailflow.sheets.values import Stored, same, stored, text_of

_Read = int | float | str | bool | time | date | datetime | timedelta
_FIRST_SURE_SERIAL = 61.0
"""Readers disagree about dates before March 1900: a small number that a person formatted as a date."""


def verify(data: bytes, changed: Iterable[tuple[OpenedSheet, Merged]]) -> None:
    """Raises BlockedError unless every machine cell of every wanted row reads back as wanted."""
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for opened, merged in changed:
            rows = book.get_sheet_by_name(opened.found.title).to_python(skip_empty_area=False)
            _compare(opened, merged, rows)
    except BaseException as error:
        # a panic inside the reader is no Exception, and its class cannot be imported
        if isinstance(error, CalamineError) or type(error).__name__ == "PanicException":
            raise _failed("无法读回") from error
        raise


def _compare(opened: OpenedSheet, merged: Merged, rows: list[list[_Read]]) -> None:
    layout, columns = opened.layout, opened.columns
    machine = [c.field for c in layout.columns if c.owner == "machine" and c.field in columns]
    key = columns[machine[0]]
    found = {text_of(_value(_at(row, key))).strip(): row for row in rows[opened.heading :]}
    for name, values in layout.rows.items():
        if name not in merged.base.rows:
            continue
        if name not in found or not all(_agree(values[f], _at(found[name], columns[f])) for f in machine):
            raise _failed(f"“{opened.found.title}”编号 {name[:40]} 的行读回不符")


def _at(row: list[_Read], column: int) -> _Read:
    return row[column - 1] if column <= len(row) else ""


def _agree(wanted: Stored, read: _Read) -> bool:
    if read == (wanted or ""):
        return True
    if isinstance(wanted, float) and wanted < _FIRST_SURE_SERIAL and isinstance(read, date | time | timedelta):
        return True
    return same(wanted, _value(read))


def _value(read: _Read) -> Stored:
    if isinstance(read, timedelta):
        return read / timedelta(days=1)
    if isinstance(read, time):
        return (datetime.combine(date.min, read) - datetime.combine(date.min, time.min)) / timedelta(days=1)
    return stored(read)


def _failed(text: str) -> BlockedError:
    return BlockedError("unsafe", f"写出的文件核对未通过（{text}），原文件未动；请把文件移走，会重新生成。")
