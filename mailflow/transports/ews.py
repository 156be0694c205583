"""Exchange on the department's own servers, by EWS: a folder as mailbox, and a way out (mail.md §3).

New mail is found by SyncFolderItems, a page at a time, whose state is the cursor: it is committed with the page. The
library's own retrying is off (FailFast, one session for each connection): it takes a wrong password for throttling,
and sends twice. What an answer that was lost has done is looked up by its Message-ID. Exchange builds the MIME anew,
so no signature in it can be checked. exchangelib's exceptions, and those of requests below it, stop here.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import exchangelib
from exchangelib import DELEGATE, Account, Configuration, Credentials, Folder, Message, Version
from exchangelib import errors as ews
from exchangelib.fields import FieldPath
from exchangelib.items import ID_ONLY
from exchangelib.protocol import FailFast, Protocol
from exchangelib.services import GetItem, SyncFolderItems
from exchangelib.services.common import EWSAccountService
from exchangelib.transport import get_auth_method_from_response
from exchangelib.util import TNS, DummyResponse, is_xml
from exchangelib.version import EXCHANGE_2010_SP2
from requests import Response
from requests.adapters import HTTPAdapter

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import (
    Fetched,
    Filing,
    Haul,
    Listed,
    Page,
    PagedMailbox,
    Place,
    Refusal,
    folder_of,
    grouped,
    wish,
)
from mailflow.transports.wire import USUAL, Timeouts, Watchdog, addressed, why, words

# It writes whole requests, mail included, as errors: what went wrong is in the exceptions.
logging.getLogger("exchangelib").setLevel(logging.CRITICAL + 1)

_PAGE = 512
"""Ids in one answer: the most that SyncFolderItems gives."""
_FACTS_AT_ONCE = 100
_AT_ONCE = 10
"""MIME of so many mails in one answer: it comes as base64 in XML, and takes three times its size (mail.md §3)."""
_IN_XML = 3
_LISTEN_MINUTES = 1
_DEAF = 600.0
"""After a subscription has failed, seconds until the next is tried; until then there is only the poll."""
_LOOK = 0.5

_NO_FOLDER = (ews.ErrorFolderNotFound, ews.ErrorParentFolderNotFound)
_NO_ENTRY = (
    ews.UnauthorizedError,
    ews.ErrorAccessDenied,
    ews.ErrorAccountDisabled,
    ews.ErrorPasswordExpired,
    ews.ErrorPasswordChangeRequired,
    ews.ErrorImpersonateUserDenied,
    ews.ErrorUserNotAllowedByPolicy,
)
_NOT_SENT = (
    ews.ErrorSendAsDenied,
    ews.ErrorMessageSizeExceeded,
    ews.ErrorInvalidRecipients,
    ews.ErrorMissingRecipients,
    ews.ErrorMimeContentInvalid,
)
_NOT_NOW = (ews.ErrorSubmissionQuotaExceeded, ews.ErrorQuotaExceeded, ews.ErrorAccessDenied)
_NOT_THE_ITEM = (
    *_NO_ENTRY,
    ews.ErrorADOperation,
    ews.ErrorADUnavailable,
    ews.ErrorBatchProcessingStopped,
    ews.ErrorConnectionFailed,
    ews.ErrorConnectionFailedTransientError,
    ews.ErrorExceededConnectionCount,
    ews.ErrorInsufficientResources,
    ews.ErrorInternalServerTransientError,
    ews.ErrorMailboxFailover,
    ews.ErrorMailboxMoveInProgress,
    ews.ErrorMailboxStoreUnavailable,
    ews.ErrorNonExistentMailbox,
    ews.ErrorNoRespondingCASInDestinationSite,
    ews.ErrorNotEnoughMemory,
    ews.ErrorProxyCallFailed,
    ews.ErrorProxyRequestProcessingFailed,
    ews.ErrorServerBusy,
    ews.ErrorTimeoutExpired,
    ews.ErrorTooManyObjectsOpened,
)
"""Said of one item, and the server's trouble all the same: setting the item aside would pass mail by for hours."""


