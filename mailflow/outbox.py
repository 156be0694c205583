"""The only way out (promise 4): claim, render, send, settle.

A row is claimed by a conditional update with its message fixed, sent, and settled. What was claimed when the process
died is looked up before it is sent again, with the same bytes and the same Message-ID. Where the sender cannot look up
(SMTP), it is sent again: better a repeat that every mail program recognises by its Message-ID than a notice about
somebody's pay that is lost (mail.md §4, 6).

Nobody is ever written to who is not on the roster (domain §9). Customers are not: as long as there are no
acknowledgements and surveys, an open case of theirs is no reason to write to them, and nothing does.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Mapped
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from mailflow import journal
from mailflow.core.mapping import Mapping
from mailflow.core.people import Person
from mailflow.errors import (
    AuthError,
    BrakedError,
    MailflowError,
    PermanentError,
    TransientError,
    UnclearError,
    UserError,
)
from mailflow.notices.compose import compose
from mailflow.notices.render import render
from mailflow.store import OutboxRow, Reader, Result, Store, Writer
from mailflow.transports.base import Refusal, Sender

IN_A_ROW = 3
"""So many messages put off, or not answered, one after the other, and it is the sender that is out of order."""
LONGEST_WAIT = timedelta(hours=6)
MENDING = timedelta(minutes=1)
"""How often a notice with a faulty template is tried: the admin who mends it does not wait long."""
MOST_AT_ONCE = 500
"""The brake: so many notices never fall due together in a department. More mean a wrong clock, a wrong mapping or an
old mailbox taken in for the first time. Then none is sent, intake and workbooks go on, and a person must look.

