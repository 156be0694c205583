"""Communication reports and leftover problems (domain §3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mailflow.core.dates import parse_day
from mailflow.core.findings import Finding
from mailflow.core.records import Case, Mail, Project, Report
from mailflow.core.register import place_of
from mailflow.policies import registration_requests
from mailflow.policies.access import refusal
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter

LEFTOVER = "leftover"
SOLVED, LEFT = "成功", "问题遗留"
_FIELDS = {"沟通结果": "result", "沟通人": "contact", "沟通方式": "method", "具体问题": "problem",
           "遗留问题描述": "leftover", "耗时": "duration"}  # fmt: skip
HINTS = {
    "沟通结果": "成功 或 问题遗留，二者之一",
    "沟通人": "客户方与您沟通的人",
    "沟通方式": "电话、现场、远程、邮件、微信QQ群 或 其他",
    "具体问题": "请写具体，例如：解决vista下远程控制网络参数设置",
    "遗留问题描述": "沟通结果是“问题遗留”时必填",
}


def communication(desk: Desk, letter: Letter) -> Ending:
    """A mail whose subject says 客户沟通."""
    if letter.follows_up and not letter.reading.fields:
        return _bare_follow_up(desk, letter)
    if problem := _doubt(desk, letter):
        return desk.hold(letter, "mail", problem.code, problem.text, choices=("确认", "驳回"))
    if first := _sent_before(desk, letter):
        return Ending.of("duplicate", "resent", "24小时内重发的同一份报告，不重复记。", matter=first.matter)
    report = _new(desk, letter)
    desk.put(report)
    _told(desk, report, letter)
    if not report.registered:
        registration_requests.ask(desk, letter, report)
    if report.result:
        report = _result(desk, letter, report)
    return _ending(desk, letter, report)


def reply(desk: Desk, letter: Letter, number: str) -> Ending | None:
    """A reply in the thread of a report: it completes it, says which leftover was solved, or is talk.

    A further complete report in the same thread (None is returned) is one of its own, and may solve the leftover.
    """
    report = desk.book.get(Report, number)
    if report is None or letter.person != report.writer:
        return None
    if case := _named_leftover(desk, letter, report):
        return _solve_named(desk, letter, report, case)
    if report.state == "incomplete" and letter.reading.fields and not letter.is_forward:
        return _complete(desk, letter, report)
    return None


def _bare_follow_up(desk: Desk, letter: Letter) -> Ending:
    """A reply or forward without a field is talk about a report, or a report that nobody can read."""
    known = next((m for p in letter.parents if (m := desk.book.mail_by_id(p))), None)
    text = "报告的回复或转发，没有新的内容。"
    return Ending.of("discussion", "no_new_fields", text, matter=known.matter if known else None)


def _doubt(desk: Desk, letter: Letter) -> Finding | None:
    if letter.accepted:
        return None
    reading = letter.reading
    if found := refusal(letter, desk.mapping.kinds_by_id["communication"], desk.mapping):
        return found
    if reading.person != letter.person:
        return Finding("writer_differs", f"主题写的是 {reading.person}，发件人却是 {letter.person}。")
    return next((f for f in reading.findings if f.code in ("project_disagrees", "project_ambiguous")), None)


def _sent_before(desk: Desk, letter: Letter) -> Mail | None:
    for mail in desk.book.find(Mail, resend=letter.resend):
        if mail.matter and desk.within(mail.received, letter.received, desk.mapping.pay.resend_hours):
            return mail
    return None


def _new(desk: Desk, letter: Letter) -> Report:
    reading = letter.reading
    project = desk.book.register().get(reading.project)
    name = project.name if project else reading.project_text or ""
    report = Report(
        number=desk.case_number(),
        mail=letter.key,
        reference=letter.reference,
        received=letter.received,
        project=name,
        place=place_of(name),
        registered=project is not None,
        writer=reading.person or letter.person or "",
        engineer=project.first if project else None,
        day=desk.mapping.calendar.day(letter.received),
        mails=(letter.key,),
    )
    return _filled(desk, letter, report)


def _filled(desk: Desk, letter: Letter, report: Report) -> Report:
    """`report` with what the mail's fields say; what it had keeps standing where the mail says nothing."""
    reading = letter.reading
    bad = set(reading.vague)
    said = {attr: reading.fields[name] for name, attr in _FIELDS.items() if reading.fields.get(name)}
    good = {attr for name, attr in _FIELDS.items() if name not in bad}
    # A value that says nothing is kept too (nothing is lost), but never over a better one.
    values: dict[str, Any] = {a: v for a, v in said.items() if a in good or getattr(report, a) is None}
    day = parse_day(reading.fields.get("支持日期", ""), report.day)
    return replace(report, **values, day=day or report.day, **_state(desk, letter, report))


def _state(desk: Desk, letter: Letter, report: Report) -> dict[str, Any]:
    """What is missing now: of a first mail what its reading says, of a later one what is still open."""
    reading = letter.reading
    missing = dict.fromkeys((*reading.missing, *reading.vague))
    if report.missing:
        given = reading.fields.keys() - set(reading.vague)
        missing = dict.fromkeys(name for name in report.missing if name not in given)
        if reading.fields.get("沟通结果") == LEFT and not (report.leftover or reading.fields.get("遗留问题描述")):
            missing["遗留问题描述"] = None
    return {"missing": tuple(missing), "state": "incomplete" if missing else "complete"}


def _complete(desk: Desk, letter: Letter, report: Report) -> Ending:
    had_result = _usable_result(report)
    report = replace(_filled(desk, letter, report), mails=(*report.mails, letter.key))
    desk.put(report)
    if not had_result and _usable_result(report):
        report = _result(desk, letter, report)
    return _ending(desk, letter, report)


