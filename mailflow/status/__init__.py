"""How the daemon does: for `mailflow status` and for monitoring (promise 12).

__init__     what is known, as JSON has it, and whether it needs a person
shown        the same for a person
prometheus   the same in Prometheus' text format
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mailflow import views
from mailflow.alarm import Traffic
from mailflow.app import App
from mailflow.core.records import Due, Held, Mail
from mailflow.disks import LOW, Disk
from mailflow.errors import MailflowError
from mailflow.health import Health, Written
from mailflow.store import Reader, WorkbookRow, number_of

SILENT = timedelta(minutes=2)
"""A daemon that has written nothing for so long is not running."""
KILLED = timedelta(seconds=15)
"""Nor is one that has written nothing for so long and does not hold its lock any more."""


def status_of(app: App, now: datetime) -> dict[str, Any]:
    """Daemon, mailboxes, queue, workbooks, disks, next due; JSON values, instants in the configured time zone.

    It never fails because something is out of order: that is what it is asked for.
    """
    zone = ZoneInfo(app.config.main.timezone)
    found: dict[str, Any] = {"daemon": _daemon(app, now, zone), "mails": {}, "notices": {}, "blocked": [], "held": 0}
    found["disks"] = {name: _disk(app, name, disk) for disk in app.disks() for name in disk.names}
    found["expiring"] = [alarm.text for alarm in app.expiring(now)]
    found["store"] = ""
    last_mails: dict[str, datetime] = {}
    if app.has_store():
        try:
            with app.store.read() as reader:
                found |= _kept(reader, zone)
                last_mails = reader.last_mails()
        except MailflowError as error:
            found["store"] = str(error)
    found["mailboxes"] = _mailboxes(app, found["daemon"]["parts"], last_mails, now, zone)
    return found


def _kept(reader: Reader, zone: ZoneInfo) -> dict[str, Any]:
    """What the store knows."""
    due = sorted(reader.book.find(Due, state="pending"), key=lambda d: d.due)
    last = reader.last_time()
    return {
        "mails": reader.count_mails(),
        "set_aside": len(reader.book.find(Mail, disposition="set_aside")),
        "notices": reader.count_notices(),
        "stuck": [_stuck(key, reason) for key, reason in reader.stuck_notices()],
        "bounced": len(views.listing.bounced(reader.book)),
        "blocked": [_blocked(row, zone) for row in reader.workbooks() if row.blocked],
        "held": len(reader.book.find(Held, state="open")),
        "next_due": {"matter": due[0].matter, "due": _local(due[0].due, zone)} if due else None,
        "last": _local(last, zone) if last else None,
    }


def _daemon(app: App, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    written, locked = Written.read(app.status_file), app.in_use()
    if written is None:
        empty: dict[str, Any] = {"by": None, "current": False, "at": None, "ended": None, "parts": {}, "late": []}
        return {"running": False, "locked": locked, **empty}
    age, after = abs(now - written.at), timedelta(minutes=app.config.alarm.after)
    running = written.by == "run" and not written.ended and age < (KILLED if locked is False else SILENT)
    return {
        "running": running,
        "locked": locked,
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


def _stuck(key: str, reason: str) -> dict[str, str]:
    return {"number": number_of(key), "notice": key, "reason": reason}


def _blocked(row: WorkbookRow, zone: ZoneInfo) -> dict[str, Any]:
    """A workbook that cannot be published: why, since when, and how many updates wait."""
    since = _local(row.blocked_since, zone) if row.blocked_since else None
    return {"name": row.name, "reason": row.blocked, "since": since, "waiting": row.wanted - row.published}


def _disk(app: App, name: str, disk: Disk) -> dict[str, Any]:
    """A folder that is written to, and how many bytes are free there."""
    return {"folder": str(app.config.folders[name]), "free": disk.free, "low": disk.free < LOW}


def healthy(found: dict[str, Any]) -> bool:
    """Whether nothing needs a person: the daemon runs, or `once` has run of late; no part of it has failed; no mail is
    missing, no mailbox is silent, no disk is about to be full, and the store can be read."""
    daemon = found["daemon"]
    waits = found["blocked"] or found.get("stuck") or found["store"]
    parts = all(in_order(name, daemon) for name in daemon["parts"])
    boxes = any(box["missing"] or box["silent"] for box in found["mailboxes"].values())
    low = any(disk["low"] for disk in found["disks"].values())
    return bool(daemon["current"]) and parts and not (waits or boxes or low)


def in_order(part: str, daemon: dict[str, Any]) -> bool:
    """Whether a part of the daemon needs nobody."""
    return daemon["parts"][part]["state"] in ("ok", "starting") and part not in daemon["late"]


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat(timespec="seconds")
