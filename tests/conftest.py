"""What all tests share."""

from __future__ import annotations

from tests.noskips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]
