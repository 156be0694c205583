"""A workbook that somebody has open, or that the system keeps from us, is not touched, and the reason says so."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailflow.sheets import locks
from mailflow.sheets.publish import Published, publish
from mailflow.sheets.replace import refused, temporary
from tests.sheets.samples import NAME, again, book, column, first, path, row

MORE = book(row(1), row(2), row(3), row(4))


def owner_file(user: str) -> bytes:
    """Excel's lock file: the name in the code page, then in UTF-16, 165 bytes in all."""
    narrow, wide = user.encode("gb18030"), user.encode("utf-16-le")
    start = bytes([len(narrow)]) + narrow.ljust(54)
    return (start + len(user).to_bytes(2, "little") + wide).ljust(165, b"\0")


LIBREOFFICE = ",赵六,pc-7,22.11.2026 03:51,file:///home/x/.config;".encode()
CASES = [
    (f"~${NAME}", owner_file("李经理"), "李经理（Excel 或 WPS）"),
    (f"~${NAME[1:]}", owner_file("李经理"), "李经理（Excel 或 WPS）"),
    (f"~${NAME[2:]}", b"", "Excel 或 WPS"),
    (f".~{NAME}", b"\x04Wang", "Wang（WPS）"),
    (f".~{NAME[1:]}", b"", "WPS"),
    (f".~{NAME[2:]}", b"\xff\xff", "WPS"),
    (f".~lock.{NAME}#", LIBREOFFICE, "赵六 pc-7（LibreOffice）"),
    (f".~LOCK.{NAME.upper()}#", b",root,vm,22.11.2026,x;", "root vm（LibreOffice）"),
]


@pytest.mark.parametrize(("name", "content", "who"), CASES)
def test_an_open_workbook_is_left_until_it_is_closed(tmp_path: Path, name: str, content: bytes, who: str) -> None:
    done = first(tmp_path)
    before = path(tmp_path).read_bytes()
    (tmp_path / name).write_bytes(content)
    blocked = again(tmp_path, MORE, done)
    assert (blocked.state, blocked.code, blocked.base) == ("blocked", "locked", done.base)
    assert blocked.reason == f"“{NAME}”正被 {who} 打开，请保存并关闭；关闭后会自动更新。"
    assert path(tmp_path).read_bytes() == before
    (tmp_path / name).unlink()
    assert again(tmp_path, MORE, done).state == "written"
    assert [found.name for found in tmp_path.iterdir()] == [NAME]


def test_the_name_in_a_lock_file_is_only_text(tmp_path: Path) -> None:
    first(tmp_path)
    (tmp_path / f"~${NAME}").write_bytes(owner_file("a\nb\x00\u202ec" + "d" * 45))
    lock = locks.holder(path(tmp_path))
    assert lock is not None
    assert lock.user == "a bc" + "d" * 36


def test_a_shortened_lock_name_of_another_workbook_is_not_ours(tmp_path: Path) -> None:
    done = first(tmp_path)
    (tmp_path / NAME[1:]).write_bytes(b"another workbook")
    (tmp_path / f"~${NAME[1:]}").write_bytes(owner_file("李经理"))
    assert again(tmp_path, MORE, done).state == "written"


def test_a_lock_file_that_a_crash_left_is_stale_after_a_day(tmp_path: Path) -> None:
    done = first(tmp_path)
    lock = tmp_path / f"~${NAME}"
    lock.write_bytes(owner_file("李经理"))
    made = time.time() - locks.STALE_AFTER - 60
    os.utime(lock, (made, made))
    assert again(tmp_path, MORE, done).code == "locked", "the workbook was saved after the lock was made"
    os.utime(path(tmp_path), (made - 60, made - 60))
    assert again(tmp_path, MORE, done).state == "written"


def test_a_workbook_that_is_missing_is_made_anew_only_when_told(tmp_path: Path) -> None:
    done = first(tmp_path)
    path(tmp_path).unlink()
    blocked = again(tmp_path, MORE, done)
    assert (blocked.state, blocked.code) == ("blocked", "missing")
    assert list(tmp_path.iterdir()) == []
    anew = publish(tmp_path, MORE, done.base, last_hash=done.content_hash, recreate=True)
    assert (anew.state, column(tmp_path, "编号")) == ("written", ["R1", "R2", "R3", "R4"])


