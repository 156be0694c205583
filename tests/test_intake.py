"""What taking in leaves in the store, over a mailbox in memory."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import event

from mailflow import intake, mappings
from mailflow.errors import TransientError
from mailflow.intake import Source
from mailflow.store import Store
from mailflow.transports.base import Batch, Known
from tests.policies.office import MAPPING, at
from tests.stories.forks import ROOT
from tests.transports.memory import MemoryMailbox, MemoryServer

NOON = at("11-23 12:00")
SOURCE = Source("support", "imap://support@mx.example", "seen")


@dataclass
class Desk:
    store: Store
    server: MemoryServer
    mailbox: MemoryMailbox

    def take_in(self) -> int:
        return intake.take_in(self.store, self.mailbox, SOURCE).total()

    def known(self) -> tuple[str | None, str | None, int]:
        """The mailbox's cursor, whose it is, and how many mails are kept."""
        with self.store.read() as reader:
            return reader.cursor("support"), reader.account("support"), reader.count_mails().get("support", 0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store.open(None, tmp_path)
    files = mappings.read_files(ROOT / "mappings")
    intake.take_mapping(store, mappings.parse(files, MAPPING.settings), files, NOON)
    server = MemoryServer()
    yield Desk(store, server, MemoryMailbox("support", server))
    store.close()


def test_cursor_account_and_mails_are_kept_together_or_not_at_all(desk: Desk) -> None:
    full = True

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages if full else 1 << 30}")

    event.listen(desk.store._engine, "checkout", limit)
    desk.server.deliver(b"Subject: 1\r\n\r\n" + random.Random(3).randbytes(100_000), NOON)
    with pytest.raises(TransientError, match="磁盘已满"):
        desk.take_in()
    assert desk.known() == (None, None, 0)
    full = False
    assert desk.take_in() == 1
    assert desk.known() == ('["1", 1]', SOURCE.account, 1)


def test_a_mailbox_that_has_nothing_holds_no_name(desk: Desk) -> None:
    assert desk.take_in() == 0
    assert desk.known() == (None, None, 0)


@pytest.mark.parametrize("new", [0, 1])
def test_a_mailbox_of_an_older_release_gets_its_account_and_keeps_its_place(desk: Desk, new: int) -> None:
    desk.server.deliver(b"Subject: 1\r\n\r\n", NOON)
    with desk.store.write() as tx:
        tx.set_cursor("support", '["1", 1]')
    desk.server.failure = TransientError("away")
    with pytest.raises(TransientError):
        desk.take_in()
    assert desk.known() == ('["1", 1]', None, 0), "nobody has answered"
    desk.server.failure = None
    for number in range(new):
        desk.server.deliver(b"Subject: %d\r\n\r\n" % number, NOON)
    assert desk.take_in() == new
    assert desk.known() == (f'["1", {1 + new}]', SOURCE.account, new)


def test_a_mail_that_may_not_be_moved_holds_up_no_other(desk: Desk) -> None:
    uids = [desk.server.deliver(b"Subject: %d\r\n\r\n" % number, NOON) for number in range(30)]
    desk.server.fixed = {uids[0], uids[5]}
    desk.take_in()
    assert str(intake.file_away(desk.store, desk.mailbox)) == f"邮件 {uids[0]} 不能动"
    assert desk.server.seen == set(uids) - desk.server.fixed
    desk.server.fixed = set()
    assert intake.file_away(desk.store, desk.mailbox) is None
    assert desk.server.seen == set(uids)


def test_a_server_that_refuses_all_is_not_asked_about_each(desk: Desk) -> None:
    uids = [desk.server.deliver(b"Subject: %d\r\n\r\n" % number, NOON) for number in range(30)]
    desk.server.fixed = set(uids[:20])
    desk.take_in()
    assert intake.file_away(desk.store, desk.mailbox)
    assert desk.server.seen == set(), "it has not come to the last ten"


def test_what_may_not_be_done_any_more_does_not_hold_up_what_is_to_be_done_since(desk: Desk) -> None:
    """Once a person has mended `after`: what waits is still to be filed as it was meant then."""
    uids = [desk.server.deliver(b"Subject: %d\r\n\r\n" % number, NOON) for number in range(40)]
    with desk.store.write() as tx:
        for number, uid in enumerate(uids):
            tx.add_filing("support", "INBOX", "1", str(uid), "move:" if number < 20 else "seen")
    assert str(intake.file_away(desk.store, desk.mailbox)) == "邮箱“support”不认识归档方式“move:”。"
    assert desk.server.seen == set(uids[20:])


def test_mails_here_and_there_that_may_not_be_moved_hold_up_none(desk: Desk) -> None:
    uids = [desk.server.deliver(b"Subject: %d\r\n\r\n" % number, NOON) for number in range(60)]
    desk.server.fixed = set(uids[::3])
    desk.take_in()
    assert intake.file_away(desk.store, desk.mailbox)
    assert desk.server.seen == set(uids) - desk.server.fixed


def test_what_was_committed_before_a_failure_is_counted(desk: Desk) -> None:
    for number in range(60):
        desk.server.deliver(b"Subject: %d\r\n\r\n" % number, NOON)
    tally = Counter[str]()

    class Breaks(MemoryMailbox):
        def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
            yield next(super().batches(cursor, known))
            raise TransientError("连接中断")

    with pytest.raises(TransientError):
        intake.take_in(desk.store, Breaks("support", desk.server), SOURCE, tally=tally)
    assert tally.total() == 50


def test_what_is_to_be_filed_is_read_a_page_at_a_time_and_in_its_order(desk: Desk) -> None:
    uids = [desk.server.deliver(b"Subject: x\r\n\r\n", NOON) for _ in range(520)]
    with desk.store.write() as tx:
        for uid in uids:
            tx.add_filing("support", "INBOX", "1", str(uid), "seen")
            tx.add_filing("other", "INBOX", "1", str(uid), "seen")
    looked = iter(range(10))
    intake.file_away(desk.store, desk.mailbox, lambda: next(looked, None) is None)
    assert desk.server.seen == set(uids[:10]), "it ends when it is told to"
    intake.file_away(desk.store, desk.mailbox)
    assert desk.server.seen == set(uids)
    with desk.store.read() as reader:
        assert (reader.filings("support"), len(reader.filings("other"))) == ([], 500)
