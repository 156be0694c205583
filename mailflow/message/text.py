"""What a reader sees of text/plain and text/html, as lines with a mark for quotation and tables as rows of cells."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from itertools import pairwise
from typing import TYPE_CHECKING

from mailflow.message.quotes import mark

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

Rows = tuple[tuple[str, ...], ...]


@dataclass
class Page:
    """Visible lines; `tables` with the number of the line at which each begins."""

    lines: list[str] = field(default_factory=list)
    quoted: list[bool] = field(default_factory=list)
    tables: list[tuple[int, Rows]] = field(default_factory=list)

    def add(self, other: Page) -> None:
        start = len(self.lines)
        self.lines += other.lines
        self.quoted += other.quoted
        self.tables += [(start + at, rows) for at, rows in other.tables]

    def new(self) -> str:
        return _tidy([line for line, quoted in zip(self.lines, self.quoted, strict=True) if not quoted])

    def old(self) -> str:
        return _tidy([line for line, quoted in zip(self.lines, self.quoted, strict=True) if quoted])

    def new_tables(self) -> tuple[Rows, ...]:
        return tuple(rows for at, rows in self.tables if at < len(self.quoted) and not self.quoted[at])


_GAPS = re.compile(r"\n{3,}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _tidy(lines: list[str]) -> str:
    return _GAPS.sub("\n\n", "\n".join([line.rstrip() for line in lines])).strip("\n")


def clean(text: str) -> str:
    """Line ends to LF; control characters out."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text)


def plain_page(text: str, *, flowed: bool = False, delsp: bool = False) -> Page:
    """A cleaned text/plain body."""
    # QQ Mail spells its blanks out in the plain alternative as well.
    lines = text.replace("&nbsp;", " ").split("\n")
    if flowed:
        lines = _unflow(lines, delsp)
    page = Page([line.rstrip().replace("\xa0", " ") for line in lines], [False] * len(lines))
    mark(page.lines, page.quoted)
    return page


def _unflow(lines: list[str], delsp: bool) -> list[str]:
    """RFC 3676 §4: lines that end in a blank go on in the next line of the same depth."""
    out: list[str] = []
    held: list[str] = []
    held_depth = 0
    for line in lines:
        bare = line.lstrip(">")
        depth = len(line) - len(bare)
        bare = bare.removeprefix(" ")  # space-stuffing
        if held and (depth != held_depth or bare == "-- "):
            out.append(_flowed(held, held_depth))
            held = []
        soft = bare.endswith(" ") and bare != "-- "
        held.append(bare[:-1] if soft and delsp else bare)
        held_depth = depth
        if not soft:
            out.append(_flowed(held, depth))
            held = []
    return [*out, _flowed(held, held_depth)] if held else out


def _flowed(pieces: list[str], depth: int) -> str:
    return ("> " * depth if depth else "") + "".join(pieces)


_PLACEHOLDER = re.compile(r"支持|启用|查看|浏览器|客户端|格式|support|view|enable|display|client|capable|version", re.I)


def is_placeholder(text: str) -> bool:
    """Whether a text/plain alternative only says that there is HTML (mail.md §6)."""
    bare = text.strip(" \t\n\xa0\u3000\ufeff\u200b")
    return not bare or (len(bare) < 300 and "html" in bare.lower() and bool(_PLACEHOLDER.search(bare)))


