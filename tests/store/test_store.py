"""Facts, archive, cursors, filings and workbooks, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import pytest

from mailflow.core.book import Overlay
from mailflow.core.facts import DecisionFact, MailFact, MappingFact, TickFact
from mailflow.core.records import Mail, Notice, Project
from mailflow.store import FilingRow, Store
from tests.store import samples
from tests.store.samples import NOON


def take(store: Store, *uids: str, raw: bytes = b"Subject: x\r\n\r\n") -> list[MailFact | None]:
    with store.write() as writer:
        return [writer.add_mail("support", "INBOX", "7", uid, NOON, raw + uid.encode()) for uid in uids]


def test_facts_come_back_in_order_as_they_were_added(store: Store) -> None:
    with store.write() as writer:
        added = [
            writer.add_mapping(NOON, "v1", {"人员.toml": "name = '张三'\n"}, '{"timezone": "Asia/Shanghai"}'),
            writer.add_mail("support", "INBOX", "7", "1", NOON, b"\x00\xffraw\r\n"),
            writer.add_decision(NOON + timedelta(seconds=1), "held:3", "指定 李四\ud800\0", "命令行", "command"),
            writer.add_tick(NOON + timedelta(hours=1)),
        ]
        assert list(writer.facts()) == added
    assert [type(fact) for fact in added] == [MappingFact, MailFact, DecisionFact, TickFact]
    with store.read() as reader:
        assert list(reader.facts()) == added
        assert list(reader.facts(after=2)) == added[2:]
        assert [reader.fact(seq) for seq in (1, 2, 3, 4)] == added
        assert reader.fact(5) is None
        assert reader.mapping() == added[0]


def test_numbers_go_on_without_gaps_after_a_transaction_that_failed(store: Store) -> None:
    take(store, "1")
    with pytest.raises(ZeroDivisionError), store.write() as writer:  # noqa: PT012  # the transaction is what raises
        writer.add_mail("support", "INBOX", "7", "2", NOON, b"lost")
        writer.flush()
        raise ZeroDivisionError
    facts = take(store, "3")
    assert [fact.seq for fact in facts if fact] == [2]
    with store.read() as reader:
        assert reader.uids("support", "INBOX", "7") == {"1", "3"}


def test_many_facts_are_streamed_over_several_pages(store: Store) -> None:
    take(store, *map(str, range(450)))
    with store.read() as reader:
        assert [fact.seq for fact in reader.facts(after=10)] == list(range(11, 451))


def test_a_place_on_the_server_is_taken_in_once(store: Store) -> None:
    assert None not in take(store, "1", "2")
    first, second, third = take(store, "2", "3", "3")
    assert (first, third) == (None, None)
    assert second is not None
    with store.read() as reader:
        assert reader.count_mails() == {"support": 3}


def test_another_mailbox_folder_or_uidvalidity_is_another_place(store: Store) -> None:
    with store.write() as writer:
        places = [("a", "INBOX", "7"), ("b", "INBOX", "7"), ("a", "存档", "7"), ("a", "INBOX", "8")]
        facts = [writer.add_mail(*place, "1", NOON, b"same") for place in places]
        assert None not in facts
        assert writer.count_mails() == {"a": 3, "b": 1}


def test_known_answers_for_more_uids_than_a_statement_takes(store: Store) -> None:
    take(store, "5", "1700")
    with store.read() as reader:
        assert reader.known("support", "INBOX", "7", [str(n) for n in range(2000)]) == {"5", "1700"}
        assert reader.known("support", "INBOX", "7", []) == set()
        assert reader.known("support", "INBOX", "8", ["5"]) == set()


def test_times_are_given_back_in_utc_and_the_newest_is_known(store: Store) -> None:
    shanghai = timezone(timedelta(hours=8))
    with store.write() as writer:
        assert writer.last_time() is None
        writer.add_tick(datetime(2026, 11, 2, 20, 0, 0, 1, shanghai))
        writer.add_tick(NOON)
    with store.read() as reader:
        assert reader.last_time() == NOON + timedelta(microseconds=1)
        assert [fact.time.utcoffset() for fact in reader.facts()] == [timedelta(0)] * 2


def test_a_time_without_zone_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="without zone"), store.write() as writer:  # the transaction is what raises
        writer.add_tick(datetime(2026, 11, 2))  # noqa: DTZ001  # what is refused
    with store.read() as reader:
        assert reader.last_time() is None


def test_cursors_are_kept_by_mailbox(store: Store) -> None:
    with store.write() as writer:
        assert writer.cursor("a") is None
        writer.set_cursor("a", "1:10")
        writer.set_cursor("b", "x")
    with store.write() as writer:
        writer.set_cursor("a", "1:20")
    with store.read() as reader:
        assert (reader.cursor("a"), reader.cursor("b")) == ("1:20", "x")


def test_filings_stay_until_done_and_numbers_are_never_given_twice(store: Store) -> None:
    with store.write() as writer:
        for uid in ("1", "2"):
            writer.add_filing("support", "INBOX", "7", uid, "move:已处理")
    with store.write() as writer:
        first, second = writer.filings("support")
        assert second == FilingRow(
            id=second.id, mailbox="support", folder="INBOX", uidvalidity="7", uid="2", action="move:已处理"
        )
        for _ in range(2):
            writer.filing_done(second.id)
    with store.write() as writer:
        writer.add_filing("support", "INBOX", "7", "3", "seen")
        assert [row.uid for row in writer.filings("support")] == ["1", "3"]
        assert second.id not in [row.id for row in writer.filings("support")]
        assert first in writer.filings("support")


def test_a_workbook_is_due_until_what_was_wanted_is_published(store: Store) -> None:
    def row() -> tuple[int, int, str | None, datetime | None]:
        with store.read() as reader:
            (found,) = reader.workbooks()
        return found.wanted, found.published, found.blocked, found.blocked_since

    with store.write() as writer:
        writer.touch(["投诉.xlsx", "投诉.xlsx"])
    assert row() == (1, 0, None, None)
    with store.write() as writer:
        writer.touch(["投诉.xlsx"])
        writer.workbook_blocked("投诉.xlsx", "正在被打开", NOON)
    with store.write() as writer:
        writer.workbook_blocked("投诉.xlsx", "只读", NOON + timedelta(hours=1))
    assert row() == (2, 0, "只读", NOON)
    with store.write() as writer:
        writer.touch(["投诉.xlsx"])
        writer.workbook_published("投诉.xlsx", 2, "hash", b'{"base": 1}', NOON + timedelta(hours=2))
    assert row() == (3, 2, None, None)
    with store.read() as reader:
        found = reader.workbook("投诉.xlsx")
        assert (reader.workbooks()[0].base, reader.workbook("没有.xlsx")) == (None, None)
    assert found is not None
    assert (found.content_hash, found.base, found.published_at) == ("hash", b'{"base": 1}', NOON + timedelta(hours=2))


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as writer:  # noqa: PT012  # the transaction is what raises
        writer.add_mail("support", "INBOX", "7", "1", NOON, b"raw")
        writer.put(samples.everything())
        writer.set_cursor("support", "9")
        writer.touch(["a.xlsx"])
        writer.add_filing("support", "INBOX", "7", "1", "seen")
        assert len(list(writer.facts())) == 1
        raise ZeroDivisionError
    with store.read() as reader:
        assert list(reader.facts()) == []
        assert reader.book.find(Mail) == []
        assert reader.cursor("support") is None
        assert (reader.outbox(), reader.filings("support"), reader.workbooks()) == ([], [], [])


def test_a_reader_sees_one_snapshot_while_another_thread_writes(store: Store) -> None:
    take(store, "1")
    with store.read() as reader:
        assert reader.count_mails() == {"support": 1}
        writer = threading.Thread(target=take, args=(store, "2", "3"))
        writer.start()
        writer.join()
        assert reader.count_mails() == {"support": 1}
        assert reader.uids("support", "INBOX", "7") == {"1"}
    with store.read() as reader:
        assert reader.count_mails() == {"support": 3}


def test_threads_that_write_at_once_take_turns(store: Store) -> None:
    threads = [threading.Thread(target=take, args=(store, f"{n}a", f"{n}b")) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert [fact.seq for fact in reader.facts()] == list(range(1, 25))


def test_writing_within_writing_is_a_mistake_and_not_a_deadlock(store: Store) -> None:
    with pytest.raises(RuntimeError, match="within"), store.write(), store.write():
        pass
    assert None not in take(store, "1")


def test_clearing_what_was_derived_keeps_all_else(store: Store) -> None:
    take(store, "1")
    with store.write() as writer:
        writer.put(samples.everything())
        writer.touch(["a.xlsx"])
        writer.set_cursor("support", "9")
        before = writer.outbox()
        writer.clear_derived()
    with store.read() as reader:
        for row in samples.everything():
            assert reader.book.find(type(row)) == []
        assert len(list(reader.facts())) == 1
        assert reader.cursor("support") == "9"
        assert len(reader.workbooks()) == 1
        assert [row.due for row in reader.outbox()] == [row.due for row in before]
        assert reader.book.register().projects == ()


def test_a_register_from_a_rolled_back_transaction_is_never_remembered(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.write() as writer:  # noqa: PT012  # the transaction is what raises
        writer.put([samples.project("幻影")])
        assert writer.book.register().resolve("幻影")
        raise ZeroDivisionError
    with store.write() as writer:
        writer.put([samples.project("星河")])
    for _ in range(2):
        with store.read() as reader:
            assert [p.name for p in reader.book.register().projects] == ["星河"]


def test_the_register_is_built_once_while_no_project_changes(store: Store) -> None:
    with store.write() as writer:
        writer.put([samples.project("星河")])
    with store.read() as reader:
        first = reader.book.register()
    with store.write() as writer:
        writer.put([samples.mail(1)])
        assert writer.book.register() is first
        writer.put([samples.project("北斗")])
        assert {p.name for p in writer.book.register().projects} == {"星河", "北斗"}


def test_another_process_s_project_is_seen(store: Store) -> None:
    with store.write() as writer:
        writer.put([samples.project("星河")])
    with store.read() as reader:
        reader.book.register()
    other = Store.open(store.url, store.data)
    with other.write() as writer:
        writer.put([samples.project("北斗")])
    other.close()
    with store.read() as reader:
        assert {p.name for p in reader.book.register().projects} == {"星河", "北斗"}


def test_a_batch_is_decided_over_the_store_and_put_at_its_end(store: Store) -> None:
    with store.write() as writer:
        book = Overlay(writer.book)
        fact = writer.add_mail("support", "INBOX", "7", "1", NOON, b"raw")
        assert fact is not None
        book.put(samples.mail(fact.seq), samples.project("星河"), samples.notice("x"))
        assert writer.book.find(Project) == []
        writer.put(book.changes())
    with store.read() as reader:
        assert reader.book.find(Mail) == [samples.mail(1)]
        assert reader.book.find(Notice, matter="x") == [samples.notice("x")]


def test_a_lone_surrogate_does_not_stop_a_batch(store: Store) -> None:
    with store.write() as writer:
        writer.put([samples.mail(1, subject="\ud800半个", message_id="<\ud800@mail.example>"), samples.mail(2)])
    with store.read() as reader:
        assert [mail.subject for mail in reader.book.find(Mail)] == ["?半个", "报备-星河项目"]
        assert len(reader.book.find(Mail, message_id="<\ud800@mail.example>")) == 1


def test_what_was_committed_is_there_after_closing(store: Store, tmp_path: Path) -> None:
    take(store, "1")
    with store.write() as writer:
        writer.put(samples.everything())
    store.close()
    again = Store.open(store.url, store.data)
    with again.read() as reader:
        assert len(list(reader.facts())) == 1
        assert len(reader.book.find(Mail)) == 4
    again.close()


def test_the_newest_rows_are_read_and_no_others(store: Store) -> None:
    with store.write() as writer:
        writer.put([samples.mail(seq) for seq in range(1, 1203)])
    with store.read() as reader:
        assert [mail.seq for mail in reader.newest(Mail)] == [*range(1202, 0, -1)]
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE b_mail SET body = 'spoilt' WHERE key < '000000500'")
    with store.read() as reader:
        assert [mail.seq for mail in islice(reader.newest(Mail), 400)] == [*range(1202, 802, -1)]
        with pytest.raises(ValueError, match="JSON"):
            list(reader.newest(Mail))


def test_the_newest_notices_are_read_and_no_others(store: Store) -> None:
    notices = [samples.notice(f"m{n:04d}", due=NOON + timedelta(minutes=n % 7)) for n in range(1200)]
    with store.write() as writer:
        writer.put(notices)
    expected = [n.key for n in sorted(notices, key=lambda n: (n.due, n.key), reverse=True)]
    with store.read() as reader:
        assert [row.key for row in reader.newest_notices()] == expected
        assert [row.key for row in reader.newest_notices()] == [row.key for row in reader.outbox()][::-1]
