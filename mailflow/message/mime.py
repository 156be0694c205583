"""The MIME structure of a mail as a flat list of its leaves.

Not the standard library's tree, because that recurses (a thousand levels end in RecursionError), reads parameters in
quadratic time and holds a mail several times over. This reader is iterative, bounded and works on slices; the test
suite compares it with the library's on the corpus.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mailflow.core.findings import Finding
from mailflow.message.decode import decode_raw, parameters
from mailflow.message.flaws import flaw

Fields = list[tuple[str, str]]

_FIELD = re.compile(rb"([!-9;-~]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*+(?:\r?\n|\r?\Z)")
_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+")
MAX_LEAVES = 200_000
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


@dataclass(slots=True)
class Tree:
    fields: Fields
    """The header fields of the mail, in order, raw values unfolded."""
    type: str
    params: dict[str, str]
    leaves: list[Leaf]
    flaws: list[Finding]


def parse(raw: bytes) -> Tree:
    """The structure of `raw`. Any bytes will do."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    start = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    if raw.startswith((b"From ", b">From "), start):
        start = raw.find(b"\n", start) + 1 or len(raw)
    fields, body, whole = read_fields(raw, start, len(raw))
    main = first(fields)
    type_, params = content_type(main.get("content-type"), "text/plain")
    tree = Tree(fields, type_, params, [], [] if whole else [flaw("broken_headers")])
    _Opener(raw, tree).open(main, body)
    return tree


def read_fields(raw: bytes, start: int, end: int) -> tuple[Fields, int, bool]:
    """The header fields from `start`, where the body begins, and whether the header block ended as it should."""
    fields: Fields = []
    while match := _FIELD.match(raw, start, end):
        fields.append((match[1].decode("ascii"), decode_raw(match[2])))
        start = match.end()
    if raw.startswith(b"\n", start, end):
        return fields, start + 1, True
    if raw.startswith(b"\r\n", start, end):
        return fields, start + 2, True
    return fields, start, start >= end or not fields


def first(fields: Fields) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        found.setdefault(name.lower(), value)
    return found


def content_type(value: str | None, default: str) -> tuple[str, dict[str, str]]:
    if not value:
        return default, {}
    type_, params = parameters(value)
    if _TYPE.fullmatch(type_):
        return type_, params
    # "text", "text/html charset=gbk", "": RFC 2045 §5.2 says text/plain, a readable start says more.
    readable = _TYPE.match(type_)
    return readable[0] if readable else "text/plain", params


@dataclass(slots=True)
class _Node:
    fields: dict[str, str]
    type: str
    params: dict[str, str]
    start: int
    end: int
    alternative: int | None


class _Opener:
    """Opens multiparts depth first, without recursion."""

    def __init__(self, raw: bytes, tree: Tree) -> None:
        self._raw = raw
        self._tree = tree
        self._budget = _SCAN_BASE + _SCAN_TIMES * len(raw)
        self._alternatives = 0
        self._pending = 0
        self._said: set[str] = set()
        self._unopened = -1

    def open(self, fields: dict[str, str], body: int) -> None:
        stack = [_Node(fields, self._tree.type, self._tree.params, body, len(self._raw), None)]
        while stack:
            node = stack.pop()
            parts = self._parts(node) if node.type.startswith("multipart/") else None
            if parts is None:
                self._leaf(node)
                continue
            if node.type == "multipart/alternative" and node.alternative is None:
                self._alternatives += 1
                node.alternative = self._alternatives
            children = [self._child(node, start, end) for start, end in parts]
            stack.extend(reversed(children))
            self._pending = len(stack)

    def _child(self, parent: _Node, start: int, end: int) -> _Node:
        fields, body, _ = read_fields(self._raw, start, end)
        found = first(fields)
        default = "message/rfc822" if parent.type == "multipart/digest" else "text/plain"
        type_, params = content_type(found.get("content-type"), default)
        if start == self._unopened:
            type_, body = "application/octet-stream", start
        return _Node(found, type_, params, body, end, parent.alternative)

    def _leaf(self, node: _Node) -> None:
        body = self._raw[node.start : node.end]
        self._tree.leaves.append(Leaf(node.fields, node.type, node.params, body, node.alternative))

    def _say(self, code: str, detail: str = "") -> None:
        if code not in self._said:
            self._said.add(code)
            self._tree.flaws.append(flaw(code, detail))

    def _parts(self, node: _Node) -> list[tuple[int, int]] | None:
        """Where the parts of a multipart are. None: it cannot be opened and is a leaf, so that nothing is lost."""
        boundary = node.params.get("boundary", "").rstrip().encode("utf-8", "replace")
        self._budget -= node.end - node.start
        if self._budget < 0:
            self._say("too_deep")
            node.type = "application/octet-stream"
            return None
        parts = self._split(node, b"--" + boundary) if boundary else []
        if not parts:
            self._say("boundary_missing")
            node.type = "text/plain"
            return None
        return parts

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
                elif raw[node.start : at].strip():
                    self._outside(raw[node.start : at])
                if match[1]:
                    self._outside(raw[match.end() : end])
                    return parts
                opened = match.end()
                if len(parts) + self._pending + len(self._tree.leaves) >= MAX_LEAVES:
                    self._say("too_many_parts")
                    self._unopened = opened
                    break
            at = self._next(mark, at + len(mark), end)
        if opened is not None:
            parts.append((opened, end))
            self._say("boundary_unclosed")
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

    def _outside(self, text: bytes) -> None:
        """Text before the first or after the last part; the usual remark for old mailers is left out."""
        shown = text[:2000].strip()
        if shown and b"MIME" not in shown and b"multi-part" not in shown:
            self._say("text_outside_parts", decode_raw(shown))
