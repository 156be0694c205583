"""Reading alone, without a server or a store: all that intake understands of a mail before it decides anything.

The floor parses the same bytes with the library's compat32 parser, which decodes nothing, in the same run and in turns.
"""

from __future__ import annotations

import email
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.department import opened
from bench.layers import Doors, Layers
from bench.letters import letters
from bench.meter import Cost, Figures, Work, cost, each, in_turns, sized
from mailflow import kinds, message
from mailflow.core.mapping import Mapping
from mailflow.core.register import Register
from mailflow.core.steps import Steps, done, side_by_side
from mailflow.message import body, mime, reader, text, walker
from mailflow.message.model import Hints, Message
from mailflow.policies.access import standing_of
from mailflow.policies.letter import sender_of
from mailflow.transports.base import MAX_BATCH_MAILS

MAILS = 10_000
ROUNDS = 3
_WARM = 500
_FLOOR, _READ, _ALL = "compat32 parse", "message.read", "message.read + kinds.read + trust"
_BATCH = f"the same, {MAX_BATCH_MAILS} mails side by side"
_STAGES: Doors = (
    ("parse", mime, ("parse",)),
    ("headers", reader, ("_Heads",)),
    ("decode", reader, ("Body",)),
    ("page", body.Body, ("page",)),
    ("quotes", walker, ("mark",)),
    ("quotes", text, ("mark",)),
    ("signature", reader, ("told_apart",)),
    ("judge", reader, ("judge",)),
    ("digest", reader, ("content_digest",)),
    ("rest of message.read", message, ("read_in_steps",)),
    ("subject", kinds, ("read_subject",)),
    ("fields", kinds, ("_fields",)),
    ("answer", kinds, ("parse_answer",)),
    ("rest of kinds.read", kinds, ("read",)),
    ("trust", sys.modules[__name__], ("sender_of", "standing_of")),
)
_REST = "rest: steps and their clocks"


@dataclass(frozen=True)
class _Desk:
    """What reading needs besides the mail: as intake has it."""

    mapping: Mapping
    register: Register
    mailbox: str
    hints: Hints

    def read(self, raw: bytes) -> Message:
        return message.read(raw, self.hints)

    def understood(self, raw: bytes) -> object:
        return done(self.in_steps(raw))

    def in_steps(self, raw: bytes) -> Steps[object]:
        """As policies.read_in_steps() cuts it."""
        mail = yield from message.read_in_steps(raw, self.hints)
        yield
        sender = sender_of(mail, self.mapping)
        trust = standing_of(mail, sender, self.mapping, self.mailbox, None)
        yield
        return trust, kinds.read(mail, self.mapping, self.register, sender)

    def understood_together(self, raws: Sequence[bytes]) -> object:
        return side_by_side(map(self.in_steps, raws))


def run(console: Console, scale: float) -> None:
    raws = [mail.raw for mail in letters(sized(MAILS, scale))]
    desk = _desk()
    batches = [raws[at : at + MAX_BATCH_MAILS] for at in range(0, len(raws), MAX_BATCH_MAILS)]
    works: dict[str, Work] = {
        _FLOOR: each(email.message_from_bytes, raws),
        _READ: each(desk.read, raws),
        _ALL: each(desk.understood, raws),
        _BATCH: each(desk.understood_together, batches),
    }
    each(desk.understood, raws[:_WARM])()  # imports and tables
    costs = in_turns(ROUNDS, {name: partial(cost, work) for name, work in works.items()})
    console.print(_described(raws))
    Figures("read", "mail", len(raws), _FLOOR, costs).show(console)
    console.print(_by_stage(each(desk.understood, raws), len(raws), costs[_FLOOR]))


def _desk() -> _Desk:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        app = opened(Path(folder))
        mapping = app.take_mapping(letters(1)[0].received)
        with app.store.read() as one:
            register = one.book.register()
        app.store.close()
    mailbox = next(name for name, settings in mapping.settings.mailboxes.items() if settings.authserv_ids)
    return _Desk(mapping, register, mailbox, Hints(sources=(mapping, register)))


def _described(raws: Sequence[bytes]) -> str:
    sizes = sorted(map(len, raws))
    shares = {
        "HTML": b"text/html",
        "base64": b"encoding: base64",
        "quoted-printable": b"encoding: quoted-printable",
        "attachment": b"disposition: attachment",
    }
    shown = ", ".join(f"{name} {sum(m in raw.lower() for raw in raws) / len(raws):.0%}" for name, m in shares.items())
    return f"{len(raws)} mails, {sizes[0]} to {sizes[-1]} bytes, median {sizes[len(sizes) // 2]}; {shown}"


def _by_stage(work: Work, count: int, floor: Cost) -> Table:
    """Shares only: the clocks at the doors cost something themselves."""
    layers = Layers(_STAGES, _REST)
    with layers.watching():
        work()
    table = Table(title="read by stage", title_justify="left")
    for heading in ("", "CPU ms/mail", "share", "of the floor"):
        table.add_column(heading, justify="right" if heading else "left")
    whole = sum(layers.spent.values())
    for stage in dict.fromkeys([*(name for name, _, _ in _STAGES), _REST]):
        spent = layers.spent.get(stage, 0.0)
        table.add_row(stage, f"{1000 * spent / count:.3f}", f"{spent / whole:.0%}", f"{spent / floor.cpu:.2f}")
    return table
