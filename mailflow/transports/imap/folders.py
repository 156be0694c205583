"""The server's list of folders, line by line: one malformed name must not hide the others (mail.md §1.2 l)."""

from __future__ import annotations

import contextlib
import imaplib
import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from imapclient import imap_utf7

from mailflow.transports.imap.client import Client
from mailflow.transports.imap.connection import refused
from mailflow.transports.wire import one_line

_LINE = re.compile(
    rb"\((?P<flags>[^)]*)\) (?P<delimiter>\"(?:\\.|[^\"\\])+\"|NIL) (?:\"(?P<quoted>(?:\\.|[^\"\\])*)\"|(?P<bare>.+))",
    re.IGNORECASE | re.DOTALL,
)
_TOLD = 5
"""So many names are told to a person."""


@dataclass(frozen=True)
class Folder:
    name: str
    raw: bytes
    """As the server writes it: modified UTF-7, or what it takes for that."""
    delimiter: str
    """Between the levels of the hierarchy; "" where there is none."""
    selectable: bool
    sent: bool = False
    """Marked as the folder of sent mail (RFC 6154)."""


def listed(client: Client) -> list[Folder]:
    """All whose line can be read; none where the server refuses to tell them."""
    try:
        lines = client.list_raw()
    except imaplib.IMAP4.error as error:
        if not refused(error):
            raise
        return []
    # No folder on a line, and a folder's name may be a literal.
    parts = (line if isinstance(line, tuple) else (line, None) for line in lines)
    return [_folder(match, literal) for head, literal in parts if (match := _LINE.fullmatch(head))]


def _folder(match: re.Match[bytes], literal: bytes | None) -> Folder:
    raw = literal if literal is not None else match["bare"] or re.sub(rb"\\(.)", rb"\1", match["quoted"])
    delimiter = "" if match["delimiter"].upper() == b"NIL" else one_line(match["delimiter"][1:-1])[-1:]
    flags = {*match["flags"].lower().split()}
    selectable = not {b"\\noselect", b"\\nonexistent"} & flags
    return Folder(_decoded(raw), raw, delimiter, selectable, sent=b"\\sent" in flags)


def _decoded(raw: bytes) -> str:
    """Modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 or GBK, as servers write that know no better."""
    with contextlib.suppress(ValueError, LookupError):
        name: Any = imap_utf7.decode(raw)
        if imap_utf7.encode(name) == raw:
            return str(name)
    return one_line(raw)


def advice(there: Collection[Folder], folder: str) -> str | None:
    """What to tell a person of a folder that cannot be opened; None where it is listed, or where no list can be had."""
    if not there:
        return None
    if same := next((one for one in there if one.name == folder), None):
        return None if same.selectable else f"“{folder}”只是一层目录，里面不能有邮件，请写它下面的文件夹。"
    inside = [one.name for one in there if one.delimiter and one.name.endswith(one.delimiter + folder)]
    names = {one.name.casefold(): one.name for one in there if one.selectable}
    close = [names[name] for name in get_close_matches(folder.casefold(), names, _TOLD, 0.5)]
    if near := list(dict.fromkeys([*inside, *close])):
        return f"没有文件夹“{folder}”。相近的有：{'、'.join(near[:_TOLD])}。"
    return (
        f"没有文件夹“{folder}”。现有：{'、'.join(list(names.values())[:_TOLD])}{'等' if len(names) > _TOLD else ''}。"
    )


def prefix(there: Collection[Folder]) -> str:
    """What all folders' names begin with, such as "INBOX." (RFC 2342); "": nothing."""
    delimiter = next((one.delimiter for one in there if one.delimiter), "")
    root = f"INBOX{delimiter}"
    others = [one.name for one in there if one.name.upper() != "INBOX"]
    return root if delimiter and others and all(name.upper().startswith(root) for name in others) else ""
