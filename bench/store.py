"""The store: what a batch's commit costs, a replay of everything, and starting when there is much in it."""

from __future__ import annotations

import email
import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.department import opened
from bench.letters import FIRST, Delivered, letters
from bench.meter import Cost, Figures, Work, cost, each, in_turns, sized
from mailflow import intake, rebuild
from mailflow.app import App
from mailflow.core.records import Mail
from mailflow.store import Store
from mailflow.transports.base import MAX_BATCH_MAILS, Batch, Fetched, Place

ROUNDS = 3
YEARS = 5
_BOX, _FOLDER = "support", "INBOX"


def run(console: Console, scale: float) -> None:
    _years(console, scale)
    for measure, mails in ((_commits, 2000), (_replay, 2000), (_starts, 10_000)):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            measure(console, Path(folder), letters(sized(mails, scale)))


def _filled(folder: Path, mails: Sequence[Delivered]) -> App:
    """The department's application with `mails` taken in."""
    app = opened(folder)
    app.take_mapping(FIRST)
    _take_in(app, mails, 0)
    return app


def _take_in(app: App, mails: Sequence[Delivered], start: int) -> None:
    """Takes `mails` in, whose UIDs begin at `start`."""
    source = intake.Source(_BOX, app.config.mailboxes[0].account)  # whose it is: `once` reads no other one (_starts)
    for first in range(0, len(mails), MAX_BATCH_MAILS):
        group = enumerate(mails[first : first + MAX_BATCH_MAILS], start=start + first)
        fetched = tuple(Fetched(Place(_FOLDER, "1", str(n)), mail.received, mail.raw) for n, mail in group)
        intake.commit(app.store, source, Batch(fetched, str(start + first)))


# -- year by year ----------------------------------------------------------------------------------------------------


def _years(console: Console, scale: float) -> None:
    """Whether taking a mail in costs more, the more years there are in the store."""
    a_year = sized(4800, scale)
    mails = letters(YEARS * a_year, every=timedelta(days=365) / a_year)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        app = _filled(Path(folder), ())
        costs = {
            f"year {number + 1}": cost(partial(_take_in, app, mails[first : first + a_year], first))
            for number, first in enumerate(range(0, len(mails), a_year))
        }
        app.store.close()
    Figures("intake, year by year", "mail", a_year, "year 1", costs).show(console)


# -- a batch's commit ------------------------------------------------------------------------------------------------


def _commits(console: Console, folder: Path, mails: Sequence[Delivered]) -> None:
    """The same mails and what became of each, without deciding; on the disk for good, batch by batch."""
    app = _filled(folder / "filled", mails)
    with app.store.read() as reader:
        rows = reader.book.find(Mail)
    app.store.close()
    works = {
        "sqlite3: compress, insert, commit": lambda: _bare(mails),
        "store.write": lambda: _kept(mails, rows),
    }
    costs = in_turns(ROUNDS, works)
    batches = len(mails) // MAX_BATCH_MAILS
    Figures("store: 50 mails in one commit", "batch", batches, next(iter(works)), costs).show(console)


def _bare(mails: Sequence[Delivered]) -> Cost:
    """The least that keeps mail: its bytes, compressed, in one table."""

    def work() -> None:
        for first in range(0, len(mails), MAX_BATCH_MAILS):
            with connection:
                connection.executemany(
                    "INSERT INTO mail VALUES (?, ?)",
                    [
                        (hashlib.sha256(mail.raw).hexdigest(), zlib.compress(mail.raw, 1))
                        for mail in mails[first : first + MAX_BATCH_MAILS]
                    ],
                )

    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        closing(sqlite3.connect(Path(folder) / "bare.db")) as connection,
    ):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE mail (digest TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")
        return cost(work)


def _kept(mails: Sequence[Delivered], rows: Sequence[Mail]) -> Cost:
    def work() -> None:
        for first in range(0, len(mails), MAX_BATCH_MAILS):
            last = first + MAX_BATCH_MAILS
            with store.write() as tx:
                tx.expect_mails(_BOX, _FOLDER, "1", [str(number) for number in range(first, last)])
                for number, mail in enumerate(mails[first:last], start=first):
                    tx.add_mail(_BOX, _FOLDER, "1", str(number), mail.received, mail.raw)
                tx.put(rows[first:last])
                tx.set_cursor(_BOX, str(last))

    with tempfile.TemporaryDirectory(prefix="bench-") as folder, closing(Store.open(None, Path(folder))) as store:
        return cost(work)


# -- a replay --------------------------------------------------------------------------------------------------------


def _replay(console: Console, folder: Path, mails: Sequence[Delivered]) -> None:
    app = _filled(folder, mails)

    def check() -> None:
        assert rebuild.check(app.store) == []

    works: dict[str, Work] = {
        "compat32 parse": each(lambda m: email.message_from_bytes(m.raw), mails),
        "rebuild --check": check,
    }
    costs = in_turns(ROUNDS, {name: partial(cost, work) for name, work in works.items()})
    app.store.close()
    Figures("store: everything decided anew, and compared", "mail", len(mails), "compat32 parse", costs).show(console)


# -- starting --------------------------------------------------------------------------------------------------------


def _starts(console: Console, folder: Path, mails: Sequence[Delivered]) -> None:
    for name, kept in (("none", mails[:0]), ("all", mails)):
        app = _filled(folder / name, kept)
        app.once(mails[-1].received, send_all=True)  # so that nothing is left to do
        app.store.close()
    once = "import sys; from mailflow.cli import main; sys.argv[0] = 'mailflow'; main()"
    works = {
        "python -c pass": partial(_child, "-c", "pass"),
        "mailflow --help": partial(_child, "-c", once, "--help"),
        "mailflow once, no mail kept": partial(_child, "-c", once, *_once(folder / "none", mails)),
        f"mailflow once, {len(mails)} mails kept": partial(_child, "-c", once, *_once(folder / "all", mails)),
    }
    Figures("starting with nothing to do", "run", 1, "python -c pass", in_turns(ROUNDS, works)).show(console)


def _once(folder: Path, mails: Sequence[Delivered]) -> tuple[str, ...]:
    return "--config", str(folder / "config.toml"), "once", "--now", mails[-1].received.isoformat()


def _child(*arguments: str) -> Cost:
    """What a Python of its own costs."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(cpu, time.perf_counter() - started)
