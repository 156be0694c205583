"""Complaints: what counts, against whom, and what takes one out again (domain §4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from mailflow.core.findings import Finding
from mailflow.core.people import Person
from mailflow.core.records import Complaint, Held, Mail, Project
from mailflow.core.register import place_of
from mailflow.policies import months, threads
from mailflow.policies.access import refusal
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.grades import regrade
from mailflow.policies.letter import Letter

CHOICES = ("确认", "指定 姓名", "驳回")
_REASONS = {"body": "正文写明的工程师", "first": "项目的第一责任售前"}
"""Why a complaint counts against somebody."""
LIVE = ("counted", "held")
OUT = ("withdrawn", "dismissed")
State = Literal["counted", "held", "withdrawn", "dismissed", "duplicate"]
NamedBy = Literal["body", "first", "decision"]


def complaint(desk: Desk, letter: Letter) -> Ending:
    """A mail whose subject says 投诉. Counted once, held when anything is uncertain, never guessed."""
    if ending := _follow_up(desk, letter):
        return ending
    near = _sent_before(desk, letter)
    first = next(iter(near), None)
    if first and first.state in OUT:
        return _hold(desk, letter, _said_again(first))
    # Said a third time it is no more certain than before: the second lies before the manager.
    out = next((c for c in near if c.state in OUT), None)
    target = _doubt(desk, letter) or (_said_again(out) if out else _target(desk, letter))
    if first and (first.state == "counted" or isinstance(target, Finding)):
        return _duplicate(desk, letter, first, target)
    if isinstance(target, Finding):
        return _hold(desk, letter, target)
    record = _record(desk, letter, "counted", _REASONS[target.named_by], target.person.name, target.named_by)
    desk.put(record)
    if first:
        _supersede(desk, first, record)
    count(desk, record, target.person, letter)
    return Ending("recorded", record.matter)


def _said_again(out: Complaint) -> Finding:
    """After it was taken out, or before and only fetched now: that is for a person to tell."""
    return Finding("resent_after_out", f"与已不计的投诉 {out.number} 相同，是否另算一次？")


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
        context={
            "number": record.number,
            "project": record.project or "",
            "received": desk.when(record.received),
            "sender": record.complainant or record.sender,
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
    _close_held(desk, record, reason)
    if record.state == "counted":
        _tell_taken_out(desk, record, {"withdrawn": "已撤诉", "dismissed": "已驳回"}[state], reason)
        regrade(desk, record.engineer or "", f"投诉 {record.number} {reason}")


def assign(desk: Desk, record: Complaint, engineer: Person, by: str, line: str, letter: Letter | None) -> None:
    """The complaint counts, against `engineer`, whomever it counted against before: `by` said so in `line`."""
    if record.state == "counted" and record.engineer == engineer.name:
        return
    project = _project(desk, letter, decided=True) if letter else None
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
    _close_held(desk, record, changed.reason)
    if record.state == "counted" and record.engineer:
        _tell_taken_out(desk, record, "已改派", why)
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


def candidate(desk: Desk, letter: Letter) -> Person | None:
    """Whom a held complaint would count against if the manager simply says 确认; None when that is not certain."""
    target = _target(desk, letter, decided=True)
    return None if isinstance(target, Finding) else target.person


def seen_earlier(desk: Desk, mail: Mail, letter: Letter) -> None:
    """The server had a copy of a complaint before the one that was fetched first: that is its month (domain §4)."""
    for record in desk.book.find(Complaint, mail=mail.key):
        if letter.received < _arrived(record) and not _doubt(desk, letter):
            desk.put(replace(record, arrived=letter.received))
            _move_earlier(desk, record, letter.received)
            _regroup(desk, record.resend, letter)


def _arrived(record: Complaint) -> datetime:
    return record.arrived or record.received


def _move_earlier(desk: Desk, record: Complaint, received: datetime) -> None:
    """It was on the server at `received` already; `_regroup` sees to those that may be one with others."""
    record = desk.book.get(Complaint, record.number) or record
    if received < record.received and record.state != "duplicate" and not _is_grouped(record):
        desk.put(_at(desk, record, received))
        _reckon(desk, record, received)


def _at(desk: Desk, record: Complaint, received: datetime) -> Complaint:
    month, arrived = desk.mapping.calendar.month(received), _arrived(record)
    return replace(record, received=received, month=month, arrived=arrived if arrived != received else None)


def _reckon(desk: Desk, record: Complaint, received: datetime) -> None:
    if record.state == "counted":
        months.schedule_draft(desk, desk.mapping.calendar.month(received))
        regrade(desk, record.engineer or "", f"投诉 {record.number} 最早于 {desk.when(received)} 收到")


def _follow_up(desk: Desk, letter: Letter) -> Ending | None:
    """Not again as a reply or a forward (domain §4). One whose original never came is for the manager."""
    parent = of_parents(desk, letter)
    if letter.follows_up:
        known = parent or _numbered(desk, letter)
        known = known or (None if threads.answers_unknown(desk.book, letter) else _latest(desk, letter))
        doubt = threads.doubt(letter)
        if doubt and _may_bring(desk, letter):
            return _hold(desk, letter, doubt)
        if known is not None:
            text = f"投诉 {known.number} 的回复或转发，不重复计。"
            return Ending.of("discussion", "complaint_follow_up", text, matter=known.matter)
        unknown = Finding("complaint_without_original", "这是投诉的回复或转发，但没有收到过原投诉。")
        return _hold(desk, letter, unknown) if _may_bring(desk, letter) else Ending("discussion", None, (unknown,))
    if parent is not None and is_about(letter, parent) and not _sent_before(desk, letter):
        text = f"这封邮件接着投诉 {parent.number} 写，是否另算一次？"
        return _hold(desk, letter, Finding("complaint_in_thread", text))
    return None


def _may_bring(desk: Desk, letter: Letter) -> bool:
    """Whether a complaint of which only a reply or forward came may be meant: colleagues merely talk about one."""
    person = desk.mapping.roster.get(letter.person)
    return person is None or person.role in (*desk.mapping.pay.may_complain, *desk.mapping.pay.may_decide)


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


def of_parents(desk: Desk, letter: Letter) -> Complaint | None:
    """The complaint that the mail answers: its mail, or a notice about it."""
    return by_matter(desk, threads.answered_loosely(desk.book, letter, "complaint:"))


def _numbered(desk: Desk, letter: Letter) -> Complaint | None:
    """The only complaint whose number it carries."""
    found = threads.numbered(desk.book, letter, "complaint:")
    return by_matter(desk, found[0]) if len(found) == 1 else None


def by_matter(desk: Desk, matter: str | None) -> Complaint | None:
    """The complaint that "complaint:MF-…" is about: of a duplicate, the one that it repeats."""
    if matter is None or not matter.startswith("complaint:"):
        return None
    found = desk.book.get(Complaint, matter.removeprefix("complaint:"))
    return (desk.book.get(Complaint, found.duplicate_of) or found) if found and found.duplicate_of else found


def is_about(letter: Letter, record: Complaint) -> bool:
    """Whether the subject of the mail names the complaint's project, registered or not."""
    written = letter.reading.project or letter.reading.project_text or ""
    return place_of(written) == place_of(record.project or "")


