"""The book: what has been worked out so far, and the questions that may be asked of it.

`Book` has two primitive questions, `get` and `find`. The store answers them from its indexed tables; `Overlay` lays
the changes of a batch over any other book; an overlay over `EmptyBook` is a book in memory. Deciding reads only
through this protocol and writes nothing, so the daemon, `rebuild` and `explain` cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mailflow.core.records import Complaint, LedgerEntry, Mail, Month, Notice, Project, Row
from mailflow.core.register import Register

R = TypeVar("R", bound=Row)


def column(value: object) -> str | None:
    """A value of an indexed field as it is compared: None stays None, True and False are "1" and "0"."""
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


class Book(ABC):
    """Read-only. Rows come in the order of their keys, which is the order in which they were made."""

    @abstractmethod
    def get(self, kind: type[R], key: str) -> R | None:
        """The row with this key, or None."""

    @abstractmethod
    def find(self, kind: type[R], /, **where: object) -> list[R]:
        """All rows whose indexed fields equal `where`, in the order of keys. No `where`: all rows."""

    _register: Register | None = None

    def register(self) -> Register:
        """The project register as this book has it."""
        if self._register is None:
            self._register = Register(tuple(self.find(Project)))
        return self._register

    def mail_by_id(self, message_id: str) -> Mail | None:
        """The first mail taken in with this Message-ID."""
        return next(iter(self.find(Mail, message_id=message_id)), None)

    def notice_by_id(self, message_id: str) -> Notice | None:
        """The notice that was sent under this Message-ID."""
        return next(iter(self.find(Notice, message_id=message_id)), None)

    def counted(self, engineer: str) -> list[Complaint]:
        """The engineer's counted complaints in the order in which the server received them (domain §4)."""
        found = self.find(Complaint, engineer=engineer, state="counted")
        return sorted(found, key=lambda c: (c.received, c.number))

    def standing(self, engineer: str) -> list[LedgerEntry]:
        """The engineer's ledger entries that no other entry has taken back, reversals themselves left out."""
        return [e for e in self.find(LedgerEntry, engineer=engineer, reversed_by=None) if e.reverses is None]

    def is_closed(self, month: str) -> bool:
        return self.get(Month, month) is not None


class EmptyBook(Book):
    """The book before anything happened."""

    def get(self, kind: type[R], key: str) -> R | None:
        return None

    def find(self, kind: type[R], /, **where: object) -> list[R]:
        return []


class Overlay(Book):
    """`base` with rows laid over it. The base must not change meanwhile."""

    def __init__(self, base: Book) -> None:
        self._base = base
        self._rows: dict[type[Row], dict[str, Row]] = {}

    def put(self, *rows: Row) -> None:
        """Lays `rows` over the base; a row with a known key takes the old one's place."""
        for row in rows:
            self._rows.setdefault(type(row), {})[row.key] = row
            if isinstance(row, Project):
                self._register = None

    def get(self, kind: type[R], key: str) -> R | None:
        row = self._rows.get(kind, {}).get(key)
        return row if isinstance(row, kind) else self._base.get(kind, key)

    def find(self, kind: type[R], /, **where: object) -> list[R]:
        own = self._rows.get(kind, {})
        wanted = {name: column(value) for name, value in where.items()}
        unknown = wanted.keys() - set(kind.indexed)
        if unknown:
            raise LookupError(f"{kind.table} cannot be asked for by {sorted(unknown)}")
        rows = [row for row in self._base.find(kind, **where) if row.key not in own]
        for row in own.values():
            if isinstance(row, kind) and all(column(getattr(row, n)) == v for n, v in wanted.items()):
                rows.append(row)
        return sorted(rows, key=lambda row: row.key)

    def register(self) -> Register:
        if Project not in self._rows:
            return self._base.register()
        return super().register()

    def changes(self) -> Iterator[Row]:
        """All rows laid over, in the order of their first put."""
        for rows in self._rows.values():
            yield from rows.values()


def memory_book(rows: Iterable[Row] = ()) -> Overlay:
    """A book in memory that holds `rows`."""
    book = Overlay(EmptyBook())
    book.put(*rows)
    return book
