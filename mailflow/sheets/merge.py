"""The three-way merge of one sheet, pure: last written, now in the file, wanted (workbooks.md §2).

Machine cells become what is wanted. Cells of people stay what they are, and are told. Rows are known by key, wherever
they stand.

    wanted  in file  in base   then
    yes     yes      any       machine cells are updated; one changed by hand is restored and told
    yes     no       no        the row is appended
    yes     no       yes       a person deleted it: it stays deleted, told once
    no      yes      yes       it left the view: our cells say only that, people's stay; greyed by its mark, told once
    no      yes      no        a person's own row: left alone, told once

A cell that is open to people ("shared") is updated while nobody touches it. What a person wrote there is told, and
stands until the next merge: by then it is what is wanted, or it was not accepted and is replaced.

Digests decide which rows are looked at closely: where all three sides agree nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mailflow.core.table import Column
from mailflow.sheets.base import RowBase, SheetBase
from mailflow.sheets.edits import FORMULA_SHOWN, CellAnswer, Edit, EditKind, as_text, shortened
from mailflow.sheets.layout import MARK, STALE, Groups, Layout, Prints, Values, heading_of
from mailflow.sheets.values import Stored, same

LEFT = "（已移出本表）"


@dataclass(frozen=True)
class Read:
    """What stands in our columns of a row."""

    values: Values
    formulas: frozenset[str] = frozenset()
    """Fields in which a person put a formula."""


@dataclass(frozen=True)
class Seen:
    """One of our sheets as it is in the file now. Keys are distinct."""

    fields: frozenset[str]
    """Those of our columns that are there."""
    rows: Sequence[RowBase]
    """Those that are not blank; whose they are is not known yet."""
    read: Callable[[int], Read]
    """A row by its number."""


Change = tuple[int, str, Stored]
"""Row number, field, new value."""


@dataclass(frozen=True)
class Merged:
    changes: tuple[Change, ...]
    appended: tuple[Values, ...]
    answers: tuple[CellAnswer, ...]
    edits: tuple[Edit, ...]
    """written and edited all; of the others at most so many."""
    rows: tuple[RowBase, ...]
    """The rows as they stand after it; numbers of the appended ones are 0."""
    gone: tuple[str, ...]
    told: tuple[str, ...]
    expected: dict[str, str]
    """Digests of the machine cells of wanted rows after it, by key."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the manager should know, in sentences."""
        return tuple(str(edit) for edit in self.edits if edit.kind not in ("written", "edited"))


def merge(layout: Layout, base: SheetBase, seen: Seen, carried: Mapping[str, Values] | None = None) -> Merged:
    """What to change in the file, what to tell, and what the next base shall know.

    `carried`: what people wrote elsewhere (in a conflict copy), by key and field; it goes where their cell is empty.
    """
    return _Merge(layout, base, seen, carried or {}).result()


