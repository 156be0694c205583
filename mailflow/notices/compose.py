"""A notice as the bytes of a mail (mail.md §5 "What we send", RFC 5322, RFC 3834). Same input, same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.headerregistry import Address, HeaderRegistry, MessageIDHeader, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, parseaddr
from typing import Any

from mailflow.core.text import one_line
from mailflow.errors import PermanentError
from mailflow.notices.render import Rendered

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>\Z")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+\Z")


class _Subject(UniqueUnstructuredHeader):
    """A subject that says just what it is given.

    The email package's own decodes its value once more: =?utf-8?q?=0D=0ABcc=3A?= in a mail's subject would become a
    header of ours (promise 9). And it loses blanks where it folds.
    """

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["parse_tree"] = None
        kwds["decoded"] = value

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"Subject: {Header(str(self), 'utf-8', header_name='Subject').encode(linesep=policy.linesep)}\r\n"


def _policy() -> EmailPolicy[EmailMessage]:
    """SMTP's, but a long identifier is not folded by encoding it (=?utf-8?q?=3C…): nobody would recognise it."""
    registry = HeaderRegistry()
    for name, header in (("in-reply-to", MessageIDHeader), ("references", MessageIDHeader), ("subject", _Subject)):
        registry.map_to_type(name, header)  # type: ignore[arg-type]  # typeshed demands a private base
    return EmailPolicy(linesep="\r\n", header_factory=registry)


_POLICY = _policy()


def compose(
    rendered: Rendered,
    *,
    from_: str,
    to: str,
    cc: Sequence[str] = (),
    message_id: str,
    in_reply_to: str | None = None,
    date: datetime,
    auto_submitted: str | None = None,
) -> bytes:
    """The mail, with CRLF line ends.

    Args:
        from_: address or `名称 <address>`, from config.toml.
        to: one address; `cc`: further ones; both of the roster.
        message_id: fixed beforehand, with its angle brackets.
        in_reply_to: the Message-ID that is answered, as the mail had it; left out where it is not one.
        date: aware.
        auto_submitted: RFC 3834 §5; None: auto-replied for an answer, otherwise auto-generated.

    Raises:
        PermanentError: an address or the Message-ID cannot stand in a header.
    """
    if not _MESSAGE_ID.match(message_id):
        raise PermanentError(f"Message-ID 无法使用：{one_line(message_id)}")
    answered = in_reply_to if in_reply_to and _MESSAGE_ID.match(in_reply_to) else None
    mail = EmailMessage(policy=_POLICY)
    mail["Date"] = format_datetime(date)
    mail["From"] = _address(from_)
    mail["To"] = _address(to)
    if cc:
        mail["Cc"] = [_address(address) for address in cc]
    mail["Subject"] = one_line(rendered.subject)
    mail["Message-ID"] = message_id
    if answered:
        mail["In-Reply-To"] = answered
        mail["References"] = answered
    # Nobody's automatic answer comes back, and ours are recognised if they do (RFC 3834 §2, §5).
    mail["Auto-Submitted"] = auto_submitted or ("auto-replied" if answered else "auto-generated")
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Loop"] = "mailflow"
    # base64: no line of a hostile text can be the boundary, or be changed on the way.
    mail.set_content(rendered.text, charset="utf-8", cte="base64")
    mail.add_alternative(rendered.html, subtype="html", charset="utf-8", cte="base64")
    mail.set_boundary(f"=_mailflow_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}")
    return mail.as_bytes()


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    if not text.isprintable() or not _ADDRESS.match(address):
        raise PermanentError(f"地址无法使用：{one_line(text)}")
    return Address(display_name=name, addr_spec=address)
