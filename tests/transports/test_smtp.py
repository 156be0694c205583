"""Sending, against a real submission server on loopback, and against scripted ones that no real one equals."""

from __future__ import annotations

import base64
import contextlib
import gc
import hmac
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailflow.core.providers import Provider, Refusal
from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.smtp import Mode, SmtpSender
from mailflow.transports.wire import Timeouts
from tests.servers.loopback import Certificate, free_port, make_certificate
from tests.servers.smtp import Answer, Last, Late, ScriptedSmtp, SmtpServer, Talk, babble, silence, trickle
from tests.transports.scripted import Given
from tests.transports.sender_contract import FULL, REFUSED, Arrived, MoodyWay, RecipientsContract

FROM = "support@company.example"
ANNA, BEN, CARL = "anna@company.example", "ben@company.example", "carl@customer.example"
NOTICE = b"From: support@company.example\r\nSubject: hello\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
STUFFED = b"From: support@company.example\r\nSubject: hello\r\n\r\n..one\r\n...two\r\n..\r\nend\r\n"
QUICK = Timeouts(connect=1, read=0.5, operation=5, verdict=0.5)


class SmtpWay:
    """A real submission server with a login."""

    def __init__(self, server: SmtpServer) -> None:
        self.server = server
        server.faults.rcpt = {REFUSED: "550 5.1.1 no such user", FULL: "452 4.2.2 mailbox full"}

    def sender(self, password: str = "geheim") -> SmtpSender:
        timeouts = Timeouts(connect=2, read=10, operation=20, verdict=20)
        return SmtpSender("127.0.0.1", self.server.port, "starttls", "support", lambda: password, timeouts=timeouts)

    def arrived(self) -> list[Arrived]:
        return [Arrived(sent.raw, tuple(sent.recipients)) for sent in self.server.messages]

    def put_off(self) -> None:
        self.server.faults.data.append("451 4.3.0 later")

    def lose_answer(self) -> None:
        self.server.faults.abort_after_data = 1

    def cut(self) -> None:
        self.server.faults.abort_before_data = 1

    def without_entry(self) -> SmtpSender:
        return self.sender("falsch")

    def away(self) -> SmtpSender:
        return SmtpSender("127.0.0.1", free_port(), "plain", timeouts=QUICK)


class TestSmtpSender(RecipientsContract):
    @pytest.fixture
    def way(self) -> Iterator[MoodyWay]:
        with SmtpServer(user="support", password="geheim") as server:
            yield SmtpWay(server)


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
        ({ANNA: "450 no", BEN: "552 quota"}, TransientError),
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
        ("552 5.3.4 too big", PermanentError),
        ("530 5.7.0 authentication required", AuthError),
        # The sender is the same for all messages: a wrong setting must not cost each of them.
        ("550 5.1.8 sender unknown", AuthError),
        ("500 mail from address must be same as authorization user", AuthError),
        ("501 mail from address must be same as authorization user", AuthError),
        ("553 Mail from must equal authorized user", AuthError),
        ("550 User has no permission", AuthError),
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
    ("answer", "error"),
    [
        ("451 4.3.0 later", TransientError),
        ("554 5.7.1 looks like spam", PermanentError),
        ("550 5.7.30 Basic authentication is not supported for Client Submission", AuthError),
        ("554 5.2.252 SendAsDenied; not allowed to send as", AuthError),
        ("550 5.7.60 Client does not have permissions to send as this sender", AuthError),
    ],
)
def test_a_refused_message_is_passing_or_final_as_the_server_says(answer: str, error: type[Exception]) -> None:
    with SmtpServer() as server, sending(server) as sender:
        server.faults.data = [answer]
        with pytest.raises(error, match=answer) as caught:
            sender.send(NOTICE, FROM, [ANNA])
        assert type(caught.value) is error
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


@contextlib.contextmanager
def scripted(on: dict[str, Answer | list[Answer]], *features: str) -> Iterator[tuple[ScriptedSmtp, SmtpSender]]:
    timeouts = Timeouts(connect=1, read=0.5, operation=0.7, verdict=0.5)
    with ScriptedSmtp(on, features=features) as server:
        sender = SmtpSender("127.0.0.1", server.port, "plain", timeouts=timeouts)
        with contextlib.closing(sender):
            yield server, sender


