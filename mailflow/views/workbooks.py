"""Which workbooks there are, what is in each, and which ones a batch concerns (domain §7). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mailflow.core.book import Book, memory_book
from mailflow.core.mapping import Mapping
from mailflow.core.records import Case, Complaint, Held, LedgerEntry, Mail, Month, Project, Report, Row, SheetNote
from mailflow.core.table import Workbook
from mailflow.views import held as held_view
from mailflow.views import ledger as ledger_view
from mailflow.views import projects as projects_view
from mailflow.views import summary as summary_view
from mailflow.views import tracking as tracking_view
from mailflow.views.people import engineers
from mailflow.views.sheet import with_notes

_TRACKING, _SUMMARY, _LEDGER, _SUFFIX = "项目跟踪表-", "技术支持总表-", ledger_view.LEDGER, ".xlsx"
PROJECTS = "项目台账.xlsx"
HELD = "待确认.xlsx"

_VIEWS = (tracking_view, summary_view, projects_view, ledger_view, held_view)
SHEETS = {layout.id: layout for view in _VIEWS for layout in view.LAYOUTS}
"""Every sheet by its id: what sheets.toml may name."""


def tracking_name(engineer: str) -> str:
    return f"{_TRACKING}{engineer}{_SUFFIX}"


def summary_name(year: str) -> str:
    return f"{_SUMMARY}{year}{_SUFFIX}"


def ledger_name(year: str) -> str:
    return f"{_LEDGER}{year}{_SUFFIX}"


def names(book: Book, mapping: Mapping) -> list[str]:
    """All workbooks that exist for this book, in a fixed order."""
    return [
        *map(tracking_name, engineers(book, mapping)),
        *map(summary_name, summary_view.years(book)),
        *map(ledger_name, ledger_view.years(book)),
        PROJECTS,
        HELD,
    ]


def samples(mapping: Mapping) -> dict[str, Workbook]:
    """One workbook of each kind without anything in it, by what the kind is called: 项目跟踪表, 待确认."""
    book = memory_book()
    made = (tracking_name("工程师"), summary_name("2026"), ledger_name("2026"), PROJECTS, HELD)
    return {name.removesuffix(_SUFFIX).partition("-")[0]: build(name, book, mapping) for name in made}


def build(name: str, book: Book, mapping: Mapping) -> Workbook:
    """The workbook called `name` as the book has it.

    Raises:
        LookupError: no workbook is called so.
    """
    return with_notes(_built(name, book, mapping), book)


def _built(name: str, book: Book, mapping: Mapping) -> Workbook:
    if name == HELD:
        return held_view.held(name, book, mapping)
    if name == PROJECTS:
        return projects_view.Overview(book, mapping).workbook(name)
    if name.endswith(_SUFFIX) and name.startswith(_TRACKING):
        engineer = name.removeprefix(_TRACKING).removesuffix(_SUFFIX)
        return tracking_view.Tracking(engineer, book, mapping).workbook(name)
    if name.endswith(_SUFFIX) and name.startswith(_SUMMARY):
        return summary_view.Summary(name.removeprefix(_SUMMARY).removesuffix(_SUFFIX), book, mapping).workbook(name)
    if name.endswith(_SUFFIX) and name.startswith(_LEDGER):
        return ledger_view.ledger(name, name.removeprefix(_LEDGER).removesuffix(_SUFFIX), book, mapping)
    raise LookupError(f"there is no workbook {name!r}")


def touched(entries: Iterable[Row], book: Book, before: Book) -> set[str]:
    """The workbooks that the rows of a batch concern.

    Args:
        entries: the rows that the batch made or changed.
        book: the book after the batch.
        before: the book before it: a row that moves from one engineer to another concerns both.
    """
    names: set[str] = set()
    demoted: set[str] = set()
    for new in entries:
        for row in (new, before.get(type(new), new.key)):
            names |= _concerned(row, book) if row is not None else set()
            if isinstance(row, LedgerEntry) and row.effect == "demote":
                demoted.add(row.month[:4])
    return names | (_ledgers_after(min(demoted), book) if demoted else set())


def _concerned(row: Row, book: Book) -> set[str]:
    match row:
        case Project():
            return {PROJECTS} | ({tracking_name(row.first)} if row.first else set())
        case Report():
            return {tracking_name(tracking_view.home(row)), PROJECTS, *_summaries(row.received.year, book)}
        case Case(kind="leftover", owner=str(name)):
            return {tracking_name(name), PROJECTS, *_summaries(row.opened.year, book)}
        case Case() if row.kind != "customer_problem":
            return {PROJECTS}
        case Complaint(engineer=str(name), state=state) if state != "held":
            year = row.month[:4]
            return {tracking_name(name), ledger_name(year), *_summaries(int(year), book)}
        case LedgerEntry():
            year = row.month[:4]
            return {tracking_name(row.engineer), ledger_name(year), *_summaries(int(year), book)}
        case Month():
            return {ledger_name(row.month[:4])}
        case Held():
            return {HELD}
        case SheetNote():
            # the file itself too: an edit that was not accepted is put right there, a ledger lists what was done to it
            return {HELD, row.workbook}
        case Mail() if held_view.shown(row):
            return {HELD, *_summaries(row.received.year, book)}
    return set()


def _summaries(since: int, book: Book) -> set[str]:
    """The summaries of the year in which something began, and of later ones, where it may still be open."""
    return {summary_name(year) for year in summary_view.years(book) if int(year) >= since}


def _ledgers_after(year: str, book: Book) -> set[str]:
    """A demotion moves the opening grade of all later years, too: December may still be open in January.

    Mostly there is nothing later, which can be told without reading all complaints that there ever were.
    """
    begun = (*summary_view.years(book), *(month.month[:4] for month in book.find(Month)))
    months = (f"{int(year) + 1}-{month:02d}" for month in range(1, 13))
    if not (any(one > year for one in begun) or any(book.find(LedgerEntry, month=month) for month in months)):
        return set()
    return {ledger_name(one) for one in ledger_view.years(book) if one > year}