# --- HTML -----------------------------------------------------------------------------------------------------------


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SKIPPED = _tags("head script style title template object iframe embed applet select datalist -comment")
_BLOCKS = _tags(
    "html body address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr li main menu nav ol p pre section summary table tbody tfoot thead "
    "tr td th ul caption br"
)
_STYLED = _tags("div span p blockquote table tbody tr td a font section hr b i u strong em h1 h2 h3 pre")
_WHITE = re.compile(r"[ \t\r\n\f]+")
# Attributes are read only where one of these occurs at all: reading them for every node costs most of the walk.
_TELLING = (
    *("display", "visibility", " hidden", "appendonsend", "divrplyfwdmsg"),
    *("mail-editor-reference", "isreplycontent", "isforwardcontent", "reply139content", "origbody"),
    *("orimsghtmlseperator", "mailcontent", "gmail_", "history-quote", "lark-mail-quote", "moz-cite", "yahoo_quoted"),
    *("protonmail_quote", "cite", "b5c4df", "e1e1e1"),
)
# Not font-size:0, which newsletters set on wrappers of visible text, nor mso-hide, which hides from Outlook alone.
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
# Everything from here on is quotation (Outlook).
_FROM_HERE = frozenset({"appendonsend", "divrplyfwdmsg", "mail-editor-reference-message-container"})
# What stands inside is quotation; answers may follow.
_CONTAINED_IDS = frozenset(
    {"isreplycontent", "isforwardcontent", "reply139content", "origbody", "orimsghtmlseperator", "mailcontent"}
)
_CONTAINED_CLASSES = re.compile(
    r"(?:^|\s)(?:gmail_attr|history-quote-wrapper|moz-cite-prefix|yahoo_quoted|protonmail_quote)(?:\s|$)", re.I
)
_OUTLOOK_BORDER = re.compile(r"border-top\s*:\s*solid\s*#(?:b5c4df|e1e1e1)", re.I)
_FROM_LABEL = re.compile(r"\s*(?:发\s*件\s*人|寄\s*件\s*者|from)\s*[:：]", re.I)


def html_page(html: str, *, answer: bool = True) -> Page:
    """A cleaned text/html body. `answer`: the mail is a reply or forward, so that it may be all quotation."""
    if _is_bottomless(html):
        return plain_page(_stripped(html))
    page = _Walker(html).walk()
    if not answer and not page.new():
        # Some webmail wraps everything in an element that elsewhere holds the quotation.
        page.quoted = [False] * len(page.lines)
    mark(page.lines, page.quoted)
    return page


_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)[^<>]*+>?")
_UNNESTED = _tags("p br img hr input meta link li td th tr col wbr area base option")
_FORMATTING = _tags("a b big code em font i nobr s small strike strong tt u")
_MANY_TAGS, _MAX_DEPTH, _MAX_FORMATTING = 2000, 10_000, 1000


def _is_bottomless(html: str) -> bool:
    """Whether HTML nests so deep that building its tree, quadratic in the depth, would stop the daemon."""
    if html.count("<") < _MANY_TAGS // 2:
        return False
    depth = formatting = 0
    for match in _TAG.finditer(html):
        tag = match[2].lower()
        if tag in _UNNESTED:
            continue
        step = -1 if match[1] else 1
        depth = max(0, depth + step)
        if tag in _FORMATTING:
            formatting = max(0, formatting + step)
        if depth > _MAX_DEPTH or formatting > _MAX_FORMATTING:
            return True
    return False


def _stripped(html: str) -> str:
    """Such HTML without its tags: its text is seen, its layout is not."""
    out: list[str] = []
    at, hidden = 0, ""
    for match in _TAG.finditer(html):
        if not hidden:
            out.append(html[at : match.start()])
        tag, at = match[2].lower(), match.end()
        if tag in ("style", "script", "head") and (not hidden or hidden == tag):
            hidden = "" if match[1] else tag
        elif tag in _BLOCKS:
            out.append("\n")
    return unescape("".join([*out, html[at:]]))


@dataclass(slots=True)
class _Table:
    rows: list[tuple[str, ...]] = field(default_factory=list)
    line: int = -1
    cells: list[int] = field(default_factory=list)
    """Of the row being read: the line number at which each cell begins."""
    row_line: int = 0
    nested: bool = False
    """A table stands in the row being read: it is layout, its cells stay lines of their own."""


