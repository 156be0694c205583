"""A submission server that records what it was given and fails on demand.

with SmtpServer() as server:
    server.faults.rcpt["boss@company.example"] = "550 5.1.1 no such user"
    ...
    assert server.messages[0].recipients == ["..."]
"""

from __future__ import annotations

import asyncio
import ssl
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
