"""Promise 3, seen from the server: what it has and what is kept are compared, and what is missing is told."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mailflow.transports.imap import ImapMailbox
from tests.faults.office import Office, report
from tests.servers import imap as usual
from tests.servers.dovecot import MISSING, Dovecot
from tests.servers.imap import ScriptedImap, Session
from tests.stories.forks import Ended

SECRET = {"MAILFLOW_TEST_PASSWORD": "geheim"}


def office_at(folder: Path, port: int) -> Office:
    url = f'url = "imap://support@127.0.0.1:{port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'
    return Office(folder, mailboxes={"support": url})


def once(office: Office, *, reconcile: bool = False) -> Ended:
    """`reconcile`: as it is when the last comparison was hours ago."""
    if reconcile:
        (office.folder / "var" / "status.json").unlink()
    return office.run("once", **SECRET)


def missing(office: Office, port: int) -> set[str]:
    """The server's set minus ours."""
    from mailflow.app import App

    mailbox = ImapMailbox("support", "127.0.0.1", port, False, "support", lambda: "geheim")
    app = App.of(office.folder / "config.toml")
    try:
        folder, uidvalidity, uids = mailbox.uids()
        with app.store.read() as reader:
            return uids - reader.uids("support", folder, uidvalidity)
    finally:
        mailbox.close()
        app.store.close()


def shown(office: Office) -> tuple[int, int]:
    box = office.status()["mailboxes"]["support"]
    return box["on_server"], box["missing"]


@pytest.mark.dovecot
def test_3_the_servers_mail_minus_ours_is_nothing_also_under_a_new_uidvalidity(tmp_path: Path) -> None:
    if MISSING:
        pytest.skip(MISSING)
    with Dovecot({"support": "geheim"}) as server:
        office = office_at(tmp_path, server.port)
        for number in range(60):
            server.deliver("support", report(f"第{number}件事"))
        assert once(office).code == 0
        assert (missing(office, server.port), shown(office)) == (set(), (60, 0))
        server.renumber("support")
        server.deliver("support", report("又一件事"))
        assert once(office, reconcile=True).code == 0
        assert (missing(office, server.port), shown(office)) == (set(), (61, 0))
        assert len(office.rows("records")) == 61


def test_3_a_uid_out_of_order_is_hidden_no_longer_than_until_the_next_comparison(tmp_path: Path) -> None:
    """It may not come (RFC 3501 §2.3.1.1), and does (mail.md §1.3): below the last one, no poll looks for new mail."""
    with ScriptedImap({1: report("第一件事"), 3: report("第二件事")}) as server:
        office = office_at(tmp_path, server.port)
        assert once(office).code == 0
        server.mails[2] = report("第三件事")
        assert once(office).code == 0
        assert missing(office, server.port) == {"2"}
        assert once(office, reconcile=True).code == 0
        assert (missing(office, server.port), shown(office)) == (set(), (3, 0))
        assert len(office.rows("records")) == 3


def test_3_a_wrong_uidnext_hides_nothing(tmp_path: Path) -> None:
    with ScriptedImap({1: report("第一件事"), 2: report("第二件事")}) as server:
        office = office_at(tmp_path, server.port)
        assert once(office).code == 0
        server.uidnext = 3  # and there it stays
        server.mails[5] = report("第三件事")
        assert once(office).code == 0
        assert missing(office, server.port) == set()


def test_3_a_mail_without_a_byte_is_named_and_is_no_lasting_failure(tmp_path: Path) -> None:
    def fetched(session: Session, tag: bytes, line: bytes) -> None:
        if b"BODY" in line and usual.asked(session, line) == [2]:
            session.ok(tag, b'2 FETCH (UID 2 BODY[] "")')
        else:
            usual.fetch(session, tag, line)

    with ScriptedImap({1: report("第一件事")}, on={b"UID FETCH": fetched}) as server:
        office = office_at(tmp_path, server.port)
        assert once(office).code == 0
        server.mails[2] = b""
        for _ in range(2):
            ended = once(office)
            assert (ended.code, "1 封邮件读不出来，下次再试：2" in ended.err) == (1, True), ended.err
            assert office.status()["daemon"]["parts"]["read:support"]["state"] == "failed"
        ended = once(office)
        assert (ended.code, ended.err) == (0, "")
        (empty,) = [row for row in office.rows("mails") if row["kind"] is None]
        assert empty["disposition"] == "unmatched"
        assert once(office, reconcile=True).code == 0
        assert (missing(office, server.port), shown(office)) == (set(), (2, 0))


