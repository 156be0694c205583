"""What changes what was worked out: decide, close-month, rebuild."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import MONTH_HELP, Config, Now, instant_of, month_of, need_store, not_before, open_app
from mailflow.errors import UserError

if TYPE_CHECKING:
    from mailflow.app import App

_NUMBER_HELP = say("待确认的编号，如 3；或投诉的编号，如 MF-2026-000012", "number of the held item, or of a complaint")
_ANSWER_HELP = say(
    "确认、指定 姓名、维持 或 驳回（词见 mappings/kinds.toml 的 [words]）",
    "the answer, in the words of [words] in mappings/kinds.toml: accept, assign NAME, uphold or reject",
)


def decide(
    number: Annotated[str, typer.Argument(metavar=say("编号", "N"), help=_NUMBER_HELP)],
    answer: Annotated[list[str], typer.Argument(metavar=say("答复…", "ANSWER…"), help=_ANSWER_HELP)],
    config: Config = None,
    now: Now = None,
) -> None:
    matter = f"held:{number}" if number.isdigit() else f"complaint:{number}"
    _command(open_app(config), now, matter, " ".join(answer), say("已处理。", "done."))


def close_month(
    month: Annotated[str, typer.Argument(metavar=say("月份", "YYYY-MM"), help=MONTH_HELP)],
    config: Config = None,
    now: Now = None,
) -> None:
    _command(open_app(config), now, f"month:{month_of(month)}", "确认", say(f"{month} 已关账。", f"{month} is closed."))


def _command(app: App, now: str | None, matter: str, answer: str, done: str) -> None:
    from mailflow import intake

    need_store(app)
    instant = instant_of(app, now) if now is not None else not_before(app, datetime.now(UTC))
    if refused := intake.take_command(app.store, instant, matter, answer):
        raise UserError(refused, code=1)
    print(done)


def rebuild(
    config: Config = None,
    check_only: Annotated[bool, typer.Option("--check", help=say("只比较，什么也不改", "compare only"))] = False,
) -> None:
    from mailflow import rebuild as rebuilding

    app = open_app(config)
    need_store(app)
    if check_only:
        differences = rebuilding.check(app.store)
        for line in differences:
            print(line)
        print(f"有 {len(differences)} 处不同。" if differences else "一致：重新推出的结果与现有的完全相同。")
        if differences:
            raise typer.Exit(1)
        return
    with app.exclusive():
        print(f"已由 {rebuilding.rebuild(app.store)} 条事实重新推出。")
