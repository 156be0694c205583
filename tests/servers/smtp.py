"""Submission servers: a real one that records what it was given and fails on demand, and one that says what no real
one ever would.

with SmtpServer() as server:
    server.faults.rcpt["boss@company.example"] = "550 5.1.1 no such user"
    ...
    assert server.messages[0].recipients == ["..."]

with ScriptedSmtp({"DATA": b"354 go\r\n354 go\r\n", ".": None}) as server:
    ...
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.loopback import free_port


@dataclass(frozen=True)
class Sent:
    """One accepted message, CRLF line ends and dots as the sender had them."""

    sender: str
    recipients: list[str]
    options: list[str]
    raw: bytes
    encrypted: bool


@dataclass
class Faults:
    """What goes wrong. Each answer given from a list is used once."""

    mail: list[str] = field(default_factory=list)
    rcpt: dict[str, str] = field(default_factory=dict)
    """Answer by recipient, e.g. "550 5.1.1 unknown"."""
    data: list[str] = field(default_factory=list)
    """Answers to the next messages, e.g. "451 4.3.0 later"."""
    abort_after_data: int = 0
    """So many messages are stored, and then the connection is cut instead of an answer."""
    abort_before_data: int = 0
    """So many connections are cut at RCPT."""


class SmtpServer:
    """Args:
    user, password: login is demanded when given.
    starttls: offers STARTTLS. `smtps`: TLS from the start.
    """

    def __init__(
        self,
        *,
        user: str | None = None,
        password: str = "",
        starttls: ssl.SSLContext | None = None,
        smtps: ssl.SSLContext | None = None,
        size_limit: int = 33554432,
        smtputf8: bool = False,
        port: int | None = None,
    ) -> None:
        self.messages: list[Sent] = []
        self.faults = Faults()
        self.connections = 0
        self.logins: list[tuple[str, str]] = []
        self._wanted = (user, password)
        self.port = port or free_port()
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=smtps,
            tls_context=starttls,
            data_size_limit=size_limit,
            enable_SMTPUTF8=smtputf8,
            decode_data=False,
            authenticator=self._authenticate if user else None,
            auth_required=bool(user),
            auth_require_tls=False,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given)
        return AuthResult(success=given == self._wanted, handled=False)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.faults.mail:
            return self.faults.mail.pop(0)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.faults.abort_before_data:
            self.faults.abort_before_data -= 1
            _cut(server)
        if address in self.faults.rcpt:
            return self.faults.rcpt[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.faults.data:
            return self.faults.data.pop(0)
        assert isinstance(envelope.original_content, bytes)
        sent = Sent(
            (envelope.mail_from or "").removeprefix("<>"),
            [str(recipient) for recipient in envelope.rcpt_tos],
            list(envelope.mail_options),
            envelope.original_content,
            session.ssl is not None,
        )
        self.messages.append(sent)
        if self.faults.abort_after_data:
            self.faults.abort_after_data -= 1
            _cut(server)
        return "250 OK"

    def drop_connections(self) -> None:
        """Cuts whoever is connected, as an idle timeout does."""
        self._controller.drop_connections()

    def __enter__(self) -> SmtpServer:
        self._controller.start()
        self.connections = 0  # the controller has tried its own server
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.settle()
        self._controller.stop()


class _Controller(Controller):
    def __init__(self, handler: SmtpServer, **options: Any) -> None:
        super().__init__(handler, **options)
        self._sessions: list[SMTP] = []

    def factory(self) -> SMTP:
        self.handler.connections += 1
        session = cast(SMTP, super().factory())  # type: ignore[no-untyped-call]  # aiosmtpd left it untyped
        self._sessions.append(session)
        return session

    def settle(self) -> None:
        """Lets the loop close what is to be closed, a failed handshake's socket for one."""
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.02), self.loop).result(5)

    def drop_connections(self) -> None:
        while self._sessions:
            self.loop.call_soon_threadsafe(_cut, self._sessions.pop())


def _cut(session: SMTP) -> None:
    if session.transport is not None:
        cast(asyncio.Transport, session.transport).abort()


@dataclass(frozen=True)
class Late:
    """Says this after so many seconds."""

    said: bytes
    seconds: float


Answer = bytes | None | Late | Callable[["Talk"], None]
"""What to send, b"" being silence; None: hang up; or whatever a function does."""


