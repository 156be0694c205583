"""What an admin needs until all is set up: check, preview, login, demo."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, open_app
from mailflow.cli.output import tell
from mailflow.errors import AuthError, MailflowError, PermanentError, Problem, TransientError, UserError

if TYPE_CHECKING:
    from mailflow.app import App
    from mailflow.config import Account

_NOTICE_HELP = say("通知的名称，如 held；见 docs/templates.md", "name of the notice, e.g. held; see docs/templates.md")
_LOGIN_HELP = say("[[mailbox]] 的 name；发信的账号写 send", "name of a [[mailbox]], or send")
_FOLDER_HELP = say("演示用的文件夹（默认 demo）", "folder to play in (default: demo)")


def check(
    config: Config = None,
    offline: Annotated[bool, typer.Option("--offline", help=say("不连接服务器", "do not connect"))] = False,
) -> None:
    app = replace(open_app(config), always=True)
    problems: list[Problem] = []
    _checked(say("配置", "configuration"), problems, lambda: _check_secrets(app))
    _checked(say("映射", "mappings"), problems, lambda: _check_mappings(app))
    _checked(say("模板", "templates"), problems, lambda: _check_templates(app))
    _checked(say("文件夹", "folders"), problems, lambda: _check_folders(app))
    if not offline:
        for box in app.config.mailboxes:
            look = _check_one(app, box, partial(app.mailbox, box))
            _checked(say(f"邮箱 {box.name}", f"mailbox {box.name}"), problems, look)
        _checked(say("发信", "sender"), problems, _check_one(app, app.config.send, app.sender))
        if (alarm := app.config.alarm.send) is not None:
            look = _check_one(app, alarm, partial(app.sender, alarm))
            _checked(say("警报的发信", "alarm sender"), problems, look)
            _hint_at_alarms(app)
    if problems:
        raise typer.Exit(2 if all(p.file for p in problems) else 1)


def _check_one(app: App, account: Account, make: Callable[[], Any]) -> Callable[[], str]:
    """A check of a mailbox or sender that is made, asked and closed. What fails comes with the provider's own ways."""
    from mailflow.core.providers import GENERIC

    url = account.url
    provider, gate = app.provider(url.host), app.gate(account)

    def look() -> str:
        again = say("（之前登录被拒绝过，现在可以了，会马上再试）", " (it was refused before, and is tried at once)")
        hint = again if gate.refused else ""
        try:
            with gate.passing(), closing(make()) as made:
                found = str(made.check())
        except (TransientError, PermanentError) as error:
            hints = [provider.help] if isinstance(error, AuthError) and provider.help else []
            if usual := provider.usual_address(url.scheme, url.host, url.port or 0):
                hints.append(f"地址一般是 {usual}，请核对 url。")
            lines = [str(error), *(f"  {provider.name}：{hint}" for hint in hints)]
            raise MailflowError("\n".join(lines)) from error
        return found + ("" if provider is GENERIC else f"（{provider.name}）") + hint

    return look


def _hint_at_alarms(app: App) -> None:
    alarm, send = app.config.alarm, app.config.send
    if not alarm.command and alarm.send and app.gate(alarm.send) is app.gate(send) and send.url.scheme != "maildir":
        tell("  提示：警报与通知用同一个发信账号，它登录不了的时候，警报也送不出去：请给 [alarm.send] 另一个账号。")


def _checked(what: str, problems: list[Problem], look: Callable[[], str | None]) -> None:
    try:
        found = look()
        print(f"✓ {what}{'：' + found if found else ''}")
    except UserError as error:
        problems += error.problems
        print(f"✗ {what}")
        for problem in error.problems:
            tell(f"  {problem}")
    except MailflowError as error:
        problems.append(Problem(str(error)))
        print(f"✗ {what}")
        tell(f"  {error}")


def _check_secrets(app: App) -> None:
    from mailflow.secret import open_to_others

    for path in app.config.secret_files:
        if mode := open_to_others(path):
            tell(f"  提示：密码文件 {path} 别的用户也能读或写（权限 {mode}）：请运行 chmod 600 {path}")


def _check_mappings(app: App) -> str:
    mapping, _ = app.mapping_on_disk()
    blind = [box.name for box in app.config.mailboxes if not box.authserv_ids]
    if blind:
        names = "、".join(blind)
        tell(f"  提示：邮箱 {names} 没有配置 authserv_ids，发件人无从验证：投诉、撤诉和邮件里的决定都会先列为待确认。")
    return f"{len(mapping.people)} 人，{len(mapping.projects)} 个项目，{len(mapping.kinds)} 种邮件"


def _check_templates(app: App) -> None:
    from mailflow.notices.render import check as check_templates

    problems = check_templates(app.notices)
    try:
        for hint in app.check_templates():
            tell(f"  提示：{hint}")
    except UserError as error:
        problems += error.problems
    if problems:
        raise UserError(problems)


def _check_folders(app: App) -> str:
    """Whether whoever runs this may write where `once` and `run` will. Makes none of them."""
    workbooks = app.config.workbooks
    folders = {"数据": app.config.main.data, "工作簿": workbooks.folder, "绩效台账": workbooks.restricted_folder}
    wrong = []
    for what, folder in folders.items():
        place = next(path for path in (folder, *folder.parents) if path.exists())
        if not place.is_dir():
            wrong.append(Problem(f"{what}的文件夹 {folder}：{place} 不是文件夹"))
        elif not os.access(place, os.W_OK | os.X_OK):
            wrong.append(Problem(f"{what}的文件夹 {folder}：{place} 不能写入，请让运行 mailflow 的用户能写"))
    if wrong:
        raise UserError(wrong)
    return "、".join(f"{what} {folder}" for what, folder in folders.items()) + " 可以写入"


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
