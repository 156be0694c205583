"""Makes a workbook file equal to what is wanted, as far as the people who use it allow. The whole flow, top to bottom.

    read → known again? → merge each sheet → patch → temporary file → read back → still the same file, no lock → replace

A publish that is blocked loses nothing: the caller keeps what it wants and asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mailflow.core.table import Workbook
from mailflow.core.text import one_line
from mailflow.sheets import locks, replace
from mailflow.sheets.base import Base, load_base
from mailflow.sheets.blocked import BlockedError, Code, unsafe
from mailflow.sheets.copies import Found, name_inside, read_copies, side_name, stamps
from mailflow.sheets.edits import CellAnswer, Edit
from mailflow.sheets.graft import grafted
from mailflow.sheets.layout import Layout, content_hash, layouts
from mailflow.sheets.links import differing
from mailflow.sheets.locks import Lock
from mailflow.sheets.managed import OpenedSheet
from mailflow.sheets.merge import Merged, merge
from mailflow.sheets.names import file_name
from mailflow.sheets.opened import OpenedWorkbook
from mailflow.sheets.values import clean

__all__ = ["CellAnswer", "Edit", "Looked", "Published", "aside", "changed", "file_name", "look", "publish", "side_copy"]


@dataclass(frozen=True)
class Published:
    state: Literal["written", "unchanged", "blocked"]
    content_hash: str
    """Of what is wanted; the caller gives it back as `last_hash`."""
    base: bytes
    """What now stands in the file, for the next publish. To be kept together with `answers` and `edits`."""
    reason: str = ""
    """Chinese, when blocked: who or what holds the file, and what to do."""
    code: Code | None = None
    holder: Lock | None = None
    """Who has it open, when that is what blocks it."""
    answers: tuple[CellAnswer, ...] = ()
    """Answers that the given base did not have. They are in `base`, so they are told once."""
    edits: tuple[Edit, ...] = ()
    """What people did, the same."""
    by: str = ""
    """Who saved the file last, as it says itself."""
    saved: datetime | None = None
    """When it was saved, by the clock of its disk."""
    written: bytes = field(default=b"", repr=False)
    """The new file, when there is one."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Chinese: what people did to our cells, rows and columns."""
        return tuple(str(edit) for edit in self.edits if edit.kind not in ("written", "edited"))


@dataclass(frozen=True)
class Looked:
    """What people left in a file; see Published."""

    answers: tuple[CellAnswer, ...] = ()
    edits: tuple[Edit, ...] = ()
    by: str = ""
    saved: datetime | None = None


Told = Callable[[Looked], object]


def _nobody(found: Looked) -> None:
    return


def publish(
    folder: Path,
    workbook: Workbook,
    base: bytes | None,
    *,
    last_hash: str | None,
    recreate: bool = False,
    told: Told = _nobody,
    template: bytes | None = None,
) -> Published:
    """Makes the file `file_name(workbook.name)` in `folder` show `workbook`.

    `base` and `last_hash` are what the last publish returned, None the first time. A file that is missing although it
    was published is "missing" (a program may be saving it) until the caller, some ten seconds later, says `recreate`.
    `told` is told what people did, before the file is replaced: once what they broke is put right, nothing shows it.

    `template`: what a new file is made from (template.py); None: code.

    Raises UserError for a template that cannot be used and for headings or titles that cannot stand in one workbook,
    ValueError for two rows with one key. What the file or the system does not allow is no exception: it is "blocked".
    """
    sheets = layouts(workbook)
    wanted = content_hash(workbook, sheets)
    path = folder / file_name(workbook.name)
    try:
        data = _present(path, known=bool(base), recreate=recreate)
        old = load_base(base)
        if data is not None and data == old.data and last_hash == wanted and not _new_copies(path, old):
            return Published("unchanged", wanted, base or b"")
        _check_lock(path)
        # what was in a file that has gone says nothing about a new one
        return _write(path, workbook, sheets, wanted, data, Base() if data is None else old, told, template)
    except BlockedError as blocked:
        return _blocked(path, wanted, base, blocked)
    except OSError as error:
        return _blocked(path, wanted, base, replace.refused(path, error))


def look(folder: Path, workbook: Workbook, base: bytes | None) -> Looked:
    """What people did since `base`, as saved now. Writes nothing. Nothing when the file cannot be read now."""
    path = folder / file_name(workbook.name)
    try:
        data, old = replace.read(path), load_base(base)
        if data is None or data == old.data:
            return Looked()
        opened = _opened(data, data, workbook, old)
        return _looked(_merged(opened.find(layouts(workbook)), Found()), opened.saved_by, _saved(path), Found())
    except BlockedError:
        return Looked()


def changed(folder: Path, name: str, base: bytes | None) -> bool:
    """Whether somebody has saved the file since; without a look at what is wanted."""
    path = folder / file_name(name)
    try:
        data, old = replace.read(path), load_base(base)
        return data is not None and (data != old.data or bool(_new_copies(path, old)))
    except (BlockedError, OSError):
        return False


