"""Bytes to text by the charset ladder: what the label says, unless the bytes cannot be that; else what reads best.

Every function takes anything, raises nothing and is linear in its input. What cannot be decoded becomes U+FFFD, so
that it is seen; bytes are never dropped silently (mail.md §6).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from mailflow.message.likeness import Reading, likeness
from mailflow.message.model import NO_HINTS, Certainty, Hints


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Labels that mean a superset of what they say, or that Python does not know (mail.md §6, "What policy.default does").
_ALIASES = {
    **dict.fromkeys(
        _names(
            "gb2312 gb-2312 gb_2312-80 gb_2312 gb2312-80 gbk x-gbk cp936 ms936 windows-936 euc-cn euccn x-euc-cn "
            "chinese csgb2312 csiso58gb231280 iso-ir-58 gb18030 gb18030-2000 gb18030-2022 gb_18030 gb zh-cn zh_cn "
            "zh_cn.gbk zh-hans chs x-mac-chinesesimp"
        ),
        "gb18030",
    ),
    **dict.fromkeys(_names("hz hz-gb-2312 hzgb2312 hz-gb2312 x-hz"), "hz"),
    **dict.fromkeys(_names("utf8 utf-8 utf_8 unicode-1-1-utf-8 x-utf-8 utf8mb4 utf-8-sig cp65001 65001"), "utf-8"),
    **dict.fromkeys(_names("utf-7 utf7 unicode-1-1-utf-7 x-unicode-1-1-utf-7"), "utf-7"),
    **dict.fromkeys(_names("unicode ucs-2 iso-10646-ucs-2 utf-16 utf16"), "utf-16"),
    **dict.fromkeys(
        _names("big5 big-5 x-big5 csbig5 cn-big5 cp950 ms950 windows-950 x-x-big5 zh-tw zh_tw cht"), "cp950"
    ),
    **dict.fromkeys(_names("big5-hkscs big5hkscs big5hk hkscs cp951 zh-hk x-big5-hkscs big5-hkscs:2004"), "big5hkscs"),
    **dict.fromkeys(_names("iso-2022-cn iso-2022-cn-ext csiso2022cn iso2022_cn"), "iso2022_cn"),
    **dict.fromkeys(_names("us-ascii ascii ansi_x3.4-1968 7bit 8bit"), "ascii"),
    **dict.fromkeys(_names("iso-8859-1 latin1 latin-1 windows-1252 cp1252"), "cp1252"),
}
_SINGLE_BYTE = _names(
    "koi8-r koi8-u tis-620 cp437 cp850 cp866 cp874 mac-roman cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 "
    "cp1258"
) | {f"iso8859-{n}" for n in range(2, 17)}
# Only these: codecs.lookup() also knows codecs that are no charsets, warn, or are quadratic (punycode, unicode_escape).
_ALLOWED = _SINGLE_BYTE | _names(
    "utf-16-le utf-16-be utf-32 utf-32-le utf-32-be euc_jp shift_jis cp932 iso2022_jp iso2022_jp_1 iso2022_jp_2 "
    "euc_kr cp949 johab iso2022_kr"
)
_LABEL = re.compile(r"[A-Za-z0-9_.:+-]{1,40}")
# In these, plain ASCII bytes may mean something else.
_SHIFTING = _names("hz utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be iso2022_cn iso2022_kr") | _names(
    "iso2022_jp iso2022_jp_1 iso2022_jp_2"
)
# Under these labels Chinese of another charset decodes without an error: the reading is always looked at.
_SWALLOWING = _SINGLE_BYTE | _names("cp950 big5hkscs euc_jp shift_jis cp932 euc_kr cp949 johab")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# All but what stands in a wrong reading sooner or later: private use, other scripts, box drawing, control characters.
# A run of what is allowed is found faster than what is not.
_NOT_ODD = re.compile(
    "[\x00-\x7f\xa0-\u036f\u0700-\u24ff\u2580-\u303f\u3130-\udfff\uf900-\uff60\ufff0-\uffff\U00010000-\U0010ffff]*+"
)
_HAN = re.compile(r"[\u2e80-\U0010ffff]")
_SAMPLE = 1000
_HIGH = bytes(range(128, 256))
_LONG = 20
"""High bytes of 10 characters: below that a charset can be guessed, not known (mail.md §6)."""
_PRIOR = 0.8
"""How much more likely what is usual here is than what is not."""
_SAID = 1.6
"""The same where the settings say so."""
_GOOD = 1.4
"""What text of some length reaches in its own charset, the prior included."""
_CLEAR = 0.6
"""How much better the best reading must be than the next one to be taken without a doubt."""


class Decoded(NamedTuple):
    """`codec` is what the bytes were read with; `fits` tells whether the label said so."""

    text: str
    codec: str
    fits: bool
    certainty: Certainty = "certain"


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """The codec that a charset label means, or None if it is unknown or no charset at all."""
    found = _LABEL.search(label.strip().strip("\"'").removeprefix("=?").lower()[:200])
    if found is None or found.end() - found.start() > 39:
        return None
    label = found[0]
    if label in _ALIASES:
        return _ALIASES[label]
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    name = _ALIASES.get(name, name)
    return name if name in _ALLOWED or name in _ALIASES.values() else None


def decode_text(data: bytes, label: str | None = None, hints: Hints = NO_HINTS, context: str | None = None) -> Decoded:
    """`data` by its label, else by what reads best: utf-8 strictly, then gb18030 and what else it may be.

    `hints` decide where several readings are possible; `context` is the codec of the text around it, likewise.
    """
    codec = codec_of(label) if label else None
    if codec not in _SHIFTING and data.isascii():
        return _ascii(data, codec, not label)
    if data.startswith(_BOM_STARTS) and (found := _by_bom(data, codec)):
        return found
    if codec is not None and (text := strictly(data, codec)) is not None:
        return _labelled(data, text, codec, hints)
    if codec == "cp950" and (text := strictly(data, "big5hkscs")) is not None:
        return _labelled(data, text, "big5hkscs", hints)
    return _unlabelled(data, codec, hints, context)


_BOM_STARTS = tuple(bom for bom, _ in _BOMS)


def _ascii(data: bytes, codec: str | None, unlabelled: bool) -> Decoded:
    """ASCII, which nobody disputes, unless it shifts into another charset (HZ, ISO-2022) without saying so."""
    if b"~{" in data or b"\x1b$" in data:
        for candidate in ("hz", "iso2022_jp", "iso2022_cn", "iso2022_kr"):
            text = strictly(data, candidate)
            if text is not None and _HAN.search(text) and "\x1b" not in text and likeness(text, candidate) > 0:
                return Decoded(text, candidate, False, "guessed")
    return Decoded(data.decode("ascii"), codec or "ascii", codec is not None or unlabelled)


def _by_bom(data: bytes, codec: str | None) -> Decoded | None:
    """What a byte order mark says, whatever the label says: nobody writes one by chance."""
    bom, name = next((bom, name) for bom, name in _BOMS if data.startswith(bom))
    text = strictly(data[len(bom) :] if name == "utf-8" else data, name)
    if text is None:
        return None
    fits = codec == name or (codec or "").startswith(f"{name}-")
    return Decoded(text, name, fits, "certain" if fits else "likely")


def _labelled(data: bytes, text: str, codec: str, hints: Hints) -> Decoded:
    """What the label says, unless another reading is much better."""
    if codec == "utf-8":
        one = Decoded(text, codec, True)
        return _unless_twice(one) if _ACCENTED in data else one
    if codec == "utf-16" or (codec == "gb18030" and _is_utf8_chinese(data)):
        return _unlabelled(data, codec, hints, None)
    if codec not in _SWALLOWING and (codec != "gb18030" or _NOT_ODD.fullmatch(text, 0, _SAMPLE)):
        return Decoded(text, codec, True)
    # Some programs write Latin-1 on everything.
    bonus = {codec: 1.0} if codec != "cp1252" else {codec: _PRIOR, "gb18030": _PRIOR}
    readings = list(_readings(data, bonus, hints))
    best = max(readings, key=lambda one: one.score)
    if best.codec == codec:
        return Decoded(text, codec, True)
    return _judged(data, readings, codec)


def _unlabelled(data: bytes, codec: str | None, hints: Hints, context: str | None) -> Decoded:
    """No label, or one that the bytes contradict."""
    if codec != "utf-16" and (text := strictly(data, "utf-8")) is not None and _HAN.search(text):
        return Decoded(text, "utf-8", False, "likely")
    likely = {"cp950": _SAID} if hints.traditional else {context or "gb18030": _PRIOR}
    readings = list(_readings(data, likely, hints, wide=b"\0" in data or codec == "utf-16"))
    # A few damaged bytes do not make UTF-8 into GBK, which would swallow them as wrong characters.
    if (text := _mostly_utf8(data)) is not None and not _convincing(readings):
        return _mended(data, codec) or Decoded(text, "utf-8", codec == "utf-8", "guessed")
    if readings:
        return _judged(data, readings, codec)
    return _mended(data, codec) or _forced(data, codec)


_CHINESE = ("gb18030", "cp950", "big5hkscs")
_OTHERS = ("cp932", "euc_jp", "cp1252")


def _readings(data: bytes, bonus: dict[str, float], hints: Hints, *, wide: bool = False) -> Iterator[Reading]:
    """Every way to read all of `data` without an error. `wide`: UTF-16 may be one."""
    wides = ("utf-16-le", "utf-16-be") if wide and len(data) % 2 == 0 else ()
    for codec in dict.fromkeys((*bonus, "utf-8", *_CHINESE, *_OTHERS, *wides)):
        text = strictly(data, codec)
        if text is None:
            continue
        score = likeness(text, codec, hints) + bonus.get(codec, 0.0)
        if codec in _OTHERS and codec not in bonus:
            score -= 0.3  # rarer here than Chinese
            if score <= 0:
                continue  # Latin-1 would take anything
        yield Reading(text, codec, score)


def _convincing(readings: Iterable[Reading]) -> bool:
    return any(one.score > 1 for one in readings)


def _judged(data: bytes, readings: list[Reading], label: str | None) -> Decoded:
    """The best of `readings`; how sure it is depends on the next best and on how much there is to judge by."""
    readings = sorted(readings, key=lambda one: -one.score)
    best = readings[0]
    rivals = [one for one in readings[1:] if one.text != best.text]
    if rivals and best.score - rivals[0].score < _CLEAR and {best.codec, rivals[0].codec} <= {"gb18030", *_CHINESE}:
        best = _by_detector(data, best, rivals[0])
    clear = not rivals or best.score - rivals[0].score >= _CLEAR
    certainty: Certainty = "likely" if clear and best.score > _GOOD and _count_high(data) >= _LONG else "guessed"
    fits = best.codec == label or (best.codec in _CHINESE[1:] and label in _CHINESE[1:])
    fits = fits or (label == "utf-16" and best.codec.startswith("utf-16"))
    return Decoded(best.text, best.codec, fits, "certain" if fits and clear else certainty)


def _by_detector(data: bytes, best: Reading, other: Reading) -> Reading:
    """Big5 or GBK, where the text alone does not tell: chardet, which is asked nothing else (mail.md §6)."""
    if _count_high(data) < _LONG or (best.codec == "gb18030") == (other.codec == "gb18030"):
        return best
    import chardet  # here: most mail never needs it

    found = (chardet.detect(data[:4096])["encoding"] or "").lower()
    is_big5 = found.startswith(("big5", "cp950"))
    return best if (best.codec == "gb18030") != is_big5 else other


def is_utf8(data: bytes) -> bool:
    """Whether it is UTF-8 beyond chance: GBK hardly ever is, where it gives Chinese."""
    text = strictly(data, "utf-8")
    return text is not None and bool(_HAN.search(text))


def strictly(data: bytes, codec: str) -> str | None:
    """`data` by `codec`, or None where that cannot be."""
    try:
        if codec == "iso2022_cn":
            return _iso2022_cn(data)
        text = _gb18030(data) if codec == "gb18030" else data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None
    return _without_surrogates(text) if codec.startswith("utf-7") else text


def _gb18030(data: bytes) -> str:
    """GBK decodes to the same characters, in two thirds of the time, but for those that only GB18030 has."""
    try:
        return data.decode("gbk")
    except UnicodeDecodeError:
        return data.decode("gb18030")


def _iso2022_cn(data: bytes) -> str | None:
    """RFC 1922: GB2312 between SO and SI. CNS planes, which Python has no table for, become U+FFFD."""
    out: list[str] = []
    simplified = True
    for piece in re.split(rb"(\x1b\$[)*+][A-Z]|\x0e[^\x0f]*+\x0f?)", data):
        if piece.startswith(b"\x1b$)"):
            simplified = piece[3:] in (b"A", b"E")
        elif piece.startswith(b"\x0e"):
            pairs = bytes(byte | 0x80 for byte in piece.strip(b"\x0e\x0f"))
            out.append(pairs.decode("gb2312", "replace") if simplified else "\ufffd" * (len(pairs) // 2))
        elif not piece.startswith(b"\x1b"):
            out.append(piece.decode("ascii"))
    return "".join(out) if b"\x1b$" in data else None


def _without_surrogates(text: str) -> str:
    """UTF-7 and UTF-16 can spell lone surrogates, which no other program takes."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_utf8_chinese(data: bytes) -> bool:
    """Whether GB-labelled bytes are UTF-8: valid, two characters or more, and nothing below U+2000 but ASCII."""
    text = strictly(data, "utf-8")
    return text is not None and not _NOT_CHINESE.search(text) and _count_high(data) >= 6


