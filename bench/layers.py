"""Where time goes: clocks at the doors of the layers, each layer's own time without that of the inner ones.

Not cProfile, which makes Python code twice as dear and C code no dearer: its shares point at the wrong layer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

from mailflow import intake, kinds, message, policies, views
from mailflow.store import Reader, Writer
from mailflow.store.book import StoreBook

Doors = Sequence[tuple[str, object, tuple[str, ...]]]
"""Layer, module or class, and the names of its functions that are doors to the layer."""
REST = "rest: commit, log, loop"
INTAKE: Doors = (
    ("transport: fetching", intake, ("waiting",)),
    ("message: bytes to text", message, ("read", "read_in_steps", "resend_digest")),
    ("kinds: text to reading", kinds, ("read",)),
    ("policies: sender, letter", policies, ("read", "read_in_steps")),
    ("policies: deciding", policies, ("decide_letter",)),
    ("views: workbooks concerned", views, ("touched",)),
    ("store: the book's questions", StoreBook, ("get", "find", "find_each", "register")),
    ("store: mails, facts, rows", Writer, ("expect_mails", "add_mail", "put", "flush", "touch", "set_cursor")),
    ("store: known, mapping", Reader, ("known", "mapping")),
)


class Layers:
    """Own CPU seconds by layer, while `watching`."""

    def __init__(self, doors: Doors = INTAKE, rest: str = REST) -> None:
        self._doors = doors
        self._rest = rest
        self.spent: dict[str, float] = {}
        self._inner: list[float] = []
        """For each open door: what was spent behind doors inside it."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """All that is done meanwhile, the rest included, is booked to a layer."""
        undo: list[tuple[object, str, object]] = []
        try:
            for layer, owner, names in self._doors:
                for name in names:
                    real = getattr(owner, name)
                    undo.append((owner, name, real))
                    setattr(owner, name, self._door(layer, real))
            with self._open(self._rest):
                yield
        finally:
            for owner, name, real in undo:
                setattr(owner, name, real)

    @contextmanager
    def _open(self, layer: str) -> Iterator[None]:
        self._inner.append(0.0)
        started = time.process_time()
        try:
            yield
        finally:
            whole = time.process_time() - started
            self.spent[layer] = self.spent.get(layer, 0.0) + whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole

    def _door(self, layer: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def door(*args: Any, **kwargs: Any) -> Any:
            with self._open(layer):
                result = real(*args, **kwargs)
            return self._steps(layer, result) if isinstance(result, Iterator) else result

        return door

    def _steps(self, layer: str, steps: Iterator[Any]) -> Generator[Any, None, Any]:
        """An iterator works when it is asked, not when it is made."""
        while True:
            try:
                with self._open(layer):
                    step = next(steps)
            except StopIteration as end:
                return end.value
            yield step
