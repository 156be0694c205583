"""Connections to SQLite and PostgreSQL, and what their errors mean. All that differs between the two stands here."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    Insert,
    QueuePool,
    Select,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from mailflow.errors import MailflowError, PermanentError, TransientError, UserError

BUSY_SECONDS = 30.0
_WAL_BYTES = 64 * 1024 * 1024
"""What is left of SQLite's log when a large transaction, as that of a rebuild, is through."""
_ALIVE: dict[str, int] = {
    "connect_timeout": 15,
    "keepalives_idle": 60,
    "keepalives_interval": 15,
    "keepalives_count": 4,
    "tcp_user_timeout": 120_000,
}
"""What libpq does of a PostgreSQL server that says nothing any more: it would wait for two hours, and with it whoever
writes. What the address says itself is left as it is."""
_WRITE = "mailflow_write"
_ADVISORY_LOCK = 0x6D61696C666C6F77  # "mailflow": at most one writer in a PostgreSQL database, among all processes
_RUNNING = 0x72756E73 << 32  # "runs", and the store's own number: one database may hold several, each in its schema
_HOLD_SETTINGS = (
    "SELECT set_config(name, wanted, false) FROM pg_settings JOIN (VALUES ('lock_timeout', '2000'),"
    " ('idle_session_timeout', '0'), ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '15'),"
    " ('tcp_keepalives_count', '4')) AS ours (called, wanted) ON name = called"
)
"""Two seconds for one that was just killed. The connection may idle; and when its machine is gone, the server is to
notice that within minutes and not hours, for another one waits for the lock. Older servers know not all of these."""


def upsert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT. Both say it in the same words; SQLAlchemy has no common name for it."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


# -- opening ---------------------------------------------------------------------------------------------------------


def open_engine(url: str | None, data: Path, *, read_only: bool, durable: bool = True) -> Engine:
    """An engine that has connected once. Raises UserError for what cannot work; SQLAlchemy's errors as they are."""
    parsed = _parse(url, data)
    if parsed.drivername == "sqlite":
        return _sqlite(Path(parsed.database or ""), read_only, durable)
    return _postgresql(parsed)


def _parse(url: str | None, data: Path) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(data / "mailflow.db"))
    try:
        parsed = make_url(url)
    except ArgumentError:  # its text may hold the password
        raise UserError("store 不是有效的数据库地址，应形如 postgresql://用户@主机/库名。") from None
    name = parsed.get_backend_name()
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if name == "sqlite" and parsed.database:
        return parsed.set(drivername="sqlite")
    raise UserError(f"store 不支持 {name} 数据库，只支持 postgresql://…；不写则使用 SQLite。")


def _sqlite(path: Path, read_only: bool, durable: bool) -> Engine:
    if read_only:
        if not path.exists():
            raise UserError(f"还没有数据库 {path}：请先运行 mailflow once 或 mailflow run。", code=1)
    else:
        _make_private(path)
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-16000")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, max_overflow=20)
    event.listen(engine, "begin", _begin)
    if not read_only:
        _use_wal(connect())
    return engine


def _make_private(path: Path) -> None:
    """The file holds everybody's mail: made for its owner only; SQLite gives its companions the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise UserError(f"数据目录 {path.parent} 不可用：{error.strerror}。请检查 data 的路径和权限。") from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Write-ahead logging stays set in the file. Setting it ignores the busy timeout, hence the loop."""
    deadline = time.monotonic() + BUSY_SECONDS
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
    finally:
        connection.close()


def _begin(connection: Connection) -> None:
    # IMMEDIATE: whoever decides must not find at its first write that the book has changed under it.
    writing = connection.get_execution_options().get(_WRITE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _postgresql(url: URL) -> Engine:
    try:
        options = {"client_encoding": "utf8"} | {name: value for name, value in _ALIVE.items() if name not in url.query}
        engine = create_engine(url, pool_pre_ping=True, max_overflow=20, connect_args=options)
    except ImportError as error:
        raise UserError("使用 PostgreSQL 需要安装驱动：pip install 'mailflow[postgres]'。") from error
    with engine.connect() as connection:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        engine.dispose()
        raise UserError(f"PostgreSQL 库的编码是 {encoding}，mailflow 需要 UTF8：请用 ENCODING 'UTF8' 重建该库。")
    return engine


# -- transactions ----------------------------------------------------------------------------------------------------


def for_reading(engine: Engine) -> Engine:
    """The same engine; its transactions see one snapshot and cannot write."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def for_writing(engine: Engine) -> Engine:
    """The same engine; of its transactions one runs at a time (see `lock`)."""
    return engine.execution_options(**{_WRITE: True})


def lock(connection: Connection) -> None:
    """Waits until no other process writes, as long as SQLite does at BEGIN IMMEDIATE, which has done that.

    Read committed, which is PostgreSQL's default, is enough behind it: nobody else commits meanwhile.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(BUSY_SECONDS * 1000)}")
        connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


class Hold:
    """A lock on a PostgreSQL store for as long as its own connection lives: of those that take in and send, one runs,
    on whatever machine and with whatever data folder (mail.md §4, 7). One thread at a time uses it.

    With its connection the lock is lost, as when the server is started anew. So whoever writes asks for it first: it
    is taken again, and where another one was quicker, nothing is written. What is being handed to a mail server at that
    moment cannot be called back: the other one takes it for what a dead process has left.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def make_sure(self) -> None:
        """That it is held. TransientError: somebody else has it. SQLAlchemy's errors as they are."""
        if not self._alive():
            self.release()
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                self._take(self._connection)
            except BaseException:
                self.release()
                raise

    def _alive(self) -> bool:
        try:
            return self._connection is not None and self._connection.exec_driver_sql("SELECT 1").scalar() == 1
        except SQLAlchemyError:
            return False

    def _take(self, connection: Connection) -> None:
        connection.exec_driver_sql(_HOLD_SETTINGS)
        try:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_RUNNING} + 'schema_version'::regclass::oid::bigint)")
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != "55P03":  # lock not available
                raise
            raise TransientError(_HELD) from error

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # not back into the pool: the lock goes with the connection
            connection.close()


