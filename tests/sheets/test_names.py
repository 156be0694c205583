"""File names and titles that every system takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailflow.sheets.names import file_name, identifier, sheet_title
from mailflow.sheets.values import units


@pytest.mark.parametrize("name", ["项目跟踪表-张三.xlsx", "项目跟踪表-张三(华东).xlsx", "服务质量月报-2026-11.xlsx"])
def test_an_ordinary_name_stays(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd", "..", ".", "", "/", "a\\b", "C:x", "a:b", "CON", "con.xlsx", "nul.tar.xlsx", "COM¹", "lpt9",
        "末尾点.", "末尾空格 .xlsx", " 开头空格", ".隐藏", "~$锁.xlsx", "a\x00b", "a\nb", "a\u202exslx.exe", "长" * 300,
        "a\ud800", "é", 'x<>:"|?*',
    ],
)  # fmt: skip
def test_an_unsafe_name_becomes_one_safe_component_of_its_own(name: str, tmp_path: Path) -> None:
    safe = file_name(name)
    assert safe != name
    assert safe == file_name(name)
    assert safe != file_name(name + "?")
    (tmp_path / safe).write_bytes(b"x")
    assert [found.name for found in tmp_path.iterdir()] == [safe]
    assert not safe.startswith((".", " ", "~"))
    assert safe.endswith(".xlsx")


@given(st.text(), st.text())
def test_two_names_never_meet(one: str, other: str) -> None:
    def bare(name: str) -> str:
        return name[:-5] if name.lower().endswith(".xlsx") else name

    assert (file_name(one) == file_name(other)) == (one == other or bare(one) == bare(other))


@given(st.text())
def test_a_name_is_one_component_that_windows_takes(name: str) -> None:
    safe = file_name(name)
    assert not set(safe) & set('<>:"/\\|?*\x00\n')
    assert len(safe.encode()) <= 200
    assert not safe.removesuffix(".xlsx").endswith((".", " "))


@given(st.text())
def test_a_title_is_one_that_excel_takes(title: str) -> None:
    safe = sheet_title(title)
    assert 0 < units(safe) <= 31
    assert not set(safe) & set("[]:*?/\\")
    assert not safe.startswith("'")
    assert not safe.endswith("'")
    assert safe.casefold() != "history"


def test_identifiers_tell_ids_apart() -> None:
    assert identifier("supports") == "mf_supports"
    assert len({identifier(x) for x in ("支持", "遗留", "a" * 40, "a" * 41)}) == 4
