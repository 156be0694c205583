"""Of all that take in and send, one at a time uses a PostgreSQL store, wherever its data folder is (mail.md §4, 7)."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mailflow.errors import TransientError
from mailflow.store import Store
from tests.faults.office import Office, eventually
from tests.store.children import start
from tests.store.test_store import take

pytestmark = pytest.mark.postgres
_HELD = "另一个 mailflow 正在使用这个数据库"


@pytest.fixture
def other(postgres_url: str, postgres_store: Store, tmp_path: Path) -> Iterator[Store]:
    """The same store, of somebody with another data folder."""
    store = Store.open(postgres_url, tmp_path / "elsewhere")
    yield store
    store.close()


def cut(url: str) -> None:
    """Ends all connections to the database, as a server does that is started anew."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_only_one_at_a_time_has_it(postgres_store: Store, other: Store) -> None:
    for first, second in ((postgres_store, other), (other, postgres_store)):
        with first.exclusive():
            assert None not in take(first, f"{first.data.name} 1")
            with pytest.raises(TransientError, match=_HELD), second.exclusive():
                pass
            assert None not in take(second, f"{first.data.name} 2"), "a command may write beside it"
            assert None not in take(first, f"{first.data.name} 3")


def test_a_lock_that_was_lost_is_taken_again(postgres_store: Store, other: Store, postgres_url: str) -> None:
    with postgres_store.exclusive():
        for uid in ("1", "2"):
            cut(postgres_url)
            assert None not in take(postgres_store, uid)
            with pytest.raises(TransientError, match=_HELD), other.exclusive():
                pass
    with other.exclusive():
        assert None not in take(other, "3")


def test_who_has_lost_it_to_another_one_writes_nothing(postgres_store: Store, other: Store, postgres_url: str) -> None:
    with postgres_store.exclusive():
        cut(postgres_url)
        with other.exclusive():
            for _ in range(2):
                with pytest.raises(TransientError, match=_HELD):
                    take(postgres_store, "1")
            with other.read() as reader:
                assert reader.count_mails() == {}
            assert None not in take(other, "1")
        assert None not in take(postgres_store, "2"), "and goes on when the other one has ended"
        with pytest.raises(TransientError, match=_HELD), other.exclusive():
            pass


def test_a_lock_ends_with_its_process(postgres_store: Store, tmp_path: Path) -> None:
    child = start("held", postgres_store.url, tmp_path / "child")
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(TransientError, match=_HELD), postgres_store.exclusive():
        pass
    child.kill()
    with postgres_store.exclusive():
        assert None not in take(postgres_store, "1")
    child.communicate()


def test_stores_in_different_schemas_are_different_stores(postgres_url: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA north")
        connection.execute("CREATE SCHEMA south")
    stores = [
        Store.open(f"{postgres_url}&options=-csearch_path%3D{name}", tmp_path / name) for name in ("north", "south")
    ]
    with stores[0].exclusive(), stores[1].exclusive():
        for store in stores:
            assert None not in take(store, "1")
    for store in stores:
        store.close()


def test_the_second_daemon_on_a_database_is_refused(postgres_url: str, tmp_path: Path) -> None:
    north, south = Office(tmp_path / "north"), Office(tmp_path / "south")
    for office in (north, south):
        config = office.folder / "config.toml"
        text = config.read_text(encoding="utf-8").replace("[mailflow]\n", f'[mailflow]\nstore = "{postgres_url}"\n')
        config.write_text(text, encoding="utf-8")
    daemon = north.start("run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually("the daemon runs", lambda: north.status()["daemon"]["running"])
        for command in ("run", "once", "rebuild"):
            ended = south.run(command)
            assert (ended.code, _HELD in ended.err) == (1, True), ended.err
        assert south.run("list", "mails").code == 0
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0
    assert "邮件 0 封" in south.once().out
