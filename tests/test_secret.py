"""Secrets from the environment and from files: as they are, or a sentence that says what to do and shows none."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mailflow import secret
from mailflow.errors import UserError
from mailflow.secret import from_environment, from_file, open_to_others


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILFLOW_TEST", "")
    with pytest.raises(UserError, match="环境变量 MAILFLOW_TEST 没有设置，里面应是 h 的密码"):
        from_environment("MAILFLOW_TEST", "h 的密码")


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"geheim\r\n", "geheim"), (b"geheim\n\n", "geheim"), (b"geheim\r", "geheim"), (b" geheim ", " geheim "),
        (b"\ngeheim", "\ngeheim"), (b"\xef\xbb\xbfgeheim", "geheim"), ("密 码".encode(), "密 码"),
    ],
)  # fmt: skip
def test_only_what_editors_add_is_taken_off(tmp_path: Path, content: bytes, password: str) -> None:
    (tmp_path / "pw").write_bytes(content)
    assert from_file(tmp_path / "pw") == password


def test_a_file_that_is_no_text_shows_nothing_of_itself(tmp_path: Path) -> None:
    (tmp_path / "pw").write_bytes("geheim密码".encode("gb18030"))
    with pytest.raises(UserError, match="不是 UTF-8 的文本") as caught:
        from_file(tmp_path / "pw")
    assert "geheim" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True), "its error holds all bytes"


def test_whatever_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"geheim")
    with pytest.raises(UserError, match="没有这个文件"):
        from_file(tmp_path / "file" / "pw")
    with pytest.raises(UserError, match=r"：File name too long。请检查磁盘和路径"):
        from_file(tmp_path / ("n" * 300))


def test_who_else_may_read_or_write_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pw"
    assert open_to_others(path) is None, "whoever reads it says that it is not there"
    path.write_bytes(b"geheim")
    for mode in (0o600, 0o400, 0o700):
        path.chmod(mode)
        assert open_to_others(path) is None, oct(mode)
    for mode in (0o640, 0o620, 0o604, 0o602, 0o610, 0o601, 0o044):
        path.chmod(mode)
        assert open_to_others(path) == f"{mode:03o}"
    path.chmod(0o4644)
    assert open_to_others(path) == "644"
    monkeypatch.setattr(secret, "os", SimpleNamespace(name="nt", environ=os.environ))
    assert open_to_others(path) is None, "Windows has its own lists of who may do what"
