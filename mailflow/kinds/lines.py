"""Labels and values on the lines of a text, in every shape in which people write them (domain §3). Linear.

A label stands where a line or a cell begins, or behind the value of another label; in the middle of prose it is a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass

from mailflow.core.mapping import FieldRule
from mailflow.core.text import one_line
from mailflow.kinds.rows import Row, is_heading, of_table, shown
from mailflow.kinds.said import Said
from mailflow.kinds.tables import NUMBERING, Labels

_LINES = 5000
_LINE = 4000
_HEAD = 40
"""A label ends within so many characters."""
_SHORT_LINE = 16
_BELOW = 2
"""The value of a short field stands on the label's line or on one of so many below it."""

_BULLETS = r"[\s|｜│*_#~`\"'“”‘’•·●○■□◆◇▪▫➢►▶☆★※√✓☑→—–\-+]*+"
_LEAD = r"(?:(?:[您你]好|补充|補充|更正|修正|修改)(?:如下|一下|说明|說明)?\s*[:：，,！!。]\s*)?"
"""补充：沟通人：王工, as people answer when they are asked for a field."""
_BEGIN = rf"{_BULLETS}{_LEAD}(?:{NUMBERING})?{_BULLETS}(?P<open>[【\[［「『〖〔《〈<]?)\s*"
_HINT = r"(?:\s*[（(](?P<hint>[^（）()]{0,60})[)）])?"
_ENDS = r"*_\"'”’】\]］」』〗〕》〉>"
_NO_LABEL = r":：∶﹕︰;；=＝|｜│\t，。！？!?（()）【】\[\]［］「」『』〖〗《》<>*_\"”"
_START = re.compile(_BEGIN)
_NUMBER_OF_PROSE = re.compile(r"(?!\d{1,2}(?:[.．]\d{1,2}){0,2}[\s、.．)）])[0-9]")
"""12号机房, and not 1.2 or 3、 before a label."""
_COLON = re.compile(rf"{_BEGIN}(?P<head>[^{_NO_LABEL}]{{1,{_HEAD}}}+){_HINT}[\s{_ENDS}]*+[:：∶﹕︰]")
"""标签：, **标签：**, 1、标签：, 【标签】：, 标签（说明）："""
_PLAIN = re.compile(
    rf"{_BEGIN}(?P<head>[^\s{_NO_LABEL},、—–-]{{1,{_HEAD}}}+){_HINT}(?P<close>[{_ENDS}]*+)"
    r"(?P<sign>\s*[=＝]+>?|\s*[→⇒]|\s+[-—–]+(?=\s)|[-—–]+|\s?[;；]|\s+|$|)"
)
"""Without a colon: 标签=值, 标签 - 值, 【标签】值, 标签 值, and a label alone."""
_LONG_ENOUGH = 3
"""Labels so long may be followed by - or ；, or stand alone on a line: 结果 is also an ordinary word."""
_SIGNS = r"\s,，、;；|｜│。！/"
_WORD = rf"[^:：=＝{_SIGNS}]"
_INSIDE = re.compile(
    rf"(?<![{_SIGNS}])(?P<before>[{_SIGNS}]++)(?:{NUMBERING})?"
    rf"(?P<label>{_WORD}{{2,16}}|{_WORD}(?:[ \u3000]{_WORD}){{1,5}})"
    r"(?:\s?[（(](?P<hint>[^（）()]{0,30})[)）])?\s?[*】\]]{0,3}[:：=＝]"
)
_COLONS = "：:∶﹕︰"
_ASSIGN = re.compile("[:：=＝]")
_GAPS = ("\t", "  ", "\u3000", "|", "｜", "│")
_TELLING = (*_COLONS, *_GAPS, "=", "＝")
_WIDE_GAP = re.compile(r"[\t\u3000|｜│]|  ")
_GAP = re.compile(r"[\t\u3000|｜│]|\s\s")
_CELLS = re.compile(r"(?:[\u3000|｜│┃]|\s{2})[\s|｜│┃]*")
_RULE = re.compile(r"[\s|｜│┃:+=\-─━═┄—┼╋├┤┌┐└┘┬┴]*+")
"""| --- | --- | and ├──┼──┤ draw a table."""
_UNIT = re.compile(r"(?:单位[:：]?)?\s*(小时|分钟|天|工作日|人天|h|min)\s*")
_NUMBER = re.compile(r"\s*\d{1,6}(?:\.\d{1,3})?\s*")
_UNKNOWN_LABEL = re.compile(r"\s*[\u4e00-\u9fff]{2,8}\s*[:：](?!\s*\d)")
_LISTED = re.compile(r"\s*(?:\d{1,2}\s*[、.．)）]|[①-⑳⑴-⒇]|[•·●○■◆▪➢►*+-]\s)")
_CLOSING = re.compile(
    r"(?:--|——+|_{3,}|谢谢|多谢|感谢|此致|敬礼|顺祝|祝好|祝您|祝商祺|以上|best\b|regards|thanks|发自我的).{0,30}",
    re.IGNORECASE,
)
PUNCTUATION = " \t。.；;，,、!！"
_FILLING = " \t*_|｜│"
"""Bold marks, the line on which a value was to be written, and the frame of a table."""

