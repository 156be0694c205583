"""SIGKILL at every durable step, then a plain run: the same ledger and records, no mail and no notice lost or twice.

The matrix is cut into shards, so that they can run side by side; each counts the steps of an undisturbed run itself.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailflow import rebuild
from tests.servers.dovecot import Dovecot
from tests.servers.smtp import SmtpServer
from tests.stories.mail import mail, report
from tests.stories.stage import Stage, State
from tests.stories.stands import MAILBOXES, Servers
from tests.stories.story import Answer, Cell, Copy, Once, Step, Story, play

SHARDS = 4
FILED = "move:已处理"
COMPLAINT = {"to": ("周九",), "cc": ("技术支持 <support@tech.example>",)}
LARGE = random.Random(11).randbytes(1_200_000)

INTAKE = (
    # Two complaints and their consequence, a copy, and a held one that is so large that it is kept as a file.
    mail("c1", "10-20 09:00", "赵六", "投诉-ERP项目", "技服：李四", "没有报告。", **COMPLAINT),
    Copy("c1", "10-20 09:00", "manager"),
    mail("c2", "10-20 10:00", "赵六", "投诉-ERP项目沟通问题", "还是没有报告。", **COMPLAINT),
    mail("forged", "10-20 11:00", "赵六", "投诉-ERP项目", "技服：李四", auth="fail", file=LARGE, **COMPLAINT),
)  # fmt: skip
DECIDING = (
    # A reply, a completion, and two cells, one of which cannot be understood.
    mail("h1", "10-09 09:00", "赵六", "投诉-云桥项目", "技服：李四", "约好的回访没有来。", **COMPLAINT),
    mail("h2", "10-09 09:10", "赵六", "投诉-云桥项目", "技服：李四", "电话也没有人接。", **COMPLAINT),
    mail("h3", "10-09 09:20", "赵六", "投诉-ERP项目", "技服：李四", "现场没有记录。", auth="none", **COMPLAINT),
    mail("p1", "10-09 09:30", "李四", "客户沟通-ERP项目-李四", *report(contact=None)),
    Once("10-09 10:00"),
    Answer("h1assign", "10-09 11:00", "周九", ("held", "周九", "held:1"), ("指定 李四",)),
    Answer("p1rest", "10-09 11:10", "李四", ("report_incomplete", "李四", "{number of p1}"), ("沟通人：王主任",)),
    Cell("2", "指定 李四"),
    Cell("3", "同意不同意"),
)


@dataclass(frozen=True)
class Scene:
    """What lies ready when `once` is run, and when that is."""

    steps: tuple[Step, ...]
    at: str
    kinds: frozenset[str]
    """The durable steps that an undisturbed run takes."""


ALWAYS = frozenset({"store.before_commit", "store.after_commit", "workbook.temp", "workbook.replaced", "filing.done"})
SENDING = frozenset({"outbox.claimed", "maildir.delivered", "outbox.settled"})
SCENES = {
    # On the first working day of November: the draft falls due in the same run.
    "intake": Scene(INTAKE, "11-02 09:00", ALWAYS | SENDING | {"archive.temporary", "archive.written"}),
    "deciding": Scene(DECIDING, "10-09 12:00", ALWAYS | SENDING),
}


@dataclass(frozen=True)
class Undisturbed:
    """A scene before it is run, the steps of running it, and the state in which that ends."""

    scene: Scene
    stage: Stage
    done: Stage
    """The same after it was run."""
    steps: list[str]
    end: State


@pytest.fixture(scope="module", params=SCENES)
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    scene = SCENES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    before = Stage.build(folder / "before", after=FILED, small=True)
    set_up(scene, before)
    after = before.copy(folder / "after")
    steps = after.steps(scene.at)
    return Undisturbed(scene, before, after, steps, after.state())


def set_up(scene: Scene, stage: Stage) -> None:
    play(Story(name="", steps=scene.steps, mails={}, notices={}), stage)


def test_the_scenes_have_every_kind_of_step(undisturbed: Undisturbed) -> None:
    assert set(undisturbed.steps) == undisturbed.scene.kinds
    assert 40 <= len(undisturbed.steps) <= 80
    assert undisturbed.end["notices"]
    assert undisturbed.end["support/INBOX"] == []


@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_any_step_and_resumed_it_ends_the_same(undisturbed: Undisturbed, shard: int, tmp_path: Path) -> None:
    for number in range(1 + shard, len(undisturbed.steps) + 1, SHARDS):
        stage = undisturbed.stage.copy(tmp_path / "killed")
        kill_and_resume(stage, undisturbed, number)
        assert all(len(raws) == 1 for raws in stage.sent().values()), told(undisturbed, number)
        shutil.rmtree(stage.folder)


def test_killed_again_and_again_it_gets_there(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Every seventh step kills it; each run goes on where the last one stopped."""
    stage = undisturbed.stage.copy(tmp_path / "killed")
    for _ in range(len(undisturbed.steps)):
        if (ended := stage.once(undisturbed.scene.at, {"MAILFLOW_KILL": "7"})).code == 0:
            break
        assert ended.code == -9, ended.err
    assert stage.state() == undisturbed.end
    assert all(len(raws) == 1 for raws in stage.sent().values())