@dataclass(frozen=True)
class _Merge:
    layout: Layout
    base: SheetBase
    seen: Seen
    carried: Mapping[str, Values]

    def result(self) -> Merged:
        layout, base = self.layout, self.base
        present = {row.key for row in self.rows}
        deleted = base.rows.keys() | set(base.gone)
        gone = tuple(key for key in layout.rows if key not in present and key in deleted)
        new = {key: self._first(key) for key in layout.rows if key not in present and key not in deleted}
        after: list[RowBase] = []
        changes: list[Change] = []
        edits: list[Edit] = []
        answers: list[CellAnswer] = []
        for row in self.rows:
            stands, done, told, answered = self._row(row)
            after.append(stands)
            changes += done
            edits += told
            answers += answered
        standing = dict(self._standing(gone))
        edits += [edit for code, edit in standing.items() if code not in base.told]
        prints = self._prints
        people = Groups((), (), self.groups.people)
        after += [RowBase(0, key, True, Prints(*prints[key], people.prints(values)[2])) for key, values in new.items()]
        return Merged(
            tuple(changes),
            tuple(new.values()),
            tuple(answers),
            tuple(shortened(edits)),
            tuple(after),
            gone,
            tuple(standing),
            {row.key: prints[row.key][0] for row in after if row.ours and row.key in prints},
        )

    @cached_property
    def groups(self) -> Groups:
        return self.layout.groups(self.seen.fields)

    @cached_property
    def rows(self) -> list[RowBase]:
        """The rows; one whose key was overwritten is known again by its other cells, when one lost row had the same."""
        known = self.layout.rows.keys() | self.base.rows.keys()
        strange = [row for row in self.seen.rows if row.key not in known]
        if not strange:
            return list(self.seen.rows)
        present = {row.key for row in self.seen.rows}
        others = replace(self.groups, machine=tuple(f for f in self.groups.machine if f != self.layout.key.field))
        lost: dict[str, list[str]] = {}
        for key, row in self.base.rows.items():
            values = self.base.values(row.number) if key not in present else None
            if values and (likeness := others.prints(values).machine):
                lost.setdefault(likeness, []).append(key)
        return [row if row.key in known else self._recognised(row, others, lost) for row in self.seen.rows]

    def _recognised(self, row: RowBase, others: Groups, lost: dict[str, list[str]]) -> RowBase:
        fitting = lost.pop(others.prints(self.seen.read(row.number).values).machine, []) if lost else []
        return row._replace(key=fitting[0]) if len(fitting) == 1 else row

    def _row(self, row: RowBase) -> tuple[RowBase, list[Change], list[Edit], list[CellAnswer]]:
        """How the row stands afterwards, what to change in it, and what people did to it."""
        before = self._before.get(row.key)
        wanted = self._prints.get(row.key) or self._left_prints(row.key)
        if wanted is None:
            return row._replace(ours=False), [], [], []
        known = before.prints if before is not None else _NOT_KNOWN
        if row.prints == known and row.prints[:2] == wanted and row.key not in self.carried:
            return row if row.ours else row._replace(ours=True), [], [], []
        look = _Look(self, row, known, wanted)
        changes = [*look.machine(), *look.shared(), *look.brought()]
        after = row.prints._replace(machine=wanted[0])
        if self.groups.shared or row.key in self.carried:
            after = self.groups.prints(look.stood)._replace(machine=wanted[0])
        return RowBase(row.number, row.key, True, after), changes, look.edits(), look.answers()

    @cached_property
    def _before(self) -> Mapping[str, RowBase]:
        """Our rows as they were left, if the same columns were there."""
        return self.base.rows if self.layout.groups(self.base.columns) == self.groups else {}

    @cached_property
    def _prints(self) -> dict[str, tuple[str, str]]:
        return self.layout.prints(self.groups)

    def _left_prints(self, key: str) -> tuple[str, str] | None:
        return self.groups.prints(self.wanted(key))[:2] if key in self.base.rows else None

    def wanted(self, key: str) -> Values:
        """What our cells of a row of ours shall say."""
        return self.layout.values(key) if key in self.layout.rows else self._left(key)

    def _left(self, key: str) -> Values:
        """A row that left the view keeps nothing of what it said: a complaint that counts for somebody else by now must
        not go on standing here as counted."""
        fields, by_field = self.groups.machine, {c.field: c for c in self.layout.columns}
        texts = [
            c.field
            for c in self.layout.columns
            if c.field in fields and c.format in ("text", "long") and c.field not in (self.layout.key.field, MARK.field)
        ]
        left: Values = dict.fromkeys(by_field) | {self.layout.key.field: key, MARK.field: STALE}
        return left | ({texts[0]: LEFT} if texts else {})

    def _first(self, key: str) -> Values:
        """A new row: ours, and what people wrote about it before."""
        values = self.layout.values(key) | dict(self.carried.get(key, {}))
        return {field: value for field, value in values.items() if field in self.seen.fields}

    def _standing(self, gone: tuple[str, ...]) -> Iterator[tuple[str, Edit]]:
        """Conditions that last, each with a code, so that each is told once."""
        for column in self.layout.columns:
            if column.field not in self.seen.fields:
                yield f"column:{column.field}", self.edit("column", field=column.field)
        for key in gone:
            yield f"gone:{key}", self.edit("deleted", key=key)
        for row in self.rows:
            if row.key and row.key not in self.layout.rows:
                known = row.key in self.base.rows
                code, kind = ("stale", "moved") if known else ("unknown", "unknown")
                yield f"{code}:{row.key}", self.edit(kind, row=row.number, key=row.key)  # type: ignore[arg-type]

    def edit(
        self, kind: EditKind, *, row: int = 0, key: str = "", field: str = "", old: str = "", new: str = ""
    ) -> Edit:
        sheet = self.layout.sheet
        heading = heading_of(self.layout.column(field)) if field else ""
        return Edit(kind, sheet.id, sheet.title, row, key, field, heading, old, new)


_NOT_KNOWN = Prints("?", "?", "?")