The slow flood that never has so many due together is braked by messages_per_hour (reminders.toml)."""
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MOST_REPEATS = 5
"""So often a message may have been handed over without an answer. Its recipient may have that many copies: then it
stays "unclear" until a person has looked, because a server that always hangs up must not make a loop of us."""
_CUT_OFF = "发送时程序中断了，不知道有没有发出，过几分钟再查"

Results = Mapped[str, Result]
"""What became of a notice so far, by recipient."""


@dataclass(frozen=True)
class Post:
    """What sending needs besides the store."""

    sender: Sender
    from_: str
    """As in config.toml: 技术支持助手 <support@example.com>."""
    address: str
    """Envelope sender: the bare address of `from_`. Not <>, which RFC 3834 §3.3 would allow: what comes back is read
    (policies/bounces.py) and never answered, and the Chinese providers take no other (mail.md §5)."""
    templates: Path
    mapping: Mapping
    """The one in force: who may be written to, and how much."""


def deliver(
    store: Store,
    post: Post,
    now: datetime,
    stop: Callable[[], bool] = lambda: False,
    *,
    wait: Callable[[float], object] = time.sleep,
    send_all: bool = False,
) -> Counter[str]:
    """Sends what is due at `now`. Returns how many rows ended in which state.

    `wait` lets so many seconds pass where the server takes only so many messages in a minute. `send_all`: a person has
    looked, and lets go what the brakes held.

    Raises BrakedError when more is due than MOST_AT_ONCE, or when the messages of an hour have gone; and
    TransientError, UserError or AuthError when the sender itself is out of order: nothing else is tried then, and
    everything keeps waiting as it did.
    """
    _recover(store, post.sender, now)
    with store.read() as reader:
        due = reader.due_notices(now, now + LONGEST_WAIT)
        taken, released = (_taken(reader, now), reader.released()) if due else ([], None)
    per_hour = post.mapping.reminders.messages_per_hour
    left = sys.maxsize if send_all else _left(len(due), taken, _believed(released, now), per_hour)
    if due[:left]:
        # A dead server is not the messages' fault: it is met before one of them is claimed.
        post.sender.check()
    paced = _paced(due[:left], taken, post.sender.per_minute, now, wait)
    ended = _deliver_all(store, post, paced, stop)
    if stop():
        return ended
    if send_all:
        with store.write() as tx:
            tx.release(max((now, *taken)))
    if len(due) > left:
        raise _braked(len(due) - left, per_hour, f"一小时内已发出 {per_hour} 封通知，到了上限 messages_per_hour")
    return ended


def _deliver_all(
    store: Store, post: Post, paced: Iterable[tuple[str, datetime]], stop: Callable[[], bool]
) -> Counter[str]:
    ended: Counter[str] = Counter()
    failures = 0
    for key, at in paced:
        if stop():
            break
        try:
            state = _deliver(store, post, key, at)
            ended[state] += 1
            failures = failures + 1 if state == "unclear" else 0
        except TransientError as error:
            # One message that is put off stops no other; several in a row, a dead connection, or a server that says
            # when it may be asked again, are the server.
            ended["pending"] += 1
            failures += 1
            if failures == IN_A_ROW or error.retry_after:
                raise
            post.sender.check()
        if failures == IN_A_ROW:
            # Each may be sent twice because of it: not all that wait.
            raise TransientError(f"发信服务器一连 {IN_A_ROW} 封没有答复，不知道有没有发出：其余的过一会儿再发。")
    return ended


def _taken(reader: Reader, now: datetime) -> list[datetime]:
    """When what went in the last hour was handed over. After the clock was put back that is still to come: by a little,
    and it has just gone; by more, and it tells nothing."""
    return [min(time, now) for time in reader.handed_over(now - HOUR, now + HOUR)]


def _believed(released: datetime | None, now: datetime) -> datetime | None:
    """Likewise: nobody has let anything go in hours to come."""
    return None if released is None or released > now + HOUR else released


def _left(due: int, taken: Sequence[datetime], released: datetime | None, per_hour: int) -> int:
    """How many may go now of those that are due. What went before a person let it go is no part of a flood.

    It is counted from what is stored, so that `once` under cron is braked like `run`. The hour goes by of itself: a
    flood that lasts has more due than MOST_AT_ONCE before long, and then a person must look.
    """
    if due > MOST_AT_ONCE:
        raise _braked(due, MOST_AT_ONCE, f"有 {due} 封通知同时到期，超过 {MOST_AT_ONCE} 封，一封也没有发")
    return max(0, per_hour - sum(released is None or time > released for time in taken))


def _braked(waiting: int, limit: int, why: str) -> BrakedError:
    journal.notices_braked(waiting=waiting, limit=limit)
    return BrakedError(
        f"{why}。请先看 mailflow list notices；确实都要发，请停下 mailflow run，运行一次 mailflow once --send-all。"
    )


def _paced(
    keys: Iterable[str],
    taken: list[datetime],
    per_minute: int,
    now: datetime,
    wait: Callable[[float], object],
) -> Iterator[tuple[str, datetime]]:
    """`keys`, each at the time at which the server takes it: those of the last hour were handed over at `taken`."""
    for key in keys:
        if per_minute and len(taken) >= per_minute and (pause := MINUTE - (now - taken[-per_minute])) > timedelta():
            wait(pause.total_seconds())
            now += pause
        taken.append(now)
        yield key, now


def _recover(store: Store, sender: Sender, now: datetime) -> None:
    """What was claimed by a process that died, or whose answer was lost: looked up, then settled or sent again."""
    with store.read() as reader:
        rows = [row for row in reader.notices_in_doubt(MOST_REPEATS) if not _rests(row, now)]
    for row in rows:
        # What some have got is found whatever became of the others.
        unsure = "taken" not in row.results.values()
        found = sender.find(row.message_id) if row.message_id and unsure else None
        journal.notice_looked_up(key=row.key, found=found)
        with store.write() as tx:
            if found:
                _found(tx, row, now)
            else:
                _not_found(tx, row, now, unknown=found is None, late=sender.finds_late)


def _found(tx: Writer, row: OutboxRow, now: datetime) -> None:
    """It went to all but those to whom the server had said no."""
    results: Results = {one: row.results.get(one, "taken") for one in _recipients(row)}
    if _waiting(row, results):
        tx.settle(row.key, "pending", now, row.error, now, results)
    else:
        tx.settle(row.key, "sent", now, _so_far(results, had=False) or None, results=results)


def _not_found(tx: Writer, row: OutboxRow, now: datetime, *, unknown: bool, late: bool) -> None:
    """`late`: it may still be found, and only then is it sent again. Each time that nobody knows is counted; where the
    server knows after all that it has not gone, it is not, and waits like any that was put off."""
    if unknown and row.state == "sending":
        tx.settle(row.key, "unclear", now, error=row.error or _CUT_OFF)
        if late or row.doubts + 1 >= MOST_REPEATS:
            return
    if unknown or row.state == "sending" or row.claimed_at is None:
        tx.settle(row.key, "pending", now, error=row.error, due=now)
    else:
        due = row.claimed_at + _wait(row.attempts)
        tx.settle(row.key, "pending", now, error=row.error, due=due, doubts=max(row.doubts - 1, 0))


def _rests(row: OutboxRow, now: datetime) -> bool:
    """Whether it is too early to look it up: with back-off, since it is sent again when it is not found, and what the
    server has taken may come late into Sent. After a kill, which is rare, it is looked up at once; and so is what was
    claimed when the clock was far ahead."""
    return row.state == "unclear" and row.claimed_at is not None and abs(now - row.claimed_at) < _wait(row.doubts)


def _deliver(store: Store, post: Post, key: str, now: datetime) -> str:
    with store.read() as reader:
        row = reader.notice(key)
    if row is None or row.state != "pending":
        return "claimed elsewhere"
    refusal, row = _addressed(post.mapping, row, now)
    if refusal:
        journal.notice_refused(key=row.key, to=row.to or "", error=refusal)
        return _settle(store, row, "refused", now, f"{_so_far(row.results)}{refusal}", claim=True)
    try:
        message = row.mime or _message(post, row, now)
    except UserError as problem:
        # A mistake in a template is mended by an admin: the notice waits, is shown, and goes soon after.
        return _settle(store, row, "pending", now, str(problem), claim=True, wait=MENDING)
    except PermanentError as error:
        return _settle(store, row, "refused", now, str(error), claim=True)
    except Exception as error:  # noqa: BLE001  our own bug in one notice stops no other
        journal.bug(where=row.key, error=error)
        return _settle(store, row, "pending", now, _bug(error), claim=True)
    with store.write() as tx:
        if not tx.claim(row.key, now, message):
            return "claimed elsewhere"
    journal.step("outbox.claimed")
    return _send(store, post, row, message, now)


def _addressed(mapping: Mapping, row: OutboxRow, now: datetime) -> tuple[str, OutboxRow]:
    """Why nobody may be sent this notice, or ""; and the row with the addresses of today.

    The roster may have changed since the notice was wanted. It is meant for a person: whose address is another one now
    is written to there, and whoever has been given the old one is not.
    """
    day = mapping.calendar.day(now)
    if row.to is None:
        return "重新计算以后不再需要这封通知，不发", row
    person = _person(mapping, row)
    if person is None:
        return f"{row.person}（{row.to}）不在人员名册上，不发", row
    if not person.active(day):
        return f"{person.name} 已不在职，不发", row
    copied = ((address, mapping.roster.by_address(address)) for address in row.cc)
    row = replace(row, cc=tuple(address for address, owner in copied if owner and owner.active(day)))
    same = mapping.roster.by_address(row.to) == person or row.results.get(row.to or "") == "taken"
    return "", row if same else replace(row, to=person.address, mime=None)


def _person(mapping: Mapping, row: OutboxRow) -> Person | None:
    """Who is meant; somebody whose name has got a suffix since, 张三(华东), is still known by the address."""
    owner = mapping.roster.by_address(row.to)
    named = mapping.roster.by_name(row.person or "")
    return mapping.roster.get(row.person) or (owner if owner in named else None)


def _recipients(row: OutboxRow) -> tuple[str, ...]:
    return (row.to, *row.cc) if row.to else row.cc


def _waiting(row: OutboxRow, results: Results) -> tuple[str, ...]:
    """Who is still to get it."""
    return tuple(one for one in _recipients(row) if results.get(one, "put_off") == "put_off")


def _send(store: Store, post: Post, row: OutboxRow, message: bytes, now: datetime) -> str:
    waiting = _waiting(row, row.results)
    so_far = _so_far(row.results)
    try:
        refusals = post.sender.send(message, post.address, waiting) if waiting else ()
    except (TransientError, UserError) as error:
        _settle(store, row, "pending", now, f"{so_far}{error}")
        raise
    except UnclearError as error:
        return _unclear(store, row, now, error)
    except PermanentError as error:
        return _refused(store, row, now, error)
    except Exception as error:
        # Our own bug: handed over or not, nobody knows. The caller must not use this connection again.
        _settle(store, row, "unclear", now, f"{so_far}{_bug(error)}")
        raise
    return _settled(store, row, waiting, refusals, now)


def _bug(error: Exception) -> str:
    return f"程序出错（{type(error).__name__}: {error}）"


def _unclear(store: Store, row: OutboxRow, now: datetime, error: UnclearError) -> str:
    """The answer to the message was lost; what the server had said of recipients before stands."""
    journal.notice_unclear(key=row.key, error=error)
    results: dict[str, Result] = {one: result for one, result in row.results.items() if result != "put_off"}
    results |= {one: "refused" if for_good else "put_off" for one, for_good in error.refused.items()}
    state = "refused" if results.get(row.to or "") == "refused" else "unclear"
    return _settle(store, row, state, now, f"{_so_far(results)}{error}", results=results)


def _refused(store: Store, row: OutboxRow, now: datetime, error: PermanentError) -> str:
    """A login that is refused concerns every notice: they wait for a person to mend it; another no is this row's."""
    text = f"{_so_far(row.results)}{error}"
    if isinstance(error, AuthError):
        _settle(store, row, "pending", now, text)
        raise error
    if row.results.get(row.to or "") == "taken":
        return _sent(store, row, now, text, row.results)
    journal.notice_refused(key=row.key, to=row.to or "", error=error)
    return _settle(store, row, "refused", now, text)


