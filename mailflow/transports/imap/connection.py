"""A connection to an IMAP server, defended against what some servers do (mail.md §1, §2).

Only commands that the server's CAPABILITY offers are sent. Every command has a deadline from outside. NO and BAD are
the server's answers; after anything else the connection is thrown away. imapclient's exceptions are mapped here.
"""

from __future__ import annotations

import base64
import contextlib
import imaplib
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imapclient import imap_utf7
from imapclient.exceptions import LoginError, ProtocolError

from mailflow import __version__, journal
from mailflow.core.providers import GENERIC, Provider
from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError
from mailflow.transports.base import STILL_REFUSED, TokenRefusedError, Tokens
from mailflow.transports.imap.client import Client
from mailflow.transports.pace import Pace
from mailflow.transports.wire import USUAL, Timeouts, Watchdog, blotted, connect, encrypted, is_loopback, why, words

_GOODBYE = 2.0
_ANEW = 1.1
"""Seconds until a folder is opened once more: servers that make its UIDVALIDITY up may take the time for it."""
_TOO_MANY = 2**32
"""Mails: there are not so many UIDs."""
_UNSAFE = "服务器认为登录不安全，请在网页邮箱中开启 IMAP 并使用授权码。"
_LOGIN_HINT = "请核对密码；163、QQ、阿里云等邮箱要用授权码（客户端专用密码），授权码也会过期。"
_PACE = Pace()
"""A mailbox is made anew after every error, and this must not be."""

TROUBLE = (
    imaplib.IMAP4.error,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    MemoryError,
)
"""What the library makes of a dead connection or of a strange answer."""

_PASSING = re.compile(
    r"\[(UNAVAILABLE|INUSE|LIMIT|THROTTLED|OVERQUOTA)\]|AccessTokenExpired|session invalidated|but not connected"
    r"|(too many|number of) [a-z ]{0,30}connections",
    re.IGNORECASE,
)
_ENDED = "AccessTokenExpired"
_FOR_GOOD = re.compile(r"\[(NONEXISTENT|NOPERM|CANNOT)\]|n.t exist|not exist|no such|unknown mailbox", re.IGNORECASE)
"""RFC 5530, and what servers say that do not know it. Any other NO may pass: it is tried again. Microsoft 365 ends a
session with its token, and may say after a good login that it is not connected (mail.md §1.2)."""


@dataclass(frozen=True)
class Selected:
    """What the server said when the folder was opened."""

    validity: str
    exists: int
    uidnext: int | None
    writable: bool


