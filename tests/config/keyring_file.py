"""A keyring in a file, for tests: PYTHON_KEYRING_BACKEND = "tests.config.keyring_file.FileKeyring"."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

BACKEND = f"{__name__}.FileKeyring"


class FileKeyring(KeyringBackend):
    """Its content lies in the file that MAILFLOW_TEST_KEYRING names; "locked" in place of it: it is locked."""

    priority = 1.0

    def get_password(self, service: str, username: str) -> str | None:
        content = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        if content == "locked":
            raise KeyringLocked("the collection is locked")
        found: str | None = content.get(f"{service}/{username}")
        return found

    def set_password(self, service: str, username: str, password: str) -> None:
        content = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        self._file.write_text(json.dumps(content | {f"{service}/{username}": password}), encoding="utf-8")

    @property
    def _file(self) -> Path:
        return Path(os.environ["MAILFLOW_TEST_KEYRING"])
