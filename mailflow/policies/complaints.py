"""Complaints: what counts, against whom, and what takes one out again (domain §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mailflow.core.findings import Finding
from mailflow.core.people import Person
from mailflow.core.records import Complaint, Held
from mailflow.policies import months
from mailflow.policies.access import refusal
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.grades import regrade
from mailflow.policies.letter import Letter

CHOICES = ("确认", "指定 姓名", "驳回")
LIVE = ("counted", "held")
State = Literal["counted", "held", "withdrawn", "dismissed", "duplicate"]
NamedBy = Literal["body", "first", "decision"]


def complaint(desk: Desk, letter: Letter) -> Ending:
    """A mail whose subject says 投诉. Counted once, held when anything is uncertain, never guessed."""
    if ending := _follow_up(desk, letter):
        return ending
    if first := _sent_before(desk, letter):
        return _duplicate(desk, letter, first)
    target = _doubt(desk, letter) or _target(desk, letter)
    if isinstance(target, Finding):
        return _hold(desk, letter, target)
    reason = "正文写明的工程师" if target.named_by == "body" else "项目的第一责任售前"
    record = _record(desk, letter, "counted", reason, target.person.name, target.named_by)
    desk.put(record)
    count(desk, record, target.person, letter)
    return Ending("recorded", record.matter)


def count(desk: Desk, record: Complaint, engineer: Person, letter: Letter | None) -> None:
    """What follows from a complaint that counts: the engineer is told of it, then of its consequences."""
    months.schedule_draft(desk, record.month)
    numbers = [c.number for c in desk.book.counted(engineer.name)]
    desk.notify(
        "complaint_received",
        engineer,
        matter=record.matter,
        step="received",
        context={
            "number": record.number,
            "project": record.project or "",
            "received": desk.when(record.received),
            "sender": record.complainant or record.sender,
            "subject": letter.subject if letter else "",
            "excerpt": letter.excerpt if letter else "",
            "month": record.month,
            "ordinal": numbers.index(record.number) + 1,
        },
    )
    regrade(desk, engineer.name)


def take_out(desk: Desk, record: Complaint, state: Literal["withdrawn", "dismissed"], reason: str) -> None:
    """The complaint no longer counts: withdrawn by who made it, or dismissed by the manager."""
    desk.put(replace(record, state=state, reason=reason))
    _close_held(desk, record, reason)
    if record.state == "counted":
        _tell_taken_out(desk, record, {"withdrawn": "已撤诉", "dismissed": "已驳回"}[state], reason)
        regrade(desk, record.engineer or "", f"投诉 {record.number} {reason}")


def assign(desk: Desk, record: Complaint, engineer: Person, reason: str, letter: Letter | None) -> None:
    """The complaint counts, against `engineer`, whomever it counted against before."""
    if record.state == "counted" and record.engineer == engineer.name:
        return
    changed = replace(record, state="counted", engineer=engineer.name, reason=reason, named_by="decision")
    desk.put(changed)
    _close_held(desk, record, reason)
    if record.state == "counted" and record.engineer:
        _tell_taken_out(desk, record, "已改派", reason)
        regrade(desk, record.engineer, f"投诉 {record.number} {reason}")
    count(desk, changed, engineer, letter)


def candidate(desk: Desk, letter: Letter) -> Person | None:
    """Whom a held complaint would count against if the manager simply says 确认; None when that is not certain."""
    target = _target(desk, letter, trusted=True)
    return None if isinstance(target, Finding) else target.person


def _follow_up(desk: Desk, letter: Letter) -> Ending | None:
    """Not again as a reply or a forward (domain §4). One whose original never came is for the manager."""
    parent = _parent_complaint(desk, letter)
    if letter.follows_up:
        known = parent or _latest(desk, letter.reading.project)
        if known is not None:
            return Ending.of(
                "discussion",
                "complaint_follow_up",
                f"投诉 {known.number} 的回复或转发，不重复计。",
                matter=known.matter,
            )
        return _hold(desk, letter, Finding("complaint_without_original", "这是投诉的回复或转发，但没有收到过原投诉。"))
    if parent is not None and parent.project == letter.reading.project and parent.resend != letter.resend:
        return _hold(
            desk, letter, Finding("complaint_in_thread", f"这封邮件接着投诉 {parent.number} 写，是否另算一次？")
        )
    return None


def _hold(desk: Desk, letter: Letter, problem: Finding) -> Ending:
    """The complaint is on record, counts for nobody yet, and lies before the manager."""
    record = _record(desk, letter, "held", problem.text)
    desk.put(record)
    person = candidate(desk, letter)
    ending = desk.hold(
        letter,
        "complaint",
        problem.code,
        problem.text,
        choices=CHOICES,
        matter=record.matter,
        engineer=person.name if person else None,
    )
    return replace(ending, matter=record.matter)


def _parent_complaint(desk: Desk, letter: Letter) -> Complaint | None:
    for parent in letter.parents:
        mail = desk.book.mail_by_id(parent)
        if mail and (found := by_matter(desk, mail.matter)):
            return found
    return None


def by_matter(desk: Desk, matter: str | None) -> Complaint | None:
    """The complaint that "complaint:MF-…" names."""
    if matter is None or not matter.startswith("complaint:"):
        return None
    return desk.book.get(Complaint, matter.removeprefix("complaint:"))


def _latest(desk: Desk, project: str | None) -> Complaint | None:
    if project is None:
        return None
    found = [c for c in desk.book.find(Complaint, project=project) if c.state != "duplicate"]
    return max(found, key=lambda c: c.received, default=None)


def _sent_before(desk: Desk, letter: Letter) -> Complaint | None:
    """The same text by the same sender within 24 h (domain §4)."""
    hours = desk.mapping.pay.resend_hours
    for known in desk.book.find(Complaint, resend=letter.resend):
        if known.state != "duplicate" and desk.within(known.received, letter.received, hours):
            return known
    return None


def _duplicate(desk: Desk, letter: Letter, first: Complaint) -> Ending:
    text = f"{desk.mapping.pay.resend_hours}小时内重发，与投诉 {first.number} 相同，不重复计。"
    record = _record(desk, letter, "duplicate", text, first.engineer)
    desk.put(record)
    return Ending.of("duplicate", "resent", text, matter=record.matter)


def _record(
    desk: Desk, letter: Letter, state: State, reason: str, engineer: str | None = None, named_by: NamedBy | None = None
) -> Complaint:
    return Complaint(
        number=desk.case_number(),
        mail=letter.key,
        reference=letter.reference,
        project=letter.reading.project or letter.reading.project_text,
        engineer=engineer,
        sender=letter.sender,
        complainant=letter.person,
        received=letter.received,
        month=desk.mapping.calendar.month(letter.received),
        state=state,
        reason=reason,
        resend=letter.resend,
        named_by=named_by,
    )


def _doubt(desk: Desk, letter: Letter) -> Finding | None:
    """Why the mail itself is not believed (domain §4, §9)."""
    if letter.doubtful:
        return Finding("undecodable", "邮件中有无法解码的文字，不能据此计入投诉。")
    kind = desk.mapping.kinds_by_id["complaint"]
    if found := refusal(letter, kind, desk.mapping):
        return found
    person = desk.mapping.roster.get(letter.person)
    if person is not None and person.role not in desk.mapping.pay.may_complain:
        return Finding("sender_role", f"{person.name} 的角色（{person.role}）不能投诉。")
    return None


@dataclass(frozen=True)
class Target:
    """Against whom a complaint counts, and how that is known."""

    person: Person
    named_by: NamedBy


def _target(desk: Desk, letter: Letter, *, trusted: bool = False) -> Target | Finding:
    """Whom the body names, otherwise the project's first engineer; or why that is not certain (domain §4).

    `trusted`: the manager has said that an unknown project or an unverified registration is no obstacle.
    """
    project = desk.book.register().get(letter.reading.project)
    if letter.reading.engineer_text:
        return _named(desk, letter, known_project=trusted or project is not None)
    if project is None:
        return _unknown_project(letter)
    person = desk.mapping.roster.get(project.first)
    if person is None:
        return Finding("no_first_engineer", f"项目“{project.name}”没有登记第一责任售前。")
    if not project.verified and not trusted:
        # Promise 10: a forged registration must not be able to steer a genuine complaint.
        return Finding("registration_unverified", f"项目“{project.name}”的立项邮件未经验证。")
    return Target(person, "first")


def _named(desk: Desk, letter: Letter, *, known_project: bool) -> Target | Finding:
    """The engineer whom the body names."""
    person = desk.mapping.roster.get(letter.reading.engineer)
    if person is None:
        return Finding("engineer_unclear", f"不能确定“{letter.reading.engineer_text}”是哪一位工程师。")
    if person.role != "engineer":
        return Finding("not_an_engineer", f"{person.name} 不是工程师，不能计投诉。")
    if not known_project and desk.mapping.pay.unknown_project == "hold":
        return _unknown_project(letter)
    return Target(person, "body")


def _unknown_project(letter: Letter) -> Finding:
    written = letter.reading.project_text or "（空）"
    return Finding("project_unknown", f"不能确定“{written}”是哪一个已立项的项目。")


def _tell_taken_out(desk: Desk, record: Complaint, state: str, reason: str) -> None:
    person = desk.mapping.roster.get(record.engineer)
    if person is not None:
        desk.notify(
            "complaint_withdrawn",
            person,
            matter=record.matter,
            step="out",
            context={
                "number": record.number,
                "project": record.project or "",
                "received": desk.when(record.received),
                "sender": record.complainant or record.sender,
                "state": state,
                "reason": reason,
            },
        )


def _close_held(desk: Desk, record: Complaint, result: str) -> None:
    """A complaint that was moved by another way than its held item leaves nothing open in 待确认."""
    for held in desk.book.find(Held, matter=record.matter):
        if held.state == "open":
            desk.put(replace(held, state="decided", decided=desk.now, result=result))