class Connection:
    """A folder on an IMAP server. Connects when first needed, and again when the connection was lost.

    Args:
        tls: TLS from the start (imaps). Without it STARTTLS is used, and demanded unless the host is this machine.
        password: asked for at every login, so that a rotated one is used.
        tokens: give an access token in place of a password, asked for at every login (mail.md §8, 11).
        provider: what is special about the server.
        context: for TLS; the system's trusted authorities by default.
        pace: when the account last logged in.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        tls: bool,
        user: str,
        password: Callable[[], str],
        folder: str = "INBOX",
        *,
        tokens: Tokens | None = None,
        provider: Provider = GENERIC,
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts = USUAL,
        pace: Pace = _PACE,
    ) -> None:
        self.name = name
        self.folder = "INBOX" if folder.upper() == "INBOX" else folder
        self._host, self._port, self._tls = host, port, tls
        self._user, self._password, self._tokens = user, password, tokens
        self._provider = provider
        self._context = context or ssl.create_default_context()
        self._timeouts = timeouts
        self._pace = pace
        self._lasting = True
        """False: the server makes another UIDVALIDITY up whenever the folder is opened; it counts as absent."""
        self._raw: bytes | None = None
        """The folder's name where the server has it in another encoding than modified UTF-7."""
        self._watchdog = Watchdog()
        self._client: Client | None = None
        self._selected: Selected | None = None
        self._shown = deque[str](maxlen=20)
        """The server's alerts that are in the log; some say them at each opening."""

    def close(self) -> None:
        client, self._client, self._selected = self._client, None, None
        if client is not None:
            with contextlib.suppress(*TROUBLE), self._watchdog.deadline(_GOODBYE):
                client.logout()
            shut(client)

    def _drop(self) -> None:
        client, self._client, self._selected = self._client, None, None
        if client is not None:
            shut(client)

    @contextlib.contextmanager
    def _operation(self, doing: str, size: int = 0, extra: float = 0) -> Iterator[None]:
        """One command or a few, under a deadline. Whatever goes wrong is mapped and costs the connection."""
        try:
            with self._watchdog.deadline(self._timeouts.for_bytes(size) + extra):
                yield
            self._show_alerts()
        except MailflowError:
            self._drop()
            raise
        except TROUBLE as error:
            self._drop()
            raise mapped(f"{self._host} {doing}", error, self._provider) from error

    def _show_alerts(self) -> None:
        for text in self._client.alerts() if self._client is not None else ():
            if text not in self._shown:
                self._shown.append(text)
                journal.mailbox_alert(mailbox=self.name, text=text)

    def _open(self, *, fresh: bool = False, writable: bool = False) -> tuple[Client, Selected]:
        """The connection with the folder open. `fresh`: as it is now; on QQ only opening it anew shows new mail."""
        if fresh and self._client is not None:
            try:
                self._selected = self._select(self._client, writable)
            except TROUBLE as error:
                if refused(error):
                    raise
                self._drop()  # it died while we waited, which is no news
        client = self._logged_in()
        if self._selected is None or (writable and not self._selected.writable):
            self._selected = self._select(client, writable)
        return client, self._selected

    def _opened_as_of(self, validity: str | None) -> Selected:
        """The folder, opened anew. `validity`: what its UIDVALIDITY was; one that has changed is looked at twice."""
        selected = self._open(fresh=True)[1]
        if validity in (None, selected.validity) or not self._lasting:
            return selected
        time.sleep(_ANEW)
        again = self._open(fresh=True)[1]
        self._lasting = again.validity in (validity, selected.validity)
        return again if self._lasting else self._open(fresh=True)[1]

    def _logged_in(self) -> Client:
        """The connection, whichever folder is open, if any."""
        if self._client is None:
            self._client, self._selected = self._connected(), None
        return self._client

    def _connected(self) -> Client:
        self._wait_for_turn()
        try:
            return self._let_in()
        except TokenRefusedError:
            return self._let_in(fresh=True)

    def _let_in(self, *, fresh: bool = False) -> Client:
        """A new connection; logged in with a token that is `fresh`, where tokens are used."""

        def opened() -> socket.socket:
            context = self._context if self._tls else None
            return connect(self._host, self._port, self._timeouts.connect, self._watchdog, context)

        client = Client(self._host, self._port, self._timeouts, opened)
        try:
            self._secure(client)
            if not client.logged_in:
                self._log_in(client, fresh)
            client.forget_capabilities()
            _introduce(client)
        except BaseException:
            shut(client)
            raise
        return client

    def _wait_for_turn(self) -> None:
        """Logging in too often gets an account throttled or locked (mail.md §2, QQ): it waits, others go on."""
        if not self._provider.login_pause:
            return
        account = f"{self.name} {self._user}@{self._host}"
        rest = self._provider.login_pause - self._pace.since(account)
        if rest > 0:
            raise TransientError(f"{self._host} 不允许频繁登录，{rest:.0f} 秒后再登录。", retry_after=rest)
        self._pace.note(account)

    def _secure(self, client: Client) -> None:
        if self._tls or is_loopback(self._host):
            return
        if not client.has_capability("STARTTLS"):
            raise PermanentError(f"{self._host} 不提供加密连接（STARTTLS），不会发送密码。请改用 imaps://。")
        client.encrypt(lambda sock: encrypted(sock, self._host, self._watchdog, self._context))

    def _log_in(self, client: Client, fresh: bool) -> None:
        secret = self._tokens.token(fresh=fresh) if self._tokens is not None else self._password()
        if re.search(r"[\r\n\0]", self._user + secret):
            raise AuthError(f"{self._host} 的用户名或密码中有换行或空字符，没有登录。")
        try:
            if self._tokens is not None:
                self._log_in_with_token(client, secret)
            else:
                self._log_in_with_password(client, secret)
            return
        except LoginError as error:
            hint = _LOGIN_HINT if self._tokens is None else STILL_REFUSED
            refusal = _login_error(self._host, self._user, secret, error, self._provider.meaning, hint)
            if self._tokens is not None and (isinstance(refusal, AuthError) or _ENDED in str(refusal)):
                refusal = TokenRefusedError(str(refusal))
        # Not within the block: what the library tells may repeat the password, and must not hang on the error.
        raise refusal

    def _log_in_with_token(self, client: Client, token: str) -> None:
        if client.has_capability("AUTH=XOAUTH2") or not client.has_capability("AUTH=OAUTHBEARER"):
            client.oauth2_login(self._user, token)
        else:
            client.oauthbearer_login(self._user, token)

    def _log_in_with_password(self, client: Client, password: str) -> None:
        # LOGIN cannot carry Chinese (mail.md §1.2 p), and must not be tried where it is disabled (RFC 3501 §6.2.3).
        disabled = client.has_capability("LOGINDISABLED")
        if re.fullmatch(r"[A-Za-z0-9@._+-]+", self._user) and password.isascii() and not disabled:
            client.login(self._user, password)
        elif client.has_capability("AUTH=PLAIN"):
            client.sasl_login("PLAIN", lambda _: f"\0{self._user}\0{password}".encode())
        elif disabled:
            raise AuthError(f"{self._host} 不接受用户名加密码的登录（LOGINDISABLED）：请管理员开启，或改用 oauth。")
        else:
            raise AuthError(f"{self._host} 不支持 AUTH=PLAIN，用户名和密码只能用英文字母、数字和 @ . _ + - 。")

    def _select(self, client: Client, writable: bool) -> Selected:
        try:
            answer = client.select_raw(self._name, readonly=not writable)
        except imaplib.IMAP4.error as error:
            if not refused(error) or passing(error):
                raise
            if "unsafe login" in str(error).lower():
                # 163, 126 and yeah.net forget, or want to hear it again (mail.md §2).
                _introduce(client)
            else:
                self._raw = self._looked_up(client, error)
            answer = client.select_raw(self._name, readonly=not writable)
        if not isinstance(answer.get(b"EXISTS"), int) or client.exists >= _TOO_MANY:
            raise TransientError(f"{self._host} 没有说清文件夹“{self.folder}”里有几封邮件（EXISTS）。")
        validity, uidnext = answer.get(b"UIDVALIDITY", 0), answer.get(b"UIDNEXT")
        return Selected(str(validity if self._lasting else 0), client.exists, uidnext or None, writable)

    @property
    def _name(self) -> bytes:
        """The folder's, as the server writes it."""
        return self._raw or bytes(imap_utf7.encode(self.folder))

    def _looked_up(self, client: Client, error: Exception) -> bytes:
        """The name that the server itself has for the folder that it refuses to open. Raises where there is none."""
        raise error


