"""What a reader sees, before it is told apart into new text, quotation and signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

Rows = tuple[tuple[str, ...], ...]

SIGNATURE_MARK = "-- "
"""What stands alone on the line above a signature (RFC 3676 §4.3); without its blank it may be any rule."""
_GAPS = re.compile(r"\n{3,}")


@dataclass(slots=True)
class Page:
    """Visible lines, with what is known of each; `tables` with the number of the line at which each begins."""

    lines: list[str] = field(default_factory=list)
    quoted: list[bool] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    """The line stands in an element that the mail program calls a signature."""
    tables: list[tuple[int, Rows]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    """Texts that are in the mail and that no reader sees."""

    controls: list[str] = field(default_factory=list)
    """Invisible characters taken out of words, each with the word."""

    @classmethod
    def of(cls, lines: list[str]) -> Page:
        return cls(lines, [False] * len(lines), [False] * len(lines))

    def add(self, other: Page) -> None:
        start = len(self.lines)
        self.lines += other.lines
        self.quoted += other.quoted
        self.signed += other.signed
        self.tables += [(start + at, rows) for at, rows in other.tables]
        self.hidden += other.hidden
        self.controls += other.controls

    def new(self) -> str:
        return tidy([line for line, quoted in zip(self.lines, self.quoted, strict=True) if not quoted])

    def has_new(self) -> bool:
        return any(not quoted and line.rstrip() for line, quoted in zip(self.lines, self.quoted, strict=True))

    def old(self) -> str:
        if True not in self.quoted:
            return ""
        return tidy([line for line, quoted in zip(self.lines, self.quoted, strict=True) if quoted])

    def new_tables(self) -> tuple[Rows, ...]:
        return tuple(rows for at, rows in self.tables if at < len(self.quoted) and not self.quoted[at])


def joined(pages: Sequence[Page]) -> Page:
    """All of `pages`, one below the other."""
    if len(pages) == 1:
        return pages[0]
    whole = Page()
    for page in pages:
        whole.add(page)
    return whole


def tidy(lines: list[str]) -> str:
    """Lines as text, without blanks at their ends and with one empty line where there are several."""
    text = "\n".join(map(str.rstrip, lines))
    return (_GAPS.sub("\n\n", text) if "\n\n\n" in text else text).strip("\n")
