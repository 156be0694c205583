"""A full disk: said, nothing lost, and the next run completes. The file size limit is the disk's end here."""

from __future__ import annotations

import resource
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.faults.office import Office, complaint, eventually, report, unfinished_report
from tests.stories.forks import Ended


def full_at(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def once(office: Office, size: int) -> Ended:
    child = office.start("once", preexec_fn=full_at(size))
    out, err = child.communicate(timeout=120)
    return Ended(child.returncode, out, err)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    office = Office(tmp_path)
    assert office.once().code == 0
    return office


@pytest.mark.parametrize("size", [0, 5_000, 33_000, 70_000, 150_000, 300_000])
def test_a_full_disk_under_the_store_loses_nothing(office: Office, size: int) -> None:
    for number in range(40):
        office.deliver(report(f"第{number}件事" + "长" * 4000))
    office.deliver(complaint())
    ended = once(office, size)
    assert (ended.code, "磁盘" in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err
    ended = office.once()
    assert (ended.code, ended.err) == (0, "")
    assert len(office.rows("mails")) == 41
    assert [row["counted"] for row in office.rows("complaints")] == [True]
    assert len(office.sent()) == 1
    office.nothing_lost()


def test_a_full_disk_under_the_archive_loses_nothing(office: Office) -> None:
    raw = report() + Random(3).randbytes(4_000_000).hex().encode()
    office.deliver(raw)
    office.deliver(unfinished_report())
    ended = once(office, 1_500_000)
    assert (ended.code, "磁盘" in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err
    assert office.once().code == 0
    assert len(office.rows("mails")) == 2
    office.nothing_lost()


def test_a_full_disk_under_a_workbook_stops_that_one_only(office: Office) -> None:
    with zipfile.ZipFile(office.sheet, "a") as file:  # as if somebody had put a large picture in
        file.writestr("xl/media/image1.png", Random(5).randbytes(3_000_000))
    office.deliver(report("第一件事"))
    office.deliver(complaint(verified=False))
    ended = once(office, 2_000_000)
    assert (ended.code, office.sheet.name in ended.err, "磁盘" in ended.err) == (1, True, True), ended.err
    assert office.shows(office.held, "投诉")
    assert len(office.sent()) == 1
    assert [path.name for path in office.workbooks.iterdir() if path.suffix == ".tmp"] == []
    assert office.once().code == 0
    assert office.shows(office.sheet, "第一件事")
    with zipfile.ZipFile(office.sheet) as file:
        assert len(file.read("xl/media/image1.png")) == 3_000_000


def test_a_way_out_that_cannot_be_written_makes_notices_wait(office: Office) -> None:
    shutil.rmtree(office.folder / "sent", ignore_errors=True)
    (office.folder / "sent").write_text("not a folder")
    office.deliver(unfinished_report())
    ended = office.once("2026-11-23T10:00")
    assert (ended.code, "发信" in ended.err, "Traceback" in ended.err) == (1, True, False), ended.err
    assert office.shows(office.held, "编号")
    (office.folder / "sent").unlink()
    assert office.once("2026-11-23T10:01").code == 0
    assert len(office.sent()) == 1


def test_output_onto_a_full_disk_is_one_sentence(office: Office) -> None:
    with open("/dev/full", "w") as full:
        for arguments in (["once"], ["list", "mails"], ["status", "--json"]):
            child = office.start(*arguments, stdout=full)
            _, err = child.communicate(timeout=60)
            assert (child.returncode, "Traceback" in err, err.count("\n")) == (1, False, 1), err


def test_messages_that_cannot_be_written_stop_nothing(office: Office) -> None:
    """A log on a full disk: the daemon greets there first of all."""
    with open("/dev/full", "w") as full:
        service = office.start("run", stdout=full, stderr=full)
        try:
            eventually("the daemon runs all the same", lambda: office.status()["daemon"]["running"])
        finally:
            service.terminate()
        # Its log could not be written to the end, which Python tells by a status of its own.
        assert service.wait(60) in (0, 120)
