"""Commands: parse, call, print. Results to stdout, messages to stderr; exit 0 done, 1 refused or failed, 2 wrong use.

Chinese; English with MAILFLOW_LANG=en. Everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from mailflow import __version__
from mailflow.errors import MailflowError, Problem, UserError

if TYPE_CHECKING:
    from mailflow.app import App, Summary

ENGLISH = os.environ.get("MAILFLOW_LANG", "").lower().startswith("en")


def say(chinese: str, english: str) -> str:
    """The text in the user's language."""
    return english if ENGLISH else chinese


cli = typer.Typer(
    name="mailflow",
    help=say(
        "技术支持部的邮件自动化：收邮件，记工作簿和绩效台账，发提醒。English: MAILFLOW_LANG=en",
        "Runs a technical-support department by e-mail: mail in, workbooks, pay ledger and reminders out.",
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_CONFIG_HELP = say(
    "配置文件（默认 config.toml，或环境变量 MAILFLOW_CONFIG）",
    "configuration file (default config.toml, or MAILFLOW_CONFIG)",
)
_NUMBER_HELP = say("待确认的编号，或投诉编号 MF-…", "number of the held item, or of a complaint")
HELP = {
    "run": say(
        "守护进程：一直运行，直到收到 SIGTERM 或 Ctrl-C",
        "the daemon: runs until SIGTERM or Ctrl-C",
    ),
    "once": say(
        "收一遍邮件，办到期的事，更新工作簿，发信，然后结束",
        "take in waiting mail, do what is due, publish, send, end",
    ),
    "check": say(
        "检查配置、映射、模板，并登录每个邮箱和发信服务器",
        "check configuration, mappings, templates; then log in everywhere",
    ),
    "explain": say(
        "说明一封邮件是怎样读的、为什么；什么也不改",
        "how each mail is read, and why; changes nothing",
    ),
    "list": say(
        "列出库里有什么",
        "what is in the store",
    ),
    "why": say(
        "一个人某月的每条绩效分录：邮件、规则和算式",
        "every grade entry of that month: mails, rule, arithmetic",
    ),
    "decide": say(
        "答复一件待确认的事，与回信或填表一样",
        "answer a held item, as the reply or the cell would",
    ),
    "close_month": say(
        "绩效台账关账",
        "close a month's ledger",
    ),
    "rebuild": say(
        "由事实重新推出一切；--check 只比较",
        "derived state from facts again; --check compares only",
    ),
    "preview": say(
        "用样例数据看一封通知",
        "a notice with sample data",
    ),
    "status": say(
        "邮箱、待发通知、工作簿和到期事项的状况",
        "mailboxes, queue, workbooks, what is due",
    ),
    "demo": say(
        "演示：一个小部门的一个月，用内置部件，供观看",
        "a department's month on embedded parts, to look at",
    ),
}
Config = Annotated[Path | None, typer.Option("--config", help=_CONFIG_HELP)]
Json = Annotated[bool, typer.Option("--json", help=say("输出 JSON", "print JSON"))]
Now = Annotated[
    str | None,
    typer.Option("--now", help=say("把时钟设在这一刻（ISO 8601）", "set the clock for this run (ISO 8601)")),
]

_chosen: Path | None = None
"""--config before the command."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mailflow {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    config: Config = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help=say("版本", "print the version"))
    ] = False,
) -> None:
    global _chosen
    _chosen = config


def _app(config: Path | None) -> App:
    from mailflow.app import App

    return App.of(config or _chosen or Path(os.environ.get("MAILFLOW_CONFIG") or "config.toml"))


def _need_store(app: App) -> None:
    if not app.has_store():
        text = say("还没有数据，请先运行 mailflow once。", "nothing is in the store yet; run mailflow once.")
        raise UserError(text, code=1)


def _instant(app: App, text: str | None) -> datetime:
    """--now as an instant; without an offset it is meant in the configured time zone."""
    if text is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(say(f"看不懂时间 {text}，应写成 2026-11-20T09:00", f"not an ISO 8601 time: {text}")) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(app.config.main.timezone))


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, default=str))


# -- commands --------------------------------------------------------------------------------------------------------


@cli.command(help=HELP["run"])
def run(config: Config = None) -> None:
    from mailflow import journal
    from mailflow.daemon import Daemon

    app = _app(config)
    journal.setup("info", json=False, file=None)
    with app.exclusive():
        _tell(say("mailflow 正在运行，按 Ctrl-C 结束。", "mailflow is running; press Ctrl-C to end it."))
        Daemon(app).run()


@cli.command(help=HELP["once"])
def once(config: Config = None, now: Now = None) -> None:
    app = _app(config)
    with app.exclusive():
        summary = app.once(_instant(app, now), lambda what: _progress(what))
    _summary(summary)
    if summary.problems:
        raise typer.Exit(1)


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{what}…", end="", file=sys.stderr, flush=True)


def _summary(summary: Summary) -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    mails = "，".join(f"{DISPOSITIONS.get(name, name)} {number}" for name, number in sorted(summary.mails.items()))
    print(f"邮件 {sum(summary.mails.values())} 封{'：' + mails if mails else ''}")
    print(
        f"到期事项 {summary.due} 件，工作簿更新 {summary.workbooks['written']} 个，"
        f"通知发出 {summary.notices['sent']} 封"
    )
    for problem in summary.problems:
        _tell(f"⚠ {problem}")


DISPOSITIONS = {
    "recorded": "已记录", "decided": "已执行", "held": "待确认", "near_miss": "请更正", "duplicate": "重发",
    "copy": "副本", "discussion": "往来", "automatic": "自动邮件", "bounce": "退信", "own": "本系统发出",
    "unmatched": "未识别", "set_aside": "搁置",
}  # fmt: skip


@cli.command(help=HELP["check"])
def check(
    config: Config = None,
    offline: Annotated[bool, typer.Option("--offline", help=say("不连接服务器", "do not connect"))] = False,
) -> None:
    app = _app(config)
    problems: list[Problem] = []
    _checked(say("配置", "configuration"), problems, lambda: None)
    _checked(say("映射", "mappings"), problems, lambda: _check_mappings(app))
    _checked(say("模板", "templates"), problems, lambda: _check_templates(app))
    if not offline:
        for box in app.config.mailboxes:
            look = _check_one(partial(app.mailbox, box))
            _checked(say(f"邮箱 {box.name}", f"mailbox {box.name}"), problems, look)
        _checked(say("发信", "sender"), problems, _check_one(app.sender))
    if problems:
        raise typer.Exit(2 if all(p.file for p in problems) else 1)


def _check_one(make: Callable[[], Any]) -> Callable[[], str]:
    """A check of a mailbox or sender that is made, asked and closed."""

    def look() -> str:
        made = make()
        try:
            return str(made.check())
        finally:
            made.close()

    return look


def _checked(what: str, problems: list[Problem], look: Callable[[], str | None]) -> None:
    try:
        found = look()
        print(f"✓ {what}{'：' + found if found else ''}")
    except UserError as error:
        problems += error.problems
        print(f"✗ {what}")
        for problem in error.problems:
            _tell(f"  {problem}")
    except MailflowError as error:
        problems.append(Problem(str(error)))
        print(f"✗ {what}")
        _tell(f"  {error}")


def _check_mappings(app: App) -> str:
    mapping, _ = app.mapping_on_disk()
    blind = [box.name for box in app.config.mailboxes if not box.authserv_ids]
    if blind:
        names = "、".join(blind)
        _tell(f"  提示：邮箱 {names} 没有配置 authserv_ids，发件人无从验证：投诉、撤诉和邮件里的决定都会先列为待确认。")
    return f"{len(mapping.people)} 人，{len(mapping.projects)} 个项目，{len(mapping.kinds)} 种邮件"


def _check_templates(app: App) -> None:
    from mailflow.notices.render import check as check_templates

    if problems := check_templates(app.notices):
        raise UserError(problems)


@cli.command(help=HELP["explain"])
def explain(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.eml…", help=say("邮件文件", "mail files"))],
    config: Config = None,
    as_json: Json = False,
    mailbox: Annotated[
        str | None, typer.Option("--mailbox", help=say("当作由这个邮箱收到", "as if received by this mailbox"))
    ] = None,
) -> None:
    from mailflow.explain import explain as explained
    from mailflow.explain import lines

    app = _app(config)
    failed = False
    for path in files:
        try:
            raw, when = path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as error:
            _tell(say(f"读不到 {path}：{error.strerror}", f"cannot read {path}: {error.strerror}"))
            failed = True
            continue
        found = explained(app, raw, when, mailbox)
        if as_json:
            _print_json(found)
        else:
            print("\n".join((f"── {path}", *lines(found), "")))
    if failed:
        raise typer.Exit(1)


@cli.command("list", help=HELP["list"])
def list_(
    what: Annotated[str, typer.Argument(help="mails|records|cases|complaints|ledger|held|notices|workbooks")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    from mailflow.listing import COLUMNS, rows

    if what not in COLUMNS:
        raise UserError(say(f"不认识 {what}，可以列出：", f"unknown: {what}; one of: ") + "|".join(COLUMNS))
    found = rows(_app(config), what)
    if as_json:
        _print_json(found)
    else:
        _table(found, COLUMNS[what])


def _table(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> None:
    """A table for a person, at the width of the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False, highlight=False)
    console.print(table)
    console.print(say(f"共 {len(rows)} 行", f"{len(rows)} rows"))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list | tuple):
        return "、".join(_cell(v.get("text", v) if isinstance(v, dict) else v) for v in value)
    return str(value)


