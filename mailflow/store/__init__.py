"""The store: what came in, what was worked out from it, and what is under way.

store.py opens it and gives out transactions: reader.py and writer.py. schema.py has the tables, book.py answers
core.book from them, archive.py keeps raw mail, outbox.py what leaves, engine.py all that is SQLite's or PostgreSQL's.
"""

from mailflow.store.book import StoreBook
from mailflow.store.compare import compare
from mailflow.store.outbox import OutboxRow, Result, number_of
from mailflow.store.reader import FilingRow, Reader, WorkbookRow
from mailflow.store.store import Store, scratch
from mailflow.store.writer import Writer

__all__ = [
    "FilingRow", "OutboxRow", "Reader", "Result", "Store", "StoreBook", "WorkbookRow", "Writer", "compare",
    "number_of", "scratch",
]  # fmt: skip