# -- connections ------------------------------------------------------------------------------------------------------


class _OneTry(FailFast):  # type: ignore[misc]
    """Fails at once, and tells when the server wishes to be asked again."""

    def raise_response_errors(self, response: Response) -> None:
        try:
            super().raise_response_errors(response)
        except ews.EWSError as error:
            seconds = wish(response.headers.get("Retry-After"), datetime.now(UTC))
            if seconds is None or isinstance(error, _NO_ENTRY):
                raise
            raise ews.ErrorServerBusy(f"HTTP {response.status_code}", back_off=seconds) from error


class _Own(Credentials):  # type: ignore[misc]
    """Equal to no other: the library shares the sessions of equal ones, and whoever listens would hold up the rest."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


class _Adapter(HTTPAdapter):
    """Tells the watchdog each socket: a timeout of requests begins anew with every byte."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._tell_of(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if new:
            self._tell_of(manager)
        return manager

    def _tell_of(self, manager: Any) -> None:
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: self._telling(pool) for scheme, pool in pools.items()}

    def _telling(self, pool: Any) -> type:
        watchdog, kind = self._watchdog, pool.ConnectionCls

        def connect(connection: Any) -> None:
            kind.connect(connection)
            watchdog.watch(connection.sock)

        return type(pool.__name__, (pool,), {"ConnectionCls": type(kind.__name__, (kind,), {"connect": connect})})


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
        plain, adapter = account.protocol.raw_session, _Adapter(watchdog)

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
        return TransientError(f"{text}。", retry_after=wish(answer.headers.get("Retry-After"), datetime.now(UTC)))

    def _no_way_in(self, offered: str) -> str:
        if "bearer" in offered.lower():
            return (
                f"{self.host} 只接受令牌，不接受密码。如果这是 Exchange Online：它的 EWS 从 2026-10-01 起逐个租户停用，"
                "2027-04-01 永久关闭，请改用 graph://。如果是单位自己的服务器：请管理员为 EWS 打开 NTLM 或基本认证。"
            )
        return f"{self.host} 不提供 NTLM，也不提供基本认证（只有：{words(offered) or '无'}）：请管理员为 EWS 打开一种。"

    def mapped(self, doing: str, error: BaseException) -> MailflowError:
        text = f"{self.host} {doing}失败：{why(error)}"
        if isinstance(error, _NO_ENTRY):
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
        return TransientError(text, retry_after=wish(getattr(error, "back_off", None), datetime.now(UTC)))


class _Connection:
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
            self._folders[path] = _folder(account, path)
        return self._folders[path]

    def close(self) -> None:
        account, self._account = self._account, None
        self._folders.clear()
        if account is not None:
            with contextlib.suppress(Exception):
                account.protocol.close()


# -- the mailbox ------------------------------------------------------------------------------------------------------


