"""Loops and floods on a real store with a real way out: they end, one person is told, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailflow import intake, outbox
from mailflow.app import App, source_of
from mailflow.errors import BrakedError
from mailflow.transports.base import Sender
from tests.faults.office import MX, SUPPORT, Office, unfinished_report
from tests.servers.smtp import SmtpServer

ROBOT = "test@rd.example"
"""测试组 of the shipped roster: behind such an address there is a ticket system more often than a person."""
MANAGER = "zhoujiu@tech.example"
START = datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
LIMITS = "answers_per_hour = 1000\nanswers_per_day = 1000\nanswers_per_thread = 1000\n"


@dataclass
class Loop:
    """mailflow with its mailbox and its SMTP server, in this process: 200 rounds of children would take minutes."""

    office: Office
    app: App
    server: SmtpServer
    sender: Sender

    def round(self, now: datetime, *mails: bytes) -> list[EmailMessage]:
        """Delivers these mails, lets mailflow take them in and send; returns what came out."""
        for raw in mails:
            self.office.deliver(raw, when=now)
        (box,) = self.app.config.mailboxes
        mailbox = self.app.mailbox(box)
        intake.take_in(self.app.store, mailbox, source_of(box))
        mailbox.close()
        before = len(self.server.messages)
        outbox.deliver(self.app.store, self.app.post(self.sender, self.app.in_force()), now)
        return [_read(sent.raw) for sent in self.server.messages[before:]]

    def got(self, address: str) -> list[EmailMessage]:
        return [_read(sent.raw) for sent in self.server.messages if address in sent.recipients]


@contextmanager
def looping(folder: Path, limits: str = "") -> Iterator[Loop]:
    with SmtpServer() as server:
        office = Office(folder, send=f'url = "smtp://127.0.0.1:{server.port}"')
        if limits:
            (office.folder / "mappings" / "reminders.toml").write_text(limits, encoding="utf-8")
        app = App.of(office.folder / "config.toml")
        app.take_mapping(START - timedelta(days=1))
        sender = app.sender()
        try:
            yield Loop(office, app, server, sender)
        finally:
            sender.close()
            app.store.close()


def _read(raw: bytes) -> EmailMessage:
    found = message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def ticket(number: int, answers: EmailMessage | None = None) -> bytes:
    """What a ticket system makes of anything: no header says that it is one."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Authentication-Results"] = f"{MX}; dmarc=pass header.from=rd.example"
    mail["From"], mail["To"] = f"测试组 <{ROBOT}>", SUPPORT
    mail["Subject"] = "BUG反馈"
    mail["Message-ID"] = f"<ticket{number}@rd.example>"
    if answers is not None:
        mail["In-Reply-To"] = str(answers["Message-ID"])
    mail.set_content(f"您的来信已登记，工单号 {number}。")
    return bytes(mail)


@pytest.mark.parametrize(
    ("threaded", "answered", "why"), [(True, 10, "同一话题一天内"), (False, 30, "一小时内")], ids=["thread", "none"]
)
def test_two_robots_end_at_the_cap(tmp_path: Path, threaded: bool, answered: int, why: str) -> None:
    with looping(tmp_path) as loop:
        last: EmailMessage | None = None
        for number in range(200):
            sent = loop.round(START + timedelta(seconds=10 * number), ticket(number, last if threaded else None))
            last = next((mail for mail in sent if ROBOT in mail["To"]), last)
        assert len(loop.got(ROBOT)) == answered
        (told,) = loop.got(MANAGER)
        assert told["Subject"] == "已停止自动答复：测试组的来信太多"
        body = told.get_body(("plain",))
        assert body is not None
        assert why in body.get_content()
        assert len(loop.server.messages) == answered + 1, "and nobody else heard of it"
        office = loop.office
    mails = office.rows("mails")
    assert Counter(mail["disposition"] for mail in mails) == {"near_miss": 200}, "all are there"
    stopped = [mail for mail in mails if "answer_stopped" in {finding["code"] for finding in mail["findings"]}]
    assert len(stopped) == 200 - answered
    office.nothing_lost()


