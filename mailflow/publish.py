"""Workbooks: read what people left in them, then make each file equal to what the store wants (promise 8).

The store holds a wanted version of each workbook; publishing makes the file equal to it. A file that is held, missing
or damaged is left alone and tried again, later changes join it, and nothing is lost.

No snapshot of the store is open while a file is touched: on a network share that may take for ever, and SQLite's
write-ahead log would grow for as long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from mailflow import journal, views
from mailflow.core.facts import CellChange
from mailflow.core.mapping import Mapping
from mailflow.core.records import CellNote, Held, Notice, cell_key
from mailflow.core.table import Workbook
from mailflow.errors import MailflowError, PermanentError, Problem, UserError
from mailflow.policies.workbooks import held_step
from mailflow.sheets import evidence, kept
from mailflow.sheets import publish as sheets
from mailflow.sheets import replace as files
from mailflow.sheets.blocked import BlockedError
from mailflow.sheets.names import SUFFIX, kind_of
from mailflow.store import Reader, Store, WorkbookRow


@dataclass(frozen=True)
class Shelf:
    """Where workbooks lie, and how they are treated."""

    folder: Path
    restricted: Path
    """For the manager and the director only (domain §7)."""
    kept: Path | None = None
    """Where published versions are kept, outside the shared folder; None: nowhere."""
    keep: int = 5
    """How many of each."""
    while_open: Literal["wait", "copy"] = "wait"
    """copy: what waits is put beside a file that somebody keeps open."""
    remind_after: timedelta = timedelta(hours=4)
    """When the manager is told that somebody keeps a file open."""
    templates: Path | None = None
    """The admin's own beginnings of new files."""

    def place(self, workbook: Workbook) -> Path:
        return self.restricted if workbook.restricted else self.folder


Decision = tuple[str, str]
"""A cell as a decision: (matter, answer)."""


@dataclass(frozen=True)
class ReadBack:
    """What people left in a workbook, to be taken into the store."""

    workbook: str
    decisions: tuple[Decision, ...] = ()
    changes: tuple[CellChange, ...] = ()
    by: str = ""
    """Who saved it last, as the file says."""
    saved: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.decisions or self.changes)


Take = Callable[[ReadBack], object]
"""Carries out and keeps what was read back."""
Stamps = dict[str, object]
"""What each file was like when it was last looked at, by the workbook's name."""


def cells(store: Store, shelf: Shelf, mapping: Mapping) -> ReadBack:
    """Decisions that stand in the decision column of 待确认 and have not been taken, even while it is open."""
    with store.read() as reader:
        row = reader.workbook(views.HELD)
        if row is None or row.base is None:
            return ReadBack(views.HELD)
        workbook = views.build(views.HELD, reader.book, mapping)
    found = sheets.look(shelf.place(workbook), workbook, row.base)
    with store.read() as reader:
        return ReadBack(views.HELD, _decisions(reader, found.answers), (), found.by, found.saved)


def _decisions(reader: Reader, answers: Iterable[sheets.CellAnswer]) -> tuple[Decision, ...]:
    """The answers that are decisions on open items, each once: what was refused is not asked again."""
    open_items = {str(held.number): held for held in reader.book.find(Held, state="open")}
    found = [(open_items[a.row_key], a.text) for a in answers if a.row_key in open_items]
    return tuple((f"held:{held.number}", text) for held, text in found if held.answer != text)


def _changes(reader: Reader, workbook: str, edits: Iterable[sheets.Edit]) -> tuple[CellChange, ...]:
    """What people did, without what the store knows already."""
    found = []
    for edit in edits:
        if edit.kind == "moved":  # nobody's doing
            continue
        if edit.kind == "written":
            known = reader.book.get(CellNote, cell_key(workbook, edit.sheet_id, edit.key, edit.field))
            if edit.new == (known.value if known else ""):
                continue
        found.append(
            CellChange(
                kind=edit.kind,
                sheet=edit.sheet_id,
                row=edit.key,
                field=edit.field,
                old=edit.old,
                new=edit.new,
                text=str(edit),
            )
        )
    return tuple(found)


def stamp(shelf: Shelf, name: str = views.HELD) -> object:
    """Changes whenever a workbook is saved by anybody; None while it is missing."""
    for folder in (shelf.folder, shelf.restricted):
        try:
            found = (folder / sheets.file_name(name)).stat()
        except OSError:
            continue
        return found.st_mtime_ns, found.st_size
    return None


