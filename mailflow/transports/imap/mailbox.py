"""An IMAP folder as mailbox: what every server does, defended against what some do (mail.md §1, §2).

Only ascending ranges of explicit UIDs are asked for, and no search but by UID. IDLE merely wakes the poll, which finds
everything by itself.
"""

from __future__ import annotations

import contextlib
import imaplib
import io
import itertools
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from imapclient import DELETED, SEEN
from imapclient.datetime_util import parse_to_datetime

from mailflow.errors import PermanentError, TransientError
from mailflow.transports.base import Batch, Fetched, Filing, Known, Place, folder_of, grouped
from mailflow.transports.imap.client import Answers, Client
from mailflow.transports.imap.connection import Connection, passing, refused
from mailflow.transports.imap.folders import Folder, advice, folders, prefix
from mailflow.transports.wire import words

_WINDOW = 50_000
"""UIDs in one SEARCH answer: imaplib takes lines up to 1,000,000 bytes (mail.md §1.2 j)."""
_CHUNK = 200
"""UIDs in one FETCH command: some servers refuse long lines."""
_ASK_AT_ONCE = 1000
_MAX_AGAIN = 500
"""What the cursor remembers of refused mails, the newest; reconciliation finds the others."""
_LOOKS = 3
"""A mail that is empty at so many looks in a row is an empty mail, and none that is still being written."""
_TOO_MANY = 10
"""So many mails refused and none handed out: the server is in trouble, not the mails."""
_WHOLE, _PART = 16 * 1024 * 1024, 4 * 1024 * 1024
"""A larger mail is fetched in parts: an answer is held several times over while it is read and taken apart."""
_LARGEST = 512 * 1024 * 1024
"""Nothing larger is a mail, whatever RFC822.SIZE says."""
_IDLE_RESTART = 300.0
"""A NAT's silent drop looks like a quiet mailbox; so IDLE is begun anew every five minutes (mail.md §1.2 g)."""
_IDLE_SLICE = 1.0


@dataclass
class _Cursor:
    """All UIDs of `folder` up to `uid` are dealt with, but for those of `again`, which the server would not hand out.
    `empty`: how often in a row it said of some of these that they have no byte."""

    folder: str
    validity: str
    uid: int = 0
    again: list[int] = field(default_factory=list)
    empty: dict[int, int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None, folder: str) -> _Cursor | None:
        """None: there is none, it is another folder's, or it cannot be read."""
        try:
            data = json.loads(text or "{}")
            again = [int(uid) for uid in data.get("again", ())]
            empty = {int(uid): int(looks) for uid, looks in data.get("empty", {}).items()}
            at = cls(str(data.get("folder", folder)), str(data["uidvalidity"]), int(data["uid"]), again, empty)
        except (ValueError, TypeError, LookupError, AttributeError):
            return None
        return at if at.folder == folder else None

    def pass_by(self, uids: Sequence[int], refused: Collection[int] = ()) -> None:
        """These are dealt with; the refused among them are to be tried again."""
        self.uid = max(self.uid, *uids) if uids else self.uid
        self.again = sorted({*self.again}.difference(uids) | {*refused})[-_MAX_AGAIN:]
        self.empty = {uid: looks for uid, looks in self.empty.items() if uid in self.again}

    def really_empty(self, uids: Collection[int], blank: Collection[int]) -> set[int]:
        """Those of `uids`, of which the server now says that the `blank` ones are empty, that have been so for long."""
        looks = {uid: self.empty.get(uid, 0) + 1 for uid in blank}
        self.empty = {uid: seen for uid, seen in self.empty.items() if uid not in uids} | looks
        return {uid for uid, seen in looks.items() if seen >= _LOOKS}

    def __str__(self) -> str:
        data: dict[str, object] = {"folder": self.folder, "uidvalidity": self.validity, "uid": self.uid}
        return json.dumps(data | {name: value for name in ("again", "empty") if (value := getattr(self, name))})


