"""Space where it is written: nothing is lost on a full disk, but nothing goes on either (promise 12)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

LOW = 100 * 2**20
"""Bytes: a disk with less is about to be full."""
ENOUGH = 2 * LOW
"""With so much a disk that was low is well again: at one limit each file that comes and goes would ring."""
CALLED = {"data": "数据", "workbooks": "工作簿", "restricted": "绩效台账"}
"""What people call the folders of the configuration that are written to."""


@dataclass(frozen=True)
class Disk:
    names: tuple[str, ...]
    """What is written there: names of `config.folders`."""
    folder: Path
    """The first of these."""
    free: int
    """Bytes."""

    @property
    def text(self) -> str:
        return low_text(self.names, str(self.folder), self.free)


def disks_of(folders: Mapping[str, Path]) -> list[Disk]:
    """Each disk once, however many of the folders are on it. What nobody can look at is left out: whoever writes there
    says so."""
    found: dict[int, Disk] = {}
    for name, folder in folders.items():
        with suppress(OSError):
            place = standing(folder)
            disk = found.get(device := place.stat().st_dev)
            names = (*disk.names, name) if disk else (name,)
            found[device] = replace(disk, names=names) if disk else Disk(names, folder, shutil.disk_usage(place).free)
    return list(found.values())


def standing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there: what is made later is made in it."""
    return next((path for path in (folder, *folder.parents) if path.exists()), Path(folder.anchor))


def low_text(names: Sequence[str], folder: str, free: int) -> str:
    """Of a disk that is about to be full, for people."""
    what = "、".join(CALLED[name] for name in names)
    return f"磁盘：放{what}的 {folder} 只剩 {free // 2**20} MB，请腾出地方；满了就写不进去"
