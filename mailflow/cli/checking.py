"""Whether all is in order, before anything runs: check."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailflow.cli.language import say
from mailflow.cli.options import Config, open_app
from mailflow.cli.output import reason, tell
from mailflow.disks import CALLED, LOW, standing
from mailflow.errors import AuthError, MailflowError, PermanentError, Problem, TransientError, UserError

if TYPE_CHECKING:
    from mailflow.app import App
    from mailflow.config import Account
    from mailflow.urls import Url

_ALARM_HELP = say("另外送出一条试验的警报", "send a test alarm, too")
_AHEAD = timedelta(days=60)
"""So long beforehand `check` asks for the holidays of a new year."""


def check(
    config: Config = None,
    offline: Annotated[bool, typer.Option("--offline", help=say("不连接服务器", "do not connect"))] = False,
    ring: Annotated[bool, typer.Option("--alarm", help=_ALARM_HELP)] = False,
) -> None:
    app = replace(open_app(config), always=True)
    problems: list[Problem] = []
    _checked(say("配置", "configuration"), problems, lambda: _check_secrets(app))
    _checked(say("映射", "mappings"), problems, lambda: _check_mappings(app))
    _checked(say("模板", "templates"), problems, lambda: _check_templates(app))
    _checked(say("文件夹", "folders"), problems, lambda: _check_folders(app))
    _checked(say("数据库", "database"), problems, lambda: _check_store(app))
    if not offline:
        for box in app.config.mailboxes:
            look = _check_one(app, box, partial(app.mailbox, box))
            _checked(say(f"邮箱 {box.name}", f"mailbox {box.name}"), problems, look)
        _checked(say("发信", "sender"), problems, _check_one(app, app.config.send, app.sender))
        if (alarm := app.config.alarm.send) is not None:
            look = _check_one(app, alarm, partial(app.sender, alarm))
            _checked(say("警报的发信", "alarm sender"), problems, look)
    _checked(say("警报", "alarm"), problems, lambda: _check_alarm(app, ring=ring))
    if problems:
        raise typer.Exit(2 if all(p.file for p in problems) else 1)


def _check_one(app: App, account: Account, make: Callable[[], Any]) -> Callable[[], str]:
    """A check of a mailbox or sender that is made, asked and closed. What fails comes with the provider's own ways."""
    from mailflow.core.providers import GENERIC

    provider, gate = app.provider(account.url.host), app.gate(account)

    def look() -> str:
        again = say("（之前登录被拒绝过，现在可以了，会马上再试）", " (it was refused before, and is tried at once)")
        hint = again if gate.refused else ""
        try:
            with gate.passing(), closing(make()) as made:
                found = str(made.check())
        except AuthError as error:
            raise _explained(error, [f"{provider.name}：{provider.help}"] if provider.help else []) from error
        except (TransientError, PermanentError) as error:
            raise _explained(error, _perhaps(app, account.url)) from error
        return found + ("" if provider is GENERIC else f"（{provider.name}）") + hint

    return look


def _explained(error: MailflowError, hints: Sequence[str]) -> MailflowError:
    return MailflowError("\n  ".join([str(error), *hints]))


_PORTS = {
    ("imap", 993): "993 端口要写 imaps://", ("imaps", 143): "143 端口要写 imap://",
    ("smtp", 465): "465 端口要写 smtps://", ("smtps", 587): "587 端口要写 smtp://",
    ("smtps", 25): "25 端口要写 smtp://",
    **{(scheme, port): f"{port} 是 POP3 的端口，收信要用 IMAP：imaps:// 一般是 993"
       for scheme in ("imap", "imaps") for port in (110, 995)},
}  # fmt: skip
"""What a port is for that goes with another kind of url."""


def _perhaps(app: App, url: Url) -> list[str]:
    """What may be wrong with the address of a server that does not answer as it should."""
    provider = app.provider(url.host)
    if usual := provider.usual_address(url.scheme, url.host, url.port or 0):
        return [f"{provider.name}：地址一般是 {usual}，请核对 url。"]
    if port := _PORTS.get((url.scheme, url.port or 0)):
        return [f"{port}，请核对 url。"]
    with suppress(UserError):
        from mailflow.core.providers import meant

        if near := meant(url.scheme, url.host, app.mapping_on_disk()[0].providers):
            return [f"是否想写 {near}？"]
    return []