Where = Callable[[int, int], str]
"""From the first and the last line of a value to the place that people are told."""


def in_body(first: int, last: int) -> str:
    return f"正文第{first}行" if first == last else f"正文第{first}至{last}行"


@dataclass(slots=True)
class _Entry:
    """A field, what stands behind its label, and the lines below that may belong to it."""

    rule: FieldRule
    text: str
    line: int
    below: range = range(0)
    tail: str = ""
    """What the line on which the next label stands says before it."""


def of_text(text: str, labels: Labels, known: Container[str] = (), where: Where = in_body) -> list[Said]:
    """Every value that the lines of `text` give. `known`: `rows_as_lines` of what was read as a table."""
    lines = text.splitlines()
    if len(text) > _LINE:
        lines = [line[:_LINE] for line in lines[:_LINES]]
    entries = _Lines(lines, labels, known).read()
    return [_said(entry, lines, where, last=entry is entries[-1]) for entry in entries]


def of_rows(table: Sequence[Row], labels: Labels, where: str) -> Iterator[Said]:
    """Every value that a table gives. `where`: its place, to which row and column are added.

    Prose in several rows beside or below one label is one value.
    """
    last: tuple[Said, int, int] | None = None
    for rule, text, row, column in of_table(table[:_LINES], labels):
        place = f"{where}第{row}行第{column}列"
        if rule is None:
            yield from in_cell(text, labels, place)
            continue
        said = Said(rule, value_of(rule, text), place)
        if last and rule.long and last[0].rule is rule and (row, column) == (last[1] + 1, last[2]):
            said = Said(rule, f"{last[0].value}\n{said.value}".strip(), last[0].place)
        elif last:
            yield last[0]
        last = said, row, column
    if last:
        yield last[0]


def in_cell(text: str, labels: Labels, place: str) -> Iterator[Said]:
    """The values of a cell that holds several lines, or a label together with its value."""
    lines = [line[:_LINE] for line in text.splitlines()[:50]]
    for entry in _Lines(lines, labels, cell=True).read():
        yield Said(entry.rule, _value(entry, lines, last=False)[0], place)


def value_of(rule: FieldRule, text: str) -> str:
    """The value of a field that has a cell, or a control, of its own."""
    lines = [line[:_LINE] for line in text.splitlines()[:_LINES]] or [""]
    return _value(_Entry(rule, lines[0], 0, range(1, len(lines))), lines, last=False)[0]


def rows_as_lines(table: Sequence[Row]) -> Iterator[str]:
    """How the lines may look, without white space, on which a text shows a table."""
    for number, row in enumerate(table[:_LINES]):
        yield from (_packed("".join(cells)) for cells in shown(row, table[number - 1] if number else ()))


