"""Notices from templates (domain §8). The only module that knows jinja2.

Templates are the admins'; contexts hold text from mail, which is data and stays data: it is cleaned of control
characters, escaped in HTML, and never itself taken for a template, a header or a path (promise 9).
"""

from __future__ import annotations

import re
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
    nodes,
    select_autoescape,
)
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape

from mailflow.core.text import one_line
from mailflow.errors import Problem, UserError
from mailflow.notices.samples import SAMPLES

PARTS = ("subject", "txt", "html")
_SUBJECT_MAX = 200
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_PLAIN = (str, int, float, list, tuple, dict)
_SPECIAL = frozenset({"loop", "self", "super", "caller", "varargs", "kwargs"})
_BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Rendered:
    """A notice ready to be put into a mail. `subject` is one line; all are free of control characters."""

    subject: str
    text: str
    html: str


def render(template: str, context: dict[str, Any], *, templates: Path) -> Rendered:
    """The notice called `template` with `context` (samples.py says what that holds).

    Raises:
        UserError: a template is missing or wrong, or uses what the context does not have; with file and line.
    """
    done: dict[str, str] = {}
    problems: list[Problem] = []
    for part in PARTS:
        try:
            done[part] = _part(template, part, context, templates)
        except UserError as error:
            problems += error.problems
    if problems:
        raise UserError(problems)
    return Rendered(subject=_subject(done["subject"]), text=done["txt"], html=done["html"])


def check(templates: Path) -> list[Problem]:
    """Everything that is wrong with the templates in this folder: each is rendered with its sample data."""
    problems: list[Problem] = []
    for name, sample in SAMPLES.items():
        try:
            render(name, sample, templates=templates)
        except UserError as error:
            problems += error.problems
        told = {(p.file, p.line) for p in problems}
        for part in PARTS:
            found = _unknown_names(f"{name}.{part}.j2", frozenset(sample), templates)
            problems += [p for p in found if (p.file, p.line) not in told]
    return list(dict.fromkeys(problems))


def preview(template: str, *, templates: Path) -> Rendered:
    """The notice with sample data.

    Raises:
        UserError: there is no such notice, or its template is wrong.
    """
    if template not in SAMPLES:
        raise UserError(f"没有名为“{template}”的通知。可用的有：{'、'.join(SAMPLES)}")
    return render(template, SAMPLES[template], templates=templates)


def _part(template: str, part: str, context: dict[str, Any], templates: Path) -> str:
    name = f"{template}.{part}.j2"
    if not _NAME.match(template):
        raise UserError(f"“{one_line(template)}”不是通知的名称")
    with _blame(templates / name):
        return _environment(templates).get_template(name).render(_clean(context)).strip() + "\n"


def _subject(text: str) -> str:
    subject = one_line(text)
    return subject if len(subject) <= _SUBJECT_MAX else subject[: _SUBJECT_MAX - 1] + "…"


# -- what templates may do -------------------------------------------------------------------------------------------


class _Sandbox(SandboxedEnvironment):
    """Plain data has items and no attributes: neither methods nor anything behind them can be reached."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not isinstance(obj, _PLAIN) and super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        # A missing key of a dict must read as that, not as a forbidden method that happens to be called so.
        return self.undefined(obj=obj, name=attribute)


@lru_cache(maxsize=8)
def _environment(templates: Path) -> SandboxedEnvironment:
    environment = _Sandbox(
        loader=FileSystemLoader(templates, encoding="utf-8"),  # refuses names that lead out of the folder
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default_for_string=True, default=False),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    return environment


def quoted(text: str) -> str:
    """Text of somebody else's mail, with `> ` before each line: nobody takes it for ours."""
    return "\n".join(f"> {line}" for line in str(text).splitlines())


def lines(text: str) -> Markup:
    """HTML: escaped, line feeds as <br> (Outlook ignores white-space: pre-wrap)."""
    return Markup("<br>\n").join(escape(line) for line in str(text).splitlines())


def mailto(link: str) -> str:
    """The link if it is a mailto: link, else nothing: no other scheme comes out of a context."""
    return link if re.match(r"mailto:[!-~]+\Z", str(link)) else ""


def line(text: str) -> str:
    """On one line: text of mail that stands among our own words cannot add lines of its own to them."""
    return one_line(str(text))


_FILTERS: dict[str, Callable[[str], str]] = {"quoted": quoted, "lines": lines, "line": line, "mailto": mailto}


def _clean(value: Any) -> Any:
    """The context without control and direction characters; CRLF to LF; what UTF-8 cannot say to U+FFFD."""
    if isinstance(value, str):
        text = _BIDI.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
        text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")
        return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
    if isinstance(value, dict):
        return {str(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


# -- what is wrong with them -----------------------------------------------------------------------------------------
# What an admin's expression may do with the data: 1/0, a filter on the wrong type, an unknown name, an unreadable file.
_FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, OSError)


@contextmanager
def _blame(path: Path) -> Iterator[None]:
    """Turns what the template at `path` raises into a UserError that names file and line."""
    try:
        yield
    except TemplateNotFound as error:
        raise UserError([Problem(f"没有找到模板“{error.name}”", str(path))]) from error
    except TemplateSyntaxError as error:
        file = error.filename or str(path)
        raise UserError([Problem(f"模板语法有误：{error.message}", file, error.lineno)]) from error
    except UnicodeDecodeError as error:
        raise UserError([Problem("模板不是 UTF-8 编码", str(path))]) from error
    except _FAILURES as error:
        # The innermost template line: jinja2 has put its own files and lines into the traceback.
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
        place = (frames[-1].filename, frames[-1].lineno) if frames else (str(path), None)
        raise UserError([Problem(f"模板无法使用：{error}", *place)]) from error


def _unknown_names(name: str, known: frozenset[str], templates: Path) -> Iterator[Problem]:
    """Names that the context never has, also where the sample data did not lead."""
    environment = _environment(templates)
    try:
        source, file, _ = FileSystemLoader(templates, encoding="utf-8").get_source(environment, name)
        tree = environment.parse(source)
    except (TemplateError, UnicodeDecodeError, OSError):
        return  # rendering has told already
    names = list(tree.find_all(nodes.Name))
    bound = {node.name for node in names if node.ctx != "load"}
    bound |= {node.target for node in tree.find_all(nodes.Import)}
    allowed = known | bound | _SPECIAL | set(environment.globals)
    for node in names:
        if node.name not in allowed:
            yield Problem(f"模板中的变量“{node.name}”不存在。可用的有：{'、'.join(sorted(known))}", file, node.lineno)
