"""Normal forms of text in which people write one thing in many ways (width, case, spaces, dashes, traditional)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from zhconv import convert

_DASH = re.compile("[-\u02d7\u2010-\u2015\u2043\u2212\u2500\u2501\u2e3a\u2e3b\ufe31\ufe32\ufe58\ufe63\uff0d\u00ad]+")
_SPACE = re.compile(r"\s+")
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def simplified(text: str) -> str:
    """Traditional characters to simplified ones; other text unchanged. Length is kept (character by character)."""
    return str(convert(text, "zh-hans")) if not text.isascii() else text


def one_line(text: str) -> str:
    """`text` on one line: zero-width and control characters out, runs of white space to one blank, trimmed."""
    text = _ZERO_WIDTH.sub("", text)
    return _CONTROL.sub("", _SPACE.sub(" ", text)).strip()


def dashes(text: str) -> str:
    """Every kind of dash, and runs of them, to one ASCII hyphen."""
    return _DASH.sub("-", text)


def dash_spans(text: str) -> list[tuple[int, int]]:
    """Where the runs of dashes of any kind stand in `text`: (start, end) of each."""
    return [found.span() for found in _DASH.finditer(text)]


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """The form in which names are compared: NFKC (width), simplified, case-folded, one kind of dash, no white space.

    >>> fold("ＥＲＰ 項目－二期")
    'erp项目-二期'
    """
    text = unicodedata.normalize("NFKC", one_line(text))
    return dashes(_SPACE.sub("", simplified(text))).casefold()
