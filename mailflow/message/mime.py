"""The MIME structure of a mail as a flat list of its leaves.

Not the standard library's tree, because that recurses (a thousand levels end in RecursionError), reads parameters in
quadratic time and holds a mail several times over. This reader is iterative, bounded and works on slices; the test
suite compares it with the library's on the corpus.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailflow.core.findings import Finding
from mailflow.message.decode import codec_of, decode_text, is_utf8
from mailflow.message.flaws import dropped, flaw
from mailflow.message.model import NO_HINTS, Certainty, Dropped, Hints
from mailflow.message.sealed import is_sealed, unseal
from mailflow.message.transfer import decode_transfer, name_of
from mailflow.message.words import decode_raw, decode_words, parameters

Fields = list[tuple[str, str]]

_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?")
_DELIMITER_END = re.compile(rb"(?:[ \t]*+(--))?[ \t]*+(?:\r*\n|\r*\Z)")
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+")
_MBOX = re.compile(rb">?From (?![ \t]*:)[^\n]*+\n?")
_BLANK_LINES = re.compile(rb"(?:[ \t\r]*+\n)++(?=[!-9;-~]++[ \t]*+:)")
_BLANK = re.compile(rb"\r*\n")
_LINE = re.compile(rb"[^\n]*+\n?")
_BARE_CR = re.compile(rb"\r(?!\n)[!-9;-~]++:")
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.I)
_GUESSED = re.compile(rb"\n--([^\s\r\n][^\r\n]{0,199})\r?\n(?=Content-[A-Za-z-]{1,40}[ \t]*:)", re.I)
_FIRST = frozenset(("from", "to", "subject", "date", "received", "return-path", "message-id", "mime-version"))
_PREAMBLE = 250
"""A usual remark for old mailers is no longer than this."""
MAX_LEAVES = 200_000
_MAX_ODD_LINES = 20
_MAX_DROPPED = 50
_MAX_WRAPPINGS = 8
# Opening a multipart scans it once; so much scanning in all keeps deep nesting of large mails linear.
_SCAN_BASE, _SCAN_TIMES = 64 << 20, 32


@dataclass(slots=True)
class Leaf:
    """A part that holds no parts (message/rfc822 is one: it is never opened, mail.md §8, 23)."""

    fields: dict[str, str]
    """By lower-case name; the first of a name."""
    type: str
    params: dict[str, str]
    body: bytes = field(repr=False)
    alternative: int | None = None
    """Number of the outermost multipart/alternative around it."""
    resource: bool = False
    """A part of a multipart/related that its root refers to: no text of the mail itself."""


@dataclass(slots=True)
class Tree:
    fields: Fields
    """The header fields of the mail, in order, raw values unfolded."""
    type: str
    params: dict[str, str]
    leaves: list[Leaf]
    flaws: list[Finding]
    dropped: list[Dropped] = field(default_factory=list)
    raw_codec: str = ""
    """With which codec raw 8-bit header values were read; '' if there were none."""
    raw_certainty: Certainty = "certain"
    """How sure that is."""
    alternatives: int = 0
    budget: int = 0
    """So many bytes may still be searched for boundaries."""

    def say(self, code: str, detail: str = "") -> None:
        """A finding; each code once."""
        if all(one.code != code for one in self.flaws):
            self.flaws.append(flaw(code, detail))

    def drop(self, what: str, text: str) -> None:
        if len(self.dropped) < _MAX_DROPPED:
            self.dropped.append(dropped(what, text))


def parse(raw: bytes, hints: Hints = NO_HINTS) -> Tree:
    """The structure of `raw`. Any bytes will do."""
    raw = _with_line_feeds(raw)
    head = _read_main_head(raw, hints)
    if head.bare_cr:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        head = _read_main_head(raw, hints)
    main = first(head.fields)
    type_, params = content_type(main.get("content-type"), "text/plain")
    tree = Tree(head.fields, type_, params, [], [])
    tree.raw_codec, tree.raw_certainty = head.raw_codec, head.raw_certainty
    tree.budget = _SCAN_BASE + _SCAN_TIMES * len(raw)
    if head.odd:
        tree.drop("信头中的怪行", "\n".join([decode_raw(line, hints) for line in head.odd]))
    if head.odd or not head.whole:
        tree.say("broken_headers")
    if "content-type" not in main and _GUESSED.match(raw, max(0, head.body - 1)):
        tree.type = "multipart/mixed"
    _Opener(raw, tree).open(_Node(main, tree.type, params, head.body, len(raw), None))
    return tree


def _read_main_head(raw: bytes, hints: Hints) -> Head:
    """The header of the mail; lines before it that are none are passed over if a header follows indeed."""
    start = _beginning(raw, len(codecs.BOM_UTF8) if raw.startswith(codecs.BOM_UTF8) else 0)
    head = read_head(raw, start, len(raw), hints)
    beyond = None if head.fields else _beyond_odd(raw, start, len(raw))
    known = _FIELD.match(raw, beyond) if beyond else None
    if beyond and known and known[1].decode("ascii").lower() in _FIRST:
        head = read_head(raw, beyond, len(raw), hints)
        head.odd.insert(0, raw[start:beyond])
    return head


def _with_line_feeds(raw: bytes) -> bytes:
    """A mail saved as UTF-16, or with the line ends of old Macs, as every other mail is."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or (raw[1:2] == b"\0" and raw[3:4] == b"\0"):
        label = "utf-16" if raw[1:2] != b"\0" else "utf-16-le"
        text = decode_text(raw, label).text.encode("utf-8", "replace")
        raw = text if _FIELD.match(text) else raw
    if b"\n" not in raw:
        return raw.replace(b"\r", b"\n")
    return raw


