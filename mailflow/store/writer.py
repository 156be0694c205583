"""What may be written within one transaction of the store."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    Insert,
    Table,
    bindparam,
    delete,
    func,
    null,
    select,
    update,
)

from mailflow.core.facts import CellChange, DecisionFact, MailFact, MappingFact, Signatures, TickFact, WorkbookFact
from mailflow.core.records import Notice, Project, Row
from mailflow.errors import TransientError
from mailflow.store import outbox
from mailflow.store.archive import LARGE, digest_of, pack
from mailflow.store.book import REGISTER
from mailflow.store.engine import upsert, write_rows
from mailflow.store.reader import LAST_SEQ, Reader, Shared, account_mark
from mailflow.store.rows import clean, signatures_json, stamp, to_columns, utc, workbook_body
from mailflow.store.schema import DERIVED, blob, cursor, fact, fact_mail, filing, mark, workbook
from mailflow.store.schema import outbox as outbox_table

_HELD_BACK = 200

_IS_KNOWN = select(fact_mail.c.seq).where(
    fact_mail.c.mailbox == bindparam("mailbox"),
    fact_mail.c.folder == bindparam("folder"),
    fact_mail.c.uidvalidity == bindparam("uidvalidity"),
    fact_mail.c.uid == bindparam("uid"),
)
_FILED = delete(filing).where(filing.c.id == bindparam("filed"))


class Writer(Reader):
    """One transaction: all of it is committed when `Store.write` ends, or nothing.

    New facts are held back and written in one go before any fact is asked for; the statements are built once.
    """

    def __init__(self, connection: Connection, shared: Shared) -> None:
        super().__init__(connection, shared)
        self._statements = _statements(connection.dialect.name)
        self._last_seq: int | None = None
        self._blobs: dict[str, dict[str, Any]] = {}
        self._facts: list[dict[str, Any]] = []
        self._mails: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        self._new: set[tuple[str, str, str, str]] = set()
        """Places on a server of which it is known that nothing was taken in from there."""

    def _ask_facts(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[Any]:
        self.flush()
        return self._ask(statement, values)

    def _many(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self._connection.execute(statement, rows)

    def flush(self) -> None:
        """Writes the facts that were held back."""
        if not self._facts:
            return
        blobs, facts, mails = list(self._blobs.values()), self._facts, list(self._mails.values())
        self._blobs, self._facts, self._mails = {}, [], {}
        for statement, rows in zip(self._statements.facts, (blobs, facts, mails), strict=True):
            write_rows(self._connection, statement, rows)

    # -- facts

    def expect_mails(self, mailbox: str, folder: str, uidvalidity: str, uids: Sequence[str]) -> None:
        """`add_mail` is going to be called for these: which of them are known is looked up for all together."""
        known = self.known(mailbox, folder, uidvalidity, uids)
        self._new.update((mailbox, folder, uidvalidity, uid) for uid in uids if uid not in known)

    def add_mail(
        self,
        mailbox: str,
        folder: str,
        uidvalidity: str,
        uid: str,
        received: datetime,
        raw: bytes,
        signatures: Signatures | None = None,
    ) -> MailFact | None:
        """Archives a mail and appends its fact. None when this place on the server was taken in already.

        `signatures`: what checking them found, if that was done.

        TransientError when a large mail cannot be written to the archive.
        """
        place = (mailbox, folder, uidvalidity, uid)
        where = {"mailbox": mailbox, "folder": folder, "uidvalidity": uidvalidity, "uid": uid}
        if place not in self._new and (place in self._mails or self._column(_IS_KNOWN, where)):
            return None
        self._new.discard(place)
        digest = digest_of(raw)
        self._archive(digest, raw)
        seq = self._append(received, "mail", signatures_json(signatures) if signatures else None)
        self._mails[place] = {"seq": seq, **where, "digest": digest}
        return MailFact(seq=seq, time=utc(received), **where, digest=digest, raw=raw, signatures=signatures)

    def _archive(self, digest: str, raw: bytes) -> None:
        if digest in self._blobs:
            return
        packed: bytes | None = pack(raw)
        if packed is not None and len(packed) > LARGE:
            try:
                self._shared.archive.keep(digest, packed)
            except OSError as error:
                raise TransientError(f"邮件归档写不进去：{error.strerror}。请检查数据目录的磁盘空间和权限。") from error
            packed = None
        self._blobs[digest] = {"digest": digest, "size": len(raw), "data": packed}

    def add_decision(
        self, time: datetime, matter: str, answer: str, by: str, channel: Literal["command", "cell"]
    ) -> DecisionFact:
        body = {"matter": matter, "answer": answer, "by": by, "channel": channel}
        seq = self._append(time, "decision", body)
        return DecisionFact(seq=seq, time=utc(time), matter=matter, answer=answer, by=by, channel=channel)

    def add_workbook(
        self, time: datetime, workbook: str, by: str, saved: datetime | None, changes: Sequence[CellChange]
    ) -> WorkbookFact:
        fact = WorkbookFact(
            seq=0, time=utc(time), workbook=workbook, by=by, saved=saved and utc(saved), changes=tuple(changes)
        )
        return replace(fact, seq=self._append(time, "workbook", workbook_body(fact)))

    def add_tick(self, time: datetime) -> TickFact:
        return TickFact(seq=self._append(time, "tick", None), time=utc(time))

    def add_mapping(self, time: datetime, version: str, files: dict[str, str], settings: str) -> MappingFact:
        seq = self._append(time, "mapping", {"version": version, "files": files, "settings": settings})
        return MappingFact(seq=seq, time=utc(time), version=version, files=dict(files), settings=settings)

    def _append(self, time: datetime, kind: str, body: dict[str, Any] | None) -> int:
        """The next number. Nobody else takes it: one transaction writes at a time, and numbers are never given back."""
        if len(self._facts) >= _HELD_BACK:
            self.flush()
        if self._last_seq is None:
            self._last_seq = int(self._connection.execute(LAST_SEQ).scalar_one())
        text = None if body is None else json.dumps(body)
        self._facts.append({"seq": self._last_seq + 1, "time": stamp(time), "kind": kind, "body": text})
        self._last_seq += 1
        return self._last_seq

    # -- what was worked out

    def put(self, rows: Iterable[Row]) -> None:
        """Writes rows of the book; one with a known key takes the old one's place, the later of two the earlier's.

        A new notice is put into the outbox too; what the outbox has already is never touched (promise 4).
        """
        sorted_out: dict[type[Row], dict[str, Row]] = {}
        for row in rows:
            sorted_out.setdefault(type(row), {})[row.key] = row
        for kind, by_key in sorted_out.items():
            write_rows(self._connection, self._statements.put[kind], [to_columns(row) for row in by_key.values()])
        notices = [row for row in sorted_out.get(Notice, {}).values() if isinstance(row, Notice)]
        self._many(self._statements.new_notice, outbox.new_rows(notices))
        if Project in sorted_out:
            self._mark_register()

    def clear_derived(self) -> None:
        """Empties what was worked out. Facts, archive, cursors, filings, outbox and workbooks stay."""
        for table in DERIVED.values():
            self._ask(delete(table))
        self._mark_register()

    def _mark_register(self) -> None:
        self._ask(self._statements.set_mark, {"name": REGISTER, "value": secrets.token_hex(16)})
        self.book.forget_register()

    # -- mailboxes

    def keep_account(self, mailbox: str, account: str) -> None:
        """Whose UIDs and cursor the mailbox's name stands for: the first one, for good."""
        self._ask(self._statements.first_mark, {"name": account_mark(mailbox), "value": clean(account)})

    def set_cursor(self, mailbox: str, cursor: str) -> None:
        self._ask(self._statements.set_cursor, {"mailbox": mailbox, "cursor": clean(cursor)})

    def add_filing(self, mailbox: str, folder: str, uidvalidity: str, uid: str, action: str) -> None:
        """Notes that a mail is to be flagged or moved once this transaction is committed (promise 1)."""
        place = {"mailbox": mailbox, "folder": folder, "uidvalidity": uidvalidity, "uid": uid}
        self._ask(self._statements.add_filing, {**place, "action": action})

    def filing_done(self, id: int) -> None:  # noqa: A002  # the column's name
        """Harmless when it was done already."""
        self._ask(_FILED, {"filed": id})

    # -- the outbox

    def claim(self, key: str, now: datetime, mime: bytes) -> bool:
        """pending -> sending. False: somebody else has it, or it is not pending."""
        return self._ask(outbox.claim(key, now, mime)).rowcount == 1

    def settle(
        self,
        key: str,
        state: str,
        now: datetime,
        error: str | None = None,
        due: datetime | None = None,
        results: Mapping[str, outbox.Result] | None = None,
        doubts: int | None = None,
    ) -> bool:
        """Writes down what became of a claimed notice; see outbox.MOVES. `due`: when to try again, if pending.
        `results`: of each recipient so far; None: as known before. `doubts`: likewise; "unclear" is one more."""
        return self._ask(outbox.settle(key, state, now, error, due, results, doubts)).rowcount == 1

    def send_again(self, row: outbox.OutboxRow, now: datetime) -> bool:
        """A person wants a notice to go once more; see outbox.again."""
        return self._ask(outbox.again(row, now)).rowcount == 1

    def release(self, now: datetime) -> None:
        """A person has let go what the brakes of sending held."""
        self._ask(self._statements.set_mark, {"name": outbox.RELEASED, "value": stamp(now)})

    # -- workbooks

    def touch(self, names: Iterable[str]) -> None:
        """These workbooks are wanted anew."""
        self._many(self._statements.touch, [{"name": clean(name), "wanted": 1} for name in sorted(set(names))])

    def workbook_published(self, name: str, version: int, content_hash: str, base: bytes, now: datetime) -> None:
        """The file says what was wanted at `version`. What was wanted meanwhile stays due."""
        values = {"name": clean(name), "published": version, "content_hash": content_hash, "base": base}
        self._ask(self._statements.published, {**values, "wanted": version, "published_at": stamp(now)})

    def workbook_reset(self, name: str) -> None:
        """The file is to be made anew: nothing is known of it any more, and it is behind."""
        values = {"content_hash": null(), "base": null(), "blocked": null(), "blocked_since": null()}
        self._ask(update(workbook).where(workbook.c.name == clean(name)).values(wanted=workbook.c.wanted + 1, **values))

    def workbook_blocked(self, name: str, reason: str, now: datetime) -> None:
        """The file cannot be written now; since when is kept from the first time on."""
        values = {"name": clean(name), "blocked": clean(reason), "blocked_since": stamp(now)}
        self._ask(self._statements.blocked, {**values, "wanted": 1})


