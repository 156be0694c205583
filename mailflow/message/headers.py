"""Structured header fields: addresses, dates, message ids. Tolerant and linear; the standard library's are neither."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

from mailflow.core.text import one_line
from mailflow.message.decode import decode_words
from mailflow.message.model import Address

_TOKEN = re.compile(
    r'"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)"?'
    r"|\((?P<comment>[^()\\]*+(?:\\.[^()\\]*+)*+)\)?"
    r"|<(?P<angle>[^<>]*+)>?"
    r"|(?P<mark>[,;:])"
    r'|(?P<text>[^"(<,;:]+)'
)
_ESCAPED = re.compile(r"\\(.)")
_WHITE = re.compile(r"\s+")
_WORD = re.compile(r"[^\s<>\"'(),;:]++")


def addresses(values: Iterable[str]) -> tuple[Address, ...]:
    """All mailboxes of the raw values of one address header. Words are decoded last: a decoded comma is no comma."""
    found: list[Address] = []
    for value in values:
        box = _Box()
        for match in _TOKEN.finditer(value):
            if match["mark"] == ":" and not box.angle:
                box = _Box()  # the name of a group (RFC 5322 §3.4)
            elif match["mark"]:
                found += box.address()
                box = _Box()
            else:
                box.take(match)
        found += box.address()
    return tuple(found)


class _Box:
    """One mailbox while it is being read."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comments: list[str] = []
        self.angle: str | None = None

    def take(self, match: re.Match[str]) -> None:
        if match["angle"] is not None:
            self.angle = match["angle"] if self.angle is None else self.angle
        elif match["comment"] is not None:
            self.comments.append(match["comment"])
        elif match["quoted"] is not None:
            self.words.append(_ESCAPED.sub(r"\1", match["quoted"]))
        else:
            self.words.append(match["text"])

    def address(self) -> list[Address]:
        text = "".join(self.words).strip()
        if self.angle is not None:
            bare = _WHITE.sub("", self.angle).removeprefix("mailto:")
            bare = bare.rpartition(":")[2] if bare.startswith("@") else bare  # a source route, RFC 5322 §4.4
            return [Address(_name(text or " ".join(self.comments)), bare)] if bare or text else []
        found = next((word for word in _WORD.finditer(text) if "@" in word[0].strip("@")), None)
        if found:
            rest = text[: found.start()] + " " + text[found.end() :]
            return [Address(_name(rest.strip() or " ".join(self.comments)), found[0])]
        return [Address(_name(text), "")] if text.strip("()'\" ") else []


def _name(raw: str) -> str:
    return one_line(decode_words(raw)).strip("'\" ")


_ISO = re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)[T ]+(\d\d?):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?")
_YEARS = range(1990, 2100)


def date(value: str | None) -> datetime | None:
    """The Date header as an aware time; UTC where it names no zone (RFC 5322 §4.3); None if missing or absurd."""
    if not value:
        return None
    try:
        return _iso(value[:100]) or _rfc5322(value[:100])
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _iso(value: str) -> datetime | None:
    match = _ISO.match(value)
    if not match:
        return None
    numbers = [int(part or 0) for part in match.groups()[:6]]
    zone = (match[7] or "Z").replace(":", "")
    seconds = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 3600 + int(zone[3:]) * 60)
    return _aware(tuple(numbers), seconds)


def _rfc5322(value: str) -> datetime | None:
    parts = parsedate_tz(value)
    return _aware(parts[:6], parts[9] or 0) if parts else None


def _aware(numbers: tuple[int, ...], offset: int) -> datetime | None:
    year, month, day, hour, minute, second = numbers
    if year not in _YEARS:
        return None
    zone = timezone(timedelta(seconds=offset)) if offset else UTC
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)


_ID = re.compile(r"<[^<>]+>")


def message_id(value: str | None) -> str | None:
    """The Message-ID with its brackets; an odd one as it stands, without white space; None if empty."""
    bare = _WHITE.sub("", value or "")
    found = _ID.search(bare)
    bare = found[0] if found else bare
    return bare if bare.strip("<>") else None


def message_ids(values: Iterable[str]) -> tuple[str, ...]:
    """All ids of References or In-Reply-To, in order, each once."""
    found: list[str] = []
    for value in values:
        ids = _ID.findall(value) or [word for word in value.split() if "@" in word]
        found += [_WHITE.sub("", one) for one in ids]
    return tuple(dict.fromkeys(found))
