"""The steps that lead from an empty database, or from an earlier release, to the tables of schema.py.

A step that has been released is never changed. What it makes is therefore written out here as it was, and says nothing
of what schema.py has come to say since.
"""

from __future__ import annotations

import json
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(Integer(), "sqlite")

_FIRST_ROWS: dict[str, tuple[str, ...]] = {
    "mail": ("message_id", "content", "resend", "disposition", "matter"),
    "project": ("first", "sales"),
    "report": ("project", "engineer", "writer", "registered", "place"),
    "case": ("kind", "state", "project", "owner", "place"),
    "complaint": ("engineer", "state", "project", "mail", "resend"),
    "ledger": ("engineer", "month", "for_month", "reversed_by"),
    "month": (),
    "held": ("state", "matter", "mail"),
    "due": ("state",),
    "notice": ("message_id", "matter"),
    "counter": (),
}
_FIRST_TOGETHER: dict[str, tuple[tuple[str, ...], ...]] = {
    "case": (("kind", "state"), ("kind", "owner"), ("kind", "place")),
    "complaint": (("engineer", "state"),),
    "ledger": (("engineer", "reversed_by"),),
    "report": (("engineer", "writer"), ("place", "registered")),
}


def first(connection: Connection) -> None:
    """The tables of the first release."""
    made = MetaData()
    _facts(made)
    _under_way(made)
    for name, fields in _FIRST_ROWS.items():
        _rows(made, name, fields, _FIRST_TOGETHER.get(name, ()))
    made.create_all(connection, checkfirst=False)


def conversations(connection: Connection) -> None:
    """Mail is found by the conversation that its Thread-Index names. Rows made before have none until a rebuild."""
    add_column(connection, "b_mail", "f_conversation", _TEXT)
    mail = Table("b_mail", MetaData(), Column("f_conversation", _TEXT), Column("key", _TEXT))
    Index("b_mail_conversation", mail.c.f_conversation, mail.c.key).create(connection)


def bounces(connection: Connection) -> None:
    """Delivery reports about notices. Those that came before are found by a rebuild."""
    made = MetaData()
    _rows(made, "bounce", ("notice", "final"), ())
    made.create_all(connection, checkfirst=False)


def cells(connection: Connection) -> None:
    """What people wrote in workbooks, and did to them."""
    made = MetaData()
    _rows(made, "cell_note", ("workbook",), ())
    _rows(made, "sheet_note", ("workbook", "same"), ())
    made.create_all(connection, checkfirst=False)


def correspondents(connection: Connection) -> None:
    """Whose mail was answered when, and what was handed over when: the caps on both ask for it."""
    made = MetaData()
    _rows(made, "correspondent", (), ())
    made.create_all(connection, checkfirst=False)
    outbox = Table("outbox", MetaData(), Column("claimed_at", _TEXT))
    Index("outbox_claimed", outbox.c.claimed_at).create(connection)


def recipients(connection: Connection) -> None:
    """What became of a notice for each recipient, which stood in its error until now; how often its answer was lost.

    And what lists of years are read by: notices by when they were due, filings by their mailbox.
    """
    add_column(connection, "outbox", "results", _TEXT)
    add_column(connection, "outbox", "doubts", Integer(), "NOT NULL DEFAULT 0")
    texts = [Column(name, _TEXT) for name in ("key", "state", "due", "error", "results")]
    outbox = Table("outbox", MetaData(), *texts, Column("attempts", Integer), Column("doubts", Integer))
    Index("outbox_due", outbox.c.due, outbox.c.key).create(connection)
    filing = Table("filing", MetaData(), Column("mailbox", _TEXT), Column("id", _NUMBER))
    Index("filing_mailbox", filing.c.mailbox, filing.c.id).create(connection)
    connection.execute(sa.update(outbox).where(outbox.c.state == "unclear").values(doubts=outbox.c.attempts))
    under_way = outbox.c.state.in_(("pending", "sending", "unclear")) & outbox.c.error.is_not(None)
    for row in connection.execute(sa.select(outbox.c.key, outbox.c.error).where(under_way)).all():
        if results := _results_in(row.error):
            values = {"results": json.dumps(results)}
            connection.execute(sa.update(outbox).where(outbox.c.key == row.key).values(values))


