"""The log: one line for each event, no secret in it; and the marks of durable steps."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailflow import journal
from mailflow.errors import TransientError
from tests.store.children import ROOT

EVENTS = [
    function
    for name, function in inspect.getmembers(journal, inspect.isfunction)
    if function.__module__ == journal.__name__ and not name.startswith("_") and name not in ("setup", "step")
]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "log"
    journal.setup("debug", json=True, file=path)
    yield path
    journal.setup("warning")


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_is_one_line_under_its_own_name(log: Path, event: object) -> None:
    assert inspect.isfunction(event)
    values: dict[str, object] = {
        "seconds": 0.1,
        "retry_in": 1.0,
        "due": 1,
        "since": None,
        "error": ValueError("x"),
        "missing": 1,
    }
    values |= {"mailboxes": ["a"], "problems": ["a"], "cells": ["A1"], "differences": 0}
    parameters = inspect.signature(event).parameters
    assert {p.kind for p in parameters.values()} <= {inspect.Parameter.KEYWORD_ONLY}
    event(**{name: values.get(name, "x") for name in parameters})
    (line,) = lines(log)
    assert line["event"] == event.__name__
    assert set(parameters) <= line.keys()
    assert {"level", "timestamp"} <= line.keys()


def test_secrets_are_blotted_out(log: Path) -> None:
    error = TransientError("imaps://user:geheim@mail.example/ and smtp://x:geh:eim@y.example")
    journal.mailbox_failed(mailbox="support", error=error, retry_in=5)
    try:
        raise ValueError("postgresql://u:geheim@h/db")
    except ValueError as caught:
        journal.bug(where="store", error=caught)
    assert "geh" not in log.read_text(encoding="utf-8")
    assert "imaps://user:***@mail.example/" in str(lines(log)[0]["error"])


def test_values_of_variables_never_stand_in_a_plain_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    journal.setup("info")
    password = "geheim"
    try:
        raise ValueError(len(password))
    except ValueError as caught:
        journal.bug(where="test", error=caught)
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "'geheim'" not in err.replace('password = "geheim"', "")


def test_one_event_stays_one_line_whatever_a_server_said(capfd: pytest.CaptureFixture[str]) -> None:
    journal.setup("info")
    journal.mailbox_failed(mailbox="a", error="550 no\r\nfake_event level=error\x1b[2J", retry_in=1)
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert "\x1b" not in err


def test_the_level_decides_what_is_written(tmp_path: Path) -> None:
    journal.setup("warning", json=True, file=tmp_path / "log")
    journal.mailbox_ok(mailbox="a")
    journal.mailbox_failed(mailbox="a", error="x", retry_in=1)
    journal.setup("warning")
    assert [line["event"] for line in lines(tmp_path / "log")] == ["mailbox_failed"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    journal.setup("info", json=True, file=Path("/dev/full"))
    journal.mailbox_ok(mailbox="a")
    journal.setup("warning")


def test_before_setup_warnings_go_to_stderr_and_nothing_to_stdout() -> None:
    code = "from mailflow import journal; journal.mailbox_ok(mailbox='a'); journal.sender_failed(error='x', retry_in=1)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "sender_failed" in done.stderr
    assert "mailbox_ok" not in done.stderr


STEPS = "from mailflow import journal\nfor n in range(5): journal.step(f's{n}'); print(n, flush=True)"


def steps(**env: str) -> tuple[int, str]:
    command = [sys.executable, "-c", STEPS]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_steps_do_nothing_in_daily_life() -> None:
    assert steps() == (0, "0\n1\n2\n3\n4\n")


def test_steps_are_written_down(tmp_path: Path) -> None:
    assert steps(MAILFLOW_STEPS=str(tmp_path / "steps"))[0] == 0
    assert (tmp_path / "steps").read_text() == "s0\ns1\ns2\ns3\ns4\n"


def test_the_process_is_killed_at_the_step_that_was_named() -> None:
    assert steps(MAILFLOW_KILL="3") == (-9, "0\n1\n")
    assert steps(MAILFLOW_KILL="99")[0] == 0
