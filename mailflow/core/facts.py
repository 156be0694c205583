"""Facts: all that ever comes in (architecture, "The idea"). Numbered, append-only, each with the server's time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class MailFact:
    """A mail that was taken in. `time` is when the server had it, never what its Date header claims (domain §4)."""

    seq: int
    time: datetime
    mailbox: str
    folder: str
    uidvalidity: str
    uid: str
    digest: str
    """SHA-256 of `raw`, hexadecimal: its name in the archive."""
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class DecisionFact:
    """An answer that did not come by mail: a command, or a workbook cell read back. (By mail: a MailFact.)"""

    seq: int
    time: datetime
    matter: str
    """What is decided: "held:3", "complaint:MF-2026-000123", "month:2026-11"."""
    answer: str
    """In the words of a reply: 确认, 驳回, 指定 李四."""
    by: str
    """Who, as far as known: a roster name, "命令行", "待确认.xlsx"."""
    channel: Literal["command", "cell"]


@dataclass(frozen=True, kw_only=True)
class TickFact:
    """The clock at which something was due. Ticks at which nothing is due are not kept."""

    seq: int
    time: datetime


@dataclass(frozen=True, kw_only=True)
class MappingFact:
    """A mapping taken into use. `files` maps file names to their texts, `settings` is Settings as JSON."""

    seq: int
    time: datetime
    version: str
    files: dict[str, str]
    settings: str


Fact = MailFact | DecisionFact | TickFact | MappingFact
