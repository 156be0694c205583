"""Header text: encoded words (RFC 2047), parameters (RFC 2231) and what is sent instead of them.

Every function takes anything, raises nothing and is linear in its input.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from mailflow.message.decode import codec_of, decode_text, strictly
from mailflow.message.model import NO_HINTS, Hints
from mailflow.message.transfer import padded

# Text of a word: no "?=" and no new "=?" inside, so that unclosed words stay linear; a bare "?" is let pass.
WORD = r"=\?[^?=]{0,60}\? ?[bBqQ] ?\?(?:[^?=]++|\?(?!=)|=(?!\?[^=]))*+\?="
_WORD = re.compile(r"=\?([^?=]{0,60})\? ?([bBqQ]) ?\?((?:[^?=]++|\?(?!=)|=(?!\?[^=]))*+)\?=")
# A word that was cut off by a limit on the length of the field.
_CUT = re.compile(r"=\?([^?\s=]{1,60})\?([bBqQ])\?([^?\s]++)\??\s*=?\Z")
_NOT_BASE64 = re.compile("[^A-Za-z0-9+/]")
_URL_SAFE = str.maketrans("-_", "+/")
_ESCAPES = re.compile("=[0-9A-Fa-f]{2}")
_PURE_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
_HAN = re.compile("[\u4e00-\u9fff]{2}")
_TIMES = 3
"""So often words may have been encoded over again."""


def decode_words(value: str, hints: Hints = NO_HINTS) -> str:
    """A header value with its encoded words decoded wherever they stand: in quotes, glued, split inside a character."""
    if "=?" not in value:
        return value
    for _ in range(_TIMES):
        decoded = _decoded(value, hints)
        if decoded == value or "=?" not in decoded:
            return decoded
        value = decoded
    return value


def _decoded(value: str, hints: Hints) -> str:
    if whole := _whole(value):
        return decode_text(*whole, hints).text
    out: list[str] = []
    run: list[tuple[str, str]] = []
    label = ""
    end = 0
    for match in _WORD.finditer(value):
        gap = value[end : match.start()]
        charset = match[1].partition("*")[0].strip(" \"'").lower()
        # Labels that mean one charset are one: gb2312 and gbk may share a character between two words.
        charset = codec_of(charset) or charset
        if run and (charset != label or gap.strip()):
            out.append(_decode_run(run, label, hints))
            run = []
        if gap.strip() or not end:
            out.append(gap)
        run.append((match[2].lower(), match[3]))
        label, end = charset, match.end()
    if run:
        out.append(_decode_run(run, label, hints))
    rest = value[end:]
    if "=?" in rest and (cut := _CUT.search(rest)) is not None:
        rest = rest[: cut.start()] + _decode_run([(cut[2].lower(), cut[3])], cut[1], hints)
    return "".join([*out, rest])


_BEGIN = re.compile(r"=\?([\w.:-]{1,40})\?B\?", re.ASCII)


def _whole(value: str) -> tuple[bytes, str] | None:
    """The bytes and the charset of a value that is words in base64 and nothing else, as mailers mostly write it."""
    begin = _BEGIN.match(value)
    if begin is None or value[-2:] != "?=":
        return None
    data: list[bytes] = []
    for word in value.split():
        if not (word.startswith(begin[0]) and word.endswith("?=") and len(word) >= begin.end() + 2):
            return None
        try:
            data.append(binascii.a2b_base64(word[begin.end() : -2], strict_mode=True))
        except (binascii.Error, ValueError):
            return None
    return b"".join(data), begin[1]


def _decode_run(run: list[tuple[str, str]], label: str, hints: Hints) -> str:
    """Neighbouring words of one charset are one run of bytes: mailers split inside a character (mail.md §8, 21)."""
    data: list[bytes] = []
    held = ""
    for number, (encoding, text) in enumerate(run):
        if encoding == "b" and not _is_quoted(text):
            held += text.strip()
            more = number + 1 < len(run) and run[number + 1][0] == "b"
            if more and not held.endswith("=") and len(held) % 4:
                continue  # split inside a base64 quantum as well
            data.append(_loose_base64(held))
            held = ""
        else:
            data.append(_quoted(text, label))
    return decode_text(b"".join(data), label, hints).text


def _is_quoted(text: str) -> bool:
    """Whether a word that says B holds Q."""
    return "=" in text[:-2] and 6 * len(_ESCAPES.findall(text)) >= len(text)


def _quoted(text: str, label: str) -> bytes:
    if _PURE_BASE64.fullmatch(text) and len(text) % 4 == 0:
        data = _loose_base64(text)
        # A word that says Q and holds B: only where Chinese comes out.
        read = decode_text(data, label)
        if read.codec == "utf-8" and read.certainty != "guessed" and _HAN.search(read.text):
            return data
    return binascii.a2b_qp(_raw(text.replace("\n", ""), label), header=True)


def _raw(text: str, label: str) -> bytes:
    """Characters that should have been encoded, by the charset of the word: they were its bytes."""
    if text.isascii():
        return text.encode("ascii")
    return text.encode(codec_of(label) or "utf-8", "replace") if codec_of(label) != "ascii" else text.encode()


def _loose_base64(text: str) -> bytes:
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
    # Padding inside: two encoded pieces that some program glued together.
    if "=" in text.rstrip("= \t"):
        return b"".join([padded(_NOT_BASE64.sub("", piece).encode("ascii")) for piece in text.split("=")])
    return padded(_NOT_BASE64.sub("", text).encode("ascii"))


_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def decode_raw(value: bytes, hints: Hints = NO_HINTS, context: str | None = None, known: str | None = None) -> str:
    """A raw header value, unfolded, without control characters; 8-bit bytes by the ladder; words still encoded.

    `context`: the codec of the text that stands under this header. `known`: that of the fields around it.
    """
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    if value.isascii():
        text = value.decode("ascii")
        if text.isprintable() and "~{" not in text:
            return text.strip()
    by_known = strictly(value, known) if known else None
    text = decode_text(value, None, hints, context).text if by_known is None else by_known
    return (text if text.isprintable() else _CONTROL.sub("", text)).strip()


# --- RFC 2231 and what is sent instead ------------------------------------------------------------------------------

_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^;]*+))')
_PIECE = re.compile(r"(.+?)\*(\d{1,4})?(\*)?")
_ESCAPED = re.compile(r'\\(["\\])')


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """Main value (lower case) and parameters by lower-case name. The first of a name wins; RFC 2231 before plain.

    Plain values keep their encoded words: decode_words() them where they are for people.
    """
    main, found = _known(value) if len(value) <= _REMEMBERED else _parameters(value)
    return main, found.copy()


_REMEMBERED = 300
"""No longer value is remembered."""


def _parameters(value: str) -> tuple[str, dict[str, str]]:
    main = value.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAMETER.finditer(value):
        key = match[1].lower()
        text = match[2] if match[2] is not None else match[3].strip().lstrip('"')
        if match[2] and "\\" in text:
            text = _ESCAPED.sub(r"\1", text)
        piece = _PIECE.fullmatch(key)
        if piece is None:
            plain.setdefault(key, text)
        else:
            encoded = piece[3] is not None or piece[2] is None
            pieces.setdefault(piece[1], {}).setdefault(int(piece[2] or 0), (text, encoded))
    return main, plain | {key: _join_pieces(found) for key, found in pieces.items()}


_known = lru_cache(maxsize=1024)(_parameters)
"""Of the parts of a mail the same few values are written again and again."""


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