def test_what_goes_out_keeps_other_robots_quiet_and_names_the_thread(tmp_path: Path) -> None:
    with looping(tmp_path) as loop:
        (first,) = loop.round(START, ticket(0))
        (second,) = loop.round(START + timedelta(minutes=1), ticket(1, first))
    for sent in (first, second):
        assert (sent["Auto-Submitted"], sent["X-Auto-Response-Suppress"], sent["X-Loop"]) == (
            "auto-replied", "All", "mailflow",
        )  # fmt: skip
    assert first["References"].split() == [first["In-Reply-To"]] == ["<ticket0@rd.example>"]
    assert second["In-Reply-To"] == "<ticket1@rd.example>"
    assert second["References"].split() == ["<ticket0@rd.example>", first["Message-ID"], "<ticket1@rd.example>"]
    assert {sent.sender for sent in loop.server.messages} == {SUPPORT}, "what bounces comes back to where it is read"


class TestSlowFlood:
    """A hundred a minute never have 500 due at once: what went within the hour is counted."""

    LIMIT = f"{LIMITS}messages_per_hour = 20\n"

    def flooded(self, loop: Loop) -> str:
        """Lets 5 notices a minute fall due until something stops them; returns what it says."""
        for minute in range(30):
            try:
                loop.round(START + timedelta(minutes=minute), *(unfinished_report() for _ in range(5)))
            except BrakedError as error:
                return str(error)
        raise AssertionError("nothing stopped them")

    def test_it_is_stopped_and_everything_else_goes_on(self, tmp_path: Path) -> None:
        with looping(tmp_path, self.LIMIT) as loop:
            said = self.flooded(loop)
            assert ("一小时内已发出 20 封" in said, "--send-all" in said) == (True, True)
            assert len(loop.server.messages) == 20
            with pytest.raises(BrakedError):
                loop.round(START + timedelta(minutes=40), unfinished_report())
            assert len(loop.server.messages) == 20
            office = loop.office
        assert len(office.rows("records")) == 26, "intake goes on"

    def test_the_hour_goes_by(self, tmp_path: Path) -> None:
        with looping(tmp_path, self.LIMIT) as loop:
            self.flooded(loop)
            loop.round(START + timedelta(minutes=63, seconds=30))
            assert len(loop.server.messages) == 25

    def test_once_is_braked_by_what_another_once_has_sent_and_a_person_lets_it_go(self, tmp_path: Path) -> None:
        with looping(tmp_path, self.LIMIT) as loop:
            self.flooded(loop)
            office = loop.office
            ended = office.once("2026-11-23T09:20")
            assert (ended.code, "一小时内已发出 20 封" in ended.err) == (1, True), ended.err
            ended = office.run("once", "--send-all", "--now", "2026-11-23T09:21")
            assert (ended.code, ended.err) == (0, "")
            assert len(loop.server.messages) == 25
            for minute in range(22, 26):
                loop.round(START.replace(minute=minute), *(unfinished_report() for _ in range(5)))
            assert len(loop.server.messages) == 45, "what was let go is no part of the next flood"
            with pytest.raises(BrakedError):
                loop.round(START.replace(minute=26), unfinished_report())


def test_a_server_that_takes_only_so_many_in_a_minute_is_not_sent_more(tmp_path: Path) -> None:
    with looping(tmp_path, LIMITS) as loop:
        file = loop.office.folder / "mappings" / "providers.toml"
        slow = '\n[[provider]]\nid = "slow"\nname = "慢邮箱"\nhosts = ["127.0.0.1"]\nper_minute = 2\n'
        file.write_text(file.read_text(encoding="utf-8") + slow, encoding="utf-8")
        waits: list[float] = []

        def send(now: datetime, wait: Callable[[float], object]) -> None:
            # A sender of its own each time, as in a `once` of its own.
            sender = App.of(loop.office.folder / "config.toml").sender()
            outbox.deliver(loop.app.store, loop.app.post(sender, loop.app.in_force()), now, wait=wait)
            sender.close()

        def take_in(count: int) -> None:
            for _ in range(count):
                loop.office.deliver(unfinished_report(), when=START)
            (box,) = loop.app.config.mailboxes
            intake.take_in(loop.app.store, loop.app.mailbox(box), source_of(box))

        take_in(5)
        send(START, waits.append)
        assert (waits, len(loop.server.messages)) == ([60.0, 60.0], 5)
        take_in(2)
        send(START + timedelta(minutes=2, seconds=20), waits.append)
        assert waits[2:] == [40.0], "one went in the last minute; the next had to wait for it"
