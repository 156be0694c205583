"""Every mail is kept byte for byte, and damage is noticed (domain §10)."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import zlib
from pathlib import Path

import pytest

from mailflow.errors import PermanentError, TransientError
from mailflow.store import Store
from tests.store.samples import NOON

SMALL = b"Subject: =?utf-8?B?5oqV6K+J?=\r\n\r\n\x00\xff\r\n"
LARGE = random.Random(1).randbytes(1_300_000)  # does not compress, so it becomes a file


def keep(store: Store, uid: str, raw: bytes) -> str:
    with store.write() as writer:
        fact = writer.add_mail("support", "INBOX", "7", uid, NOON, raw)
        assert fact is not None
        assert writer.raw(fact.digest) == raw
    return fact.digest


def files(store: Store) -> list[Path]:
    return sorted(path for path in (store.data / "archive").rglob("*") if path.is_file())


@pytest.mark.parametrize("raw", [SMALL, b"", LARGE, b"x" * 5_000_000], ids=["small", "empty", "large", "compressible"])
def test_raw_bytes_come_back_as_they_were(store: Store, raw: bytes) -> None:
    digest = keep(store, "1", raw)
    assert digest == hashlib.sha256(raw).hexdigest()
    with store.read() as reader:
        assert reader.raw(digest) == raw
        assert [fact.raw for fact in reader.facts() if hasattr(fact, "raw")] == [raw]


def test_only_what_is_large_after_compression_is_a_file(store: Store) -> None:
    keep(store, "1", SMALL)
    keep(store, "2", b"x" * 5_000_000)
    assert files(store) == []
    digest = keep(store, "3", LARGE)
    assert files(store) == [store.data / "archive" / digest[:2] / digest[2:]]


def test_the_same_bytes_are_kept_once(store: Store) -> None:
    for uid in ("1", "2"):
        keep(store, uid, SMALL)
        keep(store, f"large{uid}", LARGE)
    with store.write() as writer:  # within one transaction too
        for uid in ("3", "4"):
            writer.add_mail("support", "INBOX", "7", uid, NOON, SMALL)
    assert len(files(store)) == 1
    if store.url is None:
        with sqlite3.connect(store.data / "mailflow.db") as connection:
            assert connection.execute("SELECT count(*) FROM blob").fetchone() == (2,)
        connection.close()


def test_a_missing_file_is_noticed(store: Store) -> None:
    digest = keep(store, "1", LARGE)
    files(store)[0].unlink()
    with store.read() as reader, pytest.raises(PermanentError, match="缺失"):
        reader.raw(digest)
    with store.read() as reader, pytest.raises(PermanentError, match="缺失"):
        list(reader.facts())


def test_a_mail_that_never_came_is_missing(store: Store) -> None:
    with store.read() as reader, pytest.raises(PermanentError, match="缺失"):
        reader.raw("0" * 64)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda packed: packed[:1000], "损坏"),
        (lambda packed: b"not zlib", "损坏"),
        (lambda packed: b"", "损坏"),
        (lambda packed: zlib.compress(b"another mail"), "摘要不符"),
    ],
    ids=["cut", "garbage", "empty", "another"],
)
def test_a_damaged_file_is_noticed(sqlite_store: Store, damage: object, told: str) -> None:
    assert callable(damage)
    digest = keep(sqlite_store, "1", LARGE)
    file = files(sqlite_store)[0]
    file.write_bytes(damage(file.read_bytes()))
    with sqlite_store.read() as reader, pytest.raises(PermanentError, match=told):
        reader.raw(digest)


def test_damage_inside_the_database_is_noticed(sqlite_store: Store) -> None:
    digest = keep(sqlite_store, "1", SMALL)
    with sqlite3.connect(sqlite_store.data / "mailflow.db") as connection:
        connection.execute("UPDATE blob SET data = ?", (zlib.compress(SMALL + b"!"),))
    connection.close()
    with sqlite_store.read() as reader, pytest.raises(PermanentError, match="摘要不符"):
        reader.raw(digest)


def test_a_damaged_file_is_mended_when_its_mail_comes_again(sqlite_store: Store) -> None:
    digest = keep(sqlite_store, "1", LARGE)
    files(sqlite_store)[0].write_bytes(b"damaged")
    keep(sqlite_store, "2", LARGE)
    with sqlite_store.read() as reader:
        assert reader.raw(digest) == LARGE


def test_a_large_mail_that_cannot_be_written_stops_its_batch(sqlite_store: Store) -> None:
    (sqlite_store.data / "archive").write_text("a file where the folder should be")
    with pytest.raises(TransientError, match="归档"), sqlite_store.write() as writer:  # noqa: PT012  # the transaction is what raises
        writer.add_mail("support", "INBOX", "7", "1", NOON, SMALL)
        writer.add_mail("support", "INBOX", "7", "2", NOON, LARGE)
    with sqlite_store.read() as reader:
        assert reader.count_mails() == {}


def test_what_a_kill_left_half_written_is_overwritten(sqlite_store: Store) -> None:
    digest = hashlib.sha256(LARGE).hexdigest()
    folder = sqlite_store.data / "archive" / digest[:2]
    folder.mkdir(parents=True)
    (folder / f"{digest[2:]}.tmp").write_bytes(b"half")
    keep(sqlite_store, "1", LARGE)
    assert files(sqlite_store) == [folder / digest[2:]]
