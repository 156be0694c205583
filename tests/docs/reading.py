"""The documents as tests see them: headings, code blocks, tables; and how README's and docs' names are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@dataclass(frozen=True)
class Block:
    """A fenced code block. `info` is what stands behind the opening fence: "toml people.toml"."""

    info: str
    text: str
    line: int


@dataclass(frozen=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True)
class Page:
    """A Markdown file in the plain style of these documents: ATX headings, ``` fences, | tables."""

    path: Path
    text: str

    @property
    def blocks(self) -> list[Block]:
        found: list[Block] = []
        for match in re.finditer(r"^```([^\n]*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL):
            found.append(Block(match[1].strip(), match[2], self.text.count("\n", 0, match.start()) + 1))
        return found

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return re.sub(r"^```[^\n]*\n.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL)

    @property
    def headings(self) -> list[Heading]:
        return [Heading(len(m[1]), m[2].strip()) for m in re.finditer(r"^(#+) (.+)$", self.prose, re.MULTILINE)]

    def section(self, heading: str) -> str:
        """What stands under `heading`, up to the next one of any level. KeyError when there is none."""
        parts = re.split(r"^#+ (.+)$", self.prose, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


def page(name: str) -> Page:
    path = ROOT / name
    return Page(path, path.read_text(encoding="utf-8"))


def rows(section: str) -> list[list[str]]:
    """The cells of all table rows, without the headings."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [index for index, row in enumerate(cells) if all(re.fullmatch(":?-+:?", cell) for cell in row)]
    heads = {index - 1 for index in rules}
    return [row for index, row in enumerate(cells) if index not in heads and index not in rules]


def keys(section: str) -> list[str]:
    """The first cell of each row, as it stands between backticks."""
    return [row[0].strip("`") for row in rows(section) if row[0].startswith("`")]
