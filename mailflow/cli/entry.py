"""The console script: errors become sentences, each with its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from typer.exceptions import TyperException

from mailflow.cli.commands import cli
from mailflow.cli.help import wrong_use
from mailflow.cli.language import say
from mailflow.cli.output import error_text, reason, tell
from mailflow.errors import MailflowError, UserError

_INTERRUPTED = 130


@contextmanager
def spoken() -> Iterator[None]:
    """Errors as sentences, each with its exit status; never a traceback for what is not our bug."""
    try:
        yield
    except UserError as error:
        for problem in error.problems:
            tell(error_text(problem))
        sys.exit(error.code)
    except MailflowError as error:
        tell(error_text(error))
        sys.exit(1)
    except TyperException as error:
        tell(wrong_use(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        tell(say("已中断，做完的都已保存。", "interrupted; what was done is kept."))
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (… | head): nothing more to say.
        _end_output()
        sys.exit(1)
    except OSError as error:
        # Files that commands name are spoken of where they are used; this is the rest, as a full disk under stdout.
        _end_output()
        tell(error_text(f"{reason(error)}{f'：{error.filename}' if error.filename else ''}"))
        sys.exit(1)


def _end_output() -> None:
    """What cannot be written any more must not fail once again when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script `mailflow`."""
    # A service may be started without any; then the first files that are opened must not take their numbers.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    with spoken():
        code = cli(args=arguments, prog_name="mailflow", standalone_mode=False) or 0
        if code == _INTERRUPTED:  # Typer's word for Ctrl-C
            raise KeyboardInterrupt
        # Here, and not when the interpreter ends: what cannot be written is an error like any other.
        sys.stdout.flush()
        sys.exit(code)
