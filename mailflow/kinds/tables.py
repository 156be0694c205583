"""What is looked up in a mapping's kinds, prepared once for each mapping: keywords, and the labels of body fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

from mailflow.core.mapping import FieldRule, Kind, Mapping
from mailflow.core.text import fold
from mailflow.kinds.similar import is_typo

T = TypeVar("T")
R = TypeVar("R")


class _Same(Generic[T]):
    """A key that is one certain object. Not its value: comparing two mappings costs more than reading a mail."""

    __slots__ = ("value",)

    def __init__(self, value: T) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value


def _prepared(build: Callable[[T], R], size: int) -> Callable[[T], R]:
    cached = lru_cache(maxsize=size)(lambda key: build(key.value))
    return lambda value: cached(_Same(value))


class Keywords:
    """Every keyword and alias in folded form. A keyword that two kinds claim is the first one's."""

    def __init__(self, mapping: Mapping) -> None:
        self.kinds: dict[str, Kind] = {}
        for kind in mapping.kinds:
            for keyword in filter(None, map(fold, kind.keywords)):
                self.kinds.setdefault(keyword, kind)
        self.longest = max(map(len, self.kinds), default=0)

    def meant(self, written: str) -> Kind | None:
        """The only kind of whose keywords the folded text `written` may be a typing mistake."""
        near = {k.id: k for word, k in self.kinds.items() if is_typo(written, word)}
        return next(iter(near.values())) if len(near) == 1 else None


_NUMBER = re.compile(
    r"(?:[(（]\s*(?:\d{1,2}|[一二三四五六七八九十]{1,3})\s*[)）]|(?:\d{1,2}|[一二三四五六七八九十]{1,3})\s*[、.．)）]"
    r"|[①-⑳⑴-⒇⒈-⒛㈠-㈩➀-➉❶-❿]|\d{1,2}\s)[、.．]?\s*"
)
_DECORATION = " \t\u3000*_#~`\"'“”‘’【】[]「」『』《》<>•·●○■□◆◇▪➢►→-—=+:："
_HINT = re.compile(r"\s*[(（][^()（）]*[)）]$")
_TYPO_LENGTH = 4


class Labels:
    """The labels of a kind's fields in folded form."""

    def __init__(self, kind: Kind) -> None:
        self.rules: dict[str, FieldRule] = {}
        for rule in kind.fields:
            for label in filter(None, map(fold, (rule.name, *rule.labels))):
                self.rules.setdefault(label, rule)
        self.longest = max(map(len, self.rules), default=0)

    def exact(self, written: str) -> FieldRule | None:
        """The field whose label `written` is, numbering, bold marks and a hint in parentheses left out."""
        if len(written) > 80:
            return None
        bare = written.strip(_DECORATION)
        bare = _NUMBER.sub("", bare, count=1).strip(_DECORATION) if _NUMBER.match(bare) else bare
        return self.rules.get(fold(bare)) or self.rules.get(fold(_HINT.sub("", bare)))

    def near(self, written: str) -> FieldRule | None:
        """As `exact`; or the only field of whose longer labels `written` may be a typing mistake."""
        if found := self.exact(written):
            return found
        bare = fold(written.strip(_DECORATION))
        if not _TYPO_LENGTH - 1 <= len(bare) <= self.longest + 1:
            return None
        near = {r.name: r for label, r in self.rules.items() if len(label) >= _TYPO_LENGTH and is_typo(bare, label)}
        return next(iter(near.values())) if len(near) == 1 else None


keywords_of = _prepared(Keywords, 8)
labels_of = _prepared(Labels, 256)
