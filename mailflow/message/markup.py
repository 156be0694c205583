"""HTML cut into text and tags, and what each tag means for reading. No tree is built: mail is soup, and may be deep.

The cut follows the tokenizer of the HTML standard (§13.2.5) as far as text is concerned. Mail repeats its tags word for
word, so that what a tag means is worked out once and remembered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from html import unescape
from itertools import islice
from typing import Literal

from mailflow.message.style import NO_EFFECT, UNKNOWN, Effect, background_of, color_of, effect_of

_RAW = ("style", "script", "title", "noembed", "noframes", "iframe")
"""Elements whose content is no text (HTML standard §13.2.6.2); each is one piece with its content."""


def _any_case(name: str) -> str:
    """Not re.IGNORECASE: so the alternatives below are told apart by their first letter, in four fifths of the time."""
    return "".join([f"[{letter}{letter.upper()}]" for letter in name])


_MARKUP = re.compile(
    r"(<(?:!--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))"
    + "".join(
        [rf"|{name}(?=[\s/>])[^<]*+(?:<(?!/{name}[\s/>])[^<]*+)*+(?:</[^>]*+>|\Z)" for name in map(_any_case, _RAW)]
    )
    # A quotation mark counts only behind an equals sign; one that is never closed does not swallow the mail.
    + r"|/?[a-zA-Z][^>=]*+(?:=(?:\s*+(?:\"[^\"]*+\"|'[^']*+'))?+[^>=]*+)*+(?:>|\Z)"
    + r"|[!?/][^>]*+(?:>|\Z)))"
)

Kind = Literal["quiet", "inline", "block", "p", "br", "hr", "img", "a", "table", "row", "cell", "part", "list", "item",
               "pre", "skip", "style", "body"]  # fmt: skip
Role = Literal["", "quoted", "rest", "signature", "marker"]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, or a comment, as it matters for reading."""

    kind: Kind
    name: str = ""
    closes: bool = False
    effect: Effect = NO_EFFECT
    role: Role = ""
    telling: bool = False
    """A walk must keep the open elements to read what stands inside of it."""
    bordered: bool = False
    """A line is drawn above it, as Outlook and Foxmail do above the header block of a quotation."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Those that matter for its kind."""
    selectors: tuple[str, ...] = ()
    """By which a style sheet may mean it, from the most general to the most specific."""


def cut(html: str) -> tuple[list[str], str]:
    """Text and markup in turn, beginning and ending with text; and what stands behind a comment or the like that is
    never closed, which nobody sees. Linear in `html`."""
    pieces = _MARKUP.split(html)
    if len(pieces) < 2 or pieces[-2][-1] == ">":
        return pieces, ""
    if _SWALLOWS.match(pieces[-2]):
        return pieces, pieces[-2]
    # A tag that never ends is text: better seen than lost.
    return [*pieces[:-3], "".join(pieces[-3:])], ""


_SWALLOWS = re.compile(rf"<(?:!--|(?:{'|'.join(_RAW)})[\s/>])", re.IGNORECASE)


def tags_in(pieces: Sequence[str]) -> dict[str, Tag]:
    """What each piece of markup of a page that was cut means."""
    return {
        markup: _known(markup) if len(markup) <= _LONGEST else _read(markup) for markup in dict.fromkeys(pieces[1::2])
    }


_LONGEST = 1000
"""No longer tag is remembered."""
_QUIET = Tag("quiet")
_NAME = re.compile(r"</?([a-z][^\s/>]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>]++)))?+")
_MOST_ATTRIBUTES = 60


def _kinds() -> dict[str, Kind]:
    names: dict[Kind, str] = {
        "quiet": "html head meta link base basefont bgsound wbr input param source track embed frame col colgroup area "
        "noscript script title noembed noframes iframe",
        "block": "address article aside blockquote center dd details dialog dir div dl dt fieldset figcaption figure "
        "footer form h1 h2 h3 h4 h5 h6 header hgroup main menu nav section summary caption legend option optgroup",
        "p": "p", "br": "br", "hr": "hr", "img": "img", "a": "a", "table": "table", "row": "tr", "cell": "td th",
        "part": "tbody thead tfoot", "list": "ol ul", "item": "li", "pre": "pre listing xmp plaintext textarea",
        "skip": "select datalist template object applet audio video canvas svg math xml", "style": "style",
        "body": "body",
    }  # fmt: skip
    return {name: kind for kind, listed in names.items() for name in listed.split()}


_KINDS = _kinds()
_KEPT: Mapping[Kind, tuple[str, ...]] = {
    "cell": ("colspan", "rowspan"),
    "list": ("start", "type", "reversed"),
    "item": ("value", "type"),
    "img": ("alt",),
    "a": ("href",),
}


@lru_cache(maxsize=4096)
def _known(markup: str) -> Tag:
    return _read(markup)


