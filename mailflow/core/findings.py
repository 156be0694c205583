"""Findings: what is wrong with, or notable about, a mail. Data, never exceptions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One observation about a mail, for a person.

    `code` is stable, lower_snake_case and listed in docs/findings.md; `text` is Chinese and says what, where and what
    to do.
    """

    code: str
    text: str
