"""Microsoft 365 by Graph: a folder as mailbox, and a way out (mail.md §2.1; §8, 12 to 15).

New mail is found by message delta, per folder, with immutable ids; where the cloud has no delta (世纪互联), by the time
of arrival with an overlap. A mail that is gone between listing and fetching is passed by alone. Nothing is retried
here: the caller backs off, by Retry-After where the server wishes so. Only Graph's own words are a no: what a proxy
says, whatever its status, is a disturbance that passes. httpx's exceptions stop here.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import (
    MAX_BATCH_BYTES,
    MAX_BATCH_MAILS,
    Fetched,
    Filing,
    Haul,
    Listed,
    Page,
    PagedMailbox,
    Place,
    Refusal,
    Tokens,
    folder_of,
    wish,
)
from mailflow.transports.wire import USUAL, Timeouts, Watchdog, addressed, why, words

GLOBAL, CHINA = "https://graph.microsoft.com", "https://microsoftgraph.chinacloudapi.cn"
_PAGE = 1000
"""Ids in one answer: the most that a list gives; delta gives what it likes."""
_OVERLAP = timedelta(hours=1)
"""Without delta: mail is listed a little after it was received, and not always in order."""
_HEADERS = {"Prefer": f'IdType="ImmutableId", odata.maxpagesize={_PAGE}'}
_NEEDS = "应用要有 Mail.ReadWrite 和 Mail.Send 权限并得到管理员同意，而且没有被限制在别的邮箱上"

_GONE = frozenset({"ErrorItemNotFound", "ErrorMessageNotFound", "itemNotFound"})
_NO_MAILBOX = {
    "ErrorInvalidUser": "没有这个邮箱：请检查 url 里的地址",
    "ErrorNonExistentMailbox": "没有这个邮箱：请检查 url 里的地址",
    "ResourceNotFound": "没有这个邮箱：请检查 url 里的地址",
    "Request_ResourceNotFound": "没有这个用户：请检查 url 里的地址和 [oauth.microsoft] 的 tenant",
    "MailboxNotEnabledForRESTAPI": "邮箱已停用、没有许可证，或还在单位自己的 Exchange 上（那里请用 ews://）",
    "MailboxNotSupportedForRESTAPI": "邮箱已停用、没有许可证，或还在单位自己的 Exchange 上（那里请用 ews://）",
}
_FULL = frozenset({"ErrorQuotaExceeded", "ErrorSubmissionQuotaExceeded"})
"""Comes with 403, and is no matter of permission."""


class _ThrottledError(TransientError):
    """429: nothing was done."""


class _MailboxError(PermanentError):
    """It is not about this mail: there is no such mailbox."""


@dataclass(frozen=True)
class Office:
    """A mailbox in a cloud.

    Args:
        address: the mailbox.
        base: GLOBAL or CHINA.
        delta: whether this cloud has message delta.
    """

    address: str
    tokens: Tokens
    base: str = GLOBAL
    delta: bool = True
    timeouts: Timeouts = USUAL

    @property
    def root(self) -> str:
        return f"{self.base}/v1.0/users/{quote(self.address, safe='')}"


# -- requests ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def data(self) -> Any:
        """Its JSON; None: it is none, as the page of a proxy is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def _error(self) -> dict[str, Any]:
        error = self.data.get("error") if isinstance(self.data, dict) else None
        return error if isinstance(error, dict) else {}

    @property
    def code(self) -> str:
        """Graph's name of what is wrong; "": it is not Graph that speaks."""
        return str(self._error.get("code") or "")

    @property
    def said(self) -> str:
        return words(f"{self.code} {self._error.get('message', '')}" if self.code else self.body[:300])

    @property
    def wish(self) -> float | None:
        return wish(self.headers.get("Retry-After"), datetime.now(UTC))


