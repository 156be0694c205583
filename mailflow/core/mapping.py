"""What admins set in `mappings/`, as frozen objects. Read from files by mailflow/mappings.py; pure here.

A mapping taken into use is a fact (architecture, "Mappings are versioned"): everything on which a decision may depend
is in it, the settings of config.toml that matter (time zone, own addresses, trusted authserv-ids) included.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from datetime import date, time
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, Field

from mailflow.core.address import domain_of
from mailflow.core.calendar import Calendar
from mailflow.core.model import Model
from mailflow.core.people import Person, Roster
from mailflow.core.providers import Provider
from mailflow.core.text import fold

Trust = Literal["none", "roster", "authenticated"]
TRUST_ORDER: tuple[Trust, ...] = ("none", "roster", "authenticated")

KIND_IDS = (
    "registration", "communication", "complaint", "written_report", "withdrawal", "improvement", "fault", "bug",
    "test", "implementation", "exchange", "training", "document", "aftersales", "milestone", "daily_report",
    "weekly_report", "customer_problem", "satisfaction", "group_opened", "group_released", "leaver", "query",
    "decision",
)  # fmt: skip
"""The shipped kinds (domain §2). An admin may add further ones in kinds.toml."""


class ProjectSeed(Model):
    """A project that mappings/projects.toml registers beforehand."""

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    customer: str | None = None
    product: str | None = None
    sales: str | None = None
    first: str | None = None
    second: str | None = None
    grade: Literal["S", "A", "B", "C"] | None = None
    stage: str | None = None
    registered: date | None = None


class FieldRule(Model):
    """A body field of a kind: `标签：值` (domain §3)."""

    name: str
    labels: tuple[str, ...]
    """Further labels; `name` itself is always one."""
    required: bool = False
    required_when: dict[str, str] = Field(default_factory=dict)
    """Required when another field has this value: {"沟通结果": "问题遗留"}."""
    values: tuple[str, ...] = ()
    """Allowed values; empty: any."""
    value_aliases: dict[str, str] = Field(default_factory=dict)
    vague: tuple[str, ...] = ()
    """Values that say nothing; compared in folded form."""
    vague_patterns: tuple[str, ...] = ()
    """Regular expressions over the folded value, matched whole."""
    min_length: int = 0
    long: bool = False
    """Prose: the value goes on over the following lines."""


class Kind(Model):
    """One kind of mail (domain §2): its subject, who may send it, what its body holds."""

    id: str
    name: str
    keywords: tuple[str, ...]
    """The keyword and its aliases; width, case, spaces and traditional characters do not matter."""
    parts: tuple[str, ...] = ()
    """What follows the keyword, in order: project, new_project, person, summary, text. `?` behind a part: may be
    missing."""
    project_suffixes: tuple[str, ...] = ()
    """Words that may follow the project and belong to the kind, not to the name: 沟通问题."""
    senders: tuple[str, ...] = ()
    """Role ids that may send it; empty: anybody on the roster. 'customer': outside addresses."""
    trust: Trust = "roster"
    fields: tuple[FieldRule, ...] = Field(default=(), alias="field")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FormField(Model):
    """A field of a kind as it stands on a form: beside which label, in which named cell."""

    field: str
    """Name of a field of the form's kind."""
    label: str | None = Field(default=None, min_length=1)
    """What is printed beside the cell; None: the name of the field."""
    cell: str | None = Field(default=None, min_length=1)
    """The name of the cell (a defined name in a workbook, the tag of a control in a document); None: as `field`."""
    choices: tuple[str, ...] = ()
    """The drop-down; empty: the values that the kind allows."""

    @property
    def printed(self) -> str:
        return self.label or self.field

    @property
    def named(self) -> str:
        return self.cell or self.field


