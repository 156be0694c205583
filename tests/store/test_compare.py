"""Two stores are compared row by row; a scratch store reads the same archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailflow.core.records import ROW_TYPES, Row
from mailflow.errors import PermanentError
from mailflow.store import Store, compare, scratch
from mailflow.store.compare import LIMIT
from tests.store import samples
from tests.store.samples import NOON


@pytest.fixture
def pair(sqlite_store: Store) -> Iterator[tuple[Store, Store]]:
    with scratch(sqlite_store) as other:
        yield sqlite_store, other


def differences(left: Store, right: Store) -> list[str]:
    with left.read() as one, right.read() as other:
        return compare(one, other)


def put(store: Store, *rows: Row) -> None:
    with store.write() as writer:
        writer.put(rows)


def test_the_same_rows_put_in_any_order_are_equal(pair: tuple[Store, Store]) -> None:
    left, right = pair
    rows = samples.everything()
    put(left, *rows)
    for row in reversed(rows):
        put(right, row)
    assert differences(left, right) == []


@pytest.mark.postgres
def test_sqlite_and_postgresql_are_equal(sqlite_store: Store, postgres_store: Store) -> None:
    for store in (sqlite_store, postgres_store):
        put(store, *samples.everything(), *(samples.project(name) for name in "bBaZ_-é星北"))
    assert differences(sqlite_store, postgres_store) == []


def test_a_field_that_differs_is_named_with_both_values(pair: tuple[Store, Store]) -> None:
    left, right = pair
    put(left, samples.project("星河"), samples.complaint("C1"))
    put(right, samples.project("星河"), replace(samples.complaint("C1"), state="held", reason="不确定"))
    assert differences(left, right) == [
        '投诉 C1：reason 左边是 "正文点名"，右边是 "不确定"',
        '投诉 C1：state 左边是 "counted"，右边是 "held"',
    ]


@pytest.mark.parametrize("kind", ROW_TYPES, ids=lambda kind: kind.table)
def test_a_row_on_one_side_only_is_named_whatever_its_kind(pair: tuple[Store, Store], kind: type[Row]) -> None:
    left, right = pair
    rows = [row for row in samples.everything() if isinstance(row, kind)]
    put(left, *rows)
    put(right, *rows[1:])
    (line,) = differences(left, right)
    assert line.endswith(f" {rows[0].key}：只在左边有")
    assert differences(right, left) == [line.replace("左", "右")]


def test_rows_on_either_side_keep_in_step(pair: tuple[Store, Store]) -> None:
    left, right = pair
    put(left, *(samples.project(name) for name in "aceg"))
    put(right, *(samples.project(name) for name in "bcdg"))
    assert [line.split()[1] for line in differences(left, right)] == [
        "a：只在左边有", "b：只在右边有", "d：只在右边有", "e：只在左边有",
    ]  # fmt: skip


def test_a_wrong_index_column_is_told(pair: tuple[Store, Store]) -> None:
    left, right = pair
    for store in pair:
        put(store, samples.case("K1"))
    with right._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE b_case SET f_state = 'solved'")
    assert differences(left, right) == ['事项 K1：索引列 f_state 左边是 "open"，右边是 "solved"']


def test_more_than_anybody_reads_is_cut(pair: tuple[Store, Store]) -> None:
    left, right = pair
    put(left, *(samples.mail(n) for n in range(LIMIT + 5)))
    lines = differences(left, right)
    assert len(lines) == LIMIT + 1
    assert "更多差异" in lines[-1]


def test_a_scratch_store_is_empty_reads_the_archive_and_goes_away(sqlite_store: Store) -> None:
    put(sqlite_store, *samples.everything())
    with sqlite_store.write() as writer:
        fact = writer.add_mail("support", "INBOX", "7", "1", NOON, b"raw")
    assert fact is not None
    with scratch(sqlite_store) as other:
        data = other.data
        assert data.exists()
        with other.read() as reader:
            assert list(reader.facts()) == []
            assert reader.book.find(type(samples.mail(1))) == []
            assert reader.raw(fact.digest) == b"raw"
            with pytest.raises(PermanentError, match="缺失"):
                reader.raw("0" * 64)
        put(other, samples.mail(99))
    assert not data.exists()
    with sqlite_store.read() as reader:
        assert reader.book.get(type(samples.mail(1)), "000000099") is None


def test_a_scratch_store_goes_away_after_an_error_too(sqlite_store: Store) -> None:
    kept: list[Path] = []
    with pytest.raises(ZeroDivisionError), scratch(sqlite_store) as other:  # noqa: PT012  # the block is what raises
        kept.append(other.data)
        raise ZeroDivisionError
    assert not kept[0].exists()
