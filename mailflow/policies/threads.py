"""What a mail answers: the one place where that is found out.

In this order of trust: References, In-Reply-To, a case number, Thread-Index. Of several known mails the nearest one is
answered. What a reply may do is for the policies to say: a Message-ID or a number in a mail proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mailflow.core.address import key_of
from mailflow.core.book import Book
from mailflow.core.findings import Finding
from mailflow.core.records import Case, Complaint, Held, LedgerEntry, Mail, Report
from mailflow.core.text import fold
from mailflow.message.thread import read_subject
from mailflow.policies.letter import Letter

CUSTOMER = "customer_problem"
_MOST_NUMBERS = 20
_MOST_REFERENCES = 10
_NUMBERED: tuple[tuple[type[Complaint] | type[Report] | type[Case], str], ...] = (
    (Complaint, "complaint"),
    (Report, "report"),
    (Case, "case"),
)


@dataclass(frozen=True)
class Link:
    """Something in the book that a mail refers to."""

    way: Literal["message_id", "number", "thread_index"]
    by: str
    """The Message-ID, the number, or the conversation."""
    matter: str | None
    """What that is about: "complaint:MF-…", "held:3", …; None: a mail that moved nothing."""
    subject: str
    """Of the mail or notice; of a number its matter's project or title."""


def links(book: Book, letter: Letter) -> list[Link]:
    """Everything known that the mail refers to, the most trusted first; by Thread-Index where there is nothing else."""
    found = [*by_message_id(book, letter), *by_number(book, letter)]
    if not found and (last := by_index(book, letter)):
        found.append(last)
    return found


def by_message_id(book: Book, letter: Letter) -> Iterator[Link]:
    """The known mails and notices among those that it answers, the nearest first.

    Of mails that share a Message-ID the first one taken in is meant: the others are held (policies/identity.py).
    """
    for parent in letter.parents:
        if notice := book.notice_by_id(parent):
            yield Link("message_id", parent, notice.matter, str(notice.context.get("subject") or notice.template))
        elif (mail := book.mail_by_id(parent)) and mail.key != letter.key:
            yield Link("message_id", parent, mail.matter, mail.subject)


def by_number(book: Book, letter: Letter) -> Iterator[Link]:
    """What the case numbers that it carries stand for.

    Anybody can type a number: only people of the roster are heard, and customers about problems of their own.
    """
    for number in letter.numbers[:_MOST_NUMBERS]:
        for kind, name in _NUMBERED:
            row = book.get(kind, number)
            if row is None or not (letter.person or _is_own(row, letter)):
                continue
            yield Link(
                "number", number, f"{name}:{number}", (row.title if isinstance(row, Case) else row.project) or ""
            )


def _is_own(row: Complaint | Report | Case, letter: Letter) -> bool:
    """Whether it is the problem of the customer who writes."""
    if not isinstance(row, Case) or row.kind != CUSTOMER:
        return False
    return bool(letter.sender) and key_of(str(row.data.get("customer", ""))) == key_of(letter.sender)


def by_index(book: Book, letter: Letter) -> Link | None:
    """The nearest mail of the same Outlook conversation and under the same subject.

    The subject must agree because a Thread-Index lives on in a mail that somebody wrote anew over an old one.
    """
    if not letter.branch or not letter.conversation or letter.branch == letter.conversation:
        return None
    topic = _topic(letter.subject)
    above = [
        mail
        for mail in book.find(Mail, conversation=letter.conversation)
        if mail.branch and mail.branch != letter.branch and letter.branch.startswith(mail.branch)
        if mail.key != letter.key and _topic(mail.subject) == topic
    ]
    if not above:
        return None
    mail = max(above, key=lambda mail: (len(mail.branch or ""), mail.seq))
    return Link("thread_index", letter.conversation, mail.matter, mail.subject)


def _topic(subject: str) -> str:
    return fold(read_subject(subject).bare)


# -- what the policies ask ---------------------------------------------------------------------------------------------


def answered(book: Book, letter: Letter, *names: str) -> str | None:
    """The matter that it answers by its Message-IDs, if that is one of `names`: "complaint:", "held:", …

    The nearest known mail that is about anything decides; an older one in the same thread is not what was answered.
    """
    for link in by_message_id(book, letter):
        if matters := _meant(book, link.matter):
            return next((m for m in matters if m.startswith(names)), None)
    return None


def answered_loosely(book: Book, letter: Letter, *names: str) -> str | None:
    """As `answered`; where none of the Message-IDs is known, by its Thread-Index."""
    if any(by_message_id(book, letter)):
        return answered(book, letter, *names)
    link = by_index(book, letter)
    return next((m for m in _meant(book, link.matter) if m.startswith(names)), None) if link else None


