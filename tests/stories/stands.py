"""What a department's post can stand on: Maildirs, or a real Dovecot with a real SMTP listener."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from pathlib import Path
from typing import Protocol

from mailflow.transports.maildir import folder_path
from tests.servers.dovecot import Dovecot
from tests.servers.smtp import SmtpServer

MAILBOXES = ("support", "manager")
FILED = "已处理"


class Stand(Protocol):
    """Where mail lies. `folder` is the stage's; a stage copied with its folder has a stand of its own."""

    def urls(self) -> dict[str, str]:
        """The TOML lines that name each mailbox, and "send"."""

    def deliver(self, folder: Path, mailbox: str, raw: bytes, when: datetime) -> None:
        """A mail arrives at `when` by the server's clock."""

    def inbox(self, folder: Path, mailbox: str, sub: str = "INBOX") -> list[bytes]:
        """The mails that lie there now."""

    def sent(self, folder: Path) -> list[bytes]:
        """All messages that went out, each as often as it did."""


@dataclass(frozen=True)
class Maildirs:
    """Everything in the stage's own folder."""

    def urls(self) -> dict[str, str]:
        return {name: f'url = "maildir:mail/{name}"' for name in (*MAILBOXES, "send")}

    def deliver(self, folder: Path, mailbox: str, raw: bytes, when: datetime) -> None:
        box = _made(folder / "mail" / mailbox)
        name = f"{int(when.timestamp())}.{sum(1 for _ in _files(box, every_folder=True)):04d}.story"
        (box / "tmp" / name).write_bytes(raw)
        os.utime(box / "tmp" / name, (when.timestamp(), when.timestamp()))
        (box / "tmp" / name).rename(box / "new" / name)

    def inbox(self, folder: Path, mailbox: str, sub: str = "INBOX") -> list[bytes]:
        return [path.read_bytes() for path in _files(folder_path(folder / "mail" / mailbox, sub))]

    def sent(self, folder: Path) -> list[bytes]:
        return [path.read_bytes() for path in _files(folder / "mail" / "send")]


@dataclass(frozen=True)
class Servers:
    """A Dovecot on which this stage has users of its own, and an SMTP listener that others may share."""

    dovecot: Dovecot
    smtp: SmtpServer
    users: dict[str, str]
    """User by mailbox."""

    def urls(self) -> dict[str, str]:
        login = 'password_env = "STORY_PASSWORD"'
        boxes = {box: f'url = "imap://{user}@127.0.0.1:{self.dovecot.port}"' for box, user in self.users.items()}
        send = f'url = "smtp://127.0.0.1:{self.smtp.port}"'
        return {**{box: f"{url}\n{login}" for box, url in boxes.items()}, "send": send}

    def deliver(self, folder: Path, mailbox: str, raw: bytes, when: datetime) -> None:
        self.dovecot.deliver(self.users[mailbox], raw, when)

    def inbox(self, folder: Path, mailbox: str, sub: str = "INBOX") -> list[bytes]:
        # Dovecot's Maildir may hold messages with CRLF; the stories compare what they say.
        box = folder_path(self.dovecot.maildir(self.users[mailbox]), sub)
        return [path.read_bytes().replace(b"\r\n", b"\n") for path in _files(box)]

    def sent(self, folder: Path) -> list[bytes]:
        return [message.raw for message in self.smtp.messages]


def identity(raw: bytes) -> str:
    """The Message-ID of a message."""
    return str(message_from_bytes(raw)["Message-ID"]).strip()


def _made(box: Path) -> Path:
    for part in ("tmp", "new", "cur"):
        (box / part).mkdir(parents=True, exist_ok=True)
    return box


def _files(box: Path, *, every_folder: bool = False) -> Iterator[Path]:
    boxes = [box, *(box.glob(".*") if every_folder else ())]
    for part in (b / sub for b in boxes for sub in ("new", "cur")):
        yield from sorted(part.iterdir()) if part.is_dir() else ()
