"""Mail providers as data: what is special about a server, known by its host (mail.md §2). Pure.

Nothing here is needed to be right: every switch only tells what CAPABILITY does not, and a host that nobody listed is
`GENERIC`. What a provider's refusals mean, and how its authorisation codes are got, is told to people in its words.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mailflow.core.model import Model

PORTS = {"imap": 143, "imaps": 993, "smtp": 587, "smtps": 465}
"""What a url means that names no port."""

Addresses = Annotated[tuple[str, ...], BeforeValidator(lambda given: [given] if isinstance(given, str) else given)]
"""Such as imaps://imap.163.com:993; one may be written without a list."""


class Refusal(Model):
    """What a server says when it refuses, and what that means."""

    says: str = Field(min_length=1)
    """A part of the answer; case does not matter."""
    means: str = Field(min_length=1)
    """Chinese: the cause, and what a person is to do."""


class Provider(Model):
    """One provider, or one kind of server."""

    id: str = Field(pattern=r"[a-z0-9][a-z0-9_-]*")
    name: str
    hosts: tuple[str, ...] = ()
    """Host names; * stands for anything. The first provider with a host that fits is taken."""
    imap: Addresses = ()
    """Where its mail is read, as [[mailbox]] url has it, without the user."""
    smtp: Addresses = ()
    password: Literal["password", "authorisation_code", "app_password", "oauth"] = "password"  # noqa: S105
    help: str = ""
    """Chinese: how a person gets what is to be written as the password."""
    quirks: str = ""
    """Chinese: what a person should know of its ways."""
    idle: bool = True
    """False: IDLE is not used even if it is offered."""
    move: bool = True
    """False: MOVE is not used even if it is offered."""
    login_pause: float = Field(default=0, ge=0)
    """Seconds between two logins at least, where more often is taken for an attack."""
    sent: str = ""
    """The folder that holds sent mail; "": found by its use (RFC 6154), or Sent."""
    saves_sent: bool = False
    """Whether mail sent by SMTP stands in the sent folder by itself."""
    per_minute: int = Field(default=0, ge=0)
    """How many messages it takes in a minute; 0: no limit is known."""
    max_size: int = Field(default=0, ge=0)
    """Bytes of the largest message that it takes; 0: what the server says counts."""
    refusals: tuple[Refusal, ...] = Field(default=(), alias="refusal")

    def meaning(self, said: str) -> str | None:
        """What a refusal of this server means to a person; None: nobody knows."""
        said = said.casefold()
        return next((r.means for r in (*self.refusals, *_REFUSALS) if r.says.casefold() in said), None)

    def usual_address(self, scheme: str, host: str, port: int) -> str | None:
        """The address to try when this one fails, the most alike; None: it is a usual one, or none is known."""
        usual = {"imap": self.imap, "smtp": self.smtp}.get(scheme.removesuffix("s"), ())
        if f"{scheme}://{host}:{port}" in map(_with_port, usual):
            return None
        return max(map(_with_port, usual), key=lambda one: _alike(one, host), default=None)


_REFUSALS = (
    Refusal(says="[AUTHENTICATIONFAILED]", means="用户名或密码不对。很多邮箱要用授权码代替密码，授权码也会过期。"),
    Refusal(says="[AUTHORIZATIONFAILED]", means="密码对，但不允许这个账号这样登录：请管理员开启 IMAP/SMTP。"),
    Refusal(says="[EXPIRED]", means="密码或授权码已过期：请换一个。"),
    Refusal(says="[PRIVACYREQUIRED]", means="服务器要求加密：url 用 imaps://。"),
    Refusal(says="[CONTACTADMIN]", means="服务器要你找邮箱管理员。"),
    Refusal(says="[UNAVAILABLE]", means="服务器暂时不能登录，会自动再试。"),
    Refusal(says="[INUSE]", means="邮箱正被别的程序占用，会自动再试。"),
    Refusal(says="[LIMIT]", means="超过了服务器的限制（连接数或流量），会自动再试。"),
    Refusal(says="[OVERQUOTA]", means="邮箱满了：请清理。"),
)
"""What every server may say (RFC 5530)."""

GENERIC = Provider(id="generic", name="邮件服务器")


def _with_port(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return address if ":" in rest else f"{address}:{PORTS.get(scheme, 0)}"


def _alike(address: str, host: str) -> tuple[int, bool]:
    """How many of the last labels of the names are the same; TLS from the start is better."""
    names = [reversed(name.casefold().split(".")) for name in (address.partition("://")[2].partition(":")[0], host)]
    same = 0
    for ours, theirs in zip(*names, strict=False):
        if ours != theirs:
            break
        same += 1
    return same, address.partition(":")[0].endswith("s")


def meant(scheme: str, host: str, providers: Iterable[Provider]) -> str | None:
    """The usual address of a provider that `host` was probably meant to be: imap.163.cm. None: none is near."""
    known = (a for p in providers for a in map(_with_port, p.smtp if scheme.startswith("smtp") else p.imap))
    by_host = {address.partition("://")[2].partition(":")[0]: address for address in known}
    near = difflib.get_close_matches(host.casefold(), by_host, n=1, cutoff=_NEAR)
    return by_host[near[0]] if near else None


_NEAR = 0.85
"""imap.163.cm is 0.96 of imap.163.com; imap.sina.com is 0.72 of it."""


def provider_of(host: str, providers: Iterable[Provider]) -> Provider:
    """The provider whose host this is."""
    host = host.casefold().rstrip(".")
    return next((p for p in providers if any(_fits(host, h.casefold()) for h in p.hosts)), GENERIC)


def _fits(host: str, pattern: str) -> bool:
    """*.163.com is 163.com too, which a person may have written."""
    return fnmatchcase(host, pattern) or f"*.{host}" == pattern
