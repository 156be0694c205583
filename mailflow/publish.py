"""Workbooks: read what people left in them, then make each file equal to what the store wants (promise 8).

The store holds a wanted version of each workbook; publishing makes the file equal to it. A file that is held, missing
or damaged is left alone and tried again, later changes join it, and nothing is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from mailflow import journal, views
from mailflow.core.mapping import Mapping
from mailflow.core.records import Held
from mailflow.core.table import Workbook
from mailflow.errors import MailflowError, UserError
from mailflow.sheets import publish as sheets
from mailflow.store import Store, WorkbookRow


@dataclass(frozen=True)
class Shelf:
    """Where workbooks lie."""

    folder: Path
    restricted: Path
    """For the manager and the director only (domain §7)."""

    def place(self, workbook: Workbook) -> Path:
        return self.restricted if workbook.restricted else self.folder


Decision = tuple[str, str]
"""A cell as a decision: (matter, answer)."""


def cells(store: Store, shelf: Shelf, mapping: Mapping) -> list[Decision]:
    """Decisions that stand in the decision column of 待确认 and have not been taken."""
    with store.read() as reader:
        row = reader.workbook(views.HELD)
        if row is None or row.base is None:
            return []
        workbook = views.build(views.HELD, reader.book, mapping)
    return _decisions(store, sheets.read_answers(shelf.place(workbook), workbook, row.base))


def _decisions(store: Store, answers: Iterable[sheets.CellAnswer]) -> list[Decision]:
    """The answers that are decisions on open items, each once: what was refused is not asked again."""
    with store.read() as reader:
        open_items = {str(held.number): held for held in reader.book.find(Held, state="open")}
    found = [(open_items[a.row_key], a.text) for a in answers if a.row_key in open_items]
    return [(f"held:{held.number}", text) for held, text in found if held.answer != text]


def stamp(shelf: Shelf) -> tuple[int, int] | None:
    """Changes whenever 待确认 is saved by anybody; None while it is missing."""
    try:
        found = (shelf.folder / sheets.file_name(views.HELD)).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def publish(
    store: Store,
    shelf: Shelf,
    mapping: Mapping,
    now: datetime,
    take: Callable[[Sequence[Decision]], object],
    *,
    stop: Callable[[], bool] = lambda: False,
    blocked_too: bool = True,
    patience: timedelta = timedelta(0),
) -> Counter[str]:
    """Publishes every workbook that is behind. Returns how many ended in which state: written, unchanged, blocked.

    Args:
        take: carries out decisions that were found in a file while it was published.
        blocked_too: whether to try those again that could not be published the last time.
        patience: how long a file must have been missing before it is made again; Excel removes it for a moment while
            it saves (workbooks.md §2).
    """
    ended: Counter[str] = Counter()
    with store.read() as reader:
        rows = reader.workbooks()
    for row in rows:
        if stop():
            break
        behind = row.wanted > row.published or _gone(shelf, row)
        if blocked_too if row.blocked else behind:
            recreate = not patience or (row.blocked_since is not None and now - row.blocked_since >= patience)
            ended[_guarded(store, row, now, partial(_publish, store, shelf, mapping, row, now, take, recreate))] += 1
    return ended


def _guarded(store: Store, row: WorkbookRow, now: datetime, work: Callable[[], str]) -> str:
    """One workbook that cannot be made stops no other: a heading that does not fit, or our own bug."""
    try:
        return work()
    except UserError as error:
        reason = str(error)
    except UnicodeEncodeError:
        reason = "本机的语言环境写不了中文文件名：请设置环境变量 LANG=C.UTF-8 再启动。"
    except MailflowError:
        raise
    except Exception as error:  # noqa: BLE001
        journal.bug(where=row.name, error=error)
        reason = f"程序出错（{type(error).__name__}: {error}），已记入日志。"
    with store.write() as tx:
        tx.workbook_blocked(row.name, reason, now)
    return "blocked"


def _gone(shelf: Shelf, row: WorkbookRow) -> bool:
    """A file that somebody deleted or moved away is made again."""
    name = sheets.file_name(row.name)
    return not (shelf.folder / name).exists() and not (shelf.restricted / name).exists()


def _publish(
    store: Store,
    shelf: Shelf,
    mapping: Mapping,
    row: WorkbookRow,
    now: datetime,
    take: Callable[[Sequence[Decision]], object],
    recreate: bool,
) -> str:
    with store.read() as reader:
        # Asked again inside this snapshot: what is built is at least as new as the version that is noted.
        current = reader.workbook(row.name) or row
        workbook = views.build(row.name, reader.book, mapping)
    result = sheets.publish(
        shelf.place(workbook), workbook, current.base, last_hash=current.content_hash, recreate=recreate
    )
    for note in result.notes:
        journal.workbook_conflict(name=row.name, cells=[note])
    # Before the new base is kept, which says that they have been told: a kill in between tells them again.
    if decisions := _decisions(store, result.answers):
        take(decisions)
    with store.write() as tx:
        if result.state == "blocked":
            tx.workbook_blocked(row.name, result.reason, now)
        else:
            tx.workbook_published(row.name, current.wanted, result.content_hash, result.base, now)
    if result.state == "blocked":
        journal.workbook_blocked(name=row.name, reason=result.reason)
    elif result.state == "written":
        journal.workbook_published(name=row.name)
    return result.state
