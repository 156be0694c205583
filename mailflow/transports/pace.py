"""When each account last logged in: some servers throttle or lock accounts that log in too often (mail.md §2, QQ)."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from pathlib import Path

from mailflow import files


class Pace:
    """Kept in the file `path`, so that neither a restart nor `mailflow once`, run by a clock, looks like an attack."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._times: dict[str, float] = {}

    def since(self, account: str) -> float:
        """Seconds since its last login; inf if there was none, or if the clock has since been put back."""
        with self._lock:
            self._read()
            ago = time.time() - self._times.get(account, -math.inf)
        return ago if ago >= 0 else math.inf

    def note(self, account: str) -> None:
        """It logs in now. A disk that is full, or a folder that is not there yet, stops no login."""
        with self._lock:
            self._read()
            self._times[account] = time.time()
            if self._path is not None:
                with contextlib.suppress(OSError):
                    files.write_whole(self._path, json.dumps(self._times, ensure_ascii=False).encode())

    def _read(self) -> None:
        """What another process has written counts too; a file that cannot be read means nothing."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            if self._path is not None:
                written = json.loads(self._path.read_text(encoding="utf-8"))
                for account, at in written.items():
                    self._times[account] = max(float(at), self._times.get(account, -math.inf))