def _usable_result(report: Report) -> bool:
    return report.result in (SOLVED, LEFT) and "沟通结果" not in report.missing


def _ending(desk: Desk, letter: Letter, report: Report) -> Ending:
    matter = f"report:{report.number}"
    if report.state == "complete":
        return Ending("recorded", matter, kind="communication")
    writer = desk.mapping.roster.get(report.writer)
    if writer is not None:
        desk.notify(
            "report_incomplete",
            writer,
            matter=matter,
            step=f"incomplete:{len(report.mails)}",
            context={
                "number": report.number,
                "project": report.project,
                "subject": letter.subject,
                "received": desk.when(letter.received),
                "missing": [{"name": name, "hint": HINTS.get(name, "必填")} for name in report.missing],
            },
            answers=letter,
        )
    text = f"报告缺少或不够具体：{'、'.join(report.missing)}，已请发件人补充。"
    return Ending("recorded", matter, (Finding("report_incomplete", text),), kind="communication")


def _told(desk: Desk, report: Report, letter: Letter) -> None:
    """Written by another than the project's first engineer: the first is told, the support manager copied."""
    first = desk.mapping.roster.get(report.engineer)
    if first is None or first.name == report.writer:
        return
    desk.notify(
        "second_engineer_report",
        first,
        matter=f"report:{report.number}",
        step="told",
        cc=desk.mapping.managers(),
        context={
            "number": report.number,
            "project": report.project,
            "writer": report.writer,
            "received": desk.when(letter.received),
            "result": report.result or "",
            "problem": report.problem or "",
            "leftover": report.leftover or "",
        },
    )


# -- leftover problems -----------------------------------------------------------------------------------------------


def _result(desk: Desk, letter: Letter, report: Report) -> Report:
    """What the result means for leftover problems: it opens one, or solves one."""
    if report.result == LEFT:
        return _open(desk, letter, report)
    if report.result != SOLVED:
        return report
    case = _by_thread(desk, letter) or _named_leftover(desk, letter, report)
    if case is None:
        candidates = _open_leftovers(desk, report)
        case = candidates[0] if len(candidates) == 1 else None
        if len(candidates) > 1:
            _ask_which(desk, letter, report, candidates)
    return _solve(desk, letter, report, case) if case else report


def _open(desk: Desk, letter: Letter, report: Report) -> Report:
    case = desk.case(
        letter,
        LEFTOVER,
        "open",
        project=report.project,
        place=report.place,
        owner=report.writer,
        title=report.leftover or report.problem or letter.subject,
        data={"report": report.number},
    )
    report = replace(report, case=case.number)
    desk.put(report)
    return report


def _solve(desk: Desk, letter: Letter, report: Report, case: Case) -> Report:
    solved = replace(
        case,
        state="solved",
        changed=letter.received,
        closed=letter.received,
        mails=(*case.mails, letter.key),
        data={**case.data, "solved_by": report.number},
    )
    report = replace(report, case=case.number)
    desk.put(solved, report)
    return report


def _solve_named(desk: Desk, letter: Letter, report: Report, case: Case) -> Ending:
    report = replace(_solve(desk, letter, report, case), mails=(*report.mails, letter.key))
    desk.put(report)
    return Ending("recorded", f"report:{report.number}", kind="communication")


def _open_leftovers(desk: Desk, report: Report) -> list[Case]:
    """Open leftovers of that project and engineer (domain §3)."""
    found = desk.book.find(Case, place=report.place, kind=LEFTOVER, state="open")
    return [c for c in found if c.owner == report.writer and c.number != report.case]


def _by_thread(desk: Desk, letter: Letter) -> Case | None:
    for parent in letter.parents:
        mail = desk.book.mail_by_id(parent)
        report = desk.book.get(Report, (mail.matter or "").removeprefix("report:")) if mail else None
        case = desk.book.get(Case, report.case) if report and report.case else None
        if case and case.state == "open":
            return case
    return None


def _named_leftover(desk: Desk, letter: Letter, report: Report) -> Case | None:
    """The open leftover of the same project whose number, or whose report's number, the mail carries."""
    for number in letter.numbers:
        named = desk.book.get(Report, number)
        case = desk.book.get(Case, named.case if named and named.case else number)
        if case and (case.kind, case.state, case.place) == (LEFTOVER, "open", report.place):
            return case
    return None


def _ask_which(desk: Desk, letter: Letter, report: Report, candidates: list[Case]) -> None:
    writer = desk.mapping.roster.get(report.writer)
    if writer is not None:
        desk.notify(
            "leftover_which",
            writer,
            matter=f"report:{report.number}",
            step="which",
            context={
                "number": report.number,
                "project": report.project,
                "subject": letter.subject,
                "received": desk.when(letter.received),
                "cases": [
                    {"number": c.number, "title": c.title, "opened": desk.mapping.calendar.day(c.opened).isoformat()}
                    for c in candidates
                ],
            },
            answers=letter,
        )


# -- registering what was kept ---------------------------------------------------------------------------------------


def move_to(desk: Desk, project: Project) -> None:
    """Registering moves what was kept under 未立项 to its place (domain §3)."""
    for place in {place_of(name) for name in (project.name, *project.aliases)}:
        for report in desk.book.find(Report, place=place, registered=False):
            moved = replace(
                report, project=project.name, place=place_of(project.name), registered=True, engineer=project.first
            )
            desk.put(moved)
        for case in desk.book.find(Case, place=place, kind=LEFTOVER):
            desk.put(replace(case, project=project.name, place=place_of(project.name)))