def _read(markup: str) -> Tag:
    found = _NAME.match(markup)
    if not found:
        return _QUIET
    name = found[1].lower()
    kind = _KINDS.get(name, "inline")
    if markup[1] == "/":
        return Tag(kind, name, closes=True)
    if kind == "style":
        return Tag(kind, name, attributes={"css": markup.partition(">")[2].rpartition("</")[0]})
    if kind in ("quiet", "br"):
        return Tag(kind, name)
    said = _attributes(markup, found.end())
    id_, class_, style = said.get("id", ""), said.get("class", ""), said.get("style", "")
    role = _role(name, said, id_, class_, style)
    bordered = kind in ("block", "p") and bool(_BORDER.search(style))
    return Tag(
        kind,
        name,
        effect=_effect(name, said, style),
        role=role,
        telling=bool(role) or bordered or kind in ("pre", "skip"),
        bordered=bordered,
        attributes={key: said[key] for key in _KEPT.get(kind, ()) if key in said},
        selectors=_selectors(name, id_, class_),
    )


_STRUCK = frozenset({"s", "strike", "del"})
"""What is struck out was taken back: <s>撤诉</s> is no decision. It is kept apart like hidden text."""


def _attributes(markup: str, start: int) -> dict[str, str]:
    """Names in lower case, values with their character references resolved; of two with one name the first."""
    said: dict[str, str] = {}
    for found in islice(_ATTRIBUTE.finditer(markup, start), _MOST_ATTRIBUTES):
        value = found[found.lastindex] if found.lastindex and found.lastindex > 1 else ""
        said.setdefault(found[1].lower(), unescape(value) if "&" in value else value)
    return said


def _effect(name: str, said: Mapping[str, str], style: str) -> Effect:
    effect = effect_of(style, name) if style else NO_EFFECT
    if ("hidden" in said and effect.gone is None) or name in _STRUCK:
        effect = effect._replace(gone=True)
    if effect.background is None and ("background" in said or "bgcolor" in said):
        effect = effect._replace(background=UNKNOWN if "background" in said else background_of(said["bgcolor"]))
    if name == "font" and "color" in said and effect.color is None:
        effect = effect._replace(color=color_of(said["color"]))
    return effect


def _selectors(name: str, id_: str, class_: str) -> tuple[str, ...]:
    classes = class_.split()[:10]
    more = ["." + one for one in classes] + [f"{name}.{one}" for one in classes]
    return (name, *more, *(("#" + id_, f"{name}#{id_}") if id_ else ()))


# -- what mail programs call their parts (mail.md §6)

_REST = re.compile(r"(?:appendonsend|divrplyfwdmsg|mail-editor-reference-message-container|replysplit)", re.IGNORECASE)
"""Ids: everything from here on is quotation (Outlook)."""
_QUOTED_ID = re.compile(
    r"isreplycontent|isforwardcontent|reply139content|origbody|orimsghtmlsepe?a?rator|mailcontent|lark-mail-quote.*|yahoo_quoted.*",
    re.IGNORECASE,
)
"""Ids: what stands inside is quotation; answers may follow."""
_QUOTED_CLASS = re.compile(
    r"(?:^|\s)(?:gmail_attr|history-quote-wrapper|moz-cite-prefix|moz-forward-container|yahoo_quoted|protonmail_quote"
    r"|ntes-mailmaster-quote|zmail_extra|tutanota_quote|iosymail|__aliyun_previous_quote_wrap)"
    r"(?:\s|$)",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(
    r"signature|(?:^|[\s_-])(?:sig-\w|mail_?sign\b|editorsign|foxmail_?sign)|spneditorsign|^sign$|divneteasemailcard",
    re.IGNORECASE,
)
_BORDER = re.compile(r"border(?:-top)?\s*:\s*solid|border-top\s*:|border-style\s*:\s*solid none none", re.IGNORECASE)
_FOXMAIL_RULE = re.compile(r"210px|#?b5c4df", re.IGNORECASE)
"""The line that Foxmail draws above a signature."""
_IGNORED_LIST = re.compile(r"mso-list\s*:\s*ignore", re.IGNORECASE)


def _role(name: str, said: Mapping[str, str], id_: str, class_: str, style: str) -> Role:
    if id_ and _REST.fullmatch(id_):
        return "rest"
    if (id_ and _QUOTED_ID.fullmatch(id_)) or (class_ and _QUOTED_CLASS.search(class_)):
        return "quoted"
    if name == "blockquote" and (said.get("type", "").lower() == "cite" or "gmail_quote" in class_):
        return "quoted"
    if name == "hr" and not id_:
        return "signature" if _FOXMAIL_RULE.search(style + said.get("color", "")) else ""
    if name in ("sign", "signature", "xm-signature") or _SIGNATURE.search(id_) or _SIGNATURE.search(class_):
        return "signature"
    return "marker" if style and _IGNORED_LIST.search(style) else ""
