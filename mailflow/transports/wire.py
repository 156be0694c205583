"""What transports share: a TCP or TLS connection that can neither hang nor trickle for ever, and servers' words."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Any

from mailflow.core.address import ascii_form, key_of

_SLOWEST_BYTES_A_SECOND = 16 * 1024
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""A NAT that drops us silently is noticed after two minutes (mail.md §1.3). Names absent on a platform are skipped."""


@dataclass(frozen=True)
class Timeouts:
    """In seconds. `read` is for one recv, `operation` for a whole command with its answer."""

    connect: float = 15
    read: float = 60
    operation: float = 300
    verdict: float = 600
    """How long an SMTP server may think about a finished message (RFC 5321 §4.5.3.2.6)."""

    def for_bytes(self, size: int) -> float:
        """The deadline of an operation that carries `size` bytes: a large mail on a thin line is no fault."""
        return self.operation + size / _SLOWEST_BYTES_A_SECOND


USUAL = Timeouts()


class Watchdog:
    """Shuts a socket from outside when an operation outlives its deadline.

    A socket's own timeout starts anew with every byte, so that a server that sends one byte a second is never timed
    out (mail.md §1.2 h).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._running: object | None = None
        """The deadline that runs. A timer that goes off when its block has just ended must not cut the next one's."""
        self._expired = False

    def watch(self, sock: socket.socket) -> None:
        """Tells which socket is in use now; wrapping one in TLS makes a new one."""
        with self._lock:
            self._sock = sock
            if self._expired:
                _shut(sock)

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Within the block the socket lives for at most `seconds`. Not to be nested."""
        mine = object()
        with self._lock:
            self._running, self._expired = mine, False
        timer = threading.Timer(seconds, self._expire, [mine])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._running = None

    def cut(self) -> None:
        """Shuts the socket now, and each that comes after it until the next deadline."""
        with self._lock:
            self._end()

    def _expire(self, whose: object) -> None:
        with self._lock:
            if whose is self._running:
                self._end()

    def _end(self) -> None:
        self._expired = True
        if self._sock is not None:
            _shut(self._sock)


def _shut(sock: socket.socket) -> None:
    # Not sock.shutdown(): an SSLSocket forgets its TLS object there, under the feet of the thread that reads from it.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def connect(
    host: str, port: int, timeout: float, watchdog: Watchdog, context: ssl.SSLContext | None = None
) -> socket.socket:
    """A connected socket, kept alive and watched; with `context` the TLS handshake is done. Raises OSError.

    `timeout`: seconds for each of the host's addresses, and for the DNS.
    """
    sock = _connected(_addresses(host, port, timeout), timeout)
    try:
        watchdog.watch(sock)
        _keep_alive(sock)
        if context is None:
            return sock
        return encrypted(sock, host, watchdog, context)
    except BaseException:
        sock.close()
        raise


_Address = tuple[int, int, int, Any]
"""Family, kind and protocol of a socket, and where it leads."""


def _addresses(host: str, port: int, timeout: float) -> list[_Address]:
    """Asks the DNS. That can hang for minutes and cannot be interrupted: then it is left alone in its thread."""
    answer = futures.Future[list[_Address]]()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result([(family, kind, protocol, address) for family, kind, protocol, _, address in found])
        except BaseException as error:  # noqa: BLE001  it is for whoever waits
            answer.set_exception(error)

    threading.Thread(target=ask, name=f"dns:{host}", daemon=True).start()
    try:
        return answer.result(timeout)
    except futures.TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, f"no answer from the DNS in {timeout:g} seconds") from None


def _connected(addresses: Sequence[_Address], timeout: float) -> socket.socket:
    """To the first address that answers. OSError: what became of the last."""
    *others, last = _in_turn(addresses)
    for address in others:
        with contextlib.suppress(OSError):
            return _connected_to(address, timeout)
    return _connected_to(last, timeout)


def _in_turn(addresses: Sequence[_Address]) -> list[_Address]:
    """IPv6 and IPv4 alternately (RFC 8305 §4): if one of them leads nowhere, that costs one try and not one for each
    of the eight addresses that Microsoft has."""
    families: dict[int, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [one for together in itertools.zip_longest(*families.values()) for one in together if one is not None]


def _connected_to(address: _Address, timeout: float) -> socket.socket:
    family, kind, protocol, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout)
        sock.connect(where)
    except BaseException:
        sock.close()
        raise
    return sock


def encrypted(sock: socket.socket, host: str, watchdog: Watchdog, context: ssl.SSLContext) -> ssl.SSLSocket:
    """TLS on a connected socket, which is gone whatever happens. Raises OSError."""
    # The handshake in a step of its own: the watchdog must know the new socket before the server may stall.
    wrapped = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        watchdog.watch(wrapped)
        wrapped.do_handshake()
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, seconds in _KEEPALIVE.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, seconds)


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine, so that it may go without TLS."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_MEANINGS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "找不到这个主机名：请检查 url 里的主机和这台机器的 DNS"),
    (ConnectionRefusedError, "没有程序在这个端口上等候：请检查端口，以及服务器有没有运行"),
    (ConnectionError, "对方断开了连接"),
    (TimeoutError, "没有答复：请检查主机、端口和防火墙"),
)

_UNTRUSTED = "证书不受信任，没有登录。单位自己签发的证书怎样信任，见 operations.md"
_CERTIFICATES = {
    # X509_V_ERR_… of OpenSSL
    9: "证书还没有生效，没有登录：请检查这台机器的时钟",
    10: "证书已经过期，没有登录：请服务器的管理员换新的，并检查这台机器的时钟",
    62: "证书不是发给这个主机名的，没有登录：url 里要写证书上的主机名",
    64: "证书不是发给这个 IP 地址的，没有登录：url 里要写证书上的主机名",
}
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")
_NO_TLS = "这个端口上不是 TLS：imaps 一般是 993，smtps 是 465；143 和 587 要写 imap 和 smtp"


def why(error: BaseException) -> str:
    """What went wrong with a connection: in Chinese and what to do, where that is known, and in the error's words."""
    for cause in _causes(error):
        meaning = next((meaning for kind, meaning in _MEANINGS if isinstance(cause, kind)), None)
        if isinstance(cause, ssl.SSLCertVerificationError):
            meaning = _CERTIFICATES.get(getattr(cause, "verify_code", 0), _UNTRUSTED)
        elif isinstance(cause, ssl.SSLError) and any(sign in str(cause) for sign in _NOT_TLS):
            meaning = _NO_TLS
        if meaning:
            return f"{meaning}（{words(cause) or type(cause).__name__}）"
    return words(error) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what libraries have wrapped up in it."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < 20:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        wrapped = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]


