"""The status in Prometheus' text format: `mailflow status --prometheus`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mailflow.status import healthy

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
    "mailflow_disk_free_bytes": "Free space where it is written, by folder",
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
    yield "mailflow_disk_free_bytes", [(_label("folder", name), one["free"]) for name, one in found["disks"].items()]
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