class EwsMailbox(PagedMailbox):
    """A folder on an Exchange server."""

    validity = "ews"

    def __init__(self, name: str, login: Login, folder: str = "INBOX") -> None:
        super().__init__(name, login.address, folder)
        self._connection = _Connection(login)
        self._login = login
        self._ear = _Ear(login, folder)

    def _page(self, state: str | None) -> Page:
        with self._connection.doing("列出邮件") as account:
            folder = self._connection.folder(account, self.folder)
            try:
                return _changes(account, folder, state)
            except (ews.ErrorInvalidSyncStateData, ews.ErrorSyncFolderNotFound):
                if state is None:
                    raise
                # All is listed anew; what is committed is known (mail.md §8, 12).
                return _changes(account, folder, None)

    def _hauls(self, mails: Listed) -> Iterator[Haul]:
        if not mails:
            return
        with self._connection.doing("取邮件") as account:
            found = _got(account, list(mails), ["size", "datetime_received"], _FACTS_AT_ONCE)
        facts = {uid: one for uid, one in found.items() if isinstance(one, _Item)}
        yield self._haul({uid: one for uid, one in found.items() if uid not in facts})
        facts = dict(sorted(facts.items(), key=lambda fact: fact[1].received))
        for group in grouped({uid: fact.size for uid, fact in facts.items()}):
            size = sum(facts[uid].size for uid in group)
            with self._connection.doing("取邮件", size) as account:
                bodies = _got(account, group, ["mime_content"], _AT_ONCE)
            yield self._haul(bodies, facts)

    def _haul(self, found: dict[str, _Item | Exception], facts: Mapping[str, _Item] = MappingProxyType({})) -> Haul:
        """One item that Exchange cannot convert is set aside alone (mail.md §8, 13)."""
        gone = [uid for uid, one in found.items() if isinstance(one, ews.ErrorItemNotFound)]
        bodies = {uid: one.mime for uid, one in found.items() if isinstance(one, _Item) and one.mime}
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
                _mark_seen(account, place.uid)
            else:
                _move(account, place.uid, folder)

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
            folder = _folder(account, self.folder)
            folder.refresh()
            version = account.version.fullname
        return (
            f"已登录 {self._login.host}（{self._login.user}，{version}），"
            f"文件夹“{self.folder}”中现有 {folder.total_count} 封邮件。"
        )

    def close(self) -> None:
        self._ear.close()
        self._connection.close()