def _packed(text: str) -> str:
    return "".join(text.split())


class _Lines:
    """Goes down the lines once. Lines without a label belong to the label above."""

    def __init__(self, lines: list[str], labels: Labels, known: Container[str] = (), *, cell: bool = False) -> None:
        self._lines = lines
        self._labels = labels
        self._known = known
        self._cell = cell
        self._entries: list[_Entry] = []
        self._below = 0
        """The line at which what belongs to the last entry begins."""
        self._open = False

    def read(self) -> list[_Entry]:
        text = "\n".join(self._lines)
        signs = [sign for sign in _TELLING if sign in text]
        words, digits = self._labels.words, self._labels.digits
        for number, line in enumerate(self._lines):
            if not line:
                continue
            for sign in signs:
                if sign in line:
                    break
            else:
                if line[0] in words or (line[0] not in digits and _NUMBER_OF_PROSE.match(line)):
                    continue
            if line.isspace():
                continue
            if number >= self._below and not self._is_value(line, number):
                self._step(line, number)
        self._end(len(self._lines))
        return self._entries

    def _step(self, line: str, number: int) -> None:
        if self._known and _packed(line) in self._known:
            self._end(number)
            self._open = False
            return
        if not self._cell and _WIDE_GAP.search(line) and (rows := _pasted(self._lines, number, self._labels)):
            self._add([_Entry(r, t, at) for r, t, at in _of_pasted(rows, self._labels)], number, rows[-1][0] + 1)
            return
        if found := _starts(line, self._labels, alone=self._open and not self._entries[-1].rule.long):
            before, entries = found
            if self._open and before:
                self._entries[-1].tail = before
            self._add([_Entry(rule, text, number) for rule, text in entries], number, number + 1)

    def _add(self, entries: list[_Entry], number: int, below: int) -> None:
        self._end(number)
        self._entries += entries
        self._below = below
        self._open = bool(self._entries)

    def _end(self, number: int) -> None:
        if self._open:
            self._entries[-1].below = range(self._below, number)

    def _is_value(self, line: str, number: int) -> bool:
        """沟通结果： over 遗留问题, which is a label as well."""
        if not self._open or number - self._below >= _BELOW or not (last := self._entries[-1]).rule.values:
            return False
        if last.text.strip(_FILLING) or any(map(str.strip, self._lines[self._below : number])):
            return False
        return self._labels.value(last.rule, line.strip(PUNCTUATION + _FILLING)) is not None


def _has(signs: Sequence[str], line: str) -> bool:
    for sign in signs:  # not any(): this is asked of every line  # noqa: SIM110
        if sign in line:
            return True
    return False


# -- where a label stands on a line ------------------------------------------------------------------------------------


def _starts(line: str, labels: Labels, *, alone: bool) -> tuple[str, list[tuple[FieldRule, str]]] | None:
    """The labels of a line, each with what stands behind it, and what stands before the first; None: no label."""
    first = _first(line, labels, alone=alone)
    cuts = [(0, first[1], first[0], first[2])] if first else []
    if _may_go_on(line, first[1] if first else 0, first is None):
        cuts += _inside(line, labels, first)
    if not cuts:
        return None
    ends = [*(cut[0] for cut in cuts[1:]), len(line)]
    found = [(rule, with_unit(line[a:b], unit)) for (_, a, rule, unit), b in zip(cuts, ends, strict=True)]
    return line[: cuts[0][0]], found


def _first(line: str, labels: Labels, *, alone: bool) -> tuple[FieldRule, int, str | None] | None:
    """The label with which a line begins, where its value begins, and the unit that stands beside the label."""
    if _has(_COLONS, line) and (found := _COLON.match(line)):
        if len(found["head"]) > 2 * labels.longest + 8 or line.lstrip().startswith(">"):
            return None
        rule = labels.near(found["head"])
        return (rule, found.end(), found["hint"]) if rule else None
    start = _START.match(line)
    if start is None or not labels.begins(line[start.end() : start.end() + 1]):
        return None
    plain = _PLAIN.match(line)
    if plain is None or len(plain["head"]) > labels.longest + 4:
        return None
    rule = labels.exact(plain["head"])
    return (rule, plain.end(), plain["hint"]) if rule and _separates(plain, line, alone=alone) else None


