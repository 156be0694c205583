"""Characters that nobody sees and that make one word look like another to a program: zero width, bidi, soft hyphens."""

from __future__ import annotations

import re

_CHARACTERS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e007f"
)
_INVISIBLE = re.compile(f"[{_CHARACTERS}]")
_RUN = re.compile(f"[{_CHARACTERS}]+")
_JOINED_FACE = re.compile(
    "(?<=[\ufe0f\u2600-\u27bf\U0001f000-\U0001faff])\u200d(?=[\u2600-\u27bf\U0001f000-\U0001faff])"
)
"""A zero width joiner that makes one picture of two belongs to the text."""
_KEPT_JOINER = "\x04"
_TURNING = frozenset("\u202d\u202e\u2066\u2067\u2068")
"""These make text read backwards, inside a word or not."""
_MOST = 20
_AROUND = 6


_ORDINARY = re.compile(
    "[\t\n\r -~\x80-\xac\xae-\u034e\u0350-\u061b\u061d-\u115e\u1161-\u17b3\u17b6-\u180a\u180f-\u200a\u2010-\u2029"
    "\u202f-\u205f\u2070-\u3163\u3165-\ufefe\uff00-\uff9f\uffa1-\ufff8\ufffc-\uffff]*+"
)
"""All of the BMP but these and control characters. A run of what is allowed is found faster than what is not."""


def is_ordinary(text: str) -> bool:
    """Whether `text` is known to have none of them, and no control character but blanks and line ends."""
    return _ORDINARY.fullmatch(text) is not None


def without_invisible(text: str) -> tuple[str, list[str]]:
    """`text` without them, and where they stood inside words: "U+202E：诉撤"; between words they are only layout."""
    if text.isascii() or is_ordinary(text) or not _INVISIBLE.search(text):
        return text, []
    if "\u200d" in text:
        text = _JOINED_FACE.sub(_KEPT_JOINER, text)
    noticed: list[str] = []
    for found in _RUN.finditer(text):
        if len(noticed) >= _MOST:
            break
        start, end = found.span()
        inside = start and end < len(text) and text[start - 1].isalnum() and text[end].isalnum()
        if inside or not _TURNING.isdisjoint(found[0][:50]):
            noticed.append(_shown(text, start, end))
    return _INVISIBLE.sub("", text).replace(_KEPT_JOINER, "\u200d"), noticed


def _shown(text: str, start: int, end: int) -> str:
    names = "、".join(dict.fromkeys(f"U+{ord(char):04X}" for char in text[start : min(end, start + 50)]))
    before = _INVISIBLE.sub("", text[max(0, start - _AROUND) : start]).split()[-1:]
    after = _INVISIBLE.sub("", text[end : end + 2 * _AROUND]).split()[:1]
    return f"{names}：{''.join(before)}{''.join(after)[:_AROUND]}"
