"""Plays the demo month and shows what came of it. A second time nothing new happens."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from mailflow.core.book import Book
from mailflow.core.people import Roster
from mailflow.demo.folder import SENT, WORKBOOKS
from mailflow.demo.mails import mails, reply_to
from mailflow.demo.people import party
from mailflow.demo.post import Post
from mailflow.demo.scenario import STEPS, Advance, Answer, Deliver, Step
from mailflow.demo.summary import EngineerLine, HeldLine, Summary, summarise

_DISPOSITIONS = {
    "recorded": "已登记",
    "decided": "已按答复办理",
    "held": "转经理确认",
    "near_miss": "差一点，已发更正提示",
    "duplicate": "24 小时内重发",
    "copy": "同一封的副本",
    "discussion": "讨论（回复、转发）",
    "automatic": "自动邮件",
    "bounce": "退信",
    "own": "系统自己发的",
    "unmatched": "不属于任何类型",
    "set_aside": "无法处理，已搁置",
}
_NOTICES = {
    "held": "请经理确认",
    "month_draft": "月度台账草稿",
    "report_incomplete": "请补充报告",
    "registration_request": "请立项",
    "registration_incomplete": "请补充立项",
    "support_stopped": "将停止支持",
    "complaint_received": "收到投诉",
    "complaint_withdrawn": "投诉不再计",
    "consequence": "绩效后果",
    "objection_result": "异议的结果",
    "correction": "更正提示",
    "decision_done": "决定已办",
    "decision_unclear": "没看懂决定",
    "second_engineer_report": "第二售前的报告",
    "leftover_which": "请说明是哪个遗留问题",
}


class Driver(Protocol):
    """What the demo needs of a mailflow that stands in its folder. Instants are aware, in the order of time."""

    def deliver(self, mailbox: str, name: str, raw: bytes, when: datetime) -> bool:
        """Puts a mail into the Maildir `mailbox` as the file `name`, `when` being the server's time of it.

        Does nothing and returns False when the Maildir has a file of that name already.
        """

    def once(self, now: datetime) -> None:
        """Takes in, decides, does what is due, publishes and sends, as `mailflow once --now` does.

        `now` may lie before the last instant played, when the demo runs again; nothing must come of that.
        """

    def notice_id(self, template: str, *, to: str, about: str) -> tuple[str, str] | None:
        """(Message-ID, subject) of a notice that was sent; `about` as for `summary.find_notice`. None: no such one."""

    def book(self) -> Book:
        """What has been worked out so far."""

    def roster(self) -> Roster:
        """The people of the mapping in force."""


def play(folder: Path, driver: Driver, console: Console) -> Summary:
    """Plays the month through `driver` and prints what came of it, in Chinese.

    Idempotent: every mail has a file name and a Message-ID of its own that never change, answers to notices too.
    """
    skipped = _play_steps(driver, console)
    summary = summarise(driver.book(), driver.roster(), skipped)
    show(summary, folder, console)
    return summary


def _play_steps(driver: Driver, console: Console) -> list[str]:
    columns = (TextColumn("{task.fields[day]}"), BarColumn(24), MofNCompleteColumn(), TextColumn("{task.fields[said]}"))
    skipped: list[str] = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(STEPS), day="", said="")
        for step in STEPS:
            progress.update(task, day=f"{step.at:%m-%d %H:%M}", said=escape(step.caption))
            if not _play_step(step, driver):
                skipped.append(step.caption)
            progress.advance(task)
    return skipped


def _play_step(step: Step, driver: Driver) -> bool:
    """Returns False for an answer that has nothing to answer."""
    if isinstance(step, Advance):
        driver.once(step.at)
        return True
    post = mails()[step.post] if isinstance(step, Deliver) else _answer(step, driver)
    # A mail that was there has been taken in, unless the last run was cut right here: the next `once` makes up for it.
    if post is not None and driver.deliver(post.mailbox, file_name(post), post.raw, post.arrives):
        driver.once(post.arrives)
    return post is not None


def _answer(step: Answer, driver: Driver) -> Post | None:
    notice = driver.notice_id(step.template, to=party(step.by).address, about=step.about)
    return reply_to(*notice, step.text, step.by, step.when, post_id=step.id) if notice else None


def file_name(post: Post) -> str:
    """The Maildir name of a mail: always the same, so that a second run finds it there."""
    return f"{int(post.arrives.timestamp())}.{post.id}.demo"


# ---- what is shown


def show(summary: Summary, folder: Path, console: Console) -> None:
    """Prints the tables. Texts of mails are never taken for markup."""
    span = f"{STEPS[0].at:%Y-%m-%d} 至 {STEPS[-1].at:%Y-%m-%d}"
    console.print(f"\n[bold]演示：一个技术支持部门的一个月[/bold]（{span}）\n")
    console.print(_engineers(summary.engineers))
    console.print(_counts("邮件的去向", "去向", summary.mails, _DISPOSITIONS))
    console.print(_counts("发出的通知", "通知", summary.notices, _NOTICES))
    console.print(_held(summary.held))
    for caption in summary.skipped:
        console.print(f"[yellow]没有演成：{escape(caption)}（没有找到要答复的通知）[/yellow]")
    _places(folder, console)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _engineers(lines: Iterable[EngineerLine]) -> Table:
    table = _table("工程师", "姓名")
    for heading in ("沟通报告", "待补充", "遗留/已解决", "计入投诉", "不计"):
        table.add_column(heading, justify="right")
    table.add_column("绩效后果", overflow="fold")
    table.add_column("等级", no_wrap=True)
    for e in lines:
        table.add_row(
            escape(e.name), *map(_number, (e.reports, e.incomplete)), f"{e.leftovers_open}/{e.leftovers_solved}",
            *map(_number, (e.counted, e.not_counted)), "\n".join(e.consequences) or "-",
            e.before if e.before == e.after else f"[bold red]{e.before} → {e.after}[/bold red]",
        )  # fmt: skip
    return table


def _number(value: int) -> str:
    return str(value) if value else "-"


def _counts(title: str, heading: str, counts: dict[str, int], names: dict[str, str]) -> Table:
    table = _table(title, heading)
    table.add_column("数量", justify="right")
    for key, count in counts.items():
        table.add_row(escape(names.get(key, key)), str(count))
    table.add_section()
    table.add_row("合计", str(sum(counts.values())))
    return table


def _held(lines: Iterable[HeldLine]) -> Table:
    table = _table("待确认", "序号", "发件人", "主题", "原因", "决定")
    for h in lines:
        answer = escape(h.answer) if h.answer else "[bold yellow]未决[/bold yellow]"
        table.add_row(str(h.number), escape(h.sender), escape(h.subject), escape(h.why), answer)
    return table


def _places(folder: Path, console: Console) -> None:
    console.print("\n[bold]可以打开看的[/bold]")
    for book in sorted((folder / WORKBOOKS).rglob("*.xlsx")):
        console.print(f"  {book}", markup=False, highlight=False, soft_wrap=True)
    for name, place in (("发出的通知", SENT), ("配置", "config.toml"), ("规则和名册", "mappings")):
        console.print(f"  {name}：{folder / place}", markup=False, highlight=False, soft_wrap=True)
