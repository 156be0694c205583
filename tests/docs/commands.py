"""The help of every command, and docs/commands.md with it filled in; `python -m tests.docs.commands` writes it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

from tests.docs.reading import DOCS

_ALL = """
import json, typer
from mailflow.cli import cli, help_text
group = typer.main.get_command(cli)
names = {"mailflow": group, **{f"mailflow {name}": one for name, one in group.commands.items()}}
options = {n: [o for p in c.params if p.param_type_name == "option" for o in p.opts] for n, c in names.items()}
print(json.dumps({n: {"help": help_text(c, n), "options": options[n]} for n, c in names.items()}))
"""
# The language is chosen when mailflow.cli is imported, hence a process for each.


def helps(language: str = "") -> dict[str, str]:
    """Command line ("mailflow once") -> its help."""
    return {name: one["help"] for name, one in _ask(language).items()}


def options() -> dict[str, list[str]]:
    """Command line -> its options, --help left out."""
    return {name: one["options"] for name, one in _ask("").items()}


@cache
def _ask(language: str) -> dict[str, dict[str, Any]]:
    environment = {**os.environ, "MAILFLOW_LANG": language}
    done = subprocess.run([sys.executable, "-c", _ALL], env=environment, capture_output=True, check=True)
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


def filled(text: str) -> str:
    """`text` of docs/commands.md with the help of each command in its block."""
    said = helps()

    def block(match: re.Match[str]) -> str:
        return f"## {match[1]}\n\n```text\n{said[match[1]]}\n```"

    return re.sub(r"^## (mailflow[^\n]*)\n\n```text\n.*?^```", block, text, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    target = DOCS / "commands.md"
    target.write_text(filled(target.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
