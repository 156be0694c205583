"""A workbook that cannot be written waits and says why; all the others are published, and a later run mends it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.faults.office import Office, complaint, report

Act = Callable[[Office], object]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """With every workbook published once."""
    office = Office(tmp_path)
    office.deliver(report("第一件事"))
    assert office.once().code == 0
    return office


def remove(office: Office) -> None:
    if office.sheet.is_dir():
        office.sheet.rmdir()
    else:
        office.sheet.unlink()


def write(content: bytes) -> Act:
    return lambda office: office.sheet.write_bytes(content)


def truncate(office: Office) -> None:
    office.sheet.write_bytes(office.sheet.read_bytes()[:3000])


def become_a_folder(office: Office) -> None:
    office.sheet.unlink()
    office.sheet.mkdir()


def become_a_link(office: Office) -> None:
    shutil.move(office.sheet, office.folder / "elsewhere.xlsx")
    office.sheet.symlink_to(office.folder / "elsewhere.xlsx")


def lose_our_sheets(office: Office) -> None:
    book = load_workbook(office.sheet)
    book.create_sheet("我的")
    for page in book.worksheets[:-1]:
        book.remove(page)
    book.save(office.sheet)


def lock(prefix: str, suffix: str, content: bytes) -> tuple[Act, Act]:
    def path(office: Office) -> Path:
        return office.workbooks / f"{prefix}{office.sheet.name}{suffix}"

    return lambda office: path(office).write_bytes(content), lambda office: path(office).unlink()


def read_only_file(office: Office) -> None:
    office.sheet.chmod(0o444)


def writable_again(office: Office) -> None:
    office.sheet.chmod(0o644)


OLD_EXCEL = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(4000)

FAULTS: dict[str, tuple[Act, Act, str]] = {
    "corrupt": (write(b"PK\x03\x04" + bytes(range(256)) * 20), remove, "已损坏"),
    "truncated": (truncate, remove, "已损坏"),
    "0 bytes": (write(b""), remove, "已损坏"),
    "a text file": (write("不是工作簿".encode()), remove, "已损坏"),
    "with a password": (write(OLD_EXCEL), remove, "密码"),
    "a folder": (become_a_folder, remove, "移走"),
    "a link": (become_a_link, remove, "移走"),
    "without our sheets": (lose_our_sheets, remove, "不见了"),
    "read-only": (read_only_file, writable_again, "权限"),
    "open in Excel": (*lock("~$", "", b"\x06" + "李经理".encode("gbk") + b" " * 48), "李经理"),
    "open in WPS": (*lock(".~", "", b""), "WPS"),
    "open in LibreOffice": (*lock(".~lock.", "#", ",李经理,pc,21.11.2026 10:00,file;".encode()), "李经理"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_workbook_out_of_order_waits_and_the_others_go_on(office: Office, fault: str) -> None:
    break_it, mend_it, word = FAULTS[fault]
    break_it(office)
    before = office.sheet.read_bytes() if office.sheet.is_file() else None
    office.deliver(report("第二件事"))
    office.deliver(complaint(verified=False))
    ended = office.once()
    assert ended.code == 1
    assert office.sheet.name in ended.err
    assert word in ended.err
    assert "Traceback" not in ended.err
    assert office.shows(office.held, "投诉"), "the other workbooks are published"
    assert len(office.sent()) == 1, "and the notice has gone"
    assert [row["name"] for row in office.rows("workbooks") if row["state"] == "blocked"] == [office.sheet.name]
    assert [row["name"] for row in office.status()["blocked"]] == [office.sheet.name]
    assert (office.sheet.read_bytes() if office.sheet.is_file() else None) == before, "what lies there is left alone"
    mend_it(office)
    ended = office.once()
    assert (ended.code, ended.err) == (0, "")
    assert office.shows(office.sheet, "第一件事")
    assert office.shows(office.sheet, "第二件事")
    assert office.status()["blocked"] == []
    office.nothing_lost()


def test_a_workbook_that_is_missing_is_made_again(office: Office) -> None:
    office.sheet.unlink()
    assert office.once().code == 0
    assert office.shows(office.sheet, "第一件事")


def test_a_read_only_folder_is_said_and_mended(office: Office) -> None:
    office.deliver(report("第二件事"))
    office.workbooks.chmod(0o555)
    ended = office.run_minding_permissions("once")
    office.workbooks.chmod(0o755)
    assert (ended.code, "权限" in ended.err) == (1, True), ended.err
    assert office.run_minding_permissions("once").code == 0
    assert office.shows(office.sheet, "第二件事")


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_share_that_is_away_comes_back(office: Office, instead: str) -> None:
    away = office.folder / "away"
    office.workbooks.rename(away)
    if instead == "a file":
        office.workbooks.write_text("x")
    office.deliver(report("第二件事"))
    ended = office.once()
    assert (ended.code, "文件夹不存在" in ended.err) == (1, True), ended.err
    assert len(office.rows("mails")) == 2
    if instead == "a file":
        office.workbooks.unlink()
    away.rename(office.workbooks)
    assert office.once().code == 0
    assert office.shows(office.sheet, "第二件事")


def test_a_share_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.workbooks.write_text("x")
    ended = office.once()
    assert ended.code == 1
    assert "Traceback" not in ended.err
    office.workbooks.unlink()
    assert office.once().code == 0
    assert office.sheet.exists()


def test_a_sheet_renamed_and_columns_moved_by_a_person(office: Office) -> None:
    book = load_workbook(office.sheet)
    page = next(sheet for sheet in book.worksheets if any("第一件事" in str(c.value) for r in sheet for c in r))
    page.title = "改过名"
    page.move_range(f"A1:{page.cell(page.max_row, page.max_column).coordinate}", cols=2)
    page["A3"] = "我的备注"
    book.save(office.sheet)
    office.deliver(report("第二件事"))
    ended = office.once()
    assert (ended.code, ended.err) == (0, "")
    assert office.shows(office.sheet, "第二件事")
    assert office.shows(office.sheet, "我的备注")
    assert "改过名" in load_workbook(office.sheet).sheetnames


def test_file_names_that_this_system_cannot_write_are_said_once_for_each_workbook(tmp_path: Path) -> None:
    office = Office(tmp_path)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    child = office.start("once", env={**os.environ, **ascii_only})
    out, err = child.communicate(timeout=60)
    assert (child.returncode, "LANG=C.UTF-8" in err, "Traceback" in err) == (1, True, False), err
    assert "邮件 0 封" in out
    assert office.once().code == 0
    assert office.sheet.exists()
