"""The end of what somebody wrote, told apart: signature, disclaimer. Never by guess where an answer would be lost.

Only the last lines of the new part are looked at. A line that answers (同意, 撤诉) or a `标签：值` line that is no
address or telephone number keeps everything with it in the text (domain §2, §3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mailflow.message.disclaimer import disclaimer, is_banner, may_have_disclaimer
from mailflow.message.endings import (
    SENTENCE_ENDS,
    answers,
    closes,
    is_address,
    is_contact,
    is_content,
    is_formula,
    is_frame,
    is_pipes,
    is_promotion,
    is_rule,
    looks_signed,
    says_something,
)  # fmt: skip
from mailflow.message.page import SIGNATURE_MARK, Page, Rows, tidy


class Parts(NamedTuple):
    """A page told apart."""

    text: str
    quoted: str
    signature: str
    disclaimer: str
    tables: tuple[Rows, ...]


_MOST_LINES = 12
"""No signature that is only guessed has more lines."""
_TAIL = 40
"""No signature and disclaimer have more lines."""
_ROUNDS = 6


def told_apart(page: Page, names: Sequence[str] = ()) -> Parts:
    """The new part of `page` without its signature and disclaimer; the rest. `names`: of the sender."""
    new: Sequence[int] = range(len(page.lines))
    if True in page.quoted:
        new = [number for number, quoted in enumerate(page.quoted) if not quoted]
    end = _Ending(page, new, names)
    end.take()
    lines = page.lines
    tables: tuple[Rows, ...] = ()
    if page.tables:
        shown = set(new[end.top : end.end])
        tables = tuple(rows for at, rows in page.tables if at in shown)
    text = tidy([lines[number] for number in new[end.top : end.end]])
    return Parts(text, page.old(), _joined(end.signature), _joined([*end.banner, *end.disclaimer]), tables)


def _joined(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    return tidy([line for line in lines if not line or not (is_pipes(line) or is_rule(line))])


class _Ending:
    """The end of the new part, shortened by what is no text of the sender's."""

    def __init__(self, page: Page, new: Sequence[int], names: Sequence[str]) -> None:
        self.top = 0
        self.end = len(new)
        self.banner: list[str] = []
        self.signature: list[str] = []
        self.disclaimer: list[str] = []
        self._page = page
        self._new = new
        self._names = [name for name in names if len(name) > 1]

    def take(self) -> None:
        """Takes off what ends the new part, whichever of them stands last, until nothing is left to take."""
        self._take_banner()
        first = max(self.top, self.end - _TAIL)
        lines = [self._page.lines[number] for number in self._new[first : self.end]]
        hinted = may_have_disclaimer(lines)
        for _ in range(_ROUNDS):
            while lines and not lines[-1].strip():
                lines.pop()
            if not lines or not (hinted or self._may_end(lines, first)):
                break
            if hinted and (start := disclaimer(lines)) is not None:
                self.disclaimer[:0] = [*lines[start:], ""]
            elif (start := self._signature(lines, first)) is not None:
                start = self._with_formula(lines, start)
                self.signature[:0] = [*lines[start:], ""]
            else:
                break
            del lines[start:]
        self.end = first + len(lines)

    def _may_end(self, lines: list[str], first: int) -> bool:
        """Whether a look is worth its time: most mail ends with a sentence, as no signature does."""
        signed = self._page.signed[self._new[first + len(lines) - 1]]
        return lines[-1][-1] not in SENTENCE_ENDS or signed or SIGNATURE_MARK in lines

    def _signature(self, lines: list[str], first: int) -> int | None:
        if is_promotion(lines[-1]):
            return len(lines) - 1
        if (start := self._marked(lines, first)) is not None:
            return start
        # What follows is guessed by its looks: it never takes everything that was written.
        for finder in (_behind_mark, self._behind_rule, self._contacts, _piped):
            start = finder(lines)
            if start is not None and (first > self.top or any(map(says_something, lines[:start]))):
                return start
        return None

    def _marked(self, lines: list[str], first: int) -> int | None:
        """Where the element begins that the mail program calls the signature."""
        signed = self._page.signed
        start = len(lines)
        while start and (signed[self._new[first + start - 1]] or not lines[start - 1].strip()):
            start -= 1
        start += _blanks(lines[start:])
        found = lines[start:]
        if not found or any(is_content(line, card=True) for line in found):
            return None
        typed_in = start == 0 and first == self.top and not all(map(looks_signed, found))
        return None if typed_in else _with_rule(lines, start)

    def _behind_rule(self, lines: list[str]) -> int | None:
        """A rule, and behind it a name with telephone numbers, or the sender's name with nothing that is a sentence."""
        start = next((n for n in range(len(lines) - 1, -1, -1) if is_rule(lines[n])), None)
        if start is None:
            return None
        block = [line for line in lines[start + 1 :] if line.strip()]
        if not block or len(block) > _MOST_LINES or not all(map(looks_signed, reversed(block))):
            return None
        named = any(name in line for name in self._names for line in block[:2])
        return start if named or any(map(is_contact, block)) else None

    def _contacts(self, lines: list[str]) -> int | None:
        """A name with telephone numbers or addresses below it, apart from what stands above."""
        start = len(lines)
        while (
            start and len(lines) - start < _MOST_LINES and lines[start - 1].strip() and looks_signed(lines[start - 1])
        ):
            start -= 1
        block = lines[start:]
        if len(block) == 1:
            return start if is_address(block[0]) and (not start or not lines[start - 1].strip()) else None
        if not block or is_contact(block[0]) or not any(map(is_contact, block[1:])):
            return None
        above = next((line for line in reversed(lines[:start]) if line.strip()), "")
        named = any(name in block[0] for name in self._names)
        apart = not start or not lines[start - 1].strip() or closes(lines[start - 1])
        if above.rstrip()[-1:] in (":", "：") or not (apart or named):
            return None
        return start

    def _with_formula(self, lines: list[str], start: int) -> int:
        """此致 敬礼 and the sender's name right above a signature go with it, if anything is left then."""
        top = start
        while top and (
            not lines[top - 1].strip() or lines[top - 1].strip() in self._names or is_formula(lines[top - 1])
        ):
            top -= 1
        return top if any(line.strip() for line in lines[:top]) else start

    def _take_banner(self) -> None:
        """注意：此邮件来自外部 … above the text was put there by a gateway."""
        for place, number in enumerate(self._new[:4]):
            line = self._page.lines[number]
            if is_frame(line):
                continue
            if is_banner(line):
                self.banner.append(line)
                self.top = place + 1
            return


