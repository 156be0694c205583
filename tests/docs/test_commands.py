"""docs/commands.md and the READMEs know every command and option, in the words of --help."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.commands import filled, helps, options
from tests.docs.reading import DOCS, page, rows

READMES = ("README.md", "README.zh-CN.md")
CHINESE = re.compile(r"[一-鿿]")


def test_the_reference_holds_the_help_of_every_command_word_for_word() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert filled(text) == text, "run python -m tests.docs.commands"


def test_every_command_has_a_heading_and_no_heading_is_stale() -> None:
    assert [h.text for h in page("docs/commands.md").headings if h.level == 2] == list(helps())


@pytest.mark.parametrize("name", READMES)
def test_the_table_of_the_readme_names_every_command_once(name: str) -> None:
    title = {"README.md": "Commands", "README.zh-CN.md": "命令"}[name]
    named = [" ".join(row[0].strip("`").split()[:2]) for row in rows(page(name).section(title))]
    assert named == [one for one in helps() if one != "mailflow"]


def test_commands_and_options_in_all_code_are_real() -> None:
    known = options()
    for name in (*READMES, *(f"docs/{path.name}" for path in sorted(DOCS.glob("*.md")))):
        code = [b.text for b in page(name).blocks] + re.findall(r"`([^`\n]+)`", page(name).prose)
        for text in code:
            for found in re.finditer(r"(?:^|bin/)mailflow((?: --config \S+)?) ([a-z-]+)([^\n]*)", text, re.MULTILINE):
                command = f"mailflow {found[2]}"
                if command in ("mailflow whatif", "mailflow init"):
                    assert "Not yet" in page("README.md").text  # named as missing
                    continue
                assert command in known, f"{name}: {found[0].strip()}"
                for option in re.findall(r"--[a-z-]+", found[3]):
                    assert option in (*known[command], "--help", "--config"), f"{name}: {found[0].strip()}"


def test_help_is_chinese_throughout() -> None:
    for name, text in helps().items():
        assert not re.search(r"Usage|Options|Arguments|Commands|Show this|required|default:", text), name
        for line in text.splitlines():
            assert CHINESE.search(line) or not line.strip(), f"{name}: {line}"


def test_help_in_english_has_no_chinese() -> None:
    for name, text in helps("en").items():
        assert not CHINESE.search(text), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "没有 nosuch 这个命令"),
        (["statsu"], "是否想写 'status'"),
        (["list"], "缺少参数 内容"),
        (["list", "--jsno", "mails"], "没有 --jsno 这个选项，是否想写 --json"),
        (["--config"], "选项 --config 后面要有内容"),
        (["run", "again"], "参数太多"),
    ],
)
def test_wrong_use_is_told_in_chinese_with_status_2(arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from mailflow.cli import main; main()", *arguments],
        env={"MAILFLOW_LANG": "", "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr
