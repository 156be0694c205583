"""What there is, and how it came about: list, why, status. Nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import MONTH_HELP, Config, Json, instant_of, month_of, need_store, open_app
from mailflow.cli.output import print_json, print_table
from mailflow.errors import UserError

LISTS = ("mails", "records", "cases", "complaints", "ledger", "held", "notices", "workbooks")
_LISTS_HELP = say(
    "mails 邮件、records 报告、cases 事项、complaints 投诉、ledger 台账、held 待确认、notices 通知、workbooks 工作簿",
    "one of " + ", ".join(LISTS),
)


_SINCE_HELP = say(
    "只列这个时间以后的：收到、提出、入账、应发或更新", "from this time on: received, raised, booked, due, published"
)
_STATE_HELP = say(
    "只列这种状态的：表格里的词，或 --json 里的", "in this state (of mails: their disposition), as in --json"
)
_PERSON_HELP = say(
    "只列与这个人有关的：发件人、工程师、负责人、收通知的人", "of this person: sender, engineer, owner, who is told"
)


def list_(
    what: Annotated[str, typer.Argument(metavar=say("内容", "WHAT"), help=_LISTS_HELP)],
    config: Config = None,
    as_json: Json = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar=say("行数", "N"), help=say("只列最后几行", "the last N rows only")),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar=say("时间", "TIME"), help=_SINCE_HELP)] = None,
    state: Annotated[str | None, typer.Option("--state", metavar=say("状态", "STATE"), help=_STATE_HELP)] = None,
    person: Annotated[str | None, typer.Option("--person", metavar=say("姓名", "NAME"), help=_PERSON_HELP)] = None,
    project: Annotated[
        str | None,
        typer.Option("--project", metavar=say("项目", "NAME"), help=say("只列这个项目的", "of this project")),
    ] = None,
    mailbox: Annotated[
        str | None,
        typer.Option(
            "--mailbox", metavar=say("名称", "NAME"), help=say("只列这个邮箱收到的", "taken in from this mailbox")
        ),
    ] = None,
) -> None:
    from mailflow.listing import COLUMNS, kind_names, rows, shown, wanted

    if what not in LISTS:
        raise UserError(say(f"不认识 {what}，可以列出：", f"unknown: {what}; one of: ") + "|".join(LISTS))
    app = open_app(config)
    begin = instant_of(app, since) if since is not None else None
    named = {"state": state, "person": person, "project": project, "mailbox": mailbox}
    found = rows(app, what, wanted(app, what, begin, **named), limit)
    if as_json:
        print_json(found)
    else:
        names = kind_names(app) if found else {}
        print_table([shown(row, names) for row in found], COLUMNS[what])
        number = len(found)
        print(
            say(f"最后 {number} 行", f"the last {number} rows")
            if number == limit
            else say(f"共 {number} 行", f"{number} rows")
        )


def why(
    person: Annotated[
        str, typer.Argument(metavar=say("姓名", "PERSON"), help=say("名册上的姓名", "name on the roster"))
    ],
    month: Annotated[str, typer.Argument(metavar=say("月份", "YYYY-MM"), help=MONTH_HELP)],
    config: Config = None,
    as_json: Json = False,
) -> None:
    from mailflow.views.why import explain_month

    month_of(month)
    app = open_app(config)
    need_store(app)
    with app.store.read() as reader:
        mapping = app.in_force()
        people = mapping.roster.by_name(person)
        if len(people) != 1:
            names = "、".join(p.name for p in people)
            text = f"“{person}”可能是：{names}，请写全名。" if people else f"人员名册上没有“{person}”。"
            raise UserError(text, code=1)
        found = explain_month(reader.book, mapping, people[0].name, month)
    if as_json:
        print_json(found.to_json())
    else:
        print("\n".join(found.lines()))


def status(
    config: Config = None,
    as_json: Json = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help=say("按 Prometheus 的文本格式输出", "in Prometheus' text format"))
    ] = False,
) -> None:
    from mailflow.status import healthy, status_of

    found = status_of(open_app(config), datetime.now(UTC))
    if prometheus:
        from mailflow.status.prometheus import metrics

        print(metrics(found))
    elif as_json:
        print_json(found)
    else:
        from mailflow.status.shown import lines

        print("\n".join(lines(found)))
    if not healthy(found):
        raise typer.Exit(1)