BEFORE = "以前是 imap://support@127.0.0.1，现在是 imap://other@127.0.0.1"


def another(office: Office, port: int, *, user: str = "other", name: str = "support") -> None:
    url = f'url = "imap://{user}@127.0.0.1:{port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'
    office.configure({name: url}, 'url = "maildir:sent"')


def test_3_a_name_never_stands_for_two_accounts(tmp_path: Path) -> None:
    """One UIDVALIDITY for all: the other account's mails 1 and 2 would be taken for those that were read before."""
    mine = {1: report("第一件事"), 2: report("第二件事"), 3: report("第三件事")}
    theirs = {1: report("第四件事"), 2: mine[2]}
    with ScriptedImap(mine) as server, ScriptedImap(theirs) as other:
        office = office_at(tmp_path, server.port)
        assert once(office).code == 0
        another(office, other.port)
        for command in ("once", "check"):
            ended = office.run(command, **SECRET)
            assert (ended.code, BEFORE in ended.err, "换一个 name，如 support-2" in ended.err) == (1, True, True), ended
        assert other.commands == []
        status = office.run("status")
        assert (status.code, BEFORE in status.out) == (1, True), status.out
        another(office, other.port, name="support-2")
        assert once(office).code == 0
        assert len(office.rows("records")) == 4, "what both have is known by its content"
        another(office, other.port, user="support")
        assert once(office).code == 0, "another port is no other account"


def test_3_who_was_never_let_in_holds_no_name(tmp_path: Path) -> None:
    """A user's name mistyped at the first try must not be a reason to rename."""

    def only_other(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag) if b"other" in line else session.no(tag, b"[AUTHENTICATIONFAILED] no")

    with ScriptedImap({1: report()}, capability=b"IMAP4rev1", on={b"LOGIN": only_other}) as server:
        office = office_at(tmp_path, server.port)
        assert once(office).code == 1
        another(office, server.port)
        ended = once(office)
        assert (ended.code, len(office.rows("records"))) == (0, 1), ended.err


def test_3_a_store_of_before_learns_who_it_has_read(tmp_path: Path) -> None:
    with ScriptedImap({1: report()}) as server:
        office = office_at(tmp_path, server.port)
        assert once(office).code == 0
        with closing(sqlite3.connect(tmp_path / "var" / "mailflow.db")) as store, store:
            assert store.execute("DELETE FROM mark WHERE name = 'account:support'").rowcount == 1
        assert once(office).code == 0, "with nothing new there"
        another(office, server.port)
        assert BEFORE in once(office).err


def test_3_mail_that_is_missing_on_our_side_is_told_until_it_is_there(tmp_path: Path) -> None:
    """A server that does not list a mail when it is asked for new ones, and does when it is asked for all."""
    asked = 0

    def forgetful(session: Session, tag: bytes, line: bytes) -> None:
        nonlocal asked
        asked += 1
        uids = [uid for uid in usual.asked(session, line) if uid != 2 or asked > 1]
        session.ok(tag, b"SEARCH " + b" ".join(b"%d" % uid for uid in uids))

    on = {b"UID SEARCH": forgetful}
    with ScriptedImap({uid: report(f"第{uid}件事") for uid in (1, 2, 3)}, on=on) as server:
        office = office_at(tmp_path, server.port)
        ended = once(office)
        assert (ended.code, "有 1 封信没有收进来" in ended.err) == (1, True), ended.err
        status = office.run("status")
        assert (status.code, "有 1 封没有收进来" in status.out) == (1, True), status.out
        assert shown(office) == (3, 1)
        assert once(office, reconcile=True).code == 0
        assert shown(office) == (3, 0)
        assert json.loads((tmp_path / "var" / "status.json").read_text())["by"] == "once"
