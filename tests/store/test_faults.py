"""A full disk, a busy store, several processes at once, and what the libraries' errors come to."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import psycopg.errors
import pytest
import sqlalchemy.exc
from sqlalchemy import event

from mailflow.errors import MailflowError, PermanentError, TransientError, UserError
from mailflow.store import Store, engine
from tests.store.children import run, start
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
