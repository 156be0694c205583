"""text/html as a person sees it: lines, tables as rows; what is hidden is left out and kept apart.

A walk over the tags, without a tree. Most mail says nothing that hides text or marks quotation: then tags only break
lines. Otherwise a stack of the open elements is kept, and end tags close what the HTML standard (§13.2.6.4) has them
close, as far as it matters for what is seen. Time is linear in the mail, whatever it nests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Set
from functools import lru_cache
from html import unescape
from typing import Any, ClassVar

from mailflow.message.grid import Table
from mailflow.message.invisible import without_invisible
from mailflow.message.links import worth_showing
from mailflow.message.lists import Numbers, word_marker
from mailflow.message.markup import Kind, Tag, cut, tags_in
from mailflow.message.page import SIGNATURE_MARK, Page
from mailflow.message.quotes import COLORED, mark, named_color
from mailflow.message.style import NO_EFFECT, UNKNOWN, Effect, Look, Sheet, may_hide, merged, shade, sheet_of


def html_page(html: str, *, answer: bool = True, names: tuple[str, ...] = (), ordinary: bool = False) -> Page:
    """A cleaned text/html body. `answer`: the mail is a reply or forward, so that it may be all quotation; `ordinary`:
    nothing in it is known to be invisible."""
    html, noticed = (html, []) if ordinary else without_invisible(html)
    pieces, swallowed = cut(html)
    tags = tags_in(pieces)
    color = named_color(html)
    page = (_walker(pieces, tags) if not color else _Watcher.of(pieces, tags, color)).walk(pieces, tags)
    if not answer and True in page.quoted and not page.has_new():
        # Some webmail wraps everything in an element that elsewhere holds the quotation.
        page.quoted = [False] * len(page.lines)
    page.controls[:0] = noticed
    if swallowed:
        page.hidden.append(_WHITE.sub(" ", swallowed[:1000]))
    mark(page.lines, page.quoted, names)
    if color:
        page.lines = [line.replace(COLORED, "") for line in page.lines]
    return page


def _walker(pieces: list[str], tags: Mapping[str, Tag]) -> _Walker:
    """As little of a walker as reads this page rightly."""
    tracked: set[str] = set()
    effects: list[Effect] = []
    styled = hides = False
    for tag in tags.values():
        if tag.effect is not NO_EFFECT:
            effects.append(tag.effect)
        if tag.telling:
            tracked.add(tag.name)
            hides = hides or tag.kind in ("pre", "skip")
        elif tag.kind == "style":
            styled = True
    sheet, colors = _sheet(map(tags.__getitem__, pieces[1::2])) if styled else (_NO_RULES, True)
    hides = hides or bool(sheet) or (bool(effects) and may_hide(effects))
    return _Watcher(sheet, colors, hides, tracked) if hides or tracked else _Walker()


def _sheet(tags: Iterable[Tag]) -> tuple[Sheet, bool]:
    """All style sheets as one, and whether colours can be trusted."""
    rules: dict[str, Effect] = {}
    colors = True
    for tag in tags:
        if tag.kind == "style" and not tag.closes:
            more, unknown = sheet_of(tag.attributes["css"])
            rules.update(more)
            colors = colors and not unknown
    return rules, colors


_NO_RULES: Sheet = {}


_BLANK = " \t\r\n\f"
_WHITE = re.compile(r"[ \t\r\n\f]+")
_WIDE = "\u2e80-\u2fff\u3001-\u303f\u3040-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60\uffe0-\uffe6"
_WRAPPED = re.compile(f"(?<=[{_WIDE}])[ \t\r\f]*+\n[ \t\r\n\f]*+(?=[{_WIDE}])")
"""A source line that ends within Chinese text: Word breaks its lines there, and shows no blank."""
_RULE = "-" * 10


Step = Callable[[Any, Tag], None]
Steps = dict[tuple[Kind, bool], Step]
"""What to do at a tag of some kind that opens (False) or closes (True)."""


class _Walker:
    """Where nothing is hidden and nothing marked."""

    def __init__(self) -> None:
        self.page = Page()
        self.shown = True
        self.buffer: list[str] = []
        self.tables: list[Table] = []
        self.numbers = Numbers()
        self.marker = ""
        self.link: tuple[str, int, int] | None = None
        """Its target, and where in the line and in which line its text begins."""

    def walk(self, pieces: list[str], tags: Mapping[str, Tag]) -> Page:
        doing = {markup: (self.step(tag), tag) for markup, tag in tags.items()}
        buffer, flush = self.buffer, _Walker.flush
        each = iter(pieces)
        for text, markup in zip(each, each, strict=False):
            if text and (text != "\n" or buffer):
                buffer.append(text)
            step, tag = doing[markup]
            if step is not None and (buffer or step is not flush):
                step(self, tag)
        buffer.append(pieces[-1])
        return self.end()

    def step(self, tag: Tag) -> Step | None:
        return self.STEPS.get((tag.kind, tag.closes))

    def end(self) -> Page:
        while self.tables:
            self.close_table(_NOTHING)
        self.flush(_NOTHING)
        return self.page

    # -- lines

    def flush(self, _tag: Tag) -> None:
        """A block begins or ends: what was read so far is a line."""
        if self.buffer:
            line = "".join(self.buffer)
            self.buffer.clear()
            if line.strip(_BLANK):
                self.add_line(line)

    def break_line(self, _tag: Tag) -> None:
        line = "".join(self.buffer)
        self.buffer.clear()
        self.add_line(line)

    def add_line(self, line: str) -> None:
        if "&" in line:
            line = line.replace("&nbsp;", "\xa0")
        if "&" in line:
            line = unescape(line).replace("\r", "\n")
            if not line.isascii():
                line, noticed = without_invisible(line)
                self.page.controls += noticed
        if "\n" in line or "  " in line or "\t" in line:
            line = _WHITE.sub(" ", _WRAPPED.sub("", line) if "\n" in line else line)
        shown = line.replace("\xa0", " ").strip()
        if shown == "--" != line:
            shown = SIGNATURE_MARK
        if self.marker and shown:
            shown, self.marker = self.marker + shown, ""
        page = self.page
        page.lines.append(shown)
        page.quoted.append(False)
        page.signed.append(False)

    def rule(self, tag: Tag) -> None:
        self.flush(tag)
        self.add_line(_RULE)

    def image(self, tag: Tag) -> None:
        alt = tag.attributes.get("alt", "").strip()
        # A picture of a word may show something else; a picture of a face is what its name says.
        if alt and len(alt) <= 8 and not any(c.isalnum() or c.isspace() for c in alt):
            self.buffer.append(alt)

    def open_link(self, tag: Tag) -> None:
        if target := tag.attributes.get("href"):
            self.link = target, len(self.buffer), len(self.page.lines)

    def close_link(self, _tag: Tag) -> None:
        if self.link:
            target, start, line = self.link
            self.link = None
            text = unescape("".join(self.buffer[start:])) if line == len(self.page.lines) else ""
            if shown := worth_showing(text, target):
                self.buffer.append(f" <{shown}>".replace("&", "&amp;"))

    # -- lists

    def open_list(self, tag: Tag) -> None:
        self.flush(tag)
        self.numbers.open(tag.name, tag.attributes)

    def close_list(self, tag: Tag) -> None:
        self.flush(tag)
        self.numbers.close()
        self.marker = ""

    def open_item(self, tag: Tag) -> None:
        self.flush(tag)
        self.marker = self.numbers.marker(tag.attributes)

    # -- tables

    def open_table(self, tag: Tag) -> None:
        self.flush(tag)
        self.tables.append(Table())

    def close_table(self, tag: Tag) -> None:
        self.end_row(tag)
        if self.tables:
            table = self.tables.pop()
            if self.tables and (table.columns or table.frame):
                self.tables[-1].nested = self.tables[-1].frame = True
            if rows := table.finished():
                self.page.tables.append((table.line, rows))

    def open_row(self, tag: Tag) -> None:
        self.end_row(tag)
        if self.tables:
            self.tables[-1].begin_row()

    def end_row(self, tag: Tag) -> None:
        self.flush(tag)
        if self.tables:
            self.tables[-1].end_row(self.page)

    def open_cell(self, tag: Tag) -> None:
        if self.tables:
            self.flush(tag)
            said = tag.attributes
            self.tables[-1].add_cell(len(self.page.lines), said.get("colspan"), said.get("rowspan"))

    STEPS: ClassVar[Steps] = {
        ("block", False): flush, ("block", True): flush, ("p", False): flush, ("p", True): flush,
        ("body", False): flush, ("body", True): flush, ("br", False): break_line, ("br", True): break_line,
        ("hr", False): rule, ("img", False): image, ("a", False): open_link, ("a", True): close_link,
        ("list", False): open_list, ("list", True): close_list, ("item", False): open_item, ("item", True): flush,
        ("table", False): open_table, ("table", True): close_table, ("part", False): end_row, ("part", True): end_row,
        ("row", False): open_row, ("row", True): end_row, ("cell", False): open_cell, ("cell", True): flush,
    }  # fmt: skip


_NOTHING = Tag("quiet")
_LINE, _KEPT_BLANK, _TAB = "\x01", "\x02", "\x03"
"""Line breaks and blanks of <pre> while the line is put together; cleaned text has none of these."""
_KEEP = str.maketrans({"\n": _LINE, " ": _KEPT_BLANK, "\t": _TAB})
_GIVE_BACK = str.maketrans({_KEPT_BLANK: " ", _TAB: "\t"})
_FROM_LABEL = re.compile(r"\s*(?:发\s*件\s*人|寄\s*件\s*者|from)\s*[:：]", re.IGNORECASE)
_FORMATTING = frozenset(
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
_BLOCKS = frozenset({"block", "p", "list", "item", "pre", "table", "row", "cell", "body"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_IN_TABLES = frozenset({"table", "part", "row", "cell"})
_SCOPES = frozenset({"table", "cell"})
_SKIPPED = Effect(gone=True)
_PRE = Effect(pre=True)
_MOST_HIDDEN = 50
_MOST_RELOOKS = 200_000


@lru_cache(maxsize=4096)
def _inside(look: Look, effect: Effect) -> tuple[Look, bool]:
    """How text looks inside an element, and whether it is seen."""
    inner = look.inside(effect)
    return inner, inner.shown


class _Open:
    """An open element."""

    __slots__ = ("dead", "look", "start", "tag")

    def __init__(self, tag: Tag, look: Look) -> None:
        self.tag = tag
        self.look = look
        """Outside of it."""
        self.start = -1
        """Of a marker: where in the line it begins."""
        self.dead = False
        """Closed out of turn."""


class _Watcher(_Walker):
    """Where something is hidden, quoted or signed.

    `hides`: something may be hidden, so that every element counts; otherwise only those called as in `tracked` do.
    """

    def __init__(self, sheet: Sheet, colors: bool, hides: bool, tracked: Set[str]) -> None:
        super().__init__()
        self.hides = hides
        self.tracked = tracked
        self.sheet = sheet
        self.colors = colors
        self.look = Look(color=UNKNOWN)
        self.open: list[_Open] = []
        self.where: dict[str, list[int]] = {}
        """By name: where in the stack its open elements are."""
        self.scopes: list[int] = [-1]
        """Where tables and cells are: no end tag reaches beyond the innermost."""
        self.blocks: list[int] = [-1]
        self.quoted = 0
        self.signed = 0
        self.skipped = 0
        self.rest = False
        self.bordered = False
        self.relooks = 0
        self.blind = False
        """The mail nests so wildly that nothing is taken for hidden any more."""
        self.unseen: list[str] = []
        self.color = ""
        """The one of which it is to be known whether a line is written in it."""
        self.shades: set[str] = set()
        """Of the line so far."""
        self.easy = True
        """Text is seen, and nothing more need be known of it."""
        self.effects: dict[int, Effect] = {}
        """What was worked out already, by the identity of the tag."""

    @classmethod
    def of(cls, pieces: list[str], tags: Mapping[str, Tag], color: str) -> _Watcher:
        watcher = cls(*_sheet(map(tags.__getitem__, pieces[1::2])), True, frozenset())
        watcher.color = color
        watcher.easy = False
        return watcher

    def walk(self, pieces: list[str], tags: Mapping[str, Tag]) -> Page:
        if not self.hides:
            return super().walk(pieces, tags)
        doing = {markup: (self.step(tag), tag) for markup, tag in tags.items()}
        each = iter(pieces)
        for text, markup in zip(each, each, strict=False):
            if text and (text != "\n" or self.buffer):
                if self.easy:
                    self.buffer.append(text)
                else:
                    self.text(text)
            step, tag = doing[markup]
            if step is not None:
                step(self, tag)
        self.text(pieces[-1])
        return self.end()

    def step(self, tag: Tag) -> Step | None:
        kind = tag.kind, tag.closes
        if self.hides or tag.name in self.tracked or tag.kind in _IN_TABLES:
            return self.STEPS.get(kind)
        return _Walker.STEPS.get(kind)

    def end(self) -> Page:
        self.flush(_NOTHING)
        self.close_down_to(0)
        self.end_unseen()
        return self.page

    # -- text

    def text(self, text: str) -> None:
        if self.shown:
            self.buffer.append(text.translate(_KEEP) if self.look.pre else text)
            if self.color and text.strip():
                self.shades.add(shade(self.look.color))
        elif not self.skipped and text.strip():
            self.unseen.append(text)

    def add_line(self, line: str) -> None:
        page = self.page
        for one in line.removesuffix(_LINE).split(_LINE) if _LINE in line else (line,):
            super().add_line(one)
            shown = page.lines[-1]
            if _KEPT_BLANK in shown or _TAB in shown:
                page.lines[-1] = shown = shown.translate(_GIVE_BACK).rstrip()
            if self.bordered and shown:
                self.bordered = False
                self.rest = self.rest or bool(_FROM_LABEL.match(shown))
            if self.color:
                if shown and self.shades == {self.color}:
                    page.lines[-1] = COLORED + shown
                self.shades.clear()
            page.quoted[-1] = self.rest or self.quoted > 0
            page.signed[-1] = self.signed > 0

    def break_line(self, tag: Tag) -> None:
        if self.shown:
            super().break_line(tag)

    def rule(self, tag: Tag) -> None:
        self.close_p()
        self.rest = self.rest or tag.role == "rest"
        if self.shown:
            super().rule(tag)
        if tag.role == "signature" and not self.quoted:
            self.signed = self.signed or 1

    def image(self, tag: Tag) -> None:
        if self.shown:
            super().image(tag)

    def see(self, look: Look, shown: bool | None = None) -> None:
        self.look = look
        self.shown = look.shown if shown is None else shown
        self.easy = self.shown and not look.pre and not self.color
        if self.shown and self.unseen:
            self.end_unseen()

    def end_unseen(self) -> None:
        text = without_invisible(unescape("".join(self.unseen)[:5000]))[0]
        self.unseen.clear()
        text = _WHITE.sub(" ", text.replace("\xa0", " ")).strip(" \u034f\u2007")
        if text and len(self.page.hidden) < _MOST_HIDDEN:
            self.page.hidden.append(text)

    # -- opening

    def open_block(self, tag: Tag) -> None:
        self.flush(tag)
        self.close_p()
        if self.open and tag.name in _HEADINGS and self.open[-1].tag.name in _HEADINGS:
            self.pop()
        self.push(tag)

    def open_link(self, tag: Tag) -> None:
        self.push(tag)
        super().open_link(tag)

    def open_body(self, tag: Tag) -> None:
        self.flush(tag)
        if "body" not in self.where:
            self.push(tag)

    def open_list(self, tag: Tag) -> None:
        self.close_p()
        super().open_list(tag)
        self.push(tag)

    def open_item(self, tag: Tag) -> None:
        self.flush(tag)
        self.close_p()
        lists = [self.where[name][-1] for name in ("ul", "ol") if name in self.where]
        items = self.where.get("li")
        if items and items[-1] > max([self.scopes[-1], *lists]):
            self.close_down_to(items[-1])
        self.push(tag)
        if self.shown:
            super().open_item(tag)

    def open_pre(self, tag: Tag) -> None:
        self.flush(tag)
        self.close_p()
        self.push(tag, _PRE)

    def open_skipped(self, tag: Tag) -> None:
        self.skipped += 1
        self.push(tag, _SKIPPED)

    def open_table(self, tag: Tag) -> None:
        self.close_p()
        super().open_table(tag)
        self.push(tag)

    def open_row(self, tag: Tag) -> None:
        self.clear_rows(tag)
        if self.tables:
            self.push(tag)
            self.tables[-1].begin_row()

    def open_cell(self, tag: Tag) -> None:
        if not self.tables:
            return
        rows = self.where.get("tr")
        if rows and rows[-1] > self.table_place():
            self.flush(tag)
            self.close_down_to(rows[-1] + 1)
        else:
            self.open_row(_ROW)
        self.push(tag)
        if not self.look.gone:
            super().open_cell(tag)

    def clear_rows(self, tag: Tag) -> None:
        """Closes the rows and cells of the innermost table."""
        if self.tables:
            self.flush(tag)
            self.close_down_to(self.table_place() + 1)

    def table_place(self) -> int:
        return self.where["table"][-1]

    # -- closing

    def close_p(self) -> None:
        open_ = self.where.get("p")
        if open_ and open_[-1] > self.scopes[-1]:
            self.flush(_NOTHING)
            self.close_down_to(open_[-1])

    def close_inline(self, tag: Tag) -> None:
        where = self.where.get(tag.name)
        if not where or where[-1] < self.scopes[-1]:
            return
        if self.blocks[-1] < where[-1]:
            self.close_down_to(where[-1])
        elif tag.name in _FORMATTING and not self.blind:
            self.close_out_of_turn(where.pop())
            if not where:
                del self.where[tag.name]

    def close_skipped(self, tag: Tag) -> None:
        where = self.where.get(tag.name)
        if where and where[-1] > self.scopes[-1]:
            self.close_down_to(where[-1])

    def close_link(self, tag: Tag) -> None:
        super().close_link(tag)
        self.close_inline(tag)

    def close_block(self, tag: Tag) -> None:
        self.flush(tag)
        where = self.where.get(tag.name)
        if where and where[-1] > self.scopes[-1]:
            self.close_down_to(where[-1])

    def close_list(self, tag: Tag) -> None:
        super().close_list(tag)
        self.close_block(tag)

    def close_in_table(self, tag: Tag) -> None:
        where = self.where.get(tag.name)
        if self.tables and where and where[-1] >= self.table_place():
            self.flush(tag)
            self.close_down_to(where[-1])

    def close_out_of_turn(self, place: int) -> None:
        """<font><div></font>: the div stays open, and looks from now on as if the font had never been there."""
        self.open[place].dead = True
        above = self.open[place:]
        look = above[0].look
        self.relooks += len(above)
        if self.relooks > _MOST_RELOOKS:
            # Who nests like this thousands deep hides nothing from us.
            self.blind = True
        for element in above:
            element.look = look
            if not element.dead and (effect := self.effect(element.tag)) is not NO_EFFECT:
                look = _inside(look, effect)[0]
        self.see(look)

    # -- the stack

    def push(self, tag: Tag, more: Effect = NO_EFFECT) -> None:
        element = _Open(tag, self.look)
        place = len(self.open)
        self.open.append(element)
        self.where.setdefault(tag.name, []).append(place)
        if tag.kind in _BLOCKS:
            self.blocks.append(place)
            if tag.kind in _SCOPES:
                self.scopes.append(place)
        if tag.telling:
            self.enter(element)
            self.bordered = self.bordered or tag.bordered
        if self.hides:
            effect = self.effect(tag) if more is NO_EFFECT else merged(self.effect(tag), more)
            if effect is not NO_EFFECT:
                self.see(*_inside(self.look, effect))

    def effect(self, tag: Tag) -> Effect:
        if self.blind:
            return NO_EFFECT
        effect = self.effects.get(id(tag))
        if effect is None:
            effect = NO_EFFECT
            for selector in tag.selectors if self.sheet else ():
                if rule := self.sheet.get(selector):
                    effect = merged(effect, rule)
            effect = merged(effect, tag.effect)
            if not self.colors:
                effect = effect._replace(color=None, background=None)
            if effect == NO_EFFECT:
                effect = NO_EFFECT
            self.effects[id(tag)] = effect
        return effect

    def enter(self, element: _Open) -> None:
        role = element.tag.role
        if role == "marker":
            element.start = len(self.buffer)
            return
        self.flush(_NOTHING)
        self.quoted += role == "quoted"
        self.signed = self.signed + 1 if role == "signature" else 0 if role == "quoted" else self.signed
        self.rest = self.rest or role == "rest"

    def leave(self, element: _Open) -> None:
        role = element.tag.role
        if role == "marker":
            self.buffer[element.start :] = [word_marker(unescape("".join(self.buffer[element.start :])))]
            return
        self.flush(_NOTHING)
        self.quoted -= role == "quoted"
        self.signed = max(0, self.signed - (role == "signature"))

    def close_down_to(self, place: int) -> None:
        while len(self.open) > place:
            self.pop()

    def pop(self) -> None:
        element = self.open[-1]
        tag = element.tag
        if tag.role:
            self.leave(element)
        self.open.pop()
        place = len(self.open)
        if not element.dead:
            where = self.where[tag.name]
            where.pop()
            if not where:
                del self.where[tag.name]
        if self.blocks[-1] == place:
            self.blocks.pop()
        if self.scopes[-1] == place:
            self.scopes.pop()
        if tag.kind == "row":
            self.end_row(tag)
        elif tag.kind == "table":
            super().close_table(tag)
        elif tag.kind == "skip":
            self.skipped -= 1
        if element.look is not self.look:
            self.see(element.look)

    STEPS: ClassVar[Steps] = _Walker.STEPS | {
        ("inline", False): push, ("inline", True): close_inline, ("block", False): open_block,
        ("block", True): close_block, ("p", False): open_block, ("p", True): close_block, ("body", False): open_body,
        ("br", False): break_line, ("br", True): break_line, ("hr", False): rule, ("img", False): image,
        ("a", False): open_link, ("a", True): close_link, ("list", False): open_list, ("list", True): close_list,
        ("item", False): open_item, ("item", True): close_block, ("pre", False): open_pre, ("pre", True): close_block,
        ("skip", False): open_skipped, ("skip", True): close_skipped, ("table", False): open_table,
        ("table", True): close_in_table, ("part", False): clear_rows, ("part", True): clear_rows,
        ("row", False): open_row, ("row", True): close_in_table, ("cell", False): open_cell,
        ("cell", True): close_in_table,
    }  # fmt: skip


_ROW = Tag("row", "tr")
