"""Bytes to text: the charset ladder, encoded words (RFC 2047), parameters (RFC 2231), transfer encodings (RFC 2045).

Every function takes anything, raises nothing and is linear in its input. What cannot be decoded becomes U+FFFD, so
that it is seen; bytes are never dropped silently (mail.md §6).
"""

from __future__ import annotations

import binascii
import codecs
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Labels that mean a superset of what they say, or that Python does not know (mail.md §6, "What policy.default does").
_ALIASES = {
    **dict.fromkeys(
        _names(
            "gb2312 gb-2312 gb_2312-80 gb_2312 gb2312-80 gbk x-gbk cp936 ms936 windows-936 euc-cn euccn x-euc-cn "
            "chinese csgb2312 gb18030 gb18030-2000 gb18030-2022 gb_18030 gb"
        ),
        "gb18030",
    ),
    **dict.fromkeys(_names("hz hz-gb-2312 hzgb2312"), "hz"),
    **dict.fromkeys(_names("utf8 utf-8 utf_8 unicode-1-1-utf-8 x-utf-8 utf8mb4 utf-8-sig"), "utf-8"),
    **dict.fromkeys(_names("utf-7 utf7 unicode-1-1-utf-7 x-unicode-1-1-utf-7"), "utf-7"),
    **dict.fromkeys(_names("big5 big-5 x-big5 csbig5 cn-big5 cp950 ms950 windows-950"), "cp950"),
    **dict.fromkeys(_names("us-ascii ascii ansi_x3.4-1968 7bit 8bit"), "ascii"),
    **dict.fromkeys(_names("iso-8859-1 latin1 latin-1 windows-1252 cp1252"), "cp1252"),
}
# Only these: codecs.lookup() also knows codecs that are no charsets, warn, or are quadratic (punycode, unicode_escape).
_ALLOWED = _names(
    "utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be big5hkscs euc_jp shift_jis cp932 iso2022_jp iso2022_jp_1 "
    "iso2022_jp_2 euc_kr cp949 johab iso2022_kr koi8-r koi8-u tis-620 cp437 cp850 cp866 cp874 mac-roman "
    "cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258"
) | {f"iso8859-{n}" for n in range(2, 17)}
_LABEL = re.compile(r"[A-Za-z0-9_.:+-]{1,40}")
# In these, plain ASCII bytes may mean something else.
_SHIFTING = _names("hz utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be")
_GB2312_ONLY = re.compile(rb"(?:[\x00-\x7f]++|[\xa1-\xa9\xb0-\xf7][\xa1-\xfe])*+")
_NOT_CHINESE = re.compile("[\x80-\u1fff]")
_HIGH = bytes(range(128, 256))
_BIG5_ENOUGH = 20
"""High bytes of 10 characters: below that nothing tells Big5 from GBK (mail.md §6)."""


class Decoded(NamedTuple):
    """`codec` is what the bytes were read with; `fits` tells whether the label said so."""

    text: str
    codec: str
    fits: bool


@lru_cache(maxsize=512)
def codec_of(label: str) -> str | None:
    """The codec that a charset label means, or None if it is unknown or no charset at all."""
    label = label.strip().strip("\"'").lower()
    if label in _ALIASES:
        return _ALIASES[label]
    if not _LABEL.fullmatch(label):
        return None
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    name = _ALIASES.get(name, name)
    return name if name in _ALLOWED or name in _ALIASES.values() else None


def decode_text(data: bytes, label: str | None = None) -> Decoded:
    """`data` by its label, else by the ladder: utf-8 strictly, then gb18030, with Big5 told apart where it can be."""
    codec = codec_of(label) if label else None
    if codec not in _SHIFTING and data.isascii() and not (codec and codec.startswith("iso2022")):
        return Decoded(data.decode("ascii"), codec or "ascii", codec is not None or not label)
    if data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    if codec is not None:
        text = _by_label(data, codec)
        if text is not None:
            return Decoded(text, codec, True)
    return _by_ladder(data, codec)


def _by_label(data: bytes, codec: str) -> str | None:
    """What the label says, unless the bytes cannot be that."""
    text = _strictly(data, codec)
    if text is None:
        return _strictly(data, "big5hkscs") if codec == "cp950" else None
    if codec == "gb18030" and _is_utf8_chinese(data):
        return None
    # Latin-1 fits any bytes; GB2312 pairs throughout are Chinese that some program labelled blindly.
    if codec.startswith(("cp125", "iso8859")) and (_GB2312_ONLY.fullmatch(data) or _strictly(data, "utf-8")):
        return None
    return text


