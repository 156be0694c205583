"""Every value of a hand-written TOML file is found back on its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailflow.core import toml
from mailflow.errors import Problem, UserError

TEXT = '''# a comment with [brackets] and = signs
top = 1 # [[not.a.table]]
[mailflow]
data = "v#[r"
list = [
  "a", # ]
  "b]",
]
x.y = {"甲" = 2, z = [1,2]}

[[kind]]
id = """a
[[kind]]
b""""
[[kind.field]]
name = 'x'
[[kind.field]]
name = 'y'
[[kind]]
  [[kind.field]] # indented
  name = 'z'
[words]
accept = ["确认"]
'''
PLACES = {
    ("top",): 2,
    ("mailflow",): 3,
    ("mailflow", "data"): 4,
    ("mailflow", "list", 1): 5,
    ("mailflow", "x", "y", "甲"): 9,
    ("kind", 0): 11,
    ("kind", 0, "id"): 12,
    ("kind", 0, "field", 0, "name"): 16,
    ("kind", 0, "field", 1): 17,
    ("kind", 0, "field", 1, "name"): 18,
    ("kind", 1): 19,
    ("kind", 1, "field", 0, "name"): 21,
    ("words", "accept", 0): 23,
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("path", "line"), PLACES.items())
def test_a_value_is_found_on_its_line(path: toml.Path, line: int, end: str) -> None:
    assert toml.parse("x.toml", TEXT.replace("\n", end)).line(path) == line


def test_what_is_absent_is_shown_at_the_table_that_lacks_it() -> None:
    document = toml.parse("x.toml", TEXT)
    assert document.line(("kind", 1, "id")) == 19
    assert document.line(("send",)) is None
    assert document.problem("缺少 id", "kind", 1, "id") == Problem("缺少 id", "x.toml", 19)


@given(
    st.lists(st.sampled_from(["[[a]]", "[[a.b]]", "k = 1", 'k = "[["', "k = [\n1,\n]", "# [x", "", "k = '''\n=\n'''"]))
)
def test_lines_never_fail_on_valid_toml(lines: list[str]) -> None:
    text = "\n".join(line.replace("k", f"k{number}") for number, line in enumerate(["[[a]]", *lines]))
    document = toml.parse("x.toml", text)
    for index, table in enumerate(document.tables("a")):
        for key in table:
            line = document.line(("a", index, key))
            assert line is not None
            written = text.split("\n")[line - 1]
            assert written.startswith((key, f"[[a.{key}]]"))


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ('a = 1\nb = "C:\\mail"', 2, "单引号"),
        ("a = “x”", 1, "英文引号"),
        ("a = 1\n\na = 2", 3, "写了两次"),
        ("[x]\n[x]", 2, "写了两次"),
        ("张三 = 3", 1, "英文引号"),
        ("a = 1\nb = [1\n", 3, "]"),
    ],
)
def test_a_syntax_error_says_where_and_what_to_do(text: str, line: int, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        toml.parse("x.toml", text)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("x.toml", line)
    assert hint in problem.text


def test_a_byte_order_mark_is_harmless() -> None:
    assert toml.decode("x.toml", b"\xef\xbb\xbfa = 1") == "a = 1"


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_another_encoding_is_named_with_its_line(encoding: str) -> None:
    with pytest.raises(UserError) as caught:
        toml.decode("x.toml", 'a = 1\nb = "张三"'.encode(encoding))
    (problem,) = caught.value.problems
    assert "请用 UTF-8 保存" in problem.text
    assert problem.line == (2 if encoding == "gbk" else 1)
