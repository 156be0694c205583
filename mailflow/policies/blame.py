"""Whether a complaint is believed, and against whom it counts: stated, or asked, never guessed (domain §4, §9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mailflow.core.findings import Finding
from mailflow.core.people import Person
from mailflow.core.records import Project
from mailflow.policies.access import refusal
from mailflow.policies.desk import Desk
from mailflow.policies.letter import Letter

NamedBy = Literal["body", "first", "decision"]
REASONS = {"body": "正文写明的工程师", "first": "项目的第一责任售前"}
"""Why a complaint counts against somebody."""


def disbelief(desk: Desk, letter: Letter) -> Finding | None:
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


def target_of(desk: Desk, letter: Letter, *, decided: bool = False) -> Target | Finding:
    """Whom the body names, otherwise the project's first engineer; or why that is not certain (domain §4).

    `decided`: the manager knows all this and says that it is no obstacle, as long as somebody can be meant at all.
    """
    project = project_of(desk, letter, decided=decided)
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


def project_of(desk: Desk, letter: Letter, *, decided: bool) -> Project | None:
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


def before_first(project: Project, received: datetime) -> bool:
    """Whether the server had a mail before the project's first engineer was known, or the present one took over."""
    return project.first_since is not None and received < project.first_since


def _project_doubt(letter: Letter, project: Project) -> Finding | None:
    """Why the register's first engineer is perhaps not the one."""
    if not project.verified:
        # Promise 10: a forged registration must not be able to steer a genuine complaint.
        return Finding("registration_unverified", f"项目“{project.name}”的立项邮件未经验证。")
    if before_first(project, letter.received):
        return Finding("first_changed", f"收到投诉以后，项目“{project.name}”才登记或更换了第一责任售前。")
    return next((f for f in letter.reading.findings if f.code in ("project_disagrees", "engineer_mentioned")), None)


def _unknown_project(letter: Letter) -> Finding:
    found = (f for f in letter.reading.findings if f.code in ("project_unknown", "project_ambiguous"))
    written = letter.reading.project_text or "（空）"
    return next(found, Finding("project_unknown", f"不能确定“{written}”是哪一个已立项的项目。"))
