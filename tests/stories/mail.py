"""Mails of the stories, written by hand: header by header, in the charset of the sender's client."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tests.stories.department import ADDRESS, MX, SUPPORT, moment

Auth = Literal["pass", "fail", "none"]
"""What our MX writes on top: it verified the sender, it could not, or it writes no verdict."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail. `id` makes its Message-ID; people are named as on the roster, or by an address."""

    id: str
    at: str
    """When the server received it, 10-09 09:12 in Shanghai."""
    who: str
    subject: str
    body: tuple[str, ...]
    to: tuple[str, ...] = (SUPPORT,)
    cc: tuple[str, ...] = ()
    answers: str | None = None
    """The Message-ID that it answers."""
    auth: Auth = "pass"
    date: str | None = None
    """What its Date header claims; the time of arrival otherwise."""
    charset: str = "utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    message_id: str | None = None
    """Another mail's Message-ID instead of its own."""
    file: bytes = field(default=b"", repr=False)
    """Content of an attachment."""
    verbatim: tuple[str, str] | None = None
    """Content-Type and body exactly as they are, instead of text and attachment."""

    @property
    def received(self) -> datetime:
        return moment(self.at)

    @property
    def reference(self) -> str:
        return self.message_id or f"<{self.id}@{address_of(self.who).rpartition('@')[2]}>"

    def raw(self, mailbox: str = "support") -> bytes:
        """The mail as it lies in `mailbox`: each copy has trace headers of its own."""
        headers = [*_trace(self, mailbox), *self._own_headers()]
        return "".join(f"{name}: {value}\n" for name, value in headers).encode() + b"\n" + self._body()

    def _own_headers(self) -> list[tuple[str, str]]:
        sent = moment(self.date) if self.date else self.received - timedelta(seconds=20)
        answered = [("In-Reply-To", self.answers), ("References", self.answers)] if self.answers else []
        copied = [("Cc", ", ".join(map(self._party, self.cc)))] if self.cc else []
        kind = "multipart/mixed; boundary=story" if self.file else f"text/plain; charset={self.charset}"
        coded = [] if self.file or self.verbatim else [("Content-Transfer-Encoding", "base64")]
        return [
            ("From", self._party(self.who)),
            ("To", ", ".join(map(self._party, self.to))),
            *copied,
            ("Subject", _encoded(self.subject, self.charset)),
            ("Date", f"{sent:%a, %d %b %Y %H:%M:%S %z}"),
            ("Message-ID", self.reference),
            *answered,
            *self.headers,
            ("MIME-Version", "1.0"),
            ("Content-Type", self.verbatim[0] if self.verbatim else kind),
            *coded,
        ]

    def _party(self, who: str) -> str:
        return f"{_encoded(who, self.charset)} <{ADDRESS[who]}>" if who in ADDRESS else who

    def _body(self) -> bytes:
        if self.verbatim:
            return self.verbatim[1].encode()
        text = base64.encodebytes("\n".join(self.body).encode(self.charset))
        if not self.file:
            return text
        head = f"Content-Type: text/plain; charset={self.charset}\nContent-Transfer-Encoding: base64\n\n".encode()
        data = b"Content-Type: application/octet-stream; name=log.bin\nContent-Transfer-Encoding: base64\n\n"
        parts = (head + text, data + base64.encodebytes(self.file))
        return b"".join(b"--story\n" + part for part in parts) + b"--story--\n"


def mail(id_: str, at: str, who: str, subject: str, *body: str, **more: object) -> Mail:
    return Mail(id=id_, at=at, who=who, subject=subject, body=body, **more)  # type: ignore[arg-type]  # checked by use


def address_of(who: str) -> str:
    return ADDRESS.get(who) or who.rpartition("<")[2].strip(" >")


def report(
    *,
    result: str = "成功",
    contact: str | None = "李工",
    problem: str | None = "解决vista下远程控制网络参数设置",
    leftover: str | None = None,
) -> tuple[str, ...]:
    """The body of a communication report, `标签：值` (domain §3)."""
    pairs = {"沟通结果": result, "沟通人": contact, "沟通方式": "电话", "具体问题": problem, "遗留问题": leftover}
    return tuple(f"{label}：{value}" for label, value in pairs.items() if value)


def _trace(one: Mail, mailbox: str) -> Sequence[tuple[str, str]]:
    sender = address_of(one.who)
    domain = sender.rpartition("@")[2]
    verdict = f"{MX}; dmarc={one.auth} header.from={domain}; spf={one.auth} smtp.mailfrom={sender}"
    return [
        ("Return-Path", f"<{sender}>"),
        ("Delivered-To", f"{mailbox}@tech.example"),
        *([] if one.auth == "none" else [("Authentication-Results", verdict)]),
        (
            "Received",
            f"from mail.{domain} by {MX}; {one.received:%a, %d %b %Y %H:%M:%S %z}",
        ),
    ]


def _encoded(text: str, charset: str) -> str:
    """RFC 2047, in words of at most 75 characters; plain ASCII stays as it is."""
    if text.isascii():
        return text
    chunks = [text[i : i + 10] for i in range(0, len(text), 10)]
    return "\n ".join(f"=?{charset}?B?{base64.b64encode(chunk.encode(charset)).decode()}?=" for chunk in chunks)
