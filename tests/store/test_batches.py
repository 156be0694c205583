"""Mails that are taken in together end as they would have one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest

from mailflow import intake, kinds, policies
from mailflow.core.book import Answers, Overlay
from mailflow.core.facts import MailFact
from mailflow.core.records import Mail, Report, Row
from mailflow.core.steps import Steps, done, side_by_side
from tests.policies.office import LI, MAPPING, ZHAO, Office, at, raw_mail

REPORT = "沟通结果：成功\n沟通人：客户\n沟通方式：电话\n具体问题：解决了远程控制网络的参数设置\n"
MORNING = (
    raw_mail(LI, "客户沟通-火星项目-李四", REPORT, message_id="<r1@tech.example>"),
    raw_mail(ZHAO, "立项-火星项目", "客户：某局\n第一责任售前：李四\n", message_id="<p1@sales.example>"),
    raw_mail(LI, "客户沟通-火星项目-李四", REPORT + "耗时：1小时\n", message_id="<r2@tech.example>"),
    raw_mail(LI, "客户沟通-火星项目-李四", REPORT + "耗时：1小时\n", message_id="<r3@tech.example>"),
    raw_mail(ZHAO, "投诉-ERP项目", "技服：李四\n没有报告。", message_id="<c1@sales.example>"),
    raw_mail(ZHAO, "投诉-ERP项目", "技服：李四\n没有报告。", message_id="<c1@sales.example>"),
    raw_mail(ZHAO, "Re: 投诉-ERP项目", "撤诉", message_id="<w1@sales.example>", answers="<c1@sales.example>"),
)
"""The project of the first report is registered by the second mail; a re-send; a copy; an answer to a complaint."""


def facts() -> list[MailFact]:
    return [
        MailFact(
            seq=number, time=at(f"11-03 09:{number:02}"), mailbox="support", folder="INBOX", uidvalidity="1",
            uid=str(number), digest=hashlib.sha256(raw).hexdigest(), raw=raw,
        )
        for number, raw in enumerate(MORNING, start=2)
    ]  # fmt: skip


def ends(rows: Iterable[Row]) -> list[str]:
    return [row.disposition for row in rows if isinstance(row, Mail)]


def test_a_batch_ends_as_its_mails_do_one_by_one() -> None:
    together = intake.decide_all(Answers(Office.open().book), facts(), MAPPING)
    alone = Overlay(Office.open().book)
    for fact in facts():
        alone.put(*policies.decide(alone, fact, MAPPING).entries)
    assert list(together.changes()) == list(alone.changes())
    assert ends(together.changes()) == ["recorded"] * 3 + ["duplicate", "recorded", "copy", "decided"]
    assert {(row.registered, row.project) for row in together.find(Report)} == {(True, "火星项目")}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_a_batch_ends_does_not_matter(size: int) -> None:
    whole = intake.decide_all(Answers(Office.open().book), facts(), MAPPING)
    parts = Office.open().book
    for start in range(0, len(MORNING), size):
        parts.put(*intake.decide_all(Answers(parts), facts()[start : start + size], MAPPING).changes())
    assert list(whole.changes()) == [parts.get(type(row), row.key) for row in whole.changes()]


def test_a_mail_that_cannot_be_read_is_set_aside_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = kinds.read

    def with_a_bug(message: Any, *more: Any) -> Any:
        if message.message_id == "<r2@tech.example>":
            raise ZeroDivisionError("our own mistake")
        return healthy(message, *more)

    monkeypatch.setattr(kinds, "read", with_a_bug)
    found = intake.decide_all(Answers(Office.open().book), facts(), MAPPING)
    assert ends(found.changes())[:4] == ["recorded", "recorded", "set_aside", "recorded"]


# -- side by side -----------------------------------------------------------------------------------------------------


def counting(name: str, steps: int, seen: list[str], fails: bool = False) -> Steps[str]:
    for number in range(steps):
        seen.append(f"{name}{number}")
        yield
    if fails:
        raise ValueError(name)
    return name


def test_each_step_is_done_for_all_before_the_next_one() -> None:
    seen: list[str] = []
    assert side_by_side([counting("a", 2, seen), counting("b", 0, seen), counting("c", 3, seen)]) == ["a", "b", "c"]
    assert seen == ["a0", "c0", "a1", "c1", "c2"]


def test_one_that_fails_leaves_the_others_alone() -> None:
    seen: list[str] = []
    first, second = side_by_side([counting("a", 1, seen, fails=True), counting("b", 2, seen)])
    assert (type(first), str(first), second) == (ValueError, "a", "b")


def test_one_alone_raises_what_a_step_raises() -> None:
    assert done(counting("a", 3, [])) == "a"
    with pytest.raises(ValueError, match="a"):
        done(counting("a", 1, [], fails=True))
    assert side_by_side([]) == []
