"""Asking for a registration, 督促立项 (domain §3): at once, again every 2 working days, then support may stop."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from mailflow.core.people import Person
from mailflow.core.records import Case, Due, Project, Report
from mailflow.core.register import place_of
from mailflow.core.text import one_line
from mailflow.policies.desk import Desk
from mailflow.policies.letter import Letter

KIND = "registration_request"


def ask(desk: Desk, letter: Letter, report: Report) -> None:
    """Opens the request for the report's project, and asks; joins the report to a request that is open already."""
    case = _open_case(desk, report.place)
    if case is not None:
        desk.put(replace(case, data={**case.data, "reports": [*case.data["reports"], report.number]}))
        return
    sales = next((p for p in _addressed(desk, letter) if p.role == "sales"), None)
    case = desk.case(
        letter,
        KIND,
        "asked",
        project=report.project,
        place=report.place,
        owner=sales.name if sales else None,
        title=f"督促立项：{report.project}",
        data={"reports": [report.number], "engineer": report.writer, "asked": 0},
    )
    # Asked at the next tick, whose clock is the real one: a mail fetched days late is not asked about twice at once.
    desk.later(f"case:{case.number}", "ask:0", desk.now)


def fall_due(desk: Desk, due: Due) -> None:
    """The next request, or, after the last one, the word that support may be stopped."""
    case = desk.book.get(Case, due.matter.removeprefix("case:"))
    if case is None or case.state != "asked":
        return
    if case.data["asked"] < desk.mapping.reminders.registration_times:
        _ask_again(desk, case)
    else:
        _stop(desk, case)


def registered(desk: Desk, project: Project, mail: str | None = None) -> None:
    """Ends the requests for `project`, by the mail with the key `mail` if it was registered by mail."""
    for place in sorted({place_of(name) for name in (project.name, *project.aliases)}):
        for case in desk.book.find(Case, kind=KIND, place=place):
            if case.state in ("asked", "stopped"):
                mails = (*case.mails, mail) if mail else case.mails
                done = replace(case, state="registered", project=project.name, changed=desk.now, closed=desk.now)
                desk.put(replace(done, mails=mails))


def _open_case(desk: Desk, place: str) -> Case | None:
    return next(iter(desk.book.find(Case, kind=KIND, place=place, state="asked")), None)


def _addressed(desk: Desk, letter: Letter) -> list[Person]:
    found = [desk.mapping.roster.by_address(address) for address in letter.recipients]
    return [person for person in found if person is not None]


def _ask_again(desk: Desk, case: Case) -> None:
    """Asks the responsible sales person; the manager where nobody is known, and copied from the second time on."""
    asked = case.data["asked"] + 1
    desk.put(replace(case, changed=desk.now, data={**case.data, "asked": asked}))
    next_due = desk.in_working_days(desk.mapping.reminders.registration_every)
    sales = desk.mapping.roster.get(case.owner)
    if sales and not sales.active(desk.mapping.calendar.day(desk.now)):
        sales = None
    subject = f"立项-{case.project}"
    for person in (sales,) if sales else desk.watchers():
        desk.notify(
            "registration_request",
            person,
            matter=f"case:{case.number}",
            step=f"ask:{asked}",
            cc=tuple(desk.watchers()) if asked > 1 else (),
            context={
                "number": case.number,
                "project": case.project or "",
                "engineer": case.data["engineer"],
                "ordinal": asked,
                "times": desk.mapping.reminders.registration_times,
                "due": desk.mapping.calendar.day(next_due).isoformat(),
                "corrected": subject,
                "mailto": mailto(desk, subject),
                "reports": _reports(desk, case),
            },
        )
    desk.later(f"case:{case.number}", f"ask:{asked}", next_due)


def _reports(desk: Desk, case: Case) -> list[dict[str, str]]:
    found = [desk.book.get(Report, number) for number in case.data["reports"]]
    return [{"number": r.number, "received": desk.when(r.received), "engineer": r.writer} for r in found if r]


def _stop(desk: Desk, case: Case) -> None:
    """After the third request the engineer and the manager are told that support may be stopped (domain §3)."""
    desk.put(replace(case, state="stopped", changed=desk.now))
    engineer = desk.mapping.roster.get(case.data["engineer"])
    for person in (*((engineer,) if engineer else ()), *desk.watchers()):
        desk.notify(
            "support_stopped",
            person,
            matter=f"case:{case.number}",
            step="stopped",
            context={
                "number": case.number,
                "project": case.project or "",
                "engineer": case.data["engineer"],
                "sales": case.owner or "",
                "times": case.data["asked"],
                "reason": f"已{case.data['asked']}次请责任销售立项，至今没有收到立项邮件。",
            },
        )


_LONGEST_LINK = 2000
"""What Outlook and Windows still take."""


def mailto(desk: Desk, subject: str) -> str:
    """A link that opens a mail with the right subject (RFC 6068).

    Without a body: the text that was sent does not fit into a link. '' when our own address is not known.
    """
    own = next(iter(desk.mapping.settings.own_addresses), None)
    if own is None:
        return ""
    link = f"mailto:{quote(own, safe='@')}?subject={quote(one_line(subject), safe='', errors='replace')}"
    return link if len(link) <= _LONGEST_LINK else ""