def _introduce(client: Client) -> None:
    """ID: 163, 126 and yeah.net let nobody in who did not say who they are (mail.md §2)."""
    if client.has_capability("ID"):
        try:
            client.id_({"name": "mailflow", "version": __version__, "vendor": "mailflow"})
        except imaplib.IMAP4.error as error:
            if not refused(error):
                raise


def shut(client: Client) -> None:
    with contextlib.suppress(*TROUBLE):
        client.shutdown()


def passing(error: BaseException) -> bool:
    """Whether the server says that its no may pass."""
    return _PASSING.search(str(error)) is not None


def refused(error: BaseException) -> bool:
    """Whether this is the server's NO or BAD: the connection is sound. imaplib has one class for it and much else."""
    if not isinstance(error, imaplib.IMAP4.error) or isinstance(error, imaplib.IMAP4.abort | ProtocolError):
        return False
    return re.match(r"\w+ failed: ", str(error)) is not None


def mapped(doing: str, error: BaseException, provider: Provider) -> MailflowError:
    text = f"{doing}失败：{_told(error)}"
    if isinstance(error, imaplib.IMAP4.readonly):
        return PermanentError(text + "（文件夹只读）")
    meaning = provider.meaning(text)
    if "unsafe login" in text.lower():
        return AuthError(f"{text}。{meaning or _UNSAFE}")
    if refused(error) and _FOR_GOOD.search(str(error)):
        return PermanentError(f"{text}。没有这个文件夹，或没有权限。")
    return TransientError(f"{text}。{meaning}" if meaning else text)


def _told(error: BaseException) -> str:
    said = error.args[0] if error.args and isinstance(error.args[0], bytes) else error
    if refused(error) or isinstance(said, bytes):
        return words(said)
    return f"连接中断（{words(said)}）" if isinstance(error, imaplib.IMAP4.abort) else why(error)


def _login_error(
    host: str, user: str, secret: str, error: LoginError, meaning: Callable[[str], str | None], hint: str
) -> MailflowError:
    # imapclient wraps whatever happens during a login; a lost connection is no refusal.
    cause = error.__context__ or error
    said = blotted(words(cause.args[0] if cause.args else cause), _sent_as(user, secret))
    if isinstance(cause, imaplib.IMAP4.abort) or passing(error):
        return TransientError(f"{host} 登录失败（{user}）：{said}")
    return AuthError(f"{host} 拒绝登录（{user}）：{said}。{meaning(said) or hint}")


def _sent_as(user: str, secret: str) -> list[str]:
    """The shapes in which a secret goes out: as it is, quoted, and in what a mechanism makes of it."""
    made = (f"\0{user}\0{secret}", f"user={user}\1auth=Bearer {secret}\1\1", f"n,a={user},\1auth=Bearer {secret}\1\1")
    quoted = secret.replace("\\", "\\\\").replace('"', '\\"')
    return [secret, quoted, *(base64.b64encode(one.encode()).decode("ascii") for one in made)]
