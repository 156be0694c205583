"""The outbox: what is to leave, and what has become of it. Rows move by conditional updates only.

    pending ──claim──► sending ──settle──► sent | refused | unclear | pending (due later)
                                           unclear ──settle──► sent | pending

A claim is committed before the connection is made (mail.md §4, 6). What was written down here is kept through every
rebuild: the table holds the key and the state only; the notice itself is a derived row, joined by the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Update, and_, bindparam, func, select, update

from mailflow.core.records import Notice
from mailflow.store.book import Ask
from mailflow.store.rows import clean, instant, optional_instant, stamp, storable, to_row
from mailflow.store.schema import DERIVED, outbox

RELEASED = "notices released"
"""The mark that tells when a person last let go what the brakes held."""
State = Literal["pending", "sending", "sent", "refused", "unclear"]

MOVES: dict[str, tuple[str, ...]] = {
    "sent": ("sending", "unclear"),
    "refused": ("sending",),
    "unclear": ("sending",),
    "pending": ("sending", "unclear"),
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
    mime: bytes | None = None
    """The message as it was handed over at the last claim."""


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
    # Without a message: it could not be made, and nothing was handed over.
    .where(outbox.c.claimed_at >= bindparam("since"), outbox.c.mime != b"")
    .order_by(outbox.c.claimed_at)
)
_LISTED_IN = _LISTED.where(outbox.c.state.in_(bindparam("states", expanding=True)))
# The keys alone are put in order: a message may be large, and few are wanted.
_NEWEST = select(outbox.c.key).order_by(outbox.c.due.desc(), outbox.c.key.desc())
_PAGE = _LISTED.where(outbox.c.key.in_(bindparam("keys", expanding=True)))


def listed(ask: Ask, states: Sequence[str]) -> list[OutboxRow]:
    """Rows in these states (none named: all), the longest due first."""
    found = ask(_LISTED_IN, {"states": list(states)}) if states else ask(_LISTED)
    return [_row(found_row) for found_row in found.mappings()]


def newest(ask: Ask, page: int) -> Iterator[OutboxRow]:
    """All rows, the last due first, `page` of them at a time."""
    keys = ask(_NEWEST).scalars().all()
    for start in range(0, len(keys), page):
        found = ask(_PAGE, {"keys": keys[start : start + page]}).mappings().all()
        yield from (_row(found_row) for found_row in reversed(found))


def counted(ask: Ask) -> dict[str, int]:
    """How many rows are in which state."""
    return {found.state: found.rows for found in ask(_COUNTED)}


def handed_over(ask: Ask, since: datetime) -> list[datetime]:
    """When messages were handed to a server, or that was begun, from `since` on; in order."""
    return [instant(found) for found in ask(_HANDED_OVER, {"since": stamp(since)}).scalars()]


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


def settle(key: str, state: str, now: datetime, error: str | None, due: datetime | None) -> Update:
    """sending or unclear -> `state`, as MOVES says. ValueError for a state that is no outcome."""
    if state not in MOVES:
        raise ValueError(f"{state} is no outcome of sending")
    values: dict[str, Any] = {"state": cast(State, state), "error": None if error is None else clean(error)}
    if state == "sent":
        values["sent_at"] = stamp(now)
    if state == "pending" and due is not None:
        values["due"] = stamp(due)
    return update(outbox).where(and_(outbox.c.key == storable(key), outbox.c.state.in_(MOVES[state]))).values(**values)
