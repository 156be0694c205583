"""What may be asked of the store within one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, Select, bindparam, func, select
from sqlalchemy.exc import SQLAlchemyError

from mailflow.core.facts import DecisionFact, Fact, MailFact, MappingFact, Signatures, TickFact
from mailflow.core.records import Row
from mailflow.errors import TransientError
from mailflow.store import outbox
from mailflow.store.archive import Archive, unpack
from mailflow.store.book import Remembered, StoreBook
from mailflow.store.engine import first_column, meaning_of
from mailflow.store.outbox import OutboxRow
from mailflow.store.rows import clean, instant, optional_instant, stamp, to_row, to_signatures, to_workbook_fact
from mailflow.store.schema import DERIVED, blob, cursor, fact, fact_mail, filing, mark, workbook

R = TypeVar("R", bound=Row)

_CHUNK = 500
"""Values in an IN list, and rows in a page of a long listing."""


@dataclass(frozen=True, kw_only=True)
class FilingRow:
    """A committed mail that is still to be flagged or moved on the server."""

    id: int
    mailbox: str
    folder: str
    uidvalidity: str
    uid: str
    action: str


@dataclass(frozen=True, kw_only=True)
class WorkbookRow:
    """How far a workbook's file is behind what is wanted: it is due when `published` < `wanted`."""

    name: str
    wanted: int
    published: int
    content_hash: str | None
    base: bytes | None = None
    """What the file said when it was last written, in the sheets' own form. Only `Reader.workbook` reads it."""
    blocked: str | None
    blocked_since: datetime | None
    published_at: datetime | None


@dataclass(frozen=True)
class Shared:
    """What all transactions of a store have in common."""

    archive: Archive
    remembered: Remembered
    fallback: Callable[[str], bytes] | None = None
    """Where raw mail is looked for that is not here: the store of which this one is a scratch copy."""


_FOLDER = (
    (fact_mail.c.mailbox == bindparam("mailbox"))
    & (fact_mail.c.folder == bindparam("folder"))
    & (fact_mail.c.uidvalidity == bindparam("uidvalidity"))
)
_CURSOR = select(cursor.c.cursor).where(cursor.c.mailbox == bindparam("mailbox"))
_UIDS = select(fact_mail.c.uid).where(_FOLDER)
_KNOWN = _UIDS.where(fact_mail.c.uid.in_(bindparam("uids", expanding=True)))
_BLOB = select(blob.c.data).where(blob.c.digest == bindparam("digest"))
_FACTS = (
    select(fact, fact_mail, blob.c.digest.label("archived"), blob.c.data)
    .join(fact_mail, fact_mail.c.seq == fact.c.seq, isouter=True)
    .join(blob, blob.c.digest == fact_mail.c.digest, isouter=True)
)
_FACTS_AFTER = _FACTS.where(fact.c.seq > bindparam("after")).order_by(fact.c.seq).limit(100)
_FACT = _FACTS.where(fact.c.seq == bindparam("seq"))
_CHECKED = (
    select(fact.c.body)
    .join(fact_mail, fact_mail.c.seq == fact.c.seq)
    .where(fact_mail.c.digest == bindparam("digest"), fact.c.body.is_not(None))
    .order_by(fact.c.seq)
    .limit(1)
)
_MAPPING = select(fact).where(fact.c.kind == "mapping").order_by(fact.c.seq.desc()).limit(1)
LAST_SEQ = select(func.coalesce(func.max(fact.c.seq), 0))
_LAST_TIME = select(func.max(fact.c.time))
_COUNT = (
    select(fact_mail.c.mailbox, func.count().label("mails")).group_by(fact_mail.c.mailbox).order_by(fact_mail.c.mailbox)
)
# Not a join: SQLite would go through all that the mailbox ever got.
_its_mailbox = select(fact_mail.c.mailbox).where(fact_mail.c.seq == fact.c.seq).scalar_subquery()
_ARRIVALS = select(fact.c.time).where(fact.c.time >= bindparam("since"), _its_mailbox == bindparam("mailbox"))
_LAST_MAILS = (
    select(fact_mail.c.mailbox, func.max(fact.c.time).label("time"))
    .join(fact, fact.c.seq == fact_mail.c.seq)
    .group_by(fact_mail.c.mailbox)
)
_MARK = select(mark.c.value).where(mark.c.name == bindparam("name"))
_FILINGS = (
    select(filing)
    .where(filing.c.mailbox == bindparam("mailbox"), filing.c.id > bindparam("after"))
    .order_by(filing.c.id)
    .limit(_CHUNK)
)
# Without `base`, which may be large: everybody's are looked at every second, and one is published now and then.
_WORKBOOKS = select(*(column for column in workbook.c if column.name != "base")).order_by(workbook.c.name)
_WORKBOOK = select(workbook).where(workbook.c.name == bindparam("name"))


