"""The project register: which project a text means (domain §2). Resolved or not, never guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mailflow.core.records import Project
from mailflow.core.text import fold

_TAIL = "项目"


def place_of(name: str) -> str:
    """The form under which a project is looked up: folded, a trailing 项目 left out (XX and XX项目 are one name)."""
    folded = fold(name)
    return folded.removesuffix(_TAIL) or folded


@dataclass(frozen=True)
class Register:
    """All registered projects, found by name or alias. Building it is linear; asking is constant."""

    projects: tuple[Project, ...]
    _exact: dict[str, tuple[Project, ...]] = field(init=False, repr=False, compare=False, hash=False)
    _loose: dict[str, tuple[Project, ...]] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        exact: dict[str, dict[str, Project]] = {}
        loose: dict[str, dict[str, Project]] = {}
        for project in self.projects:
            for name in (project.name, *project.aliases):
                exact.setdefault(fold(name), {})[project.name] = project
                loose.setdefault(place_of(name), {})[project.name] = project
        object.__setattr__(self, "_exact", {k: tuple(v.values()) for k, v in exact.items()})
        object.__setattr__(self, "_loose", {k: tuple(v.values()) for k, v in loose.items()})

    def resolve(self, text: str) -> tuple[Project, ...]:
        """Every project that `text` may mean: the exact folded name or alias first, else without a trailing 项目.

        One: resolved. None: unknown. Several: ambiguous, for a person to say.
        """
        return self._exact.get(fold(text)) or self._loose.get(place_of(text), ())

    def get(self, name: str | None) -> Project | None:
        """The project whose registered name this is exactly."""
        return next((p for p in self.projects_named(name) if p.name == name), None) if name else None

    def projects_named(self, name: str) -> tuple[Project, ...]:
        return self._exact.get(fold(name), ())

    def names(self) -> Iterable[str]:
        """All folded names and aliases, for suggestions."""
        return self._exact.keys()
