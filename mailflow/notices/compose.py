"""A notice as the bytes of a mail (mail.md §5 "What we send", RFC 5322, RFC 3834). Same input, same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.headerregistry import Address, Group, HeaderRegistry, UniqueUnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, parseaddr
from typing import Any

from mailflow.core.address import ascii_form, is_address, is_plain
from mailflow.core.text import one_line
from mailflow.errors import PermanentError
from mailflow.notices.render import Rendered

_NOBODY_NAMED = Group("undisclosed-recipients")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,900}>\Z")


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


class _Identifiers(UniqueUnstructuredHeader):
    """Message-IDs, each on a line of its own. The email package reads but the first of several, encodes long ones
    (=?utf-8?q?=3C…), and cuts off what RFC 5322 would not have in them: nobody would recognise them."""

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["parse_tree"] = None
        kwds["decoded"] = value

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"{self.name}: {f'{policy.linesep} '.join(str(self).split())}{policy.linesep}"  # type: ignore[attr-defined]


def _policy() -> EmailPolicy[EmailMessage]:
    """SMTP's, but some fields say just what they are given."""
    registry = HeaderRegistry()
    registry.map_to_type("subject", _Subject)  # type: ignore[arg-type]  # typeshed demands a private base
    for name in ("message-id", "in-reply-to", "references"):
        registry.map_to_type(name, _Identifiers)  # type: ignore[arg-type]
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
    references: Sequence[str] = (),
    date: datetime,
    auto_submitted: str | None = None,
) -> bytes:
    """The mail, with CRLF line ends.

    Args:
        from_: address or `名称 <address>`, from config.toml.
        to: one address; `cc`: further ones; both of the roster. The header is ASCII whatever they are: 例子.example
            stands there as every server knows it, and whoever has Chinese before the @ is not named, since a header
            in UTF-8 would be refused by servers without SMTPUTF8 for the others too. The envelope has them all.
        message_id: fixed beforehand, with its angle brackets.
        in_reply_to: the Message-ID that is answered, as the mail had it; left out where it is not one.
        references: those of its thread, the oldest first; likewise.
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
    mail["From"] = author(from_)
    mail["To"] = _recipients(to) or _NOBODY_NAMED
    if copies := _recipients(*cc):
        mail["Cc"] = copies
    mail["Subject"] = one_line(rendered.subject)
    mail["Message-ID"] = message_id
    if answered:
        mail["In-Reply-To"] = answered
        mail["References"] = " ".join(dict.fromkeys((*filter(_MESSAGE_ID.match, references), answered)))
    # Nobody's automatic answer comes back, and ours are recognised if they do (RFC 3834 §2, §5). No Precedence and no
    # List-Unsubscribe: a notice is written to one person, about what that person has to do, and nobody may opt out.
    mail["Auto-Submitted"] = auto_submitted or ("auto-replied" if answered else "auto-generated")
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Loop"] = "mailflow"
    # base64: no line of a hostile text can be the boundary, or be changed on the way.
    mail.set_content(rendered.text, charset="utf-8", cte="base64")
    mail.add_alternative(rendered.html, subtype="html", charset="utf-8", cte="base64")
    mail.set_boundary(f"=_mailflow_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}")
    return mail.as_bytes()


def author(text: str) -> Address:
    """`名称 <address>` as what From may hold. PermanentError: it cannot stand there."""
    name, address = parseaddr(text)
    if not text.isprintable() or not is_plain(address):
        raise PermanentError(f"地址无法使用：{one_line(text)}")
    return Address(display_name=name, addr_spec=ascii_form(address))


def _recipients(*addresses: str) -> list[Address]:
    return [author(address) for address in addresses if is_plain(address) or not is_address(address)]
