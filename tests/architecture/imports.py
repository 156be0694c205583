"""The rules of who may import whom, and what breaks them: a pure function on one module's source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

ROWS: tuple[frozenset[str], ...] = tuple(
    frozenset(row.split())
    for row in (
        "cli",
        "demo",
        "daemon explain listing status",
        "app",
        "rebuild health",
        "intake outbox publish alarm accounts",
        "transports store sheets notices config mappings signatures logins",
        "journal files disks secret urls",
        "views",
        "policies",
        "kinds",
        "message",
        "core",
        "errors",
    )
)
"""From the top down. A part may import what stands below it, and nothing on its own row but itself."""

PURE = ("views", "policies", "kinds", "message", "core", "errors")
"""These ask neither clock nor disk nor network (promise 6)."""

CONFINED: dict[str, tuple[str, ...]] = {
    "chinese_calendar": ("mailflow.config",),
    "dkim": ("mailflow.signatures",),
    "dns": ("mailflow.signatures",),
    "exchangelib": ("mailflow.transports.ews",),
    "httpx": ("mailflow.transports.web",),
    "idna": ("mailflow.core.address",),
    "imapclient": ("mailflow.transports.imap",),
    "jinja2": ("mailflow.notices.render",),
    "keyring": ("mailflow.secret",),
    "lxml": ("mailflow.sheets",),
    "msal": ("mailflow.transports.oauth.microsoft",),
    "openpyxl": ("mailflow.sheets",),
    "psycopg": ("mailflow.store",),
    "python_calamine": ("mailflow.sheets",),
    "requests": ("mailflow.transports.adapter", "mailflow.transports.ews", "mailflow.transports.oauth.microsoft"),
    "rich": ("mailflow.cli", "mailflow.demo"),
    "schedule": ("mailflow.daemon",),
    "smtplib": ("mailflow.transports.smtp",),
    "sqlalchemy": ("mailflow.store",),
    "structlog": ("mailflow.journal",),
    "typer": ("mailflow.cli", "mailflow.demo"),
}
"""Library -> the modules (or packages) that may import it; its exceptions stop there."""

IMPURE_MODULES = (
    "os", "pathlib", "time", "socket", "ssl", "subprocess", "random", "secrets", "sqlite3", "requests", "tempfile",
    "shutil", "glob", "urllib.request", "http", "imaplib", "smtplib", "threading", "asyncio", "logging",
)  # fmt: skip
IMPURE_CALLS = (
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "uuid.uuid1", "uuid.uuid4",
    "open", "print", "input",
)  # fmt: skip


@dataclass(frozen=True)
class Breach:
    """One broken rule."""

    module: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.text}"


def breaches(module: str, source: str) -> list[Breach]:
    """Every rule that the source of `module` (mailflow.x.y) breaks."""
    tree = ast.parse(source)
    part = _part(module)
    if part is not None and _row(part) is None:
        return [Breach(module, 1, f"{part} stands in no row of ROWS: say there which layer it belongs to")]
    found = [Breach(module, line, text) for line, text in _imports_wrong(module, part, tree)]
    if part in PURE:
        found += [Breach(module, line, text) for line, text in _impure_calls(tree)]
    return sorted(set(found), key=lambda breach: (breach.line, breach.text))


def _part(module: str) -> str | None:
    """mailflow.store.schema -> store; None for mailflow itself."""
    return module.split(".")[1] if "." in module else None


def _row(part: str) -> int | None:
    return next((index for index, row in enumerate(ROWS) if part in row), None)


def _imports_wrong(module: str, part: str | None, tree: ast.AST) -> Iterator[tuple[int, str]]:
    for line, target in _imported(tree):
        if target.startswith("."):
            yield line, f"relative import {target!r}: write it in full"
        elif target.split(".")[0] == "mailflow":
            yield from ((line, text) for text in _layer_wrong(part, target))
        else:
            yield from ((line, text) for text in _library_wrong(module, part, target))


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import, wherever it stands; `from a import b` is a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{above}.{alias.name}") for alias in node.names)


def _layer_wrong(part: str | None, target: str) -> Iterator[str]:
    other = _part(target)
    if other is None or other == part or other.startswith("__"):
        return
    below, here = _row(other), _row(part) if part is not None else None
    if below is None:
        yield f"imports mailflow.{other}, which stands in no row of ROWS"
    elif here is None:
        yield f"mailflow itself imports mailflow.{other}: it must import nothing"
    elif below == here:
        yield f"{part} imports {other}: parts on one row never import each other"
    elif below < here:
        yield f"{part} imports {other}, which stands above it: imports point down only"


def _library_wrong(module: str, part: str | None, target: str) -> Iterator[str]:
    for library, homes in CONFINED.items():
        if _within(target, library) and not any(_within(module, home) for home in homes):
            yield f"imports {library}, which belongs in {' and '.join(homes)} only"
    if part in PURE:
        yield from (f"imports {name}: {part} is pure" for name in IMPURE_MODULES if _within(target, name))


def _within(name: str, home: str) -> bool:
    return name == home or name.startswith(home + ".")


def _impure_calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ".".join(ast.unparse(node.func).split(".")[-2:])
            if called in IMPURE_CALLS:
                yield node.lineno, f"calls {called}(): time and I/O are inputs of pure code"
