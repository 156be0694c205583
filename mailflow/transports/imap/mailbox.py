"""An IMAP folder as mailbox: what every server does, defended against what some do (mail.md §1, §2).

Only ascending ranges of explicit UIDs are asked for, and no search but by UID. IDLE merely wakes the poll, which finds
everything by itself.
"""

from __future__ import annotations

import imaplib
import io
import itertools
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from imapclient.datetime_util import parse_to_datetime

from mailflow.errors import PermanentError, TransientError
from mailflow.transports.base import Batch, Fetched, Filing, Known, Place, folder_of, grouped
from mailflow.transports.imap import filing
from mailflow.transports.imap.client import Answers, Client
from mailflow.transports.imap.connection import TROUBLE, Connection, mapped, passing, refused
from mailflow.transports.imap.cursor import Cursor
from mailflow.transports.imap.folders import advice, listed
from mailflow.transports.imap.waiting import Count, listen
from mailflow.transports.wire import words

_WINDOW = 50_000
"""UIDs in one SEARCH answer: imaplib takes lines up to 1,000,000 bytes (mail.md §1.2 j)."""
_CHUNK = 200
"""UIDs in one FETCH command: some servers refuse long lines."""
_ASK_AT_ONCE = 1000
_TOO_MANY = 10
"""So many mails refused and none handed out: the server is in trouble, not the mails."""
_WHOLE, _PART = 16 * 1024 * 1024, 4 * 1024 * 1024
"""A larger mail is fetched in parts: an answer is held several times over while it is read and taken apart."""
_LARGEST = 512 * 1024 * 1024
"""Nothing larger is a mail, whatever RFC822.SIZE says."""
_IDLE_RESTART = 300.0
"""A NAT's silent drop looks like a quiet mailbox; so IDLE is begun anew every five minutes (mail.md §1.2 g)."""


class LineBrokeError(TransientError):
    """The line broke while mails were fetched."""


