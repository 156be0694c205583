"""Listening for new mail at an Exchange server, beside the poll that finds it."""

from __future__ import annotations

import threading
import time
from typing import Any

from mailflow.errors import MailflowError, TransientError
from mailflow.transports.ews.connection import Connection, Login
from mailflow.transports.ews.folders import folder_at

_LISTEN_MINUTES = 1
_DEAF = 600.0
"""After a subscription has failed, seconds until the next is tried; until then there is only the poll."""
_LOOK = 0.5


class Ear:
    """Listens for new mail by a streaming subscription, which only wakes the poll (mail.md §3, "Streaming")."""

    def __init__(self, login: Login, folder: str) -> None:
        self.heard = threading.Event()
        self._login, self._folder = login, folder
        self._connection = Connection(login)
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._deaf_until = 0.0

    def listen(self) -> None:
        """Begins to listen, unless it does so already or has lately failed to."""
        if (self._thread and self._thread.is_alive()) or time.monotonic() < self._deaf_until:
            return
        # A daemon thread: it holds nothing that could be lost.
        self._thread = threading.Thread(target=self._run, name="ews-ear", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._connection.doing("等待新邮件") as account:
                folder = folder_at(account, self._folder)
                folder.refresh()
                subscription = folder.subscribe_to_streaming(event_types=["NewMailEvent", "CreatedEvent"])
            self.heard.set()  # what came before the subscription
            while not self._closed.is_set():
                with self._connection.open("等待新邮件"):
                    self._hear(folder, subscription)
        except MailflowError:
            self._deaf_until = time.monotonic() + _DEAF
        finally:
            self._connection.close()

    def _hear(self, folder: Any, subscription: str) -> None:
        """One request, which the server ends after a minute; what ends sooner, and says nothing, is no Exchange."""
        begun, silent = time.monotonic(), True
        for _ in folder.get_streaming_events(subscription, connection_timeout=_LISTEN_MINUTES):
            silent = False
            self.heard.set()
        if silent and time.monotonic() - begun < _LISTEN_MINUTES * 30:
            raise TransientError("Exchange 没有等新邮件就答复了。")
        self._closed.wait(_LOOK)

    def close(self) -> None:
        """Ends the thread: its answer may be a minute away."""
        self._closed.set()
        self._connection.watchdog.cut()
