"""The book as the derived tables answer it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol, TypeVar

from sqlalchemy import CursorResult, Executable, Select, bindparam, select

from mailflow.core.book import Book, check_question
from mailflow.core.records import Row
from mailflow.core.register import Register
from mailflow.store.rows import cell, storable, to_row
from mailflow.store.schema import DERIVED, field_column, mark

R = TypeVar("R", bound=Row)

REGISTER = "register"
_CHUNK = 500
"""Values in an IN list."""
_MARK = select(mark.c.value).where(mark.c.name == bindparam("name"))


class Ask(Protocol):
    """Runs a statement in the transaction at hand."""

    def __call__(self, statement: Executable, values: Mapping[str, Any] = ..., /) -> CursorResult[Any]: ...


class Texts(Protocol):
    """Runs a question in the transaction at hand and returns the first column of what it finds."""

    def __call__(self, statement: Select[tuple[str]], values: Mapping[str, Any], /) -> list[str]: ...


class Remembered:
    """The register of projects that was last built, and the mark that proves it current.

    The mark is a random text, written with every change of a project: one that was rolled back never comes again.
    Threads may race here; the worst is that a register is built once more.
    """

    def __init__(self) -> None:
        self._kept: tuple[str, Register] | None = None

    def recall(self, proof: str | None) -> Register | None:
        kept = self._kept
        return kept[1] if kept is not None and kept[0] == proof else None

    def keep(self, proof: str | None, register: Register) -> None:
        if proof is not None:
            self._kept = (proof, register)


class StoreBook(Book):
    """Every question is a query; only the register is remembered. Good for as long as its transaction."""

    def __init__(self, ask: Ask, texts: Texts, remembered: Remembered) -> None:
        self._ask = ask
        self._texts = texts
        self._remembered = remembered

    def get(self, kind: type[R], key: str) -> R | None:
        found = self._texts(by_key(kind), {"key": storable(key)})
        return to_row(kind, found[0]) if found else None

    def find(self, kind: type[R], /, **where: object) -> list[R]:
        wanted = {name: cell(value) for name, value in where.items()}
        absent = tuple(name for name, value in wanted.items() if value is None)
        return [to_row(kind, body) for body in self._texts(by_fields(kind, tuple(wanted), absent), wanted)]

    def find_each(self, kind: type[R], field: str, values: Sequence[str]) -> dict[str, list[R]]:
        stored = {value: storable(value) for value in values}
        found: dict[str, list[R]] = {text: [] for text in stored.values()}
        texts = list(found)
        for start in range(0, len(texts), _CHUNK):
            rows: Any = self._ask(by_any(kind, field), {"values": texts[start : start + _CHUNK]})
            for text, body in rows:
                found[text].append(to_row(kind, body))
        return {value: list(found[text]) for value, text in stored.items()}

    def register(self) -> Register:
        if self._register is None:
            proof = next(iter(self._texts(_MARK, {"name": REGISTER})), None)
            self._register = self._remembered.recall(proof)
            if self._register is None:
                self._remembered.keep(proof, super().register())
        return super().register()

    def forget_register(self) -> None:
        """To be called when a project was written in this transaction."""
        self._register = None


@cache
def by_key(kind: type[Row]) -> Select[tuple[str]]:
    table = DERIVED[kind]
    return select(table.c.body).where(table.c.key == bindparam("key"))


@cache
def by_fields(kind: type[Row], names: tuple[str, ...], absent: tuple[str, ...]) -> Select[tuple[str]]:
    """`absent`: those of `names` that are asked to be NULL, and have no parameter."""
    check_question(kind, names)
    table = DERIVED[kind]
    statement = select(table.c.body).order_by(table.c.key)
    for name in names:
        column = table.c[field_column(name)]
        statement = statement.where(column.is_(None) if name in absent else column == bindparam(name))
    return statement


@cache
def by_any(kind: type[Row], field: str) -> Select[tuple[str, str]]:
    check_question(kind, (field,))
    table = DERIVED[kind]
    column = table.c[field_column(field)]
    return select(column, table.c.body).where(column.in_(bindparam("values", expanding=True))).order_by(table.c.key)
