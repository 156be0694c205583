"""Which workbooks there are, what is in each, and which ones a batch concerns (domain §7). Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mailflow.core.book import Book
from mailflow.core.mapping import Mapping
from mailflow.core.records import Case, Complaint, Held, LedgerEntry, Mail, Month, Project, Report, Row
from mailflow.core.table import Workbook
from mailflow.views import held as held_view
from mailflow.views import ledger as ledger_view
from mailflow.views import tracking as tracking_view

_TRACKING, _LEDGER, _SUFFIX = "项目跟踪表-", "绩效等级台账-", ".xlsx"
HELD = "待确认.xlsx"

SHEETS = {layout.id: layout for view in (tracking_view, ledger_view, held_view) for layout in view.LAYOUTS}
"""Every sheet by its id: what sheets.toml may name."""


def tracking_name(engineer: str) -> str:
    return f"{_TRACKING}{engineer}{_SUFFIX}"


def ledger_name(year: str) -> str:
    return f"{_LEDGER}{year}{_SUFFIX}"


def names(book: Book, mapping: Mapping) -> list[str]:
    """All workbooks that exist for this book, in a fixed order."""
    return [
        *map(tracking_name, engineers(book, mapping)),
        *map(ledger_name, ledger_view.years(book)),
        HELD,
    ]


def engineers(book: Book, mapping: Mapping) -> list[str]:
    """Everybody with a tracking sheet: engineers in the roster's order, then who else has something in one.

    Reports are asked for by name, never listed: there may be very many.
    """
    own = [p.name for p in mapping.roster.with_role("engineer")]
    others = {p.first for p in book.find(Project)}
    others |= {c.engineer for c in book.find(Complaint) if c.state != "held"}
    others |= {e.engineer for e in book.find(LedgerEntry)}
    others |= {p.name for p in mapping.roster if p.role != "engineer" and _has_reports(p.name, book)}
    return [*own, *sorted({name for name in others if name} - set(own))]


def _has_reports(name: str, book: Book) -> bool:
    return bool(book.find(Report, engineer=name) or book.find(Report, engineer=None, writer=name))


def build(name: str, book: Book, mapping: Mapping) -> Workbook:
    """The workbook called `name` as the book has it.

    Raises:
        LookupError: no workbook is called so.
    """
    if name == HELD:
        return held_view.held(name, book, mapping)
    if name.endswith(_SUFFIX) and name.startswith(_TRACKING):
        engineer = name.removeprefix(_TRACKING).removesuffix(_SUFFIX)
        return tracking_view.Tracking(engineer, book, mapping).workbook(name)
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
    for row in entries:
        old = before.get(type(row), row.key)
        names |= _concerned(row, book)
        names |= _concerned(old, book) if old is not None else set()
    return names


def _concerned(row: Row, book: Book) -> set[str]:
    match row:
        case Project(first=str(name)):
            return {tracking_name(name)}
        case Report():
            return {tracking_name(tracking_view.home(row))}
        case Case(kind="leftover", owner=str(name)):
            return {tracking_name(name)}
        case Complaint(engineer=str(name), state=state) if state != "held":
            return {tracking_name(name), ledger_name(row.month[:4])}
        case LedgerEntry():
            return {tracking_name(row.engineer), *map(ledger_name, _years_from(row, book))}
        case Month():
            return {ledger_name(row.month[:4])}
        case Held():
            return {HELD}
        case Mail() if held_view.shown(row):
            return {HELD}
    return set()


def _years_from(entry: LedgerEntry, book: Book) -> set[str]:
    """A demotion moves the opening grade of all later years, too: December may still be open in January."""
    year = entry.month[:4]
    later = ledger_view.years(book) if entry.effect == "demote" else []
    return {year, *(y for y in later if y > year)}
