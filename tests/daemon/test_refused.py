"""Refused logins, by `run` and by `once`: an alarm to a person, no loop, and tried at once when somebody has mended it
(mail.md §2 "all", §8 cases 8, 9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.daemon.service import Service, has
from tests.daemon.test_providers import ADDRESS, env, oauth, office_at, same_token
from tests.faults.office import Office, eventually, report, unfinished_report
from tests.servers.graph import GraphServer
from tests.servers.imap import ScriptedImap, Session
from tests.servers.loopback import Certificate
from tests.servers.oauth import OAuthServer
from tests.servers.smtp import SmtpServer


class Locked(ScriptedImap):
    """Lets nobody in but with `right`."""

    def __init__(self, right: str) -> None:
        super().__init__({1: report("第一件事")}, on={b"LOGIN": self._login})
        self.right = right

    def _login(self, session: Session, tag: bytes, line: bytes) -> None:
        if self.right.encode() in line:
            session.ok(tag)
        else:
            session.no(tag, b"LOGIN failed: authorization code expired")

    @property
    def logins(self) -> int:
        return sum(line.startswith(b"LOGIN") for line in self.commands)


@pytest.fixture
def server() -> Iterator[Locked]:
    server = Locked("new")
    with server:
        yield server


def office_of(folder: Path, server: Locked, password: str = 'password_file = "secret"', **more: str) -> Office:
    (folder / "secret").write_text("old\n", encoding="utf-8")
    return Office(folder, mailboxes={"support": f'url = "imap://u@127.0.0.1:{server.port}"\n{password}'}, **more)


def test_the_daemon_tries_a_new_password_within_seconds(tmp_path: Path, server: Locked) -> None:
    office = office_of(tmp_path, server)
    with Service(office) as service:
        eventually("it is refused", lambda: service.state("read:support") == "refused")
        part = service.parts()["read:support"]
        wait = datetime.fromisoformat(part["next"]) - datetime.fromisoformat(part["since"])
        assert (part["failures"], wait) == (1, timedelta(minutes=15))
        said = office.run("status")
        assert said.code == 1
        assert re.search(
            r"登录被拒绝，请处理：.*authorization code expired.*已试 1 次，\S+ \S+ 以后再试；换了密码", said.out
        )
        metrics = office.run("status", "--prometheus").out
        assert 'mailflow_part_refused{part="read:support"} 1' in metrics
        assert 'mailflow_part_next_timestamp_seconds{part="read:support"}' in metrics

        (tmp_path / "secret").write_text("wrong, too\n", encoding="utf-8")
        eventually("another one is tried", lambda: server.logins == 2)
        (tmp_path / "secret").write_text("new\n", encoding="utf-8")
        eventually("the right one lets it in", lambda: has(office.sheet, office, "第一件事"), 60)
        assert server.logins == 3
        eventually("all is well", lambda: office.run("status").code == 0)
        assert service.log().count("mailbox_refused") == 2
        assert list((tmp_path / "var" / "refused").iterdir()) == []
        service.end()
    assert "Traceback" not in service.log()
    assert "wrong, too" not in service.log()


def test_starts_do_not_hammer_the_account_and_the_log_says_why_it_is_not_read(tmp_path: Path, server: Locked) -> None:
    office = office_of(tmp_path, server)
    for start in range(1, 4):
        with Service(office) as service:
            eventually("it is shown", lambda: service.state("read:support") == "refused")
            eventually("it is logged", lambda: service.log().count("mailbox_refused") >= start)  # noqa: B023
            service.end()
    assert server.logins == 1


def test_a_check_that_is_let_in_makes_the_daemon_try_at_once(tmp_path: Path, server: Locked) -> None:
    """Mended at the provider: the password is the same."""
    office = office_of(tmp_path, server)
    with Service(office) as service:
        eventually("it is refused", lambda: service.state("read:support") == "refused")
        assert office.run("check").code == 1
        assert server.logins == 2, "a person's command always tries"
        server.right = "old"
        checked = office.run("check")
        assert (checked.code, "之前登录被拒绝过，现在可以了" in checked.out) == (0, True), checked.out + checked.err
        eventually("the daemon is let in", lambda: has(office.sheet, office, "第一件事"), 60)
        assert server.logins == 4
        service.end()
    assert "之前" not in office.run("check").out


def test_cron_does_not_hammer_the_account_and_says_so(tmp_path: Path, server: Locked) -> None:
    office = office_of(tmp_path, server, 'password_env = "MAILFLOW_TEST_PASSWORD"')
    first = office.run("once", MAILFLOW_TEST_PASSWORD="old")
    assert (first.code, "authorization code expired" in first.err) == (1, True), first.err
    for _ in range(3):
        again = office.run("once", MAILFLOW_TEST_PASSWORD="old")
        assert again.code == 1
        assert re.search(
            r"收信 support：没有再试，因为登录被拒绝过 1 次：.*expired.* \d{4}-\d\d-\d\d \d\d:\d\d 以后再试；换了密码",
            again.err,
        )
    assert server.logins == 1
    assert office.status()["daemon"]["parts"]["read:support"]["state"] == "refused"
    other = office.run("once", MAILFLOW_TEST_PASSWORD="new")
    assert (other.code, server.logins) == (0, 2), other.err
    assert has(office.sheet, office, "第一件事")


def test_a_way_out_that_is_refused_is_known_before_there_is_anything_to_send(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("old\n", encoding="utf-8")
    with SmtpServer(user="u", password="new") as out:
        office = Office(tmp_path, send=f'url = "smtp://u@127.0.0.1:{out.port}"\npassword_file = "secret"')
        with Service(office) as service:
            eventually("it is refused", lambda: service.state("send") == "refused")
            office.deliver(unfinished_report())
            eventually("the notice waits", lambda: [row["state"] for row in office.rows("notices")] == ["pending"])
            assert len(out.logins) == 1
            (tmp_path / "secret").write_text("new\n", encoding="utf-8")
            eventually("the notice has gone", lambda: len(out.messages) == 1)
            eventually("all is well", lambda: office.run("status").code == 0)
            service.end()
        assert len(out.logins) == 2


def test_once_leaves_a_way_out_alone_that_was_refused(tmp_path: Path) -> None:
    with SmtpServer(user="u", password="new") as out:
        send = f'url = "smtp://u@127.0.0.1:{out.port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'
        office = Office(tmp_path, send=send)
        office.deliver(unfinished_report())
        assert office.run("once", MAILFLOW_TEST_PASSWORD="old").code == 1
        again = office.run("once", MAILFLOW_TEST_PASSWORD="old")
        assert (again.code, "发信：没有再试" in again.err, len(out.logins)) == (1, True, 1), again.err
        assert office.run("once", MAILFLOW_TEST_PASSWORD="new").code == 0
        assert len(out.messages) == 1


def test_a_sent_folder_that_is_refused_is_not_tried_with_each_message(tmp_path: Path, server: Locked) -> None:
    with SmtpServer(user="u", password="old") as out:
        send = f'url = "smtp://u@127.0.0.1:{out.port}"\nsent = "imap://u@127.0.0.1:{server.port}"'
        office = Office(tmp_path, send=f'{send}\npassword_env = "MAILFLOW_TEST_PASSWORD"')
        for _ in range(3):
            office.deliver(unfinished_report())
        assert office.run("once", MAILFLOW_TEST_PASSWORD="old").code == 0
        assert len(out.messages) == 3
    assert server.logins == 1


def test_access_that_is_taken_away_in_mid_session_works_the_same_way(
    tmp_path: Path, authority: OAuthServer, certificate: Certificate
) -> None:
    same_token(authority)
    with GraphServer() as server:
        server.graph.put(report("第一件事"), "F-inbox")
        account = f'url = "graph://{ADDRESS}@{server.base.removeprefix("http://")}"\noauth = "microsoft"'
        office = office_at(tmp_path, account, oauth(authority))
        with Service(office, **env(certificate)) as service:
            eventually("the workbook shows the report", lambda: has(office.sheet, office, "第一件事"), 60)
            server.graph.before = lambda method, path: 403
            eventually("it is refused", lambda: service.state("read:support") == "refused", 60)
            asked = len(server.graph.requests)
            eventually("it looks whether it is mended", lambda: "以后再试" in office.run("status").out)
            assert len(server.graph.requests) == asked
            server.graph.before = lambda method, path: None
            server.graph.put(report("第二件事"), "F-inbox")
            assert office.run("check", **env(certificate)).code == 0
            eventually("and it goes on", lambda: has(office.sheet, office, "第二件事"), 60)
            service.end()


def test_an_applications_new_secret_is_tried_at_once(
    tmp_path: Path, authority: OAuthServer, certificate: Certificate
) -> None:
    refused: tuple[int, dict[str, object]] = (
        401, {"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret is expired."}
    )  # fmt: skip
    same_token(authority)
    authority.authority.answers.insert(0, refused)
    with GraphServer() as server:
        server.graph.put(report("第一件事"), "F-inbox")
        account = f'url = "graph://{ADDRESS}@{server.base.removeprefix("http://")}"\noauth = "microsoft"'
        app = oauth(authority).replace('password_env = "MAILFLOW_TEST_SECRET"', 'password_file = "app"')
        office = office_at(tmp_path, account, app)
        (office.folder / "app").write_text("old", encoding="utf-8")
        with Service(office, **env(certificate)) as service:
            eventually("it is refused", lambda: service.state("read:support") == "refused")
            assert "应用的密钥已过期" in service.parts()["read:support"]["error"]
            assert len(authority.authority.asked) == 1
            (office.folder / "app").write_text("new", encoding="utf-8")
            eventually("the workbook shows the report", lambda: has(office.sheet, office, "第一件事"), 60)
            service.end()