def live(desk: Desk, letter: Letter) -> list[Complaint]:
    """The counted and held complaints about the project that the mail's subject names."""
    found = [c for state in LIVE for c in desk.book.find(Complaint, state=state) if is_about(letter, c)]
    return sorted(found, key=lambda c: (c.received, c.number))


def _latest(desk: Desk, letter: Letter) -> Complaint | None:
    project = letter.reading.project or letter.reading.project_text
    taken_out = [c for c in desk.book.find(Complaint, project=project) if c.state in OUT]
    return max((*live(desk, letter), *taken_out), key=lambda c: c.received, default=None)


def _sent_before(desk: Desk, letter: Letter) -> list[Complaint]:
    """The same text by the same sender within 24 h (domain §4): counted ones first, then held, the oldest first."""
    hours = desk.mapping.pay.resend_hours
    found = [c for c in desk.book.find(Complaint, resend=letter.resend) if c.state != "duplicate"]
    near = [c for c in found if desk.within(c.received, letter.received, hours)]
    return sorted(near, key=lambda c: ((*LIVE, *OUT).index(c.state), c.received))


def _duplicate(desk: Desk, letter: Letter, first: Complaint, target: Target | Finding) -> Ending:
    # Genuine, and only against whom is not certain: its time tells all the same (see _ask_whose).
    unsure: NamedBy | None = "first" if isinstance(target, Finding) and target.code == "first_changed" else None
    named_by = target.named_by if isinstance(target, Target) else unsure
    record = _record(desk, letter, "duplicate", _repeats(desk, first), first.engineer, named_by)
    desk.put(replace(record, duplicate_of=first.number))
    if not _doubt(desk, letter):
        _move_earlier(desk, first, letter.received)
        _regroup(desk, letter.resend, letter)
    record = desk.book.get(Complaint, record.number) or record
    if record.state == "counted":
        return Ending("recorded", record.matter)
    return Ending.of("duplicate", "resent", record.reason, matter=record.matter)


