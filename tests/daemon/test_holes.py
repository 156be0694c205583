"""Proof of life where it is hardest (promise 12): threads that die or hang, clocks put back, alarms that hang."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import chain, count
from pathlib import Path

import pytest
import schedule

from mailflow import config
from mailflow.app import App, utc_now
from mailflow.daemon import BEAT, Daemon, beat
from mailflow.errors import TransientError
from mailflow.transports.base import Batch, Known, Mailbox
from mailflow.transports.maildir import MaildirMailbox
from tests.daemon.service import Service, has
from tests.faults.office import Office, eventually, report


def watched(daemon: Daemon, look: Callable[[], None]) -> None:
    """Runs the daemon in this thread until `look` has seen what it wants to see."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            look()
        except BaseException as error:  # noqa: BLE001  told below
            failed.append(error)
        daemon.stop.set()

    thread = threading.Thread(target=work)
    thread.start()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    daemon.run()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    thread.join()
    daemon.app.store.close()
    assert failed == []


class Moody(MaildirMailbox):
    """Ends the thread that reads it, in ways that no transport may."""

    faults: list[BaseException]

    def uids(self) -> tuple[str, str, set[str]]:
        if self.faults:
            raise self.faults.pop()
        return super().uids()

    def close(self) -> None:
        super().close()
        if self.faults:
            raise RuntimeError("close() raises")


def test_a_reader_that_dies_is_shown_and_begins_anew(tmp_path: Path) -> None:
    office = Office(tmp_path)
    faults: list[BaseException] = [SystemExit("a library ends the process"), MemoryError()]

    class Faulty(App):
        def mailbox(self, box: config.Mailbox) -> Mailbox:
            mailbox = Moody(box.name, office.inbox)
            mailbox.faults = faults
            return mailbox

    daemon = Daemon(Faulty(config.load(tmp_path / "config.toml")))
    part = daemon.board.part("read:support")

    def look() -> None:
        eventually("it is shown", lambda: "close() raises" in part.error)
        eventually("the second one, too", lambda: "a library ends the process" in part.error)
        eventually("it reads again", lambda: part.state == "ok")
        office.deliver(report("第一件事"))
        eventually("and on", lambda: has(office.sheet, office, "第一件事"))

    watched(daemon, look)


class OneByOne(MaildirMailbox):
    """The line breaks after each batch."""

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        for mail in chain.from_iterable(batch.mails for batch in super().batches(cursor, known)):
            yield Batch((mail,), "")
            raise TransientError("连接中断")


