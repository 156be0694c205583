"""The store: opened once, shared by all threads, one transaction at a time for whoever writes."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, select

from mailflow import journal
from mailflow.errors import UserError
from mailflow.store import engine as engines
from mailflow.store import schema
from mailflow.store.archive import Archive
from mailflow.store.book import Remembered
from mailflow.store.reader import Reader, Shared
from mailflow.store.writer import Writer

_VERSION = select(schema.schema_version.c.version)


class Store:
    """Facts, archive, book, outbox and workbooks on SQLite or PostgreSQL. Made by `open`; safe to share by threads.

    Several processes may write: SQLite and PostgreSQL let one go after the other. On PostgreSQL, `data` holds the
    large mails: whoever reads them on another machine needs it on a shared disk. Of those that take in and send, one
    runs at a time (`exclusive`).
    """

    def __init__(self, engine: Engine, shared: Shared, url: str | None, data: Path, *, read_only: bool) -> None:
        self.url = url
        self.data = data
        self.read_only = read_only
        self._engine = engine
        self._readers = engines.for_reading(engine)
        self._writers = engines.for_writing(engine)
        self._shared = shared
        self._turn = threading.Lock()
        self._writing: int | None = None
        self._hold: engines.Hold | None = None

    @classmethod
    def open(cls, url: str | None, data: Path, *, read_only: bool = False) -> Store:
        """Opens the store, makes it when it is missing, and brings an older one up to date.

        `url` None: SQLite in data/mailflow.db. `read_only`: nothing is made or changed. Raises UserError when the
        folder, the file, the server or the schema cannot be used; TransientError when it is busy or the disk is full.
        """
        return cls._open(url, data, read_only=read_only, shared=Shared(Archive(data / "archive"), Remembered()))

    @classmethod
    def _open(cls, url: str | None, data: Path, *, read_only: bool, shared: Shared, durable: bool = True) -> Store:
        with engines.translated(opening=True):
            engine = engines.open_engine(url, data, read_only=read_only, durable=durable)
        store = cls(engine, shared, url, data, read_only=read_only)
        try:
            with engines.translated(opening=True):
                store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self) -> None:
        if self.read_only:
            with self._readers.begin() as connection:
                found = schema.version_of(connection)
            schema.check(found)
            if found < len(schema.STEPS):
                raise UserError("数据库还没有升级到本版本：请先运行 mailflow once 或重启 mailflow run。", code=1)
            return
        with self._writers.begin() as connection:
            engines.lock(connection)
            found = schema.upgrade(connection)
        if 0 < found < len(schema.STEPS):
            journal.store_migrated(old=found, new=len(schema.STEPS))

    def close(self) -> None:
        """Gives all connections up."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """One consistent snapshot. TransientError when the store cannot be read now; UserError when it is broken."""
        with engines.translated(), self._readers.connect() as connection, connection.begin():
            yield Reader(connection, self._shared)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """One transaction: committed at the end of the block, rolled back on any exception.

        Threads of this process take turns; a thread must not nest it. TransientError, and nothing committed, when
        another process keeps the store busy or the disk is full.
        """
        if self.read_only:
            raise UserError("数据库以只读方式打开，不能写入。", code=1)
        with self._my_turn(), engines.translated():
            with self._writers.connect() as connection, connection.begin():
                engines.lock(connection)
                if self._hold is not None:
                    self._hold.make_sure()
                schema.check(connection.execute(_VERSION).scalar_one())
                writer = Writer(connection, self._shared)
                yield writer
                writer.flush()
                journal.step("store.before_commit")
            journal.step("store.after_commit")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Within the block nobody else is in such a block, wherever it runs. TransientError when somebody is.

        On PostgreSQL, where `write` raises TransientError as long as somebody else has got in because the connection
        to the server was lost. SQLite lies in the data folder, and whoever runs has locked that.
        """
        if self._engine.dialect.name != "postgresql":
            yield
            return
        hold = engines.Hold(self._engine)
        with engines.translated():
            hold.make_sure()
        self._hold = hold
        try:
            yield
        finally:
            self._hold = None
            hold.release()

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        # Not left to the busy timeout: SQLite's waiting is by polling and knows no order.
        if self._writing == threading.get_ident():
            raise RuntimeError("write() within write()")
        with self._turn:
            self._writing = threading.get_ident()
            try:
                yield
            finally:
                self._writing = None


@contextmanager
def scratch(store: Store) -> Iterator[Store]:
    """An empty SQLite store in a temporary folder, which ends with the block. Raw mail it lacks comes from `store`.

    The folder is made where TMPDIR says; it takes as much room as the derived tables do.
    """

    def raw(digest: str) -> bytes:
        with store.read() as reader:
            return reader.raw(digest)

    with tempfile.TemporaryDirectory(prefix="mailflow-") as folder:
        data = Path(folder)
        shared = Shared(Archive(data / "archive"), Remembered(), fallback=raw)
        copy = Store._open(None, data, read_only=False, shared=shared, durable=False)
        try:
            yield copy
        finally:
            copy.close()
