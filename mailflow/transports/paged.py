"""A mailbox on a server that lists page by page what has changed: Exchange, Microsoft Graph.

Its cursor is a bookmark: the server's own state as of the last page that is committed, and what it would not hand out.
"""

from __future__ import annotations

import abc
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from mailflow.errors import TransientError
from mailflow.transports.base import Batch, Fetched, Known, Place

_MAX_AGAIN = 40_000
"""Characters of what the cursor remembers of refused mails, the newest; reconciliation finds the others."""
_MAX_EMPTY = 100
"""So many pages in a row without a mail: the list has no end."""
TOO_MANY = 3
"""So many new mails that do not come, one after the other, and it is not the mails."""


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
    again: bool = False
    """These are tried again: they were set aside before."""


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
        refused = [Page(dict.fromkeys(at.again), at.state, last=False, again=True)] if at.again else []
        for page in itertools.chain(refused, pages(self._page, at.state)):
            committed = known(self.folder, self.validity, list(page.mails)) if page.mails else set()
            at.settle(committed)
            done = committed.union(before)
            new = {uid: when for uid, when in page.mails.items() if uid not in done}
            for haul in self._hauls(new, again=page.again):
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
    def _hauls(self, mails: Listed, *, again: bool) -> Iterator[Haul]:
        """Fetches them, in pieces of at most 50 mails or 8 MB. `again`: they were set aside before."""
