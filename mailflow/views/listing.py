"""The rows of `mailflow list … --json`: keys are a public interface (architecture, "Public interface"). Pure.

A row that is not wanted costs no more than reading it: what is shown of it is worked out afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from mailflow.core.book import Book
from mailflow.core.mapping import Mapping
from mailflow.core.records import Bounce, Case, Complaint, Held, LedgerEntry, Mail, Report, Row

T = TypeVar("T")
R = TypeVar("R", bound=Row)
Shown = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows of a list are wanted; what is None may be anything."""

    since: datetime | None = None
    state: str | None = None
    person: str | None = None
    project: str | None = None
    mailbox: str | None = None

    def named(self) -> dict[str, str]:
        """What was asked for by name, apart from the time."""
        asked = {"state": self.state, "person": self.person, "project": self.project, "mailbox": self.mailbox}
        return {name: value for name, value in asked.items() if value is not None}


EVERYTHING = Wanted()


@dataclass(frozen=True)
class Traits(Generic[T]):
    """What the rows of a list can be picked by."""

    time: Callable[[T], datetime | None]
    by: dict[str, Callable[[T], tuple[str | None, ...]]]
    """A name in `Wanted` -> the values of a row, one of which has to be the one that is wanted."""

    def match(self, row: T, wanted: Wanted) -> bool:
        if wanted.since is not None and ((time := self.time(row)) is None or time < wanted.since):
            return False
        return all(value in self.by[name](row) for name, value in wanted.named().items())


@dataclass(frozen=True)
class Listing(Generic[R]):
    """One of LISTS: the rows that it is made of, what is shown of each, and what they can be picked by."""

    kind: type[R]
    show: Callable[[R, Book, Mapping], Shown]
    traits: Traits[R]


def _mail(mail: Mail, book: Book, mapping: Mapping) -> Shown:
    """A mail taken in and how it ended."""
    return {
        "number": mail.seq,
        "mailbox": mail.mailbox,
        "received": _instant(mail.received, mapping),
        "message_id": mail.message_id,
        "digest": mail.digest,
        "sender": mail.sender,
        "person": mail.person,
        "trust": mail.trust,
        "subject": mail.subject,
        "kind": mail.kind,
        "disposition": mail.disposition,
        "matter": mail.matter,
        "findings": [{"code": f.code, "text": f.text} for f in mail.findings],
    }


def _report(report: Report, book: Book, mapping: Mapping) -> Shown:
    """A communication report (domain §3)."""
    return {
        "number": report.number,
        "kind": "communication",
        "project": report.project,
        "registered": report.registered,
        "engineer": report.engineer,
        "writer": report.writer,
        "day": report.day.isoformat(),
        "received": _instant(report.received, mapping),
        "result": report.result,
        "contact": report.contact,
        "method": report.method,
        "problem": report.problem,
        "leftover": report.leftover,
        "duration": report.duration,
        "state": report.state,
        "missing": list(report.missing),
        "case": report.case,
        "mail": report.reference,
        "mails": _references(report.mails, book),
    }


def _case(case: Case, book: Book, mapping: Mapping) -> Shown:
    """Something with a number and a life of its own (domain §5)."""
    return {
        "number": case.number,
        "kind": case.kind,
        "state": case.state,
        "project": case.project,
        "owner": case.owner,
        "title": case.title,
        "opened": _instant(case.opened, mapping),
        "changed": _instant(case.changed, mapping),
        "closed": _instant(case.closed, mapping),
        "mails": _references(case.mails, book),
        "data": case.data,
    }


def _complaint(complaint: Complaint, book: Book, mapping: Mapping) -> Shown:
    """A complaint (domain §4). `engineer` is whom it counts against, null while that is not decided."""
    return {
        "number": complaint.number,
        "engineer": _accused(complaint),
        "project": complaint.project,
        "sender": complaint.sender,
        "complainant": complaint.complainant,
        "received": _instant(complaint.received, mapping),
        "month": complaint.month,
        "counted": complaint.state == "counted",
        "held": complaint.state == "held",
        "state": complaint.state,
        "reason": complaint.reason,
        "mail": complaint.reference,
    }