def _settled(
    store: Store, row: OutboxRow, recipients: tuple[str, ...], refusals: tuple[Refusal, ...], now: datetime
) -> str:
    """Per-recipient results (mail.md §4, 6): whoever is refused for now, be it a copy, is tried again, and nobody else;
    for good, it is the recipient's own result that decides, and a copy's is noted."""
    said = "；".join(f"{r.recipient}：{r.code} {r.text}" for r in refusals)
    results: dict[str, Result] = {**row.results, **dict.fromkeys(recipients, "taken")}
    results |= {r.recipient: "refused" if r.permanent else "put_off" for r in refusals}
    if results.get(row.to or "") == "refused":
        journal.notice_refused(key=row.key, to=row.to or "", error=said)
        return _settle(store, row, "refused", now, said, results=results)
    if _waiting(row, results):
        return _settle(store, row, "pending", now, f"{_so_far(results)}{said}", results=results)
    return _sent(store, row, now, f"{_so_far(row.results, had=False)}{said}" or None, results)


def _so_far(results: Results, *, had: bool = True) -> str:
    """For people: who has had it, and who is never to be tried again."""
    taken = " ".join(one for one, result in results.items() if had and result == "taken")
    refused = " ".join(one for one, result in results.items() if result == "refused")
    return (f"已送达 {taken}；" if taken else "") + (f"拒收 {refused}；" if refused else "")


