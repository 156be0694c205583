"""The real daemon on a real Dovecot and an SMTP listener: dead, late, stalling and moody servers."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.service import Service, has
from tests.faults.office import Office, eventually, report, unfinished_report
from tests.servers.dovecot import MISSING, Dovecot
from tests.servers.loopback import free_port
from tests.servers.smtp import SmtpServer

SECRET = {"MAILFLOW_TEST_PASSWORD": "geheim"}


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """Not started yet."""
    if MISSING:
        pytest.skip(MISSING)
    server = Dovecot({"support": "geheim"})
    yield server
    server.stop()


def imap(port: int, user: str = "support") -> str:
    return f'url = "imap://{user}@127.0.0.1:{port}"\npassword_env = "MAILFLOW_TEST_PASSWORD"'


def smtp(port: int) -> str:
    return f'url = "smtp://127.0.0.1:{port}"'


class Stalling:
    """Accepts and never speaks."""

    def __enter__(self) -> Stalling:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._taken: list[socket.socket] = []
        self.met = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._taken.append(sock)
            self.met.set()

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for sock in self._taken:
            sock.close()


def message_ids(server: SmtpServer) -> Counter[bytes]:
    lines = (line for sent in server.messages for line in sent.raw.split(b"\r\n"))
    return Counter(line for line in lines if line.lower().startswith(b"message-id:"))


@pytest.mark.dovecot
def test_a_server_that_is_late_dies_and_comes_back(tmp_path: Path, dovecot: Dovecot) -> None:
    with SmtpServer() as out:
        office = Office(tmp_path, mailboxes={"support": imap(dovecot.port)}, send=smtp(out.port))
        with Service(office, **SECRET) as service:
            eventually("the dead server is shown", lambda: service.state("read:support") == "failed")
            part = service.parts()["read:support"]
            assert part["since"]
            assert "127.0.0.1" in part["error"]
            status = office.run("status")
            assert (status.code, "有故障" in status.out) == (1, True)

            dovecot.start()
            dovecot.deliver("support", report("第一件事"))
            dovecot.deliver("support", unfinished_report())
            eventually("it comes up", lambda: service.state("read:support") == "ok", 60)
            eventually("its mail is in the workbook", lambda: has(office.sheet, office, "第一件事"))
            eventually("the notice has gone", lambda: len(out.messages) == 1)
            eventually("all is well", lambda: office.run("status").code == 0)

            dovecot.kill()
            eventually("its death is noticed", lambda: service.state("read:support") == "failed")
            dovecot.start()
            dovecot.deliver("support", report("第二件事"))
            eventually("the daemon is back", lambda: has(office.sheet, office, "第二件事"), 60)
            dovecot.deliver("support", report("第三件事"))
            eventually("and waits for new mail again", lambda: has(office.sheet, office, "第三件事"))
            service.end()
        assert "Traceback" not in service.log()
        assert len(office.rows("mails")) == 4
        assert set(message_ids(out).values()) == {1}


@pytest.mark.dovecot
def test_a_login_that_is_refused_is_shown_and_not_tried_in_a_loop(tmp_path: Path, dovecot: Dovecot) -> None:
    dovecot.start()
    office = Office(tmp_path, mailboxes={"refused": imap(dovecot.port), "support": 'url = "maildir:inbox"'})
    with Service(office, MAILFLOW_TEST_PASSWORD="wrong") as service:
        eventually("the refusal is shown", lambda: service.state("read:refused") == "refused")
        office.deliver(report("第一件事"))
        eventually("the other mailbox goes on", lambda: has(office.sheet, office, "第一件事"))
        office.deliver(report("第二件事"))
        eventually("and on", lambda: has(office.sheet, office, "第二件事"))
        assert service.parts()["read:refused"]["failures"] == 1
        status = office.run("status")
        assert (status.code, "登录被拒绝" in status.out, "wrong" in status.out) == (1, True, False)
        service.end()


def test_servers_that_stall_do_not_keep_it_from_ending(tmp_path: Path) -> None:
    with Stalling() as mailbox, Stalling() as out:
        boxes = {"far": imap(mailbox.port), "support": 'url = "maildir:inbox"'}
        office = Office(tmp_path, mailboxes=boxes, send=smtp(out.port))
        with Service(office, **SECRET) as service:
            office.deliver(unfinished_report())
            eventually("the mailbox stalls", mailbox.met.is_set)
            eventually("the way out stalls", out.met.is_set)
            office.deliver(report("第一件事"))
            eventually("everything else goes on", lambda: has(office.sheet, office, "第一件事"))
            service.end()
        assert "Traceback" not in service.log()


def test_notices_wait_for_a_dead_server_and_go_once_each(tmp_path: Path) -> None:
    port = free_port()
    office = Office(tmp_path, send=smtp(port))
    with Service(office) as service:
        office.deliver(unfinished_report())
        eventually("the dead server is shown", lambda: service.state("send") == "failed")
        office.deliver(unfinished_report())
        office.deliver(report("照常处理"))
        eventually("intake and workbooks go on", lambda: has(office.sheet, office, "照常处理"))
        status = office.run("status")
        assert (status.code, "发信：有故障" in status.out) == (1, True), status.out
        with SmtpServer(port=port) as out:
            eventually("both notices have gone", lambda: len(out.messages) == 2, 60)
            eventually("all is well", lambda: office.run("status").code == 0)
            service.end()
    assert sorted(message_ids(out).values()) == [1, 1]
    assert [row["state"] for row in office.rows("notices")] == ["sent", "sent"]
