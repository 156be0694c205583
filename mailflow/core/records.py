"""Rows of the book: what has been worked out so far. Frozen; a change puts a new row under the same key.

Every row type has a `table` name, a `key`, and the fields that may be asked for by equality (`indexed`). Keys sort in
the order in which rows were made. Instants are aware datetimes; months are "YYYY-MM".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from mailflow.core.facts import ChangeKind
from mailflow.core.findings import Finding


@runtime_checkable
class Row(Protocol):
    """What the store and the overlay need to know of a row."""

    table: ClassVar[str]
    indexed: ClassVar[tuple[str, ...]]

    @property
    def key(self) -> str: ...


Disposition = Literal[
    "recorded",  # made or completed a record
    "decided",  # its answer was carried out: decision, withdrawal
    "held",  # waits for the manager in 待确认
    "near_miss",  # keyword there, the rest does not parse
    "duplicate",  # the same said again within the resend window
    "copy",  # same Message-ID and content as a mail taken in before
    "discussion",  # a reply or forward that changes nothing
    "automatic",  # automatic mail: never answered, counted or opened as a problem (domain §9)
    "bounce",  # a delivery report
    "own",  # mail that mailflow itself sent
    "unmatched",  # of no kind
    "set_aside",  # could not be processed; shown to the manager, can be tried again
]


@dataclass(frozen=True, kw_only=True)
class Mail:
    """How one mail ended. Exactly one row for each mail taken in (promise 3)."""

    table: ClassVar[str] = "mail"
    indexed: ClassVar[tuple[str, ...]] = ("message_id", "content", "resend", "disposition", "matter", "conversation")

    seq: int
    mailbox: str
    received: datetime
    digest: str
    message_id: str | None
    content: str
    """Digest of From, Date, Subject, decoded text and attachments: the same in every copy."""
    resend: str | None
    """Digest of sender, text and what the subject means: the same in a re-send."""
    subject: str
    sender: str
    person: str | None
    """The roster name of the sender, as far as From says; `trust` says how far that is believed."""
    trust: str
    kind: str | None
    disposition: Disposition
    matter: str | None = None
    """What it moved: "report:MF-…", "complaint:MF-…", "project:…", "held:3", "case:MF-…", "month:2026-11"."""
    findings: tuple[Finding, ...] = ()
    conversation: str | None = None
    """What the Thread-Index of every mail of one Outlook conversation begins with; hexadecimal."""
    branch: str | None = None
    """The whole of it: the mail answers the one whose branch is the longest beginning of its own."""

    @property
    def key(self) -> str:
        return mail_key(self.seq)

    @property
    def reference(self) -> str:
        """How people are told of this mail: its Message-ID, or its digest where it has none."""
        return self.message_id or f"sha256:{self.digest}"


def mail_key(seq: int) -> str:
    return f"{seq:09d}"


@dataclass(frozen=True, kw_only=True)
class Project:
    """A registered project (domain §2, §6)."""

    table: ClassVar[str] = "project"
    indexed: ClassVar[tuple[str, ...]] = ("first", "sales")

    name: str
    aliases: tuple[str, ...] = ()
    customer: str | None = None
    product: str | None = None
    sales: str | None = None
    first: str | None = None
    second: str | None = None
    grade: str | None = None
    stage: str | None = None
    registered: date | None = None
    asked: str | None = None
    """What support is asked for."""
    mail: str | None = None
    """Key of the registering mail; None: from mappings/projects.toml."""
    verified: bool = True
    """False: the first engineer is not known from authenticated mail: pay never moves by it (promise 10)."""
    first_since: datetime | None = None
    """Since when the first engineer is known, or another one took over; None: always. Older complaints are not certain
    (domain §4)."""

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class Report:
    """A communication report (domain §3)."""

    table: ClassVar[str] = "report"
    indexed: ClassVar[tuple[str, ...]] = ("project", "engineer", "writer", "registered", "place")

    number: str
    mail: str
    reference: str
    received: datetime
    project: str
    """Registered name, or the name as written when `registered` is False."""
    place: str
    """`project` folded: under it, what was kept unregistered is found when the project is registered."""
    registered: bool
    writer: str
    engineer: str | None
    """Whose tracking sheet it stands in: the project's first engineer, whoever wrote it."""
    day: date
    duration: str | None = None
    """As written."""
    minutes: int | None = None
    """How long, where the mail says it so that it can be read."""
    result: str | None = None
    contact: str | None = None
    method: str | None = None
    problem: str | None = None
    leftover: str | None = None
    state: Literal["complete", "incomplete"] = "complete"
    missing: tuple[str, ...] = ()
    """Names of the fields that are missing or vague."""
    case: str | None = None
    """Number of the leftover problem that it opened or closed."""
    mails: tuple[str, ...] = ()
    """Keys of all mails that made or completed it."""

    @property
    def key(self) -> str:
        return self.number


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case with a life (domain §5): leftover problem, customer problem, registration request, or a plain record."""

    table: ClassVar[str] = "case"
    indexed: ClassVar[tuple[str, ...]] = ("kind", "state", "project", "owner", "place")

    number: str
    kind: str
    state: str
    """leftover: open, solved. customer_problem: new. registration_request: asked, registered, stopped. Others:
    recorded."""
    project: str | None
    place: str | None
    """`project` folded."""
    owner: str | None
    title: str
    opened: datetime
    changed: datetime
    closed: datetime | None = None
    mails: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    """JSON values only."""

    @property
    def key(self) -> str:
        return self.number


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """A complaint (domain §4). Whether it counts is its state; nothing else decides."""

    table: ClassVar[str] = "complaint"
    indexed: ClassVar[tuple[str, ...]] = ("engineer", "state", "project", "mail", "resend")

    number: str
    mail: str
    reference: str
    project: str | None
    engineer: str | None
    """Whom it counts against; None while that is not certain."""
    sender: str
    complainant: str | None
    """Roster name of the sender."""
    received: datetime
    """When the server had it first: it, a copy of it, or a mail that it repeats."""
    month: str
    state: Literal["counted", "held", "withdrawn", "dismissed", "duplicate"]
    reason: str
    """Chinese: why it counts, or why not."""
    resend: str
    named_by: Literal["body", "first", "decision"] | None = None
    duplicate_of: str | None = None
    """Number of the complaint that a duplicate repeats. What is said about a duplicate is said about that one."""
    arrived: datetime | None = None
    """When the server had this very mail, or a copy of it, if that is not `received`."""

    @property
    def key(self) -> str:
        return self.number

    @property
    def matter(self) -> str:
        return f"complaint:{self.number}"


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """An entry of the pay ledger. Never edited (domain §4): what is taken back has an entry of the opposite sign."""

    table: ClassVar[str] = "ledger"
    indexed: ClassVar[tuple[str, ...]] = ("engineer", "month", "for_month", "reversed_by")

    number: str
    """L000001, in the order of booking."""
    engineer: str
    month: str
    """The month in which it is booked."""
    for_month: str
    """The month that it concerns; differs from `month` only in an adjusting entry."""
    rule: str
    effect: Literal["withhold", "demote"]
    grades: int
    """Positive: so many grades withheld or lower. Negative: given back. 0: the floor was reached."""
    ordinal: int
    """The how-manieth counted complaint within the rule's scope caused it."""
    cause: str
    """Chinese: the rule and the arithmetic."""
    complaints: tuple[str, ...]
    """Numbers of the counted complaints that led to it, in order."""
    mails: tuple[str, ...]
    """References of their mails."""
    adjusting: bool
    reverses: str | None = None
    reversed_by: str | None = None
    """The only field that is ever set later, to find what still stands."""
    time: datetime
    mapping: str
    """Version of the mapping that it was decided under."""

    @property
    def key(self) -> str:
        return self.number