JUNK: dict[str, Answer] = {
    "junk": b"junk\r\n",
    "another protocol": b"* OK IMAP4rev1 ready\r\n",
    "nothing": b"\r\n",
    "a short code": b"25 ok\r\n",
    "a code out of range": b"999 ok\r\n",
    "a sign": b"+25 ok\r\n",
    "no blank": b"250ok\r\n",
    "two codes": b"250-queued\r\n550 spam\r\n",
    "a long line": b"250 " + b"x" * 20_000 + b"\r\n",
    "bytes": b"\xff" * 3_000 + b"\r\n",
    "half a line": Last(b"250 o"),
    "half an answer": Last(b"250-ok\r\n"),
    "silence": silence,
    "trickle": trickle,
    "many lines": babble,
    "end": None,
    "a greeting": b"220 ready\r\n",
}
"""Answers that are none, whatever the question was."""


@pytest.mark.parametrize("answer", JUNK.values(), ids=JUNK.keys())
@pytest.mark.parametrize("verb", ["", "MAIL", "RCPT", "DATA"])
def test_what_is_no_answer_is_passing_before_the_message(verb: str, answer: Answer) -> None:
    if (verb, answer) == ("", JUNK["a greeting"]):
        return
    with scripted({verb: answer}) as (server, sender):
        with pytest.raises(TransientError, match="发件服务器"):
            sender.send(NOTICE, FROM, [ANNA])
        assert server.messages == []
        server.on.clear()
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.messages == [STUFFED]


@pytest.mark.parametrize("answer", [*JUNK.values(), b"354 go on\r\n", b"221 bye\r\n"], ids=[*JUNK, "354", "221"])
def test_what_is_no_answer_is_unclear_after_the_message(answer: Answer) -> None:
    with scripted({".": answer}) as (server, sender):
        with pytest.raises(UnclearError, match="没有说收下还是拒绝"):
            sender.send(NOTICE, FROM, [ANNA])
        server.on.clear()
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.messages == [STUFFED, STUFFED]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("answer", [b"250 ok\r\n250 and a yes that nobody asked for\r\n", b"354 go\r\n250 queued\r\n"])
def test_a_yes_that_comes_too_early_is_not_taken_for_the_messages(verb: str, answer: bytes) -> None:
    with scripted({verb: answer}) as (server, sender):
        with pytest.raises(TransientError):
            sender.send(NOTICE, FROM, [ANNA])
        server.on.clear()
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.messages == [STUFFED]


def test_an_answer_of_several_lines_is_one_answer() -> None:
    on: dict[str, Answer | list[Answer]] = {
        "": b"220-hello\r\n220-world\r\n220 ready\r\n",
        ".": b"250-ok\r\n250 queued\r\n",
    }
    with scripted(on) as (server, sender):
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
    with scripted({".": b"550-you are\r\n550 not welcome\r\n"}) as (_, sender), pytest.raises(PermanentError) as caught:
        sender.send(NOTICE, FROM, [ANNA])
    assert "550 you are not welcome" in str(caught.value)
    with scripted({".": b"250\r\n", "MAIL": b"250\n"}) as (server, sender):
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.messages == [STUFFED]


@pytest.mark.parametrize(
    ("greeting", "said"),
    [
        (b"554 5.7.1 go away\r\n", "554 5.7.1 go away"),
        (b"421 too busy\r\n", "421 too busy"),
        (b"* OK Dovecot ready.\r\n", "不是 SMTP：\\* OK Dovecot ready"),
        (b"+OK POP3 ready\r\n", "不是 SMTP：\\+OK POP3"),
        (silence, "没有答复"),
        (None, "对方断开了连接"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_passing_and_told_by_its_words(greeting: Answer, said: str) -> None:
    with scripted({"": greeting}) as (_, sender), pytest.raises(TransientError, match=said):
        sender.check()


def test_a_server_that_knows_no_ehlo_is_greeted_the_old_way() -> None:
    with scripted({"EHLO": b"502 what\r\n"}) as (server, sender):
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert [line.split()[0].upper() for line in server.lines[:3]] == [b"EHLO", b"HELO", b"MAIL"]
    for answer in (b"502 what\r\n", b"421 no\r\n"):
        with scripted({"EHLO": b"502 what\r\n", "HELO": answer}) as (_, sender), pytest.raises(TransientError):
            sender.check()


@pytest.mark.parametrize("answer", [b"421 4.7.0 too many messages on this connection\r\n", None])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "RSET"])
def test_a_server_that_hangs_up_after_some_messages_gets_the_next_on_a_new_connection(
    verb: str, answer: Answer
) -> None:
    fine = b"354 go\r\n" if verb == "DATA" else b"250 ok\r\n"
    answers: list[Answer] = [fine, fine, answer, fine]
    with scripted({verb: answers}) as (server, sender):
        for _ in range(5):
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.messages == [STUFFED] * 5
        assert server.connections == 2


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "."])
def test_a_message_that_was_refused_leaves_nothing_behind_for_the_next(verb: str) -> None:
    """Some forget the sender only when they are told to, and say 503 to the next; that would look like a refused
    sender, and so like an account that is blocked."""
    open_ = [False]

    def mail(talk: Talk) -> None:
        talk.conn.sendall(b"503 5.5.1 nested MAIL command\r\n" if open_[0] else b"250 ok\r\n")
        open_[0] = True

    def reset(talk: Talk) -> None:
        open_[0] = False
        talk.conn.sendall(b"250 ok\r\n")

    with scripted({"MAIL": mail, "RSET": reset, verb: b"550 5.7.1 no\r\n"}) as (server, sender):
        for _ in range(2):
            with pytest.raises(PermanentError) as caught:
                sender.send(NOTICE, FROM, [ANNA])
            assert not isinstance(caught.value, AuthError)
        del server.on[verb]
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.connections == 1