class _Api:
    """Requests to Graph, with every failure mapped."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._watchdog = Watchdog()
        self._client: httpx.Client | None = None

    def call(self, doing: str, method: str, url: str, **options: Any) -> _Answer:
        """An answer that says yes, or Graph's own 404 or 410. A token that was refused is renewed once."""
        answer = self._asked(doing, method, url, fresh=False, **options)
        if answer.status == 401:
            answer = self._asked(doing, method, url, fresh=True, **options)
        if answer.ok or (answer.status in (404, 410) and answer.code and answer.code not in _NO_MAILBOX):
            return answer
        raise _refused(doing, answer)

    def json(self, doing: str, method: str, url: str, **options: Any) -> dict[str, Any]:
        """What a yes says."""
        answer = self.call(doing, method, url, **options)
        if not answer.ok:
            raise PermanentError(f"Graph {doing}失败：{answer.status} {answer.said}")
        if not isinstance(data := answer.data, dict):
            raise TransientError(f"Graph {doing}：答复不是 JSON，多半是代理的网页：{words(answer.body[:100])}")
        return data

    def _asked(self, doing: str, method: str, url: str, *, fresh: bool, **options: Any) -> _Answer:
        # Only to the cloud itself: a link in an answer must not carry the token elsewhere.
        if not url.startswith(f"{self.office.base}/"):
            raise TransientError(f"Graph {doing}：服务器给出的链接不在 {self.office.base}，没有打开。")
        token = self.office.tokens.token(fresh=fresh)
        headers = {**_HEADERS, "Authorization": f"Bearer {token}", **options.pop("headers", {})}
        try:
            return self._exchanged(method, url, headers, options)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, LookupError) as error:
            self.close()
            raise TransientError(f"Graph {doing}失败：{why(error)}") from error

    def _exchanged(self, method: str, url: str, headers: dict[str, str], options: dict[str, Any]) -> _Answer:
        """httpx's timeout begins anew with every byte: what trickles is cut off from outside, or when it is slow."""
        timeouts = self.office.timeouts
        if self._client is None:
            self._client = httpx.Client(timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect))
        request = self._client.build_request(method, url, headers=headers, **options)
        request.extensions["trace"] = self._tell_watchdog
        begun = time.monotonic()
        with self._watchdog.deadline(timeouts.for_bytes(len(request.content))):
            answer = self._client.send(request, stream=True)
        body = bytearray()
        with contextlib.closing(answer):
            for chunk in answer.iter_bytes():
                body += chunk
                if time.monotonic() - begun > timeouts.for_bytes(len(request.content) + len(body)):
                    raise TimeoutError(f"{len(body)} bytes in {time.monotonic() - begun:.0f} s")
        return _Answer(answer.status_code, answer.headers, bytes(body))

    def _tell_watchdog(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._watchdog.watch(info["return_value"].get_extra_info("socket"))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _refused(doing: str, answer: _Answer) -> MailflowError:
    text = f"Graph {doing}失败：{answer.status} {answer.said}"
    if answer.status == 429:
        return _ThrottledError(text, retry_after=answer.wish)
    if answer.code in _NO_MAILBOX:
        return _MailboxError(f"{text}。{_NO_MAILBOX[answer.code]}。")
    if answer.status == 401 or (answer.status == 403 and answer.code and answer.code not in _FULL):
        return AuthError(f"{text}。{_NEEDS}。")
    if answer.status in (400, 413, 415, 422) and answer.code:
        return PermanentError(text)
    return TransientError(text, retry_after=answer.wish)


# -- the mailbox ------------------------------------------------------------------------------------------------------


class GraphMailbox(PagedMailbox):
    """A folder of a mailbox in Microsoft 365."""

    validity = "graph"
    """The ids are immutable; re-imported mail has new ones and is known by its content."""

    def __init__(self, name: str, office: Office, folder: str = "INBOX") -> None:
        super().__init__(name, office.root, folder)
        self._office = office
        self._api = _Api(office)
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
        listed = [_time(row) for row in _rows(data)]
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
            except (AuthError, _MailboxError):
                raise
            except PermanentError:
                self._folders.clear()
        return self._api.json("列出邮件", "GET", self._messages(begin))

    def _ids(self, state: str | None) -> Page:
        data = self._api.json("核对邮件", "GET", state or self._messages(f"?$select=id&$top={_PAGE}"))
        link = self._link(data, "nextLink")
        return Page(_mails(data), link, last=not link)

    def _messages(self, query: str) -> str:
        return f"{self._office.root}/mailFolders/{_step(self._folder(self.folder))}/messages{query}"

    def _link(self, data: dict[str, Any], name: str) -> str | None:
        link = data.get(f"@odata.{name}")
        if link is not None and not (isinstance(link, str) and link.startswith(f"{self._office.base}/")):
            raise TransientError(f"Graph 列出邮件：服务器给出的链接不在 {self._office.base}，没有打开。")
        return link

    def _hauls(self, mails: Listed) -> Iterator[Haul]:
        """As they fill up: Graph does not tell sizes beforehand."""
        filling = _Filling()
        for uid, when in mails.items():
            try:
                raw = self._raw(uid)
                received = when or (self._received(uid) if raw else None)
            except MailflowError:
                yield filling.haul()  # each was a request of its own: what has come is not asked for again
                raise
            if filling.has_no_room_for(raw):
                yield filling.haul()
                filling = _Filling()
            if raw and received:
                filling.mails.append(Fetched(self._place(uid), received, raw))
            elif raw is None:
                filling.gone.append(uid)
            else:
                filling.refused.append(uid)
        yield filling.haul()

    def _raw(self, uid: str) -> bytes | None:
        """The mail as Exchange gives it; b"": it is there, and is not handed out; None: it is gone (mail.md §8, 12)."""
        try:
            answer = self._api.call("取邮件", "GET", f"{self._message(uid)}/$value")
        except (AuthError, _MailboxError):
            raise
        except PermanentError:
            return b""
        if not answer.ok:
            return None if answer.code in _GONE else b""
        if "html" in answer.headers.get("Content-Type", ""):
            raise TransientError("Graph 取邮件：答复是网页，不是邮件，多半是代理的。")
        return answer.body

    def _received(self, uid: str) -> datetime:
        answer = self._api.call("取邮件", "GET", f"{self._message(uid)}?$select=receivedDateTime")
        return (_time(answer.data) if isinstance(answer.data, dict) else None) or datetime.now(UTC)

    def _message(self, uid: str) -> str:
        return f"{self._office.root}/messages/{_step(uid)}"

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
        # The id outlives the move: a mail that lies there already was moved before.
        if lies.ok and isinstance(lies.data, dict) and lies.data.get("parentFolderId") != target:
            moved = self._api.call("归档邮件", "POST", f"{url}/move", json={"destinationId": target})
            if not moved.ok and moved.code not in _GONE:
                self._folders.clear()
                raise TransientError(f"Graph 归档邮件失败：{moved.status} {moved.said}")

    def _folder(self, path: str, *, create: bool = False) -> str:
        """The id of a folder by its path; made if `create`."""
        if path not in self._folders:
            self._folders[path] = _folder_id(self._api, path, create=create)
        return self._folders[path]

    # -- the rest ---------------------------------------------------------------------------------------------------

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Graph tells of new mail only to servers that it can reach; so there is the poll."""
        stop.wait(seconds)

    def check(self) -> str:
        url = f"{self._office.root}/mailFolders/{_step(self._folder(self.folder))}"
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


# -- the sender -------------------------------------------------------------------------------------------------------


class GraphSender:
    """Sends as draft and send: the copy in Sent keeps the draft's Message-ID, and can be looked up (mail.md §8, 15)."""

    per_minute = 0
    finds_late = True

    def __init__(self, office: Office) -> None:
        self._office = office
        self._api = _Api(office)

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        """Graph tells nothing of single recipients: who cannot be reached bounces."""
        try:
            self._send(f"{self._office.root}/messages", base64.b64encode(addressed(message, recipients)))
        except _MailboxError as error:
            raise TransientError(str(error)) from error  # no fault of the message, which waits
        return ()

    def _send(self, url: str, mime: bytes) -> None:
        # Without an answer a draft may stay behind, which nobody receives and `find` takes away.
        answer = self._api.call("存草稿", "POST", url, content=mime, headers={"Content-Type": "text/plain"})
        uid = answer.data.get("id") if answer.ok and isinstance(answer.data, dict) else None
        if not isinstance(uid, str):
            raise TransientError(f"Graph 存草稿失败：{answer.status} {answer.said}")
        draft = f"{url}/{_step(uid)}"
        try:
            answer = self._api.call("发送", "POST", f"{draft}/send")
        except (PermanentError, _ThrottledError):
            with contextlib.suppress(MailflowError):
                self._api.call("删除草稿", "DELETE", draft)
            raise
        except TransientError as error:
            raise UnclearError(f"Graph 没有答复发送请求，要查看“已发送”才知道：{error}") from error
        if not answer.ok:
            raise UnclearError(f"Graph 的草稿在发送前不见了：{answer.status} {answer.said}")

    def find(self, message_id: str) -> bool | None:
        """A draft that is still there was not sent; without one the mail may be on its way."""
        url = f"{self._office.root}/messages"
        query = f"?$select=isDraft,parentFolderId&$filter={_equal('internetMessageId', message_id)}"
        found = _rows(self._api.json("查找已发送的邮件", "GET", url + query))
        if not found:
            return None
        drafts = self._api.json("查找已发送的邮件", "GET", f"{self._office.root}/mailFolders/drafts").get("id")
        if any(mail.get("isDraft") is not True or mail.get("parentFolderId") != drafts for mail in found):
            return True  # in the Outbox it is still a draft, and on its way
        for draft in found:
            self._api.call("删除草稿", "DELETE", f"{url}/{_step(draft['id'])}")
        return False

    def check(self) -> str:
        self._api.json("登录", "GET", f"{self._office.root}/mailFolders/drafts")
        return f"已登录 Graph，以 {self._office.address} 的名义发信。"

    def close(self) -> None:
        self._api.close()


# -- folders ----------------------------------------------------------------------------------------------------------


def _folder_id(api: _Api, path: str, *, create: bool) -> str:
    """The folder with this path below the mailbox's top, INBOX by its role."""
    top, names = f"{api.office.root}/mailFolders", path.split("/")
    uid = ""
    if names[0].upper() == "INBOX":
        uid, names = _id(api.json("打开文件夹", "GET", f"{top}/inbox")), names[1:]
    found = _below(api, uid, names)
    if found is None and not create:
        raise PermanentError(f"Graph：邮箱里没有文件夹“{path}”。")
    return found if found is not None else _made(api, uid, names)


def _children(api: _Api, uid: str) -> str:
    top = f"{api.office.root}/mailFolders"
    return f"{top}/{_step(uid)}/childFolders" if uid else top


def _below(api: _Api, uid: str, names: list[str]) -> str | None:
    """The folder at this path below another one, None if there is none. A name may have a "/" in it."""
    if not names:
        return uid
    for count in range(1, len(names) + 1):
        url = f"{_children(api, uid)}?$filter={_equal('displayName', '/'.join(names[:count]))}"
        for row in _rows(api.json("打开文件夹", "GET", url)):
            if found := _below(api, row["id"], names[count:]):
                return found
    return None


def _made(api: _Api, uid: str, names: list[str]) -> str:
    for name in names:
        made = _below(api, uid, [name])
        uid = made or _id(api.json("新建文件夹", "POST", _children(api, uid), json={"displayName": name}))
    return uid


# -- answers ----------------------------------------------------------------------------------------------------------


def _since(when: datetime | None) -> str:
    query = f"?$select=receivedDateTime&$top={_PAGE}&$orderby=receivedDateTime"
    return query if when is None else f"{query}&$filter={quote(f'receivedDateTime ge {_stamp(when)}', safe='')}"


def _equal(name: str, value: str) -> str:
    return quote(f"{name} eq '{value.replace(chr(39), chr(39) * 2)}'", safe="")


def _step(uid: str) -> str:
    return quote(uid, safe="")


def _rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What is listed; each has an id."""
    rows = data.get("value")
    if not isinstance(rows, list) or not all(isinstance(r, dict) and isinstance(r.get("id"), str) for r in rows):
        raise TransientError("Graph 的答复不认识：没有 value，或里面有东西没有 id。")
    return rows


def _id(data: dict[str, Any]) -> str:
    return str(_rows({"value": [data]})[0]["id"])


def _mails(data: dict[str, Any]) -> Listed:
    """Each id once, although a page may name it twice; what was removed is nobody's loss here."""
    now = datetime.now(UTC)  # a mail without a time is here since now at the latest
    found = {row["id"]: _time(row) or now for row in _rows(data) if "@removed" not in row}
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
