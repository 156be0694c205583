"""The same complaint again: sent twice, fetched twice, or in another order than the server had it (domain §4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailflow.core.findings import Finding
from mailflow.core.records import Complaint, Held, Mail
from mailflow.policies import blame, counting, months
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.grades import regrade
from mailflow.policies.letter import Letter


def seen_earlier(desk: Desk, mail: Mail, letter: Letter) -> None:
    """The server had a copy of a complaint before the one that was fetched first: that is its month (domain §4)."""
    for record in desk.book.find(Complaint, mail=mail.key):
        if letter.received < _arrived(record) and not blame.disbelief(desk, letter):
            desk.put(replace(record, arrived=letter.received))
            _move_earlier(desk, record, letter.received)
            _regroup(desk, record.resend, letter)


def repeat(desk: Desk, letter: Letter, first: Complaint, target: blame.Target | Finding) -> Ending:
    """The mail repeats `first`, or comes to count itself where the server's times say so (`_regroup`)."""
    # Genuine, and only against whom is not certain: its time tells all the same (see _ask_whose).
    unsure: blame.NamedBy | None = "first" if isinstance(target, Finding) and target.code == "first_changed" else None
    named_by = target.named_by if isinstance(target, blame.Target) else unsure
    record = counting.new_record(desk, letter, "duplicate", _repeats(desk, first), first.engineer, named_by)
    desk.put(replace(record, duplicate_of=first.number))
    if not blame.disbelief(desk, letter):
        _move_earlier(desk, first, letter.received)
        _regroup(desk, letter.resend, letter)
    record = desk.book.get(Complaint, record.number) or record
    if record.state == "counted":
        return Ending("recorded", record.matter)
    return Ending.of("duplicate", "resent", record.reason, matter=record.matter)


def supersede(desk: Desk, held: Complaint, record: Complaint) -> None:
    """The same text came again, and this time nothing is uncertain: the manager need not decide on the first one."""
    text = f"重发的投诉 {record.number} 已计入，不重复计。"
    desk.put(replace(held, state="duplicate", engineer=record.engineer, reason=text, duplicate_of=record.number))
    counting.close_held(desk, held, text)
    desk.end_mail(held.mail, "duplicate")


def sent_before(desk: Desk, letter: Letter) -> list[Complaint]:
    """The same text by the same sender within 24 h (domain §4): counted ones first, then held, the oldest first."""
    hours = desk.mapping.pay.resend_hours
    found = [c for c in desk.book.find(Complaint, resend=letter.resend) if c.state != "duplicate"]
    near = [c for c in found if desk.within(c.received, letter.received, hours)]
    return sorted(near, key=lambda c: ((*counting.LIVE, *counting.OUT).index(c.state), c.received))


def _move_earlier(desk: Desk, record: Complaint, received: datetime) -> None:
    """It was on the server at `received` already; `_regroup` sees to those that may be one with others."""
    record = desk.book.get(Complaint, record.number) or record
    if received < record.received and record.state != "duplicate" and not _is_grouped(record):
        desk.put(_at(desk, record, received))
        _reckon(desk, record, received)


def _arrived(record: Complaint) -> datetime:
    return record.arrived or record.received


def _at(desk: Desk, record: Complaint, received: datetime) -> Complaint:
    month, arrived = desk.mapping.calendar.month(received), _arrived(record)
    return replace(record, received=received, month=month, arrived=arrived if arrived != received else None)


def _reckon(desk: Desk, record: Complaint, received: datetime) -> None:
    if record.state == "counted":
        months.schedule_draft(desk, desk.mapping.calendar.month(received))
        regrade(desk, record.engineer or "", f"投诉 {record.number} 最早于 {desk.when(received)} 收到")


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
        counting.tell_taken_out(desk, old, "不重复计", reason)
        # What was objected to goes on with the one that counts, and its result is told (decisions._tell_objectors).
        for held in desk.book.find(Held, matter=new.matter, state="open"):
            desk.put(replace(held, matter=f"complaint:{new.duplicate_of}"))
        regrade(desk, new.engineer or "", f"投诉 {new.number} {reason.rstrip('。')}")


def _comes_to_count(desk: Desk, record: Complaint, letter: Letter) -> None:
    """What was thought to repeat another one counts by itself: against whoever was first when the server had it."""
    project = desk.book.register().get(record.project)
    if record.named_by == "first" and project and project.verified and not blame.before_first(project, record.received):
        record = replace(record, engineer=project.first)
    record = replace(record, reason=blame.REASONS[record.named_by or "first"])
    desk.put(record)
    desk.end_mail(record.mail, "recorded", record.matter)
    if engineer := desk.mapping.roster.get(record.engineer):
        counting.count(desk, record, engineer, letter)


def _ask_whose(desk: Desk, old: Complaint, new: Complaint, letter: Letter) -> None:
    """The server had it before the project's first engineer was known, or another one took over: it stays whose it is
    until the manager says so, who is asked (domain §4, "never guessed")."""
    project = desk.book.register().get(new.project)
    if project is None or new.named_by != "first" or not blame.before_first(project, new.received):
        return
    if old.state == "duplicate" or not blame.before_first(project, old.received):
        name, when = new.engineer or "", desk.when(new.received)
        text = f"投诉 {new.number} 计在 {name} 名下，但服务器最早于 {when} 收到，那以后才登记或更换了第一责任售前。"
        desk.hold(
            letter, "complaint", "first_changed", text, choices=counting.CHOICES, matter=new.matter, engineer=name
        )