def _by_ladder(data: bytes, codec: str | None) -> Decoded:
    for candidate in ("utf-8", "gb18030"):
        text = _strictly(data, candidate)
        if text is not None and candidate == "gb18030" and _is_big5(data):
            return Decoded(data.decode("big5hkscs", "replace"), "big5", codec == "cp950")
        if text is not None:
            return Decoded(text, candidate, False)
        # A few damaged bytes do not make UTF-8 into GBK, which would swallow them as wrong characters.
        if candidate == "utf-8" and (text := _mostly_utf8(data)) is not None:
            return Decoded(text, "utf-8", codec == "utf-8")
    candidates = [c for c in (codec, "gb18030", "utf-8") if c]
    read = [(data.decode(c, "replace"), c) for c in candidates]
    text, best = min(read, key=lambda pair: pair[0].count("\ufffd"))
    return Decoded(_without_surrogates(text), best, best == codec)


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return _without_surrogates(data.decode(codec)) if codec == "utf-7" else data.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _without_surrogates(text: str) -> str:
    """UTF-7 and UTF-16 can spell lone surrogates, which no other program takes."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_utf8_chinese(data: bytes) -> bool:
    """Whether GB-labelled bytes are UTF-8: valid, two characters or more, and nothing below U+2000 but ASCII."""
    text = _strictly(data, "utf-8")
    return text is not None and not _NOT_CHINESE.search(text) and _count_high(data) >= 6


def _mostly_utf8(data: bytes) -> str | None:
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    return text if good > 4 * bad else None


def _count_high(data: bytes) -> int:
    return len(data) - len(data.translate(None, _HIGH))


def _is_big5(data: bytes) -> bool:
    if _count_high(data) < _BIG5_ENOUGH or _GB2312_ONLY.fullmatch(data) or _strictly(data, "big5hkscs") is None:
        return False
    import chardet  # here: most mail never needs it

    found = chardet.detect(data[:4096])["encoding"] or ""
    return found.lower().startswith(("big5", "cp950"))


# --- RFC 2047 -------------------------------------------------------------------------------------------------------

# Text of a word: no "?=" and no new "=?" inside, so that unclosed words stay linear; a bare "?" is let pass.
_WORD = re.compile(r"=\?([^?\s=]{0,60})\?([bBqQ])\?((?:[^?=]++|\?(?!=)|=(?!\?[^=]))*+)\?=")
_NOT_BASE64 = re.compile("[^A-Za-z0-9+/]")


def decode_words(value: str) -> str:
    """A header value with its encoded words decoded wherever they stand: in quotes, glued, split inside a character."""
    if "=?" not in value:
        return value
    out: list[str] = []
    run: list[tuple[str, str]] = []
    label = ""
    end = 0
    for match in _WORD.finditer(value):
        gap = value[end : match.start()]
        charset = match[1].partition("*")[0].lower()
        if run and (charset != label or gap.strip()):
            out.append(_decode_run(run, label))
            run = []
        if gap.strip() or not end:
            out.append(gap)
        run.append((match[2].lower(), match[3]))
        label, end = charset, match.end()
    if run:
        out.append(_decode_run(run, label))
    out.append(value[end:])
    return "".join(out)


def _decode_run(run: list[tuple[str, str]], label: str) -> str:
    """Neighbouring words of one charset are one run of bytes: mailers split inside a character (mail.md §8, 21)."""
    data: list[bytes] = []
    held = ""
    for number, (encoding, text) in enumerate(run):
        if encoding == "b":
            held += text.strip()
            more = number + 1 < len(run) and run[number + 1][0] == "b"
            if more and not held.endswith("=") and len(held) % 4:
                continue  # split inside a base64 quantum as well
            data.append(_loose_base64(held))
            held = ""
        else:
            data.append(binascii.a2b_qp(text.replace("\n", "").encode("utf-8", "replace"), header=True))
    return decode_text(b"".join(data), label).text


def _loose_base64(text: str) -> bytes:
    return _padded(_NOT_BASE64.sub("", text).encode("ascii"))


_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def decode_raw(value: bytes) -> str:
    """A raw header value, unfolded, without control characters; 8-bit bytes by the ladder; words still encoded."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    text = value.decode("ascii") if value.isascii() else decode_text(value).text
    return (text if text.isprintable() else _CONTROL.sub("", text)).strip()


