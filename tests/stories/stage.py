"""A department to play stories on: its folder, its post, `mailflow once` as a child process, and what came of it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openpyxl
from python_calamine import CalamineWorkbook

from mailflow.app import App
from mailflow.listing import rows
from tests.stories.department import (
    MX,
    NAME,
    PEOPLE_TOML,
    PROJECTS_TOML,
    SMALL_PEOPLE_TOML,
    SMALL_PROJECTS_TOML,
    SUPPORT,
    moment,
)
from tests.stories.forks import ROOT, Ended, run
from tests.stories.mail import Mail
from tests.stories.stands import MAILBOXES, Maildirs, Stand, identity

ENV = {"STORY_PASSWORD": "geheim"}
LISTS = ("mails", "records", "cases", "complaints", "ledger", "held", "notices")
HELD_BOOK = "待确认.xlsx"

Row = dict[str, Any]
State = dict[str, Any]
"""All that counts, comparable: two stages with equal states are in the same state of affairs."""


@dataclass(frozen=True)
class Stage:
    """Lives in `folder`, which can be copied as a whole where the post is Maildirs."""

    folder: Path
    stand: Stand
    after: str = "leave"

    @staticmethod
    def build(folder: Path, stand: Stand | None = None, after: str = "leave", *, small: bool = False) -> Stage:
        """A department on which nothing has happened yet, with the shipped kinds, pay rules and templates."""
        people, projects = (SMALL_PEOPLE_TOML, SMALL_PROJECTS_TOML) if small else (PEOPLE_TOML, PROJECTS_TOML)
        stage = Stage(folder, stand or Maildirs(), after)
        shutil.copytree(ROOT / "mappings", folder / "mappings")
        shutil.copytree(ROOT / "templates", folder / "templates")
        (folder / "mappings" / "people.toml").write_text(people, encoding="utf-8")
        (folder / "mappings" / "projects.toml").write_text(projects, encoding="utf-8")
        (folder / "workbooks").mkdir()
        stage.write_config()
        return stage

    def copy(self, folder: Path) -> Stage:
        """The same department again, to go on differently."""
        shutil.copytree(self.folder, folder)
        return Stage(folder, self.stand, self.after)

    def write_config(self) -> None:
        urls = self.stand.urls()
        boxes = "".join(
            f'[[mailbox]]\nname = "{name}"\n{urls[name]}\nauthserv_ids = ["{MX}"]\nafter = "{self.after}"\n'
            f"customers = {str(name == 'support').lower()}\n\n"
            for name in MAILBOXES
        )
        send = f'[send]\n{urls["send"]}\nfrom = "技术支持助手 <{SUPPORT}>"\n\n'
        text = f'[mailflow]\ndata = "var"\n\n{boxes}{send}[workbooks]\nfolder = "workbooks"\n'
        (self.folder / "config.toml").write_text(text, encoding="utf-8")

    # -- what happens ------------------------------------------------------------------------------------------------

    def deliver(self, mail: Mail, mailbox: str = "support", at: str | None = None) -> None:
        self.stand.deliver(self.folder, mailbox, mail.raw(mailbox), moment(at or mail.at))

    def deliver_raw(self, raw: bytes, at: str) -> None:
        self.stand.deliver(self.folder, "support", raw, moment(at))

    def command(self, *arguments: str, env: dict[str, str] | None = None) -> Ended:
        """`mailflow ARGUMENTS` as a child process."""
        return run(arguments, self.folder, {**ENV, **(env or {})})

    def once(self, at: str, env: dict[str, str] | None = None) -> Ended:
        return self.command("once", "--now", moment(at).isoformat(), env=env)

    def steps(self, at: str) -> list[str]:
        """Runs `once` and tells the durable steps it took."""
        file = self.folder / "steps"
        ended = self.once(at, {"MAILFLOW_STEPS": str(file)})
        assert ended.code == 0, ended.err
        steps = file.read_text(encoding="utf-8").split()
        file.unlink()
        return steps

    def write_cell(self, sheet: str, key: str, heading: str, text: str, book: str = HELD_BOOK) -> None:
        """A person opens a workbook, writes into the row `key` under `heading`, and saves."""
        path = self.workbook(book)
        opened = openpyxl.load_workbook(path)
        lines = list(opened[sheet].iter_rows())
        head = next(line for line in lines if heading in [cell.value for cell in line])
        column = [cell.value for cell in head].index(heading)
        line = next(line for line in lines if str(line[0].value) == key)
        line[column].value = text
        opened.save(path)

    # -- what came of it ---------------------------------------------------------------------------------------------

    @contextmanager
    def app(self) -> Iterator[App]:
        app = App.of(self.folder / "config.toml")
        try:
            yield app
        finally:
            app.store.close()

    def listed(self, what: str) -> list[Row]:
        """`mailflow list WHAT --json`."""
        with self.app() as app:
            found: list[Row] = json.loads(json.dumps(rows(app, what), default=str))
            return found

    def workbooks(self) -> list[Path]:
        return sorted((self.folder / "workbooks").rglob("*.xlsx"))

    def workbook(self, name: str) -> Path:
        return next(path for path in self.workbooks() if path.name == name)

    def cells(self, book: str, sheet: str) -> list[Row]:
        """The rows of a sheet by their headings."""
        headings, *lines = _cells(self.workbook(book))[sheet]
        return [dict(zip(headings, line, strict=True)) for line in lines if any(line)]

    def hashes(self) -> dict[str, str]:
        """The workbooks byte for byte."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.workbooks()}

    def sent(self) -> dict[str, list[bytes]]:
        """What went out, by Message-ID."""
        found: dict[str, list[bytes]] = {}
        for raw in self.stand.sent(self.folder):
            found.setdefault(identity(raw), []).append(raw)
        return found

    def state(self) -> State:
        """Everything but how often something had to be tried."""
        state: State = {}
        with self.app() as app:
            for what in LISTS:
                state[what] = json.loads(json.dumps(rows(app, what), default=str))
            state["workbooks"] = {row["name"]: row["state"] for row in rows(app, "workbooks")}
        for notice in state["notices"]:
            for tried in ("attempts", "error", "due"):
                del notice[tried]
        state["notices"].sort(key=lambda row: (row["matter"], row["person"], row["step"]))
        state["cells"] = {path.name: _cells(path) for path in self.workbooks()}
        state["sent"] = {i: sorted({hashlib.sha256(r).hexdigest() for r in raws}) for i, raws in self.sent().items()}
        folders = ("INBOX", self.after.removeprefix("move:")) if self.after.startswith("move:") else ("INBOX",)
        for box in MAILBOXES:
            for sub in folders:
                state[f"{box}/{sub}"] = sorted(map(identity, self.stand.inbox(self.folder, box, sub)))
        return state

    # -- the same in the stories' words ------------------------------------------------------------------------------

    def mails(self) -> dict[str, list[str]]:
        """{mail: its dispositions, copy by copy}"""
        found: dict[str, list[str]] = {}
        for row in self.listed("mails"):
            found.setdefault(short(row["message_id"]), []).append(row["disposition"])
        return found

    def complaints(self) -> list[tuple[str, str | None, str, str]]:
        """(mail, whom it counts against, month, state)"""
        return [(short(r["mail"]), r["engineer"], r["month"], r["state"]) for r in self.listed("complaints")]

    def ledger(self) -> list[tuple[Any, ...]]:
        """(booked in, concerns, engineer, effect, grades, mails, adjusting)"""
        return [
            (
                r["month"], r["for_month"], r["engineer"], r["effect"], r["grades"],
                " ".join(map(short, r["mails"])), r["adjusting"],
            )
            for r in self.listed("ledger")
        ]  # fmt: skip

    def records(self) -> list[tuple[Any, ...]]:
        """(mail, project, who wrote it, in whose tracking sheet it stands, result, state)"""
        return [
            (short(r["mail"]), r["project"], r["writer"], r["engineer"], r["result"], r["state"])
            for r in self.listed("records")
        ]

    def cases(self) -> list[tuple[Any, ...]]:
        """(kind, the mails that moved it, owner, state)"""
        return [(r["kind"], " ".join(map(short, r["mails"])), r["owner"], r["state"]) for r in self.listed("cases")]

    def held(self) -> list[tuple[Any, ...]]:
        """(mail, kind, why it is held, answer)"""
        return [(short(r["mail"]), r["kind"], r["reason"], r["answer"]) for r in self.listed("held")]

    def notices(self) -> Counter[tuple[str, str]]:
        """How many notices of which template were sent to whom. All were sent, and nothing else was."""
        listed = self.listed("notices")
        assert [r for r in listed if r["state"] != "sent"] == []
        assert len({(r["matter"], r["person"], r["step"]) for r in listed}) == len(listed)
        assert sorted(r["message_id"] for r in listed) == sorted(self.sent())
        return Counter((r["template"], NAME[r["to"]]) for r in listed)

    def number(self, mail_id: str) -> str:
        """MF-… of the complaint, report or leftover that began with this mail."""
        known = [*self.listed("complaints"), *self.listed("records")]
        return str(next(r["number"] for r in known if short(r["mail"]) == mail_id))

    def filled(self, text: str) -> str:
        """`text` with {number of MAIL} and {leftover of MAIL} put in."""
        text = re.sub(r"\{number of (\w+)\}", lambda m: self.number(m[1]), text)
        return re.sub(r"\{leftover of (\w+)\}", lambda m: self._leftover(m[1]), text)

    def notice(self, template: str, person: str, about: str) -> Row:
        """The only notice of `template` to `person` with `about` in its matter or subject."""
        word = self.filled(about)
        found = [
            row
            for row in self.listed("notices")
            if (row["template"], row["person"]) == (template, person) and word in f"{row['matter']} {row['subject']}"
        ]
        assert len(found) == 1, f"{len(found)} notices {template} to {person} about {word}"
        return found[0]

    def _leftover(self, mail_id: str) -> str:
        return str(next(r["case"] for r in self.listed("records") if short(r["mail"]) == mail_id))


def short(reference: str | None) -> str:
    """The id of the story's mail with this Message-ID; "notice" for one of our own."""
    name = (reference or "nothing").removeprefix("<").partition("@")[0]
    return "notice" if name.startswith("mf-") else name


def _cells(path: Path) -> dict[str, list[list[Any]]]:
    with open(path, "rb") as file:
        book = CalamineWorkbook.from_filelike(file)
        return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}
