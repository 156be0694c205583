"""Folders of an Exchange mailbox by their path."""

from __future__ import annotations

import contextlib
from typing import Any

from exchangelib import Account, Folder
from exchangelib import errors as ews


def folder_at(account: Account, path: str, *, create: bool = False) -> Any:
    """The folder with this path below the mailbox's top, INBOX by its role; made if `create`."""
    names = path.split("/")
    top = account.msg_folder_root
    if names[0].upper() == "INBOX":
        top, names = account.inbox, names[1:]
    return _below(top, names) or _made(top, names, path, create=create)


def _below(parent: Any, names: list[str]) -> Any:
    """The folder at this path, None if there is none. A name may have a "/" in it."""
    if not names:
        return parent
    for count in range(1, len(names) + 1):
        with contextlib.suppress(ews.ErrorFolderNotFound):
            if found := _below(parent // "/".join(names[:count]), names[count:]):
                return found
    return None


def _made(parent: Any, names: list[str], path: str, *, create: bool) -> Any:
    if not create:
        raise ews.ErrorFolderNotFound(f"邮箱里没有文件夹“{path}”")
    for name in names:
        parent = _below(parent, [name]) or Folder(parent=parent, name=name).save()
    return parent
