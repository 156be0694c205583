"""Sending, against a real submission server on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailflow.errors import AuthError, PermanentError, TransientError, UnclearError
from mailflow.transports.smtp import Mode, SmtpSender
from mailflow.transports.wire import Timeouts
from tests.servers.loopback import Certificate, free_port
from tests.servers.smtp import SmtpServer

FROM = "support@company.example"
ANNA, BEN, CARL = "anna@company.example", "ben@company.example", "carl@customer.example"
NOTICE = b"From: support@company.example\r\nSubject: hello\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
QUICK = Timeouts(connect=1, read=0.5, operation=5, verdict=0.5)


@contextlib.contextmanager
def sending(server: SmtpServer, mode: Mode = "plain", timeouts: Timeouts = QUICK) -> Iterator[SmtpSender]:
    sender = SmtpSender("127.0.0.1", server.port, mode, timeouts=timeouts)
    try:
        yield sender
    finally:
        sender.close()


def test_a_message_arrives_byte_for_byte_at_everybody() -> None:
    with SmtpServer() as server, sending(server) as sender:
        assert sender.send(NOTICE, FROM, [ANNA, BEN]) == ()
    (sent,) = server.messages
    assert (sent.sender, sent.recipients, sent.raw) == (FROM, [ANNA, BEN], NOTICE)


def test_eight_bit_bytes_and_a_missing_last_line_end_arrive_too() -> None:
    with SmtpServer() as server, sending(server) as sender:
        sender.send("Subject: x\r\n\r\n你好".encode(), FROM, [ANNA])
    assert server.messages[0].raw == "Subject: x\r\n\r\n你好\r\n".encode()
    assert "BODY=8BITMIME" in server.messages[0].options


def test_an_answer_with_the_empty_envelope_sender_can_be_sent() -> None:
    with SmtpServer() as server, sending(server) as sender:
        sender.send(NOTICE, "", [ANNA])
    assert server.messages[0].sender == ""


def test_one_connection_serves_a_batch_and_is_made_anew_when_stale() -> None:
    with SmtpServer() as server, sending(server) as sender:
        for _ in range(3):
            sender.send(NOTICE, FROM, [ANNA])
        assert server.connections == 1
        server.drop_connections()
        sender.send(NOTICE, FROM, [ANNA])
        assert server.connections == 2
    assert len(server.messages) == 4


def test_the_sent_step_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILFLOW_STEPS", str(tmp_path / "steps"))
    with SmtpServer() as server, sending(server) as sender:
        sender.send(NOTICE, FROM, [ANNA])
        server.faults.data.append("554 5.7.1 spam")
        with pytest.raises(PermanentError):
            sender.send(NOTICE, FROM, [ANNA])
    assert (tmp_path / "steps").read_text().split() == ["smtp.sent"]


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_some_recipients_refused_are_told_one_by_one_and_the_others_get_it() -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.rcpt = {ANNA: "452 4.2.2 mailbox full", BEN: "550 5.1.1 no such user"}
        refusals = sender.send(NOTICE, FROM, [ANNA, BEN, CARL])
        assert [(r.recipient, r.code, r.permanent) for r in refusals] == [(ANNA, 452, False), (BEN, 550, True)]
        assert refusals[0].text == "4.2.2 mailbox full"
        assert server.messages[0].recipients == [CARL]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({ANNA: "550 no", BEN: "553 no"}, PermanentError),
        ({ANNA: "550 no", BEN: "451 later"}, TransientError),
        ({ANNA: "421 closing", BEN: "421 closing"}, TransientError),
    ],
)
def test_all_recipients_refused_is_final_only_if_all_refusals_are(
    answers: dict[str, str], error: type[Exception]
) -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.rcpt = answers
        with pytest.raises(error, match="拒绝了所有收件人"):
            sender.send(NOTICE, FROM, [ANNA, BEN])
        server.faults.rcpt = {}
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
    assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 4.3.0 later", TransientError),
        ("421 4.3.2 closing", TransientError),
        ("550 5.1.8 sender unknown", PermanentError),
        ("530 5.7.0 authentication required", AuthError),
    ],
)
def test_a_refused_sender_is_passing_or_final_as_the_server_says(answer: str, error: type[Exception]) -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.mail = [answer]
        with pytest.raises(error) as caught:
            sender.send(NOTICE, FROM, [ANNA])
        assert type(caught.value) is error
        assert answer in str(caught.value)
        assert sender.send(NOTICE, FROM, [ANNA]) == ()


@pytest.mark.parametrize(
    ("answer", "error"), [("451 4.3.0 later", TransientError), ("554 5.7.1 looks like spam", PermanentError)]
)
def test_a_refused_message_is_passing_or_final_as_the_server_says(answer: str, error: type[Exception]) -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.data = [answer]
        with pytest.raises(error, match=answer):
            sender.send(NOTICE, FROM, [ANNA])
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
    assert len(server.messages) == 1


def test_a_message_larger_than_the_server_takes_is_not_even_offered() -> None:
    with SmtpServer(size_limit=1000) as server, sending(server) as sender:
        with pytest.raises(PermanentError, match="1000"):
            sender.send(NOTICE + b"x" * 2000, FROM, [ANNA])
        assert sender.send(NOTICE, FROM, [ANNA]) == ()


@pytest.mark.parametrize(
    "address",
    [
        "anna@company.example\r\nRCPT TO:<evil@stranger.example>",
        "anna@company.example>,<evil@stranger.example",
        "anna@company.example,evil@stranger.example",
        "Anna <anna@company.example>",
        "anna",
        "",
        "安娜@company.example",
    ],
)
def test_an_address_that_is_none_reaches_no_command(address: str) -> None:
    with SmtpServer() as server, sending(server) as sender:
        (refusal,) = sender.send(NOTICE, FROM, [address, BEN])
        assert (refusal.recipient, refusal.permanent) == (address, True)
        if address:
            with pytest.raises(PermanentError, match="发件地址"):
                sender.send(NOTICE, address, [ANNA])
    assert [sent.recipients for sent in server.messages] == [[BEN]]


def test_a_chinese_address_is_used_where_the_server_offers_it() -> None:
    with SmtpServer(smtputf8=True) as server, sending(server) as sender:
        assert sender.send(NOTICE, FROM, ["安娜@company.example"]) == ()
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
    chinese, plain = server.messages
    assert chinese.recipients == ["安娜@company.example"]
    assert "SMTPUTF8" in chinese.options
    assert "SMTPUTF8" not in plain.options


# -- broken connections -----------------------------------------------------------------------------------------------


def test_an_answer_lost_after_the_message_was_handed_over_is_unclear() -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.abort_after_data = 1
        with pytest.raises(UnclearError):
            sender.send(NOTICE, FROM, [ANNA])
        assert len(server.messages) == 1
        assert sender.find("<n1@company.example>") is None
        assert sender.send(NOTICE, FROM, [ANNA]) == ()


def test_a_connection_lost_before_the_message_is_passing() -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.abort_before_data = 1
        with pytest.raises(TransientError):
            sender.send(NOTICE, FROM, [ANNA])
        assert server.messages == []
        assert sender.send(NOTICE, FROM, [ANNA]) == ()


def test_nobody_listening_is_passing() -> None:
    sender = SmtpSender("127.0.0.1", free_port(), "plain", timeouts=QUICK)
    for call in (sender.check, lambda: sender.send(NOTICE, FROM, [ANNA])):
        with pytest.raises(TransientError, match="连接失败"):
            call()
    sender.close()


Script = Callable[[socket.socket, threading.Event], None]


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[int]:
    """A server that says what aiosmtpd never would. Returns its port."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            conn, _ = listener.accept()
            with conn, contextlib.suppress(OSError):
                script(conn, stop)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.close()
        thread.join(5)


