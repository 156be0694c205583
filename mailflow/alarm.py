"""Telling a person that a mailbox, or the way out, is out of order: by another sender, or by a command (promise 12).

The department's own notices go through the outbox. An alarm does not: it is about the very parts that the outbox needs,
and goes to whoever runs the machine. Each is told once, again after a day, and once more when it is over.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from mailflow import files, journal
from mailflow.core.address import domain_of
from mailflow.errors import MailflowError
from mailflow.logins import MENDED
from mailflow.notices.compose import author
from mailflow.transports.base import Sender

AGAIN = timedelta(days=1)
WEEKS = 8
"""So many weeks back the usual traffic of a weekday is looked for."""
REACH = timedelta(weeks=WEEKS, days=1)
PARTS = {
    "publish": "更新工作簿", "send": "发信", "tick": "到期事项", "mapping": "映射", "traffic": "邮件流量",
    "alarm": "警报", "cells": "读取待确认",
}  # fmt: skip
"""What people call the parts of the daemon; those that read are 收信 or 邮箱 and the mailbox's name."""
_ENOUGH_WEEKS = 4
_LEAST_USUAL = 5
"""A mailbox that usually gets fewer mails in a day may well get none."""
_FEW = 0.2
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WARNED = 30
"""So many days before its end a password or secret is told of."""
PATIENCE = 60.0
"""Seconds that an alarm command may take."""
OVER = "已恢复："
GATHER = timedelta(minutes=5)
"""After a message the next one waits for so long: when the network is down, fifty mailboxes fail one by one."""


@dataclass(frozen=True)
class Alarm:
    """Something that a person must see to. `key` stays the same as long as it lasts."""

    key: str
    text: str
    """Chinese: what, since when, what to do."""
    again: timedelta = AGAIN
    """How long it lasts until it is told once more."""


def refused(part: str, error: str, since: datetime | None, tries: int, until: datetime | None, zone: tzinfo) -> Alarm:
    """A part whose login is refused. It is tried a few times a day, and as soon as a person has mended it."""
    again = f"，{_when(until, zone)} 以后再试" if until else ""
    text = f"{_name(part)}登录被拒绝（自 {_when(since, zone)}，已试 {tries} 次{again}）：{error} {MENDED}"
    return Alarm(f"refused:{part}", text)


def failing(part: str, error: str, since: datetime | None, zone: tzinfo) -> Alarm:
    """A part of the daemon that keeps failing."""
    return Alarm(f"failed:{part}", f"{_name(part)}一直不正常（自 {_when(since, zone)}，会一直再试）：{error}")


def late(part: str, since: datetime | None, zone: tzinfo) -> Alarm:
    """A part of the daemon that says nothing any more: it hangs, or has died."""
    text = f"{_name(part)}从 {_when(since, zone)} 起没有动静，可能卡住了：请看日志，必要时重新启动 mailflow。"
    return Alarm(f"late:{part}", text)


def _name(part: str) -> str:
    what, _, mailbox = part.partition(":")
    return f"邮箱 {mailbox} " if mailbox else PARTS.get(what, what)


def _when(instant: datetime | None, zone: tzinfo) -> str:
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}" if instant else "不明的时候"


def lost(mailbox: str, missing: int) -> list[Alarm]:
    """Mail that is on the server and was not taken in."""
    if not missing:
        return []
    return [Alarm(f"missing:{mailbox}", f"邮箱 {mailbox} 里有 {missing} 封信没有收进来：请把日志交给维护人员。")]


def full(disk: str, text: str) -> Alarm:
    """A disk with so little space that nothing will be kept any more; `disk`: what is written there."""
    return Alarm(f"disk:{disk}", text)


RENEW = "请换新的，并改 password_expires"
SIGN_IN = "请在这台机器上重新运行 mailflow login"


def expiring(what: str, ends: date | None, today: date, do: str = RENEW) -> list[Alarm]:
    """That a password or secret ends within 30 days, each week, and each day in its last (mail.md §8, 9)."""
    if ends is None or (left := (ends - today).days) > _WARNED:
        return []
    said = f"还有 {left} 天到期（{ends}）" if left > 0 else f"已在 {ends} 到期"
    again = _WEEK if left > _WEEK.days else _DAY
    return [Alarm(f"expires:{what}", f"{what}{said}，{do}。", again)]


@dataclass(frozen=True)
class Traffic:
    """A mailbox's last 24 hours, and what is usual at this time of the week; None: not known yet."""

    last: int
    usual: float | None

    @property
    def silent(self) -> bool:
        """Far below the usual."""
        return self.usual is not None and self.usual >= _LEAST_USUAL and self.last < _FEW * self.usual


def traffic(times: Iterable[datetime], now: datetime) -> Traffic:
    """`times`: when mail came within the last WEEKS weeks and a day. The usual is the median over those weeks' days."""
    ages = [now - time for time in times]
    counts = [sum(week * 7 * _DAY <= age < (week * 7 + 1) * _DAY for age in ages) for week in range(WEEKS + 1)]
    oldest = max(ages, default=timedelta(0))
    weeks = [counts[week] for week in range(1, WEEKS + 1) if (week * 7) * _DAY <= oldest]
    return Traffic(counts[0], statistics.median(weeks) if len(weeks) >= _ENOUGH_WEEKS else None)


