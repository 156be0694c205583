"""docs/operations.md, 备份和恢复: copied while the daemon works, restored elsewhere, and nothing is lost or doubled."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.faults.office import Office, eventually, mail, report, unfinished_report


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "old")


def test_a_copy_made_while_the_daemon_works_is_restored_elsewhere(office: Office, tmp_path: Path) -> None:
    large = mail(("李四", "lisi@tech.example"), "附件", [f"{n:x}" * 9 for n in range(400_000)])
    daemon = office.start("run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        office.deliver(large)
        for number in range(100):
            office.deliver(report(f"第{number}件事"))
        archive = office.folder / "var" / "archive"
        eventually("some of it is kept", lambda: archive.exists() and len(office.rows("mails")) > 1)
        backup = tmp_path / "backup"
        backup.mkdir()
        copy(office.folder / "var" / "mailflow.db", backup / "mailflow.db")
        shutil.copytree(archive, backup / "archive")
        shutil.copytree(office.workbooks, backup / "workbooks", dirs_exist_ok=True)
        office.deliver(unfinished_report())
        eventually("the rest is kept", lambda: len(office.rows("mails")) == 102)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)
    told = office.rows("notices")

    restored = Office(tmp_path / "new")
    shutil.copytree(backup, restored.folder / "var", ignore=shutil.ignore_patterns("workbooks"))
    shutil.copytree(backup / "workbooks", restored.workbooks)
    shutil.rmtree(restored.inbox)
    shutil.copytree(office.inbox, restored.inbox)
    kept = len(restored.rows("mails"))
    assert 1 < kept < 102
    restored.nothing_lost()
    assert restored.once().code == 0
    assert len(restored.rows("mails")) == 102
    assert {row["message_id"] for row in restored.rows("notices")} == {row["message_id"] for row in told}
    assert restored.shows(restored.sheet, "第99件事")
    restored.nothing_lost()


def copy(database: Path, target: Path) -> None:
    """What `sqlite3 … .backup` does, and the line of Python in the document."""
    source, into = sqlite3.connect(database), sqlite3.connect(target)
    source.backup(into)
    for connection in (source, into):
        connection.close()
