"""Sending by SMTP. The one thing that matters: a message is never sent twice because an answer was lost.

Up to the last byte of the message the server cannot have taken it, and whatever breaks is transient. After it, without
an answer, nobody knows: UnclearError (mail.md §4, adopt 6).
"""

from __future__ import annotations

import base64
import contextlib
import hmac
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
from mailflow.transports.base import Refusal
from mailflow.transports.wire import USUAL, Timeouts, Watchdog, connect, crlf, encrypted, is_loopback, why, words

Mode = Literal["smtps", "starttls", "plain"]

_GOODBYE = 2.0
_TROUBLE = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""smtplib's exceptions are OSErrors; the rest is what it makes of strange answers."""
_CLOSING = 421
_LOGIN_WANTED = (530, 534, 535, 538)
_TOO_LARGE = 552
_NOT_ALLOWED = 553
"""Mailbox name not allowed: what a server says of an address that we do not even show it."""
_UNKNOWN_MECHANISM = 504
_SENDER = re.compile(r"\b5\.(1\.[78]|7\.(8|9|14|30|57|60))\b|SendAsDenied", re.IGNORECASE)
"""Enhanced codes (RFC 3463, Exchange) by which it is the account or the sender that is refused, and no message."""
_ANSWER = re.compile(rb"([2-5]\d\d)(?:([ -])([^\r\n]*))?\r?\n")
_LONGEST_LINE = 8192
_MOST_LINES = 200


class _StrangeError(OSError):
    """An answer that RFC 5321 does not know. Nothing is certain on this connection any more."""


class _Connection(smtplib.SMTP):
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
            raise _StrangeError(f"服务器没有等到发问就说：{words(early)}")

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
                raise _StrangeError(f"服务器的答复不是 SMTP：{words(line)[:80]}")
            codes.add(found[1])
            lines.append((found[3] or b"").strip())
            more = found[2] == b"-"
        if len(codes) > 1:
            raise _StrangeError(f"服务器的答复自相矛盾：{words(b' '.join(sorted(codes)))}")
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


