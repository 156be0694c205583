"""Publishing holds no snapshot of the store while it touches files: a share may hang, and the store must not grow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mailflow.sheets import evidence, replace
from tests.stories.department import moment
from tests.stories.mail import mail, report
from tests.stories.stage import Stage

TOUCHES: tuple[tuple[ModuleType, str], ...] = (
    (replace, "read"),
    (replace, "put"),
    (replace, "discard"),
    (evidence, "missing"),
    (evidence, "keep"),
)
"""What publishing does to the share."""
TO = {"to": ("周九",), "cc": ("吴十", "技术支持 <support@tech.example>")}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage.build(tmp_path / "stage", small=True)
    with open(stage.folder / "config.toml", "a", encoding="utf-8") as config:
        config.write("evidence = true\n")
    stage.deliver(mail("p1", "10-19 09:30", "李四", "客户沟通-ERP项目-李四", *report(), to=("赵六",)))
    stage.deliver(mail("c1", "10-20 09:00", "赵六", "投诉-火星项目", "没有报告。", **TO))
    return stage


def snapshots(store: Path) -> int:
    """1 while anybody reads the store as it was: its write-ahead log cannot begin anew then."""
    with closing(sqlite3.connect(store, timeout=0, isolation_level=None)) as connection:
        connection.execute("INSERT OR REPLACE INTO mark VALUES ('probe', '')")
        busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return busy


def test_a_share_that_hangs_holds_up_no_snapshot_of_the_store(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    touched: dict[str, int] = {}

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def touch(*arguments: Any, **more: Any) -> Any:
            touched[name] = max(touched.get(name, 0), snapshots(stage.folder / "var" / "mailflow.db"))
            return real(*arguments, **more)

        return touch

    for module, name in TOUCHES:
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    with stage.app() as app:
        assert app.once(moment("10-20 12:00")).problems == []
        stage.write_cell("待确认", "1", "决定", "驳回")
        assert app.once(moment("10-20 13:00")).problems == []
        app.reset_workbook("待确认.xlsx", moment("10-20 14:00"))
    assert touched == {name: 0 for _, name in TOUCHES}
    assert [row["state"] for row in stage.listed("held")] == ["decided"]
