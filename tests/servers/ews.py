"""A small Exchange: EWS over HTTP on loopback, for the real exchangelib. It keeps mail in memory and can misbehave."""

from __future__ import annotations

import base64
import http.server
import itertools
import re
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import spnego
from lxml import etree
from spnego.exceptions import SpnegoError

from tests.servers.loopback import Certificate

_S = "http://schemas.xmlsoap.org/soap/envelope/"
_M = "http://schemas.microsoft.com/exchange/services/2006/messages"
_T = "http://schemas.microsoft.com/exchange/services/2006/types"
NS = {"s": _S, "m": _M, "t": _T}
_VERSION = 'MajorVersion="15" MinorVersion="2" MajorBuildNumber="1118" MinorBuildNumber="7" Version="V2017_07_11"'
_PARENT = "msgfolderroot"
USER, PASSWORD = "EXAMPLE\\support", "pass & <word>"


NEVER_READ = {"Item", "CalendarItem", "Contact", "DistributionList", "Task", "RoleMember", "NetworkItem", "Person"}
"""These are neither read nor unread."""

Instead = str | int | tuple[int, bytes] | None


@dataclass
class Item:
    folder: str
    raw: bytes
    received: datetime
    read: bool = False


@dataclass
class Exchange:
    """The state of the server. `before` and `after` are called with the operation's name, before it is carried out and
    after that but before it is answered; what they return is the answer instead: a status, a status with a body, the
    code of an EWS error, or "" for a cut line. `trickle` seconds pass before each byte of an answer."""

    items: dict[str, Item] = field(default_factory=dict)
    log: list[tuple[str, str, str]] = field(default_factory=list)
    folders: dict[str, str] = field(
        default_factory=lambda: {n: n for n in ("root", _PARENT, "inbox", "drafts", "sentitems", "outbox")}
    )
    parents: dict[str, str] = field(default_factory=dict)
    """Of folders that are not below the mailbox's top."""
    unconvertible: set[str] = field(default_factory=set)
    """Subjects of items whose MIME cannot be made."""
    epoch: int = 0
    """Sync states of another epoch are invalid."""
    deaf: bool = False
    """No streaming subscriptions."""
    submitted: list[bytes] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    """Open now."""
    posts: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """Of every answer, besides the usual."""
    offers: tuple[str, ...] = ('Basic realm="exchange"',)
    """Ways to log in; NTLM is carried out."""
    shape: dict[str, str] = field(default_factory=dict)
    """What the items with these ids are instead of a Message."""
    odd: dict[str, str] = field(default_factory=dict)
    """What stands in the items with these subjects instead of the element of that name; "": nothing at all."""
    wrong: dict[str, str] = field(default_factory=dict)
    """What is said of the items with these subjects when their MIME is wanted: the code of an EWS error."""
    endless: bool = False
    """Lists the same page again and again."""
    spoil: Callable[[bytes], bytes] | None = None
    """What becomes of each answer."""
    unseen: int = 0
    """So many times more, a message that was sent is not found yet."""
    trickle: float = 0.0
    before: Callable[[str], Instead] = lambda operation: None
    after: Callable[[str], Instead] = lambda operation: None
    news: threading.Condition = field(default_factory=threading.Condition)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, raw: bytes, folder: str, received: datetime | None = None) -> str:
        with self.news:
            uid = f"AAMk{next(self._numbers):06d}=="
            self.items[uid] = Item(folder, raw, received or datetime.now(UTC))
            self.log.append(("Create", folder, uid))
            self.news.notify_all()
        return uid

    def remove(self, uid: str) -> Item:
        item = self.items.pop(uid)
        self.log.append(("Delete", item.folder, uid))
        return item

    def held(self, folder: str) -> list[bytes]:
        ids = [i for i, name in self.folders.items() if name == folder]
        return [item.raw for item in self.items.values() if item.folder in ids]


