"""How often an account is tried that was refused (mail.md §2 "all", §8 cases 8, 9)."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailflow.errors import AuthError, TransientError, UserError
from mailflow.logins import AT_A_START, FIRST, LONGEST, Gate, RefusedError

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Account:
    """One that refuses every secret but `right`, and counts the tries."""

    def __init__(self, folder: Path, name: str = "imaps://u@h.example:993") -> None:
        self.folder, self.name = folder, name
        self.now, self.secret, self.right = NOW, "old", "new"
        self.tries = 0
        self.gate = self.another()

    def another(self, *, always: bool = False) -> Gate:
        """As another process has it."""
        return Gate(self.name, self.folder, lambda: self.secret, lambda: self.now, always=always)

    def log_in(self, gate: Gate | None = None) -> None:
        with (gate or self.gate).passing():
            self.tries += 1
            if self.secret != self.right:
                raise AuthError("LOGIN failed")

    def tried(self, gate: Gate | None = None) -> bool:
        before = self.tries
        with pytest.raises(RefusedError) as caught:
            self.log_in(gate)
        assert caught.value.tried == (self.tries > before)
        assert str(caught.value) == caught.value.refused.error
        return caught.value.tried

    def tries_within(self, span: timedelta, *, restarts: bool = False) -> int:
        """Looks every minute."""
        before, end = self.tries, self.now + span
        while self.now < end:
            self.tried(self.another() if restarts else None)
            self.now += MINUTE
        return self.tries - before


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "refused")


@pytest.mark.parametrize("restarts", [False, True], ids=["run", "once"])
def test_a_refused_account_is_tried_eight_times_in_a_day_and_then_four_times(account: Account, restarts: bool) -> None:
    assert account.tries_within(timedelta(days=1), restarts=restarts) == 8
    assert account.tries_within(timedelta(days=7), restarts=restarts) == 4 * 7


def test_the_waits_double_up_to_six_hours(account: Account) -> None:
    waits = []
    for _ in range(20):
        account.tried()
        refused = account.gate.refused
        assert refused
        waits.append(refused.until - account.now)
        account.now = refused.until
    assert waits[:5] == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST, 16 * FIRST]
    assert set(waits[5:]) == {LONGEST}
    assert refused
    assert (refused.since, refused.tries) == (NOW, 20)


def test_another_secret_is_tried_at_once(account: Account) -> None:
    for _ in range(3):
        account.tried()
        account.now += LONGEST
    account.tried()
    assert not account.tried()
    account.secret = "another"
    assert account.tried()
    assert account.gate.refused
    assert account.gate.refused.until - account.now == FIRST, "it begins anew"
    assert account.gate.refused.since == NOW
    account.secret = account.right
    account.log_in(account.another())
    assert account.another().refused is None


def test_a_secret_that_came_while_the_old_one_was_refused_is_tried_at_once(account: Account) -> None:
    def refused() -> None:
        with account.gate.passing():
            account.secret = "newer"
            raise AuthError("the old one was refused")

    with pytest.raises(RefusedError):
        refused()
    assert account.tried()
    assert not account.tried()


def test_a_secret_that_cannot_be_had_is_another_one_when_it_is_back(tmp_path: Path) -> None:
    there = [True]

    def secret() -> str:
        if not there[0]:
            raise UserError("no such file")
        return "old"

    gate = Gate("a", tmp_path, secret, lambda: NOW)
    with pytest.raises(RefusedError), gate.passing():
        raise AuthError("no")
    there[0] = False
    with pytest.raises(UserError, match="no such file"), gate.passing():
        secret()
    there[0] = True
    with pytest.raises(RefusedError) as caught, gate.passing():
        raise AssertionError("it is the same as before, and not tried")
    assert not caught.value.tried


def test_a_persons_command_always_tries_and_opens_the_gate_for_the_others(account: Account) -> None:
    account.tried()
    check = account.another(always=True)
    with pytest.raises(AuthError) as caught:
        account.log_in(check)
    assert not isinstance(caught.value, RefusedError)
    assert not account.tried(), "a check that is refused changes nothing"
    with check.passing():
        pass  # mended at the provider: the secret is the same
    account.right = account.secret
    account.log_in()
    assert account.gate.refused is None


def test_a_start_tries_what_was_last_tried_an_hour_ago(account: Account) -> None:
    for _ in range(5):
        account.tried()
        account.now += LONGEST
    account.tried()
    for _ in range(100):  # a service manager that starts it again and again
        account.now += timedelta(seconds=10)
        started = account.another()
        started.begin()
        assert not account.tried(started)
    account.now += AT_A_START
    started = account.another()
    started.begin()
    assert account.tried(started)


def test_a_refusal_in_the_middle_of_a_session_counts(account: Account) -> None:
    account.secret = account.right
    account.log_in()
    with pytest.raises(RefusedError) as caught, account.gate.within():
        raise AuthError("403 access was taken away")
    assert caught.value.tried
    assert not account.tried()


def test_an_account_that_is_refused_inside_another_ones_session_is_that_one_alone(account: Account) -> None:
    """As the folder of sent mail, while the sender is let in."""
    inner = Account(account.folder, "imaps://sent@h.example:993")
    for gate in (account.gate.passing, account.gate.within):
        with pytest.raises(RefusedError) as caught, gate():
            inner.log_in()
        assert caught.value.refused.account == inner.name
    assert inner.gate.refused
    assert account.gate.refused is None


def test_a_server_that_is_away_is_no_refusal_and_costs_no_try(account: Account) -> None:
    with pytest.raises(TransientError), account.gate.passing():
        raise TransientError("away")
    assert account.gate.refused is None
    account.tried()
    account.now += FIRST
    for _ in range(5):
        with pytest.raises(TransientError), account.gate.passing():
            raise TransientError("away")
    assert account.tried(), "it is still due"


def test_folders_of_one_account_are_one_try(account: Account) -> None:
    account.tried()
    account.now += FIRST
    inside, leave = threading.Event(), threading.Event()

    def slow() -> None:
        with suppress(RefusedError), account.gate.passing():
            inside.set()
            leave.wait(30)
            raise AuthError("LOGIN failed")

    reader = threading.Thread(target=slow)
    reader.start()
    assert inside.wait(30)
    account.secret = "another"
    assert not account.tried(), "the other one is at it"
    leave.set()
    reader.join()
    assert account.tried(), "what the other one tried was the old secret"
    assert not account.tried()


def test_the_clock_put_back_does_not_make_it_wait_for_years(account: Account) -> None:
    account.now = NOW + timedelta(days=1000)
    account.tried()
    account.now = NOW
    assert account.tried()
    assert not account.tried()


def test_what_is_kept_is_for_its_owner_and_tells_no_secret(account: Account) -> None:
    account.secret = "s3cret-authorisation-code"
    account.tried()
    (path,) = account.folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert account.folder.stat().st_mode & 0o777 == 0o700
    assert account.gate.refused
    assert len(account.gate.refused.mark) == 4
    assert "s3cret" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kept", [b"", b"[]", b"{}", b"\xff", b'{"account": "a", "since": "2026-11-20T02:00"}'])
def test_what_is_kept_may_be_damaged(account: Account, kept: bytes) -> None:
    account.tried()
    (path,) = account.folder.iterdir()
    path.write_bytes(kept)
    assert account.tried(account.another())


def test_a_full_disk_makes_no_loop(tmp_path: Path) -> None:
    (tmp_path / "refused").write_text("a file where the folder should be", encoding="utf-8")
    account = Account(tmp_path / "refused")
    assert account.tried()
    assert not account.tried()
