"""A complaint that counts, counts against somebody else, or no longer: its record, and who is told (domain §4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from mailflow.core.people import Person
from mailflow.core.records import Complaint, Held, Mail, Project
from mailflow.policies import blame, months
from mailflow.policies.desk import Desk
from mailflow.policies.grades import regrade
from mailflow.policies.letter import Letter

CHOICES = ("确认", "指定 姓名", "驳回")
LIVE = ("counted", "held")
OUT = ("withdrawn", "dismissed")
State = Literal["counted", "held", "withdrawn", "dismissed", "duplicate"]


def count(desk: Desk, record: Complaint, engineer: Person, letter: Letter | None) -> None:
    """What follows from a complaint that counts: the engineer is told of it, then of its consequences."""
    months.schedule_draft(desk, record.month)
    numbers = [c.number for c in desk.book.counted(engineer.name)]
    mail = desk.book.get(Mail, record.mail)
    desk.notify(
        "complaint_received",
        engineer,
        matter=record.matter,
        step=desk.again(record.matter, engineer, "received"),
        context=_shown(desk, record)
        | {
            "subject": mail.subject if mail else letter.subject if letter else "",
            "excerpt": letter.excerpt if letter else "",
            "month": record.month,
            "ordinal": numbers.index(record.number) + 1,
        },
    )
    regrade(desk, engineer.name, f"计入投诉 {record.number}")


def take_out(desk: Desk, record: Complaint, state: Literal["withdrawn", "dismissed"], reason: str) -> None:
    """The complaint no longer counts: withdrawn by who made it, or dismissed by the manager."""
    desk.put(replace(record, state=state, reason=reason))
    close_held(desk, record, reason)
    if record.state == "counted":
        tell_taken_out(desk, record, {"withdrawn": "已撤诉", "dismissed": "已驳回"}[state], reason)
        regrade(desk, record.engineer or "", f"投诉 {record.number} {reason}")


def assign(desk: Desk, record: Complaint, engineer: Person, by: str, line: str, letter: Letter | None) -> None:
    """The complaint counts, against `engineer`, whomever it counted against before: `by` said so in `line`."""
    if record.state == "counted" and record.engineer == engineer.name:
        return
    project = blame.project_of(desk, letter, decided=True) if letter else None
    changed = replace(
        record, state="counted", engineer=engineer.name, reason=f"{by}决定：{line}", named_by="decision",
        project=project.name if project else record.project, duplicate_of=None,
    )  # fmt: skip
    # Not `line`: it names whom the complaint now counts against (promise 10).
    _reassign(desk, record, changed, engineer, f"{by}决定改派", letter)


def _reassign(
    desk: Desk, record: Complaint, changed: Complaint, engineer: Person, why: str, letter: Letter | None
) -> None:
    """`record` is `changed`, and what repeats it goes with it; whom it counted against is told `why`."""
    repeats = [c for c in desk.book.find(Complaint, resend=record.resend) if c.duplicate_of == record.number]
    desk.put(changed, *(replace(c, engineer=engineer.name) for c in repeats))
    close_held(desk, record, changed.reason)
    if record.state == "counted" and record.engineer:
        tell_taken_out(desk, record, "已改派", why)
        regrade(desk, record.engineer, f"投诉 {record.number} {why}")
    count(desk, changed, engineer, letter)


def first_changed(desk: Desk, former: str | None, project: Project) -> None:
    """Another first engineer since now. The mail that says so may be fetched late: what the server had after it, and
    was counted against the `former` one, counts against the new one, whatever the order of fetching (domain §4)."""
    engineer = desk.mapping.roster.get(project.first)
    if engineer is None or former == engineer.name or not project.verified:
        return
    for record in desk.book.find(Complaint, project=project.name):
        late = record.state == "counted" and record.named_by == "first" and record.received >= desk.now
        if late and record.engineer == former:
            reason = f"收到时项目的第一责任售前已是 {engineer.name}"
            changed = replace(record, engineer=engineer.name, reason=reason)
            _reassign(desk, record, changed, engineer, "收到时项目的第一责任售前已更换", None)


def new_record(
    desk: Desk,
    letter: Letter,
    state: State,
    reason: str,
    engineer: str | None = None,
    named_by: blame.NamedBy | None = None,
) -> Complaint:
    """The record of the complaint that `letter` is, under a new number."""
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


def tell_taken_out(desk: Desk, record: Complaint, state: str, reason: str) -> None:
    """Tells the engineer that it no longer counts against them, and why: `state` in a word, `reason` in a sentence."""
    person = desk.mapping.roster.get(record.engineer)
    if person is not None:
        desk.notify(
            "complaint_withdrawn",
            person,
            matter=record.matter,
            step=desk.again(record.matter, person, "out"),
            context=_shown(desk, record) | {"state": state, "reason": reason},
        )


def _shown(desk: Desk, record: Complaint) -> dict[str, str | int]:
    """What every notice to the engineer says of the complaint."""
    return {
        "number": record.number,
        "project": record.project or "",
        "received": desk.when(record.received),
        "sender": record.complainant or record.sender,
    }


def close_held(desk: Desk, record: Complaint, result: str) -> None:
    """A complaint that was moved by another way than its held item leaves nothing open in 待确认."""
    for held in desk.book.find(Held, matter=record.matter):
        if held.state == "open":
            desk.close(held, result)
