"""Withdrawals (domain §4): 撤诉 by the complainant or the manager, by subject or in reply to the complaint."""

from __future__ import annotations

from dataclasses import replace

from mailflow.core.findings import Finding
from mailflow.core.records import Complaint
from mailflow.policies import complaints
from mailflow.policies.access import unverified
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter


def reply(desk: Desk, letter: Letter) -> Ending | None:
    """A reply to a complaint that says 撤诉."""
    answer = letter.reading.answer
    if answer is None or answer.word != "withdraw" or letter.reading.kind == "withdrawal":
        return None
    about_complaint = letter.reading.kind == "complaint" or bool(_of_thread(desk, letter))
    return replace(_withdraw(desk, letter), kind="withdrawal") if about_complaint else None


def withdrawal(desk: Desk, letter: Letter) -> Ending:
    """A mail whose subject says 撤诉."""
    answer = letter.reading.answer
    if letter.follows_up and (answer is None or answer.word != "withdraw"):
        return Ending.of("discussion", "withdrawal_follow_up", "撤诉邮件的回复或转发，不作处理。")
    return _withdraw(desk, letter)


def _withdraw(desk: Desk, letter: Letter) -> Ending:
    found = _of_thread(desk, letter) or _of_project(desk, letter)
    live = [c for c in found if c.state in complaints.LIVE]
    if found and not live:
        return Ending.of("discussion", "already_out", f"投诉 {found[0].number} 已不计。", matter=found[0].matter)
    if len(live) != 1:
        return _hold_unclear(desk, letter, live)
    record = live[0]
    if problem := _refusal(desk, letter, record):
        return desk.hold(
            letter, "withdrawal", problem.code, problem.text, choices=("确认", "驳回"), matter=record.matter
        )
    complaints.take_out(desk, record, "withdrawn", f"{letter.person}撤诉")
    return Ending("decided", record.matter)


def _of_thread(desk: Desk, letter: Letter) -> list[Complaint]:
    """The complaint that the mail answers, or whose number it carries."""
    for parent in letter.parents:
        mail, notice = desk.book.mail_by_id(parent), desk.book.notice_by_id(parent)
        record = complaints.by_matter(desk, mail.matter if mail else notice.matter if notice else None)
        if record is not None:
            return [record]
    return [c for n in letter.numbers if (c := desk.book.get(Complaint, n))]


def _of_project(desk: Desk, letter: Letter) -> list[Complaint]:
    """The sender's complaints about the project; everybody's where the sender may withdraw for others."""
    if letter.reading.project is None:
        return []
    found = [c for c in desk.book.find(Complaint, project=letter.reading.project) if c.state != "duplicate"]
    return found if _may_for_others(desk, letter) else [c for c in found if c.complainant == letter.person]


def _may_for_others(desk: Desk, letter: Letter) -> bool:
    person = desk.mapping.roster.get(letter.person)
    return person is not None and person.role in desk.mapping.pay.may_withdraw


def _refusal(desk: Desk, letter: Letter, record: Complaint) -> Finding | None:
    if letter.person is None or (letter.person != record.complainant and not _may_for_others(desk, letter)):
        return Finding("not_the_complainant", f"撤诉人不是投诉 {record.number} 的投诉人。")
    if letter.doubtful:
        return Finding("undecodable", "邮件中有无法解码的文字，不能据此撤诉。")
    return unverified(letter, desk.mapping.kinds_by_id["withdrawal"].trust, "撤诉")


def _hold_unclear(desk: Desk, letter: Letter, live: list[Complaint]) -> Ending:
    if not live:
        written = letter.reading.project_text or "（空）"
        text = f"没有找到可以撤销的投诉：{letter.person or letter.sender} 对项目“{written}”。"
        return desk.hold(letter, "withdrawal", "no_complaint", text, choices=("指定 编号", "驳回"))
    choices = (*(f"指定 {c.number}" for c in live), "驳回")
    text = f"有{len(live)}次投诉都可能是要撤销的，请指定编号。"
    return desk.hold(letter, "withdrawal", "several_complaints", text, choices=choices)
