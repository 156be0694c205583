"""TOML that people write by hand: text to data, and every value back to its line. Pure; used by config and mappings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mailflow.errors import Problem, UserError

Path = tuple[str | int, ...]
"""Where a value stands: ("mailbox", 1, "url")."""

_STRING = r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
_TOKEN = re.compile(rf"{_STRING}|#[^\n]*|[\[\]{{}}\n]", re.DOTALL)
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")

_HINTS = (
    ("Unescaped '\\'", "双引号里的反斜杠要写两个，Windows 路径请改用单引号，如 'C:\\mail\\in'"),
    ("Invalid hex value", "双引号里的反斜杠要写两个，Windows 路径请改用单引号，如 'C:\\mail\\in'"),
    ("Cannot overwrite a value", "同一项写了两次"),
    ("Cannot declare", "同一个 [表] 写了两次"),
    ("Invalid value", "值不对：文字要加英文引号 \"…\"，日期写成 2026-09-01，是否写成 true 或 false"),
    ("Invalid statement", "这一行不是“名称 = 值”；含汉字的名称要加英文引号"),
    ("Expected '=' after a key", "名称后面要有英文等号 =；含汉字的名称要加英文引号"),
    ("Illegal character", "文字没有用引号结束，或者混入了控制字符"),
    ("Unterminated string", "文字没有用引号结束"),
    ("Unclosed array", "列表少了逗号或结尾的 ]"),
    ("Unclosed inline table", "花括号里少了逗号或结尾的 }"),
    ("Expected newline", "一行只能写一项；文字里的引号前要加反斜杠"),
)  # fmt: skip


def decode(name: str, raw: bytes) -> str:
    """The text of the file `name`, a byte order mark removed. UserError when it is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError([Problem("文件不是 UTF-8 编码，请用 UTF-8 保存", name, line)]) from None


def parse(name: str, text: str) -> Document:
    """The data of a TOML text. UserError with the line when it is not TOML."""
    try:
        return Document(name, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError([_syntax_problem(name, text, str(error))]) from None


def _syntax_problem(name: str, text: str, message: str) -> Problem:
    at = _AT_LINE.search(message)
    line = int(at[1]) if at else text.count("\n") + 1
    cause = _AT_LINE.sub("", message).removesuffix(" (at end of document)")
    hint = next((hint for start, hint in _HINTS if cause.startswith(start)), None)
    return Problem(f"TOML 语法错误：{hint}（{cause}）" if hint else f"TOML 语法错误：{cause}", name, line)


@dataclass(frozen=True)
class Document:
    """A TOML file: its data, and where everything stands in it."""

    name: str
    """As it is shown in problems."""
    text: str
    data: dict[str, Any]

    def line(self, path: Path) -> int | None:
        """The line of the value at `path`, of the nearest thing around it where it is absent; None: no such table."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)

    def problem(self, text: str, *path: str | int) -> Problem:
        """`text` with this file's name and the line of what stands at `path`."""
        return Problem(text, self.name, self.line(path))

    def tables(self, key: str) -> list[dict[str, Any]]:
        """All [[key]] of the file; none when something else stands there."""
        found = self.data.get(key, [])
        return [t if isinstance(t, dict) else {} for t in found] if isinstance(found, list) else []

    @cached_property
    def _lines(self) -> dict[Path, int]:
        lines: dict[Path, int] = {}
        last: dict[Path, int] = {}  # array of tables -> index of the table being written
        table: Path = ()
        for line, statement in _statements(self.text):
            value = tomllib.loads(statement)
            if statement.startswith("["):
                table = _header(value, last, is_array=statement.startswith("[["))
                for path in (table[:-1], table) if isinstance(table[-1], int) else (table,):
                    lines.setdefault(path, line)
            else:
                for path in _paths(value, table):
                    lines.setdefault(path, line)
        return lines


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each `key = value` of a valid TOML text, with its first line."""
    start, depth = 0, 0
    text = text.replace("\r\n", "\n") + "\n"
    for token in _TOKEN.finditer(text):
        depth += (token[0] in ("[", "{")) - (token[0] in ("]", "}"))
        if token[0] == "\n" and depth == 0:
            statement = text[start : token.start()]
            if statement.strip() and not statement.lstrip().startswith("#"):
                yield text.count("\n", 0, start) + 1, statement.strip(" \t")
            start = token.end()


def _header(value: dict[str, Any], last: dict[Path, int], *, is_array: bool) -> Path:
    """[[kind.field]] as a path: ("kind", 3, "field", 1), counted in `last`."""
    names = [p[-1] for p in _paths(value, ()) if isinstance(p[-1], str)]
    path: Path = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in last:
            path = (*path, last[path])
    path = (*path, names[-1])
    if not is_array:
        return path
    last[path] = last.get(path, -1) + 1
    return (*path, last[path])


def _paths(value: object, above: Path) -> Iterator[Path]:
    """The path of everything inside `value`, from the outside in."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield (*above, key)
        yield from _paths(item, (*above, key))
