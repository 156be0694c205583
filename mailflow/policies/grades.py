"""The pay ledger: consequences of counted complaints, worked out anew whenever one is added or taken out (domain §4).

`consequences` says what ought to stand; `regrade` compares that with what stands and books the difference: entries
are added, and taken back by entries of the opposite sign, never edited.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Literal

from mailflow.core.calendar import next_month
from mailflow.core.grades import floor_level, level
from mailflow.core.mapping import Pay, PayRule
from mailflow.core.records import Complaint, LedgerEntry, Month
from mailflow.policies.desk import Desk

EFFECTS = {"withhold": "扣发", "demote": "永久降级"}


@dataclass(frozen=True)
class Consequence:
    """What one rule makes of the `ordinal`-th counted complaint. Equal ones are the same consequence."""

    rule: str
    effect: Literal["withhold", "demote"]
    grades: int
    ordinal: int
    month: str
    complaints: tuple[str, ...]
    cause: str = field(compare=False)


@dataclass(frozen=True)
class Terms:
    """What one month is reckoned under."""

    pay: Pay
    opening: int | None
    """The engineer's grade at the opening of the ledger; None where it is not known: no floor then."""


def consequences(complaints: list[Complaint], terms: dict[str, Terms]) -> list[Consequence]:
    """What the counted `complaints` of one engineer, in their order, lead to. `terms`: by month."""
    found: list[Consequence] = []
    lowered = 0
    groups: defaultdict[str, list[Complaint]] = defaultdict(list)
    for complaint in complaints:
        pay, opening = terms[complaint.month].pay, terms[complaint.month].opening
        so_far = {scope: groups[complaint.month[:length]] for scope, length in _SCOPES.items()}
        for group in so_far.values():
            group.append(complaint)
        for rule in _applying(pay, so_far):
            grades = rule.grades
            if rule.effect == "demote":
                if opening is not None:
                    grades = max(0, min(grades, opening - lowered - floor_level(pay)))
                lowered += grades
            found.append(_consequence(rule, so_far[rule.scope], grades))
    return found


_SCOPES = {"lifetime": 0, "year": 4, "month": 7}
"""How much of a month's name the complaints have in common that a rule counts together."""


def _applying(pay: Pay, so_far: dict[str, list[Complaint]]) -> list[PayRule]:
    """The rules that the last complaint sets off, in the order of the mapping. `so_far`: up to it, by scope."""
    hit = [rule for rule in pay.rules if len(so_far[rule.scope]) % rule.every == 0]
    return hit if pay.stack or not hit else [max(hit, key=lambda rule: rule.every)]


def _consequence(rule: PayRule, group: list[Complaint], grades: int) -> Consequence:
    scope = {"lifetime": "累计", "year": "本年", "month": "本月"}[rule.scope]
    effect = "当月绩效工资扣发" if rule.effect == "withhold" else "绩效工资永久降"
    cause = f"{scope}第{len(group)}次计入的投诉，每{rule.every}次{effect}{rule.grades}级"
    if grades < rule.grades:
        cause += f"；已到最低等级，实降{grades}级"
    return Consequence(
        rule=rule.id,
        effect=rule.effect,
        grades=grades,
        ordinal=len(group),
        month=group[-1].month,
        complaints=tuple(c.number for c in group[-rule.every :]),
        cause=cause,
    )


def of_entry(entry: LedgerEntry) -> Consequence:
    """The consequence that a standing entry booked."""
    return Consequence(
        rule=entry.rule,
        effect=entry.effect,
        grades=entry.grades,
        ordinal=entry.ordinal,
        month=entry.for_month,
        complaints=entry.complaints,
        cause=entry.cause,
    )


def regrade(desk: Desk, engineer: str, reason: str) -> None:
    """Books what changed for `engineer`, and tells the engineer (domain §4), once for all that changed together.

    `reason` says in Chinese why something is taken back or booked into a later month.
    """
    complaints = desk.book.counted(engineer)
    person = desk.mapping.roster.get(engineer)
    wanted = consequences(complaints, {c.month: _terms(desk, engineer, c.month) for c in complaints})
    standing = desk.book.standing(engineer)
    kept, right = {of_entry(entry) for entry in standing}, set(wanted)
    booked = [_take_back(desk, entry, reason) for entry in standing if of_entry(entry) not in right]
    booked += [_book(desk, engineer, c, reason) for c in wanted if c not in kept]
    if booked and person is not None:
        desk.notify(
            "consequence",
            person,
            matter=f"ledger:{booked[0].number}",
            step="told",
            context={
                "month": booked[0].month,
                "entries": [entry_context(entry, desk.mapping.pay) for entry in booked],
                "reason": reason if any(entry.reverses or entry.adjusting for entry in booked) else "",
            },
        )


