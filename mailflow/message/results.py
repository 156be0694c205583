"""Authentication-Results as it stands in mail: the server's name and its words (RFC 8601 §2.2). Tolerant and linear."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

LIMIT = 20_000
"""So many characters of a header are read."""
_TOKEN = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?|([();])|([^\s"();]+)')
_COMMENT = re.compile(r"\([^()]*+\)")
_MARKS = ("=", ".", "/")
_ODD = ("(", ")", *[f"{before}{mark}" for before in " ^;" for mark in _MARKS], *[f"{mark} " for mark in _MARKS])
"""What does not stand in a value as servers write it."""


class Result(NamedTuple):
    """One `method=result` with its properties, all lower case."""

    method: str
    result: str
    properties: dict[str, str]


def read_results(value: str) -> tuple[str, list[list[str]]]:
    """The authserv-id ("" if absent, as with Microsoft 365) and the words of the results. Tolerates anything."""
    value = value[:LIMIT].casefold()
    segments = _plain_segments(value) or list(_segments(value))
    head = segments[0]
    named = head and "=" not in head[0] and (len(head) == 1 or (len(head) == 2 and head[1].isdigit()))
    authserv_id = head[0].rstrip(".") if named else ""
    return authserv_id, segments[1:] if authserv_id else segments


def _plain_segments(value: str) -> list[list[str]] | None:
    """What _segments() gives, ten times as fast; None where quotes, nested comments or odd blanks stand in it."""
    if '"' in value:
        return None
    plain = " ".join((_COMMENT.sub(" ", value) if "(" in value else value).split())
    if plain.startswith(_MARKS) or plain.endswith(_MARKS) or any(map(plain.__contains__, _ODD)):
        return None
    return [segment.split() for segment in plain.split(";")]


def _segments(value: str) -> Iterator[list[str]]:
    """The words between semicolons, comments left out, `name = value` as one word."""
    depth, words, quoted_last = 0, list[str](), False
    for match in _TOKEN.finditer(value):
        quoted, mark, word = match[1], match[2], match[3]
        if mark in ("(", ")"):
            depth = max(0, depth + (1 if mark == "(" else -1))
        elif depth:
            continue
        elif mark:
            yield words
            words, quoted_last = [], False
        elif words and not quoted_last and _belongs(words[-1], quoted, word):
            words[-1] += word if quoted is None else quoted
            quoted_last = quoted is not None
        else:
            words.append(word if quoted is None else quoted)
            quoted_last = quoted is not None
    yield words


def _belongs(before: str, quoted: str | None, word: str) -> bool:
    """Whether white space in one word is what parts the two (RFC 8601 §2.2: it may stand beside "=", "/" and a dot).

    A value that ends in such a mark must not swallow the property after it, so that is left alone.
    """
    if before.endswith("="):
        return before.count("=") == 1 and (quoted is not None or "=" not in word)
    return "=" not in before and (before[-1:] in (".", "/") or (quoted is None and word[:1] in ("=", ".", "/")))


def result_of(words: Sequence[str]) -> Result | None:
    """The words of one segment as a result; None where they are none."""
    pairs = [(k, v) for k, sign, v in [w.partition("=") for w in words] if sign]
    if not pairs:
        return None
    method = pairs[0][0].partition("/")[0]
    properties: dict[str, str] = {}
    for name, value in pairs[1:]:
        properties.setdefault(name, value)
    return Result(method, pairs[0][1], properties)