def _answer(operation: str, inner: str) -> bytes:
    response = f"<m:{operation}Response><m:ResponseMessages>{inner}</m:ResponseMessages></m:{operation}Response>"
    return _envelope(response)


def _envelope(body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_S}" xmlns:m="{_M}" xmlns:t="{_T}"><s:Header>'
        f"<t:ServerVersionInfo {_VERSION}/></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _fine(operation: str, inner: str = "") -> str:
    name = f"m:{operation}ResponseMessage"
    return f'<{name} ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{inner}</{name}>'


def _error(operation: str, code: str, inner: str = "") -> str:
    name = f"m:{operation}ResponseMessage"
    return (
        f'<{name} ResponseClass="Error"><m:MessageText>{code}</m:MessageText><m:ResponseCode>{code}</m:ResponseCode>'
        f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{inner}</{name}>"
    )


def _item_id(uid: str) -> str:
    return f'<t:ItemId Id="{uid}" ChangeKey="AQ=="/>'


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    exchange: Exchange

    def log_message(self, *args: object) -> None: ...

    def setup(self) -> None:
        super().setup()
        self.exchange.connections += 1
        self.ntlm: Any = None
        self.challenge, self.logged_in = b"", False

    def finish(self) -> None:
        self.exchange.connections -= 1
        super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.exchange.posts += 1
        if self._instead(self.exchange.before("")):
            return
        if not self._may():
            self._reply(401, b"")
            return
        self.exchange.requests.append(body)
        (request,) = etree.fromstring(body).iterfind("s:Body/*", NS)
        operation = etree.QName(request).localname
        self.exchange.operations.append(operation)
        if self._instead(self.exchange.before(operation)):
            return
        if operation == "GetStreamingEvents":
            self._stream(request)
            return
        answer = getattr(self, f"_{operation}")(request)
        if self.exchange.spoil:
            answer = self.exchange.spoil(answer)
        if not self._instead(self.exchange.after(operation)):
            self._reply(200, answer)

    def _may(self) -> bool:
        kind, _, said = self.headers.get("Authorization", "").partition(" ")
        if "NTLM" in self.exchange.offers and (kind == "NTLM" or self.logged_in):
            return self._may_by_ntlm(base64.b64decode(said))
        return kind == "Basic" and base64.b64decode(said).decode() == f"{USER}:{PASSWORD}"

    def _may_by_ntlm(self, said: bytes) -> bool:
        """NTLM logs a connection in, in two steps; what it knows of users is in the file NTLM_USER_FILE."""
        if self.logged_in:
            return True
        self.ntlm = self.ntlm or spnego.server(protocol="ntlm")
        try:
            self.challenge = self.ntlm.step(said) or b""
        except SpnegoError:
            self.ntlm, self.challenge = None, b""
        self.logged_in = self.ntlm is not None and self.ntlm.complete
        return self.logged_in

    def _instead(self, what: Instead) -> bool:
        if what == "":
            self.close_connection = True
            self.connection.shutdown(2)
        elif isinstance(what, int):
            self._reply(what, b"")
        elif isinstance(what, tuple):
            self._reply(*what)
        elif what is not None:
            operation = self.exchange.operations[-1]
            self._reply(200, _answer(operation, _error(operation, what)))
        return what is not None

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in self.exchange.headers.items():
            self.send_header(name, value)
        if status == 401:
            for offer in self.exchange.offers:
                challenge = base64.b64encode(self.challenge).decode() if offer == "NTLM" else ""
                self.send_header("WWW-Authenticate", f"{offer} {challenge}".strip())
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not self.exchange.trickle:
            self.wfile.write(body)
        for byte in body if self.exchange.trickle else b"":
            time.sleep(self.exchange.trickle)
            self.wfile.write(bytes([byte]))

    # -- folders ------------------------------------------------------------------------------------------------------

    def _folder_ids(self, request: Any) -> list[str]:
        found = request.iter(f"{{{_T}}}DistinguishedFolderId", f"{{{_T}}}FolderId")
        return [element.get("Id").removeprefix("F-") for element in found]

    def _folder(self, uid: str) -> str:
        held = sum(item.folder == uid for item in self.exchange.items.values())
        return (
            f'<t:Folder><t:FolderId Id="F-{uid}" ChangeKey="AQ=="/>'
            f'<t:ParentFolderId Id="F-{self.exchange.parents.get(uid, _PARENT)}" ChangeKey="AQ=="/>'
            f"<t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>{escape(self.exchange.folders[uid])}</t:DisplayName>"
            f"<t:TotalCount>{held}</t:TotalCount><t:ChildFolderCount>0</t:ChildFolderCount>"
            "<t:UnreadCount>0</t:UnreadCount></t:Folder>"
        )

    def _GetFolder(self, request: Any) -> bytes:  # noqa: N802
        parts = []
        for uid in self._folder_ids(request):
            known = uid in self.exchange.folders
            inner = f"<m:Folders>{self._folder(uid)}</m:Folders>" if known else "<m:Folders/>"
            parts.append(_fine("GetFolder", inner) if known else _error("GetFolder", "ErrorFolderNotFound", inner))
        return _answer("GetFolder", "".join(parts))

    def _FindFolder(self, request: Any) -> bytes:  # noqa: N802
        wanted = [element.get("Value") for element in request.iter(f"{{{_T}}}Constant")]
        (parent,) = self._folder_ids(request.find("m:ParentFolderIds", NS))
        folders, parents = self.exchange.folders, self.exchange.parents
        found = [u for u in folders if folders[u] in wanted and u != _PARENT and parents.get(u, _PARENT) == parent]
        inner = "".join(map(self._folder, found))
        root = f'<m:RootFolder TotalItemsInView="{len(found)}" IncludesLastItemInRange="true">'
        return _answer("FindFolder", _fine("FindFolder", f"{root}<t:Folders>{inner}</t:Folders></m:RootFolder>"))

    def _CreateFolder(self, request: Any) -> bytes:  # noqa: N802
        name = request.findtext(".//t:DisplayName", namespaces=NS)
        uid = f"made{len(self.exchange.folders)}"
        self.exchange.folders[uid] = name
        (self.exchange.parents[uid],) = self._folder_ids(request.find("m:ParentFolderId", NS))
        return _answer("CreateFolder", _fine("CreateFolder", f"<m:Folders>{self._folder(uid)}</m:Folders>"))

    # -- items --------------------------------------------------------------------------------------------------------

    def _SyncFolderItems(self, request: Any) -> bytes:  # noqa: N802
        exchange = self.exchange
        folder = self._folder_ids(request)[0]
        given = request.findtext("m:SyncState", namespaces=NS) or f"{exchange.epoch}.0"
        epoch, _, position = given.partition(".")
        if not (epoch.isdecimal() and position.isdecimal() and int(epoch) == exchange.epoch):
            return _answer("SyncFolderItems", _error("SyncFolderItems", "ErrorInvalidSyncStateData"))
        most = int(request.findtext("m:MaxChangesReturned", namespaces=NS))
        at, changes = int(position), list[str]()
        while at < len(exchange.log) and len(changes) < most:
            kind, where, uid = exchange.log[at]
            at += 1
            if where == folder and kind == "Create":
                kind_of = exchange.shape.get(uid, "Message")
                changes.append(f"<t:Create><t:{kind_of}>{_item_id(uid)}</t:{kind_of}></t:Create>")
            elif where == folder:
                changes.append(f"<t:Delete>{_item_id(uid)}</t:Delete>")
        last = str(at >= len(exchange.log) and not exchange.endless).lower()
        at = at if not exchange.endless else (int(position) + 1) % 3
        inner = (
            f"<m:SyncState>{exchange.epoch}.{at}</m:SyncState>"
            f"<m:IncludesLastItemInRange>{last}</m:IncludesLastItemInRange><m:Changes>{''.join(changes)}</m:Changes>"
        )
        return _answer("SyncFolderItems", _fine("SyncFolderItems", inner))

    def _items(self, request: Any) -> list[str]:
        return [element.get("Id") for element in request.iter(f"{{{_T}}}ItemId")]

    def _GetItem(self, request: Any) -> bytes:  # noqa: N802
        wanted = {e.get("FieldURI") for e in request.iter(f"{{{_T}}}FieldURI")}
        return _answer("GetItem", "".join(self._got(uid, wanted) for uid in self._items(request)))

    def _got(self, uid: str, wanted: set[str | None]) -> str:
        item = self.exchange.items.get(uid)
        if item is None:
            return _error("GetItem", "ErrorItemNotFound", "<m:Items/>")
        mime = "item:MimeContent" in wanted
        subject = item.raw.split(b"\r\n", 1)[0].decode("utf-8", "replace").removeprefix("Subject: ")
        wrong = dict.fromkeys(self.exchange.unconvertible, "ErrorMimeContentConversionFailed") | self.exchange.wrong
        if mime and subject in wrong:
            return _error("GetItem", wrong[subject], "<m:Items/>")
        inner = ""
        if mime:
            inner += f'<t:MimeContent CharacterSet="UTF-8">{base64.b64encode(item.raw).decode()}</t:MimeContent>'
        inner += _item_id(uid)
        if "item:DateTimeReceived" in wanted:
            inner += f"<t:DateTimeReceived>{item.received:%Y-%m-%dT%H:%M:%SZ}</t:DateTimeReceived>"
        if "item:Size" in wanted:
            inner += f"<t:Size>{len(item.raw)}</t:Size>"
        if "message:IsRead" in wanted and self.exchange.shape.get(uid, "Message") not in NEVER_READ:
            inner += f"<t:IsRead>{str(item.read).lower()}</t:IsRead>"
        odd = self.exchange.odd.get(subject)
        if odd is not None and mime == ("MimeContent" in odd or not odd):
            name = odd.split(">")[0].strip("<")
            inner = re.sub(f"<{name}\\b.*?</{name}>", odd, inner, flags=re.DOTALL) if odd else ""
        shape = self.exchange.shape.get(uid, "Message")
        return _fine("GetItem", f"<m:Items><t:{shape}>{inner}</t:{shape}></m:Items>")

    def _UpdateItem(self, request: Any) -> bytes:  # noqa: N802
        parts = []
        for uid in self._items(request):
            if uid in self.exchange.items:
                self.exchange.items[uid].read = True
                inner = f"<m:Items><t:Message>{_item_id(uid)}</t:Message></m:Items>"
                parts.append(_fine("UpdateItem", inner))
            else:
                parts.append(_error("UpdateItem", "ErrorItemNotFound", "<m:Items/>"))
        return _answer("UpdateItem", "".join(parts))

    def _MoveItem(self, request: Any) -> bytes:  # noqa: N802
        target = request.find("m:ToFolderId", NS)[0].get("Id").removeprefix("F-")
        parts = []
        for uid in self._items(request):
            if uid in self.exchange.items:
                item = self.exchange.remove(uid)
                new = self.exchange.put(item.raw, target, item.received)
                parts.append(_fine("MoveItem", f"<m:Items><t:Message>{_item_id(new)}</t:Message></m:Items>"))
            else:
                parts.append(_error("MoveItem", "ErrorItemNotFound", "<m:Items/>"))
        return _answer("MoveItem", "".join(parts))

    def _DeleteItem(self, request: Any) -> bytes:  # noqa: N802
        there = [uid in self.exchange.items for uid in self._items(request)]
        for uid, known in zip(self._items(request), there, strict=True):
            if known:
                self.exchange.remove(uid)
        parts = [_fine("DeleteItem") if known else _error("DeleteItem", "ErrorItemNotFound") for known in there]
        return _answer("DeleteItem", "".join(parts))

    def _FindItem(self, request: Any) -> bytes:  # noqa: N802
        folder = self._folder_ids(request)[0]
        wanted = [e.get("Value").encode() for e in request.iter(f"{{{_T}}}Constant")]
        found = [u for u, i in self.exchange.items.items() if i.folder == folder and all(w in i.raw for w in wanted)]
        if self.exchange.unseen and found and folder != "drafts":
            self.exchange.unseen -= 1
            found = []
        inner = "".join(f"<t:Message>{_item_id(uid)}</t:Message>" for uid in found)
        root = f'<m:RootFolder TotalItemsInView="{len(found)}" IncludesLastItemInRange="true">'
        return _answer("FindItem", _fine("FindItem", f"{root}<t:Items>{inner}</t:Items></m:RootFolder>"))

    def _CreateItem(self, request: Any) -> bytes:  # noqa: N802
        raw = base64.b64decode(request.findtext(".//t:MimeContent", namespaces=NS) or "")
        assert request.get("MessageDisposition") == "SaveOnly"
        uid = self.exchange.put(raw, "drafts")
        return _answer("CreateItem", _fine("CreateItem", f"<m:Items><t:Message>{_item_id(uid)}</t:Message></m:Items>"))

    def _SendItem(self, request: Any) -> bytes:  # noqa: N802
        for uid in self._items(request):
            item = self.exchange.remove(uid)
            if re.search(rb"^To: .*refused@", item.raw, re.MULTILINE):
                self.exchange.items[uid] = item
                return _answer("SendItem", _error("SendItem", "ErrorInvalidRecipients"))
            self.exchange.submitted.append(item.raw)
            self.exchange.put(item.raw, "sentitems")
        return _answer("SendItem", _fine("SendItem"))

    # -- streaming ----------------------------------------------------------------------------------------------------

    def _Subscribe(self, request: Any) -> bytes:  # noqa: N802
        if self.exchange.deaf:
            return _answer("Subscribe", _error("Subscribe", "ErrorInvalidSubscription"))
        return _answer("Subscribe", _fine("Subscribe", "<m:SubscriptionId>sub1</m:SubscriptionId>"))

    def _stream(self, request: Any) -> None:
        """One notification when mail comes, then the end; a real server would go on."""
        self.send_response(200)
        self.send_header("Content-Type", "text/xml; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with self.exchange.news:
            before = len(self.exchange.log)
            while len(self.exchange.log) <= before:
                self.exchange.news.wait(0.2)
                if select.select([self.connection], [], [], 0)[0]:  # whoever listened has hung up
                    self.close_connection = True
                    return
            uid = self.exchange.log[-1][2] if self.exchange.log else "none"
        event = (
            "<t:NewMailEvent><t:TimeStamp>2026-11-20T01:30:00Z</t:TimeStamp>"
            f'{_item_id(uid)}<t:ParentFolderId Id="F-inbox" ChangeKey="AQ=="/></t:NewMailEvent>'
        )
        notification = f"<m:Notification><t:SubscriptionId>sub1</t:SubscriptionId>{event}</m:Notification>"
        inner = f"<m:Notifications>{notification}</m:Notifications><m:ConnectionStatus>OK</m:ConnectionStatus>"
        for chunk in (_answer("GetStreamingEvents", _fine("GetStreamingEvents", inner)), b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))


class EwsServer:
    """`with EwsServer() as server:` serves `server.exchange` at `server.endpoint`."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.exchange = Exchange()
        handler = type("Handler", (_Handler,), {"exchange": self.exchange})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        if certificate is not None:
            self._http.socket = certificate.server_context().wrap_socket(self._http.socket, server_side=True)
        self.port = int(self._http.server_address[1])
        self.endpoint = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}/EWS/Exchange.asmx"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> EwsServer:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        with self.exchange.news:
            self.exchange.put(b"", "nowhere")  # frees those who wait for news
        self._http.shutdown()
        self._http.server_close()
