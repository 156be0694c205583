"""The book: what has been worked out so far, and the questions that may be asked of it.

`Book` has two primitive questions, `get` and `find`. The store answers them from its indexed tables; `Overlay` lays
the changes of a batch over any other book; an overlay over `EmptyBook` is a book in memory. `Answers` remembers what a
book has said. Deciding reads only through this protocol and writes nothing, so the daemon, `rebuild` and `explain`
cannot differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from mailflow.core.records import Complaint, LedgerEntry, Mail, Month, Notice, Project, Row
from mailflow.core.register import Register

R = TypeVar("R", bound=Row)


def column(value: object) -> str | None:
    """A value of an indexed field as it is compared: None stays None, True and False are "1" and "0"."""
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


def check_question(kind: type[Row], fields: Iterable[str]) -> None:
    """LookupError: rows of this kind cannot be asked for by all of `fields`."""
    unknown = set(fields) - set(kind.indexed)
    if unknown:
        raise LookupError(f"{kind.table} cannot be asked for by {sorted(unknown)}")


class Book(ABC):
    """Read-only. Rows come in the order of their keys, which is the order in which they were made."""

    @abstractmethod
    def get(self, kind: type[R], key: str) -> R | None:
        """The row with this key, or None."""

    @abstractmethod
    def find(self, kind: type[R], /, **where: object) -> list[R]:
        """All rows whose indexed fields equal `where`, in the order of keys. No `where`: all rows."""

    def find_each(self, kind: type[R], field: str, values: Sequence[str]) -> dict[str, list[R]]:
        """For each of `values` what `find` says of the rows whose `field` equals it."""
        return {value: self.find(kind, **{field: value}) for value in values}

    _register: Register | None = None

    def register(self) -> Register:
        """The project register as this book has it."""
        if self._register is None:
            self._register = Register(tuple(self.find(Project)))
        return self._register

    def mail_by_id(self, message_id: str) -> Mail | None:
        """The first mail taken in with this Message-ID; one that a list made of it only where there is no other."""
        found = self.find(Mail, message_id=message_id)
        return min(found, key=lambda mail: mail.disposition in ("automatic", "copy"), default=None)

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
        check_question(kind, where)
        return []


class Answers(Book):
    """`base`, asked for each thing once. It must not change meanwhile."""

    def __init__(self, base: Book) -> None:
        self._base = base
        self._rows: dict[tuple[type[Row], str], Any] = {}
        self._found: dict[tuple[object, ...], list[Any]] = {}

    def expect(self, kind: type[Row], field: str, values: Iterable[str]) -> None:
        """`find` is going to be asked for each of these values of `field`: they are looked up together."""
        unknown = [value for value in dict.fromkeys(values) if (kind, (field, value)) not in self._found]
        for value, rows in self._base.find_each(kind, field, unknown).items():
            self._found[kind, (field, value)] = rows

    def get(self, kind: type[R], key: str) -> R | None:
        question = (kind, key)
        if question not in self._rows:
            self._rows[question] = self._base.get(kind, key)
        row: R | None = self._rows[question]
        return row

    def find(self, kind: type[R], /, **where: object) -> list[R]:
        question = (kind, *where.items())
        if question not in self._found:
            self._found[question] = self._base.find(kind, **where)
        return list(self._found[question])

    def register(self) -> Register:
        return self._base.register()


class Overlay(Book):
    """`base` with rows laid over it. The base must not change meanwhile."""

    def __init__(self, base: Book) -> None:
        self.base = base
        self._rows: dict[type[Row], dict[str, Row]] = {}

    def put(self, *rows: Row) -> None:
        """Lays `rows` over the base; a row with a known key takes the old one's place."""
        for row in rows:
            self._rows.setdefault(type(row), {})[row.key] = row
            if isinstance(row, Project):
                self._register = None

    def get(self, kind: type[R], key: str) -> R | None:
        row = self._rows.get(kind, {}).get(key)
        return row if isinstance(row, kind) else self.base.get(kind, key)

    def find(self, kind: type[R], /, **where: object) -> list[R]:
        found = self.base.find(kind, **where)
        own = self._rows.get(kind)
        if not own:
            return found
        found = [row for row in found if row.key not in own]
        mine = [row for row in own.values() if isinstance(row, kind)]
        for name, value in where.items():
            mine = [row for row in mine if getattr(row, name) == value]
        return sorted((*found, *mine), key=lambda row: row.key) if mine else found

    def register(self) -> Register:
        if Project not in self._rows:
            return self.base.register()
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
