"""`mailflow status`: what the daemon, or the last `once`, says of itself; for people, for programs, for Prometheus."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailflow import status as statuses
from mailflow.alarm import Traffic
from mailflow.app import App
from mailflow.disks import ENOUGH, LOW, Disk
from mailflow.health import AGAIN, RECONCILE, Board, Health
from mailflow.logins import Refused, RefusedError
from mailflow.status import healthy, status_of
from mailflow.status.prometheus import METRICS, metrics
from mailflow.status.shown import lines
from mailflow.store import Store
from tests.faults.office import Office, report
from tests.stories.forks import ROOT
from tests.transports.memory import MemoryMailbox, MemoryServer

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


def rewritten(office: Office, **changed: Any) -> None:
    """As if the last run had written this about itself; `read`: about its mailbox."""
    path = office.folder / "var" / "status.json"
    status = json.loads(path.read_text(encoding="utf-8"))
    status["parts"]["read:support"] |= changed.pop("read", {})
    path.write_text(json.dumps(status | changed), encoding="utf-8")


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def test_before_anything_has_run_nothing_is_well(tmp_path: Path) -> None:
    office = Office(tmp_path)
    status = office.run("status")
    assert (status.code, "✗ 守护进程：没有运行。启动：先运行 mailflow check" in status.out) == (1, True), status.out
    assert "docs/operations.md" in status.out.splitlines()[-1]
    assert office.run("status", "--prometheus").code == 1


def test_where_cron_runs_once_all_is_well_until_it_does_not_any_more(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.deliver(report())
    assert office.once().code == 0
    status = office.run("status")
    assert (status.code, "最后一次 mailflow once 在" in status.out) == (0, True), status.out
    assert re.search(r"邮箱 support：已收 1 封；最近一封 .*秒前看过；.*核对过服务器上的 1 封，没有遗漏", status.out)
    rewritten(office, at=ago(59))
    assert office.run("status").code == 0
    rewritten(office, at=ago(61))
    status = office.run("status")
    assert (status.code, "早该再运行了" in status.out) == (1, True), status.out


def test_a_daemon_that_was_killed_is_seen_within_seconds(tmp_path: Path) -> None:
    """It does not hold its lock any more, and said no goodbye."""
    office = Office(tmp_path)
    assert office.once().code == 0
    rewritten(office, by="run", at=ago(0))
    assert office.run("status").code == 0
    rewritten(office, by="run", at=ago(0.5))
    status = office.run("status")
    said = "不是正常停下的（被杀、断电）。重新启动就行"
    assert (status.code, said in status.out, office.status()["daemon"]["locked"]) == (1, True, False), status.out
    rewritten(office, by="run", at=ago(0.5), ended=True)
    status = office.run("status")
    assert (status.code, "停下了。再启动：" in status.out) == (1, True), status.out


def test_a_daemon_that_lives_and_writes_nothing_is_told_apart_from_one_that_was_killed(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    with App.of(tmp_path / "config.toml").exclusive():
        rewritten(office, by="run", at=ago(1))
        assert (office.run("status").code, office.status()["daemon"]["locked"]) == (0, True)
        rewritten(office, by="run", at=ago(3))
        status = office.run("status")
        assert (status.code, "以后没有写过状态：卡住了，或磁盘写不进去" in status.out) == (1, True), status.out
        rewritten(office, by="once", at=ago(3000))
        assert "正在启动，或 mailflow once 正在运行" in office.run("status").out
    rewritten(office, by="run", at=ago(1))
    assert office.run("status").code == 1


def test_who_looks_at_the_lock_is_in_nobodys_way(tmp_path: Path) -> None:
    office = Office(tmp_path)
    app, other = App.of(tmp_path / "config.toml"), App.of(tmp_path / "config.toml")
    assert app.in_use() is False
    assert not (tmp_path / "var").exists(), "asking makes nothing"
    with app.exclusive():
        assert other.in_use() is True
    assert other.in_use() is False
    assert office.once().code == 0


def test_a_store_that_cannot_be_read_hides_nothing_else(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    (tmp_path / "var" / "mailflow.db").write_bytes(b"this is no database at all" * 500)
    for suffix in ("-wal", "-shm"):
        (tmp_path / "var" / f"mailflow.db{suffix}").unlink(missing_ok=True)
    status = office.run("status")
    assert (status.code, "✗ 数据库：" in status.out, "收信 support：正常" in status.out) == (1, True, True), status.out
    assert "mailflow_healthy 0" in office.run("status", "--prometheus").out


def test_a_disk_that_is_nearly_full_needs_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    disks = office.status()["disks"]
    assert [disks[name]["low"] for name in ("data", "workbooks", "restricted")] == [False] * 3
    assert disks["data"]["folder"] == str(tmp_path / "var")
    monkeypatch.setattr(statuses, "LOW", disks["data"]["free"] * 2)
    found = status_of(App.of(tmp_path / "config.toml"), datetime.now(UTC))
    assert not healthy(found)
    (line,) = [line for line in lines(found) if "磁盘" in line]
    assert line.startswith(f"✗ 磁盘：放数据、工作簿、绩效台账的 {tmp_path / 'var'} 只剩"), "one disk, one line"


def test_a_full_disk_rings_once_and_again_when_there_is_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`once` by cron: each run goes on from what the one before it knew."""
    Office(tmp_path)
    heard = tmp_path / "heard"
    with open(tmp_path / "config.toml", "a", encoding="utf-8") as config:
        config.write(f'[alarm]\ncommand = ["tee", "-a", "{heard}"]\n')
    monkeypatch.setattr("mailflow.health.LOW", 2**80)
    monkeypatch.setattr("mailflow.health.ENOUGH", 2**80)
    for _ in range(2):
        assert App.of(tmp_path / "config.toml").once(datetime.now(UTC)).problems == []
    said = rf"磁盘：放数据、工作簿、绩效台账的 {tmp_path / 'var'} 只剩 \d+ MB，请腾出地方"
    assert len(re.findall(said, heard.read_text(encoding="utf-8"))) == 1
    monkeypatch.setattr("mailflow.health.LOW", 0)
    App.of(tmp_path / "config.toml").once(datetime.now(UTC))
    assert "已恢复" not in heard.read_text(encoding="utf-8"), "a little more space is not enough"
    monkeypatch.setattr("mailflow.health.ENOUGH", 0)
    App.of(tmp_path / "config.toml").once(datetime.now(UTC))
    assert len(re.findall(f"已恢复：{said}", heard.read_text(encoding="utf-8"))) == 1


