"""Which lines of a mail are quotation (mail.md §6, "Quoted replies"). Nothing is deleted: lines are only marked.

Two kinds of quotation: what stands alone (`>` lines, a blockquote), after which new text may follow and stays visible;
and what begins a quotation that goes to the end (`-----Original Message-----`, a block of From, Date and Subject).
Answers inside the second kind count as new only where the new part says that they are there.
"""

from __future__ import annotations

import re
import unicodedata

_INDENT = " \t\u3000>*|"
_INDENTED = rf"[{_INDENT}]*+"
_DASHES = r"[-—–_=－━─*~]{2,}"
_SEPARATOR = re.compile(
    _INDENTED + rf"(?:{_DASHES}\s*(?:"
    r"(?:回[复覆]的?|答[复覆]的?|转发的?|轉寄的?|轉發的?|被转发的?|以下是?)?(?:原始|原|初始)的?(?:邮件|郵件|消息|訊息|信件|信息|内容)(?:信息)?|"
    r"(?:邮件|郵件)原[件文]|已?(?:转发|轉發|轉寄|回[复覆])的?(?:邮件|郵件|信息|消息|訊息)(?:信息)?|"
    r"original(?:\s+(?:message|mail|e-mail|email|appointment|邮件))?|"
    r"(?:forwarded|reply|replied|forward)\s+(?:message|mail|e-?mail|by\b.{0,60})|被转发邮件信息"
    rf")\s*{_DASHES}"
    r"|(?:begin forwarded message|以下是(?:被?转发|轉寄|轉發)的(?:邮件|郵件)|开始转发的邮件|開始轉寄的郵件|"
    r"下面是被转发的邮件|(?:转发|轉寄|轉發)的(?:邮件|郵件)|原始邮件|原邮件)\s*[:：]?\s*$)",
    re.IGNORECASE,
)
_COLON = r"[ *\xa0\u3000]*+[:：|\t]"
_FROM = re.compile(
    _INDENTED
    + r"(?:发\s*件\s*人|發\s*件\s*人|寄\s*件\s*[者人]|发\s*送\s*人|发\s*信\s*人|[来來]\s*自|由|自|from)"
    + _COLON,
    re.IGNORECASE,
)
_DATE = re.compile(
    _INDENTED + r"(?:[发發]\s*[送件]\s*[时時日]\s*[间間期]|(?:已?[发發傳]送|收件|收到)\s*(?:于|[时時日]\s*[间間期])|"
    r"日\s*期|[时時]\s*[间間]|寄\s*件\s*日\s*期|傳\s*送\s*[時日]\s*[間期]|date|sent(?:\s+(?:at|on))?)" + _COLON,
    re.IGNORECASE,
)
_OTHER = re.compile(
    _INDENTED
    + r"(?:收\s*[件信]\s*[人者]|抄\s*送\s*人?|密\s*[件送]\s*(?:抄\s*送)?|副\s*本|主\s*[题題旨]|标\s*[题題]|至|"
    r"to|cc|bcc|subject)" + _COLON,
    re.IGNORECASE,
)
_MORE = re.compile(
    _INDENTED
    + r"(?:重\s*要\s*性|密\s*级|附\s*件|优\s*先\s*级|回\s*复\s*至|importance|attachments?|reply-to|priority)"
    + _COLON,
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\d{4}|\d\s*[:：时點点]|星期|[周週][一二三四五六日]|(?:mon|tues|wednes|thurs|fri|satur|sun)(?:day)?", re.I
)
_BLOCK = 6
"""Within so many lines after the From line the others must stand; a single 发件人 in prose is no quotation."""
_BEGINNINGS = frozenset("-—–_=－━─~发發寄來来由自fF以开開下转轉原bBoO")
"""With no other character does a separator or a From line begin."""
_TELLING = _BEGINNINGS.union(_INDENT, "＞")
"""With no other character does a line begin that is a quotation, or begins one."""
_WROTE = re.compile(r"(?:写道|寫道|写到|寫到|写入|提到|来信说|wrote|writes)\s*[:：]$", re.IGNORECASE)
_WROTE_START = re.compile(r"\s*+(?:on|at|在|於|于)[\s\d].{0,200}\d|.{0,200}<[^<>]{0,200}@", re.IGNORECASE)
_WROTE_CERTAIN = re.compile(r"\d{1,2}[:：]\d{2}|[@＠]")
_WROTE_ON = re.compile(r"\s*+on\s.{0,60}\d{4}", re.IGNORECASE)
_WROTE_LIKELY = re.compile(r"\d{4}|\d{1,2}\s*月")
_WRAPPED_OVER = 4
_RULE = re.compile(r"[\s>*|]*[-_=—━─]{3,}\s*$")
_AMOUNT = re.compile(r"\s*[>＞](?:[=＝]|\s?\d)")
_LIMIT = 1000
"""No line that marks a quotation is longer."""


