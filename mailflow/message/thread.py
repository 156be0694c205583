"""What a mail says of the mails before it: prefixes and case numbers of its subject (domain §2, §5), Thread-Index."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import NamedTuple

from mailflow.core.text import dashes

_REPLY = (
    "re|aw|sv|antw|reply|回复|回覆|回復|答复|答覆|答復|回信|自动回复|自動回覆|自動回復|自动答复|自動答覆|自動答復|"
    "automatic reply|auto reply"
)
_FORWARD = "fwd?|fw|wg|tr|forward(?:ed)?|转|轉|转发|轉發|转寄|轉寄|转递|轉遞"
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
_WRAPPED = re.compile(r"\s*\[(\s*(?:fwd?|转发|轉發)\s*[:：].*)\]\s*", re.IGNORECASE | re.DOTALL)
"""[Fwd: 投诉-XX项目], as older Thunderbirds forward."""
_SPACE = re.compile(r"\s+")


class Thread(NamedTuple):
    bare: str
    tags: tuple[str, ...]
    is_reply: bool
    is_forward: bool
    cases: tuple[str, ...]


def read_subject(subject: str) -> Thread:
    """A decoded subject on one line, taken apart."""
    return _known(subject) if len(subject) <= _REMEMBERED else _read(subject)


_REMEMBERED = 200
"""No longer subject is remembered."""


@lru_cache(maxsize=2048)
def _known(subject: str) -> Thread:
    """People answer each other under one subject."""
    return _read(subject)


def _read(subject: str) -> Thread:
    found = _CASE.findall(subject) if "mf" in subject.lower() else ()
    numbers = [_SPACE.sub("", dashes(number)).upper() for number in found]
    rest = _CASE.sub(" ", subject) if numbers else subject
    if wrapped := _WRAPPED.fullmatch(rest):
        rest = wrapped[1]
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


_ROOT = 22
_BLOCK = 5
_LONGEST_INDEX = _ROOT + 250 * _BLOCK


class Branch(NamedTuple):
    """What a Thread-Index says, in hexadecimal (MS-OXOMSG §2.2.1.3)."""

    conversation: str
    """The root: the same in every mail of one conversation."""
    branch: str
    """The root and 5 bytes for each answer: the beginning of this is the mail that is answered."""

    @property
    def is_answer(self) -> bool:
        return len(self.branch) > len(self.conversation)


def is_answer(thread_index: str | None) -> bool:
    """Whether a Thread-Index says that the mail answers another one."""
    branch = branch_of(thread_index)
    return branch is not None and branch.is_answer


def branch_of(thread_index: str | None) -> Branch | None:
    """A Thread-Index taken apart; None if there is none, or if it is not one that Outlook or Exchange wrote."""
    if not thread_index or len(thread_index) > 2 * _LONGEST_INDEX:
        return None
    try:
        index = base64.b64decode(thread_index + "=" * (-len(thread_index) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not _ROOT <= len(index) <= _LONGEST_INDEX or index[0] != 1 or (len(index) - _ROOT) % _BLOCK:
        return None
    return Branch(index[:_ROOT].hex(), index.hex())