def test_a_server_that_always_hangs_up_is_asked_twice_and_no_more() -> None:
    with scripted({"MAIL": b"421 no\r\n"}) as (server, sender):
        for tries in (1, 2):
            with pytest.raises(TransientError, match="421"):
                sender.send(NOTICE, FROM, [ANNA])
            assert server.connections == tries
        server.on["MAIL"] = [b"250 ok\r\n", b"421 no\r\n"]
        sender.send(NOTICE, FROM, [ANNA])
        with pytest.raises(TransientError, match="421"):
            sender.send(NOTICE, FROM, [ANNA])
        assert server.connections == 4


def test_a_message_that_is_put_off_is_not_offered_again_at_once() -> None:
    """Unlike one whose connection had been hung up: a server that slows us down would see a client that hammers it."""
    with scripted({"MAIL": [b"250 ok\r\n", b"450 4.7.1 slow down\r\n", b"250 ok\r\n"]}) as (server, sender):
        sender.send(NOTICE, FROM, [ANNA])
        with pytest.raises(TransientError, match="slow down"):
            sender.send(NOTICE, FROM, [ANNA])
        assert (sum(line.startswith(b"MAIL") for line in server.lines), server.connections) == (2, 1)


def test_a_server_that_has_sent_its_goodbye_while_nobody_asked_is_left() -> None:
    def idle(talk: Talk) -> None:
        talk.conn.sendall(b"250 queued\r\n421 4.4.2 idle for too long\r\n")

    with scripted({".": [idle, b"250 queued\r\n"]}) as (server, sender):
        for _ in range(2):
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert (server.connections, len(server.messages)) == (2, 2)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_the_answers_to_a_message_may_take_longer_than_others(verb: str) -> None:
    """A server that asks another one for the recipient, or looks for viruses (RFC 5321 §4.5.3.2)."""
    with ScriptedSmtp({verb: Late(b"354 go\r\n" if verb == "DATA" else b"250 ok\r\n", 0.8)}) as server:
        timeouts = Timeouts(connect=1, read=0.4, operation=0.6 if verb == "." else 20, verdict=20)
        with contextlib.closing(SmtpSender("127.0.0.1", server.port, "plain", timeouts=timeouts)) as sender:
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
            server.on["RSET"] = silence
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert (server.messages, server.connections) == ([STUFFED] * 2, 2)


def test_an_answer_to_quit_that_never_comes_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.smtp.sender._GOODBYE", 0.1)
    for answer in (silence, trickle, b"junk\r\n", None):
        with scripted({"QUIT": answer}) as (_, sender):
            sender.check()
            sender.close()


def test_what_is_too_large_is_final_however_the_server_says_so() -> None:
    large = NOTICE + b"x" * 70 + b"\r\n"

    def early(talk: Talk) -> None:
        talk.conn.sendall(b"354 go\r\n")
        talk.conn.recv(1000)
        talk.conn.sendall(b"552 5.3.4 message too big\r\n")
        talk.conn.shutdown(socket.SHUT_RDWR)

    with scripted({}, "SIZE 100") as (server, sender):
        with pytest.raises(PermanentError, match="服务器最多收 100 字节"):
            sender.send(large, FROM, [ANNA])
        assert server.messages == []
    for verb, answer in (("MAIL", b"552 5.3.4 too big\r\n"), (".", b"552 5.3.4 too big\r\n"), ("DATA", early)):
        with scripted({verb: answer}, "SIZE") as (server, sender):
            with pytest.raises(PermanentError, match="552") as caught:
                sender.send(NOTICE + (b"x" * 70 + b"\r\n") * 40_000, FROM, [ANNA])
            assert not isinstance(caught.value, AuthError)
            server.on.clear()
            assert sender.send(NOTICE, FROM, [ANNA]) == ()


