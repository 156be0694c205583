"""Derived state from facts again: the same functions as at intake, so that the result cannot differ (promise 5)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from mailflow import intake, journal, views
from mailflow.core.book import Answers
from mailflow.core.facts import Fact, MailFact, MappingFact
from mailflow.core.mapping import Mapping
from mailflow.errors import MailflowError
from mailflow.store import Reader, Store, Writer, compare, scratch

CHUNK = 50
CHUNK_BYTES = 8 * 1024 * 1024
"""Facts, and bytes of mail, decided between two writes: bounds the memory, not the result."""


def replay(source: Reader, target: Writer) -> int:
    """Decides all facts of `source` into `target`, whose derived state is empty. Returns how many facts there were."""
    mapping: Mapping | None = None
    count = 0
    for facts in _chunks(source.facts()):
        if isinstance(facts[0], MappingFact):
            mapping = intake.mapping_of(facts[0])
        if mapping is None:
            raise MailflowError(f"第{facts[0].seq}号事实之前没有映射，数据不完整。")
        target.put(intake.decide_all(Answers(target.book), facts, mapping).changes())
        count += len(facts)
    return count


def _chunks(facts: Iterable[Fact]) -> Iterator[list[Fact]]:
    """`facts` in groups, each under one mapping: one that is taken into use begins a group."""
    group: list[Fact] = []
    size = 0
    for fact in facts:
        if group and (len(group) == CHUNK or size > CHUNK_BYTES or isinstance(fact, MappingFact)):
            yield group
            group, size = [], 0
        group.append(fact)
        size += len(fact.raw) if isinstance(fact, MailFact) else 0
    if group:
        yield group


def rebuild(store: Store) -> int:
    """Works everything derived out anew, in one transaction. What was sent stays sent. Returns the number of facts."""
    started = time.monotonic()
    with store.write() as tx:
        tx.clear_derived()
        count = replay(tx, tx)
        if count:
            tx.touch(views.names(tx.book, intake.in_force(tx)))
    journal.rebuilt(facts=count, seconds=time.monotonic() - started, differences=0)
    return count


def check(store: Store) -> list[str]:
    """Compares what stands with what a rebuild would give; changes nothing. Chinese lines, none when equal.

    May run beside the daemon: facts and what stands are those of one snapshot, whatever is committed meanwhile.
    """
    started = time.monotonic()
    with scratch(store) as other, store.read() as reader:
        with other.write() as tx:
            count = replay(reader, tx)
        with other.read() as replayed:
            differences = compare(reader, replayed)
    journal.rebuilt(facts=count, seconds=time.monotonic() - started, differences=len(differences))
    return differences
