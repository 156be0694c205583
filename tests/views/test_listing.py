"""`mailflow list … --json`: the keys are a public interface."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailflow.core.book import Book
from mailflow.core.findings import Finding
from mailflow.listing import shown
from mailflow.views.listing import EVERYTHING, LISTS, Wanted
from tests.views.rows import MAPPING, at, complaint, department, entry, later, mail, report

KEYS = {
    "mails": "disposition kind message_id digest received mailbox subject sender trust matter findings",
    "records": "number kind project engineer writer day result state missing registered received mail",
    "cases": "number kind state project owner title opened closed mails",
    "complaints": "number engineer project sender received month counted held reason mail",
    "ledger": "engineer month rule effect grades cause mails adjusting number for_month reverses complaints",
    "held": "number kind matter reason text choices state answer by project engineer mail",
}


def listed(name: str, book: Book, wanted: Wanted = EVERYTHING) -> list[dict[str, Any]]:
    one = LISTS[name]
    return [one.show(row, book, MAPPING) for row in book.find(one.kind) if one.traits.match(row, wanted)]


@pytest.mark.parametrize("name", KEYS)
def test_every_row_has_the_promised_keys_and_is_json(name: str) -> None:
    found = listed(name, department())
    assert found
    assert json.loads(json.dumps(found)) == found
    for row in found:
        assert set(KEYS[name].split()) <= row.keys()


def test_a_held_complaint_has_no_engineer_even_where_one_is_suspected() -> None:
    suspect = complaint(9, engineer="李四", state="held")
    found = {c["number"]: c for c in listed("complaints", later(department(), suspect))}
    assert (found["MF-2026-000009"]["engineer"], found["MF-2026-000009"]["held"]) == (None, True)
    assert (found["MF-2026-000001"]["engineer"], found["MF-2026-000001"]["counted"]) == ("李四", True)
    assert (found["MF-2026-000003"]["counted"], found["MF-2026-000003"]["held"]) == (False, False)


def test_instants_are_local_with_their_offset() -> None:
    assert listed("complaints", department())[0]["received"] == "2026-11-01T10:00:00+08:00"


def test_a_mail_without_message_id_is_referred_to_by_its_digest() -> None:
    book = later(department(), mail(4, message_id=None, findings=(Finding("near", "差一点"),)))
    assert listed("held", book)[0]["mail"] == f"sha256:{4:064x}"
    found = listed("mails", book)[3]
    assert (found["message_id"], found["findings"]) == (None, [{"code": "near", "text": "差一点"}])


def test_what_takes_an_entry_back_has_the_opposite_sign() -> None:
    book = later(department(), entry(2, grades=-1, reverses="L000001"))
    assert [(e["grades"], e["reverses"]) for e in listed("ledger", book)] == [(1, None), (-1, "L000001")]


def test_a_kind_that_an_admin_added_is_shown_by_its_name() -> None:
    names = {"leave": "请假", "complaint": "项目投诉"}
    assert shown({"kind": "leave"}, names) == {"kind": "请假"}
    assert shown({"kind": "complaint"}, names) == {"kind": "投诉"}
    assert shown({"kind": None, "received": "2026-11-02T09:30:00+08:00"}, names) == {
        "kind": None, "received": "2026-11-02 09:30"
    }  # fmt: skip


def test_rows_are_picked_by_time_state_person_project_and_mailbox() -> None:
    book = later(
        department(),
        mail(8, disposition="held", received=at("2026-12-01 00:00")),
        mail(9, mailbox="other", person=None),
        report(8, engineer="李四", writer="赵六", project="甲项目", received=at("2026-12-01 00:00")),
        report(9, engineer="李四", writer="李四", project="乙项目", state="incomplete"),
    )
    december = Wanted(since=at("2026-12-01 00:00"))
    assert [m["number"] for m in listed("mails", book, december)] == [8]
    assert [m["number"] for m in listed("mails", book, Wanted(state="held", person="王五"))] == [8]
    assert [m["number"] for m in listed("mails", book, Wanted(mailbox="other"))] == [9]
    assert [r["project"] for r in listed("records", book, december)] == ["甲项目"]
    assert [r["project"] for r in listed("records", book, Wanted(person="赵六", project="甲项目"))] == ["甲项目"]
    assert "乙项目" in [r["project"] for r in listed("records", book, Wanted(state="incomplete"))]


def test_nobody_finds_a_held_complaint_by_whom_it_is_suspected_to_be_about() -> None:
    book = later(department(), complaint(9, engineer="李四", state="held"))
    found = [c["number"] for c in listed("complaints", book, Wanted(person="李四"))]
    assert "MF-2026-000001" in found
    assert "MF-2026-000009" not in found
