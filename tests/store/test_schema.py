"""Every question that the book may be asked is answered by an index, not by reading everything."""

from __future__ import annotations

import json
import sqlite3
from itertools import product
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from mailflow.core.records import ROW_TYPES, Mail, Row
from mailflow.store import Store, migrations, schema
from mailflow.store.book import by_any, by_fields, by_key
from mailflow.store.rows import to_columns
from mailflow.store.schema import DERIVED, TOGETHER
from tests.store.samples import mail

FIELDS: list[tuple[type[Row], tuple[str, ...]]] = [(kind, (field,)) for kind in ROW_TYPES for field in kind.indexed]
FIELDS += [(kind, fields) for kind in ROW_TYPES for fields in TOGETHER.get(kind.table, ())]


def plan(store: Store, statement: object) -> str:
    in_lists = {"render_postcompile": True}
    text = str(statement.compile(dialect=sqlite.dialect(), compile_kwargs=in_lists))  # type: ignore[attr-defined]
    with sqlite3.connect(store.data / "mailflow.db") as connection:
        lines = connection.execute("EXPLAIN QUERY PLAN " + text, ["x"] * text.count("?")).fetchall()
    connection.close()
    return "\n".join(line[-1] for line in lines)


@pytest.mark.parametrize(("kind", "fields"), FIELDS, ids=lambda part: getattr(part, "table", None) or "+".join(part))
def test_equality_is_answered_by_an_index(sqlite_store: Store, kind: type[Row], fields: tuple[str, ...]) -> None:
    for absent in product((False, True), repeat=len(fields)):
        missing = tuple(field for field, gone in zip(fields, absent, strict=True) if gone)
        found = plan(sqlite_store, by_fields(kind, fields, missing))
        assert found.startswith(f"SEARCH {DERIVED[kind].name} USING INDEX")
        assert all(f"f_{field}=?" in found for field in fields)


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in ROW_TYPES for field in kind.indexed], ids=lambda part: str(part)
)
def test_many_values_are_answered_by_an_index(sqlite_store: Store, kind: type[Row], field: str) -> None:
    found = plan(sqlite_store, by_any(kind, field).params(values=["x"] * 100))
    assert found.startswith(f"SEARCH {DERIVED[kind].name} USING INDEX")
    assert f"f_{field}=?" in found


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


def _made(inspector: sa.Inspector, table: str) -> tuple[object, ...]:
    """What a database says that a table is."""
    columns = {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)}
    indexes = {i["name"]: tuple(i["column_names"]) for i in inspector.get_indexes(table) if not i["unique"]}
    return columns, indexes, inspector.get_pk_constraint(table)["constrained_columns"]


def test_the_steps_lead_to_the_tables_that_are_declared(store: Store) -> None:
    with store._engine.connect() as connection:
        stepped = sa.inspect(connection)
        found = {name: _made(stepped, name) for name in stepped.get_table_names()}
    with store._engine.begin() as connection:
        schema.metadata.drop_all(connection)
        schema.metadata.create_all(connection)
        declared = sa.inspect(connection)
        assert found == {name: _made(declared, name) for name in declared.get_table_names()}


def test_a_store_of_the_first_release_opens_and_its_mail_is_found_by_conversation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (migrations.first,))
        old = Store.open(None, tmp_path / "old")
        with old._engine.begin() as connection:
            row = {"key": "000000001", "f_message_id": "<1@mail.example>", "body": _body_of_old_mail()}
            connection.execute(
                sa.text("INSERT INTO b_mail (key, f_message_id, body) VALUES (:key, :f_message_id, :body)"), row
            )
        old.close()
    newer = Store.open(None, tmp_path / "old")
    with newer.write() as tx:
        assert tx.book.get(Mail, "000000001") == mail(1)
        tx.put([mail(2, conversation="01dc", branch="01dcff")])
    with newer.read() as reader:
        assert [m.seq for m in reader.book.find(Mail, conversation="01dc")] == [2]
        assert [m.seq for m in reader.book.find(Mail, message_id="<1@mail.example>")] == [1]
    newer.close()


def _body_of_old_mail() -> str:
    """The JSON of a row as the first release wrote it."""
    columns = to_columns(mail(1))
    body = json.loads(columns["body"])
    del body["conversation"], body["branch"]
    return json.dumps(body, ensure_ascii=False)
