"""The grammar of subjects: 关键词-XX项目-… resolved against register and roster, never split blindly (domain §2).

Every way to lay the pieces between the dashes on the parts of the kind is tried. One that resolves is taken, two that
resolve differently are ambiguous, none is a near miss or an unregistered project.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mailflow.core.mapping import Kind, Mapping
from mailflow.core.people import Person
from mailflow.core.register import Register
from mailflow.core.text import dash_spans, one_line
from mailflow.kinds.findings import finding
from mailflow.kinds.heads import Head, find_head, trimmed
from mailflow.kinds.misses import ambiguous, incomplete, unsettled
from mailflow.kinds.parts import (
    MOST_CUTS,
    TRAILING,
    Desk,
    Parsed,
    Span,
    Split,
    is_named_project,
    missed,
    resolved_split,
    rewritten,
    said,
    spread,
    tolerant,
)
from mailflow.kinds.reading import Reading
from mailflow.kinds.tables import keywords_of

LONGEST_SUBJECT = 500
"""Nobody writes a convention's subject longer than this; a longer one is of no kind."""
_LOOSE = re.compile(r"[\s_~～|｜/／、，,:：·]+")
_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")
_DATES = (
    re.compile(r"(?<!\d)20\d\d\s*[年\W]\s*(\d{1,2})\s*[月\W]\s*(\d{1,2})\s*[日号]?\W?$"),
    re.compile(r"(?<!\d)(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]\W?$"),
    re.compile(r"(?<!\d)20\d\d(\d\d)(\d\d)\W?$"),
)
"""What is a date for certain: 2.1 may be a version, 1120 a number."""


def read_subject(subject: str, mapping: Mapping, register: Register, sender: Person | None) -> Reading:
    """The kind and the parts that `subject` (without reply prefixes) names. Never raises."""
    subject = one_line(subject)
    if not subject or len(subject) > LONGEST_SUBJECT:
        return Reading()
    head = find_head(subject, keywords_of(mapping))
    if head is None:
        return Reading()
    desk = Desk(head.kind, register, mapping.roster, sender)
    parsed = _FORMS[head.form](desk, head)
    return _reading(head.kind, parsed) if parsed else Reading()


def _reading(kind: Kind, parsed: Parsed) -> Reading:
    near = parsed.state == "miss"
    found = (finding("near_miss", name=kind.name, kind=kind.id, form=form_of(kind)),) if near else ()
    return Reading(
        kind=None if near else kind.id,
        resembles=kind.id if near else None,
        project=parsed.project,
        project_text=parsed.project_text,
        person=parsed.person,
        person_text=parsed.person_text,
        summary=parsed.summary,
        text=parsed.text,
        corrected=parsed.corrected if near else None,
        findings=(*found, *parsed.findings),
    )


def form_of(kind: Kind) -> str:
    """How the subject of a kind is written: 客户沟通-XX项目-姓名."""
    words = {"project": "XX项目", "new_project": "XX项目", "person": "姓名", "summary": "概要", "text": "内容"}
    parts = [f"[-{words[p[:-1]]}]" if p.endswith("?") else f"-{words[p]}" for p in kind.parts if p.rstrip("?") in words]
    return "".join((next(iter(kind.keywords), kind.name), *parts))


def _dashed(desk: Desk, head: Head) -> Parsed:
    rest = trimmed(head.rest)
    parsed = _parse(desk, rest, dash_spans(rest))
    if parsed.state != "full":
        parsed = _without_date(desk, rest, parsed)
    return _repaired(desk, rest, parsed) if parsed.state == "miss" else parsed


def _loose(desk: Desk, head: Head) -> Parsed | None:
    """客户沟通：… and 【客户沟通】…: taken when all of it resolves. 培训：下周安排 is ordinary prose."""
    parsed = _dashed(desk, head)
    named = parsed.project or is_named_project(parsed.project_text)
    if parsed.state != "miss" and (named or (parsed.state == "full" and "new_project" not in desk.parts)):
        return parsed
    if not (head.telling or named):
        return None
    corrected = parsed.corrected or rewritten(desk, parsed)
    return missed(parsed, finding("separator_missing"), corrected=corrected)


def _mistyped(desk: Desk, head: Head) -> Parsed:
    parsed = _dashed(desk, head)
    typo = finding("keyword_typo", written=head.written, keyword=desk.kind.keywords[0])
    return missed(parsed, typo, corrected=parsed.corrected or rewritten(desk, parsed))


def _whole(desk: Desk, head: Head) -> Parsed | None:
    if all(part.endswith("?") for part in desk.kind.parts):
        return Parsed("full")
    return incomplete(desk, "") if head.telling else None


