"""What a reader sees of text/plain, as lines with a mark for quotation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mailflow.message.invisible import is_ordinary, without_invisible
from mailflow.message.page import SIGNATURE_MARK, Page
from mailflow.message.quotes import mark

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Cleaned(NamedTuple):
    text: str
    """With LF for every line end, and without control characters."""
    controls: Sequence[str]
    """What was taken out, in order."""
    ordinary: bool
    """Nothing in it is invisible."""


def clean(text: str) -> Cleaned:
    if "\r" in text:
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    if is_ordinary(text):
        return Cleaned(text, (), True)
    return Cleaned(_CONTROL.sub("", text), _CONTROL.findall(text), False)


def plain_page(
    text: str, *, flowed: bool = False, delsp: bool = False, names: tuple[str, ...] = (), ordinary: bool = False
) -> Page:
    """A cleaned text/plain body. `names`: of the sender, by which answers inside a quotation are known; `ordinary`:
    nothing in it is known to be invisible."""
    text, noticed = (text, []) if ordinary else without_invisible(text)
    # QQ Mail spells its blanks out in the plain alternative as well.
    text = text.replace("&nbsp;", " ").replace("\xa0", " ").replace("\u2028", "\n").replace("\u2029", "\n")
    lines = text.split("\n")
    if flowed:
        lines = _unflow(lines, delsp)
    page = Page.of([line if line == SIGNATURE_MARK else line.rstrip() for line in lines])
    page.controls += noticed
    mark(page.lines, page.quoted, names)
    return page


def _unflow(lines: list[str], delsp: bool) -> list[str]:
    """RFC 3676 §4: lines that end in a blank go on in the next line of the same depth."""
    out: list[str] = []
    held: list[str] = []
    held_depth = 0
    for line in lines:
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")  # space-stuffing
        if held and (depth != held_depth or bare == "-- "):
            out.append(_flowed(held, held_depth))
            held = []
        soft = bare.endswith(" ") and bare != "-- "
        held.append(bare[:-1] if soft and delsp else bare)
        held_depth = depth
        if not soft:
            out.append(_flowed(held, depth))
            held = []
    return [*out, _flowed(held, held_depth)] if held else out


def _flowed(pieces: list[str], depth: int) -> str:
    return ("> " * depth if depth else "") + "".join(pieces)