def test_a_restart_says_not_that_a_full_disk_is_well_again(tmp_path: Path) -> None:
    board = Board(tmp_path / "status.json", "run")
    board.note_disks([Disk(("data", "restricted"), tmp_path, LOW - 1), Disk(("workbooks",), tmp_path, LOW)])
    board.write(NOW)
    after = Board.after_the_last(tmp_path / "status.json", "run")
    after.begin(["publish"], NOW)
    (rung,) = after.alarms(NOW, timedelta(hours=1), UTC)
    assert (rung.key, rung.text[:12]) == ("disk:data", "磁盘：放数据、绩效台账的")
    after.note_disks([Disk(("data",), tmp_path, ENOUGH - 1), Disk(("workbooks",), tmp_path, LOW - 1)])
    assert {alarm.key for alarm in after.alarms(NOW, timedelta(hours=1), UTC)} == {"disk:data", "disk:workbooks"}
    after.note_disks([Disk(("data",), tmp_path, ENOUGH), Disk(("workbooks",), tmp_path, ENOUGH)])
    assert after.alarms(NOW, timedelta(hours=1), UTC) == []


def test_what_ends_soon_is_told_and_is_no_fault_yet(tmp_path: Path) -> None:
    office = Office(tmp_path)
    url = 'url = "imaps://support@mx.example"\npassword_env = "MF"\npassword_expires = 2026-11-29'
    office.configure({"support": url}, 'url = "maildir:sent"')
    found = status_of(App.of(tmp_path / "config.toml"), NOW)
    (said,) = [line for line in lines(found) if "到期（" in line]
    assert said.startswith("快到期：邮箱 support 的密码还有 9 天到期（2026-11-29）")
    found["daemon"]["current"] = True
    assert (len(found["expiring"]), healthy(found)) == (1, True)


