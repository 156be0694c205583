"""smtplib, strict about what is an answer. Once an answer is taken for that of another question, a message that was
never seen is believed to be sent."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Callable

from mailflow.transports.wire import Timeouts, Watchdog, encrypted, words

TROUBLE = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""smtplib's exceptions are OSErrors; the rest is what it makes of strange answers."""
_ANSWER = re.compile(rb"([2-5]\d\d)(?:([ -])([^\r\n]*))?\r?\n")
_LONGEST_LINE = 8192
_MOST_LINES = 200


class StrangeError(OSError):
    """An answer that RFC 5321 does not know. Nothing is certain on this connection any more."""


class Connection(smtplib.SMTP):
    """smtplib on a socket that the watchdog knows from its first byte on, and strict about what is an answer."""

    def __init__(self, host: str, port: int, timeouts: Timeouts, opened: Callable[[], socket.socket]) -> None:
        self._opened, self._name = opened, host
        try:
            # A name of our own, or else smtplib asks the DNS for one, which may take long.
            super().__init__(host, port, local_hostname="localhost", timeout=timeouts.read)
        except BaseException:
            self.close()
            raise
        self.local_hostname = _address_literal(self.sock)
        # Only what `_refused_here` lets through is sent, so that a server without SMTPUTF8 sees nothing but ASCII.
        self.command_encoding = "utf-8"

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._opened()
        sock.settimeout(timeout)
        return sock

    def send(self, s: bytes | str) -> None:  # type: ignore[override]  # nobody sends anything else
        if self.sock is None:
            raise ConnectionAbortedError("connection closed")
        self._nothing_early(self.sock)
        self.sock.sendall(s.encode(self.command_encoding) if isinstance(s, str) else s)

    def _nothing_early(self, sock: socket.socket) -> None:
        """A server speaks when it is asked. What came before would be taken for the next answer, and a yes for the
        message that it has not seen."""
        if self.file is None:
            return
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            early = self.file.peek()
        except ssl.SSLWantReadError:
            early = b""
        finally:
            sock.settimeout(timeout)
        if early:
            raise StrangeError(f"服务器没有等到发问就说：{words(early)}")

    def getreply(self) -> tuple[int, bytes]:
        """A whole answer (RFC 5321 §4.2.1). smtplib takes "25", half a line and a change of mind for one too."""
        if self.sock is None:
            raise ConnectionAbortedError("connection closed")
        self.file = self.file or self.sock.makefile("rb")
        codes, lines, more = set[bytes](), list[bytes](), True
        while more:
            line = self.file.readline(_LONGEST_LINE)
            if not line:
                raise ConnectionAbortedError("connection closed")
            found = _ANSWER.fullmatch(line)
            if found is None or len(lines) == _MOST_LINES:
                raise StrangeError(f"服务器的答复不是 SMTP：{words(line)[:80]}")
            codes.add(found[1])
            lines.append((found[3] or b"").strip())
            more = found[2] == b"-"
        if len(codes) > 1:
            raise StrangeError(f"服务器的答复自相矛盾：{words(b' '.join(sorted(codes)))}")
        return int(codes.pop()), b"\n".join(lines)

    def encrypt(self, watchdog: Watchdog, context: ssl.SSLContext) -> None:
        """STARTTLS. What the server has said until now was anybody's word and is forgotten (RFC 3207 §4.2)."""
        code, said = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, said)
        assert self.sock is not None  # noqa: S101  # it has just answered
        self._nothing_early(self.sock)
        self.file = None
        self.sock = encrypted(self.sock, self._name, watchdog, context)
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False


def _address_literal(sock: socket.socket | None) -> str:
    """What we call ourselves in EHLO: the address, as RFC 5321 §4.1.3 has it for a client without a public name."""
    address = str(sock.getsockname()[0]).partition("%")[0] if sock is not None else "127.0.0.1"
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
