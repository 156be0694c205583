"""Clumsy use: clocks that go back, two at once, Ctrl-C, closed pipes, odd locales, odd folders, odd time zones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import chinese_calendar
import pytest

from tests.faults.office import Office, complaint, eventually, report, unfinished_report
from tests.servers.smtp import SmtpServer


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_clock_that_goes_back_undoes_and_repeats_nothing(office: Office) -> None:
    office.deliver(complaint(), when=datetime(2026, 11, 20, 1, 0, tzinfo=UTC))
    office.deliver(complaint("第二次"), when=datetime(2026, 11, 20, 2, 0, tzinfo=UTC))
    assert office.once("2026-12-01T10:00").code == 0
    before, ledger = len(office.sent()), office.rows("ledger")
    assert before > 0
    assert ledger
    for now in ("2026-11-19T10:00", "2001-01-01", "2026-12-01T10:00"):
        ended = office.once(now)
        assert (ended.code, ended.err) == (0, "")
    assert (len(office.sent()), office.rows("ledger")) == (before, ledger)
    office.nothing_lost()


@pytest.mark.parametrize("now", ["yesterday", "", "2026-13-01", "9999-12-31T23:59:59", "0001-01-01", "26-11-20"])
def test_a_time_that_is_none_is_refused(office: Office, now: str) -> None:
    for command in (("once",), ("decide", "1", "确认"), ("close-month", "2026-11")):
        office.once()
        ended = office.run(*command, "--now", now)
        assert (ended.code, "时间" in ended.err) == (2, True), ended.err


def test_a_machine_clock_in_another_zone_changes_no_month(office: Office) -> None:
    # 00:30 on the first of December in Shanghai, and still November nearly everywhere else.
    office.deliver(complaint(), when=datetime(2026, 11, 30, 16, 30, tzinfo=UTC))
    for zone in ("America/Los_Angeles", "Pacific/Kiritimati", "nowhere"):
        assert office.run("once", TZ=zone).code == 0
    assert [row["month"] for row in office.rows("complaints")] == ["2026-12"]


def test_of_two_at_the_same_time_one_is_refused(office: Office) -> None:
    for number in range(200):
        office.deliver(report(f"第{number}件事"))
    children = [office.start("once") for _ in range(3)]
    ended = sorted((child.communicate(timeout=120), child.returncode) for child in children)
    codes = sorted(code for _, code in ended)
    assert codes in ([0, 1, 1], [0, 0, 1], [0, 0, 0])
    assert all("另一个 mailflow" in err for (_, err), code in ended if code)
    assert len(office.rows("mails")) == 200
    office.nothing_lost()


def test_ctrl_c_keeps_what_was_done_and_the_next_run_does_the_rest(office: Office) -> None:
    assert office.once().code == 0
    for number in range(600):
        office.deliver(report(f"第{number}件事"))
    office.deliver(unfinished_report())
    child = office.start("once")
    eventually("a first batch is in the store", lambda: len(office.rows("mails")) > 0)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode in (130, 0)
    assert "Traceback" not in err
    assert ("已中断" in err) == (child.returncode == 130)
    assert office.once().code == 0
    assert len(office.rows("mails")) == 601
    assert len(office.sent()) == 1
    office.nothing_lost()


def test_a_reader_that_goes_early_gets_no_traceback(office: Office) -> None:
    for number in range(300):
        office.deliver(report(f"第{number}件事"))
    office.once()
    for arguments in (["list", "mails"], ["list", "mails", "--json"]):
        child = office.start(*arguments)
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(1)
        child.stdout.close()
        err = child.stderr.read()
        child.wait(60)
        child.stderr.close()
        assert (err, child.returncode in (0, 1)) == ("", True)


def without_output() -> None:
    os.close(1)
    os.close(2)


def test_without_any_output_at_all(office: Office) -> None:
    office.deliver(report())
    child = office.start("once", stdout=None, stderr=None, preexec_fn=without_output)
    assert child.wait(60) == 0
    assert len(office.rows("mails")) == 1
    office.nothing_lost()


@pytest.mark.parametrize("locale", ["C", "POSIX", "zh_CN.GBK", "xx_YY.nonsense"])
def test_odd_locales(office: Office, locale: str) -> None:
    office.deliver(report())
    environment = {"LC_ALL": locale, "LANG": locale, "LANGUAGE": locale, "PYTHONUTF8": "", "PYTHONIOENCODING": ""}
    child = office.start("once", env=environment)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert "邮件 1 封" in out
    child = office.start("list", "mails", env=environment)
    out, _ = child.communicate(timeout=60)
    assert "客户沟通-ERP二期项目-李四" in out
    assert office.sheet.exists()


def test_a_folder_with_blanks_and_chinese_used_from_elsewhere(tmp_path: Path) -> None:
    office = Office(tmp_path / "技术 支持 (一) '部' %20")
    office.deliver(report())
    config = str(office.folder / "config.toml")
    child = office.start("once", "--config", config, cwd="/")
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    assert office.shows(office.sheet, "解决vista下远程控制网络参数设置")
    child = office.start("list", "mails", "--json", cwd="/", env={"MAILFLOW_CONFIG": config})
    out, _ = child.communicate(timeout=60)
    assert len(json.loads(out)) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["decide", "99", "确认"], 1),
        (["decide", "abc", "确认"], 1),
        (["decide", "1"], 2),
        (["close-month", "2026-13"], 2),
        (["close-month", "2030-01"], 1),
        (["why", "没有这个人", "2026-11"], 1),
        (["why", "张三", "2026-11"], 1),
        (["list", "nothing"], 2),
        (["preview", "nothing"], 2),
        (["onec"], 2),
        ([], 2),
    ],
)
def test_what_cannot_be_done_is_said_in_chinese(office: Office, arguments: list[str], code: int) -> None:
    office.once()
    ended = office.run(*arguments)
    assert (ended.code, "Traceback" in ended.err) == (code, False)
    assert any("一" <= character <= "鿿" for character in ended.err)


def test_before_the_first_run_commands_say_what_to_do(office: Office) -> None:
    for arguments in (["decide", "1", "确认"], ["close-month", "2026-11"], ["rebuild"], ["why", "李四", "2026-11"]):
        ended = office.run(*arguments)
        assert (ended.code, "mailflow once" in ended.err) == (1, True), arguments
    assert not (office.folder / "var").exists(), "asking makes nothing"


def test_a_store_that_is_none_is_said(office: Office) -> None:
    (office.folder / "var").mkdir()
    (office.folder / "var" / "mailflow.db").write_bytes(b"this is no database at all" * 500)
    for command in (["once"], ["list", "mails"], ["status"], ["rebuild", "--check"]):
        ended = office.run(*command)
        said = ended.out + ended.err  # status tells all that it knows
        assert (ended.code in (1, 2), "数据库" in said, "Traceback" in said) == (True, True, False), said


def test_once_beside_a_running_daemon_is_refused_and_changes_nothing(office: Office) -> None:
    daemon = office.start("run", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually("the daemon runs", lambda: office.status()["daemon"]["running"])
        for command in (["once"], ["rebuild"], ["run"]):
            ended = office.run(*command)
            assert (ended.code, "另一个 mailflow" in ended.err) == (1, True)
        assert office.run("rebuild", "--check").code == 0
        assert office.run("check").code == 0
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30) == 0


def test_check_tells_of_folders_that_cannot_be_written(office: Office) -> None:
    assert "✓ 文件夹" in office.run("check", "--offline").out
    assert not (office.folder / "var").exists(), "checking makes nothing"
    (office.folder / "restricted").write_bytes(b"")
    (office.folder / "workbooks").mkdir(mode=0o500)
    ended = office.run_minding_permissions("check", "--offline")
    assert (ended.code, "✗ 文件夹" in ended.out) == (1, True)
    assert f"工作簿的文件夹 {office.folder / 'workbooks'}" in ended.err
    assert "不是文件夹" in ended.err


def test_check_warns_of_a_password_file_that_others_may_read(office: Office) -> None:
    path = office.folder / "pw"
    url = 'url = "imaps://support@mx.example"\npassword_file = "pw"'
    office.configure({"support": url, "other": url}, 'url = "maildir:sent"')
    path.write_text("geheim", encoding="utf-8")
    for mode, hints in ((0o644, 1), (0o640, 1), (0o600, 0)):
        path.chmod(mode)
        ended = office.run("check", "--offline")
        said = f"提示：密码文件 {path} 别的用户也能读或写（权限 {mode:o}）：请运行 chmod 600 {path}"
        assert (ended.code, ended.err.count(said)) == (0, hints), ended.err
        assert "geheim" not in ended.out + ended.err


def test_check_tells_of_a_relay_that_does_not_take_our_sender(tmp_path: Path) -> None:
    with SmtpServer() as relay:
        office = Office(tmp_path, send=f'url = "smtp://127.0.0.1:{relay.port}"')
        relay.faults.mail = ["554 5.7.1 relay access denied"]
        ended = office.run("check")
        assert (ended.code, "✗ 发信\n" in ended.out) == (1, True), ended.out
        assert "554 5.7.1 relay access denied。请核对 [send] 的 from（现在是 support@tech.example）" in ended.err
        ended = office.run("check")
        assert (ended.code, "✓ 发信：" in ended.out, relay.messages) == (0, True, []), ended.err


def test_check_goes_on_where_it_may_not_look(office: Office) -> None:
    """A password of somebody else's, and a folder within a folder of somebody else's."""
    (office.folder / "pw").write_text("geheim", encoding="utf-8")
    office.configure({"support": 'url = "imaps://support@mx.example"\npassword_file = "pw"'}, 'url = "maildir:sent"')
    config = office.folder / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"restricted"', '"closed/ledger/pay"'), encoding="utf-8")
    (office.folder / "closed" / "ledger").mkdir(parents=True)
    (office.folder / "pw").chmod(0)
    (office.folder / "closed").chmod(0)
    ended = office.run_minding_permissions("check", "--offline")
    place = office.folder / "closed" / "ledger" / "pay"
    assert f"绩效台账的文件夹 {place}：看不到它（没有权限），请让运行 mailflow 的用户" in ended.err, ended.err
    assert f"读不到密码文件 {office.folder / 'pw'}：没有权限。请让它属于运行 mailflow 的用户，权限 600" in ended.err
    assert (ended.code, ended.out.count("✗"), "✗ 配置" in ended.out) == (1, 2, True), ended.out


def test_an_unreadable_password_is_told_by_everybody_who_needs_it(office: Office) -> None:
    (office.folder / "pw").write_text("geheim", encoding="utf-8")
    (office.folder / "pw").chmod(0)
    with SmtpServer(user="u", password="geheim") as out:
        send = f'url = "smtp://u@127.0.0.1:{out.port}"\npassword_file = "pw"'
        office.configure({"support": 'url = "maildir:inbox"'}, send)
        office.deliver(unfinished_report())
        said = f"读不到密码文件 {office.folder / 'pw'}：没有权限。请让它属于运行 mailflow 的用户，权限 600"
        for command, code in (("check", 1), ("once", 1)):
            ended = office.run_minding_permissions(command)
            assert (ended.code, ended.err.count(said)) == (code, 1), ended.err
        assert "✗ 发信：同上" in office.run_minding_permissions("check").out
        assert said in str(office.status()["daemon"]["parts"]["send"]), "not refused, so it is tried at once"
        (office.folder / "pw").chmod(0o600)
        assert (office.once().code, len(out.messages)) == (0, 1)


def test_check_asks_for_the_holidays_of_a_year_that_is_not_known_yet(office: Office) -> None:
    year = (datetime.now(UTC) + timedelta(days=60)).year
    asks = f"工作日历里还没有 {year} 年的节假日和调休"
    known = any(day.year == year for day in chinese_calendar.holidays)
    assert (asks in office.run("check", "--offline").err) != known
    path = office.folder / "mappings" / "calendar.toml"
    written = path.read_text(encoding="utf-8")
    path.write_text(written.replace("holidays = []", f"holidays = [{year}-01-01]"), encoding="utf-8")
    ended = office.run("check", "--offline")
    assert (ended.code, asks in ended.err) == (0, False)


def test_check_warns_of_a_password_file_with_more_than_a_password(office: Office) -> None:
    office.configure({"support": 'url = "imaps://support@mx.example"\npassword_file = "pw"'}, 'url = "maildir:sent"')
    for text, hinted in (("geheim", 0), ("geheim\r\n", 0), ("geheim ", 1), (" geheim", 1), ("geheim\nalt\n", 1)):
        (office.folder / "pw").write_bytes(text.encode())
        (office.folder / "pw").chmod(0o600)
        ended = office.run("check", "--offline")
        assert (ended.code, ended.err.count("里有空格或不止一行")) == (0, hinted), text
        assert "geheim" not in ended.out + ended.err


def test_check_tells_a_fault_once_that_several_meet(office: Office) -> None:
    people = office.folder / "mappings" / "people.toml"
    people.write_bytes(people.read_text(encoding="utf-8").encode("gb18030"))
    ended = office.run("check", "--offline")
    assert (ended.code, ended.err.count("people.toml")) == (2, 1), ended.err
    assert "✗ 映射\n✗ 模板：同上\n" in ended.out


def test_check_reads_the_store(office: Office) -> None:
    assert "✓ 数据库：还没有，第一次运行时建立" in office.run("check", "--offline").out
    office.deliver(report())
    office.once()
    assert "✓ 数据库：已收 1 封邮件" in office.run("check", "--offline").out
    for path in (office.folder / "var").glob("mailflow.db*"):
        path.write_bytes(b"this is no database at all" * 500)
    ended = office.run("check", "--offline")
    assert (ended.code, "✗ 数据库" in ended.out, "从备份恢复" in ended.err) == (1, True, True), ended.err


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("imap://u@{host}:993", "993 端口要写 imaps://"),
        ("imaps://u@{host}:143", "143 端口要写 imap://"),
        ("imaps://u@{host}:995", "995 是 POP3 的端口"),
        ("imaps://u@imap.163.cm", "是否想写 imaps://imap.163.com:993？"),
        ("imaps://u@imap.exmail.qq.con/客户", "是否想写 imaps://imap.exmail.qq.com:993？"),
    ],
)
def test_check_knows_what_an_address_was_meant_to_be(office: Office, url: str, said: str) -> None:
    """127.0.0.77 has nobody; the other names are none, so nothing is asked but this machine's resolver."""
    address = url.format(host="127.0.0.77")
    office.configure({"support": f'url = "{address}"\npassword_env = "PW"'}, 'url = "maildir:sent"')
    ended = office.run("check", PW="geheim")
    assert (ended.code, said in ended.err, "geheim" in ended.err) == (1, True, False), ended.err


