"""The grammar of subjects: 关键词-XX项目-… resolved against register and roster, never split blindly (domain §2).

Every way to lay the pieces between the dashes on the parts of the kind is tried. One that resolves is taken, two that
resolve differently are ambiguous, none is a near miss or an unregistered project.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache

from mailflow.core.mapping import Kind, Mapping
from mailflow.core.people import Person, unmarked
from mailflow.core.register import Register
from mailflow.core.text import dash_spans, fold, one_line, way
from mailflow.kinds.findings import finding
from mailflow.kinds.heads import Head, find_head, trimmed
from mailflow.kinds.misses import KEPT_UNREGISTERED, ambiguous, incomplete, unsettled
from mailflow.kinds.parts import (
    MOST_CUTS,
    TRAILING,
    Desk,
    Parsed,
    Span,
    Split,
    ends_with_suffix,
    is_named_project,
    missed,
    resolved_split,
    rewritten,
    said,
    spread,
    tolerant,
)
from mailflow.kinds.reading import Match, Reading
from mailflow.kinds.tables import keywords_of, prepared

LONGEST_SUBJECT = 500
"""Nobody writes a convention's subject longer than this; a longer one is of no kind."""
_LOOSE = re.compile(r"[\s_~～|｜/／\\＼、，,;；:：·.。=＝+＋&＆→⇒>＞*＊#＃ー一丨]+")
"""What people write where a dash belongs. 一 is what an input method makes of it."""
_NAMED = re.compile("项目|項目|专案|專案")
_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")
_DAY = r"(\d{1,2})\s*[日号號]?"
_DATES = (
    re.compile(rf"(?<!\d)20\d\d\s*[年\W]\s*(\d{{1,2}})\s*[月\W]\s*{_DAY}\W?$"),
    re.compile(r"(?<!\d)(\d{1,2})\s*月\s*(\d{1,2})\s*[日号號]\W?$"),
    re.compile(r"(?<!\d)20\d\d(\d\d)(\d\d)\W?$"),
)
_WEEK = re.compile(r"第\s*(?:\d{1,2}|[一二三四五六七八九十]{1,3})\s*[周週]\W?$")
_LEADING = (
    re.compile(rf"\W?20\d\d\s*[年\W]\s*(\d{{1,2}})\s*[月\W]\s*{_DAY}(?!\d)"),
    re.compile(r"\W?(\d{1,2})\s*月\s*(\d{1,2})\s*[日号號]"),
    re.compile(r"\W?20\d\d(\d\d)(\d\d)(?!\d)"),
)
"""What is a date for certain: 2.1 may be a version, 1120 a number."""
_TO = re.compile(r"[至到~～〜\W]+$")
_ELLIPSIS = re.compile(r"(?:\.{2,}|[…⋯]+|。{2,})$")


def read_subject(subject: str, mapping: Mapping, register: Register, sender: Person | None) -> Reading:
    """The kind and the parts that `subject` (without reply prefixes) names. Never raises."""
    subject = one_line(subject)
    if not subject or len(subject) > LONGEST_SUBJECT:
        return Reading()
    return _reader(mapping, register)(subject, sender)


def _reader_of(mapping: Mapping, register: Register) -> Callable[[str, Person | None], Reading]:
    """People answer each other, and report on the same projects: what was read once is remembered."""

    @lru_cache(maxsize=_REMEMBERED)
    def read(subject: str, sender: Person | None) -> Reading:
        head = find_head(subject, keywords_of(mapping))
        if head is None:
            return Reading()
        desk = Desk(head.kind, register, mapping.roster, sender)
        parsed = _FORMS[head.form](desk, head)
        return _reading(desk, head, parsed) if parsed else Reading()

    return read


_REMEMBERED = 2048
"""Subjects, each with its sender."""
_reader: Callable[[Mapping, Register], Callable[[str, Person | None], Reading]] = prepared(_reader_of, 4)


