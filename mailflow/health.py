"""How each part does: kept in data/status.json for `mailflow status`, and what alarms ring for (promise 12).

The daemon writes it every two seconds. `mailflow once` writes it at its end, and goes on from what the run before it
knew: since when something fails, and when a mailbox was last compared with its server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from mailflow import alarm, files, intake, journal
from mailflow.disks import ENOUGH, LOW, Disk
from mailflow.errors import AuthError
from mailflow.logins import RefusedError
from mailflow.store import Store
from mailflow.transports.base import Mailbox

RECONCILE = timedelta(hours=6)
"""So often all that a server has is compared with what is kept (mail.md §1.3)."""
AGAIN = timedelta(minutes=10)
"""The same while mail was missing."""
_CLOCK = timedelta(days=1)
"""Nothing is put off for longer: what is to be in more than a day was written when the clock was wrong."""

State = Literal["starting", "ok", "failed", "refused"]
By = Literal["run", "once"]


@dataclass
class Health:
    """How one mailbox, the sender or the publisher does; shown by `mailflow status`."""

    state: State = "starting"
    """failed is tried again; refused needs a person."""
    since: AwareDatetime | None = None
    error: str = ""
    failures: int = 0
    """In a row. Of a refused login: tries with this secret."""
    last_ok: AwareDatetime | None = None
    next: AwareDatetime | None = None
    """When it is to be heard of again: its next look, or the next try. None: it has never been heard of."""
    reconciled: AwareDatetime | None = None
    """A mailbox: when all that the server has was last compared with what is kept."""
    comparing: bool = False
    """Such a comparison has begun: the mailbox's cursor says how far it came, and a cut does not begin it anew."""
    on_server: int = 0
    missing: int = 0
    """So many mails of the server were not kept after that: none, or something is wrong (promise 3)."""
    last_day: int = 0
    usual_day: float | None = None
    """Mails of the last 24 hours, and what is usual for this weekday."""

    def begin(self) -> None:
        """At a start: what was known stays, and a mailbox is compared with its server at once."""
        self.failures, self.reconciled = 0, None

    def alive(self, now: datetime, rest: float = 0) -> None:
        """It is at work, and then says nothing for `rest` seconds."""
        self.next = now + timedelta(seconds=rest)

    def gets_on(self) -> None:
        """A part of its work is done: what fails after that is no longer the same failure again, and need not wait
        longer each time. Where a line breaks every few minutes, a full mailbox is read all the same; but a server that
        ends each connection soon is not logged in to as fast as can be."""
        self.failures = min(self.failures, 1)

    def ok(self, now: datetime, rest: float = 0) -> None:
        self._turn("ok", now)
        self.last_ok, self.error, self.failures = now, "", 0
        self.alive(now, rest)

    def failed(self, now: datetime, error: BaseException, rest: float = 0) -> None:
        """`rest`: seconds until it is tried again."""
        self._turn("refused" if isinstance(error, AuthError) else "failed", now)
        self.error, self.failures = str(error), self.failures + 1
        self.alive(now, rest)
        if isinstance(error, RefusedError):
            known = error.refused
            self.since, self.failures, self.next = known.since, known.tries, known.until

    def _turn(self, state: State, now: datetime) -> None:
        # A beginning that is still to come was written when the clock was wrong.
        if self.state != state or self.since is None or self.since > now:
            self.state, self.since = state, now

    def late(self, now: datetime, after: timedelta) -> bool:
        """Whether it has said nothing for `after` although it should have: it hangs, or has died."""
        return self.next is not None and not now - after < self.next < now + _CLOCK

    def lasting(self, now: datetime, after: timedelta) -> bool:
        """Whether it has been failing for `after`."""
        return self.state == "failed" and self.since is not None and abs(now - self.since) >= after

    def reconciliation_due(self, now: datetime) -> bool:
        return self.reconciled is None or abs(now - self.reconciled) >= (AGAIN if self.missing else RECONCILE)

    def relists(self) -> bool:
        """At the beginning of a comparison: whether all is to be listed from the start."""
        anew, self.comparing = not self.comparing, True
        return anew

    def reconcile(
        self, store: Store, mailbox: Mailbox, now: datetime, take_in: Callable[[], object], unreadable: int = 0
    ) -> None:
        """Compares what the server has with what is kept, after all of it was taken in but for the `unreadable`.

        What has come since is taken in by `take_in`: only what is missing before and after that is missing.
        """
        self.on_server, lost = intake.missing(store, mailbox)
        if len(lost) > unreadable:
            take_in()
            self.on_server, still = intake.missing(store, mailbox)
            lost &= still
        self.missing = max(0, len(lost) - unreadable)
        self.reconciled, self.comparing = now, False
        journal.mailbox_reconciled(mailbox=mailbox.name, on_server=self.on_server, missing=self.missing)

    @property
    def traffic(self) -> alarm.Traffic:
        return alarm.Traffic(self.last_day, self.usual_day)


