"""A full disk, a busy store, several processes at once, and what the libraries' errors come to."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg.errors
import pytest
import sqlalchemy.exc
from sqlalchemy import event

from mailflow.core.records import Mail
from mailflow.errors import MailflowError, PermanentError, TransientError, UserError
from mailflow.store import Reader, Store, engine
from tests.store.children import run, start
from tests.store.samples import NOON
from tests.store.test_store import take

BULK = random.Random(3).randbytes(100_000)


@pytest.mark.parametrize(("what", "told"), [("starved", "磁盘"), ("starved_archive", "归档写不进去")])
def test_a_file_that_cannot_grow_commits_nothing(tmp_path: Path, what: str, told: str) -> None:
    code, out = run(what, None, tmp_path)
    assert code == 0
    assert told in out
    store = Store.open(None, tmp_path)
    with store.read() as reader:
        assert (reader.count_mails(), reader.cursor("support")) == ({}, None)
    assert None not in take(store, "1")
    store.close()


def test_a_full_database_is_passing_and_commits_nothing(sqlite_store: Store) -> None:
    full = True

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages if full else 1 << 30}")

    event.listen(sqlite_store._engine, "checkout", limit)
    with pytest.raises(TransientError, match="磁盘已满"):
        take(sqlite_store, "1", "2", raw=BULK)
    with sqlite_store.read() as reader:
        assert list(reader.facts()) == []
    full = False
    assert None not in take(sqlite_store, "1", "2", raw=BULK)


def test_a_store_that_others_keep_busy_is_passing(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    impatient = Store.open(None, sqlite_store.data)
    with sqlite_store.write(), pytest.raises(TransientError, match="占用"):
        take(impatient, "1")
    assert None not in take(impatient, "1")
    impatient.close()


def test_a_store_that_breaks_while_it_is_used_is_for_a_person(sqlite_store: Store) -> None:
    take(sqlite_store, "1")
    with sqlite3.connect(sqlite_store.data / "mailflow.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    file = sqlite_store.data / "mailflow.db"
    with open(file, "r+b") as damaged:
        damaged.seek(4096)
        damaged.write(b"\xff" * (file.stat().st_size - 4096))
    with pytest.raises(UserError, match="损坏"):
        take(sqlite_store, "2")


def test_two_processes_that_write_at_once_both_succeed(store: Store) -> None:
    children = [start("many", store.url, store.data) for _ in range(2)]
    assert [(child.wait(timeout=120), child.communicate()[0]) for child in children] == [(0, ""), (0, "")]
    with store.read() as reader:
        assert sorted(reader.count_mails().values()) == [25, 25]
        assert [fact.seq for fact in reader.facts()] == list(range(1, 51))
        assert [row.wanted for row in reader.workbooks()] == [50]


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_processes_that_open_a_new_store_at_once_make_it_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    children = [start("nothing", url, tmp_path) for _ in range(4)]
    assert [(child.wait(timeout=120), child.communicate()[0]) for child in children] == [(0, "")] * 4


def test_every_error_of_postgresql_has_a_meaning() -> None:
    for name in dir(psycopg.errors):
        found = getattr(psycopg.errors, name)
        if isinstance(found, type) and issubclass(found, psycopg.Error):
            error = sqlalchemy.exc.OperationalError("SELECT", None, found("secret detail"))
            assert isinstance(engine.meaning_of(error), MailflowError)
            assert any("\u4e00" <= c <= "\u9fff" for c in str(engine.meaning_of(error)))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.errors.DiskFull("x"), TransientError),
        (psycopg.errors.DeadlockDetected("x"), TransientError),
        (psycopg.errors.AdminShutdown("x"), TransientError),
        (psycopg.OperationalError("connection refused"), TransientError),
        (psycopg.errors.DataCorrupted("x"), UserError),
        (psycopg.errors.UniqueViolation("x"), PermanentError),
        (psycopg.errors.SyntaxError("x"), PermanentError),
    ],
)
def test_what_errors_mean(error: psycopg.Error, kind: type[MailflowError]) -> None:
    wrapped = sqlalchemy.exc.DBAPIError.instance("SELECT", None, error, psycopg.Error)
    assert isinstance(wrapped, sqlalchemy.exc.DBAPIError)
    assert type(engine.meaning_of(wrapped)) is kind


def test_every_error_of_sqlalchemy_is_translated() -> None:
    def below(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    def made(kind: type[Exception]) -> Exception:
        if issubclass(kind, sqlalchemy.exc.DBAPIError):
            return kind("SELECT", None, Exception("x"))
        if issubclass(kind, sqlalchemy.exc.StatementError):
            return kind("x", "SELECT", None, Exception("x"))
        return kind.__new__(kind)

    for kind in below(sqlalchemy.exc.SQLAlchemyError):
        error = made(kind)
        with pytest.raises(MailflowError), engine.translated():
            raise error


def _cut(store: Store) -> None:
    """Ends all connections to the store's database, as a restart of the server does."""
    engine_ = sqlalchemy.create_engine(store._engine.url)
    with engine_.connect() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        connection.exec_driver_sql(f"{others} pg_backend_pid()")
    engine_.dispose()


