"""An IMAP mailbox on a scripted server, for the tests of quirks. How to add one: tests/servers/README.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from mailflow.transports.base import Place
from mailflow.transports.imap import ImapMailbox
from mailflow.transports.wire import Timeouts
from tests.servers.imap import Handler, ScriptedImap
from tests.transports.contract import mail

QUICK = Timeouts(connect=1, read=0.4, operation=10)
NETEASE = b"IMAP4rev1 XLIST SPECIAL-USE ID LITERAL+ STARTTLS UIDPLUS X-CM-EXT-1"
ALIYUN = b"IMAP4rev1 IDLE XLIST UIDPLUS ID SASL-IR"
BARE = b"IMAP4rev1"
FULL = b"IMAP4rev1 IDLE ID MOVE UIDPLUS AUTH=PLAIN"


class Given:
    """Access tokens, one after the other; `asked`: whether each was to be a fresh one."""

    def __init__(self, *tokens: str | Exception) -> None:
        self._tokens = iter(tokens)
        self.asked: list[bool] = []

    def token(self, *, fresh: bool = False) -> str:
        self.asked.append(fresh)
        token = next(self._tokens)
        if isinstance(token, Exception):
            raise token
        return token


@contextlib.contextmanager
def server_and_mailbox(
    mails: Mapping[int, bytes] | None = None,
    *,
    capability: bytes = FULL,
    uidvalidity: int | None = 7,
    timeouts: Timeouts = QUICK,
    on: Mapping[bytes, Handler] | None = None,
) -> Iterator[tuple[ScriptedImap, ImapMailbox]]:
    mails = {1: mail("one"), 2: mail("two"), 5: mail("five")} if mails is None else mails
    with ScriptedImap(mails, capability=capability, uidvalidity=uidvalidity, on=on) as server:
        mailbox = ImapMailbox("s", "127.0.0.1", server.port, False, "u@x.example", lambda: "pw", timeouts=timeouts)
        try:
            yield server, mailbox
        finally:
            mailbox.close()


def place(uid: int) -> Place:
    return Place("INBOX", "7", str(uid))