def _beginning(raw: bytes, start: int) -> int:
    """Where the header begins: behind an mbox line and blank lines that some program put before it."""
    for pattern in (_BLANK_LINES, _MBOX, _BLANK_LINES):
        if found := pattern.match(raw, start):
            start = found.end()
    return start


@dataclass(slots=True)
class Head:
    fields: Fields
    body: int
    """Where the body begins."""
    whole: bool = True
    """Whether the header block ended as it should."""
    odd: list[bytes] = field(default_factory=list)
    """Lines among the fields that are none, passed over."""
    bare_cr: bool = False
    """Fields end in CR alone, as on old Macs."""
    raw_codec: str = ""
    raw_certainty: Certainty = "certain"


def read_head(raw: bytes, start: int, end: int, hints: Hints = NO_HINTS) -> Head:
    """The header fields from `start`."""
    return _sound_head(raw, start, end) or _any_head(raw, start, end, hints)


_SOUND = re.compile(r"^([!-9;-~]++)[ \t]*+:(.*)$", re.MULTILINE)
_PRINTED = bytes((9, 10, *range(32, 127)))


def _sound_head(raw: bytes, start: int, end: int) -> Head | None:
    """What `_any_head` gives, several times as fast, of a header that is as it should be; None: it is not."""
    crlf = raw.startswith(b"\r", raw.find(b"\n", start, end) - 1)
    stop = raw.find(b"\r\n\r\n" if crlf else b"\n\n", start, end)
    if stop <= start:
        return None
    block = raw[start:stop].replace(b"\r\n", b"\n") if crlf else raw[start:stop]
    if block.translate(None, _PRINTED) or b"~{" in block:
        return None
    # Only a value may be folded: the NUL keeps a name from going on in the next line.
    if b"\n " in block or b"\n\t" in block:
        block = block.replace(b"\n ", b"\0 ").replace(b"\n\t", b"\0\t")
    found: Fields = _SOUND.findall(block.decode("ascii"))
    if len(found) != block.count(b"\n") + 1:
        return None
    return Head([(name, value.replace("\0", "").strip()) for name, value in found], stop + (4 if crlf else 2))