def test_a_folder_that_is_away_is_not_made_anew(tmp_path: Path) -> None:
    done = first(tmp_path / "share")
    (tmp_path / "share").rename(tmp_path / "away")
    blocked = publish(tmp_path / "share", MORE, done.base, last_hash=None, recreate=True)
    assert (blocked.state, blocked.code) == ("blocked", "denied")
    assert "网络盘" in blocked.reason
    assert not (tmp_path / "share").exists()


def test_a_read_only_file_is_respected(tmp_path: Path) -> None:
    done = first(tmp_path)
    path(tmp_path).chmod(0o444)
    blocked = again(tmp_path, MORE, done)
    assert (blocked.state, blocked.code) == ("blocked", "denied")
    assert "没有写入权限" in blocked.reason
    assert not temporary(path(tmp_path)).exists()


def test_the_mode_of_the_file_is_kept(tmp_path: Path) -> None:
    done = first(tmp_path)
    path(tmp_path).chmod(0o640)
    again(tmp_path, MORE, done)
    assert path(tmp_path).stat().st_mode & 0o777 == 0o640


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """Root may do anything; denial is tried as somebody else."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_without_permission_blocks_and_does_not_raise() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = first(folder)
        before = path(folder).read_bytes()
        path(folder).chmod(0o666)
        folder.chmod(0o555)
        with an_ordinary_user():
            blocked = again(folder, MORE, done)
        folder.chmod(0o755)
        assert (blocked.state, blocked.code) == ("blocked", "denied")
        assert "没有写入权限" in blocked.reason
        assert path(folder).read_bytes() == before


def test_a_full_disk_blocks_and_leaves_the_old_file(tmp_path: Path) -> None:
    done = first(tmp_path)
    before = path(tmp_path).read_bytes()
    (tmp_path / "base").write_bytes(done.base)
    script = (
        "import sys, resource; from pathlib import Path; from tests.sheets.samples import *\n"
        "from mailflow.sheets.publish import publish\n"
        "folder = Path(sys.argv[1]); base = (folder / 'base').read_bytes()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "done = publish(folder, book(row(1), row(4)), base, last_hash=None)\n"
        "sys.stdout.buffer.write(f'{done.state} {done.code} {done.reason}'.encode())"
    )
    assert resource.RLIMIT_FSIZE >= 0
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, check=True, stdout=subprocess.PIPE
    )
    assert ran.stdout.decode().startswith("blocked denied")
    assert "磁盘空间不足" in ran.stdout.decode()
    assert path(tmp_path).read_bytes() == before
    assert {found.name for found in tmp_path.iterdir()} == {NAME, "base"}


def test_a_link_in_place_of_the_workbook_is_not_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere.xlsx"
    folder.mkdir()
    elsewhere.write_bytes(b"keep")
    path(folder).symlink_to(elsewhere)
    blocked = publish(folder, book(), None, last_hash=None)
    assert (blocked.state, blocked.code) == ("blocked", "unsafe")
    assert elsewhere.read_bytes() == b"keep"


@pytest.mark.parametrize(("number", "code"), [(5, "locked"), (32, "locked"), (None, "denied")])
def test_a_sharing_violation_of_windows_means_open(number: int | None, code: str) -> None:
    error = PermissionError(errno.EACCES, "denied")
    if number is not None:
        error.winerror = number  # type: ignore[attr-defined,unused-ignore]
    assert refused(Path(NAME), error).code == code


def test_a_file_saved_by_somebody_meanwhile_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step before the last comparison is where a person's save comes in between."""
    from mailflow import journal

    done = first(tmp_path)

    def person_saves(name: str) -> None:
        if name == "workbook.temp":
            path(tmp_path).write_bytes(b"PK what the person saved")

    monkeypatch.setattr(journal, "step", person_saves)
    blocked: Published = again(tmp_path, MORE, done)
    assert (blocked.state, blocked.code) == ("blocked", "changed")
    assert path(tmp_path).read_bytes() == b"PK what the person saved"
    assert [found.name for found in tmp_path.iterdir()] == [NAME]


def test_a_program_that_opens_it_meanwhile_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mailflow import journal

    done = first(tmp_path)
    before = path(tmp_path).read_bytes()
    monkeypatch.setattr(journal, "step", lambda name: (tmp_path / f"~${NAME}").write_bytes(owner_file("李经理")))
    assert again(tmp_path, MORE, done).code == "locked"
    assert path(tmp_path).read_bytes() == before
