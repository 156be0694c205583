"""What an admin needs until all is set up: preview, login, demo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, open_app
from mailflow.errors import UserError

_NOTICE_HELP = say("通知的名称，如 held；见 docs/templates.md", "name of the notice, e.g. held; see docs/templates.md")
_LOGIN_HELP = say("[[mailbox]] 的 name；发信的账号写 send", "name of a [[mailbox]], or send")
_FOLDER_HELP = say("演示用的文件夹（默认 demo）", "folder to play in (default: demo)")


def preview(
    notice: Annotated[str, typer.Argument(metavar=say("通知", "NOTICE"), help=_NOTICE_HELP)],
    config: Config = None,
    html: Annotated[
        bool, typer.Option("--html", help=say("输出网页格式，可以存成文件用浏览器看", "print the HTML"))
    ] = False,
) -> None:
    from mailflow.notices.render import render
    from mailflow.notices.samples import SAMPLES

    if notice not in SAMPLES:
        raise UserError(say(f"没有名为 {notice} 的通知：", f"no notice {notice}; one of: ") + "、".join(SAMPLES))
    rendered = render(notice, SAMPLES[notice], templates=open_app(config).notices)
    print(rendered.html if html else f"主题：{rendered.subject}\n\n{rendered.text}")


def login(
    name: Annotated[str, typer.Argument(metavar=say("邮箱", "MAILBOX"), help=_LOGIN_HELP)],
    config: Config = None,
    paste: Annotated[
        bool,
        typer.Option("--paste", help=say("浏览器在别的机器上：把最后到达的网址粘贴过来", "the browser is elsewhere")),
    ] = False,
) -> None:
    from mailflow.accounts import SENDER

    app = replace(open_app(config), always=True)
    accounts = {SENDER: app.config.send, **{box.name: box for box in app.config.mailboxes}}
    if name not in accounts:
        raise UserError(say(f"没有名为 {name} 的邮箱：", f"no mailbox {name}; one of: ") + "、".join(accounts))
    tokens, gate = app.tokens(accounts[name], name), app.gate(accounts[name])
    if not tokens.by_person:
        with gate.passing():
            tokens.token()
        print(say("不需要有人登录，已经拿到令牌。", "nobody needs to sign in: a token was given."))
        return
    with gate.passing():
        tokens.sign_in(print, (lambda: input(say("网址：", "address: "))) if paste else None)
    print(say(f"{name} 已登录，凭据保存在数据目录里。", f"{name} has signed in."))


def demo(
    folder: Annotated[Path, typer.Argument(metavar=say("文件夹", "DIR"), help=_FOLDER_HELP)] = Path("demo"),
) -> None:
    from mailflow.demo.driver import main as play

    play(folder)
