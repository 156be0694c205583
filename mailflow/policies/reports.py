"""Communication reports and leftover problems (domain §3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mailflow.core.dates import Moment, parse_duration, parse_moment
from mailflow.core.findings import Finding
from mailflow.core.records import Case, Mail, Project, Report
from mailflow.core.register import place_of
from mailflow.core.text import one_line
from mailflow.policies import registration_requests, threads
from mailflow.policies.access import refusal
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter

LEFTOVER = "leftover"
SOLVED, LEFT = "成功", "问题遗留"
_FIELDS = {"沟通结果": "result", "沟通人": "contact", "沟通方式": "method", "具体问题": "problem",
           "遗留问题描述": "leftover", "耗时": "duration"}  # fmt: skip
_DAY, _DURATION = "支持日期", "耗时"
HINTS = {
    "沟通结果": "成功 或 问题遗留，二者之一",
    "沟通人": "客户方与您沟通的人",
    "沟通方式": "电话、现场、远程、邮件、微信QQ群 或 其他",
    "具体问题": "请写具体，例如：解决vista下远程控制网络参数设置",
    "遗留问题描述": "沟通结果是“问题遗留”时必填",
    "支持日期": "例如 2026-11-20，或 11月20日 14:00-16:30",
    "耗时": "例如 2.5小时、90分钟、半天",
}


def communication(desk: Desk, letter: Letter) -> Ending | None:
    """A mail whose subject says 客户沟通."""
    if letter.follows_up and letter.person is None:
        return None
    if letter.follows_up and (not letter.reading.fields or not _reports(desk, letter)):
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
    if report is None or letter.person != report.writer or not _continues(letter, report):
        return None
    # Only who reports 成功 names what was solved; the subject of a reply carries the report's own number anyway.
    named = _named_leftovers(desk, letter, report) if report.result == SOLVED else []
    completes = report.state == "incomplete" and bool(letter.reading.fields) and not letter.is_forward
    if not named and not completes:
        return None
    problem = None if letter.accepted else refusal(letter, desk.mapping.kinds_by_id["communication"], desk.mapping)
    if problem := problem or threads.doubt(letter) or _contradiction(letter):
        return desk.hold(letter, "mail", problem.code, problem.text, choices=("确认", "驳回"))
    report = replace(report, mails=(*report.mails, letter.key))
    if completes:
        report = _completed(desk, letter, report)
    desk.put(report)
    for case in named:
        report = _solve(desk, letter, report, case)
    return _ending(desk, letter, report)


def _continues(letter: Letter, report: Report) -> bool:
    """Not a mail of another kind, or about another project, that was merely written by way of "reply"."""
    written = letter.reading.project or letter.reading.project_text
    return letter.reading.kind in (None, "communication") and (not written or place_of(written) == report.place)


def _reports(desk: Desk, letter: Letter) -> bool:
    """Whether the sender writes reports at all: others merely quote them."""
    person = desk.mapping.roster.get(letter.person)
    senders = desk.mapping.kinds_by_id["communication"].senders
    return person is not None and (not senders or person.role in senders)


def _bare_follow_up(desk: Desk, letter: Letter) -> Ending:
    """A reply or forward without a field is talk about a report, or a report that nobody can read."""
    matter = threads.answered_loosely(desk.book, letter, "")
    return Ending.of("discussion", "no_new_fields", "报告的回复或转发，没有新的内容。", matter=matter)


_HELD = ("project_disagrees", "project_ambiguous", "form_disagrees")


def _doubt(desk: Desk, letter: Letter) -> Finding | None:
    if letter.accepted:
        return None
    reading = letter.reading
    if found := refusal(letter, desk.mapping.kinds_by_id["communication"], desk.mapping):
        return found
    if reading.person != letter.person:
        return Finding("writer_differs", f"主题写的是 {reading.person}，发件人却是 {letter.person}。")
    return _contradiction(letter)


def _contradiction(letter: Letter) -> Finding | None:
    """What a mail says in two ways, so that it must not be taken either way unless the manager accepts it."""
    found = next((f for f in letter.reading.findings if f.code in _HELD), None)
    return None if letter.accepted else found


def _sent_before(desk: Desk, letter: Letter) -> Mail | None:
    hours = desk.mapping.pay.resend_hours
    for mail in desk.book.find(Mail, resend=letter.resend):
        # One that was held and is accepted now is in the book itself.
        first = mail.key != letter.key and mail.matter and mail.disposition not in ("duplicate", "copy")
        if first and desk.within(mail.received, letter.received, hours):
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
    times = _times(desk, letter)
    if times.duration:
        values["duration"] = times.duration
    if "duration" in values or times.minutes:
        values["minutes"] = times.minutes
    day = times.moment.day if times.moment else report.day
    return replace(report, **values, day=day, **_state(desk, letter, report))


@dataclass(frozen=True)
class _Times:
    """When and how long, as far as a mail says it so that it can be read (domain §3)."""

    moment: Moment | None = None
    duration: str | None = None
    """As written, where it stands in the field of the day: 时间：2小时."""
    minutes: int | None = None
    findings: tuple[Finding, ...] = ()


def _times(desk: Desk, letter: Letter) -> _Times:
    """支持日期 and 耗时, seen from the day on which the server had the mail."""
    fields = {name: value for name, value in letter.reading.fields.items() if name not in letter.reading.vague}
    day, duration = fields.get(_DAY), fields.get(_DURATION)
    received = desk.mapping.calendar.day(letter.received)
    hours = desk.mapping.calendar_rule.hours_per_day
    moment = parse_moment(day, received) if day else None
    if day and not moment and not duration and (minutes := parse_duration(day, hours)):
        return _Times(duration=day, minutes=minutes)
    findings: list[Finding] = []
    if day and (moment is None or moment.day > received):
        why = "晚于收到邮件的日子" if moment else "没有读懂"
        text = f"支持日期“{one_line(day)[:60]}”{why}，按收到的日子 {received} 记。请写成 2026-11-20 这样。"
        findings.append(Finding("day_unclear", text))
        moment = None
    minutes = parse_duration(duration, hours) if duration else None
    if duration and minutes is None:
        text = f"耗时“{one_line(duration)[:60]}”不能算成时间，照原文记。请写成 2.5小时、90分钟 这样。"
        findings.append(Finding("duration_unclear", text))
    elif moment and moment.start is not None and moment.end is not None and not duration:
        minutes = moment.end - moment.start
    return _Times(moment, minutes=minutes, findings=tuple(findings))


def _state(desk: Desk, letter: Letter, report: Report) -> dict[str, Any]:
    """What is missing now: of a first mail what its reading says, of a later one what is still open."""
    reading = letter.reading
    missing = dict.fromkeys((*reading.missing, *reading.vague))
    if report.missing:
        given = reading.fields.keys() - set(reading.vague)
        missing = dict.fromkeys(name for name in report.missing if name not in given)
        if reading.fields.get("沟通结果") == LEFT and not (report.leftover or reading.fields.get("遗留问题描述")):
            missing["遗留问题描述"] = None
        if reading.fields.get("沟通结果") == SOLVED:
            missing.pop("遗留问题描述", None)
    return {"missing": tuple(missing), "state": "incomplete" if missing else "complete"}


def _completed(desk: Desk, letter: Letter, report: Report) -> Report:
    """`report` with what a reply adds, and what follows from a result that is new."""
    before, report = report.result, _filled(desk, letter, report)
    desk.put(report)
    case = desk.book.get(Case, report.case) if report.case else None
    own = case if case and case.state == "open" else None
    if own and report.result == SOLVED:
        return _solve(desk, letter, report, own)
    if own and report.result == LEFT:
        desk.put(replace(own, title=report.leftover or own.title, mails=(*own.mails, letter.key)))
    elif report.result != before:
        return _result(desk, letter, report)
    return report


def _ending(desk: Desk, letter: Letter, report: Report) -> Ending:
    matter = f"report:{report.number}"
    unclear = _times(desk, letter).findings
    if report.state == "complete":
        return Ending("recorded", matter, unclear, kind="communication")
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
    return Ending("recorded", matter, (Finding("report_incomplete", text), *unclear), kind="communication")


def _told(desk: Desk, report: Report, letter: Letter | None = None) -> None:
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
            "received": desk.when(report.received),
            "result": report.result or "",
            "problem": report.problem or "",
            "leftover": report.leftover or "",
        },
        set_off_by=letter,
    )


# -- leftover problems -----------------------------------------------------------------------------------------------


def _result(desk: Desk, letter: Letter, report: Report) -> Report:
    """What the result means for leftover problems: it opens one, or solves one."""
    if report.result == LEFT:
        return _open(desk, letter, report)
    if report.result != SOLVED:
        return report
    answered, named = _by_thread(desk, letter), _named_leftovers(desk, letter, report)
    told = answered or named
    cases = told or _open_leftovers(desk, report)
    if named and answered and answered[0] not in named:
        # The thread is about one, and the number is another's: asked, never guessed.
        told, cases = [], [*answered, *named]
    if len(cases) > 1 and not told:
        _ask_which(desk, letter, report, cases)
        return report
    for case in cases:
        report = _solve(desk, letter, report, case)
    return report


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


def _open_leftovers(desk: Desk, report: Report) -> list[Case]:
    """Open leftovers of that project and engineer (domain §3)."""
    # Not by state as well: a store may look through the open ones of all projects then.
    found = [c for c in desk.book.find(Case, place=report.place, kind=LEFTOVER) if c.state == "open"]
    # The *next* report with 成功 is meant: not one that the server had before the leftover and that is fetched late.
    return [c for c in found if c.owner == report.writer and c.number != report.case and c.opened <= report.received]


def _by_thread(desk: Desk, letter: Letter) -> list[Case]:
    """The open leftover of the report that the mail answers."""
    matter = threads.answered_loosely(desk.book, letter, "report:")
    answered = desk.book.get(Report, matter.removeprefix("report:")) if matter else None
    case = desk.book.get(Case, answered.case) if answered and answered.case else None
    return [case] if case and case.state == "open" else []


def _named_leftovers(desk: Desk, letter: Letter, report: Report) -> list[Case]:
    """The open leftovers of the same project whose number, or whose report's number, the mail carries."""
    found: dict[str, Case] = {}
    for number in letter.numbers:
        named = desk.book.get(Report, number)
        case = desk.book.get(Case, named.case if named and named.case else number)
        if case and (case.kind, case.state, case.place) == (LEFTOVER, "open", report.place):
            found[case.number] = case
    return list(found.values())


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
    for place in sorted({place_of(name) for name in (project.name, *project.aliases)}):
        for report in desk.book.find(Report, place=place, registered=False):
            moved = replace(
                report, project=project.name, place=place_of(project.name), registered=True, engineer=project.first
            )
            desk.put(moved)
            _told(desk, moved)
        for case in desk.book.find(Case, place=place, kind=LEFTOVER):
            desk.put(replace(case, project=project.name, place=place_of(project.name)))