def _repeats(desk: Desk, first: Complaint) -> str:
    return f"{desk.mapping.pay.resend_hours}小时内重发，与投诉 {first.number} 相同，不重复计。"


def _is_grouped(record: Complaint) -> bool:
    """Whether it counts by the rules alone: what a person has decided on stays as it is."""
    return record.state == "counted" and record.named_by != "decision"


def _regroup(desk: Desk, resend: str, letter: Letter) -> None:
    """Of the same text by the same sender each counts that comes more than 24 h after the last one that counts: by the
    server's times, whatever the order of fetching (domain §4). `letter` is one of them."""
    found = desk.book.find(Complaint, resend=resend)
    firsts = {c.number for c in found if _is_grouped(c)}
    # A repeat of which nobody can tell that it would count (`named_by`) is never one that counts.
    rows = [c for c in found if c.number in firsts or (c.duplicate_of in firsts and c.named_by)]
    changes: list[tuple[Complaint, Complaint]] = []
    for group in _groups(desk, sorted(rows, key=lambda c: (_arrived(c), c.number))):
        first = next((c for c in group if c.number in firsts), group[0])
        counted = replace(first, state="counted", duplicate_of=None)
        changes.append((first, _at(desk, counted, _arrived(group[0]))))
        others = (c for c in group if c.number != first.number)
        changes += ((c, replace(c, state="duplicate", duplicate_of=first.number)) for c in others)
    changes = [(old, new) for old, new in changes if old != new]
    desk.put(*(new for _, new in changes))
    for old, new in changes:
        _regrouped(desk, old, new, letter)


def _groups(desk: Desk, rows: list[Complaint]) -> list[list[Complaint]]:
    """`rows`, the earliest first: each group is what came within the hours after the first of it."""
    groups: list[list[Complaint]] = []
    for row in rows:
        if groups and desk.within(_arrived(groups[-1][0]), _arrived(row), desk.mapping.pay.resend_hours):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def _regrouped(desk: Desk, old: Complaint, new: Complaint, letter: Letter) -> None:
    """What follows from its being found to count, or not to, or to have been there earlier."""
    if new.state == "duplicate":
        _no_longer_counts(desk, old, new)
        return
    if old.state == "counted":
        _reckon(desk, new, new.received)
    else:
        _comes_to_count(desk, new, letter)
    _ask_whose(desk, old, new, letter)


def _no_longer_counts(desk: Desk, old: Complaint, new: Complaint) -> None:
    """It repeats another one; or another one than it was thought to."""
    first = desk.book.get(Complaint, new.duplicate_of or "")
    reason = _repeats(desk, first) if first else new.reason
    desk.put(replace(new, reason=reason))
    if old.state == "counted":
        desk.end_mail(new.mail, "duplicate")
        _tell_taken_out(desk, old, "不重复计", reason)
        # What was objected to goes on with the one that counts, and its result is told (decisions._tell_objectors).
        for held in desk.book.find(Held, matter=new.matter, state="open"):
            desk.put(replace(held, matter=f"complaint:{new.duplicate_of}"))
        regrade(desk, new.engineer or "", f"投诉 {new.number} {reason.rstrip('。')}")


def _comes_to_count(desk: Desk, record: Complaint, letter: Letter) -> None:
    """What was thought to repeat another one counts by itself: against whoever was first when the server had it."""
    project = desk.book.register().get(record.project)
    if record.named_by == "first" and project and project.verified and not _before_first(project, record.received):
        record = replace(record, engineer=project.first)
    record = replace(record, reason=_REASONS[record.named_by or "first"])
    desk.put(record)
    desk.end_mail(record.mail, "recorded", record.matter)
    if engineer := desk.mapping.roster.get(record.engineer):
        count(desk, record, engineer, letter)


