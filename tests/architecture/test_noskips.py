"""Where CI=true, nothing is skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = {
    "in a test": "import pytest\ndef test_a():\n    pytest.skip('no such program')\n",
    "by a mark": "import pytest\n@pytest.mark.skip('no such program')\ndef test_a():\n    pass\n",
    "by a module": "import pytest\npytest.skip('no such program', allow_module_level=True)\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f():\n  pytest.skip('no such program')\ndef test_a(f): ...\n",
}
XFAIL = "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert False\n"


def run(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.noskips", "-p", "no:cacheprovider", "-c", os.devnull]
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_fails_in_ci(tmp_path: Path, source: str) -> None:
    result = run(tmp_path, source, "true")
    assert result.returncode != 0
    assert "no such program" in result.stdout


@pytest.mark.parametrize("source", SKIPS.values(), ids=SKIPS.keys())
def test_a_skip_stays_one_elsewhere(tmp_path: Path, source: str) -> None:
    assert "1 skipped" in run(tmp_path, source, "").stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    result = run(tmp_path, XFAIL, "true")
    assert result.returncode == 0
    assert "1 xfailed" in result.stdout
