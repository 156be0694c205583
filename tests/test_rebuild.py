"""`rebuild --check` beside a daemon that goes on taking in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailflow import intake, mappings, rebuild
from mailflow.core.records import Mail
from mailflow.store import Reader, Store, Writer
from tests.policies.office import MAPPING, at
from tests.stories.forks import ROOT
from tests.transports.memory import MemoryMailbox, MemoryServer

NOON = at("11-23 12:00")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(None, tmp_path)
    files = mappings.read_files(ROOT / "mappings")
    intake.take_mapping(opened, mappings.parse(files, MAPPING.settings), files, NOON)
    yield opened
    opened.close()


@pytest.mark.parametrize("spoilt", [False, True])
def test_what_comes_meanwhile_is_no_difference_and_it_ends(
    store: Store, monkeypatch: pytest.MonkeyPatch, spoilt: bool
) -> None:
    """Mail that never stops coming must not keep it from telling what it has found."""
    server, replays = MemoryServer(), 0
    really = rebuild.replay

    def come() -> None:
        server.deliver(f"Subject: {replays}\r\n\r\n".encode(), NOON)
        source = intake.Source("support", "imap://support@mx.example")
        assert intake.take_in(store, MemoryMailbox("support", server), source).total() == 1

    def replay(source: Reader, target: Writer) -> int:
        nonlocal replays
        count = really(source, target)
        replays += 1
        come()
        return count

    come()
    if spoilt:
        with store.write() as tx:
            (mail,) = tx.book.find(Mail)
            tx.put([Mail(**(vars(mail) | {"subject": "另一个"}))])
    monkeypatch.setattr(rebuild, "replay", replay)
    found = rebuild.check(store)
    assert (len(found), replays) == (int(spoilt), 1)
    assert all("另一个" in line for line in found)
