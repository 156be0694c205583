"""How much of one correspondent's mail is answered (mail.md §5 "Backstops for senders that set nothing").

Two ticket systems that answer each other and set no header, a client that sends the same again and again, mail forged
in somebody's name: none of these is known by a single mail. So the answers are counted, by the time at which the
server had the mail, so that a replay stops at the same one. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mailflow.core.mapping import Reminders
from mailflow.core.records import Answered, Correspondent

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def digest(message_id: str) -> str:
    """How a thread is remembered, whatever the length of what a mail says."""
    return hashlib.sha256(message_id.encode("utf-8", "replace")).hexdigest()[:16]


def reached(known: Correspondent, thread: str, now: datetime, limits: Reminders) -> str | None:
    """Which cap the answers so far have reached, in Chinese; None: one more may go."""
    thread_times = [one.time for one in known.answered if one.thread == thread]
    for times, within, most, where in (
        (thread_times, _DAY, limits.answers_per_thread, "同一话题一天内"),
        ([one.time for one in known.answered], _HOUR, limits.answers_per_hour, "一小时内"),
        ([one.time for one in known.answered], _DAY, limits.answers_per_day, "一天内"),
    ):
        if sum(_near(times, now, within)) >= most:
            return f"的来信{where}已答复 {most} 次"
    return None


def one_more(known: Correspondent, thread: str, now: datetime, limits: Reminders) -> Correspondent:
    return replace(known, answered=(*known.answered, Answered(now, thread))[-limits.answers_per_day :])


def _near(times: list[datetime], now: datetime, within: timedelta) -> Iterator[bool]:
    """Before or after: mail of a second mailbox may be fetched later and be older."""
    return (abs(now - time) < within for time in times)
