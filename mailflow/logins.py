"""Refused logins: an alarm to a person, and so few tries that no account is locked (mail.md §2 "all", §8 cases 8, 9).

A refused account is left alone for a quarter of an hour, then for twice as long each time, up to six hours. It is never
given up, because some refusals pass (QQ has one text for all causes). It is tried at once when what it logs in with is
another one, and when `mailflow check` or `mailflow login` was let in. All that is kept in a file for each account, for
its owner alone, so that neither restarts nor a cron that runs `once` are a loop.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from mailflow import files, journal
from mailflow.errors import AuthError, MailflowError

FIRST, LONGEST = timedelta(minutes=15), timedelta(hours=6)
AT_A_START = timedelta(hours=1)
"""A person who has mended something starts the daemon again; a service manager may do so every ten seconds."""
MENDED = "换了密码会自己发现，马上再试；密码没有换的，处理好以后运行 mailflow check。"
"""What a person is told besides."""


@dataclass(frozen=True)
class Refused:
    """What is known of an account that was refused."""

    account: str
    """For people: imaps://support@tech.example@imap.tech.example:993."""
    since: AwareDatetime
    tries: int
    """With this secret."""
    last: AwareDatetime
    until: AwareDatetime
    """Left alone until then."""
    mark: str
    """Sixteen bits of a hash of the secret: enough to see that it is another one, too little to find it by."""
    error: str

    def rests(self, now: datetime) -> bool:
        """Whether it is still to be left alone. A last try in the future means that the clock was wrong."""
        return self.last <= now < self.until


_KEPT = TypeAdapter(Refused)


class RefusedError(AuthError):
    """A login was refused, or not even tried because it was. `refused`: what is to become of it."""

    def __init__(self, refused: Refused, *, tried: bool) -> None:
        super().__init__(refused.error)
        self.refused = refused
        self.tried = tried


class Gate:
    """Where everything that logs in to one account passes through; safe between threads.

    Args:
        account: what it is called; the same for all that log in there as the same user.
        folder: where a refusal is kept, as long as it lasts.
        secret: what is logged in with at this moment; MailflowError when it cannot be had.
        clock: tells the time.
        always: a person's command tries whatever was refused before, counts nothing, and opens the gate for the others.
    """

    def __init__(
        self,
        account: str,
        folder: Path,
        secret: Callable[[], str],
        clock: Callable[[], datetime],
        *,
        always: bool = False,
    ) -> None:
        self._account, self._secret, self._clock, self._always = account, secret, clock, always
        self._path = folder / f"{hashlib.sha256(account.encode()).hexdigest()[:16]}.json"
        self._lock = threading.Lock()
        self._refused = _read(self._path)
        self._written = self._refused is not None
        self._trying = False
        """Somebody tries a refused account: one try at a time, however many folders of it are read."""
        self._mark = ""
        """Of the secret that was let pass last."""

    @property
    def refused(self) -> Refused | None:
        """None: nothing is known against a login."""
        with self._lock:
            self._look()
            return self._refused

    def begin(self) -> None:
        """At a start of the daemon the account is tried, unless it was within the last hour."""
        with self._lock:
            if self._refused is not None:
                until = min(self._refused.until, self._refused.last + AT_A_START)
                self._refused = replace(self._refused, until=until)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Around all that begins with a login. RefusedError when it is refused, or is to be left alone."""
        trying = self._enter()
        try:
            with self.within():
                yield
            self._admit()
        finally:
            if trying:
                self._trying = False

    @contextmanager
    def within(self) -> Iterator[None]:
        """Around what is done after the login: a server may refuse in the middle of it."""
        try:
            yield
        except RefusedError:
            raise
        except AuthError as error:
            if self._always:
                raise
            raise RefusedError(self._refuse(str(error)), tried=True) from error

    def _enter(self) -> bool:
        """Whether this is a try of a refused account. RefusedError: it is left alone."""
        mark = self._marked()
        with self._lock:
            self._look()
            known = None if self._always else self._refused
            if known and (self._trying or (mark == known.mark and known.rests(self._clock()))):
                raise RefusedError(known, tried=False)
            self._mark, self._trying = mark, known is not None
            return self._trying

    def _admit(self) -> None:
        with self._lock:
            if self._refused is not None:
                self._refused = None
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)

    def _refuse(self, error: str) -> Refused:
        now = self._clock()
        with self._lock:
            before = self._refused
            # The mark of the secret that was refused: one that has come since is tried at once.
            tries = before.tries + 1 if before is not None and before.mark == self._mark else 1
            wait = min(FIRST * 2 ** min(tries - 1, 10), LONGEST)
            since = before.since if before is not None else now
            self._refused = Refused(self._account, since, tries, now, now + wait, self._mark, error)
            self._keep(self._refused)
            return self._refused

    def _keep(self, refused: Refused) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write_whole(self._path, _KEPT.dump_json(refused), mode=files.SECRET, lasting=True)
            self._written = True
        except OSError as error:
            self._written = False  # it counts all the same, as long as this process lives
            journal.store_failed(error=error)

    def _look(self) -> None:
        """Whether a person's command was let in meanwhile, and has taken the file away."""
        if self._refused is not None and self._written and not self._path.exists():
            self._refused = None

    def _marked(self) -> str:
        try:
            secret = self._secret()
        except MailflowError:
            return ""
        return hashlib.sha256(f"{self._account}\0{secret}".encode()).hexdigest()[:4]


def _read(path: Path) -> Refused | None:
    """What cannot be read means nothing: one try more."""
    try:
        return _KEPT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
