"""The folder of sent mail, on the account that sends: a copy is put there, and what became of a message looked up."""

from __future__ import annotations

import imaplib
import re

from mailflow.transports.imap.client import Client
from mailflow.transports.imap.connection import Connection, refused
from mailflow.transports.imap.folders import listed, prefix

_NEWEST = 3000
_AT_ONCE = 300
"""So many messages are looked through. No SEARCH: some servers ignore it and find everything (mail.md §2, QQ)."""
_NAMES = ("sent", "sent messages", "sent items", "sent mail", "已发送", "已发送邮件", "已发邮件")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^>]*>)", re.IGNORECASE | re.MULTILINE)


class ImapSent(Connection):
    """The folder of sent mail; `folder` "" finds it by its use, the provider's name for it, or its name."""

    def append(self, message: bytes) -> None:
        """Puts a copy of a sent message there, as read. Raises TransientError or PermanentError."""
        with self._operation("存入已发送", len(message)):
            self._alive()  # a copy that is sent into a dead connection is lost
            self._found().append_raw(self._name, message)

    def holds(self, message_id: str) -> bool:
        """Whether one of the newest messages there has this Message-ID."""
        with self._operation("查找已发送的邮件"):
            self._found()
            client, selected = self._open(fresh=True)
            newest = range(selected.exists, max(0, selected.exists - _NEWEST), -1)
            parts = [list(newest[start : start + _AT_ONCE]) for start in range(0, len(newest), _AT_ONCE)]
            return any(message_id.encode() in _message_ids(client, part) for part in parts)

    def check(self) -> str:
        """Logs in and opens the folder. Returns a Chinese sentence on what was found; raises what is wrong."""
        with self._operation("登录"):
            self._found()
        return f"副本存入 {self._host} 的“{self.folder}”。"

    def _alive(self) -> None:
        """Gives up a connection that has died since the last copy, which may be days ago."""
        if self._client is not None:
            try:
                self._client.noop()
            except (imaplib.IMAP4.error, OSError):
                self._drop()

    def _found(self) -> Client:
        """The connection, with the folder open; it is made where it is missing."""
        client = self._logged_in()
        if not self.folder:
            self.folder, self._raw = _by_use(client, self._provider.sent)
        try:
            return self._open()[0]
        except imaplib.IMAP4.error as error:
            if not refused(error):
                raise
            client.create_folder(self.folder)
            return self._open()[0]


def _message_ids(client: Client, numbers: list[int]) -> set[bytes]:
    """Of the messages with these sequence numbers."""
    client.use_uid = False
    try:
        answers = client.fetch(numbers, ["BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"])
    finally:
        client.use_uid = True
    heads = [value for answer in answers.values() for value in answer.values() if isinstance(value, bytes)]
    return {found[1] for found in map(_MESSAGE_ID.search, heads) if found}


def _by_use(client: Client, usual: str) -> tuple[str, bytes | None]:
    """The folder that is marked as sent mail (RFC 6154), or named like it; and how the server writes it, if known."""
    there = listed(client)
    root = prefix(there)
    marked = (one for one in there if one.sent)
    named = (one for one in there if one.name.removeprefix(root).casefold() in _NAMES)
    choice = [*marked, *(() if usual else named)]
    found = next((one for one in choice if one.selectable), None)
    return (found.name, found.raw) if found else (usual or f"{root}Sent", None)
