"""Children that run `mailflow` and start quickly: a server that has imported everything forks one for each command.

Each child is a process of its own that SIGKILL really kills; only the second of importing is saved, which the kill
matrices would otherwise pay some hundred times. `python -m tests.stories.forks` is the server; it ends with its stdin.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import mailflow

ROOT = Path(mailflow.__file__).parents[1]
"""Where `mailflow` and `tests` can be imported."""

_IMPORTED = (
    "chinese_calendar", "mailflow.app", "mailflow.cli", "mailflow.explain", "mailflow.listing", "mailflow.rebuild",
    "mailflow.sheets.create", "mailflow.sheets.verify", "mailflow.transports.imap", "mailflow.transports.maildir",
    "mailflow.transports.smtp",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended. `code` is negative for a signal: -9 is SIGKILL."""

    code: int
    out: str
    err: str


def run(arguments: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Runs `mailflow ARGUMENTS` in `folder`, with `env` besides this process's environment."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as streams:
        order = {"arguments": list(arguments), "folder": str(folder), "env": dict(env or {}), "streams": streams}
        server.stdin.write(json.dumps(order) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        out, err = ((Path(streams) / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))
        return Ended(code, out, err)


@cache
def _server() -> subprocess.Popen[str]:
    """One for each test process."""
    command = [sys.executable, "-m", "tests.stories.forks"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(server.communicate)
    return server


def _serve() -> None:
    for name in _IMPORTED:
        import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(order: dict[str, Any]) -> NoReturn:
    code = 70
    try:
        os.chdir(order["folder"])
        os.environ.update(order["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(os.path.join(order["streams"], name), os.O_WRONLY | os.O_CREAT), descriptor)
        import_module("mailflow.cli").main(order["arguments"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  a child must never go on as a second server
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
