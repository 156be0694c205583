"""What is looked up in a mapping's kinds, prepared once for each mapping: keywords, and the labels of body fields."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from mailflow.core.mapping import FieldRule, Kind, Mapping
from mailflow.core.text import fold
from mailflow.kinds.similar import is_typo, sound

T = TypeVar("T")


def prepared(build: Callable[..., T], size: int) -> Callable[..., T]:
    """`build`, of which at most `size` results are remembered.

    By the identity of what it is given, not by its value: comparing two mappings costs more than reading a mail.
    """
    known: dict[tuple[int, ...], tuple[tuple[object, ...], T]] = {}

    def recalled(*given: object) -> T:
        key = tuple(map(id, given))
        found = known.get(key)
        if found is None:
            if len(known) >= size:
                known.clear()
            # With what it was made of, so that nothing else can come to live under the same id.
            found = known[key] = given, build(*given)
        return found[1]

    return recalled


class Keywords:
    """Every keyword and alias in folded form. A keyword that two kinds claim is the first one's."""

    def __init__(self, mapping: Mapping) -> None:
        self.kinds: dict[str, Kind] = {}
        for kind in mapping.kinds:
            for keyword in filter(None, map(fold, kind.keywords)):
                self.kinds.setdefault(keyword, kind)
        self.longest = max(map(len, self.kinds), default=0)
        self._lengths = sorted({len(keyword) for keyword in self.kinds})

    def begins(self, subject: str) -> bool:
        """Whether `subject` begins with a keyword. What most subjects are asked, and the only thing."""
        head = fold(subject[: 2 * self.longest])
        return any(head[:length] in self.kinds for length in self._lengths)

    def meant(self, written: str) -> Kind | None:
        """The only kind of whose keywords the folded text `written` may be a typing mistake."""
        near = {k.id: k for word, k in self.kinds.items() if is_typo(written, word)}
        return next(iter(near.values())) if len(near) == 1 else None


NUMBERING = (
    r"(?:[(（]\s*(?:\d{1,2}|[一二三四五六七八九十]{1,3}|[a-zA-Z])\s*[)）]"
    r"|(?:\d{1,2}(?:[.．]\d{1,2}){0,2}|[一二三四五六七八九十]{1,3}|[a-zA-Z])\s*[、.．)）]"
    r"|[①-⑳⑴-⒇⒈-⒛㈠-㈩➀-➉❶-❿]|\d{1,2}(?:[.．]\d{1,2}){0,2}\s)\s*[、.．]?\s*"
)
_NUMBER = re.compile(NUMBERING)
_DECORATION = " \t\u3000*_#~`\"'“”‘’【】[]［］「」『』〖〗〔〕《》<>•·●○■□◆◇▪▫➢►▶☆★※√✓☑→—–-=+:：∶﹕︰"
_HINT = re.compile(r"\s*[(（][^()（）]*[)）]$")
_LONGEST_WRITTEN = 80
_REMEMBERED = 4096
_TYPO_LENGTH = 4
_TELLING = frozenset("上下本前后今明昨早晚内外新旧原东西南北左右大小主副正子")
"""Characters that make another label (上周计划 is not 下周计划), never a typing mistake."""
_PARTICLES = frozenset("的之地得了")


