"""Second files of one workbook, which synchronisers make when two people saved it at once (workbooks.md §2).

    name-PC.xlsx                                  OneDrive: the computer's name
    name (conflicted copy 2026-11-20 093500)      Nextcloud, ownCloud, OpenCloud, Dropbox (name's conflicted copy …)
    name_PC_Nov-20-0935-2026_Conflict             Synology Drive; also CaseConflict and the like, and a number
    name.sync-conflict-20261120-093500-ABCDEFG    Syncthing
    name (SFConflict somebody 2026-11-20-09-35-00)  Seafile
    name.Conflict                                 Resilio
    name (某人的冲突副本 2026-11-20)              the same in Chinese: Dropbox, 坚果云

They are read once for what people wrote in columns of theirs, told, and never changed or deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mailflow.sheets import replace
from mailflow.sheets.blocked import BlockedError
from mailflow.sheets.edits import Edit
from mailflow.sheets.layout import Layout, Values
from mailflow.sheets.managed import OpenedSheet
from mailflow.sheets.names import SUFFIX
from mailflow.sheets.opened import OpenedWorkbook
from mailflow.sheets.values import clean, same, text_of

_SURE = re.compile(
    r"""\ ?[(（][^()（）]*(conflicted\ copy|SFConflict|冲突副本|冲突文件)[^()（）]*[)）]
      | _[^_]+_[A-Z][a-z]{2}-\d\d-\d{4,6}-\d{4}_\w*Conflict(_\d+)?
      | \.sync-conflict-\d{8}-\d{6}(-[A-Z0-9]+)?
      | _conflict-[\w-]*\d{8}-\d{6}
      | \.Conflict\d*""",
    re.VERBOSE,
)
_COMPUTER = re.compile(r"-[A-Za-z0-9][A-Za-z0-9-]{0,14}")
"""What OneDrive appends. Another workbook may be called so: it is a copy only if it says inside that it is this one."""
_MOST = 20
_MOST_TOLD = 50


@dataclass
class Found:
    """What the copies of one workbook hold."""

    carried: dict[str, dict[str, Values]] = field(default_factory=dict)
    """What people wrote there and nobody in the file itself, by sheet, key and field."""
    edits: list[Edit] = field(default_factory=list)


def copies(path: Path) -> Iterator[tuple[Path, bool]]:
    """Files beside `path` that look like a conflict copy of it, and whether the name alone says so.

    Raises OSError when the folder cannot be listed.
    """
    stem = path.name.removesuffix(SUFFIX)
    for name in sorted(os.listdir(path.parent)):
        if name.startswith(stem) and name.endswith(SUFFIX) and name != path.name:
            rest = name[len(stem) : -len(SUFFIX)]
            if _SURE.fullmatch(rest):
                yield path.with_name(name), True
            elif _COMPUTER.fullmatch(rest):
                yield path.with_name(name), False


def stamps(path: Path) -> dict[str, str]:
    """What changes when one of them is saved, by name."""
    found = {}
    for copy, _ in islice(copies(path), _MOST):
        try:
            state = copy.stat()
        except OSError:  # just gone
            continue
        found[copy.name] = f"{state.st_mtime_ns}-{state.st_size}"
    return found


def read_copies(
    path: Path, workbook: str, sheets: Sequence[Layout], opened: Sequence[OpenedSheet], new: Collection[str]
) -> Found:
    """Reads those copies whose names are in `new`.

    Args:
        workbook: the name that its file carries inside.
        opened: our sheets in the file itself.
    """
    found = Found()
    for copy, sure in copies(path) if new else ():
        if copy.name in new:
            try:
                data = replace.read(copy)
            except BlockedError:
                continue
            if data is not None:
                _read(copy.name, data, None if sure else workbook, sheets, opened, found)
    return found


def _read(
    name: str, data: bytes, only: str | None, sheets: Sequence[Layout], opened: Sequence[OpenedSheet], found: Found
) -> None:
    """`only`: it must say inside that it is this workbook."""
    try:
        copy = OpenedWorkbook(data)
        if only is not None and name_inside(copy) != clean(only).strip():
            return
        theirs = copy.find(sheets)
        differing = [edit for here, there in zip(opened, theirs, strict=True) for edit in _compare(here, there, found)]
    except BlockedError as blocked:
        if only is None:
            found.edits.append(_told(sheets, f"发现冲突副本“{name}”，但读不了：{blocked.reason}"))
        return
    found.edits.append(_told(sheets, f"发现冲突副本“{name}”：已读入其中人填写的内容，副本未改动；核对后可以自行删除"))
    found.edits += differing[:_MOST_TOLD]


def _told(sheets: Sequence[Layout], text: str) -> Edit:
    return Edit("copy", sheets[0].sheet.id, sheets[0].sheet.title, said=text)


def _compare(here: OpenedSheet, there: OpenedSheet, found: Found) -> Iterator[Edit]:
    """Takes up what is empty here; yields what differs and is not taken."""
    layout = here.layout
    fields = [f for f in here.groups.people if f in there.columns]
    ours = {row.key: row for row in here.seen.rows if row.key in layout.rows}
    for row in there.seen.rows:
        if row.key not in ours or not row.prints.people:
            continue
        written, standing = there.seen.read(row.number).values, here.seen.read(ours[row.key].number).values
        for name in fields:
            new, old = written.get(name), standing.get(name)
            if new is None or same(new, old):
                continue
            if old is None:
                found.carried.setdefault(layout.sheet.id, {}).setdefault(row.key, {}).setdefault(name, new)
            else:
                heading = layout.column(name).heading
                said = (
                    f"冲突副本里《{layout.sheet.title}》编号 {row.key}“{heading}”写的是“{text_of(new)[:40]}”，没有采用"
                )
                yield Edit(
                    "copy", layout.sheet.id, layout.sheet.title, 0, row.key, name, heading,
                    text_of(old), text_of(new), said,
                )  # fmt: skip


def name_inside(opened: OpenedWorkbook) -> str:
    """The name that create.py put into the file's own properties; "" when there is none."""
    parts = (part for part in opened.package.names if part.lower() == "docprops/custom.xml")
    own = (p for part in parts for p in opened.package.xml(part) if p.get("name") == "mailflow-workbook")
    return next(("".join(map(str, p.itertext())).strip() for p in own), "")


def side_name(path: Path) -> Path:
    """A copy with what waits, while somebody keeps the file itself open."""
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.待合并{SUFFIX}")
