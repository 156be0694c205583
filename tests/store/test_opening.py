"""What keeps a store from being opened is told to the operator in Chinese."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mailflow.errors import UserError
from mailflow.store import Store, schema
from tests.store.children import ROOT, run
from tests.store.test_store import take


def test_folder_and_file_are_made_for_their_owner(tmp_path: Path) -> None:
    store = Store.open(None, tmp_path / "a" / "数据 %?#")
    take(store, "1")
    database = tmp_path / "a" / "数据 %?#" / "mailflow.db"
    assert database.stat().st_mode & 0o077 == 0
    with sqlite3.connect(database) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    store.close()


def test_sqlite_is_as_durable_as_promised(sqlite_store: Store) -> None:
    with sqlite_store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError, match="数据目录"):
        Store.open(None, tmp_path / "data")


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "mailflow.db").mkdir()
    with pytest.raises(UserError, match="数据目录"):
        Store.open(None, tmp_path)


@pytest.mark.parametrize("made_before", [False, True])
def test_a_read_only_folder(made_before: bool) -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own is closed to other users
    if made_before:
        Store.open(None, folder).close()
        (folder / "mailflow.db").chmod(0o444)
    folder.chmod(0o555)
    try:
        out = run("unprivileged", None, folder)[1]
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert out.startswith("UserError")
    assert "权限" in out


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be read as one" * 100, b"short"])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mailflow.db").write_bytes(content)
    with pytest.raises(UserError, match="损坏"):
        Store.open(None, tmp_path)
    assert (tmp_path / "mailflow.db").read_bytes() == content


def test_a_schema_from_the_future(store: Store) -> None:
    with store._engine.begin() as connection:
        connection.execute(schema.schema_version.update().values(version=99))
    for read_only in (False, True):
        with pytest.raises(UserError, match="更新版本"):
            Store.open(store.url, store.data, read_only=read_only)
    with pytest.raises(UserError, match="更新版本"):  # one that was open meanwhile must not write either
        take(store, "1")


def test_an_older_schema_is_brought_up_to_date(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    take(store, "1")
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, lambda c: c.execute(schema.cursor.delete())))
    with pytest.raises(UserError, match="升级"):
        Store.open(store.url, store.data, read_only=True)
    for _ in range(2):
        newer = Store.open(store.url, store.data)
        assert None in take(newer, "1")
        with newer._engine.connect() as connection:
            assert schema.version_of(connection) == len(schema.STEPS)
        newer.close()


def test_a_migration_that_fails_leaves_the_old_store(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(connection: object) -> None:
        schema.metadata.drop_all(connection, tables=[schema.cursor])  # type: ignore[arg-type]  # a connection
        raise ZeroDivisionError

    take(sqlite_store, "1")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, half))
        with pytest.raises(ZeroDivisionError):
            Store.open(None, sqlite_store.data)
    with sqlite_store.write() as writer:
        writer.set_cursor("a", "1")


def test_postgresql_without_its_driver() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from mailflow.errors import UserError; from mailflow.store import Store\n"
        "try: Store.open('postgresql://user@localhost/db', Path('unused'))\n"
        "except UserError as error: print(ascii(str(error)))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    assert "mailflow[postgres]" in out


@pytest.mark.parametrize(
    "url", ["mysql://u:geheim@h/db", "nonsense geheim", "sqlite://", "postgresql://u:geheim@[/x"], ids=str
)
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError) as caught:
        Store.open(url, tmp_path)
    assert "geheim" not in str(caught.value)


@pytest.mark.postgres
def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="连不上") as caught:
        Store.open(f"postgresql://u:geheim@/db?host={tmp_path}", tmp_path)
    assert "geheim" not in str(caught.value)


@pytest.mark.postgres
def test_a_database_in_another_encoding(postgres_cluster: Path, tmp_path: Path) -> None:
    import psycopg

    with psycopg.connect(host=str(postgres_cluster), user="tester", dbname="postgres", autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE latin ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0"
        )
    with pytest.raises(UserError, match="UTF8"):
        Store.open(f"postgresql://tester@/latin?host={postgres_cluster}", tmp_path)


def test_reading_only_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="还没有数据库"):
        Store.open(None, tmp_path / "data", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_reading_only_reads_while_another_writes(store: Store) -> None:
    reader = Store.open(store.url, store.data, read_only=True)
    with store.write() as writer:
        writer.set_cursor("a", "1")
        with reader.read() as snapshot:
            assert snapshot.cursor("a") is None
    with reader.read() as snapshot:
        assert snapshot.cursor("a") == "1"
    with pytest.raises(UserError, match="只读"):
        take(reader, "1")
    reader.close()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    assert run("nothing", None, tmp_path) == (0, "")
    before = (tmp_path / "mailflow.db").read_bytes()
    assert run("nothing", None, tmp_path) == (0, "")
    assert (tmp_path / "mailflow.db").read_bytes() == before
