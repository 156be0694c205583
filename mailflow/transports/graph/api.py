"""Requests to Graph, and what its answers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError
from mailflow.transports import web
from mailflow.transports.base import Tokens
from mailflow.transports.web import Answer
from mailflow.transports.wire import USUAL, Timeouts, words

GLOBAL, CHINA = "https://graph.microsoft.com", "https://microsoftgraph.chinacloudapi.cn"
PAGE = 1000
"""Ids in one answer: the most that a list gives; delta gives what it likes."""
_HEADERS = {"Prefer": f'IdType="ImmutableId", odata.maxpagesize={PAGE}'}
_NEEDS = "应用要有 Mail.ReadWrite 和 Mail.Send 权限并得到管理员同意，而且没有被限制在别的邮箱上"

_NO_MAILBOX = {
    "ErrorInvalidUser": "没有这个邮箱：请检查 url 里的地址",
    "ErrorNonExistentMailbox": "没有这个邮箱：请检查 url 里的地址",
    "ResourceNotFound": "没有这个邮箱：请检查 url 里的地址",
    "Request_ResourceNotFound": "没有这个用户：请检查 url 里的地址和 [oauth.microsoft] 的 tenant",
    "MailboxNotEnabledForRESTAPI": "邮箱已停用、没有许可证，或还在单位自己的 Exchange 上（那里请用 ews://）",
    "MailboxNotSupportedForRESTAPI": "邮箱已停用、没有许可证，或还在单位自己的 Exchange 上（那里请用 ews://）",
}
_FULL = frozenset({"ErrorQuotaExceeded", "ErrorSubmissionQuotaExceeded"})
"""Comes with 403 or 400, and is neither a matter of permission nor of the message."""


class ThrottledError(TransientError):
    """Too many requests, or too much mail for a while or a mailbox: nothing was done."""


class MailboxError(PermanentError):
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


class Api:
    """Requests to Graph, with every failure mapped."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self._client = web.Client(office.timeouts)

    def call(self, doing: str, method: str, url: str, **options: Any) -> Answer:
        """An answer that says yes, or Graph's own 404 or 410. A token that was refused is renewed once."""
        answer = self._asked(doing, method, url, fresh=False, **options)
        if answer.status == 401:
            answer = self._asked(doing, method, url, fresh=True, **options)
        if answer.ok or (answer.status in (404, 410) and code(answer) and code(answer) not in _NO_MAILBOX):
            return answer
        raise _refused(doing, answer)

    def json(self, doing: str, method: str, url: str, **options: Any) -> dict[str, Any]:
        """What a yes says."""
        answer = self.call(doing, method, url, **options)
        if not answer.ok:
            raise PermanentError(f"Graph {doing}失败：{answer.status} {said(answer)}")
        if not isinstance(data := answer.data, dict):
            raise TransientError(f"Graph {doing}：答复不是 JSON，多半是代理的网页：{words(answer.body[:100])}")
        return data

    def _asked(self, doing: str, method: str, url: str, *, fresh: bool, **options: Any) -> Answer:
        # Only to the cloud itself: a link in an answer must not carry the token elsewhere.
        if not url.startswith(f"{self.office.base}/"):
            raise TransientError(f"Graph {doing}：服务器给出的链接不在 {self.office.base}，没有打开。")
        token = self.office.tokens.token(fresh=fresh)
        headers = {**_HEADERS, "Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return self._client.ask(f"Graph {doing}", method, url, headers=headers, **options)

    def close(self) -> None:
        self._client.close()


def _refused(doing: str, answer: Answer) -> MailflowError:
    text = f"Graph {doing}失败：{answer.status} {said(answer)}"
    if answer.status == 429 or code(answer) in _FULL:
        return ThrottledError(text, retry_after=answer.wish)
    if code(answer) in _NO_MAILBOX:
        return MailboxError(f"{text}。{_NO_MAILBOX[code(answer)]}。")
    if answer.status == 401 or (answer.status == 403 and code(answer)):
        return AuthError(f"{text}。{_NEEDS}。")
    if answer.status in (400, 413, 415, 422) and code(answer):
        return PermanentError(text)
    return TransientError(text, retry_after=answer.wish)


# -- what answers say -------------------------------------------------------------------------------------------------


def code(answer: Answer) -> str:
    """Graph's name of what is wrong; "": it is not Graph that speaks."""
    return str(_error(answer).get("code") or "")


def said(answer: Answer) -> str:
    """What is wrong, for people."""
    return words(f"{code(answer)} {_error(answer).get('message', '')}" if code(answer) else answer.body[:300])


def _error(answer: Answer) -> dict[str, Any]:
    error = answer.data.get("error") if isinstance(answer.data, dict) else None
    return error if isinstance(error, dict) else {}


def equal(name: str, value: str) -> str:
    return quote(f"{name} eq '{value.replace(chr(39), chr(39) * 2)}'", safe="")


def step(uid: str) -> str:
    return quote(uid, safe="")


def rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """What is listed; each has an id."""
    found = data.get("value")
    if not isinstance(found, list) or not all(isinstance(r, dict) and isinstance(r.get("id"), str) for r in found):
        raise TransientError("Graph 的答复不认识：没有 value，或里面有东西没有 id。")
    return found


def id_of(data: dict[str, Any]) -> str:
    return str(rows({"value": [data]})[0]["id"])
