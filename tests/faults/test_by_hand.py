"""`mailflow notice`: what a person makes of a notice that did not go, or of which nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.daemon.service import Service
from tests.faults.office import Office, eventually, unfinished_report
from tests.faults.test_sending import by_smtp, subjects
from tests.servers.smtp import SmtpServer

TO = "lisi@tech.example"


def only(office: Office) -> dict[str, Any]:
    (row,) = office.rows("notices")
    return row


def refused(folder: Path, server: SmtpServer) -> Office:
    """An office whose only notice was refused; its server takes everything from now on."""
    office = by_smtp(folder, server)
    server.faults.rcpt[TO] = "550 5.1.1 no such user"
    office.deliver(unfinished_report())
    assert office.once("2026-11-23T10:00").code == 1
    assert only(office)["state"] == "refused"
    server.faults.rcpt.clear()
    return office


def given_up(folder: Path, server: SmtpServer) -> Office:
    """An office whose only notice was handed over five times without an answer."""
    office = by_smtp(folder, server)
    server.faults.abort_after_data = 5
    office.deliver(unfinished_report())
    for hour in range(12):
        office.once(f"2026-11-23T{hour + 10}:00")
    assert (only(office)["state"], set(subjects(server).values())) == ("unclear", {5})
    return office


def test_a_refused_notice_goes_once_more_when_a_person_says_so(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = refused(tmp_path, server)
        assert "mailflow notice 编号 --again" in office.run("status").out
        ended = office.run("notice", only(office)["number"], "--again")
        assert (ended.code, ended.err) == (0, "")
        for minute in range(3):
            assert office.once(f"2026-11-23T11:0{minute}").code == 0
        assert [sent.recipients for sent in server.messages] == [[TO]]
        assert only(office)["state"] == "sent"
        assert "mailflow notice" not in office.run("status").out


def test_a_notice_that_was_given_up_goes_once_more_with_its_message_id(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = given_up(tmp_path, server)
        number = only(office)["number"]
        status = office.run("status")
        assert (status.code, f"（编号 {number}）没有发出" in status.out) == (1, True), status.out
        assert [row["number"] for row in office.status()["stuck"]] == [number]
        assert office.run("notice", number, "--again").code == 0
        for hour in (22, 23):
            assert office.once(f"2026-11-23T{hour}:00").code == 0
        assert (only(office)["state"], set(subjects(server).values())) == ("sent", {6})


@pytest.mark.parametrize("made", [refused, given_up])
def test_a_notice_that_is_done_with_is_never_sent(tmp_path: Path, made: Any) -> None:
    with SmtpServer() as server:
        office = made(tmp_path, server)
        before = len(server.messages)
        row = only(office)
        ended = office.run("notice", row["number"], "--done")
        assert (ended.code, ended.out) == (0, "已处理，不再发。\n")
        for day in range(24, 30):
            assert office.once(f"2026-11-{day}T10:00").code == 0
        assert len(server.messages) == before
        assert (only(office)["state"], only(office)["error"]) == ("closed", row["error"])
        assert (office.status()["stuck"], office.status()["notices"]) == ([], {"closed": 1})
        status = office.run("status").out
        assert ("已处理 1" in status, "mailflow notice" in status) == (True, False), status
        assert len(office.run("list", "notices", "--state", "已处理", "--json").out) > 2
        assert office.run("rebuild").code == 0
        assert only(office)["state"] == "closed"


def test_who_closed_the_wrong_one_sends_it_all_the_same(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = refused(tmp_path, server)
        number = only(office)["number"]
        assert office.run("notice", number, "--done").code == 0
        ended = office.run("notice", number, "--done")
        assert (ended.code, "已经处理过" in ended.err) == (1, True), ended.err
        assert office.run("notice", number, "--again").code == 0
        assert office.once("2026-11-23T11:00").code == 0
        assert len(server.messages) == 1


def test_a_notice_that_waits_for_hours_goes_at_once(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        server.faults.data += ["452 4.2.2 later"] * 6
        office.deliver(unfinished_report())
        for hour in range(10, 16):
            assert office.once(f"2026-11-23T{hour}:00").code == 1
        assert office.once("2026-11-23T15:01").code == 1
        assert (only(office)["state"], only(office)["attempts"]) == ("pending", 6)
        assert office.run("notice", only(office)["number"], "--again").code == 0
        assert office.once("2026-11-23T15:02").code == 0
        assert len(server.messages) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["000000000000", "--again"], 1, "没有编号是 000000000000 的通知"),
        (["", "--done"], 1, "没有编号"),
        (["000000000000"], 2, "--again 或 --done"),
        (["000000000000", "--again", "--done"], 2, "--again 或 --done"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    office = Office(tmp_path)
    assert office.once().code == 0
    ended = office.run("notice", *arguments)
    assert (ended.code, said in ended.err) == (code, True), ended.err


def test_before_the_first_mail_there_is_nothing_to_settle(tmp_path: Path) -> None:
    ended = Office(tmp_path).run("notice", "000000000000", "--done")
    assert (ended.code, "还没有数据" in ended.err) == (1, True), ended.err


@pytest.mark.parametrize("option", ["--again", "--done"])
def test_what_has_gone_or_is_not_due_is_left_alone(tmp_path: Path, option: str) -> None:
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        office.deliver(unfinished_report())
        assert office.once("2026-11-23T10:00").code == 0
        ended = office.run("notice", only(office)["number"], option)
        assert (ended.code, "已经发出，不用处理" in ended.err) == (1, True), ended.err
    office.deliver(unfinished_report())
    assert office.once("2026-11-23T11:00").code == 1
    (waiting,) = [row for row in office.rows("notices") if row["state"] == "pending"]
    ended = office.run("notice", waiting["number"], option)
    assert (ended.code, "还没有试着发过" in ended.err) == (1, True), ended.err


def test_beside_a_daemon_one_goes_once_more_and_one_never(tmp_path: Path) -> None:
    with SmtpServer() as server:
        office = by_smtp(tmp_path, server)
        server.faults.rcpt[TO] = "550 5.1.1 no such user"
        office.deliver(unfinished_report())
        office.deliver(unfinished_report().replace(b"Message-ID: <", b"Message-ID: <second."))
        with Service(office) as service:
            eventually("both are refused", lambda: office.status()["notices"] == {"refused": 2})
            server.faults.rcpt.clear()
            again, done = (row["number"] for row in office.rows("notices"))
            assert office.run("notice", done, "--done").code == 0
            assert office.run("notice", again, "--again").code == 0
            eventually("it has gone", lambda: office.status()["notices"] == {"closed": 1, "sent": 1})
            service.end()
        assert [sent.recipients for sent in server.messages] == [[TO]]
        assert " notice_sent " in service.log()