def _blanks(lines: list[str]) -> int:
    return next((n for n, line in enumerate(lines) if line.strip()), len(lines))


def _with_rule(lines: list[str], start: int) -> int:
    """A rule right above belongs to the signature."""
    above = start
    while above and not lines[above - 1].strip():
        above -= 1
    return above - 1 if above and is_rule(lines[above - 1]) else start


def _behind_mark(lines: list[str]) -> int | None:
    """The line `-- ` (RFC 3676 §4.3); where its blank was lost it may be any rule: what follows must look the part."""
    if "--" not in lines and SIGNATURE_MARK not in lines:
        return None
    start = max(n for n, line in enumerate(lines) if line in ("--", SIGNATURE_MARK))
    block = [line for line in lines[start + 1 :] if line.strip()]
    if lines[start] == SIGNATURE_MARK and not any(map(answers, block)):
        # A card may have labels of its own (部门：, 项目：) behind the name; a form that begins there is no card.
        return start if not block or looks_signed(block[0]) else None
    return start if len(block) <= _MOST_LINES and all(map(looks_signed, reversed(block))) else None


def _piped(lines: list[str]) -> int | None:
    """What is left in text/plain of the table that 网易邮箱大师 makes of a signature: | |, 张三, |."""
    start = next((n for n, line in enumerate(lines) if line[:1] in ("|", "｜") and is_pipes(line)), None)
    if start is None or len(lines) - start > _MOST_LINES + 8:
        return None
    block = lines[start:]
    piped = sum(1 for line in block if line.strip() and is_pipes(line))
    return start if piped > 1 and all(map(looks_signed, block)) else None
