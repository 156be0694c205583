"""The real daemon on Maildirs: mail in, workbook and notice out, within seconds, whatever people do meanwhile."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.daemon.service import Service, has
from tests.faults.office import Office, complaint, eventually, report, unfinished_report


def answer(path: Path, number: str, text: str) -> None:
    """Writes a decision into the row of held item `number`, as the manager does."""
    book = load_workbook(path)
    page = book.worksheets[0]
    rows = [[str(cell.value) for cell in row] for row in page.iter_rows()]
    heading = next(index for index, row in enumerate(rows) if "决定" in row)
    column = rows[heading].index("编号")
    row = next(index for index, row in enumerate(rows) if index > heading and row[column] == number)
    page.cell(row + 1, rows[heading].index("决定") + 1, text)
    book.save(path)
    book.close()


def test_a_mailbox_whose_account_is_another_one_is_not_read_and_stops_no_other(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.deliver(report("以前的事"))
    assert office.once().code == 0
    imap = 'url = "imap://support@127.0.0.1:9"\npassword_env = "HOME"'
    office.configure({"support": imap, "other": 'url = "maildir:inbox"'}, 'url = "maildir:sent"')
    with Service(office) as service:
        eventually("it is shown", lambda: service.state("read:support") == "failed")
        said = "邮箱“support”以前是 maildir，现在是 imap://support@127.0.0.1：UID 不能混用"
        assert said in office.run("status").out
        office.deliver(report("第一件事"))
        eventually("the other one is read", lambda: has(office.sheet, office, "第一件事"))
        service.end()
    assert "mailbox_failed" in service.log()
    assert "Traceback" not in service.log()


def test_a_day_of_the_daemon(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with Service(office) as service:
        office.deliver(report("第一件事"))
        office.deliver(unfinished_report())
        eventually("the workbook shows the report", lambda: has(office.sheet, office, "第一件事"))
        eventually("the notice has gone", lambda: len(office.sent()) == 1)

        office.deliver(complaint(verified=False))
        office.deliver(complaint("第二次", verified=False))
        office.deliver(complaint("第三次", verified=False))
        eventually("held items are shown", lambda: has(office.held, office, "没有通过验证"))
        eventually("three are held", lambda: len(office.rows("held")) == 3)
        eventually("the sheet has them all", lambda: service.state("publish") == "ok" and held_rows(office) == 3)

        answer(office.held, "1", "确认")
        eventually("the cell is carried out", lambda: counted(office) == 1)

        ended = office.run("decide", "2", "确认")
        assert (ended.code, ended.err) == (0, "")
        assert counted(office) == 2
        eventually("its consequence is told", lambda: any("绩效" in str(m["Subject"]) for m in office.sent()))
        eventually("its consequence is in the ledger's workbook", lambda: ledger_shows(office, "每2次投诉"))

        ended = office.run("close-month", office.rows("complaints")[0]["month"])
        assert (ended.code, ended.err) == (0, "")
        assert office.run("decide", "1", "驳回").code == 1, "decided already"
        assert office.run("rebuild", "--check").code == 0
        assert office.run("status").code == 0, office.run("status").out
        service.end()
    status = office.run("status")
    assert status.code == 1
    assert re.search(r"守护进程：没有运行，20\d\d-\S+ \S+ 停下了", status.out), status.out
    assert "mailflow_up 0" in office.run("status", "--prometheus").out
    assert "Traceback" not in service.log()
    assert len({mail["Message-ID"] for mail in office.sent()}) == len(office.sent())
    office.nothing_lost()


def counted(office: Office) -> int:
    return sum(row["counted"] for row in office.rows("complaints"))


def held_rows(office: Office) -> int:
    page = load_workbook(office.held).worksheets[0]
    return sum(str(row[0].value).isdigit() or str(row[1].value).isdigit() for row in page.iter_rows())


def ledger_shows(office: Office, text: str) -> bool:
    return any(has(path, office, text) for path in (office.folder / "restricted").glob("*.xlsx"))


def test_a_mapping_with_a_mistake_is_shown_and_the_old_one_stays(tmp_path: Path) -> None:
    office = Office(tmp_path)
    people = office.folder / "mappings" / "people.toml"
    right = people.read_text(encoding="utf-8")
    with Service(office) as service:
        assert office.run("status").code == 0
        people.write_text(right.replace('role = "engineer"', 'role = "enginer"', 1), encoding="utf-8")
        eventually("the mistake is shown", lambda: service.state("mapping") == "failed")
        status = office.run("status")
        assert (status.code, "people.toml:27" in status.out) == (1, True), status.out
        assert service.log().count("mapping_refused") == 1, "said once, not at every look"
        office.deliver(report("照常处理"))
        eventually("the daemon goes on under the old one", lambda: has(office.sheet, office, "照常处理"))
        people.write_text(right + '\n[[person]]\nname = "新人"\naddresses = ["new@tech.example"]\nrole = "engineer"\n')
        eventually("the new one is taken", lambda: (office.workbooks / "项目跟踪表-新人.xlsx").exists())
        eventually("all is well", lambda: office.run("status").code == 0)
        service.end()


def test_a_workbook_held_by_excel_is_shown_and_written_when_it_is_closed(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.once()
    lock = office.workbooks / f"~${office.sheet.name}"
    lock.write_bytes(b"\x06" + "李经理".encode("gbk") + b" " * 48)
    with Service(office) as service:
        office.deliver(report("第一件事"))
        eventually("the lock is shown", lambda: office.status()["blocked"])
        assert "李经理" in office.run("status").out
        office.deliver(complaint(verified=False))
        eventually("the other workbooks go on", lambda: has(office.held, office, "没有通过验证"))
        lock.unlink()
        eventually("it is written", lambda: has(office.sheet, office, "第一件事"), 60)
        eventually("all is well", lambda: office.run("status").code == 0)
        service.end()


def test_a_mailbox_and_folders_that_are_deleted_under_the_daemon(tmp_path: Path) -> None:
    office = Office(tmp_path)
    with Service(office) as service:
        office.deliver(report("第一件事"))
        eventually("the first report is there", lambda: has(office.sheet, office, "第一件事"))
        for folder in (office.inbox, office.workbooks, office.folder / "sent"):
            shutil.rmtree(folder, ignore_errors=True)
        eventually("the Maildir is made again", (office.inbox / "new").is_dir)
        (office.inbox / "tmp").mkdir(exist_ok=True)
        office.deliver(report("第二件事"))
        office.deliver(unfinished_report())
        eventually("the second report is in the store", lambda: len(office.rows("records")) == 3)
        eventually("the notice has gone", lambda: len(office.sent()) == 1)
        service.end()
    office.nothing_lost()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_the_middle_of_work(tmp_path: Path, number: int) -> None:
    office = Office(tmp_path)
    for item in range(600):
        office.deliver(report(f"第{item}件事"))
    with Service(office) as service:
        eventually("it is at work", taken_at_least(office, 1))
        service.end(number)
    assert "Traceback" not in service.log()
    assert office.once().code == 0
    assert len(office.rows("mails")) == 600
    office.nothing_lost()


def taken_at_least(office: Office, count: int) -> Callable[[], bool]:
    return lambda: sum(office.status()["mails"].values()) >= count
