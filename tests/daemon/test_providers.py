"""The real daemon, configured by config.toml alone, at Exchange, at Microsoft 365 and at an IMAP server with tokens."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from tests.daemon.service import Service, has
from tests.faults.office import Office, eventually, report, unfinished_report
from tests.servers.ews import PASSWORD, USER, EwsServer
from tests.servers.graph import TOKEN, GraphServer
from tests.servers.imap import ScriptedImap, Session
from tests.servers.loopback import Certificate
from tests.servers.oauth import OAuthServer

ADDRESS = "support@corp.example"


def env(certificate: Certificate) -> dict[str, str]:
    """The application's secret, and the authority that the machine trusts (docs/operations.md)."""
    return {"MAILFLOW_TEST_SECRET": "geheim", "REQUESTS_CA_BUNDLE": str(certificate.cert)}


def office_at(folder: Path, url: str, more: str, send: str | None = None) -> Office:
    """`more`: further sections of config.toml."""
    office = Office(folder / "office", mailboxes={"support": url}, send=send or 'url = "maildir:sent"')
    config = office.folder / "config.toml"
    config.write_text(f"{config.read_text(encoding='utf-8')}\n{more}", encoding="utf-8")
    return office


def oauth(server: OAuthServer) -> str:
    secret = 'client = "app"\npassword_env = "MAILFLOW_TEST_SECRET"'
    return f'[oauth.microsoft]\ntenant = "tenant"\n{secret}\ncloud = "{server.url}"\n'


def same_token(server: OAuthServer) -> None:
    """One token for all that ask: the Graph of the tests knows no other."""
    server.authority.answers = [(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})] * 1000


def test_exchange_is_read_and_sent_by(tmp_path: Path) -> None:
    with EwsServer() as server:
        account = server.endpoint.split("/")[2]
        login = f'url = "ews://{ADDRESS}@{account}"\nlogin = "{USER.replace(chr(92), chr(92) * 2)}"\n'
        login += 'password_env = "MAILFLOW_TEST_PASSWORD"'
        office = office_at(tmp_path, login, "", login)
        with Service(office, MAILFLOW_TEST_PASSWORD=PASSWORD) as service:
            server.exchange.put(report("第一件事"), "inbox")
            server.exchange.put(unfinished_report(), "inbox")
            eventually("the workbook shows the report", lambda: has(office.sheet, office, "第一件事"), 60)
            eventually("the notice has gone", lambda: len(server.exchange.submitted) == 1, 60)
            server.exchange.put(report("第二件事"), "inbox")
            eventually("and it goes on", lambda: has(office.sheet, office, "第二件事"), 60)
            eventually("all is well", lambda: office.run("status").code == 0)
            assert office.status()["mailboxes"]["support"]["missing"] == 0
            service.end()
        assert "Traceback" not in service.log()
        assert len(server.exchange.submitted) == 1
        checked = office.run("check", MAILFLOW_TEST_PASSWORD=PASSWORD)
        assert (checked.code, "以 support@corp.example 的名义发信" in checked.out) == (0, True), checked.err


def test_microsoft_365_is_read_and_sent_by(tmp_path: Path, authority: OAuthServer, certificate: Certificate) -> None:
    same_token(authority)
    with GraphServer() as server:
        account = f'url = "graph://{ADDRESS}@{server.base.removeprefix("http://")}"\noauth = "microsoft"'
        office = office_at(tmp_path, account, oauth(authority), account)
        with Service(office, **env(certificate)) as service:
            server.graph.put(report("第一件事"), "F-inbox")
            server.graph.put(unfinished_report(), "F-inbox")
            eventually("the workbook shows the report", lambda: has(office.sheet, office, "第一件事"), 60)
            eventually("the notice has gone", lambda: len(server.graph.submitted) == 1, 60)
            eventually("all is well", lambda: office.run("status").code == 0)
            service.end()
        assert "Traceback" not in service.log()
        assert "geheim" not in service.log()
        assert {form["scope"] for form in authority.authority.asked} == {"https://127.0.0.1/.default"}
        checked = office.run("check", **env(certificate))
        assert checked.code == 0, checked.out + checked.err