def account_mark(mailbox: str) -> str:
    return clean(f"account:{mailbox}")


class Reader:
    """One consistent snapshot of the store. Used by one thread, within `Store.read`."""

    def __init__(self, connection: Connection, shared: Shared) -> None:
        self._connection = connection
        self._shared = shared
        self.book = StoreBook(self._ask, self._column, shared.remembered)

    def _ask(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        try:
            return self._connection.execute(statement, values)
        except SQLAlchemyError as error:  # translated here already: the caller may catch all and set a mail aside
            raise meaning_of(error) from error

    def _column(self, statement: Select[Any], values: Mapping[str, Any]) -> list[Any]:
        """For small questions that are asked for every mail."""
        try:
            return first_column(self._connection, statement, values)
        except SQLAlchemyError as error:
            raise meaning_of(error) from error

    def _ask_facts(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        """For what the facts or the archive must answer."""
        return self._ask(statement, values)

    # -- what came in

    def cursor(self, mailbox: str) -> str | None:
        """The mailbox's cursor as of its last committed batch."""
        return self._ask(_CURSOR, {"mailbox": mailbox}).scalar()

    def account(self, mailbox: str) -> str | None:
        """Who stands behind the mailbox's name, since it was first read; None: nobody has read it so far."""
        return self._ask(_MARK, {"name": account_mark(mailbox)}).scalar()

    def known(self, mailbox: str, folder: str, uidvalidity: str, uids: Sequence[str]) -> set[str]:
        """Those of `uids` whose mail is committed."""
        place = {"mailbox": mailbox, "folder": folder, "uidvalidity": uidvalidity}
        found: set[str] = set()
        for start in range(0, len(uids), _CHUNK):
            found.update(self._ask_facts(_KNOWN, {**place, "uids": list(uids[start : start + _CHUNK])}).scalars())
        return found

    def uids(self, mailbox: str, folder: str, uidvalidity: str) -> set[str]:
        """All UIDs taken in from this folder, for reconciliation (promise 3)."""
        place = {"mailbox": mailbox, "folder": folder, "uidvalidity": uidvalidity}
        return set(self._ask_facts(_UIDS, place).scalars())

    def raw(self, digest: str) -> bytes:
        """A mail byte for byte. PermanentError when it is missing or damaged, TransientError when it cannot be read."""
        found = self._ask_facts(_BLOB, {"digest": digest}).first()
        if found is None and self._shared.fallback is not None:
            return self._shared.fallback(digest)
        return self._unpacked(digest, found is not None, found.data if found else None)

    def _unpacked(self, digest: str, archived: bool, data: bytes | None) -> bytes:
        if archived and data is None:
            try:
                data = self._shared.archive.load(digest)
            except OSError as error:
                raise TransientError(f"归档文件读不出来：{error.strerror}。") from error
        return unpack(digest, data)

    def facts(self, after: int = 0) -> Iterator[Fact]:
        """All facts with a higher number, in order, a page at a time. Raises as `raw` does."""
        while page := self._ask_facts(_FACTS_AFTER, {"after": after}).all():
            for found in page:
                yield self._fact(found)
            after = page[-1].seq

    def fact(self, seq: int) -> Fact | None:
        """One fact, with its raw bytes. Raises as `raw` does."""
        found = self._ask_facts(_FACT, {"seq": seq}).first()
        return None if found is None else self._fact(found)

    def _fact(self, found: Any) -> Fact:
        seq, time = found.seq, instant(found.time)
        if found.kind == "mail":
            return MailFact(
                seq=seq,
                time=time,
                mailbox=found.mailbox,
                folder=found.folder,
                uidvalidity=found.uidvalidity,
                uid=found.uid,
                digest=found.digest,
                raw=self._unpacked(found.digest, found.archived is not None, found.data),
                signatures=to_signatures(found.body) if found.body else None,
            )
        if found.kind == "decision":
            return DecisionFact(seq=seq, time=time, **json.loads(found.body))
        if found.kind == "mapping":
            return MappingFact(seq=seq, time=time, **json.loads(found.body))
        if found.kind == "workbook":
            return to_workbook_fact(seq, time, found.body)
        return TickFact(seq=seq, time=time)

    def signatures(self, digest: str) -> Signatures | None:
        """What was found when a mail with these bytes was first fetched; None: nothing was checked."""
        body = self._ask_facts(_CHECKED, {"digest": digest}).scalar()
        return to_signatures(body) if body else None

    def last_time(self) -> datetime | None:
        """The newest time of any fact."""
        return optional_instant(self._ask_facts(_LAST_TIME).scalar())

    def mapping(self) -> MappingFact | None:
        """The mapping that was taken into use last."""
        found = self._ask_facts(_MAPPING).first()
        if found is None:
            return None
        return _mapping_fact(found.seq, found.time, found.body)

    def count_mails(self) -> dict[str, int]:
        """How many mails were taken in, by mailbox."""
        return {found.mailbox: found.mails for found in self._ask_facts(_COUNT)}

    def arrivals(self, mailbox: str, since: datetime) -> list[datetime]:
        """When the mails of a mailbox came that came after `since`, in the server's time."""
        values = {"mailbox": mailbox, "since": stamp(since)}
        return [instant(found.time) for found in self._ask_facts(_ARRIVALS, values)]

    def last_mails(self) -> dict[str, datetime]:
        """When the newest mail of each mailbox came, in the server's time."""
        return {found.mailbox: instant(found.time) for found in self._ask_facts(_LAST_MAILS)}

    # -- what is under way

    def outbox(self, *, states: Sequence[str] = ()) -> list[OutboxRow]:
        """Notices in these states (none named: all), the longest due first."""
        return outbox.listed(self._ask, states)

    def notices_in_doubt(self, most: int) -> list[OutboxRow]:
        """Notices of which nobody knows whether they have gone, without those that were so `most` times or more."""
        return outbox.in_doubt(self._ask, most)

    def due_notices(self, now: datetime, latest: datetime) -> list[str]:
        """Keys of the notices that are to go at `now`, the longest due first. No next try is later than `latest`."""
        return outbox.due(self._ask, now, latest)

    def notice(self, key: str) -> OutboxRow | None:
        """One row of the outbox."""
        return outbox.one(self._ask, key)

    def notice_numbered(self, number: str) -> OutboxRow | None:
        """The row of the outbox that a person calls `number` (OutboxRow.number)."""
        return outbox.numbered(self._ask, number)

    def newest_notices(self) -> Iterator[OutboxRow]:
        """All notices, the last due first, a page at a time."""
        return outbox.newest(self._ask, _CHUNK)

    def filings(self, mailbox: str, after: int = 0) -> list[FilingRow]:
        """What is still to be flagged or moved in a mailbox, oldest first: a page of those with higher numbers."""
        return [FilingRow(**found) for found in self._ask(_FILINGS, {"mailbox": mailbox, "after": after}).mappings()]

    def count_notices(self) -> dict[str, int]:
        """How many notices are in which state."""
        return outbox.counted(self._ask)

    def handed_over(self, since: datetime, until: datetime) -> list[datetime]:
        """When notices were handed to a server, or that was begun, from `since` to `until`; in order."""
        return outbox.handed_over(self._ask, since, until)

    def released(self) -> datetime | None:
        """When a person last let go what the brakes of sending held."""
        return optional_instant(self._ask(_MARK, {"name": outbox.RELEASED}).scalar())

    def stuck_notices(self) -> list[tuple[str, str]]:
        """(key, why) of the notices that could not be sent so far, and are tried again or need a person."""
        return outbox.stuck(self._ask)

    def workbooks(self) -> list[WorkbookRow]:
        """All workbooks that were ever wanted, by name; `base` is left out."""
        return [_workbook(dict(found)) for found in self._ask(_WORKBOOKS).mappings()]

    def workbook(self, name: str) -> WorkbookRow | None:
        """One workbook with its `base`."""
        found = self._ask(_WORKBOOK, {"name": clean(name)}).mappings().first()
        return None if found is None else _workbook(dict(found))

    # -- what was worked out

    def newest(self, kind: type[R]) -> Iterator[R]:
        """All rows of this kind, the last made first, a page at a time: who wants the last twenty reads no more."""
        table = DERIVED[kind]
        statement = select(table.c.key, table.c.body).order_by(table.c.key.desc()).limit(_CHUNK)
        page = self._ask(statement).all()
        while page:
            yield from (to_row(kind, found.body) for found in page)
            page = self._ask(statement.where(table.c.key < page[-1].key)).all()

    def derived(self, kind: type[Row]) -> Iterator[Mapping[str, str | None]]:
        """The stored columns of all rows of this kind, in the order of keys, a page at a time. For `compare`."""
        table = DERIVED[kind]
        statement = select(table).where(table.c.key > bindparam("after")).order_by(table.c.key).limit(_CHUNK)
        after = ""
        while page := self._ask(statement, {"after": after}).mappings().all():
            yield from ({str(name): value for name, value in found.items()} for found in page)
            after = page[-1]["key"]


@lru_cache(maxsize=4)
def _mapping_fact(seq: int, time: str, body: str) -> MappingFact:
    """Asked for with every batch, and large."""
    return MappingFact(seq=seq, time=instant(time), **json.loads(body))


def _workbook(found: dict[str, Any]) -> WorkbookRow:
    for name in ("blocked_since", "published_at"):
        found[name] = optional_instant(found[name])
    return WorkbookRow(**found)
