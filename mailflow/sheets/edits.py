"""What people did to a sheet, as texts: what a merge tells, and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mailflow.core.table import Column
from mailflow.core.text import one_line
from mailflow.sheets.values import Stored, moment_of, text_of

FORMULA_SHOWN = "公式"
_MAX_NOTES = 20
_MAX_SHOWN = 40


@dataclass(frozen=True)
class CellAnswer:
    """What a person wrote into a column whose owner is "answer"."""

    sheet_id: str
    row_key: str
    field: str
    text: str


EditKind = Literal["written", "edited", "restored", "deleted", "moved", "unknown", "column", "more", "copy"]


@dataclass(frozen=True)
class Edit:
    """What a person did, as texts.

    written: in a column of theirs. edited: in one that is open to them. restored: in one of ours, and what we put back.
    deleted: a row of ours. moved: no edit, the row left the view. unknown: a row of their own. column: took one of ours
    out. more: so many others of the sheet are not told one by one. copy: stands in a conflict copy (copies.py).
    """

    kind: EditKind
    sheet_id: str
    sheet: str
    """Its title."""
    row: int = 0
    key: str = ""
    field: str = ""
    heading: str = ""
    old: str = ""
    new: str = ""
    """Restored: `old` is what the person wrote, `new` what we put back. Otherwise `new` is the person's."""
    said: str = ""
    """The sentence, where it is not the usual one of its kind."""

    def __str__(self) -> str:
        return self.said or _SAID[self.kind].format(
            sheet=self.sheet,
            where=f"《{self.sheet}》第 {self.row} 行（编号 {_cut(self.key)}）",
            key=_cut(self.key),
            heading=self.heading,
            old=_quoted(self.old),
            new=_quoted(self.new),
            count=self.new,
        )


_SAID: dict[EditKind, str] = {
    "written": "{where}“{heading}”由人填写为{new}",
    "edited": "{where}“{heading}”由人从{old}改为{new}",
    "restored": "{where}“{heading}”被手工改为{old}，已恢复为{new}",
    "deleted": "《{sheet}》编号 {key} 的行已被手工删除，不再写回",
    "moved": "{where}已不属于本表，内容已清除，您填写的保留",
    "unknown": "{where}不是系统写入的行，保留原样",
    "column": "《{sheet}》缺少列“{heading}”，其余列照常更新；需要时运行 mailflow workbook reset，会重新生成",
    "more": "《{sheet}》另有 {count} 处类似情况",
    "copy": "有冲突副本",
}


def shortened(edits: list[Edit]) -> list[Edit]:
    """What people wrote into cells of theirs is all told; of what they did to ours, so much. Rows that left the view
    are nobody's doing: of them as many are told, and no more said."""
    theirs = [edit for edit in edits if edit.kind in ("written", "edited")]
    moved = [edit for edit in edits if edit.kind == "moved"]
    others = [edit for edit in edits if edit.kind not in ("written", "edited", "moved")]
    if len(others) > _MAX_NOTES:
        first = others[0]
        others[_MAX_NOTES:] = [Edit("more", first.sheet_id, first.sheet, new=str(len(others) - _MAX_NOTES))]
    return [*theirs, *others, *moved[:_MAX_NOTES]]


def as_text(column: Column, value: Stored) -> str:
    """A date as a date: people see no serial numbers."""
    moment = moment_of(value) if isinstance(value, float) and column.format in ("date", "datetime") else None
    if moment is None:
        return text_of(value)
    return moment.strftime("%Y-%m-%d" if column.format == "date" else "%Y-%m-%d %H:%M")


def _quoted(text: str) -> str:
    if text == FORMULA_SHOWN:
        return text
    return f"“{_cut(text)}”" if text else "空"


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _MAX_SHOWN else line[: _MAX_SHOWN - 1] + "…"
