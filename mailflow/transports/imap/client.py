"""imapclient with its answers read more carefully: some servers say things twice, unasked, or for another mail.

Only what is used of it is changed. Its own ways are in mail.md §1.2.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import ProtocolError
from imapclient.imapclient import (
    POLL_SUPPORT,
    _parse_untagged_response,
    _quote,
    join_message_ids,
    seq_to_parenstr_upper,
)
from imapclient.response_parser import parse_response

from mailflow.transports.wire import Timeouts, words

# A SEARCH that ignores its range names every mail of the folder on one line (mail.md §1.2 j, §2).
vars(imaplib)["_MAXLINE"] = 16 * 1024 * 1024

_LARGEST = 1024**3
"""Bytes of a literal: nothing larger is a mail, and room for it is made before it comes."""

_ALERT = re.compile(rb"\S+ (?:OK|NO|BAD|PREAUTH) \[ALERT\](.*)", re.IGNORECASE | re.DOTALL)
_MOST_NEWS = 1000
"""Lines that are read at once in IDLE."""

Answers = dict[int, dict[bytes, Any]]
"""FETCH items by UID, or by message number."""


class _Protocol(imaplib.IMAP4):
    """imaplib on a socket that the watchdog knows from its first byte on."""

    def __init__(self, host: str, port: int, opened: Callable[[], socket.socket]) -> None:
        self._opened = opened
        self.alerts: list[str] = []
        super().__init__(host, port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._opened()

    def read(self, size: int) -> bytes:
        if size > _LARGEST:
            raise self.abort(f"literal of {size} bytes")
        return bytes(super().read(size))

    def _get_line(self) -> bytes:
        line = bytes(super()._get_line())  # type: ignore[misc]
        if alert := _ALERT.match(line):
            self.alerts.append(words(alert[1]))
        return line

    def _get_tagged_response(self, tag: bytes, expect_bye: bool = False) -> Any:
        # To us BAD is as good as NO, and imaplib would tell its words as Python writes bytes.
        typ, data = super()._get_tagged_response(tag, expect_bye)  # type: ignore[misc]
        return ("NO" if typ == "BAD" else typ), data

    def _check_bye(self) -> None:
        if bye := self.untagged_responses.get("BYE"):
            raise self.abort(f"BYE {words(bye[-1])}")


class Client(IMAPClient):  # type: ignore[misc]  # imapclient has no types
    def __init__(self, host: str, port: int, timeouts: Timeouts, opened: Callable[[], socket.socket]) -> None:
        self._opened = opened
        super().__init__(host, port, ssl=False, timeout=SocketTimeout(timeouts.connect, timeouts.read))

    def _create_IMAP4(self) -> _Protocol:  # noqa: N802
        return _Protocol(self.host, self.port, self._opened)

    def _check_resp(self, expected: str, command: str, typ: str, data: Sequence[Any]) -> None:
        # imapclient would leave out what is not ASCII, and that is what Chinese servers say.
        if typ != expected:
            raise imaplib.IMAP4.error(f"{command} failed: {words(data[0])}")

    def alerts(self) -> list[str]:
        """What the server has said since the last call that people must be shown (RFC 3501 §7.1)."""
        said, self._imap.alerts = self._imap.alerts, []
        return list(said)

    @property
    def logged_in(self) -> bool:
        """From the start where the server greets with PREAUTH (RFC 3501 §7.1.4)."""
        return str(self._imap.state) in ("AUTH", "SELECTED")

    def encrypt(self, wrap: Callable[[socket.socket], ssl.SSLSocket]) -> None:
        """STARTTLS. What the server has said until now was anybody's word and is forgotten (RFC 3501 §6.2.1)."""
        self.starttls(_Context(wrap, self._early))
        self._imap.untagged_responses.clear()

    def forget_capabilities(self) -> None:
        """What is offered before the login may be less than what is offered after it (mail.md §2, QQ)."""
        self._cached_capabilities = None

    def select_raw(self, name: bytes, readonly: bool) -> dict[bytes, Any]:
        """`select_folder` with the name as the server writes it, whatever its encoding."""
        typ, data = self._imap.select(_quote(name), readonly)
        self._check_resp("OK", "select", typ, data)
        answer: dict[bytes, Any] = self._process_select_response(self._imap.untagged_responses)
        return answer

    def append_raw(self, name: bytes, message: bytes) -> None:
        """`append`, as read and of now, likewise."""
        typ, data = self._imap.append(_quote(name), "(\\Seen)", datetime.now(UTC), message)
        self._check_resp("OK", "append", typ, data)

    def list_raw(self) -> list[Any]:
        """The LIST lines of all folders as they came: bytes, or (bytes, literal)."""
        typ, data = self._imap.list('""', '"*"')
        self._check_resp("OK", "list", typ, data)
        return [line for line in data if line]

    def fetch(self, messages: Iterable[int], data: Sequence[str], modifiers: None = None) -> Answers:
        """As imapclient's; but the answers to other commands, and those that do not say of which mail they are, count
        for nothing, and a mail's answers add up."""
        messages = list(messages)
        if not messages:
            return {}
        # Sent unasked before this command: message numbers in it may mean other mails by now.
        self._imap.untagged_responses.pop("FETCH", None)
        ask = partial(self._imap.uid, "FETCH") if self.use_uid else self._imap.fetch
        typ, lines = ask(join_message_ids(messages), seq_to_parenstr_upper(data))
        self._check_resp("OK", "fetch", typ, lines)
        return _answers(lines, set(messages), self.use_uid)

    @property
    def exists(self) -> int:
        """How many mails the open folder has, by what was said last."""
        return int(self._imap.untagged_responses.get("EXISTS", [0])[-1])

    def uids_between(self, low: int, high: int) -> list[int]:
        """Ascending. On one SEARCH line, on several, or with old mail among them, which some servers find whatever they
        are asked (mail.md §1.2 k, §2)."""
        self._imap.untagged_responses.pop("SEARCH", None)
        typ, lines = self._imap.uid("SEARCH", "UID", f"{low}:{high}")
        self._check_resp("OK", "search", typ, lines)
        found = {int(uid) for line in lines if line for uid in re.sub(rb"\(MODSEQ \d+\)", b"", line).split()}
        return sorted(uid for uid in found if low <= uid <= high)

    def idle(self) -> list[Any]:
        """Begins IDLE; returns what the server said before its "+" (mail.md §1.2 f). A refusal is an error."""
        self._idle_tag = self._imap._command("IDLE")
        said = []
        while (line := self._imap._get_response()) is not None:
            if ended := self._imap.tagged_commands.get(self._idle_tag):
                raise imaplib.IMAP4.error(f"idle failed: {words(ended[1][0])}")
            said.append(_parse_untagged_response(line))
        return said

    def idle_check(self, timeout: float | None = None) -> list[Any]:
        """As imapclient's; but a line that has begun is waited for, in however many segments it comes (mail.md §1.2 e).
        Like imapclient's it returns nothing, and at once, when the connection has ended (d)."""
        poll = self._poll_socket if POLL_SUPPORT else self._select_poll_socket
        sock, said = self.socket(), list[Any]()
        if self._early(sock) or poll(sock, timeout):
            while len(said) < _MOST_NEWS and self._early(sock):
                said.append(_parse_untagged_response(self._imap._get_line()))
        return said

    def _early(self, sock: socket.socket) -> bytes:
        """What can be read without waiting. No poll of the socket shows what came in one packet, or in one TLS record,
        with what was read before."""
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            file = getattr(self._imap, "_file", None) or self._imap.file  # Python 3.14 has renamed it
            return bytes(file.peek(1))
        except ssl.SSLWantReadError:  # half a record
            return b""
        finally:
            sock.settimeout(timeout)


