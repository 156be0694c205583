"""The stories' words: mails, answers, cells, commands and the passing of time, in the order in which they happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.stories.department import MX, moment
from tests.stories.mail import Auth, Mail
from tests.stories.stage import Stage

QUOTED = ("", "-----原始邮件-----", "发件人: 技术支持助手", "可回复：确认 / 驳回 / 异议")
"""What a client leaves below an answer: the words that a notice offers are not the answer."""


@dataclass(frozen=True)
class Copy:
    """A mail arrives once more: redelivered, or in a second mailbox."""

    id: str
    at: str
    mailbox: str = "support"


@dataclass(frozen=True)
class Answer:
    """Somebody replies to a notice that was sent: its template, to whom, and a word of its matter or subject."""

    id: str
    at: str
    who: str
    to_notice: tuple[str, str, str]
    says: tuple[str, ...]
    auth: Auth = "pass"

    def mail(self, stage: Stage) -> Mail:
        notice = stage.notice(*self.to_notice)
        return Mail(
            id=self.id, at=self.at, who=self.who, subject=f"答复: {notice['subject']}",
            body=(*map(stage.filled, self.says), *QUOTED),
            answers=notice["message_id"], auth=self.auth,
        )  # fmt: skip


@dataclass(frozen=True)
class Back:
    """A notice that was sent arrives in the mailbox that sent it."""

    at: str
    notice: tuple[str, str, str]

    def raw(self, stage: Stage) -> bytes:
        trace = f"Received: from relay.outside.example by {MX}; {moment(self.at):%a, %d %b %Y %H:%M:%S %z}\n"
        return trace.encode() + stage.sent()[stage.notice(*self.notice)["message_id"]][0]


@dataclass(frozen=True)
class Noise:
    """Bytes that are no mail."""

    at: str
    raw: bytes


@dataclass(frozen=True)
class Once:
    """`mailflow once` at this time."""

    at: str


@dataclass(frozen=True)
class Command:
    """A command of the command line at this time, e.g. decide 2 驳回."""

    at: str
    text: str


@dataclass(frozen=True)
class Cell:
    """The manager writes into the column 决定 of 待确认.xlsx, in the row of this number."""

    number: str
    text: str


Step = Mail | Copy | Answer | Back | Noise | Once | Command | Cell


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens, and what domain.md says must come of it, written out by hand."""

    name: str
    steps: Sequence[Step]
    mails: Mapping[str, str]
    """How each mail ends; "recorded copy" where it arrived twice."""
    complaints: Sequence[tuple[str, str | None, str, str]] = ()
    ledger: Sequence[tuple[object, ...]] = ()
    records: Sequence[tuple[object, ...]] = ()
    cases: Sequence[tuple[object, ...]] = ()
    held: Sequence[tuple[object, ...]] = ()
    notices: Mapping[tuple[str, str], int]

    @property
    def end(self) -> str:
        return max((step.at for step in self.steps if isinstance(step, Once)), key=moment)


def play(story: Story, stage: Stage) -> None:
    """Plays all of it; every command must do what it is told."""
    known: dict[str, Mail] = {}
    for step in story.steps:
        _play(step, stage, known)


def _play(step: Step, stage: Stage, known: dict[str, Mail]) -> None:
    match step:
        case Mail():
            known[step.id] = replace(
                step,
                subject=stage.filled(step.subject) if "{" in step.subject else step.subject,
                answers=known[step.answers].reference if step.answers in known else step.answers,
            )
            stage.deliver(known[step.id])
        case Copy():
            stage.deliver(known[step.id], step.mailbox, step.at)
        case Answer():
            stage.deliver(step.mail(stage))
        case Back():
            stage.deliver_raw(step.raw(stage), step.at)
        case Noise():
            stage.deliver_raw(step.raw, step.at)
        case Once():
            ended = stage.once(step.at)
            assert ended.code == 0, ended.err
        case Command():
            ended = stage.command(*stage.filled(step.text).split(), "--now", moment(step.at).isoformat())
            assert ended.code == 0, ended.err
        case Cell():
            stage.write_cell("待确认", step.number, "决定", step.text)


def compare(story: Story, stage: Stage) -> None:
    """What came of it is what the story says."""
    assert {mail: " ".join(ends) for mail, ends in stage.mails().items()} == dict(story.mails)
    assert stage.complaints() == list(story.complaints)
    assert stage.ledger() == list(story.ledger)
    assert stage.records() == list(story.records)
    assert stage.cases() == list(story.cases)
    assert stage.held() == list(story.held)
    assert stage.notices() == Counter(story.notices)
