"""What became of a notice whose answer was lost, or whose sender was killed: looked up before it is sent again.

The way out and the store are real; the folder of sent mail is filled when the case says so, which no real one does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mailflow import outbox
from mailflow.core.mapping import Mapping
from mailflow.core.people import Roster
from mailflow.core.providers import GENERIC
from mailflow.errors import AuthError, BrakedError, MailflowError, TransientError, UserError
from mailflow.notices.compose import compose
from mailflow.notices.samples import SAMPLES
from mailflow.store import Store
from mailflow.transports.base import Refusal, Sender
from mailflow.transports.copied import CopyingSender
from mailflow.transports.graph.api import Office as GraphOffice
from mailflow.transports.graph.sender import GraphSender
from mailflow.transports.smtp import SmtpSender
from mailflow.transports.wire import Timeouts
from tests.faults.office import SUPPORT
from tests.policies.office import GONE, MAPPING, at
from tests.servers.graph import GraphServer
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

    def deliver(self, sender: Sender, minutes: float = 0, mapping: Mapping = MAPPING) -> None:
        post = outbox.Post(sender, f"助手 <{SUPPORT}>", SUPPORT, TEMPLATES, mapping)
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


@pytest.mark.parametrize("late", [BOSS, LISI], ids=["copy", "recipient"])
def test_who_was_put_off_when_the_answer_was_lost_gets_it_though_it_stands_in_sent(desk: Desk, late: str) -> None:
    smtp = copied(desk)
    folder = Folder(desk.server, 0)
    sender = CopyingSender(smtp, folder, saves=True)
    desk.server.faults.rcpt = {late: "452 4.2.2 mailbox full"}
    desk.server.faults.abort_after_data = 1
    desk.deliver(sender)
    others = [one for one in (LISI, BOSS, OTHER) if one != late]
    assert (desk.state(), desk.got) == ("unclear", [others])
    desk.server.faults.rcpt = {}
    for minutes in (5, 6):
        desk.deliver(sender, minutes)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [others, [late]])


def test_a_copy_that_was_put_off_and_then_taken_is_not_sent_again(desk: Desk) -> None:
    smtp = copied(desk)
    folder = Folder(desk.server, None)
    sender = CopyingSender(smtp, folder, saves=True)
    desk.server.faults.rcpt = {BOSS: "452 4.2.2 mailbox full"}
    desk.server.faults.abort_after_data = 2
    desk.deliver(sender)
    desk.server.faults.rcpt = {}
    for minutes in (5, 6):
        desk.deliver(sender, minutes)
    assert (desk.state(), desk.got) == ("unclear", [[LISI, OTHER], [LISI, BOSS, OTHER]])
    folder.after, folder.now = 0, NOON + timedelta(minutes=20)
    desk.deliver(sender, 20)
    sender.close()
    assert (desk.state(), len(desk.got)) == ("sent", 2)


def test_who_was_refused_when_the_answer_was_lost_ends_it(desk: Desk) -> None:
    sender = copied(desk)
    desk.server.faults.rcpt = {LISI: "550 5.1.1 no such user"}
    desk.server.faults.abort_after_data = 1
    for minutes in (0, 5, 60):
        desk.deliver(sender, minutes)
    sender.close()
    assert (desk.state(), desk.got) == ("refused", [[BOSS, OTHER]])


def test_who_has_had_it_gets_no_second_one_at_another_address(desk: Desk) -> None:
    sender = copied(desk)
    desk.server.faults.rcpt = {BOSS: "452 4.2.2 mailbox full"}
    desk.deliver(sender)
    desk.server.faults.rcpt = {}
    moved = Roster(
        tuple(
            replace(person, addresses=("li.si@tech.example",)) if LISI in person.addresses else person
            for person in MAPPING.roster
        )
    )
    desk.deliver(sender, 10, MAPPING.model_copy(update={"roster": moved}))
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI, OTHER], [BOSS]])


def test_nobody_waits_for_a_copy_to_somebody_who_has_left(desk: Desk) -> None:
    sender = copied(desk)
    desk.server.faults.rcpt = {BOSS: "452 4.2.2 mailbox full"}
    desk.deliver(sender)
    assert desk.state() == "pending"
    without = Roster(tuple(person for person in MAPPING.roster if BOSS not in person.addresses))
    desk.deliver(sender, 10, MAPPING.model_copy(update={"roster": without}))
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI, OTHER]])


def test_only_lost_answers_count_when_a_notice_is_given_up(desk: Desk) -> None:
    """What was put off often enough is looked up all the same, and sent again."""
    folder = Folder(desk.server, None)
    sender = CopyingSender(SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK), folder, saves=True)
    desk.server.faults.rcpt = {LISI: "452 4.2.2 mailbox full"}
    for day in range(6):
        desk.deliver(sender, day * 1440)
    desk.server.faults.rcpt = {}
    desk.server.faults.abort_after_data = 1
    for day in (7, 8):
        desk.deliver(sender, day * 1440)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI], [LISI]])


def test_a_server_that_answers_nobody_is_left_alone_before_all_have_two_copies(desk: Desk) -> None:
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, matter=f"complaint:{number}") for number in range(2, 11)])
    desk.server.faults.abort_after_data = 1000
    with closing(SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)) as sender:
        post = outbox.Post(sender, f"助手 <{SUPPORT}>", SUPPORT, TEMPLATES, MAPPING)
        with pytest.raises(TransientError, match="没有答复"):
            outbox.deliver(desk.store, post, NOON)
        assert len(desk.got) == outbox.IN_A_ROW
        desk.server.faults.abort_after_data = 0
        for minutes in (5, 10):
            outbox.deliver(desk.store, post, NOON + timedelta(minutes=minutes))
    with desk.store.read() as reader:
        assert {row.state for row in reader.outbox()} == {"sent"}
    assert len(desk.got) == 10 + outbox.IN_A_ROW


def test_a_process_that_dies_each_time_does_not_make_a_loop_of_us(desk: Desk) -> None:
    sender = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    for minutes in range(10):
        desk.deliver(KilledSender(sender, before=False), minutes)
    sender.close()
    assert (desk.state(), desk.got) == ("unclear", [[LISI]] * outbox.MOST_REPEATS)


def test_a_server_that_fails_for_days_and_sends_nothing_gets_every_notice_in_the_end(desk: Desk) -> None:
    """Its drafts say that nothing has gone: nobody has had a copy, and that is no reason to give up."""
    with GraphServer() as server, closing(graph_sender(server)) as sender:
        server.graph.before = lambda method, path: 503 if path.endswith("/send") else None
        tried = [minutes for minutes in range(2 * 1440) if tries_at(desk, server, sender, minutes)]
        assert (desk.state(), server.graph.submitted) == ("pending", [])
        waits = [later - earlier for earlier, later in pairwise(tried)]
        assert (waits == sorted(waits), max(waits)) == (True, 360), "and it is asked less and less often"
        server.graph.before = lambda method, path: None
        desk.deliver(sender, 4 * 1440)
    assert (desk.state(), len(server.graph.submitted)) == ("sent", 1)


def tries_at(desk: Desk, server: GraphServer, sender: Sender, minutes: int) -> bool:
    """Whether the notice was tried in this minute."""
    before = sum("/send" in request for request in server.graph.requests)
    desk.deliver(sender, minutes)
    return sum("/send" in request for request in server.graph.requests) > before


def graph_sender(server: GraphServer) -> GraphSender:
    return GraphSender(GraphOffice("support@corp.example", Token(server.graph.token), server.base, timeouts=QUICK))


@dataclass
class Token:
    known: str

    def token(self, *, fresh: bool = False) -> str:
        return self.known


@dataclass
class BuggySender(KilledSender):
    """Hands the message over, and then fails as no sender should."""

    sender: Sender
    before: bool = False
    failure: Exception = field(default_factory=ZeroDivisionError)

    def __post_init__(self) -> None:
        self.finds_late = self.sender.finds_late

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        if not self.before:
            self.sender.send(message, envelope_from, recipients)
        if LISI in recipients:
            raise self.failure
        return ()


def test_a_bug_in_sending_one_notice_stops_no_other_and_is_no_loop(desk: Desk) -> None:
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, matter="complaint:2", person="周九", to=BOSS, due=NOON + timedelta(seconds=1))])
    sender = BuggySender(SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK))
    for minutes in (0, *range(1, 200)):
        with suppress(ZeroDivisionError):
            desk.deliver(sender, minutes)
    sender.close()
    assert Counter(map(tuple, desk.got)) == {(LISI,): outbox.MOST_REPEATS, (BOSS,): 1}
    with desk.store.read() as reader:
        states = {row.to: (row.state, "ZeroDivisionError" in (row.error or "")) for row in reader.outbox()}
    assert states == {LISI: ("unclear", True), BOSS: ("sent", False)}


def test_a_bug_in_composing_one_notice_stops_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, matter="complaint:2", person="周九", to=BOSS)])

    def composed(*args: Any, to: str, **kwargs: Any) -> bytes:
        if to == LISI:
            raise ZeroDivisionError
        return compose(*args, to=to, **kwargs)

    monkeypatch.setattr(outbox, "compose", composed)
    smtp = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    desk.deliver(smtp)
    with desk.store.read() as reader:
        states = {row.to: (row.state, "程序出错" in (row.error or "")) for row in reader.outbox()}
    assert states == {LISI: ("pending", True), BOSS: ("sent", False)}
    monkeypatch.undo()
    desk.deliver(smtp, 60)
    smtp.close()
    assert sorted(desk.got) == [[LISI], [BOSS]]


class BusySender:
    """Takes a message, or puts it off and says for how many seconds."""

    per_minute = 0
    finds_late = False

    def __init__(self, *answers: float | None) -> None:
        self.answers, self.tried = list(answers), 0

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        self.tried += 1
        if (wish := self.answers.pop(0)) is not None:
            raise TransientError("451 later", retry_after=wish)
        return ()

    def find(self, message_id: str) -> bool | None:
        return None

    def check(self) -> str:
        return "好。"

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("answers", "tried", "left_alone"),
    [
        ((0, 0, 0, 0, 0), outbox.IN_A_ROW, True),
        ((0, 0, None, 0, 0), 5, False),
        ((None, 600, None, None, None), 2, True),
    ],
    ids=["three in a row", "two in a row", "it says when"],
)
def test_a_server_that_puts_off_one_after_the_other_is_left_alone(
    desk: Desk, answers: tuple[float | None, ...], tried: int, left_alone: bool
) -> None:
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, matter=f"complaint:{number}") for number in range(1, 6)])
    sender = BusySender(*answers)
    post = outbox.Post(sender, f"助手 <{SUPPORT}>", SUPPORT, TEMPLATES, MAPPING)
    with pytest.raises(TransientError, match="451") if left_alone else nullcontext():
        outbox.deliver(desk.store, post, NOON)
    assert sender.tried == tried
    with desk.store.read() as reader:
        states = Counter(row.state for row in reader.outbox())
    assert states == Counter("sent" if one is None else "pending" for one in (*answers[:tried], *[0] * (5 - tried)))


def test_no_copy_goes_to_who_has_left_or_was_never_there(desk: Desk) -> None:
    with desk.store.write() as tx:
        tx.put([replace(NOTICE, cc=(BOSS, GONE, "stranger@outside.example"))])
    smtp = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    desk.deliver(smtp)
    smtp.close()
    (sent,) = desk.server.messages
    assert sent.recipients == [LISI, BOSS]
    head = sent.raw.partition(b"\r\n\r\n")[0]
    assert f"\r\nCc: {BOSS}\r\n".encode() in head
    assert (GONE.encode() in head, b"stranger" in head) == (False, False)


def test_a_notice_that_is_put_off_waits_longer_each_time(desk: Desk) -> None:
    sender, tried = BusySender(*[0.0] * 100), list[int]()
    for minute in range(25 * 60):
        before = sender.tried
        desk.deliver(sender, minute)
        tried += [minute] * (sender.tried - before)
    waits = [after - before for before, after in pairwise(tried)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]


@pytest.mark.parametrize("failure", [UserError("没有密码"), AuthError("没有密码")], ids=["not set up", "refused"])
def test_a_sender_that_is_not_set_up_costs_no_notice_a_doubt(desk: Desk, failure: Exception) -> None:
    smtp = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    desk.deliver(BuggySender(smtp, before=True, failure=failure))
    with desk.store.read() as reader:
        (row,) = reader.outbox()
    assert (row.state, row.doubts, row.error) == ("pending", 0, "没有密码")
    desk.deliver(smtp, 10)
    smtp.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI]])


# -- a clock that was wrong, and is put back -------------------------------------------------------------------------

YEAR = 365 * 1440


def test_a_notice_that_was_put_off_in_a_wrong_year_goes(desk: Desk) -> None:
    sender = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    desk.server.faults.rcpt = {LISI: "452 4.2.2 mailbox full"}
    desk.deliver(sender, YEAR)
    desk.server.faults.rcpt = {}
    desk.deliver(sender, 5)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI]])


def test_a_notice_whose_answer_was_lost_in_a_wrong_year_is_looked_up(desk: Desk) -> None:
    sender = SmtpSender("127.0.0.1", desk.server.port, "plain", timeouts=QUICK)
    desk.server.faults.abort_after_data = 1
    desk.deliver(sender, YEAR)
    desk.deliver(sender, YEAR - 1)
    assert desk.state() == "unclear", "a minute back is no wrong clock"
    desk.deliver(sender, 5)
    sender.close()
    assert (desk.state(), desk.got) == ("sent", [[LISI], [LISI]])


@dataclass
class Limited:
    """A server that takes two messages in a minute, and a limit of three an hour."""

    desk: Desk
    waits: list[float] = field(default_factory=list)

    def deliver(self, minutes: float, matter: int, *, send_all: bool = False) -> int:
        """One notice more falls due. Returns how many have gone until now."""
        slow = GENERIC.model_copy(update={"per_minute": 2})
        sender = SmtpSender("127.0.0.1", self.desk.server.port, "plain", timeouts=QUICK, provider=slow)
        few = MAPPING.reminders.model_copy(update={"messages_per_hour": 3})
        mapping = MAPPING.model_copy(update={"reminders": few})
        post = outbox.Post(sender, f"助手 <{SUPPORT}>", SUPPORT, TEMPLATES, mapping)
        with self.desk.store.write() as tx:
            tx.put([replace(NOTICE, matter=f"complaint:{matter}")])
        now = NOON + timedelta(minutes=minutes)
        with closing(sender):
            outbox.deliver(self.desk.store, post, now, wait=self.waits.append, send_all=send_all)
        return len(self.desk.got)


@pytest.mark.parametrize("ahead", [20, YEAR])
def test_what_went_while_the_clock_was_wrong_neither_brakes_nor_paces_for_long(desk: Desk, ahead: int) -> None:
    limited = Limited(desk)
    assert limited.deliver(ahead, 2) == 2
    assert limited.deliver(0, 3) == 3
    assert sum(limited.waits) <= 60
    assert limited.deliver(120, 4) == 4


def test_that_a_person_let_go_in_a_wrong_year_lets_no_flood_go(desk: Desk) -> None:
    limited = Limited(desk)
    assert limited.deliver(YEAR, 2, send_all=True) == 2
    assert [limited.deliver(minutes, 3 + minutes) for minutes in (0, 5, 10)] == [3, 4, 5]
    with pytest.raises(BrakedError):
        limited.deliver(15, 30)