def _any_head(raw: bytes, start: int, end: int, hints: Hints) -> Head:
    fields: Fields = []
    eight_bit: list[tuple[int, bytes]] = []
    odd: list[bytes] = []
    bare_cr = False
    while True:
        while match := _FIELD.match(raw, start, end):
            value = match[2]
            if value.find(b"\r", 0, -1) >= 0 and _BARE_CR.search(value):
                bare_cr = True
            if value.isascii():
                fields.append((match[1].decode("ascii"), decode_raw(value)))
            else:
                eight_bit.append((len(fields), value))
                fields.append((match[1].decode("ascii"), ""))
            start = match.end()
        if fields and raw.startswith(codecs.BOM_UTF8, start, end):
            start += len(codecs.BOM_UTF8)  # a program put its own fields before the mark
            continue
        if not fields or start >= end or raw.startswith((b"\n", b"\r\n"), start, end):
            break
        beyond = _beyond_odd(raw, start, end)
        if beyond is None:
            break
        odd.append(raw[start:beyond])
        start = beyond
    blank = _BLANK.match(raw, start, end)
    head = Head(fields, blank.end() if blank else start, bool(blank) or start >= end or not fields, odd, bare_cr)
    if eight_bit:
        _decode_eight_bit(raw, head, eight_bit, hints)
    return head


def _beyond_odd(raw: bytes, start: int, end: int) -> int | None:
    """The end of lines that are no fields where fields follow them up to the blank line; None: the body begins here."""
    beyond = None
    odd = 0
    at = start
    while at < end and not _BLANK.match(raw, at, end):
        if match := _FIELD.match(raw, at, end):
            beyond = at if beyond is None else beyond
            at = match.end()
        else:
            odd += 1
            line = _LINE.match(raw, at, end)
            at = line.end() if line else end
            if odd > _MAX_ODD_LINES or beyond is not None:
                return None
    return beyond if at < end else None


def _decode_eight_bit(raw: bytes, head: Head, values: list[tuple[int, bytes]], hints: Hints) -> None:
    """Raw values are of one charset, which is mostly that of the text under them."""
    label = _CHARSET.search(raw, head.body, head.body + 4096)
    for name, value in head.fields:
        if name.lower() == "content-type" and "charset" in value.lower():
            label = _CHARSET.search(value.encode("ascii", "replace"))
    context = codec_of(label[1].decode("ascii")) if label else None
    whole = decode_text(b"\n".join([value for _, value in values]), None, hints, context)
    head.raw_codec = whole.codec
    head.raw_certainty = "likely" if whole.codec == context else whole.certainty
    for index, data in values:
        # Each by itself only where it differs from the rest: guessing costs much, and hostile mail has many fields.
        by = "utf-8" if is_utf8(data) else whole.codec
        head.fields[index] = (head.fields[index][0], decode_raw(data, hints, context, by))


def first(fields: Fields) -> dict[str, str]:
    return {name.lower(): value for name, value in reversed(fields)}


def content_type(value: str | None, default: str) -> tuple[str, dict[str, str]]:
    if not value:
        return default, {}
    type_, params = parameters(value)
    if _TYPE.fullmatch(type_):
        return type_, params
    # "text", "text/html charset=gbk", "": RFC 2045 §5.2 says text/plain, a readable start says more.
    readable = _TYPE.match(type_)
    if readable:
        return readable[0], parameters(";" + value.strip()[readable.end() :].lstrip(" \t,;"))[1] | params
    return "text/html" if type_ in ("html", "text-html", "text\\html") else "text/plain", params


@dataclass(slots=True)
class _Node:
    fields: dict[str, str]
    type: str
    params: dict[str, str]
    start: int
    end: int
    alternative: int | None
    resource: bool = False


