"""Raw mail as bytes: compressed, named by the SHA-256 of what it was, proved on every reading.

Small mail lies in the table `blob`; above LARGE compressed bytes it is a file below `archive/`, on the disk for good
before the commit that speaks of it (mail.md §4, 1). A file without a commit is harmless: it is written anew when its
mail comes again.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

from mailflow import journal
from mailflow.errors import PermanentError

LARGE = 1024 * 1024
_LEVEL = 1


def digest_of(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def pack(raw: bytes) -> bytes:
    return zlib.compress(raw, _LEVEL)


def unpack(digest: str, packed: bytes | None) -> bytes:
    """The raw mail. PermanentError when there is nothing, or not what the digest says."""
    if packed is None:
        raise _damaged(digest, "缺失")
    try:
        raw = zlib.decompress(packed)
    except zlib.error as error:
        raise _damaged(digest, "损坏，无法解压") from error
    if digest_of(raw) != digest:
        raise _damaged(digest, "损坏，内容与摘要不符")
    return raw


def _damaged(digest: str, what: str) -> PermanentError:
    journal.archive_damaged(digest=digest, reason=what)
    return PermanentError(f"归档中的邮件 {digest} {what}。请从备份恢复数据目录。")


class Archive:
    """The folder of large mails. One process writes at a time: whoever has the store's write transaction."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]

    def keep(self, digest: str, packed: bytes) -> None:
        """Writes the file and returns when it is on the disk under its name. Raises OSError.

        A file that is there already is replaced: that costs little, and mends a damaged one.
        """
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # One writer at a time, so the name of the temporary file can be fixed: what a kill left is overwritten.
        temporary = path.with_suffix(".tmp")
        with open(temporary, "wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        journal.step("archive.temporary")
        os.replace(temporary, path)
        for folder in (path.parent, self._folder, self._folder.parent):
            _sync_folder(folder)
        journal.step("archive.written")

    def load(self, digest: str) -> bytes | None:
        """The packed bytes, or None when there is no such file. Raises OSError."""
        try:
            return self.path(digest).read_bytes()
        except FileNotFoundError:
            return None


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable. Windows knows no such thing and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
