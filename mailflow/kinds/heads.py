"""The head of a subject: which keyword it begins with, and what stands behind it (domain §2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mailflow.core.mapping import Kind
from mailflow.core.text import dash_spans, fold
from mailflow.kinds.tables import Keywords

Form = Literal["dash", "loose", "typo", "whole", "joined"]
"""dash: 客户沟通-…; loose: 客户沟通：… or 【客户沟通】…; typo: 客户勾通-…; whole: nothing behind; joined: no sign."""


@dataclass(frozen=True)
class Head:
    kind: Kind
    rest: str
    """Behind the keyword, in its original characters."""
    form: Form
    written: str
    """The keyword as written."""

    @property
    def telling(self) -> bool:
        """Whether the keyword alone shows what was meant: a long one, or one that moves pay; not 测试 or 培训."""
        return len(fold(self.written)) >= 4 or self.kind.trust == "authenticated"


_TAG = re.compile(r"\s*[【\[［〔]([^【】\[\]［］〔〕]{1,40})[】\]］〕]")
_MOST_CUTS = 4
_PUNCTUATION = " \t。.,，;；!！、:：?？~～"


def find_head(subject: str, keywords: Keywords) -> Head | None:
    """The keyword at the start of `subject`, behind tags such as 【紧急】; None: it begins with none."""
    for _ in range(_MOST_CUTS):
        found = _TAG.match(subject)
        if found is None:
            break
        if kind := keywords.kinds.get(fold(found[1])):
            return Head(kind, subject[found.end() :].lstrip(":： "), "loose", found[1])
        subject = subject[found.end() :]
    subject = trimmed(subject)
    return next(_heads(subject, keywords), None)


def _heads(subject: str, keywords: Keywords) -> Iterator[Head]:
    bare = subject.strip(_PUNCTUATION)
    if len(bare) <= 80 and (kind := keywords.kinds.get(fold(bare))):
        # A dash that ends the subject was trimmed away with what is missing behind it.
        yield Head(kind, "", "whole", bare)
    cuts = dash_spans(subject)[:_MOST_CUTS]
    # The longest first: a keyword may itself hold a dash, and so may the project behind it.
    for start, end in reversed(cuts):
        if kind := keywords.kinds.get(fold(subject[:start].rstrip(":： "))):
            yield Head(kind, subject[end:], "dash", subject[:start].strip())
    for found in list(re.finditer("[:：]", subject[:80]))[:2]:
        if kind := keywords.kinds.get(fold(subject[: found.start()])):
            yield Head(kind, subject[found.end() :], "loose", subject[: found.start()].strip())
    if cuts and cuts[0][0] <= 80 and (kind := keywords.meant(fold(subject[: cuts[0][0]]))):
        yield Head(kind, subject[cuts[0][1] :], "typo", subject[: cuts[0][0]].strip())
    yield from _joined(subject, keywords)


def _joined(subject: str, keywords: Keywords) -> Iterator[Head]:
    """A keyword with a blank or nothing behind it: no kind, but perhaps a near miss."""
    for end in range(min(len(subject) - 1, 2 * keywords.longest), 0, -1):
        if kind := keywords.kinds.get(fold(subject[:end])):
            yield Head(kind, subject[end:], "joined", subject[:end].strip())
            return


def trimmed(text: str) -> str:
    """`text` without white space and dashes at its ends."""
    start, end = 0, len(text)
    marks = {i for span in dash_spans(text) for i in range(*span)} | {i for i, c in enumerate(text) if c.isspace()}
    while start < end and start in marks:
        start += 1
    while end > start and end - 1 in marks:
        end -= 1
    return text[start:end]
