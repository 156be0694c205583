"""The commands: their names, what carries them out, and what help says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from mailflow import __version__
from mailflow.cli import checking, deciding, explaining, notices, running, setup, showing, workbooks
from mailflow.cli.help import Command, Group
from mailflow.cli.language import say
from mailflow.cli.options import Config, choose

COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("run", running.run,
     say("守护进程：一直运行，直到收到 SIGTERM 或 Ctrl-C",
         "the daemon: runs until SIGTERM or Ctrl-C")),
    ("once", running.once,
     say("收一遍邮件，办到期的事，更新工作簿，发信，然后结束",
         "take in waiting mail, do what is due, publish, send, end")),
    ("check", checking.check,
     say("检查配置、映射、模板，并登录每个邮箱和发信服务器",
         "check configuration, mappings, templates; then log in everywhere")),
    ("explain", explaining.explain,
     say("说明每封邮件是怎样读的、为什么；什么也不改",
         "how each mail is read, and why; changes nothing")),
    ("list", showing.list_,
     say("列出库里有什么",
         "what is in the store")),
    ("why", showing.why,
     say("一个人某月的每条绩效分录：邮件、规则和算式",
         "every grade entry of that month: mails, rule, arithmetic")),
    ("decide", deciding.decide,
     say("答复一件待确认的事，与回信或填表一样",
         "answer a held item, as the reply or the cell would")),
    ("notice", notices.notice,
     say("处理一封没有发出、不明或被拒绝的通知：再发，或不再管它",
         "settles a notice that did not go: once more, or done with")),
    ("close-month", deciding.close_month,
     say("给一个月的绩效台账关账；关了就不能再打开",
         "close a month's ledger, for good")),
    ("rebuild", deciding.rebuild,
     say("由收到的一切重新推出记录、台账和待确认；--check 只比较",
         "derived state from facts again; --check compares only")),
    ("workbook", workbooks.workbook,
     say("reset：把工作簿的文件改名留在旁边，另做一本新的；template：写出一个模板，供修改",
         "reset: sets a workbook's file aside, and makes a new one; template: writes a template to begin with")),
    ("form", workbooks.form,
     say("写出空白表单，供人填写后作为附件发回",
         "writes a blank form, to be filled in and sent back as an attachment")),
    ("preview", setup.preview,
     say("用样例数据看一种通知的样子",
         "a notice rendered with sample data")),
    ("login", setup.login,
     say("用 OAuth 的邮箱登录一次；用应用密钥的只试一试",
         "sign a mailbox in that uses OAuth")),
    ("status", showing.status,
     say("守护进程、邮箱、通知、工作簿和到期事项的状况；一切正常时退出码是 0",
         "daemon, mailboxes, queue, workbooks, what is due; exit status 0 when all is well")),
    ("demo", setup.demo,
     say("演示：一个小部门的一个月，用内置部件，供观看",
         "a department's month on embedded parts, to look at")),
)  # fmt: skip
"""In the order of the help."""

cli = typer.Typer(
    name="mailflow",
    cls=Group,
    help=say(
        "技术支持部的邮件自动化：收邮件，记工作簿和绩效台账，发提醒。English: MAILFLOW_LANG=en",
        "Runs a technical-support department by e-mail: mail in, workbooks, pay ledger and reminders out.",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _run, _help in COMMANDS:
    cli.command(_name, cls=Command, help=_help)(_run)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mailflow {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    config: Config = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=say("显示版本", "print the version"))
    ] = False,
) -> None:
    choose(config)
