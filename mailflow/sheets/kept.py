"""Published versions of workbooks, kept outside the shared folder: when somebody spoils a file, here is how it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mailflow import files
from mailflow.sheets.names import SUFFIX, file_name


def keep(folder: Path, name: str, data: bytes, now: datetime, most: int) -> None:
    """Keeps `data` as the version of `now`, and at most so many of the workbook. A full disk stops no publishing."""
    place = folder / file_name(name).removesuffix(SUFFIX)
    try:
        place.mkdir(parents=True, exist_ok=True)
        if most > 0:
            path = place / f"{now.astimezone(UTC):%Y%m%d-%H%M%S-%f}{SUFFIX}"
            files.write_whole(path, data)
        for old in sorted(place.glob(f"*{SUFFIX}"))[: -most or None]:
            old.unlink()
    except OSError:
        return  # what is kept is a convenience; the file in the shared folder and the store are what counts
