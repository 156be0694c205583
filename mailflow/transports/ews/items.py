"""Items of an Exchange folder: what has changed, what they are, and filing them.

What the library does with whole objects is done here with ids and bytes alone, since it knows not every kind of item.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exchangelib import Account, Message
from exchangelib import errors as ews
from exchangelib.fields import FieldPath
from exchangelib.items import (
    ID_ONLY,
    MeetingCancellation,
    MeetingMessage,
    MeetingRequest,
    MeetingResponse,
    PostItem,
)
from exchangelib.services import GetItem, SyncFolderItems
from exchangelib.services.common import EWSAccountService
from exchangelib.util import TNS, DummyResponse

from mailflow.errors import TransientError
from mailflow.transports.ews.connection import NO_ENTRY
from mailflow.transports.ews.folders import folder_at
from mailflow.transports.paged import Page

_PAGE = 512
"""Ids in one answer: the most that SyncFolderItems gives."""
NOT_THE_ITEM = (
    *NO_ENTRY,
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


def changes(account: Account, folder: Any, state: str | None) -> Page:
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
class Item:
    size: int
    received: datetime
    mime: bytes


Got = dict[str, Item | Exception]
"""The items by id, or what is wrong with one."""


class _Get(_Quick, GetItem):  # type: ignore[misc]
    """Items of any class, meeting requests and contacts too; what is wrong with one stands in its place."""

    ERRORS_TO_CATCH_IN_RESPONSE = (ews.EWSError,)
    WARNINGS_TO_CATCH_IN_RESPONSE = (ews.EWSError,)

    @classmethod
    def _get_elements_in_container(cls, container: Any) -> list[Any]:
        return list(container)[:1] or [ews.ErrorItemCorrupt("no item")]

    def _elem_to_obj(self, elem: Any) -> Item | Exception:
        text = {name: elem.findtext(f"{{{TNS}}}{name}") or "" for name in ("Size", "DateTimeReceived", "MimeContent")}
        try:
            mime = base64.b64decode(text["MimeContent"])
            return Item(int(text["Size"] or 0), _received(text["DateTimeReceived"]), mime)
        except ValueError as error:
            return error


def got(account: Account, uids: list[str], fields: Sequence[str], at_once: int) -> Got:
    wanted = {FieldPath(field=Message.get_field_by_fieldname(name)) for name in fields}
    ids = [(uid, None) for uid in uids]
    found = list(_Get(account=account, chunk_size=at_once).call(items=ids, additional_fields=wanted, shape=ID_ONLY))
    return dict(zip(uids, found, strict=True))


def _received(text: str) -> datetime:
    """The server's time. An item without one is here since now at the latest."""
    when = datetime.fromisoformat(text.replace("Z", "+00:00")) if text else datetime.now(UTC)
    return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)


_FLAGGED = {
    kind.response_tag(): kind
    for kind in (Message, MeetingMessage, MeetingRequest, MeetingResponse, MeetingCancellation, PostItem)
}


class _GetUnread(_Get):
    """The item, if it is unread; None: it is read, or of a kind that is neither, as contacts and tasks are."""

    def _elem_to_obj(self, elem: Any) -> Any:
        unread = elem.findtext(f"{{{TNS}}}IsRead") == "false"
        return _FLAGGED.get(elem.tag, Message).from_xml(elem=elem, account=self.account) if unread else None


def mark_seen(account: Account, uid: str) -> None:
    """Harmless when the item is gone."""
    wanted = {FieldPath(field=Message.get_field_by_fieldname("is_read"))}
    (found,) = _GetUnread(account=account).call(items=[(uid, None)], additional_fields=wanted, shape=ID_ONLY)
    if found is None or isinstance(found, ews.ErrorItemNotFound):
        return
    if isinstance(found, Exception):
        raise found
    found.is_read = True
    (answer,) = account.bulk_update([(found, ["is_read"])])
    if isinstance(answer, Exception) and not isinstance(answer, ews.ErrorItemNotFound):
        raise answer


def move(account: Account, uid: str, path: str) -> None:
    """Harmless when repeated: the id has changed with the first move (mail.md §8, 12)."""
    (answer,) = account.bulk_move([(uid, None)], to_folder=folder_at(account, path, create=True)) or (None,)
    if isinstance(answer, Exception) and not isinstance(answer, ews.ErrorItemNotFound):
        raise answer