def side_copy(folder: Path, workbook: Workbook, base: bytes | None) -> Path | None:
    """Puts what waits beside a file that somebody keeps open, as a read-only copy; None when that is not possible now.

    Nobody's work is lost with it: it is made anew from the file and from what is wanted.
    """
    path = folder / file_name(workbook.name)
    side = side_name(path)
    try:
        data, old, sheets = replace.read(path), load_base(base), layouts(workbook)
        if data is None or locks.holder(side) is not None:
            return None
        opened = _opened(grafted(data, workbook, sheets, old), data, workbook, old)
        changes = _changes(_merged(opened.find(sheets), Found()))
        new, before = opened.patched(changes), replace.read(side)
        if new != before:
            replace.put(side, new, before, lambda temp: _verify(temp, changes), copy_of=path)
    except (BlockedError, OSError):
        return None
    return side


def aside(folder: Path, name: str, stamp: str) -> Path | None:
    """Sets a file aside, so that it is made anew: the name that it has from now on; None when there is none.

    Raises BlockedError when somebody has it open, or the system refuses.
    """
    path = folder / file_name(name)
    target = path.with_name(f"{path.name.removesuffix(path.suffix)}.旧-{stamp}{path.suffix}")
    try:
        if not path.exists():
            return None
        _check_lock(path)
        if target.exists():
            raise BlockedError("denied", f"“{target.name}”已经有了，请稍后再试。")
        path.rename(target)
        replace.sync_folder(path.parent)
    except OSError as error:
        raise replace.refused(path, error) from error
    return target


def _blocked(path: Path, wanted: str, base: bytes | None, why: BlockedError) -> Published:
    reason = why.reason if path.name in why.reason else f"“{path.name}”：{why.reason}"
    return Published("blocked", wanted, base or b"", reason, why.code, why.holder)


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
        reason = f"“{path.name}”正被 {lock} 打开，请保存并关闭；关闭后会自动更新。"
        raise BlockedError("locked", reason, holder=lock)


def _new_copies(path: Path, old: Base) -> set[str]:
    """Conflict copies beside the file that were not read as they are now, or were and have gone."""
    there = stamps(path)
    return {name for name in there.keys() | old.copies.keys() if there.get(name) != old.copies.get(name)}


def _saved(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _write(
    path: Path,
    workbook: Workbook,
    sheets: Sequence[Layout],
    wanted: str,
    before: bytes | None,
    old: Base,
    told: Told,
    template: bytes | None,
) -> Published:
    """Merges into the file as it is, `before`, or into a skeleton when there is none."""
    saved = _saved(path)
    new = _new(workbook, sheets, template) if before is None else grafted(before, workbook, sheets, old)
    opened = _opened(new, before, workbook, old)
    there = opened.find(sheets)
    copies = stamps(path)
    found = read_copies(path, workbook.name, sheets, there, _new_copies(path, old) & copies.keys())
    merged = _merged(there, found)
    changes = _changes(merged)
    looked = _looked(merged, opened.saved_by if before is not None else "", saved, found)
    if looked.answers or looked.edits:
        told(looked)
    links = differing(opened, merged)
    changes |= {sheet: merged[sheet] for sheet in links}
    data = before
    if data is None or changes or new is not before:
        data = opened.patched(changes, links)
        replace.put(path, data, before, lambda temp: _last_look(path, temp, changes))
        replace.discard(side_name(path))
    after = {sheet.layout.sheet.id: sheet.next_base(one) for sheet, one in merged.items()}
    return Published(
        "unchanged" if data is before else "written",
        # what waits to be decided is not what is wanted: the next time it is looked at again
        "" if any(edit.kind == "edited" for edit in looked.edits) else wanted,
        Base(data, after, copies).dump(),
        answers=looked.answers,
        edits=looked.edits,
        by=looked.by,
        saved=saved,
        written=b"" if data is before else data,
    )


def _opened(data: bytes, before: bytes | None, workbook: Workbook, old: Base) -> OpenedWorkbook:
    """`data`, which was made from the file as it is, `before`. Raises BlockedError, too when another one of our
    workbooks was put in its place: it would look like one in which everything was deleted by hand."""
    opened = OpenedWorkbook(data, old)
    if before is not None and old.data not in (b"", before):
        name = name_inside(opened)
        if name and name != clean(workbook.name).strip():
            raise unsafe(f"文件里装的是另一本，“{one_line(name)[:80]}”，可能是保存或复制错了，请从备份恢复")
    return opened


def _looked(merged: Mapping[OpenedSheet, Merged], by: str, saved: datetime | None, found: Found) -> Looked:
    return Looked(
        tuple(answer for one in merged.values() for answer in one.answers),
        (*(edit for one in merged.values() for edit in one.edits), *found.edits),
        by,
        saved,
    )


def _new(workbook: Workbook, sheets: Sequence[Layout], template: bytes | None) -> bytes:
    if template is not None:
        from mailflow.sheets.template import from_template

        return from_template(template, workbook, sheets)
    from mailflow.sheets.create import skeleton  # brings openpyxl

    return skeleton(workbook, sheets)


def _merged(there: Sequence[OpenedSheet], found: Found) -> dict[OpenedSheet, Merged]:
    return {s: merge(s.layout, s.base, s.seen, found.carried.get(s.layout.sheet.id)) for s in there}


def _changes(merged: dict[OpenedSheet, Merged]) -> dict[OpenedSheet, Merged]:
    return {sheet: one for sheet, one in merged.items() if one.changes or one.appended}


def _last_look(path: Path, temp: Path, changes: dict[OpenedSheet, Merged]) -> None:
    _verify(temp, changes)
    _check_lock(path)


def _verify(temp: Path, changes: dict[OpenedSheet, Merged]) -> None:
    from mailflow.sheets.verify import verify

    verify(temp, changes.items())
