"""Files that are written whole: whoever reads one sees the old content or the new, never half of it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

SECRET = 0o600
"""For its owner alone."""


def write_whole(path: Path, content: bytes, *, mode: int = 0o666, lasting: bool = False) -> None:
    """Puts `content` in the place of the file, through NAME.tmp beside it. OSError: the old one stands as it was.

    Args:
        mode: what the umask leaves of it is what the file may be used for.
        lasting: on the disk before it takes the old one's place, so that a power cut leaves either.
    """
    temporary = path.with_suffix(".tmp")
    try:
        # Made anew, since a file that is there keeps the mode that it has.
        temporary.unlink(missing_ok=True)
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
