"""What a mailbox and a sender can do. Transports know bytes, but no Message and no store.

A mailbox hands out batches with an opaque cursor; whoever calls commits the batch and its cursor in one transaction
and only then asks for the next one (promise 1). Exceptions: TransientError, PermanentError, AuthError only; the
libraries' own never leave a transport module.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

from mailflow.errors import AuthError, PermanentError

K = TypeVar("K")

MAX_BATCH_MAILS = 50
MAX_BATCH_BYTES = 8 * 1024 * 1024
"""A mail larger than this is a batch of its own (mail.md §1.3)."""


@dataclass(frozen=True)
class Place:
    """Where a mail lies on the server: unique together with the mailbox's name."""

    folder: str
    uidvalidity: str
    uid: str


@dataclass(frozen=True)
class Fetched:
    """A mail as the server gave it. `received` is the server's time (aware), never the Date header's."""

    place: Place
    received: datetime
    raw: bytes


@dataclass(frozen=True)
class Batch:
    """At most 50 mails or 8 MB, in the server's order. `cursor` is right once the batch is committed."""

    mails: tuple[Fetched, ...]
    cursor: str
    """Opaque to everybody but the transport; text, below 64 kB."""
    vanished: int = 0
    """Listed, but gone when fetched (expunged elsewhere): never an empty mail."""
    unreadable: tuple[str, ...] = ()
    """UIDs that are there and that the server, or the disk, does not hand out. They hold up nothing and are tried
    again with every `batches()`; each time that fails they are named again."""


def grouped(sizes: Mapping[K, int]) -> Iterator[list[K]]:
    """What to fetch together, by size in bytes: at most 50 mails or 8 MB; a larger mail stands alone."""
    group: list[K] = []
    total = 0
    for key, size in sizes.items():
        if group and (len(group) == MAX_BATCH_MAILS or total + size > MAX_BATCH_BYTES):
            yield group
            group, total = [], 0
        group.append(key)
        total += size
    if group:
        yield group


Known = Callable[[str, str, Sequence[str]], set[str]]
"""known(folder, uidvalidity, uids) -> those of `uids` that are committed already."""

Filing = Literal["seen"] | str
"""What to do with a mail after its commit: "seen", or "move:FOLDER"."""


def folder_of(action: Filing, mailbox: str) -> str | None:
    """Where a mail is to be moved; None: it is only to be flagged. PermanentError for any other way of filing."""
    verb, _, folder = action.partition(":")
    if action == "seen":
        return None
    if verb != "move" or not folder:
        raise PermanentError(f"邮箱“{mailbox}”不认识归档方式“{action}”。")
    return folder


class Tokens(Protocol):
    """Where access tokens come from."""

    def token(self, *, fresh: bool = False) -> str:
        """A token that is good for some minutes. `fresh`: the last one was refused. AuthError, TransientError."""


class TokenRefusedError(AuthError):
    """A server let nobody in with this token. One that was kept may have been taken back before its end, because a
    password was changed or a right withdrawn: a fresh one is tried, once."""


STILL_REFUSED = "换了新的令牌还是被拒绝：请核对应用的权限和邮箱地址；由人登录的，请重新运行 mailflow login。"


class Mailbox(Protocol):
    """A mailbox that is read. One thread uses it; after any exception it is closed and made anew by the caller."""

    name: str

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        """New mail since `cursor` (None: everything), oldest first. A batch may be empty with a newer cursor: where a
        long list is read page by page, a cut does not begin it anew.

        A changed UIDVALIDITY reads everything again; identity by content makes that harmless.
        """

    def file(self, place: Place, action: Filing) -> None:
        """Flags or moves a committed mail. Harmless when repeated, or when the mail is gone."""

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Waits for new mail, at most `seconds`; returns early when there may be some, or when `stop` is set."""

    def check(self) -> str:
        """Logs in and opens the folder. Returns a Chinese sentence on what was found; raises what is wrong."""

    def uids(self) -> tuple[str, str, set[str]]:
        """(folder, uidvalidity, all UIDs the server has now), for reconciliation (promise 3)."""

    def close(self) -> None:
        """Gives the connection up; never raises."""


@dataclass(frozen=True)
class Refusal:
    """What a server said about one recipient. `permanent`: 5xx, not to be tried again."""

    recipient: str
    code: int
    text: str
    permanent: bool


class Sender(Protocol):
    """A way out for finished messages. One thread uses it."""

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        """Hands over one message with CRLF line ends. Returns the recipients that were refused, () if none.

        Raises TransientError or PermanentError when nobody was accepted, UnclearError when the answer was lost.
        """

    def find(self, message_id: str) -> bool | None:
        """Whether a message with this Message-ID has gone out already; None: this sender cannot tell."""

    @property
    def finds_late(self) -> bool:
        """Whether `find` may find minutes later what it does not find now: some servers are slow to file what they
        have sent."""

    @property
    def per_minute(self) -> int:
        """So many messages the server takes in a minute; 0: any number. The outbox sees to it."""

    def check(self) -> str:
        """Connects and logs in, sends nothing. Returns a Chinese sentence; raises what is wrong."""

    def close(self) -> None: ...