class _Opener:
    """Opens multiparts depth first, without recursion but where a part has to be decoded before it can be opened."""

    def __init__(self, raw: bytes, tree: Tree, wrappings: int = 0) -> None:
        self._raw = raw
        self._tree = tree
        self._pending = 0
        self._unopened = -1
        self._wrappings = wrappings

    def open(self, node: _Node) -> None:
        stack = [node]
        while stack:
            node = stack.pop()
            parts = self._parts(node) if node.type.startswith("multipart/") else None
            if parts is None:
                self._leaf(node)
                continue
            if node.type == "multipart/alternative" and node.alternative is None:
                self._tree.alternatives += 1
                node.alternative = self._tree.alternatives
            children = [self._child(node, start, end) for start, end in parts]
            if node.type == "multipart/related":
                _mark_resources(node, children)
            elif node.type == "multipart/encrypted":
                self._tree.say("encrypted", node.params.get("protocol", ""))
                self._tree.drop("未拆开的内容", f"加密的正文 {node.params.get('protocol', '')}")
            stack.extend(reversed(children))
            self._pending = len(stack)

    def _child(self, parent: _Node, start: int, end: int) -> _Node:
        head = read_head(self._raw, start, end)
        found = first(head.fields)
        default = "message/rfc822" if parent.type == "multipart/digest" else "text/plain"
        type_, params = content_type(found.get("content-type"), default)
        body = head.body
        if start == self._unopened:
            type_, body = "application/octet-stream", start
        return _Node(found, type_, params, body, end, parent.alternative, parent.resource)

    def _leaf(self, node: _Node) -> None:
        body = self._raw[node.start : node.end]
        if node.type == "":  # a wrapping that was opened
            return
        self._tree.leaves.append(Leaf(node.fields, node.type, node.params, body, node.alternative, node.resource))
        if is_sealed(node.type):
            self._unseal(node, body)

    def _parts(self, node: _Node) -> list[tuple[int, int]] | None:
        """Where the parts of a multipart are. None: it cannot be opened and is a leaf, so that nothing is lost."""
        self._tree.budget -= node.end - node.start
        if self._tree.budget < 0:
            self._tree.say("too_deep")
            node.type = "application/octet-stream"
            return None
        for boundary in _boundaries(node.params.get("boundary", "")):
            if parts := self._split(node, b"--" + boundary):
                return parts
        if self._unwrap(node):
            node.type = ""
            return None
        guessed = _GUESSED.search(self._raw, max(0, node.start - 1), node.end)
        if guessed and (parts := self._split(node, b"--" + guessed[1].rstrip())):
            self._tree.say("boundary_guessed")
            return parts
        self._tree.say("boundary_missing")
        node.type = "text/plain"
        return None

    def _unwrap(self, node: _Node) -> bool:
        """Opens a multipart that was encoded as a whole, which RFC 2045 §6.4 forbids, or has bare CRs for line ends."""
        body = self._raw[node.start : node.end]
        encoding = node.fields.get("content-transfer-encoding", "")
        data = body
        if name_of(encoding) and (payload := decode_transfer(body, encoding)):
            data = payload.data
        if b"\r" in data and b"\n" not in data:
            data = data.replace(b"\r", b"\n")
        marks = [b"--" + boundary for boundary in _boundaries(node.params.get("boundary", ""))]
        if data == body or self._wrappings >= _MAX_WRAPPINGS or not any(mark in data for mark in marks):
            return False
        fields = {name: value for name, value in node.fields.items() if name != "content-transfer-encoding"}
        inner = _Node(fields, node.type, node.params, 0, len(data), node.alternative, node.resource)
        _Opener(data, self._tree, self._wrappings + 1).open(inner)
        return True

    def _unseal(self, node: _Node, body: bytes) -> None:
        """Reads what an opaque S/MIME signature holds as a part of the mail (RFC 8551 §3.5.2)."""
        payload = decode_transfer(body, node.fields.get("content-transfer-encoding", ""))
        sealed = unseal(payload.data if payload else body)
        if not isinstance(sealed, bytes):
            self._tree.say(sealed.value, node.params.get("smime-type", ""))
            self._tree.drop("未拆开的内容", f"S/MIME {node.params.get('smime-type', '')}")
        elif self._wrappings < _MAX_WRAPPINGS:
            head = read_head(sealed, 0, len(sealed))
            fields = first(head.fields)
            type_, params = content_type(fields.get("content-type"), "text/plain")
            inner = _Node(fields, type_, params, head.body, len(sealed), node.alternative, node.resource)
            _Opener(sealed, self._tree, self._wrappings + 1).open(inner)

    def _split(self, node: _Node, mark: bytes) -> list[tuple[int, int]]:
        raw, end = self._raw, node.end
        parts: list[tuple[int, int]] = []
        opened: int | None = None
        at = node.start if raw.startswith(mark, node.start, end) else self._next(mark, node.start, end)
        while at >= 0:
            match = _DELIMITER_END.match(raw, at + len(mark), end)
            if match:
                if opened is not None:
                    parts.append((opened, self._before(opened, at)))
                else:
                    self._outside(raw[node.start : at], preamble=True)
                if match[1]:
                    self._outside(raw[match.end() : end])
                    return parts
                opened = match.end()
                if len(parts) + self._pending + len(self._tree.leaves) >= MAX_LEAVES:
                    self._tree.say("too_many_parts")
                    self._unopened = opened
                    break
            at = self._next(mark, at + len(mark), end)
        if opened is not None:
            parts.append((opened, self._cut_off(opened, end, mark)))
            self._tree.say("boundary_unclosed")
        return parts

    def _next(self, mark: bytes, start: int, end: int) -> int:
        found = self._raw.find(b"\n" + mark, start, end)
        return found + 1 if found >= 0 else -1

    def _before(self, opened: int, at: int) -> int:
        """The end of the part before the delimiter line at `at`: the line end belongs to the delimiter."""
        at -= 1
        if at > opened and self._raw[at - 1] == 13:
            at -= 1
        return max(opened, at)

    def _cut_off(self, opened: int, end: int, mark: bytes) -> int:
        """The end of a last part without a delimiter, the torn beginning of one left out."""
        line = self._raw.rfind(b"\n", opened, end) + 1
        torn = self._raw[line:end]
        return self._before(opened, line) if line and len(torn) > 2 and (mark + b"--").startswith(torn) else end

    def _outside(self, text: bytes, *, preamble: bool = False) -> None:
        """Text before the first or after the last part; the usual remark for old mailers is left out."""
        shown = text[:2000].strip()
        if not shown or (preamble and len(shown) < _PREAMBLE and (b"MIME" in shown or b"multi-part" in shown)):
            return
        self._tree.say("text_outside_parts", decode_raw(shown))
        self._tree.drop("段外文字", decode_text(shown).text)


def _boundaries(written: str) -> Iterator[bytes]:
    """What a boundary parameter may mean, from what it says to what some program wrote around it."""
    bare = written.rstrip()
    if not bare:
        return
    yield bare.encode("utf-8", "replace")
    forms = (bare.strip("'\" "), bare.partition(" ")[0].rstrip(","), decode_words(bare))
    yield from (form.encode("utf-8", "replace") for form in dict.fromkeys(forms) if form and form != bare)


def _mark_resources(parent: _Node, children: list[_Node]) -> None:
    """The root of a multipart/related is its text (RFC 2387 §3.2); parts that it refers to are not."""
    start = parent.params.get("start", "").strip()
    ids = [child.fields.get("content-id", "").strip() for child in children]
    root = ids.index(start) if start and start in ids else 0
    for number, child in enumerate(children):
        child.resource |= number != root and bool(ids[number] or "content-location" in child.fields)