class ImapMailbox(Connection):
    """A folder on an IMAP server, read and filed from."""

    # -- reading ----------------------------------------------------------------------------------------------------

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        with self._operation("列出邮件"):
            at = _Cursor.parse(cursor, self.folder)
            selected = self._opened_as_of(at.validity if at else None)
            if at is None or at.validity != selected.validity:
                # UIDs of another UIDVALIDITY mean nothing (mail.md §4, adopt 3).
                at = _Cursor(self.folder, selected.validity)
            windows = self._windows(at.uid + 1)
        told = cursor
        # Refused mails one at a time, so that they cannot look like a server that refuses everything.
        again = [[uid] for uid in at.again]
        for listed in itertools.chain(again, (self._search(at, *window) for window in windows)):
            for batch in self._fetched(at, self._unknown(at, listed, known)):
                told = batch.cursor
                yield batch
        if str(at) != told:
            yield Batch((), str(at))

    def _unknown(self, at: _Cursor, uids: list[int], known: Known) -> list[int]:
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

    def _search(self, at: _Cursor, low: int, high: int) -> list[int]:
        with self._operation("列出邮件"):
            return self._same(at).uids_between(low, high)

    def _fetched(self, at: _Cursor, uids: list[int]) -> Iterator[Batch]:
        for chunk in _chunks(uids, _CHUNK):
            facts, _ = self._fetch(at, chunk, ["RFC822.SIZE", "INTERNALDATE"])
            sizes = {uid: _size(facts.get(uid, {})) for uid in chunk}
            for group in grouped(sizes):
                yield self._batch(at, group, facts, sum(sizes[uid] for uid in group))

    def _batch(self, at: _Cursor, group: list[int], facts: Answers, size: int) -> Batch:
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

    def _still_there(self, at: _Cursor, uids: list[int]) -> set[int]:
        """Those that were not expunged elsewhere, though the server handed out nothing of them."""
        if not uids:
            return set()
        with self._operation("取邮件"):
            self._same(at).noop()  # now it may say that they are gone
        answers, refused = self._fetch(at, uids, ["UID"])
        return {*answers, *refused}

    def _whole(self, at: _Cursor, uids: list[int], size: int) -> tuple[dict[int, bytes], set[int]]:
        """What the server hands out of these mails, which may be no bytes, and the UIDs that it refused."""
        answers, refused = self._fetch(at, uids, ["BODY.PEEK[]"], size)
        return {uid: raw for uid in uids if (raw := _octets(answers.get(uid), b"BODY[]")) is not None}, refused

    def _in_parts(self, at: _Cursor, uid: int, size: int) -> tuple[dict[int, bytes], set[int]]:
        """The same for one large mail: while it is fetched there is never more than it and one part in memory.

        `size` is what the server says, which need not be right: the mail ends where nothing more comes. A part that is
        shorter than asked for, as some servers make them, is no end.
        """
        mail = io.BytesIO()
        while True:
            at_byte = mail.tell()
            answers, refused = self._fetch(at, [uid], [f"BODY.PEEK[]<{at_byte}.{_PART}>"], _PART)
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

    def _fetch(self, at: _Cursor, uids: list[int], items: list[str], size: int = 0) -> tuple[Answers, set[int]]:
        """The answers by UID, and the UIDs that the server refused."""
        with self._operation("取邮件", size):
            client = self._same(at)
            try:
                return client.fetch(uids, items), set()
            except imaplib.IMAP4.error as error:
                if not refused(error) or passing(error):
                    raise
                return _one_by_one(client, uids, items, error)

    def uids(self) -> tuple[str, str, set[str]]:
        with self._operation("核对邮件"):
            at = _Cursor(self.folder, self._open(fresh=True)[1].validity)
            windows = self._windows(1)
        return self.folder, at.validity, {str(uid) for window in windows for uid in self._search(at, *window)}

    def _looked_up(self, client: Client, error: Exception) -> bytes:
        listed = _listed(client)
        if said := advice(listed, self.folder):
            raise PermanentError(f"{self._host} 打不开文件夹“{self.folder}”：{words(error)}。{said}") from error
        found = next((one.raw for one in listed if one.name == self.folder), None)
        if found is None:
            raise error
        return found

    def _same(self, at: _Cursor) -> Client:
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
            if folder is None:
                client.add_flags([int(place.uid)], [SEEN], silent=True)
            else:
                self._move(client, int(place.uid), folder)

    def _move(self, client: Client, uid: int, folder: str) -> None:
        if folder == self.folder or folder.upper() == self.folder == "INBOX":
            # Each move would make a new mail of it, for ever.
            raise PermanentError(f"邮箱“{self.name}”要把邮件移到正在读的文件夹“{folder}”：请改 after。")
        try:
            _moved(client, uid, folder, self._provider.move)
        except imaplib.IMAP4.error as error:
            root = prefix(_listed(client)) if refused(error) and not passing(error) else ""
            if not root or folder.upper().startswith(root):
                raise
            said = f"移动邮件到“{folder}”被拒绝：{words(error)}。这台服务器的文件夹都在 {root} 之下"
            raise PermanentError(f"{said}，请写 move:{root}{folder}。") from error

    # -- waiting ----------------------------------------------------------------------------------------------------

    def wait(self, seconds: float, stop: threading.Event) -> None:
        until = time.monotonic() + seconds
        with self._operation("等待新邮件"):
            client, selected = self._open()
            idle = client.has_capability("IDLE") and self._provider.idle
        if not idle:
            stop.wait(seconds)
            return
        count = _Count(selected.exists)
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._idle(min(left, _IDLE_RESTART), stop, count):
                return

    def _idle(self, seconds: float, stop: threading.Event, count: _Count) -> bool:
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
                return count.grew(early) or _listen(client, seconds, stop, count)
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