# --- RFC 2231 and what is sent instead ------------------------------------------------------------------------------

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^;]*+))')
_PIECE = re.compile(r"(.+?)\*(\d{1,4})?(\*)?")
_ESCAPED = re.compile(r'\\(["\\])')


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Main value (lower case) and parameters by lower-case name. The first of a name wins; RFC 2231 before plain.

    Plain values keep their encoded words: decode_words() them where they are for people.
    """
    main = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAMETER.finditer(value):
        key = match[1].lower()
        text = _ESCAPED.sub(r"\1", match[2]) if match[2] is not None else match[3].strip().lstrip('"')
        piece = _PIECE.fullmatch(key)
        if piece is None:
            plain.setdefault(key, text)
        else:
            encoded = piece[3] is not None or piece[2] is None
            pieces.setdefault(piece[1], {}).setdefault(int(piece[2] or 0), (text, encoded))
    return main, plain | {key: _join_pieces(found) for key, found in pieces.items()}


def _join_pieces(pieces: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 §3, §4. Encoded pieces are joined as bytes first: they too are split inside a character."""
    label = ""
    out: list[str] = []
    data = b""
    for number, index in enumerate(sorted(pieces)):
        text, encoded = pieces[index]
        if encoded and number == 0 and text.count("'") >= 2:
            label, _, text = text.split("'", 2)
        if encoded:
            data += unquote_to_bytes(text)
        if not encoded or number + 1 == len(pieces):
            out += [decode_text(data, label or None).text if data else "", "" if encoded else text]
            data = b""
    return "".join(out)


# --- transfer encodings ---------------------------------------------------------------------------------------------

_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_WIDE = 60


class Payload(NamedTuple):
    """`rest` is what followed the encoded data and is none of it (a scanner's footer)."""

    data: bytes
    rest: bytes = b""
    damaged: bool = False


def decode_transfer(body: bytes, encoding: str) -> Payload | None:
    """The body by its Content-Transfer-Encoding; None if that is unknown."""
    if encoding in ("", "7bit", "8bit", "binary"):
        return Payload(body)
    if encoding == "quoted-printable":
        return Payload(binascii.a2b_qp(body))
    if encoding == "base64":
        return _decode_base64(body)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _decode_uu(body)
    return None


def _decode_base64(body: bytes) -> Payload:
    compact = body.translate(None, b" \t\r\n")
    try:
        return Payload(binascii.a2b_base64(compact, strict_mode=True))
    except binascii.Error:
        return _decode_base64_lines(body)


def _decode_base64_lines(body: bytes) -> Payload:
    """Base64 that ends without padding, or is followed by a footer, or made of several pieces (mail.md §8, 23)."""
    chunks: list[list[bytes]] = [[]]
    lines = [line.strip() for line in body.split(b"\n")]
    width, blank, stop = 0, False, len(lines)
    for number, line in enumerate(lines):
        # After a blank line only another line of full width goes on: "Scanned" alone is a footer, not data.
        after_blank = blank and len(line) < max(width, _WIDE)
        if line and (after_blank or not _BASE64_LINE.fullmatch(line)):
            stop = number
            break
        blank = not line and bool(width)
        width = max(width, len(line))
        chunks[-1].append(line)
        if line.endswith(b"="):
            chunks.append([])
    rest = b"\n".join(lines[stop:]).strip()
    if not width:
        return Payload(body, damaged=True)  # no base64 at all: the label is wrong, the text is there
    joined = [b"".join(chunk).rstrip(b"=") for chunk in chunks]
    damaged = any(len(data) % 4 == 1 for data in joined)
    return Payload(b"".join(map(_padded, joined)), rest, damaged)


def _padded(data: bytes) -> bytes:
    """One piece of base64 without its padding, which may have been missing; a lone last character says nothing."""
    if len(data) % 4 == 1:
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))


def _decode_uu(body: bytes) -> Payload:
    out: list[bytes] = []
    damaged = False
    for line in body.split(b"\n"):
        if not line.strip() or line.startswith((b"begin ", b"end", b"`")):
            continue
        try:
            out.append(binascii.a2b_uu(line.rstrip(b"\r")))
        except binascii.Error:
            damaged = True
    return Payload(b"".join(out), damaged=damaged) if out else Payload(body, damaged=True)
