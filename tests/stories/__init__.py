"""The department's rules told in mails (style.md, "Stories in the department's words")."""

import pytest

# Their asserts are to tell what differs, as those in test modules do.
pytest.register_assert_rewrite("tests.stories.stage", "tests.stories.story")
