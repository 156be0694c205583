"""The tables, and the steps that lead to them from any earlier release. SQLAlchemy Core; no dialect's own SQL.

Three kinds of tables: what came in (fact, fact_mail, blob), which is append-only; what was worked out from it (b_*,
one for each row type of core.records), which `rebuild` can make again; and what is under way (cursor, filing, outbox,
workbook), which neither may lose.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

from mailflow.core.records import ROW_TYPES, Row
from mailflow.errors import UserError
from mailflow.store import migrations

metadata = MetaData()

# Keys sort by code point, as Python sorts them, whatever the collation of the server is (core.book: order of keys).
TEXT = Text().with_variant(Text(collation="C"), "postgresql")
# Large on PostgreSQL; on SQLite only a column that is exactly INTEGER is the row's own number.
NUMBER = sa.BigInteger().with_variant(Integer(), "sqlite")

schema_version = Table(
    "schema_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)
mark = Table(
    "mark",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)
"""What proves that something remembered is still true, e.g. the register of projects; when the brakes were let go;
which account stands behind a mailbox's name."""

blob = Table(
    "blob",
    metadata,
    Column("digest", TEXT, primary_key=True),
    Column("size", NUMBER, nullable=False),
    Column("data", LargeBinary),
)
"""Raw mail, zlib-compressed, named by the SHA-256 of the raw bytes. data NULL: in a file (archive.py)."""

fact = Table(
    "fact",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("time", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("body", TEXT),
    Index("fact_kind", "kind", "seq"),
    Index("fact_time", "time"),
)
"""body: JSON of a decision or a mapping, or of what checking a mail's signatures found; else NULL."""

fact_mail = Table(
    "fact_mail",
    metadata,
    Column("seq", NUMBER, ForeignKey("fact.seq"), primary_key=True, autoincrement=False),
    Column("mailbox", TEXT, nullable=False),
    Column("folder", TEXT, nullable=False),
    Column("uidvalidity", TEXT, nullable=False),
    Column("uid", TEXT, nullable=False),
    Column("digest", TEXT, ForeignKey("blob.digest"), nullable=False),
    sa.UniqueConstraint("mailbox", "folder", "uidvalidity", "uid", name="fact_mail_place"),
)
"""Identity on the server: (mailbox, folder, UIDVALIDITY, UID) (mail.md §4, 2)."""

cursor = Table(
    "cursor",
    metadata,
    Column("mailbox", TEXT, primary_key=True),
    Column("cursor", TEXT, nullable=False),
)
filing = Table(
    "filing",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("mailbox", TEXT, nullable=False),
    Column("folder", TEXT, nullable=False),
    Column("uidvalidity", TEXT, nullable=False),
    Column("uid", TEXT, nullable=False),
    Column("action", TEXT, nullable=False),
    Index("filing_mailbox", "mailbox", "id"),
    sqlite_autoincrement=True,  # a number is never given twice: a late filing_done must not hit another mail
)
outbox = Table(
    "outbox",
    metadata,
    Column("key", TEXT, primary_key=True),
    Column("state", TEXT, nullable=False),
    Column("due", TEXT, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("claimed_at", TEXT),
    Column("sent_at", TEXT),
    Column("error", TEXT),
    Column("mime", LargeBinary),
    Column("results", TEXT),
    Column("doubts", Integer, nullable=False, server_default="0"),
    Index("outbox_state", "state", "due", "key"),
    Index("outbox_claimed", "claimed_at"),
    Index("outbox_due", "due", "key"),
)
"""results: JSON of what became of it for each recipient; NULL: nothing yet. error: for people alone."""
workbook = Table(
    "workbook",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("wanted", NUMBER, nullable=False),
    Column("published", NUMBER, nullable=False, default=0),
    Column("content_hash", TEXT),
    Column("base", LargeBinary),
    Column("blocked", TEXT),
    Column("blocked_since", TEXT),
    Column("published_at", TEXT),
)

TOGETHER: dict[str, tuple[tuple[str, ...], ...]] = {
    "case": (("kind", "state"), ("kind", "owner"), ("kind", "place")),
    "complaint": (("engineer", "state"),),
    "ledger": (("engineer", "reversed_by"),),
    "report": (("engineer", "writer"), ("place", "registered")),
}
"""Fields that are asked for together: one index for them. Every other indexed field has an index of its own."""


def field_column(name: str) -> str:
    """The column of an indexed field: prefixed, so that no field can collide with `key` and `body`."""
    return f"f_{name}"


def _derived(kind: type[Row]) -> Table:
    name = f"b_{kind.table}"
    together = TOGETHER.get(kind.table, ())
    alone = [(field,) for field in kind.indexed if field not in {fields[0] for fields in together}]
    indexes = [Index(f"{name}_{'_'.join(fields)}", *map(field_column, fields), "key") for fields in (*together, *alone)]
    fields = [Column(field_column(field), TEXT) for field in kind.indexed]
    return Table(
        name, metadata, Column("key", TEXT, primary_key=True), *fields, Column("body", TEXT, nullable=False), *indexes
    )


DERIVED: dict[type[Row], Table] = {kind: _derived(kind) for kind in ROW_TYPES}


STEPS: tuple[Callable[[Connection], None], ...] = (
    migrations.first,
    migrations.conversations,
    migrations.bounces,
    migrations.cells,
    migrations.correspondents,
    migrations.recipients,
)
"""Step n leads from version n to n + 1; a store that was opened has taken all of them. Only ever appended to: a change
of a table above comes with a step in migrations.py that changes the tables that there are."""


def version_of(connection: Connection) -> int:
    """0: nothing there yet."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return 0
    return connection.execute(sa.select(schema_version.c.version)).scalar_one_or_none() or 0


def upgrade(connection: Connection) -> int:
    """Takes the missing steps within the transaction at hand; returns the version that was found.

    Raises UserError when the store was made by a newer release: writing to it would damage it.
    """
    found = version_of(connection)
    check(found)
    for step in STEPS[found:]:
        step(connection)
    if found == 0:
        connection.execute(schema_version.insert().values(id=1, version=len(STEPS)))
    elif found < len(STEPS):
        connection.execute(sa.update(schema_version).values(version=len(STEPS)))
    return found


def check(found: int) -> None:
    if found > len(STEPS):
        raise UserError(
            f"数据库是由更新版本的 mailflow 建立的（结构版本 {found}，本程序只认识到 {len(STEPS)}）。"
            "请升级 mailflow，或恢复升级前的备份。"
        )