def _separates(found: re.Match[str], line: str, *, alone: bool) -> bool:
    """Whether what follows a label without a colon shows that it is one."""
    head, sign, rest = found["head"], found["sign"], line[found.end() :].strip(_FILLING)
    if found["open"] and found["close"]:
        return True
    if sign.strip():
        return sign.strip()[0] in "=＝→⇒" or sign[0].isspace() or len(head) >= _LONG_ENOUGH
    if not rest:
        return len(head) > _LONG_ENOUGH or (alone and not sign.strip())
    # 时间 紧迫，… is prose: a short label must stand on a line of two words.
    return bool(sign) and (len(head) >= _LONG_ENOUGH or (" " not in rest and len(line) <= _SHORT_LINE))


def _may_go_on(line: str, at: int, strict: bool) -> bool:
    """Whether there may be a further label: 结果：成功  方式：电话."""
    if not _ASSIGN.search(line, at):
        return False
    return not strict or bool(_WIDE_GAP.search(line)) or _has("；;。！", line)


def _inside(
    line: str, labels: Labels, first: tuple[FieldRule, int, str | None] | None
) -> list[tuple[int, int, FieldRule, str | None]]:
    """(end of the value before, start of the value, field, unit) of each label inside a line."""
    cuts: list[tuple[int, int, FieldRule, str | None]] = []
    before = first[0] if first else None
    for found in _INSIDE.finditer(line, first[1] if first else 0):
        rule = labels.exact(found["label"])
        if rule and len(found["label"]) >= _needed(found["before"], before):
            cuts.append((found.start(), found.end(), rule, found["hint"]))
            before = rule
    return cuts


def _needed(sign: str, before: FieldRule | None) -> int:
    """How long a label must be behind `sign`: the weaker the sign, the longer. `before`: whose value it would end."""
    if _GAP.search(sign):
        return 2
    if before is None:
        return _LONG_ENOUGH if any(stop in sign for stop in "；;。！") else _LINE
    if not before.long or "；" in sign or ";" in sign:
        return 2
    return 4 if sign.isspace() else _LONG_ENOUGH


def with_unit(text: str, hint: str | None) -> str:
    """耗时（小时）：2 says 2小时. `hint`: what stands in parentheses beside the label."""
    if hint and (unit := _UNIT.fullmatch(hint)) and _NUMBER.fullmatch(text):
        return text.strip() + unit[1]
    return text


# -- rows pasted from a sheet ------------------------------------------------------------------------------------------


def _pasted(lines: list[str], number: int, labels: Labels) -> list[tuple[int, list[str]]]:
    """The rows that begin at this line, with their lines: cells between tabs, bars or wide gaps, a label among them."""
    first = _cells(lines[number])
    if len(first) < 2 or not any(labels.exact(c) and not _has_colon(c) for c in first):
        return []
    rows = [(number, first)]
    following = number + 1
    if following < len(lines) and _is_rule(lines[following]):
        following += 1
    below = _cells(lines[following]) if following < len(lines) else []
    if len(below) < 2 or not is_heading(first, below, labels):
        return rows
    for at in range(following, len(lines)):
        cells = _cells(lines[at])
        if len(cells) < 2 or (at > following and any(labels.exact(cell) for cell in cells)):
            break
        rows.append((at, cells))
    return rows


def _of_pasted(rows: list[tuple[int, list[str]]], labels: Labels) -> Iterator[tuple[FieldRule, str, int]]:
    for rule, text, row, _ in of_table([cells for _, cells in rows], labels):
        line = rows[row - 1][0]
        if rule is not None:
            yield rule, text, line
        elif found := _starts(text, labels, alone=False):
            yield from ((rule, value, line) for rule, value in found[1])


