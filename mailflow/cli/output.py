"""What commands print: results to stdout, messages to stderr."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from mailflow.cli.language import say


def tell(text: str) -> None:
    """A message. That it cannot be written, on a full disk, is no reason to stop: what counts stands elsewhere."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, default=str))


def print_table(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> None:
    """A table for a person, at the width of the terminal; where it would be folded beyond reading, row by row."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    for row in cells:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False)
    if cells and len(columns) * _LEAST > console.width:
        print("\n\n".join(_record(columns.values(), row) for row in cells), end="\n\n")
    else:
        console.print(table)


_LEAST = 12
"""Columns of a terminal that each column of a table needs, or words fall into pieces."""


def _record(headings: Iterable[str], row: Sequence[str]) -> str:
    return "\n".join(f"{heading}：{cell}" for heading, cell in zip(headings, row, strict=True) if cell)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list | tuple):
        return "、".join(_cell(v.get("text", v) if isinstance(v, dict) else v) for v in value)
    return str(value)


def error_text(text: object) -> str:
    return say(f"错误：{text}", f"error: {text}")


_REASONS = {
    errno.ENOENT: "没有这个文件或文件夹", errno.EISDIR: "这是文件夹", errno.ENOTDIR: "这不是文件夹",
    errno.EACCES: "没有权限", errno.EPERM: "没有权限", errno.EROFS: "磁盘是只读的", errno.ENOSPC: "磁盘满了",
}  # fmt: skip


def reason(error: OSError) -> str:
    """Why the system refused, in the user's language where it is something that a user can mend."""
    system = error.strerror or str(error)
    return say(_REASONS.get(error.errno or 0, system), system)
