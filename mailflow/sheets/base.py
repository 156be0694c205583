"""What was last published: the third side of the merge. Opaque to everybody else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from mailflow.sheets.layout import Values

_VERSION = 1


@dataclass(frozen=True)
class SheetBase:
    """One sheet as it was left: rows that were in the file, rows that people deleted, conditions already told."""

    rows: dict[str, Values] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Base:
    file: str = ""
    """SHA-256 of the file as it was left."""
    sheets: dict[str, SheetBase] = field(default_factory=dict)

    def sheet(self, sheet_id: str) -> SheetBase:
        return self.sheets.get(sheet_id, SheetBase())

    def dump(self) -> bytes:
        sheets = {name: [s.rows, list(s.gone), list(s.told)] for name, s in self.sheets.items()}
        content = {"version": _VERSION, "file": self.file, "sheets": sheets}
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def load_base(data: bytes | None) -> Base:
    """The base that `dump` gave; an empty one for none, or for one of another version."""
    content = json.loads(data) if data else {}
    if content.get("version") != _VERSION:
        return Base()
    sheets = {name: SheetBase(rows, tuple(gone), tuple(told)) for name, (rows, gone, told) in content["sheets"].items()}
    return Base(content["file"], sheets)