class Statements:
    """The INSERTs of one dialect."""

    def __init__(self, dialect: str) -> None:
        keep_blob = upsert(dialect, blob).on_conflict_do_nothing(index_elements=["digest"])
        self.facts = (keep_blob, fact.insert(), fact_mail.insert())
        self.add_filing = filing.insert()
        self.new_notice = upsert(dialect, outbox_table).on_conflict_do_nothing(index_elements=["key"])
        self.put = {kind: _replacing(dialect, table) for kind, table in DERIVED.items()}
        self.set_cursor = _replacing(dialect, cursor)
        self.set_mark = _replacing(dialect, mark)
        self.first_mark = upsert(dialect, mark).on_conflict_do_nothing(index_elements=["name"])
        self.touch, self.published, self.blocked = _workbook_statements(dialect)


@cache
def _statements(dialect: str) -> Statements:
    return Statements(dialect)


def _replacing(dialect: str, table: Table) -> Insert:
    """INSERT, or where the key exists, UPDATE of everything else."""
    statement = upsert(dialect, table)
    keys = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=values)


def _workbook_statements(dialect: str) -> tuple[Insert, Insert, Insert]:
    new = upsert(dialect, workbook)
    wanted_anew = {"wanted": workbook.c.wanted + 1}
    published: dict[str, Any] = {
        name: new.excluded[name] for name in ("published", "content_hash", "base", "published_at")
    }
    published |= {"blocked": null(), "blocked_since": null()}
    blocked = {
        "blocked": new.excluded.blocked,
        "blocked_since": func.coalesce(workbook.c.blocked_since, new.excluded.blocked_since),
    }
    touch, publish, block = (
        new.on_conflict_do_update(index_elements=["name"], set_=values) for values in (wanted_anew, published, blocked)
    )
    return touch, publish, block
