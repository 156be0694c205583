"""What the stories of one test process share: servers, on which every stage has users of its own, and played stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count

import pytest

from tests.servers.dovecot import MISSING, Dovecot
from tests.servers.smtp import SmtpServer
from tests.stories.playbill import STORIES
from tests.stories.stage import ENV, Stage
from tests.stories.stands import MAILBOXES, Servers
from tests.stories.story import play

STAGES = 160
"""So many stages may stand on one Dovecot."""


Played = Callable[[str], Stage]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The stage on which the story of this name has been played. Whoever goes on does so on a copy."""

    @cache
    def stage_of(name: str) -> Stage:
        stage = Stage.build(tmp_path_factory.mktemp(name) / "stage")
        play(STORIES[name], stage)
        return stage

    return stage_of


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    if MISSING:
        pytest.skip(MISSING)
    users = {f"{box}{number}": ENV["STORY_PASSWORD"] for box in MAILBOXES for number in range(STAGES)}
    with Dovecot(users) as server:
        yield server


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """What no other stage of this process has been given."""
    return count()


@pytest.fixture
def servers(dovecot: Dovecot, numbers: Iterator[int]) -> Iterator[Servers]:
    """Empty mailboxes on the real Dovecot, and a real SMTP listener of one's own."""
    number = next(numbers)
    with SmtpServer() as smtp:
        yield Servers(dovecot, smtp, {box: f"{box}{number}" for box in MAILBOXES})
