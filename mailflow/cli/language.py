"""The language of help and messages: Chinese, or English with MAILFLOW_LANG=en.

Results are always in the department's own. The choice is made when this module is imported, as help texts are.
"""

from __future__ import annotations

import os

ENGLISH = os.environ.get("MAILFLOW_LANG", "").lower().startswith("en")


def say(chinese: str, english: str) -> str:
    """The text in the user's language."""
    return english if ENGLISH else chinese
