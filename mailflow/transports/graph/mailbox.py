"""A folder of a mailbox in Microsoft 365 as a mailbox of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError
from mailflow.transports.base import MAX_BATCH_BYTES, MAX_BATCH_MAILS, Fetched, Filing, Place, folder_of
from mailflow.transports.graph.api import PAGE, Api, MailboxError, Office, ThrottledError, code, rows, said, step
from mailflow.transports.graph.folders import folder_id
from mailflow.transports.paged import TOO_MANY, Haul, Listed, Page, PagedMailbox

_OVERLAP = timedelta(hours=1)
"""Without delta: mail is listed a little after it was received, and not always in order."""
_GONE = frozenset({"ErrorItemNotFound", "ErrorMessageNotFound", "itemNotFound"})


class GraphMailbox(PagedMailbox):
    """A folder of a mailbox in Microsoft 365."""

    validity = "graph"
    """The ids are immutable; re-imported mail has new ones and is known by its content."""

    def __init__(self, name: str, office: Office, folder: str = "INBOX") -> None:
        super().__init__(name, office.root, folder)
        self._office = office
        self._api = Api(office)
        self._folders: dict[str, str] = {}

    # -- reading ----------------------------------------------------------------------------------------------------

    def _page(self, state: str | None) -> Page:
        return self._changed(state) if self._office.delta else self._arrived(state)

    def _changed(self, state: str | None) -> Page:
        """By delta. `state`: a link of the server's, to the next page or to what will have changed."""
        data = self._told(state, "/delta?$select=receivedDateTime&changeType=created")
        more, done = self._link(data, "nextLink"), self._link(data, "deltaLink")
        if not (more or done):
            raise TransientError("Graph 列出邮件：答复里没有下一步的链接。")
        return Page(_mails(data), more or done, last=not more)

    def _arrived(self, state: str | None) -> Page:
        """By time of arrival. `state`: where to go on, a query of ours or a link of the server's.

        From page to page by time, not by the server's links, which count: when somebody deletes a mail that was listed,
        they leave out another one. Only among mails with one time, or out of order, are the links what there is.
        """
        data = self._told(state, _since(None))
        mails, link = _mails(data), self._link(data, "nextLink")
        listed = [_time(row) for row in rows(data)]
        times = [when for when in listed if when is not None]
        if not link:
            # A wrong clock that gave a mail a time to come must not hide what comes before then.
            newest = min(max(times), datetime.now(UTC)) - _OVERLAP if times else None
            anew = None if "skip" in (state or "") else state
            return Page(mails, self._messages(_since(newest)) if newest else anew, last=True)
        if times and times == sorted(times) and len(times) == len(listed) and times[0] < times[-1]:
            follows = self._messages(_since(times[-1]))
            link = follows if follows != state else link
        return Page(mails, link, last=False)

    def _told(self, state: str | None, begin: str) -> dict[str, Any]:
        """What the server says to `state`. One that it does not know any more, or a folder that is another one now,
        means that all is listed anew; what is committed is known (mail.md §8, 12)."""
        if state:
            try:
                return self._api.json("列出邮件", "GET", state)
            except (AuthError, MailboxError):
                raise
            except PermanentError:
                self._folders.clear()
        return self._api.json("列出邮件", "GET", self._messages(begin))

    def _ids(self, state: str | None) -> Page:
        data = self._api.json("核对邮件", "GET", state or self._messages(f"?$select=id&$top={PAGE}"))
        link = self._link(data, "nextLink")
        return Page(_mails(data), link, last=not link)

    def _messages(self, query: str) -> str:
        return f"{self._office.root}/mailFolders/{step(self._folder(self.folder))}/messages{query}"

    def _link(self, data: dict[str, Any], name: str) -> str | None:
        link = data.get(f"@odata.{name}")
        if link is not None and not (isinstance(link, str) and link.startswith(f"{self._office.base}/")):
            raise TransientError(f"Graph 列出邮件：服务器给出的链接不在 {self._office.base}，没有打开。")
        return link

    def _hauls(self, mails: Listed, *, again: bool) -> Iterator[Haul]:
        """As they fill up: Graph does not tell sizes beforehand."""
        filling, stumbled = _Filling(), list[str]()
        try:
            for uid, when in mails.items():
                raw = self._content(uid)
                if isinstance(raw, TransientError):
                    stumbled.append(uid)
                    if len(stumbled) == TOO_MANY and not again:
                        raise raw  # it is not the mails
                    continue
                received = when or (self._received(uid) if raw else None)
                if filling.has_no_room_for(raw):
                    yield filling.haul()
                    filling = _Filling()
                filling.refused += stumbled
                stumbled.clear()
                if raw and received:
                    filling.mails.append(Fetched(self._place(uid), received, raw))
                elif raw is None:
                    filling.gone.append(uid)
                else:
                    filling.refused.append(uid)
        except MailflowError:
            yield filling.haul()  # each was a request of its own: what has come is not asked for again
            raise
        filling.refused += stumbled
        yield filling.haul()

    def _content(self, uid: str) -> bytes | TransientError | None:
        """As `_raw`; the error, where the server stumbles over this mail, or a proxy withholds it: that must not hold
        up the others (promise 7)."""
        found = self._stumbling(uid)
        return self._stumbling(uid) if isinstance(found, TransientError) else found

    def _stumbling(self, uid: str) -> bytes | TransientError | None:
        try:
            return self._raw(uid)
        except TransientError as error:
            if isinstance(error, ThrottledError) or error.retry_after is not None:
                raise
            self._received(uid)  # the server is well, or this raises
            return error

    def _raw(self, uid: str) -> bytes | None:
        """The mail as Exchange gives it; b"": it is there, and is not handed out; None: it is gone (mail.md §8, 12)."""
        try:
            answer = self._api.call("取邮件", "GET", f"{self._message(uid)}/$value")
        except (AuthError, MailboxError):
            raise
        except PermanentError:
            return b""
        if not answer.ok:
            return None if code(answer) in _GONE else b""
        if "html" in answer.headers.get("Content-Type", ""):
            raise TransientError("Graph 取邮件：答复是网页，不是邮件，多半是代理的。")
        return answer.body

    def _received(self, uid: str) -> datetime:
        answer = self._api.call("取邮件", "GET", f"{self._message(uid)}?$select=receivedDateTime")
        if not isinstance(answer.data, dict):
            raise TransientError("Graph 取邮件：答复不是 JSON，多半是代理的网页。")
        return _time(answer.data) or datetime.now(UTC)

    def _message(self, uid: str) -> str:
        return f"{self._office.root}/messages/{step(uid)}"

    # -- filing -----------------------------------------------------------------------------------------------------

    def file(self, place: Place, action: Filing) -> None:
        folder = folder_of(action, self.name)
        if not self._holds(place):
            return
        url = self._message(place.uid)
        if folder is None:
            self._api.call("归档邮件", "PATCH", url, json={"isRead": True})
            return
        target = self._folder(folder, create=True)
        lies = self._api.call("归档邮件", "GET", f"{url}?$select=parentFolderId")
        # The id outlives moves: what lies elsewhere was moved before, or by a person, who may have thrown it away.
        if lies.ok and isinstance(lies.data, dict) and lies.data.get("parentFolderId") == self._folder(self.folder):
            moved = self._api.call("归档邮件", "POST", f"{url}/move", json={"destinationId": target})
            if not moved.ok and code(moved) not in _GONE:
                self._folders.clear()
                raise TransientError(f"Graph 归档邮件失败：{moved.status} {said(moved)}")

    def _folder(self, path: str, *, create: bool = False) -> str:
        """The id of a folder by its path; made if `create`."""
        if path not in self._folders:
            self._folders[path] = folder_id(self._api, path, create=create)
        return self._folders[path]

    # -- the rest ---------------------------------------------------------------------------------------------------

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Graph tells of new mail only to servers that it can reach; so there is the poll."""
        stop.wait(seconds)

    def check(self) -> str:
        url = f"{self._office.root}/mailFolders/{step(self._folder(self.folder))}"
        data = self._api.json("登录", "GET", url)
        return (
            f"已登录 Graph（{self._office.address}），文件夹“{self.folder}”中现有 {data.get('totalItemCount')} 封邮件。"
        )

    def close(self) -> None:
        self._api.close()


@dataclass
class _Filling:
    mails: list[Fetched] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def has_no_room_for(self, raw: bytes | None) -> bool:
        size = sum(len(mail.raw) for mail in self.mails) + len(raw or b"")
        return bool(self.mails) and bool(raw) and (len(self.mails) == MAX_BATCH_MAILS or size > MAX_BATCH_BYTES)

    def haul(self) -> Haul:
        uids = [*(mail.place.uid for mail in self.mails), *self.gone, *self.refused]
        return Haul(uids, tuple(self.mails), len(self.gone), tuple(self.refused))


def _since(when: datetime | None) -> str:
    query = f"?$select=receivedDateTime&$top={PAGE}&$orderby=receivedDateTime"
    return query if when is None else f"{query}&$filter={quote(f'receivedDateTime ge {_stamp(when)}', safe='')}"


def _mails(data: dict[str, Any]) -> Listed:
    """Each id once, although a page may name it twice; what was removed is nobody's loss here."""
    now = datetime.now(UTC)  # a mail without a time is here since now at the latest
    found = {row["id"]: _time(row) or now for row in rows(data) if "@removed" not in row}
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def _time(row: dict[str, Any]) -> datetime | None:
    """The server's time of arrival."""
    try:
        when = datetime.fromisoformat(str(row.get("receivedDateTime")).replace("Z", "+00:00"))
        return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
