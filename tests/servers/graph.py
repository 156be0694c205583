"""A small Microsoft Graph over HTTP on loopback: mail of one mailbox in memory, with ways to misbehave."""

from __future__ import annotations

import base64
import http.server
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from tests.servers.loopback import Certificate

_MESSAGE_ID = re.compile(rb"^Message-ID: *(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
TOKEN = "token-1"
Instead = str | int | tuple[int, bytes, str] | None


@dataclass
class Mail:
    folder: str
    raw: bytes
    received: datetime
    read: bool = False
    draft: bool = False

    @property
    def message_id(self) -> str:
        found = _MESSAGE_ID.search(self.raw)
        return found[1].decode() if found else ""


@dataclass
class Graph:
    """`before` and `after` get method and path, and may give what to answer instead: a status, a status with a body of
    some content type, or "" for a cut line. `trickle` seconds pass before each byte of an answer."""

    token: str = TOKEN
    base: str = ""
    mails: dict[str, Mail] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    folders: dict[str, str] = field(
        default_factory=lambda: {"F-inbox": "Inbox", "F-drafts": "Drafts", "F-sent": "Sent", "F-outbox": "Outbox"}
    )
    parents: dict[str, str] = field(default_factory=dict)
    """Of folders that are not at the top."""
    page: int = 100
    epoch: int = 0
    """Delta links of another epoch are gone."""
    twice: bool = False
    """Every page names its first mail twice."""
    refused: set[str] = field(default_factory=set)
    """Subjects of mails whose MIME is not given."""
    odd: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is said otherwise of the mails with these subjects when they are listed."""
    spoil: Callable[[Any], Any] | None = None
    """What becomes of each answer that is JSON."""
    half: str = ""
    """Answers about paths that end so break off in the midst."""
    unseen: int = 0
    """So many times more, a message that was sent is not found yet."""
    trickle: float = 0.0
    retry_after: str | None = None
    submitted: list[bytes] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    """Open now."""
    prefers: set[str] = field(default_factory=set)
    encodings: set[str] = field(default_factory=set)
    """That answers were wanted in."""
    before: Callable[[str, str], Instead] = lambda method, path: None
    after: Callable[[str, str], Instead] = lambda method, path: None
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, raw: bytes, folder: str, received: datetime | None = None, *, draft: bool = False) -> str:
        uid = f"AAk{next(self._numbers):06d}="
        self.mails[uid] = Mail(folder, raw, received or datetime.now(UTC), draft=draft)
        self.log.append((folder, uid))
        return uid

    def held(self, folder: str) -> list[bytes]:
        ids = [uid for uid, name in self.folders.items() if name == folder]
        return [mail.raw for mail in self.mails.values() if mail.folder in ids]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    graph: Graph

    def log_message(self, *args: object) -> None: ...

    def setup(self) -> None:
        super().setup()
        self.graph.connections += 1

    def finish(self) -> None:
        self.graph.connections -= 1
        super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path = unquote(parts.path).removeprefix("/v1.0/users/support@corp.example")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.graph.requests.append(f"{self.command} {path}")
        self.graph.prefers.add(self.headers.get("Prefer", ""))
        self.graph.encodings.add(self.headers.get("Accept-Encoding", ""))
        if self.headers.get("Authorization") != f"Bearer {self.graph.token}":
            self._error(401, "InvalidAuthenticationToken")
            return
        if self._instead(self.graph.before(self.command, path)):
            return
        status, answer = self._answer(self.command, path, query, body)
        if self.graph.spoil and not isinstance(answer, bytes):
            answer = self.graph.spoil(answer)
        if not self._instead(self.graph.after(self.command, path)):
            self._reply(status, answer)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _instead(self, what: Instead) -> bool:
        if what == "":
            self.close_connection = True
            self.connection.shutdown(2)
        elif isinstance(what, int):
            self._error(what, "Trouble")
        elif isinstance(what, tuple):
            self._reply(*what)
        return what is not None

    def _error(self, status: int, code: str) -> None:
        self._reply(status, {"error": {"code": code, "message": f"{code} happened"}})

    def _reply(self, status: int, answer: object, kind: str = "application/json") -> None:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if self.graph.retry_after is not None:
            self.send_header("Retry-After", self.graph.retry_after)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.graph.half and self.path.split("?")[0].endswith(quote(self.graph.half, safe="/$")):
            body = body[: len(body) // 2]
            self.close_connection = True
        if not self.graph.trickle:
            self.wfile.write(body)
        for byte in body if self.graph.trickle else b"":
            time.sleep(self.graph.trickle)
            self.wfile.write(bytes([byte]))

    def _answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, object]:
        missing = (404, {"error": {"code": "ErrorItemNotFound", "message": "not found"}})
        steps = path.strip("/").split("/")
        if steps[0] == "mailFolders":
            return self._folders(method, steps[1:], query, body)
        if steps == ["messages"]:
            return self._messages(method, query, body)
        mail = self.graph.mails.get(steps[1])
        if mail is None:
            return missing
        return self._message(method, steps[1], mail, "/".join(steps[2:]), body)

    def _folders(self, method: str, steps: list[str], query: dict[str, str], body: bytes) -> tuple[int, object]:
        graph = self.graph
        if not steps or steps[1:] == ["childFolders"]:
            parent = steps[0] if steps else ""
            if method == "POST":
                uid = f"F-{next(graph._numbers)}"
                graph.folders[uid] = json.loads(body)["displayName"]
                graph.parents[uid] = parent
                return 201, self._folder(uid)
            wanted = re.fullmatch(r"displayName eq '(.*)'", query["$filter"])
            assert wanted
            name = wanted[1].replace("''", "'")
            within = [u for u in graph.folders if graph.parents.get(u, "") == parent and graph.folders[u] == name]
            return 200, {"value": [self._folder(uid) for uid in within]}
        uid = f"F-{steps[0]}" if steps[0] in ("inbox", "drafts", "outbox") else steps[0]
        if uid not in graph.folders:
            return 404, {"error": {"code": "ErrorItemNotFound", "message": "no folder"}}
        if steps[1:] == ["messages", "delta"]:
            return self._delta(uid, query)
        if steps[1:] == ["messages"]:
            return self._list(uid, query)
        return 200, self._folder(uid)

    def _folder(self, uid: str) -> dict[str, object]:
        held = sum(mail.folder == uid for mail in self.graph.mails.values())
        return {"id": uid, "displayName": self.graph.folders[uid], "totalItemCount": held}

    def _delta(self, folder: str, query: dict[str, str]) -> tuple[int, object]:
        graph = self.graph
        epoch, _, position = query.get("$skiptoken", f"{graph.epoch}.0").partition(".")
        if int(epoch) != graph.epoch:
            return 410, {"error": {"code": "SyncStateNotFound", "message": "gone"}}
        found: list[dict[str, object]] = []
        at = int(position)
        while at < len(graph.log) and len(found) < graph.page:
            where, uid = graph.log[at]
            at += 1
            if where == folder:
                mail = graph.mails.get(uid)
                gone: dict[str, object] = {"id": uid, "@removed": {"reason": "deleted"}}
                found.append(self._shown(uid, mail) if mail and mail.folder == folder else gone)
        if graph.twice and found:
            found.append(found[0])
        link = f"{self.graph.base}/v1.0/users/support%40corp.example/mailFolders/{folder}/messages/delta"
        name = "@odata.deltaLink" if at >= len(graph.log) else "@odata.nextLink"
        return 200, {"value": found, name: f"{link}?$skiptoken={graph.epoch}.{at}"}

    def _list(self, folder: str, query: dict[str, str]) -> tuple[int, object]:
        graph = self.graph
        found = sorted(((m.received, u) for u, m in graph.mails.items() if m.folder == folder))
        if "internetMessageId" in query.get("$filter", ""):
            return self._with_message_id(query, folder)
        if since := re.fullmatch(r"receivedDateTime ge (.+)", query.get("$filter", "")):
            begin = datetime.fromisoformat(since[1].replace("Z", "+00:00"))
            found = [(when, uid) for when, uid in found if when >= begin]
        skip, most = int(query.get("$skip", "0")), min(graph.page, int(query.get("$top", "10")))
        page = [self._shown(uid, graph.mails[uid]) for _, uid in found[skip : skip + most]]
        answer: dict[str, object] = {"value": page}
        if skip + most < len(found):
            link = f"{self.graph.base}/v1.0/users/support%40corp.example/mailFolders/{folder}/messages"
            answer["@odata.nextLink"] = f"{link}?{urlencode({**query, '$skip': skip + most})}"
        return 200, answer

    def _shown(self, uid: str, mail: Mail) -> dict[str, object]:
        subject = mail.raw.split(b"\r\n", 1)[0].decode("utf-8", "replace").removeprefix("Subject: ")
        odd = self.graph.odd.get(subject, {})
        return {"id": uid, "receivedDateTime": f"{mail.received:%Y-%m-%dT%H:%M:%SZ}"} | odd

    def _messages(self, method: str, query: dict[str, str], body: bytes) -> tuple[int, object]:
        if method == "POST":
            assert self.headers["Content-Type"] == "text/plain"
            return 201, {"id": self.graph.put(base64.b64decode(body), "F-drafts", draft=True)}
        return self._with_message_id(query)

    def _with_message_id(self, query: dict[str, str], folder: str | None = None) -> tuple[int, object]:
        wanted = re.fullmatch(r"internetMessageId eq '(.*)'", query["$filter"])
        assert wanted
        found = [(u, m) for u, m in self.graph.mails.items() if m.message_id == wanted[1].replace("''", "'")]
        found = [(u, m) for u, m in found if folder in (None, m.folder)]
        if self.graph.unseen and any(not m.draft for _, m in found):
            self.graph.unseen -= 1
            found = [(u, m) for u, m in found if m.draft]
        return 200, {"value": [{"id": u, "isDraft": m.draft, "parentFolderId": m.folder} for u, m in found]}

    def _message(self, method: str, uid: str, mail: Mail, what: str, body: bytes) -> tuple[int, object]:
        if method == "DELETE":
            del self.graph.mails[uid]
            return 204, b""
        if method == "PATCH":
            mail.read = bool(json.loads(body)["isRead"])
            return 200, {"id": uid}
        if what == "move":
            if json.loads(body)["destinationId"] not in self.graph.folders:
                return 404, {"error": {"code": "ErrorFolderNotFound", "message": "no folder"}}
            mail.folder = json.loads(body)["destinationId"]
            self.graph.log.append((mail.folder, uid))
            return 201, {"id": uid}
        if what == "send":
            if re.search(rb"^To: .*refused@", mail.raw, re.MULTILINE):
                return 400, {"error": {"code": "ErrorInvalidRecipients", "message": "no"}}
            self.graph.submitted.append(mail.raw)
            mail.draft, mail.folder = False, "F-sent"
            return 202, b""
        if what == "$value":
            broken = any(f"Subject: {s}\r\n".encode() in mail.raw for s in self.graph.refused)
            return (400, {"error": {"code": "ErrorMime", "message": "cannot convert"}}) if broken else (200, mail.raw)
        return 200, {**self._shown(uid, mail), "parentFolderId": mail.folder}


class GraphServer:
    """`with GraphServer() as server:` serves `server.graph` at `server.base`."""

    def __init__(self, certificate: Certificate | None = None) -> None:
        self.graph = Graph()
        handler = type("Handler", (_Handler,), {"graph": self.graph})
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        if certificate is not None:
            self._http.socket = certificate.server_context().wrap_socket(self._http.socket, server_side=True)
        self.base = f"{'https' if certificate else 'http'}://127.0.0.1:{self._http.server_address[1]}"
        self.graph.base = self.base
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> GraphServer:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._http.shutdown()
        self._http.server_close()
