"""Good IMAP sessions with something wrong in what the server says: cut, mutated, shuffled, doubled, in odd pieces.

Whatever comes, a read ends in clean batches or in one of our own errors, and when the server is well again everything
is there once, byte for byte. More of it by hand: MAILFLOW_FUZZ=5000 python -m pytest tests/transports/test_imap_fuzz.py
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailflow.errors import PermanentError, TransientError
from mailflow.transports.base import Place
from mailflow.transports.imap import ImapMailbox
from mailflow.transports.wire import Timeouts
from tests.servers.imap import ScriptedImap, Session
from tests.transports.contract import Committed, mail

EXAMPLES = int(os.environ.get("MAILFLOW_FUZZ", "60"))
QUICK = Timeouts(connect=0.2, read=0.05, operation=1)
MAILS = {
    1: mail("one"),
    2: mail("two", b"* 1 EXISTS\r\n* 2 FETCH (UID 5 BODY[] {3}\r\nbad)\r\nA1 OK done\r\n"),
    5: mail("five", bytes(range(1, 256))),
    70: mail("seventy", b")\r\n{5}\r\n" * 3),
}
NEWS = [
    b"* 5 EXISTS\r\n",
    b"* 1 EXPUNGE\r\n",
    b"* 0 RECENT\r\n",
    b"* OK Still here\r\n",
    b"* OK [ALERT] \xcf\xb5\xcd\xb3\r\n",
    b"* 2 FETCH (FLAGS (\\Seen))\r\n",
    b"* 2 FETCH (UID 2 FLAGS ())\r\n",
    b"* 5 FETCH (BODY[] {3}\r\nbad)\r\n",
    b"* 1 FETCH (UID 4711 BODY[] {3}\r\nbad)\r\n",
    b"* 2 FETCH (UID 2 BODY[] NIL)\r\n",
    b"* SEARCH\r\n",
    b"* SEARCH 1 2 5 70 99\r\n",
    b"* BYE enough\r\n",
    b"* LIST () NIL inbox\r\n",
    b"+ \r\n",
    b"\r\n",
    b"\0\xff\r\n",
    b"A1 OK\r\n",
]


@pytest.fixture(autouse=True, scope="module")
def at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mailflow.transports.imap.connection._ANEW", 0.0)
        yield


Damage = Callable[[bytes, random.Random], bytes | None]


def parts(data: bytes) -> list[bytes]:
    """Responses, each with its literals."""
    found, at = [], 0
    while at < len(data):
        end = at
        while True:
            end = data.index(b"\r\n", end) + 2
            literal = re.search(rb"\{(\d+)\}\r\n\Z", data[at:end])
            if literal is None:
                break
            end += int(literal[1])
        found.append(data[at:end])
        at = end
    return found


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def silence(data: bytes, dice: random.Random) -> bytes:
    return b""


def end(data: bytes, dice: random.Random) -> None:
    return None


def drop(data: bytes, dice: random.Random) -> bytes:
    lines = parts(data)
    lines.pop(dice.randrange(len(lines)))
    return b"".join(lines)


def double(data: bytes, dice: random.Random) -> bytes:
    lines = parts(data)
    lines.insert(dice.randrange(len(lines)), dice.choice(lines))
    return b"".join(lines)


def shuffle(data: bytes, dice: random.Random) -> bytes:
    """The tagged line stays the last: what comes after it belongs to the next command."""
    *lines, last = parts(data)
    dice.shuffle(lines)
    return b"".join([*lines, last])


def add_news(data: bytes, dice: random.Random) -> bytes:
    lines = parts(data)
    for _ in range(dice.randrange(1, 4)):
        lines.insert(dice.randrange(len(lines) + 1), dice.choice(NEWS))
    return b"".join(lines)


def mutate(data: bytes, dice: random.Random) -> bytes:
    """A byte outside of the literals. No digit becomes another: a mail under another UID is what nobody can tell."""
    lines = parts(data)
    which = dice.randrange(len(lines))
    line, _, rest = lines[which].partition(b"\r\n")
    at = dice.randrange(len(line) + 1)
    change = dice.choice([b"", bytes([dice.randrange(256)]), b'"', b"(", b")", b"{", b"}", b" ", b"\\", b"NIL", b"*"])
    if not (line[at : at + 1] + change).translate(None, b"0123456789") and at < len(line):
        return data
    if re.search(rb"\d", line[at : at + 1]) or change.isdigit():
        return data
    lines[which] = line[:at] + change + line[at + 1 :] + b"\r\n" + rest
    return b"".join(lines)


def garbage(data: bytes, dice: random.Random) -> bytes:
    return dice.randbytes(dice.randrange(200)) + b"\r\n"


DAMAGES: list[Damage] = [cut, silence, end, drop, double, shuffle, add_news, mutate, garbage]


class InPieces(Session):
    """Sends in pieces of a few bytes, each a segment of its own."""

    def write(self, data: bytes) -> None:
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data:
            size = self.server.dice.randrange(1, 40)  # type: ignore[attr-defined]
            super().write(data[:size])
            data = data[size:]


def polled(box: ImapMailbox, cursor: str | None, known: Committed, found: Counter[tuple[str, bytes]]) -> str | None:
    """One poll, each batch committed as it comes; an error ends it, as it does in the daemon."""
    try:
        for batch in box.batches(cursor, known):
            known.take(batch)
            found.update((one.place.uid, one.raw) for one in batch.mails)
            cursor = batch.cursor
            assert len(cursor) < 65536
    except (TransientError, PermanentError):
        box.close()
    return cursor


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES == 60)
@given(
    seed=st.integers(0, 2**32),
    at=st.integers(0, 14),
    damage=st.sampled_from(DAMAGES),
    begun=st.booleans(),
    capability=st.sampled_from([b"IMAP4rev1", b"IMAP4rev1 IDLE ID MOVE UIDPLUS AUTH=PLAIN"]),
)
def test_whatever_a_server_says_wrongly_nothing_is_lost_or_doubled(
    seed: int, at: int, damage: Damage, begun: bool, capability: bytes
) -> None:
    dice, said = random.Random(seed), Counter[str]()

    def tamper(data: bytes) -> bytes | None:
        said["times"] += 1
        return damage(data, dice) if said["times"] == at + 1 else data

    known, found = Committed(), Counter[tuple[str, bytes]]()
    cursor = json.dumps({"uidvalidity": "7", "uid": 2}) if begun else None
    expected = {str(uid): raw for uid, raw in MAILS.items()}
    with ScriptedImap(MAILS, capability=capability, tamper=tamper) as server:
        box = ImapMailbox("s", "127.0.0.1", server.port, False, "u", lambda: "pw", timeouts=QUICK)
        with closing(box):
            cursor = polled(box, cursor, known, found)
            server.tamper = lambda data: data
            cursor = polled(box, cursor, known, found)
            polled(box, None, known, found)  # the reconciliation
            assert box.uids()[2] == expected.keys()
    # A mail whose folder seemed to be another one for a poll comes again under it: the store knows it by its content.
    assert found.keys() == set(expected.items())
    assert all(count <= 2 for count in found.values())
    assert {place.uid for place in known.places if place.uidvalidity == "7"} == expected.keys()


@settings(max_examples=max(5, EXAMPLES // 6), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_good_session_is_read_in_whatever_pieces_it_comes(seed: int) -> None:
    class Pieces(ScriptedImap):
        session = InPieces
        dice = random.Random(seed)

    known, found = Committed(), Counter[tuple[str, bytes]]()
    with Pieces(MAILS) as server:
        timeouts = Timeouts(connect=5, read=5, operation=30)
        box = ImapMailbox("s", "127.0.0.1", server.port, False, "u", lambda: "pw", timeouts=timeouts)
        with closing(box):
            polled(box, None, known, found)
    assert found == Counter((str(uid), raw) for uid, raw in MAILS.items())


@settings(max_examples=max(20, EXAMPLES // 3), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), at=st.integers(3, 14), damage=st.sampled_from(DAMAGES), has_move=st.booleans())
def test_a_move_ends_in_the_other_folder_whatever_is_said_of_it(
    seed: int, at: int, damage: Damage, has_move: bool
) -> None:
    dice, said = random.Random(seed), Counter[str]()

    def tamper(data: bytes) -> bytes | None:
        # Under another UIDVALIDITY nothing is moved: all is read again, and moved then.
        said["times"] += b"UIDVALIDITY" not in data
        return damage(data, dice) if said["times"] == at + 1 and b"UIDVALIDITY" not in data else data

    capability = b"IMAP4rev1 UIDPLUS" + b" MOVE" * has_move
    with ScriptedImap(MAILS, capability=capability, tamper=tamper) as server:
        box = ImapMailbox("s", "127.0.0.1", server.port, False, "u", lambda: "pw", timeouts=QUICK)
        with closing(box):
            polled(box, None, Committed(), Counter())
            for _ in range(3):
                done = filed(box)
                server.tamper = lambda data: data
            assert done
        assert set(server.copied) <= {b'"Done"'}
        copies = Counter(server.copied[b'"Done"'])
        assert set(copies) == {1}
        # Where it was not said that UIDPLUS is there, it stays behind as deleted.
        assert [uid for uid in server.mails if b"\\Deleted" not in server.flags.get(uid, ())] == [2, 5, 70]


def filed(box: ImapMailbox) -> bool:
    try:
        box.file(Place("INBOX", "7", "1"), "move:Done")
    except (TransientError, PermanentError):
        box.close()
        return False
    return True
