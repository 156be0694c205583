"""Invented rows, one or more of every type."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from mailflow.core.findings import Finding
from mailflow.core.records import (
    Answered,
    Bounce,
    Case,
    CellNote,
    Complaint,
    Correspondent,
    Counter,
    Due,
    Held,
    LedgerEntry,
    Mail,
    Month,
    Notice,
    Project,
    Report,
    Row,
    SheetNote,
)  # fmt: skip

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def mail(seq: int, **fields: object) -> Mail:
    given: dict[str, object] = {
        "seq": seq, "mailbox": "support", "received": NOON + timedelta(minutes=seq), "digest": f"{seq:064x}",
        "message_id": f"<{seq}@mail.example>", "content": f"c{seq}", "resend": None, "subject": "报备-星河项目",
        "sender": "li@corp.example", "person": "李四", "trust": "roster", "kind": "communication",
        "disposition": "recorded", "matter": f"report:R{seq}", "findings": (Finding("vague", "太含糊"),),
    }  # fmt: skip
    return Mail(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def project(name: str, **fields: object) -> Project:
    return Project(name=name, **fields)  # type: ignore[arg-type]  # a builder for tests


def complaint(number: str, **fields: object) -> Complaint:
    given: dict[str, object] = {
        "number": number, "mail": "000000001", "reference": "<1@mail.example>", "project": "星河", "engineer": "张三",
        "sender": "k@kunde.example", "complainant": None, "received": NOON, "month": "2026-11", "state": "counted",
        "reason": "正文点名", "resend": "r1", "named_by": "body",
    }  # fmt: skip
    return Complaint(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def entry(number: str, **fields: object) -> LedgerEntry:
    given: dict[str, object] = {
        "number": number, "engineer": "张三", "month": "2026-11", "for_month": "2026-11", "rule": "r", "ordinal": 1,
        "effect": "withhold", "grades": 1, "cause": "第 1 次", "complaints": ("C1",), "mails": ("<1@mail.example>",),
        "adjusting": False, "time": NOON, "mapping": "v1",
    }  # fmt: skip
    return LedgerEntry(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def case(number: str, **fields: object) -> Case:
    given: dict[str, object] = {
        "number": number, "kind": "leftover", "state": "open", "project": "星河", "place": "星河", "owner": "张三",
        "title": "遗留", "opened": NOON, "changed": NOON, "data": {"列": [1, None, {"深": True}]},
    }  # fmt: skip
    return Case(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def report(number: str, **fields: object) -> Report:
    given: dict[str, object] = {
        "number": number, "mail": "000000001", "reference": "<1@mail.example>", "received": NOON, "project": "星河",
        "place": "星河", "registered": True, "writer": "李四", "engineer": "张三", "day": date(2026, 11, 2),
    }  # fmt: skip
    return Report(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def held(number: int, **fields: object) -> Held:
    given: dict[str, object] = {
        "number": number, "kind": "complaint", "matter": "complaint:C1", "mail": "000000001", "reason": "ambiguous",
        "text": "不能确定", "choices": ("确认", "驳回"), "opened": NOON,
    }  # fmt: skip
    return Held(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def notice(matter: str, **fields: object) -> Notice:
    given: dict[str, object] = {
        "matter": matter, "person": "张三", "step": "counted", "template": "complaint", "to": "zhang@corp.example",
        "cc": ("boss@corp.example",), "context": {"项目": "星河", "n": [1, 2.5, None]}, "due": NOON,
        "message_id": f"<{matter}@mailflow.example>", "in_reply_to": "<1@mail.example>",
    }  # fmt: skip
    return Notice(**(given | fields))  # type: ignore[arg-type]  # a builder for tests


def everything() -> list[Row]:
    """Rows of all types, some alike in what they are asked for by, some without it."""
    return [
        mail(1), mail(2, message_id=None, matter=None), mail(3, resend="r1", disposition="duplicate"),
        mail(4, resend="r1", content="c1", disposition="held"),
        project("星河", aliases=("XH",), first="张三", registered=date(2026, 1, 5)), project("北斗", sales="王五"),
        project("Zeta"), project("alpha", first="张三", verified=False), project("a-b"), project("a b"), project("_"),
        report("R1"), report("R2", registered=False, engineer=None), report("R3", writer="张三", missing=("日期",)),
        case("K1"), case("K2", kind="customer_problem", state="new", owner=None),
        case("K3", state="solved", closed=NOON),
        complaint("C1"), complaint("C2", engineer=None, state="held"),
        complaint("C3", received=NOON - timedelta(days=1)),
        entry("L1", reversed_by="L2"), entry("L2", reverses="L1", grades=-1, adjusting=True),
        entry("L3", month="2026-12"),
        Month(month="2026-10", closed=NOON, by="命令行", mapping="v1", pay="{}"),
        held(1), held(2, state="decided", answer="确认", by="王总", decided=NOON), held(3, matter=None),
        Due(matter="case:K1", step="overdue", due=NOON), Due(matter="case:K3", step="overdue", due=NOON, state="done"),
        notice("complaint:C1"), notice("complaint:C1", person="王总"), notice("held:2", in_reply_to=None),
        Bounce(
            mail="000000004", ordinal=1, notice="complaint:C1|张三|counted", recipient="zhang@corp.example", final=True,
            status="5.1.1", reason="550 无此用户", remote="mx.corp.example", received=NOON,
        ),
        Bounce(
            mail="000000004", ordinal=2, notice="complaint:C1|王总|counted", recipient="", final=False, status="",
            reason="", remote="", received=NOON,
        ),
        Correspondent(who="张三"),
        Correspondent(who="x@customer.example", answered=(Answered(NOON, "a1"), Answered(NOON, "b2"))),
        Counter(name="held", value=3), Counter(name="case:2026", value=3),
        CellNote(
            workbook="项目跟踪表-张三.xlsx", sheet="reports", row="MF-2026-000001", field="note", value="客户很急",
            old="", by="李经理", saved=NOON, time=NOON,
        ),
        SheetNote(
            number=1, workbook="待确认.xlsx", sheet="held", row="3", field="state", kind="restored", old="随便",
            new="待确认", text="《待确认》第 4 行被手工改动", by="", saved=None, time=NOON, same="d" * 32,
        ),
    ]  # fmt: skip
