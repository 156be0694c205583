"""What `mailflow list` shows: views where they are pure, the store's own tables where they are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from typing import Any

from mailflow import views
from mailflow.app import App
from mailflow.core.mapping import Mapping
from mailflow.errors import UserError
from mailflow.notices.render import render
from mailflow.store import OutboxRow, Reader

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
    "notices": {"template": "通知", "to": "收件人", "subject": "主题", "state": "状态", "due": "应发", "sent": "已发"},
    "workbooks": {"name": "工作簿", "state": "状态", "published": "已更新", "reason": "原因"},
}  # fmt: skip
"""What a person is shown of each, in order; JSON has everything."""

_VIEWS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "mails": views.listing.mails,
    "records": views.listing.records,
    "cases": views.listing.cases,
    "complaints": views.listing.complaints,
    "ledger": views.listing.ledger,
    "held": views.listing.held,
}


def rows(app: App, what: str) -> list[dict[str, Any]]:
    """The rows of `what`, one of COLUMNS, with the keys of architecture, "Public interface". None before first use."""
    if not app.has_store():
        return []
    with app.store.read() as reader:
        if reader.mapping() is None:
            return []
        mapping = app.in_force()
        if what in _VIEWS:
            return _VIEWS[what](reader.book, mapping)
        return _notices(app, reader, mapping) if what == "notices" else _workbooks(reader, mapping)


def _notices(app: App, reader: Reader, mapping: Mapping) -> list[dict[str, Any]]:
    return [
        {
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
            "message_id": row.message_id,
        }
        for row in reader.outbox()
    ]


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


def _workbooks(reader: Reader, mapping: Mapping) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "state": "blocked" if row.blocked else "published" if row.published >= row.wanted else "waiting",
            "wanted": row.wanted,
            "version": row.published,
            "published": _local(row.published_at, mapping),
            "reason": row.blocked,
            "since": _local(row.blocked_since, mapping),
        }
        for row in reader.workbooks()
    ]


def _local(instant: datetime | None, mapping: Mapping) -> str | None:
    return mapping.calendar.local(instant).isoformat() if instant else None
