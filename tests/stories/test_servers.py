"""The same stories on a real Dovecot with a real SMTP listener: the same ledger, the same records, the same notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.playbill import STORIES
from tests.stories.stage import Stage
from tests.stories.stands import Servers
from tests.stories.story import Story, compare, play

pytestmark = pytest.mark.dovecot


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_it_ends_there_as_it_does_on_maildirs(story: Story, servers: Servers, tmp_path: Path) -> None:
    stage = Stage.build(tmp_path / "stage", servers, after="move:已处理")
    play(story, stage)
    compare(story, stage)
    assert [raws for raws in stage.sent().values() if len(raws) > 1] == []
    before = stage.state()
    assert before["support/INBOX"] == before["manager/INBOX"] == []
    assert len(before["support/已处理"]) + len(before["manager/已处理"]) == len(before["mails"])
    # Once more, checked, rebuilt, and once more.
    for command in (("rebuild", "--check"), ("rebuild",)):
        assert stage.once(story.end).code == 0
        assert stage.state() == before
        ended = stage.command(*command)
        assert ended.code == 0, ended.out + ended.err
    assert stage.once(story.end).code == 0
    assert stage.state() == before