@dataclass(frozen=True, kw_only=True)
class Month:
    """A closed month of the ledger."""

    table: ClassVar[str] = "month"
    indexed: ClassVar[tuple[str, ...]] = ()

    month: str
    closed: datetime
    by: str
    mapping: str
    pay: str
    """The pay rules under which it was closed, as JSON: a closed month never changes under new ones."""
    grades: dict[str, str | int | None] = field(default_factory=dict)
    """The engineers' opening grades under which it was closed: nor does it change when the roster does."""

    @property
    def key(self) -> str:
        return self.month


@dataclass(frozen=True, kw_only=True)
class Held:
    """Something that waits for the manager in 待确认 (domain §4, §7)."""

    table: ClassVar[str] = "held"
    indexed: ClassVar[tuple[str, ...]] = ("state", "matter", "mail")

    number: int
    kind: Literal["complaint", "objection", "withdrawal", "mail"]
    matter: str | None
    """What it is about, when that exists already: "complaint:MF-…"."""
    mail: str
    """Key of the mail that is held."""
    reason: str
    """Finding code."""
    text: str
    """Chinese: why it is held."""
    choices: tuple[str, ...]
    """The answers that it understands, as the manager is shown them."""
    opened: datetime
    project: str | None = None
    engineer: str | None = None
    letter: str | None = None
    """The mail as policies see it, as JSON, so that accepting it goes on where holding it stopped."""
    state: Literal["open", "decided"] = "open"
    answer: str | None = None
    by: str | None = None
    decided: datetime | None = None
    result: str | None = None
    """Chinese: what came of the answer, or why it was not understood."""

    @property
    def key(self) -> str:
        return f"{self.number:06d}"


