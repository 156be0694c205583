"""How the daemon does: for `mailflow status` and for monitoring (promise 12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailflow import views
from mailflow.alarm import Traffic
from mailflow.app import App
from mailflow.core.records import Due, Held, Mail
from mailflow.health import Health, Written
from mailflow.logins import MENDED
from mailflow.store import WorkbookRow

SILENT = timedelta(minutes=2)
"""A daemon that has written nothing for so long is not running."""


def status_of(app: App, now: datetime) -> dict[str, Any]:
    """Daemon, mailboxes, queue, workbooks, next due; JSON values, instants in the configured time zone."""
    zone = ZoneInfo(app.config.main.timezone)
    found: dict[str, Any] = {"daemon": _daemon(app, now, zone), "mails": {}, "notices": {}, "blocked": [], "held": 0}
    found["mailboxes"] = _mailboxes(app, found["daemon"]["parts"], {}, now, zone)
    if not app.has_store():
        return found
    with app.store.read() as reader:
        found["mails"] = reader.count_mails()
        found["mailboxes"] = _mailboxes(app, found["daemon"]["parts"], reader.last_mails(), now, zone)
        found["set_aside"] = len(reader.book.find(Mail, disposition="set_aside"))
        found["notices"] = reader.count_notices()
        found["stuck"] = [{"notice": key, "reason": reason} for key, reason in reader.stuck_notices()]
        found["bounced"] = len(views.listing.bounced(reader.book))
        found["blocked"] = [_blocked(row, zone) for row in reader.workbooks() if row.blocked]
        found["held"] = len(reader.book.find(Held, state="open"))
        due = sorted(reader.book.find(Due, state="pending"), key=lambda d: d.due)
        found["next_due"] = {"matter": due[0].matter, "due": _local(due[0].due, zone)} if due else None
        last = reader.last_time()
        found["last"] = _local(last, zone) if last else None
    return found


def _daemon(app: App, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    written = Written.read(app.status_file)
    if written is None:
        return {"running": False, "by": None, "current": False, "at": None, "ended": None, "parts": {}, "late": []}
    age, after = abs(now - written.at), timedelta(minutes=app.config.alarm.after)
    running = written.by == "run" and not written.ended and age < SILENT
    return {
        "running": running,
        "by": written.by,
        # Where cron runs `once`, there is no daemon, and what it saw is good until an alarm would ring.
        "current": running or (written.by == "once" and age < after),
        "at": _local(written.at, zone),
        "ended": _local(written.at, zone) if written.ended else None,
        "parts": {name: _part_of(health, zone) for name, health in written.parts.items()},
        "late": [name for name, health in written.parts.items() if running and health.late(now, after)],
    }


def _part_of(health: Health, zone: ZoneInfo) -> dict[str, Any]:
    known = asdict(health)
    return {name: _local(value, zone) if isinstance(value, datetime) else value for name, value in known.items()}


def _mailboxes(
    app: App, parts: dict[str, Any], last_mails: dict[str, datetime], now: datetime, zone: ZoneInfo
) -> dict[str, dict[str, Any]]:
    """Proof of life: what came last, when it was last looked, whether all is kept, how much came, by mailbox."""
    return {
        box.name: _mailbox(parts.get(f"read:{box.name}", {}), last_mails.get(box.name), now, zone)
        for box in app.config.mailboxes
    }


def _mailbox(part: dict[str, Any], last_mail: datetime | None, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    looked, compared = _instant(part.get("last_ok")), part.get("reconciled")
    came = Traffic(part.get("last_day", 0), part.get("usual_day"))
    return {
        "last_mail": _local(last_mail, zone) if last_mail else None,
        "last_ok": part.get("last_ok"),
        "lag": max(0, round((now - looked).total_seconds())) if looked else None,
        "reconciled": compared,
        "on_server": part.get("on_server", 0) if compared else None,
        "missing": part.get("missing", 0) if compared else None,
        "last_day": came.last,
        "usual_day": came.usual,
        "silent": came.silent,
    }


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _blocked(row: WorkbookRow, zone: ZoneInfo) -> dict[str, Any]:
    """A workbook that cannot be published: why, since when, and how many updates wait."""
    since = _local(row.blocked_since, zone) if row.blocked_since else None
    return {"name": row.name, "reason": row.blocked, "since": since, "waiting": row.wanted - row.published}


def healthy(found: dict[str, Any]) -> bool:
    """Whether nothing needs a person: the daemon runs, or `once` has run of late; no part of it has failed; no mail is
    missing, and no mailbox is silent."""
    parts = found["daemon"]["parts"].values()
    waits = found["blocked"] or found.get("stuck") or found["daemon"]["late"]
    boxes = any(box["missing"] or box["silent"] for box in found["mailboxes"].values())
    current = bool(found["daemon"]["current"])
    return current and all(p["state"] in ("ok", "starting") for p in parts) and not (waits or boxes)


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat(timespec="seconds")


_STATES = {"starting": "启动中", "ok": "正常", "failed": "有故障，正在重试", "refused": "登录被拒绝，请处理"}
_PARTS = {
    "cells": "读取待确认", "publish": "更新工作簿", "send": "发信", "tick": "到期事项", "mapping": "映射",
    "alarm": "警报", "traffic": "邮件流量",
}  # fmt: skip
_NOTICES = {"pending": "待发", "sending": "正在发", "sent": "已发", "unclear": "不明", "refused": "被拒绝"}


def lines(found: dict[str, Any]) -> list[str]:
    """For a person."""
    daemon = found["daemon"]
    shown = [f"守护进程：{_runs(daemon)}"]
    for name, part in daemon["parts"].items():
        error = f"：{part['error']}（{_tried(part)}）" if part["error"] else ""
        state = "没有动静，可能卡住了" if name in daemon["late"] else _STATES.get(part["state"], part["state"])
        shown.append(f"  {_part(name)}：{state}{error}")
    names = dict.fromkeys([*found["mailboxes"], *found["mails"]])
    shown += [_box(name, found["mails"].get(name, 0), found["mailboxes"].get(name)) for name in names]
    notices = (f"{_NOTICES.get(s, s)} {n}" for s, n in sorted(found["notices"].items()))
    shown.append("通知：" + ("、".join(notices) or "无"))
    shown += [f"通知 {row['notice']} 没有发出：{row['reason']}" for row in found.get("stuck", ())]
    if bounced := found.get("bounced"):
        shown.append(f"退信：{bounced} 封通知没有送到，见 mailflow list notices")
    shown += [_waiting(row) for row in found["blocked"]]
    shown.append(f"待确认：{found['held']} 项")
    if due := found.get("next_due"):
        shown.append(f"下一件到期：{_matter(due['matter'])}，{due['due'][:16].replace('T', ' ')}")
    if aside := found.get("set_aside"):
        shown.append(f"搁置的邮件：{aside} 封，见待确认.xlsx")
    return shown


def _tried(part: dict[str, Any]) -> str:
    said = f"自 {_minute(part['since'])}，已试 {part['failures']} 次"
    return f"{said}，{_minute(part['next'])} 以后再试；{MENDED}" if part["state"] == "refused" else said


def _runs(daemon: dict[str, Any]) -> str:
    if daemon["running"]:
        return "运行中"
    if daemon["by"] == "once":
        late = "" if daemon["current"] else "，早该再运行了"
        return f"没有运行；最后一次 mailflow once 在 {_minute(daemon['at'])}{late}"
    if daemon["ended"]:
        return f"没有运行，{_minute(daemon['ended'])} 停下了"
    return "没有运行"


def _box(name: str, mails: int, box: dict[str, Any] | None) -> str:
    """One mailbox on one line; None: it is no longer configured."""
    said = [f"已收 {mails} 封"]
    if box is None:
        return f"邮箱 {name}：已收 {mails} 封，配置里已经没有它"
    if box["last_mail"]:
        said.append(f"最近一封 {_minute(box['last_mail'])}")
    if box["lag"] is not None:
        said.append(f"{_ago(box['lag'])}看过")
    if box["reconciled"]:
        lost = f"有 {box['missing']} 封没有收进来，请把日志交给维护人员" if box["missing"] else "没有遗漏"
        said.append(f"{_minute(box['reconciled'])} 核对过服务器上的 {box['on_server']} 封，{lost}")
    usual = f"（平时约 {box['usual_day']:.0f} 封{'，太少了' if box['silent'] else ''}）" if box["usual_day"] else ""
    said.append(f"24 小时 {box['last_day']} 封{usual}")
    return f"邮箱 {name}：{'；'.join(said)}"


def _ago(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} 秒前"
    minutes = seconds // 60
    return f"{minutes} 分钟前" if minutes < 120 else f"{minutes // 60} 小时前"


def _minute(text: str | None) -> str:
    return text[:16].replace("T", " ") if text else "不明的时候"


def _waiting(row: dict[str, Any]) -> str:
    since = f"自 {row['since'][:16].replace('T', ' ')}，" if row["since"] else ""
    return f"工作簿 {row['name']} 未更新（{since}{row['waiting']} 次更新在等）：{row['reason']}"


def _part(name: str) -> str:
    what, _, mailbox = name.partition(":")
    return f"收信 {mailbox}" if mailbox else _PARTS.get(what, name)


def _matter(matter: str) -> str:
    what, _, rest = matter.partition(":")
    return {"month": f"{rest} 月台账草稿", "case": f"{rest} 督促立项"}.get(what, matter)


# -- for Prometheus ---------------------------------------------------------------------------------------------------

METRICS = {
    "mailflow_healthy": "1 as `mailflow status` exits with 0, else 0",
    "mailflow_up": "1 while the daemon runs, or `once` has run of late",
    "mailflow_status_timestamp_seconds": "When the daemon, or `once`, last told how it does",
    "mailflow_part_ok": "1 while this part is in order, by part",
    "mailflow_part_refused": "1 while the login of this part is refused and needs a person, by part",
    "mailflow_part_failures": "Failed tries in a row, by part",
    "mailflow_part_next_timestamp_seconds": "When this part is to look or be tried again, by part",
    "mailflow_mails": "Mails taken in, by mailbox",
    "mailflow_mailbox_lag_seconds": "Since the last look that succeeded, by mailbox",
    "mailflow_mailbox_last_mail_timestamp_seconds": "When the newest mail came, by mailbox",
    "mailflow_mailbox_reconciled_timestamp_seconds": "When the server was last compared with what is kept, by mailbox",
    "mailflow_mailbox_on_server": "Mails on the server at that time, by mailbox",
    "mailflow_mailbox_missing": "Of these not taken in: 0, or something is wrong, by mailbox",
    "mailflow_mailbox_mails_last_day": "Mails of the last 24 hours, by mailbox",
    "mailflow_mailbox_mails_usual_day": "What is usual for this weekday; absent while unknown, by mailbox",
    "mailflow_notices": "Notices, by state",
    "mailflow_notices_stuck": "Notices that were tried and did not go",
    "mailflow_notices_bounced": "Notices that came back",
    "mailflow_workbooks_blocked": "Workbooks that cannot be updated",
    "mailflow_held": "Matters that wait for a person",
    "mailflow_mails_set_aside": "Mails that could not be handled",
    "mailflow_next_due_timestamp_seconds": "When the next thing is due",
}
"""All that `metrics` tells, and what it means. docs/operations.md has them, too."""


def metrics(found: dict[str, Any]) -> str:
    """The status in Prometheus' text format; all of them are gauges."""
    shown = []
    for name, values in _gauges(found):
        told = [(labels, value) for labels, value in values if value is not None]
        if told:
            shown += [f"# HELP {name} {METRICS[name]}", f"# TYPE {name} gauge"]
            shown += [f"{name}{labels} {float(value):.15g}" for labels, value in told]
    return "\n".join(shown)


