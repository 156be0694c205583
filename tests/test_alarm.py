"""Alarms: what rings, how often, by which way, and what is usual for a mailbox (promise 12)."""

from __future__ import annotations

import re
import socket
import sys
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from pathlib import Path

import pytest

from mailflow.alarm import SIGN_IN, Alarm, Bell, Post, Traffic, expiring, silent, traffic
from mailflow.logins import Gate
from mailflow.transports.smtp import SmtpSender
from tests.faults.office import eventually
from tests.servers.loopback import free_port
from tests.servers.smtp import SmtpServer
from tests.stories.forks import ROOT

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
REFUSED = Alarm("refused:support", "邮箱 support 拒绝登录：授权码已过期。")


def command(folder: Path) -> tuple[str, ...]:
    """Appends what it is told to a file."""
    script = "import sys, pathlib; f = pathlib.Path(sys.argv[1]); f.open('ab').write(sys.stdin.buffer.read())"
    return (sys.executable, "-c", script, str(folder / "told"))


def told(folder: Path) -> list[str]:
    """The alarms themselves, without what stands below each message."""
    path = folder / "told"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if line and not line.startswith(("机器 ", "现在的状况："))]


def test_an_alarm_is_told_once_again_after_a_day_and_when_it_is_over(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "alarms.json", command(tmp_path))
    bell.ring([REFUSED], NOW)
    bell.ring([REFUSED], NOW + timedelta(hours=1))
    assert told(tmp_path) == [REFUSED.text]
    bell.ring([REFUSED], NOW + timedelta(days=1))
    bell.ring([], NOW + timedelta(days=1, hours=1))
    bell.ring([], NOW + timedelta(days=1, hours=2))
    assert told(tmp_path) == [REFUSED.text, REFUSED.text, f"已恢复：{REFUSED.text}"]


def test_a_restart_does_not_ring_again(tmp_path: Path) -> None:
    Bell(tmp_path / "alarms.json", command(tmp_path)).ring([REFUSED], NOW)
    Bell(tmp_path / "alarms.json", command(tmp_path)).ring([REFUSED], NOW + timedelta(hours=1))
    assert told(tmp_path) == [REFUSED.text]


@pytest.mark.parametrize(
    "kept",
    ["", "[]", "{", '{"a": 1}', '{"a": {"at": "x", "text": "y"}}', '{"a": {"at": "2026-11-20T02:00", "text": "y"}}'],
)
def test_what_was_remembered_may_be_damaged(tmp_path: Path, kept: str) -> None:
    (tmp_path / "alarms.json").write_text(kept, encoding="utf-8")
    Bell(tmp_path / "alarms.json", command(tmp_path)).ring([REFUSED], NOW)
    assert told(tmp_path) == [REFUSED.text]


@pytest.mark.parametrize("broken", [("no-such-program-here",), (sys.executable, "-c", "raise SystemExit(3)")])
def test_an_alarm_that_reached_nobody_is_tried_again(tmp_path: Path, broken: tuple[str, ...]) -> None:
    bell = Bell(tmp_path / "alarms.json", broken)
    bell.ring([REFUSED], NOW)
    assert bell.failed
    bell.command = command(tmp_path)
    bell.ring([REFUSED], NOW + timedelta(minutes=1))
    assert told(tmp_path) == [REFUSED.text]
    assert not bell.failed


def by_mail(port: int) -> Post:
    return Post(
        lambda: SmtpSender("127.0.0.1", port, "plain"), "警报 <m@tech.example>", "m@tech.example", ("it@tech.example",)
    )


def test_an_alarm_goes_by_mail_that_nobody_answers(tmp_path: Path) -> None:
    with SmtpServer() as server:
        Bell(tmp_path / "alarms.json", post=by_mail(server.port)).ring([REFUSED], NOW)
        (sent,) = server.messages
    assert sent.recipients == ["it@tech.example"]
    assert b"Auto-Submitted: auto-generated" in sent.raw
    # Ours, should it come back to a mailbox that is polled; and no robot answers it.
    assert b"X-Loop: mailflow\r\nPrecedence: bulk\r\n" in sent.raw
    assert re.search(rb"Message-ID: <mf-[0-9a-f]{32}@", sent.raw)


def test_an_alarm_says_where_it_comes_from_and_where_to_read_on(tmp_path: Path) -> None:
    """One person may be called for several machines, and has never seen this one."""
    Bell(tmp_path / "alarms.json", command(tmp_path)).ring([REFUSED], NOW)
    text = (tmp_path / "told").read_text(encoding="utf-8")
    assert f"机器 {socket.gethostname()}，数据目录 {tmp_path}\n" in text
    section = text.rpartition("docs/operations.md 的“")[2].partition("”")[0]
    assert f"\n## {section}\n" in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_subject_says_whether_it_begins_or_is_over(tmp_path: Path) -> None:
    with SmtpServer() as server:
        bell = Bell(tmp_path / "alarms.json", post=by_mail(server.port))
        bell.ring([REFUSED], NOW)
        bell.ring([], NOW + timedelta(hours=1))
        subjects = [message_from_bytes(sent.raw, policy=policy.default)["Subject"] for sent in server.messages]
    assert subjects == [f"mailflow 警报：{REFUSED.text}", f"mailflow 已恢复：{REFUSED.text}"]


def test_one_way_that_works_is_enough(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "alarms.json", command(tmp_path), by_mail(free_port()))
    bell.ring([REFUSED], NOW)
    bell.ring([REFUSED], NOW)
    assert told(tmp_path) == [REFUSED.text]