def test_a_line_that_breaks_after_each_batch_is_not_waited_for_longer_each_time(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for number in range(4):
        office.deliver(report(f"第{number}件事"))

    class Broken(App):
        def mailbox(self, box: config.Mailbox) -> Mailbox:
            return OneByOne(box.name, office.inbox)

    daemon = Daemon(Broken(config.load(tmp_path / "config.toml")))
    part = daemon.board.part("read:support")
    failures = []

    def taken_in() -> bool:
        failures.append(part.failures)
        return len(office.rows("mails")) == 4

    watched(daemon, lambda: eventually("all are taken in", taken_in, 60))
    assert part.error == "连接中断"
    assert set(failures) <= {0, 1, 2}


class Unreadable(MaildirMailbox):
    """The disk does not hand one of its mails out."""

    def batches(self, cursor: str | None, known: Known) -> Iterator[Batch]:
        yield from super().batches(cursor, known)
        yield Batch((), "", unreadable=("one",))

    def wait(self, seconds: float, stop: threading.Event) -> None:
        super().wait(0.1, stop)


def test_a_mail_that_nobody_hands_out_does_not_make_the_next_failure_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office(tmp_path)
    looks = count()

    class Faulty(App):
        def mailbox(self, box: config.Mailbox) -> Mailbox:
            return Unreadable(box.name, office.inbox)

    daemon = Daemon(Faulty(config.load(tmp_path / "config.toml")))
    part = daemon.board.part("read:support")
    failures = []

    def looked() -> bool:
        failures.append(part.failures)
        return part.state == "failed" and next(looks) > 20

    watched(daemon, lambda: eventually("it has looked often", looked))
    assert part.error == "1 封邮件读不出来，下次再试：one"
    assert set(failures) <= {0, 1, 2}


def test_what_came_in_is_counted_at_once(tmp_path: Path) -> None:
    office = Office(tmp_path)
    daemon = Daemon(App.of(tmp_path / "config.toml"))
    part = daemon.board.part("read:support")

    def look() -> None:
        eventually("it has looked", lambda: part.state == "ok")
        office.deliver(report("第一件事"))
        eventually("it is counted", lambda: part.last_day == 1)

    watched(daemon, look)


def test_what_came_while_nothing_ran_is_not_missed_at_a_start(tmp_path: Path) -> None:
    """After a day off the store knows of no mail of the last 24 hours, until the first look is over."""
    office = Office(tmp_path)
    office.once()
    daemon = Daemon(App.of(tmp_path / "config.toml"))
    part = daemon.board.part("read:support")
    part.begin()
    part.last_day = 40
    daemon._look_at_traffic()
    assert part.last_day == 40
    part.reconciled = utc_now()
    daemon._look_at_traffic()
    assert part.last_day == 0
    daemon.app.store.close()


def test_a_store_that_hangs_is_shown_and_alarms_are_rung(tmp_path: Path) -> None:
    """The pulse waits for it; that the daemon is alive, and what hangs, is told all the same."""
    office = Office(tmp_path)
    office.once()
    app = App.of(tmp_path / "config.toml")
    daemon = Daemon(app)
    goes_on, begun = threading.Event(), utc_now()

    def hangs() -> bool:
        return daemon.board.part("tick").late(utc_now(), timedelta(seconds=1))

    def look() -> None:
        # Not what `once` has told of itself.
        eventually("it runs", lambda: (daemon.board.part("tick").last_ok or begun) > begun)
        daemon._give(goes_on.wait)
        eventually("the pulse waits", hangs, 60)
        written, rung = app.status_file.stat().st_mtime_ns, daemon.board.part("alarm").last_ok
        eventually("it says that it is alive", lambda: app.status_file.stat().st_mtime_ns > written)
        eventually("alarms are rung", lambda: daemon.board.part("alarm").last_ok != rung)
        assert office.status()["daemon"]["running"]
        goes_on.set()
        eventually("it goes on", lambda: not hangs())

    watched(daemon, look)


def test_a_store_that_hangs_at_the_very_first_beat_is_shown(tmp_path: Path) -> None:
    Office(tmp_path)
    daemon = Daemon(App.of(tmp_path / "config.toml"))
    goes_on = threading.Event()
    daemon._give(goes_on.wait)

    def look() -> None:
        tick = daemon.board.part("tick")
        eventually("the pulse waits", lambda: tick.late(utc_now(), timedelta(seconds=1)))
        assert tick.last_ok is None
        goes_on.set()
        eventually("it goes on", lambda: tick.last_ok is not None)

    watched(daemon, look)


def test_a_store_that_hangs_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.once()
    app = App.of(tmp_path / "config.toml")
    daemon = Daemon(app)
    never = threading.Event()

    def look() -> None:
        eventually("it runs", lambda: daemon.board.part("read:support").state == "ok")
        daemon._give(never.wait)
        office.deliver(report("第一件事"))
        eventually("a reader waits for it", lambda: daemon._tasks.qsize() > 0)

    watched(daemon, look)
    never.set()


def test_a_clock_that_is_put_back_does_not_stop_the_pulse() -> None:
    pulse, ran = schedule.Scheduler(), list[int]()
    pulse.every(BEAT).seconds.do(ran.append, 1)
    beat(pulse)
    assert ran == []
    (job,) = pulse.jobs
    assert job.next_run
    job.next_run += timedelta(hours=8)  # as it looks when the clock was put back by as much
    beat(pulse)
    beat(pulse)
    assert ran == [1], "once, and then by the new time"


def test_an_alarm_command_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    office = Office(tmp_path)
    config_file, pipe = tmp_path / "config.toml", tmp_path / "pipe"
    os.mkfifo(pipe)
    hang = f'[alarm]\ncommand = ["{sys.executable}", "-c", "open(\'{pipe}\').read()"]\n'
    expired = config_file.read_text(encoding="utf-8").replace("poll = 1", "poll = 1\npassword_expires = 2026-01-01")
    config_file.write_text(f"{expired}\n{hang}", encoding="utf-8")
    with Service(office) as service:
        eventually("the alarm rings", lambda: "key='expires:邮箱 support 的密码'" in service.log())
        before = office.status()["daemon"]
        eventually("it says that it is alive", lambda: office.status()["daemon"]["at"] > before["at"])
        office.deliver(report("第一件事"))
        eventually("and works", lambda: has(office.sheet, office, "第一件事"))
        assert service.parts()["alarm"]["state"] == "starting", "it hangs still"
        service.end()
    # Only while somebody reads from it, which is the command, can it be opened at once; and then the command ends.
    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    assert "Traceback" not in service.log()