class _Context:
    """What imaplib asks of an SSLContext: to make a socket of TLS. It must be one that the watchdog knows, and nothing
    must have been said in clear text that would be taken for an answer that came encrypted."""

    def __init__(self, wrap: Callable[[socket.socket], ssl.SSLSocket], early: Callable[[socket.socket], bytes]) -> None:
        self._wrap, self._early = wrap, early

    def wrap_socket(self, sock: socket.socket, server_hostname: str) -> ssl.SSLSocket:
        if early := self._early(sock):
            raise imaplib.IMAP4.abort(f"clear text after STARTTLS: {words(early)}")
        return self._wrap(sock)


def _answers(lines: Sequence[Any], asked: Collection[int], by_uid: bool) -> Answers:
    if lines == [None]:
        return {}
    found: Answers = {}
    tokens = parse_response([_plain(line) for line in lines])
    for number, items in zip(tokens[::2], tokens[1::2], strict=True):
        if not isinstance(number, int) or not isinstance(items, tuple):
            raise ProtocolError(f"no FETCH answer: {number!r}")
        said = dict(zip((name.upper() for name in items[::2]), items[1::2], strict=True))
        key = said.get(b"UID") if by_uid else number
        if isinstance(key, int) and key in asked:
            _add(found.setdefault(key, {}), said)
    return found


def _add(known: dict[bytes, Any], said: dict[bytes, Any]) -> None:
    """QQ sends lines twice (mail.md §2). What is empty takes nothing back; two bodies of one mail are a muddle."""
    for name, value in said.items():
        if name.startswith(b"BODY") and known.get(name) and value and known[name] != value:
            raise ProtocolError("two mails with the same UID")
        if value or name not in known:
            known[name] = value


def _plain(line: Any) -> Any:
    """literal8 (RFC 3516) as a literal: imapclient takes its "~{123}" for the text itself."""
    return (re.sub(rb"~(\{\d+\})$", rb"\1", line[0]), line[1]) if isinstance(line, tuple) else line