def _listed(client: Client) -> list[Folder]:
    """All folders; none where the server does not tell them."""
    try:
        return folders(client)
    except imaplib.IMAP4.error as error:
        if not refused(error):
            raise
        return []


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


def _moved(client: Client, uid: int, folder: str, use_move: bool) -> None:
    if use_move and client.has_capability("MOVE"):
        # MOVE of a mail that is gone answers OK or, on some, NO.
        _into(client, folder, lambda: client.move([uid], folder))
        if not _copied(client) and client.uids_between(uid, uid):
            raise TransientError(f"服务器答应移动邮件 {uid}，却没有移动。")
        return
    flags = client.get_flags([uid])
    if uid not in flags:
        if client.uids_between(uid, uid):
            raise TransientError(f"服务器没有说邮件 {uid} 的标记。")
        return
    # Flagged as deleted: it was copied before, and the rest was cut off.
    if DELETED not in flags[uid]:
        _into(client, folder, lambda: client.copy([uid], folder))
        client.add_flags([uid], [DELETED], silent=True)
    if client.has_capability("UIDPLUS"):
        client.uid_expunge([uid])
    # Without UIDPLUS nothing is expunged: EXPUNGE would take what people have flagged along.


def _into(client: Client, folder: str, transfer: Callable[[], object]) -> None:
    """Moves or copies; makes the folder when that is refused."""
    client._imap.untagged_responses.pop("COPYUID", None)
    try:
        transfer()
    except imaplib.IMAP4.error as error:
        if not refused(error):
            raise
        with _refusal_ignored():
            client.create_folder(folder)
        transfer()


def _copied(client: Client) -> bool:
    """Whether the server said which UID the mail has in its new folder (RFC 4315)."""
    return bool(client._imap.untagged_responses.get("COPYUID"))


class _Count:
    """How many mails the folder has, going by what the server says unasked. Some say EXISTS again and again."""

    def __init__(self, exists: int) -> None:
        self._exists = exists

    def grew(self, answers: Sequence[Any]) -> bool:
        before = False
        for answer in answers:
            match answer:
                case (int(), b"EXPUNGE"):
                    self._exists -= 1
                case (int(number), b"EXISTS"):
                    before, self._exists = before or number > self._exists, number
        return before


def _listen(client: Client, seconds: float, stop: threading.Event, count: _Count) -> bool:
    until = time.monotonic() + seconds
    early = 0
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        slice_, begun = min(left, _IDLE_SLICE), time.monotonic()
        answers = client.idle_check(slice_)
        if count.grew(answers):
            return True
        # On a dead connection idle_check returns at once, for ever (mail.md §1.2 d). Once or twice it may be half a
        # TLS record.
        early = early + 1 if not answers and time.monotonic() - begun < slice_ / 2 else 0
        if early == 3:
            raise TransientError("等待新邮件时连接断开。")
    return False


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


@contextlib.contextmanager
def _refusal_ignored() -> Iterator[None]:
    try:
        yield
    except imaplib.IMAP4.error as error:
        if not refused(error):
            raise
