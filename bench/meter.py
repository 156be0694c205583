"""Costs in CPU and wall seconds, taken in turns, and how they are printed."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")
Work = Callable[[], object]


def sized(count: int, scale: float) -> int:
    """`count` on the scale of this run; at least one batch."""
    return max(50, round(count * scale))


def each(function: Callable[[T], object], items: Iterable[T]) -> Work:
    """Does `function` to each item and keeps nothing: what is kept costs the collector more with every item."""

    def work() -> None:
        for item in items:
            function(item)

    return work


@dataclass(frozen=True)
class Cost:
    """Seconds: of this process's processors, and of the clock on the wall."""

    cpu: float
    wall: float


def cost(work: Work) -> Cost:
    """What `work` costs, its own garbage included and nobody else's."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def in_turns(rounds: int, works: Mapping[str, Callable[[], Cost]], seconds: float = math.inf) -> dict[str, Cost]:
    """The medians of `rounds` costs of each, taken A B A B, so that what the machine does meanwhile hits all alike.

    After `seconds` no further round is begun.
    """
    taken: dict[str, list[Cost]] = {name: [] for name in works}
    until = time.monotonic() + seconds
    for number in range(rounds):
        if number and time.monotonic() > until:
            break
        for name, work in works.items():
            taken[name].append(work())
    return {name: median(costs) for name, costs in taken.items()}


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.cpu for c in costs), statistics.median(c.wall for c in costs))


@dataclass(frozen=True)
class Figures:
    """A table of costs per unit; each ratio is to the row named `floor`."""

    title: str
    unit: str
    """What one is paid for: mail, row, run."""
    units: int
    floor: str
    costs: Mapping[str, Cost]

    def show(self, console: Console) -> None:
        table = Table(title=self.title, title_justify="left", caption_justify="left")
        table.add_column("")
        for heading in (f"CPU ms/{self.unit}", f"wall ms/{self.unit}", f"{self.unit} per s", "CPU ratio", "wall ratio"):
            table.add_column(heading, justify="right")
        for name in self.costs:
            table.add_row(name, *self._cells(name))
        console.print(table)

    def _cells(self, name: str) -> tuple[str, ...]:
        one = self.costs[name]
        cpu, wall = self.ratio(name)
        return (
            f"{1000 * one.cpu / self.units:.3f}",
            f"{1000 * one.wall / self.units:.3f}",
            f"{self.units / one.wall:,.0f}",
            f"{cpu:.2f}",
            f"{wall:.2f}",
        )

    def ratio(self, name: str) -> tuple[float, float]:
        """How many times as much as the floor: CPU, wall."""
        one, floor = self.costs[name], self.costs[self.floor]
        return one.cpu / max(floor.cpu, 1e-9), one.wall / max(floor.wall, 1e-9)
