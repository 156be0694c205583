"""Why a month's grades are what they are: every entry with its rule, arithmetic and mails (domain §4). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mailflow.core.book import Book
from mailflow.core.mapping import Mapping
from mailflow.core.records import Complaint, LedgerEntry, Month
from mailflow.views.grades import corrected, effect_text, month_grades, rule_name
from mailflow.views.tracking import COMPLAINT_STATES


@dataclass(frozen=True, kw_only=True)
class WhyComplaint:
    """One complaint, as an entry's evidence or in the month's list."""

    number: str
    received: str
    """ISO 8601, local, with offset."""
    project: str | None
    sender: str
    mail: str
    state: str
    counted: bool
    reason: str

    def line(self) -> str:
        state = COMPLAINT_STATES[self.state]
        who = f"{self.project or '（未写明项目）'}，投诉人 {self.sender}"
        return f"{self.number}  {self.received[:16].replace('T', ' ')}  {who}，{state}：{self.reason}  邮件 {self.mail}"


@dataclass(frozen=True, kw_only=True)
class WhyEntry:
    """One ledger entry and the complaints that led to it, in order."""

    number: str
    month: str
    for_month: str
    rule: str
    effect: str
    grades: int
    text: str
    """Chinese: 扣发1级."""
    arithmetic: str
    ordinal: int
    adjusting: bool
    reverses: str | None
    reversed_by: str | None
    complaints: tuple[WhyComplaint, ...]
    mails: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        booked = f"入账 {self.month}" + (f"（调整 {self.for_month}）" if self.adjusting else "")
        yield f"{self.number}  {booked}  {self.text}"
        yield f"  规则：{self.rule}"
        yield f"  算式：{self.arithmetic}"
        if self.reverses:
            yield f"  冲销：{self.reverses}"
        if self.reversed_by:
            yield f"  已由 {self.reversed_by} 冲销"
        for complaint in self.complaints:
            yield f"  投诉 {complaint.line()}"


@dataclass(frozen=True, kw_only=True)
class Why:
    """One person's month. Grades are as booked; `corrected` has all adjusting entries where they belong."""

    person: str
    month: str
    closed: bool
    opening: str
    withheld: int
    demoted: int
    closing: str
    corrected: str
    entries: tuple[WhyEntry, ...]
    counted: tuple[WhyComplaint, ...]
    """The month's counted complaints in the order in which the server received them."""
    not_counted: tuple[WhyComplaint, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers."""
        return dict(json.loads(json.dumps(asdict(self))))

    def lines(self) -> list[str]:
        """For people, in Chinese."""
        return [*self._head(), *self._entries(), *self._complaints()]

    def _head(self) -> Iterator[str]:
        yield f"{self.person}  {self.month}  {'已关账' if self.closed else '未关账'}"
        yield f"期初等级 {self.opening or '未登记'}，期末等级 {self.closing or '未登记'}"
        yield f"扣发 {self.withheld} 级，永久降 {self.demoted} 级"
        if self.corrected != self.closing:
            yield f"计入以后月份的调整之后，本月期末等级应为 {self.corrected}"

    def _entries(self) -> Iterator[str]:
        yield ""
        yield f"分录（{len(self.entries)}）" if self.entries else "分录：无"
        for entry in self.entries:
            yield from entry.lines()

    def _complaints(self) -> Iterator[str]:
        for title, complaints in (("计入的投诉", self.counted), ("不计入的投诉", self.not_counted)):
            yield ""
            yield f"{title}（{len(complaints)}）" if complaints else f"{title}：无"
            yield from (f"  {c.line()}" for c in complaints)


def explain_month(book: Book, mapping: Mapping, person: str, month: str) -> Why:
    """Why `person` (roster name) has the grade of `month` ("2026-11"); empty where nothing happened."""
    entries = book.find(LedgerEntry, engineer=person)
    complaints = sorted(book.find(Complaint, engineer=person), key=lambda c: (c.received, c.number))
    own = [_complaint(c, mapping) for c in complaints if c.month == month]
    closed = book.get(Month, month)
    grades = month_grades(person, entries, month, mapping, closed)
    return Why(
        person=person,
        month=month,
        closed=closed is not None,
        opening=grades.opening,
        withheld=grades.withheld,
        demoted=grades.demoted,
        closing=grades.closing,
        corrected=corrected(person, entries, month, mapping, closed),
        entries=tuple(_entry(e, book, mapping) for e in entries if month in (e.month, e.for_month)),
        counted=tuple(c for c in own if c.counted),
        not_counted=tuple(c for c in own if not c.counted),
    )


def _entry(entry: LedgerEntry, book: Book, mapping: Mapping) -> WhyEntry:
    found = (book.get(Complaint, number) for number in entry.complaints)
    return WhyEntry(
        number=entry.number,
        month=entry.month,
        for_month=entry.for_month,
        rule=rule_name(entry, mapping),
        effect=entry.effect,
        grades=entry.grades,
        text=effect_text(entry),
        arithmetic=entry.cause,
        ordinal=entry.ordinal,
        adjusting=entry.adjusting,
        reverses=entry.reverses,
        reversed_by=entry.reversed_by,
        complaints=tuple(_complaint(c, mapping) for c in found if c is not None),
        mails=entry.mails,
    )


def _complaint(complaint: Complaint, mapping: Mapping) -> WhyComplaint:
    return WhyComplaint(
        number=complaint.number,
        received=mapping.calendar.local(complaint.received).isoformat(timespec="seconds"),
        project=complaint.project,
        sender=complaint.complainant or complaint.sender,
        mail=complaint.reference,
        state=complaint.state,
        counted=complaint.state == "counted",
        reason=complaint.reason,
    )
