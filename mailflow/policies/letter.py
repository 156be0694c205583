"""A mail as the policies see it: read, resolved, and with a verdict on its sender."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from mailflow.core.address import key_of
from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping, Trust
from mailflow.core.people import Person
from mailflow.kinds.reading import Reading
from mailflow.message.model import Delivery, Message

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
    checks: tuple[tuple[str, str, str], ...] = ()
    """Name, result and detail of everything that was looked at, for `explain`."""
    recipients: tuple[str, ...] = ()
    is_reply: bool = False
    is_forward: bool = False
    parents: tuple[str, ...] = ()
    """Message-IDs that it answers, the nearest first: References from the newest to the oldest, then In-Reply-To."""
    numbers: tuple[str, ...] = ()
    """Case numbers (MF-2026-000123) that it carries: those of the subject first, then those of the new text."""
    subject_numbers: tuple[str, ...] = ()
    conversation: str | None = None
    """By its Thread-Index: which Outlook conversation it belongs to, and where in that (message/thread.py)."""
    branch: str | None = None
    automatic: str | None = None
    bounce: bool = False
    deliveries: tuple[Delivery, ...] = ()
    """What it says of each recipient, if it is a delivery report."""
    reported: tuple[str, ...] = ()
    """Message-IDs of the mails that it may report on."""
    unanswered: bool = False
    """It asks for no automatic answer."""
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


_MOST_PARENTS = 50
"""The nearest ones: each is looked up, and a hostile mail may name any number."""


def parents_of(message: Message) -> tuple[str, ...]:
    """The mails that `message` answers, the nearest first, each once; References are trusted before In-Reply-To."""
    named = dict.fromkeys((*reversed(message.references[-_MOST_PARENTS:]), *message.in_reply_to[:_MOST_PARENTS]))
    return tuple(one for one in named if one != message.message_id)


def sender_of(message: Message, mapping: Mapping) -> Person | None:
    """Whom the From address stands for, believed or not. Several From addresses: nobody (mail.md §8, 20)."""
    if message.from_ is None or (message.froms[1:] and len({key_of(a.address) for a in message.froms}) > 1):
        return None
    return mapping.roster.by_address(message.from_.address)
