"""Days as people write them in a field. Pure: the year that is left out is taken from the mail."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta

_FULL = re.compile(r"(20\d\d)\s*[-./年]\s*(\d{1,2})\s*[-./月]\s*(\d{1,2})")
_SHORT = re.compile(r"(?<!\d)(\d{1,2})\s*[-/月]\s*(\d{1,2})\s*(?:日|号|(?!\d))")


def parse_day(text: str, near: date) -> date | None:
    """The first day that `text` names: 2026-11-20, 2026年11月20日, 11月20日, 11/20; None if there is none.

    Without a year it is the one that lies closest to `near`, never more than a month ahead of it.
    """
    text = unicodedata.normalize("NFKC", text)
    if found := _FULL.search(text):
        return _day(int(found[1]), int(found[2]), int(found[3]))
    if found := _SHORT.search(text):
        day = _day(near.year, int(found[1]), int(found[2]))
        if day and day > near + timedelta(days=31):
            day = _day(near.year - 1, day.month, day.day)
        return day
    return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