def says(*answers: bytes, then: Script | None = None) -> Script:
    """One answer a line received, the greeting first; a line of "." ends the message."""

    def script(conn: socket.socket, stop: threading.Event) -> None:
        with conn.makefile("rb") as lines:
            for number, answer in enumerate(answers):
                if number:
                    line = lines.readline()
                    while line and answers[number - 1].startswith(b"354") and line != b".\r\n":
                        line = lines.readline()
                conn.sendall(answer)
            if then:
                then(conn, stop)

    return script


def silence(conn: socket.socket, stop: threading.Event) -> None:
    stop.wait(10)


def trickle(conn: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        conn.sendall(b"x")


HELLO, OK, GO = b"220 ready\r\n", b"250 ok\r\n", b"354 go\r\n"
ACCEPTED = (HELLO, OK, OK, OK, GO)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (says(b"554 go away\r\n"), TransientError),
        (says(b"junk\r\n"), TransientError),
        (says(b"\xff" * 20_000 + b"\r\n"), TransientError),
        (says(HELLO, then=silence), TransientError),
        (says(then=trickle), TransientError),
        (says(HELLO, OK, then=trickle), TransientError),
        (says(HELLO, OK, OK, OK, b"junk\r\n"), TransientError),
        (says(HELLO, OK, OK, OK, b"451 later\r\n", OK), TransientError),
        (says(*ACCEPTED, b"junk\r\n"), UnclearError),
        (says(*ACCEPTED, b"354 go on\r\n"), UnclearError),
        (says(*ACCEPTED, b"25"), UnclearError),
        (says(*ACCEPTED, b"", then=silence), UnclearError),
        (says(*ACCEPTED, b"", then=trickle), UnclearError),
        (says(*ACCEPTED, b"x" * 20_000), UnclearError),
    ],
)
def test_strange_servers_are_passing_before_the_message_and_unclear_after_it(
    script: Script, error: type[Exception]
) -> None:
    timeouts = Timeouts(connect=1, read=0.5, operation=0.7, verdict=0.5)
    with scripted(script) as port:
        sender = SmtpSender("127.0.0.1", port, "plain", timeouts=timeouts)
        with pytest.raises(error) as caught:
            sender.send(NOTICE, FROM, [ANNA])
        assert type(caught.value) is error
        sender.close()