class Labels:
    """The labels of a kind's fields in folded form, and what their values are compared with."""

    def __init__(self, kind: Kind) -> None:
        self.rules: dict[str, FieldRule] = {}
        for rule in kind.fields:
            for label in filter(None, map(fold, (rule.name, *rule.labels))):
                self.rules.setdefault(label, rule)
        self.required = frozenset(rule.name for rule in kind.fields if rule.required)
        self.conditional = tuple(rule for rule in kind.fields if rule.required_when)
        self.longest = max(map(len, self.rules), default=0)
        self._first = {label[0] for label in self.rules}
        self.digits = self._first.intersection("0123456789")
        """With which labels begin."""
        self._values = {
            rule.name: {fold(v): v for v in rule.values} | {fold(a): v for a, v in rule.value_aliases.items()}
            for rule in kind.fields
        }
        # The same few heads begin the lines of all mails: what is looked up once is not folded again.
        self._begins: dict[str, bool] = {}
        self.words: set[str] = set()
        """Characters known to begin neither a label nor what may stand before one."""
        self._exact: dict[str, FieldRule | None] = {}
        self._near: dict[str, FieldRule | None] = {}

    def begins(self, character: str) -> bool:
        """Whether a label may begin with `character`, in whatever width, case or script."""
        if (known := self._begins.get(character)) is None:
            known = self._begins[character] = fold(character)[:1] in self._first
            if not known and "\u4e00" <= character <= "\u9fff" and character not in "一二三四五六七八九十":
                self.words.add(character)
        return known

    def exact(self, written: str) -> FieldRule | None:
        """The field whose label `written` is, numbering, bold marks and a hint in parentheses left out."""
        if written in self._exact:
            return self._exact[written]
        if len(written) > _LONGEST_WRITTEN:
            return None
        return _remember(self._exact, written, self._read(written))

    def near(self, written: str) -> FieldRule | None:
        """As `exact`; or the only field of whose longer labels `written` may be a typing mistake."""
        if written in self._near:
            return self._near[written]
        if len(written) > _LONGEST_WRITTEN:
            return None
        return _remember(self._near, written, self.exact(written) or self._meant(fold(_bare(written))))

    def value(self, rule: FieldRule, written: str) -> str | None:
        """`written` as the mapping writes it, where it is one of the allowed values or an alias of one."""
        known = self._values[rule.name]
        if not known or len(written) > _LONGEST_WRITTEN:
            return None
        return written if written in rule.values else known.get(fold(written))

    def _read(self, written: str) -> FieldRule | None:
        bare = _bare(written)
        return self.rules.get(fold(bare)) or self.rules.get(fold(_HINT.sub("", bare)))

    def _meant(self, written: str) -> FieldRule | None:
        if not _TYPO_LENGTH - 1 <= len(written) <= self.longest + 1:
            return None
        near = {rule.name: rule for label, rule in self.rules.items() if _is_slip(written, label)}
        return next(iter(near.values())) if len(near) == 1 else None


def _remember(known: dict[str, FieldRule | None], written: str, rule: FieldRule | None) -> FieldRule | None:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[written] = rule
    return rule


def _bare(written: str) -> str:
    bare = written.strip(_DECORATION)
    return _NUMBER.sub("", bare, count=1).strip(_DECORATION) if _NUMBER.match(bare) else bare


def _is_slip(written: str, label: str) -> bool:
    """Whether `written` is `label` mistyped: one character wrong, missing, doubled or swapped, or two sound-alikes.

    A character that makes another label of it (第二, 上周, 无) is no mistake, nor is any further one (原遗留问题).
    """
    if _marks(written) != _marks(label):
        return False
    wrong = sum(a != b for a, b in zip(written, label, strict=True)) if len(written) == len(label) else 0
    if len(label) < _TYPO_LENGTH:
        return len(label) == _TYPO_LENGTH - 1 and wrong == 1 and is_typo(written, label)
    if is_typo(written, label):
        return len(written) <= len(label) or _is_stutter(written, label)
    return wrong == 2 and sound(written) == sound(label)


def _marks(text: str) -> list[str]:
    return sorted(c for c in text if c in _TELLING)


def _is_stutter(written: str, label: str) -> bool:
    at = next((i for i, (a, b) in enumerate(zip(written, label, strict=False)) if a != b), len(label))
    return written[at] in _PARTICLES or written[at] in written[at - 1 : at] + written[at + 1 : at + 2]


keywords_of: Callable[[Mapping], Keywords] = prepared(Keywords, 8)
labels_of: Callable[[Kind], Labels] = prepared(Labels, 256)
