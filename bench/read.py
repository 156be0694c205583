"""Reading alone, without a server or a store: `message.read` and `kinds.read` against the library's own parser."""

from __future__ import annotations

import email
import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.department import opened
from bench.letters import letters
from bench.meter import Figures, Work, cost, each, in_turns, sized
from mailflow import kinds, message
from mailflow.core.mapping import Mapping
from mailflow.core.register import Register

ROUNDS = 5


def run(console: Console, scale: float) -> None:
    raws = [mail.raw for mail in letters(sized(1000, scale))]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        app = opened(Path(folder))
        mapping = app.take_mapping(letters(1)[0].received)
        with app.store.read() as reader:
            register = reader.book.register()
        app.store.close()
    works: dict[str, Work] = {
        "compat32 parse": each(email.message_from_bytes, raws),
        "message.read": each(message.read, raws),
        "message.read + kinds.read": each(lambda raw: _understood(raw, mapping, register), raws),
    }
    for work in works.values():
        work()  # imports and tables
    costs = in_turns(ROUNDS, {name: partial(cost, work) for name, work in works.items()})
    Figures("read", "mail", len(raws), "compat32 parse", costs).show(console)


def _understood(raw: bytes, mapping: Mapping, register: Register) -> object:
    mail = message.read(raw)
    sender = mapping.roster.by_address(mail.from_.address if mail.from_ else None)
    return kinds.read(mail, mapping, register, sender)