class Form(Model):
    """A form that comes back as an attachment, 《name》, and gives fields of a kind (domain §6)."""

    name: str = Field(min_length=1)
    kind: str
    aliases: tuple[str, ...] = ()
    """Other names by which it goes in file names and titles."""
    fields: tuple[FormField, ...] = Field(alias="field")
    """In the order in which they stand on the form."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def choices(self, field: FormField, kind: Kind) -> tuple[str, ...]:
        """What may be chosen in the cell of `field`; empty: anything may be written."""
        return field.choices or next((rule.values for rule in kind.fields if rule.name == field.field), ())

    def as_kind(self, kind: Kind) -> Kind:
        """`kind` with the fields of this form alone, and with what is printed on it among their labels."""
        printed = {field.field: field.printed for field in self.fields}
        rules = tuple(
            rule.model_copy(update={"labels": (*rule.labels, printed[rule.name])})
            for rule in kind.fields
            if rule.name in printed
        )
        return kind.model_copy(update={"fields": rules})


class Words(Model):
    """Words that people answer with (domain §2 "decision", §4), and prefixes of subjects."""

    accept: tuple[str, ...] = ("确认", "同意", "属实", "计入")
    reject: tuple[str, ...] = ("驳回", "不同意", "不计", "不予受理")
    uphold: tuple[str, ...] = ("维持", "维持原判")
    assign: tuple[str, ...] = ("指定", "改派", "计入")
    withdraw: tuple[str, ...] = ("撤诉", "撤销投诉", "撤回投诉")
    object: tuple[str, ...] = ("异议", "有异议")


class PayRule(Model):
    """With every `every`-th counted complaint within `scope`, `effect` by `grades` (domain §4)."""

    id: str
    name: str
    every: int = Field(ge=1)
    scope: Literal["lifetime", "year", "month"] = "lifetime"
    effect: Literal["withhold", "demote"]
    grades: int = Field(default=1, ge=1)


class Pay(Model):
    """Complaints and pay grades (domain §4)."""

    may_complain: tuple[str, ...] = ("sales",)
    may_withdraw: tuple[str, ...] = ("support_manager",)
    """Roles that may withdraw besides the complainant."""
    may_decide: tuple[str, ...] = ("support_manager",)
    resend_hours: int = Field(default=24, ge=0)
    unknown_project: Literal["hold", "count"] = "hold"
    """A complaint that names its engineer but a project nobody knows."""
    floor: str | int = 1
    """The grade below which nobody is demoted."""
    scale: tuple[str, ...] = ()
    """Grades from the lowest to the highest; empty: grades are numbers, a higher one is better."""
    stack: bool = True
    """Whether several rules apply to one complaint; if not, only the one with the largest `every`."""
    rules: tuple[PayRule, ...] = Field(alias="rule")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Reminders(Model):
    """Deadlines in working days (domain §3, §5), and how much is sent at most (mail.md §5)."""

    registration_every: int = Field(default=2, ge=1)
    registration_times: int = Field(default=3, ge=1)
    month_draft: bool = True
    answers_per_thread: int = Field(default=10, ge=1)
    """So many mails of one thread are answered in a day."""
    answers_per_hour: int = Field(default=30, ge=1)
    """So many mails of one correspondent; likewise in a day:"""
    answers_per_day: int = Field(default=100, ge=1)
    messages_per_hour: int = Field(default=600, ge=1)
    """The brake for all that is sent to anybody."""


class CalendarRule(Model):
    """Corrections to the public calendar, and office hours."""

    holidays: tuple[date, ...] = ()
    workdays: tuple[date, ...] = ()
    opens: time = time(9, 0)
    closes: time = time(18, 0)
    hours_per_day: float = Field(default=8, ge=1, le=24)
    """What 一天 and 半天 stand for in a duration."""


class MailboxSettings(Model):
    """What deciding needs to know of a polled mailbox (config.toml [[mailbox]])."""

    authserv_ids: tuple[str, ...] = ()
    received_by: tuple[str, ...] = ()
    """The names in the Received lines of our border; empty: the authserv_ids."""
    dkim: bool = False
    """Whether a signature of the From domain, checked when the mail was fetched, is enough."""
    arc_sealers: tuple[str, ...] = ()
    """Domains of relays whose seal makes what they saw count."""
    customers: bool = True
    """Whether mail from outside to it may open a customer problem."""
    traditional: bool = False
    """Whether mail without a charset label is rather Big5 than GBK."""


class Settings(Model):
    """The part of config.toml on which decisions depend."""

    timezone: str = "Asia/Shanghai"
    own_addresses: tuple[str, ...] = ()
    """Addresses that mailflow sends from or polls."""
    domain: str = "mailflow.example"
    """Right part of the Message-IDs that mailflow makes."""
    mailboxes: dict[str, MailboxSettings] = Field(default_factory=dict)
    holidays: tuple[date, ...] = ()
    """Public holidays that fall on Monday to Friday, as known when the mapping was taken into use."""
    workdays: tuple[date, ...] = ()
    evidence: bool = False
    """Whether raw mails lie beside the workbooks that name them."""


class SheetColumn(Model):
    """A column of a sheet as sheets.toml wants it: one of the view's, or one that the admin adds for people."""

    field: str = Field(pattern=r"[a-z][a-z0-9_]*")
    heading: str | None = Field(default=None, min_length=1)
    """None: the view's own heading."""
    width: int | None = Field(default=None, ge=1, le=255)
    format: Literal["text", "long", "date", "datetime", "integer", "number"] | None = None
    owner: Literal["person"] | None = None
    """person: a column of the admin's own, which people fill in."""
    choices: tuple[str, ...] = ()
    """A drop-down of suggestions; only in people's columns."""
    show: bool = True


