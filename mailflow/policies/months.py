"""Closing the ledger's months (domain §4): the draft on the first working day, and the close."""

from __future__ import annotations

import re
from typing import Any

from mailflow.core.calendar import next_month
from mailflow.core.grades import label, level
from mailflow.core.people import Person
from mailflow.core.records import Complaint, Counter, Due, Held, LedgerEntry, Month, Notice
from mailflow.policies.desk import Desk
from mailflow.policies.grades import by_engineer, entry_context

DRAFT = "draft"
_BEGUN = "ledger:begun"
"""Counter that holds the first month, as 202611."""
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")


def matter_of(month: str) -> str:
    return f"month:{month}"


def schedule_draft(desk: Desk, month: str) -> None:
    """The draft of `month` falls due on the first working day of the next one."""
    if desk.mapping.reminders.month_draft and not desk.book.is_closed(month):
        calendar = desk.mapping.calendar
        desk.later(matter_of(month), DRAFT, calendar.at_opening(calendar.first_working_day(next_month(month))))


def begin(desk: Desk) -> None:
    """The ledger begins in the month of the first mapping: from there on each month has its draft."""
    month = desk.mapping.calendar.month(desk.now)
    if desk.book.get(Counter, _BEGUN) is None:
        desk.put(Counter(name=_BEGUN, value=_number(month)))
        schedule_draft(desk, month)


def _schedule_next(desk: Desk, month: str) -> None:
    """The draft of the month after `month`. Not of one before the ledger began: an old complaint, or a month closed
    by mistake, would set off a draft for every month since."""
    begun = desk.book.get(Counter, _BEGUN)
    if begun is not None and _number(next_month(month)) >= begun.value:
        schedule_draft(desk, next_month(month))


def _number(month: str) -> int:
    return int(month.replace("-", ""))


def send_draft(desk: Desk, due: Due) -> None:
    """Sends the draft of a month that is not closed yet, and sees to the next month's."""
    month = due.matter.removeprefix("month:")
    _schedule_next(desk, month)
    if desk.mapping.reminders.month_draft and not desk.book.is_closed(month):
        for manager in desk.watchers():
            desk.notify("month_draft", manager, matter=due.matter, step=DRAFT, context=_draft(desk, month))


def close(desk: Desk, month: str, by: str) -> str | None:
    """Closes `month`. Returns why not, in Chinese, or None."""
    if not _MONTH.fullmatch(month):
        return f"月份应写成 2026-11，而不是 {month}"
    known = desk.book.get(Month, month)
    if known is not None:
        return f"{month} 已由 {known.by} 于 {desk.when(known.closed)} 关账。"
    if month > desk.mapping.calendar.month(desk.now):
        return f"{month} 还没有开始，不能关账。"
    pay = desk.mapping.pay.model_dump_json(by_alias=True)
    grades = {person.name: person.grade for person in desk.mapping.roster}
    desk.put(Month(month=month, closed=desk.now, by=by, mapping=desk.mapping.version, pay=pay, grades=grades))
    desk.done(matter_of(month), DRAFT)
    _schedule_next(desk, month)
    return None


def since_draft(desk: Desk, month: str, manager: str) -> list[str]:
    """The entries of `month` that were booked after `manager` was sent its draft: numbers, in order."""
    draft = desk.book.get(Notice, f"{matter_of(month)}|{manager}|{DRAFT}")
    shown = {entry["number"] for entry in draft.context["entries"]} if draft else set()
    return [e.number for e in desk.book.find(LedgerEntry, month=month) if draft and e.number not in shown]


def _draft(desk: Desk, month: str) -> dict[str, Any]:
    calendar = desk.mapping.calendar
    entries = desk.book.find(LedgerEntry, month=month)
    counted = [c for c in desk.book.find(Complaint, state="counted") if c.month == month]
    names = sorted({e.engineer for e in entries} | {c.engineer for c in counted if c.engineer})
    grouped = by_engineer(entries)
    return {
        "month": month,
        "deadline": calendar.add_working_days(calendar.day(desk.now), 3).isoformat(),
        "open_held": len(desk.book.find(Held, state="open")),
        "engineers": [
            _line(desk, name, month, grouped.get(name, []), sum(c.engineer == name for c in counted)) for name in names
        ],
        "entries": [entry_context(entry, desk.mapping.pay) for entry in entries],
    }


def _line(desk: Desk, name: str, month: str, entries: list[LedgerEntry], complaints: int) -> dict[str, Any]:
    """One engineer's month: grade before, what the month's entries do, grade after."""
    person = desk.mapping.roster.get(name)
    earlier = [e for e in desk.book.find(LedgerEntry, engineer=name) if e.month < month]
    before, demoted = _demoted(earlier), _demoted(entries)
    return {
        "engineer": name,
        "complaints": complaints,
        "opening": _grade(desk, person, before),
        "withheld": sum(e.grades for e in entries if e.effect == "withhold"),
        "demoted": demoted,
        "closing": _grade(desk, person, before + demoted),
    }


def _demoted(entries: list[LedgerEntry]) -> int:
    return sum(e.grades for e in entries if e.effect == "demote")


def _grade(desk: Desk, person: Person | None, lower: int) -> str:
    opening = level(person.grade, desk.mapping.pay) if person else None
    if person is None or opening is None:
        return f"-{lower}" if lower else "未登记"
    return label(opening - lower, desk.mapping.pay, person.grade)
