"""Folders of a mailbox in Microsoft 365 by their path."""

from __future__ import annotations

from mailflow.errors import PermanentError
from mailflow.transports.graph.api import Api, equal, id_of, rows, step


def folder_id(api: Api, path: str, *, create: bool) -> str:
    """The folder with this path below the mailbox's top, INBOX by its role."""
    top, names = f"{api.office.root}/mailFolders", path.split("/")
    uid = ""
    if names[0].upper() == "INBOX":
        uid, names = id_of(api.json("打开文件夹", "GET", f"{top}/inbox")), names[1:]
    found = _below(api, uid, names)
    if found is None and not create:
        raise PermanentError(f"Graph：邮箱里没有文件夹“{path}”。")
    return found if found is not None else _made(api, uid, names)


def _children(api: Api, uid: str) -> str:
    top = f"{api.office.root}/mailFolders"
    return f"{top}/{step(uid)}/childFolders" if uid else top


def _below(api: Api, uid: str, names: list[str]) -> str | None:
    """The folder at this path below another one, None if there is none. A name may have a "/" in it."""
    if not names:
        return uid
    for count in range(1, len(names) + 1):
        url = f"{_children(api, uid)}?$filter={equal('displayName', '/'.join(names[:count]))}"
        for row in rows(api.json("打开文件夹", "GET", url)):
            if found := _below(api, row["id"], names[count:]):
                return found
    return None


def _made(api: Api, uid: str, names: list[str]) -> str:
    for name in names:
        made = _below(api, uid, [name])
        uid = made or id_of(api.json("新建文件夹", "POST", _children(api, uid), json={"displayName": name}))
    return uid
