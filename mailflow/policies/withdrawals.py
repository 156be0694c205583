"""Withdrawals (domain §4): 撤诉 by the complainant or the manager, by subject or in reply to the complaint."""

from __future__ import annotations

from dataclasses import replace

from mailflow.core.findings import Finding
from mailflow.core.records import Complaint, Held
from mailflow.core.register import place_of
from mailflow.kinds.decision import mentions
from mailflow.policies import complaints, counting, threads
from mailflow.policies.access import unverified
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter

NOT_FOUND = ("no_complaint", "original_unknown")
"""Why a withdrawal is held whose complaint may still come."""


def complaint(desk: Desk, letter: Letter) -> Ending:
    """A complaint; and the withdrawal of it that was fetched first, so that the order of fetching changes nothing."""
    ending = complaints.complaint(desk, letter)
    record = complaints.by_matter(desk, ending.matter)
    # What is said about a repeat is said about the complaint that it repeats.
    if record is None or record.state not in counting.LIVE or ending.disposition == "discussion":
        return ending
    for held in desk.book.find(Held, state="open"):
        waiting = Letter.model_validate_json(held.letter or "") if held.reason in NOT_FOUND else None
        if waiting is not None and _meant(held, waiting, letter) and _refusal(desk, waiting, record) is None:
            counting.take_out(desk, record, "withdrawn", f"{waiting.person}撤诉")
            desk.close(held, f"投诉 {record.number} 已撤诉。")
            desk.end_mail(held.mail, "decided", record.matter)
            return replace(ending, disposition="decided" if ending.disposition == "held" else ending.disposition)
    return ending


def _meant(held: Held, waiting: Letter, letter: Letter) -> bool:
    """Whether the withdrawal that waits answers this complaint, or names its project and was received after it."""
    if letter.message_id in waiting.parents or held.reason == "original_unknown":
        # As a reply that comes second: the subject must not name another project (threads.disagreement).
        others = {waiting.reading.project, letter.reading.project} - {None}
        return letter.message_id in waiting.parents and len(others) < 2
    same = place_of(_project(waiting)) == place_of(_project(letter)) and waiting.person == letter.person
    return same and waiting.received >= letter.received


def _project(letter: Letter) -> str:
    return letter.reading.project or letter.reading.project_text or ""


def reply(desk: Desk, letter: Letter) -> Ending | None:
    """A reply to a complaint that says 撤诉."""
    answer = letter.reading.answer
    if answer is None and letter.follows_up and mentions(letter.excerpt, desk.mapping.words.withdraw):
        return _perhaps(desk, letter)
    if answer is None or answer.word != "withdraw" or letter.reading.kind == "withdrawal":
        return None
    about_complaint = letter.reading.kind == "complaint" or bool(_of_thread(desk, letter))
    return replace(_withdraw(desk, letter), kind="withdrawal") if about_complaint else None


def _perhaps(desk: Desk, letter: Letter) -> Ending | None:
    """报告收到了，撤诉吧: the complainant does not begin with it. Neither guessed nor lost (domain §2, §4)."""
    found = _of_thread(desk, letter) or (_of_project(desk, letter) if letter.reading.kind == "complaint" else [])
    own = [c for c in found if c.state in counting.LIVE and c.complainant == letter.person]
    if not own or letter.is_forward or letter.reading.kind not in (None, "complaint"):
        return None
    text = f"这封回复提到撤诉，但不是以“撤诉”开头，是否撤销投诉 {own[0].number}？"
    if len(own) > 1:
        return replace(_hold_unclear(desk, letter, own), kind="withdrawal")
    choices, matter = ("确认", "驳回"), own[0].matter
    ending = desk.hold(letter, "withdrawal", "withdrawal_unclear", text, choices=choices, matter=matter)
    return replace(ending, kind="withdrawal")


