"""The log's vocabulary: one function per event, and the marks of durable steps for crash tests.

Every call names its fields, so that a log can be searched for `event` and a field. Levels: info is the ordinary day,
warning is what mends itself, error needs a person. No text of a mail is ever logged, nor a secret: fields that are
named like one, and passwords inside URLs, are blotted out on the way.

Logging never stops the work: a log that cannot be written is dropped.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET = re.compile("password|passwd|secret|token|authorization|credential", re.IGNORECASE)
_USERINFO = re.compile(r"(\w://[^\s/:@]{0,200}:)[^\s/]{1,500}@")
_LONGEST = 4000
_CONTROL = re.compile("[\u0000-\u001f\u007f\u0085\u2028\u2029]+")


def setup(level: str = "info", json: bool = False, file: Path | None = None) -> None:
    """Says where events go: to `file` (appended, made when missing) or to stderr, as JSON lines or as plain text.

    `level`: debug, info, warning or error. Whoever rotates the file should copy and truncate it. Raises OSError when
    the file cannot be opened.
    """
    global _log, _target
    before = _target
    _target = _Target(open(file, "a", encoding="utf-8", buffering=1) if file is not None else None)  # noqa: SIM115
    _log = _logger(level, json, _target)
    before.close()


def _logger(level: str, json: bool, target: _Target) -> structlog.typing.FilteringBoundLogger:
    # Plain tracebacks only: the pretty ones print the values of local variables, secrets among them.
    render: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=False, pad_event_to=24, exception_formatter=structlog.dev.plain_traceback
        )
    )
    bound = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, target)),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _blot,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        cache_logger_on_first_use=True,
    )
    return cast(structlog.typing.FilteringBoundLogger, bound)


class _Target:
    """A file, or whatever sys.stderr is at the moment. A full disk under the log stops nothing."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            (self._file or sys.stderr).write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            (self._file or sys.stderr).flush()

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError, ValueError):
                self._file.close()


def _blot(_: WrappedLogger, __: str, fields: EventDict) -> EventDict:
    """Secrets out; control characters too, so that one event stays one line whatever a server said."""
    for name, value in fields.items():
        if _SECRET.search(name):
            fields[name] = "***"
        elif isinstance(value, str):
            value = _USERINFO.sub(r"\1***@", value)
            fields[name] = value if name == "exception" else _CONTROL.sub(" ", value[:_LONGEST])
    return fields


_target = _Target(None)
_log = _logger("warning", False, _target)


# -- the daemon ------------------------------------------------------------------------------------------------------


def started(*, version: str, store: str, mailboxes: Sequence[str]) -> None:
    _log.info("started", version=version, store=store, mailboxes=list(mailboxes))


def stopped(*, reason: str) -> None:
    _log.info("stopped", reason=reason)


def tick(*, due: int) -> None:
    """The pulse found `due` rows due."""
    _log.debug("tick", due=due)


def alive(*, mails: int, waiting: int) -> None:
    """The sign of life: mails taken in so far, notices waiting to be sent (promise 12)."""
    _log.info("alive", mails=mails, waiting=waiting)


def bug(*, where: str, error: BaseException) -> None:
    """Our own fault: the traceback is logged, the work goes on."""
    _log.error("bug", where=where, error=_said(error), exc_info=error)


# -- mailboxes and intake --------------------------------------------------------------------------------------------


def mailbox_ok(*, mailbox: str) -> None:
    """The mailbox answers (again)."""
    _log.info("mailbox_ok", mailbox=mailbox)


def mailbox_failed(*, mailbox: str, error: BaseException | str, retry_in: float) -> None:
    _log.warning("mailbox_failed", mailbox=mailbox, error=_said(error), retry_in=retry_in)


def mailbox_refused(*, mailbox: str, error: BaseException | str, retry_in: float) -> None:
    """The login was refused: a person must look; it is tried a few times a day all the same."""
    _log.error("mailbox_refused", mailbox=mailbox, error=_said(error), retry_in=round(retry_in))


def mailbox_alert(*, mailbox: str, text: str) -> None:
    """What a server wants people to see (RFC 3501 §7.1): a password that ends, a mailbox that is nearly full."""
    _log.warning("mailbox_alert", mailbox=mailbox, text=text)


