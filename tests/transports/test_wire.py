"""What IMAP and SMTP share."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mailflow.transports import wire
from mailflow.transports.wire import Timeouts, Watchdog, addressed, blotted, crlf, is_loopback, why, words


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["mx.company.example", "localhost.company.example", "10.0.0.1", "", "127.0.0.1.example"]
)
def test_other_machines_are_not_this_one(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("charset", ["utf-8", "gbk"])
def test_a_servers_words_are_read_whatever_its_charset_and_kept_on_one_line(charset: str) -> None:
    assert words("系统繁忙\r\n 请稍后".encode(charset)) == "系统繁忙 请稍后"
    assert len(words(b"x" * 100_000)) == 300


@pytest.mark.parametrize(
    "said", ["Authentication failed.", b"Authentication failed. ", "Authentication failed。..\r\n"]
)
def test_a_servers_words_can_stand_within_a_sentence(said: str | bytes) -> None:
    assert words(said) == "Authentication failed"
    assert f"拒绝登录：{words(said)}。" == "拒绝登录：Authentication failed。"


def test_a_large_mail_may_take_longer() -> None:
    assert Timeouts(operation=300).for_bytes(0) == 300
    assert Timeouts(operation=300).for_bytes(50 * 1024 * 1024) > 3000


def test_importing_the_package_imports_no_library_for_mail() -> None:
    program = (
        "import sys, mailflow.transports, mailflow.transports.base; print({'imapclient', 'smtplib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


def wrapped(error: Exception) -> Exception:
    """As libraries do it."""
    outer = RuntimeError("Max retries exceeded with url: /")
    outer.__cause__ = ValueError(error)
    return outer


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (socket.gaierror(-2, "Name or service not known"), "找不到这个主机名"),
        (ConnectionRefusedError(111, "Connection refused"), "没有程序在这个端口上等候"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate"), "证书不受信任"),
        (certificate_error(18), "证书不受信任"),
        (certificate_error(10), "证书已经过期"),
        (certificate_error(9), "证书还没有生效"),
        (certificate_error(62), "证书不是发给这个主机名的"),
        (certificate_error(64), "证书不是发给这个 IP 地址的"),
        (BrokenPipeError(32, "Broken pipe"), "对方断开了连接"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "这个端口上不是 TLS"),
        (TimeoutError("timed out"), "没有答复"),
    ],
)
def test_what_went_wrong_with_a_connection_is_told_in_words(error: Exception, said: str) -> None:
    for one in (error, wrapped(error)):
        assert why(one).startswith(said)
        assert str(error.args[-1]) in why(one)


def test_what_nobody_knows_is_told_as_it_is() -> None:
    assert "不是 TLS" not in why(ssl.SSLError(1, "[SSL: UNEXPECTED_EOF] eof"))
    assert why(ValueError()) == "ValueError"
    loop = ValueError("x")
    loop.__cause__ = loop
    assert why(loop) == "x"


def test_line_ends_are_all_crlf() -> None:
    assert crlf(b"a\r\nb\nc\rd\r\r\ne\n\n") == b"a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\n"
    assert crlf(b"") == b""


BODY = b"\r\n\r\nTo: nobody@x.example\r\n"
REST = b"Message-ID: <" + b"a1" * 60 + b"@x.example>\r\nSubject: =?utf-8?b?5L2g5aW9?=\r\n =?utf-8?b?5L2g5aW9?="


@pytest.mark.parametrize(
    ("head", "recipients"),
    [
        (b"To: anna@x.example\r\nCc: ben@x.example\r\n", ["anna@x.example", "BEN@x.example"]),
        (b'To: "Li, Si" <anna@x.example>,\r\n ben@x.example\r\n', ["ben@x.example", "anna@x.example"]),
        (b"To: wang@xn--fsqu00a.example\r\n", ["wang@例子.example"]),
    ],
)
def test_a_header_that_names_just_the_recipients_stays_as_it_is(head: bytes, recipients: list[str]) -> None:
    assert addressed(head + REST + BODY, recipients) == head + REST + BODY


@pytest.mark.parametrize(
    "head",
    [
        b"To: anna@x.example\r\nCc: ben@x.example,\r\n\tcarl@x.example\r\n",
        b"to : carl@x.example\r\n",
        b"To: anna@x.example\r\nBcc: carl@x.example\r\n",
        b"To: undisclosed-recipients:;\r\n",
        b"",
    ],
)
def test_nobody_else_is_named_and_all_other_fields_stay_as_they_are(head: bytes) -> None:
    new = addressed(head + REST + BODY, ["anna@x.example", "wang@例子.example"])
    assert new == b"To: anna@x.example,\r\n wang@xn--fsqu00a.example\r\n" + REST + BODY


# -- connecting -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def listening(host: str = "127.0.0.1", backlog: int = 5) -> Iterator[socket.socket]:
    with socket.create_server((host, 0), backlog=backlog) as server:
        yield server


@contextlib.contextmanager
def leading_nowhere() -> Iterator[socket.socket]:
    """A socket that answers nobody: whoever comes waits in vain, as behind a firewall that drops."""
    with listening("127.0.0.2", 0) as server, contextlib.ExitStack() as waiting:
        for _ in range(3):
            sock = waiting.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        yield server


def resolving(monkeypatch: pytest.MonkeyPatch, *servers: socket.socket) -> None:
    found = [(one.family, socket.SOCK_STREAM, 0, "", one.getsockname()) for one in servers]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_an_address_that_answers_nobody_costs_one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    with leading_nowhere() as dead, listening() as alive:
        resolving(monkeypatch, dead, alive)
        with wire.connect("mail.example", 1, 0.3, Watchdog()) as sock:
            assert sock.getpeername() == alive.getsockname()
        resolving(monkeypatch, alive, dead)
        with wire.connect("mail.example", 1, 0.3, Watchdog()) as sock:
            assert sock.getpeername() == alive.getsockname()
        resolving(monkeypatch, dead)
        with pytest.raises(TimeoutError):
            wire.connect("mail.example", 1, 0.3, Watchdog())


def test_a_family_that_leads_nowhere_costs_one_try_and_not_one_for_each_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[tuple[int, object]]()

    class Refusing(socket.socket):
        def connect(self, address: object) -> None:
            asked.append((self.family, address))
            raise ConnectionRefusedError(address)

    six, four = socket.AF_INET6, socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 0, "", at) for family, at in ((six, 1), (six, 2), (six, 3), (four, 4))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(ConnectionRefusedError, match="3"):
        wire.connect("mail.example", 1, 0.3, Watchdog())
    assert asked == [(six, 1), (four, 4), (six, 2), (six, 3)]


def test_a_dns_that_hangs_is_left_alone_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hangs.wait(20))
    with pytest.raises(socket.gaierror) as caught:
        wire.connect("mail.example", 1, 0.1, Watchdog())
    assert why(caught.value).startswith("找不到这个主机名")
    hangs.set()


@pytest.mark.parametrize("host", ["no such host", "x" * 70 + ".example", "mail..example"])
def test_a_host_that_is_none_is_told_so(host: str) -> None:
    with pytest.raises((OSError, UnicodeError)):
        wire.connect(host, 1, 10, Watchdog())


# -- the watchdog -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def watched() -> Iterator[tuple[Watchdog, socket.socket]]:
    watchdog, (ours, theirs) = Watchdog(), socket.socketpair()
    with ours, theirs:
        ours.settimeout(20)
        watchdog.watch(ours)
        yield watchdog, ours


def test_who_waits_is_cut_off_at_the_deadline_and_so_is_each_socket_that_comes_after_it() -> None:
    with watched() as (watchdog, sock), watchdog.deadline(0.05):
        assert sock.recv(1) == b""
        late, other = socket.socketpair()
        with late, other:
            watchdog.watch(late)
            assert late.recv(1) == b""


def test_a_timer_that_goes_off_late_does_not_cut_the_next_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = list[threading.Timer]()

    class Late(threading.Timer):
        def start(self) -> None:
            timers.append(self)

    monkeypatch.setattr(threading, "Timer", Late)
    with watched() as (watchdog, sock):
        with watchdog.deadline(10):
            pass
        timers[0].function(*timers[0].args)
        with watchdog.deadline(10):
            timers[0].function(*timers[0].args)
            sock.send(b"alive")
            timers[1].function(*timers[1].args)
            with pytest.raises(BrokenPipeError):
                sock.send(b"dead")


def test_a_socket_that_was_closed_takes_no_other_with_it() -> None:
    """Its number in the system is soon another connection's."""
    with watched() as (watchdog, sock):
        number = sock.fileno()
        sock.close()
        other, end = socket.socketpair()
        with other, end:
            assert number in (other.fileno(), end.fileno())
            watchdog.cut()
            other.send(b"alive")
            assert end.recv(5) == b"alive"


def test_a_socket_that_has_become_one_of_tls_is_cut_as_that() -> None:
    """wrap_socket takes the connection over; the socket that was there before is nobody's any more."""
    context, (ours, theirs) = ssl.create_default_context(), socket.socketpair()
    ours.settimeout(20)
    watchdog = Watchdog()
    watchdog.watch(ours)
    with theirs, watchdog.deadline(0.1), pytest.raises(OSError, match=r"(?i)eof|closed|reset"):
        wire.encrypted(ours, "mail.example", watchdog, context)


# -- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("LOGIN u correct horse failed", "LOGIN u *** failed"),
        ("LOGIN u correct ho...", "LOGIN u ***..."),
        ("horse is no secret, correct, is", "horse is no secret, ***, is"),
        ("pw and pwpw", "*** and ***"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_no_part_of_a_secret_that_tells_anything_is_told(text: str, told: str) -> None:
    assert blotted(text, ["correct horse", "pw", ""]) == told
