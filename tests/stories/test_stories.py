"""The stories on Maildirs: played plain, once more, rebuilt, and published anew. What they say stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stories.conftest import Played
from tests.stories.playbill import STORIES
from tests.stories.stage import Stage
from tests.stories.story import Story, compare

pytestmark = pytest.mark.parametrize("name", STORIES)


def test_it_ends_as_the_rules_of_the_department_say(name: str, played: Played) -> None:
    story, stage = STORIES[name], played(name)
    compare(story, stage)
    assert [raws for raws in stage.sent().values() if len(raws) > 1] == []


def test_nothing_comes_of_playing_on_when_nothing_new_came(name: str, played: Played, tmp_path: Path) -> None:
    story, stage = STORIES[name], played(name).copy(tmp_path / "again")
    before, hashes = stage.state(), stage.hashes()
    ended = stage.once(story.end)
    assert ended.code == 0, ended.err
    assert stage.state() == before
    assert stage.hashes() == hashes


def test_a_check_finds_what_stands_to_be_what_the_facts_give(name: str, played: Played) -> None:
    checked = played(name).command("rebuild", "--check")
    assert (checked.code, checked.err) == (0, "")
    assert "一致" in checked.out


def test_a_rebuild_gives_the_same_and_sends_nothing_and_the_workbooks_are_the_same_bytes(
    name: str, played: Played, tmp_path: Path
) -> None:
    story, stage = STORIES[name], played(name).copy(tmp_path / "rebuilt")
    before = stage.state()
    fresh = published_anew(stage, story)
    rebuilt = stage.command("rebuild")
    assert rebuilt.code == 0, rebuilt.err
    assert published_anew(stage, story) == fresh
    after = stage.state()
    # Into a new folder nothing comes along that people had written into the old one.
    assert {**after, "cells": None} == {**before, "cells": None}


def published_anew(stage: Stage, story: Story) -> dict[str, str]:
    """Everything published into empty folders, byte for byte."""
    for path in stage.workbooks():
        path.unlink()
    ended = stage.once(story.end)
    assert ended.code == 0, ended.err
    assert len(stage.hashes()) >= 5
    return stage.hashes()