class _Walker:
    """Walks the tree without recursion: reply chains nest deeper than any stack (mail.md §6)."""

    def __init__(self, html: str) -> None:
        from selectolax.lexbor import LexborHTMLParser  # here: much mail has no HTML

        self._root = LexborHTMLParser(html).root
        lower = html.lower()
        self._telling = any(word in lower for word in _TELLING)
        self._page = Page()
        self._buffer: list[str] = []
        self._tables: list[_Table] = []
        self._contained = 0
        self._rest = False
        self._pre = 0

    def walk(self) -> Page:
        node = self._root
        stack: list[tuple[LexborNode, str, bool]] = []
        while node is not None:
            tag = node.tag or "-comment"
            if tag == "-text":
                self._buffer.append(node.text_content or "") if not self._pre else self._preformatted(node)
            elif tag not in _SKIPPED:
                visible, contained = self._attributes(node, tag) if self._telling else (True, False)
                if visible:
                    if contained or tag in _BLOCKS:
                        self._enter(tag, contained)
                    stack.append((node, tag, contained))
                    if (child := node.child) is not None:
                        node = child
                        continue
                    self._leave(*stack.pop()[1:])
            while (following := node.next) is None and stack:
                node, tag, contained = stack.pop()
                self._leave(tag, contained)
            node = following
        self._flush()
        return self._page

    def _attributes(self, node: LexborNode, tag: str) -> tuple[bool, bool]:
        """Whether a reader sees the element, and whether its content is quotation."""
        if tag not in _STYLED:
            return True, False
        attributes = node.attributes
        if not attributes:
            return True, False
        style = attributes.get("style") or ""
        if "hidden" in attributes or _HIDDEN.search(style):
            return False, False
        return True, self._quotation(node, tag, attributes, style)

    def _quotation(self, node: LexborNode, tag: str, attributes: dict[str, str | None], style: str) -> bool:
        id_ = (attributes.get("id") or "").lower()
        class_ = attributes.get("class") or ""
        begins = _OUTLOOK_BORDER.search(style) and _FROM_LABEL.match(node.text(deep=True)[:200])
        if id_ in _FROM_HERE or begins:
            self._flush()
            self._rest = True
        if id_ in _CONTAINED_IDS or id_.startswith("lark-mail-quote") or _CONTAINED_CLASSES.search(class_):
            return True
        return tag == "blockquote" and ((attributes.get("type") or "").lower() == "cite" or "gmail_quote" in class_)

    def _enter(self, tag: str, contained: bool) -> None:
        if tag == "br":
            self._line()
            return
        self._flush()
        self._contained += contained
        if tag == "pre":
            self._pre += 1
        elif tag == "table":
            self._tables.append(_Table())
        elif self._tables and tag == "tr":
            table = self._tables[-1]
            table.cells, table.row_line, table.nested = [], len(self._page.lines), False
        elif self._tables and tag in ("td", "th"):
            self._tables[-1].cells.append(len(self._page.lines))

    def _leave(self, tag: str, contained: bool) -> None:
        if not contained and tag not in _BLOCKS:
            return
        self._flush()
        self._contained -= contained
        if tag == "pre":
            self._pre -= 1
        elif self._tables and tag == "tr":
            self._end_row(self._tables[-1])
        elif self._tables and tag == "table":
            self._end_table(self._tables.pop())

    def _preformatted(self, node: LexborNode) -> None:
        *lines, last = (node.text_content or "").split("\n")
        for line in lines:
            self._buffer.append(line)
            self._line()
        self._buffer.append(last)

    def _flush(self) -> None:
        if self._buffer:
            if self._pre or any(piece.strip(" \t\r\n\f") for piece in self._buffer):
                self._line()
            else:
                self._buffer.clear()

    def _line(self) -> None:
        line = "".join(self._buffer)
        self._buffer.clear()
        if not self._pre:
            line = _WHITE.sub(" ", line)
        self._page.lines.append(line.replace("\xa0", " ").strip(None if not self._pre else "\r\n"))
        self._page.quoted.append(self._rest or self._contained > 0)

    def _end_row(self, table: _Table) -> None:
        """A row of two cells or more is one line, its cells joined by tabs; one cell is ordinary text."""
        lines, quoted = self._page.lines, self._page.quoted
        if table.nested or not table.cells:
            return
        bounds = [*table.cells, len(lines)]
        cells = tuple(_cell(lines[a:b]) for a, b in pairwise(bounds))
        if not any(cells):
            return
        if table.line < 0:
            table.line = table.row_line
        table.rows.append(cells)
        if len(cells) > 1:
            was_quoted = quoted[table.row_line]
            del lines[table.row_line :], quoted[table.row_line :]
            lines.append("\t".join([_WHITE.sub(" ", cell) for cell in cells]))
            quoted.append(was_quoted)

    def _end_table(self, table: _Table) -> None:
        if self._tables:
            self._tables[-1].nested = True
        if any(len(row) > 1 for row in table.rows):
            self._page.tables.append((table.line, tuple(table.rows)))


def _cell(lines: list[str]) -> str:
    return "\n".join(lines).strip()