def _gauges(found: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, float | None]]]]:
    daemon, boxes = found["daemon"], found["mailboxes"]
    yield "mailflow_healthy", [("", healthy(found))]
    yield "mailflow_up", [("", daemon["current"])]
    yield "mailflow_status_timestamp_seconds", [("", _seconds(daemon["at"]))]
    parts = [(_label("part", name), part) for name, part in daemon["parts"].items()]
    yield "mailflow_part_ok", [(label, part["state"] in ("ok", "starting")) for label, part in parts]
    yield "mailflow_part_refused", [(label, part["state"] == "refused") for label, part in parts]
    yield "mailflow_part_failures", [(label, part["failures"]) for label, part in parts]
    yield "mailflow_part_next_timestamp_seconds", [(label, _seconds(part["next"])) for label, part in parts]
    yield "mailflow_mails", [(_label("mailbox", name), number) for name, number in found["mails"].items()]
    for name, key in (
        ("lag_seconds", "lag"), ("last_mail_timestamp_seconds", "last_mail"),
        ("reconciled_timestamp_seconds", "reconciled"), ("on_server", "on_server"), ("missing", "missing"),
        ("mails_last_day", "last_day"), ("mails_usual_day", "usual_day"),
    ):  # fmt: skip
        values = [(_label("mailbox", box), one[key]) for box, one in boxes.items()]
        yield f"mailflow_mailbox_{name}", [(label, _seconds(v) if isinstance(v, str) else v) for label, v in values]
    yield "mailflow_notices", [(_label("state", state), number) for state, number in found["notices"].items()]
    yield "mailflow_notices_stuck", [("", len(found.get("stuck", ())))]
    yield "mailflow_notices_bounced", [("", found.get("bounced", 0))]
    yield "mailflow_workbooks_blocked", [("", len(found["blocked"]))]
    yield "mailflow_held", [("", found["held"])]
    yield "mailflow_mails_set_aside", [("", found.get("set_aside", 0))]
    due = found.get("next_due")
    yield "mailflow_next_due_timestamp_seconds", [("", _seconds(due["due"]) if due else None)]


def _label(name: str, value: str) -> str:
    """In the text format backslash, quote and line end are escaped."""
    value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{{{name}="{value}"}}'


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
