"""Servers that are dead, moody or lose their answers: every notice goes out in the end, and nobody gets it for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.office import Office, complaint, mail, unfinished_report
from tests.servers.loopback import free_port
from tests.servers.smtp import SmtpServer


def subjects(server: SmtpServer) -> Counter[bytes]:
    """How often each Message-ID came."""
    lines = (line for sent in server.messages for line in sent.raw.split(b"\r\n"))
    return Counter(line for line in lines if line.lower().startswith(b"message-id:"))


def by_smtp(folder: Path, server: SmtpServer) -> Office:
    return Office(folder, send=f'url = "smtp://127.0.0.1:{server.port}"')


def test_a_server_that_is_away_costs_no_notice_a_try(tmp_path: Path) -> None:
    office = Office(tmp_path, send=f'url = "smtp://127.0.0.1:{free_port()}"')
    for _ in range(5):
        office.deliver(unfinished_report())
    for minute in range(4):
        ended = office.once(f"2026-11-23T10:0{minute}")
        assert (ended.code, "发信" in ended.err) == (1, True), ended.err
    assert {(row["state"], row["attempts"]) for row in office.rows("notices")} == {("pending", 0)}
    with SmtpServer() as server:
        office.configure({"support": 'url = "maildir:inbox"'}, f'url = "smtp://127.0.0.1:{server.port}"')
        assert office.once("2026-11-23T10:05").code == 0, "at once, however long the server was away"
        assert office.once("2026-11-23T10:06").code == 0
    assert sorted(subjects(server).values()) == [1] * 5


def test_one_message_that_is_put_off_stops_no_other(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        server.faults.data.append("451 4.3.0 later")
        office.deliver(unfinished_report())
        office.deliver(complaint(verified=False))
        assert office.once("2026-11-23T10:00").code == 1
        assert len(server.messages) == 1
        assert "451" in office.run("status").out
        assert office.once("2026-11-23T10:10").code == 0
        assert sorted(subjects(server).values()) == [1, 1]


def test_a_recipient_that_is_refused_is_shown_and_not_tried_again(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        server.faults.rcpt["lisi@tech.example"] = "550 5.1.1 no such user"
        office.deliver(unfinished_report())
        office.deliver(complaint(verified=False))
        ended = office.once("2026-11-23T10:00")
        assert (ended.code, "被拒绝" in ended.err) == (1, True), ended.err
        assert [sent.recipients for sent in server.messages] == [["zhoujiu@tech.example"]]
        server.faults.rcpt.clear()
        assert office.once("2026-11-24T10:00").code == 0
        assert len(server.messages) == 1
        (refused,) = [row for row in office.rows("notices") if row["state"] == "refused"]
        assert "550" in refused["error"]


def test_a_server_that_always_hangs_up_does_not_make_a_loop_of_us(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        server.faults.abort_after_data = 1000
        office.deliver(unfinished_report())
        assert office.once("2026-11-23T10:00").code == 1
        for second in range(5):
            office.once(f"2026-11-23T10:00:1{second}")
        assert len(server.messages) == 1, "not again within the same minute"
        for day in range(24, 31):
            for hour in (1, 9, 17):
                office.once(f"2026-11-{day}T{hour:02}:00")
        assert set(subjects(server).values()) == {5}, "and not for ever"
        (row,) = [row for row in office.rows("notices") if row["template"] == "report_incomplete"]
        assert row["state"] == "unclear"
        assert office.run("status").code == 1


def test_a_login_that_is_refused_keeps_every_notice(tmp_path: Path) -> None:
    with SmtpServer(user="u", password="right") as server:
        url = f'url = "smtp://u@127.0.0.1:{server.port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'
        office = Office(tmp_path, send=url)
        office.deliver(unfinished_report())
        ended = office.run("once", "--now", "2026-11-23T10:00", MAILFLOW_TEST_PASSWORD="wrong")
        assert (ended.code, "拒绝登录" in ended.err, "wrong" in ended.err) == (1, True, False), ended.err
        ended = office.run("once", "--now", "2026-11-23T10:01", MAILFLOW_TEST_PASSWORD="right")
        assert (ended.code, ended.err) == (0, "")
        assert len(server.messages) == 1


def test_too_many_at_once_are_held_until_a_person_has_looked(tmp_path: Path) -> None:
    office = Office(tmp_path)
    limits = "answers_per_hour = 1000\nanswers_per_day = 1000\n"
    (tmp_path / "mappings" / "reminders.toml").write_text(limits, encoding="utf-8")
    for _ in range(501):
        office.deliver(unfinished_report())
    for _ in range(2):
        ended = office.once()
        assert (ended.code, "501 封通知同时到期" in ended.err, "--send-all" in ended.err) == (1, True, True), ended.err
    assert office.sent() == []
    assert len(office.rows("records")) == 501, "intake goes on"
    assert office.sheet.exists()
    ended = office.run("once", "--send-all")
    assert (ended.code, ended.err) == (0, "")
    assert len(office.sent()) == 501


OLD, NEW = "lisi@tech.example", "li.si@tech.example"


def other_address(text: str) -> str:
    return text.replace(OLD, NEW)


def further_address(text: str) -> str:
    return text.replace(f'"{OLD}"', f'"{NEW}", "{OLD}"')


def given_to_another(text: str) -> str:
    return text.replace(OLD, NEW).replace("wangwu@tech.example", OLD)


def a_namesake(text: str) -> str:
    return text.replace('"李四"', '"李四(华东)"').replace('"王五"', '"李四(华北)"')


def left(text: str) -> str:
    return text.replace('aliases = ["Li Si", "lisi"]', "left = 2026-11-20")


def another_person(text: str) -> str:
    return text.replace('"李四"', '"宋十五"').replace('aliases = ["Li Si", "lisi"]', "")


@pytest.mark.parametrize(
    ("change", "reached", "why"),
    [
        (other_address, NEW, None),
        (further_address, OLD, None),
        (given_to_another, NEW, None),
        (a_namesake, OLD, None),
        (left, None, "李四 已不在职，不发"),
        (another_person, None, "李四（lisi@tech.example）不在人员名册上，不发"),
    ],
    ids=lambda change: getattr(change, "__name__", ""),
)
def test_a_notice_is_for_a_person_wherever_the_roster_has_that_person_now(
    tmp_path: Path, change: Callable[[str], str], reached: str | None, why: str | None
) -> None:
    office = Office(tmp_path, send=f'url = "smtp://127.0.0.1:{free_port()}"')
    office.deliver(unfinished_report())
    assert office.once("2026-11-23T10:00").code == 1
    for name in ("people", "projects"):
        file = tmp_path / "mappings" / f"{name}.toml"
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with SmtpServer() as server:
        office.configure({"support": 'url = "maildir:inbox"'}, f'url = "smtp://127.0.0.1:{server.port}"')
        office.once("2026-11-23T10:05")
        assert [sent.recipients for sent in server.messages] == ([[reached]] if reached else [])
        assert all(f"\r\nTo: {reached}\r\n".encode() in sent.raw for sent in server.messages)
    (row,) = office.rows("notices")
    assert (row["state"], row["error"]) == ("refused" if why else "sent", why)


def test_nothing_that_mail_says_reaches_a_stranger(tmp_path: Path) -> None:
    """Down to the envelope; what mails may say is tried in tests/policies/test_strangers.py."""
    thief = "thief@outside.example"
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        for sender in (("李四", OLD), ("李四", thief), (thief, thief), (f"{OLD}", thief), ("周九", thief)):
            for subject in (f"客户沟通-{thief}", f"立项-{thief}", f"投诉-{thief}", f"客户沟通-{thief}-李四"):
                raw = mail(sender, subject, [f"第一责任售前：{thief}", f"技服：{thief}"])
                hostile = f"Reply-To: {thief}\r\nCc: 李四 <{thief}>\r\nReturn-Path: <{thief}>\r\nErrors-To: {thief}\r\n"
                office.deliver(hostile.encode() + raw)
        for day in (23, 24, 30):
            office.once(f"2026-11-{day}T10:00")
        reached = {recipient for sent in server.messages for recipient in sent.recipients}
        assert reached == {OLD, "zhoujiu@tech.example"}
        assert {sent.sender for sent in server.messages} == {"support@tech.example"}