def _reading(desk: Desk, head: Head, parsed: Parsed) -> Reading:
    kind, near = head.kind, parsed.state == "miss"
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
        matches=tuple(_matches(desk, head, parsed)),
        findings=(*found, *parsed.findings),
    )


def _matches(desk: Desk, head: Head, parsed: Parsed) -> Iterator[Match]:
    """What each part of the subject was taken for, and by what likeness."""
    if head.form != "behind":
        first, *others = desk.kind.keywords
        how = "typo" if head.form == "typo" else way(head.written, first, others, fold)
        yield Match(part="keyword", written=head.written, meant=first, how=how)
    written = parsed.project_text or parsed.text
    if written and (project := desk.register.get(parsed.project)):
        yield Match(part="project", written=written, meant=project.name, how=desk.register.way(written, project))
    if parsed.person_text and (person := desk.roster.get(parsed.person)):
        how = desk.roster.way(parsed.person_text, person)
        yield Match(part="person", written=parsed.person_text, meant=person.name, how=how)


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
    if parsed.state != "miss" and _ELLIPSIS.search(rest):
        parsed = _perhaps_cut(desk, rest, parsed)
    if parsed.state == "full":
        return parsed
    if swapped := _swapped(desk, rest):
        return swapped
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


def _behind(desk: Desk, head: Head) -> Parsed | None:
    """紧急：投诉-XX项目: what stands in front may be anything, so the rest must resolve, and the writer is asked."""
    parsed = _dashed(desk, head)
    if parsed.state == "miss" or not (parsed.project or parsed.person):
        return None
    found = finding("keyword_not_first", written=head.written, keyword=desk.kind.keywords[0])
    return missed(parsed, found, corrected=rewritten(desk, parsed))


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
    rest = head.rest.strip(TRAILING + "_/／|｜、·=＝+＋→>＞")
    rest = undated_in_front(rest) or rest
    # 客户沟通一ERP项目: but 一卡通项目 begins with that character itself.
    tried = [parsed for text in (rest, rest.lstrip("ー一丨")) if text and (parsed := _repair(desk, text))]
    known = [one for one in tried if one.project or one.person]
    parsed = max(known, key=lambda one: (one.state == "full", one.project is not None), default=None)
    if parsed is None and (head.telling or "new_project" in desk.parts):
        parsed = next((one for one in tried if is_named_project(one.project_text) and _is_one_name(one)), None)
    return missed(parsed, finding("separator_missing"), corrected=rewritten(desk, parsed)) if parsed else None


def _is_one_name(parsed: Parsed) -> bool:
    """方案-ERP项目 behind 测试 is no project that nobody has registered."""
    return not dash_spans(parsed.project_text or "")


_FORMS: dict[str, Callable[[Desk, Head], Parsed | None]] = {
    "dash": _dashed,
    "loose": _loose,
    "typo": _mistyped,
    "whole": _whole,
    "joined": _joined,
    "behind": _behind,
}


def _parse(desk: Desk, rest: str, cuts: list[Span]) -> Parsed:
    splits = [resolved_split(desk, written) for written in spread(rest, cuts, desk.kind.parts)]
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
    """A date before or behind what is certain without it is harmless; else it may be part of a name."""
    if not desk.parts or desk.parts[-1] not in ("project", "person"):
        return parsed
    behind, front = undated(rest), undated_in_front(rest)
    for shorter in filter(None, (behind, front, undated_in_front(behind or ""))):
        again = _parse(desk, shorter, dash_spans(shorter))
        if again.state == "full":
            return again
    if parsed.state == "kept" or behind is None:
        return parsed
    again = _parse(desk, behind, dash_spans(behind))
    found = finding("subject_remainder", written=behind)
    return missed(again, found, corrected=again.corrected or rewritten(desk, again))


def undated(text: str) -> str | None:
    """`text` without the date, the week or the span of days at its end; None if there is none."""
    shorter = _undated(text)
    if shorter is None:
        return None
    return _undated(_TO.sub("", shorter)) or shorter


