"""What became of a notice whose answer was lost, or whose sender was killed: looked up before it is sent again.

The way out and the store are real; the folder of sent mail is filled when the case says so, which no real one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailflow import outbox
from mailflow.errors import MailflowError, TransientError
from mailflow.notices.samples import SAMPLES
from mailflow.store import Store
from mailflow.transports.base import Refusal, Sender
from mailflow.transports.copied import CopyingSender
from mailflow.transports.smtp import SmtpSender
from mailflow.transports.wire import Timeouts
from tests.faults.office import SUPPORT
from tests.policies.office import MAPPING, at
from tests.servers.smtp import SmtpServer
from tests.store import samples
from tests.stories.forks import ROOT

TEMPLATES = ROOT / "templates" / "notices"
NOON = at("11-23 12:00")
LISI, BOSS = "lisi@tech.example", "zhoujiu@tech.example"
NOTICE = samples.notice(
    "complaint:1", person="李四", template="held", to=LISI, cc=(), context=SAMPLES["held"], due=NOON, in_reply_to=None
)
QUICK = Timeouts(connect=2, read=5, operation=10, verdict=5)


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class Folder:
    """The folder of sent mail. What the server has taken stands there so many minutes later; None: never."""

    server: SmtpServer
    after: float | None
    now: datetime = NOON
    away: bool = False
    copies: list[bytes] = field(default_factory=list)

    def append(self, message: bytes) -> None:
        if self.away:
            raise TransientError("IMAP 连不上")
        self.copies.append(message)

    def holds(self, message_id: str) -> bool:
        if self.away:
            raise TransientError("IMAP 连不上")
        saved = [] if self.after is None or self.now < NOON + timedelta(minutes=self.after) else self.server.messages
        return any(message_id.encode() in raw for raw in (*self.copies, *(sent.raw for sent in saved)))

    def check(self) -> str:
        return "好。"

    def close(self) -> None: ...


class KilledSender:
    """Ends the process before or after the message is handed over."""

    per_minute = 0

    def __init__(self, sender: Sender, *, before: bool) -> None:
        self.sender, self.before = sender, before
        self.finds_late = sender.finds_late

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        if not self.before:
            self.sender.send(message, envelope_from, recipients)
        raise KilledError

    def find(self, message_id: str) -> bool | None:
        return self.sender.find(message_id)

    def check(self) -> str:
        return self.sender.check()

    def close(self) -> None:
        self.sender.close()


@dataclass
class Desk:
    store: Store
    server: SmtpServer

    def deliver(self, sender: Sender, minutes: float = 0) -> None:
        post = outbox.Post(sender, f"助手 <{SUPPORT}>", SUPPORT, TEMPLATES, MAPPING)
        with suppress(KilledError, MailflowError):
            outbox.deliver(self.store, post, NOON + timedelta(minutes=minutes))

    def state(self) -> str:
        with self.store.read() as reader:
            (row,) = reader.outbox()
        return row.state

    @property
    def got(self) -> list[list[str]]:
        return [sent.recipients for sent in self.server.messages]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store.open(None, tmp_path / "data")
    with store.write() as tx:
        tx.put([NOTICE])
    with SmtpServer() as server:
        yield Desk(store, server)
    store.close()


def alone(sender: SmtpSender, folder: Folder) -> Sender:
    return sender


def own_copy(sender: SmtpSender, folder: Folder) -> Sender:
    return CopyingSender(sender, folder, saves=False)


def saved(sender: SmtpSender, folder: Folder) -> Sender:
    return CopyingSender(sender, folder, saves=True)


Way = Callable[[SmtpSender, Folder], Sender]


@pytest.mark.parametrize(
    ("way", "ending", "after", "copies"),
    [
        # SMTP alone cannot tell: better twice than never.
        (alone, "killed before", None, 1),
        (alone, "killed after", None, 2),
        (alone, "lost", None, 2),
        # The copy is ours: once it is there, it was sent; until then nobody knows.
        (own_copy, "killed before", None, 1),
        (own_copy, "killed after", None, 1),
        (own_copy, "lost", None, 2),
        # The server saves, at once or later.
        (saved, "killed before", 0, 1),
        (saved, "killed after", 0, 1),
        (saved, "killed after", 1, 1),
        (saved, "lost", 0, 1),
        (saved, "lost", 1, 1),
        (saved, "lost", 30, 2),
    ],
)
def test_a_notice_is_never_lost_and_repeated_only_where_nobody_can_know(
    desk: Desk, way: Way, ending: str, after: float | None, copies: int
) -> None:
    folder = Folder(desk.server, after)
    smtp = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    sender = way(smtp, folder)
    if ending == "lost":
        desk.server.faults.abort_after_data = 1
        desk.deliver(sender)
        assert desk.state() == "unclear"
    else:
        desk.deliver(KilledSender(sender, before=ending == "killed before"))
        assert desk.state() == "sending"
    for minutes in (0, 0.1, 0.5, 2, 2.5, 5, 60):
        folder.now = NOON + timedelta(minutes=minutes)
        desk.deliver(sender, minutes)
    sender.close()
    assert desk.got == [[LISI]] * copies
    assert desk.state() == "sent"
    assert len({sent.raw for sent in desk.server.messages}) == 1, "a repeat is the same message"


@pytest.mark.parametrize("ending", ["killed", "lost"])
def test_a_folder_that_is_away_is_asked_again_before_anything_is_repeated(desk: Desk, ending: str) -> None:
    folder = Folder(desk.server, 0, away=True)
    smtp = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    sender = CopyingSender(smtp, folder, saves=True)
    desk.server.faults.abort_after_data = int(ending == "lost")
    desk.deliver(sender if ending == "lost" else KilledSender(sender, before=False))
    desk.deliver(sender, 0.1)
    assert (desk.state(), len(desk.got)) == ("unclear", 1)
    folder.away, folder.now = False, NOON + timedelta(minutes=5)
    desk.deliver(sender, 5)
    sender.close()
    assert (desk.state(), len(desk.got)) == ("sent", 1)


def test_a_copy_in_sent_says_nothing_of_a_recipient_who_was_put_off(desk: Desk) -> None:
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, cc=(BOSS,))])
    folder = Folder(desk.server, None)
    smtp = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    sender = CopyingSender(smtp, folder, saves=False)
    desk.server.faults.rcpt = {LISI: "452 4.2.2 mailbox full"}
    desk.deliver(sender)
    assert (desk.state(), desk.got, len(folder.copies)) == ("pending", [[BOSS]], 1)
    # Put off again, then killed, then the answer lost: the copy is never sent again, and the recipient not forgotten.
    desk.deliver(sender, 10)
    desk.server.faults.rcpt = {}
    desk.deliver(KilledSender(sender, before=True), 30)
    assert desk.state() == "sending"
    desk.server.faults.abort_after_data = 1
    for minutes in (31, 120, 240):
        desk.deliver(sender, minutes)
    sender.close()
    assert desk.got == [[BOSS], [LISI], [LISI]]
    assert desk.state() == "sent"


OTHER = "wangwu@tech.example"


def copied(desk: Desk) -> SmtpSender:
    """A notice to 李四 with two copies, and the way it goes."""
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, cc=(BOSS, OTHER))])
    return SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)


def said(desk: Desk) -> str | None:
    with desk.store.read() as reader:
        (row,) = reader.outbox()
    return row.error


def test_a_copy_that_was_put_off_is_tried_again_and_nobody_gets_it_twice(desk: Desk) -> None:
    sender = copied(desk)
    desk.server.faults.rcpt = {BOSS: "452 4.2.2 mailbox full", OTHER: "550 5.1.1 no such user"}
    desk.deliver(sender)
    assert (desk.state(), desk.got) == ("pending", [[LISI]])
    assert (said(desk) or "").startswith(f"已送达 {LISI}；拒收 {OTHER}；{BOSS}：452")
    desk.deliver(sender, 10)
    assert (desk.state(), desk.got) == ("pending", [[LISI]])
    desk.server.faults.rcpt = {}
    desk.deliver(sender, 60)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI], [BOSS]])
    assert said(desk) == f"拒收 {OTHER}；"
    assert len({sent.raw for sent in desk.server.messages}) == 1, "it is the same message"


def test_a_copy_that_is_refused_in_the_end_leaves_the_notice_sent(desk: Desk) -> None:
    sender = copied(desk)
    desk.server.faults.rcpt = {BOSS: "452 4.2.2 mailbox full"}
    desk.deliver(sender)
    assert (desk.state(), desk.got) == ("pending", [[LISI, OTHER]])
    desk.server.faults.rcpt = {BOSS: "550 5.2.1 disabled"}
    desk.deliver(sender, 10)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI, OTHER]])
    assert "550 5.2.1" in (said(desk) or "")


def test_what_some_have_had_is_remembered_through_kills_and_lost_answers(desk: Desk) -> None:
    sender = copied(desk)
    desk.server.faults.rcpt = {BOSS: "452 4.2.2 mailbox full"}
    desk.deliver(sender)
    desk.server.faults.rcpt = {}
    desk.deliver(KilledSender(sender, before=True), 30)
    desk.server.faults.abort_after_data = 1
    for minutes in (31, 120, 240):
        desk.deliver(sender, minutes)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI, OTHER], [BOSS], [BOSS]])
