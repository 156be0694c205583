"""A mailbox and a sender in memory. They keep the contracts of contract.py and sender_contract.py, so other tests
may trust them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailflow.core.address import ascii_form, is_address, is_plain
from mailflow.errors import PermanentError, TransientError, UnclearError
from mailflow.transports.base import MAX_BATCH_BYTES, MAX_BATCH_MAILS, Batch, Fetched, Filing, Known, Place, Refusal
from mailflow.transports.wire import crlf


@dataclass
class MemoryServer:
    """What outlives a mailbox object: the mails of INBOX by UID, and what was moved away or seen."""

    uidvalidity: int = 1
    mails: dict[int, tuple[datetime, bytes]] = field(default_factory=dict)
    moved: dict[str, list[bytes]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    uidnext: int = 1
    arrived: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    """Raised by whatever is asked next, and on, until taken away."""
    fixed: set[int] = field(default_factory=set)
    """Mails that may be neither flagged nor moved."""

    def deliver(self, raw: bytes, when: datetime | None = None) -> int:
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.mails[uid] = (when or datetime.now(UTC), raw)
        self.arrived.set()
        return uid

    def renumber(self) -> None:
        """A new UIDVALIDITY."""
        mails = [self.mails[uid] for uid in sorted(self.mails)]
        self.uidvalidity += 1
        self.mails = dict(enumerate(mails, start=1))
        self.uidnext = len(mails) + 1
        self.seen.clear()


class MemoryMailbox:
    folder = "INBOX"

    def __init__(self, name: str, server: MemoryServer) -> None:
        self.name = name
        self.server = server

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        self._fail()
        validity = str(self.server.uidvalidity)
        last = _uid(cursor, validity)
        listed = [str(uid) for uid in sorted(self.server.mails) if uid > last]
        committed = known(self.folder, validity, listed)
        for group in self._grouped([int(uid) for uid in listed if uid not in committed]):
            self._fail()
            there = [uid for uid in group if uid in self.server.mails]
            mails = tuple(Fetched(Place(self.folder, validity, str(uid)), *self.server.mails[uid]) for uid in there)
            yield Batch(mails, json.dumps([validity, group[-1]]), len(group) - len(there))
        if listed and listed[-1] in committed:
            yield Batch((), json.dumps([validity, int(listed[-1])]))

    def _grouped(self, uids: list[int]) -> Iterator[list[int]]:
        group: list[int] = []
        size = 0
        sizes = {uid: len(self.server.mails[uid][1]) for uid in uids}
        for uid in uids:
            if group and (len(group) == MAX_BATCH_MAILS or size + sizes[uid] > MAX_BATCH_BYTES):
                yield group
                group, size = [], 0
            group.append(uid)
            size += sizes[uid]
        if group:
            yield group

    def file(self, place: Place, action: Filing) -> None:
        self._fail()
        verb, _, folder = action.partition(":")
        if action != "seen" and (verb != "move" or not folder):
            raise PermanentError(f"邮箱“{self.name}”不认识归档方式“{action}”。")
        uid = int(place.uid)
        if place.uidvalidity != str(self.server.uidvalidity) or uid not in self.server.mails:
            return
        if uid in self.server.fixed:
            raise PermanentError(f"邮件 {uid} 不能动")
        if action == "seen":
            self.server.seen.add(uid)
        else:
            self.server.moved.setdefault(folder, []).append(self.server.mails.pop(uid)[1])

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self._fail()
        waited = 0.0
        while waited < seconds and not stop.is_set() and not self.server.arrived.wait(0.05):
            waited += 0.05
        self.server.arrived.clear()

    def check(self) -> str:
        self._fail()
        return f"内存邮箱中现有 {len(self.server.mails)} 封邮件。"

    def uids(self) -> tuple[str, str, set[str]]:
        self._fail()
        return self.folder, str(self.server.uidvalidity), {str(uid) for uid in self.server.mails}

    def close(self) -> None:
        """Nothing is held open."""

    def _fail(self) -> None:
        if self.server.failure is not None:
            raise self.server.failure


@dataclass
class MemoryPost:
    """What outlives a sender: the messages that it took, each with those who got it."""

    messages: list[tuple[bytes, tuple[str, ...]]] = field(default_factory=list)
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What is said of an address."""
    failure: Exception | None = None
    """Raised by whatever is asked next, and on, until taken away."""
    put_off: bool = False
    """The next message is refused for now."""
    lost: bool = False
    """The next message is taken, and the answer lost."""


class MemorySender:
    per_minute = 0
    finds_late = False

    def __init__(self, post: MemoryPost) -> None:
        self.post = post

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        self.check()
        refusals = tuple(refusal for refusal in map(self._refusal, recipients) if refusal)
        if len(refusals) == len(recipients):
            text = "；".join(f"{refusal.recipient} {refusal.code}" for refusal in refusals)
            raise (PermanentError if all(refusal.permanent for refusal in refusals) else TransientError)(text)
        if self.post.put_off:
            self.post.put_off = False
            raise TransientError("451")
        none = {refusal.recipient for refusal in refusals}
        self.post.messages.append((crlf(message), tuple(ascii_form(one) for one in recipients if one not in none)))
        if self.post.lost:
            self.post.lost = False
            raise UnclearError("lost")
        return refusals

    def _refusal(self, recipient: str) -> Refusal | None:
        if not is_plain(recipient):
            return Refusal(recipient, 553, "SMTPUTF8" if is_address(recipient) else "地址不能使用", permanent=True)
        code, text = self.post.refused.get(recipient, (250, ""))
        return Refusal(recipient, code, text, code >= 500) if code >= 400 else None

    def find(self, message_id: str) -> bool | None:
        return any(f"\r\nMessage-ID: {message_id}\r\n".encode() in raw for raw, _ in self.post.messages)

    def check(self) -> str:
        if self.post.failure is not None:
            raise self.post.failure
        return "内存里的发件箱，什么也不寄出。"

    def close(self) -> None: ...


def _uid(cursor: str | None, validity: str) -> int:
    """Up to where it was read; 0: the cursor means nothing."""
    try:
        told, last = json.loads(cursor or "")
    except (ValueError, TypeError):
        return 0
    return last if told == validity and isinstance(last, int) else 0