def test_a_line_of_250_cut_off_in_the_middle_is_no_yes() -> None:
    with scripted(says(*ACCEPTED, b"250-queued\r\n")) as port:
        sender = SmtpSender("127.0.0.1", port, "plain", timeouts=QUICK)
        with pytest.raises(UnclearError):
            sender.send(NOTICE, FROM, [ANNA])
        sender.close()


# -- encryption and login ---------------------------------------------------------------------------------------------


def test_starttls_is_used_when_offered_and_the_certificate_verified(certificate: Certificate) -> None:
    with SmtpServer(starttls=certificate.server_context()) as server:
        trusting = SmtpSender("localhost", server.port, "starttls", context=certificate.client_context())
        trusting.send(NOTICE, FROM, [ANNA])
        assert "已加密" in trusting.check()
        trusting.close()
        assert server.messages[0].encrypted
        stranger = SmtpSender("localhost", server.port, "starttls", timeouts=QUICK)
        with pytest.raises(TransientError, match="certificate"):
            stranger.send(NOTICE, FROM, [ANNA])
    assert len(server.messages) == 1


def test_tls_from_the_start_is_verified_too(certificate: Certificate) -> None:
    with SmtpServer(smtps=certificate.server_context()) as server:
        trusting = SmtpSender("localhost", server.port, "smtps", context=certificate.client_context())
        trusting.send(NOTICE, FROM, [ANNA])
        trusting.close()
        stranger = SmtpSender("localhost", server.port, "smtps", timeouts=QUICK)
        with pytest.raises(TransientError, match="certificate"):
            stranger.check()
    assert len(server.messages) == 1


def test_starttls_is_demanded_unless_the_server_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpServer() as server:
        with sending(server, "starttls") as sender:
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        monkeypatch.setattr("mailflow.transports.smtp.is_loopback", lambda host: False)
        with sending(server, "starttls") as sender, pytest.raises(TransientError, match="STARTTLS"):
            sender.send(NOTICE, FROM, [ANNA])
        plain = SmtpSender("127.0.0.1", server.port, "plain", "u", lambda: "pw", timeouts=QUICK)
        with pytest.raises(TransientError, match="密码"):
            plain.check()
    assert len(server.messages) == 1


@pytest.mark.parametrize(("user", "password"), [("support@x.example", "geheim"), ("支持", "密码一二三")])
def test_a_login_is_made_once_for_a_connection(user: str, password: str) -> None:
    with SmtpServer(user=user, password=password) as server:
        sender = SmtpSender("127.0.0.1", server.port, "plain", user, lambda: password, timeouts=QUICK)
        sender.send(NOTICE, FROM, [ANNA])
        sender.send(NOTICE, FROM, [ANNA])
        assert f"已用 {user} 登录" in sender.check()
        sender.close()
    assert server.logins == [(user, password)]
    assert len(server.messages) == 2


@pytest.mark.parametrize("password", ["wrong", "错误"])
def test_a_refused_login_is_an_alarm_with_a_hint(password: str) -> None:
    with SmtpServer(user="support@x.example", password="geheim") as server:
        sender = SmtpSender("127.0.0.1", server.port, "plain", "support@x.example", lambda: password, timeouts=QUICK)
        with pytest.raises(AuthError, match=r"535.*授权码"):
            sender.send(NOTICE, FROM, [ANNA])
        sender.close()
    assert server.messages == []


def test_a_server_without_login_is_said_so() -> None:
    with SmtpServer() as server:
        for password in ("geheim", "密码"):
            sender = SmtpSender("127.0.0.1", server.port, "plain", "u", lambda given=password: given, timeouts=QUICK)  # type: ignore[misc]
            with pytest.raises(AuthError, match="登录"):
                sender.check()
            sender.close()


def test_a_login_that_the_server_cannot_judge_now_is_passing() -> None:
    later = b"454 4.7.0 Temporary authentication failure\r\n"
    with scripted(says(HELLO, b"250-x\r\n250 AUTH PLAIN\r\n", later)) as port:
        sender = SmtpSender("127.0.0.1", port, "plain", "u", lambda: "pw", timeouts=QUICK)
        with pytest.raises(TransientError, match="454"):
            sender.check()
        sender.close()


def test_without_a_user_no_login_is_tried() -> None:
    with SmtpServer(user="u", password="pw") as server, sending(server) as sender:
        assert "不需要登录" in sender.check()
        with pytest.raises(AuthError, match="530"):
            sender.send(NOTICE, FROM, [ANNA])
    assert server.logins == []
