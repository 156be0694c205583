"""A folder on an Exchange server as a mailbox (mail.md §8, 12, 13)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from exchangelib import errors as ews

from mailflow.errors import TransientError
from mailflow.transports.base import Fetched, Filing, Place, folder_of, grouped
from mailflow.transports.ews.connection import Connection, Login, product
from mailflow.transports.ews.ear import Ear
from mailflow.transports.ews.folders import folder_at
from mailflow.transports.ews.items import NOT_THE_ITEM, Got, Item, changes, got, mark_seen, move
from mailflow.transports.paged import TOO_MANY, Haul, Listed, Page, PagedMailbox

_FACTS_AT_ONCE = 100
_AT_ONCE = 10
"""MIME of so many mails in one answer: it comes as base64 in XML, and takes three times its size (mail.md §3)."""
_LOOK = 0.5


class EwsMailbox(PagedMailbox):
    """A folder on an Exchange server."""

    validity = "ews"

    def __init__(self, name: str, login: Login, folder: str = "INBOX") -> None:
        super().__init__(name, login.address, folder)
        self._connection = Connection(login)
        self._login = login
        self._ear = Ear(login, folder)

    def _page(self, state: str | None) -> Page:
        with self._connection.doing("列出邮件") as account:
            folder = self._connection.folder(account, self.folder)
            try:
                return changes(account, folder, state)
            except (ews.ErrorInvalidSyncStateData, ews.ErrorSyncFolderNotFound):
                if state is None:
                    raise
                # All is listed anew; what is committed is known (mail.md §8, 12).
                return changes(account, folder, None)

    def _hauls(self, mails: Listed, *, again: bool) -> Iterator[Haul]:
        if not mails:
            return
        found = self._facts(list(mails))
        facts = {uid: one for uid, one in found.items() if isinstance(one, Item)}
        yield self._haul({uid: one for uid, one in found.items() if uid not in facts})
        facts = dict(sorted(facts.items(), key=lambda fact: fact[1].received))
        for group in grouped({uid: fact.size for uid, fact in facts.items()}):
            yield self._haul(self._bodies(group, facts, again=again), facts)

    def _facts(self, uids: list[str]) -> Got:
        return self._sound(self._got(uids, ["size", "datetime_received"], _FACTS_AT_ONCE))

    def _bodies(self, uids: list[str], facts: Mapping[str, Item], *, again: bool) -> Got:
        try:
            found = self._contents(uids, facts)
        except TransientError as error:
            found = self._one_by_one(uids, facts, error, again=again)
        return self._sound(found)

    def _one_by_one(self, uids: list[str], facts: Mapping[str, Item], error: TransientError, *, again: bool) -> Got:
        """A mail at which the server stumbles, or that a proxy withholds, must not hold up the others (promise 7)."""
        self._see_that_the_server_is_well(uids, error)
        found = {uid: self._alone(uid, facts) for uid in uids}
        if not again and len(found) >= TOO_MANY and all(isinstance(one, TransientError) for one in found.values()):
            raise error  # it is not the mails
        return found

    def _alone(self, uid: str, facts: Mapping[str, Item]) -> Item | Exception:
        try:
            return self._contents([uid], facts)[uid]
        except TransientError as error:
            self._see_that_the_server_is_well([uid], error)
            return error

    def _see_that_the_server_is_well(self, uids: list[str], error: TransientError) -> None:
        """Otherwise what is wrong with it is raised."""
        if error.retry_after is not None:
            raise error
        self._facts(uids)

    def _contents(self, uids: list[str], facts: Mapping[str, Item]) -> Got:
        return self._got(uids, ["mime_content"], _AT_ONCE, sum(facts[uid].size for uid in uids))

    def _got(self, uids: list[str], fields: Sequence[str], at_once: int, size: int = 0) -> Got:
        with self._connection.doing("取邮件", size) as account:
            return got(account, uids, fields, at_once)

    def _sound(self, found: Got) -> Got:
        if trouble := [one for one in found.values() if isinstance(one, NOT_THE_ITEM)]:
            raise self._login.mapped("取邮件", trouble[0])
        return found

    def _haul(self, found: Got, facts: Mapping[str, Item] = MappingProxyType({})) -> Haul:
        """One item that Exchange cannot convert is set aside alone (mail.md §8, 13)."""
        gone = [uid for uid, one in found.items() if isinstance(one, ews.ErrorItemNotFound)]
        bodies = {uid: one.mime for uid, one in found.items() if isinstance(one, Item) and one.mime}
        refused = tuple(uid for uid in found if uid not in gone and uid not in bodies)
        mails = tuple(Fetched(self._place(uid), facts[uid].received, mime) for uid, mime in bodies.items())
        return Haul(found.keys(), mails, len(gone), refused)

    # -- filing -----------------------------------------------------------------------------------------------------

    def file(self, place: Place, action: Filing) -> None:
        folder = folder_of(action, self.name)
        if not self._holds(place):
            return
        with self._connection.doing("归档邮件") as account:
            if folder is None:
                mark_seen(account, place.uid)
            else:
                move(account, place.uid, folder)

    # -- waiting ----------------------------------------------------------------------------------------------------

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self._ear.listen()
        until = time.monotonic() + seconds
        while not stop.is_set() and (left := until - time.monotonic()) > 0:
            if self._ear.heard.wait(min(left, _LOOK)):
                self._ear.heard.clear()
                return

    def check(self) -> str:
        with self._connection.doing("登录") as account:
            folder = folder_at(account, self.folder)
            folder.refresh()
            version = product(account)
        return (
            f"已登录 {self._login.host}（{self._login.user}，{version}），"
            f"文件夹“{self.folder}”中现有 {folder.total_count} 封邮件。"
        )

    def close(self) -> None:
        self._ear.close()
        self._connection.close()