@dataclass(frozen=True, kw_only=True)
class Due:
    """Something that falls due (architecture, "Due rows, no timers")."""

    table: ClassVar[str] = "due"
    indexed: ClassVar[tuple[str, ...]] = ("state",)

    matter: str
    step: str
    due: datetime
    state: Literal["pending", "done"] = "pending"

    @property
    def key(self) -> str:
        return f"{self.matter}/{self.step}"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A wish to tell somebody something: at most one for each (matter, person, step) (promise 4, domain §8)."""

    table: ClassVar[str] = "notice"
    indexed: ClassVar[tuple[str, ...]] = ("message_id", "matter")

    matter: str
    person: str
    """Roster name."""
    step: str
    template: str
    to: str
    """One address."""
    cc: tuple[str, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)
    """What the template may say: JSON values only, text from mail as plain strings."""
    due: datetime
    message_id: str
    """Fixed beforehand, derived from the key, so that a repeat can be recognised."""
    in_reply_to: str | None = None
    """Message-ID of the mail that is answered."""
    references: tuple[str, ...] = ()
    """Those of its thread, the oldest first; the last one is what is answered (RFC 5322 §3.6.4)."""

    @property
    def key(self) -> str:
        return f"{self.matter}|{self.person}|{self.step}"


@dataclass(frozen=True)
class Answered:
    """One mail that set off an automatic answer."""

    time: datetime
    thread: str
    """Digest of the Message-ID that its thread began with."""


@dataclass(frozen=True, kw_only=True)
class Correspondent:
    """Whose mail was answered when, as far as the caps on answers ask for it (mail.md §5, policies/flood.py)."""

    table: ClassVar[str] = "correspondent"
    indexed: ClassVar[tuple[str, ...]] = ()

    who: str
    """Roster name, or the address where the mail was not verified to be that person's."""
    answered: tuple[Answered, ...] = ()
    """The last ones, no more than a day allows."""

    @property
    def key(self) -> str:
        return self.who


@dataclass(frozen=True, kw_only=True)
class Bounce:
    """A delivery report about one of our notices, one row for each recipient (RFC 3464, mail.md §5).

    It only tells: nothing in it can be verified, so it moves no pay and stops no sending.
    """

    table: ClassVar[str] = "bounce"
    indexed: ClassVar[tuple[str, ...]] = ("notice", "final")

    mail: str
    """Key of the mail that reports."""
    ordinal: int
    """The how-manieth recipient of that report."""
    notice: str
    """Key of the notice."""
    recipient: str
    """One of the addresses that the notice went to."""
    final: bool
    """False: delayed, the server still tries."""
    status: str
    """5.1.1 (RFC 3463); '' if it is not told."""
    reason: str
    """What the server said, one line."""
    remote: str
    received: datetime

    @property
    def key(self) -> str:
        return f"{self.mail}:{self.ordinal:03d}"


@dataclass(frozen=True, kw_only=True)
class CellNote:
    """What people wrote into a cell of theirs: 备注, 奖金状态 (domain §7). A workbook made anew has it again."""

    table: ClassVar[str] = "cell_note"
    indexed: ClassVar[tuple[str, ...]] = ("workbook",)

    workbook: str
    sheet: str
    row: str
    """The row's key."""
    field: str
    value: str
    """"" when it was emptied."""
    old: str
    by: str
    """Who, as far as the file says."""
    saved: datetime | None
    time: datetime
    """When it was read back."""

    @property
    def key(self) -> str:
        return cell_key(self.workbook, self.sheet, self.row, self.field)


def cell_key(workbook: str, sheet: str, row: str, field: str) -> str:
    return f"{workbook}|{sheet}|{field}|{row}"


@dataclass(frozen=True, kw_only=True)
class SheetNote:
    """What people did to cells, rows and columns that are not theirs, and what became of it."""

    table: ClassVar[str] = "sheet_note"
    indexed: ClassVar[tuple[str, ...]] = ("workbook", "same")

    number: int
    workbook: str
    sheet: str
    row: str
    field: str
    kind: ChangeKind
    old: str
    new: str
    text: str
    """Chinese: a sentence."""
    by: str
    saved: datetime | None
    time: datetime
    same: str
    """Digest of what was done, where, and in which saving: after a kill it is told again."""

    @property
    def key(self) -> str:
        return f"{self.number:09d}"


@dataclass(frozen=True, kw_only=True)
class Counter:
    """The last number given, e.g. case:2026, ledger, held."""

    table: ClassVar[str] = "counter"
    indexed: ClassVar[tuple[str, ...]] = ()

    name: str
    value: int

    @property
    def key(self) -> str:
        return self.name


ROW_TYPES: tuple[type[Row], ...] = (
    Mail, Project, Report, Case, Complaint, LedgerEntry, Month, Held, Due, Notice, Counter, Bounce,
    CellNote, SheetNote, Correspondent,
)  # fmt: skip
