"""People and the roster (domain §1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from mailflow.core.address import key_of
from mailflow.core.text import Way, fold, way

Role = Literal[
    "engineer",
    "sales",
    "support_manager",
    "technical_director",
    "general_manager",
    "rd_manager",
    "rd_lead",
    "test_group",
    "pmo",
]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody on the roster. `name` is unique: people who share a name carry a suffix, 张三(华东) (domain §1)."""

    name: str
    addresses: tuple[str, ...]
    role: Role
    aliases: tuple[str, ...] = ()
    grade: str | int | None = None
    """Pay grade at the opening of the ledger; a number, or a step of the scale in pay.toml."""
    manager: str | None = None
    joined: date | None = None
    left: date | None = None

    @property
    def address(self) -> str:
        """The address that notices go to: the first one."""
        return self.addresses[0]

    def active(self, day: date) -> bool:
        """Whether the person belongs to the department on `day` (the day of leaving included)."""
        return (self.joined is None or self.joined <= day) and (self.left is None or day <= self.left)


def bare_name(name: str) -> str:
    """张三(华东) -> 张三, in the folded form."""
    return fold(name).split("(", 1)[0]


_MARKS = str.maketrans("", "", "()[]{}<>【】〔〕〖〗《》「」『』-~_·.")


def unmarked(name: str) -> str:
    """张三(华东), 张三【华东】, 张三-华东 and 张三华东 alike; folded."""
    folded = fold(name)
    return folded.translate(_MARKS) or folded


@dataclass(frozen=True)
class Roster:
    """All people, found by address or by name. Building it is linear; asking is constant."""

    people: tuple[Person, ...]
    _by_address: dict[str, Person] = field(init=False, repr=False, compare=False, hash=False)
    _by_name: dict[str, tuple[Person, ...]] = field(init=False, repr=False, compare=False, hash=False)
    _loosely: dict[str, tuple[Person, ...]] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        by_name: dict[str, dict[str, Person]] = {}
        loosely: dict[str, dict[str, Person]] = {}
        for person in self.people:
            # A name shared by two people is ambiguous without its suffix, never guessed (domain §1).
            for name in {fold(person.name), bare_name(person.name), *map(fold, person.aliases)}:
                by_name.setdefault(name, {})[person.name] = person
            for name in (person.name, *person.aliases):
                loosely.setdefault(unmarked(name), {})[person.name] = person
        exact = {fold(p.name): (p,) for p in self.people if "(" in fold(p.name)}
        object.__setattr__(self, "_by_name", {n: tuple(ps.values()) for n, ps in by_name.items()} | exact)
        object.__setattr__(self, "_loosely", {n: tuple(ps.values()) for n, ps in loosely.items()})
        object.__setattr__(self, "_by_address", {key_of(a): p for p in self.people for a in p.addresses})

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people)

    def by_address(self, address: str | None) -> Person | None:
        """The person with this address (however it is spelt), or None."""
        return self._by_address.get(key_of(address)) if address else None

    def by_name(self, name: str) -> tuple[Person, ...]:
        """Everybody whom `name` may mean: name, suffix or alias, in folded form, then whatever its brackets.

        Two or more: ambiguous.
        """
        return self._by_name.get(fold(name)) or self._loosely.get(unmarked(name), ())

    def way(self, text: str, person: Person) -> Way:
        """How `text`, which means `person`, is written compared with the roster."""
        return way(text, person.name, person.aliases, bare_name)

    def get(self, name: str | None) -> Person | None:
        """The person whose full roster name this is, or None."""
        return next((p for p in self.by_name(name) if p.name == name), None) if name else None

    def with_role(self, *roles: str) -> tuple[Person, ...]:
        """Everybody with one of `roles`, in the roster's order."""
        return tuple(p for p in self.people if p.role in roles)

    def names(self) -> Iterable[str]:
        """All folded forms by which anybody is known, for suggestions."""
        return self._by_name.keys()