def publish(
    store: Store,
    shelf: Shelf,
    mapping: Mapping,
    now: datetime,
    take: Take,
    *,
    stop: Callable[[], bool] = lambda: False,
    blocked_too: bool = True,
    patience: timedelta = timedelta(0),
    seen: Stamps | None = None,
) -> Counter[str]:
    """Publishes every workbook that is behind, or that somebody has saved. Returns how many ended in which state:
    written, unchanged, blocked. What is read back may put others behind: they follow at once.

    Args:
        take: carries out and keeps what was found in a file.
        blocked_too: whether to try those again that could not be published the last time.
        patience: how long a file must have been missing before it is made again; Excel removes it for a moment while
            it saves (workbooks.md §2).
        seen: remembers from call to call what the files were like, so that only what was saved since is looked at;
            None: saved files are not looked for.
    """
    flow = _Flow(store, shelf, mapping, now, take, patience, {} if seen is None else seen)

    def due(row: WorkbookRow) -> bool:
        if row.blocked:
            return blocked_too
        return row.wanted > row.published or flow.gone(row) or (seen is not None and flow.saved(row))

    ended = flow.round(due, stop)
    if ended["written"] or ended["unchanged"]:
        ended += flow.round(lambda row: row.wanted > row.published and not row.blocked, stop)
    return ended


@dataclass(frozen=True)
class _Flow:
    store: Store
    shelf: Shelf
    mapping: Mapping
    now: datetime
    take: Take
    patience: timedelta
    seen: Stamps = field(repr=False)

    def round(self, due: Callable[[WorkbookRow], bool], stop: Callable[[], bool]) -> Counter[str]:
        """Publishes those that are due, each once."""
        ended: Counter[str] = Counter()
        with self.store.read() as reader:
            rows = reader.workbooks()
        for row in rows:
            if stop():
                break
            if due(row):
                ended[self.guarded(row)] += 1
        return ended

    def gone(self, row: WorkbookRow) -> bool:
        """A file that somebody deleted or moved away is made again."""
        return self.stamp(row.name) is None

    def saved(self, row: WorkbookRow) -> bool:
        """Whether somebody has saved the file since it was last looked at."""
        stamp = self.stamp(row.name)
        if self.seen.get(row.name) == stamp:
            return False
        with self.store.read() as reader:
            current = reader.workbook(row.name)
        folders = (self.shelf.folder, self.shelf.restricted)
        base = current.base if current is not None else None
        if any(sheets.changed(folder, row.name, base) for folder in folders):
            return True
        self.seen[row.name] = stamp
        return False

    def stamp(self, name: str) -> object:
        return stamp(self.shelf, name)

    def guarded(self, row: WorkbookRow) -> str:
        """One workbook that cannot be made stops no other: a heading that does not fit, or our own bug."""
        try:
            return self._publish(row)
        except UserError as error:
            reason = str(error)
        except UnicodeEncodeError:
            reason = "本机的语言环境写不了中文文件名：请设置环境变量 LANG=C.UTF-8 再启动。"
        except MailflowError:
            raise
        except Exception as error:  # noqa: BLE001
            journal.bug(where=row.name, error=error)
            reason = f"程序出错（{type(error).__name__}: {error}），已记入日志。"
        with self.store.write() as tx:
            tx.workbook_blocked(row.name, reason, self.now)
        return "blocked"

    def _publish(self, row: WorkbookRow) -> str:
        waited = row.blocked_since is not None and self.now - row.blocked_since >= self.patience
        stamp = self.stamp(row.name)
        with self.store.read() as reader:
            # Asked again inside this snapshot: what is built is at least as new as the version that is noted.
            current = reader.workbook(row.name) or row
            workbook = views.build(row.name, reader.book, self.mapping)
        blocked = self._keep_mails(workbook, known=bool(current.base))
        if blocked is not None:
            self._blocked(row, workbook, current, blocked)
            return "blocked"
        result = sheets.publish(
            self.shelf.place(workbook),
            workbook,
            current.base,
            last_hash=current.content_hash,
            recreate=not self.patience or waited,
            told=partial(self._take_back, row.name),
            template=self._template(row.name, current),
        )
        if result.state == "blocked":
            self._blocked(row, workbook, current, result)
            return "blocked"
        if result.written and self.shelf.kept is not None:
            kept.keep(self.shelf.kept, row.name, result.written, self.now, self.shelf.keep)
        with self.store.write() as tx:
            tx.workbook_published(row.name, current.wanted, result.content_hash, result.base, self.now)
        self.seen[row.name] = stamp if result.state == "unchanged" else self.stamp(row.name)
        if result.state == "written":
            journal.workbook_published(name=row.name)
        return result.state

    def _template(self, name: str, current: WorkbookRow) -> bytes | None:
        """What a file is made from that was never made, or that is gone; else it would be read for nothing."""
        if self.shelf.templates is None or (current.base and not self.gone(current)):
            return None
        return template_of(self.shelf.templates, name)

    def _keep_mails(self, workbook: Workbook, *, known: bool) -> sheets.Published | None:
        """Puts the mails that the workbook leads to beside it: before it, so that no link ever leads to nothing."""
        folder = self.shelf.place(workbook)
        try:
            lacking = evidence.missing(folder, workbook)
            if lacking and not known:
                folder.mkdir(parents=True, exist_ok=True)
            elif not folder.is_dir():
                return None  # a share that is away: publishing says so
            for name, digest in lacking.items():
                with suppress(PermanentError):  # the archive lost it, and said so in the log
                    evidence.keep(folder, name, partial(self._raw, digest))
        except BlockedError as error:
            return sheets.Published("blocked", "", b"", error.reason, error.code)
        return None

    def _raw(self, digest: str) -> bytes:
        with self.store.read() as reader:
            return reader.raw(digest)

    def _take_back(self, name: str, found: sheets.Looked) -> None:
        """Before the file is replaced, and before the new base is kept: a kill in between tells it again, and what
        was told of the same saving is not kept twice."""
        with self.store.read() as reader:
            decisions = _decisions(reader, found.answers) if name == views.HELD else ()
            changes = _changes(reader, name, found.edits)
        for edit in found.edits:
            if edit.kind not in ("written", "edited", "moved"):
                journal.workbook_conflict(name=name, cells=[str(edit)])
        if back := ReadBack(name, decisions, changes, found.by, found.saved):
            self.take(back)

    def _blocked(self, row: WorkbookRow, workbook: Workbook, current: WorkbookRow, result: sheets.Published) -> None:
        reason, holder = result.reason, result.holder
        if holder is not None and holder.since is not None:
            reason += f"（自 {self._local(holder.since)} 起）"
        with self.store.write() as tx:
            tx.workbook_blocked(row.name, reason, self.now)
        if row.blocked != reason:
            journal.workbook_blocked(name=row.name, reason=reason)
        if holder is None:
            return
        if self.shelf.while_open == "copy":
            sheets.side_copy(self.shelf.place(workbook), workbook, current.base)
        if row.blocked_since is not None and self.now - row.blocked_since >= self.shelf.remind_after:
            self._remind(row.name, self._local(row.blocked_since), str(holder), reason)

    def _remind(self, name: str, since: str, holder: str, reason: str) -> None:
        """Has the manager told, once for each time that a file is held."""
        with self.store.read() as reader:
            told = reader.book.find(Notice, matter=f"workbook:{name}")
        if self.mapping.managers() and all(notice.step != held_step(since) for notice in told):
            self.take(ReadBack(name, (), (CellChange(kind="held", old=since, new=holder, text=reason),)))

    def _local(self, instant: datetime) -> str:
        return self.mapping.calendar.local(instant).strftime("%Y-%m-%d %H:%M")


