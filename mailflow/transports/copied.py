"""A sender whose messages stand in the folder of sent mail: put there where the server does not do so itself."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Protocol

from mailflow import journal
from mailflow.errors import MailflowError
from mailflow.transports.base import Refusal, Sender


class Sent(Protocol):
    """The folder of sent mail."""

    def append(self, message: bytes) -> None: ...
    def holds(self, message_id: str) -> bool: ...
    def check(self) -> str: ...
    def close(self) -> None: ...


class CopyingSender:
    """`sender` with its folder of sent mail.

    Args:
        saves: whether the server puts what it has taken there by itself. Otherwise we do, after it was sent. So what is
            there was sent; that it is not there says nothing, for the copy may have failed or may come late.
    """

    finds_late = True

    def __init__(self, sender: Sender, sent: Sent, *, saves: bool) -> None:
        self._sender, self._sent, self._saves = sender, sent, saves

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        refusals = self._sender.send(message, envelope_from, recipients)
        if not self._saves:
            try:
                self._sent.append(message)
            except MailflowError as error:
                # It is sent: a copy that is missing must not send it again.
                journal.copy_failed(error=error)
        return refusals

    def find(self, message_id: str) -> bool | None:
        if (found := self._sender.find(message_id)) is not None:
            return found
        try:
            there = self._sent.holds(message_id)
        except MailflowError as error:
            journal.copy_failed(error=error)
            return None
        return there or None

    @property
    def per_minute(self) -> int:
        return self._sender.per_minute

    def check(self) -> str:
        """What is wrong with the folder is told and no obstacle: without copies, notices go all the same."""
        found = self._sender.check()
        try:
            return f"{found}{self._sent.check()}"
        except MailflowError as error:
            journal.copy_failed(error=error)
            return f"{found}但“已发送”文件夹用不了，发出的邮件没有副本：{error}"

    def close(self) -> None:
        with contextlib.suppress(MailflowError):
            self._sent.close()
        self._sender.close()
