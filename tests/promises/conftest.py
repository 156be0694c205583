"""The stages of the stories, for the promises to look at."""

from __future__ import annotations

import pytest

from tests.stories.conftest import Played, dovecot, numbers, played, servers
from tests.stories.stage import Stage

__all__ = ["dovecot", "numbers", "played", "servers"]


@pytest.fixture
def complaints(played: Played) -> Stage:
    """After two months of complaints; whoever changes anything does so on a copy."""
    return played("complaints")


@pytest.fixture
def hostile(played: Played) -> Stage:
    """After a morning of forgers, robots and loops."""
    return played("hostile")
