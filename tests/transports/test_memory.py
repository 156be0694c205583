"""The mailbox in memory keeps the contract, so tests that use it prove something."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.transports.contract import MailboxContract, RenumberedBox, RenumberingContract
from tests.transports.memory import MemoryMailbox, MemoryServer


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