class _Ear:
    """Listens for new mail by a streaming subscription, which only wakes the poll (mail.md §3, "Streaming")."""

    def __init__(self, login: Login, folder: str) -> None:
        self.heard = threading.Event()
        self._login, self._folder = login, folder
        self._connection = _Connection(login)
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._deaf_until = 0.0

    def listen(self) -> None:
        """Begins to listen, unless it does so already or has lately failed to."""
        if (self._thread and self._thread.is_alive()) or time.monotonic() < self._deaf_until:
            return
        # A daemon thread: it holds nothing that could be lost.
        self._thread = threading.Thread(target=self._run, name="ews-ear", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._connection.doing("等待新邮件") as account:
                folder = _folder(account, self._folder)
                folder.refresh()
                subscription = folder.subscribe_to_streaming(event_types=["NewMailEvent", "CreatedEvent"])
            self.heard.set()  # what came before the subscription
            while not self._closed.is_set():
                with self._connection.open("等待新邮件"):
                    self._hear(folder, subscription)
        except MailflowError:
            self._deaf_until = time.monotonic() + _DEAF
        finally:
            self._connection.close()

    def _hear(self, folder: Any, subscription: str) -> None:
        """One request, which the server ends after a minute; what ends sooner, and says nothing, is no Exchange."""
        begun, silent = time.monotonic(), True
        for _ in folder.get_streaming_events(subscription, connection_timeout=_LISTEN_MINUTES):
            silent = False
            self.heard.set()
        if silent and time.monotonic() - begun < _LISTEN_MINUTES * 30:
            raise TransientError("Exchange 没有等新邮件就答复了。")
        self._closed.wait(_LOOK)

    def close(self) -> None:
        """Ends the thread: its answer may be a minute away."""
        self._closed.set()
        self._connection.watchdog.cut()


# -- the sender -------------------------------------------------------------------------------------------------------


class EwsSender:
    """Sends as draft and SendItem: what the server has taken lies in Sent, and can be looked up (mail.md §8, 15)."""

    per_minute = 0
    finds_late = True

    def __init__(self, login: Login) -> None:
        self._connection = _Connection(login)
        self._login = login

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        """Exchange tells nothing of single recipients: who cannot be reached bounces."""
        draft = self._draft(addressed(message, recipients))
        try:
            with self._connection.doing("发送") as account:
                answer = _sent(account, draft)
        except MailflowError as error:
            raise UnclearError(f"{self._login.host} 没有答复发送请求，要查看“已发送”才知道：{error}") from error
        if answer is not True:
            raise self._not_sent(draft, answer)
        return ()

    def _draft(self, mime: bytes) -> Message:
        """Without an answer a draft may stay behind, which nobody receives and `find` takes away."""
        try:
            with self._connection.doing("存草稿", len(mime)) as account:
                answer = _saved(account, mime)
        except AuthError:
            raise
        except PermanentError as error:
            raise TransientError(
                str(error)
            ) from error  # there is no such mailbox: no fault of the message, which waits
        if isinstance(answer, Exception):
            raise PermanentError(f"{self._login.host} 拒绝邮件：{words(answer)}")
        return answer

    def _not_sent(self, draft: Message, error: Exception) -> MailflowError:
        with contextlib.suppress(MailflowError), self._connection.doing("删除草稿"):
            draft.delete()
        text = f"{self._login.host} 拒绝发送：{words(error)}"
        return PermanentError(text) if isinstance(error, _NOT_SENT) else self._login.mapped("发送", error)

    def find(self, message_id: str) -> bool | None:
        """A draft that is still there was not sent; without one the mail may be on its way."""
        with self._connection.doing("查找已发送的邮件") as account:
            if any(folder.filter(message_id=message_id).exists() for folder in (account.sent, account.outbox)):
                return True
            drafts = list(account.drafts.filter(message_id=message_id).only("id", "changekey"))
            deleted = account.bulk_delete([(draft.id, draft.changekey) for draft in drafts])
        return False if drafts and all(answer is True for answer in deleted) else None

    def check(self) -> str:
        with self._connection.doing("登录") as account:
            account.drafts.refresh()
            version = account.version.fullname
        return f"已登录 {self._login.host}（{self._login.user}，{version}），以 {self._login.address} 的名义发信。"

    def close(self) -> None:
        self._connection.close()


# -- commands ---------------------------------------------------------------------------------------------------------


class _Quick(EWSAccountService):  # type: ignore[misc]
    """The library takes answers apart byte by byte: 15 s for a mail of 10 MB."""

    @classmethod
    def _get_soap_parts(cls, response: Any) -> Any:
        return super()._get_soap_parts(DummyResponse(content=response.content))


class _Sync(_Quick, SyncFolderItems):  # type: ignore[misc]
    """Reads ids whatever the items are, and raises a refusal as what it is."""

    def _get_element_container(self, message: Any, name: str | None = None) -> Any:
        if message.get("ResponseClass") != "Success":
            return EWSAccountService._get_element_container(self, message, name)
        return super()._get_element_container(message, name)

    def _elem_to_obj(self, elem: Any) -> tuple[str, str]:
        return self.change_types_map[elem.tag], str(elem.find(f".//{{{TNS}}}ItemId").get("Id"))


def _changes(account: Account, folder: Any, state: str | None) -> Page:
    """One page of SyncFolderItems; the library's own loop would hand out no state before the last (mail.md §3)."""
    service = _Sync(account=account)
    changes: list[tuple[str, str]] = list(
        service.call(
            folder=folder,
            shape=ID_ONLY,
            additional_fields=None,
            sync_state=state,
            ignore=None,
            max_changes_returned=_PAGE,
            sync_scope=None,
        )
    )
    if not service.sync_state:
        raise TransientError("Exchange 的答复里没有同步状态。")
    gone = {uid for kind, uid in changes if kind == service.DELETE}
    there = dict.fromkeys(uid for kind, uid in changes if kind in (service.CREATE, service.UPDATE) and uid not in gone)
    # The same state again although there is more: some servers stop there (exchangelib, sync_items).
    last = bool(service.includes_last_item_in_range) or service.sync_state == state
    return Page(dict.fromkeys(there), str(service.sync_state), last)


@dataclass(frozen=True)
class _Item:
    size: int
    received: datetime
    mime: bytes


class _Get(_Quick, GetItem):  # type: ignore[misc]
    """Items of any class, meeting requests and contacts too; what is wrong with one stands in its place."""

    ERRORS_TO_CATCH_IN_RESPONSE = (ews.EWSError,)
    WARNINGS_TO_CATCH_IN_RESPONSE = (ews.EWSError,)

    @classmethod
    def _get_elements_in_container(cls, container: Any) -> list[Any]:
        return list(container)[:1] or [ews.ErrorItemCorrupt("no item")]

    def _elem_to_obj(self, elem: Any) -> _Item | Exception:
        text = {name: elem.findtext(f"{{{TNS}}}{name}") or "" for name in ("Size", "DateTimeReceived", "MimeContent")}
        try:
            mime = base64.b64decode(text["MimeContent"])
            return _Item(int(text["Size"] or 0), _received(text["DateTimeReceived"]), mime)
        except ValueError as error:
            return error


def _got(account: Account, uids: list[str], fields: Sequence[str], at_once: int) -> dict[str, _Item | Exception]:
    """The items by id, or what is wrong with one."""
    wanted = {FieldPath(field=Message.get_field_by_fieldname(name)) for name in fields}
    ids = [(uid, None) for uid in uids]
    found = list(_Get(account=account, chunk_size=at_once).call(items=ids, additional_fields=wanted, shape=ID_ONLY))
    if trouble := [one for one in found if isinstance(one, _NOT_THE_ITEM)]:
        raise trouble[0]
    return dict(zip(uids, found, strict=True))


def _received(text: str) -> datetime:
    """The server's time. An item without one is here since now at the latest."""
    when = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else datetime.now(UTC)
    return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)


