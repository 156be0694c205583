"""Wiring: configuration -> concrete store, workbooks, clock; what logs in somewhere is wired in `accounts`."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mailflow import alarm, intake, journal, mappings, outbox, publish
from mailflow import config as configuration
from mailflow.accounts import Accounts
from mailflow.core.mapping import Mapping
from mailflow.core.providers import Provider
from mailflow.disks import Disk, disks_of
from mailflow.errors import MailflowError, PermanentError, TransientError, UserError
from mailflow.health import Board
from mailflow.logins import MENDED, Gate, RefusedError
from mailflow.signatures import Checker, Keys
from mailflow.store import Store
from mailflow.transports.base import Mailbox, Sender

if TYPE_CHECKING:
    from mailflow.transports.oauth.google import GoogleTokens
    from mailflow.transports.oauth.microsoft import MicrosoftTokens


@dataclass
class Summary:
    """What one run did."""

    mails: Counter[str] = field(default_factory=Counter)
    due: int = 0
    notices: Counter[str] = field(default_factory=Counter)
    workbooks: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    """Chinese: what did not go as it should. Everything else went on."""


@dataclass
class App:
    """A configuration with everything that it names, made when it is first needed."""

    config: configuration.Config
    always: bool = False
    """A person's command: no login is left out because it was refused before, and what is let in tells the others."""
    _known: tuple[object, tuple[Provider, ...]] = (None, ())
    """The mappings' stamp, and the providers that they named."""

    @staticmethod
    def of(path: Path) -> App:
        """The application that the file `path` configures. UserError with everything that is wrong with it."""
        return App(configuration.load(path))

    @cached_property
    def store(self) -> Store:
        return Store.open(self.config.main.store, self.config.main.data)

    @property
    def shelf(self) -> publish.Shelf:
        said = self.config.workbooks
        return publish.Shelf(
            said.folder,
            said.restricted_folder,
            self.config.main.data / "published",
            said.keep,
            said.while_open,
            timedelta(hours=said.remind_after),
            self.templates,
        )

    @property
    def templates(self) -> Path:
        """The folder of the workbooks' templates."""
        return self.config.main.templates / "workbooks"

    def check_templates(self) -> list[str]:
        """What the workbooks' templates leave out, in sentences. UserError with everything that is wrong with them."""
        return publish.check_templates(self.templates, self.mapping_on_disk()[0])

    def template(self, kind: str) -> bytes:
        """A template to begin with. UserError: there is no such kind of workbook."""
        return publish.starting_point(kind, self.mapping_on_disk()[0])

    def forms(self) -> dict[str, bytes]:
        """The blank forms by name, which is a file's name too."""
        from mailflow.sheets.blank import blank_form  # brings openpyxl

        mapping = self.mapping_on_disk()[0]
        return {form.name: blank_form(form, mapping.kinds_by_id[form.kind]) for form in mapping.forms}

    @property
    def notices(self) -> Path:
        """The folder of the notices' templates."""
        return self.config.main.templates / "notices"

    def has_store(self) -> bool:
        """Whether there is anything in the store yet; asking makes nothing."""
        return self.config.main.store is not None or (self.config.main.data / "mailflow.db").exists()

    def mapping_on_disk(self) -> tuple[Mapping, dict[str, str]]:
        """What mappings/ says now, with the files' texts. UserError with everything that is wrong with it."""
        folder = self.config.main.mappings
        files = mappings.read_files(folder)
        return mappings.parse(files, self.config.settings(), folder), files

    def mapping_stamp(self) -> object:
        """Changes whenever a file in mappings/ is saved, made or removed."""
        return mappings.stamp(self.config.main.mappings)

    def take_mapping(self, now: datetime) -> Mapping:
        """Takes what mappings/ says into use."""
        mapping, files = self.mapping_on_disk()
        intake.take_mapping(self.store, mapping, files, now)
        return mapping

    def in_force(self) -> Mapping:
        with self.store.read() as reader:
            return intake.in_force(reader)

    # -- what logs in somewhere --------------------------------------------------------------------------------------

    @cached_property
    def _accounts(self) -> Accounts:
        return Accounts(self.config, self._providers, utc_now, always=self.always)

    def _providers(self) -> Sequence[Provider]:
        """What mappings/providers.toml says; read again when a file was saved. While it is faulty, the last good."""
        stamp, known = self._known
        if (now := self.mapping_stamp()) != stamp:
            with suppress(UserError):
                known = self.mapping_on_disk()[0].providers
            self._known = now, known
        return known

    def mailbox(self, box: configuration.Mailbox) -> Mailbox:
        """PermanentError: its name has stood for another account, whose UIDs would be taken for this one's."""
        if self.has_store():
            self._check_account(box)
        return self._accounts.mailbox(box)

    def _check_account(self, box: configuration.Mailbox) -> None:
        with self.store.read() as reader:
            before = reader.account(box.name)
            if before in (None, box.account):
                return
            taken = {one.name for one in self.config.mailboxes}
            free = (name for name in (f"{box.name}-{number}" for number in count(2)) if name not in taken)
            name = next(name for name in free if reader.account(name) in (None, box.account))
        raise PermanentError(
            f"邮箱“{box.name}”以前是 {before}，现在是 {box.account}：UID 不能混用，所以没有读。"
            f"请给它换一个 name，如 {name}；已经收过的邮件会认出来，不会重复处理。"
        )

    def sender(self, send: configuration.Send | None = None) -> Sender:
        """The way out; `send` another one."""
        return self._accounts.sender(send or self.config.send)

    def gate(self, account: configuration.Account) -> Gate:
        """What an account passes whenever it logs in."""
        return self._accounts.gate(account)

    def tokens(self, account: configuration.Account, name: str) -> GoogleTokens | MicrosoftTokens:
        """Where the access tokens of the account called `name` come from. UserError: it uses none."""
        return self._accounts.tokens(account, name)

    def provider(self, host: str) -> Provider:
        """What mappings/providers.toml knows of a server."""
        return self._accounts.provider(host)

    @cached_property
    def _keys(self) -> Keys:
        return Keys()

    def checker(self, box: configuration.Mailbox) -> Checker | None:
        """What checks the signatures of this mailbox's mail; None: nobody asked for it."""
        wanted = box.verbatim and (box.dkim or box.arc_sealers)
        return Checker(self._keys, box.dkim, box.arc_sealers) if wanted else None

    def bell(self) -> alarm.Bell:
        """Who is told when something is out of order."""
        said = self.config.alarm
        send = said.send
        post = None
        if send is not None:
            post = alarm.Post(lambda: self.sender(send), send.sender, send.address, said.to, self.gate(send).passing)
        return alarm.Bell(self.config.main.data / "alarms.json", said.command, post)

    def expiring(self, now: datetime) -> list[alarm.Alarm]:
        """Passwords, secrets and sign-ins that end soon."""
        config = self.config
        ends = {f"邮箱 {box.name} 的密码": box.password_expires for box in config.mailboxes}
        ends["发信账号的密码"] = config.send.password_expires
        for name, app in (("Microsoft", config.oauth.microsoft), ("Google", config.oauth.google)):
            ends[f"{name} 应用的密钥"] = app.password_expires if app else None
        today = now.astimezone(self._zone).date()
        found = [one for what, day in ends.items() for one in alarm.expiring(what, day, today)]
        accounts = [*((f"邮箱 {box.name}", box) for box in config.mailboxes), ("发信账号", config.send)]
        signed_in = {f"{what} 的登录": self.tokens(one, what).ends for what, one in accounts if one.oauth}
        return found + [
            one for what, day in signed_in.items() for one in alarm.expiring(what, day, today, alarm.SIGN_IN)
        ]

    def disks(self) -> list[Disk]:
        """What is written to."""
        return disks_of(self.config.folders)

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.config.main.timezone)

    @property
    def status_file(self) -> Path:
        """What the daemon, or the last `once`, says of itself."""
        return self.config.main.data / "status.json"

    def ring(self, bell: alarm.Bell, board: Board, now: datetime) -> None:
        """Rings for what a person must see to, and for what is over (promise 12)."""
        after = timedelta(minutes=self.config.alarm.after)
        bell.ring([*board.alarms(now, after, self._zone), *self.expiring(now)], now)

    def traffic(self, now: datetime, names: Iterable[str]) -> dict[str, alarm.Traffic]:
        """How much mail these mailboxes got, against what is usual; that is left out on days off, which are quiet."""
        calendar = self.in_force().calendar
        working = all(calendar.is_working(calendar.day(now - timedelta(hours=hours))) for hours in (0, 24))
        with self.store.read() as reader:
            times = {name: reader.arrivals(name, now - alarm.REACH) for name in names}
        found = {name: alarm.traffic(came, now) for name, came in times.items()}
        return found if working else {name: alarm.Traffic(one.last, None) for name, one in found.items()}

    def post(self, sender: Sender, mapping: Mapping) -> outbox.Post:
        send = self.config.send
        return outbox.Post(sender, send.sender, send.address, self.notices, mapping)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Only one process takes in, publishes and sends (mail.md §4, 7). UserError when another one does."""
        data = self.config.main.data
        try:
            data.mkdir(parents=True, exist_ok=True)
            lock = open(data / "mailflow.lock", "a+b")  # noqa: SIM115  closed below; what runs within has its own errors
        except OSError as error:
            # Not 2: a disk that is not there yet, or read-only for a while, is tried again by the service manager.
            raise UserError(f"数据目录 {data} 不可用：{error.strerror}。请检查 data 的路径和权限。", code=1) from error
        with lock:
            if not (_locked(lock.fileno()) or _locked_soon(lock.fileno())):
                raise UserError(f"另一个 mailflow 正在使用 {data}，请等它结束或先停掉它。", code=1)
            with self.store.exclusive():
                yield

    def in_use(self) -> bool | None:
        """Whether a `run` or `once` is at work in the data folder. None: nobody can tell from here. Makes nothing."""
        try:
            import fcntl

            with open(self.config.main.data / "mailflow.lock", "rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        except (ImportError, OSError):
            return None
        return False

    def once(
        self, now: datetime, progress: Callable[[str], None] = lambda text: None, *, send_all: bool = False
    ) -> Summary:
        """Takes in all waiting mail, does all that is due, publishes, sends. One thing that fails stops no other.

        `send_all`: a person has looked, and lets the notices go that the brake held (outbox.MOST_AT_ONCE).
        """
        summary = Summary()
        mapping = self.take_mapping(now)
        board = Board.after_the_last(self.status_file, "once")
        steps: list[tuple[str, str, Callable[[], object]]] = [
            ("cells", "读取待确认", lambda: self.take_back(now, publish.cells(self.store, self.shelf, mapping))),
            *(
                (f"read:{box.name}", f"收信 {box.name}", partial(self._take_in, box, summary, board))
                for box in self.config.mailboxes
            ),
            ("tick", "到期事项", partial(self._tick, summary, now)),
            ("publish", "工作簿", partial(self._publish, summary, mapping, now)),
            ("send", "发信", partial(self._deliver, summary, mapping, now, send_all)),
        ]
        board.begin([part for part, _, _ in steps], utc_now())
        for part, what, work in steps:
            progress(what)
            try:
                work()
                board.part(part).ok(utc_now())
            except Exception as error:  # noqa: BLE001  one step that fails stops no other
                board.part(part).failed(utc_now(), error)
                summary.problems.append(f"{what}：{self._told(what, error)}")
        self._tell(board, summary)
        if aside := summary.mails["set_aside"]:
            summary.problems.append(
                f"{aside} 封邮件无法处理，已原样保存并搁置，见 mailflow list mails 和 待确认.xlsx。"
            )
        return summary

    def take_back(self, now: datetime, found: publish.ReadBack) -> None:
        """Carries out the decisions, and keeps what else people wrote into a workbook."""
        if found:
            who = f"{found.workbook}（{found.by}）" if found.by else found.workbook
            intake.take_workbook(self.store, now, found.workbook, found.changes, found.by, found.saved)
            intake.take_cells(self.store, now, who, found.decisions)

    def reset_workbook(self, name: str, now: datetime) -> str | None:
        """Sets a workbook's file aside; returns its new name, None when there was none. UserError when it cannot be."""
        mapping = self.in_force()
        moved = publish.reset(self.store, self.shelf, mapping, name, now, partial(self.take_back, now))
        return moved.name if moved else None

    def publish_now(self, now: datetime) -> Counter[str]:
        """Publishes what is behind."""
        return publish.publish(self.store, self.shelf, self.in_force(), now, partial(self.take_back, now))

    def _take_in(self, box: configuration.Mailbox, summary: Summary, board: Board) -> None:
        health = board.part(f"read:{box.name}")
        compare = health.reconciliation_due(utc_now())
        everything = compare and health.relists()
        unreadable: list[str] = []
        with self.gate(box).passing(), closing(self.mailbox(box)) as mailbox:
            take_in = partial(
                intake.take_in, self.store, mailbox, source_of(box), checker=self.checker(box), tally=summary.mails
            )
            take_in(unreadable=unreadable.extend, everything=everything)
            if compare:
                health.reconcile(self.store, mailbox, utc_now(), take_in, len(unreadable))
            refused = intake.file_away(self.store, mailbox)
            journal.mailbox_ok(mailbox=box.name)
        summary.problems += [found.text for found in alarm.lost(box.name, health.missing)]
        if wrong := TransientError(unreadable_text(unreadable)) if unreadable else refused:
            raise wrong

    def _tell(self, board: Board, summary: Summary) -> None:
        """For `mailflow status` and for alarms: where `once` runs by the clock, no daemon sees to them."""
        now, bell = utc_now(), self.bell()
        try:
            board.note_disks(self.disks())
            board.note_traffic(self.traffic(now, [box.name for box in self.config.mailboxes]))
            self.ring(bell, board, now)
        except Exception as error:  # noqa: BLE001  what was done is done, and is to be told
            summary.problems.append(f"警报：{self._told('alarm', error)}")
        if bell.failed:
            summary.problems.append(f"警报没有送到：{bell.failed}")
        board.write(now)

    def _told(self, what: str, error: Exception) -> str:
        if isinstance(error, RefusedError):
            until = f"{error.refused.until.astimezone(self._zone):%Y-%m-%d %H:%M}"
            done = f"{error}" if error.tried else f"没有再试，因为登录被拒绝过 {error.refused.tries} 次：{error}"
            return f"{done} {until} 以后再试；{MENDED}"
        if isinstance(error, MailflowError):
            return str(error)
        journal.bug(where=what, error=error)
        return f"程序出错（{type(error).__name__}: {error}），其余照常。"

    def _tick(self, summary: Summary, now: datetime) -> None:
        summary.due = intake.tick(self.store, now)

    def _publish(self, summary: Summary, mapping: Mapping, now: datetime) -> None:
        summary.workbooks = publish.publish(self.store, self.shelf, mapping, now, partial(self.take_back, now), seen={})
        if summary.workbooks["blocked"]:
            with self.store.read() as reader:
                rows = [row for row in reader.workbooks() if row.blocked]
            summary.problems += [f"工作簿 {row.name}：{row.blocked}" for row in rows]

    def _deliver(self, summary: Summary, mapping: Mapping, now: datetime, send_all: bool) -> None:
        gate = self.gate(self.config.send)
        with gate.passing(), closing(self.sender()) as sender:
            if gate.refused:
                sender.check()  # that nothing is due is no sign that it is let in again
            summary.notices = outbox.deliver(self.store, self.post(sender, mapping), now, send_all=send_all)
        refused = summary.notices["refused"]
        with self.store.read() as reader:
            stuck = reader.stuck_notices()
        if refused:
            summary.problems.append(f"{refused} 封通知被拒绝，不再发，详见 mailflow list notices。")
        if stuck:
            text = f"{len(stuck)} 封通知还没有发出，详见 mailflow status"
            summary.problems.append(f"{text}：{stuck[0][1]}")


def source_of(box: configuration.Mailbox) -> intake.Source:
    return intake.Source(box.name, box.account, box.after)


def unreadable_text(uids: Sequence[str]) -> str:
    """What a person is told of mails that a server, or the disk, does not hand out."""
    return f"{len(uids)} 封邮件读不出来，下次再试：{'、'.join(uids[:3])}{'…' if len(uids) > 3 else ''}"


def _locked(descriptor: int) -> bool:
    """Takes the lock of an open file; it goes when the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _locked_soon(descriptor: int) -> bool:
    """The same a moment later: `mailflow status` holds it for an instant to see whether anybody does."""
    time.sleep(0.2)
    return _locked(descriptor)


def utc_now() -> datetime:
    """The only clock there is; everything below is told the time."""
    return datetime.now(UTC)
