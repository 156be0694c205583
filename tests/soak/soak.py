"""The real daemon on a Dovecot behind a bad line and on a bad disk, while mail keeps coming. Linux only.

Two mailboxes: one is left as it is, and people delete from it; from the other each mail is moved after it was taken in.
Every few seconds one trouble: see `Soak.troubles`. In the quiet after each the daemon's threads, files and memory are
looked at. At the end everything that was delivered is there, once; everything that follows from it as well; and what
was to be moved lies in the other folder, with nothing left behind.
"""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import sqlite3
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

from imapclient import IMAPClient

from mailflow.transports.maildir import folder_path
from tests.daemon.service import Service
from tests.faults.office import ENGINEER, MANAGER, Office, eventually, mail, report, unfinished_report
from tests.servers.dovecot import Dovecot
from tests.servers.proxy import Proxy
from tests.servers.smtp import SmtpServer

LEFT, MOVED, WORD = "support", "desk", "geheim"
"""Two users, whose mailboxes are called as they are, and their password."""
FOLDER = "已处理"
EVERY = 0.5
"""Seconds between two mails."""
QUIET = 4.0
"""Seconds between two troubles."""
_PATIENCE, _NOTICES = 180.0, 600.0
"""Seconds in which all must be well once the troubles have ended; a notice that failed three times waits for long."""


@dataclass(frozen=True)
class Look:
    """The daemon's process in a quiet moment."""

    at: float
    threads: int
    files: int
    """Open files and sockets."""
    megabytes: float


