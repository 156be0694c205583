"""Files that are written whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailflow.files import SECRET, write_whole


def test_the_old_one_or_the_new_one_stands_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write_whole(path, b"old")
    (tmp_path / "status.tmp").write_bytes(b"half of what a process wrote that was kill")
    write_whole(path, "新".encode())
    assert path.read_text(encoding="utf-8") == "新"
    assert [one.name for one in tmp_path.iterdir()] == ["status.json"]


def test_a_secret_is_for_its_owner_whatever_the_file_was_before(tmp_path: Path) -> None:
    path = tmp_path / "token.json"
    for old in (path, tmp_path / "token.tmp"):
        old.write_bytes(b"old")
        old.chmod(0o644)
    write_whole(path, b"new", mode=SECRET, lasting=True)
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_leaves_the_old_one_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.mkdir()  # cannot be replaced by a file
    with pytest.raises(OSError, match="status"):
        write_whole(path, b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["status.json"]


def test_what_is_to_last_is_on_the_disk_before_it_takes_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves either; an empty file would be a login tried anew, or a token that is gone."""
    path = tmp_path / "token.json"
    path.write_bytes(b"old")
    flushed, really = list[tuple[int, bytes]](), os.fsync

    def fsync(file: int) -> None:
        flushed.append((os.fstat(file).st_size, path.read_bytes()))
        really(file)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(path, b"newer", lasting=True)
    assert flushed == [(len(b"newer"), b"old")]
