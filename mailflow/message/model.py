"""What `bytes -> Message` gives. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mailflow.core.findings import Finding


@dataclass(frozen=True)
class Address:
    """One mailbox of an address header: decoded display name, bare address (case as written, '' if unreadable)."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].casefold()


@dataclass(frozen=True)
class Attachment:
    """A part that is no body text. `content` is the decoded payload; a nested message/rfc822 is one, never merged."""

    name: str | None
    type: str
    size: int
    content: bytes = field(repr=False, default=b"")
    inline: bool = False


@dataclass(frozen=True, kw_only=True)
class Message:
    """A mail as a person would read it. Every field is decoded text on which no other module need decode again."""

    subject: str
    """Decoded, unfolded, on one line."""
    bare_subject: str
    """`subject` without reply and forward prefixes, gateway tags, and case numbers."""
    tags: tuple[str, ...] = ()
    """What was removed, in order: 回复:, 【外部邮件】."""
    is_reply: bool = False
    """By a subject prefix."""
    is_forward: bool = False
    case_numbers: tuple[str, ...] = ()
    """[MF-2026-000123] in the subject."""

    from_: Address | None = None
    """The only From address; the first one where there are several."""
    froms: tuple[Address, ...] = ()
    """All addresses of all From headers. More than one: not verified (mail.md §8, 20)."""
    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    date: datetime | None = None
    """The Date header, aware; None if missing or absurd. Never the time of receipt."""
    message_id: str | None = None
    """With its angle brackets; white space removed; None if missing or empty."""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    """Oldest first."""

    text: str = ""
    """The visible new part: quotation removed."""
    quoted: str = ""
    """What was taken for quotation, so that nothing is lost."""
    tables: tuple[tuple[tuple[str, ...], ...], ...] = ()
    """Tables of the HTML's new part: rows of cell texts."""
    html: str | None = field(repr=False, default=None)
    attachments: tuple[Attachment, ...] = ()

    automatic: str | None = None
    """Why this is automatic mail, e.g. "auto-submitted: auto-replied"; None: a person wrote it."""
    bounce: bool = False
    bounced: tuple[str, ...] = ()
    """Message-IDs of the mails that a bounce tells of."""
    headers: tuple[tuple[str, str], ...] = field(repr=False, default=())
    """All header fields in order, names as written, values decoded and unfolded."""
    charset: str = ""
    """Which charset the body was read with, and how it was chosen: "gb18030 (label gb2312)"."""
    content: str = ""
    """Digest of From, Date, Subject, decoded text and attachments without the trace headers: equal in all copies."""
    findings: tuple[Finding, ...] = ()
    doubtful: bool = False
    """U+FFFD stands in subject, names or text: nothing that decides pay may be read from it."""

    def header(self, name: str) -> str | None:
        """The first header field called `name` (case does not matter), or None."""
        return next(iter(self.header_all(name)), None)

    def header_all(self, name: str) -> list[str]:
        name = name.casefold()
        return [value for key, value in self.headers if key.casefold() == name]
