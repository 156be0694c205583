"""What a mailbox and a sender can do. Transports know bytes, but no Message and no store.

A mailbox hands out batches with an opaque cursor; whoever calls commits the batch and its cursor in one transaction
and only then asks for the next one (promise 1). Exceptions: TransientError, PermanentError, AuthError only; the
libraries' own never leave a transport module.
"""

from __future__ import annotations

import abc
import itertools
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar, Literal, Protocol, TypeVar

from mailflow.errors import PermanentError, TransientError

K = TypeVar("K")

MAX_BATCH_MAILS = 50
MAX_BATCH_BYTES = 8 * 1024 * 1024
"""A mail larger than this is a batch of its own (mail.md §1.3)."""


@dataclass(frozen=True)
class Place:
    """Where a mail lies on the server: unique together with the mailbox's name."""

    folder: str
    uidvalidity: str
    uid: str


@dataclass(frozen=True)
class Fetched:
    """A mail as the server gave it. `received` is the server's time (aware), never the Date header's."""

    place: Place
    received: datetime
    raw: bytes


@dataclass(frozen=True)
class Batch:
    """At most 50 mails or 8 MB, in the server's order. `cursor` is right once the batch is committed."""

    mails: tuple[Fetched, ...]
    cursor: str
    """Opaque to everybody but the transport; text, below 64 kB."""
    vanished: int = 0
    """Listed, but gone when fetched (expunged elsewhere): never an empty mail."""
    unreadable: tuple[str, ...] = ()
    """UIDs that are there and that the server, or the disk, does not hand out. They hold up nothing and are tried
    again with every `batches()`; each time that fails they are named again."""


def grouped(sizes: Mapping[K, int]) -> Iterator[list[K]]:
    """What to fetch together, by size in bytes: at most 50 mails or 8 MB; a larger mail stands alone."""
    group: list[K] = []
    total = 0
    for key, size in sizes.items():
        if group and (len(group) == MAX_BATCH_MAILS or total + size > MAX_BATCH_BYTES):
            yield group
            group, total = [], 0
        group.append(key)
        total += size
    if group:
        yield group


Known = Callable[[str, str, Sequence[str]], set[str]]
"""known(folder, uidvalidity, uids) -> those of `uids` that are committed already."""

Filing = Literal["seen"] | str
"""What to do with a mail after its commit: "seen", or "move:FOLDER"."""


def folder_of(action: Filing, mailbox: str) -> str | None:
    """Where a mail is to be moved; None: it is only to be flagged. PermanentError for any other way of filing."""
    verb, _, folder = action.partition(":")
    if action == "seen":
        return None
    if verb != "move" or not folder:
        raise PermanentError(f"邮箱“{mailbox}”不认识归档方式“{action}”。")
    return folder


class Tokens(Protocol):
    """Where access tokens come from."""

    def token(self, *, fresh: bool = False) -> str:
        """A token that is good for some minutes. `fresh`: the last one was refused. AuthError, TransientError."""


