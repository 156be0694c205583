"""Which workbooks there are, what is in them, and which ones a batch concerns."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import date, datetime

import pytest

from mailflow.core.book import memory_book
from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping, SheetColumn
from mailflow.core.records import Complaint, Counter, Project, Row
from mailflow.core.table import Cell, Sheet, Workbook
from mailflow.views.sheet import EPOCH
from mailflow.views.workbooks import SHEETS, build, names, touched
from tests.views.rows import (
    MAPPING,
    PEOPLE,
    at,
    closed,
    complaint,
    department,
    entry,
    held,
    later,
    leftover,
    mail,
    report,
    with_sheets,
)

LISI, ZHAOLIU = "项目跟踪表-李四.xlsx", "项目跟踪表-赵六.xlsx"
LEDGER, HELD = "绩效等级台账-2026.xlsx", "待确认.xlsx"
SUMMARY, PROJECTS = "技术支持总表-2026.xlsx", "项目台账.xlsx"


def sheet(workbook: Workbook, sheet_id: str) -> Sheet:
    return next(s for s in workbook.sheets if s.id == sheet_id)


def rows(workbook: Workbook, sheet_id: str) -> list[dict[str, Cell]]:
    found = sheet(workbook, sheet_id)
    return [dict(zip([c.field for c in found.columns], row.values, strict=True)) for row in found.rows]


def marks(workbook: Workbook, sheet_id: str) -> list[str]:
    return [row.mark for row in sheet(workbook, sheet_id).rows]


def test_names_are_engineers_in_roster_order_then_years_then_held() -> None:
    assert names(department(), MAPPING) == [LISI, ZHAOLIU, SUMMARY, LEDGER, PROJECTS, HELD]


def test_an_empty_book_has_the_engineers_workbooks_and_the_held_items() -> None:
    book = memory_book()
    assert names(book, MAPPING) == [LISI, ZHAOLIU, PROJECTS, HELD]
    assert {build(n, book, MAPPING).changed for n in names(book, MAPPING)} == {EPOCH}


def test_whoever_is_first_engineer_or_has_reports_has_a_workbook_without_being_an_engineer() -> None:
    book = later(
        department(),
        Project(name="外包项目", first="周外包"),
        report(30, engineer=None, writer="钱经理", registered=False, project="天河"),
    )
    assert set(names(book, MAPPING)) - set(names(department(), MAPPING)) == {
        "项目跟踪表-周外包.xlsx",
        "项目跟踪表-钱经理.xlsx",
    }


def test_a_complaint_taken_out_again_keeps_its_year() -> None:
    book = memory_book([complaint(1, state="dismissed", month="2025-12")])
    assert "绩效等级台账-2025.xlsx" in names(book, MAPPING)


def test_an_unknown_workbook_is_an_error() -> None:
    with pytest.raises(LookupError):
        build("总表.xlsx", department(), MAPPING)


def test_the_report_of_the_second_engineer_stands_with_the_first() -> None:
    book = department()
    own = rows(build(LISI, book, MAPPING), "reports")
    assert [(r["number"], r["writer"], r["state"]) for r in own] == [
        ("MF-2026-000010", "李四", "完整"),
        ("MF-2026-000011", "赵六", "待补充：沟通人、具体问题"),
    ]
    assert marks(build(LISI, book, MAPPING), "reports") == ["", "late"]


def test_an_unregistered_report_stands_with_its_writer_and_says_so() -> None:
    (only,) = rows(build(ZHAOLIU, department(), MAPPING), "reports")
    assert (only["project"], only["unregistered"]) == ("天河", "未立项")
    assert only["received"] == datetime(2026, 11, 20, 9, 30)  # noqa: DTZ001  # local and naive: what a cell holds


def test_leftover_problems_show_their_life() -> None:
    solved = leftover(21, state="solved", closed=at("2026-11-21 01:00"))
    workbook = build(LISI, later(department(), solved), MAPPING)
    assert [r["state"] for r in rows(workbook, "leftovers")] == ["未解决", "已解决"]
    assert marks(workbook, "leftovers") == ["late", ""]


def test_complaints_show_the_consequences_that_name_them() -> None:
    workbook = build(LISI, department(), MAPPING)
    assert [r["consequences"] for r in rows(workbook, "complaints")] == ["L000001 2026-11 扣发1级"] * 2
    assert marks(workbook, "complaints") == ["counted", "counted"]


def test_a_withdrawn_complaint_is_muted_and_a_held_one_is_not_shown() -> None:
    suspect = complaint(9, engineer="赵六", state="held", reason="发件人没有通过验证")
    workbook = build(ZHAOLIU, later(department(), suspect), MAPPING)
    assert [(r["number"], r["state"]) for r in rows(workbook, "complaints")] == [("MF-2026-000003", "已撤诉")]
    assert marks(workbook, "complaints") == ["muted"]


def test_the_bonus_basis_of_a_month() -> None:
    (month,) = rows(build(LISI, department(), MAPPING), "bonus")
    expected = {"complete": 1, "incomplete": 1, "open": 1, "solved": 0, "complaints": 2, "withheld": 1, "grade": "P5"}
    assert month == {"month": "2026-11", "bonus": None, "note": None} | expected


def test_nobody_is_shown_anothers_records() -> None:
    """promise 10: nothing of 李四's complaints and grades is in 赵六's workbook, nor the other way round."""
    book = department()
    text = {
        name: json.dumps(asdict(build(name, book, MAPPING)), default=str, ensure_ascii=False)
        for name in (LISI, ZHAOLIU)
    }
    assert "MF-2026-000003" in text[ZHAOLIU]
    assert "MF-2026-000003" not in text[LISI]
    for own in ("MF-2026-000001", "L000001", "扣发1级", "P5"):
        assert own in text[LISI]
        assert own not in text[ZHAOLIU]


def test_the_ledger_is_restricted_and_lists_entries_and_months() -> None:
    workbook = build(LEDGER, department(), MAPPING)
    assert workbook.restricted
    assert [(r["number"], r["rule"], r["effect"]) for r in rows(workbook, "ledger")] == [
        ("L000001", "每2次扣发1级", "扣发1级")
    ]
    months = {r["key"]: r for r in rows(workbook, "ledger_months")}
    assert list(months) == ["2026-11 李四", "2026-11 赵六"]
    fields = ("opening", "complaints", "withheld", "demoted", "closing", "closed")
    assert [months["2026-11 李四"][f] for f in fields] == ["P5", 2, 1, 0, "P5", "否"]


def test_only_the_ledger_is_restricted() -> None:
    book = department()
    assert [n for n in names(book, MAPPING) if build(n, book, MAPPING).restricted] == [LEDGER]


def test_a_demotion_moves_the_grades_of_all_later_months_and_years() -> None:
    book = later(department(), entry(2, effect="demote", rule="demote"), closed("2026-11"), entry(3, month="2027-02"))
    assert rows(build(LEDGER, book, MAPPING), "ledger_months")[0]["closing"] == "P4"
    assert rows(build("绩效等级台账-2027.xlsx", book, MAPPING), "ledger_months")[0]["opening"] == "P4"


def test_an_adjusting_entry_moves_the_open_month_and_leaves_the_closed_one() -> None:
    before = later(department(), entry(2, effect="demote", rule="demote"), closed("2026-11"))
    back = entry(3, effect="demote", grades=-1, month="2026-12", adjusting=True, reverses="L000002")
    after = later(before, back, entry(2, effect="demote", rule="demote", reversed_by="L000003"))
    november = [r for r in rows(build(LEDGER, before, MAPPING), "ledger_months") if r["month"] == "2026-11"]
    months = rows(build(LEDGER, after, MAPPING), "ledger_months")
    assert [r for r in months if r["month"] == "2026-11"] == november
    december = next(r for r in months if r["key"] == "2026-12 李四")
    assert (december["opening"], december["demoted"], december["closing"]) == ("P4", -1, "P5")
    assert [r["reversal"] for r in rows(build(LEDGER, after, MAPPING), "ledger")] == [
        "",
        "已由 L000003 冲销",
        "冲销 L000002",
    ]
    assert marks(build(LEDGER, after, MAPPING), "ledger") == ["counted", "muted", "muted"]


def test_somebody_who_had_left_is_not_listed_in_later_months() -> None:
    people = [replace(p, left=date(2026, 10, 31)) if p.name == "赵六" else p for p in PEOPLE]
    mapping = Mapping(version="v2", people=tuple(people), pay=MAPPING.pay)
    book = memory_book([complaint(1)])
    assert [r["engineer"] for r in rows(build(LEDGER, book, mapping), "ledger_months")] == ["李四"]


def test_held_items_stay_in_the_order_of_their_numbers() -> None:
    done = held(2, state="decided", answer="驳回", by="钱经理", decided=at("2026-11-21 01:00"), result="投诉不计。")
    workbook = build(HELD, later(department(), done, held(10)), MAPPING)
    assert [r["number"] for r in rows(workbook, "held")] == ["2", "4", "10"]
    assert marks(workbook, "held") == ["muted", "late", "late"]
    assert [rows(workbook, "held")[0][f] for f in ("by", "result", "decision")] == ["钱经理", "投诉不计。", None]


def test_the_decision_column_is_read_back_and_offers_answers() -> None:
    column = next(c for c in sheet(build(HELD, department(), MAPPING), "held").columns if c.owner == "answer")
    assert column.heading == "决定"
    assert column.choices == ("确认", "驳回", "维持", "指定 李四", "指定 赵六")


def test_mails_that_nobody_would_see_are_listed() -> None:
    book = later(
        department(),
        mail(20, disposition="unmatched", subject="午饭"),
        mail(21, disposition="unmatched", person=None),
        mail(22, disposition="set_aside", person=None, findings=(Finding("broken", "不能处理"),)),
    )
    listed = rows(build(HELD, book, MAPPING), "unmatched")
    assert [(r["number"], r["state"], r["findings"]) for r in listed] == [
        ("20", "未识别", ""),
        ("22", "搁置", "不能处理"),
    ]


def test_only_the_newest_unmatched_mails_are_kept() -> None:
    book = memory_book(mail(n, disposition="unmatched") for n in range(1, 612))
    listed = rows(build(HELD, book, MAPPING), "unmatched")
    assert (len(listed), listed[0]["number"], listed[-1]["number"]) == (500, "112", "611")


def test_changed_is_the_newest_instant() -> None:
    assert build(LISI, department(), MAPPING).changed == at("2026-11-20 01:30")
    assert build(LEDGER, later(department(), closed("2026-11")), MAPPING).changed == at("2026-12-01 02:00")


def test_headings_and_order_come_from_the_mapping_and_the_key_stays_first() -> None:
    wanted = (
        SheetColumn(field="writer", heading="支持工程师", width=12),
        SheetColumn(field="number", heading="No."),
    )
    workbook = build(LISI, department(), with_sheets(reports=wanted))
    found = sheet(workbook, "reports")
    assert [c.heading for c in found.columns][:3] == ["No.", "支持工程师", "支持日期"]
    assert len(found.columns) == len(SHEETS["reports"].columns)
    assert found.rows[1].values[:2] == ("MF-2026-000011", "赵六")


def test_keys_are_the_first_column_and_unique() -> None:
    book = later(department(), closed("2026-11"), mail(22, disposition="set_aside"))
    for name in names(book, MAPPING):
        for found in build(name, book, MAPPING).sheets:
            assert [row.key for row in found.rows] == [row.values[0] for row in found.rows]
            assert len({row.key for row in found.rows}) == len(found.rows)
            assert len({c.heading for c in found.columns}) == len(found.columns)


def test_people_have_a_column_of_their_own_on_every_sheet() -> None:
    assert all(any(c.owner == "person" for c in layout.columns) for layout in SHEETS.values())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (report(40), {LISI, SUMMARY, PROJECTS}),
        (report(40, engineer=None, writer="赵六"), {ZHAOLIU, SUMMARY, PROJECTS}),
        (leftover(40), {LISI, SUMMARY, PROJECTS}),
        (leftover(40, kind="customer_problem"), set()),
        (leftover(40, kind="improvement"), {PROJECTS}),
        (complaint(40 - 20), {LISI, LEDGER, SUMMARY}),
        (complaint(20, engineer=None, state="held"), set()),
        (entry(9, engineer="赵六"), {ZHAOLIU, LEDGER, SUMMARY}),
        (closed("2026-11"), {LEDGER}),
        (held(9), {HELD}),
        (mail(40), set()),
        (mail(40, disposition="set_aside"), {HELD, SUMMARY}),
        (mail(40, disposition="unmatched", person=None), set()),
        (Project(name="新项目", first="赵六"), {ZHAOLIU, PROJECTS}),
        (Project(name="新项目"), {PROJECTS}),
    ],
)
def test_a_row_concerns_its_own_workbooks(row: Row, expected: set[str]) -> None:
    before = department()
    assert touched([row], later(before, row), before) == expected


def test_a_row_that_moves_concerns_both_workbooks() -> None:
    before = department()
    known = before.get(Complaint, "MF-2026-000001")
    project = before.get(Project, "星海ERP项目")
    assert known
    assert project
    for moved, expected in (
        (replace(known, engineer="赵六"), {LISI, ZHAOLIU, LEDGER, SUMMARY}),
        (replace(project, first="赵六"), {LISI, ZHAOLIU, PROJECTS}),
    ):
        assert touched([moved], later(before, moved), before) == expected


@pytest.mark.parametrize(
    "rows",
    [
        [complaint(5, month="2027-01"), Counter(name="case:2027", value=1)],
        [closed("2027-01")],
        [entry(8, month="2027-02", for_month="2026-11", adjusting=True)],
    ],
    ids=["complaint", "closed month", "adjusting entry"],
)
def test_a_demotion_booked_in_an_old_year_concerns_the_later_ledgers(rows: list[Row]) -> None:
    before = later(department(), *rows)
    demotion = entry(9, effect="demote", month="2026-12")
    concerned = touched([demotion], later(before, demotion), before)
    assert {LISI, SUMMARY, LEDGER, "绩效等级台账-2027.xlsx"} <= concerned
    assert concerned <= set(names(later(before, demotion), MAPPING))


def test_only_touched_workbooks_change() -> None:
    """What `touched` leaves out may not differ: checked over every row of the department, put one by one."""
    book = memory_book()
    for row in [*department().changes(), closed("2026-11")]:
        after = later(book, row)
        concerned = touched([row], after, book)
        for name in names(after, MAPPING):
            if name not in concerned and name in names(book, MAPPING):
                assert build(name, after, MAPPING) == build(name, book, MAPPING), (row, name)
        book = after
