"""The work itself: run, once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, Now, instant_of, open_app
from mailflow.cli.output import tell

if TYPE_CHECKING:
    from mailflow.app import Summary

_SEND_ALL_HELP = say(
    "同时到期的通知太多时一封也不发；看过 mailflow list notices 以后，用它放行",
    "let all notices go that were stopped because too many were due at once",
)


def run(config: Config = None) -> None:
    from mailflow import journal
    from mailflow.daemon import Daemon

    app = open_app(config)
    journal.setup("info", json=False, file=None)
    with app.exclusive():
        tell(say("mailflow 开始运行，按 Ctrl-C 结束。", "mailflow starts; press Ctrl-C to end it."))
        Daemon(app).run()


def once(
    config: Config = None,
    now: Now = None,
    send_all: Annotated[bool, typer.Option("--send-all", help=_SEND_ALL_HELP)] = False,
) -> None:
    app = open_app(config)
    with app.exclusive():
        summary = app.once(instant_of(app, now), lambda what: _progress(what), send_all=send_all)
    _summary(summary)
    if summary.problems:
        raise typer.Exit(1)


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{what}…", end="", file=sys.stderr, flush=True)


def _summary(summary: Summary) -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    from mailflow.listing import DISPOSITIONS

    mails = "，".join(f"{DISPOSITIONS.get(name, name)} {number}" for name, number in sorted(summary.mails.items()))
    print(f"邮件 {sum(summary.mails.values())} 封{'：' + mails if mails else ''}")
    print(
        f"到期事项 {summary.due} 件，工作簿更新 {summary.workbooks['written']} 个，"
        f"通知发出 {summary.notices['sent']} 封"
    )
    for problem in summary.problems:
        tell(f"⚠ {problem}")
