"""What came of the month, read from the book. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mailflow.core.book import Book
from mailflow.core.people import Person, Roster
from mailflow.core.records import Case, Complaint, Held, LedgerEntry, Mail, Notice, Report


@dataclass(frozen=True, kw_only=True)
class EngineerLine:
    """One engineer's month."""

    name: str
    reports: int
    """In the engineer's tracking sheet, whoever wrote them."""
    incomplete: int
    leftovers_open: int
    leftovers_solved: int
    counted: int
    not_counted: int
    """Complaints that were withdrawn, dismissed or sent twice."""
    consequences: tuple[str, ...]
    """In Chinese, in the order of booking: 10月扣发1级, 永久降1级, 11月调整：返还1级."""
    before: str
    after: str
    """Pay grade at the opening and now."""


@dataclass(frozen=True, kw_only=True)
class HeldLine:
    """One item of 待确认."""

    number: int
    subject: str
    sender: str
    why: str
    answer: str | None
    """None: still open."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything that the demo shows at its end."""

    engineers: tuple[EngineerLine, ...]
    mails: dict[str, int]
    """By disposition."""
    held: tuple[HeldLine, ...]
    notices: dict[str, int]
    """By template."""
    skipped: tuple[str, ...] = ()
    """Captions of the answers whose notice was not found."""


def summarise(book: Book, roster: Roster, skipped: Iterable[str] = ()) -> Summary:
    """The demo's month as `book` has it."""
    return Summary(
        engineers=tuple(_engineer(book, p) for p in roster.with_role("engineer")),
        mails=dict(Counter(m.disposition for m in book.find(Mail)).most_common()),
        held=tuple(_held(book, h) for h in book.find(Held)),
        notices=dict(Counter(n.template for n in book.find(Notice)).most_common()),
        skipped=tuple(skipped),
    )


def find_notice(book: Book, template: str, *, to: str, about: str) -> Notice | None:
    """The newest notice of this template to this address that is about `about`.

    Args:
        about: the Message-ID of the mail that led to it, or a matter as it stands: "month:2026-10".
    """
    keys = [mail.key for mail in book.find(Mail, message_id=about)]
    matters = {about, *(f"mail:{key}" for key in keys)}
    matters |= {mail.matter for mail in book.find(Mail, message_id=about) if mail.matter}
    matters |= {f"held:{held.number}" for key in keys for held in book.find(Held, mail=key)}
    found = [n for m in sorted(matters) for n in book.find(Notice, matter=m) if n.template == template and n.to == to]
    return max(found, key=lambda n: n.due, default=None)


def _engineer(book: Book, person: Person) -> EngineerLine:
    reports = book.find(Report, engineer=person.name)
    complaints = book.find(Complaint, engineer=person.name)
    leftovers = [case.state for case in book.find(Case, kind="leftover", owner=person.name)]
    entries = book.find(LedgerEntry, engineer=person.name)
    return EngineerLine(
        name=person.name,
        reports=len(reports),
        incomplete=sum(r.state == "incomplete" for r in reports),
        leftovers_open=leftovers.count("open"),
        leftovers_solved=leftovers.count("solved"),
        counted=sum(c.state == "counted" for c in complaints),
        not_counted=sum(c.state in ("withdrawn", "dismissed", "duplicate") for c in complaints),
        consequences=tuple(consequence(e) for e in entries if e.grades),
        before="" if person.grade is None else str(person.grade),
        after=_grade_now(person, entries),
    )


def consequence(entry: LedgerEntry) -> str:
    """A ledger entry in a few words."""
    withhold = entry.effect == "withhold"
    month = f"{int(entry.month[5:])}月"
    grades = abs(entry.grades)
    if entry.grades > 0:
        what = f"扣发{grades}级" if withhold else f"永久降{grades}级"
    else:
        what = f"返还{grades}级" if withhold else f"恢复{grades}级"
    return f"{month}调整：{what}" if entry.adjusting else f"{month}{what}"


def _grade_now(person: Person, entries: Iterable[LedgerEntry]) -> str:
    """The demo's grades are whole numbers; what is taken back stands in the ledger with the opposite sign."""
    if not isinstance(person.grade, int):
        return "" if person.grade is None else str(person.grade)
    return str(person.grade - sum(e.grades for e in entries if e.effect == "demote"))


def _held(book: Book, held: Held) -> HeldLine:
    mail = book.get(Mail, held.mail)
    return HeldLine(
        number=held.number,
        subject=mail.subject if mail else held.mail,
        sender=(mail.person or mail.sender) if mail else "",
        why=held.text,
        answer=held.answer if held.state == "decided" else None,
    )
