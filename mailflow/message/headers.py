"""Structured header fields: addresses, dates, message ids. Tolerant and linear; the standard library's are neither."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from functools import lru_cache

from mailflow.core.text import one_line
from mailflow.message.model import Address
from mailflow.message.words import WORD, decode_words

_TOKEN = re.compile(
    r'"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)(?P<closed>"?)'
    r"|\((?P<comment>(?:[^()\\]++|\\.|\((?:[^()\\]++|\\.)*+\))*+)(?P<shut>\)?)"
    r"|<(?P<angle>[^<>]*+)>?"
    r"|(?P<mark>[,;:])"
    rf"|(?P<word>{WORD})"
    r'|(?P<text>(?:[^"(<,;:=]++|=(?!\?[^?=]{0,60}\? ?[bBqQ] ?\?))++)'
    r"|(?P<rest>.)",
    re.S,
)
_ESCAPED = re.compile(r"\\(.)")
_WHITE = re.compile(r"\s+")
_WORD = re.compile(r"[^\s<>\"'(),;:：，；、＜＞〈〉《》【】（）]++")
_COMMENT = re.compile(r"\([^()]*+\)")
_ENCODED = re.compile(WORD)
# What Chinese input methods put for < > @, and for a comma behind an address.
_NARROW = str.maketrans("＜＞〈〉＠", "<><>@")
_WIDE_COMMA = re.compile(r"(@[^\s@<>\"，；、,;]{1,255}>?)\s*[，；、]")


def addresses(values: Iterable[str]) -> tuple[Address, ...]:
    """All mailboxes of the raw values of one address header. Words are decoded last: a decoded comma is no comma."""
    found: list[Address] = []
    for value in values:
        # The same people write and are written to every day.
        found += _known(value) if len(value) <= _REMEMBERED else _read(value)
    return tuple(found)


_REMEMBERED = 500
"""No longer value is remembered."""


@lru_cache(maxsize=4096)
def _known(value: str) -> tuple[Address, ...]:
    return tuple(_read(value))


def _read(value: str) -> list[Address]:
    if not value.isascii():
        value = _WIDE_COMMA.sub(r"\1,", value.translate(_NARROW))
    return _addresses(value)


def _addresses(value: str, unbalanced: str = "") -> list[Address]:
    """`unbalanced`: quotes or brackets that were found open at the end, and were taken out."""
    found: list[Address] = []
    box = _Box()
    for match in _TOKEN.finditer(value):
        if (match["closed"] == "" or match["shut"] == "") and match[0][0] not in unbalanced and "@" in match[0]:
            return _addresses(value.replace(match[0][0], " "), unbalanced + match[0][0])
        if match["mark"] == ":" and not box.angles:
            box = _Box()  # the name of a group (RFC 5322 §3.4)
        elif match["mark"] == "," and box.is_half_name(value[match.end() : match.end() + 1000]):
            box.words.append(",")
        elif match["mark"]:
            found += box.addresses()
            box = _Box()
        else:
            box.take(match)
    return found + box.addresses()


class _Box:
    """One mailbox while it is being read."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comments: list[str] = []
        self.angles: list[str] = []
        self._quoted = ""

    def take(self, match: re.Match[str]) -> None:
        if match["angle"] is not None:
            self.angles += [match["angle"]] if match["angle"].strip() else []
        elif match["comment"] is not None:
            self.comments.append(_ESCAPED.sub(r"\1", match["comment"]))
        elif match["quoted"] is not None:
            self.words.append(_ESCAPED.sub(r"\1", match["quoted"]))
        elif self._quoted and match[0].startswith("@"):
            local, _, rest = match[0].partition(" ")  # "li si"@corp.example, without angle brackets
            self.words[-1] = rest
            self.angles.append(f'"{self._quoted}"{local}')
        elif match[0] != ">":
            self.words.append(match[0])
        self._quoted = match["quoted"] or ""

    def is_half_name(self, following: str) -> bool:
        """Whether this is `Li` of `Li, Si <li@corp.example>`: a name that should have been quoted."""
        if self.angles or self.comments or any("@" in word or '"' in word for word in self.words):
            return False
        end = following.find("<")
        name = following[: max(end, 0)]
        return bool("".join(self.words).strip()) and 0 < end < 60 and not any(c in name for c in '@,;:"(')

    def addresses(self) -> list[Address]:
        """One, mostly. Two addresses in angle brackets are two: nobody can say whose mail that is."""
        text = "".join(self.words).strip()
        if self.angles:
            name = _name(text or " ".join(self.comments))
            bare = dict.fromkeys(_bare(angle) for angle in self.angles)
            return [Address(name, one) for one in bare if one or text]
        if "=?" in text and not any("@" in word for word in _ENCODED.sub(" ", text).split()):
            decoded = one_line(decode_words(text))
            if "@" in decoded and "=?" not in decoded:
                return _in_one_word(decoded)
        found = next((word for word in _WORD.finditer(text) if "@" in word[0].strip("@")), None)
        if found:
            rest = text[: found.start()] + " " + text[found.end() :]
            return [Address(_name(rest.strip() or " ".join(self.comments)), _decoded(found[0]))]
        return [Address(_name(text), "")] if text.strip("()'\" ") else []


