"""A way out by Microsoft 365."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from typing import Any

from mailflow.errors import MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import Refusal
from mailflow.transports.graph.api import Api, MailboxError, Office, ThrottledError, equal, id_of, rows, said, step
from mailflow.transports.wire import addressed, message_id


class GraphSender:
    """Sends as draft and send: the copy in Sent keeps the draft's Message-ID, and can be looked up (mail.md §8, 15)."""

    per_minute = 0
    finds_late = True

    def __init__(self, office: Office) -> None:
        self._office = office
        self._api = Api(office)

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        """Graph tells nothing of single recipients: who cannot be reached bounces."""
        mime = addressed(message, recipients)
        try:
            # Of a draft that nobody answered: later, when this message has gone and is looked up, it would say no.
            with contextlib.suppress(PermanentError):
                self._take_away(self._found(f"{self._office.root}/mailFolders/drafts/messages", message_id(mime)))
            self._send(base64.b64encode(mime))
        except MailboxError as error:
            raise TransientError(str(error)) from error  # no fault of the message, which waits
        return ()

    def _send(self, mime: bytes) -> None:
        headers = {"Content-Type": "text/plain"}
        answer = self._api.call("存草稿", "POST", self._messages, content=mime, headers=headers)
        uid = answer.data.get("id") if answer.ok and isinstance(answer.data, dict) else None
        if not isinstance(uid, str):
            raise TransientError(f"Graph 存草稿失败：{answer.status} {said(answer)}")
        try:
            answer = self._api.call("发送", "POST", f"{self._messages}/{step(uid)}/send")
        except (PermanentError, ThrottledError):
            with contextlib.suppress(MailflowError):
                self._take_away([{"id": uid}])
            raise
        except TransientError as error:
            raise UnclearError(f"Graph 没有答复发送请求，要查看“已发送”才知道：{error}") from error
        if not answer.ok:
            raise UnclearError(f"Graph 的草稿在发送前不见了：{answer.status} {said(answer)}")

    def find(self, message_id: str) -> bool | None:
        """A draft that is still there was not sent, whoever has moved it; without one the mail may be on its way."""
        found = self._found(self._messages, message_id)
        if not found:
            return None
        outbox = id_of(self._api.json("查找已发送的邮件", "GET", f"{self._office.root}/mailFolders/outbox"))
        if any(not draft["isDraft"] or draft["parentFolderId"] == outbox for draft in found):
            return True  # in the Outbox it is still a draft, and on its way
        return False if self._take_away(found) else None

    def _found(self, messages: str, message_id: str) -> list[dict[str, Any]]:
        query = f"?$select=isDraft,parentFolderId&$filter={equal('internetMessageId', message_id)}"
        found = rows(self._api.json("查找已发送的邮件", "GET", messages + query)) if message_id else []
        if not all(isinstance(m.get("isDraft"), bool) and isinstance(m.get("parentFolderId"), str) for m in found):
            raise TransientError("Graph 查找已发送的邮件：答复里没有说是不是草稿，或在哪个文件夹。")
        return found

    def _take_away(self, drafts: list[dict[str, Any]]) -> bool:
        """Whether all were there to be taken."""
        urls = [f"{self._messages}/{step(draft['id'])}" for draft in drafts]
        answers = [self._api.call("删除草稿", "DELETE", url) for url in urls]
        return all(answer.ok for answer in answers)

    @property
    def _messages(self) -> str:
        return f"{self._office.root}/messages"

    def check(self) -> str:
        self._api.json("登录", "GET", f"{self._office.root}/mailFolders/drafts")
        return f"已登录 Graph，以 {self._office.address} 的名义发信。"

    def close(self) -> None:
        self._api.close()
