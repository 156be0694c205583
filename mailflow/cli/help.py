"""Help, and what is said of wrong use.

Typer's own help is English, and as wide as the terminal happens to be; this one is neither, so docs/commands.md can
hold it word for word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from mailflow.cli.language import ENGLISH, say
from mailflow.cli.output import error_text

_HELP_HELP = say("显示这些说明", "show this help")


def help_text(command: Any, path: str) -> str:
    """The help of `command`, which is called as `path`."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    commands = getattr(command, "commands", {})
    blocks = [
        f"{say('用法：', 'Usage: ')}{_usage(path, arguments, commands)}",
        f"  {command.help}",
        _block(say("参数：", "Arguments:"), ((_written(p), p.help) for p in arguments)),
        _block(say("选项：", "Options:"), [*((_option(p), p.help) for p in options), ("--help", _HELP_HELP)]),
        _block(say("命令：", "Commands:"), ((name, one.help) for name, one in commands.items())),
    ]
    return "\n\n".join(block for block in blocks if block)


def _usage(path: str, arguments: Sequence[Any], commands: dict[str, Any]) -> str:
    words = [path, say("[选项]", "[OPTIONS]"), *map(_written, arguments)]
    return " ".join([*words, say("命令 …", "COMMAND …")] if commands else words)


def _written(argument: Any) -> str:
    return f"{argument.metavar}" if argument.required else f"[{argument.metavar}]"


def _option(option: Any) -> str:
    return " ".join([", ".join(option.opts), *([] if option.is_flag else [option.metavar])])


def _block(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A title and its rows in two columns; nothing without rows. Chinese characters are two columns wide."""
    table = list(rows)
    widest = max((_columns(name) for name, _ in table), default=0)
    lines = [f"  {name}{' ' * (widest - _columns(name))}  {text}" for name, text in table]
    return "\n".join([title, *lines]) if table else ""


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


class Command(TyperCommand):
    def get_help(self, ctx: Any) -> str:
        return help_text(self, ctx.command_path)


class Group(TyperGroup):
    def get_help(self, ctx: Any) -> str:
        return help_text(self, ctx.command_path)


_WRONG_USE = (
    (r"Missing argument '(.+)'\.", r"缺少参数 \1。"),
    (r"Missing command\.", "缺少命令。"),
    (r"No such command '(.+?)'\.", r"没有 \1 这个命令。"),
    (r"No such command '(.+?)'\. Did you mean (.+)\?", r"没有 \1 这个命令，是否想写 \2？"),
    (r"No such option: (\S+)", r"没有 \1 这个选项。"),
    (r"No such option: (\S+) \(Possible options: (.+)\)", r"没有 \1 这个选项，是否想写 \2？"),
    (r"Option '(.+)' requires an argument\.", r"选项 \1 后面要有内容。"),
    (r"Option '(.+)' does not take a value\.", r"选项 \1 后面不能有内容。"),
    (r"Invalid value for '(.+)': Input should be a valid integer.*", r"选项 \1 后面应是整数。"),
    (r"Invalid value for '(.+)': Input should be greater than or equal to (\d+)", r"选项 \1 后面至少是 \2。"),
    (r"Got unexpected extra arguments? ?\((.+)\)|Got unexpected extra argument\(s\) \((.+)\)", "参数太多。"),
)
"""What Typer says of wrong use, and how it is said in Chinese; what is not listed is shown as it is."""


def wrong_use(error: TyperException) -> str:
    """The message of Typer's exception, and where to find help; for no arguments at all the help itself."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return message
    if not ENGLISH:
        found = ((re.fullmatch(pattern, message), chinese) for pattern, chinese in _WRONG_USE)
        message = next((match.expand(chinese) for match, chinese in found if match), message)
    path = context.command_path if context else "mailflow"
    return f"{error_text(message)}\n{say(f'用法见 {path} --help', f'See {path} --help')}"
