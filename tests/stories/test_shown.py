"""What people are shown after the stories: `why`, the workbooks, and when they were asked."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from typing import Any

import pytest

from mailflow.sheets.layout import STALE
from tests.stories.conftest import Played
from tests.stories.stage import Stage, short


@pytest.mark.parametrize(
    ("month", "opening", "withheld", "demoted", "closing", "corrected"),
    [
        # As it was closed, whatever came later; with what is known now it would have come to less.
        ("2026-10", "5", 2, 1, "4", "5"),
        # Everything of October taken back, and booked anew: nothing more, in the end, than October had.
        ("2026-11", "4", 0, 0, "4", "4"),
    ],
)
def test_why_tells_the_grade_of_a_month(
    played: Played, month: str, opening: str, withheld: int, demoted: int, closing: str, corrected: str
) -> None:
    why = asked_why(played("complaints"), "李四", month)
    assert (why["opening"], why["withheld"], why["demoted"]) == (opening, withheld, demoted)
    assert (why["closing"], why["corrected"], why["closed"]) == (closing, corrected, month == "2026-10")


def test_why_tells_the_mails_that_led_to_each_entry(played: Played) -> None:
    why = asked_why(played("complaints"), "李四", "2026-11")
    booked = [entry for entry in why["entries"] if entry["month"] == "2026-11"]
    assert [" ".join(map(short, entry["mails"])) for entry in booked] == [
        "c1 c2", "c3 c4", "c1 c2 c3 c4", "c2 c3", "c4 c5", "c2 c3 c4 c5",
    ]  # fmt: skip
    assert all("撤诉" in entry["arithmetic"] for entry in booked[:4])
    assert [short(c["mail"]) for c in why["counted"]] == ["c5"]
    said = played("complaints").command("why", "李四", "2026-11").out
    assert all(short(mail) in said for entry in booked for mail in entry["mails"])


def asked_why(stage: Stage, person: str, month: str) -> dict[str, Any]:
    ended = stage.command("why", person, month, "--json")
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_the_ledger_has_every_entry_and_every_month(played: Played) -> None:
    stage, book = played("complaints"), "绩效等级台账-2026.xlsx"
    entries = stage.cells(book, "分录")
    assert [(e["入账月份"], e["所属月份"], e["工程师"], e["级数"], e["调整"]) for e in entries] == [
        ("2026-10", "2026-10", "李四", 1, ""),
        ("2026-10", "2026-10", "李四", 1, ""),
        ("2026-10", "2026-10", "李四", 1, ""),
        ("2026-11", "2026-10", "李四", -1, "调整"),
        ("2026-11", "2026-10", "李四", -1, "调整"),
        ("2026-11", "2026-10", "李四", -1, "调整"),
        ("2026-11", "2026-10", "李四", 1, "调整"),
        ("2026-11", "2026-11", "李四", 1, ""),
        ("2026-11", "2026-11", "李四", 1, ""),
    ]
    months = {(m["月份"], m["工程师"]): m for m in stage.cells(book, "月度")}
    told = ("期初等级", "扣发级数", "永久降级", "期末等级", "已关账")
    assert [months["2026-10", "李四"][heading] for heading in told] == ["5", 2, 1, "4", "是"]
    assert [months["2026-11", "李四"][heading] for heading in told] == ["4", 0, 0, "4", "否"]
    assert [months["2026-11", "王五"][heading] for heading in told] == ["4", 0, 0, "4", "否"]
    assert [m["月份"] for m in stage.cells(book, "已关账月份")] == ["2026-10"]


def test_the_engineer_sees_each_complaint_and_what_it_led_to(played: Played) -> None:
    rows = played("complaints").cells("项目跟踪表-李四.xlsx", "投诉与后果")
    assert [(short(row["邮件"]), row["所属月份"], row["状态"]) for row in rows] == [
        ("c1", "2026-10", "已撤诉"),
        ("resent", "2026-10", "重复"),
        ("c2", "2026-10", "计入"),
        ("c3", "2026-10", "计入"),
        ("c4", "2026-10", "计入"),
        ("c5", "2026-11", "计入"),
    ]
    (fifth,) = [row for row in rows if short(row["邮件"]) == "c5"]
    assert "扣发1级" in fifth["后果"]
    assert "永久降1级" in fifth["后果"]


def test_the_draft_of_the_month_tells_the_manager_what_he_confirms(played: Played) -> None:
    stage = played("complaints")
    notice = stage.notice("month_draft", "周九", "month:2026-10")
    assert notice["sent"] == "2026-11-02T09:00:00+08:00"
    message = message_from_bytes(stage.sent()[notice["message_id"]][0], policy=policy.default)
    text = message.get_body(("plain",))
    assert text is not None
    assert "李四" in text.get_content()
    assert "确认" in text.get_content()


def test_reports_stand_with_the_first_engineer_whoever_wrote_them(played: Played) -> None:
    stage = played("reports")
    assert written(stage, "李四") == {"p1": "李四", "p2": "王五", "p3": "李四", "p4": "李四", "p5": "王五"}
    assert written(stage, "张三(华北)") == {"n1": "王五", "n2": "王五"}
    assert written(stage, "王五") == {}
    rows = stage.cells("项目跟踪表-张三(华北).xlsx", "支持记录")
    assert [(row["项目"], row["立项"]) for row in rows] == [("灯塔项目", ""), ("灯塔项目", "")]
    leftovers = stage.cells("项目跟踪表-李四.xlsx", "遗留问题")
    assert [row["状态"] for row in leftovers if row["项目"] == "CRM项目"] == ["已解决", "未解决"]


def written(stage: Stage, engineer: str) -> dict[str, str]:
    """{report: its writer} in the sheet of an engineer. A row that moved away is left there, greyed."""
    rows = stage.cells(f"项目跟踪表-{engineer}.xlsx", "支持记录")
    return {short(row["邮件"]): row["支持人"] for row in rows if row["系统标记"] != STALE}


def test_registration_is_asked_for_every_two_working_days(played: Played) -> None:
    asked = [row for row in played("reports").listed("notices") if row["template"] == "registration_request"]
    assert [(row["sent"], row["cc"]) for row in asked] == [
        ("2026-09-29T10:00:00+08:00", []),
        ("2026-10-08T09:00:00+08:00", ["zhoujiu@tech.example"]),
        ("2026-10-10T09:00:00+08:00", ["zhoujiu@tech.example"]),
    ]
    stopped = [row for row in played("reports").listed("notices") if row["template"] == "support_stopped"]
    assert [row["sent"] for row in stopped] == ["2026-10-13T09:00:00+08:00"] * 2


def test_the_manager_sees_in_the_workbook_what_came_of_his_decisions(played: Played) -> None:
    rows = {row["编号"]: row for row in played("decisions").cells("待确认.xlsx", "待确认")}
    assert [rows[n]["状态"] for n in "1234567"] == ["已处理"] * 5 + ["待确认", "已处理"]
    assert rows["3"]["决定"] == "驳回"
    assert "不计" in rows["3"]["结果"]
