"""`mailflow why`: every entry with its rule, arithmetic, complaints and mails."""

from __future__ import annotations

import json

from mailflow.views.why import explain_month
from tests.views.rows import MAPPING, closed, complaint, department, entry, later


def test_an_entry_is_explained_by_its_rule_arithmetic_and_complaints() -> None:
    why = explain_month(department(), MAPPING, "李四", "2026-11")
    (found,) = why.entries
    assert (found.rule, found.arithmetic, found.text) == (
        "每2次扣发1级",
        "累计第2次计入的投诉，每2次当月绩效工资扣发1级",
        "扣发1级",
    )
    assert [(c.number, c.received, c.sender, c.mail) for c in found.complaints] == [
        ("MF-2026-000001", "2026-11-01T10:00:00+08:00", "王五", "<c1@sales.example>"),
        ("MF-2026-000002", "2026-11-02T10:00:00+08:00", "王五", "<c2@sales.example>"),
    ]
    assert (why.opening, why.closing, why.withheld, why.closed) == ("P5", "P5", 1, False)


def test_what_does_not_count_is_listed_with_its_reason() -> None:
    why = explain_month(department(), MAPPING, "赵六", "2026-11")
    assert not why.entries
    assert not why.counted
    assert [(c.state, c.reason) for c in why.not_counted] == [("withdrawn", "王五撤诉")]


def test_an_adjusting_entry_is_shown_in_both_of_its_months() -> None:
    back = entry(
        3, effect="demote", grades=-1, month="2026-12", for_month="2026-11", adjusting=True, reverses="L000002"
    )
    book = later(department(), entry(2, effect="demote", rule="demote", reversed_by="L000003"), back, closed("2026-11"))
    november, december = (explain_month(book, MAPPING, "李四", m) for m in ("2026-11", "2026-12"))
    assert [e.number for e in november.entries] == ["L000001", "L000002", "L000003"]
    assert [e.number for e in december.entries] == ["L000003"]
    assert (november.closed, november.closing, november.corrected) == (True, "P4", "P5")
    assert "计入以后月份的调整之后，本月期末等级应为 P5" in november.lines()


def test_complaints_of_other_months_are_named_only_where_they_led_to_an_entry() -> None:
    october = complaint(1, month="2026-10")
    why = explain_month(later(department(), october), MAPPING, "李四", "2026-11")
    assert [c.number for c in why.counted] == ["MF-2026-000002"]
    assert [c.number for c in why.entries[0].complaints] == ["MF-2026-000001", "MF-2026-000002"]


def test_as_json_and_as_text() -> None:
    why = explain_month(department(), MAPPING, "李四", "2026-11")
    data = json.loads(json.dumps(why.to_json()))
    assert data == why.to_json()
    assert data["entries"][0]["mails"] == ["<c1@sales.example>", "<c2@sales.example>"]
    text = "\n".join(why.lines())
    for piece in (
        "L000001",
        "规则：每2次扣发1级",
        "第2次计入的投诉",
        "<c1@sales.example>",
        "不计入的投诉：无",
        "未关账",
    ):
        assert piece in text


def test_a_month_in_which_nothing_happened() -> None:
    assert explain_month(department(), MAPPING, "李四", "2026-01").lines() == [
        "李四  2026-01  未关账",
        "期初等级 P5，期末等级 P5",
        "扣发 0 级，永久降 0 级",
        "",
        "分录：无",
        "",
        "计入的投诉：无",
        "",
        "不计入的投诉：无",
    ]