class Sheets(Model):
    """mappings/sheets.toml: {sheet id: columns}. What is missing takes the view's own."""

    columns: dict[str, tuple[SheetColumn, ...]] = Field(default_factory=dict)


class Mapping(Model):
    """Everything that mappings/ says, checked and frozen."""

    version: str
    """Digest of all files and settings: two mappings that say the same are one version."""
    settings: Settings = Settings()
    people: tuple[Person, ...] = ()
    projects: tuple[ProjectSeed, ...] = ()
    kinds: tuple[Kind, ...] = ()
    forms: tuple[Form, ...] = ()
    words: Words = Words()
    pay: Pay
    reminders: Reminders = Reminders()
    calendar_rule: CalendarRule = CalendarRule()
    sheets: Sheets = Sheets()
    providers: tuple[Provider, ...] = ()

    @cached_property
    def roster(self) -> Roster:
        return Roster(self.people)

    @cached_property
    def domains(self) -> frozenset[str]:
        """Of everybody on the roster, and our own."""
        addresses = [a for p in self.people for a in p.addresses] + [*self.settings.own_addresses]
        return frozenset({domain_of(a) for a in addresses} - {""})

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Words that mail of this department is expected to say: names, keywords, labels and answers, folded."""
        said = [word for words in self.words.model_dump().values() for word in words]
        for kind in self.kinds:
            said += (kind.name, *kind.keywords, *kind.project_suffixes)
            said += [word for rule in kind.fields for word in (rule.name, *rule.labels, *rule.values)]
        return frozenset((*self.roster.names(), *map(fold, said)))

    @cached_property
    def calendar(self) -> Calendar:
        rule, settings = self.calendar_rule, self.settings
        return Calendar(
            timezone=settings.timezone,
            holidays=(frozenset(settings.holidays) | frozenset(rule.holidays)) - frozenset(rule.workdays),
            workdays=(frozenset(settings.workdays) | frozenset(rule.workdays)) - frozenset(rule.holidays),
            opens=rule.opens,
            closes=rule.closes,
        )

    @cached_property
    def kinds_by_id(self) -> MappingType[str, Kind]:
        return {k.id: k for k in self.kinds}

    @cached_property
    def forms_by_kind(self) -> MappingType[str, tuple[tuple[Form, Kind], ...]]:
        """For each kind that has some its forms, each with the kind as it stands on the form."""
        kinds = {form.kind for form in self.forms} & self.kinds_by_id.keys()
        return {
            kind: tuple((form, form.as_kind(self.kinds_by_id[kind])) for form in self.forms if form.kind == kind)
            for kind in kinds
        }

    def managers(self) -> tuple[Person, ...]:
        """Whom held items go to: the support managers."""
        return self.roster.with_role("support_manager")
