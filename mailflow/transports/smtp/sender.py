"""Sending by SMTP. The one thing that matters: a message is never sent twice because an answer was lost.

Up to the last byte of the message the server cannot have taken it, and whatever breaks is transient. After it, without
an answer, nobody knows: UnclearError (mail.md §4, adopt 6).
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from mailflow import journal
from mailflow.core.address import ascii_form, is_address
from mailflow.core.providers import GENERIC, Provider
from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import STILL_REFUSED, Refusal, TokenRefusedError, Tokens
from mailflow.transports.smtp.connection import TROUBLE, Connection, StrangeError
from mailflow.transports.smtp.login import authenticate, by_password, by_token
from mailflow.transports.wire import USUAL, Timeouts, Watchdog, connect, crlf, is_loopback, why, words

Mode = Literal["smtps", "starttls", "plain"]

_GOODBYE = 2.0
_LOGIN_HINT = "请核对密码；163、QQ、阿里云等邮箱要用授权码，授权码也会过期。"
_CLOSING = 421
_LOGIN_WANTED = (530, 534, 535, 538)
_TOO_LARGE = 552
_NOT_ALLOWED = 553
"""Mailbox name not allowed: what a server says of an address that we do not even show it."""
_SENDER = re.compile(r"\b5\.(1\.[78]|7\.(8|9|14|30|57|60))\b|SendAsDenied", re.IGNORECASE)
"""Enhanced codes (RFC 3463, Exchange) by which it is the account or the sender that is refused, and no message."""


class SmtpSender:
    """A submission server. One connection serves many messages, and is made anew when it has gone stale.

    Args:
        mode: "smtps": TLS from the start. "starttls": TLS, demanded unless the host is this machine, where it is used
            to log in if it is offered. "plain": never TLS; then no password is sent, but to this machine.
        user: None sends without login.
        password: asked for at every login.
        tokens: give an access token in place of a password, asked for at every login.
        provider: what is special about the server.
        sender: the address that `check` asks leave for; "" does not ask.
        context: for TLS; the system's trusted authorities by default.
    """

    finds_late = False

    def __init__(
        self,
        host: str,
        port: int,
        mode: Mode,
        user: str | None = None,
        password: Callable[[], str] | None = None,
        *,
        tokens: Tokens | None = None,
        provider: Provider = GENERIC,
        sender: str = "",
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts = USUAL,
    ) -> None:
        self._host, self._port, self._mode = host, port, mode
        self._user, self._password, self._tokens = user, password, tokens
        self._provider, self._sender = provider, sender
        self._context = context or ssl.create_default_context()
        self._timeouts = timeouts
        self._watchdog = Watchdog()
        self._connection: Connection | None = None

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        if 0 < self._provider.max_size < len(message):
            raise PermanentError(
                f"邮件有 {len(message)} 字节，{self._provider.name}最多收 {self._provider.max_size} 字节。"
            )
        message = crlf(message)
        used = self._connection
        connection = self._open()
        try:
            refusals = self._offered(connection, message, envelope_from, recipients)
        except TransientError:
            if connection is not used or self._connection is not None:
                raise
            # Some servers hang up after so many messages. They cannot have taken this one: once more, on a new line.
            connection = self._open()
            refusals = self._offered(connection, message, envelope_from, recipients)
        try:
            self._verdict(connection)
        except UnclearError as error:
            error.refused = {refusal.recipient: refusal.permanent for refusal in refusals}
            raise
        return refusals

    def _offered(
        self, connection: Connection, message: bytes, envelope_from: str, recipients: Sequence[str]
    ) -> tuple[Refusal, ...]:
        """All but the verdict. Each answer may take minutes (RFC 5321 §4.5.3.2): some servers look recipients up."""
        with self._operation("发送", len(message)):
            _timeout(connection, self._timeouts.operation)
            refusals = self._envelope(connection, message, ascii_form(envelope_from), recipients)
            self._hand_over(connection, message)
        return refusals

    def _envelope(
        self, connection: Connection, message: bytes, sender: str, recipients: Sequence[str]
    ) -> tuple[Refusal, ...]:
        """MAIL and RCPT. Returns who was refused; raises when nobody is left."""
        self._mail(connection, sender, _mail_options(connection, message, (sender, *map(ascii_form, recipients))))
        answers = [_rcpt(connection, recipient) for recipient in recipients]
        refusals = tuple(refusal for refusal in answers if refusal is not None)
        if len(refusals) == len(recipients):
            text = f"{self._host} 拒绝了所有收件人：" + "；".join(f"{r.recipient} {r.code} {r.text}" for r in refusals)
            raise (PermanentError if all(refusal.permanent for refusal in refusals) else TransientError)(text)
        return refusals

    def _mail(self, connection: Connection, sender: str, options: Sequence[str]) -> None:
        if sender and (refusal := _refused_here(connection, sender)):
            raise PermanentError(f"发件地址“{words(sender)}”不能使用：{refusal.text}")
        code, said = connection.docmd("MAIL", " ".join([f"FROM:<{sender}>", *options]))
        if not _fine(code):
            raise self._sender_refused(sender, code, said)

    def _sender_refused(self, sender: str, code: int, said: bytes) -> MailflowError:
        """The sender is the same for all messages: a wrong setting, or an account that is blocked, must cost none."""
        error = self._refused("发件人", code, said)
        if code < 500 or code in (*_LOGIN_WANTED, _TOO_LARGE):
            return error
        return AuthError(f"{error}。请核对 [send] 的 from（现在是 {sender or '空'}）是不是登录账号可以用的地址。")

    def _hand_over(self, connection: Connection, message: bytes) -> None:
        code, said = connection.docmd("DATA")
        if code != 354:
            raise self._refused("邮件", code, said)
        body = re.sub(rb"(?m)^\.", b"..", message)
        try:
            connection.send(body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        except OSError:
            # Some hang up in the midst of what is too large for them, and have said so.
            with contextlib.suppress(*TROUBLE):
                raise self._refused("邮件", *connection.getreply()) from None
            raise

    def _verdict(self, connection: Connection) -> None:
        """The answer to the finished message. Only a clear yes or no is one."""
        try:
            with self._watchdog.deadline(self._timeouts.verdict):
                _timeout(connection, self._timeouts.verdict)
                code, said = connection.getreply()
            if code != 250 and not 400 <= code < 600:
                raise StrangeError(f"{code} {words(said)}")
        except TROUBLE as error:
            self._drop()
            raise UnclearError(f"{self._host} 收到了邮件，但没有说收下还是拒绝：{why(error)}") from error
        if code != 250:
            raise self._refused("邮件", code, said)
        journal.step("smtp.sent")

    def find(self, message_id: str) -> bool | None:
        """SMTP has no way to look a message up."""
        return None

    @property
    def per_minute(self) -> int:
        return self._provider.per_minute

    def check(self) -> str:
        connection = self._open()
        tls = isinstance(connection.sock, ssl.SSLSocket)
        if self._sender:
            self._ask_leave(connection, ascii_form(self._sender))
        login = f"已用 {self._user} 登录" if self._user else "不需要登录"
        return f"已连接发件服务器 {self._host}:{self._port}，{'已加密' if tls else '未加密'}，{login}。"

    def _ask_leave(self, connection: Connection, sender: str) -> None:
        """Without a login only this tells whether the server takes mail from here, and in this name. Nothing is sent:
        RSET undoes it (RFC 5321 §4.1.1.5)."""
        with self._operation("询问"):
            self._mail(connection, sender, () if sender.isascii() else ("SMTPUTF8",))
            connection.docmd("RSET")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*TROUBLE), self._watchdog.deadline(_GOODBYE):
                connection.quit()
            connection.close()

    # -- the connection ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _operation(self, doing: str, size: int = 0) -> Iterator[None]:
        """Before the last byte is out: whatever breaks is transient and costs the connection."""
        try:
            with self._watchdog.deadline(self._timeouts.for_bytes(size)):
                yield
        except TROUBLE as error:
            self._drop()
            raise self._mapped(doing, error) from error

    def _open(self) -> Connection:
        with self._operation("连接"):
            return self._ready()

    def _ready(self) -> Connection:
        if self._connection is not None:
            # Whatever the last message ended with, this one begins anew. A connection gone stale is no news.
            with contextlib.suppress(*TROUBLE):
                _timeout(self._connection, self._timeouts.read)
                if self._connection.docmd("RSET")[0] == 250:
                    return self._connection
            self._drop()
        try:
            self._connection = self._connected()
        except TokenRefusedError:
            self._connection = self._connected(fresh=True)
        return self._connection

    def _connected(self, *, fresh: bool = False) -> Connection:
        """Logged in with a token that is `fresh`, where tokens are used."""

        def opened() -> socket.socket:
            context = self._context if self._mode == "smtps" else None
            return connect(self._host, self._port, self._timeouts.connect, self._watchdog, context)

        connection = Connection(self._host, self._port, self._timeouts, opened)
        try:
            connection.ehlo_or_helo_if_needed()
            self._secure(connection)
            if self._user:
                self._log_in(connection, self._user, fresh)
        except BaseException:
            connection.close()
            raise
        return connection

    def _secure(self, connection: Connection) -> None:
        """Transient throughout: a wrong setting must not cost a message; the circuit breaker says it loudly."""
        here = is_loopback(self._host)
        if self._mode == "plain" and self._user and not here:
            raise TransientError(f"没有加密就不会向 {self._host} 发送密码，没有发送。请改用 smtp:// 或 smtps://。")
        if self._mode != "starttls" or (here and not self._user):
            # The certificate of a relay on this machine is nobody's, and there is nothing to hide from it.
            return
        if connection.has_extn("starttls"):
            connection.encrypt(self._watchdog, self._context)
            connection.ehlo_or_helo_if_needed()
        elif not here:
            raise TransientError(f"{self._host} 不提供加密连接（STARTTLS），没有发送。请改用 smtps://。")

    def _log_in(self, connection: Connection, user: str, fresh: bool) -> None:
        if self._tokens is not None:
            code, said = authenticate(connection, by_token(user, self._tokens.token(fresh=fresh)))
        else:
            code, said = authenticate(connection, by_password(user, self._password() if self._password else ""))
        if code == 235:
            return
        if code == 0:
            raise AuthError(f"发件服务器 {self._host} 不提供能用的登录方式（它提供的：{said}），没有登录。")
        text = f"发件服务器 {self._host} 拒绝登录（{user}）：{code} {said}"
        if 400 <= code < 500:
            raise TransientError(text)
        if code < 500:
            raise StrangeError(text)
        hint = self._provider.meaning(text) or (_LOGIN_HINT if self._tokens is None else STILL_REFUSED)
        raise (AuthError if self._tokens is None else TokenRefusedError)(f"{text}。{hint}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _refused(self, what: str, code: int, said: bytes) -> MailflowError:
        text = f"{self._host} 拒绝了{what}：{code} {words(said)}"
        if not 400 <= code < 600:
            raise StrangeError(text)
        if code == _CLOSING:
            self._drop()
        if code < 500:
            return TransientError(text)
        hint = self._provider.meaning(text)
        text = f"{text}。{hint}" if hint else text
        return AuthError(text) if code in _LOGIN_WANTED or _SENDER.search(text) else PermanentError(text)

    def _mapped(self, doing: str, error: BaseException) -> MailflowError:
        said = why(error)
        if isinstance(error, smtplib.SMTPResponseException):
            said = f"{error.smtp_code} {words(error.smtp_error)}"
        if self._mode == "starttls" and isinstance(error, TimeoutError):
            said += "。一开始就要加密的端口（一般是 465）不会先说话：url 要写 smtps://"
        return TransientError(f"发件服务器 {self._host} {doing}失败：{said}")


# -- commands ---------------------------------------------------------------------------------------------------------


def _mail_options(connection: Connection, message: bytes, addresses: Sequence[str]) -> list[str]:
    options = []
    if connection.has_extn("size"):
        limit = connection.esmtp_features["size"]
        if limit.isdecimal() and 0 < int(limit) < len(message):
            raise PermanentError(f"邮件有 {len(message)} 字节，服务器最多收 {limit} 字节。")
        options.append(f"SIZE={len(message)}")
    if connection.has_extn("8bitmime") and not message.isascii():
        # Where it is not offered such a message goes all the same: few servers mind, and what we compose is ASCII.
        options.append("BODY=8BITMIME")
    if connection.has_extn("smtputf8") and not all(address.isascii() for address in addresses):
        options.append("SMTPUTF8")
    return options


def _rcpt(connection: Connection, recipient: str) -> Refusal | None:
    """None: accepted."""
    if refusal := _refused_here(connection, recipient):
        return refusal
    code, said = connection.docmd("RCPT", f"TO:<{ascii_form(recipient)}>")
    if _fine(code):
        return None
    if code == _CLOSING or not 400 <= code < 600:
        raise smtplib.SMTPResponseException(code, said)
    # 552 may mean that there are too many recipients, or a full mailbox (RFC 5321 §4.5.3.1.10).
    return Refusal(recipient, code, words(said), permanent=code >= 500 and code != _TOO_LARGE)


def _refused_here(connection: Connection, address: str) -> Refusal | None:
    """Why the server is not even shown this address; nothing else stands between < and > of a command."""
    if not is_address(address):
        return Refusal(address, _NOT_ALLOWED, "不是可用的邮箱地址", permanent=True)
    if not ascii_form(address).isascii() and not connection.has_extn("smtputf8"):
        text = "@ 前面有中文等非英文的字，发件服务器不支持这种地址（SMTPUTF8）"
        return Refusal(address, _NOT_ALLOWED, text, permanent=True)
    return None


def _timeout(connection: Connection, seconds: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _fine(code: int) -> bool:
    """RFC 5321 §4.3.2; any other 2yz is the answer to another question."""
    return code in (250, 251, 252)
