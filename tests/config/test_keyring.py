"""Secrets from the system's keyring: what is written, what is said when there is none, and the real commands."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring

from mailflow.errors import TransientError, UserError
from tests.config.keyring_file import BACKEND, FileKeyring
from tests.config.test_config import OFFICE, SMALL, problems, read
from tests.faults.office import Office, unfinished_report
from tests.servers.smtp import SmtpServer

MAILBOX = SMALL.replace('url = "maildir:var/inbox"', 'url = "imaps://u@x.example@h"\npassword_keyring = "mailflow"')


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before = keyring.get_keyring()
    path = tmp_path / "keyring.json"
    monkeypatch.setenv("MAILFLOW_TEST_KEYRING", str(path))
    keyring.set_keyring(FileKeyring())  # type: ignore[no-untyped-call]
    yield path
    keyring.set_keyring(before)


def test_a_password_is_asked_for_by_its_service_and_the_user(tmp_path: Path, kept: Path) -> None:
    box = read(tmp_path, MAILBOX).mailboxes[0]
    with pytest.raises(UserError, match=r"钥匙串里没有 h 的密码.*keyring set mailflow u@x\.example"):
        box.password()
    keyring.set_password("mailflow", "u@x.example", "")
    with pytest.raises(UserError, match="钥匙串里没有"):
        box.password()
    keyring.set_password("mailflow", "u@x.example", "s3cret")
    assert box.password() == "s3cret"
    keyring.set_password("mailflow", "u@x.example", "another")
    assert box.password() == "another", "as it is when it is used"


def test_who_logs_in_by_another_name_is_asked_for_by_that(tmp_path: Path, kept: Path) -> None:
    text = MAILBOX.replace("imaps://u@x.example@h", "ews://u@x.example@h").replace(
        "password_keyring", "login = 'CORP\\u'\npassword_keyring"
    )
    keyring.set_password("mailflow", "CORP\\u", "s3cret")
    assert read(tmp_path, text).mailboxes[0].password() == "s3cret"


def test_an_applications_secret_is_asked_for_by_its_client(tmp_path: Path, kept: Path) -> None:
    config = read(tmp_path, OFFICE.replace('password_file = "secret"', 'password_keyring = "mailflow"'))
    keyring.set_password("mailflow", "11111111-2222", "s3cret")
    assert config.oauth.microsoft
    assert config.oauth.microsoft.has_secret
    assert config.oauth.microsoft.secret() == "s3cret"


def test_a_locked_keyring_may_be_open_later(tmp_path: Path, kept: Path) -> None:
    kept.write_text('"locked"', encoding="utf-8")
    with pytest.raises(TransientError, match=r"钥匙串现在不给 h 的密码：KeyringLocked the collection is locked$"):
        read(tmp_path, MAILBOX).mailboxes[0].password()


def test_a_machine_without_a_keyring_is_told_what_to_do(tmp_path: Path, kept: Path) -> None:
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    with pytest.raises(UserError, match=r"没有能用的钥匙串.*password_file"):
        read(tmp_path, MAILBOX).mailboxes[0].password()


def test_without_the_extra_it_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "keyring":
            raise ModuleNotFoundError("No module named 'keyring'", name="keyring")
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install -c requirements.lock -e '\.\[keyring\]'"):
        read(tmp_path, MAILBOX).mailboxes[0].password()


@pytest.mark.parametrize("other", ['password_env = "A"', 'password_file = "b"'])
def test_one_source_is_enough(tmp_path: Path, other: str) -> None:
    for text, name in (
        (MAILBOX, "[[mailbox]]"),
        (OFFICE.replace('password_file = "secret"', 'password_keyring = "m"'), "app"),
    ):
        (problem,) = problems(tmp_path, text.replace("password_keyring", f"{other}\npassword_keyring"))
        assert "和 password_keyring 只能写一个" in problem, name


def test_the_commands_log_in_with_what_the_keyring_has(tmp_path: Path, kept: Path) -> None:
    keyring.set_password("mailflow", "u", "s3cret")
    with SmtpServer(user="u", password="s3cret") as out:
        office = Office(tmp_path, send=f'url = "smtp://u@127.0.0.1:{out.port}"\npassword_keyring = "mailflow"')
        office.deliver(unfinished_report())
        env = {"PYTHON_KEYRING_BACKEND": BACKEND, "MAILFLOW_TEST_KEYRING": str(kept)}
        done = office.run("once", **env)
        assert (done.code, len(out.messages)) == (0, 1), done.err
        wrong = office.run("check", **env | {"PYTHON_KEYRING_BACKEND": "no.such.Keyring"})
        assert (wrong.code, "No module named 'no'" in wrong.err) == (1, True), wrong.out + wrong.err
