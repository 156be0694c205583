"""Killed at any durable step: all of a batch or nothing, and afterwards the rest as if nothing had been."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailflow.core.facts import MailFact
from mailflow.store import Store, compare
from tests.store.children import BATCHES, batches, run
from tests.store.test_store import take

STEPS = ["store.before_commit", "store.after_commit"]
LARGE_STEPS = ["archive.temporary", "archive.written"]
ALL_STEPS = [*STEPS, *LARGE_STEPS, *STEPS, *STEPS]


def test_the_steps_of_the_scenario_are_all_that_is_durable(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    code, _ = run("batches", None, tmp_path / "data", MAILFLOW_STEPS=str(steps))
    assert code == 0
    assert steps.read_text().split() == ALL_STEPS


@pytest.mark.parametrize("step", range(1, len(ALL_STEPS) + 1))
def test_a_kill_leaves_whole_batches_and_is_made_good_on_sqlite(tmp_path: Path, step: int) -> None:
    killed_and_made_good(None, tmp_path, step)


@pytest.mark.postgres
@pytest.mark.parametrize("step", [1, 3, 4, 5, 6])
def test_a_kill_leaves_whole_batches_and_is_made_good_on_postgres(tmp_path: Path, postgres_url: str, step: int) -> None:
    killed_and_made_good(postgres_url, tmp_path, step)


def killed_and_made_good(url: str | None, folder: Path, step: int) -> None:
    code, _ = run("batches", url, folder / "data", MAILFLOW_KILL=str(step))
    assert code == -9
    store, undisturbed = Store.open(url, folder / "data"), Store.open(None, folder / "undisturbed")
    done = ALL_STEPS[:step].count("store.after_commit")
    assert whole_batches(store) in (done, done + (ALL_STEPS[step - 1] == "store.after_commit"))
    batches(store)
    batches(undisturbed)
    assert whole_batches(store) == BATCHES
    with store.read() as left, undisturbed.read() as right:
        assert compare(left, right) == []
        assert list(left.facts()) == list(right.facts())
        assert left.outbox() == right.outbox()
    store.close()
    undisturbed.close()


def whole_batches(store: Store) -> int:
    """How many batches there are, after proving that each is whole and that its mail can be read."""
    with store.read() as reader:
        facts = [fact for fact in reader.facts() if isinstance(fact, MailFact)]
        count = 0 if reader.cursor("support") is None else int(reader.cursor("support") or "") + 1
        uids = [f"{number}{letter}" for number in range(count) for letter in "ab"]
        assert [fact.uid for fact in facts] == uids
        assert [project.name for project in reader.book.register().projects] == uids
        assert [row.uid for row in reader.filings("support")] == uids
        assert [row.matter for row in reader.outbox()] == [f"mail:{fact.seq}" for fact in facts]
        assert [row.name for row in reader.workbooks()] == [f"{number}.xlsx" for number in range(count)]
    return count


def test_a_kill_in_the_middle_of_a_transaction_does_not_keep_others_out(sqlite_store: Store) -> None:
    code, _ = run("batches", None, sqlite_store.data, MAILFLOW_KILL="1")
    assert code == -9
    assert None not in take(sqlite_store, "9")
