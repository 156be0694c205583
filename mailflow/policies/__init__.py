"""What follows from a fact: `decide(book, fact, mapping) -> Outcome`. Pure.

The order of policies is the four tables below; it is read as the program. For a mail the first policy that returns an
ending wins, and its kind's policy comes after everything that does not depend on the kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from mailflow import kinds, message
from mailflow.core.book import Answers, Book
from mailflow.core.facts import DecisionFact, Fact, MailFact, MappingFact, TickFact, WorkbookFact
from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping
from mailflow.core.outcome import Outcome
from mailflow.core.records import Due, Mail, Notice, mail_key
from mailflow.core.register import Register, place_of
from mailflow.core.steps import Steps, done
from mailflow.core.text import fold
from mailflow.kinds.reading import Reading
from mailflow.message.model import Hints, Message
from mailflow.message.thread import branch_of
from mailflow.policies import (
    cases,
    corrections,
    decisions,
    identity,
    impostors,
    months,
    registration,
    registration_requests,
    reports,
    threads,
    withdrawals,
    workbooks,
)  # fmt: skip
from mailflow.policies.access import standing_of
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.grades import regrade_all
from mailflow.policies.letter import EXCERPT, Letter, parents_of, sender_of

Policy = Callable[[Desk, Letter], Ending | None]

BEFORE_KIND: tuple[Policy, ...] = (
    identity.own,
    identity.copy,
    identity.automatic,
    identity.reused,
)

ANSWERS: tuple[Policy, ...] = (impostors.held, decisions.by_mail, withdrawals.reply)

BY_KIND: dict[str, Policy] = {
    "registration": registration.registration,
    "communication": reports.communication,
    "complaint": withdrawals.complaint,
    "withdrawal": withdrawals.withdrawal,
}

AFTER_KIND: tuple[Policy, ...] = (cases.follow_up, corrections.near_miss, cases.customer)

ON_DUE: dict[str, Callable[[Desk, Due], None]] = {
    "month:": months.send_draft,
    "case:": registration_requests.fall_due,
}


def decide(book: Book, fact: Fact, mapping: Mapping, letter: Letter | None = None) -> Outcome:
    """The consequences of `fact` on `book`: rows to be committed together with it (promises 2, 5, 6).

    `letter`: what `read_in_steps` made of a mail with this book's register, if that was done already.

    Writes nothing and asks no clock. The same book, fact and mapping give the same outcome. Bugs show as exceptions:
    the caller sets that one mail aside (promise 7).
    """
    match fact:
        case MailFact():
            return decide_letter(book, letter or read(fact, book, mapping)[0], mapping)
        case DecisionFact():
            desk = Desk(book, mapping, fact.time, resume)
            refused = decisions.by_command(desk, fact)
            return Outcome(tuple(desk.book.changes()), refused)
        case TickFact():
            desk = Desk(book, mapping, fact.time, resume)
            _fall_due(desk)
            return Outcome(tuple(desk.book.changes()))
        case MappingFact():
            desk = Desk(book, mapping, fact.time, resume)
            registration.from_mapping(desk, mapping)
            months.begin(desk)
            regrade_all(desk, "绩效规则或名册有更改")
            return Outcome(tuple(desk.book.changes()))
        case WorkbookFact():
            desk = Desk(book, mapping, fact.time, resume)
            workbooks.read_back(desk, fact)
            return Outcome(tuple(desk.book.changes()))


def read(fact: MailFact, book: Book, mapping: Mapping) -> tuple[Letter, Message]:
    """How a mail is understood, before anything is decided."""
    return done(read_in_steps(fact, book.register(), mapping))


def read_in_steps(fact: MailFact, register: Register, mapping: Mapping) -> Steps[tuple[Letter, Message]]:
    """`read`, for many mails side by side."""
    mail = yield from message.read_in_steps(fact.raw, _hints(register, mapping, fact.mailbox))
    yield
    person = sender_of(mail, mapping)
    standing = standing_of(mail, person, mapping, fact.mailbox, fact.signatures)
    yield
    reading = kinds.read(mail, mapping, register, person)
    yield
    sender = mail.from_.address if mail.from_ else ""
    # Whichever of their addresses they wrote from (domain §1).
    resend = message.resend_digest(mail, person.address if person else sender, _topic(mail, reading))
    yield
    in_subject = tuple(dict.fromkeys((*mail.case_numbers, *_NUMBER.findall(mail.subject))))
    branch = branch_of(mail.thread_index)
    letter = Letter(
        key=mail_key(fact.seq),
        seq=fact.seq,
        mailbox=fact.mailbox,
        received=fact.time,
        digest=fact.digest,
        message_id=mail.message_id,
        content=mail.content,
        resend=resend,
        subject=mail.subject,
        sender=sender,
        person=person.name if person else None,
        trust=standing.trust,
        evidence=standing.evidence,
        checks=standing.checks,
        recipients=tuple(a.address for a in (*mail.to, *mail.cc)),
        is_reply=mail.is_reply,
        is_forward=mail.is_forward,
        parents=parents_of(mail),
        numbers=tuple(dict.fromkeys((*in_subject, *_NUMBER.findall(mail.text[:4000])))),
        subject_numbers=in_subject,
        conversation=branch.conversation if branch else None,
        branch=branch.branch if branch else None,
        automatic=mail.automatic,
        bounce=mail.bounce,
        deliveries=mail.deliveries,
        reported=mail.reported,
        unanswered=mail.unanswered,
        doubtful=mail.doubtful,
        excerpt=mail.text[:EXCERPT],
        reading=reading,
        findings=(*mail.findings, *standing.findings),
    )
    return letter, mail


def _topic(mail: Message, reading: Reading) -> str | None:
    """What a complaint's subject means: 投诉-ERP项目, 投诉-ERP项目沟通问题, 【重发】投诉-ERP项目 are one (domain §4).

    By the project as it is written: whether it is registered by then must not make another text of it. Figures tell
    dates apart: of 投诉-ERP项目11月2日 and 11月3日 each is meant. A report is by its subject, word for word.
    """
    if reading.kind != "complaint":
        return None
    figures = _FIGURES.findall(fold(mail.bare_subject))
    return "-".join((reading.kind, place_of(reading.project_text or ""), *figures))


_FIGURES = re.compile(r"\d+")


def expect(book: Answers, letters: Sequence[Letter]) -> None:
    """What is asked about each of these mails, or of most, is looked up for all of them together."""
    ids = [one for letter in letters for one in (letter.message_id, *letter.parents) if one]
    book.expect(Notice, "message_id", ids)
    book.expect(Mail, "message_id", ids)
    book.expect(Mail, "content", [letter.content for letter in letters])


def _hints(register: Register, mapping: Mapping, mailbox: str) -> Hints:
    """What decides where a text without a label can be read in two ways. Costs nothing until it is needed."""
    settings = mapping.settings.mailboxes.get(mailbox)
    return Hints(sources=(mapping, register), traditional=settings is not None and settings.traditional)


_NUMBER = re.compile(r"(?<![A-Za-z0-9])MF-20[0-9]{2}-[0-9]{6,9}(?![0-9])")
"""Chinese characters may stand right before and behind it: \\b would not do."""


def decide_letter(book: Book, letter: Letter, mapping: Mapping) -> Outcome:
    """The consequences of a mail that has been read."""
    desk = Desk(book, mapping, letter.received, resume)
    if found := threads.disagreement(book, letter):
        letter = letter.model_copy(update={"findings": (*letter.findings, found)})
    ending = _end(desk, letter)
    desk.put(_mail(letter, replace(ending, findings=(*ending.findings, *desk.findings))))
    return Outcome(tuple(desk.book.changes()))


def _end(desk: Desk, letter: Letter) -> Ending:
    for policy in BEFORE_KIND:
        if ending := policy(desk, letter):
            return ending
    return resume(desk, letter)


def resume(desk: Desk, letter: Letter) -> Ending:
    """What a mail does that is a mail of its own; and where one goes on that was held and is accepted."""
    by_kind = BY_KIND.get(letter.reading.kind or "", cases.plain)
    for policy in (*ANSWERS, by_kind, *AFTER_KIND):
        if ending := policy(desk, letter):
            return ending
    return Ending("unmatched")


def _mail(letter: Letter, ending: Ending) -> Mail:
    kind = ending.kind or letter.reading.kind
    if ending.disposition in ("near_miss", "automatic", "bounce", "own"):
        kind = None
    return Mail(
        seq=letter.seq,
        mailbox=letter.mailbox,
        received=letter.received,
        digest=letter.digest,
        message_id=letter.message_id,
        content=letter.content,
        resend=letter.resend,
        subject=letter.subject,
        sender=letter.sender,
        person=letter.person,
        trust=letter.trust,
        kind=kind,
        disposition=ending.disposition,
        matter=ending.matter,
        conversation=letter.conversation,
        branch=letter.branch,
        # Each once: a policy may name as its reason what the reading has found already.
        findings=tuple(dict.fromkeys((*letter.findings, *letter.reading.findings, *ending.findings))),
    )


def set_aside(fact: MailFact, error: str) -> Outcome:
    """The outcome of a mail that could not be processed: kept, shown to the manager, tried again by `rebuild`."""
    text = f"处理这封邮件时出错：{error}。邮件已原样保存；程序更新后运行 mailflow rebuild 会重新处理。"
    mail = Mail(
        seq=fact.seq,
        mailbox=fact.mailbox,
        received=fact.time,
        digest=fact.digest,
        message_id=None,
        content=f"raw:{fact.digest}",
        resend=None,
        subject="",
        sender="",
        person=None,
        trust="none",
        kind=None,
        disposition="set_aside",
        findings=(Finding("set_aside", text),),
    )
    return Outcome((mail,))


def due(book: Book, now: datetime) -> list[Due]:
    """What falls due at `now`, the most overdue first."""
    return sorted((d for d in book.find(Due, state="pending") if d.due <= now), key=lambda d: (d.due, d.key))


def _fall_due(desk: Desk) -> None:
    """Handles what is due until nothing is: a handler may set a next date that has passed as well."""
    while rows := due(desk.book, desk.now):
        for row in rows:
            desk.done(row.matter, row.step)
            ON_DUE[row.matter.partition(":")[0] + ":"](desk, row)
