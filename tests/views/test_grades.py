"""Grades: written forms, scales, and what the ledger makes of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailflow.core.grades import floor_level, label, level
from mailflow.core.mapping import Pay
from mailflow.core.records import Month
from mailflow.views.grades import corrected, effect_text, month_grades
from tests.views.rows import MAPPING, entry

NUMBERS = Pay(rule=())
SCALE = Pay(rule=(), scale=("初级", "中级", "高级"), floor="中级")


@pytest.mark.parametrize(
    ("grade", "expected"), [(5, 5), ("5", 5), ("P5", 5), ("绩效 12 ", 12), ("高级", None), (None, None), ("", None)]
)
def test_the_level_of_a_written_grade(grade: str | int | None, expected: int | None) -> None:
    assert level(grade, NUMBERS) == expected


@pytest.mark.parametrize(
    ("grade", "expected"), [("初级", 1), ("高级", 3), (2, 2), (4, None), ("专家", None), ("P2", None)]
)
def test_the_level_in_a_scale(grade: str | int, expected: int | None) -> None:
    assert level(grade, SCALE) == expected


def test_a_level_is_written_like_the_grade_it_came_from() -> None:
    assert [label(4, NUMBERS, like) for like in ("P5", 5, "T-10", None)] == ["P4", "4", "T-4", "4"]
    assert [label(n, SCALE, "高级") for n in (2, 0, 9)] == ["中级", "初级", "高级"]


def test_the_floor() -> None:
    assert floor_level(NUMBERS) == 1
    assert floor_level(Pay(rule=(), floor="P3")) == 3
    assert floor_level(SCALE) == 2
    assert floor_level(Pay(rule=(), scale=("低", "高"))) == 1


def test_a_month_opens_where_the_last_one_closed() -> None:
    entries = [
        entry(1, effect="demote", month="2026-10", for_month="2026-10"),
        entry(2),
        entry(3, effect="demote"),
        entry(4, effect="demote", month="2026-12", for_month="2026-11", grades=-1, adjusting=True),
    ]
    months = [month_grades("李四", entries, m, MAPPING) for m in ("2026-09", "2026-10", "2026-11", "2026-12")]
    assert [(m.opening, m.closing) for m in months] == [("P5", "P5"), ("P5", "P4"), ("P4", "P3"), ("P3", "P4")]
    assert [m.withheld for m in months] == [0, 0, 1, 0]
    assert corrected("李四", entries, "2026-11", MAPPING) == "P4"


def test_somebody_without_a_grade_has_none() -> None:
    assert month_grades("王五", [entry(1, effect="demote")], "2026-11", MAPPING).closing == ""
    assert month_grades("无此人", [], "2026-11", MAPPING).opening == ""


def test_effects_in_chinese() -> None:
    found = [
        effect_text(entry(1)),
        effect_text(entry(1, grades=-1)),
        effect_text(entry(1, effect="demote", grades=2)),
        effect_text(entry(1, effect="demote", grades=-2)),
        effect_text(entry(1, effect="demote", grades=0)),
    ]
    assert found == ["扣发1级", "退还扣发1级", "永久降2级", "恢复2级", "已到最低级，不再降级"]


def test_a_closed_month_keeps_the_grades_under_which_it_was_closed() -> None:
    closing = Month(
        month="2026-11",
        closed=datetime(2026, 12, 1, 1, tzinfo=UTC),
        by="周九",
        mapping="m",
        pay="{}",
        grades={"李四": "P9"},
    )
    months = month_grades("李四", [entry(1, effect="demote")], "2026-11", MAPPING, closing)
    assert (months.opening, months.closing) == ("P9", "P8")