def _undated(text: str) -> str | None:
    start = max(0, len(text) - 24)
    tail = text[start:].translate(_DIGITS)
    dates = filter(None, (pattern.search(tail) for pattern in _DATES))
    found = next((one for one in dates if _is_day(one)), None) or _WEEK.search(tail)
    return trimmed(text[: start + found.start()].rstrip(TRAILING + "_-([（【")) or None if found else None


def undated_in_front(text: str) -> str | None:
    """`text` without the date at its beginning; None if there is none."""
    head = text[:24].translate(_DIGITS)
    found = next((m for m in (pattern.match(head) for pattern in _LEADING) if m and _is_day(m)), None)
    return trimmed(text[found.end() :].lstrip(TRAILING + "_-)]）】")) or None if found else None


def _is_day(found: re.Match[str]) -> bool:
    return 1 <= int(found[1]) <= 12 and 1 <= int(found[2]) <= 31


def _perhaps_cut(desk: Desk, rest: str, parsed: Parsed) -> Parsed:
    """客户沟通-ERP…: some clients cut subjects short. A name at the end is certain only if it cannot go on."""
    last = desk.parts[-1] if desk.parts else ""
    if parsed.state != "full" or last not in ("project", "new_project", "person"):
        return parsed
    written, names = unmarked(parsed.person_text or ""), map(unmarked, desk.roster.names())
    if last == "person" and not any(name != written and name.startswith(written) for name in names):
        return parsed
    if last == "project" and ends_with_suffix(desk, rest):
        return parsed
    cut = finding("subject_cut", written=rest)
    if last == "project" and desk.kind.id in KEPT_UNREGISTERED:
        return replace(parsed, state="kept", project=None, findings=(*parsed.findings, cut))
    fixed = rewritten(desk, parsed) if last != "new_project" or parsed.project else None
    return missed(replace(parsed, project=None) if last == "project" else parsed, cut, corrected=fixed)


def _swapped(desk: Desk, rest: str) -> Parsed | None:
    """客户沟通-李四-ERP项目: all is there, in another order."""
    parts = desk.kind.parts
    if set(desk.parts) != {"project", "person"}:
        return None
    splits = (resolved_split(desk, written) for written in spread(rest, dash_spans(rest), parts[::-1]))
    sure = [split for split in splits if split.resolved]
    parsed = _settled(desk, sure) if sure else None
    if parsed is None or parsed.state != "full":
        return None
    return missed(parsed, finding("parts_swapped", form=form_of(desk.kind)), corrected=rewritten(desk, parsed))


def _repaired(desk: Desk, rest: str, parsed: Parsed) -> Parsed:
    """A near miss whose only fault is another sign, or none, between its parts: the correction can be told."""
    if parsed.corrected and parsed.project:
        return parsed
    better = _repair(desk, rest) if rest and len(desk.parts) > 1 else None
    if better is None or better.state != "full":
        return parsed
    return missed(better, finding("separator_missing"), corrected=rewritten(desk, better))


def _repair(desk: Desk, rest: str) -> Parsed | None:
    """What `rest` would say with dashes at other signs, behind 项目, or between any two characters."""
    if not rest:
        return None
    marks = sorted({found.span() for found in _LOOSE.finditer(rest)} | set(dash_spans(rest)))
    parsed = _parse(desk, rest, marks)
    if parsed.state != "miss":
        return parsed
    if "summary" in desk.parts:
        # 故障-ERP项目无法登录: nowhere else does a name end for certain.
        ends = sorted({*marks, *((found.end(), found.end()) for found in _NAMED.finditer(rest))})
        return _parse(desk, rest, ends)
    # Between any two characters only where all parts are names: 项目 is no summary of ERP.
    if desk.parts != ("project", "person") or len(rest) > 2 * MOST_CUTS:
        return None
    splits = (resolved_split(desk, w) for w in spread(rest, [(i, i) for i in range(1, len(rest))], desk.kind.parts))
    sure = [split for split in splits if split.resolved]
    parsed = _settled(desk, sure) if sure else parsed
    return parsed if parsed.state == "full" else None
