"""A mail as the policies see it: read, resolved, and with a verdict on its sender."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping, Trust
from mailflow.core.people import Person
from mailflow.kinds.reading import Reading
from mailflow.message.model import Message

EXCERPT = 600
"""So many characters of a mail are shown to the manager with a held item."""


class Letter(BaseModel):
    """Everything that a policy may ask of a mail. JSON-serialisable, so that a held mail can be gone on with."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Key of its Mail row."""
    seq: int
    mailbox: str
    received: datetime
    digest: str
    message_id: str | None
    content: str
    resend: str
    subject: str
    sender: str
    """Bare address; '' if there is none."""
    person: str | None
    """Roster name that the From address stands for."""
    trust: Trust
    evidence: str
    recipients: tuple[str, ...] = ()
    is_reply: bool = False
    is_forward: bool = False
    parents: tuple[str, ...] = ()
    """Message-IDs that it answers: In-Reply-To first, then References from the newest to the oldest."""
    numbers: tuple[str, ...] = ()
    """Case numbers (MF-2026-000123) that it carries: those of the subject first, then those of the new text."""
    automatic: str | None = None
    bounce: bool = False
    doubtful: bool = False
    accepted: bool = False
    """The manager has said that it is to be taken as it is."""
    excerpt: str = ""
    reading: Reading
    findings: tuple[Finding, ...] = ()

    @property
    def reference(self) -> str:
        """How people are told of this mail."""
        return self.message_id or f"sha256:{self.digest}"

    @property
    def follows_up(self) -> bool:
        """Whether it says itself that it answers or passes on another mail."""
        return self.is_reply or self.is_forward


def parents_of(message: Message) -> tuple[str, ...]:
    """The mails that `message` answers, the most direct first, each once."""
    return tuple(dict.fromkeys((*message.in_reply_to, *reversed(message.references))))


def sender_of(message: Message, mapping: Mapping) -> Person | None:
    """Whom the From address stands for, believed or not. Several From addresses: nobody (mail.md §8, 20)."""
    if len({a.address.casefold() for a in message.froms}) > 1 or message.from_ is None:
        return None
    return mapping.roster.by_address(message.from_.address)