def _saved(account: Account, mime: bytes) -> Any:
    """The draft, or why it cannot be one."""
    draft = Message(account=account, folder=account.drafts, mime_content=mime)
    try:
        draft.save()
    except _NOT_SENT as error:
        return error
    return draft


def _sent(account: Account, draft: Message) -> Any:
    """True, or the server's clear no. Whatever else is raised leaves the question open.

    Not every ResponseMessageError is a no: the library makes them of lost connections and of 503 as well.
    """
    try:
        (answer,) = account.bulk_send([(draft.id, draft.changekey)], save_copy=True)
    except (*_NOT_SENT, *_NOT_NOW) as error:
        return error
    return answer


def _folder(account: Account, path: str, *, create: bool = False) -> Any:
    """The folder with this path below the mailbox's top, INBOX by its role; made if `create`."""
    names = path.split("/")
    top = account.msg_folder_root
    if names[0].upper() == "INBOX":
        top, names = account.inbox, names[1:]
    return _below(top, names) or _made(top, names, path, create=create)


def _below(parent: Any, names: list[str]) -> Any:
    """The folder at this path, None if there is none. A name may have a "/" in it."""
    if not names:
        return parent
    for count in range(1, len(names) + 1):
        with contextlib.suppress(ews.ErrorFolderNotFound):
            if found := _below(parent // "/".join(names[:count]), names[count:]):
                return found
    return None


def _made(parent: Any, names: list[str], path: str, *, create: bool) -> Any:
    if not create:
        raise ews.ErrorFolderNotFound(f"邮箱里没有文件夹“{path}”")
    for name in names:
        parent = _below(parent, [name]) or Folder(parent=parent, name=name).save()
    return parent


def _mark_seen(account: Account, uid: str) -> None:
    (found,) = account.fetch([(uid, None)], only_fields=["is_read"])
    if isinstance(found, ews.ErrorItemNotFound) or found.is_read:
        return
    if isinstance(found, Exception):
        raise found
    found.is_read = True
    (answer,) = account.bulk_update([(found, ["is_read"])])
    if isinstance(answer, Exception) and not isinstance(answer, ews.ErrorItemNotFound):
        raise answer


def _move(account: Account, uid: str, path: str) -> None:
    """Harmless when repeated: the id has changed with the first move (mail.md §8, 12)."""
    (answer,) = account.bulk_move([(uid, None)], to_folder=_folder(account, path, create=True)) or (None,)
    if isinstance(answer, Exception) and not isinstance(answer, ews.ErrorItemNotFound):
        raise answer