def regrade_all(desk: Desk, reason: str) -> None:
    """Works out every engineer's consequences anew: when other pay rules are taken into use.

    Not of somebody who was struck off the roster: without a grade there is no floor any more, and pay would move.
    """
    for engineer in sorted({c.engineer for c in desk.book.find(Complaint, state="counted") if c.engineer}):
        if desk.mapping.roster.get(engineer) is not None:
            regrade(desk, engineer, reason)


def _terms(desk: Desk, engineer: str, month: str) -> Terms:
    """A closed month never changes under a new mapping (architecture, "Mappings are versioned")."""
    closed = desk.book.get(Month, month)
    pay = Pay.model_validate_json(closed.pay) if closed else desk.mapping.pay
    if closed and engineer in closed.grades:
        return Terms(pay, level(closed.grades[engineer], pay))
    person = desk.mapping.roster.get(engineer)
    return Terms(pay, level(person.grade if person else _last_grade(desk, engineer), pay))


def _last_grade(desk: Desk, engineer: str) -> str | int | None:
    """Of somebody who was struck off the roster: as in the last month that was closed before; None: not known."""
    known = (month.grades[engineer] for month in desk.book.find(Month) if engineer in month.grades)
    return next(reversed(list(known)), None)


def _open_month(desk: Desk, for_month: str) -> str:
    """Where an entry concerning `for_month` is booked: there while it is open, else in the open month (domain §4)."""
    month = for_month
    if desk.book.is_closed(month):
        month = max(month, desk.mapping.calendar.month(desk.now))
    while desk.book.is_closed(month):
        month = next_month(month)
    return month


def _book(desk: Desk, engineer: str, consequence: Consequence, reason: str) -> LedgerEntry:
    month = _open_month(desk, consequence.month)
    adjusting = month != consequence.month
    why = f"调整{consequence.month}：{reason}。" if adjusting else ""
    entry = LedgerEntry(
        number=f"L{desk.number('ledger'):06d}",
        engineer=engineer,
        month=month,
        for_month=consequence.month,
        rule=consequence.rule,
        effect=consequence.effect,
        grades=consequence.grades,
        ordinal=consequence.ordinal,
        cause=why + consequence.cause,
        complaints=consequence.complaints,
        mails=tuple(_references(desk, consequence.complaints)),
        adjusting=adjusting,
        time=desk.now,
        mapping=desk.mapping.version,
    )
    desk.put(entry)
    return entry


def _take_back(desk: Desk, entry: LedgerEntry, reason: str) -> LedgerEntry:
    month = _open_month(desk, entry.for_month)
    reversal = replace(
        entry,
        number=f"L{desk.number('ledger'):06d}",
        month=month,
        grades=-entry.grades,
        cause=f"冲销 {entry.number}：{reason}，重新计算",
        adjusting=month != entry.for_month,
        reverses=entry.number,
        time=desk.now,
        mapping=desk.mapping.version,
    )
    desk.put(reversal, replace(entry, reversed_by=reversal.number))
    return reversal


def _references(desk: Desk, numbers: Iterable[str]) -> Iterable[str]:
    for number in numbers:
        complaint = desk.book.get(Complaint, number)
        if complaint is not None:
            yield complaint.reference


def entry_context(entry: LedgerEntry, pay: Pay) -> dict[str, Any]:
    """A ledger entry as a notice shows it."""
    names = {rule.id: rule.name for rule in pay.rules}
    return {
        "number": entry.number,
        "engineer": entry.engineer,
        "month": entry.month,
        "for_month": entry.for_month,
        "rule": names.get(entry.rule, entry.rule),
        "effect": EFFECTS[entry.effect],
        "grades": entry.grades,
        "cause": entry.cause,
        "adjusting": entry.adjusting,
        "reverses": entry.reverses or "",
        "mails": list(entry.mails),
    }


def by_engineer(entries: list[LedgerEntry]) -> dict[str, list[LedgerEntry]]:
    """Entries grouped by engineer, each group in the order of booking."""
    ordered = sorted(entries, key=lambda e: (e.engineer, e.number))
    return {name: list(group) for name, group in groupby(ordered, key=lambda e: e.engineer)}