def withdrawal(desk: Desk, letter: Letter) -> Ending:
    """A mail whose subject says 撤诉."""
    answer = letter.reading.answer
    if letter.follows_up and (answer is None or answer.word != "withdraw"):
        return Ending.of("discussion", "withdrawal_follow_up", "撤诉邮件的回复或转发，不作处理。")
    return _withdraw(desk, letter)


def _withdraw(desk: Desk, letter: Letter) -> Ending:
    found = _of_thread(desk, letter)
    replies = letter.follows_up or letter.reading.kind != "withdrawal"
    if not found and replies and threads.answers_unknown(desk.book, letter):
        text = "没有收到过这封撤诉邮件所回复的投诉，请指定投诉编号；那封投诉到达时会自动撤销。"
        return desk.hold(letter, "withdrawal", "original_unknown", text, choices=("指定 编号", "驳回"))
    found = found or _of_project(desk, letter)
    live = [c for c in found if c.state in counting.LIVE]
    if found and not live:
        return Ending.of("discussion", "already_out", f"投诉 {found[0].number} 已不计。", matter=found[0].matter)
    if len(live) != 1:
        return _hold_unclear(desk, letter, live)
    record = live[0]
    if problem := _refusal(desk, letter, record):
        return desk.hold(
            letter, "withdrawal", problem.code, problem.text, choices=("确认", "驳回"), matter=record.matter
        )
    counting.take_out(desk, record, "withdrawn", f"{letter.person}撤诉")
    return Ending("decided", record.matter)


def _of_thread(desk: Desk, letter: Letter) -> list[Complaint]:
    """The complaint that the mail answers, or those whose numbers it carries."""
    answered = threads.answered(desk.book, letter, "complaint:")
    matters = [answered] if answered else threads.numbered(desk.book, letter, "complaint:")
    if not matters and (record := complaints.of_parents(desk, letter)):
        return [record]
    named = (complaints.by_matter(desk, matter) for matter in matters)
    return list({c.number: c for c in named if c}.values())


def _of_project(desk: Desk, letter: Letter) -> list[Complaint]:
    """The sender's complaints about the project so far; everybody's where the sender may withdraw for others."""
    found = [c for c in complaints.live(desk, letter) if c.received <= letter.received]
    if not found:
        taken_out = desk.book.find(Complaint, project=letter.reading.project or letter.reading.project_text)
        found = [c for c in taken_out if c.state in ("withdrawn", "dismissed")]
    return found if _may_for_others(desk, letter) else [c for c in found if c.complainant == letter.person]


def _may_for_others(desk: Desk, letter: Letter) -> bool:
    person = desk.mapping.roster.get(letter.person)
    return person is not None and person.role in desk.mapping.pay.may_withdraw


def _refusal(desk: Desk, letter: Letter, record: Complaint) -> Finding | None:
    if letter.person is None or (letter.person != record.complainant and not _may_for_others(desk, letter)):
        return Finding("not_the_complainant", f"撤诉人不是投诉 {record.number} 的投诉人。")
    person = desk.mapping.roster.get(letter.person)
    if person is None or not person.active(desk.mapping.calendar.day(letter.received)):
        return Finding("sender_left", f"{letter.person} 当天不在职，不能撤诉。")
    if letter.doubtful:
        return Finding("undecodable", "邮件中有无法解码的文字，不能据此撤诉。")
    if found := threads.doubt(letter):
        return found
    kind = desk.mapping.kinds_by_id.get("withdrawal")
    return unverified(letter, kind.trust if kind else "authenticated", "撤诉")


def _hold_unclear(desk: Desk, letter: Letter, live: list[Complaint]) -> Ending:
    if not live:
        written = letter.reading.project_text or "（空）"
        text = f"没有找到可以撤销的投诉：{letter.person or letter.sender} 对项目“{written}”。"
        return desk.hold(letter, "withdrawal", "no_complaint", text, choices=("指定 编号", "驳回"))
    choices = (*(f"指定 {c.number}" for c in live), "驳回")
    text = f"有{len(live)}次投诉都可能是要撤销的，请指定编号。"
    return desk.hold(letter, "withdrawal", "several_complaints", text, choices=choices)
