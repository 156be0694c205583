from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.servers.dovecot import MISSING
from tests.soak.soak import Soak

pytestmark = [
    pytest.mark.dovecot,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


def test_a_minute_of_everything_that_goes_wrong(tmp_path: Path) -> None:
    """An hour of it: `make soak`."""
    soak = Soak(tmp_path, seed=1)
    result = soak.run(minutes=1)
    assert result.troubles.keys() == soak.troubles.keys(), result
    assert not result.wrong, result
