"""`mailflow list` picks rows: the last few, and by time, state, person, project and mailbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailflow.cli.showing import LISTS
from mailflow.listing import COLUMNS, STATES, TRAITS
from tests.docs.reading import page, rows
from tests.faults.office import PROJECT, Office, complaint, report, unfinished_report

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Six mails, an hour apart: three reports, one of them unfinished; three complaints, one of them unverified."""
    folder = tmp_path_factory.mktemp("list")
    found = Office(folder, mailboxes={"support": 'url = "maildir:inbox"', "second": 'url = "maildir:other"'})
    mails = (report(), report("解决升级后报表打不开的问题"), unfinished_report(), complaint("一"), complaint("二"))
    for hour, raw in enumerate((*mails, complaint("三", verified=False))):
        found.deliver(raw, when=NOON + timedelta(hours=hour))
    ended = found.once("2026-11-20T20:00")
    assert (ended.code, ended.err) == (0, "")
    return found


def listed(office: Office, *arguments: str) -> list[dict[str, Any]]:
    ended = office.run("list", *arguments, "--json")
    assert (ended.code, ended.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.out)
    return found


@pytest.mark.parametrize("what", COLUMNS)
def test_the_last_rows_are_the_end_of_all(office: Office, what: str) -> None:
    everything = listed(office, what)
    for limit in (1, 2, len(everything) + 1):
        assert listed(office, what, "--limit", str(limit)) == everything[-limit:]


def test_all_lists_can_be_asked_for_and_the_reference_says_by_what() -> None:
    assert tuple(COLUMNS) == LISTS
    options = ("state", "person", "project", "mailbox")
    said = rows(page("docs/commands.md").section("mailflow list"))
    told = {what.strip("`"): {name for name, cell in zip(options, cells, strict=True) if cell}
            for what, _time, *cells in said}  # fmt: skip
    assert told == {what: traits.by.keys() for what, traits in TRAITS.items()}


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (["mails", "--state", "held"], 1),
        (["mails", "--state", "待确认"], 1),
        (["mails", "--person", "李四"], 3),
        (["mails", "--person", "李四", "--limit", "2"], 2),
        (["mails", "--mailbox", "support"], 6),
        (["mails", "--mailbox", "second"], 0),
        (["mails", "--since", "2026-11-20T14:00"], 4),
        (["mails", "--since", "2026-11-21"], 0),
        (["records", "--state", "incomplete", "--project", PROJECT], 1),
        (["records", "--project", "ERP二期"], 3),
        (["records", "--project", "没有的项目"], 0),
        (["complaints", "--state", "计入"], 2),
        (["complaints", "--person", "李四"], 2),
        (["ledger", "--person", "张三(华东)"], 0),
        (["held", "--state", "open"], 1),
        (["notices", "--state", "sent", "--person", "周九"], 1),
        (["notices", "--state", "退信"], 0),
        (["workbooks", "--state", "blocked"], 0),
    ],
)
def test_rows_are_picked(office: Office, arguments: list[str], number: int) -> None:
    assert len(listed(office, *arguments)) == number


def test_every_state_of_a_row_has_a_word(office: Office) -> None:
    for what, words in STATES.items():
        key = "disposition" if what == "mails" else "state"
        assert {row[key] for row in listed(office, what)} <= words.keys(), what


def test_the_table_says_whether_it_is_all(office: Office) -> None:
    assert office.run("list", "mails").out.rstrip().endswith("共 6 行")
    assert office.run("list", "mails", "--limit", "2").out.rstrip().endswith("最后 2 行")
    assert office.run("list", "mails", "--limit", "9").out.rstrip().endswith("共 6 行")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["mails", "--state", "open"], 2, "mails 没有状态 open，可以是：recorded 已记录"),
        (
            ["mails", "--project", PROJECT],
            2,
            "不能用 --project 挑选，可以用：--since、--state、--person、--mailbox",
        ),
        (["ledger", "--state", "sent"], 2, "--person"),
        (["mails", "--mailbox", "suport"], 2, "没有名为 suport 的邮箱：support、second"),
        (["mails", "--person", "张三"], 1, "张三(华东)"),
        (["mails", "--since", "昨天"], 2, "看不懂时间 昨天"),
        (["mails", "--limit", "0"], 2, "选项 --limit 后面至少是 1"),
        (["mails", "--limit", "x"], 2, "选项 --limit 后面应是整数"),
    ],
)
def test_what_cannot_be_picked_by_is_said(office: Office, arguments: list[str], code: int, message: str) -> None:
    ended = office.run("list", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


def test_before_the_first_run_there_is_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert listed(office, "mails", "--limit", "5", "--person", "张三", "--mailbox", "support") == []
    assert not (office.folder / "var").exists()
