"""项目跟踪表-姓名: an engineer's projects, support, leftover problems, complaints, bonus basis (domain §3, §7). Pure.

Only rows of this one engineer are ever asked for, so nobody is shown another's (promise 10).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from mailflow.core.book import Book
from mailflow.core.mapping import Mapping
from mailflow.core.records import Case, Complaint, LedgerEntry, Month, Project, Report
from mailflow.core.table import Column, Sheet, Workbook
from mailflow.policies.workbooks import LEFTOVER_STATES
from mailflow.views.grades import effect_text, month_grades
from mailflow.views.sheet import MAIL, NOTE, Layout, Line, local, newest, to_mail, to_row

COMPLAINT_STATES = {
    "counted": "计入",
    "held": "待确认",
    "withdrawn": "已撤诉",
    "dismissed": "不计入",
    "duplicate": "重复",
}

PROJECTS = Layout(
    id="projects",
    title="项目",
    columns=(
        Column(field="project", heading="项目", format="long", width=24),
        Column(field="customer", heading="客户", format="long", width=20),
        Column(field="product", heading="产品", format="long", width=18),
        Column(field="sales", heading="责任销售", width=11),
        Column(field="second", heading="第二售前", width=11),
        Column(field="grade", heading="级别", width=7),
        Column(field="stage", heading="阶段", width=11),
        Column(field="registered", heading="立项日期", format="date", width=12),
        Column(field="asked", heading="支持内容", format="long", width=36),
        NOTE,
    ),
    note="本人为第一责任售前的项目",
)
REPORTS = Layout(
    id="reports",
    title="支持记录",
    columns=(
        Column(field="number", heading="编号", width=17, linked=True),
        Column(field="day", heading="支持日期", format="date", width=12),
        Column(field="project", heading="项目", format="long", width=20),
        Column(field="writer", heading="支持人", width=12),
        Column(field="contact", heading="沟通人", format="long", width=13),
        Column(field="method", heading="沟通方式", width=9),
        Column(field="result", heading="结果", width=10),
        Column(field="problem", heading="具体问题", format="long", width=34),
        Column(field="leftover", heading="遗留问题描述", format="long", width=24),
        Column(field="duration", heading="耗时", width=9),
        Column(field="state", heading="状态", format="long", width=11),
        Column(field="unregistered", heading="立项", width=8),
        Column(field="received", heading="收到时间", format="datetime", width=17),
        MAIL,
        NOTE,
    ),
    note="每一次支持一行，来自客户沟通邮件",
)
LEFTOVERS = Layout(
    id="leftovers",
    title="遗留问题",
    columns=(
        Column(field="number", heading="编号", width=17, linked=True),
        Column(field="project", heading="项目", format="long", width=26),
        Column(field="title", heading="遗留问题", format="long", width=44),
        Column(field="state", heading="状态", width=11, owner="shared", choices=tuple(LEFTOVER_STATES.values())),
        Column(field="opened", heading="提出时间", format="datetime", width=18),
        Column(field="closed", heading="解决时间", format="datetime", width=18),
        NOTE,
    ),
)
COMPLAINTS = Layout(
    id="complaints",
    title="投诉与后果",
    columns=(
        Column(field="number", heading="编号", width=17),
        Column(field="received", heading="收到时间", format="datetime", width=17),
        Column(field="month", heading="所属月份", width=10),
        Column(field="project", heading="项目", format="long", width=22),
        Column(field="complainant", heading="投诉人", width=11),
        Column(field="state", heading="状态", width=9),
        Column(field="reason", heading="原因", format="long", width=30),
        Column(field="consequences", heading="后果", format="long", width=30),
        MAIL,
        NOTE,
    ),
    note="如有异议，请回复收到的投诉通知并写“异议”",
)
BONUS = Layout(
    id="bonus",
    title="奖金申领依据",
    columns=(
        Column(field="month", heading="月份", width=11),
        Column(field="complete", heading="完整报告", format="integer"),
        Column(field="incomplete", heading="待补充报告", format="integer"),
        Column(field="open", heading="遗留未解决", format="integer"),
        Column(field="solved", heading="遗留已解决", format="integer"),
        Column(field="complaints", heading="计入投诉", format="integer"),
        Column(field="withheld", heading="扣发级数", format="integer"),
        Column(field="grade", heading="期末等级", width=9),
        Column(field="bonus", heading="奖金状态", owner="person", choices=("未申领", "已申领", "已发放")),
        NOTE,
    ),
    note="报告按收到的月份计，遗留问题按提出的月份计",
)
LAYOUTS = (PROJECTS, REPORTS, LEFTOVERS, COMPLAINTS, BONUS)


def home(report: Report) -> str:
    """In whose workbook a report stands: the first engineer's; the writer's as long as nobody is first."""
    return report.engineer or report.writer


@dataclass(frozen=True)
class Tracking:
    """What one engineer's workbook is made of; each kind of row is asked for once."""

    engineer: str
    book: Book
    mapping: Mapping

    @cached_property
    def projects(self) -> list[Project]:
        return self.book.find(Project, first=self.engineer)

    @cached_property
    def reports(self) -> list[Report]:
        own = self.book.find(Report, engineer=self.engineer)
        homeless = self.book.find(Report, engineer=None, writer=self.engineer)
        return sorted([*own, *homeless], key=lambda r: r.number)

    @cached_property
    def leftovers(self) -> list[Case]:
        return self.book.find(Case, kind="leftover", owner=self.engineer)

    @cached_property
    def complaints(self) -> list[Complaint]:
        """Held ones are the manager's until decided: they may be forged, or another's (promise 10)."""
        return [c for c in self.book.find(Complaint, engineer=self.engineer) if c.state != "held"]

    @cached_property
    def ledger(self) -> list[LedgerEntry]:
        return self.book.find(LedgerEntry, engineer=self.engineer)

    def workbook(self, name: str) -> Workbook:
        return Workbook(
            name=name,
            title=f"项目跟踪表 {self.engineer}",
            sheets=(
                PROJECTS.filled(map(_project, self.projects), self.mapping),
                REPORTS.filled(map(self._report, self.reports), self.mapping),
                LEFTOVERS.filled(map(self._leftover, self.leftovers), self.mapping),
                self._complaints(),
                BONUS.filled(map(self._bonus, self._months()), self.mapping),
            ),
            changed=newest(
                [
                    *(r.received for r in self.reports),
                    *(c.changed for c in self.leftovers),
                    *(c.received for c in self.complaints),
                    *(e.time for e in self.ledger),
                ]
            ),
        )

    def _complaints(self) -> Sheet:
        led_to: dict[str, list[str]] = {}
        for entry in self.ledger:
            for number in entry.complaints:
                led_to.setdefault(number, []).append(f"{entry.number} {entry.month} {effect_text(entry)}")
        lines = (_complaint(c, led_to.get(c.number, []), self.mapping) for c in self.complaints)
        return COMPLAINTS.filled(lines, self.mapping)

    def _months(self) -> list[str]:
        counted = {month for month, _ in self._counts}
        return sorted(counted | {c.month for c in self.complaints} | {e.month for e in self.ledger})

    @cached_property
    def _counts(self) -> Counter[tuple[str, str]]:
        """How many reports, leftover problems and counted complaints there are, by month and state: each is looked at
        once, however many months there have been."""
        month = self.mapping.calendar.month
        return Counter(
            (
                *((month(r.received), r.state) for r in self.reports),
                *((month(c.opened), c.state) for c in self.leftovers),
                *((c.month, c.state) for c in self.complaints if c.state == "counted"),
            )
        )

    def _bonus(self, month: str) -> Line:
        grades = month_grades(self.engineer, self.ledger, month, self.mapping, self.book.get(Month, month))
        return Line(
            {
                "month": month,
                "complete": self._counts[month, "complete"],
                "incomplete": self._counts[month, "incomplete"],
                "open": self._counts[month, "open"],
                "solved": self._counts[month, "solved"],
                "complaints": self._counts[month, "counted"],
                "withheld": grades.withheld,
                "grade": grades.closing,
            },
            "counted" if grades.withheld > 0 or grades.demoted > 0 else "",
        )

    @cached_property
    def _cases(self) -> set[str]:
        """Numbers of the leftover problems that stand here."""
        return {case.number for case in self.leftovers}

    @cached_property
    def _opened_by(self) -> dict[str, str]:
        """The report with which each leftover problem began."""
        return {report.case: report.number for report in reversed(self.reports) if report.case}

    def _report(self, report: Report) -> Line:
        incomplete = report.state == "incomplete"
        return Line(
            {
                "number": report.number,
                "day": report.day,
                "project": report.project,
                "writer": report.writer,
                "contact": report.contact,
                "method": report.method,
                "result": report.result,
                "problem": report.problem,
                "leftover": report.leftover,
                "duration": report.duration,
                "state": f"待补充：{'、'.join(report.missing)}" if incomplete else "完整",
                "unregistered": "" if report.registered else "未立项",
                "received": local(report.received, self.mapping),
                "mail": report.reference,
            },
            "late" if incomplete else "",
            links=(
                *to_mail((report.mail, *report.mails), self.book, self.mapping),
                *(to_row("number", LEFTOVERS.id, report.case) if report.case in self._cases else ()),
            ),
        )

    def _leftover(self, case: Case) -> Line:
        return Line(
            {
                "number": case.number,
                "project": case.project,
                "title": case.title,
                "state": LEFTOVER_STATES.get(case.state, case.state),
                "opened": local(case.opened, self.mapping),
                "closed": local(case.closed, self.mapping),
            },
            "late" if case.state == "open" else "",
            links=to_row("number", REPORTS.id, self._opened_by.get(case.number)),
        )


def _project(project: Project) -> Line:
    return Line(
        {
            "project": project.name,
            "customer": project.customer,
            "product": project.product,
            "sales": project.sales,
            "second": project.second,
            "grade": project.grade,
            "stage": project.stage,
            "registered": project.registered,
            "asked": project.asked,
        }
    )


def _complaint(complaint: Complaint, consequences: list[str], mapping: Mapping) -> Line:
    return Line(
        {
            "number": complaint.number,
            "received": local(complaint.received, mapping),
            "month": complaint.month,
            "project": complaint.project,
            "complainant": complaint.complainant or complaint.sender,
            "state": COMPLAINT_STATES[complaint.state],
            "reason": complaint.reason,
            "consequences": "\n".join(consequences),
            "mail": complaint.reference,
        },
        "counted" if complaint.state == "counted" else "muted",
    )
