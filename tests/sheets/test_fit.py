"""Widths and heights that Chinese text fits into."""

from __future__ import annotations

from mailflow.core.table import Column
from mailflow.sheets.fit import MAX_HEIGHT, MAX_WIDTH, ROW_HEIGHT, column_width, row_height

TEXT = Column(field="x", heading="项目名称")


def test_chinese_counts_double() -> None:
    assert column_width(TEXT, "项目名称", ["示例市轨道交通三号线"]) == 2 * 10 + 3
    assert column_width(TEXT, "项目名称", ["a" * 20]) == 20 + 3


def test_a_column_is_neither_too_narrow_nor_too_wide() -> None:
    assert column_width(TEXT, "x", []) == 14
    assert column_width(TEXT, "x", ["字" * 100]) == MAX_WIDTH
    assert column_width(Column(field="x", heading="x", format="date"), "x", [46346.0]) == 13
    assert column_width(Column(field="x", heading="x", width=60), "x", ["字" * 100]) == 60


def test_a_column_for_long_text_is_wide_before_the_first_text_comes() -> None:
    assert column_width(Column(field="x", heading="x", format="long"), "x", []) == MAX_WIDTH


def test_a_row_is_as_high_as_its_longest_text() -> None:
    assert row_height([]) == row_height([("短", 44.0)]) == ROW_HEIGHT
    assert row_height([("短", 44.0), ("字" * 63, 43.0)]) == 3 * 15 + 3
    assert row_height([("一\n二\n三\n四", 44.0)]) == 4 * 15 + 3
    assert row_height([("字" * 32_000, 2.0)]) == MAX_HEIGHT