@cli.command(help=HELP["why"])
def why(
    person: Annotated[str, typer.Argument(help=say("姓名", "name"))],
    month: Annotated[str, typer.Argument(metavar="YYYY-MM")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    from mailflow.views.why import explain_month

    _month(month)
    app = _app(config)
    with app.store.read() as reader:
        mapping = app.in_force()
        people = mapping.roster.by_name(person)
        if len(people) != 1:
            names = "、".join(p.name for p in people)
            text = f"“{person}”可能是：{names}，请写全名。" if people else f"人员名册上没有“{person}”。"
            raise UserError(text, code=1)
        found = explain_month(reader.book, mapping, people[0].name, month)
    if as_json:
        _print_json(found.to_json())
    else:
        print("\n".join(found.lines()))


def _month(text: str) -> str:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text):
        raise UserError(say(f"月份应写成 2026-11，而不是 {text}", f"not a month: {text}; write 2026-11"))
    return text


@cli.command(help=HELP["decide"])
def decide(
    number: Annotated[str, typer.Argument(metavar="N", help=_NUMBER_HELP)],
    answer: Annotated[list[str], typer.Argument(help="确认 / 指定 姓名 / 维持 / 驳回")],
    config: Config = None,
    now: Now = None,
) -> None:
    matter = f"held:{number}" if number.isdigit() else f"complaint:{number}"
    _command(_app(config), now, matter, " ".join(answer), say("已处理。", "done."))


@cli.command("close-month", help=HELP["close_month"])
def close_month(
    month: Annotated[str, typer.Argument(metavar="YYYY-MM")], config: Config = None, now: Now = None
) -> None:
    _command(_app(config), now, f"month:{_month(month)}", "确认", say(f"{month} 已关账。", f"{month} is closed."))


def _command(app: App, now: str | None, matter: str, answer: str, done: str) -> None:
    from mailflow import intake

    _need_store(app)
    with app.store.read() as reader:
        last = reader.last_time()
    # The clock of the facts never runs backwards, whatever this machine's says.
    instant = _instant(app, now) if now else max(datetime.now(UTC), last or datetime.now(UTC))
    if refused := intake.take_command(app.store, instant, matter, answer):
        raise UserError(refused, code=1)
    print(done)


@cli.command(help=HELP["rebuild"])
def rebuild(
    config: Config = None,
    check_only: Annotated[bool, typer.Option("--check", help=say("只比较，什么也不改", "compare only"))] = False,
) -> None:
    from mailflow import rebuild as rebuilding

    app = _app(config)
    _need_store(app)
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


@cli.command(help=HELP["preview"])
def preview(
    notice: Annotated[str, typer.Argument(help=say("通知的名称", "name of the notice"))],
    config: Config = None,
    html: Annotated[bool, typer.Option("--html", help=say("输出 HTML", "print the HTML"))] = False,
) -> None:
    from mailflow.notices.render import render
    from mailflow.notices.samples import SAMPLES

    if notice not in SAMPLES:
        raise UserError(say(f"没有名为 {notice} 的通知：", f"no notice {notice}; one of: ") + "、".join(SAMPLES))
    rendered = render(notice, SAMPLES[notice], templates=_app(config).notices)
    print(rendered.html if html else f"主题：{rendered.subject}\n\n{rendered.text}")


@cli.command(help=HELP["status"])
def status(config: Config = None, as_json: Json = False) -> None:
    from mailflow.status import healthy, lines, status_of

    app = _app(config)
    found = status_of(app, datetime.now(UTC))
    if as_json:
        _print_json(found)
    else:
        print("\n".join(lines(found)))
    if not healthy(found):
        raise typer.Exit(1)


@cli.command(help=HELP["demo"])
def demo(folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path("demo")) -> None:
    from mailflow.demo.driver import main as play

    play(folder)


# -- entry -----------------------------------------------------------------------------------------------------------


@contextmanager
def _spoken() -> Iterator[None]:
    """Errors as sentences, each with its exit status; never a traceback for what is not our bug."""
    try:
        yield
    except UserError as error:
        for problem in error.problems:
            _tell(f"{say('错误', 'error')}：{problem}")
        sys.exit(error.code)
    except MailflowError as error:
        _tell(f"{say('错误', 'error')}：{error}")
        sys.exit(1)
    except KeyboardInterrupt:
        _tell(say("已中断。", "interrupted."))
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone (… | head): nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script `mailflow`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    with _spoken():
        cli(args=arguments, prog_name="mailflow")