def test_when_the_network_is_down_fifty_mailboxes_are_not_fifty_messages(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "alarms.json", command(tmp_path))
    lost = [Alarm(f"failed:read:{n}", f"邮箱 {n} 一直不正常") for n in range(50)]
    for seconds in range(0, 600, 10):
        bell.ring(lost[: 1 + seconds // 10], NOW + timedelta(seconds=seconds))
    (first, *rest) = (tmp_path / "told").read_text(encoding="utf-8").split("现在的状况：mailflow status")[:-1]
    assert (first.count("邮箱"), len(rest), "".join(rest).count("邮箱")) == (1, 1, 30)
    bell.ring([], NOW + timedelta(minutes=10))
    assert len(told(tmp_path)) == 31 + 31, "that they are well again is one message, too"


def test_what_was_told_in_the_future_is_told_again(tmp_path: Path) -> None:
    """The clock was put back."""
    bell = Bell(tmp_path / "alarms.json", command(tmp_path))
    bell.ring([REFUSED], NOW + timedelta(days=1000))
    bell.ring([REFUSED], NOW)
    assert told(tmp_path) == [REFUSED.text, REFUSED.text]


def test_a_command_that_leaves_something_running_has_rung(tmp_path: Path) -> None:
    """As a script does that plays a sound in the background, which holds the outputs open."""
    script = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(5)'])"
    bell = Bell(tmp_path / "alarms.json", (sys.executable, "-c", script))
    bell.ring([REFUSED], NOW)
    assert not bell.failed


def test_a_command_that_hangs_is_ended_with_all_that_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.alarm.PATIENCE", 2.0)
    pid = tmp_path / "pid"
    bell = Bell(tmp_path / "alarms.json", ("sh", "-c", f"sleep 600 & echo $! > '{pid}'; wait"))
    bell.ring([REFUSED], NOW)
    assert "timed out" in bell.failed
    begun = Path(f"/proc/{pid.read_text().strip()}")
    eventually("it has ended", lambda: not begun.exists() or "\nState:\tZ" in (begun / "status").read_text())
    bell.command = command(tmp_path)
    bell.ring([REFUSED], NOW + timedelta(minutes=1))
    assert told(tmp_path) == [REFUSED.text]


def test_the_account_that_alarms_go_by_is_left_alone_when_it_is_refused(tmp_path: Path) -> None:
    """Each ring would be one try more."""
    with SmtpServer(user="m", password="right") as server:
        sender = partial(SmtpSender, "127.0.0.1", server.port, "plain", "m", lambda: "wrong")
        gate = Gate("alarm", tmp_path / "refused", lambda: "wrong", lambda: NOW)
        bell = Bell(
            tmp_path / "alarms.json", post=Post(sender, "m@t.example", "m@t.example", ("i@t.example",), gate.passing)
        )
        for second in range(0, 60, 10):
            bell.ring([REFUSED], NOW + timedelta(seconds=second))
        assert "RefusedError" in bell.failed
        assert len(server.logins) == 1


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (None, None),
        (date(2027, 1, 1), None),
        (date(2026, 12, 20), "还有 30 天"),
        (date(2026, 11, 21), "还有 1 天"),
        (date(2026, 11, 20), "已在 2026-11-20 到期"),
        (date(2026, 11, 1), "已在"),
    ],
)
def test_a_password_that_ends_is_told_in_advance(ends: date | None, said: str | None) -> None:
    found = expiring("邮箱 support 的密码", ends, date(2026, 11, 20))
    assert [said in alarm.text for alarm in found if said] == ([True] if said else [])
    assert bool(found) == (said is not None)


def test_a_sign_in_that_ends_says_what_to_do() -> None:
    (found,) = expiring("邮箱 support 的登录", date(2026, 11, 25), date(2026, 11, 20), SIGN_IN)
    assert "还有 5 天到期" in found.text
    assert "mailflow login" in found.text
    assert "password_expires" not in found.text


def test_weekly_until_the_last_week_and_then_daily() -> None:
    again = [
        expiring("x", date(2026, 12, 20), date(2026, 12, 20) - timedelta(days=d))[0].again.days for d in (20, 8, 7, 1)
    ]
    assert again == [7, 7, 1, 1]


def mail(per_day: int, weeks: int, today: int) -> list[datetime]:
    """Mail at ten minutes' distance on this weekday of so many weeks, and today."""
    days = [(0, today)] + [(week * 7, per_day) for week in range(1, weeks + 1)]
    return [NOW - timedelta(days=day, minutes=10 * number) for day, count in days for number in range(count)]


@pytest.mark.parametrize(
    ("per_day", "weeks", "today", "is_silent"),
    [(40, 8, 0, True), (40, 8, 7, True), (40, 8, 8, False), (4, 8, 0, False), (40, 2, 0, False), (0, 0, 0, False)],
)
def test_a_mailbox_is_silent_when_it_gets_far_less_than_on_the_same_weekday(
    per_day: int, weeks: int, today: int, is_silent: bool
) -> None:
    found = traffic(mail(per_day, weeks, today), NOW)
    assert found.last == today
    assert found.silent is is_silent
    assert bool(silent("support", found)) is is_silent


def test_weeks_before_the_mailbox_began_do_not_count() -> None:
    assert traffic(mail(40, 3, 5), NOW) == Traffic(5, None)
