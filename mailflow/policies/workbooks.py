"""What people did in workbooks (domain §7): what they wrote in columns of theirs is kept, what they changed in columns
that are open to them is carried out, and what they did to the rest is put down for the manager.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from mailflow.core.facts import CellChange, WorkbookFact
from mailflow.core.records import Case, CellNote, SheetNote, cell_key
from mailflow.policies.desk import Desk

LEFTOVER_STATES = {"open": "未解决", "solved": "已解决"}
"""As they stand in the sheets."""
HELD = "held"


def read_back(desk: Desk, fact: WorkbookFact) -> None:
    """Each change once: what was told already, before a kill, changes nothing."""
    for change in fact.changes:
        if change.kind == "written":
            _keep(desk, fact, change)
        elif change.kind == "held":
            _remind(desk, fact, change)
        else:
            _note(desk, fact, change)


def _keep(desk: Desk, fact: WorkbookFact, change: CellChange) -> None:
    known = desk.book.get(CellNote, cell_key(fact.workbook, change.sheet, change.row, change.field))
    if change.new == (known.value if known else ""):
        return
    desk.put(
        CellNote(
            workbook=fact.workbook,
            sheet=change.sheet,
            row=change.row,
            field=change.field,
            value=change.new,
            old=known.value if known else "",
            by=fact.by,
            saved=fact.saved,
            time=fact.time,
        )
    )


def _note(desk: Desk, fact: WorkbookFact, change: CellChange) -> None:
    same = _digest(fact, change)
    if desk.book.find(SheetNote, same=same):
        return
    text = change.text
    if change.kind == "edited":
        carry_out = EDITS.get((change.sheet, change.field))
        refused = carry_out(desk, fact, change) if carry_out else "这一列不能这样修改"
        text += f"，没有采用：{refused}" if refused else "，已采用"
    desk.put(
        SheetNote(
            number=desk.number("sheet_note"),
            workbook=fact.workbook,
            sheet=change.sheet,
            row=change.row,
            field=change.field,
            kind=change.kind,
            old=change.old,
            new=change.new,
            text=text,
            by=fact.by,
            saved=fact.saved,
            time=fact.time,
            same=same,
        )
    )


def _digest(fact: WorkbookFact, change: CellChange) -> str:
    saved = fact.saved.isoformat() if fact.saved else ""
    # what is no change of a cell, a conflict copy, is told apart by its sentence alone
    cell = (change.sheet, change.row, change.field, change.old, change.new)
    parts = (fact.workbook, saved, change.kind, *cell, change.text)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _remind(desk: Desk, fact: WorkbookFact, change: CellChange) -> None:
    """Once for each time that somebody keeps a workbook open too long. `old`: since when, `new`: who."""
    for manager in desk.watchers():
        desk.notify(
            "workbook_held",
            manager,
            matter=f"workbook:{fact.workbook}",
            step=held_step(change.old),
            context={"workbook": fact.workbook, "reason": change.text, "since": change.old, "holder": change.new},
        )


def held_step(since: str) -> str:
    return f"{HELD} {since}"


# -- columns that are open to people ---------------------------------------------------------------------------------


def _leftover_state(desk: Desk, fact: WorkbookFact, change: CellChange) -> str | None:
    """A leftover problem is closed, or opened again, in the sheet. Returns why not."""
    case = desk.book.get(Case, change.row)
    state = next((state for state, word in LEFTOVER_STATES.items() if word == change.new.strip()), None)
    if case is None:
        return "没有这个编号的遗留问题"
    if state is None:
        return f"只能写 {'、'.join(LEFTOVER_STATES.values())}"
    if state != case.state:
        closed = fact.time if state == "solved" else None
        data = {**case.data, "closed_in": fact.workbook} if closed else case.data
        desk.put(replace(case, state=state, changed=fact.time, closed=closed, data=data))
    return None


EDITS: dict[tuple[str, str], Callable[[Desk, WorkbookFact, CellChange], str | None]] = {
    ("leftovers", "state"): _leftover_state,
}
"""(sheet, field): what a change of such a cell does; returns why it is refused, in Chinese, or None."""
