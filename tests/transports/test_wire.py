"""What IMAP and SMTP share."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys

import pytest

from mailflow.transports.wire import Timeouts, addressed, crlf, is_loopback, why, words


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
