"""What IMAP and SMTP share."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mailflow.transports.wire import Timeouts, is_loopback, words


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
