"""Promise 6 and the layers: imports point down only, libraries stay where they belong, pure code is pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.imports import breaches

ROOT = Path(__file__).parents[2]


def modules() -> Iterator[tuple[str, Path]]:
    """(mailflow.x.y, its file) for every module of the program."""
    for path in sorted((ROOT / "mailflow").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def test_every_module_keeps_the_rules() -> None:
    found = [breach for name, path in modules() for breach in breaches(name, path.read_text(encoding="utf-8"))]
    assert not found, "\n" + "\n".join(map(str, found))


def test_there_are_modules_to_look_at() -> None:
    names = [name for name, _ in modules()]
    assert "mailflow.core.book" in names
    assert "mailflow" in names


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("mailflow.store.x", "from mailflow.policies import decide", None),
        ("mailflow.policies.x", "from mailflow.store import Store", "policies imports store, which stands above it"),
        ("mailflow.policies.x", "from mailflow import store", "policies imports store, which stands above it"),
        ("mailflow.policies.x", "def f():\n    import mailflow.store", ":2: policies imports store"),
        ("mailflow.store.x", "from mailflow.sheets import Files", "parts on one row never import each other"),
        ("mailflow.config", "import mailflow.mappings", "parts on one row never import each other"),
        ("mailflow.views.x", "from mailflow import journal", "views imports journal, which stands above it"),
        ("mailflow.store.x", "from . import schema", "relative import"),
        ("mailflow.store.x", "from ..core import book", "relative import"),
        ("mailflow.helpers", "", "helpers stands in no row"),
        ("mailflow.app", "from mailflow import helpers", "stands in no row"),
        ("mailflow", "from mailflow import cli", "must import nothing"),
        ("mailflow.transports.imap", "import imapclient", None),
        ("mailflow.transports.smtp", "from imapclient import IMAPClient", "belongs in mailflow.transports.imap only"),
        ("mailflow.transports.imap_more", "import imapclient.util", "belongs in mailflow.transports.imap only"),
        ("mailflow.publish", "import openpyxl", "belongs in mailflow.sheets only"),
        ("mailflow.notices.compose", "from jinja2 import Template", "belongs in mailflow.notices.render only"),
        ("mailflow.intake", "import structlog", "belongs in mailflow.journal only"),
        ("mailflow.message.x", "import os.path", "imports os: message is pure"),
        ("mailflow.core.x", "from urllib import request", "imports urllib.request: core is pure"),
        ("mailflow.core.x", "from urllib.parse import quote", None),
        ("mailflow.core.x", "from datetime import datetime, time", None),
        ("mailflow.core.x", "datetime.now(tz)", "calls datetime.now()"),
        ("mailflow.core.x", "import datetime\ndatetime.date.today()", "calls date.today()"),
        ("mailflow.kinds.x", "open('x')", "calls open()"),
        ("mailflow.daemon", "datetime.now(UTC)", None),
    ],
)
def test_a_module_that_breaks_a_rule_is_told_so(module: str, source: str, message: str | None) -> None:
    found = [str(breach) for breach in breaches(module, source)]
    if message is None:
        assert found == []
    else:
        assert len(found) == 1
        assert message in found[0]
        assert found[0].startswith(module + ":")
