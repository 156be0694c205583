"""The folder of sent mail: on a Dovecot, beside a real submission server; and how large a message may be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from mailflow.core.providers import GENERIC, Provider
from mailflow.errors import PermanentError, TransientError, UnclearError
from mailflow.transports.copied import CopyingSender
from mailflow.transports.imap import ImapSent
from mailflow.transports.maildir import folder_path
from mailflow.transports.smtp import SmtpSender
from mailflow.transports.wire import Timeouts
from tests.servers.dovecot import Dovecot
from tests.servers.loopback import free_port
from tests.servers.proxy import Proxy
from tests.servers.smtp import SmtpServer
from tests.transports.sender_contract import FULL, REFUSED, Arrived, MoodyWay, RecipientsContract, notice

FROM, ANNA = "support@company.example", "anna@company.example"
NOTICE = b"From: support@company.example\r\nMessage-ID: <n1@company.example>\r\nSubject: hello\r\n\r\nText\r\n"
QUICK = Timeouts(connect=1, read=0.5, operation=5, verdict=0.5)


@contextlib.contextmanager
def copying(
    smtp: SmtpServer,
    dovecot: Dovecot,
    user: str,
    *,
    saves: bool = False,
    folder: str = "",
    provider: Provider = GENERIC,
    port: int | None = None,
) -> Iterator[CopyingSender]:
    sent = ImapSent(
        "send", "127.0.0.1", port or dovecot.port, False, user, lambda: dovecot.users[user], folder, provider=provider
    )
    sender = CopyingSender(SmtpSender("127.0.0.1", smtp.port, "plain", timeouts=QUICK), sent, saves=saves)
    try:
        yield sender
    finally:
        sender.close()


class SentWay:
    """A real submission server, and a real Dovecot with the folder of sent mail."""

    def __init__(self, smtp: SmtpServer, dovecot: Dovecot, user: str) -> None:
        self.smtp, self.dovecot, self.user = smtp, dovecot, user
        smtp.faults.rcpt = {REFUSED: "550 5.1.1 no such user", FULL: "452 4.2.2 mailbox full"}

    def sender(self, password: str = "geheim", port: int | None = None) -> CopyingSender:
        usual = Timeouts(connect=2, read=10, operation=20, verdict=20)
        smtp = SmtpSender("127.0.0.1", port or self.smtp.port, "starttls", "support", lambda: password, timeouts=usual)
        sent = ImapSent(
            "send", "127.0.0.1", self.dovecot.port, False, self.user, lambda: self.dovecot.users[self.user], "Sent"
        )
        return CopyingSender(smtp, sent, saves=False)

    def arrived(self) -> list[Arrived]:
        return [Arrived(sent.raw, tuple(sent.recipients)) for sent in self.smtp.messages]

    def put_off(self) -> None:
        self.smtp.faults.data.append("451 4.3.0 later")

    def lose_answer(self) -> None:
        self.smtp.faults.abort_after_data = 1

    def cut(self) -> None:
        self.smtp.faults.abort_before_data = 1

    def without_entry(self) -> CopyingSender:
        return self.sender("falsch")

    def away(self) -> CopyingSender:
        return self.sender(port=free_port())


@pytest.mark.dovecot
class TestCopyingSender(RecipientsContract):
    @pytest.fixture
    def way(self, dovecot: Dovecot, user: str) -> Iterator[MoodyWay]:
        with SmtpServer(user="support", password="geheim") as smtp:
            yield SentWay(smtp, dovecot, user)

    def test_a_copy_of_all_that_was_taken_lies_in_sent(self, way: SentWay) -> None:
        with contextlib.closing(way.sender()) as sender:
            for number in range(3):
                sender.send(notice(number), FROM, [ANNA])
            way.put_off()
            with pytest.raises(TransientError):
                sender.send(notice(4), FROM, [ANNA])
        assert sorted(held(way.dovecot, way.user, "Sent")) == [notice(number) for number in range(3)]


def held(dovecot: Dovecot, user: str, folder: str) -> list[bytes]:
    maildir = folder_path(dovecot.maildir(user), folder)
    # Dovecot keeps line ends as LF.
    return [path.read_bytes().replace(b"\n", b"\r\n") for part in ("new", "cur") for path in (maildir / part).glob("*")]


@pytest.mark.dovecot
@pytest.mark.parametrize(
    ("folder", "provider", "lies_in"),
    [
        ("已发送", GENERIC, "已发送"),
        ("", Provider(id="x", name="x", sent="Sent Messages"), "Sent Messages"),
        ("", GENERIC, "Sent"),
    ],
)
def test_a_copy_is_put_into_the_folder_which_is_made_if_need_be(
    dovecot: Dovecot, user: str, folder: str, provider: Provider, lies_in: str
) -> None:
    with SmtpServer() as smtp, copying(smtp, dovecot, user, folder=folder, provider=provider) as sender:
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert [m.raw for m in smtp.messages] == held(dovecot, user, lies_in) == [NOTICE]
        assert sender.find("<n1@company.example>") is True
        assert sender.find("<n2@company.example>") is None


@pytest.mark.dovecot
def test_a_server_that_saves_by_itself_gets_no_second_copy(dovecot: Dovecot, user: str) -> None:
    with SmtpServer() as smtp, copying(smtp, dovecot, user, saves=True, folder="Sent") as sender:
        sender.send(NOTICE, FROM, [ANNA])
        assert held(dovecot, user, "Sent") == []


@pytest.mark.dovecot
@pytest.mark.parametrize("stored", [True, False])
def test_a_lost_answer_is_looked_up_where_the_server_saves(dovecot: Dovecot, user: str, stored: bool) -> None:
    with SmtpServer() as smtp, copying(smtp, dovecot, user, saves=True, folder="Sent") as sender:
        smtp.faults.abort_after_data = 1
        with pytest.raises(UnclearError):
            sender.send(NOTICE, FROM, [ANNA])
        with copying(smtp, dovecot, user, folder="Sent") as server:
            server.send(NOTICE if stored else NOTICE.replace(b"<n1@", b"<n0@"), FROM, [ANNA])  # what the server saves
        assert sender.find("<n1@company.example>") is (True if stored else None), "it may come yet"


@pytest.mark.dovecot
def test_a_copy_that_fails_does_not_make_the_message_unsent(dovecot: Dovecot, user: str) -> None:
    with SmtpServer() as smtp, copying(smtp, dovecot, "nobody" + user) as sender:
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert sender.find("<n1@company.example>") is None
        assert len(smtp.messages) == 1


@pytest.mark.dovecot
def test_a_connection_that_died_since_the_last_copy_costs_none(dovecot: Dovecot, user: str) -> None:
    with SmtpServer() as smtp, Proxy(dovecot.port) as proxy:
        with copying(smtp, dovecot, user, folder="Sent", port=proxy.port) as sender:
            sender.send(NOTICE, FROM, [ANNA])
            proxy.cut()
            sender.send(NOTICE.replace(b"<n1@", b"<n2@"), FROM, [ANNA])
            proxy.cut()
            assert sender.find("<n2@company.example>") is True
        assert len(held(dovecot, user, "Sent")) == 2


@pytest.mark.dovecot
def test_a_message_is_found_under_many_newer_ones(dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.sent._AT_ONCE", 7)
    monkeypatch.setattr("mailflow.transports.imap.sent._NEWEST", 30)
    with SmtpServer() as smtp, copying(smtp, dovecot, user, folder="Sent") as sender:
        for number in range(40):
            sender.send(notice(number), FROM, [ANNA])
        found = [sender.find(f"<n{number}@corp.example>") for number in range(40)]
        assert found == [None] * 10 + [True] * 30


@pytest.mark.dovecot
def test_a_long_identifier_is_found_although_the_header_is_folded(dovecot: Dovecot, user: str) -> None:
    long = "<" + "A1b2.C3d4_" * 20 + "@company.example>"
    with SmtpServer() as smtp, copying(smtp, dovecot, user) as sender:
        sender.send(NOTICE.replace(b" <n1@company.example>", f"\r\n {long}".encode()), FROM, [ANNA])
        assert sender.find(long) is True


def test_a_message_larger_than_the_provider_takes_is_not_begun() -> None:
    with SmtpServer() as smtp:
        small = Provider(id="small", name="小邮箱", max_size=10)
        sender = SmtpSender("127.0.0.1", smtp.port, "plain", timeouts=QUICK, provider=small)
        with contextlib.closing(sender), pytest.raises(PermanentError, match="小邮箱最多收 10 字节"):
            sender.send(NOTICE, FROM, [ANNA])
        assert smtp.messages == []
