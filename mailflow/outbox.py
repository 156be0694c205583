"""The only way out (promise 4): claim, render, send, settle.

A row is claimed by a conditional update with its message fixed, sent, and settled. What was claimed when the process
died is looked up before it is sent again, with the same bytes and the same Message-ID. Where the sender cannot look up
(SMTP), it is sent again: better a repeat that every mail program recognises by its Message-ID than a notice about
somebody's pay that is lost (mail.md §4, 6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mailflow import journal
from mailflow.core.people import Roster
from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError, UserError
from mailflow.notices.compose import compose
from mailflow.notices.render import render
from mailflow.store import OutboxRow, Store
from mailflow.transports.base import Refusal, Sender

IN_A_ROW = 3
"""So many messages put off one after the other, and it is the sender that is out of order."""
LONGEST_WAIT = timedelta(hours=6)
_COPIES_DONE = "抄送已送达；"
"""Begins the error of a row whose copies were accepted while its recipient was refused for now."""


@dataclass(frozen=True)
class Post:
    """What sending needs besides the store."""

    sender: Sender
    from_: str
    """As in config.toml: 技术支持助手 <support@example.com>."""
    address: str
    """Envelope sender: the bare address of `from_`."""
    templates: Path
    roster: Roster


def deliver(store: Store, post: Post, now: datetime, stop: Callable[[], bool] = lambda: False) -> Counter[str]:
    """Sends what is due at `now`. Returns how many rows ended in which state.

    Raises TransientError or AuthError when the sender itself is out of order: nothing else is tried then, and
    everything keeps waiting.
    """
    ended: Counter[str] = Counter()
    _recover(store, post.sender, now)
    with store.read() as reader:
        rows = [row for row in reader.outbox(states=("pending",)) if row.due <= now]
    failures = 0
    for row in rows:
        if stop():
            break
        try:
            ended[_deliver(store, post, row, now)] += 1
            failures = 0
        except TransientError:
            # One message that is put off stops no other; several in a row are the server.
            ended["pending"] += 1
            failures += 1
            if failures == IN_A_ROW:
                raise
    return ended


def _recover(store: Store, sender: Sender, now: datetime) -> None:
    """What was claimed by a process that died, or whose answer was lost: looked up, then settled or sent again."""
    with store.read() as reader:
        rows = reader.outbox(states=("sending", "unclear"))
    for row in rows:
        found = sender.find(row.message_id) if row.message_id else None
        journal.notice_looked_up(key=row.key, found=found)
        with store.write() as tx:
            tx.settle(row.key, "sent" if found else "pending", now, due=None if found else now)


def _deliver(store: Store, post: Post, row: OutboxRow, now: datetime) -> str:
    try:
        message = row.mime or _message(post, row, now)
    except UserError as problem:
        # A mistake in a template is mended by an admin: the notice waits, and is shown.
        return _settle(store, row, "pending", now, str(problem), claim=True)
    except PermanentError as error:
        return _settle(store, row, "refused", now, str(error), claim=True)
    with store.write() as tx:
        if not tx.claim(row.key, now, message):
            return "claimed elsewhere"
    journal.step("outbox.claimed")
    return _send(store, post, row, message, now)


def _send(store: Store, post: Post, row: OutboxRow, message: bytes, now: datetime) -> str:
    if row.to is None or post.roster.by_address(row.to) is None:
        # The daemon cannot be made to mail strangers (domain §9).
        return _settle(store, row, "refused", now, f"{row.to} 不在人员名册上，不发")
    copies = tuple(address for address in row.cc if post.roster.by_address(address))
    if (row.error or "").startswith(_COPIES_DONE):
        copies = ()
    try:
        refusals = post.sender.send(message, post.address, (row.to, *copies))
    except TransientError as error:
        _settle(store, row, "pending", now, str(error))
        raise
    except UnclearError as error:
        journal.notice_unclear(key=row.key, error=error)
        return _settle(store, row, "unclear", now, str(error))
    except PermanentError as error:
        return _refused(store, row, now, error)
    return _settled(store, row, copies, refusals, now)


def _refused(store: Store, row: OutboxRow, now: datetime, error: PermanentError) -> str:
    """A login that is refused concerns every notice: they wait for a person to mend it; another no is this row's."""
    if isinstance(error, AuthError):
        _settle(store, row, "pending", now, str(error))
        raise error
    journal.notice_refused(key=row.key, to=row.to or "", error=error)
    return _settle(store, row, "refused", now, str(error))


def _settled(
    store: Store, row: OutboxRow, copies: tuple[str, ...], refusals: tuple[Refusal, ...], now: datetime
) -> str:
    """Per-recipient results: the recipient's own decides, a refused copy is noted (mail.md §4, 6)."""
    said = "；".join(f"{r.recipient}：{r.code} {r.text}" for r in refusals)
    own = next((r for r in refusals if r.recipient == row.to), None)
    if own is None:
        journal.notice_sent(key=row.key, template=row.template or "", to=row.to or "")
        return _settle(store, row, "sent", now, said or None)
    if own.permanent:
        journal.notice_refused(key=row.key, to=row.to or "", error=said)
        return _settle(store, row, "refused", now, said)
    return _settle(store, row, "pending", now, (_COPIES_DONE if copies else "") + said)


def _settle(store: Store, row: OutboxRow, state: str, now: datetime, error: str | None, *, claim: bool = False) -> str:
    due = now + _wait(row.attempts) if state == "pending" else None
    with store.write() as tx:
        if claim:
            tx.claim(row.key, now, b"")
        tx.settle(row.key, state, now, error=error, due=due)
    journal.step("outbox.settled")
    if due is not None:
        journal.notice_failed(key=row.key, error=error or "", retry_in=_wait(row.attempts).total_seconds())
    return state


def _wait(attempts: int) -> timedelta:
    """1, 2, 4 … minutes, at most six hours."""
    return min(timedelta(minutes=2 ** min(attempts, 10)), LONGEST_WAIT)


def _message(post: Post, row: OutboxRow, now: datetime) -> bytes:
    if row.template is None or row.to is None or row.message_id is None:
        raise MailflowError(f"通知 {row.key} 没有内容")
    rendered = render(row.template, row.context or {}, templates=post.templates)
    return compose(
        rendered,
        from_=post.from_,
        to=row.to,
        cc=row.cc,
        message_id=row.message_id,
        in_reply_to=row.in_reply_to,
        date=now,
    )
