"""AUTH (RFC 4954) in UTF-8, which smtplib cannot; nothing of a secret comes into what is told."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailflow.transports.smtp.connection import Connection, StrangeError
from mailflow.transports.wire import blotted, words

_UNKNOWN_MECHANISM = 504


@dataclass(frozen=True)
class Mechanism:
    name: str
    secret: str
    initial: str | None
    """What goes with the command; None: nothing does."""
    answers: tuple[Callable[[bytes], str], ...] = ()
    """What is made of each challenge."""


def by_token(user: str, token: str) -> Iterator[Mechanism]:
    """In the order of preference. A refusal comes with a challenge, which has to be answered (RFC 7628 §3.2.3)."""
    yield Mechanism("XOAUTH2", token, f"user={user}\x01auth=Bearer {token}\x01\x01", (lambda _: "",))
    yield Mechanism(
        "OAUTHBEARER", token, f"n,a={user},\x01auth=Bearer {token}\x01\x01", (lambda _: "\x01",)
    )  # RFC 7628 §3.2.3


def by_password(user: str, password: str) -> Iterator[Mechanism]:
    def digest(challenge: bytes) -> str:
        return f"{user} {hmac.new(password.encode(), base64.b64decode(challenge), 'md5').hexdigest()}"

    yield Mechanism("PLAIN", password, f"\0{user}\0{password}")
    yield Mechanism("LOGIN", password, None, (lambda _: user, lambda _: password))
    yield Mechanism("CRAM-MD5", password, None, (digest,))


def authenticate(connection: Connection, mechanisms: Iterator[Mechanism]) -> tuple[int, str]:
    """The server's last word. Once, by one mechanism: every further try counts against the account (mail.md §2, "all").
    Code 0: it offers none of these."""
    offered = connection.esmtp_features.get("auth", "").upper().split()
    for mechanism in mechanisms:
        if mechanism.name in offered:
            code, said = _tried(connection, mechanism)
            if code != _UNKNOWN_MECHANISM:
                return code, said
    return 0, "、".join(offered) or "没有"


def _tried(connection: Connection, mechanism: Mechanism) -> tuple[int, str]:
    sent = [] if mechanism.initial is None else [_base64(mechanism.initial)]
    try:
        code, said = connection.docmd("AUTH", " ".join([mechanism.name, *sent]))
        for answer in mechanism.answers:
            if code != 334:
                break
            sent.append(_base64(answer(said)))
            code, said = connection.docmd(sent[-1])
    except StrangeError:
        raise StrangeError("服务器对登录的答复不是 SMTP") from None
    # Some repeat what they did not understand.
    return code, blotted(words(said), [mechanism.secret, *sent])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
