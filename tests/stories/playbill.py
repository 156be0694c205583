"""All stories by name."""

from __future__ import annotations

from tests.stories import complaint_story, decision_story, hostile_story, late_story, report_story
from tests.stories.story import Story

STORIES: dict[str, Story] = {
    module.STORY.name: module.STORY
    for module in (complaint_story, report_story, decision_story, hostile_story, late_story)
}