def silent(mailbox: str, found: Traffic) -> list[Alarm]:
    if not found.silent:
        return []
    text = f"邮箱 {mailbox} 24 小时只收到 {found.last} 封，平时约 {found.usual:.0f} 封：请看看邮件是否还送到这个邮箱。"
    return [Alarm(f"silent:{mailbox}", text)]


@dataclass(frozen=True)
class Post:
    """An alarm by mail."""

    sender: Callable[[], Sender]
    from_: str
    address: str
    """Envelope sender."""
    to: tuple[str, ...]
    passing: Callable[[], AbstractContextManager[None]] = nullcontext
    """Around the login: it may have been refused of late, and then the account is left alone."""


@dataclass(frozen=True)
class Told:
    """An alarm that was told of."""

    text: str
    at: AwareDatetime


_TOLD = TypeAdapter(dict[str, Told])


@dataclass
class Bell:
    """Rings for alarms that are new, that last, and that are over. Remembers them in `path` over restarts.

    Args:
        command: run with the text on its standard input; never through a shell.
        post: by mail.
    """

    path: Path
    command: Sequence[str] = ()
    post: Post | None = None
    failed: str = ""
    """Why the last alarm reached nobody; "" when it did."""
    _told: dict[str, Told] = field(default_factory=dict)
    _loaded: bool = False
    _rung: datetime | None = None

    def ring(self, alarms: Sequence[Alarm], now: datetime) -> None:
        """Tells what is to be told. What reaches nobody is tried again the next time."""
        self._load()
        current = {alarm.key: alarm for alarm in alarms}
        new = [alarm for alarm in alarms if self._due(alarm, now)]
        over = [told.text for key, told in self._told.items() if key not in current]
        if not (new or over) or (self._rung is not None and abs(now - self._rung) < GATHER):
            return
        for alarm in new:
            journal.alarm(key=alarm.key, text=alarm.text)
        if self._tell([*(alarm.text for alarm in new), *(f"{OVER}{text}" for text in over)], now):
            self._rung = now
            kept = {key: told for key, told in self._told.items() if key in current}
            self._told = kept | {alarm.key: Told(alarm.text, now) for alarm in new}
            self._save()

    def test(self, now: datetime) -> None:
        """Rings on a person's wish, to see whether it is heard. `failed` says what became of it."""
        self._tell(["这是试验：看得到它，警报就送得到。"], now)

    def _due(self, alarm: Alarm, now: datetime) -> bool:
        told = self._told.get(alarm.key)
        return told is None or abs(now - told.at) >= alarm.again

    def _tell(self, said: Sequence[str], now: datetime) -> bool:
        """Whether at least one way worked, or there is none but the log."""
        problems: list[str] = []
        ways = [way for way, there in ((self._run, self.command), (self._mail, self.post)) if there]
        for way in ways:
            try:
                way(said, now)
            except (OSError, subprocess.SubprocessError, MailflowError, ValueError) as error:
                problems.append(f"{type(error).__name__}: {error}"[:300])
        self.failed = "；".join(problems)
        for problem in problems:
            journal.alarm_failed(error=problem)
        return not ways or len(problems) < len(ways)

    def _run(self, said: Sequence[str], now: datetime) -> None:
        # Its output goes nowhere: a pipe would wait for whatever the command leaves running behind it.
        with subprocess.Popen(  # noqa: S603  the administrator's own command, no shell
            list(self.command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                process.communicate(_text(said, self.path.parent).encode(), timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                _end(process)
                raise
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, self.command[0])

    def _mail(self, said: Sequence[str], now: datetime) -> None:
        assert self.post is not None  # noqa: S101  # for the type checker
        message = EmailMessage()
        message["From"], message["To"] = author(self.post.from_), [author(address) for address in self.post.to]
        message["Subject"] = _subject(said)
        message["Date"] = format_datetime(now)
        # Known as ours if it comes back, like a notice (policies/identity.py), and answered by no robot (mail.md §5).
        message["Message-ID"] = f"<mf-{uuid4().hex}@{domain_of(self.post.address)}>"
        message["Auto-Submitted"], message["X-Auto-Response-Suppress"] = "auto-generated", "All"
        message["X-Loop"], message["Precedence"] = "mailflow", "bulk"
        message.set_content(_text(said, self.path.parent), cte="base64")  # no server may mind
        raw = message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        with self.post.passing():
            sender = self.post.sender()
            try:
                sender.send(raw, self.post.address, self.post.to)
            finally:
                sender.close()

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        with suppress(OSError, ValidationError):
            self._told = _TOLD.validate_json(self.path.read_bytes())

    def _save(self) -> None:
        """What cannot be kept is told again after a restart, which is the smaller evil."""
        try:
            files.write_whole(self.path, _TOLD.dump_json(self._told))
        except OSError as error:
            journal.alarm_failed(error=str(error))


def _end(process: subprocess.Popen[bytes]) -> None:
    """With all that it has started, or each ring would leave something behind."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _subject(said: Sequence[str]) -> str:
    first, more = said[0].splitlines()[0][:60], f"（共 {len(said)} 条）" if len(said) > 1 else ""
    return f"mailflow {'' if first.startswith(OVER) else '警报：'}{first}{more}"


def _text(said: Sequence[str], data: Path) -> str:
    """`data`: the data folder, because one person may be called for several machines."""
    where = f"机器 {socket.gethostname()}，数据目录 {data}"
    what = "现在的状况：mailflow status；怎么办：docs/operations.md 的“出了问题怎么办”"
    return "\n".join([*said, "", where, what]) + "\n"