def words(said: object) -> str:
    """A server's own words, to be quoted: on one line, and without the full stop at their end, since a sentence of ours
    goes on or ends there."""
    return one_line(said).rstrip(" .。")


def one_line(said: object) -> str:
    """At most 300 characters of it; Chinese servers speak UTF-8 or GBK."""
    text = _decoded(said) if isinstance(said, bytes) else str(said)
    return " ".join(text.split())[:300]


def _decoded(said: bytes) -> str:
    try:
        return said.decode("utf-8")
    except UnicodeDecodeError:
        return said.decode("gb18030", "replace")


_TELLING = 6


def blotted(text: str, secrets: Iterable[str]) -> str:
    """`text` with nothing of a secret in it: servers repeat what they did not understand, and cut it short. A few
    characters in a row that are no secret may look like one."""
    hidden = set[int]()
    for secret in filter(None, secrets):
        size = min(len(secret), _TELLING)
        for start in range(len(secret) - size + 1):
            found = re.finditer(f"(?={re.escape(secret[start : start + size])})", text)
            hidden.update(at for one in found for at in range(one.start(), one.start() + size))
    return re.sub("\0+", "***", "".join("\0" if at in hidden else one for at, one in enumerate(text)))


def crlf(message: bytes) -> bytes:
    """The message with no line end but CRLF: after a bare one, some servers take a dot for the message's end, and what
    follows for commands (SMTP smuggling)."""
    return _BARE.sub(b"\r\n", message)


def message_id(message: bytes) -> str:
    """The Message-ID of the header, "" if it has none. A scan only: transports do not parse mail."""
    header = re.split(rb"\r?\n\r?\n", message, maxsplit=1)[0]
    found = re.search(rb"(?im)^message-id:((?:[ \t]|\r?\n[ \t])*[^\r\n]*)", header)
    return found.group(1).decode("utf-8", "replace").strip() if found else ""


_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_FIELD = re.compile(rb"[^\r\n]+(?:\r\n[ \t][^\r\n]*)*")
_RECIPIENTS = re.compile(rb"(?:to|cc|bcc)[ \t]*:", re.IGNORECASE)


def addressed(message: bytes, recipients: Sequence[str]) -> bytes:
    """The message with nobody else in its header: Exchange sends to whom the header names (mail.md §3).

    All else stays as it is: email's own generator would encode long identifiers, which nobody would recognise.
    """
    message = crlf(message)
    head, blank, body = message.partition(b"\r\n\r\n")
    fields = _FIELD.findall(head)
    others = [field for field in fields if not _RECIPIENTS.match(field)]
    named = [field.partition(b":")[2].decode("utf-8", "replace") for field in fields if _RECIPIENTS.match(field)]
    if {key_of(address) for _, address in getaddresses(named)} == set(map(key_of, recipients)):
        return message
    to = b"To: " + b",\r\n ".join(ascii_form(address).encode() for address in recipients)
    return b"\r\n".join([to, *others]) + blank + body
