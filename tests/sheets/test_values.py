"""What enters a cell: text stays text, dates are dates, nothing breaks the file (promise 9)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailflow.core.table import Cell
from mailflow.sheets.values import MAX_UNITS, clean, escape, moment_of, same, stored, unescape, units
from tests.sheets.samples import at


def test_dates_and_times_become_serial_numbers_and_come_back() -> None:
    assert stored(date(2026, 11, 20)) == 46346.0
    moment = stored(at("2026-11-20 09:35:07"))
    assert isinstance(moment, float)
    assert moment_of(moment) == at("2026-11-20 09:35:07")


def test_a_time_with_a_zone_keeps_its_clock_reading() -> None:
    assert stored(datetime(2026, 11, 20, 9, 35, tzinfo=UTC)) == stored(at("2026-11-20 09:35"))


def test_a_date_before_excels_calendar_is_text() -> None:
    assert stored(date(1900, 2, 28)) == "1900-02-28"
    assert stored(date(1900, 3, 1)) == 61.0


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (None, None),
        ("", None),
        ("\x00\x0b", None),
        (True, "是"),
        (3, 3.0),
        (float("nan"), None),
        (float("-inf"), None),
        (10**15, "1000000000000000"),
        ("=1+1", "=1+1"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\ufffe\uffff\ud800x", "x"),
    ],
)
def test_every_value_has_one_stored_form(value: Cell, held: object) -> None:
    assert stored(value) == held


def test_an_integer_of_any_size_is_stored() -> None:
    assert isinstance(stored(10**400), str)
    assert isinstance(stored(10**10_000), str)


def test_long_text_is_cut_by_utf16_units_and_says_so() -> None:
    for text in ("字" * 40_000, "😀" * 40_000, "x" + "😀" * 40_000, "_x0041_" * 6_000, "\n" * 40_000):
        cut = clean(text)
        assert units(escape(cut)) <= MAX_UNITS
        assert cut.endswith("…")
    assert clean("字" * MAX_UNITS) == "字" * MAX_UNITS


def test_more_line_feeds_than_a_cell_takes_become_blanks() -> None:
    assert clean("\n".join("abc" * 200)).count("\n") == 253


def test_what_looks_like_an_escape_is_escaped() -> None:
    assert escape("_x0041_") == "_x005F_x0041_"
    assert unescape("_x005F_x0041_") == "_x0041_"
    assert unescape("_x0041__x000D_\n_xD83D_") == "A\n"


@given(st.text())
def test_text_survives_being_written_and_read(text: str) -> None:
    assert unescape(escape(clean(text))) == clean(text)
    assert clean(clean(text)) == clean(text)


@given(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.dates(), st.datetimes()))
def test_storing_never_raises(value: Cell) -> None:
    held = stored(value)
    assert held is None or isinstance(held, str | float)
    assert same(held, held)
