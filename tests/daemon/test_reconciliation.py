"""What a comparison with the server calls missing (promise 3)."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from mailflow.health import Health
from mailflow.store import Store
from mailflow.transports.base import Mailbox

NOW = datetime(2026, 1, 5, 1, 30, tzinfo=UTC)


class Listing:
    """A server that lists these UIDs, time after time."""

    name = "support"

    def __init__(self, *listed: set[str]) -> None:
        self._listed = list(listed)

    def uids(self) -> tuple[str, str, set[str]]:
        return "INBOX", "7", self._listed.pop(0)


@pytest.mark.parametrize(
    ("listed", "come", "missing", "on_server"),
    [
        ([{"1"}], "", 0, 1),
        ([{"1", "2"}, {"1", "2"}], "2", 0, 2),
        ([{"1", "2"}, {"1", "2", "3"}], "2", 0, 3),
        ([{"1", "2"}, {"1"}], "", 0, 1),
        ([{"1", "2"}, {"1", "2"}], "", 1, 2),
        ([{"1", "2"}, {"1", "2", "3"}], "", 1, 3),
    ],
    ids=["nothing", "came since", "came since, and another", "deleted since", "missing", "missing, and another came"],
)
def test_what_came_or_went_since_the_poll_is_not_missing(
    tmp_path: Path, listed: list[set[str]], come: str, missing: int, on_server: int
) -> None:
    with closing(Store.open(None, tmp_path)) as store:

        def take_in(uid: str = come) -> None:
            if uid:
                with store.write() as tx:
                    tx.add_mail("support", "INBOX", "7", uid, NOW, f"Subject: {uid}\r\n\r\n".encode(), None)

        take_in("1")
        health = Health()
        health.reconcile(store, cast(Mailbox, Listing(*listed)), NOW, take_in)
        assert (health.missing, health.on_server) == (missing, on_server)
