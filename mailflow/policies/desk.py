"""The desk at which policies work: the book with one fact's changes laid over it, and the few ways to change it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from mailflow.core.address import key_of
from mailflow.core.book import Book, Overlay
from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping
from mailflow.core.people import Person
from mailflow.core.records import Case, Correspondent, Counter, Disposition, Due, Held, Mail, Notice, Row
from mailflow.policies import flood, threads
from mailflow.policies.letter import Letter

QUIET = ("correction", "decision_done")
"""Answers that only tell, and that X-Auto-Response-Suppress asks us to leave out (mail.md §5)."""


@dataclass(frozen=True)
class Ending:
    """How a mail ends (promise 3)."""

    disposition: Disposition
    matter: str | None = None
    findings: tuple[Finding, ...] = ()
    kind: str | None = None
    """Set where the policy knows the kind better than the subject does: decision, withdrawal, customer_problem."""

    @staticmethod
    def of(disposition: Disposition, code: str, text: str, *, matter: str | None = None) -> Ending:
        return Ending(disposition, matter, (Finding(code, text),))


@dataclass
class Desk:
    """Lives for one fact. `now` is that fact's time; there is no other clock."""

    base: Book
    mapping: Mapping
    now: datetime
    resume: Callable[[Desk, Letter], Ending]
    """How a held mail goes on that the manager accepts."""
    book: Overlay = field(init=False)
    findings: list[Finding] = field(default_factory=list)
    """What telling somebody has brought to light about the mail at hand."""
    _answered: dict[str, bool] = field(default_factory=dict)
    """By the key of a letter: whether its sender's mail may set off a message."""

    def __post_init__(self) -> None:
        self.book = Overlay(self.base)

    def put(self, *rows: Row) -> None:
        self.book.put(*rows)

    def number(self, counter: str) -> int:
        """The next number of `counter`, from 1."""
        last = self.book.get(Counter, counter)
        value = (last.value if last else 0) + 1
        self.put(Counter(name=counter, value=value))
        return value

    def case_number(self) -> str:
        """MF-2026-000123 (domain §5); numbered anew each year."""
        year = self.mapping.calendar.local(self.now).year
        return f"MF-{year}-{self.number(f'case:{year}'):06d}"

    def when(self, instant: datetime) -> str:
        """An instant as people read it."""
        return self.mapping.calendar.local(instant).strftime("%Y-%m-%d %H:%M")

    def later(self, matter: str, step: str, due: datetime) -> None:
        """Something falls due. Once: a row that was there, pending or done, stays as it is."""
        row = Due(matter=matter, step=step, due=due)
        if self.book.get(Due, row.key) is None:
            self.put(row)

    def done(self, matter: str, step: str) -> None:
        row = self.book.get(Due, f"{matter}/{step}")
        if row is not None and row.state == "pending":
            self.put(replace(row, state="done"))

    def notify(
        self,
        template: str,
        person: Person,
        *,
        matter: str,
        step: str,
        context: dict[str, Any],
        cc: tuple[Person, ...] = (),
        answers: Letter | None = None,
        set_off_by: Letter | None = None,
    ) -> None:
        """Wants `person` told. At most once for each (matter, person, step), whatever restarts (promise 4).

        `answers`: the mail to whose sender this is an answer. An automatic mail gets none (domain §9), one that asks
        for no automatic answer gets none of QUIET.

        `set_off_by`: a mail whose sender is not believed, or which only passes on what a workbook shows as well. Of
        these, as of answers, one sender sets off only so many (mail.md §5). Never named for what pay hangs on and has
        been found true: a complaint that counts, its consequences, what is asked for by a date.

        Somebody who has left is told nothing.
        """
        if answers is not None and (answers.automatic or (answers.unanswered and template in QUIET)):
            return
        day = self.mapping.calendar.day(self.now)
        notice = Notice(
            matter=matter,
            person=person.name,
            step=step,
            template=template,
            to=person.address,
            cc=tuple(p.address for p in cc if p.name != person.name and p.active(day)),
            context={"person": person.name, **context},
            due=self.now,
            message_id=message_id(self.mapping.settings.domain, matter, person.name, step),
            in_reply_to=answers.message_id if answers else None,
            references=threads.references(self.book, answers) if answers else (),
        )
        wanted = person.active(day) and self.book.get(Notice, notice.key) is None
        cause = answers or set_off_by
        if wanted and (cause is None or self._may_answer(cause)):
            self.put(notice)

    def _may_answer(self, letter: Letter) -> bool:
        """Whether `letter` is within the caps; decided once for each. What the manager has accepted always is."""
        if letter.key not in self._answered:
            self._answered[letter.key] = letter.accepted or self._count(letter)
        return self._answered[letter.key]

    def _count(self, letter: Letter) -> bool:
        # A forger uses up the address's answers, not those of the person whose mail is verified.
        believed = letter.person if letter.trust == "authenticated" else None
        who = believed or key_of(letter.sender)
        known = self.book.get(Correspondent, who) or Correspondent(who=who)
        thread = flood.digest(threads.root(self.book, letter))
        reached = flood.reached(known, thread, self.now, self.mapping.reminders)
        if reached is None:
            self.put(flood.one_more(known, thread, self.now, self.mapping.reminders))
            return True
        text = f"{who} {reached}，达到上限，这封没有再自动答复或通知；邮件已照常处理。可能是两个自动系统在互相答复。"
        self.findings.append(Finding("answer_stopped", text))
        self._tell_of_flood(letter, who, reached)
        return False

    def _tell_of_flood(self, letter: Letter, who: str, reached: str) -> None:
        """Once for each correspondent and day; not those whose own mail it is."""
        for reader in self.watchers(letter.person):
            self.notify(
                "answers_stopped",
                reader,
                matter=f"flood:{who}",
                step=f"told:{self.mapping.calendar.day(self.now)}",
                context={
                    "name": letter.person or "",
                    "address": letter.sender,
                    "reached": reached,
                    "subject": letter.subject,
                    "received": self.when(letter.received),
                },
            )

    def watchers(self, besides: str | None = None) -> list[Person]:
        """Who is told what the managers must know: the managers; the directors where none is there, or where it is
        about the mail of `besides`, the only manager (domain §1)."""
        today = self.mapping.calendar.day(self.now)
        for people in (self.mapping.managers(), self.mapping.roster.with_role("technical_director")):
            if found := [p for p in people if p.name != besides and p.active(today)]:
                return found
        return []

    def again(self, matter: str, person: Person, step: str) -> str:
        """`step`, or step:2, step:3 … for what `person` was told before and what has become true once more."""
        told = [n for n in self.book.find(Notice, matter=matter) if n.person == person.name]
        times = sum(n.step.partition(":")[0] == step for n in told)
        return f"{step}:{times + 1}" if times else step

    def end_mail(self, key: str, disposition: Disposition, matter: str | None = None) -> None:
        """A mail that was held has come to another end."""
        mail = self.book.get(Mail, key)
        if mail is not None:
            self.put(replace(mail, disposition=disposition, matter=matter or mail.matter))

    def close(self, held: Held, result: str) -> None:
        """What waited for the manager has been settled in another way: nothing stays open in 待确认."""
        self.put(replace(held, state="decided", decided=self.now, result=result))
        mail = self.book.get(Mail, held.mail)
        if mail is not None and mail.disposition == "held" and not self.book.find(Held, mail=held.mail, state="open"):
            self.end_mail(held.mail, "decided")

    def hold(
        self,
        letter: Letter,
        kind: Any,
        reason: str,
        text: str,
        *,
        choices: tuple[str, ...],
        matter: str | None = None,
        engineer: str | None = None,
    ) -> Ending:
        """Lays a mail before the manager: in 待确认, and by mail. One held item for each mail."""
        known = next((h for h in self.book.find(Held, mail=letter.key) if h.state == "open"), None)
        held = known or Held(
            number=self.number("held"),
            kind=kind,
            matter=matter,
            mail=letter.key,
            reason=reason,
            text=text,
            choices=choices,
            opened=self.now,
            project=letter.reading.project or letter.reading.project_text,
            engineer=engineer,
            letter=letter.model_dump_json(),
        )
        if known is None:
            self.put(held)
            for manager in self.watchers():
                self.notify(
                    "held",
                    manager,
                    matter=f"held:{held.number}",
                    step="ask",
                    context=held_context(self, held, letter),
                    # All of them lie in 待确认; of a stranger's, or a forger's, not each is mailed.
                    set_off_by=None if letter.trust == "authenticated" else letter,
                )
        return Ending("held", f"held:{held.number}", (Finding(reason, text),))

    def case(self, letter: Letter, kind: str, state: str, **more: Any) -> Case:
        """Opens a case for `letter` and puts it."""
        case = Case(
            number=self.case_number(),
            kind=kind,
            state=state,
            opened=letter.received,
            changed=letter.received,
            mails=(letter.key,),
            **more,
        )
        self.put(case)
        return case

    def in_working_days(self, count: int) -> datetime:
        """The instant at which the office opens on the `count`-th working day from now."""
        calendar = self.mapping.calendar
        return calendar.at_opening(calendar.add_working_days(calendar.day(self.now), count))

    def within(self, a: datetime, b: datetime, hours: int) -> bool:
        return abs(a - b) <= timedelta(hours=hours)


def message_id(domain: str, matter: str, person: str, step: str) -> str:
    """The Message-ID of a notice: from its key alone, so that a repeat is recognisable (mail.md §4, 6)."""
    digest = hashlib.sha256(f"{matter}|{person}|{step}".encode()).hexdigest()
    return f"<mf-{digest[:32]}@{domain}>"


_HELD_KINDS = {"complaint": "投诉", "objection": "异议", "withdrawal": "撤诉", "mail": "邮件"}


def held_context(desk: Desk, held: Held, letter: Letter) -> dict[str, Any]:
    return {
        "number": held.number,
        "kind": _HELD_KINDS[held.kind],
        "reason": held.text,
        "choices": list(held.choices),
        "project": held.project or "",
        "engineer": held.engineer or "",
        "sender": letter.sender,
        "subject": letter.subject,
        "received": desk.when(letter.received),
        "excerpt": letter.excerpt,
    }
