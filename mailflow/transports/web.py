"""HTTP requests that can neither hang nor trickle for ever. httpx's exceptions stop here."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from mailflow.errors import TransientError
from mailflow.transports.wire import Timeouts, Watchdog, why

_LONGEST_WISH = 24 * 3600.0
_LARGEST = 512 * 1024 * 1024
"""No answer is larger: three times the largest mail of any server asked here. What is, has no end."""


def wish(retry_after: object) -> float | None:
    """Retry-After in seconds: a number, or a date (RFC 9110 §10.2.3); at most a day. None: it says nothing."""
    text = str(retry_after or "").strip()
    try:
        seconds = float(text) if text[:1].isdigit() and "," not in text else _until(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WISH)


def _until(date: str) -> float:
    when = parsedate_to_datetime(date)
    return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


@dataclass(frozen=True)
class Answer:
    """Whatever was answered, a no too."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def data(self) -> Any:
        """Its JSON; None: it is none, as the page of a proxy is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def wish(self) -> float | None:
        """How long the server wishes to be left alone, in seconds."""
        return wish(self.headers.get("Retry-After"))


def watched(context: ssl.SSLContext, watchdog: Watchdog) -> ssl.SSLContext:
    """The context; of each socket that it makes the watchdog knows before the handshake, which may trickle as well."""

    class Watched(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            watchdog.watch(self)
            super().do_handshake(block)

    context.sslsocket_class = Watched
    return context


class Client:
    """Asks, and repeats nothing. One thread uses it; a connection is kept until something goes wrong, or `close`."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._watchdog = Watchdog()
        self._http: httpx.Client | None = None

    def ask(self, doing: str, method: str, url: str, **options: Any) -> Answer:
        """The answer, whole. TransientError: there was none. `options`: as for httpx."""
        try:
            return self._exchanged(method, url, options)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, LookupError) as error:
            self.close()
            raise TransientError(f"{doing}失败：{why(error)}") from error

    def _exchanged(self, method: str, url: str, options: dict[str, Any]) -> Answer:
        """httpx's timeout begins anew with every byte: what trickles is cut off from outside, or when it is slow."""
        timeouts = self._timeouts
        if self._http is None:
            context = watched(httpx.create_ssl_context(), self._watchdog)
            self._http = httpx.Client(verify=context, timeout=httpx.Timeout(timeouts.read, connect=timeouts.connect))
        request = self._http.build_request(method, url, **options)
        # Compressed, a few bytes may be any number of them, and none comes out for as long as they trickle.
        request.headers["Accept-Encoding"] = "identity"
        request.extensions["trace"] = self._tell_watchdog
        begun = time.monotonic()
        with self._watchdog.deadline(timeouts.for_bytes(len(request.content))):
            answer = self._http.send(request, stream=True)
        body = bytearray()
        with contextlib.closing(answer):
            for chunk in answer.iter_bytes():
                body += chunk
                if time.monotonic() - begun > timeouts.for_bytes(len(request.content) + len(body)):
                    raise TimeoutError(f"{len(body)} bytes in {time.monotonic() - begun:.0f} s")
                if len(body) > _LARGEST:
                    raise ValueError(f"more than {_LARGEST} bytes")
        return Answer(answer.status_code, answer.headers, bytes(body))

    def _tell_watchdog(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith("connect_tcp.complete"):
            self._watchdog.watch(info["return_value"].get_extra_info("socket"))

    def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            http.close()