QUESTIONS: dict[str, Callable[[Reader], object]] = {
    "a fact": lambda reader: reader.fact(1),
    "the book": lambda reader: reader.book.find(Mail, matter="x"),
}


@pytest.mark.postgres
@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_connection_that_is_cut_is_passing_and_commits_nothing(postgres_store: Store, asked: str) -> None:
    take(postgres_store, "1")
    with pytest.raises(TransientError, match="连不上"), postgres_store.write() as tx:  # noqa: PT012  # at its end, too
        tx.add_mail("support", "INBOX", "7", "2", NOON, b"lost")
        _cut(postgres_store)
        QUESTIONS[asked](tx)
    with pytest.raises(TransientError, match="连不上"), postgres_store.read() as reader:  # noqa: PT012
        _cut(postgres_store)
        QUESTIONS[asked](reader)
    with pytest.raises(TransientError, match="连不上"), postgres_store.write() as tx:  # noqa: PT012
        tx.add_mail("support", "INBOX", "7", "2", NOON, b"lost")
        tx.flush()
        _cut(postgres_store)  # and then it is to be committed
    with postgres_store.read() as reader:
        assert reader.count_mails() == {"support": 1}
    assert None not in take(postgres_store, "2")


@pytest.mark.postgres
def test_a_postgresql_that_others_keep_busy_is_passing(postgres_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.2)
    other = Store.open(postgres_store.url, postgres_store.data)
    with postgres_store.write(), pytest.raises(TransientError, match="占用"):
        take(other, "1")
    assert None not in take(other, "1")
    other.close()


@pytest.mark.postgres
def test_a_server_that_says_nothing_is_not_waited_for_for_hours(postgres_url: str, tmp_path: Path) -> None:
    said: dict[str, dict[str, str]] = {}
    for url in (postgres_url, f"{postgres_url}&connect_timeout=3&keepalives_idle=7"):
        store = Store.open(url, tmp_path)
        with store._engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            said[url] = driver.info.get_parameters()
        store.close()
    ours, theirs = said.values()
    assert [ours[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")] == ["15", "60", "120000"]
    assert (theirs["connect_timeout"], theirs["keepalives_idle"], theirs["keepalives_count"]) == ("3", "7", "4")


def test_the_log_of_a_large_transaction_does_not_stay(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_WAL_BYTES", 100_000)
    store = Store.open(None, sqlite_store.data)
    take(store, *map(str, range(60)), raw=BULK)
    log = store.data / "mailflow.db-wal"
    assert log.stat().st_size > 2_000_000
    for number in range(3):
        take(store, f"small{number}")
    assert log.stat().st_size <= 100_000
    store.close()
