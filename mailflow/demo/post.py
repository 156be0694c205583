"""A demo mail with everything around the letter: when and where it arrives, and what the department's MX put on top."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from mailflow.demo.clients import Client, File, Letter, Party, Table, compose
from mailflow.demo.people import DOMAIN, MX, SUPPORT, party, signature

YEAR = 2026
ZONE = ZoneInfo("Asia/Shanghai")

Who = str | Party
Auth = Literal["pass", "fail", "none"]
MailboxName = Literal["support", "manager"]
_DELIVERED_TO = {"support": SUPPORT.address, "manager": party("沈从周").address}


@dataclass(frozen=True, kw_only=True)
class Post:
    """One mail as it lies in a mailbox. `arrives` is the server's time; the Date header may claim another."""

    id: str
    arrives: datetime
    mailbox: MailboxName
    client: str
    letter: Letter
    raw: bytes

    @property
    def message_id(self) -> str:
        return self.letter.message_id


def moment(text: str) -> datetime:
    """The instant that `text`, such as 10-09 09:12, means in the demo's year on the department's clock."""
    return datetime.strptime(f"{YEAR}-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=ZONE)


def someone(who: Who) -> Party:
    return party(who) if isinstance(who, str) else who


def message_id(post_id: str, domain: str = DOMAIN) -> str:
    """The Message-ID of the mail called `post_id`: fixed, so that answers can name it before it is written."""
    return f"<{hashlib.sha256(post_id.encode()).hexdigest()[:24]}.demo@{domain}>"


def fields(*pairs: tuple[str, str]) -> tuple[str, ...]:
    """`标签：值` lines (domain §3)."""
    return tuple(f"{label}：{value}" for label, value in pairs)


def write(
    post_id: str,
    at: str,
    who: Who,
    client: Client,
    to: tuple[Who, ...],
    subject: str,
    *body: str | Table,
    cc: tuple[Who, ...] = (SUPPORT,),
    answers: Post | None = None,
    forward: bool = False,
    files: tuple[File, ...] = (),
    date: str | None = None,
    auth: Auth = "pass",
    headers: tuple[tuple[str, str], ...] = (),
) -> Post:
    """Writes a mail to the support mailbox. Colleagues sign; `date` is what the Date header claims, `at` by default."""
    sender = someone(who)
    signed = ("", "--", *signature(who)) if isinstance(who, str) else ()
    letter = Letter(
        sender=sender,
        to=tuple(map(someone, to)),
        cc=tuple(map(someone, cc)),
        subject=subject,
        body=(*body, *signed),
        sent=moment(date) if date else moment(at) - timedelta(seconds=23),
        message_id=message_id(post_id, sender.address.rpartition("@")[2]),
        answers=answers.letter if answers else None,
        forward=forward,
        files=files,
        headers=headers,
    )
    return _delivered(post_id, at, "support", client.name, letter, compose(client, letter), auth)


def also_to_manager(post: Post, post_id: str, at: str) -> Post:
    """The same mail as it arrives in the manager's mailbox: other trace headers, everything else equal."""
    content = post.raw[post.raw.index(b"Date: ") :]
    return _delivered(post_id, at, "manager", post.client, post.letter, content, "pass")


def with_forged_result(post: Post) -> Post:
    """The sender brought an Authentication-Results of his own along; it lies below the MX's one (RFC 8601 §5)."""
    forged = trace_result(post.letter.sender, "pass").encode()
    return replace(post, raw=post.raw.replace(b"Date: ", forged + b"Date: ", 1))


def _delivered(
    post_id: str, at: str, mailbox: MailboxName, client: str, letter: Letter, content: bytes, auth: Auth
) -> Post:
    arrives = moment(at)
    raw = _trace(post_id, arrives, letter.sender, _DELIVERED_TO[mailbox], auth).encode() + content
    return Post(id=post_id, arrives=arrives, mailbox=mailbox, client=client, letter=letter, raw=raw)


def _trace(post_id: str, at: datetime, sender: Party, recipient: str, auth: Auth) -> str:
    """What the department's MX writes on top of every mail, its own verdict first."""
    queue = hashlib.sha256(f"{post_id}{recipient}".encode()).hexdigest()[:10].upper()
    host = sender.address.rpartition("@")[2] if auth == "pass" else "bulk-relay.example"
    return (
        f"Return-Path: <{sender.address}>\n"
        f"Delivered-To: {recipient}\n"
        + trace_result(sender, auth)
        + f"Received: from mail.{host} (mail.{host} [192.0.2.25])\n\tby {MX} (Postfix) with ESMTPS id {queue}\n"
        f"\tfor <{recipient}>; {at:%a, %d %b %Y %H:%M:%S %z}\n"
    )


def trace_result(sender: Party, auth: Auth) -> str:
    """The Authentication-Results header (RFC 8601) that says `auth`; nothing when it is "none"."""
    domain = sender.address.rpartition("@")[2]
    if auth == "none":
        return ""
    dkim = f"dkim=pass header.d={domain} header.s=s2026" if auth == "pass" else "dkim=none"
    return (
        f"Authentication-Results: {MX};\n\t{dkim};\n\tspf={auth} smtp.mailfrom={sender.address};\n"
        f"\tdmarc={auth} header.from={domain}\n"
    )