def test_too_many_recipients_and_a_full_mailbox_pass() -> None:
    """RFC 5321 §4.5.3.1.10: 552 to RCPT is to be treated as 452."""
    on: dict[str, Answer | list[Answer]] = {"RCPT": [b"250 ok\r\n", b"552 5.2.2 quota\r\n", b"452 4.5.3 too many\r\n"]}
    with scripted(on) as (_, sender):
        refusals = sender.send(NOTICE, FROM, [ANNA, BEN, CARL])
    assert [(refusal.code, refusal.permanent) for refusal in refusals] == [(552, False), (452, False)]


@pytest.mark.parametrize("answer", [b"450 4.2.0 greylisted\r\n", b"451 4.7.1 try again in 5 minutes\r\n"])
def test_greylisting_is_passing_and_ends(answer: bytes) -> None:
    with scripted({"RCPT": [answer, b"250 ok\r\n"]}) as (server, sender):
        with pytest.raises(TransientError, match=ANNA):
            sender.send(NOTICE, FROM, [ANNA])
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert (server.messages, server.connections) == ([STUFFED], 1)


@pytest.mark.parametrize("answer", [b"451 4.3.0 later\r\n", b"452 4.3.1 disk full\r\n", b"421 4.3.2 going down\r\n"])
@pytest.mark.parametrize("verb", ["DATA", "."])
def test_a_message_put_off_at_any_point_is_passing(verb: str, answer: bytes) -> None:
    with scripted({verb: answer}) as (server, sender):
        with pytest.raises(TransientError, match=answer[:3].decode()):
            sender.send(NOTICE, FROM, [ANNA])
        server.on.clear()
        assert sender.send(NOTICE, FROM, [ANNA]) == ()


def test_options_are_given_only_where_they_are_offered() -> None:
    eight = b"Subject: x\r\n\r\n" + "你好\r\n".encode()
    with scripted({}) as (server, sender):
        sender.send(eight, FROM, [ANNA])
        assert server.messages == [eight]
        assert b"MAIL FROM:<%b>" % FROM.encode() in server.lines
    with scripted({}, "SIZE 0", "8BITMIME", "SMTPUTF8") as (server, sender):
        sender.send(eight, FROM, ["王@company.example"])
        sender.send(NOTICE, FROM, [ANNA])
        mails = [line for line in server.lines if line.startswith(b"MAIL")]
        assert mails == [
            b"MAIL FROM:<%b> SIZE=%d BODY=8BITMIME SMTPUTF8" % (FROM.encode(), len(eight)),
            b"MAIL FROM:<%b> SIZE=%d" % (FROM.encode(), len(NOTICE)),
        ]
        assert "RCPT TO:<王@company.example>".encode() in server.lines


def test_nul_bytes_pass() -> None:
    with scripted({}) as (server, sender):
        sender.send(b"Subject: x\r\n\r\na\0b\r\n", FROM, [ANNA])
        assert server.messages == [b"Subject: x\r\n\r\na\0b\r\n"]


def test_an_idn_domain_goes_out_in_latin_letters_whatever_the_server_offers() -> None:
    """The next server on the way may know no SMTPUTF8, and would return it."""
    for features in ((), ("SMTPUTF8",)):
        with scripted({}, *features) as (server, sender):
            assert sender.send(NOTICE, "support@例子.example", ["wang@例子.example", "li@BÜCHER.example"]) == ()
            assert server.lines[1:5] == [
                b"MAIL FROM:<support@xn--fsqu00a.example>",
                b"RCPT TO:<wang@xn--fsqu00a.example>",
                b"RCPT TO:<li@xn--bcher-kva.example>",
                b"DATA",
            ]


def test_an_ipv6_host_is_reached_and_told_so() -> None:
    try:
        server = ScriptedSmtp(host="::1").__enter__()
    except OSError:
        return  # a machine without IPv6
    sender = SmtpSender("::1", server.port, "starttls", timeouts=QUICK)
    with contextlib.closing(sender):
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
    assert server.lines[0] == b"ehlo [IPv6:::1]"
    server.__exit__()


# -- encryption -------------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server counts as another machine."""
    monkeypatch.setattr("mailflow.transports.smtp.sender.is_loopback", lambda host: False)


