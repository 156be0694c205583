"""The fields of a mail: what was said of each, where, and what it is worth (domain §3)."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from mailflow.core.dates import parse_day, parse_duration
from mailflow.core.findings import Finding
from mailflow.core.mapping import FieldRule, Kind
from mailflow.core.text import fold, one_line
from mailflow.kinds.findings import finding
from mailflow.kinds.lines import PUNCTUATION, of_rows, of_text, rows_as_lines
from mailflow.kinds.rows import Row
from mailflow.kinds.said import Said
from mailflow.kinds.tables import Labels, labels_of

_VALUES = 5
"""More values of one field, and more places of one, than anybody writes by mistake."""
_SHORT = 40
"""What is longer is not vague, and patterns stay cheap."""
_COMPARED = 4000
_SOME_DAY = date(2000, 1, 1)
"""Only to compare two days of which one may be written without its year."""
_SEEN = 15
"""A report is written within so many days of what it calls 昨天 or 上周五."""
_MARKS = PUNCTUATION + "~～?？()（）[]【】"
_BOXES = frozenset("☑☒✓✔√■●◉⊙□☐○◯")
_TICKED = re.compile(
    r"[☑☒✓✔√■●◉⊙]\s*([^\s☑☒✓✔√■●◉⊙□☐○◯()（）]{1,12})|([^\s☑☒✓✔√■●◉⊙□☐○◯()（）]{1,12})\s*[(（]\s*[√✓✔]\s*[)）]"
)


@dataclass(slots=True)
class Fields:
    """What the fields of a mail say. `said`: every different value, as written, of fields that were given."""

    values: dict[str, str] = field(default_factory=dict)
    """One value as the mapping writes it; several different ones side by side, so that none is taken for the right."""
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """Where each value stands: 正文第3行、表格1第2行第2列."""
    missing: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()
    """Fields whose value says nothing, is not allowed, or is one of several that contradict each other."""
    findings: tuple[Finding, ...] = ()


@dataclass(slots=True)
class _Given:
    """A value of a field, as written and as the mapping writes it, and all places where it stands."""

    rule: FieldRule
    written: str
    value: str
    places: list[str]


def read_fields(kind: Kind, text: str, tables: Iterable[Iterable[Row]] = (), form: Iterable[Said] = ()) -> Fields:
    """The fields of `kind` in a body, and in the forms attached to it: `form` is what they say.

    A form gives what the body does not. Unknown labels stay in the text. Never raises, and is linear in the text.
    """
    labels = labels_of(kind)
    if not labels.rules:
        return Fields()
    in_body = _gathered(_in_body(labels, text, tables), labels)
    in_form = _gathered(form, labels)
    given = [found for r in kind.fields if (found := in_body.get(r.name) or in_form.get(r.name))]
    values: dict[str, str] = {}
    said: dict[str, tuple[str, ...]] = {}
    places: dict[str, str] = {}
    for found in given:
        name = found[0].rule.name
        values[name] = " / ".join([g.written for g in found]) if found[1:] else found[0].value
        said[name] = tuple([g.written for g in found])
        places[name] = _places(in_body.get(name, []) + in_form.get(name, []))
    needed = labels.required
    if labels.conditional:
        needed = needed.union([rule.name for rule in labels.conditional if _needed(rule, values)])
    return Fields(
        values=values,
        said=said,
        places=places,
        missing=tuple([rule.name for rule in kind.fields if rule.name in needed and rule.name not in values]),
        vague=tuple([found[0].rule.name for found in given if found[1:] or _is_vague(found[0], needed)]),
        findings=(*[_conflict(f) for f in given if f[1:]], *(_disagreements(in_body, in_form) if in_form else ())),
    )


def _in_body(labels: Labels, text: str, tables: Iterable[Iterable[Row]]) -> Iterator[Said]:
    """Tables first: they cannot be misread. A row that was read is not read again where the text shows it."""
    known: set[str] = set()
    for number, table in enumerate(tables, start=1):
        rows = [list(row) for row in table]
        found = list(of_rows(rows, labels, f"表格{number}"))
        if found:
            known.update(rows_as_lines(rows))
        yield from found
    yield from of_text(text, labels, known)


def _gathered(said: Iterable[Said], labels: Labels) -> dict[str, list[_Given]]:
    """The different values of each field, in the order in which they were said."""
    found: dict[str, list[_Given]] = {}
    for rule, written, place in said:
        if not written:
            continue
        given = _Given(rule, written, _canonical(labels, rule, written), [place])
        known = found.setdefault(rule.name, [])
        if known and (same := next((other for other in known if _agree(given, other)), None)):
            same.places += [place] * (len(same.places) < _VALUES)
        elif len(known) < _VALUES:
            known.append(given)
    return found


def _agree(one: _Given, other: _Given) -> bool:
    """Prose that was cut off the second time is no contradiction."""
    if one.value == other.value:
        return True
    a, b = (fold(given.value[:_COMPARED]).strip(PUNCTUATION) for given in (one, other))
    return a == b or (one.rule.long and min(len(a), len(b)) > 1 and (a.startswith(b) or b.startswith(a)))


def _places(given: list[_Given]) -> str:
    return "、".join(dict.fromkeys([place for one in given for place in one.places]))


def _conflict(given: list[_Given]) -> Finding:
    options = " / ".join(f"{one_line(g.written)[:60]}（{g.places[0]}）" for g in given)
    return finding("field_conflict", field=given[0].rule.name, options=options)


def _disagreements(body: dict[str, list[_Given]], form: dict[str, list[_Given]]) -> Iterator[Finding]:
    """What a body and the form attached to it say of one field must be the same: neither is taken for the right one."""
    for name in [name for name in body if name in form]:
        one = next((g for g in body[name] if not any(_same_thing(g, f) for f in form[name])), None)
        if one is not None:
            written, other = one_line(one.written)[:60], one_line(form[name][0].written)[:60]
            places = {"place": one.places[0], "form_place": form[name][0].places[0]}
            yield finding("form_disagrees", field=name, written=written, form=other, **places)


def _same_thing(one: _Given, other: _Given) -> bool:
    """11月20日 in a body and 2026-11-20 in a cell are one day, 2小时 and 2:00 one duration. 昨天 may be any day."""
    if _agree(one, other):
        return True
    if len(one.written) > _SHORT or len(other.written) > _SHORT:
        return False
    for a, b in ((one.written, other.written), (other.written, one.written)):
        day = parse_day(b, _SOME_DAY)
        if day and any(parse_day(a, seen) == day for n in range(_SEEN) if (seen := _later(day, n))):
            return True
    minutes = parse_duration(other.written)
    return minutes is not None and parse_duration(one.written) == minutes


def _later(day: date, days: int) -> date | None:
    return date.fromordinal(day.toordinal() + days) if day.year < date.max.year else None


# -- what a value is worth ---------------------------------------------------------------------------------------------


def _canonical(labels: Labels, rule: FieldRule, written: str) -> str:
    """`written` as the mapping writes it, where it is an allowed value, an alias of one, or the one that is ticked."""
    bare = written.strip(PUNCTUATION)
    if (known := labels.value(rule, bare)) is not None:
        return known
    if rule.values and len(written) < 200 and not _BOXES.isdisjoint(written):
        ticked = {labels.value(rule, found[1] or found[2]) for found in _TICKED.finditer(written)}
        if len(ticked) == 1:
            return ticked.pop() or written
    return written


def _needed(rule: FieldRule, values: dict[str, str]) -> bool:
    return any(values.get(other) == value for other, value in rule.required_when.items())


def _is_vague(given: _Given, needed: Container[str]) -> bool:
    """Whether a value is none of the allowed ones, or says nothing where something must be said."""
    if given.rule.values and given.value not in given.rule.values:
        return True
    return given.rule.name in needed and says_nothing(given.rule, given.value)


def says_nothing(rule: FieldRule, value: str) -> bool:
    """已解决 and 解决了技术问题 say nothing; 解决vista下远程控制网络参数设置 does (domain §3)."""
    words, longest = _folded(rule.vague)
    bare = value.strip(_MARKS)
    if len(bare) > 2 * max(longest, rule.min_length):
        return False  # nor would it be short in folded form, which is not made of whole letters
    folded = fold(bare).strip(_MARKS)
    if len(folded) < rule.min_length or folded in words:
        return True
    return len(folded) <= _SHORT and any(pattern.fullmatch(folded) for pattern in _patterns(rule.vague_patterns))


@lru_cache(maxsize=256)
def _folded(texts: tuple[str, ...]) -> tuple[frozenset[str], int]:
    """Texts in folded form, the empty one too, and how long one may be that is worth comparing."""
    words = frozenset(("", *map(fold, texts)))
    return words, max(_SHORT, *map(len, words))


@lru_cache(maxsize=256)
def _patterns(texts: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    found = []
    for text in texts:
        try:
            found.append(re.compile(text, re.IGNORECASE))
        except (re.error, RecursionError, OverflowError):
            continue  # `check` shows it to the operator
    return tuple(found)
