"""Every question that the book may be asked is answered by an index, not by reading everything."""

from __future__ import annotations

import sqlite3
from itertools import product

import pytest
from sqlalchemy.dialects import sqlite

from mailflow.core.records import ROW_TYPES, Row
from mailflow.store import Store, schema
from mailflow.store.book import by_fields, by_key
from mailflow.store.schema import DERIVED, TOGETHER

FIELDS: list[tuple[type[Row], tuple[str, ...]]] = [(kind, (field,)) for kind in ROW_TYPES for field in kind.indexed]
FIELDS += [(kind, fields) for kind in ROW_TYPES for fields in TOGETHER.get(kind.table, ())]


def plan(store: Store, statement: object) -> str:
    text = str(statement.compile(dialect=sqlite.dialect()))  # type: ignore[attr-defined]  # a Select
    with sqlite3.connect(store.data / "mailflow.db") as connection:
        lines = connection.execute("EXPLAIN QUERY PLAN " + text, ["x"] * text.count("?")).fetchall()
    connection.close()
    return "\n".join(line[-1] for line in lines)


@pytest.mark.parametrize(("kind", "fields"), FIELDS, ids=lambda part: getattr(part, "table", None) or "+".join(part))
def test_equality_is_answered_by_an_index(sqlite_store: Store, kind: type[Row], fields: tuple[str, ...]) -> None:
    for absent in product((False, True), repeat=len(fields)):
        missing = {field for field, gone in zip(fields, absent, strict=True) if gone}
        found = plan(sqlite_store, by_fields(kind, frozenset(fields) - missing, frozenset(missing)))
        assert found.startswith(f"SEARCH {DERIVED[kind].name} USING INDEX")
        assert all(f"f_{field}=?" in found for field in fields)


@pytest.mark.parametrize("kind", ROW_TYPES, ids=lambda kind: kind.table)
def test_a_key_is_answered_by_the_primary_key(sqlite_store: Store, kind: type[Row]) -> None:
    assert "(key=?)" in plan(sqlite_store, by_key(kind))


def test_fields_that_are_asked_for_together_are_indexed_fields() -> None:
    for kind in ROW_TYPES:
        for fields in TOGETHER.get(kind.table, ()):
            assert set(fields) <= set(kind.indexed)
    assert TOGETHER.keys() <= {kind.table for kind in ROW_TYPES}


def test_every_row_type_has_a_table_of_its_own() -> None:
    assert {table.name for table in DERIVED.values()} == {f"b_{kind.table}" for kind in ROW_TYPES}
    assert len(schema.metadata.tables) == len(DERIVED) + 9