def _sent(store: Store, row: OutboxRow, now: datetime, error: str | None, results: Results) -> str:
    journal.notice_sent(key=row.key, template=row.template or "", to=row.to or "")
    return _settle(store, row, "sent", now, error, results=results)


def _settle(
    store: Store,
    row: OutboxRow,
    state: str,
    now: datetime,
    error: str | None,
    *,
    claim: bool = False,
    wait: timedelta | None = None,
    results: Results | None = None,
) -> str:
    wait = _wait(row.attempts) if wait is None else wait
    due = now + wait if state == "pending" else None
    with store.write() as tx:
        if claim and not tx.claim(row.key, now, b""):
            return "claimed elsewhere"
        tx.settle(row.key, state, now, error, due, results)
    journal.step("outbox.settled")
    if due is not None:
        journal.notice_failed(key=row.key, error=error or "", retry_in=wait.total_seconds())
    return state


def settle_by_hand(store: Store, number: str, now: datetime, *, again: bool) -> None:
    """A person has looked at a notice that did not go, or of which nobody knows: it goes `again`, by the normal way, or
    is done with. May be used beside a daemon. UserError: there is no such notice, or nothing to be settled.
    """
    with store.write() as tx:
        row = tx.notice_numbered(number)
        if row is None:
            raise UserError(f"没有编号是 {number} 的通知：编号见 mailflow list notices。", code=1)
        if why := _settled_already(row, again=again):
            raise UserError(f"通知 {number}（{row.key}）{why}", code=1)
        if again:
            tx.send_again(row, now)
        else:
            tx.settle(row.key, "closed", now, row.error)
    journal.notice_settled(key=row.key, again=again, before=row.state)


def _settled_already(row: OutboxRow, *, again: bool) -> str:
    """Why there is nothing for a person to do, or ""."""
    if row.state == "pending" and not row.attempts:
        return "还没有试着发过，到时候会自动发出。"
    if row.state == "closed" and not again:
        return "已经处理过了。"
    return {"sending": "正在发送，过一会儿再看。", "sent": "已经发出，不用处理。"}.get(row.state, "")


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
        references=row.references,
        date=now,
    )
