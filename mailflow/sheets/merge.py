"""The three-way merge of one sheet, pure: last written, now in the file, wanted (workbooks.md §2).

Machine cells become what is wanted. Cells of people stay what they are. Rows are known by key, wherever they stand.

    wanted  in file  in base   then
    yes     yes      any       machine cells are updated; one changed by hand is restored and told
    yes     no       no        the row is appended
    yes     no       yes       a person deleted it: it stays deleted, told once
    no      yes      yes       it left the view: our cells say only that, people's stay; greyed by its mark, told once
    no      yes      no        a person's own row: left alone, told once
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailflow.core.text import one_line
from mailflow.sheets.base import SheetBase
from mailflow.sheets.layout import MARK, STALE, Layout, Values, heading_of
from mailflow.sheets.values import Stored, moment_of, same, text_of

LEFT = "（已移出本表）"
_MAX_NOTES = 20
_MAX_SHOWN = 40


@dataclass(frozen=True)
class SeenRow:
    """A row in the file: its number, and what stands in our columns."""

    number: int
    key: str
    """"" when the key cell is empty."""
    values: Values
    formulas: frozenset[str] = frozenset()
    """Fields in which a person put a formula."""


@dataclass(frozen=True)
class Seen:
    """One of our sheets as it is in the file now. Keys are distinct."""

    fields: frozenset[str]
    """Those of our columns that are there."""
    rows: tuple[SeenRow, ...] = ()


@dataclass(frozen=True)
class CellAnswer:
    """What a person wrote into a column whose owner is "answer"."""

    sheet_id: str
    row_key: str
    field: str
    text: str


@dataclass(frozen=True)
class Merged:
    changes: tuple[tuple[int, str, Stored], ...]
    """Row number, field, new value."""
    appended: tuple[Values, ...]
    answers: tuple[CellAnswer, ...]
    notes: tuple[str, ...]
    base: SheetBase


def merge(layout: Layout, base: SheetBase, seen: Seen) -> Merged:
    """What to change in the file, what to tell, and the next base."""
    rows = _recognised(layout, base, seen)
    present = {row.key for row in rows}
    known = [row for row in rows if row.key in layout.rows or row.key in base.rows]
    deleted = base.rows.keys() | set(base.gone)
    gone = tuple(key for key in layout.rows if key not in present and key in deleted)
    appended = {key: values for key, values in layout.rows.items() if key not in present and key not in deleted}
    changes = [change for row in rows for change in _changes(layout, base, seen, row)]
    standing = dict(_standing(layout, base, seen, rows, gone))
    told = [text for code, text in standing.items() if code not in base.told]
    restored = [_restored(layout, base, row, field, new) for row, field, new in changes if _by_hand(base, row, field)]
    return Merged(
        tuple((row.number, field, value) for row, field, value in changes),
        tuple(appended.values()),
        tuple(_answers(layout, base, known)),
        tuple(_shortened([*restored, *told], layout)),
        SheetBase(_next_rows(layout, base, seen, known, appended), gone, tuple(standing)),
    )


def _machine(layout: Layout, seen: Seen) -> list[str]:
    """Fields of the machine's columns that are in the file, the key first."""
    return [c.field for c in layout.columns if c.owner == "machine" and c.field in seen.fields]


def _recognised(layout: Layout, base: SheetBase, seen: Seen) -> list[SeenRow]:
    """The rows; one whose key was overwritten is known again by its other cells, when one lost row had the same."""
    others = _machine(layout, seen)[1:]
    present = {row.key for row in seen.rows}
    lost: dict[tuple[str, ...], list[str]] = {}
    for key, values in base.rows.items():
        if key not in present and any(values.get(field) is not None for field in others):
            lost.setdefault(_print(values, others), []).append(key)
    rows = []
    for row in seen.rows:
        known = row.key in layout.rows or row.key in base.rows
        fitting = [] if known else lost.pop(_print(row.values, others), [])
        rows.append(replace(row, key=fitting[0]) if len(fitting) == 1 else row)
    return rows


def _print(values: Values, fields: list[str]) -> tuple[str, ...]:
    """What identifies a row without its key. Numbers to the digits that every program keeps."""
    found = (values.get(field) for field in fields)
    return tuple(f"{v:.12g}" if isinstance(v, float) else v or "" for v in found)


