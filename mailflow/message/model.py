"""What `bytes -> Message` gives. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from mailflow.core.address import domain_of
from mailflow.core.findings import Finding
from mailflow.message.fields import Headers

Certainty = Literal["certain", "likely", "guessed"]


@dataclass(frozen=True)
class Address:
    """One mailbox of an address header: decoded display name, bare address (case as written, '' if unreadable)."""

    name: str
    address: str

    @property
    def domain(self) -> str:
        return domain_of(self.address)


@dataclass(frozen=True)
class Attachment:
    """A part that is no body text. `content` is the decoded payload; a nested message/rfc822 is one, never merged."""

    name: str | None
    type: str
    size: int
    content: bytes = field(repr=False, default=b"")
    inline: bool = False


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What a delivery report says of one recipient (RFC 3464 §2.3). Nothing in it can be verified."""

    recipient: str
    """Bare address; '' if it is not told."""
    original: str = ""
    """The address that the mail was sent to, where it was forwarded to `recipient`."""
    action: str = ""
    """failed, delayed, delivered, relayed, expanded; '' in a bounce without a report part."""
    status: str = ""
    """5.1.1 (RFC 3463); '' if it is not told."""
    remote: str = ""
    """The server that said so."""
    text: str = ""
    """What that server said, one line."""

    @property
    def final(self) -> bool:
        """Whether it will not be tried again. `failed` says so itself, with whatever status (RFC 3464 §2.3.3)."""
        return self.action == "failed" if self.action else not self.status.startswith(("2", "4"))


@dataclass(frozen=True)
class Dropped:
    """Something that was in the mail and is not shown as text."""

    what: str
    """A short label for people: 隐藏文字, 控制字符, 扫描页脚, 段外文字, 未拆开的内容."""
    text: str
    """At most 500 characters of it."""


class Vocabulary(Protocol):
    """Whatever has words; they must not change."""

    @property
    def vocabulary(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Hints:
    """What mail of this department is likely to say: the prior by which an ambiguous charset is chosen (mail.md §6)."""

    words: frozenset[str] = frozenset()
    """Words of two characters and more: names of people and projects, keywords."""
    sources: tuple[Vocabulary, ...] = ()
    """Further such words, asked for only where they are needed."""
    traditional: bool = False
    """Mail without a charset label is rather Big5 than GBK."""


NO_HINTS = Hints()


@dataclass(kw_only=True, slots=True)
class Message:
    """A mail as a person would read it. Every field is decoded text on which no other module need decode again.

    Nobody changes one. It is not frozen only because then each of its many fields would be set by a call.
    """

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
    thread_index: str | None = None
    """Thread-Index as written, base64, white space removed."""

    text: str = ""
    """The visible new part: quotation removed."""
    quoted: str = ""
    """What was taken for quotation, so that nothing is lost."""
    signature: str = ""
    """Taken off the end of the new part; no part of `text`."""
    disclaimer: str = ""
    """Likewise."""
    dropped: tuple[Dropped, ...] = ()
    """What was in the mail and is not shown as text, in order."""
    tables: tuple[tuple[tuple[str, ...], ...], ...] = ()
    """Tables of the HTML's new part: rows of cell texts."""
    html: str | None = field(repr=False, default=None)
    attachments: tuple[Attachment, ...] = ()

    automatic: str | None = None
    """Why this is automatic mail, e.g. "auto-submitted: auto-replied"; None: a person wrote it."""
    bounce: bool = False
    bounced: tuple[str, ...] = ()
    """Message-IDs of the mails that a bounce tells of."""
    deliveries: tuple[Delivery, ...] = ()
    """What a delivery report says, by recipient: failures, delays and successes."""
    reported: tuple[str, ...] = ()
    """Message-IDs of the mails that a delivery report may tell of, a delay as well as a bounce."""
    unanswered: bool = False
    """It asks for no automatic answer (X-Auto-Response-Suppress), and is not therefore automatic itself."""
    headers: Headers = field(repr=False, default=Headers())
    """All header fields in order, names as written, values decoded and unfolded."""
    charset: str = ""
    """Which charset the body was read with, and how it was chosen: "gb18030 (label gb2312)"."""
    charset_certainty: Certainty = "certain"
    """certain: the label said so and the bytes fit, or ASCII; likely: found by its form; guessed: anything else."""
    content: str = ""
    """Digest of From, Date, Subject, decoded text and attachments without the trace headers: equal in all copies."""
    findings: tuple[Finding, ...] = ()
    doubled: tuple[str, ...] = ()
    """Header fields, lower case, that stand twice with different values where RFC 5322 §3.6 allows one; the first
    counts. A signature covers the last."""
    doubtful: bool = False
    """U+FFFD stands in subject, names or text: nothing that decides pay may be read from it."""

    def header(self, name: str) -> str | None:
        """The first header field called `name` (case does not matter), or None."""
        return next(iter(self.header_all(name)), None)

    def header_all(self, name: str) -> list[str]:
        return [value for _, value in self.headers.of((name.casefold(),))]
