"""Subjects: prefixes of replies and forwards, gateway tags and case numbers, taken off repeatedly (domain §2, §5)."""

from __future__ import annotations

import re
from typing import NamedTuple

from mailflow.core.text import dashes

_REPLY = (
    "re|aw|sv|antw|回复|回覆|回復|答复|答覆|答復|回信|自动回复|自動回覆|自動回復|自动答复|自動答覆|自動答復|"
    "automatic reply|auto reply"
)
_FORWARD = "fwd?|fw|wg|tr|转发|轉發|转寄|轉寄|转递|轉遞"
_GATEWAY = (
    "external(?: e?mail| sender)?|ext|outside|caution|外部邮件|外部郵件|外部来信|外部|外来邮件|外网邮件|来自外部|"
    "spam|垃圾邮件|可疑邮件|疑似垃圾邮件|广告"
)
# The colon is required: 回复率统计 and "Report: x" are no prefixes (mail.md §6).
_PREFIX = re.compile(
    rf"\s*(?:(?P<reply>{_REPLY})|(?P<forward>{_FORWARD}))"
    r"\s*(?:[\[(（［【]\s*\d{1,4}\s*[\])）］】]|[\^*]\d{1,4})?\s*[:：]|"
    rf"\s*(?P<gateway>[\[(（【［]\s*(?:{_GATEWAY})\s*[\])）】］]\s*[:：]?)",
    re.IGNORECASE,
)
_CASE = re.compile(r"\s*[\[【［(（]\s*(MF\s*[-‐-―－]\s*\d{4}\s*[-‐-―－]\s*\d{6,12})\s*[\]】］)）]", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


class Thread(NamedTuple):
    bare: str
    tags: tuple[str, ...]
    is_reply: bool
    is_forward: bool
    cases: tuple[str, ...]


def read_subject(subject: str) -> Thread:
    """A decoded subject on one line, taken apart."""
    numbers = [_SPACE.sub("", dashes(found)).upper() for found in _CASE.findall(subject)]
    rest = _CASE.sub(" ", subject) if numbers else subject
    tags: list[str] = []
    is_reply = is_forward = False
    at = 0
    while match := _PREFIX.match(rest, at):
        tags.append(match[0].strip())
        is_reply |= match["reply"] is not None
        is_forward |= match["forward"] is not None
        at = match.end()
    bare = _SPACE.sub(" ", rest[at:]).strip()
    return Thread(bare, tuple(tags), is_reply, is_forward, tuple(dict.fromkeys(numbers)))
