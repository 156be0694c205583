"""The demo on the real parts: `App` over the embedded Maildirs, as `mailflow once` runs it."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from pathlib import Path

from rich.console import Console

import mailflow
from mailflow.app import App
from mailflow.core.book import Book, memory_book
from mailflow.core.people import Roster
from mailflow.core.records import ROW_TYPES
from mailflow.demo.folder import prepare
from mailflow.demo.run import play
from mailflow.demo.summary import Summary, find_notice
from mailflow.errors import UserError
from mailflow.notices.render import render

MAIL = "mail"


def main(folder: Path) -> Summary:
    """Plays the month in `folder`, which is made, and prints what came of it. A second time changes nothing.

    UserError where something that is not a demo lies there already.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MAIL).is_dir():
        raise UserError(f"{folder} 里已有别的东西，请为演示另选一个文件夹：mailflow demo 文件夹", code=1)
    app = App.of(prepare(folder, shipped()))
    with app.exclusive(), app.store.read() as reader:
        before = reader.last_time()
    console = Console(width=None if sys.stdout.isatty() else 100)
    with app.exclusive():
        return play(folder, AppDriver(folder, app, before), console)


def shipped() -> Path:
    """The folder that holds the `mappings/` and `templates/` of this version."""
    checkout = Path(mailflow.__file__).parents[1]
    return checkout if (checkout / "mappings").is_dir() else Path(sys.prefix) / "share" / "mailflow"


class AppDriver:
    """Delivers into the Maildirs, and runs the application at the scenario's instants."""

    def __init__(self, folder: Path, app: App, played: datetime | None) -> None:
        self._folder, self._app, self._played = folder, app, played

    def deliver(self, mailbox: str, name: str, raw: bytes, when: datetime) -> bool:
        box = self._folder / MAIL / mailbox
        if any(p.name.split(":")[0] == name for sub in ("new", "cur") for p in (box / sub).iterdir()):
            return False
        temporary = box / "tmp" / name
        temporary.write_bytes(raw)
        os.utime(temporary, (when.timestamp(), when.timestamp()))
        temporary.rename(box / "new" / name)
        return True

    def once(self, now: datetime) -> None:
        """Instants that an earlier run has played are not played again."""
        if self._played is None or now > self._played:
            summary = self._app.once(now)
            if summary.problems:
                raise UserError(summary.problems, code=1)

    def notice_id(self, template: str, *, to: str, about: str) -> tuple[str, str] | None:
        notice = find_notice(self.book(), template, to=to, about=about)
        if notice is None:
            return None
        return notice.message_id, render(notice.template, notice.context, templates=self._app.notices).subject

    def book(self) -> Book:
        """A copy in memory: a month is small, and the store's own book ends with its transaction."""
        with self._app.store.read() as reader:
            return memory_book(row for kind in ROW_TYPES for row in reader.book.find(kind))

    def roster(self) -> Roster:
        return self._app.in_force().roster