def _cells(line: str) -> list[str]:
    """Tabs and bars keep empty cells in their places; between wide gaps there are none."""
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t")]
    bare = line.strip()
    if bare.startswith("|") and bare.endswith("|") and len(bare) > 1:
        return [cell.strip() for cell in bare[1:-1].split("|")]
    return [cell for cell in _CELLS.split(line.strip(" |｜│┃\u3000")) if cell]


def _has_colon(cell: str) -> bool:
    return ":" in cell or "：" in cell


def _is_rule(line: str) -> bool:
    return _RULE.fullmatch(line) is not None and any(c in line for c in "-─━═—")


# -- the value ---------------------------------------------------------------------------------------------------------


def _said(entry: _Entry, lines: list[str], where: Where, *, last: bool) -> Said:
    value, at = _value(entry, lines, last=last)
    first, until = (at[0], at[-1]) if at else (entry.line, entry.line)
    return Said(entry.rule, value, where(first + 1, until + 1))


def _value(entry: _Entry, lines: list[str], *, last: bool) -> tuple[str, list[int]]:
    """The value of an entry, and the numbers of the lines on which it stands."""
    return _prose(entry, lines, last=last) if entry.rule.long else _word(entry, lines)


def _word(entry: _Entry, lines: list[str]) -> tuple[str, list[int]]:
    """A short value: on the label's line, or on one of the next, a blank one between at most."""
    if value := _clean(entry.text):
        return value.strip(PUNCTUATION), [entry.line]
    for number in entry.below[:_BELOW]:
        if value := _clean(lines[number]):
            if _CLOSING.fullmatch(value) or _UNKNOWN_LABEL.match(value):
                break
            return value.strip(PUNCTUATION), [number]
    return "", []


def _prose(entry: _Entry, lines: list[str], *, last: bool) -> tuple[str, list[int]]:
    """A long value: all lines up to the next label. Behind the last label of a body the first blank line ends it,
    unless a list goes on below."""
    kept: list[tuple[str, int]] = []
    for text, number in _written(entry, lines):
        line = _clean(text)
        if not line:
            if last and kept and not _list_goes_on(entry, lines, number, kept):
                break
        elif (kept or number > entry.line) and _CLOSING.fullmatch(line):
            break
        if (line or kept) and not (line and _is_rule(line)):
            kept.append((line, number))
    while kept and not kept[-1][0]:
        kept.pop()
    return _unquoted("\n".join(line for line, _ in kept)), [number for _, number in kept]


def _written(entry: _Entry, lines: list[str]) -> Iterator[tuple[str, int]]:
    yield entry.text, entry.line
    yield from ((lines[number], number) for number in entry.below)
    if entry.tail:
        yield entry.tail, entry.below.stop


def _list_goes_on(entry: _Entry, lines: list[str], number: int, kept: list[tuple[str, int]]) -> bool:
    following = next((lines[n] for n in range(number + 1, min(number + 3, entry.below.stop)) if lines[n].strip()), "")
    return bool(_LISTED.match(following)) and any(_LISTED.match(line) for line, _ in kept)


def _clean(text: str) -> str:
    """A line without its decoration. A bracket that the label opened (【标签：值】) goes with it."""
    line = one_line(text).strip(_FILLING)
    if line[-1:] in _BRACKETS and _BRACKETS[line[-1]] not in line:
        line = line[:-1].rstrip()
    return line


_BRACKETS = {"】": "【", "]": "[", "］": "［", "」": "「", "』": "『", "〗": "〖", "》": "《"}


def _unquoted(text: str) -> str:
    """A cell of several lines comes out of a sheet between quotation marks."""
    if len(text) > 1 and text[0] == text[-1] == '"' and "\n" in text:
        return text[1:-1].replace('""', '"')
    return text
