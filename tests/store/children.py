"""Child processes for the tests that kill, starve or race them. `python -m tests.store.children WHAT URL DATA`."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import mailflow
from mailflow.core.facts import MailFact
from mailflow.core.records import Row
from mailflow.errors import TransientError, UserError
from mailflow.store import Store
from tests.store import samples
from tests.store.samples import NOON

ROOT = Path(mailflow.__file__).parents[1]
"""Where `mailflow` and `tests` can be imported."""

BATCHES = 3
LARGE = random.Random(7).randbytes(1_200_000)
CUT_AT = 600_000
"""Bytes to which `starved` may write a file."""


def start(what: str, url: str | None, data: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.store.children", what, url or "", str(data)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **env},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run(what: str, url: str | None, data: Path, **env: str) -> tuple[int, str]:
    """(exit status, what it printed)"""
    child = start(what, url, data, **env)
    out = child.communicate(timeout=120)[0]
    return child.returncode, out


def batches(store: Store) -> None:
    """Takes in what is not yet taken in, as intake does: batch by batch, each of them one transaction."""
    for number in range(BATCHES):
        with store.write() as writer:
            if writer.cursor("support") not in (None, *map(str, range(number))):
                continue
            for uid in (f"{number}a", f"{number}b"):
                raw = f"mail {uid}".encode() + (LARGE if uid == "1a" else b"")
                fact = writer.add_mail("support", "INBOX", "7", uid, NOON + timedelta(minutes=number), raw)
                assert fact is not None
                writer.put(consequences(fact))
                writer.add_filing("support", "INBOX", "7", uid, "seen")
            writer.touch([f"{number}.xlsx"])
            writer.set_cursor("support", str(number))


def consequences(fact: MailFact) -> list[Row]:
    return [samples.mail(fact.seq), samples.project(fact.uid), samples.notice(f"mail:{fact.seq}")]


def starved(store: Store) -> None:
    """Writes more than a file may grow by; that is how a full disk looks like."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (CUT_AT, resource.RLIM_INFINITY))
    raws = [random.Random(n).randbytes(60_000) for n in range(40)]
    try:
        with store.write() as writer:
            for n, raw in enumerate(raws):
                writer.add_mail("support", "INBOX", "7", str(n), NOON, raw)
            writer.set_cursor("support", "starved")
    except TransientError as error:
        print(error)


def starved_archive(store: Store) -> None:
    """The same, for a mail that becomes a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (CUT_AT, resource.RLIM_INFINITY))
    try:
        with store.write() as writer:
            writer.add_mail("support", "INBOX", "7", "1", NOON, LARGE)
            writer.set_cursor("support", "starved")
    except TransientError as error:
        print(error)


def held(store: Store) -> None:
    """Keeps others out until it is killed."""
    with store.exclusive():
        print("held", flush=True)
        threading.Event().wait()


def many(store: Store) -> None:
    """Many small transactions, to be run twice at once."""
    for n in range(25):
        with store.write() as writer:
            writer.add_mail(f"box{os.getpid()}", "INBOX", "7", str(n), NOON, b"same")
            writer.touch(["shared.xlsx"])


SCENES = {"batches": batches, "starved": starved, "starved_archive": starved_archive, "many": many, "held": held}
"""Anything else only opens the store; "unprivileged" does so as a user without rights."""

NOBODY = 65534


def main(what: str, url: str, data: str) -> None:
    if what == "unprivileged" and os.geteuid() == 0:  # root may write everywhere
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        store = Store.open(url or None, Path(data))
    except UserError as error:
        print("UserError", error)
        return
    if what in SCENES:
        SCENES[what](store)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
