"""The two READMEs say the same, their links lead somewhere, and their walk leads to a report."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailflow.urls import GRAPH_HOSTS
from tests.docs.reading import DOCS, ROOT, Page, page

ENGLISH, CHINESE = page("README.md"), page("README.zh-CN.md")
PAGES = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("README*.md"), *DOCS.glob("*.md"))]


def test_both_readmes_have_the_same_sequence_of_heading_levels() -> None:
    assert [h.level for h in ENGLISH.headings] == [h.level for h in CHINESE.headings]


def test_both_readmes_have_the_same_code_blocks() -> None:
    assert [(b.info, b.text) for b in ENGLISH.blocks] == [(b.info, b.text) for b in CHINESE.blocks]


def test_both_readmes_have_as_many_points_and_rows_in_each_section() -> None:
    def shape(text: str) -> list[int]:
        return [len(re.findall(start, text, re.MULTILINE)) for start in (r"^- ", r"^\|", r"^\d+\. ")]

    for english, chinese in zip(ENGLISH.headings, CHINESE.headings, strict=True):
        assert shape(ENGLISH.section(english.text)) == shape(CHINESE.section(chinese.text)), english.text


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_a_readme_opens_with_the_demo_and_the_tests(readme: Page) -> None:
    assert readme.blocks[0].text == "make demo\nmake test\n"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page(name).prose):
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), target
        if anchor:
            anchors = [_anchor(h.text) for h in page(path.resolve().relative_to(ROOT).as_posix()).headings]
            assert anchor in anchors, f"{target}#{anchor}"


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, punctuation away, blanks to dashes."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", PAGES)
def test_only_example_addresses_stand_in_the_documents(name: str) -> None:
    for address in re.findall(r"[\w.+-]+@([\w.-]+\.\w+)", page(name).text):
        assert address.endswith(".example") or address in GRAPH_HOSTS, address


def test_the_walk_on_maildirs_ends_with_a_report_in_a_workbook(tmp_path: Path) -> None:
    """config.example.toml, mappings/ and templates/ copied, the mail of the README delivered."""
    folder = tmp_path / "支持 部"
    folder.mkdir()
    shutil.copy(ROOT / "config.example.toml", folder / "config.toml")
    for part in ("mappings", "templates"):
        shutil.copytree(ROOT / part, folder / part)
    mail = next(b.text for b in ENGLISH.blocks if b.text.startswith("From: "))
    (folder / "first.eml").write_text(mail, encoding="utf-8", newline="\n")
    assert "未验证" in _mailflow(folder, "explain", "first.eml")
    assert "✗" not in _mailflow(folder, "check")
    _mailflow(folder, "once")
    shutil.copy(folder / "first.eml", folder / "var" / "inbox" / "new")
    assert "已记录 1" in _mailflow(folder, "once")
    (record,) = json.loads(_mailflow(folder, "list", "records", "--json"))
    assert (record["project"], record["writer"], record["state"]) == ("ERP项目", "李四", "complete")
    assert (folder / "var" / "workbooks" / "项目跟踪表-张三(华东).xlsx").is_file()
    (notice,) = json.loads(_mailflow(folder, "list", "notices", "--json"))
    assert (notice["template"], notice["person"]) == ("second_engineer_report", "张三(华东)")
    assert len(list((folder / "var" / "sent" / "new").iterdir())) == 1


def _mailflow(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from mailflow.cli import main; main()", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
