"""How mails are read: explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, Json, open_app
from mailflow.cli.output import error_text, print_json, reason, tell
from mailflow.errors import UserError

if TYPE_CHECKING:
    from mailflow.explain.sources import Source

_FILES_HELP = say(
    "邮件文件、文件夹或 Maildir，可以有几个；- 是标准输入", "mail files, folders or Maildirs; - is the standard input"
)
_MAILBOX_HELP = say(
    "当作由这个邮箱收到（默认是配置里的第一个）", "as if received by this mailbox (default: the first one)"
)


def explain(
    files: Annotated[list[Path], typer.Argument(metavar=say("文件.eml…", "FILE.eml…"), help=_FILES_HELP)],
    config: Config = None,
    as_json: Json = False,
    mailbox: Annotated[str | None, typer.Option("--mailbox", metavar=say("名称", "NAME"), help=_MAILBOX_HELP)] = None,
) -> None:
    from mailflow.explain import explain as explained
    from mailflow.explain.shown import lines

    refused: list[Path] = []
    for source, found in explained(open_app(config), _sources(files, refused), mailbox):
        if as_json:
            print_json(found)
        else:
            print("\n".join((f"── {source.name}", *lines(found), "")))
    if refused:
        raise typer.Exit(1)


def _sources(paths: Sequence[Path], refused: list[Path]) -> Iterator[Source]:
    """The mails in `paths`; what is none of them is told and put down in `refused`, and stops nothing."""
    from mailflow.explain.sources import files_in, sources

    waiting = list(reversed(paths))
    while waiting:
        path = waiting.pop()
        try:
            files = files_in(path)
            if files != [path]:
                waiting += reversed(files)
                continue
            yield from sources(path)
        except OSError as error:
            tell(error_text(say(f"读不到 {path}：{reason(error)}", f"cannot read {path}: {reason(error)}")))
            refused.append(path)
        except UserError as error:
            tell(error_text(error))
            refused.append(path)
