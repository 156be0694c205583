"""The pulse: `schedule` says when to look; what is due stands in the store (architecture, "Due rows, no timers").

One thread reads each mailbox, one decides and commits, one publishes workbooks, one sends, one rings; a slow workbook,
a dead server or an alarm command that hangs never delays the others. SIGTERM ends all of them within five seconds; a
kill at any instant loses nothing.
"""

from __future__ import annotations

import queue
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import schedule

from mailflow import __version__, config, intake, journal, outbox, publish
from mailflow.alarm import Bell
from mailflow.app import App, source_of, unreadable_text, utc_now
from mailflow.errors import MailflowError, TransientError, UserError
from mailflow.health import Board
from mailflow.logins import RefusedError
from mailflow.transports.base import Mailbox, Sender

FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0
MENDING = 2.0
"""So often it is looked whether a person has mended what a login was refused for; that asks no server."""
LONGEST_WISH = 3600.0
"""A server that wishes to be left alone for longer is asked again all the same."""
LOOK = 1.0
"""Seconds between two looks of the publisher and the sender."""
RING = 10.0
"""Seconds between two looks for what is to be told."""
BEAT = 2
"""Seconds between two beats of the pulse at most."""
TELL = 2.0
"""Seconds between two signs of life in status.json."""
AGAIN = 10.0
"""Seconds until a workbook that somebody holds is tried again."""
SAVING = timedelta(seconds=10)
"""A workbook that is missing for less is being saved (workbooks.md §2)."""
END = 1.5
"""Seconds at the end for what is being decided, for the threads, and for what they gave to be decided."""

Tell = Callable[[BaseException, float], None]
"""Logs a failure and the seconds until the next try."""


def back_off(failures: int) -> float:
    """Seconds until the next try: doubled each time, with jitter."""
    return float(min(FIRST_WAIT * 2 ** min(failures, 10), LONGEST_WAIT)) * random.uniform(0.8, 1.2)  # noqa: S311


def wait_after(error: BaseException, failures: int) -> float:
    """Seconds until the next try after the failure number `failures`, 0 for the first; never less than the server
    wishes (Retry-After)."""
    if isinstance(error, RefusedError):
        return MENDING
    wish = error.retry_after if isinstance(error, TransientError) else None
    return max(back_off(failures), min(wish or 0.0, LONGEST_WISH))


def beat(pulse: schedule.Scheduler) -> None:
    """Runs what is due. `schedule` goes by the clock on the wall: when that was put back, everything is due now, or it
    would not be for as long as the clock was put back."""
    pulse.run_pending()
    if (pulse.idle_seconds or 0) > BEAT:
        pulse.run_all()


