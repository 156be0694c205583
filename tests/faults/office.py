"""An installation of its own for each test: the shipped mappings and templates, a Maildir in, a Maildir out.

Everything goes through the command line and the files, as it does for the people who use it.
"""

from __future__ import annotations

import base64
import ctypes
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from tests.stories.forks import ROOT, Ended, run

MX = "mx.tech.example"
"""The authserv-id that is believed."""
SUPPORT = "support@tech.example"
ENGINEER, SALES, MANAGER = (
    ("李四", "lisi@tech.example"),
    ("赵六", "zhaoliu@sales.example"),
    ("周九", "zhoujiu@tech.example"),
)
PROJECT = "ERP二期项目"
"""A shipped project: first engineer 李四, sales 赵六."""

CONFIG = """\
[mailflow]
data = "var"
mappings = "mappings"
templates = "templates"

{mailboxes}
[send]
{send}
from = "技术支持助手 <support@tech.example>"

[workbooks]
folder = "workbooks"
restricted = "restricted"
"""
MAILBOX = '[[mailbox]]\nname = "{name}"\n{url}\nauthserv_ids = ["mx.tech.example"]\npoll = 1\n'

COMMAND = (sys.executable, "-c", "from mailflow.cli import main; main()")
"""`mailflow` as a process of its own, for what the quick children of `run` cannot show: limits, signals, streams."""

_numbers = itertools.count(1)

_DROP_CAPABILITY, _PASS_OVER_PERMISSIONS = 24, (1, 2)  # PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


def minding_permissions() -> None:
    """For `preexec_fn`: permissions hold for the child, even where the tests run as root. Linux only."""
    libc = ctypes.CDLL(None)
    for capability in _PASS_OVER_PERMISSIONS:
        libc.prctl(_DROP_CAPABILITY, capability, 0, 0, 0)


class Office:
    """Args:
    mailboxes: settings by name, e.g. {"support": 'url = "maildir:inbox"'}.
    send: settings of [send].
    """

    def __init__(
        self, folder: Path, *, mailboxes: dict[str, str] | None = None, send: str = 'url = "maildir:sent"'
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("mappings", "templates"):
            shutil.copytree(ROOT / name, folder / name)
        self.configure(mailboxes or {"support": 'url = "maildir:inbox"'}, send)
        self.inbox = folder / "inbox"
        self.workbooks = folder / "workbooks"
        self.sheet = self.workbooks / "项目跟踪表-李四.xlsx"
        self.held = self.workbooks / "待确认.xlsx"
        for part in ("tmp", "new", "cur"):
            (self.inbox / part).mkdir(parents=True, exist_ok=True)

    def configure(self, mailboxes: dict[str, str], send: str) -> None:
        boxes = "\n".join(MAILBOX.format(name=name, url=url) for name, url in mailboxes.items())
        (self.folder / "config.toml").write_text(CONFIG.format(mailboxes=boxes, send=send), encoding="utf-8")

    def run(self, *arguments: str, **env: str) -> Ended:
        return run(arguments, self.folder, env)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """A child of its own, with Popen's options. Its output must be read, or it waits for ever."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        place = {"cwd": self.folder, "text": True, "encoding": "utf-8"}
        options["env"] = {**os.environ, "PYTHONPATH": str(ROOT), **options.get("env", {})}
        return subprocess.Popen([*COMMAND, *arguments], **{**pipes, **place, **options})

    def run_minding_permissions(self, *arguments: str) -> Ended:
        child = self.start(*arguments, preexec_fn=minding_permissions)
        out, err = child.communicate(timeout=120)
        return Ended(child.returncode, out, err)

    def once(self, now: str | None = None) -> Ended:
        return self.run("once", *(["--now", now] if now else []))

    def rows(self, what: str) -> list[dict[str, Any]]:
        ended = self.run("list", what, "--json")
        assert ended.code == 0, ended.err
        return cast(list[dict[str, Any]], json.loads(ended.out))

    def status(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.run("status", "--json").out))

    def deliver(self, raw: bytes, *, name: str | None = None, when: datetime | None = None) -> Path:
        """Puts a mail into the Maildir, as a local delivery agent does."""
        name = name or f"{time.time_ns()}.{next(_numbers)}.test"
        temporary, path = self.inbox / "tmp" / name, self.inbox / "new" / name
        temporary.write_bytes(raw)
        if when is not None:
            os.utime(temporary, (when.timestamp(), when.timestamp()))
        temporary.rename(path)
        return path

    def sent(self) -> list[EmailMessage]:
        """What lies in the Maildir that is sent to."""
        files = sorted((self.folder / "sent" / "new").glob("*"))
        return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]

    def shows(self, sheet: Path, text: str) -> bool:
        """Whether `text` stands in a cell of this workbook."""
        from openpyxl import load_workbook

        book = load_workbook(sheet)
        found = any(
            text in str(value) for page in book for row in page.iter_rows(values_only=True) for value in row if value
        )
        book.close()
        return found

    def nothing_lost(self) -> None:
        """What stands follows from what came in, and every mail in the inbox is in the store, byte for byte."""
        ended = self.run("rebuild", "--check")
        assert ended.code == 0, ended.out + ended.err


def mail(
    sender: tuple[str, str], subject: str, body: Sequence[str], *, message_id: str | None = None, verified: bool = True
) -> bytes:
    """A mail as our MX delivers it."""
    name, address = sender
    domain = address.rpartition("@")[2]
    verdict = "pass" if verified else "fail"
    headers = [
        f"Authentication-Results: {MX}; dmarc={verdict} header.from={domain}",
        f"From: {_word(name)} <{address}>",
        f"To: <{SUPPORT}>",
        f"Subject: {_word(subject)}",
        f"Date: {datetime.now(UTC):%a, %d %b %Y %H:%M:%S +0000}",
        f"Message-ID: {message_id or f'<{next(_numbers)}.{time.time_ns()}@{domain}>'}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: base64",
    ]
    return "\r\n".join([*headers, "", ""]).encode() + base64.encodebytes("\n".join(body).encode())


def report(problem: str = "解决vista下远程控制网络参数设置", *, project: str = PROJECT) -> bytes:
    """A communication report by 李四."""
    body = ["沟通结果：成功", "沟通人：李工", "沟通方式：电话", f"具体问题：{problem}"]
    return mail(ENGINEER, f"客户沟通-{project}-李四", body)


def unfinished_report() -> bytes:
    """One that its writer is asked to complete: one notice. No two are alike, or the second would be a re-send."""
    return mail(ENGINEER, f"客户沟通-{PROJECT}-李四", ["沟通结果：成功", f"沟通人：第{next(_numbers)}位工程师"])


def complaint(text: str = "没有收到沟通报告", *, verified: bool = True) -> bytes:
    """A complaint of 赵六 about 李四; held for the manager when it is not verified."""
    return mail(SALES, f"投诉-{PROJECT}沟通问题", ["技服：李四", text], verified=verified)


def _word(text: str) -> str:
    return text if text.isascii() else f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


def eventually(what: str, true: Callable[[], object], seconds: float = 30) -> None:
    """Waits until `true()`; generous, because machines are busy."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