@pytest.mark.parametrize("command", [("rebuild",), ("close-month", "2026-10", "--now", "2026-11-02T10:00:00+08:00")])
def test_a_command_that_is_killed_has_done_all_or_nothing(
    undisturbed: Undisturbed, command: tuple[str, ...], tmp_path: Path
) -> None:
    before, after = undisturbed.done.copy(tmp_path / "before"), undisturbed.done.copy(tmp_path / "after")
    assert before.command(*command, env={"MAILFLOW_KILL": "1"}).code == -9
    assert before.state() == undisturbed.end
    assert after.command(*command, env={"MAILFLOW_KILL": "2"}).code == -9
    assert before.command(*command).code == 0
    assert before.state() == after.state()
    for stage in (before, after):
        assert stage.command("rebuild", "--check").code == 0


def kill_and_resume(stage: Stage, undisturbed: Undisturbed, number: int) -> None:
    killed = stage.once(undisturbed.scene.at, {"MAILFLOW_KILL": str(number)})
    assert killed.code == -9, f"{told(undisturbed, number)}: {killed.err}"
    resumed = stage.once(undisturbed.scene.at)
    assert resumed.code == 0, f"{told(undisturbed, number)}: {resumed.err}"
    assert stage.state() == undisturbed.end, told(undisturbed, number)
    with stage.app() as app:
        assert rebuild.check(app.store) == [], told(undisturbed, number)


def told(undisturbed: Undisturbed, number: int) -> str:
    return f"killed at step {number} of {len(undisturbed.steps)}, {undisturbed.steps[number - 1]}"


# -- on servers ------------------------------------------------------------------------------------------------------

SMALL = Scene(
    (
        mail("c1", "10-20 09:00", "赵六", "投诉-ERP项目", "技服：李四", "没有报告。", **COMPLAINT),
        mail("forged", "10-20 11:00", "赵六", "投诉-ERP项目", "技服：李四", "也没有来。", auth="fail", **COMPLAINT),
    ),
    "10-20 12:00",
    ALWAYS | {"outbox.claimed", "outbox.settled", "smtp.sent"},
)

Stands = Callable[[], Servers]


@pytest.fixture
def stands(dovecot: Dovecot, numbers: Iterator[int]) -> Iterator[Stands]:
    """Stands with empty mailboxes, one after the other; the listener forgets what the one before sent."""
    with SmtpServer() as smtp:

        def empty() -> Servers:
            smtp.messages.clear()
            number = next(numbers)
            return Servers(dovecot, smtp, {box: f"{box}{number}" for box in MAILBOXES})

        yield empty


@pytest.mark.dovecot
@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_any_step_on_servers_it_ends_the_same(stands: Stands, shard: int, tmp_path: Path) -> None:
    plain = Stage.build(tmp_path / "plain", stands(), after=FILED, small=True)
    set_up(SMALL, plain)
    undisturbed = Undisturbed(SMALL, plain, plain, plain.steps(SMALL.at), plain.state())
    assert set(undisturbed.steps) == SMALL.kinds
    for number in range(1 + shard, len(undisturbed.steps) + 1, SHARDS):
        stage = Stage.build(tmp_path / "killed", stands(), after=FILED, small=True)
        set_up(SMALL, stage)
        kill_and_resume(stage, undisturbed, number)
        twice = [raws for raws in stage.sent().values() if len(raws) > 1]
        assert len(twice) == may_be_sent_twice(undisturbed.steps, number), told(undisturbed, number)
        assert all(raws == [raws[0]] * 2 for raws in twice), told(undisturbed, number)
        shutil.rmtree(stage.folder)


def may_be_sent_twice(steps: list[str], number: int) -> int:
    """A server cannot tell what it was given: cut between its answer and the commit of that, a message goes again."""
    return int("smtp.sent" in (steps[number - 1], *steps[max(number - 2, 0) : number - 1]))
