"""A small workbook of invented data, and what people and their programs do to files."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from mailflow.core.table import Cell, Column, Sheet, SheetRow, Workbook
from mailflow.sheets.publish import Published, publish

NAME = "项目跟踪表-张三.xlsx"
SHEET = "支持记录"
SHEET_PART = "xl/worksheets/sheet1.xml"

COLUMNS = (
    Column(field="no", heading="编号"),
    Column(field="day", heading="支持日期", format="date"),
    Column(field="arrived", heading="收到时间", format="datetime"),
    Column(field="problem", heading="具体问题", format="long"),
    Column(field="result", heading="沟通结果", choices=("成功", "问题遗留")),
    Column(field="hours", heading="耗时", format="number"),
    Column(field="remark", heading="备注", owner="person", width=24),
    Column(field="decision", heading="决定", owner="answer", choices=("同意", "驳回")),
)
PROBLEMS = ("解决vista下远程控制网络参数设置", "割接前核对设备IP地址规划表", "许可证到期后无法登录管理页面")


def at(text: str) -> datetime:
    """A time as the people at the sheets read it: local, without a zone."""
    return datetime.fromisoformat(text)


def values(number: int, **changed: Cell) -> tuple[Cell, ...]:
    row: dict[str, Cell] = {
        "no": f"R{number}",
        "day": date(2026, 11, number),
        "arrived": at(f"2026-11-{number:02d} 09:35:07"),
        "problem": PROBLEMS[number % 3],
        "result": "成功",
        "hours": number / 2,
        "remark": None,
        "decision": None,
    }
    return tuple({**row, **changed}.values())


def row(number: int, mark: str = "", **changed: Cell) -> SheetRow:
    assert mark in ("", "late", "counted", "muted")
    return SheetRow(key=f"R{number}", values=values(number, **changed), mark=mark)  # type: ignore[arg-type]


def sheet(*rows: SheetRow, id: str = "supports", title: str = SHEET) -> Sheet:  # noqa: A002
    return Sheet(id=id, title=title, columns=COLUMNS, rows=rows, note="每次支持一行；绿色、橙色标题的列由您填写")


def book(*rows: SheetRow, name: str = NAME) -> Workbook:
    """One sheet with these rows (three when none are given), and one without rows."""
    first = sheet(*(rows or (row(1), row(2, "late"), row(3, "muted"))))
    empty = sheet(id="leftovers", title="遗留问题")
    changed = datetime(2026, 11, 20, 9, tzinfo=UTC)
    return Workbook(name=name, title="项目跟踪表 张三", sheets=(first, empty), changed=changed)


def with_rows(workbook: Workbook, *rows: SheetRow) -> Workbook:
    first, *others = workbook.sheets
    return replace(workbook, sheets=(replace(first, rows=rows), *others))


def first(folder: Path, workbook: Workbook | None = None) -> Published:
    """A workbook published for the first time."""
    done = publish(folder, workbook or book(), None, last_hash=None)
    assert done.state == "written", done.reason
    return done


def again(folder: Path, workbook: Workbook, before: Published) -> Published:
    return publish(folder, workbook, before.base, last_hash=before.content_hash)


def path(folder: Path) -> Path:
    return folder / NAME


def opened(folder: Path, title: str = SHEET) -> Worksheet:
    """A sheet as another program reads it."""
    ws = openpyxl.load_workbook(path(folder))[title]
    assert isinstance(ws, Worksheet)
    return ws


def table(folder: Path, title: str = SHEET) -> list[dict[str, object]]:
    """The sheet as another program reads it: one dict by heading for each row that is not blank."""
    ws = opened(folder, title)
    rows = list(ws.iter_rows(values_only=True))
    start = next(index for index, cells in enumerate(rows) if "编号" in cells)
    headings = [str(heading) for heading in rows[start]]
    found: list[dict[str, object]] = [dict(zip(headings, cells, strict=True)) for cells in rows[start + 1 :]]
    return [cells for cells in found if any(value is not None for value in cells.values())]


def column(folder: Path, heading: str) -> list[object]:
    return [cells[heading] for cells in table(folder)]


def by_person(folder: Path, *edits: Callable[[Worksheet], object], title: str = SHEET) -> None:
    """A person opens the file, edits a sheet and saves it; another program writes the whole file anew."""
    workbook = openpyxl.load_workbook(path(folder))
    ws = workbook[title]
    assert isinstance(ws, Worksheet)
    for edit in edits:
        edit(ws)
    workbook.save(path(folder))


def parts(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repack(file: Path, content: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    file.write_bytes(buffer.getvalue())


def by_xml(folder: Path, edit: Callable[[str], str], part: str = SHEET_PART) -> None:
    """Changes one part's text, as a program that writes other XML would."""
    content = parts(path(folder))
    before = content[part].decode()
    after = edit(before)
    assert before != after, "the edit did nothing"
    repack(path(folder), {**content, part: after.encode()})


def formulas(file: Path) -> list[str]:
    """All formulas in all sheets."""
    sheets = [data.decode() for name, data in parts(file).items() if name.startswith("xl/worksheets/sheet")]
    return [match for text in sheets for match in re.findall(r"<(?:\w+:)?f[ >][^<]*", text)]
