"""Connections to an Exchange server: logging in, deadlines, and what its refusals mean.

exchangelib's exceptions, and those of requests below it, stop here.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import exchangelib
from exchangelib import DELEGATE, Account, Configuration, Credentials, Version
from exchangelib import errors as ews
from exchangelib.protocol import FailFast, Protocol
from exchangelib.transport import get_auth_method_from_response
from exchangelib.util import is_xml
from exchangelib.version import EXCHANGE_2010_SP2
from requests import Response

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError
from mailflow.transports.adapter import WatchedAdapter
from mailflow.transports.ews.folders import folder_at
from mailflow.transports.web import wish
from mailflow.transports.wire import USUAL, Timeouts, Watchdog, why, words

# It writes whole requests, mail included, as errors: what went wrong is in the exceptions.
logging.getLogger("exchangelib").setLevel(logging.CRITICAL + 1)

_IN_XML = 3
"""So many bytes of an answer for each of a mail."""
_NO_FOLDER = (ews.ErrorFolderNotFound, ews.ErrorParentFolderNotFound)
NO_ENTRY = (
    ews.UnauthorizedError,
    ews.ErrorAccessDenied,
    ews.ErrorAccountDisabled,
    ews.ErrorPasswordExpired,
    ews.ErrorPasswordChangeRequired,
    ews.ErrorImpersonateUserDenied,
    ews.ErrorUserNotAllowedByPolicy,
)


class _OneTry(FailFast):  # type: ignore[misc]
    """Fails at once, and tells when the server wishes to be asked again."""

    def raise_response_errors(self, response: Response) -> None:
        if response.status_code == 401:
            # The library takes one that closes the connection for trouble of the server: a loop that locks the account.
            raise ews.UnauthorizedError("HTTP 401")
        try:
            super().raise_response_errors(response)
        except ews.EWSError as error:
            seconds = wish(response.headers.get("Retry-After"))
            if seconds is None or isinstance(error, NO_ENTRY):
                raise
            raise ews.ErrorServerBusy(f"HTTP {response.status_code}", back_off=seconds) from error


class _Own(Credentials):  # type: ignore[misc]
    """Equal to no other: the library shares the sessions of equal ones, and whoever listens would hold up the rest."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


