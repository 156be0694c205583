"""Decisions (domain §2, §4): answers to held items, to a month's draft, and about a complaint.

They come by mail, by command or from a workbook cell; all three end in `settle`, `move` or `months.close`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mailflow.core.facts import DecisionFact
from mailflow.core.findings import Finding
from mailflow.core.people import Person
from mailflow.core.records import Complaint, Held, LedgerEntry
from mailflow.kinds.decision import mentions, parse_answer
from mailflow.kinds.reading import Answer
from mailflow.policies import complaints, counting, months, reports, threads
from mailflow.policies.access import unverified
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter


@dataclass(frozen=True)
class Verdict:
    """What came of an answer. `done` False: it could not be carried out, and `text` says why and what to answer."""

    done: bool
    text: str


def by_mail(desk: Desk, letter: Letter) -> Ending | None:
    """A reply to something that mailflow asked or told, or to a complaint."""
    matter = _matter(desk, letter)
    handler = _handler(matter) or _to_unknown
    if letter.reading.kind and letter.reading.answer is None and not letter.follows_up and handler is not _to_report:
        # A new mail of a kind, merely written by way of "reply".
        return None
    return handler(desk, letter, matter or "")


def _handler(matter: str | None) -> Callable[[Desk, Letter, str], Ending | None] | None:
    return _BY_MATTER.get((matter or "").partition(":")[0] + ":")


def by_command(desk: Desk, fact: DecisionFact) -> str | None:
    """A decision by command or cell. Returns why it was refused, or None."""
    name, _, rest = fact.matter.partition(":")
    answer = parse_answer(fact.answer, desk.mapping.words, desk.mapping.roster)
    if name == "month":
        return months.close(desk, rest, fact.by) if answer and answer.word == "accept" else "关账请答复 确认。"
    verdict = _decide(desk, name, rest, answer, fact)
    held = _held(desk, fact.matter)
    if held is not None and held.state == "open" and not verdict.done and fact.channel == "cell":
        # The person at the sheet sees the reason there; the same cell is not asked again.
        desk.put(replace(held, answer=fact.answer, by=fact.by, result=verdict.text))
    return None if verdict.done else verdict.text


def _decide(desk: Desk, name: str, rest: str, answer: Answer | None, fact: DecisionFact) -> Verdict:
    if answer is None:
        return Verdict(False, f"看不懂“{fact.answer}”。请答复 确认、指定 姓名、维持 或 驳回。")
    if name == "complaint":
        record = desk.book.get(Complaint, rest)
        return move(desk, record, answer, fact.by) if record else Verdict(False, f"没有编号为 {rest} 的投诉。")
    held = _held(desk, fact.matter)
    return settle(desk, held, answer, fact.by) if held else Verdict(False, f"没有待确认第{rest}项。")


def settle(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    """Carries out the answer to a held item; it stays open when the answer cannot be carried out."""
    if held.state == "decided":
        change = "；要更改，请回复那次投诉的邮件" if (held.matter or "").startswith("complaint:") else ""
        return Verdict(False, f"待确认第{held.number}项已处理：{held.result or held.answer or ''}{change}")
    verdict = _SETTLE[held.kind](desk, held, answer, by)
    if verdict.done:
        done = replace(
            desk.book.get(Held, held.key) or held,
            state="decided", answer=answer.line, by=by, decided=desk.now, result=verdict.text,
        )  # fmt: skip
        desk.close(done, verdict.text)
    return verdict


def move(desk: Desk, record: Complaint, answer: Answer, by: str) -> Verdict:
    """What the manager says about a complaint, held or counted."""
    if answer.word in ("reject", "withdraw"):
        if record.state not in counting.LIVE:
            return Verdict(False, f"投诉 {record.number} 已不计：{record.reason}")
        _tell_objectors(desk, record, by, answer.line, upheld=False)
        counting.take_out(desk, record, "dismissed" if answer.word == "reject" else "withdrawn", f"{by}{answer.line}")
        desk.end_mail(record.mail, "decided")
        return Verdict(True, f"投诉 {record.number} 不计。")
    if record.state not in counting.LIVE and answer.word != "assign":
        # 同意 in the thread of a withdrawal agrees with the withdrawal, and must not bring the complaint back.
        return Verdict(False, f"投诉 {record.number} 已不计：{record.reason}；要重新计入，请答复“指定 姓名”。")
    # A complaint that was ever held is remembered as it was read.
    held = next((h for h in desk.book.find(Held, matter=record.matter) if h.kind == "complaint"), None)
    letter = _letter_of(held) if held else None
    engineer = _engineer(desk, record, answer, letter)
    if isinstance(engineer, str):
        return Verdict(False, engineer)
    same = record.engineer == engineer.name
    if answer.word != "accept":
        # 同意 could agree with the complaint or with the objection to it: the objection stays open.
        _tell_objectors(desk, record, by, answer.line if same else "", upheld=same)
    counting.assign(desk, record, engineer, by, answer.line, letter)
    desk.end_mail(record.mail, "recorded")
    return Verdict(True, f"投诉 {record.number} 计在 {engineer.name} 名下。")


def _engineer(desk: Desk, record: Complaint, answer: Answer, letter: Letter | None) -> Person | str:
    """Whom the complaint is to count against, or why that is not certain."""
    if answer.word == "assign":
        person = desk.mapping.roster.get(answer.argument)
        if person is None:
            return f"不能确定“{answer.argument_text or ''}”是哪一位，请写人员名册上的全名。"
        return person if person.role == "engineer" else f"{person.name} 不是工程师。"
    if answer.word not in ("accept", "uphold"):
        return "请答复 确认、指定 姓名 或 驳回。"
    person = desk.mapping.roster.get(record.engineer)
    if person is None and letter is not None:
        person = complaints.candidate(desk, letter)
    return person or "还不能确定计在谁名下，请答复“指定 姓名”。"


# -- held items ------------------------------------------------------------------------------------------------------


def _letter_of(held: Held) -> Letter:
    return Letter.model_validate_json(held.letter or "")


def _settle_complaint(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    record = complaints.by_matter(desk, held.matter)
    if record is None:
        return Verdict(False, "找不到这次投诉的记录。")
    return move(desk, record, answer, by)


def _settle_objection(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    """驳回 takes the complaint out (domain §4); 同意 could mean either side, so it is asked again."""
    record = complaints.by_matter(desk, held.matter)
    if record is None:
        return Verdict(False, "找不到这次投诉的记录。")
    if answer.word in ("reject", "withdraw", "assign"):
        return move(desk, record, answer, by)
    if answer.word != "uphold":
        return Verdict(False, "对异议请答复：维持（投诉照计）、驳回（投诉不计）或 指定 姓名（改派）。")
    if record.state != "counted":
        return Verdict(True, f"投诉 {record.number} 已不计：{record.reason}")
    _tell_objectors(desk, record, by, answer.line, upheld=True)
    return Verdict(True, f"投诉 {record.number} 维持。")


def _tell_objectors(desk: Desk, record: Complaint, by: str, reason: str, *, upheld: bool) -> None:
    """Every open objection to the complaint has come to its end, the one that is being answered included."""
    for held in desk.book.find(Held, matter=record.matter, state="open"):
        person = desk.mapping.roster.get(held.engineer)
        if held.kind != "objection":
            continue
        desk.close(held, f"投诉 {record.number} {'维持' if upheld else '不再计在其名下'}。")
        if person is not None:
            desk.notify(
                "objection_result",
                person,
                matter=f"held:{held.number}",
                step="result",
                context={
                    "number": record.number,
                    "project": record.project or "",
                    "received": desk.when(record.received),
                    "upheld": upheld,
                    "by": by,
                    "reason": reason,
                },
            )


def _settle_withdrawal(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    if answer.word == "reject":
        return Verdict(True, "撤诉不予采用，投诉照计。")
    number = f"complaint:{answer.argument_text}" if answer.word == "assign" else held.matter
    record = complaints.by_matter(desk, number)
    if record is None or record.state not in counting.LIVE:
        return Verdict(False, "请答复“指定 投诉编号”，例如 指定 MF-2026-000012，或答复 驳回。")
    if answer.word not in ("accept", "assign", "withdraw"):
        return Verdict(False, "请答复 确认 或 驳回。")
    counting.take_out(desk, record, "withdrawn", f"撤诉，{by}确认")
    desk.end_mail(held.mail, "decided", record.matter)
    return Verdict(True, f"投诉 {record.number} 已撤诉。")


def _settle_mail(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    """A mail that is to be taken as it is goes on where holding it stopped."""
    if answer.word == "reject":
        return Verdict(True, "这封邮件不予采用。")
    if answer.word != "accept":
        return Verdict(False, "请答复 确认 或 驳回。")
    desk.put(replace(held, state="decided"))
    letter = _letter_of(held).model_copy(update={"trust": "authenticated", "accepted": True})
    ending = desk.resume(desk, letter)
    desk.end_mail(held.mail, ending.disposition, ending.matter)
    said = "；".join(finding.text for finding in ending.findings)
    return Verdict(True, f"仍需确认：{said}" if ending.disposition == "held" else f"已按有效邮件处理。{said}")


_SETTLE: dict[str, Callable[[Desk, Held, Answer, str], Verdict]] = {
    "complaint": _settle_complaint,
    "objection": _settle_objection,
    "withdrawal": _settle_withdrawal,
    "mail": _settle_mail,
}


# -- by mail ---------------------------------------------------------------------------------------------------------


def _matter(desk: Desk, letter: Letter) -> str | None:
    """What the mail answers: a notice of ours, or a mail that moved something; else by what its subject says."""
    if matter := threads.answered(desk.book, letter, *_BY_MATTER):
        return matter
    if letter.follows_up and (named := threads.numbered(desk.book, letter, "complaint:", "report:")):
        return named[0]
    if matter := threads.answered_loosely(desk.book, letter, *_BY_MATTER):
        return matter
    return _by_subject(desk, letter) if letter.follows_up and not letter.parents else None


_HELD_SUBJECT = re.compile(r"待确认第\s*([0-9]{1,9})\s*项")
_MONTH_SUBJECT = re.compile(r"请确认\s*([0-9]{4}-[0-9]{2})\s*绩效")


def _by_subject(desk: Desk, letter: Letter) -> str | None:
    """What a reply means whose client wrote no In-Reply-To: our own subject, or 投诉-XX项目 when just one is live."""
    if found := _HELD_SUBJECT.search(letter.subject):
        return f"held:{found[1]}"
    if found := _MONTH_SUBJECT.search(letter.subject):
        return f"month:{found[1]}"
    live = complaints.live(desk, letter) if letter.reading.kind == "complaint" else []
    return live[0].matter if len(live) == 1 else None


def _to_unknown(desk: Desk, letter: Letter, _: str) -> Ending | None:
    """A manager's word on a complaint that cannot be told for certain: asked again, never guessed, never lost."""
    answer = letter.reading.answer
    decides = answer is not None and answer.word not in ("withdraw", "object")
    if not decides or not letter.follows_up or letter.reading.kind != "complaint" or _decider(desk, letter)[0] is None:
        return None
    unclear = Verdict(False, "不能确定您答复的是哪一次投诉，请直接回复那次投诉的邮件，或在正文写明它的编号。")
    return _answered(desk, letter, f"mail:{letter.key}", lambda a, by: unclear, "投诉")