def _joined(desk: Desk, head: Head) -> Parsed | None:
    """投诉处理流程 is prose; 投诉ERP项目 is a near miss, because what follows the keyword is a project."""
    rest = head.rest.strip(TRAILING + "_/／|｜、·")
    parsed = _repair(desk, rest)
    if parsed is None or not (parsed.project or parsed.person or is_named_project(parsed.project_text)):
        return None
    return missed(parsed, finding("separator_missing"), corrected=rewritten(desk, parsed))


_FORMS: dict[str, Callable[[Desk, Head], Parsed | None]] = {
    "dash": _dashed,
    "loose": _loose,
    "typo": _mistyped,
    "whole": _whole,
    "joined": _joined,
}


def _parse(desk: Desk, rest: str, cuts: list[Span]) -> Parsed:
    splits = [resolved_split(desk, written) for written in spread(rest, cuts[:MOST_CUTS], desk.kind.parts)]
    if not splits:
        return incomplete(desk, rest)
    sure = [split for split in splits if split.resolved]
    return _settled(desk, sure) if sure else unsettled(desk, rest, cuts, splits)


def _settled(desk: Desk, sure: list[Split]) -> Parsed:
    """Everything resolves in at least one way."""
    best = max(sure, key=lambda split: split.rank)
    # With a person every reading is a claim of its own. Without one the longest project is meant, the rest free text.
    rivals = [s for s in sure if "person" in s.written and s.rank[0] == best.rank[0]] or [best]
    pairs = set().union(*(split.pairs() for split in rivals))
    if len(pairs) == 1:
        ((project, person),) = pairs
        if "new_project" in best.written:
            return _new_project(desk, best.written["new_project"])
        return said(desk, "full", best, project, person)
    return ambiguous(desk, best, rivals)


def _new_project(desk: Desk, text: str) -> Parsed:
    known, _ = tolerant(text, desk.register.resolve)
    if len(known) > 1:
        options = "、".join(p.name for p in known)
        return Parsed(
            "miss", project_text=text, findings=(finding("project_ambiguous", written=text, options=options),)
        )
    return Parsed("full", project=known[0].name if known else None, project_text=text)


def _without_date(desk: Desk, rest: str, parsed: Parsed) -> Parsed:
    """A date behind a subject whose other parts are all certain is harmless; behind any other it is a near miss."""
    if not desk.parts or desk.parts[-1] not in ("project", "person"):
        return parsed
    shorter = undated(rest)
    if shorter is None:
        return parsed
    again = _parse(desk, shorter, dash_spans(shorter))
    if again.state == "full":
        return again
    if parsed.state == "kept":
        return parsed
    found = finding("subject_remainder", written=shorter)
    return missed(again, found, corrected=again.corrected or rewritten(desk, again))


def undated(text: str) -> str | None:
    """`text` without the date at its end; None if there is none."""
    start = max(0, len(text) - 24)
    tail = text[start:].translate(_DIGITS)
    for found in filter(None, (pattern.search(tail) for pattern in _DATES)):
        if 1 <= int(found[1]) <= 12 and 1 <= int(found[2]) <= 31:
            return trimmed(text[: start + found.start()].rstrip(TRAILING + "_-([（【")) or None
    return None


def _repaired(desk: Desk, rest: str, parsed: Parsed) -> Parsed:
    """A near miss whose only fault is another sign, or none, between its parts: the correction can be told."""
    if parsed.corrected and parsed.project:
        return parsed
    better = _repair(desk, rest) if rest and len(desk.parts) > 1 else None
    if better is None or better.state != "full":
        return parsed
    return missed(better, finding("separator_missing"), corrected=rewritten(desk, better))


def _repair(desk: Desk, rest: str) -> Parsed | None:
    """What `rest` would say with dashes at other signs, or between any two characters."""
    if not rest:
        return None
    marks = sorted({found.span() for found in _LOOSE.finditer(rest)} | set(dash_spans(rest)))
    parsed = _parse(desk, rest, marks)
    if parsed.state != "miss":
        return parsed
    # Between any two characters only where all parts are names: 项目 is no summary of ERP.
    if desk.parts != ("project", "person") or len(rest) > 2 * MOST_CUTS:
        return None
    splits = (resolved_split(desk, w) for w in spread(rest, [(i, i) for i in range(1, len(rest))], desk.kind.parts))
    sure = [split for split in splits if split.resolved]
    parsed = _settled(desk, sure) if sure else parsed
    return parsed if parsed.state == "full" else None
