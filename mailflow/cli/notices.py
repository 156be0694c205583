"""What a person makes of a notice that did not go."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, need_store, open_app
from mailflow.errors import UserError

_NUMBER_HELP = say("通知的编号：见 mailflow status 和 mailflow list notices", "number, as in status and list notices")
_AGAIN_HELP = say(
    "再发一次：不明的先查有没有发出，被拒绝的按现在的名册和模板重做",
    "send it once more: looked up first if unclear, made anew if refused",
)
_DONE_HELP = say("不再管它：看过了，已经收到，或者不用发了", "done with: it has arrived, or is no longer wanted")


def notice(
    number: Annotated[str, typer.Argument(metavar=say("编号", "NUMBER"), help=_NUMBER_HELP)],
    again: Annotated[bool, typer.Option("--again", help=_AGAIN_HELP)] = False,
    done: Annotated[bool, typer.Option("--done", help=_DONE_HELP)] = False,
    config: Config = None,
) -> None:
    from mailflow import outbox

    if again == done:
        raise UserError(say("请写 --again 或 --done 中的一个。", "either --again or --done, please."))
    app = open_app(config)
    need_store(app)
    outbox.settle_by_hand(app.store, number, datetime.now(UTC), again=again)
    print(
        say("下一次发信时再发。", "it goes with the next round of sending.")
        if again
        else say("已处理，不再发。", "settled; it is not sent.")
    )
