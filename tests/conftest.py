"""What all tests share."""

from __future__ import annotations

import pytest

from tests.noskips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_addoption", "pytest_make_collect_report", "pytest_runtest_makereport"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--corpus-update", action="store_true", help="write what the corpus mails give into their .expect")
