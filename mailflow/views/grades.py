"""The grades of an engineer in a month, as the ledger has them (domain §4). Pure.

Everything is told by the month in which an entry is *booked*: an adjusting entry about November that is booked in
December moves December's figures, so a closed month never changes and each month opens where the last one closed.
`corrected` alone tells what a month would have come to had everything been known then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailflow.core.grades import label, level
from mailflow.core.mapping import Mapping
from mailflow.core.records import LedgerEntry, Month


@dataclass(frozen=True, kw_only=True)
class MonthGrades:
    """One engineer's month. `opening` and `closing` are "" where the roster gives no grade."""

    opening: str
    withheld: int
    """Grades withheld from the month's performance pay, less those given back."""
    demoted: int
    """Grades lower for good, less those given back."""
    closing: str


def month_grades(
    engineer: str, entries: Sequence[LedgerEntry], month: str, mapping: Mapping, closed: Month | None = None
) -> MonthGrades:
    """The month of `engineer`; `entries` are all ledger entries of this engineer.

    `closed`: the month's closing, whose opening grades it keeps whatever the roster says now.
    """
    before = _grades([e for e in entries if e.month < month], "demote")
    booked = [e for e in entries if e.month == month]
    demoted = _grades(booked, "demote")
    start = _start(engineer, mapping, closed)
    return MonthGrades(
        opening=_written(start, before, mapping),
        withheld=_grades(booked, "withhold"),
        demoted=demoted,
        closing=_written(start, before + demoted, mapping),
    )


def corrected(
    engineer: str, entries: Sequence[LedgerEntry], month: str, mapping: Mapping, closed: Month | None = None
) -> str:
    """The closing grade of `month` with all adjusting entries put into the month that they concern."""
    lower = _grades([e for e in entries if e.for_month <= month], "demote")
    return _written(_start(engineer, mapping, closed), lower, mapping)


def _start(engineer: str, mapping: Mapping, closed: Month | None) -> str | int | None:
    """The grade at the opening of the ledger: the roster's, or the one under which the month was closed."""
    if closed is not None and engineer in closed.grades:
        return closed.grades[engineer]
    person = mapping.roster.get(engineer)
    return person.grade if person else None


def _written(grade: str | int | None, lower: int, mapping: Mapping) -> str:
    """`grade`, `lower` levels down; "" without one."""
    start = level(grade, mapping.pay)
    return "" if start is None else label(start - lower, mapping.pay, grade)


def effect_text(entry: LedgerEntry) -> str:
    """What an entry does, in Chinese: 扣发1级, 永久降1级, 退还扣发1级, 恢复1级."""
    if entry.grades == 0:
        return "已到最低级，不再降级" if entry.effect == "demote" else "扣发0级"
    words = {"withhold": ("扣发", "退还扣发"), "demote": ("永久降", "恢复")}[entry.effect]
    return f"{words[entry.grades < 0]}{abs(entry.grades)}级"


def rule_name(entry: LedgerEntry, mapping: Mapping) -> str:
    """The rule's name as pay.toml gives it now; its id where the rule is gone."""
    return next((r.name for r in mapping.pay.rules if r.id == entry.rule), entry.rule)


def _grades(entries: Sequence[LedgerEntry], effect: str) -> int:
    return sum(e.grades for e in entries if e.effect == effect)