@pytest.mark.usefixtures("elsewhere")
def test_starttls_is_used_and_the_certificate_verified(certificate: Certificate) -> None:
    with SmtpServer(starttls=certificate.server_context()) as server:
        trusting = SmtpSender("localhost", server.port, "starttls", context=certificate.client_context())
        trusting.send(NOTICE, FROM, [ANNA])
        assert "已加密" in trusting.check()
        trusting.close()
        assert server.messages[0].encrypted
        stranger = SmtpSender("localhost", server.port, "starttls", timeouts=QUICK)
        with pytest.raises(TransientError, match="证书不受信任"):
            stranger.send(NOTICE, FROM, [ANNA])
    assert len(server.messages) == 1


def test_tls_from_the_start_is_verified_too(certificate: Certificate) -> None:
    with SmtpServer(smtps=certificate.server_context()) as server:
        trusting = SmtpSender("localhost", server.port, "smtps", context=certificate.client_context())
        trusting.send(NOTICE, FROM, [ANNA])
        trusting.close()
        stranger = SmtpSender("localhost", server.port, "smtps", timeouts=QUICK)
        with pytest.raises(TransientError, match="证书不受信任"):
            stranger.check()
    assert len(server.messages) == 1


@pytest.mark.parametrize("mode", ["smtps", "starttls"])
@pytest.mark.parametrize(
    ("name", "days", "said"),
    [("localhost", -1, "证书已经过期"), ("mail.company.example", 30, "证书不是发给这个主机名的")],
)
@pytest.mark.usefixtures("elsewhere")
def test_what_is_wrong_with_a_certificate_is_told(tmp_path: Path, mode: Mode, name: str, days: int, said: str) -> None:
    made = make_certificate(tmp_path, name, days)
    tls = made.server_context()
    with SmtpServer(smtps=tls) if mode == "smtps" else SmtpServer(starttls=tls) as server:
        sender = SmtpSender("localhost", server.port, mode, timeouts=QUICK, context=made.client_context())
        with pytest.raises(TransientError, match=said):
            sender.check()
        sender.close()
    assert server.messages == []


def test_starttls_is_demanded_unless_the_server_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpServer() as server:
        with sending(server, "starttls") as sender:
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        monkeypatch.setattr("mailflow.transports.smtp.sender.is_loopback", lambda host: False)
        with sending(server, "starttls") as sender, pytest.raises(TransientError, match="STARTTLS"):
            sender.send(NOTICE, FROM, [ANNA])
        plain = SmtpSender("127.0.0.1", server.port, "plain", "u", lambda: "pw", timeouts=QUICK)
        with pytest.raises(TransientError, match="密码"):
            plain.check()
    assert len(server.messages) == 1


def test_a_relay_on_this_machine_needs_no_certificate_that_anybody_trusts(certificate: Certificate) -> None:
    """Every Debian with a Postfix offers STARTTLS with one that is made out to nobody."""
    with SmtpServer(starttls=certificate.server_context()) as server:
        with sending(server, "starttls") as sender:
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        with_login = SmtpSender("127.0.0.1", server.port, "starttls", "u", lambda: "pw", timeouts=QUICK)
        with pytest.raises(TransientError, match="证书不受信任"):
            with_login.check()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "on",
    [
        {"STARTTLS": b"454 4.7.0 TLS not available\r\n"},
        {"STARTTLS": b"501 no\r\n"},
        {"STARTTLS": b"250 ok\r\n"},
        {"STARTTLS": None},
        {"STARTTLS": b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"},
        {"EHLO": b"250-x\r\n250 AUTH PLAIN\r\n"},
        {"EHLO": b"502 no\r\n"},
    ],
    ids=["not now", "refused", "strange", "cut", "injected", "stripped", "no ehlo"],
)
def test_no_password_and_no_message_goes_out_where_starttls_fails(
    certificate: Certificate, on: dict[str, Answer]
) -> None:
    """The answer injected behind STARTTLS would be taken for one that came encrypted."""
    with ScriptedSmtp(on, features=["STARTTLS", "AUTH PLAIN"], tls=certificate.server_context()) as server:
        context = certificate.client_context()
        sender = SmtpSender("localhost", server.port, "starttls", "u", lambda: "pw", timeouts=QUICK, context=context)
        with contextlib.closing(sender):
            with pytest.raises(TransientError):
                sender.send(NOTICE, FROM, [ANNA])
            assert not [line for line in server.lines if line.startswith((b"AUTH", b"MAIL"))]
            server.on.clear()
            assert sender.send(NOTICE, FROM, [ANNA]) == ()


