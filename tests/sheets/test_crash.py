"""Killed at any step, the old file or the new one is there, whole; the next publish sets everything right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailflow.sheets.publish import publish
from mailflow.sheets.replace import temporary
from tests.sheets.samples import NAME, again, book, first, path, row

SCRIPT = (
    "import sys; from pathlib import Path; from tests.sheets.samples import *\n"
    "from mailflow.sheets.publish import publish\n"
    "folder = Path(sys.argv[1]); base = (folder.parent / 'base').read_bytes()\n"
    "publish(folder, book(row(1), row(2), row(3), row(4)), base or None, last_hash=None)"
)
WANTED = book(row(1), row(2), row(3), row(4))


def killed_at(step: int, folder: Path, base: bytes) -> None:
    (folder.parent / "base").write_bytes(base)
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "MAILFLOW_KILL": str(step)}
    ran = subprocess.run([sys.executable, "-c", SCRIPT, str(folder)], env=environment, check=False)
    assert ran.returncode < 0, "it was not killed"


@pytest.mark.parametrize("step", [1, 2])
def test_an_update_that_is_killed(tmp_path: Path, step: int) -> None:
    folder = tmp_path / "folder"
    done = first(folder)
    old = path(folder).read_bytes()
    new = tmp_path / "new"
    again(new, WANTED, first(new))
    killed_at(step, folder, done.base)
    assert path(folder).read_bytes() == (old if step == 1 else path(new).read_bytes())
    assert temporary(path(folder)).exists() == (step == 1)
    after = again(folder, WANTED, done)
    assert (after.state, after.notes) == ("written" if step == 1 else "unchanged", ())
    assert path(folder).read_bytes() == path(new).read_bytes()
    assert [found.name for found in folder.iterdir()] == [NAME]


@pytest.mark.parametrize("step", [1, 2])
def test_a_creation_that_is_killed(tmp_path: Path, step: int) -> None:
    folder = tmp_path / "folder"
    killed_at(step, folder, b"")
    assert path(folder).exists() == (step == 2)
    assert publish(folder, WANTED, None, last_hash=None).state == ("written" if step == 1 else "unchanged")
    assert [found.name for found in folder.iterdir()] == [NAME]