def mailbox_silent(*, mailbox: str, since: datetime | None) -> None:
    """The alarm: nothing has been heard of this mailbox for too long (promise 12)."""
    _log.error("mailbox_silent", mailbox=mailbox, since=since.isoformat() if since else None)


def uidvalidity_changed(*, mailbox: str, folder: str, old: str, new: str) -> None:
    _log.warning("uidvalidity_changed", mailbox=mailbox, folder=folder, old=old, new=new)


def mailbox_emptied(*, mailbox: str, committed: int) -> None:
    """A brake: a mailbox that held much is suddenly empty."""
    _log.error("mailbox_emptied", mailbox=mailbox, committed=committed)


def mail_unreadable(*, mailbox: str, uid: str) -> None:
    """Listed, and the server or the file system will not give it; tried again at every poll."""
    _log.error("mail_unreadable", mailbox=mailbox, uid=uid)


def signatures_unknown(*, mailbox: str, reasons: Sequence[str]) -> None:
    """Keys of signatures could not be had: those mails are not authenticated by them."""
    _log.warning("signatures_unknown", mailbox=mailbox, reasons=list(reasons))


def mail_vanished(*, mailbox: str, count: int) -> None:
    """Listed by the server, and gone when it was fetched."""
    _log.warning("mail_vanished", mailbox=mailbox, count=count)


def reconciled(*, mailbox: str, server: int, committed: int, missing: int) -> None:
    """The sum was checked against the server's (promise 3)."""
    (_log.error if missing else _log.info)(
        "reconciled", mailbox=mailbox, server=server, committed=committed, missing=missing
    )


def batch_committed(*, mailbox: str, mails: int, seconds: float) -> None:
    _log.info("batch_committed", mailbox=mailbox, mails=mails, seconds=round(seconds, 3))


def batch_failed(*, mailbox: str, error: BaseException | str, retry_in: float) -> None:
    """Nothing of the batch was committed; it is fetched again."""
    _log.warning("batch_failed", mailbox=mailbox, error=_said(error), retry_in=retry_in)


def mail_set_aside(*, seq: int, error: BaseException | str) -> None:
    """One bad mail, which stops nothing (promise 7)."""
    _log.error(
        "mail_set_aside",
        seq=seq,
        error=_said(error),
        **({"exc_info": error} if isinstance(error, BaseException) else {}),
    )


def mail_filed(*, mailbox: str, uid: str, action: str) -> None:
    _log.debug("mail_filed", mailbox=mailbox, uid=uid, action=action)


def filing_failed(*, mailbox: str, uid: str, action: str, error: BaseException | str) -> None:
    _log.warning("filing_failed", mailbox=mailbox, uid=uid, action=action, error=_said(error))


# -- decisions and mappings ------------------------------------------------------------------------------------------


def decision_taken(*, matter: str, by: str, channel: str) -> None:
    _log.info("decision_taken", matter=matter, by=by, channel=channel)


def decision_refused(*, matter: str, by: str, channel: str, reason: str) -> None:
    _log.warning("decision_refused", matter=matter, by=by, channel=channel, reason=reason)


def mapping_taken(*, version: str) -> None:
    _log.info("mapping_taken", version=version)


def mapping_refused(*, problems: Sequence[object]) -> None:
    """The changed mapping is wrong; the old one stays in use."""
    _log.error("mapping_refused", problems=[_said(p) for p in problems])


# -- the outbox ------------------------------------------------------------------------------------------------------


def notice_sent(*, key: str, template: str, to: str) -> None:
    _log.info("notice_sent", key=key, template=template, to=to)


def notice_failed(*, key: str, error: BaseException | str, retry_in: float) -> None:
    """Not taken by the server now; stays pending."""
    _log.warning("notice_failed", key=key, error=_said(error), retry_in=retry_in)


def notice_refused(*, key: str, to: str, error: BaseException | str) -> None:
    """Refused for good."""
    _log.error("notice_refused", key=key, to=to, error=_said(error))


def notice_unclear(*, key: str, error: BaseException | str) -> None:
    """Handed over, and the answer was lost (mail.md §4, 6)."""
    _log.warning("notice_unclear", key=key, error=_said(error))


