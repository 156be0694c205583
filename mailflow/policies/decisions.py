"""Decisions (domain §2, §4): answers to held items, to a month's draft, and about a complaint.

They come by mail, by command or from a workbook cell; all three end in `settle`, `move` or `months.close`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mailflow.core.facts import DecisionFact
from mailflow.core.findings import Finding
from mailflow.core.people import Person
from mailflow.core.records import Complaint, Held, LedgerEntry, Mail, Report
from mailflow.kinds.decision import parse_answer
from mailflow.kinds.reading import Answer
from mailflow.policies import complaints, months, reports
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
    handler = next((h for prefix, h in _BY_MATTER.items() if matter and matter.startswith(prefix)), None)
    return handler(desk, letter, matter) if handler and matter else None


def by_command(desk: Desk, fact: DecisionFact) -> str | None:
    """A decision by command or cell. Returns why it was refused, or None."""
    name, _, rest = fact.matter.partition(":")
    if name == "month":
        return months.close(desk, rest, fact.by)
    answer = parse_answer(fact.answer, desk.mapping.words, desk.mapping.roster)
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
        return Verdict(False, f"待确认第{held.number}项已处理：{held.result or held.answer or ''}")
    verdict = _SETTLE[held.kind](desk, held, answer, by)
    if verdict.done:
        done = replace(
            desk.book.get(Held, held.key) or held,
            state="decided", answer=answer.line, by=by, decided=desk.now, result=verdict.text,
        )  # fmt: skip
        desk.put(done)
    return verdict


def move(desk: Desk, record: Complaint, answer: Answer, by: str, letter: Letter | None = None) -> Verdict:
    """What the manager says about a complaint, held or counted."""
    if answer.word in ("reject", "withdraw"):
        if record.state not in complaints.LIVE:
            return Verdict(False, f"投诉 {record.number} 已不计：{record.reason}")
        complaints.take_out(desk, record, "dismissed" if answer.word == "reject" else "withdrawn", f"{by}{answer.line}")
        _ended(desk, record.mail, "decided")
        return Verdict(True, f"投诉 {record.number} 不计。")
    engineer = _engineer(desk, record, answer, letter)
    if isinstance(engineer, str):
        return Verdict(False, engineer)
    complaints.assign(desk, record, engineer, f"{by}决定：{answer.line}", letter)
    _ended(desk, record.mail, "recorded")
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
    return move(desk, record, answer, by, _letter_of(held))


def _settle_objection(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    """驳回 takes the complaint out (domain §4); 同意 could mean either side, so it is asked again."""
    record = complaints.by_matter(desk, held.matter)
    if record is None:
        return Verdict(False, "找不到这次投诉的记录。")
    if answer.word == "uphold":
        verdict = Verdict(True, f"投诉 {record.number} 维持。")
    elif answer.word in ("reject", "withdraw", "assign"):
        verdict = move(desk, record, answer, by)
    else:
        verdict = Verdict(False, "对异议请答复：维持（投诉照计）、驳回（投诉不计）或 指定 姓名（改派）。")
    person = desk.mapping.roster.get(record.engineer)
    if verdict.done and person is not None:
        desk.notify(
            "objection_result",
            person,
            matter=f"held:{held.number}",
            step="result",
            context={
                "number": record.number,
                "project": record.project or "",
                "received": desk.when(record.received),
                "upheld": answer.word == "uphold",
                "by": by,
                "reason": answer.line,
            },
        )
    return verdict


def _settle_withdrawal(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    if answer.word == "reject":
        _ended(desk, held.mail, "decided")
        return Verdict(True, "撤诉不予采用，投诉照计。")
    number = answer.argument_text if answer.word == "assign" else None
    record = desk.book.get(Complaint, number) if number else complaints.by_matter(desk, held.matter)
    if record is None or record.state not in complaints.LIVE:
        return Verdict(False, "请答复“指定 投诉编号”，例如 指定 MF-2026-000012，或答复 驳回。")
    if answer.word not in ("accept", "assign", "withdraw"):
        return Verdict(False, "请答复 确认 或 驳回。")
    complaints.take_out(desk, record, "withdrawn", f"撤诉，{by}确认")
    _ended(desk, held.mail, "decided", record.matter)
    return Verdict(True, f"投诉 {record.number} 已撤诉。")


def _settle_mail(desk: Desk, held: Held, answer: Answer, by: str) -> Verdict:
    """A mail that is to be taken as it is goes on where holding it stopped."""
    if answer.word == "reject":
        _ended(desk, held.mail, "decided")
        return Verdict(True, "这封邮件不予采用。")
    if answer.word != "accept":
        return Verdict(False, "请答复 确认 或 驳回。")
    desk.put(replace(held, state="decided"))
    letter = _letter_of(held).model_copy(update={"trust": "authenticated", "accepted": True})
    ending = desk.route(desk, letter)
    _ended(desk, held.mail, ending.disposition, ending.matter)
    return Verdict(
        True, "已按有效邮件处理。" if ending.disposition != "held" else f"仍需确认：{ending.findings[0].text}"
    )


_SETTLE: dict[str, Callable[[Desk, Held, Answer, str], Verdict]] = {
    "complaint": _settle_complaint,
    "objection": _settle_objection,
    "withdrawal": _settle_withdrawal,
    "mail": _settle_mail,
}


def _ended(desk: Desk, mail_key: str, disposition: str, matter: str | None = None) -> None:
    """The held mail has come to another end."""
    mail = desk.book.get(Mail, mail_key)
    if mail is not None:
        desk.put(replace(mail, disposition=disposition, matter=matter or mail.matter))  # type: ignore[arg-type]


# -- by mail ---------------------------------------------------------------------------------------------------------


def _matter(desk: Desk, letter: Letter) -> str | None:
    """What the mail answers: a notice of ours, or a mail that moved something; else by number in its subject."""
    for parent in letter.parents:
        if notice := desk.book.notice_by_id(parent):
            return notice.matter
        if (mail := desk.book.mail_by_id(parent)) and mail.matter:
            return mail.matter
    if not letter.follows_up:
        return None
    for number in letter.numbers:
        for kind, name in ((Complaint, "complaint"), (Report, "report")):
            if desk.book.get(kind, number):
                return f"{name}:{number}"
    return _only_complaint(desk, letter)


def _only_complaint(desk: Desk, letter: Letter) -> str | None:
    """The complaint that 回复: 投诉-XX项目 must mean when its client wrote no In-Reply-To and just one is live."""
    if letter.reading.kind != "complaint" or letter.reading.project is None:
        return None
    live = [c for c in desk.book.find(Complaint, project=letter.reading.project) if c.state in complaints.LIVE]
    return live[0].matter if len(live) == 1 else None


def _decider(desk: Desk, letter: Letter) -> tuple[Person | None, Finding | None]:
    """Who decides by this mail, None if the sender is not one who may; and why the mail is not believed (domain §9)."""
    person = desk.mapping.roster.get(letter.person)
    if person is None or person.role not in desk.mapping.pay.may_decide:
        return None, Finding("may_not_decide", "发件人无权作此决定。")
    if letter.doubtful:
        return person, Finding("undecodable", "邮件中有无法解码的文字，不能作为决定。")
    kind = desk.mapping.kinds_by_id.get("decision")
    return person, unverified(letter, kind.trust if kind else "authenticated", "决定")


def _answered(desk: Desk, letter: Letter, matter: str, act: Callable[[Answer, str], Verdict], what: str) -> Ending:
    """Carries out a manager's answer by `act` and confirms it, or asks again."""
    person, problem = _decider(desk, letter)
    if person is None:
        return Ending("discussion", matter, (problem,) if problem else ())
    if problem:
        return desk.hold(letter, "mail", problem.code, problem.text, choices=("确认", "驳回"))
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
    return held.choices if held else ("确认",) if matter.startswith("month:") else complaints.CHOICES


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
        problem = months.close(desk, month, by)
        return Verdict(problem is None, problem or f"{month} 已关账。")

    return _answered(desk, letter, matter, act, f"{month} 月绩效台账")


def _to_complaint(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    record = complaints.by_matter(desk, matter)
    answer = letter.reading.answer
    if record is None or answer is None or answer.word == "withdraw":
        return None
    if answer.word == "object":
        return _objection(desk, letter, record)
    return _answered(desk, letter, matter, lambda a, by: move(desk, record, a, by), f"投诉 {record.number}")


def _to_ledger(desk: Desk, letter: Letter, matter: str) -> Ending | None:
    """A reply to a told consequence is about the complaint that set it off."""
    entry = desk.book.get(LedgerEntry, matter.removeprefix("ledger:"))
    return _to_complaint(desk, letter, f"complaint:{entry.complaints[-1]}") if entry else None


def _objection(desk: Desk, letter: Letter, record: Complaint) -> Ending:
    """异议 goes to the manager for a decision; it moves nothing by itself (domain §4)."""
    if letter.person is None or letter.person != record.engineer:
        return Ending.of("discussion", "not_concerned", "只有被投诉的工程师可以提出异议。", matter=record.matter)
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