def _decider(desk: Desk, letter: Letter) -> tuple[Person | None, Finding | None]:
    """Who decides by this mail, None if the sender is not one who may; and why the mail is not believed (domain §9)."""
    person = desk.mapping.roster.get(letter.person)
    if person is None or not _may_decide(desk, person):
        return None, Finding("may_not_decide", "发件人无权作此决定。")
    if letter.doubtful:
        return person, Finding("undecodable", "邮件中有无法解码的文字，不能作为决定。")
    if found := threads.doubt(letter):
        return person, found
    kind = desk.mapping.kinds_by_id.get("decision")
    return person, unverified(letter, kind.trust if kind else "authenticated", "决定")


def _may_decide(desk: Desk, person: Person) -> bool:
    """Those whose role pay.toml names; where none of them is there, who is asked in their place: a decision is from
    the person asked (domain §2)."""
    today = desk.mapping.calendar.day(desk.now)
    there = [p for p in desk.mapping.roster.with_role(*desk.mapping.pay.may_decide) if p.active(today)]
    return person in (there or desk.watchers())


def _answered(
    desk: Desk, letter: Letter, matter: str, act: Callable[[Answer, str], Verdict], what: str
) -> Ending | None:
    """Carries out a manager's answer by `act` and confirms it, or asks again.

    None: it is no answer, but a mail of a kind from somebody who has nothing to decide, and goes its own way.
    """
    person, problem = _decider(desk, letter)
    if person is None:
        return None if letter.reading.kind else Ending("discussion", matter, (problem,) if problem else ())
    if problem:
        held = desk.hold(letter, "mail", problem.code, problem.text, choices=("确认", "驳回"))
        return replace(held, kind="decision")
    answer = letter.reading.answer
    verdict = act(answer, person.name) if answer else Verdict(False, "没有看懂答复。")
    context: dict[str, Any] = {"matter": what, "answer": answer.line if answer else letter.excerpt[:60]}
    if verdict.done:
        context["result"] = verdict.text
        desk.notify("decision_done", person, matter=matter, step=f"done:{letter.key}", context=context, answers=letter)
        return Ending("decided", matter, kind="decision")
    context |= {"reason": verdict.text, "choices": list(_choices(desk, matter))}
    desk.notify(
        "decision_unclear", person, matter=matter, step=f"unclear:{letter.key}", context=context, answers=letter
    )
    return Ending("discussion", matter, (Finding("decision_unclear", verdict.text),), kind="decision")


