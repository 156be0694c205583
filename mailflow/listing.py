"""What `mailflow list` shows: views where they are pure, the store's own tables where they are not."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from itertools import islice
from typing import Any

from mailflow import views
from mailflow.app import App
from mailflow.core.mapping import Mapping
from mailflow.errors import UserError
from mailflow.notices.render import render
from mailflow.store import OutboxRow, Reader, WorkbookRow
from mailflow.views.listing import EVERYTHING, Traits, Wanted

COLUMNS: dict[str, dict[str, str]] = {
    "mails": {"received": "收到", "mailbox": "邮箱", "kind": "类型", "disposition": "处理", "subject": "主题",
              "sender": "发件人", "matter": "有关"},
    "records": {"number": "编号", "kind": "类型", "project": "项目", "engineer": "工程师", "writer": "支持人",
                "day": "日期", "result": "结果", "state": "状态", "missing": "缺少"},
    "cases": {"number": "编号", "kind": "类型", "state": "状态", "project": "项目", "owner": "负责人", "title": "标题"},
    "complaints": {"number": "编号", "engineer": "工程师", "project": "项目", "sender": "投诉人", "received": "收到",
                   "month": "月份", "counted": "计入", "held": "待确认", "reason": "原因"},
    "ledger": {"number": "编号", "engineer": "工程师", "month": "入账", "for_month": "所属", "effect": "影响",
               "grades": "级数", "cause": "原因", "adjusting": "调整"},
    "held": {"number": "编号", "kind": "类型", "state": "状态", "text": "原因", "project": "项目",
             "engineer": "工程师", "choices": "可选答复", "answer": "答复"},
    "notices": {"number": "编号", "template": "通知",
                "to": "收件人", "subject": "主题", "state": "状态", "due": "应发", "sent": "已发",
                "error": "原因"},
    "workbooks": {"name": "工作簿", "state": "状态", "published": "已更新", "reason": "原因"},
}  # fmt: skip
"""What a person is shown of each, in order; JSON has everything."""

DISPOSITIONS = {
    "recorded": "已记录", "decided": "已执行", "held": "待确认", "near_miss": "请更正", "duplicate": "重发",
    "copy": "副本", "discussion": "往来", "automatic": "自动邮件", "bounce": "退信", "own": "本系统发出",
    "unmatched": "未识别", "set_aside": "搁置",
}  # fmt: skip
STATES: dict[str, dict[str, str]] = {
    "mails": DISPOSITIONS,
    "records": {"complete": "完整", "incomplete": "待补充"},
    "cases": {"open": "未决", "solved": "已解决", "new": "新", "asked": "已催办", "registered": "已立项",
              "stopped": "可停止支持", "recorded": "已记录"},
    "complaints": {"counted": "计入", "held": "待确认", "withdrawn": "已撤诉", "dismissed": "不计入",
                   "duplicate": "重复"},
    "held": {"open": "未决", "decided": "已处理"},
    "notices": {"pending": "待发", "sending": "正在发", "sent": "已发", "unclear": "不明", "refused": "被拒绝",
                "closed": "已处理", "bounced": "退信"},
    "workbooks": {"published": "已更新", "waiting": "待更新", "blocked": "未能更新"},
}  # fmt: skip
"""The states of what stands in a list, as a person is told of them; `list … --state` takes either."""
KINDS = {
    "registration": "立项", "communication": "客户沟通", "complaint": "投诉", "written_report": "补发",
    "withdrawal": "撤诉", "improvement": "产品改进", "fault": "故障", "bug": "内部bug反馈", "test": "测试",
    "implementation": "实施", "exchange": "交流", "training": "培训", "document": "文档", "aftersales": "售后",
    "milestone": "进度", "daily_report": "工作日报", "weekly_report": "工程周报", "customer_problem": "客户问题",
    "satisfaction": "满意度", "group_opened": "建群", "group_released": "解散群", "leaver": "离职", "query": "查询",
    "decision": "决定", "leftover": "遗留问题", "registration_request": "督促立项", "objection": "异议",
    "mail": "邮件",
}  # fmt: skip
WORDS: dict[str, dict[str, str]] = {
    "kind": KINDS,
    "disposition": DISPOSITIONS,
    "state": {state: word for name, words in STATES.items() if name != "mails" for state, word in words.items()},
    "effect": {"withhold": "当月扣发", "demote": "永久降级"},
}  # fmt: skip
"""What a person is shown instead of an id, by column; JSON has the ids."""
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")


def wanted(app: App, what: str, since: datetime | None = None, **named: str | None) -> Wanted:
    """What is wanted of `what`, one of COLUMNS, as a person says it: `named` are names of `Wanted`, words and aliases
    as well as ids and full names. UserError where it cannot be told, or `what` cannot be picked by it.
    """
    asked = {name: value for name, value in named.items() if value is not None}
    for name in asked.keys() - TRAITS[what].by.keys():
        known = "、".join(f"--{one}" for one in ("since", *TRAITS[what].by))
        raise UserError(f"{what} 不能用 --{name} 挑选，可以用：{known}")
    with _mapped(app) as found:
        return Wanted(since=since, **{name: _meant(app, found, what, name, value) for name, value in asked.items()})


def _meant(app: App, found: tuple[Reader, Mapping] | None, what: str, name: str, value: str) -> str:
    """The id or full name that is meant by `value`; what is known nowhere is taken at its word."""
    if name == "state":
        state = next((state for state, word in STATES[what].items() if value in (state, word)), None)
        if state is None:
            raise UserError(f"{what} 没有状态 {value}，可以是：" + "、".join(map(" ".join, STATES[what].items())))
        return state
    if found is None:
        return value
    reader, mapping = found
    if name == "mailbox":
        boxes = dict.fromkeys([*(box.name for box in app.config.mailboxes), *reader.count_mails()])
        if value not in boxes:
            raise UserError(f"没有名为 {value} 的邮箱：" + "、".join(boxes))
        return value
    meant = mapping.roster.by_name(value) if name == "person" else reader.book.register().resolve(value)
    if len(meant) > 1:
        raise UserError(f"“{value}”可能是：{'、'.join(one.name for one in meant)}，请写全名。", code=1)
    return meant[0].name if meant else value


def rows(app: App, what: str, wanted: Wanted = EVERYTHING, limit: int | None = None) -> list[dict[str, Any]]:
    """The rows of `what`, one of COLUMNS, with the keys of architecture, "Public interface". None before first use.

    In the order in which they were made, notices in the order in which they are due. `limit`: so many of the last.
    """
    with _mapped(app) as found:
        if found is None:
            return []
        newest = islice(_newest(app, *found, what, wanted), limit)
        return list(newest)[::-1]


@contextmanager
def _mapped(app: App) -> Iterator[tuple[Reader, Mapping] | None]:
    """A reader and the rules in force; None before first use."""
    if not app.has_store():
        yield None
        return
    with app.store.read() as reader:
        yield None if reader.mapping() is None else (reader, app.in_force())


def _newest(app: App, reader: Reader, mapping: Mapping, what: str, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """What is wanted, the last first; read as far as it is asked for."""
    if what in views.listing.LISTS:
        listing = views.listing.LISTS[what]
        for row in reader.newest(listing.kind):
            if listing.traits.match(row, wanted):
                yield listing.show(row, reader.book, mapping)
    elif what == "notices":
        yield from _notices(app, reader, mapping, wanted)
    else:
        yield from (_workbook(row, mapping) for row in reversed(reader.workbooks()) if _WORKBOOK.match(row, wanted))


def kind_names(app: App) -> dict[str, str]:
    """What the kinds of mail are called; an admin's own are in the mapping alone."""
    return {kind.id: kind.name for kind in app.in_force().kinds}