def numbered(book: Book, letter: Letter, *names: str) -> list[str]:
    """The matters of `names` whose numbers it carries, in their order, each once."""
    found = (link.matter for link in by_number(book, letter))
    return list(dict.fromkeys(matter for matter in found if matter and matter.startswith(names)))


def answers_unknown(book: Book, letter: Letter) -> bool:
    """Whether it answers mails none of which was taken in: what is meant cannot be told from the subject then."""
    return bool(letter.parents) and not any(by_message_id(book, letter)) and by_index(book, letter) is None


def _meant(book: Book, matter: str | None) -> tuple[str, ...]:
    """A matter, and the one behind it: a held mail's complaint, what a mail that was asked about has moved."""
    name, _, rest = (matter or "").partition(":")
    if name == "mail":
        mail = book.get(Mail, rest)
        return _meant(book, mail.matter) if mail and mail.matter != matter else ()
    if name == "held" and rest.isascii() and rest.isdigit():
        held = book.get(Held, f"{int(rest):06d}")
        return (f"held:{rest}", held.matter) if held and held.matter else (f"held:{rest}",)
    return (matter,) if matter else ()


def root(book: Book, letter: Letter) -> str:
    """The Message-ID with which its thread began, as far as it and our own answers in it say."""
    for parent in letter.parents:
        if (notice := book.notice_by_id(parent)) and notice.references:
            return notice.references[0]
    return letter.parents[-1] if letter.parents else letter.reference


def references(book: Book, letter: Letter) -> tuple[str, ...]:
    """What an answer to it refers to (RFC 5322 §3.6.4): the beginning of the thread, and the last that followed."""
    above = reversed(letter.parents[:_MOST_REFERENCES])
    return tuple(dict.fromkeys((root(book, letter), *above, letter.message_id))) if letter.message_id else ()


# -- when they disagree ------------------------------------------------------------------------------------------------


def disagreement(book: Book, letter: Letter) -> Finding | None:
    """The subject names one matter, and the mail that is answered is about another: nobody can say which is meant."""
    if not letter.parents or not (letter.subject_numbers or letter.reading.project):
        return None
    matter = next((link.matter for link in by_message_id(book, letter) if _meant(book, link.matter)), None)
    numbers = _numbers_of(book, matter)
    written = [n for n in (_first(book, number) for number in letter.subject_numbers) if n]
    if numbers and written and not numbers & set(written):
        return _finding(f"编号 {'、'.join(written)}", "、".join(sorted(numbers)))
    project = letter.reading.project if letter.reading.kind in ("complaint", "withdrawal") else None
    other = _complained_of(book, matter) if project else None
    return _finding(f"项目“{project}”", f"项目“{other}”的投诉") if other and other != project else None


def doubt(letter: Letter) -> Finding | None:
    """The disagreement that keeps the mail from deciding anything, unless the manager has accepted it."""
    return None if letter.accepted else next((f for f in letter.findings if f.code == "thread_disagrees"), None)


def _finding(written: str, answered: str) -> Finding:
    text = f"主题写的是{written}，所回复的邮件却是关于 {answered} 的，不能确定指哪一件。"
    return Finding("thread_disagrees", text)


def _first(book: Book, number: str) -> str | None:
    """A number that is known; of a complaint that repeats another one, that one's."""
    if complaint := book.get(Complaint, number):
        return complaint.duplicate_of or number
    return number if book.get(Report, number) or book.get(Case, number) else None


def _numbers_of(book: Book, matter: str | None) -> set[str]:
    """The numbers under which people know what `matter` is about; empty: it has none."""
    name, _, rest = next(reversed(_meant(book, matter)), "").partition(":")
    if name == "complaint":
        return {_first(book, rest) or rest}
    if name == "report":
        report = book.get(Report, rest)
        return {rest, report.case} if report and report.case else {rest}
    if name == "case":
        case = book.get(Case, rest)
        return {rest, *(str(case.data[key]) for key in ("report", "solved_by") if case and key in case.data)}
    if name == "ledger":
        entry = book.get(LedgerEntry, rest)
        return set(entry.complaints) if entry else set()
    return set()


def _complained_of(book: Book, matter: str | None) -> str | None:
    """The registered project of the complaint that `matter` is."""
    name, _, rest = next(reversed(_meant(book, matter)), "").partition(":")
    complaint = book.get(Complaint, rest) if name == "complaint" else None
    project = book.register().get(complaint.project) if complaint else None
    return project.name if project else None
