"""The exceptions of mailflow.

    MailflowError
    ├── UserError(problems)     the operator's: configuration, mappings, wrong use. Shown without a traceback
    ├── TransientError          the world's, passing: retried with back-off (server away, file open in Excel, disk full)
    ├── BrakedError             we ourselves stopped, because it looks wrong: a person must look and let it go on
    ├── UnclearError            a message was handed over and the answer was lost: look it up before sending again
    └── PermanentError          the world's, for good: not retried (recipient refused, message too large)
        └── AuthError           a login was refused: an alarm to a person, never a retry loop (logins.py)

Faults in mail are no exceptions: they are findings (core/findings.py). The libraries' exceptions stop in the module
that imports the library and are mapped to one of these there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with what the operator wrote: what, where, and what to do."""

    text: str
    """In Chinese, one sentence or two: what is wrong and what to do about it."""
    file: str | None = None
    line: int | None = None
    """1-based."""

    def __str__(self) -> str:
        where = self.file or ""
        if where and self.line:
            where += f":{self.line}"
        return f"{where}: {self.text}" if where else self.text


class MailflowError(Exception):
    """Base of all exceptions that mailflow raises on purpose."""


class UserError(MailflowError):
    """What the operator wrote or asked for cannot be done. Carries all problems at once.

    Args:
        problems: texts or `Problem`s, never empty.
        code: the exit status of the command: 1 refused, 2 wrong use or wrong configuration.
    """

    def __init__(self, problems: Sequence[Problem | str] | str, *, code: int = 2) -> None:
        if isinstance(problems, str):
            problems = [problems]
        self.problems = tuple(p if isinstance(p, Problem) else Problem(p) for p in problems)
        self.code = code
        super().__init__("\n".join(str(p) for p in self.problems))


class TransientError(MailflowError):
    """The world does not let us now, and may later. `retry_after` is the server's own wish, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BrakedError(MailflowError):
    """More was to be done at once than can be right. Nothing is lost; a person lets it go on, or mends the cause."""


class UnclearError(MailflowError):
    """The connection broke after the message was handed over: the server may have it, or not (mail.md §4, 6).

    `refused`: recipients to whom it had said no before that, and whether for good.
    """

    def __init__(self, message: str, *, refused: Mapping[str, bool] | None = None) -> None:
        super().__init__(message)
        self.refused = dict(refused or {})


class PermanentError(MailflowError):
    """The world said no, and trying again will not help."""


class AuthError(PermanentError):
    """A login was refused. Trying again may lock the account; a person must look."""