class _Look:
    """One row, looked at cell by cell."""

    def __init__(self, merging: _Merge, row: RowBase, before: Prints, wanted: tuple[str, str]) -> None:
        self._merging = merging
        self._row = row
        self._groups = merging.groups
        self._wanted_machine, self._wanted_shared = wanted
        self._before = before
        self._base_number = merging.base.rows[row.key].number if row.key in merging.base.rows else 0
        self._changed: Values = {}
        """Our changes to shared cells, and what is carried into people's."""

    @cached_property
    def read(self) -> Read:
        return self._merging.seen.read(self._row.number)

    @cached_property
    def ours(self) -> Values:
        return self._merging.wanted(self._row.key)

    @cached_property
    def was(self) -> Values | None:
        """What stood here; None when that is not known."""
        if self._row.prints == self._before:
            return self.read.values
        return self._merging.base.values(self._base_number) if self._base_number else None

    @property
    def stood(self) -> Values:
        return self.read.values | self._changed

    def machine(self) -> list[Change]:
        if self._row.prints.machine == self._wanted_machine:
            return []
        return [
            (self._row.number, field, self.ours.get(field))
            for field in self._groups.machine
            if field in self.read.formulas or not same(self.read.values.get(field), self.ours.get(field))
        ]

    def _by_hand(self, field: str) -> bool:
        """Whether it was a person who made the cell differ from what was last written."""
        if self._row.prints == self._before or self.was is None or field not in self.was:
            return False
        return field in self.read.formulas or not same(self.read.values.get(field), self.was[field])

    def shared(self) -> list[Change]:
        """Cells open to people that nobody has touched since they were last written."""
        if self._row.prints.shared == self._wanted_shared:
            return []
        changed = {
            field: self.ours.get(field)
            for field in self._groups.shared
            if not same(self.read.values.get(field), self.ours.get(field)) and not self._by_hand(field)
        }
        self._changed |= changed
        return [(self._row.number, field, value) for field, value in changed.items()]

    @cached_property
    def _brought(self) -> Values:
        """What people wrote in a copy of the file, for cells of theirs that are empty."""
        carried = self._merging.carried.get(self._row.key)
        if not carried:
            return {}
        free = [f for f in self._groups.people if self.read.values.get(f) is None and f not in self.read.formulas]
        return {field: value for field, value in carried.items() if field in free}

    def brought(self) -> list[Change]:
        self._changed |= self._brought
        return [(self._row.number, field, value) for field, value in self._brought.items()]

    def edits(self) -> list[Edit]:
        return [*self._theirs(), *self._open(), *self._restored()]

    def _restored(self) -> Iterator[Edit]:
        for _, field, value in self.machine():
            if self._by_hand(field):
                old = FORMULA_SHOWN if field in self.read.formulas else self._shown(field, self.read.values.get(field))
                yield self._edit("restored", field, old, self._shown(field, value))

    def _open(self) -> Iterator[Edit]:
        if self._row.prints.shared in (self._before.shared, self._wanted_shared):
            return
        for field in self._groups.shared:
            value = self.read.values.get(field)
            if self._by_hand(field) and not same(value, self.ours.get(field)):
                old = self.was.get(field) if self.was else None
                yield self._edit("edited", field, self._shown(field, old), self._shown(field, value))

    def _theirs(self) -> Iterator[Edit]:
        """What stands in people's columns that the store does not know of."""
        if self._row.prints.people == self._before.people and not self._brought:
            return
        for column in self._columns("person"):
            value, known = self.stood.get(column.field), self.ours.get(column.field)
            # of an empty cell nobody can say that it was emptied, unless it is known what was there
            if not same(value, known) and not (value is None and self.was is None):
                yield self._edit("written", column.field, self._shown(column.field, known), as_text(column, value))

    def answers(self) -> list[CellAnswer]:
        found = []
        if self._row.prints.people != self._before.people or self._brought:
            for column in self._columns("answer"):
                value = self.stood.get(column.field)
                text = as_text(column, value).strip()
                if text and not (self.was is not None and same(value, self.was.get(column.field))):
                    found.append(CellAnswer(self._merging.layout.sheet.id, self._row.key, column.field, text))
        return found

    def _columns(self, owner: str) -> list[Column]:
        return [c for c in self._merging.layout.columns if c.owner == owner and c.field in self._groups.people]

    def _shown(self, field: str, value: Stored) -> str:
        return as_text(self._merging.layout.column(field), value)

    def _edit(self, kind: EditKind, field: str, old: str, new: str) -> Edit:
        return self._merging.edit(kind, row=self._row.number, key=self._row.key, field=field, old=old, new=new)