def _checked(what: str, problems: list[Problem], look: Callable[[], str | None]) -> None:
    """One line of the check. What was told before, because an earlier one met it, too, is not told again."""
    try:
        found = look()
        print(f"✓ {what}{'：' + found if found else ''}", flush=True)
        return
    except UserError as error:
        faults = error.problems
    except MailflowError as error:
        faults = (Problem(str(error)),)
    new = [fault for fault in faults if fault not in problems]
    print(f"✗ {what}{'' if new else '：同上'}", flush=True)
    for fault in new:
        tell(f"  {fault}")
    problems += new


def _check_secrets(app: App) -> None:
    from mailflow.secret import from_file, open_to_others

    for path in app.config.secret_files:
        if mode := open_to_others(path):
            tell(f"  提示：密码文件 {path} 别的用户也能读或写（权限 {mode}）：请运行 chmod 600 {path}")
    problems: list[Problem] = []
    for path in app.config.secret_files:
        try:
            word = from_file(path)
        except UserError as error:
            problems += error.problems
            continue
        if path in app.config.password_files and (len(word.split()) > 1 or word != word.strip()):
            tell(f"  提示：密码文件 {path} 里有空格或不止一行：里面应只有密码，请核对。")
    if problems:
        raise UserError(problems)


def _check_mappings(app: App) -> str:
    mapping, _ = app.mapping_on_disk()
    blind = [box.name for box in app.config.mailboxes if not box.authserv_ids]
    if blind:
        names = "、".join(blind)
        tell(f"  提示：邮箱 {names} 没有配置 authserv_ids，发件人无从验证：投诉、撤诉和邮件里的决定都会先列为待确认。")
    year = mapping.calendar.day(datetime.now(UTC) + _AHEAD).year
    if not mapping.calendar.knows(year):
        tell(
            f"  提示：工作日历里还没有 {year} 年的节假日和调休，只有星期六、星期日算休息，春节里也会照常催办："
            "请更新 chinesecalendar，或写进 calendar.toml。"
        )
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
    """Whether whoever runs this may write where `once` and `run` will, and whether there is space. Makes nothing."""
    folders = {CALLED[name]: folder for name, folder in app.config.folders.items()}
    wrong = {what: why for what, folder in folders.items() if (why := _unwritable(folder))}
    if wrong:
        raise UserError([Problem(f"{what}的文件夹 {folders[what]}：{why}") for what, why in wrong.items()])
    for disk in app.disks():
        if disk.free < LOW:
            tell(f"  提示：{disk.text}")
    return "、".join(f"{what} {folder}" for what, folder in folders.items()) + " 可以写入"


def _unwritable(folder: Path) -> str:
    """Why nothing can be written there; "" if it can."""
    try:
        place = standing(folder)
    except OSError as error:
        return f"看不到它（{reason(error)}），请让运行 mailflow 的用户能进它上面的文件夹"
    if not place.is_dir():
        return f"{place} 不是文件夹"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} 不能写入，请让运行 mailflow 的用户能写（磁盘是只读的也会这样）"
    return ""


def _check_store(app: App) -> str:
    if not app.has_store():
        return say("还没有，第一次运行时建立", "made by the first run")
    with app.store.read() as reader:
        number = sum(reader.count_mails().values())
    return say(f"已收 {number} 封邮件", f"{number} mails")


def _check_alarm(app: App, *, ring: bool) -> str:
    alarm, send, bell = app.config.alarm, app.config.send, app.bell()
    if not (alarm.command or alarm.to):
        tell("  提示：没有写 [alarm]：夜里出了问题只记日志，没有人会知道。")
        return say("没有配置", "none")
    if alarm.command and shutil.which(alarm.command[0]) is None:
        raise MailflowError(f"没有 {alarm.command[0]} 这个程序，或不能运行：请在 [alarm] 的 command 里写完整的路径")
    if not alarm.command and alarm.send and app.gate(alarm.send) is app.gate(send) and send.url.scheme != "maildir":
        tell("  提示：警报与通知用同一个发信账号，它登录不了的时候，警报也送不出去：请给 [alarm.send] 另一个账号。")
    if not ring:
        return say("用 mailflow check --alarm 试一次", "try it by mailflow check --alarm")
    bell.test(datetime.now(UTC))
    if bell.failed:
        raise MailflowError(f"警报没有送到：{bell.failed}")
    return say("试验的警报已送出", "a test was sent")