def _in_one_word(text: str) -> list[Address]:
    """`李四 <li@corp.example>` that some program encoded as a whole: the name goes up to the last bracket."""
    name, bracket, rest = text.rpartition("<")
    if bracket and "@" in rest:
        return [Address(name.strip("'\" "), _bare(rest.rstrip("> ")))]
    found = next((word for word in _WORD.finditer(text) if "@" in word[0].strip("@")), None)
    return [Address("", found[0])] if found and len(text.split()) == 1 else [Address(text, "")]


def _bare(angle: str) -> str:
    bare = _WHITE.sub("", _COMMENT.sub("", angle) if "(" in angle else angle).removeprefix("mailto:")
    bare = bare.rpartition(":")[2] if bare.startswith("@") else bare  # a source route, RFC 5322 §4.4
    return _decoded(bare)


def _decoded(address: str) -> str:
    """An address that was encoded like a name, which RFC 2047 §5 forbids."""
    return "".join(one_line(decode_words(address)).split()) if "=?" in address else address


def _name(raw: str) -> str:
    return one_line(decode_words(raw)).strip("'\" ")


_ISO = re.compile(
    r"\s*(\d{4})(?:[-/.]|\s*年\s*)(\d\d?)(?:[-/.]|\s*月\s*)(\d\d?)\s*日?(?:[T, ]|\s|星期.|周.)*"
    r"(上午|下午|晚上|AM|PM)?\s*(\d\d?)[:：时点](\d\d?)(?:[:：分](\d\d?))?秒?(?:\.\d+)?\s*(.*)",
    re.I,
)
_ZONE = re.compile(r"\s*\(?(?:GMT|UTC)?\s*([+-])(\d\d?):?(\d\d)?(?!\d)", re.I)
_YEARS = range(1990, 2100)
# CST is China's time here, whatever RFC 5322 §4.3 says of North America: Java and PHP write it.
_NAMED_ZONES = {"CST": 480, "HKT": 480, "SGT": 480, "TST": 480, "JST": 540, "KST": 540, "BJT": 480, "北京时间": 480}
_ZONE_AT_END = re.compile(r"(\d\d?[:.]\d\d(?:[:.]\d\d)?)\s*(\S[^\r\n]*)\Z")


def date(value: str | None) -> datetime | None:
    """The Date header as an aware time; UTC where it names no zone (RFC 5322 §4.3); None if missing or absurd."""
    if not value:
        return None
    try:
        if usual := _USUAL.fullmatch(value):
            return _usual(usual)
        value = decode_words(value[:200])[:100]
        return _iso(value) or _rfc5322(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


_MONTHS = {
    name: n
    for n, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], start=1
    )
}
_USUAL = re.compile(
    rf"(?:[A-Z][a-z]{{2}}, )?(\d\d?) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)",
    re.ASCII,
)


def _usual(found: re.Match[str]) -> datetime | None:
    """Fri, 20 Nov 2026 09:30:00 +0800, as nearly every mail has it."""
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    numbers = (int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second))
    return _aware(numbers, int(sign + "1") * (int(hours) * 3600 + int(minutes) * 60))


def _iso(value: str) -> datetime | None:
    match = _ISO.match(value)
    if not match:
        return None
    year, month, day, half, hour, minute, second, zone = match.groups()
    hours = int(hour) % 12 + 12 if half and half.upper() in ("下午", "晚上", "PM") and int(hour) < 12 else int(hour)
    numbers = (int(year), int(month), int(day), hours, int(minute), int(second or 0))
    offset = _offset(zone)
    if offset is None and not value.isascii():
        offset = _NAMED_ZONES["CST"] * 60  # who writes 年 or 上午 means the time in China
    return _aware(numbers, offset or 0)


def _rfc5322(value: str) -> datetime | None:
    parts = parsedate_tz(value)
    if not parts:
        return None
    tail = _ZONE_AT_END.search(value)
    offset = _offset(tail[2]) if tail else None
    return _aware(parts[:6], offset if offset is not None else parts[9] or 0)


def _offset(zone: str) -> int | None:
    """Seconds east of Greenwich by the text behind the time of day; None if it names no zone known here."""
    if match := _ZONE.match(zone):
        digits = match[2] if match[3] else match[2].rjust(2, "0")
        return int(match[1] + "1") * (int(digits) * 3600 + int(match[3] or 0) * 60)
    name = zone.strip(" ()").partition(" ")[0].upper()
    return _NAMED_ZONES[name] * 60 if name in _NAMED_ZONES else None


def _aware(numbers: tuple[int, ...], offset: int) -> datetime | None:
    year, month, day, hour, minute, second = numbers
    if year not in _YEARS:
        return None
    return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=_zone(offset))


@lru_cache(maxsize=64)
def _zone(offset: int) -> timezone:
    return timezone(timedelta(seconds=offset)) if offset else UTC


_ID = re.compile(r"<[^<>]+>")


def message_id(value: str | None) -> str | None:
    """The Message-ID with its brackets; an odd one as it stands, without white space; None if empty."""
    bare = "".join((value or "").split())
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