def test_notices_that_wait_for_the_same_reason_are_one_line(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    found = status_of(App.of(tmp_path / "config.toml"), datetime.now(UTC))
    found["stuck"] = [{"number": f"{n:012x}", "notice": f"report:{n}", "reason": "服务器不在"} for n in range(40)]
    found["stuck"].append({"number": "3f9c0a1b2c4d", "notice": "held:1", "reason": "地址不对"})
    assert [line for line in lines(found) if "没有发出" in line] == [
        "✗ 通知 report:0（编号 000000000000）等 40 封没有发出：服务器不在",
        "✗ 通知 held:1（编号 3f9c0a1b2c4d）没有发出：地址不对",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ({"missing": 2, "on_server": 7}, "有 2 封没有收进来"),
        ({"last_day": 1, "usual_day": 40.0}, "24 小时 1 封（平时约 40 封，太少了：请看看邮件是否还送到这个邮箱）"),
        ({"state": "refused", "error": "授权码过期"}, "登录被拒绝，请处理：授权码过期"),
    ],
)
def test_what_needs_a_person_is_said_and_is_the_exit_status(tmp_path: Path, read: dict[str, Any], said: str) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    rewritten(office, read=read)
    status = office.run("status")
    assert (status.code, said in status.out) == (1, True), status.out
    assert [line for line in status.out.splitlines() if line.startswith("✗ ") and said in line]
    assert "mailflow_healthy 0" in office.run("status", "--prometheus").out


@pytest.mark.parametrize(
    "written",
    [
        "", "[]", "{}", '{"at": "x", "parts": {}}', '{"at": 5}', '{"at": "2026-11-20T02:00:00+00:00", "by": "ru',
        '{"at": "2026-11-20T02:00:00+00:00", "by": "run", "parts": {"send": {"state": 5}}}',
        '{"at": "2026-11-20T02:00:00+00:00", "by": "run", "parts": {"send": {"since": "2026-11-20"}}}',
    ],
)  # fmt: skip
def test_a_status_that_cannot_be_read_is_none(tmp_path: Path, written: str) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    (tmp_path / "var" / "status.json").write_text(written, encoding="utf-8")
    assert office.run("status").code == 1
    assert office.once().code == 0
    assert office.run("status").code == 0


LINE = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"\})? -?[0-9.e+]+')


def test_prometheus_gets_lines_that_it_can_read(tmp_path: Path) -> None:
    office = Office(tmp_path, mailboxes={"support": 'url = "maildir:inbox"', '客\\"户': 'url = "maildir:other"'})
    office.deliver(report())
    assert office.once().code == 0
    told = office.run("status", "--prometheus")
    assert told.code == 0
    lines = told.out.splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert [line for line in values if not LINE.fullmatch(line)] == []
    assert "mailflow_healthy 1" in values
    assert 'mailflow_mails{mailbox="support"} 1' in values
    assert 'mailflow_mailbox_missing{mailbox="客\\"户"} 0' in values
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed))
    assert {re.split(r"[{ ]", line)[0] for line in values} == set(typed)