@dataclass
class Written:
    """What stands in status.json."""

    at: AwareDatetime
    by: By
    parts: dict[str, Health]
    ended: bool = False
    """It is the last that a daemon wrote, at its end."""
    low: dict[str, str] = field(default_factory=dict)
    """Disks that are about to be full, by the first name of what is written there: what a person is told."""

    @classmethod
    def read(cls, path: Path) -> Written | None:
        """None: there is none, or none that can be read, as of another version."""
        try:
            return _WRITTEN.validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None


_WRITTEN = TypeAdapter(Written)


@dataclass
class Board:
    """All parts of a daemon, or of `mailflow once`: mailboxes are called read:NAME."""

    path: Path
    by: By
    parts: dict[str, Health] = field(default_factory=dict)
    low: dict[str, str] = field(default_factory=dict)
    _unwritten: str = ""
    """Why it could not be written; told once."""

    @classmethod
    def after_the_last(cls, path: Path, by: By) -> Board:
        """A board that goes on from what the last run wrote."""
        written = Written.read(path)
        return cls(path, by, written.parts, written.low) if written else cls(path, by)

    def part(self, name: str) -> Health:
        return self.parts.setdefault(name, Health())

    def begin(self, names: Collection[str], now: datetime) -> None:
        """At a start, from which on all are to be heard of. Forgets the parts of the last run that are none of this."""
        self.parts = {name: self.part(name) for name in names}
        for health in self.parts.values():
            health.alive(now)

    def write(self, now: datetime, *, ended: bool = False) -> None:
        """A full disk stops nothing."""
        try:
            files.write_whole(self.path, _WRITTEN.dump_json(Written(now, self.by, dict(self.parts), ended, self.low)))
            self._unwritten = ""
        except OSError as error:
            if str(error) != self._unwritten:
                journal.store_failed(error=error)
            self._unwritten = str(error)

    def alarms(self, now: datetime, after: timedelta, zone: tzinfo) -> list[alarm.Alarm]:
        """Parts whose login is refused, or that have been failing, or silent, for `after`; mailboxes with mail missing
        or with far less than usual; disks that are about to be full. Times are shown in `zone`."""
        found = [alarm.full(name, text) for name, text in self.low.items()]
        for name, health in list(self.parts.items()):
            what, _, mailbox = name.partition(":")
            if health.state == "refused":
                found.append(alarm.refused(name, health.error, health.since, health.failures, health.next, zone))
            # That no alarm gets through cannot be told by an alarm.
            if name != "alarm" and health.lasting(now, after):
                found.append(alarm.failing(name, health.error, health.since, zone))
            if health.late(now, after):
                found.append(alarm.late(name, health.next, zone))
            if what == "read":
                found += alarm.silent(mailbox, health.traffic) + alarm.lost(mailbox, health.missing)
        return found

    def note_traffic(self, found: Mapping[str, alarm.Traffic]) -> None:
        for mailbox, traffic in found.items():
            health = self.part(f"read:{mailbox}")
            health.last_day, health.usual_day = traffic.last, traffic.usual

    def note_disks(self, found: Iterable[Disk]) -> None:
        limit = dict.fromkeys(self.low, ENOUGH)
        self.low = {disk.names[0]: disk.text for disk in found if disk.free < limit.get(disk.names[0], LOW)}
