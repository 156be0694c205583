"""Every move of the outbox, and none but those (promise 4)."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from mailflow.store import OutboxRow, Reader, Result, Store, outbox
from mailflow.store import reader as questions
from tests.store import samples
from tests.store.children import ROOT
from tests.store.samples import NOON
from tests.store.test_schema import plan

STATES = ("pending", "sending", "sent", "refused", "unclear", "closed")
WAY: dict[str, tuple[str, ...]] = {
    "pending": (), "sending": ("claim",), "sent": ("claim", "sent"), "refused": ("claim", "refused"),
    "unclear": ("claim", "unclear"), "closed": ("claim", "refused", "closed"),
}  # fmt: skip
ALLOWED = {
    ("pending", "claim"), ("sending", "sent"), ("sending", "refused"), ("sending", "unclear"), ("sending", "pending"),
    ("unclear", "sent"), ("unclear", "pending"),
    ("pending", "closed"), ("unclear", "closed"), ("refused", "closed"),
}  # fmt: skip
LATER = NOON + timedelta(hours=1)
KEY = samples.notice("m").key


def move(store: Store, step: str) -> bool:
    with store.write() as writer:
        if step == "claim":
            return writer.claim(KEY, NOON, b"mime")
        return writer.settle(KEY, step, LATER)


def in_state(store: Store, state: str) -> None:
    with store.write() as writer:
        writer.put([samples.notice("m")])
    for step in WAY[state]:
        assert move(store, step)
    assert row(store).state == state


def row(store: Store) -> OutboxRow:
    with store.read() as reader:
        (found,) = reader.outbox()
    return found


@pytest.mark.parametrize("step", ["claim", "sent", "refused", "unclear", "pending", "closed"])
@pytest.mark.parametrize("state", STATES)
def test_a_row_moves_only_as_it_may(store: Store, state: str, step: str) -> None:
    in_state(store, state)
    before = row(store)
    moved = move(store, step)
    assert moved == ((state, step) in ALLOWED)
    if moved:
        assert row(store).state == {"claim": "sending"}.get(step, step)
    else:
        assert row(store) == before


def test_a_state_that_is_no_outcome_is_a_mistake(sqlite_store: Store) -> None:
    in_state(sqlite_store, "sending")
    with pytest.raises(ValueError, match="no outcome"), sqlite_store.write() as writer:
        writer.settle(KEY, "sending", NOON)


def test_an_unknown_key_takes_no_effect(store: Store) -> None:
    with store.write() as writer:
        assert not writer.claim("nothing", NOON, b"")
        assert not writer.settle("nothing", "sent", NOON)


def test_a_new_notice_is_pending_with_all_it_says(store: Store) -> None:
    notice = samples.notice("m")
    with store.write() as writer:
        writer.put([notice])
    assert row(store) == OutboxRow(
        key=notice.key, matter=notice.matter, person=notice.person, step=notice.step, template=notice.template,
        to=notice.to, cc=notice.cc, context=notice.context, message_id=notice.message_id,
        in_reply_to=notice.in_reply_to, due=notice.due, state="pending", attempts=0,
    )  # fmt: skip


def test_claiming_counts_and_keeps_the_message(store: Store) -> None:
    in_state(store, "pending")
    with store.write() as writer:
        writer.claim(KEY, NOON, b"first")
        writer.settle(KEY, "pending", NOON, error="450 busy\0", due=LATER)
    assert (row(store).due, row(store).error, row(store).attempts) == (LATER, "450 busy\ufffd", 1)
    with store.write() as writer:
        writer.claim(KEY, LATER, b"second")
    assert (row(store).attempts, row(store).claimed_at, row(store).mime) == (2, LATER, b"second")
    with store.write() as writer:
        writer.settle(KEY, "sent", LATER)
    assert (row(store).sent_at, row(store).error, row(store).mime) == (LATER, None, b"second")


def test_rows_are_listed_by_state_the_longest_due_first(store: Store) -> None:
    notices = [samples.notice(f"m{n}", due=NOON - timedelta(days=n)) for n in range(4)]
    with store.write() as writer:
        writer.put(notices)
        writer.claim(notices[1].key, NOON, b"")
    with store.read() as reader:
        assert [r.matter for r in reader.outbox()] == ["m3", "m2", "m1", "m0"]
        assert [r.matter for r in reader.outbox(states=["pending"])] == ["m3", "m2", "m0"]
        assert [r.matter for r in reader.outbox(states=["sending", "unclear"])] == ["m1"]
        assert reader.outbox(states=["sent"]) == []


def test_one_notice_for_each_matter_person_and_step(store: Store) -> None:
    in_state(store, "sent")
    with store.write() as writer:
        writer.put([samples.notice("m", due=LATER)])
    assert (row(store).state, row(store).due) == ("sent", NOON)


def test_a_rebuild_keeps_what_was_sent(store: Store) -> None:
    in_state(store, "sent")
    with store.write() as writer:
        writer.clear_derived()
    assert (row(store).state, row(store).key, row(store).template, row(store).to) == ("sent", KEY, None, None)
    with store.write() as writer:
        writer.put([samples.notice("m")])
    assert (row(store).state, row(store).template) == ("sent", "complaint")


def test_of_two_threads_that_claim_one_wins(store: Store) -> None:
    in_state(store, "pending")
    won: list[bool] = []
    barrier = threading.Barrier(2)

    def claim() -> None:
        barrier.wait()
        won.append(move(store, "claim"))

    threads = [threading.Thread(target=claim) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, True]
    assert row(store).attempts == 1


CLAIM_ALL = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from mailflow.store import Store
store = Store.open(sys.argv[1] or None, Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
won = 0
for number in range(20):
    with store.write() as writer:
        won += writer.claim(f"m{number}|张三|counted", datetime.now(UTC), b"")
print(won)
"""


