"""Makes a workbook file equal to what is wanted, as far as the people who use it allow. The whole flow, top to bottom.

    read → known again? → merge each sheet → patch → temporary file → read back → still the same file, no lock → replace

A publish that is blocked loses nothing: the caller keeps what it wants and asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mailflow.core.table import Workbook
from mailflow.sheets import locks, replace
from mailflow.sheets.base import Base, load_base
from mailflow.sheets.blocked import BlockedError, Code
from mailflow.sheets.layout import Layout, content_hash, layouts
from mailflow.sheets.managed import OpenedSheet
from mailflow.sheets.merge import CellAnswer, Merged, merge
from mailflow.sheets.names import file_name
from mailflow.sheets.opened import OpenedWorkbook

__all__ = ["CellAnswer", "Published", "file_name", "publish", "read_answers"]


@dataclass(frozen=True)
class Published:
    state: Literal["written", "unchanged", "blocked"]
    content_hash: str
    """Of what is wanted; the caller gives it back as `last_hash`."""
    base: bytes
    """What now stands in the file, for the next publish. To be kept together with `answers`."""
    reason: str = ""
    """Chinese, when blocked: who or what holds the file, and what to do."""
    code: Code | None = None
    answers: tuple[CellAnswer, ...] = ()
    """Answers that the given base did not have. They are in `base`, so they are told once."""
    notes: tuple[str, ...] = ()
    """Chinese: what people did to our cells, rows and columns."""


def publish(
    folder: Path, workbook: Workbook, base: bytes | None, *, last_hash: str | None, recreate: bool = False
) -> Published:
    """Makes the file `file_name(workbook.name)` in `folder` show `workbook`.

    `base` and `last_hash` are what the last publish returned, None the first time. A file that is missing although it
    was published is "missing" (a program may be saving it) until the caller, some ten seconds later, says `recreate`.
    Raises UserError for headings or titles that cannot stand in one workbook, ValueError for two rows with one key.
    What the file or the system does not allow is no exception: it is "blocked".
    """
    sheets = layouts(workbook)
    wanted = content_hash(workbook, sheets)
    path = folder / file_name(workbook.name)
    try:
        data = _present(path, known=bool(base), recreate=recreate)
        old = load_base(base)
        if data is not None and old.file == replace.sha256(data) and last_hash == wanted:
            return Published("unchanged", wanted, base or b"")
        _check_lock(path)
        if data is None:
            return _write(path, sheets, wanted, None, Base(), _new(workbook, sheets))
        return _write(path, sheets, wanted, data, old, data)
    except BlockedError as blocked:
        return _blocked(path, wanted, base, blocked)
    except OSError as error:
        return _blocked(path, wanted, base, replace.refused(path, error))


def _blocked(path: Path, wanted: str, base: bytes | None, why: BlockedError) -> Published:
    reason = why.reason if path.name in why.reason else f"“{path.name}”：{why.reason}"
    return Published("blocked", wanted, base or b"", reason, why.code)


def read_answers(folder: Path, workbook: Workbook, base: bytes | None) -> tuple[CellAnswer, ...]:
    """What people answered since `base`, as saved now. Writes nothing. Empty when the file cannot be read now."""
    sheets = layouts(workbook)
    try:
        data = replace.read(folder / file_name(workbook.name))
        old = load_base(base)
        if data is None or old.file == replace.sha256(data):
            return ()
        merged = _merge_all(OpenedWorkbook(data), sheets, old)
    except BlockedError:
        return ()
    return tuple(answer for one in merged.values() for answer in one.answers)


def _present(path: Path, *, known: bool, recreate: bool) -> bytes | None:
    """The file as it is; None when it is to be made. A share may be away, a file may be being saved: neither is new."""
    if not known:
        path.parent.mkdir(parents=True, exist_ok=True)
    replace.discard(replace.temporary(path))  # of a crash
    data = replace.read(path)
    if data is None and known and not recreate:
        text = f"“{path.name}”不见了：可能正在保存，也可能被移走或改名；稍后会重新生成。"
        raise BlockedError("missing", text) if path.parent.is_dir() else replace.away(path)
    return data


def _check_lock(path: Path) -> None:
    lock = locks.holder(path)
    if lock is not None:
        raise BlockedError("locked", f"“{path.name}”正被 {lock} 打开，请保存并关闭；关闭后会自动更新。")


def _write(path: Path, sheets: Sequence[Layout], wanted: str, before: bytes | None, old: Base, new: bytes) -> Published:
    """Merges into `new`, which is the file as it is, or a skeleton when there is none."""
    opened = OpenedWorkbook(new)
    merged = _merge_all(opened, sheets, old)
    changed = {sheet: one for sheet, one in merged.items() if one.changes or one.appended}
    data = before
    if data is None or changed:
        data = opened.patched(changed)
        replace.put(path, data, before, lambda written: _last_look(path, written, changed))
    return Published(
        "unchanged" if data is before else "written",
        wanted,
        Base(replace.sha256(data), {found.layout.sheet.id: one.base for found, one in merged.items()}).dump(),
        answers=tuple(answer for one in merged.values() for answer in one.answers),
        notes=tuple(note for one in merged.values() for note in one.notes),
    )


def _new(workbook: Workbook, sheets: Sequence[Layout]) -> bytes:
    from mailflow.sheets.create import skeleton  # brings openpyxl

    return skeleton(workbook, sheets)


def _last_look(path: Path, written: bytes, changed: dict[OpenedSheet, Merged]) -> None:
    from mailflow.sheets.verify import verify  # brings calamine

    verify(written, changed.items())
    _check_lock(path)


def _merge_all(opened: OpenedWorkbook, sheets: Sequence[Layout], base: Base) -> dict[OpenedSheet, Merged]:
    found = opened.find(sheets)
    return {sheet: merge(sheet.layout, base.sheet(sheet.layout.sheet.id), sheet.seen) for sheet in found}
