"""The fields of a body: `标签：值` lines, tables, rows pasted from Excel (domain §3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from mailflow.core.findings import Finding
from mailflow.core.mapping import FieldRule, Kind
from mailflow.core.text import fold, one_line
from mailflow.kinds.findings import finding
from mailflow.kinds.tables import Labels, labels_of

Row = Sequence[str]

_LINES = 5000
_LINE = 4000
_VALUES = 5
"""More values of one field than anybody writes by mistake."""
_HEAD = 40
"""A label ends within so many characters."""
_SHORT_LINE = 16
_COLON = re.compile("[:：∶﹕]")
_BRACKETED = re.compile(r"\s*[【\[［]([^【】\[\]［］]{1,30})[】\]］]\s*[:：]?(.*)", re.DOTALL)
_CELLS = re.compile(r"(?:[\u3000|]|\s{2})[\s|]*")
_LABEL_INSIDE = re.compile(r"(?<=[\s,，、;；|])([^\s:：;；,，、|]{2,16})\s?[:：]")
_GAP = re.compile(r"[\t\u3000;；|]|\s\s")
_PUNCTUATION = " \t。.；;，,、!！"
_CLOSING = re.compile(
    r"(?:--|——+|_{3,}|谢谢|多谢|感谢|此致|敬礼|顺祝|祝好|祝您|祝商祺|以上|best\b|regards|thanks|发自我的).{0,30}",
    re.IGNORECASE,
)


@dataclass
class Entry:
    """A field with the lines that follow its label."""

    rule: FieldRule
    lines: list[str]


@dataclass(frozen=True)
class Fields:
    """What the fields of a body say. `said`: every different value, as written, of fields that were given."""

    values: dict[str, str] = field(default_factory=dict)
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def read_fields(kind: Kind, text: str, tables: Iterable[Iterable[Row]] = ()) -> Fields:
    """The fields of `kind` in a body. Unknown labels stay in the text. Never raises, and is linear in the text."""
    labels = labels_of(kind)
    if not labels.rules:
        return Fields()
    said: dict[str, list[str]] = {}
    for rule, value in _given(labels, text, tables):
        given = said.setdefault(rule.name, [])
        if value and len(given) < _VALUES and not any(_same(value, known) for known in given):
            given.append(value)
    rules = {rule.name: rule for rule in kind.fields}
    values = {name: _canonical(rules[name], found[0]) for name, found in said.items() if found}
    needed = [rule.name for rule in kind.fields if _needed(rule, values)]
    return Fields(
        values={rule.name: values[rule.name] for rule in kind.fields if rule.name in values},
        said={name: tuple(found) for name, found in said.items() if found},
        missing=tuple(name for name in needed if name not in values),
        vague=tuple(rule.name for rule in kind.fields if _is_vague(rule, values.get(rule.name), rule.name in needed)),
        findings=tuple(_conflict(name, found) for name, found in said.items() if len(found) > 1),
    )


def _conflict(name: str, values: list[str]) -> Finding:
    return finding("field_conflict", field=name, options=" / ".join(one_line(value)[:60] for value in values[:5]))


def _same(one: str, other: str) -> bool:
    """A table read twice, as cells and as text, may be cut off the second time: no contradiction."""
    a, b = fold(one[:_LINE]).strip(_PUNCTUATION), fold(other[:_LINE]).strip(_PUNCTUATION)
    return a == b or (min(len(a), len(b)) > 1 and (a.startswith(b) or b.startswith(a)))


# -- what a value is worth ---------------------------------------------------------------------------------------------


def _canonical(rule: FieldRule, value: str) -> str:
    """`value` as the mapping writes it, where it is one of the allowed values or an alias of one."""
    if not (rule.values or rule.value_aliases) or len(value) > _HEAD:
        return value
    known = {fold(v): v for v in rule.values} | {fold(a): v for a, v in rule.value_aliases.items()}
    return known.get(fold(value.strip(_PUNCTUATION)), value)


def _needed(rule: FieldRule, values: dict[str, str]) -> bool:
    return rule.required or any(values.get(other) == value for other, value in rule.required_when.items())


def _is_vague(rule: FieldRule, value: str | None, needed: bool) -> bool:
    """Whether a value is none of the allowed ones, or says nothing where something must be said."""
    if value is None:
        return False
    if rule.values and value not in rule.values:
        return True
    return needed and says_nothing(rule, value)


def says_nothing(rule: FieldRule, value: str) -> bool:
    """已解决 and 解决了技术问题 say nothing; 解决vista下远程控制网络参数设置 does (domain §3)."""
    folded = fold(value[:_LINE]).strip(_PUNCTUATION + "~～?？()（）[]【】")
    if len(folded) < rule.min_length or folded in {fold(v) for v in rule.vague}:
        return True
    # What is this long is not vague, and patterns stay cheap.
    return len(folded) <= _HEAD and any(pattern.fullmatch(folded) for pattern in _patterns(rule.vague_patterns))


@lru_cache(maxsize=256)
def _patterns(texts: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    found = []
    for text in texts:
        try:
            found.append(re.compile(text, re.IGNORECASE))
        except (re.error, RecursionError, OverflowError):
            continue  # `check` shows it to the operator
    return tuple(found)


# -- where values stand ------------------------------------------------------------------------------------------------


def _given(labels: Labels, text: str, tables: Iterable[Iterable[Row]]) -> Iterator[tuple[FieldRule, str]]:
    """Every (field, value), tables first: they cannot be misread."""
    for table in tables:
        for entry in _of_table([list(row) for row in table][:_LINES], labels):
            yield entry.rule, _value(entry, last=False)
    entries = _of_text([line[:_LINE] for line in text.splitlines()[:_LINES]], labels)
    for number, entry in enumerate(entries, start=1):
        yield entry.rule, _value(entry, last=number == len(entries))


def _value(entry: Entry, *, last: bool) -> str:
    """The lines of an entry as its value. Behind the last label of a body the first blank line ends it."""
    # The value of a short field is on the label's line or on the next one, a blank line between at most.
    lines = [one_line(line).strip("* ") for line in (entry.lines if entry.rule.long else entry.lines[:3])]
    if not entry.rule.long:
        found = next(filter(None, lines), "")
        return "" if found != lines[0] and _CLOSING.fullmatch(found) else found.strip(_PUNCTUATION)
    while lines and not lines[0]:
        lines.pop(0)
    end = next(
        (i for i, line in enumerate(lines) if (last and not line) or (i and _CLOSING.fullmatch(line))), len(lines)
    )
    return "\n".join(lines[:end]).strip()


def _of_table(rows: Sequence[Row], labels: Labels) -> Iterator[Entry]:
    """A table with a row of headings, or with labels and values side by side."""
    number = 0
    while number < len(rows):
        below = rows[number + 1 : number + 2]
        if below and _is_heading(rows[number], below[0], labels):
            heading = [labels.near(cell) for cell in rows[number]]
            number += 1
            while number < len(rows) and not any(labels.exact(cell) for cell in rows[number]):
                yield from (Entry(r, c.splitlines()) for r, c in zip(heading, rows[number], strict=False) if r and c)
                number += 1
            continue
        yield from _pairs(rows[number], labels)
        number += 1


def _is_heading(row: Row, below: Row, labels: Labels) -> bool:
    """沟通结果 | 沟通人 over 成功 | 王工; not 沟通结果 | 成功 | 沟通人 | 王工, each label beside its value."""
    known = [labels.exact(cell) is not None for cell in row]
    if sum(known) < 2 or any(labels.exact(cell) for cell in below):
        return False
    return known[-1] or any(a and b for a, b in pairwise(known))


def _pairs(row: Row, labels: Labels) -> Iterator[Entry]:
    """Label and value in cells side by side, or together in one cell."""
    column = 0
    while column < len(row):
        cell = row[column]
        beside = row[column + 1] if column + 1 < len(row) else ""
        rule = labels.near(cell) if len(cell) <= _HEAD else None
        if rule and not labels.exact(beside):
            yield Entry(rule, beside.splitlines() or [""])
            column += 1
        elif not rule:
            yield from _of_text(cell.splitlines()[:50], labels, in_cell=True)
        column += 1


def _of_text(lines: list[str], labels: Labels, *, in_cell: bool = False) -> list[Entry]:
    entries: list[Entry] = []
    number = 0
    while number < len(lines):
        rows = [] if in_cell else _pasted(lines, number, labels)
        if rows:
            entries.extend(_of_table(rows, labels))
            number += len(rows)
            continue
        found = [entry for piece in _pieces(lines[number], labels) if (entry := _entry(piece, labels))]
        entries.extend(found)
        if not found and entries:
            entries[-1].lines.append(lines[number])
        number += 1
    return entries


def _pasted(lines: list[str], number: int, labels: Labels) -> Sequence[Row]:
    """The rows pasted from a sheet that begin at this line: cells between tabs or wide gaps, a label among them."""
    first = _cells(lines[number])
    if len(first) < 2 or not any(labels.exact(c) and not _COLON.search(c) for c in first):
        return []
    rows = [first]
    below = _cells(lines[number + 1]) if number + 1 < len(lines) else []
    if len(below) < 2 or not _is_heading(first, below, labels):
        return rows
    for line in lines[number + 1 :]:
        cells = _cells(line)
        if len(cells) < 2 or any(labels.exact(cell) for cell in cells):
            break
        rows.append(cells)
    return rows


def _cells(line: str) -> list[str]:
    """Tabs keep empty cells in their places; between wide gaps there are none."""
    if "\t" in line:
        return [cell.strip() for cell in line.split("\t")]
    return [cell for cell in _CELLS.split(line.strip(" |\u3000")) if cell]


def _pieces(line: str, labels: Labels) -> list[str]:
    """`line` cut before every label that stands inside it: 沟通结果：成功  沟通方式：电话."""
    cuts = [0]
    for found in _LABEL_INSIDE.finditer(line):
        before = line[max(0, found.start() - 2) : found.start()]
        # The weaker the sign before it, the longer the label must be: 结果 is also an ordinary word.
        needed = 2 if _GAP.search(before) else 3 if before[-1:] in "，,、" else 4
        if len(found[1]) >= needed and labels.exact(found[1]):
            cuts.append(found.start())
    return [line[a:b].strip(" \t\u3000;；,，、|") for a, b in zip(cuts, [*cuts[1:], len(line)], strict=True)]


def _entry(line: str, labels: Labels) -> Entry | None:
    """The label with which `line` begins and what stands behind it."""
    if (found := _BRACKETED.fullmatch(line)) and (rule := labels.exact(found[1])):
        return Entry(rule, [found[2]])
    colon = _COLON.search(line[: _HEAD + 1])
    if colon:
        rule = labels.near(line[: colon.start()])
        return Entry(rule, [line[colon.end() :]]) if rule else None
    head, _, rest = line.strip().partition(" ")
    # Without a colon a short label may be an ordinary word (时间 紧迫，…): then only on a line of two words.
    short = len(head) < 3 and (" " in rest.strip() or len(line) > _SHORT_LINE)
    if short or len(head) > _HEAD or not (rest or len(head) > 3):
        return None
    rule = labels.exact(head)
    return Entry(rule, [rest]) if rule else None
