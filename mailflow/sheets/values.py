"""The one door through which a value enters a cell, and what a cell holds.

A cell holds nothing, a text or a number; dates are numbers. A formula is no value: text from mail is written as text
whatever it looks like (promise 9, workbooks.md §3).
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta

from mailflow.core.table import Cell

Stored = str | float | None

MAX_UNITS = 32_767
"""Characters of a cell, in UTF-16 units as Excel counts them."""
MAX_LINE_FEEDS = 253

_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  # cells know no time zone
_FIRST = datetime(1900, 3, 1)  # noqa: DTZ001
"""Before it, serial numbers mean other days in Excel, which believes in 1900-02-29."""
_EXACT = 10**15
"""Excel keeps 15 digits; larger integers are identifiers and become text."""
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPE = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_ESCAPE_COST = 6
_ELLIPSIS = "…"


def stored(value: Cell) -> Stored:
    """What a cell with this value holds. Never raises: what has no number becomes text, what has no text nothing."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int):
        return float(value) if abs(value) < _EXACT else _integer_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return _serial(value)
    return clean(value) or None


def _integer_text(value: int) -> str:
    # not str(value): Python refuses that above 4300 digits
    return str(value) if abs(value) < 10**300 else hex(value)[:MAX_UNITS]


def _serial(value: date) -> Stored:
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    moment = moment.replace(tzinfo=None)
    if moment < _FIRST:
        return value.isoformat()
    return (moment - _EPOCH) / timedelta(days=1)


def moment_of(serial: float) -> datetime | None:
    """The date and time that a serial number means, to the second; None outside the calendar."""
    try:
        return _EPOCH + timedelta(seconds=round(serial * 86_400))
    except OverflowError:
        return None


def clean(text: str) -> str:
    """`text` as a cell can hold it: legal XML characters, LF line ends, no longer than Excel allows."""
    text = _ILLEGAL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    if text.count("\n") > MAX_LINE_FEEDS:
        lines = text.split("\n")
        text = "\n".join(lines[:MAX_LINE_FEEDS]) + "\n" + " ".join(lines[MAX_LINE_FEEDS:])
    room = MAX_UNITS - _ESCAPE_COST * len(_ESCAPE.findall(text))
    return text if 2 * len(text) <= room or units(text) <= room else _cut(text, max(room - 1, 0)) + _ELLIPSIS


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text) + sum(c > "\uffff" for c in text)


def _cut(text: str, room: int) -> str:
    # a cut through a surrogate pair leaves half a character, which "ignore" drops
    return text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")


def escape(text: str) -> str:
    """As it stands in the XML: Excel reads _x0041_ as the letter A, so the underscore itself is written _x005F_."""
    return _ESCAPE.sub("_x005F_", text)


def unescape(text: str) -> str:
    """The text that stands in the XML as `text`, with LF line ends."""
    if "_x" in text:
        text = _ILLEGAL.sub("", _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text))
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def number_text(value: float) -> str:
    """Shortest exact form: 3, 2.5, 46348.39930555555."""
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def same(one: Stored, other: Stored) -> bool:
    """Whether two cells hold the same. Numbers may differ by what programs lose when they save (15 digits)."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9)
    return one == other


def text_of(value: Stored) -> str:
    """As a person would read it aloud; "" for nothing."""
    if value is None:
        return ""
    return number_text(value) if isinstance(value, float) else value