def _ask_whose(desk: Desk, old: Complaint, new: Complaint, letter: Letter) -> None:
    """The server had it before the project's first engineer was known, or another one took over: it stays whose it is
    until the manager says so, who is asked (domain §4, "never guessed")."""
    project = desk.book.register().get(new.project)
    if project is None or new.named_by != "first" or not _before_first(project, new.received):
        return
    if old.state == "duplicate" or not _before_first(project, old.received):
        name, when = new.engineer or "", desk.when(new.received)
        text = f"投诉 {new.number} 计在 {name} 名下，但服务器最早于 {when} 收到，那以后才登记或更换了第一责任售前。"
        desk.hold(letter, "complaint", "first_changed", text, choices=CHOICES, matter=new.matter, engineer=name)


def _supersede(desk: Desk, held: Complaint, record: Complaint) -> None:
    """The same text came again, and this time nothing is uncertain: the manager need not decide on the first one."""
    text = f"重发的投诉 {record.number} 已计入，不重复计。"
    desk.put(replace(held, state="duplicate", engineer=record.engineer, reason=text, duplicate_of=record.number))
    _close_held(desk, held, text)
    desk.end_mail(held.mail, "duplicate")


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


def _target(desk: Desk, letter: Letter, *, decided: bool = False) -> Target | Finding:
    """Whom the body names, otherwise the project's first engineer; or why that is not certain (domain §4).

    `decided`: the manager knows all this and says that it is no obstacle, as long as somebody can be meant at all.
    """
    project = _project(desk, letter, decided=decided)
    named = letter.reading.engineer_text
    target = _named(desk, letter) if named else _first(desk, letter, project)
    if isinstance(target, Finding):
        return target
    if target.person.role != "engineer":
        return Finding("not_an_engineer", f"{target.person.name} 不是工程师，不能计投诉。")
    if decided:
        return target
    if not target.person.active(desk.mapping.calendar.day(letter.received)):
        return Finding("engineer_left", f"{target.person.name} 收到投诉时不在职。")
    if project is None:
        return target if desk.mapping.pay.unknown_project == "count" else _unknown_project(letter)
    return target if named else _project_doubt(letter, project) or target


def _project(desk: Desk, letter: Letter, *, decided: bool) -> Project | None:
    """The project that the subject means; by the time of a decision it may have been registered."""
    register = desk.book.register()
    known = register.get(letter.reading.project)
    if known is None and decided and letter.reading.project_text:
        found = register.resolve(letter.reading.project_text)
        known = found[0] if len(found) == 1 else None
    return known


def _named(desk: Desk, letter: Letter) -> Target | Finding:
    """The engineer whom the body names."""
    person = desk.mapping.roster.get(letter.reading.engineer)
    if person is None:
        return Finding("engineer_unclear", f"不能确定“{letter.reading.engineer_text}”是哪一位工程师。")
    return Target(person, "body")


def _first(desk: Desk, letter: Letter, project: Project | None) -> Target | Finding:
    """The project's first engineer."""
    if project is None:
        return _unknown_project(letter)
    person = desk.mapping.roster.get(project.first)
    if person is None:
        return Finding("no_first_engineer", f"项目“{project.name}”没有登记第一责任售前。")
    return Target(person, "first")


def _before_first(project: Project, received: datetime) -> bool:
    """Whether the server had a mail before the project's first engineer was known, or the present one took over."""
    return project.first_since is not None and received < project.first_since


def _project_doubt(letter: Letter, project: Project) -> Finding | None:
    """Why the register's first engineer is perhaps not the one."""
    if not project.verified:
        # Promise 10: a forged registration must not be able to steer a genuine complaint.
        return Finding("registration_unverified", f"项目“{project.name}”的立项邮件未经验证。")
    if _before_first(project, letter.received):
        return Finding("first_changed", f"收到投诉以后，项目“{project.name}”才登记或更换了第一责任售前。")
    return next((f for f in letter.reading.findings if f.code in ("project_disagrees", "engineer_mentioned")), None)


def _unknown_project(letter: Letter) -> Finding:
    found = (f for f in letter.reading.findings if f.code in ("project_unknown", "project_ambiguous"))
    written = letter.reading.project_text or "（空）"
    return next(found, Finding("project_unknown", f"不能确定“{written}”是哪一个已立项的项目。"))


def _tell_taken_out(desk: Desk, record: Complaint, state: str, reason: str) -> None:
    person = desk.mapping.roster.get(record.engineer)
    if person is not None:
        desk.notify(
            "complaint_withdrawn",
            person,
            matter=record.matter,
            step=desk.again(record.matter, person, "out"),
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
            desk.close(held, result)
