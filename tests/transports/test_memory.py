"""The mailbox and the sender in memory keep the contracts, so tests that use them prove something."""

from __future__ import annotations

from datetime import datetime

import pytest

from mailflow.errors import AuthError, TransientError
from tests.transports.contract import MailboxContract, RenumberedBox, RenumberingContract
from tests.transports.memory import MemoryMailbox, MemoryPost, MemorySender, MemoryServer
from tests.transports.sender_contract import FULL, REFUSED, Arrived, MoodyWay, RecipientsContract


class MemoryBox:
    def __init__(self) -> None:
        self.server = MemoryServer()

    def mailbox(self) -> MemoryMailbox:
        return MemoryMailbox("support", self.server)

    def deliver(self, raw: bytes, when: datetime) -> None:
        self.server.deliver(raw, when)

    def expunge(self, subject: str) -> None:
        for uid, (_, raw) in list(self.server.mails.items()):
            if raw.startswith(f"Subject: {subject}\r\n".encode()):
                del self.server.mails[uid]

    def held(self, folder: str) -> list[bytes]:
        return self.server.moved.get(folder, [])

    def renumber(self) -> None:
        self.server.renumber()


class TestMemoryMailbox(MailboxContract, RenumberingContract):
    @pytest.fixture
    def box(self) -> RenumberedBox:
        return MemoryBox()


class MemoryWay:
    def __init__(self) -> None:
        self.post = MemoryPost(refused={REFUSED: (550, "no such user"), FULL: (452, "mailbox full")})

    def sender(self) -> MemorySender:
        return MemorySender(self.post)

    def arrived(self) -> list[Arrived]:
        return [Arrived(*message) for message in self.post.messages]

    def put_off(self) -> None:
        self.post.put_off = True

    def lose_answer(self) -> None:
        self.post.lost = True

    cut = put_off

    def without_entry(self) -> MemorySender:
        return MemorySender(MemoryPost(failure=AuthError("535")))

    def away(self) -> MemorySender:
        return MemorySender(MemoryPost(failure=TransientError("away")))


class TestMemorySender(RecipientsContract):
    @pytest.fixture
    def way(self) -> MoodyWay:
        return MemoryWay()