@dataclass
class Daemon:
    """Runs until `stop` is set."""

    app: App
    stop: threading.Event = field(default_factory=threading.Event)
    board: Board = field(init=False)
    _mapping_seen: object = None
    _bell: Bell = field(init=False)
    _tasks: queue.SimpleQueue[tuple[futures.Future[object], Callable[[], object]]] = field(
        default_factory=queue.SimpleQueue
    )
    """For the one thread that decides and commits."""

    def __post_init__(self) -> None:
        self._bell = self.app.bell()
        self.board = Board.after_the_last(self.app.status_file, "run")

    def run(self) -> None:
        """The whole life of the daemon. UserError when the mapping cannot be used to begin with."""
        self._end_on_signals()
        self.app.take_mapping(utc_now())
        names = [box.name for box in self.app.config.mailboxes]
        journal.started(version=__version__, store=self.app.store.url or str(self.app.store.data), mailboxes=names)
        for account in (*self.app.config.mailboxes, self.app.config.send):
            self.app.gate(account).begin()
        self.board.begin([*(f"read:{name}" for name in names), "publish", "send", "alarm", *self._jobs], utc_now())
        threads = [
            self._start(f"read:{box.name}", partial(self._read, box), partial(self._tell_mailbox, box.name))
            for box in self.app.config.mailboxes
        ]
        threads.append(self._start("publish", self._publish, _tell_workbooks))
        threads.append(self._start("send", self._send, _tell_sender))
        threads.append(self._start("alarm", self._alarm, _tell_nobody))
        _thread("decide", self._decide_all)
        # Apart from the pulse, which may have to wait for the store: then this tells which part hangs.
        threads.append(_thread("status", self._keep_status))
        self._pulse()
        for thread in threads:
            thread.join(END / len(threads))
        futures.wait([self._give(lambda: None)], END)
        self.board.write(utc_now(), ended=True)
        journal.stopped(reason="signal")

    def _end_on_signals(self) -> None:
        # A handler must not set the event itself: it may interrupt the very thread that holds the event's lock.
        told = queue.SimpleQueue[int]()

        def end() -> None:
            told.get()
            self.stop.set()

        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if number := getattr(signal, name, None):
                signal.signal(number, lambda number, _: told.put(number))
        _thread("signals", end)

    def _start(self, name: str, work: Callable[[str], None], tell: Tell) -> threading.Thread:
        # How it did before a restart stands until it is known anew, or each restart would ring that all is well again.
        self.board.part(name).begin()
        return _thread(name, partial(self._live, name, work, tell))

    def _live(self, name: str, work: Callable[[str], None], tell: Tell) -> None:
        """The whole life of a thread: `work` until it ends or fails, and then again. Nothing ends it but the stop."""
        while not self.stop.is_set():
            try:
                work(name)
            except BaseException as error:  # noqa: BLE001  not even a library that would end the process
                self._now_failed(name, error, tell)

    @property
    def _jobs(self) -> dict[str, tuple[int, Callable[[], object]]]:
        """What the pulse does, by name, and the seconds between two times."""
        return {
            "tick": (10, self._tick), "mapping": (BEAT, self._look_at_mapping), "traffic": (600, self._look_at_traffic),
        }  # fmt: skip

    def _pulse(self) -> None:
        pulse = schedule.Scheduler()
        for name, (seconds, work) in self._jobs.items():
            pulse.every(seconds).seconds.do(self._guard, name, seconds, work)
        pulse.run_all()
        while not self.stop.wait(0.5):
            beat(pulse)

    def _tick(self) -> None:
        self._decide(lambda: intake.tick(self.app.store, utc_now()))

    def _guard(self, what: str, rest: float, work: Callable[[], object]) -> None:
        """Runs a job of the pulse; what fails is shown and tried again at the next beat, after `rest` seconds."""
        health = self.board.part(what)
        try:
            work()
            health.ok(utc_now(), rest)
        except MailflowError as error:
            if str(error) != health.error and not isinstance(error, UserError):
                journal.store_failed(error=error)
            health.failed(utc_now(), error, rest)
        except Exception as error:  # noqa: BLE001  our own bug must not stop the pulse
            journal.bug(where=what, error=error)
            health.failed(utc_now(), error, rest)

    def _decide(self, work: Callable[[], object]) -> object:
        """Has the one deciding thread do `work`, and waits for it; at the end not for long, if the store hangs."""
        task = self._give(work)
        while not self.stop.is_set() and futures.wait([task], LOOK).not_done:
            pass
        if futures.wait([task], END).not_done:
            raise TransientError("数据库没有答复，不再等它")
        return task.result()

    def _give(self, work: Callable[[], object]) -> futures.Future[object]:
        task = futures.Future[object]()
        self._tasks.put((task, work))
        return task

    def _decide_all(self) -> None:
        while True:
            task, work = self._tasks.get()
            try:
                task.set_result(work())
            except BaseException as error:  # noqa: BLE001  it is for whoever gave the task
                task.set_exception(error)

    def _working(self, name: str) -> Callable[[], bool]:
        """Asked at each step of something long: notes that the part is alive, and says whether it is to stop."""

        def working() -> bool:
            self.board.part(name).alive(utc_now())
            return self.stop.is_set()

        return working

    # -- readers -----------------------------------------------------------------------------------------------------

    def _read(self, box: config.Mailbox, name: str) -> None:
        """One connection to a mailbox, for as long as it lasts."""
        gate = self.app.gate(box)
        mailbox: Mailbox | None = None
        try:
            with gate.passing():
                mailbox = self.app.mailbox(box)
                self._look(name, mailbox, box)
            with gate.within():
                mailbox.wait(box.poll, self.stop)
                while not self.stop.is_set():
                    self._look(name, mailbox, box)
                    mailbox.wait(box.poll, self.stop)
        finally:
            if mailbox is not None:
                mailbox.close()

    def _look(self, name: str, mailbox: Mailbox, box: config.Mailbox) -> None:
        unreadable = self._reconcile(name, mailbox, box) or self._take_in(mailbox, box)
        refused = intake.file_away(self.app.store, mailbox, self._working(name))
        wrong = TransientError(unreadable_text(unreadable)) if unreadable else refused
        if wrong:
            health = self.board.part(name)
            if str(wrong) != health.error:
                self._tell_mailbox(box.name, wrong, box.poll)
            health.failed(utc_now(), wrong, box.poll)
            health.gets_on()
        else:
            self._now_ok(name, box.poll, box.name)

    def _reconcile(self, name: str, mailbox: Mailbox, box: config.Mailbox) -> list[str]:
        """At the start and every few hours everything that the server has is compared with what is kept: that finds
        what a wrong UIDNEXT or a UID out of order would hide (mail.md §1.3). Returns what nobody hands out."""
        health, now = self.board.part(name), utc_now()
        if not health.reconciliation_due(now):
            return []
        unreadable = self._take_in(mailbox, box, everything=health.relists())
        if not self.stop.is_set():
            health.reconcile(self.app.store, mailbox, now, partial(self._take_in, mailbox, box), len(unreadable))
            self._look_at_traffic(box.name)
        return unreadable

    def _take_in(self, mailbox: Mailbox, box: config.Mailbox, *, everything: bool = False) -> list[str]:
        """Takes in what waits; returns the UIDs that are there and that nobody hands out."""
        store, health, came = self.app.store, self.board.part(f"read:{box.name}"), False
        unreadable: list[str] = []
        checker, working = self.app.checker(box), self._working(f"read:{box.name}")
        for batch in intake.waiting(store, mailbox, everything=everything):
            # Here, in the reader's own thread: a name server that is slow holds up this mailbox and no other.
            signatures = intake.checked(store, box.name, batch, checker)
            self._decide(partial(intake.commit, store, source_of(box), batch, signatures))
            unreadable += batch.unreadable
            if batch.mails:
                came = True
                health.gets_on()
            if working():
                return unreadable
        # Weeks of arrivals are read for it: not with each mail, only where what is shown would contradict this one.
        if health.traffic.silent or (came and not health.last_day):
            self._look_at_traffic(box.name)
        return unreadable

    def _tell_mailbox(self, mailbox: str, error: BaseException, wait: float) -> None:
        if isinstance(error, RefusedError):
            journal.mailbox_refused(mailbox=mailbox, error=error, retry_in=wait)
        else:
            journal.mailbox_failed(mailbox=mailbox, error=error, retry_in=wait)

    def _now_ok(self, name: str, rest: float, mailbox: str | None = None) -> None:
        """`rest`: seconds until it looks again."""
        health = self.board.part(name)
        if mailbox and health.state != "ok":
            journal.mailbox_ok(mailbox=mailbox)
        health.ok(utc_now(), rest)

    def _now_failed(self, name: str, error: BaseException, tell: Tell) -> None:
        """Shows it, and waits until the next try."""
        if self.stop.is_set():
            return
        health = self.board.part(name)
        if not isinstance(error, MailflowError):
            journal.bug(where=name, error=error)
        wait, first = wait_after(error, health.failures), health.failures == 0
        health.failed(utc_now(), error, wait)
        if not isinstance(error, RefusedError):
            tell(error, wait)
        elif error.tried or first:
            tell(error, (error.refused.until - utc_now()).total_seconds())
        self.stop.wait(wait)

    # -- publisher and sender ----------------------------------------------------------------------------------------

    def _publish(self, name: str) -> None:
        looked: object = None
        seen: publish.Stamps = {}
        tried = 0.0
        while not self.stop.wait(LOOK):
            try:
                # Here, and not where it rings: a network disk that hangs must not keep that from being told.
                self.board.note_disks(self.app.disks())
                mapping = self.app.in_force()
                stamp = publish.stamp(self.app.shelf)
                if stamp != looked:
                    self._take_back(publish.cells(self.app.store, self.app.shelf, mapping))
                    looked = stamp
                again = time.monotonic() - tried >= AGAIN
                tried = time.monotonic() if again else tried
                publish.publish(
                    self.app.store, self.app.shelf, mapping, utc_now(), self._take_back,
                    stop=self._working(name), blocked_too=again, patience=SAVING, seen=seen if again else None,
                )  # fmt: skip
                self._now_ok(name, LOOK)
            except Exception as error:  # noqa: BLE001  the other threads go on
                self._now_failed(name, error, _tell_workbooks)

    def _take_back(self, found: publish.ReadBack) -> None:
        if found:
            self._decide(partial(self.app.take_back, utc_now(), found))

    def _send(self, name: str) -> None:
        """One connection to the way out, for as long as it lasts."""
        gate = self.app.gate(self.app.config.send)
        sender: Sender | None = None
        try:
            with gate.passing():
                sender = self.app.sender()
                # At once, so that a refusal is known before there is anything to send.
                sender.check()
            with gate.within():
                while not self.stop.wait(LOOK):
                    post = self.app.post(sender, self.app.in_force())
                    outbox.deliver(self.app.store, post, utc_now(), self._working(name), wait=self.stop.wait)
                    self._now_ok(name, LOOK)
        finally:
            if sender is not None:
                sender.close()

    # -- alarms ------------------------------------------------------------------------------------------------------

    def _alarm(self, name: str) -> None:
        """Rings for what a person must see to (promise 12)."""
        while not self.stop.is_set():
            self.app.ring(self._bell, self.board, utc_now())
            if self._bell.failed:
                raise TransientError(f"警报没有送到：{self._bell.failed}")
            self._now_ok(name, RING)
            self.stop.wait(RING)

    def _look_at_traffic(self, *names: str) -> None:
        """Of these mailboxes; none named: of all. Not before what came while nothing ran is there: what was known then
        stands, or each start after a day off would ring that a mailbox is silent."""
        names = names or tuple(box.name for box in self.app.config.mailboxes)
        compared = [name for name in names if self.board.part(f"read:{name}").reconciled]
        if compared:
            self.board.note_traffic(self.app.traffic(utc_now(), compared))

    # -- the rest ----------------------------------------------------------------------------------------------------

    def _look_at_mapping(self) -> None:
        """Takes a changed mapping into use; a faulty one is shown, and the one in use stays."""
        health = self.board.part("mapping")
        stamp = self.app.mapping_stamp()
        if stamp == self._mapping_seen and health.state == "ok":
            return
        self._mapping_seen = stamp
        try:
            mapping, files = self.app.mapping_on_disk()
        except UserError as error:
            if str(error) != health.error:
                journal.mapping_refused(problems=error.problems)
            raise
        self._decide(lambda: intake.take_mapping(self.app.store, mapping, files, utc_now()))

    def _keep_status(self) -> None:
        """data/status.json, for `mailflow status` and for monitoring."""
        while not self.stop.wait(TELL):
            self.board.write(utc_now())


def _thread(name: str, work: Callable[[], object]) -> threading.Thread:
    # Daemon threads: one that hangs in a dead connection cannot keep the process; what it has not committed will be
    # fetched again.
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def _tell_workbooks(error: BaseException, wait: float) -> None:
    journal.workbook_blocked(name="*", reason=str(error))


def _tell_sender(error: BaseException, wait: float) -> None:
    journal.sender_failed(error=error, retry_in=wait)


def _tell_nobody(error: BaseException, wait: float) -> None:
    """Alarms that did not get through are logged where they are tried."""
