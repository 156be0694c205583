"""Which lines of a mail are quotation (mail.md §6, "Quoted replies"). Nothing is deleted: lines are only marked.

Two kinds of quotation: what stands alone (`>` lines, a blockquote), after which new text may follow and stays visible;
and what begins a quotation that goes to the end (`-----Original Message-----`, a block of From, Date and Subject).
"""

from __future__ import annotations

import re

_INDENT = r"[>\s*|　]*+"
_SEPARATOR = re.compile(
    _INDENT + r"(?:[-—_=－━─]{2,}\s*(?:"
    r"(?:回复的?|答复的?|转发的?|轉寄的?|轉發的?|被转发的?)?(?:原始|原)(?:邮件|郵件|消息|信件|信息)(?:信息)?|"
    r"邮件原件|郵件原件|(?:转发|轉發|轉寄|回复|回覆|转寄)的?(?:邮件|郵件|信息|消息)(?:信息)?|"
    r"original(?:\s+(?:message|mail|e-mail|email|appointment|邮件))?|(?:forwarded|reply|replied)\s+(?:message|mail)"
    r")\s*[-—_=－━─]{2,}"
    r"|(?:begin forwarded message|以下是转发的邮件|开始转发的邮件|下面是被转发的邮件|轉寄的郵件)\s*[:：]?\s*$)",
    re.IGNORECASE,
)
_COLON = r"[ *\xa0　]*+[:：|\t]"
_FROM = re.compile(
    _INDENT + r"(?:发\s*件\s*人|寄\s*件\s*者|寄\s*件\s*人|发\s*送\s*人|發\s*件\s*人|from)" + _COLON, re.I
)
_DATE = re.compile(
    _INDENT
    + r"(?:发\s*送\s*(?:时\s*间|日\s*期)|日\s*期|时\s*间|寄\s*件\s*日\s*期|傳\s*送\s*時\s*間|date|sent)"
    + _COLON,
    re.I,
)
_OTHER = re.compile(
    _INDENT + r"(?:收\s*件\s*(?:人|者)|抄\s*送\s*人?|副\s*本|主\s*[题題旨]|标\s*题|to|cc|subject)" + _COLON, re.I
)
_BLOCK = 6
"""Within so many lines after the From line the others must stand; a single 发件人 in prose is no quotation."""
_WROTE = re.compile(r"(?:写道|寫道|写到|wrote|writes)\s*[:：]$", re.I)
_WROTE_START = re.compile(r"\s*+(?:on|at|在)[\s\d].{0,200}\d|.{0,200}<[^<>]{0,200}@", re.I)
_WROTE_CERTAIN = re.compile(r"\d{4}|\d{1,2}\s*月|[@＠]")
_RULE = re.compile(r"[\s>*|]*[-_=—━─]{3,}\s*$")
_PHONE = re.compile(
    r"\s*(?:发自我的\S?.{1,20}|發自我的.{1,20}|发自.{0,10}(?:手机|邮箱|邮箱大师).{0,10}|从.{1,20}版?(?:邮件|Outlook)发送|"
    r"sent from my .{1,30}|sent from (?:mail|outlook) for .{1,20}|(?:获取|下载|取得)\s*outlook\s*for\s*\S.{0,30}|"
    r"get outlook for .{1,30}|sent from .{0,20}(?:phone|mobile).{0,20})\s*$",
    re.I,
)
_LIMIT = 1000
"""No line that marks a quotation is longer."""


def mark(lines: list[str], quoted: list[bool]) -> None:
    """Sets `quoted` for the lines that are quotation; what HTML marked already is set before."""
    for number, line in enumerate(lines):
        if quoted[number] or not line or len(line) > _LIMIT:
            continue
        if line.lstrip()[:1] == ">" or line.startswith("＞"):
            quoted[number] = True
        elif _begins_rest(lines, number):
            _mark_from(lines, quoted, _upwards(lines, quoted, number))
            break
        elif _wrote(line) and (begin := _attribution(lines, number)) is not None:
            quoted[begin : number + 1] = [True] * (number + 1 - begin)
            following = _next_line(lines, number + 1)
            if following is not None and not quoted[following] and lines[following].lstrip()[:1] != ">":
                _mark_from(lines, quoted, begin)
                break
    _mark_phone(lines, quoted)


def _begins_rest(lines: list[str], number: int) -> bool:
    line = lines[number]
    return bool(_SEPARATOR.match(line) or (_FROM.match(line) and _is_block(lines, number)))


def _is_block(lines: list[str], number: int) -> bool:
    """From line, a date line and one more within six lines (mail.md §6)."""
    following = lines[number + 1 : number + 1 + _BLOCK]
    return any(map(_DATE.match, following)) and any(map(_OTHER.match, following))


def starts_block(lines: list[str]) -> bool:
    """Whether `lines` begin with a header block."""
    return bool(lines) and bool(_FROM.match(lines[0])) and _is_block(lines, 0)


def _upwards(lines: list[str], quoted: list[bool], number: int) -> int:
    """The rules and blank lines right above the beginning of a quotation belong to it."""
    top = number
    while top and not quoted[top - 1] and (not lines[top - 1].strip() or _RULE.match(lines[top - 1][:_LIMIT])):
        top -= 1
    return top


def _mark_from(lines: list[str], quoted: list[bool], number: int) -> None:
    quoted[number:] = [True] * (len(lines) - number)


def _wrote(line: str) -> bool:
    line = line.rstrip()
    return line[-1:] in (":", "：") and bool(_WROTE.search(line[-20:]))


def _attribution(lines: list[str], number: int) -> int | None:
    """Where the attribution that ends in line `number` begins: mailers wrap it over up to three lines.

    It names a date or an address; 客户写道： alone is prose.
    """
    begin = number if _WROTE_CERTAIN.search(lines[number]) else None
    for above in range(number, max(number - 3, -1), -1):
        if not lines[above].strip():
            break
        if _WROTE_START.match(lines[above]) and _WROTE_CERTAIN.search(" ".join(lines[above : number + 1])):
            begin = above
    return begin


def _next_line(lines: list[str], start: int) -> int | None:
    return next((n for n in range(start, min(start + 20, len(lines))) if lines[n].strip()), None)


def _mark_phone(lines: list[str], quoted: list[bool]) -> None:
    """发自我的 iPhone as the last line of the new part is nothing that the sender wrote."""
    last = len(lines) - 1
    while last >= 0 and (quoted[last] or not lines[last].strip()):
        last -= 1
    if last >= 0 and len(lines[last]) < 80 and _PHONE.match(lines[last]):
        quoted[last] = True
