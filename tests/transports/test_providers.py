"""What mappings/providers.toml knows of servers, and what the transports make of it (mail.md §2)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailflow import mappings
from mailflow.core.mapping import Settings
from mailflow.core.providers import GENERIC, Provider, Refusal, meant, provider_of
from mailflow.errors import AuthError, TransientError
from mailflow.transports.base import Place
from mailflow.transports.imap import ImapMailbox
from mailflow.transports.wire import Timeouts
from mailflow.urls import parse_url
from tests.faults.office import Office
from tests.servers.imap import Handler, ScriptedImap, Session
from tests.servers.loopback import free_port
from tests.transports.contract import mail, read, subjects

ROOT = Path(__file__).parents[2]
SHIPPED = mappings.load(ROOT / "mappings", Settings()).providers
QUICK = Timeouts(connect=1, read=0.4, operation=10)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("imap.163.com", "163"),
        ("SMTP.126.COM.", "163"),
        ("imap.yeah.net", "163"),
        ("imap.qiye.163.com", "qiye163"),
        ("imap.qq.com", "qq"),
        ("hwimap.exmail.qq.com", "exmail"),
        ("imap.qiye.aliyun.com", "aliyun"),
        ("imap.gmail.com", "gmail"),
        ("outlook.office365.com", "microsoft365"),
        ("partner.outlook.cn", "21vianet"),
        ("smtp.partner.outlook.cn", "21vianet"),
        ("163.com", "163"),
        ("pop.126.com", "163"),
        ("mail.qq.com", "qq"),
        ("exmail.qq.com", "exmail"),
        ("outlook.com", "microsoft365"),
        ("notqq.com", "generic"),
        ("mail.lanyu.example", "generic"),
        ("imap.163.com.evil.example", "generic"),
        ("", "generic"),
    ],
)
def test_a_provider_is_known_by_its_host(host: str, provider: str) -> None:
    assert provider_of(host, SHIPPED).id == provider


def test_every_provider_says_how_its_password_is_got() -> None:
    assert len({p.id for p in SHIPPED}) == len(SHIPPED) >= 10
    assert [p.id for p in SHIPPED if not p.help] == []


PASSWORDS = {"password": "密码", "authorisation_code": "授权码", "app_password": "应用专用密码", "oauth": "oauth"}


def test_the_handbook_names_every_provider_with_its_addresses_and_ways() -> None:
    rows = [
        [p.id, p.name, *("、".join(f"`{one}`" for one in many) or "—" for many in (p.hosts, p.imap, p.smtp)),
         PASSWORDS[p.password], p.quirks]
        for p in SHIPPED
    ]  # fmt: skip
    told = (ROOT / "docs" / "mappings.md").read_text(encoding="utf-8")
    assert [line for line in (f"| {' | '.join(row)} |" for row in rows) if line not in told] == []


def test_every_address_is_one_of_its_provider_and_a_good_url() -> None:
    for provider in SHIPPED:
        for address in (*provider.imap, *provider.smtp):
            url = parse_url(f"{address}", ROOT)
            assert provider_of(url.host, SHIPPED) == provider
            assert provider.usual_address(url.scheme, url.host, url.port or 0) is None
            assert is_encrypted(url.scheme, url.port), address


def is_encrypted(scheme: str, port: int | None) -> bool:
    return (scheme, port) in {("imaps", 993), ("smtps", 465), ("smtp", 587)}


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("imaps://pop.163.com", "imaps://imap.163.com:993"),
        ("imaps://mail.126.com", "imaps://imap.126.com:993"),
        ("imaps://yeah.net", "imaps://imap.yeah.net:993"),
        ("imap://imap.qq.com", "imaps://imap.qq.com:993"),
        ("imaps://imap.qq.com:143", "imaps://imap.qq.com:993"),
        ("smtp://smtp.qq.com:25", "smtps://smtp.qq.com:465"),
        ("smtps://mail.exmail.qq.com", "smtps://smtp.exmail.qq.com:465"),
        ("imaps://imap.mxhichina.com:143", "imaps://imap.mxhichina.com:993"),
        ("smtps://smtp.office365.com", "smtp://smtp.office365.com:587"),
        ("imaps://imap-mail.outlook.com", "imaps://outlook.office365.com:993"),
        ("imaps://imap.163.com", None),
        ("imaps://imap.company.example:143", None),
        ("graph://a@corp.example", None),
    ],
)
def test_a_wrong_host_or_port_is_answered_with_the_most_alike_of_the_right_ones(
    written: str, usual: str | None
) -> None:
    url = parse_url(written, ROOT)
    assert provider_of(url.host, SHIPPED).usual_address(url.scheme, url.host, url.port or 0) == usual


@pytest.mark.parametrize(
    ("scheme", "host", "near"),
    [
        ("imaps", "imap.163.cm", "imaps://imap.163.com:993"),
        ("imaps", "IMAP.136.com", "imaps://imap.163.com:993"),
        ("smtps", "smtp.exmail.qq.con", "smtps://smtp.exmail.qq.com:465"),
        ("smtp", "smtp.ofice365.com", "smtp://smtp.office365.com:587"),
        ("imaps", "imap.sina.com", None),
        ("imaps", "mail.tech.example", None),
        ("graph", "graph.microsoft.com", None),
    ],
)
def test_a_host_that_was_mistyped_is_near_to_one(scheme: str, host: str, near: str | None) -> None:
    assert meant(scheme, host, SHIPPED) == near


def test_an_address_may_stand_alone_and_without_its_port() -> None:
    """As in the files of installations that were made before there were several."""
    old = Provider.model_validate(
        {"id": "old", "name": "x", "hosts": ["*.x.example"], "imap": "imaps://imap.x.example"}
    )
    assert old.usual_address("imaps", "imap.x.example", 993) is None
    assert old.usual_address("imaps", "pop.x.example", 993) == "imaps://imap.x.example:993"
    assert old.usual_address("smtps", "smtp.x.example", 465) is None


@pytest.mark.parametrize(
    ("provider", "said", "means"),
    [
        ("163", "[AUTHENTICATIONFAILED] no", "授权码也会过期"),
        ("exchange", "[EXPIRED] Your password has expired", "已过期"),
        ("163", "NO SELECT Unsafe Login. Please contact kefu", "授权码"),
        ("qq", "Login fail. Account is abnormal, service is not open, password is incorrect", "不要连续重试"),
        ("microsoft365", "550 5.7.30 Basic authentication is not supported for Client Submission", "oauth"),
        ("microsoft365", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", "管理员"),
        ("microsoft365", "BAD User is authenticated but not connected.", "Add-MailboxPermission"),
        ("gmail", "[ALERT] Application-specific password required", "应用专用密码"),
    ],
)
def test_known_refusals_are_told_in_words(provider: str, said: str, means: str) -> None:
    found = next(p for p in SHIPPED if p.id == provider).meaning(said)
    assert found is not None
    assert means in found


def test_an_unknown_refusal_has_no_meaning() -> None:
    assert all(p.meaning("the moon is full") is None for p in (*SHIPPED, GENERIC))


@contextlib.contextmanager
def mailbox(server: ScriptedImap, provider: Provider, name: str = "s") -> Iterator[ImapMailbox]:
    box = ImapMailbox(
        name, "127.0.0.1", server.port, False, "u@x.example", lambda: "pw", timeouts=QUICK, provider=provider
    )
    try:
        yield box
    finally:
        box.close()


def refuse(session: Session, tag: bytes, line: bytes) -> None:
    session.no(tag, b"Login fail. Account is abnormal")


def scripted(*, capability: bytes = b"IMAP4rev1 IDLE MOVE UIDPLUS", **on: Handler) -> ScriptedImap:
    handlers = {name.encode(): handler for name, handler in on.items()}
    return ScriptedImap({1: mail("one")}, capability=capability, uidvalidity=7, on=handlers)


def test_a_refused_login_is_told_in_the_providers_words() -> None:
    qq = next(p for p in SHIPPED if p.id == "qq").model_copy(update={"login_pause": 0})
    refused = pytest.raises(AuthError, match=r"Login fail.*不要连续重试")
    with scripted(LOGIN=refuse) as server, mailbox(server, qq) as box, refused:
        box.check()


def test_a_server_that_dislikes_frequent_logins_is_left_alone_for_a_while() -> None:
    careful = Provider(id="careful", name="x", login_pause=60)
    with scripted() as server:
        with mailbox(server, careful, "careful") as box:
            assert subjects(*read(box)) == ["one"]
        with mailbox(server, careful, "careful") as box, pytest.raises(TransientError, match="不允许频繁登录"):
            box.check()
        with mailbox(server, careful, "another") as box:
            assert box.check()  # a second folder is no second try
        with mailbox(server, GENERIC, "careful") as box:
            assert box.check()


def test_idle_is_not_used_where_it_is_known_to_be_useless() -> None:
    with scripted() as server, mailbox(server, Provider(id="deaf", name="x", idle=False)) as box:
        started = time.monotonic()
        box.wait(0.2, threading.Event())
        assert time.monotonic() - started >= 0.2
    assert b"IDLE" not in server.commands


def test_a_move_is_made_of_copy_and_expunge_where_move_is_not_to_be_trusted() -> None:
    with scripted() as server, mailbox(server, Provider(id="odd", name="x", move=False)) as box:
        box.file(Place("INBOX", "7", "1"), "move:Done")
    words = [line.split() for line in server.commands]
    assert [line[1] for line in words if line[0] == b"UID"] == [b"FETCH", b"COPY", b"STORE", b"EXPUNGE"]


def test_a_provider_without_a_meaning_of_its_own_says_the_usual() -> None:
    odd = Provider(id="odd", name="x", refusal=(Refusal(says="moon", means="月亮"),))
    refused = pytest.raises(AuthError, match="请核对密码")
    with scripted(LOGIN=refuse) as server, mailbox(server, odd) as box, refused:
        box.check()


def test_the_check_says_whose_server_it_is_and_what_to_write(tmp_path: Path) -> None:
    port = free_port()
    url = f'url = "imap://u@localhost:{port}"\npassword_env = "WORD"'
    office = Office(tmp_path, mailboxes={"support": url})
    known = tmp_path / "mappings" / "providers.toml"
    ours = '[[provider]]\nid = "lanyu"\nname = "岚屿邮箱"\nhosts = ["localhost"]\nhelp = "密码找信息部要。"\n'
    known.write_text(ours + 'imap = "imaps://imap.localhost"\n', encoding="utf-8")
    failed = office.run("check", WORD="x")
    assert failed.code == 1
    assert "没有程序在这个端口上等候" in failed.err
    assert "岚屿邮箱：地址一般是 imaps://imap.localhost:993，请核对 url。" in failed.err
    assert "找信息部要" not in failed.err
    with scripted(LOGIN=refuse) as server:
        office.configure({"support": url.replace(str(port), str(server.port))}, 'url = "maildir:sent"')
        refused = office.run("check", WORD="x")
        assert "岚屿邮箱：密码找信息部要。" in refused.err
        server.on.clear()
        assert "（岚屿邮箱）" in office.run("check", WORD="x").out
