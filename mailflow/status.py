"""How the daemon does: for `mailflow status` and for monitoring (promise 12)."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from mailflow.app import App
from mailflow.core.records import Due, Held, Mail

SILENT = timedelta(minutes=2)
"""A daemon that has written nothing for so long is not running."""


def status_of(app: App, now: datetime) -> dict[str, Any]:
    """Daemon, mailboxes, queue, workbooks, next due; JSON values."""
    found: dict[str, Any] = {"daemon": _daemon(app, now), "mails": {}, "notices": {}, "blocked": [], "held": 0}
    if not app.has_store():
        return found
    with app.store.read() as reader:
        found["mails"] = reader.count_mails()
        found["set_aside"] = len(reader.book.find(Mail, disposition="set_aside"))
        found["notices"] = dict(Counter(row.state for row in reader.outbox()))
        found["blocked"] = [{"name": r.name, "reason": r.blocked} for r in reader.workbooks() if r.blocked]
        found["held"] = len(reader.book.find(Held, state="open"))
        due = sorted(reader.book.find(Due, state="pending"), key=lambda d: d.due)
        found["next_due"] = {"matter": due[0].matter, "due": due[0].due.isoformat()} if due else None
        last = reader.last_time()
        found["last"] = last.isoformat() if last else None
    return found


def _daemon(app: App, now: datetime) -> dict[str, Any]:
    try:
        status = json.loads((app.config.main.data / "status.json").read_text(encoding="utf-8"))
        alive = now - datetime.fromisoformat(status["at"]) < SILENT
    except (OSError, ValueError, KeyError):
        return {"running": False, "parts": {}}
    return {"running": alive, "at": status["at"], "parts": status["parts"]}


def healthy(found: dict[str, Any]) -> bool:
    """Whether nothing needs a person: the daemon runs, and no part of it has failed."""
    parts = found["daemon"]["parts"].values()
    return found["daemon"]["running"] and all(p["state"] in ("ok", "starting") for p in parts) and not found["blocked"]


_STATES = {"starting": "启动中", "ok": "正常", "failed": "有故障，正在重试", "refused": "登录被拒绝，请处理"}


def lines(found: dict[str, Any]) -> list[str]:
    """For a person."""
    daemon = found["daemon"]
    shown = [f"守护进程：{'运行中' if daemon['running'] else '没有运行'}"]
    for name, part in daemon["parts"].items():
        error = f"：{part['error']}（自 {part['since']}，已试 {part['failures']} 次）" if part["error"] else ""
        shown.append(f"  {name}：{_STATES.get(part['state'], part['state'])}{error}")
    shown += [f"邮箱 {name}：已收 {number} 封" for name, number in found["mails"].items()]
    shown.append("通知：" + ("、".join(f"{s} {n}" for s, n in sorted(found["notices"].items())) or "无"))
    shown += [f"工作簿 {row['name']} 未更新：{row['reason']}" for row in found["blocked"]]
    shown.append(f"待确认：{found['held']} 项")
    if due := found.get("next_due"):
        shown.append(f"下一件到期：{due['matter']}，{due['due']}")
    return shown
