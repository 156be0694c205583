"""Stores made before a table or a column was there: they open, and what is new can be written to them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from mailflow.core.facts import CellChange, Chain, MailFact, Signature, Signatures
from mailflow.core.records import Bounce, CellNote, Correspondent, SheetNote
from mailflow.store import Store, migrations, schema
from mailflow.store.rows import stamp
from tests.store.samples import NOON, everything

FOUND = Signatures(
    dkim=(
        Signature(domain="corp.example", selector="s1", result="unknown", reason="查询公钥超时", unsigned=("date",)),
    ),
    arc=Chain(result="pass", sealers=("relay.example", "list.example")),
)


def test_bounces_are_written_to_a_store_that_had_no_table_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[:2])
        Store.open(None, tmp_path).close()
    newer = Store.open(None, tmp_path)
    rows = [row for row in everything() if isinstance(row, Bounce)]
    with newer.write() as tx:
        tx.put(rows)
    with newer.read() as reader:
        assert reader.book.find(Bounce) == rows
        assert [row.ordinal for row in reader.book.find(Bounce, final=True)] == [1]
    newer.close()


def test_what_people_did_to_workbooks_comes_back_as_it_was(store: Store) -> None:
    changes = (
        CellChange(kind="written", sheet="reports", row="R1", field="note", new="客户\n很急"),
        CellChange(kind="copy"),
    )
    with store.write() as tx:
        one = tx.add_workbook(NOON, "项目跟踪表-张三.xlsx", "李经理", NOON, changes)
        other = tx.add_workbook(NOON, "待确认.xlsx", "", None, ())
    with store.read() as reader:
        assert list(reader.facts()) == [one, other]
        assert (one.changes, one.saved, other.saved) == (changes, NOON, None)


def test_cells_are_written_to_a_store_that_had_no_table_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[: schema.STEPS.index(migrations.cells)])
        Store.open(None, tmp_path).close()
    newer = Store.open(None, tmp_path)
    rows = [row for row in everything() if isinstance(row, CellNote | SheetNote)]
    with newer.write() as tx:
        tx.put(rows)
    with newer.read() as reader:
        assert [*reader.book.find(CellNote), *reader.book.find(SheetNote)] == rows
    newer.close()


def test_answers_are_counted_in_a_store_that_had_no_table_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[: schema.STEPS.index(migrations.correspondents)])
        Store.open(None, tmp_path).close()
    newer = Store.open(None, tmp_path)
    rows = [row for row in everything() if isinstance(row, Correspondent)]
    with newer.write() as tx:
        tx.put(rows)
    with newer.read() as reader:
        assert reader.book.find(Correspondent) == sorted(rows, key=lambda row: row.key)
    newer.close()


def test_what_was_found_of_signatures_comes_back_as_it_was(store: Store) -> None:
    with store.write() as tx:
        for uid, found in (("1", FOUND), ("2", None), ("3", Signatures())):
            tx.add_mail("support", "INBOX", "1", uid, NOON, f"mail {uid}".encode(), found)
    with store.read() as reader:
        facts = [fact for fact in reader.facts() if isinstance(fact, MailFact)]
        assert [fact.signatures for fact in facts] == [FOUND, None, Signatures()]
        assert [reader.signatures(fact.digest) for fact in facts] == [FOUND, None, Signatures()]


OLD_OUTBOX = (
    (
        "put off",
        "pending",
        2,
        "已送达 li@corp.example wang@corp.example；拒收 x@corp.example；zhou@corp.example：452",
    ),
    ("killed", "sending", 2, "已送达 li@corp.example；452"),
    ("unclear", "unclear", 5, "已送达 li@corp.example；没有说收下还是拒绝"),
    ("never answered", "unclear", 5, "没有说收下还是拒绝"),
    ("template", "pending", 9, "模板有误"),
    ("new", "pending", 0, None),
    ("sent", "sent", 1, "拒收 x@corp.example；"),
)
"""What an older release wrote: key, state, attempts, error."""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_who_has_had_a_notice_stands_in_a_column_of_its_own(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", schema.STEPS[: schema.STEPS.index(migrations.recipients)])
        old = Store.open(url, tmp_path)
        with old._engine.begin() as connection:
            insert = sa.text("INSERT INTO outbox (key, state, due, attempts, error) VALUES (:k, :s, :d, :a, :e)")
            for key, state, attempts, error in OLD_OUTBOX:
                values = {"k": key, "s": state, "d": stamp(NOON), "a": attempts, "e": error}
                connection.execute(insert, values)
        old.close()
    newer = Store.open(url, tmp_path)
    with newer.read() as reader:
        rows = {row.key: row for row in reader.outbox()}
    assert {key: row.results for key, row in rows.items() if row.results} == {
        "put off": {"li@corp.example": "taken", "wang@corp.example": "taken", "x@corp.example": "refused"},
        "killed": {"li@corp.example": "taken"},
        "unclear": {"li@corp.example": "taken"},
    }
    assert {key: row.doubts for key, row in rows.items() if row.doubts} == {"unclear": 5, "never answered": 5}
    assert {key: row.error for key, row in rows.items()} == {key: error for key, _, _, error in OLD_OUTBOX}
    with newer.write() as tx:
        assert tx.claim("put off", NOON, b"mime")
        tx.settle("put off", "pending", NOON, "452", NOON, rows["put off"].results | {"zhou@corp.example": "put_off"})
        row = tx.notice("put off")
    assert row is not None
    assert [*row.results.values()] == ["taken", "taken", "refused", "put_off"]
    newer.close()