def _entry(entry: LedgerEntry, book: Book, mapping: Mapping) -> Shown:
    """An entry of the pay ledger; what takes another back has the opposite sign."""
    return {
        "number": entry.number,
        "engineer": entry.engineer,
        "month": entry.month,
        "for_month": entry.for_month,
        "rule": entry.rule,
        "effect": entry.effect,
        "grades": entry.grades,
        "cause": entry.cause,
        "complaints": list(entry.complaints),
        "mails": list(entry.mails),
        "adjusting": entry.adjusting,
        "reverses": entry.reverses,
        "reversed_by": entry.reversed_by,
        "time": _instant(entry.time, mapping),
    }


def bounced(book: Book) -> dict[str, str]:
    """Why a notice did not arrive, by its key: what the servers said of each recipient. Delays are none of these."""
    found: dict[str, list[str]] = {}
    for bounce in book.find(Bounce, final=True):
        why = " ".join(part for part in (bounce.status, bounce.reason) if part) or "没有写原因"
        found.setdefault(bounce.notice, []).append(f"{bounce.recipient or '收件人不明'}：{why}")
    return {notice: "；".join(dict.fromkeys(reasons)) for notice, reasons in found.items()}


def _held(item: Held, book: Book, mapping: Mapping) -> Shown:
    """What waits, or waited, for the manager."""
    return {
        "number": item.number,
        "kind": item.kind,
        "matter": item.matter,
        "reason": item.reason,
        "text": item.text,
        "choices": list(item.choices),
        "project": item.project,
        "engineer": item.engineer,
        "opened": _instant(item.opened, mapping),
        "state": item.state,
        "answer": item.answer,
        "by": item.by,
        "decided": _instant(item.decided, mapping),
        "result": item.result,
        "mail": next(iter(_references((item.mail,), book)), None),
    }


def _accused(complaint: Complaint) -> str | None:
    return None if complaint.state == "held" else complaint.engineer


LISTS: dict[str, Listing[Any]] = {
    "mails": Listing(Mail, _mail, Traits[Mail](lambda m: m.received, {
        "state": lambda m: (m.disposition,),
        "person": lambda m: (m.person,),
        "mailbox": lambda m: (m.mailbox,),
    })),
    "records": Listing(Report, _report, Traits[Report](lambda r: r.received, {
        "state": lambda r: (r.state,),
        "person": lambda r: (r.engineer, r.writer),
        "project": lambda r: (r.project,),
    })),
    "cases": Listing(Case, _case, Traits[Case](lambda c: c.opened, {
        "state": lambda c: (c.state,),
        "person": lambda c: (c.owner,),
        "project": lambda c: (c.project,),
    })),
    "complaints": Listing(Complaint, _complaint, Traits[Complaint](lambda c: c.received, {
        "state": lambda c: (c.state,),
        "person": lambda c: (_accused(c),),
        "project": lambda c: (c.project,),
    })),
    "ledger": Listing(LedgerEntry, _entry, Traits[LedgerEntry](lambda e: e.time, {
        "person": lambda e: (e.engineer,),
    })),
    "held": Listing(Held, _held, Traits[Held](lambda h: h.opened, {
        "state": lambda h: (h.state,),
        "person": lambda h: (h.engineer,),
        "project": lambda h: (h.project,),
    })),
}  # fmt: skip
"""What `list` can be asked for; notices and workbooks are told by the outbox and the publisher."""


def _instant(instant: datetime | None, mapping: Mapping) -> str | None:
    """ISO 8601 in local time, with its offset."""
    return mapping.calendar.local(instant).isoformat(timespec="seconds") if instant else None


def _references(keys: tuple[str, ...], book: Book) -> list[str]:
    return [mail.reference for key in keys if (mail := book.get(Mail, key))]