def test_the_manual_has_every_metric() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(mailflow_\w+)` \|", manual, re.MULTILINE) == list(METRICS)
    box: dict[str, Any] = {"missing": 0, "silent": False, "lag": 1, "last_day": 1, "usual_day": 2.0, "on_server": 3}
    box |= dict.fromkeys(("last_mail", "last_ok", "reconciled"), NOW.isoformat())
    part = {"state": "ok", "failures": 0, "next": NOW.isoformat()}
    found: dict[str, Any] = {
        "daemon": {"running": True, "current": True, "at": NOW.isoformat(), "parts": {"send": part}, "late": []},
        "disks": {"data": {"free": 1, "low": False}}, "store": "",
        "mailboxes": {"support": box}, "mails": {"support": 1}, "notices": {"sent": 1}, "blocked": [], "held": 0,
        "next_due": {"due": NOW.isoformat()},
    }  # fmt: skip
    assert healthy(found)
    assert set(re.findall(r"^# TYPE (\w+)", metrics(found), re.MULTILINE)) == METRICS.keys()


def test_a_mailbox_is_compared_every_few_hours_and_sooner_while_mail_is_missing() -> None:
    health = Health()
    assert health.reconciliation_due(NOW)
    health.reconciled = NOW
    assert not health.reconciliation_due(NOW + RECONCILE / 2)
    assert health.reconciliation_due(NOW + RECONCILE)
    health.missing = 1
    assert health.reconciliation_due(NOW + AGAIN)
    health.reconciled = NOW + timedelta(days=1000)
    assert health.reconciliation_due(NOW), "what lies in the future was written when the clock was wrong"


def test_a_comparison_that_was_cut_goes_on_where_it_was_also_after_a_restart(tmp_path: Path) -> None:
    """A mailbox of 50,000 mails on a thin line would else be listed from the start for ever."""
    board = Board(tmp_path / "status.json", "run")
    assert [board.part("read:a").relists() for _ in range(3)] == [True, False, False]
    board.write(NOW)
    health = Board.after_the_last(tmp_path / "status.json", "run").part("read:a")
    health.begin()
    assert (health.reconciliation_due(NOW), health.relists()) == (True, False)
    with closing(Store.open(None, tmp_path)) as store:
        health.reconcile(store, MemoryMailbox("a", MemoryServer()), NOW, lambda: None)
    assert health.relists()


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("how", ["ok", "failed", "starting"])
def test_a_part_that_says_nothing_any_more_hangs(tmp_path: Path, how: str) -> None:
    """Also while it is tried again, and in its very first connection."""
    board = Board(tmp_path / "status.json", "run")
    health = board.part("read:a")
    if how == "ok":
        health.ok(NOW - 3 * HOUR)  # by the run before this one
    elif how == "failed":
        health.failed(NOW - HOUR / 4, OSError("away"))
    board.begin(["read:a"], NOW)
    assert board.alarms(NOW + HOUR / 2, HOUR, UTC) == []
    late = [alarm for alarm in board.alarms(NOW + HOUR, HOUR, UTC) if alarm.key == "late:read:a"]
    assert ["邮箱 a 从 2026-11-20 02:00 起没有动静" in alarm.text for alarm in late] == [True]
    health.alive(NOW + HOUR)
    assert not health.late(NOW + HOUR, HOUR)


def test_a_part_that_waits_as_long_as_it_said_does_not_hang() -> None:
    health = Health()
    health.ok(NOW, rest=7200)  # poll = 7200
    assert not health.late(NOW + 2 * HOUR, HOUR)
    assert health.late(NOW + 3 * HOUR, HOUR)
    assert health.late(NOW - timedelta(days=400), HOUR), "what lies far ahead was written when the clock was wrong"


def test_a_part_that_hangs_is_shown_and_is_the_exit_status(tmp_path: Path) -> None:
    office = Office(tmp_path / "office")
    assert office.once().code == 0
    for state in ("ok", "starting"):
        rewritten(office, by="run", at=ago(0), read={"state": state, "next": ago(61)})
        status = office.run("status")
        assert (status.code, "✗ 收信 support：没有动静，可能卡住了" in status.out) == (1, True), status.out


def test_a_fault_from_the_future_begins_now(tmp_path: Path) -> None:
    """The clock was wrong when it began: it must not be silent until then."""
    board = Board(tmp_path / "status.json", "run")
    board.part("send").failed(NOW + timedelta(days=1000), OSError("away"))
    board.part("send").failed(NOW, OSError("away"))
    assert board.part("send").since == NOW
    assert [alarm.key for alarm in board.alarms(NOW + HOUR, HOUR, UTC)] == ["failed:send", "late:send"]


def test_at_a_start_what_failed_before_counts_no_more_and_all_is_compared_at_once() -> None:
    health = Health()
    for _ in range(3):
        health.failed(NOW, OSError("away"))
    health.reconciled = NOW
    assert (health.failures, health.reconciliation_due(NOW)) == (3, False)
    health.begin()
    assert (health.failures, health.reconciliation_due(NOW), health.state) == (0, True, "failed")


def test_what_is_well_again_has_no_failures_behind_it() -> None:
    health = Health()
    for _ in range(3):
        health.failed(NOW, OSError("away"))
    health.ok(NOW + HOUR)
    assert (health.state, health.since, health.failures, health.error) == ("ok", NOW + HOUR, 0, "")


def test_mail_that_is_missing_and_a_mailbox_that_is_silent_ring(tmp_path: Path) -> None:
    board = Board(tmp_path / "status.json", "run")
    for name in ("read:a", "read:b", "read:c", "send"):
        board.part(name).ok(NOW)
    board.part("read:a").missing = 2
    board.note_traffic({"b": Traffic(1, 40.0), "c": Traffic(30, 40.0)})
    assert {alarm.key: alarm.text.partition("：")[0] for alarm in board.alarms(NOW, HOUR, UTC)} == {
        "missing:a": "邮箱 a 里有 2 封信没有收进来",
        "silent:b": "邮箱 b 24 小时只收到 1 封，平时约 40 封",
    }


def test_a_restart_knows_since_when_something_fails_and_rings_no_all_clear(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    board = Board(path, "run")
    board.part("read:a").failed(NOW, OSError("away"))
    board.part("read:gone").failed(NOW, OSError("away"))
    board.write(NOW)
    after = Board.after_the_last(path, "run")
    after.begin(["read:a", "send"], NOW + 2 * HOUR)
    after.part("read:a").begin()
    assert after.parts.keys() == {"read:a", "send"}
    (alarm,) = after.alarms(NOW + 2 * HOUR, HOUR, UTC)
    assert alarm.key == "failed:read:a"
    assert after.part("read:a").since == NOW


def test_a_status_that_cannot_be_written_is_complained_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board(tmp_path / "gone" / "status.json", "run")
    for _ in range(3):
        board.write(NOW)
    assert capsys.readouterr().err.count("store_failed") == 1
    (tmp_path / "gone").mkdir()
    board.write(NOW)
    assert [path.name for path in (tmp_path / "gone").iterdir()] == ["status.json"]
    shutil.rmtree(tmp_path / "gone")
    board.write(NOW)
    assert capsys.readouterr().err.count("store_failed") == 1, "it is another time"


def test_a_refused_login_is_told_with_all_that_a_person_wants_to_know(tmp_path: Path) -> None:
    board = Board(tmp_path / "status.json", "run")
    known = Refused("imaps://u@h:993", NOW - HOUR, 3, NOW, NOW + HOUR, "ab12", "LOGIN failed")
    board.part("read:a").failed(NOW, RefusedError(known, tried=True))
    (alarm,) = board.alarms(NOW, HOUR, ZoneInfo("Asia/Shanghai"))
    assert alarm.key == "refused:read:a"
    assert alarm.text.startswith(
        "邮箱 a 登录被拒绝（自 2026-11-20 09:00，已试 3 次，2026-11-20 11:00 以后再试）：LOGIN"
    )
    assert "换了密码会自己发现" in alarm.text
