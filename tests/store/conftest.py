"""A SQLite store, and a private PostgreSQL cluster where PostgreSQL is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from mailflow.store import Store

_numbers = count(1)


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(None, tmp_path / "data")
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Path]:
    """The folder with the socket of a server of its own. PostgreSQL refuses to run as root, hence `user`."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    newest = programs[-1]
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if user:
        shutil.chown(folder, user)

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=120)

    cluster = folder / "data"
    # A dictionary-like default collation: keys must sort by code point even so.
    run(newest / "initdb", "-D", cluster, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync",
        "--locale-provider=icu", "--icu-locale=zh")  # fmt: skip
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run(newest / "pg_ctl", "-D", cluster, "-w", "-o", options, "-l", folder / "log", "start")
    yield folder
    run(newest / "pg_ctl", "-D", cluster, "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_cluster: Path) -> str:
    """An empty database of its own."""
    name = f"mailflow{next(_numbers)}"
    with psycopg.connect(host=str(postgres_cluster), user="tester", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://tester@/{name}?host={postgres_cluster}"


@pytest.fixture
def postgres_store(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    store = Store.open(postgres_url, tmp_path / "data")
    yield store
    store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    """The same test on both."""
    found = request.getfixturevalue(f"{request.param}_store")
    assert isinstance(found, Store)
    return found