def template_of(folder: Path, name: str) -> bytes | None:
    """The admin's template for a workbook; None when there is none. UserError when it cannot be read."""
    path = folder / f"{kind_of(name)}{SUFFIX}"
    try:
        return files.read(path)
    except BlockedError as error:
        raise UserError(f"模板 {path.name}：{error.reason}") from error


_NO_TEMPLATE = ("~$", ".", "~")
"""What names of files begin with that programs leave beside those that they have open."""


def check_templates(folder: Path, mapping: Mapping) -> list[str]:
    """What the templates leave out, in sentences. UserError with everything that is wrong with them."""
    from mailflow.sheets.template import check  # brings openpyxl

    kinds = views.samples(mapping)
    problems: list[Problem] = []
    hints: list[str] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(_NO_TEMPLATE) or path.suffix.lower() in (".md", ".txt"):
            continue
        kind = path.name.removesuffix(SUFFIX)
        if not path.name.endswith(SUFFIX) or kind not in kinds:
            problems.append(Problem(f"模板应是 xlsx 文件，叫 {'、'.join(kinds)} 之一", str(path)))
            continue
        try:
            wrong, left_out = check(template_of(folder, path.name) or b"", kinds[kind])
        except UserError as error:
            problems += error.problems
            continue
        problems += [Problem(text, str(path)) for text in wrong]
        hints += [f"{path.name}：{text}" for text in left_out]
    if problems:
        raise UserError(problems)
    return hints


def starting_point(kind: str, mapping: Mapping) -> bytes:
    """A template of this kind to begin with. UserError: there is no such kind."""
    from mailflow.sheets.template import starting_point as made  # brings openpyxl

    kinds = views.samples(mapping)
    if kind not in kinds:
        raise UserError(f"没有叫“{kind}”的工作簿，可用的：{'、'.join(kinds)}")
    return made(kinds[kind])


def reset(store: Store, shelf: Shelf, mapping: Mapping, name: str, now: datetime, take: Take) -> Path | None:
    """Sets a workbook's file aside, so that a new one is made; what people wrote in it is read first, if it can be.

    Returns its new name, None when there was no file. Raises UserError for a name that no workbook has, BlockedError
    when somebody has it open.
    """
    with store.read() as reader:
        row = reader.workbook(name)
        if row is None:
            known = "、".join(one.name for one in reader.workbooks())
            raise UserError(f"没有名为“{name}”的工作簿。现有：{known}", code=1)
        workbook = views.build(name, reader.book, mapping)
    folder = shelf.place(workbook)
    found = sheets.look(folder, workbook, row.base)
    with store.read() as reader:
        back = ReadBack(name, (), _changes(reader, name, found.edits), found.by, found.saved)
    if back:
        take(back)
    moved = sheets.aside(folder, name, mapping.calendar.local(now).strftime("%Y%m%d-%H%M%S"))
    journal.step("workbook.aside")
    with store.write() as tx:
        tx.workbook_reset(name)
    return moved