class ImapMailbox(Connection):
    """A folder on an IMAP server, read and filed from."""

    # -- reading ----------------------------------------------------------------------------------------------------

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        with self._operation("列出邮件"):
            at = Cursor.parse(cursor, self.folder)
            selected = self._opened_as_of(at.validity if at else None)
            if at is None or at.validity != selected.validity:
                # UIDs of another UIDVALIDITY mean nothing (mail.md §4, adopt 3).
                at = Cursor(self.folder, selected.validity)
            windows = self._windows(at.uid + 1)
        told = cursor
        # Refused mails one at a time, so that they cannot look like a server that refuses everything; last of all those
        # that may break the line.
        again = [[uid] for uid in at.again if uid not in at.broke]
        breaking = [[uid] for uid in at.again if uid in at.broke]
        for uids in itertools.chain(again, (self._search(at, *window) for window in windows), breaking):
            for batch in self._fetched(at, self._unknown(at, uids, known)):
                told = batch.cursor
                yield batch
        if str(at) != told:
            yield Batch((), str(at))

    def _unknown(self, at: Cursor, uids: list[int], known: Known) -> list[int]:
        new: list[int] = []
        for chunk in _chunks(uids, _ASK_AT_ONCE):
            committed = known(self.folder, at.validity, [str(uid) for uid in chunk])
            new += [uid for uid in chunk if str(uid) not in committed]
        if not new:
            at.pass_by(uids)
        return new

    def _windows(self, first: int) -> list[tuple[int, int]]:
        """Ascending ranges of UIDs from `first`, each with at most 50,000 mails in it; none if nothing can be there.

        They end with the UID of the last mail, or what UIDNEXT says, if that is more: it may be absent, or wrong. Never
        "n:*": it is descending when nothing is new, which exmail answers with BAD (mail.md §2).
        """
        client, selected = self._open()
        if not selected.exists:
            return []
        ends = _uids_of(client, [*range(_WINDOW, selected.exists, _WINDOW), selected.exists], selected.uidnext)
        windows, low = [], first
        for high in sorted(end for end in ends if end >= first):
            windows.append((low, high))
            low = high + 1
        return windows

    def _search(self, at: Cursor, low: int, high: int) -> list[int]:
        with self._operation("列出邮件"):
            return self._same(at).uids_between(low, high)

    def _fetched(self, at: Cursor, uids: list[int]) -> Iterator[Batch]:
        for some in at.apart(uids):
            if len(some) == 1 and at.leaves_out(some[0]):
                at.broke_at(some)
                at.pass_by(some, some)
                yield Batch((), str(at), unreadable=(str(some[0]),))
                continue
            for chunk in _chunks(some, _CHUNK):
                yield from self._fetched_at_once(at, chunk)

    def _fetched_at_once(self, at: Cursor, uids: list[int]) -> Iterator[Batch]:
        """One mail that breaks the line each time must not hold up the others for ever (promise 7): the cursor knows
        at which mails it broke, and the next time each of them is fetched alone."""
        group = uids
        try:
            facts, _ = self._fetch(at, uids, ["RFC822.SIZE", "INTERNALDATE"])
            sizes = {uid: _size(facts.get(uid, {})) for uid in uids}
            for group in grouped(sizes):
                yield self._batch(at, group, facts, sum(sizes[uid] for uid in group))
        except LineBrokeError:
            at.broke_at(group)
            yield Batch((), str(at))
            raise

    def _batch(self, at: Cursor, group: list[int], facts: Answers, size: int) -> Batch:
        in_parts = len(group) == 1 and size > _WHOLE
        bodies, refused = self._in_parts(at, group[0], size) if in_parts else self._whole(at, group, size)
        # NIL or nothing at all is never an empty mail (mail.md §1.2 n), nor are no bytes, unless they are all there is:
        # then it is taken in as that, or the mailbox would be out of order for ever.
        there = self._still_there(at, [uid for uid in group if not bodies.get(uid) and uid not in refused])
        blank = {uid for uid in there if uid in bodies and facts.get(uid, {}).get(b"RFC822.SIZE") == 0}
        empty = at.really_empty(group, blank)
        bodies = {uid: raw for uid, raw in bodies.items() if raw or uid in empty}
        refused |= there - empty
        if len(refused) == len(group) >= _TOO_MANY:
            raise TransientError(f"{self._host} 现在一封邮件也不交出来。")
        mails = tuple(
            Fetched(Place(self.folder, at.validity, str(uid)), _received(facts.get(uid, {})), bodies[uid])
            for uid in group
            if uid in bodies
        )
        at.pass_by(group, refused)
        vanished = len(group) - len(mails) - len(refused)
        return Batch(mails, str(at), vanished, tuple(str(uid) for uid in sorted(refused)))

    def _still_there(self, at: Cursor, uids: list[int]) -> set[int]:
        """Those that were not expunged elsewhere, though the server handed out nothing of them."""
        if not uids:
            return set()
        with self._operation("取邮件"):
            self._same(at).noop()  # now it may say that they are gone
        answers, refused = self._fetch(at, uids, ["UID"])
        return {*answers, *refused}

    def _whole(self, at: Cursor, uids: list[int], size: int) -> tuple[dict[int, bytes], set[int]]:
        """What the server hands out of these mails, which may be no bytes, and the UIDs that it refused."""
        answers, refused = self._fetch(at, uids, ["BODY.PEEK[]"], size)
        return {uid: raw for uid in uids if (raw := _octets(answers.get(uid), b"BODY[]")) is not None}, refused

    def _in_parts(self, at: Cursor, uid: int, size: int) -> tuple[dict[int, bytes], set[int]]:
        """The same for one large mail: while it is fetched there is never more than it and one part in memory.

        `size` is what the server says, which need not be right: the mail ends where nothing more comes. A part that is
        shorter than asked for, as some servers make them, is no end. Where the line breaks, it goes on from there.
        """
        mail, broke_at = io.BytesIO(), 0
        while True:
            at_byte = mail.tell()
            try:
                answers, refused = self._fetch(at, [uid], [f"BODY.PEEK[]<{at_byte}.{_PART}>"], _PART)
            except TransientError as error:
                if at_byte != broke_at and isinstance(error, LineBrokeError):
                    broke_at = at_byte
                    continue
                if not broke_at:
                    raise
                # Nor can it go on, as where a new login has to wait; or this mail would be the first again, for ever.
                raise LineBrokeError(str(error), retry_after=error.retry_after) from error
            answer = answers.get(uid)
            if refused or at_byte > min(2 * size, _LARGEST) + _PART:
                return {}, {uid}  # the second: a server whose parts have no end
            if at_byte == 0 and (whole := _octets(answer, b"BODY[]")):
                return {uid: whole}, set()  # a server that does not know parts
            part = _octets(answer, b"BODY[]<%d>" % at_byte)
            if part is None:
                return {}, set()  # expunged meanwhile
            mail.write(part)
            if not part or (len(part) < _PART and mail.tell() >= size):
                return ({uid: mail.getvalue()} if mail.tell() else {}), set()

    def _fetch(self, at: Cursor, uids: list[int], items: list[str], size: int = 0) -> tuple[Answers, set[int]]:
        """The answers by UID, and the UIDs that the server refused."""
        doing = f"取邮件 {uids[0]} " if len(uids) == 1 else "取邮件"
        with self._operation(doing, size):
            client = self._same(at)
            try:
                return _answered(client, uids, items)
            except TROUBLE as error:
                if refused(error):
                    raise
                raise LineBrokeError(str(mapped(f"{self._host} {doing}", error, self._provider))) from error

    def uids(self) -> tuple[str, str, set[str]]:
        with self._operation("核对邮件"):
            at = Cursor(self.folder, self._open(fresh=True)[1].validity)
            windows = self._windows(1)
        return self.folder, at.validity, {str(uid) for window in windows for uid in self._search(at, *window)}

    def _looked_up(self, client: Client, error: Exception) -> bytes:
        folders = listed(client)
        if said := advice(folders, self.folder):
            raise PermanentError(f"{self._host} 打不开文件夹“{self.folder}”：{words(error)}。{said}") from error
        found = next((one.raw for one in folders if one.name == self.folder), None)
        if found is None:
            raise error
        return found

    def _same(self, at: Cursor) -> Client:
        client, selected = self._open()
        if selected.validity != at.validity:
            raise TransientError(f"{self._host} 的文件夹“{self.folder}”刚刚重建（UIDVALIDITY 改变），稍后重新读取。")
        return client

    # -- filing -----------------------------------------------------------------------------------------------------

    def file(self, place: Place, action: Filing) -> None:
        folder = folder_of(action, self.name)
        with self._operation(f"归档邮件 {place.uid}"):
            client, selected = self._open(writable=True)
            if (place.folder, place.uidvalidity) != (self.folder, selected.validity) or not place.uid.isdecimal():
                return
            if folder is not None and (folder == self.folder or folder.upper() == self.folder == "INBOX"):
                # Each move would make a new mail of it, for ever.
                raise PermanentError(f"邮箱“{self.name}”要把邮件移到正在读的文件夹“{folder}”：请改 after。")
            filing.file(client, int(place.uid), folder, use_move=self._provider.move)

    # -- waiting ----------------------------------------------------------------------------------------------------

    def wait(self, seconds: float, stop: threading.Event) -> None:
        until = time.monotonic() + seconds
        with self._operation("等待新邮件"):
            client, selected = self._open()
            if client.exists > selected.exists:
                return  # said while others were read or filed, and not said again
            idle = client.has_capability("IDLE") and self._provider.idle
        if not idle:
            stop.wait(seconds)
            return
        count = Count(selected.exists)
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._idle(min(left, _IDLE_RESTART), stop, count):
                return

    def _idle(self, seconds: float, stop: threading.Event, count: Count) -> bool:
        """One round of IDLE; whether there may be new mail."""
        with self._operation("等待新邮件", extra=seconds):
            client = self._open()[0]
            # Some tell only here what came since the poll.
            if count.grew(client.noop()[1]):
                return True
            try:
                early = client.idle()
            except imaplib.IMAP4.error as error:
                if not refused(error):
                    raise
                return stop.wait(seconds)
            try:
                return count.grew(early) or listen(client, seconds, stop, count)
            finally:
                client.idle_done()

    def check(self) -> str:
        with self._operation("登录"):
            client, selected = self._open(fresh=True)
            offered = [name for name in ("IDLE", "MOVE", "UIDPLUS", "ID") if client.has_capability(name)]
        return (
            f"已登录 {self._host}（{self._user}），文件夹“{self.folder}”中现有 {selected.exists} 封邮件；"
            f"服务器支持 {'、'.join(offered) or '基本命令'}。"
        )