def test_of_two_processes_that_claim_one_wins_each_notice(store: Store) -> None:
    with store.write() as writer:
        writer.put([samples.notice(f"m{number}") for number in range(20)])
    command = [sys.executable, "-c", CLAIM_ALL, store.url or "", str(store.data)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    assert sum(int(child.communicate(timeout=60)[0]) for child in children) == 20
    assert [child.returncode for child in children] == [0, 0]
    with store.read() as reader:
        assert {(r.state, r.attempts) for r in reader.outbox()} == {("sending", 1)}


def test_a_key_of_any_length_can_be_claimed(store: Store) -> None:
    notice = samples.notice("project:" + "长" * 3000)
    with store.write() as writer:
        writer.put([notice])
        (found,) = writer.outbox()
        assert found.key == notice.key
        assert writer.claim(found.key, NOON, b"")


def test_what_was_handed_over_is_told_by_its_time(store: Store) -> None:
    times = [NOON + timedelta(minutes=minute) for minute in (5, 1, 3, 4)]
    with store.write() as writer:
        writer.put([samples.notice(f"m{number}") for number in range(5)])
        for number, time in enumerate(times):
            # The last one could not be made into a message.
            writer.claim(samples.notice(f"m{number}").key, time, b"" if number == 3 else b"mime")
    with store.read() as reader:
        assert reader.handed_over(NOON, LATER) == [times[1], times[2], times[0]]
        assert reader.handed_over(NOON + timedelta(minutes=3), LATER) == [times[2], times[0]]
        assert reader.handed_over(NOON, NOON + timedelta(minutes=3)) == [times[1], times[2]]
        assert reader.handed_over(LATER, LATER) == []


def test_that_a_person_let_go_is_kept(store: Store) -> None:
    with store.read() as reader:
        assert reader.released() is None
    for time in (NOON, LATER):
        with store.write() as writer:
            writer.release(time)
    with store.write() as writer:
        writer.clear_derived()
    with store.read() as reader:
        assert reader.released() == LATER


def test_what_each_recipient_got_is_kept_until_it_is_told_anew(store: Store) -> None:
    in_state(store, "sending")
    results: dict[str, Result] = {"li@corp.example": "taken", "例@例子.example": "put_off"}
    with store.write() as writer:
        writer.settle(KEY, "pending", NOON, "452", LATER, results)
        writer.claim(KEY, LATER, b"mime")
        writer.settle(KEY, "unclear", LATER)
    assert (row(store).results, row(store).doubts) == (results, 1)
    with store.write() as writer:
        writer.clear_derived()
        writer.settle(KEY, "sent", LATER, results={"li@corp.example": "taken"})
    assert (row(store).results, row(store).doubts) == ({"li@corp.example": "taken"}, 1)


def test_what_is_due_is_told_by_its_keys_the_longest_due_first(store: Store) -> None:
    notices = [samples.notice(f"m{n}", due=NOON - timedelta(days=n)) for n in range(4)]
    late = samples.notice("late", due=NOON + timedelta(days=3))
    with store.write() as writer:
        writer.put([*notices, late, samples.notice("wrong")])
        writer.claim(notices[1].key, NOON, b"")
        wrong = samples.notice("wrong").key
        writer.claim(wrong, NOON, b"")
        writer.settle(wrong, "pending", NOON, "452", NOON + timedelta(days=300))
    with store.read() as reader:
        found = reader.due_notices(NOON, NOON + timedelta(hours=6))
        assert found == [notices[3].key, notices[2].key, notices[0].key, wrong], "no next try is in 300 days"
        assert [notice and notice.key for notice in map(reader.notice, found)] == found
        assert reader.notice("nothing") is None


def test_what_was_in_doubt_too_often_is_no_longer_asked_about(store: Store) -> None:
    in_state(store, "pending")
    for doubts in (1, 2):
        assert move(store, "claim")
        assert move(store, "unclear")
        with store.read() as reader:
            assert [found.doubts for found in reader.notices_in_doubt(2)] == ([1] if doubts == 1 else [])
        assert move(store, "pending")


DAILY = {
    "what is due": (outbox._DUE, "outbox_state"),
    "what is in doubt": (outbox._IN_DOUBT.params(most=5), "outbox_state"),
    "one": (outbox._ONE, "sqlite_autoindex_outbox_1"),
    "the last hour's": (outbox._HANDED_OVER, "outbox_claimed"),
    "the next page": (outbox._NEXT_PAGE, "outbox_due"),
    "what is to be filed": (questions._FILINGS, "filing_mailbox"),
    "what came": (questions._ARRIVALS, "fact_time"),
    "the mapping in force": (questions._MAPPING, "fact_kind"),
}
"""What is asked again and again, of tables that grow for years."""


@pytest.mark.parametrize("question", DAILY)
def test_what_is_asked_every_second_never_reads_all_there_is(sqlite_store: Store, question: str) -> None:
    statement, index = DAILY[question]
    found = plan(sqlite_store, statement)
    assert f"INDEX {index}" in found
    assert "SCAN" not in found.replace("SCALAR", "")


@pytest.mark.parametrize(
    ("state", "after", "results"),
    [
        ("pending", "pending", {"a@x.example": "taken", "b@x.example": "refused"}),
        ("unclear", "unclear", {"a@x.example": "taken", "b@x.example": "refused"}),
        ("refused", "pending", {"a@x.example": "taken"}),
        ("closed", "pending", {"a@x.example": "taken"}),
    ],
)
def test_a_notice_goes_once_more_to_whom_it_has_not_gone(
    store: Store, state: str, after: str, results: dict[str, Result]
) -> None:
    in_state(store, "pending")
    with store.write() as writer:
        writer.claim(KEY, NOON, b"mime")
        said: dict[str, Result] = {"a@x.example": "taken", "b@x.example": "refused"}
        first = {"closed": "refused"}.get(state, state)
        writer.settle(KEY, first, NOON, "550", LATER + timedelta(days=1), said)
        writer.settle(KEY, state, NOON, "550")
        assert writer.send_again(row_of(writer), LATER)
    found = row(store)
    assert (found.state, found.results, found.doubts, found.due, found.error) == (after, results, 0, LATER, "550")
    assert found.mime == (None if state in ("refused", "closed") else b"mime"), "what may have gone goes as it went"


def row_of(reader: Reader) -> OutboxRow:
    (found,) = reader.outbox()
    return found


def test_what_was_moved_meanwhile_does_not_go_once_more(store: Store) -> None:
    in_state(store, "unclear")
    seen = row(store)
    assert move(store, "sent")
    with store.write() as writer:
        assert not writer.send_again(seen, LATER)
    assert row(store).state == "sent"


def test_a_notice_is_found_by_the_number_that_a_person_is_told(store: Store) -> None:
    notices = [samples.notice("m1"), samples.notice("project:" + "长" * 3000)]
    with store.write() as writer:
        writer.put(notices)
    with store.read() as reader:
        for told in (*reader.outbox(), *reader.newest_notices()):
            assert len(told.number) == 12
            assert reader.notice_numbered(told.number) == told
        assert reader.notice_numbered("") is None
        assert reader.notice_numbered(notices[0].key) is None
    with store.write() as writer:
        numbers = {found.number for found in writer.outbox()}
        writer.clear_derived()
        assert {found.number for found in writer.outbox()} == numbers
