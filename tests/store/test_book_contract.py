"""What every book answers, whoever answers it: memory, overlay, SQLite, PostgreSQL (style, habit 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta, timezone
from itertools import combinations

import pytest

from mailflow.core.book import Answers, Book, Overlay, column, memory_book
from mailflow.core.records import (
    ROW_TYPES,
    Case,
    Complaint,
    Counter,
    Mail,
    Project,
    Report,
    Row,
)  # fmt: skip
from mailflow.store import Store
from tests.store import samples

Make = Callable[[Sequence[Row]], Book]


class BookContract:
    """Subclasses say how a book comes to hold rows."""

    @pytest.fixture
    def make(self) -> Make:
        """Makes a book in which these rows were put, in this order."""
        raise NotImplementedError

    def test_a_row_is_found_by_its_key_and_is_what_was_put(self, make: Make) -> None:
        book = make(samples.everything())
        for row in samples.everything():
            assert book.get(type(row), row.key) == row

    def test_an_unknown_key_gives_none(self, make: Make) -> None:
        assert make(samples.everything()).get(Mail, "000000099") is None

    def test_a_key_belongs_to_its_kind(self, make: Make) -> None:
        assert make([samples.project("星河")]).get(Counter, "星河") is None

    @pytest.mark.parametrize("kind", ROW_TYPES, ids=lambda kind: kind.table)
    def test_without_condition_all_rows_come_in_the_order_of_keys(self, make: Make, kind: type[Row]) -> None:
        rows = [row for row in samples.everything() if isinstance(row, kind)]
        assert len(rows) > 0
        assert make(samples.everything()).find(kind) == sorted(rows, key=lambda row: row.key)

    @pytest.mark.parametrize("kind", ROW_TYPES, ids=lambda kind: kind.table)
    def test_equality_on_one_or_two_fields_finds_exactly_those_rows(self, make: Make, kind: type[Row]) -> None:
        rows = sorted((row for row in samples.everything() if isinstance(row, kind)), key=lambda row: row.key)
        book = make(samples.everything())
        for fields in (*combinations(kind.indexed, 1), *combinations(kind.indexed, 2)):
            for row in rows:
                where = {field: getattr(row, field) for field in fields}
                wanted = [r for r in rows if all(column(getattr(r, f)) == column(v) for f, v in where.items())]
                assert book.find(kind, **where) == wanted

    def test_none_finds_rows_that_lack_the_field_and_no_others(self, make: Make) -> None:
        book = make(samples.everything())
        assert [c.number for c in book.find(Complaint, engineer=None)] == ["C2"]
        assert [r.number for r in book.find(Report, engineer=None, writer="李四")] == ["R2"]

    def test_truth_values_are_compared_as_such(self, make: Make) -> None:
        book = make(samples.everything())
        assert [r.number for r in book.find(Report, registered=False)] == ["R2"]
        assert [r.number for r in book.find(Report, registered=True)] == ["R1", "R3"]

    def test_nothing_found_is_an_empty_list(self, make: Make) -> None:
        assert make(samples.everything()).find(Case, state="no such state") == []

    def test_a_field_that_is_not_indexed_cannot_be_asked_for(self, make: Make) -> None:
        with pytest.raises(LookupError):
            make(samples.everything()).find(Mail, subject="x")

    def test_keys_sort_by_code_point(self, make: Make) -> None:
        names = ["b", "B", "a", "Z", "_", "-", "a-b", "ab", "a b", "é", "星", "北", "\U0001f600", "\uffee", "10", "9"]
        found = make([samples.project(name) for name in names]).find(Project)
        assert [row.name for row in found] == sorted(names)

    def test_a_later_row_takes_the_place_of_an_earlier_one_with_its_key(self, make: Make) -> None:
        book = make([samples.case("K1"), samples.case("K1", state="solved", closed=samples.NOON)])
        assert book.find(Case, state="open") == []
        assert [c.closed for c in book.find(Case)] == [samples.NOON]

    def test_an_instant_is_the_same_in_whatever_zone_it_was_written(self, make: Make) -> None:
        row = samples.mail(1, received=samples.NOON.astimezone(timezone(timedelta(hours=8))))
        found = make([row]).get(Mail, row.key)
        assert found is not None
        assert found.received == samples.NOON

    @pytest.mark.parametrize(
        "text",
        ["'; DROP TABLE b_mail; --", "%s %(x)s :x ? {}", "\n\t\x85\u2028", "\U0001f600" * 9, "长" * 5000, "x" * 9000],
        ids=["sql", "placeholders", "breaks", "emoji", "long-chinese", "long-ascii"],
    )  # fmt: skip
    def test_hostile_text_is_only_text(self, make: Make, text: str) -> None:
        rows: list[Row] = [samples.mail(1, message_id=text, subject=text), samples.mail(2, message_id=text + "x")]
        rows.append(samples.project(text))
        book = make(rows)
        assert book.find(Mail, message_id=text) == rows[:1]
        assert book.get(Project, text) == rows[2]

    def test_nul_in_text_is_no_obstacle(self, make: Make) -> None:
        row = samples.mail(1, message_id="<a\0b@mail.example>", subject="\0")
        book = make([row])
        assert book.find(Mail, message_id="<a\0b@mail.example>") == [row]

    def test_many_values_are_answered_as_if_each_were_asked_alone(self, make: Make) -> None:
        ids = [
            "<1@a.example>",
            "<a\0b@a.example>",
            "<\ufffd@a.example>",
            "<a\udc80@a.example>",
            "长" * 5000,
            "x" * 9000,
        ]
        rows = [samples.mail(seq, message_id=one) for seq, one in enumerate((*ids[:4], ids[0], *ids[4:]), start=1)]
        book = make(rows)
        values = [*ids, "<99@a.example>", *(f"<{n}@b.example>" for n in range(1200))]
        assert book.find_each(Mail, "message_id", values) == {v: book.find(Mail, message_id=v) for v in values}
        assert [mail.seq for mail in book.find_each(Mail, "message_id", ids[:1])[ids[0]]] == [1, 5]

    def test_many_values_of_a_field_that_is_not_indexed_cannot_be_asked_for(self, make: Make) -> None:
        with pytest.raises(LookupError):
            make(samples.everything()).find_each(Mail, "subject", ["x"])

    def test_questions_of_the_book_itself(self, make: Make) -> None:
        book = make(samples.everything())
        assert [c.number for c in book.counted("张三")] == ["C3", "C1"]
        assert [e.number for e in book.standing("张三")] == ["L3"]
        assert book.mail_by_id("<3@mail.example>") == samples.mail(3, resend="r1", disposition="duplicate")
        assert book.mail_by_id("<99@mail.example>") is None
        assert book.notice_by_id("<held:2@mailflow.example>") is not None
        assert book.is_closed("2026-10")
        assert not book.is_closed("2026-11")

    def test_the_register_knows_names_and_aliases(self, make: Make) -> None:
        register = make(samples.everything()).register()
        assert [p.name for p in register.resolve("xh项目")] == ["星河"]
        assert register.resolve("南极") == ()


class TestMemoryBook(BookContract):
    @pytest.fixture
    def make(self) -> Make:
        return memory_book


class TestSQLiteBook(BookContract):
    @pytest.fixture
    def make(self, sqlite_store: Store) -> Iterator[Make]:
        with ExitStack() as stack:
            yield lambda rows: committed(stack, sqlite_store, rows)


@pytest.mark.postgres
class TestPostgresBook(BookContract):
    @pytest.fixture
    def make(self, postgres_store: Store) -> Iterator[Make]:
        with ExitStack() as stack:
            yield lambda rows: committed(stack, postgres_store, rows)


class TestBookOfAWriterThatHasNotCommitted(BookContract):
    @pytest.fixture
    def make(self, sqlite_store: Store) -> Iterator[Make]:
        with sqlite_store.write() as writer:

            def put(rows: Sequence[Row]) -> Book:
                writer.book.register()  # must not be remembered over what is put now
                writer.put(rows)
                return writer.book

            yield put


class TestOverlayOfABatchOverTheStore(BookContract):
    @pytest.fixture
    def make(self, sqlite_store: Store) -> Iterator[Make]:
        with ExitStack() as stack:

            def laid_over(rows: Sequence[Row]) -> Book:
                half = len(rows) // 2
                overlay = Overlay(committed(stack, sqlite_store, rows[:half]))
                overlay.put(*rows[half:])
                return overlay

            yield laid_over


class TestAnswersOfTheStore(BookContract):
    @pytest.fixture
    def make(self, sqlite_store: Store) -> Iterator[Make]:
        with ExitStack() as stack:
            yield lambda rows: Answers(committed(stack, sqlite_store, rows))

    def test_what_was_expected_or_asked_before_is_not_asked_again(self) -> None:
        base = memory_book(samples.everything())
        book = Answers(base)
        book.expect(Mail, "message_id", ["<1@mail.example>", "<99@mail.example>", "<99@mail.example>"])
        asked = (book.get(Mail, samples.mail(2).key), book.find(Case), book.mail_by_id("<1@mail.example>"))
        base.put(samples.mail(2, subject="changed"), samples.case("K9"), samples.mail(99))
        book.find(Case).clear()
        assert (book.get(Mail, samples.mail(2).key), book.find(Case), book.mail_by_id("<1@mail.example>")) == asked
        assert book.mail_by_id("<99@mail.example>") is None


def committed(stack: ExitStack, store: Store, rows: Sequence[Row]) -> Book:
    """The store's book after these rows were put by two transactions, the earlier rows by the first."""
    for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
        with store.write() as writer:
            writer.put(part)
    return stack.enter_context(store.read()).book
