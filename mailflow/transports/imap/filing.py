"""Flags and moves: whatever happened before, and however often it is asked, the mail ends where it belongs."""

from __future__ import annotations

import contextlib
import imaplib
from collections.abc import Callable, Iterator

from imapclient import DELETED, SEEN

from mailflow.errors import PermanentError, TransientError
from mailflow.transports.imap.client import Client
from mailflow.transports.imap.connection import passing, refused
from mailflow.transports.imap.folders import listed, prefix
from mailflow.transports.wire import words


def file(client: Client, uid: int, folder: str | None, *, use_move: bool) -> None:
    """Moves a mail to `folder`, None: flags it as seen. Nothing if it is gone: some servers say OK to that, some NO."""
    try:
        if folder is None:
            client.add_flags([uid], [SEEN], silent=True)
        else:
            _move(client, uid, folder, use_move)
    except imaplib.IMAP4.error as error:
        if not refused(error) or passing(error):
            raise
        if not client.uids_between(uid, uid):
            return
        if folder is not None:
            _advise(client, folder, error)
        raise


def _advise(client: Client, folder: str, error: Exception) -> None:
    """Tells a person the folder's right name, if the server has all folders below another one."""
    root = prefix(listed(client))
    if root and not folder.upper().startswith(root):
        said = f"移动邮件到“{folder}”被拒绝：{words(error)}。这台服务器的文件夹都在 {root} 之下"
        raise PermanentError(f"{said}，请写 move:{root}{folder}。") from error


def _move(client: Client, uid: int, folder: str, use_move: bool) -> None:
    if use_move and client.has_capability("MOVE"):
        # MOVE of a mail that is gone answers OK as well (mail.md §1.2 o).
        _into(client, folder, lambda: client.move([uid], folder))
        if not _copied(client) and client.uids_between(uid, uid):
            raise TransientError(f"服务器答应移动邮件 {uid}，却没有移动。")
        return
    flags = client.get_flags([uid])
    if uid not in flags:
        if client.uids_between(uid, uid):
            raise TransientError(f"服务器没有说邮件 {uid} 的标记。")
        return
    # Flagged as deleted: it was copied before, and the rest was cut off.
    if DELETED not in flags[uid]:
        _into(client, folder, lambda: client.copy([uid], folder))
        client.add_flags([uid], [DELETED], silent=True)
    if client.has_capability("UIDPLUS"):
        client.uid_expunge([uid])
    # Without UIDPLUS nothing is expunged: EXPUNGE would take what people have flagged along.


def _into(client: Client, folder: str, transfer: Callable[[], object]) -> None:
    """Moves or copies; makes the folder when that is refused."""
    client._imap.untagged_responses.pop("COPYUID", None)
    try:
        transfer()
    except imaplib.IMAP4.error as error:
        if not refused(error) or passing(error):
            raise
        with _refusal_ignored():
            client.create_folder(folder)
        transfer()


def _copied(client: Client) -> bool:
    """Whether the server said which UID the mail has in its new folder (RFC 4315)."""
    return bool(client._imap.untagged_responses.get("COPYUID"))


@contextlib.contextmanager
def _refusal_ignored() -> Iterator[None]:
    try:
        yield
    except imaplib.IMAP4.error as error:
        if not refused(error):
            raise
