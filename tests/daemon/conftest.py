"""Who gives tokens in these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.loopback import Certificate, make_certificate
from tests.servers.oauth import OAuthServer


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    (tmp_path / "tls").mkdir()
    return make_certificate(tmp_path / "tls")


@pytest.fixture
def authority(certificate: Certificate) -> Iterator[OAuthServer]:
    with OAuthServer(certificate) as server:
        yield server