def _choices(desk: Desk, matter: str) -> tuple[str, ...]:
    held = _held(desk, matter)
    return held.choices if held else ("确认",) if matter.startswith("month:") else counting.CHOICES


def _held(desk: Desk, matter: str) -> Held | None:
    name, _, number = matter.partition(":")
    return (
        desk.book.get(Held, f"{int(number):06d}") if name == "held" and number.isascii() and number.isdigit() else None
    )


def _to_held(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    held = _held(desk, matter)
    if held is None:
        return None
    if letter.person == held.engineer and held.kind == "objection":
        return Ending("discussion", matter)
    return _answered(desk, letter, matter, lambda a, by: settle(desk, held, a, by), f"待确认第{held.number}项")


def _to_month(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    month = matter.removeprefix("month:")

    def act(answer: Answer, by: str) -> Verdict:
        if answer.word != "accept":
            return Verdict(False, "如无异议请答复 确认；对某次投诉有异议，请先回复那次投诉的邮件。")
        if problem := months.close(desk, month, by):
            return Verdict(False, problem)
        newer = months.since_draft(desk, month, by)
        return Verdict(True, f"{month} 已关账。" + (f"草稿发出以后入账的也在内：{'、'.join(newer)}。" if newer else ""))

    return _answered(desk, letter, matter, act, f"{month} 月绩效台账")


def _to_complaint(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    record = complaints.by_matter(desk, matter)
    answer = letter.reading.answer
    if record is not None and answer is None and _objects(desk, letter, record):
        return _objection(desk, letter, record)
    if record is None or answer is None or answer.word == "withdraw":
        return None
    if answer.word == "object":
        return _objection(desk, letter, record)
    return _answered(desk, letter, matter, lambda a, by: move(desk, record, a, by), f"投诉 {record.number}")


def _to_ledger(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    """A reply to a told consequence is about the complaint that set it off."""
    entry = desk.book.get(LedgerEntry, matter.removeprefix("ledger:"))
    if entry is None:
        return None
    found = [c for number in entry.complaints if (c := desk.book.get(Complaint, number))]
    counted = [c for c in found if (c.state, c.engineer) == ("counted", entry.engineer)]
    return _to_complaint(desk, letter, (counted or found)[-1].matter)


def _objects(desk: Desk, letter: Letter, record: Complaint) -> bool:
    """收到，我有异议 is heard as well: it moves nothing, and who is concerned must not object in vain (domain §4)."""
    concerned = letter.person is not None and letter.person == record.engineer
    return concerned and not letter.is_forward and mentions(letter.excerpt, desk.mapping.words.object)


def _objection(desk: Desk, letter: Letter, record: Complaint) -> Ending:
    """异议 goes to the manager for a decision; it moves nothing by itself (domain §4)."""
    if letter.person is None or letter.person != record.engineer:
        return Ending.of("discussion", "not_concerned", "只有被投诉的工程师可以提出异议。", matter=record.matter)
    if record.state != "counted":
        return Ending.of("discussion", "already_out", f"投诉 {record.number} 已不计。", matter=record.matter)
    ending = desk.hold(
        letter,
        "objection",
        "objection",
        f"{letter.person} 对投诉 {record.number} 提出异议。",
        choices=("维持", "驳回", "指定 姓名"),
        matter=record.matter,
        engineer=record.engineer,
    )
    return replace(ending, kind="decision")


def _to_report(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    return reports.reply(desk, letter, matter.removeprefix("report:"))


_BY_MATTER: dict[str, Callable[[Desk, Letter, str], Ending | None]] = {
    "held:": _to_held,
    "month:": _to_month,
    "complaint:": _to_complaint,
    "ledger:": _to_ledger,
    "report:": _to_report,
}
