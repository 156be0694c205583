"""The options that commands share, and what they give: the App, an instant, a month."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from mailflow.cli.language import say
from mailflow.errors import UserError

if TYPE_CHECKING:
    from mailflow.app import App


_CONFIG_HELP = say(
    "配置文件（默认是环境变量 MAILFLOW_CONFIG 里的，没有就是 config.toml）",
    "configuration file (default: what MAILFLOW_CONFIG names, or config.toml)",
)
Config = Annotated[Path | None, typer.Option("--config", metavar=say("文件", "FILE"), help=_CONFIG_HELP)]
Json = Annotated[bool, typer.Option("--json", help=say("输出 JSON，给别的程序用", "print JSON"))]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar=say("时间", "TIME"),
        help=say("把时钟设在这一刻，如 2026-11-20T09:00", "set the clock for this run, e.g. 2026-11-20T09:00"),
    ),
]
MONTH_HELP = say("月份，如 2026-11", "month, e.g. 2026-11")


_chosen: Path | None = None
"""--config before the command."""


def choose(config: Path | None) -> None:
    """Takes note of a --config that stands before the command; one behind it goes first."""
    global _chosen
    _chosen = config


def open_app(config: Path | None) -> App:
    from mailflow import journal
    from mailflow.app import App

    # What a command has to say it says itself, in sentences; the log is the daemon's. Bugs are logged all the same.
    journal.setup("error")
    return App.of(config or _chosen or Path(os.environ.get("MAILFLOW_CONFIG") or "config.toml"))


def need_store(app: App) -> None:
    if not app.has_store():
        text = say("还没有数据，请先运行 mailflow once。", "nothing is in the store yet; run mailflow once.")
        raise UserError(text, code=1)


def instant_of(app: App, text: str | None) -> datetime:
    """--now as an instant; without an offset it is meant in the configured time zone."""
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(say(f"看不懂时间 {text}，应写成 2026-11-20T09:00", f"not an ISO 8601 time: {text}")) from None
    if not 2000 <= instant.year < 2100:
        raise UserError(say(f"时间 {text} 应在 2000 年到 2099 年之间", f"not between 2000 and 2099: {text}"))
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(app.config.main.timezone))


def not_before(app: App, instant: datetime) -> datetime:
    """The clock of the facts never runs backwards, whatever this machine's says."""
    with app.store.read() as reader:
        return max(instant, reader.last_time() or instant)


def month_of(text: str) -> str:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        raise UserError(say(f"月份应写成 2026-11，而不是 {text}", f"not a month: {text}; write 2026-11"))
    return text