def shown(row: dict[str, Any], kinds: dict[str, str] | None = None) -> dict[str, Any]:
    """`row` for a person: words for ids, instants to the minute; what came back is told instead of 已发.

    `kinds`: names of kinds for which there are no words here.
    """
    if kinds and row.get("kind") in kinds:
        row = {**row, "kind": WORDS["kind"].get(row["kind"], kinds[row["kind"]])}
    if row.get("bounced"):
        row = {**row, "state": "bounced", "error": row["bounced"]}
    return {name: WORDS.get(name, {}).get(str(value), _to_the_minute(value)) for name, value in row.items()}


def _to_the_minute(value: Any) -> Any:
    return value[:16].replace("T", " ") if isinstance(value, str) and _INSTANT.fullmatch(value) else value


def _notices(app: App, reader: Reader, mapping: Mapping, wanted: Wanted) -> Iterator[dict[str, Any]]:
    bounced = views.listing.bounced(reader.book)
    traits = _notice_traits(bounced)
    for row in reader.newest_notices():
        if traits.match(row, wanted):
            yield {
                "number": row.number,
                "template": row.template,
                "to": row.to,
                "cc": list(row.cc),
                "subject": _subject(app, row),
                "state": row.state,
                "matter": row.matter,
                "person": row.person,
                "step": row.step,
                "due": _local(row.due, mapping),
                "sent": _local(row.sent_at, mapping),
                "attempts": row.attempts,
                "error": row.error,
                "bounced": bounced.get(row.key),
                "message_id": row.message_id,
            }


def _notice_traits(bounced: Container[str]) -> Traits[OutboxRow]:
    """`bounced`: keys of the notices that came back; to a person these are a state of their own, see `shown`."""
    return Traits(
        lambda n: n.due,
        {"state": lambda n: (n.state, "bounced" if n.key in bounced else None), "person": lambda n: (n.person,)},
    )


def _subject(app: App, row: OutboxRow) -> str | None:
    """As it was sent; before that as it would be sent now."""
    if row.mime:
        return str(make_header(decode_header(message_from_bytes(row.mime)["Subject"] or "")))
    if row.template is None:
        return None
    try:
        return render(row.template, row.context or {}, templates=app.notices).subject
    except UserError:
        return None


def _workbook(row: WorkbookRow, mapping: Mapping) -> dict[str, Any]:
    return {
        "name": row.name,
        "state": _workbook_state(row),
        "wanted": row.wanted,
        "version": row.published,
        "published": _local(row.published_at, mapping),
        "reason": row.blocked,
        "since": _local(row.blocked_since, mapping),
    }


def _workbook_state(row: WorkbookRow) -> str:
    return "blocked" if row.blocked else "published" if row.published >= row.wanted else "waiting"


_WORKBOOK = Traits[WorkbookRow](lambda w: w.published_at, {"state": lambda w: (_workbook_state(w),)})
TRAITS: dict[str, Traits[Any]] = {
    **{name: listing.traits for name, listing in views.listing.LISTS.items()},
    "notices": _notice_traits(()),
    "workbooks": _WORKBOOK,
}
"""What each of COLUMNS can be picked by."""


def _local(instant: datetime | None, mapping: Mapping) -> str | None:
    return mapping.calendar.local(instant).isoformat() if instant else None
