"""A Maildir as mailbox and as sender: the embedded default, and what Postfix, Dovecot and getmail deliver to.

The server's time of a mail is its file's modification time, as with Dovecot. A mail is never shown half written: who
delivers writes to tmp/ and renames into new/.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mailflow import journal
from mailflow.errors import TransientError
from mailflow.transports.base import (
    MAX_BATCH_BYTES,
    MAX_BATCH_MAILS,
    Batch,
    Fetched,
    Filing,
    Known,
    Place,
    Refusal,
    folder_of,
)
from mailflow.transports.wire import crlf, message_id

INBOX = "INBOX"
UIDVALIDITY = "0"
"""A Maildir's names never change their meaning."""

_INFO = "!" if os.name == "nt" else ":"
"""What parts the base name from the flags. Windows forbids the colon."""
_INFO_STARTS = re.compile(r":|[!;](?=[12],)")
_ASK_AT_ONCE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _File:
    uid: str
    path: str
    mtime_ns: int
    size: int


class MaildirMailbox:
    """A folder of a Maildir that is read; made when missing.

    Every poll lists the whole folder, so nothing depends on the cursor, which is always "". A file that vanishes or
    moves between listing and reading is found again by the next poll.

    Args:
        root: the Maildir (with new/ and cur/), as a rule that of INBOX.
        folder: "INBOX", or a Maildir++ subfolder of `root` by its readable name, e.g. "已处理".
    """

    def __init__(self, name: str, root: Path, folder: str = INBOX) -> None:
        self.name = name
        self.folder = folder
        self._root = root
        self._dir = folder_path(root, folder)
        self._committed: set[str] = set()
        self._paths: dict[str, str] = {}
        self._stamp: tuple[int, int] | None = None

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        files, vanished = _examined(self._unknown(known))
        yielded = False
        for group in _grouped(files):
            batch = self._read(group)
            yield batch if yielded else _with_vanished(batch, vanished)
            yielded = True
        if vanished and not yielded:
            yield Batch((), "", vanished)

    def _unknown(self, known: Known) -> dict[str, str]:
        """The files that are not committed. Those once told as committed are not asked for again."""
        self._list()
        self._committed &= self._paths.keys()
        asked = [uid for uid in self._paths if uid not in self._committed]
        for start in range(0, len(asked), _ASK_AT_ONCE):
            self._committed |= known(self.folder, UIDVALIDITY, asked[start : start + _ASK_AT_ONCE])
        return {uid: self._paths[uid] for uid in asked if uid not in self._committed}

    def _list(self) -> None:
        with _transient(f"读取邮件目录 {self._dir}"):
            make_maildir(self._dir)
            self._stamp = self._stamp_now()
            # new/ before cur/: a mail that another program moves meanwhile is seen twice, never missed.
            self._paths = dict(_scan(self._dir / "new")) | dict(_scan(self._dir / "cur"))

    def _read(self, group: Sequence[_File]) -> Batch:
        mails, vanished, unreadable = [], 0, []
        for file in group:
            try:
                raw = Path(file.path).read_bytes()
            except FileNotFoundError:
                vanished += 1
            except OSError:
                unreadable.append(file.uid)
            else:
                received = _instant(file.mtime_ns)
                mails.append(Fetched(Place(self.folder, UIDVALIDITY, file.uid), received, raw))
        return Batch(tuple(mails), "", vanished, tuple(unreadable))

    def file(self, place: Place, action: Filing) -> None:
        with _transient(f"归档邮件 {place.uid}"):
            target = self._target(action)
            path = self._find(place)
            if path is None:
                return
            filed = target / "cur" / _seen_name(os.path.basename(path))
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, filed)
            if target == self._dir:
                self._paths[place.uid] = str(filed)

    def _target(self, action: Filing) -> Path:
        folder = folder_of(action, self.name)
        if folder is None:
            return self._dir
        target = folder_path(self._root, folder)
        make_maildir(target)
        if target != self._root:
            (target / "maildirfolder").touch(mode=0o600)
        return target

    def _find(self, place: Place) -> str | None:
        """Where the mail is now; None when it is gone, or was never here."""
        if (place.folder, place.uidvalidity) != (self.folder, UIDVALIDITY):
            return None
        path = self._paths.get(place.uid)
        if path is None or not os.path.exists(path):
            self._list()
            path = self._paths.get(place.uid)
        return path

    def wait(self, seconds: float, stop: threading.Event) -> None:
        until = time.monotonic() + seconds
        with _transient(f"读取邮件目录 {self._dir}"):
            make_maildir(self._dir)
            while not stop.is_set() and self._stamp_now() == self._stamp:
                left = until - time.monotonic()
                if left <= 0:
                    return
                stop.wait(min(left, 1.0))

    def _stamp_now(self) -> tuple[int, int]:
        return (self._dir / "new").stat().st_mtime_ns, (self._dir / "cur").stat().st_mtime_ns

    def check(self) -> str:
        self._list()
        return f"邮件目录 {self._dir} 可以读取，“{self.folder}”中现有 {len(self._paths)} 封邮件。"

    def uids(self) -> tuple[str, str, set[str]]:
        self._list()
        return self.folder, UIDVALIDITY, set(self._paths)

    def close(self) -> None:
        """Nothing is held open."""


