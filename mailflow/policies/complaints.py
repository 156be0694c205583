"""A mail that complains: what becomes of it, and which complaint a mail is about (domain §4)."""

from __future__ import annotations

from dataclasses import replace

from mailflow.core.findings import Finding
from mailflow.core.people import Person
from mailflow.core.records import Complaint
from mailflow.core.register import place_of
from mailflow.policies import blame, counting, resends, threads
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter


def complaint(desk: Desk, letter: Letter) -> Ending:
    """A mail whose subject says 投诉. Counted once, held when anything is uncertain, never guessed."""
    if ending := _follow_up(desk, letter):
        return ending
    near = resends.sent_before(desk, letter)
    first = next(iter(near), None)
    if first and first.state in counting.OUT:
        return _hold(desk, letter, _said_again(first))
    # Said a third time it is no more certain than before: the second lies before the manager.
    out = next((c for c in near if c.state in counting.OUT), None)
    target = blame.disbelief(desk, letter) or (_said_again(out) if out else blame.target_of(desk, letter))
    if first and (first.state == "counted" or isinstance(target, Finding)):
        return resends.repeat(desk, letter, first, target)
    if isinstance(target, Finding):
        return _hold(desk, letter, target)
    why = blame.REASONS[target.named_by]
    record = counting.new_record(desk, letter, "counted", why, target.person.name, target.named_by)
    desk.put(record)
    if first:
        resends.supersede(desk, first, record)
    counting.count(desk, record, target.person, letter)
    return Ending("recorded", record.matter)


def _said_again(out: Complaint) -> Finding:
    """After it was taken out, or before and only fetched now: that is for a person to tell."""
    return Finding("resent_after_out", f"与已不计的投诉 {out.number} 相同，是否另算一次？")


def candidate(desk: Desk, letter: Letter) -> Person | None:
    """Whom a held complaint would count against if the manager simply says 确认; None when that is not certain."""
    target = blame.target_of(desk, letter, decided=True)
    return None if isinstance(target, Finding) else target.person


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
    if parent is not None and is_about(letter, parent) and not resends.sent_before(desk, letter):
        text = f"这封邮件接着投诉 {parent.number} 写，是否另算一次？"
        return _hold(desk, letter, Finding("complaint_in_thread", text))
    return None


def _may_bring(desk: Desk, letter: Letter) -> bool:
    """Whether a complaint of which only a reply or forward came may be meant: colleagues merely talk about one."""
    person = desk.mapping.roster.get(letter.person)
    return person is None or person.role in (*desk.mapping.pay.may_complain, *desk.mapping.pay.may_decide)


def _hold(desk: Desk, letter: Letter, problem: Finding) -> Ending:
    """The complaint is on record, counts for nobody yet, and lies before the manager."""
    record = counting.new_record(desk, letter, "held", problem.text)
    desk.put(record)
    person = candidate(desk, letter)
    ending = desk.hold(
        letter,
        "complaint",
        problem.code,
        problem.text,
        choices=counting.CHOICES,
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
    found = [c for state in counting.LIVE for c in desk.book.find(Complaint, state=state) if is_about(letter, c)]
    return sorted(found, key=lambda c: (c.received, c.number))


def _latest(desk: Desk, letter: Letter) -> Complaint | None:
    project = letter.reading.project or letter.reading.project_text
    taken_out = [c for c in desk.book.find(Complaint, project=project) if c.state in counting.OUT]
    return max((*live(desk, letter), *taken_out), key=lambda c: c.received, default=None)
