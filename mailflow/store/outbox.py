"""The outbox: what is to leave, and what has become of it. Rows move by conditional updates only.

    pending ──claim──► sending ──settle──► sent | refused | unclear | pending (due later)
                                           unclear ──settle──► sent | pending
    pending | unclear | refused ──settle, by a person──► closed
    pending | unclear | refused | closed ──again, by a person──► pending | unclear

A claim is committed before the connection is made (mail.md §4, 6). What was written down here is kept through every
rebuild: the table holds the key and the state only; the notice itself is a derived row, joined by the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Update, and_, bindparam, func, or_, select, tuple_, update

from mailflow.core.records import Notice
from mailflow.store.book import Ask
from mailflow.store.rows import clean, instant, optional_instant, stamp, storable, to_row
from mailflow.store.schema import DERIVED, outbox

RELEASED = "notices released"
"""The mark that tells when a person last let go what the brakes held."""
State = Literal["pending", "sending", "sent", "refused", "unclear", "closed"]
Result = Literal["taken", "refused", "put_off"]
"""What a server said of one recipient: yes, never, not now (mail.md §4, 6)."""

MOVES: dict[str, tuple[str, ...]] = {
    "sent": ("sending", "unclear"),
    "refused": ("sending",),
    "unclear": ("sending",),
    "pending": ("sending", "unclear"),
    "closed": ("pending", "unclear", "refused"),
}
"""What `settle` may set, and from which states."""


@dataclass(frozen=True, kw_only=True)
class OutboxRow:
    """A notice on its way. The fields of the notice are None or empty when a rebuild no longer wants it."""

    key: str
    matter: str | None = None
    person: str | None = None
    step: str | None = None
    template: str | None = None
    to: str | None = None
    cc: tuple[str, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    due: datetime
    state: State
    attempts: int
    claimed_at: datetime | None = None
    sent_at: datetime | None = None
    error: str | None = None
    """Why it has not gone, or not to everybody: for people."""
    mime: bytes | None = None
    """The message as it was handed over at the last claim."""
    results: dict[str, Result] = field(default_factory=dict)
    """What became of it so far, by recipient."""
    doubts: int = 0
    """How often nobody knew afterwards whether it had gone."""

    @property
    def number(self) -> str:
        return number_of(self.key)


def number_of(key: str) -> str:
    """What a person calls a notice by, on a command line too: nothing that came with a mail is in it."""
    return hashlib.sha256(storable(key).encode()).hexdigest()[:12]


_notice = DERIVED[Notice]
_LISTED = (
    select(outbox, _notice.c.body)
    .join(_notice, _notice.c.key == outbox.c.key, isouter=True)
    .order_by(outbox.c.due, outbox.c.key)
)
_COUNTED = select(outbox.c.state, func.count().label("rows")).group_by(outbox.c.state).order_by(outbox.c.state)
_STUCK = (
    select(outbox.c.key, outbox.c.error)
    .where(outbox.c.state.in_(("pending", "unclear")), outbox.c.error.is_not(None))
    .order_by(outbox.c.due, outbox.c.key)
)
_HANDED_OVER = (
    select(outbox.c.claimed_at)
    .where(outbox.c.claimed_at >= bindparam("since"), outbox.c.claimed_at <= bindparam("until"))
    # Without a message: it could not be made, and nothing was handed over.
    .where(outbox.c.mime != b"")
    .order_by(outbox.c.claimed_at)
)
_LISTED_IN = _LISTED.where(outbox.c.state.in_(bindparam("states", expanding=True)))
_IN_DOUBT = _LISTED.where(outbox.c.state.in_(("sending", "unclear")), outbox.c.doubts < bindparam("most"))
# The keys alone: there may be any number, and a message may be large.
_DUE = (
    select(outbox.c.key)
    .where(outbox.c.state == "pending")
    .where(or_(outbox.c.due <= bindparam("now"), and_(outbox.c.attempts > 0, outbox.c.due > bindparam("latest"))))
    .order_by(outbox.c.due, outbox.c.key)
)
_ONE = _LISTED.where(outbox.c.key == bindparam("key"))
_KEYS = select(outbox.c.key)
_PAGE = _LISTED.order_by(None).order_by(outbox.c.due.desc(), outbox.c.key.desc()).limit(bindparam("page"))
_NEXT_PAGE = _PAGE.where(tuple_(outbox.c.due, outbox.c.key) < tuple_(bindparam("due"), bindparam("after")))


def listed(ask: Ask, states: Sequence[str]) -> list[OutboxRow]:
    """Rows in these states (none named: all), the longest due first."""
    found = ask(_LISTED_IN, {"states": list(states)}) if states else ask(_LISTED)
    return [_row(found_row) for found_row in found.mappings()]


def in_doubt(ask: Ask, most: int) -> list[OutboxRow]:
    """Rows of which nobody knows whether they have gone, without those that were so `most` times or more."""
    return [_row(found) for found in ask(_IN_DOUBT, {"most": most}).mappings()]


def due(ask: Ask, now: datetime, latest: datetime) -> list[str]:
    """Keys of what is to go at `now`, the longest due first. No next try is later than `latest`: what was put off
    beyond that was put off while the clock was wrong."""
    return list(ask(_DUE, {"now": stamp(now), "latest": stamp(latest)}).scalars())


def one(ask: Ask, key: str) -> OutboxRow | None:
    found = ask(_ONE, {"key": storable(key)}).mappings().first()
    return None if found is None else _row(found)


def numbered(ask: Ask, number: str) -> OutboxRow | None:
    """The row that a person calls `number`; None: there is none, or, which is next to impossible, more than one."""
    found = [key for key in ask(_KEYS).scalars() if number_of(key) == number]
    return one(ask, found[0]) if len(found) == 1 else None


def newest(ask: Ask, page: int) -> Iterator[OutboxRow]:
    """All rows, the last due first, `page` of them at a time."""
    found = ask(_PAGE, {"page": page}).mappings().all()
    while found:
        yield from map(_row, found)
        last = found[-1]
        found = ask(_NEXT_PAGE, {"page": page, "due": last["due"], "after": last["key"]}).mappings().all()


def counted(ask: Ask) -> dict[str, int]:
    """How many rows are in which state."""
    return {found.state: found.rows for found in ask(_COUNTED)}


def handed_over(ask: Ask, since: datetime, until: datetime) -> list[datetime]:
    """When messages were handed to a server, or that was begun, from `since` to `until`; in order."""
    return [instant(found) for found in ask(_HANDED_OVER, {"since": stamp(since), "until": stamp(until)}).scalars()]


def stuck(ask: Ask) -> list[tuple[str, str]]:
    """(key, why) of the rows that were tried, did not get through and are not given up."""
    return [(found.key, found.error) for found in ask(_STUCK)]


def _row(found: Any) -> OutboxRow:
    notice = to_row(Notice, found["body"]) if found["body"] is not None else None
    return OutboxRow(
        key=notice.key if notice else found["key"],
        **(_of_notice(notice) if notice else {}),
        due=instant(found["due"]),
        state=found["state"],
        attempts=found["attempts"],
        claimed_at=optional_instant(found["claimed_at"]),
        sent_at=optional_instant(found["sent_at"]),
        error=found["error"],
        mime=found["mime"],
        results=json.loads(found["results"] or "{}"),
        doubts=found["doubts"],
    )


def _of_notice(notice: Notice) -> dict[str, Any]:
    names = ("matter", "person", "step", "template", "to", "cc", "context", "message_id", "in_reply_to",
             "references")  # fmt: skip
    return {name: getattr(notice, name) for name in names}


def new_rows(notices: Iterable[Notice]) -> list[dict[str, Any]]:
    """Outbox rows for these notices, for an INSERT that leaves existing rows alone (promise 4)."""
    return [{"key": storable(n.key), "state": "pending", "due": stamp(n.due), "attempts": 0} for n in notices]


def claim(key: str, now: datetime, mime: bytes) -> Update:
    """pending -> sending."""
    return (
        update(outbox)
        .where(and_(outbox.c.key == storable(key), outbox.c.state == "pending"))
        .values(state="sending", claimed_at=stamp(now), attempts=outbox.c.attempts + 1, mime=mime)
    )


def settle(
    key: str,
    state: str,
    now: datetime,
    error: str | None,
    due: datetime | None,
    results: Mapping[str, Result] | None,
    doubts: int | None,
) -> Update:
    """sending or unclear -> `state`, as MOVES says. ValueError for a state that is no outcome."""
    if state not in MOVES:
        raise ValueError(f"{state} is no outcome of sending")
    values: dict[str, Any] = {"state": cast(State, state), "error": None if error is None else clean(error)}
    if state == "sent":
        values["sent_at"] = stamp(now)
    if state == "pending" and due is not None:
        values["due"] = stamp(due)
    if state == "unclear":
        values["doubts"] = outbox.c.doubts + 1
    if doubts is not None:
        values["doubts"] = doubts
    if results is not None:
        values["results"] = json.dumps(results)
    return update(outbox).where(and_(outbox.c.key == storable(key), outbox.c.state.in_(MOVES[state]))).values(**values)


def again(row: OutboxRow, now: datetime) -> Update:
    """`row`, as it is now, goes once more because a person wants it to: as if its answer had never been lost.

    What is unclear stays so, and is looked up before it is sent again. What was refused, or closed, is made anew and
    goes to all that have not had it.
    """
    values: dict[str, Any] = {"due": stamp(now), "doubts": 0}
    if row.state in ("refused", "closed"):
        had = {one: result for one, result in row.results.items() if result == "taken"}
        values |= {"state": "pending", "mime": None, "results": json.dumps(had)}
    return update(outbox).where(and_(outbox.c.key == storable(row.key), outbox.c.state == row.state)).values(**values)