def test_check_rings_when_it_is_asked_to(office: Office) -> None:
    config = office.folder / "config.toml"
    plain = config.read_text(encoding="utf-8")
    assert "没有写 [alarm]" in office.run("check", "--offline").err
    heard = office.folder / "heard"
    config.write_text(plain + f"""[alarm]\ncommand = ["tee", "{heard}"]\n""", encoding="utf-8")
    ended = office.run("check", "--offline")
    assert (ended.code, heard.exists()) == (0, False), "not without being asked"
    ended = office.run("check", "--offline", "--alarm")
    assert (ended.code, "✓ 警报：试验的警报已送出" in ended.out) == (0, True), ended.err
    assert "这是试验" in heard.read_text(encoding="utf-8")
    for program, said in (("/no/such/program", "没有 /no/such/program 这个程序"), ("false", "警报没有送到")):
        config.write_text(plain + f'[alarm]\ncommand = ["{program}"]\n', encoding="utf-8")
        ended = office.run("check", "--offline", "--alarm")
        assert (ended.code, said in ended.err) == (1, True), ended.err


def test_a_workbook_is_known_without_its_ending(office: Office) -> None:
    office.once()
    ended = office.run("workbook", "reset", "待确认")
    assert (ended.code, "旧文件已改名为 待确认.旧-" in ended.out) == (0, True), ended.err


def test_a_narrow_terminal_gets_rows_and_no_scraps_of_words(office: Office) -> None:
    office.deliver(complaint(verified=False))
    office.once()
    asked = {"COLUMNS": "60", "TERM": "dumb"}
    control, terminal = os.openpty()
    with os.fdopen(terminal, "w") as out:
        child = office.start("list", "held", stdout=out, env=asked)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")
    shown = os.read(control, 1 << 16).decode()
    os.close(control)
    assert "编号：1\r\n类型：投诉\r\n状态：未决\r\n" in shown
    assert "编号  类型  状态" in office.run("list", "held").out


def test_a_data_folder_that_cannot_be_used_now_is_tried_again_by_the_service_manager(office: Office) -> None:
    (office.folder / "var").write_bytes(b"")
    ended = office.run("run")
    assert (ended.code, "数据目录" in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'pydantic', 'sqlalchemy', 'openpyxl', 'rich', 'mailflow.app'}"
    script = f"import sys, mailflow.cli; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