class SmtpSender:
    """A submission server. One connection serves many messages, and is made anew when it has gone stale.

    Args:
        mode: "smtps": TLS from the start. "starttls": TLS, demanded unless the host is this machine, where it is used
            to log in if it is offered. "plain": never TLS; then no password is sent, but to this machine.
        user: None sends without login.
        password: asked for at every login.
        token: gives an access token in place of a password, a fresh one at every login.
        provider: what is special about the server.
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
        token: Callable[[], str] | None = None,
        provider: Provider = GENERIC,
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts = USUAL,
    ) -> None:
        self._host, self._port, self._mode = host, port, mode
        self._user, self._password, self._token = user, password, token
        self._provider = provider
        self._context = context or ssl.create_default_context()
        self._timeouts = timeouts
        self._watchdog = Watchdog()
        self._connection: _Connection | None = None

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
        self._verdict(connection)
        return refusals

    def _offered(
        self, connection: _Connection, message: bytes, envelope_from: str, recipients: Sequence[str]
    ) -> tuple[Refusal, ...]:
        """All but the server's verdict."""
        with self._operation("发送", len(message)):
            refusals = self._envelope(connection, message, ascii_form(envelope_from), recipients)
            self._hand_over(connection, message)
        return refusals

    def _envelope(
        self, connection: _Connection, message: bytes, sender: str, recipients: Sequence[str]
    ) -> tuple[Refusal, ...]:
        """MAIL and RCPT. Returns who was refused; raises when nobody is left."""
        if sender and (refusal := _refused_here(connection, sender)):
            raise PermanentError(f"发件地址“{words(sender)}”不能使用：{refusal.text}")
        options = _mail_options(connection, message, (sender, *map(ascii_form, recipients)))
        code, said = connection.docmd("MAIL", " ".join([f"FROM:<{sender}>", *options]))
        if not _fine(code):
            raise self._sender_refused(sender, code, said)
        answers = [_rcpt(connection, recipient) for recipient in recipients]
        refusals = tuple(refusal for refusal in answers if refusal is not None)
        if len(refusals) == len(recipients):
            text = f"{self._host} 拒绝了所有收件人：" + "；".join(f"{r.recipient} {r.code} {r.text}" for r in refusals)
            raise (PermanentError if all(refusal.permanent for refusal in refusals) else TransientError)(text)
        return refusals

    def _sender_refused(self, sender: str, code: int, said: bytes) -> MailflowError:
        """The sender is the same for all messages: a wrong setting, or an account that is blocked, must cost none."""
        error = self._refused("发件人", code, said)
        if code < 500 or code in (*_LOGIN_WANTED, _TOO_LARGE):
            return error
        return AuthError(f"{error}。请核对 [send] 的 from（现在是 {sender or '空'}）是不是登录账号可以用的地址。")

    def _hand_over(self, connection: _Connection, message: bytes) -> None:
        code, said = connection.docmd("DATA")
        if code != 354:
            raise self._refused("邮件", code, said)
        body = re.sub(rb"(?m)^\.", b"..", message)
        try:
            connection.send(body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        except OSError:
            # Some hang up in the midst of what is too large for them, and have said so.
            with contextlib.suppress(*_TROUBLE):
                raise self._refused("邮件", *connection.getreply()) from None
            raise

    def _verdict(self, connection: _Connection) -> None:
        """The answer to the finished message. Only a clear yes or no is one."""
        try:
            with self._watchdog.deadline(self._timeouts.verdict):
                _timeout(connection, self._timeouts.verdict)
                code, said = connection.getreply()
                _timeout(connection, self._timeouts.read)
            if code != 250 and not 400 <= code < 600:
                raise _StrangeError(f"{code} {words(said)}")
        except _TROUBLE as error:
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
        tls = isinstance(self._open().sock, ssl.SSLSocket)
        login = f"已用 {self._user} 登录" if self._user else "不需要登录"
        return f"已连接发件服务器 {self._host}:{self._port}，{'已加密' if tls else '未加密'}，{login}。"

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_TROUBLE), self._watchdog.deadline(_GOODBYE):
                connection.quit()
            connection.close()

    # -- the connection ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _operation(self, doing: str, size: int = 0) -> Iterator[None]:
        """Before the last byte is out: whatever breaks is transient and costs the connection."""
        try:
            with self._watchdog.deadline(self._timeouts.for_bytes(size)):
                try:
                    yield
                except MailflowError:
                    self._reset()
                    raise
        except _TROUBLE as error:
            self._drop()
            raise self._mapped(doing, error) from error

    def _open(self) -> _Connection:
        with self._operation("连接"):
            return self._ready()

    def _ready(self) -> _Connection:
        if self._connection is not None:
            try:
                if self._connection.noop()[0] == 250:
                    return self._connection
            except _TROUBLE:
                pass  # gone stale, which is no news
            self._drop()
        self._connection = self._connected()
        return self._connection

    def _connected(self) -> _Connection:
        def opened() -> socket.socket:
            context = self._context if self._mode == "smtps" else None
            return connect(self._host, self._port, self._timeouts.connect, self._watchdog, context)

        connection = _Connection(self._host, self._port, self._timeouts, opened)
        try:
            connection.ehlo_or_helo_if_needed()
            self._secure(connection)
            if self._user:
                self._log_in(connection, self._user)
        except BaseException:
            connection.close()
            raise
        return connection

    def _secure(self, connection: _Connection) -> None:
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

    def _log_in(self, connection: _Connection, user: str) -> None:
        """Once, by one mechanism: every further try counts against the account (mail.md §2, "all")."""
        offered = connection.esmtp_features.get("auth", "").upper().split()
        code, said = 0, b""
        for mechanism, initial, answers in self._mechanisms(user):
            if mechanism not in offered:
                continue
            code, said = _authenticated(connection, mechanism, initial, *answers)
            if code != _UNKNOWN_MECHANISM:
                break
        if code == 235:
            return
        if code in (0, _UNKNOWN_MECHANISM):
            ways = "、".join(offered) or "没有"
            raise AuthError(f"发件服务器 {self._host} 不提供能用的登录方式（它提供的：{ways}），没有登录。")
        text = f"发件服务器 {self._host} 拒绝登录（{user}）：{code} {words(said)}"
        if 400 <= code < 500:
            raise TransientError(text)
        if code < 500:
            raise _StrangeError(text)
        hint = self._provider.meaning(text) or "请核对密码；163、QQ、阿里云等邮箱要用授权码，授权码也会过期。"
        raise AuthError(f"{text}。{hint}")

    def _mechanisms(self, user: str) -> Iterator[tuple[str, str | None, tuple[Callable[[bytes], str], ...]]]:
        """Name, first answer and further ones, in the order of preference; in UTF-8, which smtplib cannot."""
        if self._token is not None:
            token = self._token()
            # A refusal comes with a challenge, which has to be answered.
            yield "XOAUTH2", f"user={user}\x01auth=Bearer {token}\x01\x01", (lambda _: "",)
            yield "OAUTHBEARER", f"n,a={user},\x01auth=Bearer {token}\x01\x01", (lambda _: "\x01",)  # RFC 7628 §3.2.3
            return
        password = self._password() if self._password else ""

        def digest(challenge: bytes) -> str:
            return f"{user} {hmac.new(password.encode(), base64.b64decode(challenge), 'md5').hexdigest()}"

        yield "PLAIN", f"\0{user}\0{password}", ()
        yield "LOGIN", None, (lambda _: user, lambda _: password)
        yield "CRAM-MD5", None, (digest,)

    def _reset(self) -> None:
        """After a refusal the connection is good for the next message."""
        if self._connection is not None:
            try:
                if self._connection.docmd("RSET")[0] == 250:
                    return
            except _TROUBLE:
                pass
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _refused(self, what: str, code: int, said: bytes) -> MailflowError:
        text = f"{self._host} 拒绝了{what}：{code} {words(said)}"
        if not 400 <= code < 600:
            raise _StrangeError(text)
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


