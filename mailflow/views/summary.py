"""技术支持总表-年: the department's year for the manager, by month and by engineer (domain §7). Pure.

All figures are values: a phone or a mail program shows no results of formulas (workbooks.md §5). Months outside the
time from which there is anything stay empty, so that the charts draw no zeros that nobody counted.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from mailflow.core.book import Book
from mailflow.core.mapping import Mapping
from mailflow.core.records import Case, Complaint, Counter, LedgerEntry, Mail, Report
from mailflow.core.table import Cell, Chart, Column, Workbook
from mailflow.policies.workbooks import LEFTOVER_STATES
from mailflow.views.held import shown
from mailflow.views.people import engineers
from mailflow.views.sheet import MAIL, NOTE, Layout, Line, local, newest, to_mail
from mailflow.views.tracking import home

FIGURES = (
    Column(field="reports", heading="支持报告", format="integer"),
    Column(field="incomplete", heading="待补充", format="integer"),
    Column(field="unregistered", heading="未立项", format="integer"),
    Column(field="leftovers", heading="新增遗留", format="integer"),
    Column(field="solved", heading="解决遗留", format="integer"),
    Column(field="open", heading="期末未解决", format="integer"),
    Column(field="days", heading="平均解决天数", format="number"),
    Column(field="complaints", heading="计入投诉", format="integer"),
    Column(field="withheld", heading="扣发级数", format="integer"),
    Column(field="demoted", heading="永久降级", format="integer"),
)
MONTHS = Layout(
    id="summary_months",
    title="月度汇总",
    columns=(
        Column(field="month", heading="月份", width=11),
        *FIGURES,
        Column(field="unmatched", heading="未识别邮件", format="integer"),
        NOTE,
    ),
    note="报告按收到的月份计，遗留问题按提出和解决的月份计，投诉按所属月份计",
)
BY_ENGINEER = Layout(
    id="summary_engineers",
    title="工程师月度",
    columns=(
        Column(field="key", heading="月份与工程师", width=22),
        Column(field="month", heading="月份", width=11),
        Column(field="engineer", heading="工程师", width=14),
        *FIGURES,
        NOTE,
    ),
    note="只列有记录的月份；报告归项目的第一责任售前",
)
YEAR = Layout(
    id="summary_year",
    title="工程师全年",
    columns=(
        Column(field="engineer", heading="工程师", width=14),
        Column(field="written", heading="本人撰写", format="integer"),
        *FIGURES,
        NOTE,
    ),
    note="支持报告归项目的第一责任售前，本人撰写按写报告的人计",
)
LATE = Layout(
    id="summary_late",
    title="待办与未识别",
    columns=(
        Column(field="number", heading="编号", width=17),
        Column(field="kind", heading="类型", width=14),
        Column(field="engineer", heading="工程师", width=14),
        Column(field="project", heading="项目", format="long", width=26),
        Column(field="text", heading="内容", format="long", width=44),
        Column(field="since", heading="起始时间", format="datetime", width=18),
        MAIL,
        NOTE,
    ),
    note="待补充的报告、未立项的报告、未解决的遗留问题、未识别的邮件；办完自动移出",
)
LAYOUTS = (MONTHS, BY_ENGINEER, YEAR, LATE)

MOST_ENGINEERS = 12
"""The charts by engineer leave room for so many at least: their range is fixed when the file is made."""
CHARTS = (
    Chart(
        title="每月支持报告与遗留问题",
        kind="column",
        sheet=MONTHS.id,
        category="month",
        series=("reports", "leftovers", "solved"),
        rows=12,
        unit="份、个",
    ),
    Chart(
        title="每月计入投诉",
        kind="column",
        sheet=MONTHS.id,
        category="month",
        series=("complaints",),
        rows=12,
        unit="次",
    ),
    Chart(
        title="遗留问题平均解决天数",
        kind="line",
        sheet=MONTHS.id,
        category="month",
        series=("days",),
        rows=12,
        unit="天",
    ),
    Chart(
        title="期末未解决遗留问题",
        kind="line",
        sheet=MONTHS.id,
        category="month",
        series=("open",),
        rows=12,
        unit="个",
    ),
    Chart(
        title="各工程师全年",
        kind="column",
        sheet=YEAR.id,
        category="engineer",
        series=("reports", "leftovers", "complaints"),
        rows=MOST_ENGINEERS,
        unit="份、个、次",
    ),
    Chart(
        title="各工程师遗留问题平均解决天数",
        kind="column",
        sheet=YEAR.id,
        category="engineer",
        series=("days",),
        rows=MOST_ENGINEERS,
        unit="天",
    ),
)

_PAY = {"withhold": "withheld", "demote": "demoted"}
"""The figure that an entry of the ledger moves, by its effect."""
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


def years(book: Book) -> list[str]:
    """The years in which anything was numbered (domain §5): reading all reports to find out would cost too much."""
    counters = (c.name for c in book.find(Counter))
    return sorted(name.removeprefix("case:") for name in counters if name.startswith("case:"))


@dataclass(frozen=True)
class _Desk:
    """What one engineer, or the department, has to show."""

    month_of: Callable[[datetime], str]
    reports: Sequence[Report]
    leftovers: Sequence[Case]
    complaints: Sequence[Complaint]
    """Counted ones."""
    ledger: Sequence[LedgerEntry]

    def figures(self, first: str, last: str) -> dict[str, Cell]:
        """The figures of the months from `first` to `last`, both included."""
        found, until = Tally[str](), Tally[str]()
        for month, tally in self._tallies.items():
            if month <= last:
                until.update(tally)
                if first <= month:
                    found.update(tally)
        return {
            **{column.field: found[column.field] for column in FIGURES},
            "open": until["leftovers"] - until["ended"],
            "days": round(found["took"] / _DAY / found["solved"], 1) if found["solved"] else None,
        }

    @cached_property
    def _tallies(self) -> dict[str, Tally[str]]:
        """What FIGURES counts, by month; the row of each thing is looked at once."""
        tallies: defaultdict[str, Tally[str]] = defaultdict(Tally)
        for report in self.reports:
            tally = tallies[self.month_of(report.received)]
            tally["reports"] += 1
            tally["incomplete"] += report.state == "incomplete"
            tally["unregistered"] += not report.registered
        for case in self.leftovers:
            opened = self.month_of(case.opened)
            tallies[opened]["leftovers"] += 1
            if case.closed:
                closed = self.month_of(case.closed)
                tallies[closed]["solved"] += 1
                tallies[closed]["took"] += (case.closed - case.opened) // _MICROSECOND
                tallies[max(opened, closed)]["ended"] += 1
        for complaint in self.complaints:
            tallies[complaint.month]["complaints"] += 1
        for entry in self.ledger:
            tallies[entry.month][_PAY[entry.effect]] += entry.grades
        return tallies


@dataclass(frozen=True)
class Summary:
    """One year ("2026") of the department."""

    year: str
    book: Book
    mapping: Mapping

    def workbook(self, name: str) -> Workbook:
        people = list(self._engineers())
        return Workbook(
            name=name,
            title=f"技术支持总表 {self.year}",
            sheets=(
                MONTHS.filled(self._months(), self.mapping),
                BY_ENGINEER.filled(self._by_engineer(), self.mapping),
                YEAR.filled(people, self.mapping),
                LATE.filled(self._late(), self.mapping),
            ),
            charts=tuple(replace(c, rows=max(c.rows, len(people))) if c.sheet == YEAR.id else c for c in CHARTS),
            changed=newest(self._instants),
        )

    def _month(self, instant: datetime) -> str:
        return self.mapping.calendar.month(instant)

    def _of_year(self, instant: datetime) -> bool:
        return self._month(instant)[:4] == self.year

    @cached_property
    def _desks(self) -> dict[str, _Desk]:
        return {name: self._desk(name) for name in engineers(self.book, self.mapping)}

    def _desk(self, name: str) -> _Desk:
        find = self.book.find
        return _Desk(
            self._month,
            [*find(Report, engineer=name), *find(Report, engineer=None, writer=name)],
            find(Case, kind="leftover", owner=name),
            find(Complaint, engineer=name, state="counted"),
            find(LedgerEntry, engineer=name),
        )

    @cached_property
    def _whole(self) -> _Desk:
        desks = self._desks.values()
        return _Desk(
            self._month,
            [r for d in desks for r in d.reports],
            [c for d in desks for c in d.leftovers],
            [c for d in desks for c in d.complaints],
            [e for d in desks for e in d.ledger],
        )

    @cached_property
    def _unmatched(self) -> list[Mail]:
        return [m for m in self.book.find(Mail, disposition="unmatched") if shown(m) and self._of_year(m.received)]

    @cached_property
    def _instants(self) -> list[datetime]:
        """When anything happened that this workbook tells of."""
        whole = self._whole
        instants = [
            *(r.received for r in whole.reports),
            *(c.changed for c in whole.leftovers),
            *(c.received for c in whole.complaints),
            *(e.time for e in whole.ledger),
            *(m.received for m in self._unmatched),
        ]
        return [i for i in instants if self._of_year(i)]

    @cached_property
    def _span(self) -> tuple[str, str]:
        """The first and the last month of the year in which there was anything; from January where it went on."""
        months = [self._month(i) for i in self._instants]
        earlier = any(self._month(r.received)[:4] < self.year for r in self._whole.reports)
        return (f"{self.year}-01" if earlier else min(months, default="")), max(months, default="")

    def _months(self) -> Iterable[Line]:
        first, last = self._span
        for number in range(1, 13):
            month = f"{self.year}-{number:02d}"
            values: dict[str, Cell] = {"month": month}
            if first <= month <= last:
                values |= self._whole.figures(month, month)
                values["unmatched"] = sum(self._month(m.received) == month for m in self._unmatched)
            yield Line(values, "counted" if _moved(values) else "")
        yield self._total()

    def _total(self) -> Line:
        """The whole year, below the months and outside what the charts show."""
        values = self._whole.figures(f"{self.year}-01", f"{self.year}-12")
        return Line({"month": f"{self.year} 全年", **values, "unmatched": len(self._unmatched)}, "total")

    def _by_engineer(self) -> Iterable[Line]:
        first, last = self._span
        for number in range(1, 13):
            month = f"{self.year}-{number:02d}"
            for name, desk in self._desks.items():
                figures = desk.figures(month, month)
                if first <= month <= last and any(figures.values()):
                    values: dict[str, Cell] = {"key": f"{month} {name}", "month": month, "engineer": name, **figures}
                    yield Line(values, "counted" if _moved(values) else "")

    def _engineers(self) -> Iterable[Line]:
        own = {p.name for p in self.mapping.roster.with_role("engineer")}
        written: dict[str, int] = {}
        for report in self._whole.reports:
            if self._of_year(report.received):
                written[report.writer] = written.get(report.writer, 0) + 1
        for name, desk in self._desks.items():
            figures = desk.figures(f"{self.year}-01", f"{self.year}-12")
            if name in own or any(figures.values()):
                values: dict[str, Cell] = {"engineer": name, "written": written.get(name, 0), **figures}
                yield Line(values, "counted" if _moved(values) else "")

    def _late(self) -> Iterable[Line]:
        """What somebody still has to do; what began in an earlier year is not forgotten at new year."""
        lines = [
            *(self._report(r) for r in self._whole.reports if r.state == "incomplete" or not r.registered),
            *(self._leftover(c) for c in self._whole.leftovers if c.state == "open"),
            *((m.received, self._mail(m)) for m in self._unmatched),
        ]
        until_now = (pair for pair in lines if self._month(pair[0])[:4] <= self.year)
        return [line for _, line in sorted(until_now, key=lambda pair: pair[0])]

    def _report(self, report: Report) -> tuple[datetime, Line]:
        missing = f"缺：{'、'.join(report.missing)}" if report.state == "incomplete" else report.problem
        values: dict[str, Cell] = {
            "number": report.number,
            "kind": "报告待补充" if report.state == "incomplete" else "未立项",
            "engineer": home(report),
            "project": report.project,
            "text": missing,
            "since": local(report.received, self.mapping),
            "mail": report.reference,
        }
        links = to_mail((report.mail, *report.mails), self.book, self.mapping)
        return report.received, Line(values, "late" if report.state == "incomplete" else "", links)

    def _leftover(self, case: Case) -> tuple[datetime, Line]:
        values: dict[str, Cell] = {
            "number": case.number,
            "kind": f"遗留问题{LEFTOVER_STATES['open']}",
            "engineer": case.owner,
            "project": case.project,
            "text": case.title,
            "since": local(case.opened, self.mapping),
        }
        return case.opened, Line(values, "late")

    def _mail(self, mail: Mail) -> Line:
        values: dict[str, Cell] = {
            "number": f"邮件 {mail.seq}",
            "kind": "未识别邮件",
            "engineer": mail.person,
            "text": mail.subject,
            "since": local(mail.received, self.mapping),
            "mail": mail.reference,
        }
        return Line(values)


def _moved(values: dict[str, Cell]) -> bool:
    """Whether pay moved: such a row is emphasised."""
    return bool(values.get("withheld") or values.get("demoted"))