@pytest.mark.usefixtures("elsewhere")
def test_after_starttls_only_what_the_server_says_then_counts(certificate: Certificate) -> None:
    encrypted = b"250-scripted\r\n250 SIZE 1000\r\n"
    on: dict[str, Answer | list[Answer]] = {"EHLO": [b"250-x\r\n250-SMTPUTF8\r\n250 STARTTLS\r\n", encrypted]}
    with ScriptedSmtp(on, tls=certificate.server_context()) as server:
        sender = SmtpSender("localhost", server.port, "starttls", context=certificate.client_context(), timeouts=QUICK)
        with contextlib.closing(sender):
            (refusal,) = sender.send(NOTICE, FROM, [ANNA, "王@company.example"])
        assert "SMTPUTF8" in refusal.text
        assert [line.split()[0].upper() for line in server.lines[:4]] == [b"EHLO", b"STARTTLS", b"EHLO", b"MAIL"]
        assert b"SIZE=" in server.lines[3]


@pytest.mark.usefixtures("elsewhere")
def test_a_handshake_that_stalls_or_trickles_is_cut_off_at_the_deadline() -> None:
    for after in (silence, trickle):

        def stall(talk: Talk, after: Answer = after) -> None:
            # The beginning of a TLS record; each byte that follows may be of it.
            talk.conn.sendall(b"220 go\r\n")
            talk.server.stopped.wait(0.1)
            talk.conn.sendall(b"\x16\x03\x03\x3f\xff")
            assert callable(after)
            after(talk)

        with ScriptedSmtp({"STARTTLS": stall}, features=["STARTTLS"]) as server:
            timeouts = Timeouts(connect=1, read=0.4, operation=0.5)
            sender = SmtpSender("127.0.0.1", server.port, "starttls", timeouts=timeouts)
            with pytest.raises(TransientError):
                sender.check()
            sender.close()


def test_a_port_of_the_other_kind_is_recognised(certificate: Certificate) -> None:
    with SmtpServer() as server:
        sender = SmtpSender("127.0.0.1", server.port, "smtps", timeouts=QUICK)
        with pytest.raises(TransientError, match="这个端口上不是 TLS"):
            sender.check()
    with SmtpServer(smtps=certificate.server_context()) as server:
        sender = SmtpSender("127.0.0.1", server.port, "starttls", timeouts=QUICK)
        with pytest.raises(TransientError, match=r"没有答复.*smtps://"):
            sender.check()


# -- login ------------------------------------------------------------------------------------------------------------


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
def test_a_refused_login_is_an_alarm_with_a_hint_after_one_try(password: str) -> None:
    with SmtpServer(user="support@x.example", password="geheim") as server:
        sender = SmtpSender("127.0.0.1", server.port, "plain", "support@x.example", lambda: password, timeouts=QUICK)
        with pytest.raises(AuthError, match=r"535.*授权码"):
            sender.send(NOTICE, FROM, [ANNA])
        sender.close()
    assert server.messages == []
    assert server.logins == [("support@x.example", password)]


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


@contextlib.contextmanager
def login(
    on: dict[str, Answer | list[Answer]], auth: str, *, token: str | None = None, provider: Provider | None = None
) -> Iterator[tuple[ScriptedSmtp, SmtpSender]]:
    with ScriptedSmtp(on, features=[auth]) as server:
        sender = SmtpSender(
            "127.0.0.1", server.port, "plain", "小王", lambda: "密码", timeouts=QUICK,
            tokens=None if token is None else Given(token, token), provider=provider or Provider(id="x", name="x"),
        )  # fmt: skip
        with contextlib.closing(sender):
            yield server, sender


DIGEST = hmac.new("密码".encode(), b"<1896.697170952@company.example>", "md5").hexdigest()


