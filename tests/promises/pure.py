"""Decides all facts of a store once more while the interpreter's audit hook forbids disk, network and processes.

`python -m tests.promises.pure CONFIG`: an audit hook cannot be taken away again, so this is a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mailflow import intake, policies
from mailflow.app import App
from mailflow.core.book import Overlay, memory_book
from mailflow.core.facts import Fact, MappingFact
from mailflow.core.mapping import Mapping
from mailflow.core.outcome import Outcome

FORBIDDEN = ("open", "os.", "socket.", "subprocess.", "sqlite3.", "shutil.", "glob.", "tempfile.", "import", "ctypes.")


class ForbiddenError(Exception):
    """Pure code asked the world for something."""


def forbid() -> None:
    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(FORBIDDEN):
            raise ForbiddenError(f"{event} {arguments!r}"[:300])

    sys.addaudithook(hook)


def decide_all(facts: list[Fact], mappings: dict[int, Mapping]) -> list[Outcome]:
    book: Overlay = memory_book()
    outcomes = []
    mapping: Mapping | None = None
    for fact in facts:
        mapping = mappings.get(fact.seq, mapping)
        assert mapping is not None
        outcome = policies.decide(book, fact, mapping)
        book.put(*outcome.entries)
        outcomes.append(outcome)
    return outcomes


def main(config: Path) -> None:
    app = App.of(config)
    with app.store.read() as reader:
        facts = list(reader.facts())
    app.store.close()
    mappings = {fact.seq: intake.mapping_of(fact) for fact in facts if isinstance(fact, MappingFact)}
    # The first time libraries load their tables; from then on nothing is left to be read.
    before = decide_all(facts, mappings)
    forbid()
    again = decide_all(facts, mappings)
    print(len(facts), "facts", "same" if again == before else "different")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
