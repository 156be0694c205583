from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.dovecot import MISSING, Dovecot
from tests.servers.loopback import Certificate, make_certificate

PASSWORD = "geheim"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def dovecot(certificate: Certificate) -> Iterator[Dovecot]:
    if MISSING:
        pytest.skip(MISSING)
    users = {f"user{number:03}": PASSWORD for number in range(100)} | {"采购": "密码一二三", "quoted": 'a"b\\c d'}
    with Dovecot(users, certificate) as server:
        yield server


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    """A user of the Dovecot whose mailbox nobody has touched."""
    return next(name for name in dovecot.users if name.isascii() and not (dovecot.dir / "home" / name).exists())