def _mail_options(connection: _Connection, message: bytes, addresses: Sequence[str]) -> list[str]:
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


def _rcpt(connection: _Connection, recipient: str) -> Refusal | None:
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


def _refused_here(connection: _Connection, address: str) -> Refusal | None:
    """Why the server is not even shown this address; nothing else stands between < and > of a command."""
    if not is_address(address):
        return Refusal(address, _NOT_ALLOWED, "不是可用的邮箱地址", permanent=True)
    if not ascii_form(address).isascii() and not connection.has_extn("smtputf8"):
        text = "@ 前面有中文等非英文的字，发件服务器不支持这种地址（SMTPUTF8）"
        return Refusal(address, _NOT_ALLOWED, text, permanent=True)
    return None


def _authenticated(
    connection: _Connection, mechanism: str, initial: str | None, *answers: Callable[[bytes], str]
) -> tuple[int, bytes]:
    """The server's last word on AUTH (RFC 4954); each answer is made of a challenge."""
    secrets = [] if initial is None else [_base64(initial)]
    try:
        code, said = connection.docmd("AUTH", " ".join([mechanism, *secrets]))
        for answer in answers:
            if code != 334:
                break
            secrets.append(_base64(answer(said)))
            code, said = connection.docmd(secrets[-1])
    except _StrangeError:
        raise _StrangeError("服务器对登录的答复不是 SMTP") from None
    # Some repeat what they did not understand, and a password must not come into the log.
    return code, _WORD.sub(lambda word: b"***" if any(word[0] in one.encode() for one in secrets) else word[0], said)


_WORD = re.compile(rb"[A-Za-z0-9+/=]{6,}")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _timeout(connection: _Connection, seconds: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _address_literal(sock: socket.socket | None) -> str:
    """What we call ourselves in EHLO: the address, as RFC 5321 §4.1.3 has it for a client without a public name."""
    address = str(sock.getsockname()[0]).partition("%")[0] if sock is not None else "127.0.0.1"
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _fine(code: int) -> bool:
    """RFC 5321 §4.3.2; any other 2yz is the answer to another question."""
    return code in (250, 251, 252)