@dataclass
class Result:
    delivered: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    looks: list[Look] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Empty, or the soak has failed."""
    repeats: int = 0
    """Notices that went out again because their answer was lost, or because the disk was full, or the daemon dead, when
    it was to be written down that they had."""
    deleted: int = 0
    moved_twice: int = 0
    """Mails that lie in the other folder twice because Dovecot was killed in the middle of a MOVE."""

    def __str__(self) -> str:
        (threads, files, megabytes), seconds = self.course(), self.looks[-1].at - self.looks[0].at
        troubles = ", ".join(f"{name} {count}" for name, count in sorted(self.troubles.items()))
        lines = [
            f"{self.delivered} mails, {self.deleted} deleted by people, {self.moved_twice} moved twice; {troubles}; "
            f"{self.repeats} notices repeated",
            f"in {seconds:.0f} s, from the second third of the looks to the last: threads {threads[0]:.0f} -> "
            f"{threads[1]:.0f}, open files {files[0]:.0f} -> {files[1]:.0f}, "
            f"memory {megabytes[0]:.0f} -> {megabytes[1]:.0f} MB",
        ]
        return "\n".join([*lines, *(f"WRONG: {text}" for text in self.wrong)])

    def course(self) -> list[tuple[float, float]]:
        """Threads, files and megabytes in the second third of the looks and in the last: at first the daemon still
        imports and fills its caches. The least of each, since a look may fall into work, but of memory the median."""
        third = len(self.looks) // 3
        parts = self.looks[third : 2 * third], self.looks[2 * third :]
        threads, files = (
            [float(min(getattr(look, what) for look in looks)) for looks in parts] for what in ("threads", "files")
        )
        memory = [statistics.median(look.megabytes for look in looks) for looks in parts]
        return [(before, after) for before, after in (threads, files, memory)]


class Soak:
    """`Soak(folder, seed).run(minutes)`"""

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = random.Random(seed)
        self.result = Result()
        self._ids: dict[str, set[str]] = {LEFT: set(), MOVED: set()}
        """What was delivered, Message-IDs by user."""
        self._unread: set[str] = set()
        """What people deleted, perhaps before it was read."""
        self._put_at: dict[str, str] = {}
        self._course: list[str] = []
        """The troubles in their order, with their times."""
        self._folder = folder
        self._stop = threading.Event()
        self._pause = threading.Lock()
        """Held while the mailbox must be left alone."""
        self._failed: list[BaseException] = []

    @property
    def troubles(self) -> dict[str, Callable[[], None]]:
        return {
            "cut": lambda: self._proxy.cut(),
            "cut in a mail": self._cut_in_a_mail,
            "daemon killed": self._kill_daemon,
            "sender failing": self._fail_sender,
            "deleted by people": self._delete,
            "stall": lambda: self._proxy.stall(2),
            "dovecot killed": self._kill_dovecot,
            "renumbered": self._renumber,
            "slow disk": self._slow_disk,
            "full disk": self._full_disk,
            "machine asleep": self._sleep,
        }

    def run(self, minutes: float) -> Result:
        users = {LEFT: WORD, MOVED: WORD}
        with Dovecot(users) as self._dovecot, Proxy(self._dovecot.port) as self._proxy, SmtpServer() as self._out:
            self._set_up()
            with Service(self._office, MAILFLOW_TEST_PASSWORD=WORD) as self._service:
                self._trouble_for(60 * minutes)
                self._settle()
                self._look()
                if (seconds := self._service.end()) > 5:
                    self._wrong(f"it took {seconds:.0f} s to end")
                if "Traceback" in self._service.log():
                    self._wrong(f"a traceback in {self._folder}/daemon.log")
            self._check()
        return self.result

    def _set_up(self) -> None:
        boxes = {
            user: f'url = "imap://{user}@127.0.0.1:{self._proxy.port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'
            for user in (LEFT, MOVED)
        }
        boxes[MOVED] += f'\nafter = "move:{FOLDER}"'
        self._office = Office(self._folder, mailboxes=boxes, send=f'url = "smtp://127.0.0.1:{self._out.port}"')
        for user in boxes:
            self._dovecot.maildir(user)
        # So much mail is no flood here.
        reminders = self._folder / "mappings" / "reminders.toml"
        limits = r"^((answers|messages)_per_\w+ = )\d+"
        text = re.sub(limits, r"\g<1>1000000", reminders.read_text(encoding="utf-8"), flags=re.MULTILINE)
        reminders.write_text(text, encoding="utf-8")

    def _wrong(self, text: str) -> None:
        self.result.wrong.append(text)

    # -- while it runs ------------------------------------------------------------------------------------------------

    def _trouble_for(self, seconds: float) -> None:
        begun, until = time.monotonic(), time.monotonic() + seconds
        postman = threading.Thread(target=self._deliver)
        postman.start()
        waiting = self._in_turn()
        try:
            while time.monotonic() < until or self.result.troubles.keys() != self.troubles.keys():
                time.sleep(QUIET)
                self._look()
                waiting = waiting or self._in_turn()
                name = waiting.pop()
                # Leaks are looked for in one process: its last two thirds.
                if name != "daemon killed" or not self.result.troubles[name] or time.monotonic() < begun + seconds / 3:
                    self._course.append(f"{_clock()} {name}")
                    self.troubles[name]()
                    self.result.troubles[name] += 1
        finally:
            self._stop.set()
            postman.join()
        if self._failed:
            raise self._failed[0]

    def _in_turn(self) -> list[str]:
        """Each once, in an order that is another one every round; from the end. A new daemon comes first."""
        others = sorted(self.troubles.keys() - {"daemon killed"})
        return [*self._random.sample(others, len(others)), "daemon killed"]

    def _deliver(self) -> None:
        try:
            while not self._stop.wait(EVERY * self._random.uniform(0.5, 1.5)):
                with self._pause:
                    self._put(self._random.choice((LEFT, LEFT, MOVED)), self._mail())
        except BaseException as error:
            self._failed.append(error)
            raise

    def _put(self, user: str, raw: bytes) -> None:
        self._dovecot.deliver(user, raw)
        self.result.delivered += 1
        self._ids[user].add(_id_of(raw))
        self._put_at[_id_of(raw)] = _clock()

    def _mail(self) -> bytes:
        number, dice = self.result.delivered, self._random.random()
        if dice < 0.1:
            return report(f"第{number}件事")
        if dice < 0.15:
            return unfinished_report()
        size = 3_000_000 if dice > 0.99 else self._random.choice((100, 5_000, 100_000))
        return mail(self._random.choice((ENGINEER, MANAGER)), f"闲谈 {number}", [f"{number}", "好" * (size // 3)])

    def _look(self) -> None:
        proc = Path("/proc") / str(self._service.alive().process.pid)
        megabytes = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        threads, files = (len(os.listdir(proc / what)) for what in ("task", "fd"))
        self.result.looks.append(Look(time.monotonic(), threads, files, megabytes))

    # -- troubles -----------------------------------------------------------------------------------------------------

    def _cut_in_a_mail(self) -> None:
        """Twice, somewhere in three megabytes."""
        for _ in range(2):
            self._proxy.cut_after(self._random.randrange(2_500_000))
            with self._pause:
                self._put(LEFT, mail(MANAGER, f"长信 {self.result.delivered}", ["好" * 700_000]))
            time.sleep(2)

    def _kill_daemon(self) -> None:
        """SIGKILL at any instant."""
        self._service.__exit__(None, None, None)
        self._service.__enter__()
        self.result.looks.clear()

    def _fail_sender(self) -> None:
        """The next message is put off, the one after that is cut off, and of the third the answer is lost.

        Not while one of them waits for its next try: each failure doubles that wait, and after the fifth lost answer
        a notice is given up.
        """
        if any(row["attempts"] and row["state"] != "sent" for row in self._office.rows("notices")):
            return
        self._out.faults.data.append("451 4.3.0 later")
        self._out.faults.abort_before_data += 1
        self._out.faults.abort_after_data += 1
        with self._pause:
            for _ in range(4):
                self._put(LEFT, unfinished_report())

    def _delete(self) -> None:
        """Somebody deletes old and new mail, while it is being read."""
        before = self._taken_in()
        with self._pause, IMAPClient("127.0.0.1", self._dovecot.port, ssl=False) as client:
            client.login(LEFT, WORD)
            client.select_folder("INBOX")
            uids = client.search()
            chosen = {*self._random.sample(uids, min(3, len(uids))), *uids[-2:]}
            found = client.fetch(chosen, ["BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"])
            heads = [value for answer in found.values() for value in answer.values() if isinstance(value, bytes)]
            client.delete_messages(chosen)
            client.expunge(chosen)
        self.result.deleted += len(chosen)
        self._unread |= {_id_of(head) for head in heads} - before

    def _kill_dovecot(self) -> None:
        self._dovecot.kill()
        time.sleep(1)
        self._dovecot.start()

    def _renumber(self) -> None:
        with self._pause:
            self._dovecot.kill()
            self._dovecot.renumber(self._random.choice((LEFT, MOVED)))
            self._dovecot.start()

    def _slow_disk(self) -> None:
        """Every commit waits for somebody else's."""
        with closing(sqlite3.connect(self._folder / "var" / "mailflow.db", timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(3)
            other.execute("ROLLBACK")

    def _full_disk(self) -> None:
        """No file can grow, the log's neither."""
        pid = self._service.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
        time.sleep(3)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _sleep(self) -> None:
        self._service.process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        self._service.process.send_signal(signal.SIGCONT)

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Waits until everything that was delivered is taken in, and everything is well."""
        try:
            eventually("all is taken in", lambda: self._wanted <= self._taken_in(), _PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._missing()}") from None
        eventually("all is moved", lambda: not self._lies_in(""), _PATIENCE)
        # A server that was away leaves notices that wait for some minutes, and no status calls that a fault.
        eventually("all notices have gone", self._all_sent, _NOTICES)
        eventually("all is well", lambda: self._office.run("status").code == 0, _PATIENCE)

    def _missing(self) -> str:
        """Each mail that is wanted and not taken in: whose, when it was put there, and where it lies now."""
        lie = {
            _id_of(path.read_bytes()): str(path.relative_to(self._dovecot.dir))
            for user in self._ids
            for path in self._dovecot.maildir(user).rglob("*.test*")
        }
        lines = [
            f"{user} {message_id} put at {self._put_at[message_id]}: {lie.get(message_id, 'nowhere')}"
            for user, ids in self._ids.items()
            for message_id in sorted((ids & self._wanted) - self._taken_in())
        ]
        return "\n".join([f"troubles: {', '.join(self._course)}", *lines, self._office.run("status").out])

    def _all_sent(self) -> bool:
        return all(row["state"] == "sent" for row in self._office.rows("notices"))

    @property
    def _wanted(self) -> set[str]:
        """What must be kept."""
        return (self._ids[LEFT] | self._ids[MOVED]) - self._unread

    def _lies_in(self, folder: str) -> list[str]:
        """The Message-IDs of the mails in a folder of the mailbox that is moved from."""
        inbox = self._dovecot.maildir(MOVED)
        maildir = folder_path(inbox, folder) if folder else inbox
        found = []
        for path in [path for part in ("new", "cur") for path in (maildir / part).glob("*")]:
            with suppress(FileNotFoundError):  # moved this very moment
                found.append(_id_of(path.read_bytes()))
        return found

    def _taken_in(self) -> set[str]:
        return {str(row["message_id"]) for row in self._office.rows("mails")}

    def _check(self) -> None:
        rows = self._office.rows("mails")
        counted = Counter(row["message_id"] for row in rows if row["disposition"] != "copy")
        if lost := self._wanted - counted.keys():
            self._wrong(f"{len(lost)} mails were lost")
        if twice := [mail for mail, count in counted.items() if count > 1]:
            self._wrong(f"{len(twice)} mails count twice")
        if counted.keys() - self._wanted - self._unread:
            self._wrong("mails that nobody sent")
        self._check_moves()
        self._check_notices(self._out)
        self._check_leaks()
        self._office.nothing_lost()

    def _check_moves(self) -> None:
        moved = Counter(self._lies_in(FOLDER))
        if moved.keys() != self._ids[MOVED] or self._lies_in(""):
            self._wrong(f"{len(moved)} mails lie in {FOLDER}, and {len(self._ids[MOVED])} were to be moved")
        self.result.moved_twice = moved.total() - len(moved)
        if self.result.moved_twice > self.result.troubles["dovecot killed"] + self.result.troubles["renumbered"]:
            self._wrong(f"{self.result.moved_twice} mails were moved twice")

    def _check_notices(self, out: SmtpServer) -> None:
        notices = self._office.rows("notices")
        if waiting := [row for row in notices if row["state"] != "sent"]:
            self._wrong(f"{len(waiting)} notices have not gone")
        went = Counter(str(message_from_bytes(sent.raw)["Message-ID"]) for sent in out.messages)
        if len(went) != len(notices):
            self._wrong(f"{len(notices)} notices, and {len(went)} messages")
        self.result.repeats = went.total() - len(went)
        # Sent, and then nobody could say so: it is sent again under its Message-ID (mail.md §4, 6).
        if self.result.repeats > sum(
            self.result.troubles[name] for name in ("full disk", "daemon killed", "sender failing")
        ):
            self._wrong(f"{self.result.repeats} messages went twice")

    def _check_leaks(self) -> None:
        """Each connection to the database is two files or three, and each to a server has a thread that watches it."""
        threads, files, memory = self.result.course()
        for what, (before, after), allowed in (("threads", threads, 3), ("files", files, 6)):
            if after > before + allowed:
                self._wrong(f"{what} leak: {before:.0f} -> {after:.0f}")
        if memory[1] > 1.25 * memory[0] + 20:
            self._wrong(f"memory grows: {memory[0]:.0f} -> {memory[1]:.0f} MB")


def _clock() -> str:
    """As the daemon's log has it."""
    return f"{datetime.now(UTC):%H:%M:%S}"


def _id_of(raw: bytes) -> str:
    return str(message_from_bytes(raw)["Message-ID"])