def mark(lines: list[str], quoted: list[bool], names: tuple[str, ...] = ()) -> None:
    """Sets `quoted` for the lines that are quotation; what HTML marked already is set before.

    `names`: of the sender, by which the answers inside a quotation are known that a mail program signs: [李四].
    """
    if True in quoted:
        _mark_rule_above(lines, quoted, quoted.index(True))
    rest = _mark(lines, quoted)
    if rest is None and True in quoted:
        rest = quoted.index(True)
    if rest is not None:
        _unmark_answers(lines, quoted, rest, names)


def _mark(lines: list[str], quoted: list[bool]) -> int | None:
    """Where the quotation begins that goes to the end, if there is one."""
    above = False
    for number, line in enumerate(lines):
        if quoted[number] or not line:
            above = False
            continue
        first = line[0]
        if first not in _TELLING and line[-1] not in ":： " and not above:
            continue
        if first in _INDENT:
            first = line.lstrip(_INDENT)[:1]
        if line[0] in " \t>\u3000＞" and _is_marked(line) and not _is_amount(lines, number):
            quoted[number] = above = True
            continue
        if first in _BEGINNINGS and len(line) <= _LIMIT and _begins_rest(lines, number):
            begin = _upwards(lines, quoted, _first_of_block(lines, quoted, number))
            _mark_from(quoted, begin)
            return begin
        if line[-1] in ":： " and _wrote(line) and (top := _attribution(lines, quoted, number)) is not None:
            quoted[top : number + 1] = [True] * (number + 1 - top)
            following = _next_line(lines, number + 1)
            if following is not None and not quoted[following] and not _is_marked(lines[following]):
                _mark_from(quoted, top)
                return top
        elif above and _goes_on(lines, number):
            quoted[number] = True
        above = False
    return None


def _begins_rest(lines: list[str], number: int) -> bool:
    line = lines[number]
    return bool(_SEPARATOR.match(line) or (_FROM.match(line) and _is_block(lines, number)))


def _is_block(lines: list[str], number: int) -> bool:
    """A date line and one more within six lines of the From line, before or behind it (mail.md §6)."""
    near = lines[max(0, number - 2) : number] + lines[number + 1 : number + 1 + _BLOCK]
    dates = [line for line in near if _DATE.match(line)]
    others = sum(1 for line in near if _OTHER.match(line))
    # 日期：11月23日 between 由 and 至 is a journey; a mail program writes the year, the hour or the day of the week.
    return bool(dates and others) and (others > 1 or any(_MOMENT.search(line[:_LIMIT]) for line in dates))


def _upwards(lines: list[str], quoted: list[bool], number: int) -> int:
    """The rules and blank lines right above the beginning of a quotation belong to it."""
    top = number
    while top and not quoted[top - 1] and (not lines[top - 1].strip() or _RULE.match(lines[top - 1][:_LIMIT])):
        top -= 1
    return top


def _first_of_block(lines: list[str], quoted: list[bool], number: int) -> int:
    """Where a header block begins whose From line is not the first: then its date stands above, not below."""
    if not _FROM.match(lines[number]) or any(map(_DATE.match, lines[number + 1 : number + 1 + _BLOCK])):
        return number
    top = number
    while top and not quoted[top - 1] and (_DATE.match(lines[top - 1]) or _OTHER.match(lines[top - 1])):
        top -= 1
    return top


def _mark_rule_above(lines: list[str], quoted: list[bool], number: int) -> None:
    """The rule that a mail program draws above what it marked as quotation."""
    top = _upwards(lines, quoted, number)
    if any(line.strip() for line in lines[top:number]):
        quoted[top:number] = [True] * (number - top)


def _mark_from(quoted: list[bool], number: int) -> None:
    quoted[number:] = [True] * (len(quoted) - number)


def _is_amount(lines: list[str], number: int) -> bool:
    """>=100 Mbps by itself is no quotation."""
    near = lines[max(0, number - 1) : number] + lines[number + 1 : number + 2]
    return bool(_AMOUNT.match(lines[number])) and not any(map(_is_marked, near))


def _is_marked(line: str) -> bool:
    return line.lstrip()[:1] in (">", "＞")


def _wrote(line: str) -> bool:
    return bool(_WROTE.search(line.rstrip()[-20:]))


def _attribution(lines: list[str], quoted: list[bool], number: int) -> int | None:
    """Where the attribution that ends in line `number` begins: mailers wrap it over several lines.

    It names a time of day or an address, or a date where a quotation follows; 客户写道： alone is prose.
    """
    following = _next_line(lines, number + 1)
    before_quotation = following is not None and (quoted[following] or _is_marked(lines[following]))

    def is_certain(text: str) -> bool:
        return bool(
            _WROTE_CERTAIN.search(text) or _WROTE_ON.match(text) or (before_quotation and _WROTE_LIKELY.search(text))
        )

    begin = number if len(lines[number]) <= _LIMIT and is_certain(lines[number]) else None
    for above in range(number, max(number - _WRAPPED_OVER, -1), -1):
        line = lines[above]
        if not line.strip() or quoted[above] or len(line) > _LIMIT or (above < number and _wrote(line)):
            break
        if _WROTE_START.match(line) and is_certain(" ".join(lines[above : number + 1])):
            begin = above
    return begin


