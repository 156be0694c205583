"""However the mails are cut into batches, all comes to the same rows: numbers, ledger, notices (promise 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailflow import intake
from mailflow.core.book import Answers, Book
from mailflow.core.facts import MailFact
from tests.policies.office import LEFTOVER, LI, REPORT, SUN, WANG, ZHAO, ZHOU, Office, at, raw_mail
from tests.policies.test_ledger_property import rows

START = at("10-30 08:00")
PROJECTS = ("ERP项目", "网管项目", "火星项目")
SORTS = ("complaint", "same text", "withdrawal", "registration", "report", "leftover", "reply", "copy")
happened = st.lists(st.tuples(st.sampled_from(SORTS), st.integers(0, 11)), min_size=2, max_size=14)


def written(happenings: Sequence[tuple[str, int]]) -> list[MailFact]:
    """One mail for each, five hours apart; numbers choose projects, people and what is answered."""
    raws: list[bytes] = []
    for what, number in happenings:
        raws.append(raws[number % len(raws)] if what == "copy" and raws else _raw(what, number, len(raws)))
    return list(_facts(raws))


def _raw(what: str, number: int, count: int) -> bytes:
    project, own = PROJECTS[number % 3], f"<{count}@x.example>"
    answers = f"<{number % count}@x.example>" if count else None
    match what:
        case "withdrawal":
            sender = (ZHAO, SUN, ZHOU)[number % 3]
            return raw_mail(sender, f"回复: 投诉-{project}", "撤诉", message_id=own, answers=answers)
        case "registration":
            text = f"客户：某局\n第一责任售前：{('李四', '王五')[number % 2]}\n"
            return raw_mail(ZHAO, f"立项-{project}", text, message_id=own)
        case "report" | "leftover":
            text = (REPORT if what == "report" else LEFTOVER) + f"耗时：{count + 1}小时\n"
            sender, name = ((LI, "李四"), (WANG, "王五"))[number % 2]
            return raw_mail(sender, f"客户沟通-{project}-{name}", text, message_id=own)
        case "reply":
            return raw_mail(LI, f"回复: 客户沟通-{project}-李四", "沟通人：王工", message_id=own, answers=answers)
    text = "没有报告。" if what == "same text" else f"第{count}次没有报告。"
    return raw_mail((ZHAO, SUN)[number % 2], f"投诉-{project}", text, message_id=own)


def _facts(raws: Sequence[bytes]) -> Iterator[MailFact]:
    for number, raw in enumerate(raws):
        place: dict[str, Any] = {"mailbox": "support", "folder": "INBOX", "uidvalidity": "1", "uid": str(number)}
        digest = hashlib.sha256(raw).hexdigest()
        yield MailFact(seq=number + 2, time=START + timedelta(hours=5 * number), digest=digest, raw=raw, **place)


def taken(facts: Sequence[MailFact], cuts: set[int]) -> Book:
    """The book after `facts`, a new batch beginning at each of `cuts`."""
    office = Office.open()
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(facts)), len(facts)]
    for start, end in pairwise(edges):
        batch = intake.decide_all(Answers(office.book), facts[start:end], office.mapping)
        office.book.put(*batch.changes())
    return office.book


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(happened, st.sets(st.integers(1, 13)))
def test_one_by_one_and_all_at_once_are_the_same(happenings: list[tuple[str, int]], cuts: set[int]) -> None:
    facts = written(happenings)
    one_by_one = rows(taken(facts, set(range(len(facts)))))
    assert rows(taken(facts, set())) == one_by_one
    assert rows(taken(facts, cuts)) == one_by_one
