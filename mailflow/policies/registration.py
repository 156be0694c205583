"""Registrations 立项 (domain §2, §3): support starts only after this."""

from __future__ import annotations

from dataclasses import replace

from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping
from mailflow.core.people import Person
from mailflow.core.records import Project
from mailflow.core.text import one_line
from mailflow.policies import counting, registration_requests, reports
from mailflow.policies.access import refusal, unverified
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter

_TEXTS = {"客户": "customer", "产品": "product", "支持内容": "asked", "等级": "grade", "阶段": "stage"}
_PEOPLE = {"第一责任售前": "first", "第二售前": "second", "责任销售": "sales"}
_HINTS = {"客户": "客户单位的名称", "第一责任售前": "人员名册上的姓名，重名时带区分，例如 张三(华东)"}


def registration(desk: Desk, letter: Letter) -> Ending | None:
    """A mail whose subject says 立项: registers a project, or changes a registered one."""
    if letter.follows_up and letter.person is None:
        return None
    if letter.follows_up and not letter.reading.fields:
        return Ending.of("discussion", "no_new_fields", "立项邮件的回复或转发，没有新的内容。")
    kind = desk.mapping.kinds_by_id["registration"]
    if not letter.accepted and (problem := refusal(letter, kind, desk.mapping)):
        return desk.hold(letter, "mail", problem.code, problem.text, choices=("确认", "驳回"))
    people, problems = _people(desk, letter)
    known = desk.book.register().get(letter.reading.project)
    if problems or (known is None and "first" not in people):
        return _incomplete(desk, letter, problems)
    project = _project(desk, letter, known, people)
    if known is not None and project != known and (problem := _may_not_change(desk, letter, known)):
        return desk.hold(letter, "mail", problem.code, problem.text, choices=("确认", "驳回"))
    desk.put(project)
    if known is not None:
        counting.first_changed(desk, known.first, project)
    reports.move_to(desk, project)
    registration_requests.registered(desk, project, letter.key)
    if letter.reading.missing:
        _ask_to_complete(desk, letter, [])
    return Ending("recorded", f"project:{project.name}", kind="registration")


def from_mapping(desk: Desk, mapping: Mapping) -> None:
    """Projects that mappings/projects.toml registers. One registered by verified mail is left as mail has it."""
    for seed in mapping.projects:
        known = desk.book.get(Project, seed.name)
        if known is None or known.mail is None or not known.verified:
            project = Project(verified=True, mail=None, asked=None, **seed.model_dump())
            project = _since(desk, known, project)
            desk.put(project)
            reports.move_to(desk, project)
            registration_requests.registered(desk, project)


def _people(desk: Desk, letter: Letter) -> tuple[dict[str, str], list[Finding]]:
    """The persons whom the fields name, by attribute; and what is wrong with those that are not certain."""
    found: dict[str, str] = {}
    problems: list[Finding] = []
    for label, attribute in _PEOPLE.items():
        written = letter.reading.fields.get(label)
        if not written:
            continue
        people = desk.mapping.roster.by_name(written)
        if len(people) == 1 and _fits(people[0], attribute):
            found[attribute] = people[0].name
        else:
            problems.append(Finding("person_unclear", _unclear(label, written, people)))
    return found, problems


def _fits(person: Person, attribute: str) -> bool:
    return person.role == ("sales" if attribute == "sales" else "engineer")


def _unclear(label: str, written: str, people: tuple[Person, ...]) -> str:
    if not people:
        return f"{label}“{written}”不在人员名册上。"
    if len(people) == 1:
        return f"{label}“{written}”的角色不符。"
    return f"{label}“{written}”可能是：{'、'.join(p.name for p in people)}，请写全名。"


def _project(desk: Desk, letter: Letter, known: Project | None, people: dict[str, str]) -> Project:
    """What the project is after this mail: fields that it does not give stay as they were."""
    bad = set(letter.reading.vague)
    texts = {a: v for n, a in _TEXTS.items() if n not in bad and (v := letter.reading.fields.get(n))}
    if known is not None:
        # What is verified is who the first engineer is: a mail that does not say so verifies nothing.
        verified = known.verified or (_verified(letter) and "first" in people)
        changed = replace(known, **{**texts, **people}, verified=verified)  # type: ignore[arg-type]  # all texts
        # Said again without a change it stays the row it was.
        return changed if changed == known else _since(desk, known, replace(changed, mail=letter.key))
    author = desk.mapping.roster.get(letter.person)
    if author is not None and author.role == "sales":
        people = {"sales": author.name, **people}
    return Project(
        name=one_line(letter.reading.project_text or ""),
        registered=desk.mapping.calendar.day(letter.received),
        mail=letter.key,
        verified=_verified(letter),
        first_since=desk.now,
        **texts,  # type: ignore[arg-type]
        **people,  # type: ignore[arg-type]
    )


def _since(desk: Desk, known: Project | None, project: Project) -> Project:
    """Earlier complaints stay with the engineer who was first when they were received, later ones fetched included."""
    since = desk.now if known and known.first and known.first != project.first else known.first_since if known else None
    return replace(project, first_since=since)


def _verified(letter: Letter) -> bool:
    return letter.trust == "authenticated"


def _may_not_change(desk: Desk, letter: Letter, known: Project) -> Finding | None:
    """A registered project is changed by its sales person or the manager, verified: pay hangs on it (promise 10)."""
    if letter.accepted:
        return None
    person = desk.mapping.roster.get(letter.person)
    if person is None or (person.name != known.sales and person.role != "support_manager" and known.sales):
        return Finding("not_responsible", f"{letter.person} 不是项目“{known.name}”的责任销售，不能更改登记。")
    if known.first_since and letter.received < known.first_since:
        # What is fetched late must not undo what was said after it.
        return Finding("first_changed", f"收到这封邮件以后，项目“{known.name}”才登记或更换了第一责任售前。")
    return unverified(letter, "authenticated", "更改立项")


def _incomplete(desk: Desk, letter: Letter, problems: list[Finding]) -> Ending:
    _ask_to_complete(desk, letter, problems)
    findings = problems or [Finding("field_missing", "没有写第一责任售前，项目没有登记。")]
    return Ending("near_miss", None, tuple(findings), kind=None)


def _ask_to_complete(desk: Desk, letter: Letter, problems: list[Finding]) -> None:
    author = desk.mapping.roster.get(letter.person)
    if author is None:
        return
    desk.notify(
        "registration_incomplete",
        author,
        matter=f"mail:{letter.key}",
        step="incomplete",
        context={
            "project": letter.reading.project or letter.reading.project_text or "",
            "subject": letter.subject,
            "received": desk.when(letter.received),
            "missing": [{"name": n, "hint": _HINTS.get(n, "必填")} for n in letter.reading.missing],
            "findings": [f.text for f in problems],
        },
        answers=letter,
    )
