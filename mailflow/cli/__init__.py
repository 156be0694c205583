"""Commands: parse, call, print. Exit status 0 done, 1 refused or failed, 2 wrong use, 130 interrupted.

    entry       the console script: errors become sentences, each with its exit status
    commands    the table of all commands
    running     run, once                       explaining  explain
    deciding    decide, close-month, rebuild    showing     list, why, status
    workbooks   workbook, form                  setup       preview, login, demo
    checking    check
    options     what commands share: --config, --now, --json and what they give
    output      what is printed                 help        --help, and what is said of wrong use
    language    Chinese or English (MAILFLOW_LANG)

Everything heavy is imported by the command that needs it, in its body: `mailflow --help` answers at once.
A new command: a function in the module where it belongs, a row in `commands`, a section in docs/commands.md.
"""

from __future__ import annotations

from mailflow.cli.commands import cli
from mailflow.cli.entry import main
from mailflow.cli.help import help_text

__all__ = ["cli", "help_text", "main"]