# -- questions and rows ------------------------------------------------------------------------------------------------


def first_column(connection: Connection, statement: Select[Any], values: Mapping[str, Any]) -> list[Any]:
    """The first column of what `statement` finds, asked of the driver itself. `values`: of all its parameters.

    Deciding asks ten small questions about each mail; SQLAlchemy's share in such a one is twenty times SQLite's.
    """
    dialect = connection.dialect
    sql, order = _compiled(statement, dialect)
    try:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(sql, values if order is None else [values[name] for name in order])
            return [found[0] for found in cursor.fetchall()]
        finally:
            cursor.close()
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(sql, None, error, dialect.loaded_dbapi.Error, dialect=dialect) from error


def write_rows(connection: Connection, statement: Insert, rows: Sequence[dict[str, Any]]) -> None:
    """Runs `statement` for each of `rows`, which all name the same columns: texts, numbers, bytes and None.

    As above: SQLAlchemy would look at each value of each row.
    """
    if rows:
        sql, order = _compiled(statement, connection.dialect, tuple(rows[0]))
        connection.exec_driver_sql(sql, [row if order is None else tuple(map(row.__getitem__, order)) for row in rows])


@lru_cache(maxsize=500)
def _compiled(
    statement: Select[Any] | Insert, dialect: Dialect, columns: tuple[str, ...] | None = None
) -> tuple[str, Sequence[str] | None]:
    """The SQL, and the order of its parameters where the driver knows them by place."""
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    return str(compiled), compiled.positiontup


# -- errors ----------------------------------------------------------------------------------------------------------

_BUSY = "数据库正被另一个程序占用，稍后重试。"
_FULL = "磁盘已满，数据库写不进去：请清理磁盘。已收的邮件不会丢失，稍后自动重试。"
_DISK = "读写数据库文件出错（磁盘已满或有故障）：请检查磁盘。稍后自动重试。"
_HELD = (
    "另一个 mailflow 正在使用这个数据库（在别的机器上，或者用别的数据目录），请等它结束或先停掉它："
    "一个数据库只能有一个在收发。"
)
_AWAY = "连不上数据库，或没有读写权限。"
_BROKEN = "数据库文件已损坏，或不是 mailflow 的数据库：请停止 mailflow，从备份恢复后再启动。"

_MEANING: tuple[tuple[str, Literal["passing", "unusable", "broken"], str], ...] = (
    ("SQLITE_BUSY", "passing", _BUSY),
    ("SQLITE_LOCKED", "passing", _BUSY),
    ("SQLITE_FULL", "passing", _FULL),
    ("SQLITE_NOMEM", "passing", _DISK),
    ("SQLITE_IOERR", "passing", _DISK),
    ("SQLITE_CORRUPT", "broken", _BROKEN),
    ("SQLITE_NOTADB", "broken", _BROKEN),
    ("SQLITE_READONLY", "unusable", _AWAY),
    ("SQLITE_CANTOPEN", "unusable", _AWAY),
    ("SQLITE_PERM", "unusable", _AWAY),
    ("SQLITE_AUTH", "unusable", _AWAY),
    ("53100", "passing", _FULL),  # disk_full
    ("53", "passing", _DISK),  # insufficient resources
    ("58", "passing", _DISK),  # system error
    ("40", "passing", _BUSY),  # serialization failure, deadlock
    ("55", "passing", _BUSY),  # lock not available
    ("57", "passing", _AWAY),  # shut down by the operator
    ("08", "passing", _AWAY),  # connection exception
    ("25P03", "passing", _AWAY),  # idle in a transaction for longer than the server allows
    ("XX00", "broken", _BROKEN),
    ("28", "unusable", _AWAY),  # invalid authorization
    ("3D", "unusable", _AWAY),  # no such database
    ("42501", "unusable", _AWAY),  # insufficient privilege
    ("25006", "unusable", _AWAY),  # read-only server
)
"""SQLite's error names and PostgreSQL's SQLSTATEs, by their beginnings; the first that fits."""


@contextmanager
def translated(*, opening: bool = False) -> Iterator[None]:
    """SQLAlchemy's exceptions end here (errors.py)."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise meaning_of(error, opening=opening) from error


def meaning_of(error: Exception, *, opening: bool = False) -> MailflowError:
    """The exception of ours for one of the library's.

    What keeps the store from being used is the operator's to mend when it is opened, and passing when it comes up
    later: a daemon that runs well waits for its database to come back.
    """
    cause = error.orig if isinstance(error, StatementError) else error
    code = str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")
    known = next(((sort, text) for start, sort, text in _MEANING if code.startswith(start)), None)
    if known is None:
        passing = isinstance(error, (OperationalError, PoolTimeout)) or getattr(error, "connection_invalidated", False)
        known = ("unusable", _AWAY) if passing else None
    if known is None:
        return PermanentError(f"数据库拒绝了操作：{_first_line(cause)}")
    sort, text = known
    text = f"{text}（{code + '：' if code else ''}{_first_line(cause)}）"
    if sort == "broken" or (sort == "unusable" and opening):
        return UserError(text)
    return TransientError(text)


def _first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0][:300]