@pytest.mark.parametrize(
    ("auth", "on", "token", "said"),
    [
        ("AUTH LOGIN PLAIN CRAM-MD5", {}, None, [b"AUTH PLAIN " + b64("\0小王\0密码")]),
        ("auth login plain", {}, None, [b"AUTH PLAIN " + b64("\0小王\0密码")]),
        ("AUTH=PLAIN", {}, None, [b"AUTH PLAIN " + b64("\0小王\0密码")]),
        (
            "AUTH NTLM LOGIN",
            {"AUTH": b"334 VXNlcm5hbWU6\r\n", "*": [b"334 UGFzc3dvcmQ6\r\n", b"235 ok\r\n"]},
            None,
            [b"AUTH LOGIN", b64("小王"), b64("密码")],
        ),
        (
            "AUTH CRAM-MD5",
            {"AUTH": b"334 " + b64("<1896.697170952@company.example>") + b"\r\n"},
            None,
            [b"AUTH CRAM-MD5", b64(f"小王 {DIGEST}")],
        ),
        ("AUTH XOAUTH2 OAUTHBEARER", {}, "t0k", [b"AUTH XOAUTH2 " + b64("user=小王\x01auth=Bearer t0k\x01\x01")]),
        ("AUTH OAUTHBEARER", {}, "t0k", [b"AUTH OAUTHBEARER " + b64("n,a=小王,\x01auth=Bearer t0k\x01\x01")]),
        # Offered, and not supported after all.
        (
            "AUTH PLAIN LOGIN",
            {"AUTH": [b"504 5.7.4 unrecognized\r\n", b"334 VXNlcm5hbWU6\r\n"], "*": [b"334 UGFz\r\n", b"235 ok\r\n"]},
            None,
            [b"AUTH PLAIN " + b64("\0小王\0密码"), b"AUTH LOGIN", b64("小王"), b64("密码")],
        ),
    ],
)
def test_each_way_to_log_in(
    auth: str, on: dict[str, Answer | list[Answer]], token: str | None, said: list[bytes]
) -> None:
    with login(on, auth, token=token) as (server, sender):
        assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert server.lines[1 : 1 + len(said)] == said


@pytest.mark.parametrize(
    ("auth", "on", "token", "error", "match"),
    [
        ("AUTH GSSAPI NTLM", {}, None, AuthError, "不提供能用的登录方式（它提供的：GSSAPI、NTLM）"),
        ("SIZE 0", {}, None, AuthError, "不提供能用的登录方式（它提供的：没有）"),
        ("AUTH PLAIN", {}, "t0k", AuthError, "不提供能用的登录方式"),
        ("AUTH PLAIN", {"AUTH": b"504 5.5.4 no\r\n"}, None, AuthError, "不提供能用的登录方式"),
        ("AUTH PLAIN", {"AUTH": b"535 5.7.8 no\r\n"}, None, AuthError, "拒绝登录（小王）：535 5.7.8 no。请核对密码"),
        ("AUTH PLAIN", {"AUTH": b"454 4.7.0 later\r\n"}, None, TransientError, "454"),
        ("AUTH PLAIN", {"AUTH": b"421 busy\r\n"}, None, TransientError, "421"),
        ("AUTH PLAIN", {"AUTH": b"250 ok\r\n"}, None, TransientError, "250"),
        ("AUTH PLAIN", {"AUTH": b"334 more\r\n"}, None, TransientError, "334"),
        ("AUTH PLAIN", {"AUTH": None}, None, TransientError, "断开"),
        ("AUTH LOGIN", {"AUTH": b"334 x\r\n", "*": b"334 x\r\n"}, None, TransientError, "334"),
        ("AUTH LOGIN", {"AUTH": b"334 x\r\n", "*": b"535 no\r\n"}, None, AuthError, "535"),
        ("AUTH CRAM-MD5", {"AUTH": b"334 x\r\n"}, None, TransientError, "base64"),
        ("AUTH XOAUTH2", {"AUTH": b"334 e30=\r\n", "*": b"535 5.7.3 no\r\n"}, "t0k", AuthError, "535"),
        ("AUTH OAUTHBEARER", {"AUTH": b"334 e30=\r\n", "*": b"535 no\r\n"}, "t0k", AuthError, "535"),
    ],
)
def test_each_way_not_to_get_in(
    auth: str, on: dict[str, Answer | list[Answer]], token: str | None, error: type[Exception], match: str
) -> None:
    with login(on, auth, token=token) as (server, sender):
        with pytest.raises(error, match=match) as caught:
            sender.send(NOTICE, FROM, [ANNA])
        assert isinstance(caught.value, AuthError) == (error is AuthError)
        assert server.messages == []
        if token:
            assert server.lines[2:3] == ([] if auth == "AUTH PLAIN" else [b"" if "X" in auth else b"AQ=="])