def _results_in(error: str) -> dict[str, str]:
    """What the error of a notice said of its recipients: 已送达 a@x.example b@x.example；拒收 c@x.example；…"""
    found = re.match("(?:已送达 ([^；]+)；)?(?:拒收 ([^；]+)；)?", error)
    taken, refused = ((one or "").split() for one in found.groups()) if found else ((), ())
    return dict.fromkeys(taken, "taken") | dict.fromkeys(refused, "refused")


def add_column(
    connection: Connection, table: str, column: str, type_: sa.types.TypeEngine[Any], rule: str = ""
) -> None:
    """A further column; without a `rule`, NULL in the rows that there are. SQLAlchemy Core has no words for this."""
    said = f"{type_.compile(dialect=connection.dialect)} {rule}"
    connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column} {said}"))


def _facts(made: MetaData) -> None:
    Table(
        "schema_version",
        made,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("version", Integer, nullable=False),
    )
    Table("mark", made, Column("name", _TEXT, primary_key=True), Column("value", _TEXT, nullable=False))
    Table(
        "blob",
        made,
        Column("digest", _TEXT, primary_key=True),
        Column("size", _NUMBER, nullable=False),
        Column("data", LargeBinary),
    )
    Table(
        "fact",
        made,
        Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        Column("time", _TEXT, nullable=False),
        Column("kind", _TEXT, nullable=False),
        Column("body", _TEXT),
        Index("fact_kind", "kind", "seq"),
        Index("fact_time", "time"),
    )
    Table(
        "fact_mail",
        made,
        Column("seq", _NUMBER, ForeignKey("fact.seq"), primary_key=True, autoincrement=False),
        Column("mailbox", _TEXT, nullable=False),
        Column("folder", _TEXT, nullable=False),
        Column("uidvalidity", _TEXT, nullable=False),
        Column("uid", _TEXT, nullable=False),
        Column("digest", _TEXT, ForeignKey("blob.digest"), nullable=False),
        sa.UniqueConstraint("mailbox", "folder", "uidvalidity", "uid", name="fact_mail_place"),
    )


def _under_way(made: MetaData) -> None:
    Table("cursor", made, Column("mailbox", _TEXT, primary_key=True), Column("cursor", _TEXT, nullable=False))
    Table(
        "filing",
        made,
        Column("id", _NUMBER, primary_key=True),
        Column("mailbox", _TEXT, nullable=False),
        Column("folder", _TEXT, nullable=False),
        Column("uidvalidity", _TEXT, nullable=False),
        Column("uid", _TEXT, nullable=False),
        Column("action", _TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
    Table(
        "outbox",
        made,
        Column("key", _TEXT, primary_key=True),
        Column("state", _TEXT, nullable=False),
        Column("due", _TEXT, nullable=False),
        Column("attempts", Integer, nullable=False, default=0),
        Column("claimed_at", _TEXT),
        Column("sent_at", _TEXT),
        Column("error", _TEXT),
        Column("mime", LargeBinary),
        Index("outbox_state", "state", "due", "key"),
    )
    Table(
        "workbook",
        made,
        Column("name", _TEXT, primary_key=True),
        Column("wanted", _NUMBER, nullable=False),
        Column("published", _NUMBER, nullable=False, default=0),
        Column("content_hash", _TEXT),
        Column("base", LargeBinary),
        Column("blocked", _TEXT),
        Column("blocked_since", _TEXT),
        Column("published_at", _TEXT),
    )


def _rows(made: MetaData, table: str, fields: tuple[str, ...], together: tuple[tuple[str, ...], ...]) -> None:
    """A table of derived rows: the key, the indexed fields, and the row as JSON."""
    name = f"b_{table}"
    alone = [(field,) for field in fields if field not in {several[0] for several in together}]
    Table(
        name,
        made,
        Column("key", _TEXT, primary_key=True),
        *(Column(f"f_{field}", _TEXT) for field in fields),
        Column("body", _TEXT, nullable=False),
        *(Index(f"{name}_{'_'.join(one)}", *(f"f_{field}" for field in one), "key") for one in (*together, *alone)),
    )