@dataclass(frozen=True)
class Login:
    """Where a mailbox is, and who opens it.

    Args:
        endpoint: https://mail.example/EWS/Exchange.asmx
        address: the mailbox.
        user: who logs in: the address, or DOMAIN\\name.
        password: asked for when a connection is made.
    """

    endpoint: str
    address: str
    user: str
    password: Callable[[], str]
    timeouts: Timeouts = USUAL

    @property
    def host(self) -> str:
        return self.endpoint.split("/")[2]

    def open(self, watchdog: Watchdog) -> Account:
        """The account, with one session of its own. The server is asked only how it wants to be logged in to."""
        config = Configuration(
            service_endpoint=self.endpoint,
            credentials=_Own(self.user, self.password()),
            retry_policy=_OneTry(),
            # The oldest that is still met: newer servers take it, and tell what they are.
            version=Version(EXCHANGE_2010_SP2),
            max_connections=1,
        )
        account = Account(
            self.address, config=config, autodiscover=False, access_type=DELEGATE, default_timezone=exchangelib.UTC
        )
        del Protocol[config]  # the library would keep it for ever, and what it opens
        plain, adapter = account.protocol.raw_session, WatchedAdapter(watchdog)

        def session(prefix: str) -> Any:
            made = plain(prefix)
            made.mount(prefix, adapter)
            return made

        account.protocol.raw_session = session
        account.protocol.TIMEOUT = (self.timeouts.connect, self.timeouts.read)
        config.auth_type = self._way_in(account.protocol)
        return account

    def _way_in(self, protocol: Any) -> str:
        """NTLM or Basic, as the server offers. Not the library's way, which asks a dozen times when a server is down,
        and does not tell what it said."""
        protocol.api_version_hint = EXCHANGE_2010_SP2.api_version()
        with protocol.raw_session(self.endpoint) as session:
            request = {"data": protocol.dummy_xml(), "allow_redirects": False, "timeout": protocol.TIMEOUT}
            answer = session.post(self.endpoint, **request)
        if answer.status_code not in (200, 401) or (answer.ok and not is_xml(answer.content)):
            raise self._no_exchange(answer)
        try:
            return str(get_auth_method_from_response(answer))
        except ews.UnauthorizedError:
            raise PermanentError(self._no_way_in(answer.headers.get("WWW-Authenticate", ""))) from None

    def _no_exchange(self, answer: Response) -> MailflowError:
        text = f"{self.host} 登录失败：HTTP {answer.status_code} {words(answer.reason)}"
        if answer.status_code in (404, 405):
            return PermanentError(f"{text}。这个地址上没有 EWS（{self.endpoint}），请检查主机名。")
        if answer.is_redirect:
            return PermanentError(f"{text}，要我们去 {words(answer.headers.get('Location'))}。请检查主机名。")
        text += "，答复是网页，不是 Exchange 的，多半是代理的" if answer.ok else ""
        return TransientError(f"{text}。", retry_after=wish(answer.headers.get("Retry-After")))

    def _no_way_in(self, offered: str) -> str:
        if "bearer" in offered.lower():
            return (
                f"{self.host} 只接受令牌，不接受密码。如果这是 Exchange Online：它的 EWS 从 2026-10-01 起逐个租户停用，"
                "2027-04-01 永久关闭，请改用 graph://。如果是单位自己的服务器：请管理员为 EWS 打开 NTLM 或基本认证。"
            )
        return f"{self.host} 不提供 NTLM，也不提供基本认证（只有：{words(offered) or '无'}）：请管理员为 EWS 打开一种。"

    def mapped(self, doing: str, error: BaseException) -> MailflowError:
        text = f"{self.host} {doing}失败：{why(error)}"
        if isinstance(error, NO_ENTRY):
            return AuthError(
                f"{text}。请核对用户名（可试 域\\用户名）和密码，以及这个账号有没有邮箱 {self.address} 的权限。"
            )
        if isinstance(error, UnicodeEncodeError):
            return AuthError(f"{self.host}：用户名或密码里有这种登录方式不能用的字，请改用英文字母、数字和符号。")
        if isinstance(error, ews.ErrorNonExistentMailbox):
            return PermanentError(
                f"{text}。这台服务器上没有邮箱 {self.address}：检查地址；已经迁到 Exchange Online 的邮箱请改用 graph://。"
            )
        if isinstance(error, _NO_FOLDER):
            return PermanentError(text)
        return TransientError(text, retry_after=wish(getattr(error, "back_off", None)))


class Connection:
    """An account that is opened when it is first needed, and thrown away after whatever goes wrong."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.watchdog = Watchdog()
        self._account: Account | None = None
        self._folders: dict[str, Any] = {}

    @contextlib.contextmanager
    def doing(self, what: str, size: int = 0) -> Iterator[Account]:
        """With the library alone inside: whatever it makes of dead connections and strange answers is mapped."""
        with self.watchdog.deadline(self.login.timeouts.for_bytes(size * _IN_XML)), self.open(what) as account:
            yield account

    @contextlib.contextmanager
    def open(self, what: str) -> Iterator[Account]:
        """The same without a deadline."""
        try:
            if self._account is None:
                self._account = self.login.open(self.watchdog)
            yield self._account
        except MailflowError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise self.login.mapped(what, error) from error

    def folder(self, account: Account, path: str) -> Any:
        """Looked up once; when it has been deleted since, the connection is made anew."""
        if path not in self._folders:
            self._folders[path] = folder_at(account, path)
        return self._folders[path]

    def close(self) -> None:
        account, self._account = self._account, None
        self._folders.clear()
        if account is not None:
            with contextlib.suppress(Exception):
                account.protocol.close()


def product(account: Account) -> str:
    """What the server has said that it is. Not the library's word for it: that is made from what we ask as."""
    build = account.version.build
    return str(Version(build=build).fullname) if build else "Exchange"