class MaildirSender:
    """Delivers into a Maildir, as the embedded sender: one file for each Message-ID, however often it is sent."""

    per_minute = 0
    finds_late = False

    def __init__(self, root: Path) -> None:
        self._root = root

    def send(self, message: bytes, envelope_from: str, recipients: Sequence[str]) -> tuple[Refusal, ...]:
        name = _file_name(message_id(message) or hashlib.sha256(message).hexdigest())
        with _transient(f"投递到邮件目录 {self._root}"):
            make_maildir(self._root)
            if not self._holds(name):
                self._deliver(crlf(message), name)
                journal.step("maildir.delivered")
        return ()

    def _deliver(self, message: bytes, name: str) -> None:
        # tmp/ has a name of its own for each try, so that two processes cannot write into one file.
        temporary = self._root / "tmp" / f"{name}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            with open(temporary, "xb") as file:
                file.write(message)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._root / "new" / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(self._root / "new")

    def find(self, message_id: str) -> bool | None:
        with _transient(f"读取邮件目录 {self._root}"):
            make_maildir(self._root)
            return self._holds(_file_name(message_id.strip()))

    def _holds(self, name: str) -> bool:
        if (self._root / "new" / name).exists():
            return True
        return any(uid == name for uid, _ in _scan(self._root / "cur"))

    def check(self) -> str:
        with _transient(f"写入邮件目录 {self._root}"):
            make_maildir(self._root)
            probe = self._root / "tmp" / f"check.{os.getpid()}"
            probe.touch()
            probe.unlink(missing_ok=True)
        return f"发件目录 {self._root} 可以写入。"

    def close(self) -> None:
        """Nothing is held open."""


def folder_path(root: Path, folder: str) -> Path:
    """The directory of a folder in Maildir++: ".名称" in modified UTF-7, levels parted by dots, INBOX the root."""
    if folder.upper() == INBOX:
        return root
    return root / ("." + _modified_utf7(folder.strip("/").replace("/", ".")))


def _modified_utf7(text: str) -> str:
    """RFC 3501 §5.1.3. The result has no slash, so a folder's name cannot lead out of the Maildir."""

    def shifted(match: re.Match[str]) -> str:
        if match.group() == "&":
            return "&-"
        code = base64.b64encode(match.group().encode("utf-16-be", "surrogatepass")).decode("ascii")
        return "&" + code.rstrip("=").replace("/", ",") + "-"

    return re.sub(r"&|[^\x20-\x7e]+", shifted, text)


def make_maildir(path: Path) -> None:
    """Makes what is missing of a Maildir, for this user's eyes only."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("tmp", "new", "cur"):
        (path / part).mkdir(mode=0o700, exist_ok=True)


def _scan(directory: Path) -> Iterator[tuple[str, str]]:
    """(uid, path) of the mails in new/ or cur/. Dot files, directories and links are none."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name[0] != "." and entry.is_file(follow_symlinks=False):
                yield _uid(entry.name), entry.path


def _uid(file_name: str) -> str:
    info = _INFO_STARTS.search(file_name)
    base = file_name[: info.start()] if info else file_name
    # A name in no known encoding must still fit into the store's text.
    return base if base.isascii() else base.encode("utf-8", "backslashreplace").decode("utf-8")


def _seen_name(file_name: str) -> str:
    """The name with flag S in it. Flags stand in ASCII order."""
    base, *info = _INFO_STARTS.split(file_name, maxsplit=1)
    flags = info[0].removeprefix("2,") if info else ""
    return f"{base}{_INFO}2,{''.join(sorted({*flags, 'S'}))}"


def _instant(mtime_ns: int) -> datetime:
    """The time of a file; one that no calendar knows is one that nobody has set."""
    try:
        return _EPOCH + timedelta(microseconds=mtime_ns // 1000)
    except OverflowError:
        return datetime.now(UTC)


def _examined(found: dict[str, str]) -> tuple[list[_File], int]:
    """The files in the order of their arrival, and how many are gone already."""
    files = []
    for uid, path in found.items():
        try:
            status = os.stat(path)
        except OSError:
            continue
        files.append(_File(uid, path, status.st_mtime_ns, status.st_size))
    files.sort(key=lambda file: (file.mtime_ns, file.uid))
    return files, len(found) - len(files)


def _grouped(files: Iterable[_File]) -> Iterator[list[_File]]:
    """At most 50 files or 8 MB; a larger file stands alone."""
    group: list[_File] = []
    size = 0
    for file in files:
        if group and (len(group) == MAX_BATCH_MAILS or size + file.size > MAX_BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group


def _with_vanished(batch: Batch, vanished: int) -> Batch:
    return Batch(batch.mails, batch.cursor, batch.vanished + vanished, batch.unreadable)


def _file_name(identity: str) -> str:
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:40] + ".mailflow"


def _sync(directory: Path) -> None:
    """The rename itself on disk. Windows cannot open directories, and needs no such thing on NTFS."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _transient(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransientError(f"{doing}失败：{error.strerror or error}") from error