class ScriptedSmtp:
    """Does what it is asked, but for what `on` says by verb: "" is the greeting, "." the end of a message, "*" what
    follows a 334. A list gives one answer each time, and its last for good.

    Args:
        features: what EHLO names. `tls`: for STARTTLS.
    """

    def __init__(
        self,
        on: Mapping[str, Answer | Sequence[Answer]] | None = None,
        *,
        features: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.on: dict[str, Answer | Sequence[Answer]] = dict(on or {})
        self.features, self.tls = list(features), tls
        self.lines: list[bytes] = []
        """Commands."""
        self.messages: list[bytes] = []
        """Finished ones, as they came over the wire: with the dots doubled, without the last line."""
        self.verdicts: list[Answer] = []
        """What was said to each of them."""
        self.connections = 0
        self.stopped = threading.Event()
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._host = host
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> ScriptedSmtp:
        self._listener = socket.create_server((self._host, 0), family=self._family)
        self.port: int = self._listener.getsockname()[1]
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self.stopped.is_set():
            with contextlib.suppress(OSError):
                conn, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(conn,), daemon=True)
                self._threads = [self._threads[0], *(t for t in self._threads[1:] if t.is_alive()), thread]
                thread.start()

    def _serve(self, conn: socket.socket) -> None:
        conn.settimeout(10)
        talk = Talk(self, conn)
        with contextlib.suppress(OSError, ValueError):
            talk.run()
        talk.hang_up()


class Talk:
    """One connection."""

    def __init__(self, server: ScriptedSmtp, conn: socket.socket) -> None:
        self.server, self.conn = server, conn
        self._lines = conn.makefile("rb")
        self._usual = {
            "": b"220 ready\r\n", "DATA": b"354 go\r\n", "AUTH": b"235 ok\r\n", "STARTTLS": b"220 go\r\n",
            "QUIT": b"221 bye\r\n", ".": b"250 queued\r\n", "*": b"235 ok\r\n",
        }  # fmt: skip

    def run(self) -> None:
        said = self._answer("")
        while line := self._lines.readline():
            self.server.lines.append(line.rstrip(b"\r\n"))
            verb = line.split(b" ")[0].strip().upper().decode("latin-1")
            said = self._answer("*" if said.startswith(b"334") else verb)
            if verb == "DATA" and said.startswith(b"354"):
                self._take()
                said = self._answer(".")
            elif verb == "STARTTLS" and said.startswith(b"220") and self.server.tls:
                self._lines.close()
                self.conn = self.server.tls.wrap_socket(self.conn, server_side=True)
                self._lines = self.conn.makefile("rb")
            elif verb == "QUIT":
                return

    def _take(self) -> None:
        lines = []
        while (line := self._lines.readline()) != b".\r\n":
            if not line:
                raise OSError("cut off")
            lines.append(line)
        self.server.messages.append(b"".join(lines))

    def _answer(self, verb: str) -> bytes:
        """What was said."""
        answer = self._next(verb)
        if verb == ".":
            self.server.verdicts.append(answer.said if isinstance(answer, Last) else answer)
        if answer is None:
            raise OSError("hung up")
        if isinstance(answer, Late):
            self.server.stopped.wait(answer.seconds)
            answer = answer.said
        if callable(answer):
            answer(self)
            return b""
        assert isinstance(answer, bytes)
        self.conn.sendall(answer)
        return answer

    def _next(self, verb: str) -> Answer:
        answer = self.server.on.get(verb, self._usual_answer(verb))
        if not isinstance(answer, list):
            return cast(Answer, answer)
        self.server.on[verb] = answer[1:] or answer
        return cast(Answer, answer[0])

    def _usual_answer(self, verb: str) -> bytes:
        if verb == "EHLO":
            lines = ["scripted", *self.server.features]
            return "".join(f"250{' ' if n == len(lines) else '-'}{x}\r\n" for n, x in enumerate(lines, 1)).encode()
        return self._usual.get(verb, b"250 ok\r\n")

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._lines.close()
            self.conn.close()


@dataclass(frozen=True)
class Last:
    """Says this, and hangs up."""

    said: bytes

    def __call__(self, talk: Talk) -> None:
        talk.conn.sendall(self.said)
        talk.hang_up()


def silence(talk: Talk) -> None:
    talk.server.stopped.wait(10)


def trickle(talk: Talk) -> None:
    """One byte after the other, and never a line."""
    while not talk.server.stopped.wait(0.05):
        talk.conn.sendall(b"x")


def babble(talk: Talk) -> None:
    """An answer of many lines without a last one."""
    while not talk.server.stopped.is_set():
        talk.conn.sendall(b"250-and more\r\n")