def _ours(layout: Layout, base: SheetBase, seen: Seen, key: str) -> Values | None:
    """What our cells of a row shall say; None for a row that is not ours.

    A row that left the view keeps nothing of what it said: a complaint that counts for somebody else by now must not
    go on standing here as counted.
    """
    fields = _machine(layout, seen)
    if key in layout.rows:
        return {field: layout.rows[key][field] for field in fields}
    if key not in base.rows:
        return None
    texts = [c.field for c in layout.columns if c.field in fields[1:] and c.format in ("text", "long")]
    left: Values = dict.fromkeys(fields) | {fields[0]: key}
    left |= {texts[0]: LEFT} if texts and texts[0] != MARK.field else {}
    return left | ({MARK.field: STALE} if MARK.field in seen.fields else {})


def _changes(layout: Layout, base: SheetBase, seen: Seen, row: SeenRow) -> Iterator[tuple[SeenRow, str, Stored]]:
    for field, new in (_ours(layout, base, seen, row.key) or {}).items():
        if field in row.formulas or not same(row.values.get(field), new):
            yield row, field, new


def _by_hand(base: SheetBase, row: SeenRow, field: str) -> bool:
    """Whether it was a person who made the cell differ from what was last written."""
    written = base.rows.get(row.key, {})
    return field in written and (field in row.formulas or not same(row.values.get(field), written[field]))


def _restored(layout: Layout, base: SheetBase, row: SeenRow, field: str, new: Stored) -> str:
    heading = next(heading_of(column) for column in layout.columns if column.field == field)
    old = "公式" if field in row.formulas else _shown(layout, field, row.values.get(field))
    return f"{_row(layout, row)}“{heading}”被手工改为{old}，已恢复为{_shown(layout, field, new)}"


def _standing(
    layout: Layout, base: SheetBase, seen: Seen, rows: list[SeenRow], gone: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Conditions that last, each with a code, so that each is told once."""
    for column in layout.columns:
        if column.field not in seen.fields:
            text = f"《{layout.sheet.title}》缺少列“{heading_of(column)}”，其余列照常更新；需要时移走文件，会重新生成"
            yield f"column:{column.field}", text
    for key in gone:
        yield f"gone:{key}", f"《{layout.sheet.title}》编号 {_cut(key)} 的行已被手工删除，不再写回"
    for row in rows:
        if row.key in layout.rows or not row.key:
            continue
        if row.key in base.rows:
            yield f"stale:{row.key}", f"{_row(layout, row)}已不属于本表，内容已清除，您填写的保留"
        else:
            yield f"unknown:{row.key}", f"{_row(layout, row)}不是系统写入的行，保留原样"


def _answers(layout: Layout, base: SheetBase, known: list[SeenRow]) -> Iterator[CellAnswer]:
    columns = [column for column in layout.columns if column.owner == "answer"]
    for row in known:
        for column in columns:
            value = row.values.get(column.field)
            text = _as_text(column.format, value).strip()
            if text and not same(value, base.rows.get(row.key, {}).get(column.field)):
                yield CellAnswer(layout.sheet.id, row.key, column.field, text)


def _next_rows(
    layout: Layout, base: SheetBase, seen: Seen, known: list[SeenRow], appended: dict[str, Values]
) -> dict[str, Values]:
    """The rows of ours as they stand in the file after the merge: our values in our cells, people's in theirs."""
    rows = {}
    for row in known:
        rows[row.key] = row.values | (_ours(layout, base, seen, row.key) or {})
    for key, values in appended.items():
        rows[key] = {field: value for field, value in values.items() if field in seen.fields}
    return rows


def _shortened(notes: list[str], layout: Layout) -> list[str]:
    if len(notes) <= _MAX_NOTES:
        return notes
    return [*notes[:_MAX_NOTES], f"《{layout.sheet.title}》另有 {len(notes) - _MAX_NOTES} 处类似情况"]


def _row(layout: Layout, row: SeenRow) -> str:
    return f"《{layout.sheet.title}》第 {row.number} 行（编号 {_cut(row.key)}）"


def _as_text(form: str, value: Stored) -> str:
    """A date as a date: people see no serial numbers."""
    moment = moment_of(value) if isinstance(value, float) and form in ("date", "datetime") else None
    if moment is None:
        return text_of(value)
    return moment.strftime("%Y-%m-%d" if form == "date" else "%Y-%m-%d %H:%M")


def _shown(layout: Layout, field: str, value: Stored) -> str:
    form = next((column.format for column in layout.columns if column.field == field), "text")
    text = _as_text(form, value)
    return f"“{_cut(text)}”" if text else "空"


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _MAX_SHOWN else line[: _MAX_SHOWN - 1] + "…"