def _next_line(lines: list[str], start: int) -> int | None:
    return next((n for n in range(start, min(start + 20, len(lines))) if lines[n].strip()), None)


_ENDED = frozenset('。！？；：.!?;:”"）)')
_FULL = 66
"""A quoted line of so many columns may have been cut by a mail server."""


def _goes_on(lines: list[str], number: int) -> bool:
    """Whether a line between two quoted ones is the end of a quoted line that was cut on its way."""
    below = lines[number + 1] if number + 1 < len(lines) else ""
    line = lines[number - 1].rstrip()
    return _is_marked(below) and line[-1:] not in _ENDED and len(line) * 2 >= _FULL and _columns(line[:_LIMIT]) >= _FULL


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


# -- answers inside the quotation

_ANNOUNCED = re.compile(
    r"(?:[见看在如]|请看|参见|詳?見|回[复覆]|答[复覆]|标注|批注)[^。\n]{0,10}(?:下文|下面|下方|如下|以下|原文|原邮件|邮件内|邮件中|正文|文中|行内|[红蓝绿紫]字|[红蓝绿紫]色)"
    r"|(?:in-?line|(?:see|answers?|comments?|repl(?:y|ies)|responses?)\b[^.\n]{0,30}\bbelow|in (?:red|blue|green))",
    re.IGNORECASE,
)
_PLACES = (
    *("下文", "下面", "下方", "如下", "以下", "原文", "原邮件", "邮件内", "邮件中", "正文", "文中", "行内"),
    *(color + sign for color in "红蓝绿紫" for sign in "字色"),
    *("line", "below", "in red", "in blue", "in green"),
)
"""Without one of these in lower case nothing is announced."""
_ANSWER = re.compile(
    _INDENTED + r"(?:(?:答[复覆]?|回[复覆答]|我的回[复覆])\s*[:：]|[【\[（(](?:答[复覆]?|回[复覆答])[】\]）)])\s*\S",
    re.IGNORECASE,
)
COLORED = "\x05"
"""Before a line that is wholly in the colour that the new part names; put there while HTML is read, taken out after."""
_NAMED_COLOR = re.compile(
    r"(?:[见看如用以标在]|回[复覆]|答[复覆])[^<>。\n]{0,12}?([红蓝绿紫橙])[色字体]"
    r"|\bin (red|blue|green|purple|orange)\b",
    re.IGNORECASE,
)
_COLOR_WORDS = {"红": "red", "蓝": "blue", "绿": "green", "紫": "purple", "橙": "orange"}
_COLOR_TELLING = (*_COLOR_WORDS, " in ")


def named_color(text: str) -> str:
    """The colour in which somebody says that the answers are written (请见红字), or nothing."""
    if not any(map(text.__contains__, _COLOR_TELLING)):
        return ""
    found = _NAMED_COLOR.search(text)
    return (_COLOR_WORDS[found[1]] if found[1] else found[2].lower()) if found else ""


_SIGNED = re.compile(_INDENTED + r"[【\[]([^【】\[\]]{1,30})[】\]]\s*[:：]?\s*\S")


def _unmark_answers(lines: list[str], quoted: list[bool], begin: int, names: tuple[str, ...]) -> None:
    """Answers typed into the mail that is answered are new, if the new part points to them, or they are signed."""
    end = _first_level(lines, begin)
    head = "\n".join([line[:_LIMIT] for line in lines[max(0, begin - 30) : begin]])
    announced = any(map(head.lower().__contains__, _PLACES)) and bool(_ANNOUNCED.search(head))
    wrote_it = [line for line in lines[begin : begin + _WRAPPED_OVER] if _FROM.match(line) or _wrote(line)]
    own = frozenset(name for name in names if not any(name in line for line in wrote_it))
    if not announced and not own:
        return
    for number in range(begin, end):
        line = lines[number]
        if quoted[number] and len(line) <= _LIMIT:
            signed = _SIGNED.match(line)
            if (announced and (line.startswith(COLORED) or _ANSWER.match(line))) or (
                signed and signed[1].strip() in own
            ):
                quoted[number] = False


def _first_level(lines: list[str], begin: int) -> int:
    """Where the mail that is answered itself begins to quote."""
    for number in range(begin + _BLOCK + 1, len(lines)):
        line = lines[number]
        if line and len(line) <= _LIMIT:
            begins = line.lstrip(_INDENT)[:1] in _BEGINNINGS and _begins_rest(lines, number)
            if begins or line.startswith((">>", "> >")) or (line[-1] in ":：" and _wrote(line)):
                return number
    return len(lines)
