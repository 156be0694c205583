"""What a decision comes to."""

from __future__ import annotations

from dataclasses import dataclass

from mailflow.core.records import Row


@dataclass(frozen=True)
class Outcome:
    """The consequences of one fact, to be committed together with it (promise 2).

    `entries` are rows in the order in which they were made; notices are among them. A Notice whose key the book has
    already is never in `entries` again: one for each (matter, person, step) (promise 4).
    """

    entries: tuple[Row, ...] = ()
    refused: str | None = None
    """A decision that cannot be carried out: why, in Chinese."""

    def of(self, *kinds: type[Row]) -> list[Row]:
        return [row for row in self.entries if isinstance(row, kinds)]