_NOT_CHINESE = re.compile("[\x80-\u1fff]")


def _mostly_utf8(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return text if good > 4 * bad else None


def _count_high(data: bytes) -> int:
    return len(data) - len(data.translate(None, _HIGH))


def _unless_twice(one: Decoded) -> Decoded:
    """UTF-8 that some program took for Latin-1 and encoded once more: æŠ•è¯‰ for 投诉."""
    text = one.text
    if _HAN.search(text, 0, _SAMPLE) or not _TWICE.search(text, 0, _SAMPLE):
        return one
    once = strictly(text.translate(_C1_OF_CP1252).encode("latin-1", "replace"), "utf-8")
    if once is None or _NOT_CHINESE.search(once) or not _HAN.search(once):
        return one
    return Decoded(once, "utf-8", False, "guessed")


_ACCENTED = b"\xc3"
"""In UTF-8 the beginning of U+00C0 to U+00FF and of nothing else."""
_TWICE = re.compile(r"[\u00e3-\u00e9\u00ef][\x80-\u2122][\x80-\u2122]")
_C1_OF_CP1252 = {ord(bytes([byte]).decode("cp1252", "ignore") or chr(byte)): byte for byte in range(0x80, 0xA0)}


def _mended(data: bytes, label: str | None) -> Decoded | None:
    """Text of which some lines are UTF-8 and others GBK: a gateway's footer, a quoted mail pasted in as bytes."""
    lines = data.split(b"\n")
    out: list[str] = []
    used: set[str] = set()
    for line in lines:
        text = strictly(line, "utf-8")
        if text is None:
            text = strictly(line, "gb18030")
            if text is None or likeness(text, "gb18030") <= 0.5:
                return None
            used.add("gb18030")
        elif not text.isascii():
            used.add("utf-8")
        out.append(text)
    return Decoded("\n".join(out), "utf-8+gb18030", False, "guessed") if len(used) == 2 else None


def _forced(data: bytes, label: str | None) -> Decoded:
    """What fits nowhere: read so that the fewest U+FFFD stand in it."""
    candidates = dict.fromkeys(c for c in (label, "gb18030", "utf-8") if c and c != "iso2022_cn")
    read = [(data.decode(codec, "replace"), codec) for codec in candidates]
    text, best = min(read, key=lambda pair: pair[0].count("\ufffd"))
    return Decoded(_without_surrogates(text), best, best == label, "guessed")
