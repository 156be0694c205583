"""IDLE as a wake-up: what the server says unasked, and whether it means new mail (mail.md §1.2)."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from mailflow.errors import TransientError
from mailflow.transports.imap.client import Client

_SLICE = 1.0
"""Seconds between two looks whether it is to stop."""


class Count:
    """How many mails the folder has, going by what the server says unasked. Some say EXISTS again and again."""

    def __init__(self, exists: int) -> None:
        self._exists = exists

    def grew(self, answers: Sequence[Any]) -> bool:
        before = False
        for answer in answers:
            match answer:
                case (int(), b"EXPUNGE"):
                    self._exists -= 1
                case (int(number), b"EXISTS"):
                    before, self._exists = before or number > self._exists, number
        return before


def listen(client: Client, seconds: float, stop: threading.Event, count: Count) -> bool:
    """Listens in IDLE until there may be new mail (True), `stop` is set, or the seconds are over."""
    until = time.monotonic() + seconds
    early = 0
    while not stop.is_set() and (left := until - time.monotonic()) > 0:
        slice_, begun = min(left, _SLICE), time.monotonic()
        answers = client.idle_check(slice_)
        if count.grew(answers):
            return True
        # On a dead connection idle_check returns at once, for ever (mail.md §1.2 d). Once or twice it may be half a
        # TLS record.
        early = early + 1 if not answers and time.monotonic() - begun < slice_ / 2 else 0
        if early == 3:
            raise TransientError("等待新邮件时连接断开。")
    return False
