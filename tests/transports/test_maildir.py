"""The Maildir as mailbox and as sender, on a real disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mailflow.errors import TransientError
from mailflow.transports.base import Place
from mailflow.transports.maildir import MaildirMailbox, MaildirSender, folder_path
from tests.transports.contract import MORNING, Box, Committed, MailboxContract, mail, read, subjects
from tests.transports.sender_contract import Arrived, SenderContract, Way

DONE = ".&XfJZBHQG-"
"""已处理, as Dovecot names its directory."""


class MaildirBox:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.count = 0

    def mailbox(self) -> MaildirMailbox:
        return MaildirMailbox("support", self.root)

    def deliver(self, raw: bytes, when: datetime) -> None:
        self.count += 1
        put(self.root / "new", f"{time.time_ns()}.M{self.count}.mx", raw, when)

    def expunge(self, subject: str) -> None:
        for path in [*(self.root / "new").iterdir(), *(self.root / "cur").iterdir()]:
            if path.read_bytes().startswith(f"Subject: {subject}\r\n".encode()):
                path.unlink()

    def held(self, folder: str) -> list[bytes]:
        return [path.read_bytes() for path in (folder_path(self.root, folder) / "cur").iterdir()]


def put(directory: Path, name: str, raw: bytes, when: datetime = MORNING) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(raw)
    os.utime(path, (when.timestamp(), when.timestamp()))
    return path


class TestMaildirMailbox(MailboxContract):
    @pytest.fixture
    def box(self, tmp_path: Path) -> Box:
        return MaildirBox(tmp_path / "inbox")


def test_a_missing_maildir_is_made_for_its_user_only(tmp_path: Path) -> None:
    MaildirMailbox("support", tmp_path / "a" / "inbox").check()
    made = tmp_path / "a" / "inbox"
    assert sorted(path.name for path in made.iterdir()) == ["cur", "new", "tmp"]
    assert {path.stat().st_mode & 0o777 for path in (made, *made.iterdir())} == {0o700}


def test_a_mail_keeps_its_uid_when_another_program_flags_it(tmp_path: Path) -> None:
    path = put(tmp_path / "new", "17.M1.mx,S=20", mail("one"))
    mailbox = MaildirMailbox("support", tmp_path)
    committed = Committed()
    (batch,) = read(mailbox, None, committed)
    committed.take(batch)
    assert batch.mails[0].place == Place("INBOX", "0", "17.M1.mx,S=20")
    (tmp_path / "cur").mkdir(exist_ok=True)
    path.rename(tmp_path / "cur" / "17.M1.mx,S=20:2,RS")
    assert read(mailbox, None, committed) == []
    assert mailbox.uids() == ("INBOX", "0", {"17.M1.mx,S=20"})


@pytest.mark.parametrize(("name", "uid"), [("1.a:2,S", "1.a"), ("1.a!2,S", "1.a"), ("1.a;2,", "1.a"), ("1!a", "1!a")])
def test_the_uid_is_the_base_name_on_every_system(tmp_path: Path, name: str, uid: str) -> None:
    put(tmp_path / "cur", name, mail("one"))
    assert MaildirMailbox("support", tmp_path).uids()[2] == {uid}


def test_a_file_name_in_no_encoding_becomes_a_uid_that_text_can_hold(tmp_path: Path) -> None:
    mailbox = MaildirMailbox("support", tmp_path)
    mailbox.check()
    with contextlib.suppress(OSError):  # some file systems take UTF-8 names only
        Path(os.fsdecode(os.fsencode(tmp_path / "new") + b"/1.\xb2\xe2.mx")).write_bytes(mail("odd"))
        (batch,) = read(mailbox)
        assert batch.mails[0].place.uid.encode("utf-8") == rb"1.\udcb2\udce2.mx"
        mailbox.file(batch.mails[0].place, "seen")
        assert list((tmp_path / "new").iterdir()) == []


def test_dot_files_directories_and_links_are_no_mail(tmp_path: Path) -> None:
    put(tmp_path / "new", ".hidden", mail("hidden"))
    (tmp_path / "new" / "directory").mkdir()
    outside = put(tmp_path, "outside", mail("outside"))
    (tmp_path / "new" / "link").symlink_to(outside)
    put(tmp_path / "tmp", "half", b"Subject: ha")
    put(tmp_path / "new", "1.mx", mail("one"))
    assert subjects(*read(MaildirMailbox("support", tmp_path))) == ["one"]


def test_mails_come_in_the_order_of_their_arrival_not_of_their_names(tmp_path: Path) -> None:
    for seconds, name in enumerate(("3.mx", "1.mx", "2.mx")):
        put(tmp_path / "new", name, mail(name), MORNING + timedelta(seconds=seconds))
    assert subjects(*read(MaildirMailbox("support", tmp_path))) == ["3.mx", "1.mx", "2.mx"]


def test_mails_of_one_instant_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("3.mx", "1.mx", "2.mx"):
        put(tmp_path / "new", name, mail(name))
    assert subjects(*read(MaildirMailbox("support", tmp_path))) == ["1.mx", "2.mx", "3.mx"]


def test_committed_files_are_asked_for_once_and_not_with_every_poll(tmp_path: Path) -> None:
    for number in range(120):
        put(tmp_path / "cur", f"{number:03}.mx:2,S", mail(f"m{number}"))
    mailbox, committed = MaildirMailbox("support", tmp_path), Committed()
    committed.take(*read(mailbox, None, committed))
    assert read(mailbox, "", committed) == []
    committed.asked = 0
    put(tmp_path / "new", "900.mx", mail("new"))
    assert subjects(*read(mailbox, "", committed)) == ["new"]
    assert committed.asked == 1


def test_seen_moves_a_mail_from_new_to_cur_with_its_flag(tmp_path: Path) -> None:
    put(tmp_path / "new", "1.mx", mail("new"))
    put(tmp_path / "cur", "2.mx:2,RF", mail("answered"))
    mailbox = MaildirMailbox("support", tmp_path)
    for batch in read(mailbox):
        for fetched in batch.mails:
            mailbox.file(fetched.place, "seen")
    assert sorted(path.name for path in (tmp_path / "cur").iterdir()) == ["1.mx:2,S", "2.mx:2,FRS"]
    received = [fetched.received for batch in read(mailbox) for fetched in batch.mails]
    assert received == [MORNING, MORNING]


def test_a_moved_mail_lies_in_a_maildir_plus_plus_folder(tmp_path: Path) -> None:
    put(tmp_path / "new", "1.mx", mail("new"))
    mailbox = MaildirMailbox("support", tmp_path)
    mailbox.file(Place("INBOX", "0", "1.mx"), "move:已处理")
    assert [path.name for path in (tmp_path / DONE / "cur").iterdir()] == ["1.mx:2,S"]
    assert (tmp_path / DONE / "maildirfolder").exists()


def test_a_subfolder_can_be_the_mailbox_and_mail_moves_back_to_the_inbox(tmp_path: Path) -> None:
    put(tmp_path / DONE / "new", "1.mx", mail("one"))
    mailbox = MaildirMailbox("support", tmp_path, "已处理")
    (batch,) = read(mailbox)
    assert batch.mails[0].place == Place("已处理", "0", "1.mx")
    mailbox.file(batch.mails[0].place, "move:INBOX")
    assert [path.name for path in (tmp_path / "cur").iterdir()] == ["1.mx:2,S"]


@pytest.mark.parametrize(
    ("folder", "directory"),
    [
        ("已处理", DONE),
        ("a&b", ".a&-b"),
        ("项目/2026", ".&mHl27g-.2026"),
        ("../etc", "....etc"),
        ("日本語😀", ".&ZeVnLIqe2D3eAA-"),
    ],
)
def test_folders_are_named_as_dovecot_names_them_and_never_lead_outside(
    tmp_path: Path, folder: str, directory: str
) -> None:
    assert folder_path(tmp_path, folder) == tmp_path / directory


@contextlib.contextmanager
def as_ordinary_user(path: Path) -> Iterator[None]:
    """Root reads whatever the mode says; so root steps down."""
    if os.geteuid() != 0:
        yield
        return
    for part in (path, *path.rglob("*")):
        os.chown(part, 65534, 65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_cannot_be_read_is_named_and_holds_up_nothing() -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "inbox"
        put(root / "new", "1.mx", mail("closed")).chmod(0)
        put(root / "new", "2.mx", mail("open"))
        with as_ordinary_user(Path(directory)):
            mailbox = MaildirMailbox("support", root)
            (batch,) = read(mailbox)
            assert subjects(batch) == ["open"]
            assert batch.unreadable == ("1.mx",)
            (root / "new" / "1.mx").chmod(0o600)
            assert subjects(*read(mailbox)) == ["closed", "open"]


def test_a_folder_that_cannot_be_read_is_the_worlds_fault_and_may_pass() -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "inbox"
        put(root / "new", "1.mx", mail("one"))
        with as_ordinary_user(Path(directory)):
            mailbox = MaildirMailbox("support", root)
            (root / "new").chmod(0)
            for call in (lambda: read(mailbox), mailbox.uids, mailbox.check):
                with pytest.raises(TransientError, match="读取邮件目录"):
                    call()
            (root / "new").chmod(0o700)
            assert subjects(*read(mailbox)) == ["one"]


def test_a_file_in_the_maildirs_place_is_the_worlds_fault_too(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("no directory")
    with pytest.raises(TransientError):
        MaildirMailbox("support", tmp_path / "inbox").check()
    with pytest.raises(TransientError):
        MaildirSender(tmp_path / "inbox").send(mail("one"), "", ["a@company.example"])


# -- the sender -------------------------------------------------------------------------------------------------------

NOTICE = b"Subject: hello\r\nMessage-ID: <n1@company.example>\r\n\r\nMessage-ID: <not-me@company.example>\r\n"


class MaildirWay:
    def __init__(self, root: Path) -> None:
        self.root = root

    def sender(self) -> MaildirSender:
        return MaildirSender(self.root)

    def arrived(self) -> list[Arrived]:
        return [Arrived(path.read_bytes()) for path in sorted((self.root / "new").glob("*"))]


class TestMaildirSender(SenderContract):
    @pytest.fixture
    def way(self, tmp_path: Path) -> Way:
        return MaildirWay(tmp_path / "sent")


def test_a_message_sent_twice_is_one_file_and_can_be_found(tmp_path: Path) -> None:
    sender = MaildirSender(tmp_path)
    assert sender.find("<n1@company.example>") is False
    assert sender.send(NOTICE, "support@company.example", ["a@company.example"]) == ()
    assert MaildirSender(tmp_path).send(NOTICE, "support@company.example", ["a@company.example"]) == ()
    (delivered,) = (tmp_path / "new").iterdir()
    assert delivered.read_bytes() == NOTICE
    assert sender.find("<n1@company.example>") is True
    assert sender.find("<not-me@company.example>") is False
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_message_that_its_reader_has_seen_is_found_and_not_delivered_again(tmp_path: Path) -> None:
    sender = MaildirSender(tmp_path)
    sender.send(NOTICE, "", ["a@company.example"])
    (delivered,) = (tmp_path / "new").iterdir()
    delivered.rename(tmp_path / "cur" / f"{delivered.name}:2,S")
    assert sender.find("<n1@company.example>") is True
    sender.send(NOTICE, "", ["a@company.example"])
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    "header",
    [
        b"message-id:<n1@company.example>",
        b"Message-ID:\r\n <n1@company.example>  ",
        b"MESSAGE-ID: \t<n1@company.example>",
    ],
)
def test_the_message_id_is_found_however_it_is_written(tmp_path: Path, header: bytes) -> None:
    sender = MaildirSender(tmp_path)
    sender.send(b"Subject: x\r\n" + header + b"\r\nTo: a@company.example\r\n\r\nText\r\n", "", ["a@company.example"])
    assert sender.find("<n1@company.example>") is True


def test_messages_without_a_message_id_are_told_apart_by_their_content(tmp_path: Path) -> None:
    sender = MaildirSender(tmp_path)
    for raw in (mail("one"), mail("two"), mail("one")):
        sender.send(raw, "", ["a@company.example"])
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_what_the_sender_delivered_the_mailbox_reads(tmp_path: Path) -> None:
    MaildirSender(tmp_path).send(NOTICE, "", ["a@company.example"])
    (batch,) = read(MaildirMailbox("sent", tmp_path))
    assert [fetched.raw for fetched in batch.mails] == [NOTICE]


def test_the_senders_check_needs_a_folder_it_can_write_to(tmp_path: Path) -> None:
    assert "可以写入" in MaildirSender(tmp_path / "sent").check()
    assert list((tmp_path / "sent" / "tmp").iterdir()) == []


def test_the_delivered_step_is_marked_after_the_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILFLOW_STEPS", str(tmp_path / "steps"))
    MaildirSender(tmp_path / "sent").send(NOTICE, "", ["a@company.example"])
    assert (tmp_path / "steps").read_text().split() == ["maildir.delivered"]
