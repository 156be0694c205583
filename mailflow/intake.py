"""A batch of mail from fetch to commit: the whole flow, readable top to bottom.

Raw bytes, facts, consequences, outbox rows, dirty workbooks and the mailbox's cursor go into one transaction
(promises 1 and 2); only after its commit is the mailbox touched. Everything else that is decided goes the same way:
commands, workbook cells, the clock, a mapping taken into use.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Mapped
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from types import MappingProxyType
from typing import Literal, Protocol

from mailflow import journal, mappings, policies, views
from mailflow.core.book import Answers, Overlay
from mailflow.core.facts import CellChange, Fact, MailFact, MappingFact, Signatures
from mailflow.core.mapping import Mapping, Settings
from mailflow.core.outcome import Outcome
from mailflow.core.records import Mail
from mailflow.core.steps import side_by_side
from mailflow.errors import AuthError, MailflowError, PermanentError, UserError
from mailflow.message.auth import senders
from mailflow.policies.letter import Letter
from mailflow.store import FilingRow, Reader, Store, Writer
from mailflow.transports.base import Batch, Mailbox, Place

Tally = Counter[str]
"""How many mails ended how: {disposition: count}."""
Checked = Mapped[Place, Signatures]
"""What checking the signatures found, by where the mail lies on the server."""
_AT_ONCE = 1000
_MOST_REFUSED = 10
"""After so many refusals in a row to flag or to move it is the folder that is wrong, not the mail."""
BATCH_SECONDS = 30.0
"""So long may the keys of one batch take, whatever the name servers do: mail is waiting."""


@dataclass(frozen=True)
class Source:
    """A mailbox of config.toml, as far as taking in is concerned."""

    name: str
    account: str
    """Who stands behind the name: whose UIDs and cursor are kept under it."""
    after: str = "leave"
    """What becomes of a mail that is kept: leave, seen, or move:FOLDER."""


class Checker(Protocol):
    """Checks the signatures of one mail, until a time of time.monotonic()."""

    def check(self, raw: bytes, until: float) -> Signatures: ...


# -- mail ------------------------------------------------------------------------------------------------------------


def take_in(
    store: Store,
    mailbox: Mailbox,
    source: Source,
    unreadable: Callable[[Sequence[str]], object] = lambda uids: None,
    checker: Checker | None = None,
    *,
    everything: bool = False,
    tally: Tally | None = None,
) -> Tally:
    """Takes in everything that waits in `mailbox`, batch by batch; `file_away` comes after it.

    `unreadable` is told the UIDs that are there and that nobody hands out. `checker` checks signatures, if wanted.
    `everything`: as for `waiting`. `tally`: counted on from here, batch by batch, and returned.

    Raises TransientError, PermanentError or AuthError of the mailbox or the store; what was committed stays.
    """
    tally = Counter() if tally is None else tally
    for batch in waiting(store, mailbox, everything=everything):
        tally.update(commit(store, source, batch, checked(store, source.name, batch, checker)))
        if batch.unreadable:
            unreadable(batch.unreadable)
    return tally


def waiting(store: Store, mailbox: Mailbox, *, everything: bool = False) -> Iterator[Batch]:
    """The batches that wait. Each must be committed before the next one is asked for.

    `everything`: whatever the cursor says, all that the server has is compared with what is kept (mail.md §1.3).
    """

    def known(folder: str, uidvalidity: str, uids: Sequence[str]) -> set[str]:
        with store.read() as reader:
            return reader.known(mailbox.name, folder, uidvalidity, uids)

    with store.read() as reader:
        cursor, account = reader.cursor(mailbox.name), reader.account(mailbox.name)
    answered = False
    for batch in mailbox.batches(None if everything else cursor, known):
        answered = True
        yield batch
    if not answered and account is None and cursor is not None:
        # An older release has read this mailbox and did not write down whose it is: the next commit does.
        yield Batch((), cursor)


def missing(store: Store, mailbox: Mailbox) -> tuple[int, set[str]]:
    """How many mails the server has now, and those of them that are not kept: none, but for what has come since the
    last poll, or something is wrong (promise 3)."""
    folder, uidvalidity, uids = mailbox.uids()
    listed = sorted(uids)
    lost: set[str] = set()
    with store.read() as reader:
        for start in range(0, len(listed), _AT_ONCE):
            chunk = listed[start : start + _AT_ONCE]
            lost.update(set(chunk) - reader.known(mailbox.name, folder, uidvalidity, chunk))
    return len(listed), lost


def checked(store: Store, mailbox: str, batch: Batch, checker: Checker | None) -> Checked:
    """What the signatures of the batch's mails are worth; before the commit, because it asks the network.

    Only of mail whose From is on the roster: nothing hangs on the others', and a flood of them must cost nothing.
    """
    if checker is None:
        return {}
    with store.read() as reader:
        roster = in_force(reader).roster
    until = time.monotonic() + BATCH_SECONDS
    found: dict[Place, Signatures] = {}
    for mail in batch.mails:
        try:
            if any(roster.by_address(sender.address) for sender in senders(mail.raw)):
                found[mail.place] = checker.check(mail.raw, until)
        except Exception as error:  # noqa: BLE001  a mail that was not checked is taken in all the same (promise 7)
            journal.bug(where=f"signatures:{mailbox}", error=error)
    reasons = {one.reason for each in found.values() for one in each.dkim if one.result == "unknown"}
    if reasons:
        journal.signatures_unknown(mailbox=mailbox, reasons=sorted(reasons))
    return found


def commit(
    store: Store,
    source: Source,
    batch: Batch,
    signatures: Checked = MappingProxyType({}),
) -> Tally:
    """One batch, one transaction: all of it, or after a kill at any instant none of it.

    Its account holds a mailbox's name from the first batch on: one that never let anybody in holds none.
    """
    started, mailbox = time.monotonic(), source.name
    with store.write() as tx:
        facts = list(_added(tx, mailbox, batch, signatures))
        if source.after != "leave":
            for fact in facts:
                tx.add_filing(mailbox, fact.folder, fact.uidvalidity, fact.uid, source.after)
        book = decide_all(Answers(tx.book), facts, in_force(tx))
        _keep(tx, book)
        tx.set_cursor(mailbox, batch.cursor)
        tx.keep_account(mailbox, source.account)
    if facts:
        journal.batch_committed(mailbox=mailbox, mails=len(facts), seconds=time.monotonic() - started)
    for uid in batch.unreadable:
        journal.mail_unreadable(mailbox=mailbox, uid=uid)
    if batch.vanished:
        journal.mail_vanished(mailbox=mailbox, count=batch.vanished)
    taken = {fact.seq for fact in facts}
    return Counter(str(row.disposition) for row in book.changes() if isinstance(row, Mail) and row.seq in taken)


def _added(tx: Writer, mailbox: str, batch: Batch, signatures: Checked) -> Iterator[MailFact]:
    """The facts of those mails of a batch that were not taken in before."""
    for (folder, validity), mails in groupby(batch.mails, lambda mail: (mail.place.folder, mail.place.uidvalidity)):
        group = list(mails)
        tx.expect_mails(mailbox, folder, validity, [mail.place.uid for mail in group])
        for mail in group:
            found = signatures.get(mail.place)
            if fact := tx.add_mail(mailbox, folder, validity, mail.place.uid, mail.received, mail.raw, found):
                yield fact


def decide_all(before: Answers, facts: Sequence[Fact], mapping: Mapping) -> Overlay:
    """What comes of `facts`, one after the other, laid over the book `before` them.

    The mails are all read first, side by side (core/steps.py); then what the book knows of them is looked up for all
    at once. One that cannot be read is tried again when it is its turn, and set aside there.
    """
    register = before.register()
    mails = [fact for fact in facts if isinstance(fact, MailFact)]
    read = side_by_side(policies.read_in_steps(fact, register, mapping) for fact in mails)
    letters = {fact.seq: one[0] for fact, one in zip(mails, read, strict=True) if not isinstance(one, Exception)}
    policies.expect(before, list(letters.values()))
    book = Overlay(before)
    for fact in facts:
        # A mail that comes after the registration of a project is read anew, with the register as it is then.
        letter = letters.get(fact.seq) if book.register() is register else None
        book.put(*decide(book, fact, mapping, letter).entries)
    return book


def decide(book: Overlay, fact: Fact, mapping: Mapping, letter: Letter | None = None) -> Outcome:
    """`policies.decide`; a mail on which our own code fails is set aside and stops nothing (promise 7)."""
    try:
        return policies.decide(book, fact, mapping, letter)
    except MailflowError:
        # The store's trouble, not the mail's: the whole batch is tried again.
        raise
    except Exception as error:
        if not isinstance(fact, MailFact):
            raise
        journal.mail_set_aside(seq=fact.seq, error=error)
        return policies.set_aside(fact, f"{type(error).__name__}: {error}"[:300])


def file_away(store: Store, mailbox: Mailbox, stop: Callable[[], bool] = lambda: False) -> PermanentError | None:
    """Flags or moves what is committed. What fails is tried again the next time; repeating is harmless.

    A mail that may not be moved holds up neither those behind it nor what comes in: the first refusal is returned.
    After some in a row no further mail is filed in this way this time; what was to be done before config.toml was
    mended does not hold up what is to be done since. Raises TransientError and AuthError.
    """
    first: PermanentError | None = None
    refused = Counter[str]()
    for filing in _filings(store, mailbox.name):
        if stop():
            break
        if refused[filing.action] == _MOST_REFUSED:
            continue
        try:
            mailbox.file(Place(filing.folder, filing.uidvalidity, filing.uid), filing.action)
        except AuthError:
            raise
        except PermanentError as error:
            first = first or error
            refused[filing.action] += 1
            continue
        refused[filing.action] = 0
        journal.step("filing.done")
        with store.write() as tx:
            tx.filing_done(filing.id)
    return first


def _filings(store: Store, mailbox: str) -> Iterator[FilingRow]:
    """A page at a time: after the first reading of an old mailbox there are as many as mails."""
    last = 0
    while True:
        with store.read() as reader:
            page = reader.filings(mailbox, last)
        if not page:
            return
        yield from page
        last = page[-1].id


# -- everything else that comes in -----------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _parsed(version: str, files: tuple[tuple[str, str], ...], settings: str) -> Mapping:
    # Under its own version: what a later release may set besides must not make another one of it (promise 5).
    mapping = mappings.parse(dict(files), Settings.model_validate_json(settings), taken=True)
    return mapping.model_copy(update={"version": version})


def mapping_of(fact: MappingFact) -> Mapping:
    """The mapping that was taken into use by `fact`."""
    return _parsed(fact.version, tuple(fact.files.items()), fact.settings)


def in_force(reader: Reader) -> Mapping:
    """The mapping in use: the one taken last, whatever has since been written into mappings/."""
    fact = reader.mapping()
    if fact is None:
        raise UserError("还没有数据。请先运行 mailflow once 或 mailflow run。", code=1)
    return mapping_of(fact)


def take_mapping(store: Store, mapping: Mapping, files: dict[str, str], now: datetime) -> bool:
    """Takes `mapping` into use, as a fact, unless it is the one in use. Returns whether it is a new one."""
    with store.read() as reader:
        current = reader.mapping()
    if current is not None and current.version == mapping.version:
        return False
    with store.write() as tx:
        fact = tx.add_mapping(now, mapping.version, files, mapping.settings.model_dump_json())
        book = _decided(tx, fact, mapping)
        _keep(tx, book)
        tx.touch(views.names(book, mapping))
    journal.mapping_taken(version=mapping.version)
    return True


class _RefusedError(MailflowError):
    """Rolls the transaction of a refused command back."""


def take_command(store: Store, now: datetime, matter: str, answer: str) -> str | None:
    """A decision by the command line. Returns why it was refused, in Chinese; a refused one leaves no trace."""
    try:
        with store.write() as tx:
            if refused := _take_decision(tx, now, matter, answer, "命令行", "command"):
                raise _RefusedError(refused)
    except _RefusedError as refusal:
        journal.decision_refused(matter=matter, by="命令行", channel="command", reason=str(refusal))
        return str(refusal)
    journal.decision_taken(matter=matter, by="命令行", channel="command")
    return None


def take_workbook(
    store: Store, now: datetime, workbook: str, changes: Sequence[CellChange], by: str, saved: datetime | None
) -> None:
    """What people did to a workbook, decisions apart."""
    if changes:
        with store.write() as tx:
            _keep(tx, _decided(tx, tx.add_workbook(now, workbook, by, saved, changes), in_force(tx)))
        journal.workbook_read(name=workbook, changes=len(changes), by=by)


def take_cells(store: Store, now: datetime, workbook: str, cells: Iterable[tuple[str, str]]) -> None:
    """Decisions read back from the cells of a workbook: (matter, answer). One that is refused is kept all the same,
    because the person at the sheet must see the reason there."""
    cells = list(cells)
    if not cells:
        return
    with store.write() as tx:
        for matter, answer in cells:
            refused = _take_decision(tx, now, matter, answer, workbook, "cell")
            journal.decision_taken(matter=matter, by=workbook, channel="cell")
            if refused:
                journal.decision_refused(matter=matter, by=workbook, channel="cell", reason=refused)


def _take_decision(
    tx: Writer, now: datetime, matter: str, answer: str, by: str, channel: Literal["command", "cell"]
) -> str | None:
    mapping = in_force(tx)
    fact = tx.add_decision(now, matter, answer, by, channel)
    book = Overlay(tx.book)
    outcome = policies.decide(book, fact, mapping)
    book.put(*outcome.entries)
    _keep(tx, book)
    return outcome.refused


def tick(store: Store, now: datetime) -> int:
    """Does what is due at `now`. Returns how many things were; a tick at which nothing is due leaves no trace."""
    with store.read() as reader:
        due = len(policies.due(reader.book, now))
    if due:
        with store.write() as tx:
            _keep(tx, _decided(tx, tx.add_tick(now), in_force(tx)))
        journal.tick(due=due)
    return due


def _decided(tx: Writer, fact: Fact, mapping: Mapping) -> Overlay:
    book = Overlay(tx.book)
    book.put(*policies.decide(book, fact, mapping).entries)
    return book


def _keep(tx: Writer, book: Overlay) -> None:
    """Derived rows, outbox rows and dirty workbooks, in the transaction of their facts (promise 2)."""
    rows = list(book.changes())
    if rows:
        tx.touch(views.touched(rows, book, book.base))
        tx.put(rows)