def test_a_server_that_wishes_to_be_left_alone_is(
    tmp_path: Path, authority: OAuthServer, certificate: Certificate
) -> None:
    """Graph throttles with Retry-After: an hour passes before it is asked again, however often the poll would."""
    same_token(authority)
    with GraphServer() as server:
        server.graph.before = lambda method, path: 429
        server.graph.retry_after = "3600"
        account = f'url = "graph://{ADDRESS}@{server.base.removeprefix("http://")}"\noauth = "microsoft"'
        office = office_at(tmp_path, account, oauth(authority))
        with Service(office, **env(certificate)) as service:
            eventually("it is told", lambda: service.state("read:support") == "failed")
            asked = len(server.graph.requests)
            eventually("the daemon says until when", lambda: "retry_in=3600" in service.log())
            assert len(server.graph.requests) == asked
            service.end()


class TokenImap(ScriptedImap):
    """Takes any token, and remembers each."""

    def __init__(self) -> None:
        super().__init__(capability=b"IMAP4rev1 IDLE AUTH=XOAUTH2", on={b"AUTHENTICATE": self._authenticate})
        self.tokens: list[bytes] = []

    def _authenticate(self, session: Session, tag: bytes, line: bytes) -> None:
        session.write(b"+ \r\n")
        self.tokens.append(base64.b64decode(session.read()))
        session.ok(tag)


def test_imap_with_tokens_gets_a_fresh_one_when_the_session_ends_with_the_old(
    tmp_path: Path, authority: OAuthServer, certificate: Certificate
) -> None:
    ending = ({"access_token": f"token-{n}", "token_type": "Bearer", "expires_in": 60} for n in range(1, 1000))
    authority.authority.answers = [(200, dict(token)) for token in ending]
    server = TokenImap()
    with server:
        account = f'url = "imap://{ADDRESS}@127.0.0.1:{server.port}"\noauth = "microsoft"'
        office = office_at(tmp_path, account, oauth(authority))
        with Service(office, **env(certificate)) as service:
            server.mails[1] = report("第一件事")
            eventually("the workbook shows the report", lambda: has(office.sheet, office, "第一件事"), 60)
            server.drop_connections()
            server.mails[2] = report("第二件事")
            eventually("and it goes on", lambda: has(office.sheet, office, "第二件事"), 60)
            service.end()
        users = {f"user={ADDRESS}\x01auth=Bearer token-{n}\x01\x01".encode() for n in range(1, len(server.tokens) + 1)}
        assert set(server.tokens) == users
        assert len(server.tokens) >= 2


def test_a_refused_login_rings_once_and_waits_for_a_person(tmp_path: Path) -> None:
    def refuse(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, b"LOGIN failed: authorization code expired")

    script = "import pathlib, sys; pathlib.Path('told').open('ab').write(sys.stdin.buffer.read() + b'--\\\\n')"
    with ScriptedImap(on={b"LOGIN": refuse}) as server:
        account = f'url = "imap://{ADDRESS}@127.0.0.1:{server.port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'
        office = office_at(tmp_path, account, f'[alarm]\ncommand = ["{sys.executable}", "-c", "{script}"]\n')
        told = office.folder / "told"
        with Service(office, MAILFLOW_TEST_PASSWORD="old") as service:
            eventually("the alarm has rung", told.exists, 60)
            assert service.log().count("mailbox_refused") == 1
            service.end()
        with Service(office, MAILFLOW_TEST_PASSWORD="old") as service:
            eventually("a restart does not try it again", lambda: service.log().count("mailbox_refused") == 2)
            rung = service.parts()["alarm"]["last_ok"]
            eventually("it looks what is to be told", lambda: service.parts()["alarm"]["last_ok"] not in (None, rung))
            service.end()
        said = told.read_text(encoding="utf-8")
        assert said.count("--") == 1
        assert "邮箱 support 登录被拒绝" in said
        assert "authorization code expired" in said
        assert "换了密码会自己发现，马上再试" in said
        assert sum(line.startswith(b"LOGIN") for line in server.commands) == 1
