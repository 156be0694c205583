"""Intake from a real Dovecot into SQLite against a bare fetch and parse of the same mail.

Ours: `intake.take_in` as the daemon calls it, from the login to the last commit, fsync as in production. The floor:
imapclient fetches batches of 50 and the standard library's compat32 parser reads them; nothing is kept or decided.
"""

from __future__ import annotations

import email
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from imapclient import IMAPClient
from rich.console import Console
from rich.table import Table

from bench.department import opened
from bench.layers import Layers
from bench.letters import FIRST, Delivered, letters
from bench.meter import Cost, Figures, Work, cost, in_turns, sized
from mailflow import intake
from mailflow.app import App
from mailflow.transports.base import MAX_BATCH_MAILS
from mailflow.transports.imap import ImapMailbox
from tests.servers.dovecot import MISSING, Dovecot

MAILS = 10_000
ROUNDS, SECONDS = 3, 180.0
"""So many rounds, unless the machine is so busy that they take longer."""
_USER, _WORD = "support", "bench"


def run(console: Console, scale: float) -> None:
    if MISSING:
        console.print(f"intake: left out, {MISSING}")
        return
    mails = letters(sized(MAILS, scale))
    with Dovecot({_USER: _WORD}) as server, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for mail in mails:
            server.deliver(_USER, mail.raw, mail.received)
        bench = _Intake(server, Path(folder), len(mails))
        bench.floor()  # Dovecot makes its index, and both sides import what they need
        bench.ours()
        costs = in_turns(ROUNDS, {"fetch and parse": bench.floor, "mailflow": bench.ours}, SECONDS)
        console.print(_described(mails))
        Figures("intake", "mail", len(mails), "fetch and parse", costs).show(console)
        console.print(_speed(costs))
        console.print(_by_layer(bench.layers(), len(mails)))


def _described(mails: Sequence[Delivered]) -> str:
    sizes = sorted(len(mail.raw) for mail in mails)
    return f"{len(mails)} mails, {sizes[0]} to {sizes[-1]} bytes, median {sizes[len(sizes) // 2]}"


def _speed(costs: dict[str, Cost]) -> str:
    floor, ours = costs["fetch and parse"], costs["mailflow"]
    return f"speed of the floor reached: {floor.cpu / ours.cpu:.2f} by CPU, {floor.wall / ours.wall:.2f} by the clock"


def _by_layer(layers: Layers, mails: int) -> Table:
    table = Table(title="intake by layer, one run", title_justify="left")
    table.add_column("")
    for heading in ("CPU ms/mail", "share"):
        table.add_column(heading, justify="right")
    total = sum(layers.spent.values())
    for layer, seconds in sorted(layers.spent.items(), key=lambda item: -item[1]):
        table.add_row(layer, f"{1000 * seconds / mails:.3f}", f"{100 * seconds / total:.0f} %")
    return table


class _Intake:
    def __init__(self, server: Dovecot, folder: Path, count: int) -> None:
        self._server, self._folder, self._count = server, folder, count
        self._runs = 0

    def floor(self) -> Cost:
        return cost(self._fetch_and_parse)

    def ours(self) -> Cost:
        with self._prepared() as work:
            return cost(work)

    def layers(self) -> Layers:
        layers = Layers()
        with self._prepared() as work, layers.watching():
            work()
        return layers

    def _fetch_and_parse(self) -> None:
        with IMAPClient("127.0.0.1", self._server.port, ssl=False) as client:
            client.login(_USER, _WORD)
            client.select_folder("INBOX", readonly=True)
            uids = client.search()
            assert len(uids) == self._count
            for start in range(0, len(uids), MAX_BATCH_MAILS):
                group = uids[start : start + MAX_BATCH_MAILS]
                found = client.fetch(group, ["BODY.PEEK[]", "INTERNALDATE", "RFC822.SIZE"])
                for uid in group:
                    email.message_from_bytes(found[uid][b"BODY[]"])

    @contextmanager
    def _prepared(self) -> Iterator[Work]:
        """One intake into an empty store, ready to be started."""
        self._runs += 1
        app = opened(self._folder / str(self._runs))
        app.take_mapping(FIRST)
        mailbox = ImapMailbox(_USER, "127.0.0.1", self._server.port, False, _USER, lambda: _WORD)
        try:
            yield lambda: self._take_in(app, mailbox)
        finally:
            mailbox.close()
            app.store.close()

    def _take_in(self, app: App, mailbox: ImapMailbox) -> None:
        assert intake.take_in(app.store, mailbox, intake.Source(_USER, _USER)).total() == self._count