class Mailbox(Protocol):
    """A mailbox that is read. One thread uses it; after any exception it is closed and made anew by the caller."""

    name: str

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        """New mail since `cursor` (None: everything), oldest first. A batch may be empty with a newer cursor: where a
        long list is read page by page, a cut does not begin it anew.

        A changed UIDVALIDITY reads everything again; identity by content makes that harmless.
        """

    def file(self, place: Place, action: Filing) -> None:
        """Flags or moves a committed mail. Harmless when repeated, or when the mail is gone."""

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Waits for new mail, at most `seconds`; returns early when there may be some, or when `stop` is set."""

    def check(self) -> str:
        """Logs in and opens the folder. Returns a Chinese sentence on what was found; raises what is wrong."""

    def uids(self) -> tuple[str, str, set[str]]:
        """(folder, uidvalidity, all UIDs the server has now), for reconciliation (promise 3)."""

    def close(self) -> None:
        """Gives the connection up; never raises."""


@dataclass(frozen=True)
class Refusal:
    """What a server said about one recipient. `permanent`: 5xx, not to be tried again."""

    recipient: str
    code: int
    text: str
    permanent: bool


class Sender(Protocol):
    """A way out for finished messages. One thread uses it."""

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        """Hands over one message with CRLF line ends. Returns the recipients that were refused, () if none.

        Raises TransientError or PermanentError when nobody was accepted, UnclearError when the answer was lost.
        """

    def find(self, message_id: str) -> bool | None:
        """Whether a message with this Message-ID has gone out already; None: this sender cannot tell."""

    @property
    def finds_late(self) -> bool:
        """Whether `find` may find minutes later what it does not find now: some servers are slow to file what they
        have sent."""

    @property
    def per_minute(self) -> int:
        """So many messages the server takes in a minute; 0: any number. The outbox sees to it."""

    def check(self) -> str:
        """Connects and logs in, sends nothing. Returns a Chinese sentence; raises what is wrong."""

    def close(self) -> None: ...


# -- servers that list what has changed page by page (Exchange, Graph) ------------------------------------------------

_MAX_AGAIN = 40_000
"""Characters of what the cursor remembers of refused mails, the newest; reconciliation finds the others."""
_MAX_EMPTY = 100
"""So many pages in a row without a mail: the list has no end."""
_LONGEST_WISH = 24 * 3600.0


def wish(retry_after: object, now: datetime) -> float | None:
    """Retry-After in seconds: a number, or a date (RFC 9110 §10.2.3); at most a day. None: it says nothing."""
    text = str(retry_after or "").strip()
    try:
        seconds = float(text) if text[:1].isdigit() and "," not in text else _until(text, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WISH)


def _until(date: str, now: datetime) -> float:
    when = parsedate_to_datetime(date)
    return (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds()


@dataclass
class Bookmark:
    """The cursor of a mailbox that is listed page by page.

    `whose`: the mailbox and folder that the state belongs to. `state`: the server's own, as of the last page that is
    committed; None: from the start. `again`: what the server would not hand out.
    """

    whose: str
    state: str | None = None
    again: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str | None, whose: str) -> Bookmark:
        """One of another folder or transport, or one that cannot be read, means nothing: all is listed anew."""
        try:
            data = json.loads(text or "{}")
            state, again = data.get("state"), data.get("again", [])
        except (ValueError, AttributeError):
            return cls(whose)
        known = isinstance(state, str) and isinstance(again, list) and all(isinstance(uid, str) for uid in again)
        return cls(whose, state, again) if known and data.get("of") == whose else cls(whose)

    def settle(self, uids: Collection[str], refused: Sequence[str] = ()) -> None:
        """These are dealt with; the refused among them are to be tried again."""
        left = [*(uid for uid in self.again if uid not in uids), *refused]
        sizes = itertools.accumulate(len(uid) for uid in reversed(left))
        room = sum(size <= _MAX_AGAIN for size in sizes)
        self.again = left[len(left) - room :]

    def __str__(self) -> str:
        data = {"of": self.whose, "state": self.state} | ({"again": self.again} if self.again else {})
        return json.dumps(data, ensure_ascii=False)


Listed = dict[str, datetime | None]
"""Time of arrival by UID, where the list tells it; oldest first."""


@dataclass(frozen=True)
class Page:
    """What a server lists at once. `state`: where the next page begins, or after the last the next change."""

    mails: Listed
    state: str | None
    last: bool


@dataclass(frozen=True)
class Haul:
    """What came of some listed mails: `uids`, of which some have vanished and some were refused."""

    uids: Collection[str]
    mails: tuple[Fetched, ...]
    vanished: int = 0
    refused: tuple[str, ...] = ()


def pages(ask: Callable[[str | None], Page], state: str | None, *, stubborn: bool = False) -> Iterator[Page]:
    """The pages from `state` on. A list that has no end is a TransientError, and the next time it begins anew.

    `stubborn`: a page that fails is asked for once more when the one before came, so that a long list is not begun
    anew at every cut.
    """
    seen: set[str | None] = {state}
    empty = 0
    while True:
        page = _asked_again(ask, state) if stubborn and len(seen) > 1 else ask(state)
        yield page
        if page.last:
            return
        state, empty = page.state, 0 if page.mails else empty + 1
        if state in seen or empty > _MAX_EMPTY:
            yield Page({}, None, last=False)
            raise TransientError("服务器给出的邮件列表没有尽头，下次从头列出。")
        seen.add(state)


def _asked_again(ask: Callable[[str | None], Page], state: str | None) -> Page:
    try:
        return ask(state)
    except TransientError as error:
        if error.retry_after:
            raise
        return ask(state)


class PagedMailbox(abc.ABC):
    """A mailbox whose server lists page by page what has changed, with a state after each page.

    Within a page the cursor stays that of the page before, so that a kill in its midst lists it again; what is
    committed of it is known. The end of a page may come again at the beginning of the next one.
    """

    validity: ClassVar[str]
    """These servers have no UIDVALIDITY: they never give an id twice."""

    def __init__(self, name: str, address: str, folder: str) -> None:
        self.name = name
        self.folder = folder
        self._whose = f"{self.validity}:{address}/{folder}"

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        at = Bookmark.parse(cursor, self._whose)
        told = cursor
        before: Collection[str] = ()
        refused = [Page(dict.fromkeys(at.again), at.state, last=False)] if at.again else []
        for page in itertools.chain(refused, pages(self._page, at.state)):
            committed = known(self.folder, self.validity, list(page.mails)) if page.mails else set()
            at.settle(committed)
            done = committed.union(before)
            for haul in self._hauls({uid: when for uid, when in page.mails.items() if uid not in done}):
                at.settle(haul.uids, haul.refused)
                if haul.uids:
                    told = str(at)
                    yield Batch(haul.mails, told, haul.vanished, haul.refused)
            at.state, before = page.state, page.mails.keys()
            if str(at) != told:
                told = str(at)
                yield Batch((), told)

    def uids(self) -> tuple[str, str, set[str]]:
        found = {uid for page in pages(self._ids, None, stubborn=True) for uid in page.mails}
        return self.folder, self.validity, found

    def _place(self, uid: str) -> Place:
        return Place(self.folder, self.validity, uid)

    def _holds(self, place: Place) -> bool:
        """Whether `place` is one of this mailbox's."""
        return (place.folder, place.uidvalidity) == (self.folder, self.validity)

    @abc.abstractmethod
    def _page(self, state: str | None) -> Page:
        """What has changed since `state`; a state that the server no longer knows begins anew."""

    def _ids(self, state: str | None) -> Page:
        """The same, when only the UIDs are wanted, of all mails."""
        return self._page(state)

    @abc.abstractmethod
    def _hauls(self, mails: Listed) -> Iterator[Haul]:
        """Fetches them, in pieces of at most 50 mails or 8 MB."""
