"""A way out by an Exchange server (mail.md §8, 15)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from exchangelib import Account, Message
from exchangelib import errors as ews

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import Refusal
from mailflow.transports.ews.connection import Connection, Login, product
from mailflow.transports.wire import addressed, message_id, words

_NEVER: tuple[type[Exception], ...] = (
    ews.ErrorMessageSizeExceeded,
    ews.ErrorInvalidRecipients,
    ews.ErrorMissingRecipients,
    ews.ErrorMailRecipientNotFound,
    ews.ErrorMimeContentInvalid,
)
_NOT_NOW: tuple[type[Exception], ...] = (
    ews.ErrorSubmissionQuotaExceeded,
    ews.ErrorQuotaExceeded,
    ews.ErrorAccessDenied,
    ews.ErrorSendAsDenied,
)


class EwsSender:
    """Sends as draft and SendItem: what the server has taken lies in Sent, and can be looked up (mail.md §8, 15)."""

    per_minute = 0
    finds_late = True

    def __init__(self, login: Login) -> None:
        self._connection = Connection(login)
        self._login = login

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        """Exchange tells nothing of single recipients: who cannot be reached bounces."""
        mime = addressed(message, recipients)
        try:
            with self._connection.doing("存草稿", len(mime)) as account:
                _take_drafts_away(account, message_id(mime))
                draft = _saved(account, mime)
        except AuthError:
            raise
        except PermanentError as error:
            # There is no such mailbox: no fault of the message, which waits.
            raise TransientError(str(error)) from error
        if isinstance(draft, Exception):
            raise PermanentError(f"{self._login.host} 拒绝邮件：{words(draft)}")
        self._send(draft)
        return ()

    def _send(self, draft: Message) -> None:
        try:
            with self._connection.doing("发送") as account:
                refusal = _refusal(account, draft)
        except MailflowError as error:
            raise UnclearError(f"{self._login.host} 没有答复发送请求，要查看“已发送”才知道：{error}") from error
        if refusal is not None:
            with contextlib.suppress(MailflowError), self._connection.doing("删除草稿"):
                draft.delete()
            raise self._refused(refusal)

    def _refused(self, error: Exception) -> MailflowError:
        text = f"{self._login.host} 拒绝发送：{words(error)}"
        if isinstance(error, ews.ErrorSendAsDenied):
            return AuthError(f"{text}。请检查 [send] 的 from，或请管理员授权 {self._login.user} 以这个地址的名义发信。")
        return PermanentError(text) if isinstance(error, _NEVER) else self._login.mapped("发送", error)

    def find(self, message_id: str) -> bool | None:
        """A draft that is still there was not sent; without one the mail may be on its way."""
        with self._connection.doing("查找已发送的邮件") as account:
            if any(folder.filter(message_id=message_id).exists() for folder in (account.sent, account.outbox)):
                return True
            return False if _take_drafts_away(account, message_id) else None

    def check(self) -> str:
        with self._connection.doing("登录") as account:
            account.drafts.refresh()
            version = product(account)
        return f"已登录 {self._login.host}（{self._login.user}，{version}），以 {self._login.address} 的名义发信。"

    def close(self) -> None:
        self._connection.close()


def _take_drafts_away(account: Account, message_id: str) -> bool:
    """Whether there were any, and are none now. One whose answer was lost stays behind: nobody receives it, but later,
    when this message has gone and is looked up, it would say that it has not."""
    drafts = list(account.drafts.filter(message_id=message_id).only("id", "changekey")) if message_id else []
    deleted = account.bulk_delete([(draft.id, draft.changekey) for draft in drafts])
    return bool(drafts) and all(answer is True for answer in deleted)


def _saved(account: Account, mime: bytes) -> Message | Exception:
    """The draft, or why it cannot be one."""
    draft = Message(account=account, folder=account.drafts, mime_content=mime)
    try:
        draft.save()
    except _NEVER as error:
        return error
    return draft


def _refusal(account: Account, draft: Message) -> Exception | None:
    """Sends it. None: it is sent; an exception: the server's clear no. Whatever is raised leaves the question open:
    that the draft is gone may mean that it was sent, and the library makes lost connections and 503 into noes as well.
    """
    try:
        (answer,) = account.bulk_send([(draft.id, draft.changekey)], save_copy=True)
        if isinstance(answer, Exception):
            raise answer
    except (*_NEVER, *_NOT_NOW) as error:
        return error
    return None