def mailbox_reconciled(*, mailbox: str, on_server: int, missing: int) -> None:
    """All that the server has was compared with what is kept (promise 3)."""
    (_log.error if missing else _log.info)("mailbox_reconciled", mailbox=mailbox, on_server=on_server, missing=missing)


def alarm(*, key: str, text: str) -> None:
    """Something that a person must see to (promise 12)."""
    _log.error("alarm", key=key, text=text)


def alarm_failed(*, error: BaseException | str) -> None:
    """An alarm reached nobody by this way; it is tried again."""
    _log.error("alarm_failed", error=_said(error))


def copy_failed(*, error: BaseException | str) -> None:
    """The folder of sent mail could not be used: what was sent stays sent."""
    _log.warning("copy_failed", error=_said(error))


def notice_looked_up(*, key: str, found: bool | None) -> None:
    """What became of an unclear notice; None: the sender cannot tell."""
    _log.info("notice_looked_up", key=key, found=found)


def notice_settled(*, key: str, again: bool, before: str) -> None:
    """A person has looked at a notice that did not go: once more, or done with. `before`: its state until then."""
    _log.info("notice_settled", key=key, again=again, before=before)


def notices_braked(*, waiting: int, limit: int) -> None:
    """A brake: too many notices at once; a person must let them go."""
    _log.error("notices_braked", waiting=waiting, limit=limit)


def sender_ok() -> None:
    """The sender answers again; the circuit is closed."""
    _log.info("sender_ok")


def sender_failed(*, error: BaseException | str, retry_in: float) -> None:
    """The circuit breaker: no sending for a while; intake goes on."""
    _log.error("sender_failed", error=_said(error), retry_in=retry_in)


# -- workbooks -------------------------------------------------------------------------------------------------------


def workbook_published(*, name: str) -> None:
    _log.info("workbook_published", name=name)


def workbook_blocked(*, name: str, reason: str) -> None:
    """Open in somebody's Excel, read-only, not understood: tried again, nothing is lost."""
    _log.warning("workbook_blocked", name=name, reason=reason)


def workbook_read(*, name: str, changes: int, by: str) -> None:
    """What people wrote in columns of theirs, or did to others, was taken into the store."""
    _log.info("workbook_read", name=name, changes=changes, by=by)


def workbook_conflict(*, name: str, cells: Sequence[str]) -> None:
    """Cells that a person and the machine both changed."""
    _log.warning("workbook_conflict", name=name, cells=list(cells))


# -- the store -------------------------------------------------------------------------------------------------------


def store_migrated(*, old: int, new: int) -> None:
    _log.info("store_migrated", old=old, new=new)


def store_failed(*, error: BaseException | str) -> None:
    """Locked too long, or the disk is full: rolled back, to be tried again."""
    _log.error("store_failed", error=_said(error))


def archive_damaged(*, digest: str, reason: str) -> None:
    _log.error("archive_damaged", digest=digest, reason=reason)


def rebuilt(*, facts: int, seconds: float, differences: int) -> None:
    (_log.error if differences else _log.info)(
        "rebuilt", facts=facts, seconds=round(seconds, 3), differences=differences
    )


def _said(error: object) -> str:
    """An exception as one line: its type tells more than a bare number."""
    if isinstance(error, BaseException):
        return f"{type(error).__name__}: {error}"
    return str(error)


# -- durable steps ---------------------------------------------------------------------------------------------------

_step_lock = threading.Lock()
_steps = 0


def step(name: str) -> None:
    """Marks that a durable step was just done, or is about to be: the places at which a kill must be harmless.

    No-op in daily life. For crash tests: MAILFLOW_STEPS=FILE appends the name to FILE; MAILFLOW_KILL=N kills this
    process, as SIGKILL does it, at its N-th step (from 1).
    """
    if "MAILFLOW_STEPS" not in os.environ and "MAILFLOW_KILL" not in os.environ:
        return
    _mark(name, os.environ.get("MAILFLOW_STEPS"), int(os.environ.get("MAILFLOW_KILL", "0")))


def _mark(name: str, file: str | None, kill_at: int) -> None:
    global _steps
    with _step_lock:
        _steps += 1
        if file:
            with open(file, "a", encoding="utf-8") as steps:
                steps.write(name + "\n")
        if _steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
