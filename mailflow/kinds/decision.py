"""Answers: 确认, 驳回, 维持, 指定 李四, 撤诉, 异议 (domain §2 "decision", §4). Read strictly: pay hangs on them."""

from __future__ import annotations

import re
from functools import lru_cache

from mailflow.core.mapping import Words
from mailflow.core.people import Roster
from mailflow.core.text import fold, one_line
from mailflow.kinds.people import person_named
from mailflow.kinds.reading import Answer

_CATEGORIES = ("accept", "reject", "uphold", "assign", "withdraw", "object")
_LINES = 6
_LONGEST_LINE = 400
_GREETING = re.compile(
    r"(?:尊敬的)?.{0,12}?(?:您好|你好|大家好|各位好|早上好|上午好|下午好|晚上好|[总理师工姐哥任监们]好)[\s，,。.!！:：~]*"
    r"|(?:dear|hi|hello)\b.{0,40}"
    r"|[^\s，,。]{1,12}[:：，,]",
    re.IGNORECASE,
)
"""A whole line that only greets: 张经理您好！ / 周经理： / Hi Zhou,"""
_SALUTATION = re.compile(r".{0,12}?(?:(?:您好|你好)[，,。!！:：\s]+|(?:经理|总监|总|工|老师|主任)[:：，,]\s*)")
"""The same with the answer behind it on the line: 周经理您好，同意"""
_OPENING = re.compile(r"[\s\"'“”‘’「」【】\[\]（）()*•·>]*(?:(?:我们?|我方|本人|现|特此|兹|决定|对此)\s*)*")
_ASKING = re.compile(r"(?:(?:现|特|提出|申请|请求|要求?|有)\s*)*")
"""What may stand before 撤诉 and 异议; before 确认 it would turn the sense (请确认)."""
_PARTICLE = re.compile("[了的啊哦呀]")
_QUESTION = re.compile("[?？]|[吗么]$")
_CONTRAST = re.compile("但|不过|可是|然而|除非|如果|假如|前提|只要")
_DENIAL = re.compile("[不未没无]")
_NO_OBJECTION = re.compile("(?:无|没有?|不存在)(?:异议|意见|问题|误|疑问)")
_NOT_DENIED = "(?<![不未没无别勿])(?<!没有)"
_NONE = re.compile(r"(?:无|没有|没|none|no)\W*", re.IGNORECASE)
_SENTENCE = re.compile("[。.；;!！\n]")
_TO = re.compile(r"[\s:：，,\-—]*(?:给|为|到|由|成|至|在)?[\s:：]*")
_MARKS = " \t:：，,。.；;!！、-—~～…\"'“”‘’【】[]*"


@lru_cache(maxsize=8)
def _table(words: Words) -> dict[str, frozenset[str]]:
    """What each folded word may be: 计入 accepts, and with a name behind it assigns."""
    table: dict[str, set[str]] = {}
    for category in _CATEGORIES:
        for word in filter(None, map(fold, getattr(words, category))):
            table.setdefault(word, set()).add(category)
    return {word: frozenset(categories) for word, categories in table.items()}


def parse_answer(text: str, words: Words, roster: Roster) -> Answer | None:
    """The answer with which `text` begins, greetings left out; None if it begins with none. Never raises.

    A word counts only where it ends: 确认关闭 is not 确认, 同意你的看法 is not 同意. A question, a condition or a
    second, different word makes no answer: who asked is told so and asks again.
    """
    lines = (one_line(line[:_LONGEST_LINE]) for line in text[:20_000].splitlines())
    for line in [line for line in lines if line][:_LINES]:
        begins, answer = _read(line, _table(words), roster)
        if answer or begins or not (_GREETING.fullmatch(line) and _polite(line, _table(words))):
            return answer
    return None


def mentions(text: str, words: tuple[str, ...]) -> bool:
    """Whether `text` says one of `words` anywhere and does not deny it: 报告收到了，撤诉. For asking a person about it:
    it decides nothing. Never raises."""
    folded = fold(text[:20_000])
    return any(re.search(_NOT_DENIED + re.escape(word), folded) for word in filter(None, map(fold, words)))


def _polite(greeting: str, table: dict[str, frozenset[str]]) -> bool:
    """暂不确认， looks like a salutation, and is none."""
    folded = fold(greeting)
    return not _DENIAL.search(folded) and not any(word in folded for word in table)


def _read(line: str, table: dict[str, frozenset[str]], roster: Roster) -> tuple[bool, Answer | None]:
    """Whether `line` begins with one of the words, and the answer that it gives."""
    salutation = _SALUTATION.match(line)
    body = line[salutation.end() :] if salutation and _polite(salutation[0], table) else line
    body = _behind(_OPENING, body)
    meant, rest = _word(body, table)
    if not meant:
        meant, rest = _word(_behind(_ASKING, body), table)
        meant &= {"withdraw", "object"}
    if not meant:
        return False, None
    if "assign" in meant and (answer := _assigned(rest, meant, roster, line)):
        return True, answer
    category = next((c for c in _CATEGORIES if c in meant and c != "assign"), None)
    return True, Answer(word=category, line=line) if category and _stands(rest, category, table) else None


def _behind(opening: re.Pattern[str], text: str) -> str:
    found = opening.match(text)
    return text[found.end() :] if found else text


def _word(text: str, table: dict[str, frozenset[str]]) -> tuple[frozenset[str], str]:
    """The longest word with which `text` begins, further words of the same sense included (同意计入), and the rest."""
    longest = 2 * max(map(len, table), default=0)
    for end in range(min(len(text), longest), 0, -1):
        if not text[end - 1].isspace() and (meant := table.get(fold(text[:end]))):
            more, rest = _word(text[end:], table)
            both = meant & more
            return (both, rest) if both else (meant, text[end:])
    return frozenset(), text


def _stands(rest: str, category: str, table: dict[str, frozenset[str]]) -> bool:
    """Whether the word ends where `rest` begins, and nothing behind it turns it round."""
    if rest and _PARTICLE.match(rest):
        rest = rest[1:]
    if rest and (rest[0].isalnum() or rest[0] == "_"):
        return False
    tail = rest.lstrip(_MARKS + "（）()")
    if _QUESTION.search(_SENTENCE.split(rest, maxsplit=1)[0]) or _CONTRAST.match(tail):
        return False
    other, _ = _word(tail, table)
    if other and category not in other:
        return False
    if category == "object":
        return not _NONE.fullmatch(tail)
    denied = _DENIAL.match(tail) and not _NO_OBJECTION.match(tail)
    return not (denied and category in ("accept", "uphold"))


def _assigned(rest: str, meant: frozenset[str], roster: Roster, line: str) -> Answer | None:
    """指定 李四. Prose such as 指定会议时间 is none; a name that is not certain is given back as written."""
    sentence = _SENTENCE.split(rest, maxsplit=1)[0]
    if _QUESTION.search(rest):
        return None
    # 给 and 成 may begin a name as well.
    texts = [sentence.strip(_MARKS), _behind(_TO, sentence).strip(_MARKS)]
    for text in filter(None, texts):
        if person := person_named(text, roster):
            return Answer(word="assign", argument=person.name, argument_text=text, line=line)
    apart = not rest or not rest[0].isalnum()
    if not apart or ("accept" in meant and (not texts[1] or rest[0] not in " :：")):
        return None
    return Answer(word="assign", argument_text=texts[1] or None, line=line)
