"""`mailflow run` as a process of its own, and what it tells about itself."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from tests.faults.office import Office, eventually

TIMEOUT_STOP = 30
"""Seconds, TimeoutStopSec in docs/operations.md: what hangs in a test hangs for longer than this."""


class Service:
    """The daemon of an office, from its first status to SIGTERM. Its log is `log()`."""

    def __init__(self, office: Office, **env: str) -> None:
        self.office = office
        self._log = office.folder / "daemon.log"
        self._env = env
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Service:
        before = len(self.log()) if self._log.exists() else 0
        with open(self._log, "ab") as log:
            self._process = self.office.start("run", stdout=log, stderr=log, env=self._env)
        # What an earlier one told of itself stands until this one has begun.
        eventually("the daemon has begun", lambda: " started " in self.alive().log()[before:])
        begun, status = time.time(), self.office.folder / "var" / "status.json"
        eventually("it tells how it does", lambda: status.exists() and status.stat().st_mtime > begun and self.parts())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def alive(self) -> Service:
        """Itself, unless the daemon has ended."""
        code = self.process.poll()
        assert code is None, f"the daemon is gone: {code}\n{self.log()}"
        return self

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def parts(self) -> dict[str, Any]:
        if self._process is not None:
            self.alive()
        return cast(dict[str, Any], self.office.status()["daemon"]["parts"])

    def state(self, part: str) -> str:
        return str(self.parts().get(part, {}).get("state"))

    def end(self, number: int = signal.SIGTERM) -> float:
        """Sends the signal; the daemon ends in order, before a service manager would kill it. Returns the seconds."""
        said, begun = len(self.log()), time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(TIMEOUT_STOP) == 0, self.log()
        assert " stopped " in self.log()[said:], self.log()
        return time.monotonic() - begun


def has(path: Path, office: Office, text: str) -> bool:
    """Whether the workbook is there and shows `text`."""
    return path.exists() and office.shows(path, text)
