"""Space where it is written."""

from __future__ import annotations

import shutil
from pathlib import Path

from mailflow.disks import disks_of, standing


def test_each_disk_is_counted_once(tmp_path: Path) -> None:
    (disk,) = disks_of({"data": tmp_path / "var", "workbooks": tmp_path / "not" / "yet" / "there"})
    assert (disk.names, disk.folder) == (("data", "workbooks"), tmp_path / "var")
    assert abs(disk.free - shutil.disk_usage(tmp_path).free) < 2**30


def test_two_disks_are_two(tmp_path: Path) -> None:
    """/proc is a file system of its own on every Linux; it has no space at all."""
    ours, other = disks_of({"data": tmp_path, "workbooks": Path("/proc/self"), "restricted": tmp_path})
    assert (ours.names, other.names) == (("data", "restricted"), ("workbooks",))
    assert other.text == "磁盘：放工作簿的 /proc/self 只剩 0 MB，请腾出地方；满了就写不进去"


def test_what_is_not_there_yet_is_made_in_the_nearest_folder_above(tmp_path: Path) -> None:
    assert standing(tmp_path / "a" / "b") == tmp_path
    assert standing(tmp_path) == tmp_path


def test_a_folder_that_nobody_can_look_at_is_left_out(tmp_path: Path) -> None:
    assert disks_of({"data": tmp_path / ("n" * 300)}) == [], "a name too long for the system"