# -- commands ---------------------------------------------------------------------------------------------------------


def _uids_of(client: Client, numbers: list[int], uidnext: int | None) -> set[int]:
    """The UIDs of these message numbers, and the one before UIDNEXT; that alone where the numbers are refused."""
    ends = {uidnext - 1} if uidnext else set[int]()
    client.use_uid = False
    try:
        answers = client.fetch(numbers, ["UID"])
    except imaplib.IMAP4.error as error:
        if not refused(error) or not ends:
            raise
        return ends
    finally:
        client.use_uid = True
    found = {answer[b"UID"] for answer in answers.values() if isinstance(answer.get(b"UID"), int)}
    if not found and not ends:
        raise TransientError("服务器没有说最后一封邮件的编号（UID、UIDNEXT）。")
    return ends | found


def _answered(client: Client, uids: list[int], items: list[str]) -> tuple[Answers, set[int]]:
    try:
        return client.fetch(uids, items), set()
    except imaplib.IMAP4.error as error:
        if not refused(error) or passing(error):
            raise
        return _one_by_one(client, uids, items, error)


def _one_by_one(client: Client, uids: list[int], items: list[str], error: Exception) -> tuple[Answers, set[int]]:
    """One mail that the server cannot read makes it refuse the whole FETCH; only that one must wait (promise 7)."""
    answers: Answers = {}
    without = set()
    for uid in uids:
        try:
            answers.update(client.fetch([uid], items))
        except imaplib.IMAP4.error as one:
            if not refused(one) or passing(one):
                raise
            without.add(uid)
    if len(without) == len(uids) >= _TOO_MANY:
        raise error  # it is not the mails
    return answers, without


# -- answers ----------------------------------------------------------------------------------------------------------


def _octets(answer: dict[bytes, Any] | None, name: bytes) -> bytes | None:
    """None where the server says NIL, or says nothing of it."""
    found = answer.get(name) if answer else None
    return found if isinstance(found, bytes) else None


def _size(answer: dict[bytes, Any]) -> int:
    size = answer.get(b"RFC822.SIZE")
    return size if isinstance(size, int) else 0


def _received(answer: dict[bytes, Any]) -> datetime:
    """INTERNALDATE in UTC. A server that gives none has the mail since now at the latest."""
    try:
        when: datetime = parse_to_datetime(answer[b"INTERNALDATE"], normalise=False)
        return when.astimezone(UTC)
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError):
        return datetime.now(UTC)


def _chunks(uids: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(uids), size):
        yield uids[start : start + size]
