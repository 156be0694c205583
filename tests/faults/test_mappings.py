"""Mistakes of the people who edit config.toml, mappings/ and templates/: file and line, and the old state stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.office import Office, complaint, report, unfinished_report
from tests.servers.imap import ScriptedImap
from tests.stories.forks import ROOT

FILES = sorted(path.name for path in (ROOT / "mappings").glob("*.toml"))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_in_any_mapping_is_told_with_file_and_line(office: Office, name: str) -> None:
    path = office.folder / "mappings" / name
    right = path.read_text(encoding="utf-8")
    lines = right.count("\n")
    assert office.once().code == 0
    office.deliver(report())
    for wrong, line in (("这里写错了\n", lines + 1), ("[[nonsense]]\nx = 1\n", lines + 1)):
        path.write_text(right + wrong, encoding="utf-8")
        for command in (("once",), ("check", "--offline")):
            ended = office.run(*command)
            assert (ended.code, f"{name}:{line}: " in ended.err) == (2, True), ended.err
    path.write_bytes("# 用别的编码保存\n".encode("gbk"))
    ended = office.once()
    assert (ended.code, name in ended.err, "UTF-8" in ended.err) == (2, True, True), ended.err
    assert office.rows("mails") == [], "nothing is decided under a mapping that nobody meant"
    path.write_text(right, encoding="utf-8")
    assert "邮件 1 封" in office.once().out


def edited(old: str, new: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


PEOPLE = {
    "an unknown role": (edited('role = "engineer"', 'role = "enginer"'), "people.toml:27: ", "enginer"),
    "no address": (edited('"lisi@tech.example"', '"lisi"'), "people.toml:44: ", "lisi"),
    "an address of two people": (edited("lisi@tech.example", "wangwu@tech.example"), "people.toml:", "wangwu"),
    "nobody to decide": (edited('role = "support_manager"', 'role = "engineer"'), "people.toml: ", "support_manager"),
    "a quote left out": (edited('name = "李四"', 'name = "李四'), "people.toml:43: ", "TOML"),
}


@pytest.mark.parametrize("mistake", PEOPLE)
def test_a_mistake_in_the_roster_says_what_and_where(office: Office, mistake: str) -> None:
    edit, where, what = PEOPLE[mistake]
    path = office.folder / "mappings" / "people.toml"
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    ended = office.run("check", "--offline")
    assert ended.code == 2
    assert where in ended.err
    assert what in ended.err


def test_mappings_that_are_not_there(office: Office) -> None:
    (office.folder / "mappings" / "people.toml").unlink()
    ended = office.once()
    assert (ended.code, "people.toml" in ended.err) == (2, True)
    shutil.rmtree(office.folder / "mappings")
    ended = office.once()
    assert (ended.code, "mappings" in ended.err, "Traceback" in ended.err) == (2, True, False)


CONFIG = {
    "no section": ("[send]", "[sned]", "config.toml:12: "),
    "a typing error": ('data = "var"', 'dta = "var"', "config.toml:2: "),
    "no number": ("poll = 1", 'poll = "often"', "config.toml:10: "),
    "an unknown protocol": ('"maildir:inbox"', '"pop3://u@h.example"', "config.toml:8: "),
    "no user": ('"maildir:inbox"', '"imaps://h.example"', "config.toml:6: "),
    "a password in the address": ('"maildir:inbox"', '"imaps://u:secret@h.example"', "config.toml:8: "),
    "one folder for all": ('"restricted"', '"workbooks"', "config.toml:16: "),
    "no sender": ('from = "技术支持助手 <support@tech.example>"', 'from = "技术支持助手"', "config.toml:14: "),
    "not TOML": ('data = "var"', "data = var", "config.toml:2: "),
}


@pytest.mark.parametrize("mistake", CONFIG)
def test_a_mistake_in_the_configuration_says_what_and_where(office: Office, mistake: str) -> None:
    old, new, where = CONFIG[mistake]
    path = office.folder / "config.toml"
    path.write_text(edited(old, new)(path.read_text(encoding="utf-8")), encoding="utf-8")
    for command in ("once", "run", "check", "status"):
        ended = office.run(command)
        assert (ended.code, where in ended.err, "secret" in ended.err) == (2, True, False), ended.err


def test_no_configuration(tmp_path: Path) -> None:
    office = Office(tmp_path)
    (office.folder / "config.toml").unlink()
    for arguments in (("once",), ("run",), ("--config", ".", "once"), ("list", "mails", "--config", "elsewhere.toml")):
        ended = office.run(*arguments)
        assert (ended.code, "读不到配置文件" in ended.err, "Traceback" in ended.err) == (2, True, False), ended.err


@pytest.mark.parametrize("data", ["config.toml", "/proc/nowhere"])
def test_a_data_folder_that_cannot_be_one(office: Office, data: str) -> None:
    path = office.folder / "config.toml"
    path.write_text(edited('data = "var"', f'data = "{data}"')(path.read_text(encoding="utf-8")), encoding="utf-8")
    for command in ("once", "run"):
        ended = office.run(command)
        assert (ended.code, "数据目录" in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err


def test_a_password_that_is_not_there_stops_that_mailbox_only(tmp_path: Path) -> None:
    with ScriptedImap() as server:
        far = f'url = "imap://u@127.0.0.1:{server.port}"\npassword_env = "MAILFLOW_TEST_NOWHERE"'
        office = Office(tmp_path, mailboxes={"far": far, "support": 'url = "maildir:inbox"'})
        office.deliver(unfinished_report())
        ended = office.once()
        assert (ended.code, "MAILFLOW_TEST_NOWHERE" in ended.err) == (1, True), ended.err
        assert office.run("once", MAILFLOW_TEST_NOWHERE="geheim").code == 0
    assert len(office.sent()) == 1
    assert office.sheet.exists()


BROKEN = {
    "syntax": "{{ person ",
    "an unknown variable": "{{ no.such.thing }}",
    "an unknown filter": "{{ person | nosuch }}",
    "division by zero": "{{ 1 // 0 }}",
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_notice_with_a_broken_template_waits_and_goes_when_it_is_mended(office: Office, mistake: str) -> None:
    template = office.folder / "templates" / "notices" / "report_incomplete.txt.j2"
    right = template.read_text(encoding="utf-8")
    template.write_text(right + BROKEN[mistake], encoding="utf-8")
    office.deliver(unfinished_report())
    office.deliver(complaint())
    ended = office.once("2026-11-23T10:00")
    assert (ended.code, "report_incomplete" in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err
    assert [mail["Subject"][:4] for mail in office.sent()] == ["[MF-"], "the other notice has gone"
    (waiting,) = [row for row in office.rows("notices") if row["state"] == "pending"]
    assert "report_incomplete" in waiting["error"]
    assert "report_incomplete" in office.run("status").out
    assert office.once("2026-11-23T10:00:30").code == 1, "as long as it waits it is said"
    template.write_text(right, encoding="utf-8")
    ended = office.once("2026-11-23T10:05")
    assert (ended.code, ended.err) == (0, "")
    assert len(office.sent()) == 2
    assert office.once("2026-11-24T10:05").code == 0
    assert len(office.sent()) == 2


def test_templates_that_are_not_there(office: Office) -> None:
    shutil.move(office.folder / "templates", office.folder / "elsewhere")
    office.deliver(unfinished_report())
    ended = office.once("2026-11-23T10:00")
    assert (ended.code, "Traceback" in ended.err) == (1, False), ended.err
    assert office.run("check", "--offline").code == 2
    assert len(office.rows("mails")) == 1
    shutil.move(office.folder / "elsewhere", office.folder / "templates")
    assert office.once("2026-11-23T10:05").code == 0
    assert len(office.sent()) == 1