def test_the_check_asks_leave_for_the_sender_and_leaves_nothing_behind() -> None:
    """A relay that knows its clients by their addresses has no login that could be refused."""
    no = b"554 5.7.1 relay access denied\r\n"
    with ScriptedSmtp({"MAIL": [b"250 ok\r\n", no, b"450 4.7.1 later\r\n", b"250 ok\r\n"]}) as server:
        sender = SmtpSender("127.0.0.1", server.port, "plain", sender=FROM, timeouts=QUICK)
        with contextlib.closing(sender):
            assert "不需要登录" in sender.check()
            assert server.lines[-2:] == [f"MAIL FROM:<{FROM}>".encode(), b"RSET"]
            with pytest.raises(AuthError, match=rf"554 5\.7\.1 relay access denied。请核对.*{FROM}"):
                sender.check()
            with pytest.raises(TransientError, match="450"):
                sender.check()
            assert sender.send(NOTICE, FROM, [ANNA]) == ()
        assert (server.messages, server.connections) == ([STUFFED], 1)


def test_the_check_says_of_a_sender_that_the_server_cannot_take() -> None:
    with ScriptedSmtp({}) as server:
        for address, error in (("支持@tech.example", PermanentError), ("support@例子.example", None)):
            sender = SmtpSender("127.0.0.1", server.port, "plain", sender=address, timeouts=QUICK)
            with contextlib.closing(sender), pytest.raises(error) if error else contextlib.nullcontext():
                sender.check()
        assert [line for line in server.lines if line.startswith(b"MAIL")] == [
            b"MAIL FROM:<support@xn--fsqu00a.example>"
        ]


def test_a_login_that_was_good_for_nothing_is_an_alarm_too() -> None:
    on: dict[str, Answer | list[Answer]] = {"MAIL": b"530 5.7.57 Client not authenticated to send mail\r\n"}
    with login(on, "AUTH PLAIN") as (_, sender), pytest.raises(AuthError, match="530"):
        sender.send(NOTICE, FROM, [ANNA])


@pytest.mark.parametrize(
    "answer",
    [
        b'500 5.5.1 Command unrecognized: "AUTH PLAIN %b"\r\n' % b64("\0小王\0密码"),
        b"535 no: %b...\r\n" % b64("\0小王\0密码")[:10],
        b"AUTH PLAIN %b\r\n" % b64("\0小王\0密码"),
    ],
)
def test_a_server_that_repeats_the_password_does_not_get_it_into_a_message(answer: bytes) -> None:
    with login({"AUTH": answer}, "AUTH PLAIN") as (_, sender), pytest.raises(MailflowError) as caught:
        sender.check()
    said = str(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__)
    assert b64("\0小王\0密码").decode()[:8] not in said


def test_what_a_provider_means_is_told_wherever_it_says_no() -> None:
    provider = Provider(
        id="x", name="x", refusal=(Refusal(says="DT:SPM", means="被当作垃圾邮件：请稍后再发，或联系管理员。"),)
    )
    said = "554 DT:SPM。被当作垃圾邮件"
    on: dict[str, Answer | list[Answer]] = {".": b"554 DT:SPM\r\n"}
    with login(on, "AUTH PLAIN", provider=provider) as (_, sender), pytest.raises(PermanentError, match=said):
        sender.send(NOTICE, FROM, [ANNA])


def test_a_server_without_login_is_said_so() -> None:
    with SmtpServer() as server:
        for password in ("geheim", "密码"):
            sender = SmtpSender("127.0.0.1", server.port, "plain", "u", lambda given=password: given, timeouts=QUICK)  # type: ignore[misc]
            with pytest.raises(AuthError, match="登录"):
                sender.check()
            sender.close()


def test_without_a_user_no_login_is_tried() -> None:
    with SmtpServer(user="u", password="pw") as server, sending(server) as sender:
        assert "不需要登录" in sender.check()
        with pytest.raises(AuthError, match="530"):
            sender.send(NOTICE, FROM, [ANNA])
    assert server.logins == []


def test_no_socket_and_no_thread_is_left_behind(certificate: Certificate) -> None:
    before = threading.active_count()
    with ScriptedSmtp({}, features=["STARTTLS", "AUTH PLAIN"], tls=certificate.server_context()) as server:
        for verb in ("", "EHLO", "STARTTLS", "AUTH", "MAIL", "DATA", "."):
            for answer in (None, b"junk\r\n", b"554 no\r\n"):
                server.on = {verb: answer}
                context = certificate.client_context()
                sender = SmtpSender(
                    "localhost", server.port, "starttls", "u", lambda: "pw", timeouts=QUICK, context=context
                )
                with pytest.raises(MailflowError):
                    sender.send(NOTICE, FROM, [ANNA])
                sender.close()
    gc.collect()  # an open socket would be a warning, and so an error
    assert threading.active_count() <= before
