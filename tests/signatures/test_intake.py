"""Signatures on their way through a whole installation: Maildir in, DNS on loopback, store, rebuild, explain."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailflow import explain, intake, rebuild
from mailflow.app import App, source_of
from mailflow.core.facts import MailFact, Signature, Signatures
from mailflow.core.records import Complaint, Mail
from mailflow.explain.sources import Source
from mailflow.signatures import Keys
from mailflow.store import Store
from tests.servers.names import SERVFAIL, NameServer
from tests.signatures.signing import Key, publish, signed
from tests.stories.department import PEOPLE_TOML, PROJECTS_TOML
from tests.stories.forks import ROOT

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
COMPLAINT = (
    b"From: zhaoliu@sales.example\r\nTo: support@tech.example\r\nSubject: =?utf-8?b?5oqV6K+JLUVSUOmhueebrg==?=\r\n"
    b"Date: Fri, 20 Nov 2026 09:30:00 +0800\r\nMessage-ID: <c1@sales.example>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "没有收到沟通报告。\r\n".encode()
)
CONFIG = """\
[[mailbox]]
name = "support"
url = "maildir:inbox"
{}

[send]
url = "maildir:sent"
from = "support@tech.example"

[workbooks]
folder = "workbooks"
"""


def installed(folder: Path, names: NameServer, settings: str = "dkim = true") -> App:
    shutil.copytree(ROOT / "mappings", folder / "mappings", dirs_exist_ok=True)
    shutil.copytree(ROOT / "templates", folder / "templates", dirs_exist_ok=True)
    (folder / "mappings" / "people.toml").write_text(PEOPLE_TOML, encoding="utf-8")
    (folder / "mappings" / "projects.toml").write_text(PROJECTS_TOML, encoding="utf-8")
    (folder / "config.toml").write_text(CONFIG.format(settings), encoding="utf-8")
    for part in ("tmp", "new", "cur"):
        (folder / "inbox" / part).mkdir(parents=True, exist_ok=True)
    app = App.of(folder / "config.toml")
    app.__dict__["_keys"] = Keys(("127.0.0.1",), names.port, patience=0.5)
    return app


@pytest.fixture
def app(tmp_path: Path, names: NameServer) -> Iterator[App]:
    app = installed(tmp_path, names)
    yield app
    app.store.close()


def taken(app: App, *mails: bytes) -> list[Mail]:
    inbox = app.config.main.data.parent / "inbox" / "new"
    for number, mail in enumerate(mails):
        (inbox / f"{len(list(inbox.iterdir()))}.{number}").write_bytes(mail)
    assert app.once(NOW).problems == []
    with app.store.read() as reader:
        return reader.book.find(Mail)


def states(app: App) -> list[str]:
    with app.store.read() as reader:
        return [complaint.state for complaint in reader.book.find(Complaint)]


def test_a_signed_complaint_counts_and_counts_again_without_the_network(app: App, names: NameServer, key: Key) -> None:
    publish(names, key, "sales.example")
    (mail,) = taken(app, signed(COMPLAINT, key, "sales.example"))
    assert (mail.trust, states(app)) == ("authenticated", ["counted"])
    with app.store.read() as reader:
        fact = reader.fact(mail.seq)
    assert isinstance(fact, MailFact)
    assert fact.signatures == Signatures(dkim=(Signature(domain="sales.example", selector="s1", result="pass"),))
    asked = names.asked.copy()
    names.records.clear()
    assert rebuild.check(app.store) == []
    rebuild.rebuild(app.store)
    assert (states(app), names.asked) == (["counted"], asked)


def test_a_key_that_cannot_be_had_leaves_it_to_the_manager(app: App, names: NameServer, key: Key) -> None:
    names.records["s1._domainkey.sales.example."] = SERVFAIL
    (mail,) = taken(app, signed(COMPLAINT, key, "sales.example"))
    assert (mail.trust, states(app)) == ("roster", ["held"])


def test_nobody_is_asked_about_strangers(app: App, names: NameServer, key: Key) -> None:
    stranger = COMPLAINT.replace(b"zhaoliu@sales.example", b"zhaoliu@evil.example")
    (mail,) = taken(app, signed(stranger, key, "evil.example"))
    assert (mail.trust, names.asked) == ("none", {})


def test_a_mailbox_that_does_not_ask_for_it(tmp_path: Path, names: NameServer, key: Key) -> None:
    publish(names, key, "sales.example")
    app = installed(tmp_path, names, "")
    (mail,) = taken(app, signed(COMPLAINT, key, "sales.example"))
    assert (mail.trust, names.asked, states(app)) == ("roster", {}, ["held"])
    app.store.close()


def test_a_checker_that_fails_stops_no_mail(app: App, names: NameServer, key: Key) -> None:
    class Broken:
        def check(self, raw: bytes, until: float) -> Signatures:
            raise ZeroDivisionError

    app.take_mapping(NOW)
    (app.config.main.data.parent / "inbox" / "new" / "1").write_bytes(COMPLAINT)
    (box,) = app.config.mailboxes
    assert intake.take_in(app.store, app.mailbox(box), source_of(box), checker=Broken()) == {"held": 1}
    assert states(app) == ["held"]


def test_explain_says_what_was_found_when_the_mail_came(app: App, names: NameServer, key: Key) -> None:
    publish(names, key, "sales.example")
    raw = signed(COMPLAINT, key, "sales.example")
    source = Source("1", raw, NOW)

    def said() -> list[dict[str, str]]:
        ((_, found),) = explain.explain(app, [source])
        return [check for check in found["checks"] if check["name"] == "DKIM"]

    good = [{"name": "DKIM", "result": "通过", "detail": "DKIM sales.example：签名有效"}]
    assert said() == good
    taken(app, raw)
    names.records.clear()
    app.__dict__["_keys"] = Keys(("127.0.0.1",), names.port, patience=0.5)
    assert said() == good, "as it was when it was fetched"


def test_a_mail_without_signatures_is_kept_as_such(app: App) -> None:
    (mail,) = taken(app, COMPLAINT)
    app.store.close()
    again = Store.open(None, app.config.main.data)
    with again.read() as reader:
        fact = reader.fact(mail.seq)
    again.close()
    assert isinstance(fact, MailFact)
    assert fact.signatures == Signatures()
