"""What every mailbox must do, the one in memory included. A test class inherits MailboxContract and provides `box`."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Protocol

import pytest

from mailflow.errors import PermanentError, TransientError
from mailflow.transports.base import Batch, Mailbox, Place

MORNING = datetime(2026, 1, 5, 1, 30, tzinfo=UTC)


class Box(Protocol):
    """A mailbox as its users and its server see it."""

    def mailbox(self) -> Mailbox:
        """A new connection to it."""

    def deliver(self, raw: bytes, when: datetime) -> None: ...

    def expunge(self, subject: str) -> None:
        """Somebody else deletes the mail with this subject."""

    def held(self, folder: str) -> list[bytes]:
        """What lies in another folder."""


class RenumberedBox(Box, Protocol):
    def renumber(self) -> None:
        """The server gives the folder a new UIDVALIDITY."""


class Committed:
    """What a store would know."""

    def __init__(self) -> None:
        self.places: set[Place] = set()
        self.asked = 0

    def take(self, *batches: Batch) -> None:
        """Nothing comes twice."""
        for batch in batches:
            places = [mail.place for mail in batch.mails]
            assert len(set(places)) == len(places)
            assert not self.places & set(places)
            self.places |= set(places)

    def __call__(self, folder: str, uidvalidity: str, uids: Sequence[str]) -> set[str]:
        self.asked += len(uids)
        return {uid for uid in uids if Place(folder, uidvalidity, uid) in self.places}


def mail(subject: str, body: bytes = b"Text\r\n") -> bytes:
    return f"Subject: {subject}\r\nFrom: sales@company.example\r\n\r\n".encode() + body


def subjects(*batches: Batch) -> list[str]:
    return [fetched.raw.split(b"\r\n", 1)[0].decode()[9:] for batch in batches for fetched in batch.mails]


def read(mailbox: Mailbox, cursor: str | None = None, known: Committed | None = None) -> list[Batch]:
    return list(mailbox.batches(cursor, known or Committed()))


def committing(mailbox: Mailbox, cursor: str | None, committed: Committed) -> Iterator[Batch]:
    """Reads as intake does: each batch is committed before the next is asked for."""
    for batch in mailbox.batches(cursor, committed):
        committed.take(batch)
        yield batch


def fill(box: Box, count: int) -> None:
    for number in range(count):
        box.deliver(mail(f"m{number:03}"), MORNING + timedelta(seconds=number))


GARBAGE = (
    "",
    "x",
    "[]",
    "{}",
    "5",
    "null",
    '"text"',
    '["7", 3]',
    '[["7"], {}]',
    '{"state": 5, "again": "abc"}',
    '{"uidvalidity": "99", "uid": 1000}',
    '{"uidvalidity": "7", "uid": "x"}',
    '{"of": "ews:other/INBOX", "state": "1.7"}',
    '{"of": "graph:https://elsewhere.example/INBOX", "state": "https://elsewhere.example/delta"}',
)
"""Cursors of other transports, and of none."""


class MailboxContract:
    nul: ClassVar[bytes] = b"\0"
    """What a NUL comes back as."""

    @pytest.fixture
    def box(self) -> Box:
        raise NotImplementedError

    def test_an_empty_mailbox_has_no_mail(self, box: Box) -> None:
        with closing(box.mailbox()) as mailbox:
            assert subjects(*read(mailbox)) == []
            assert mailbox.uids()[2] == set()

    def test_mail_comes_oldest_first_with_the_servers_time(self, box: Box) -> None:
        fill(box, 3)
        with closing(box.mailbox()) as mailbox:
            batches = read(mailbox)
        assert subjects(*batches) == ["m000", "m001", "m002"]
        received = [fetched.received for batch in batches for fetched in batch.mails]
        assert received == [MORNING + timedelta(seconds=number) for number in range(3)]
        assert {when.tzinfo for when in received} == {UTC}

    def test_a_batch_holds_at_most_fifty_mails(self, box: Box) -> None:
        fill(box, 120)
        with closing(box.mailbox()) as mailbox:
            batches = read(mailbox)
        assert [len(batch.mails) for batch in batches if batch.mails] == [50, 50, 20]
        assert subjects(*batches) == [f"m{number:03}" for number in range(120)]

    def test_a_batch_holds_at_most_eight_megabytes_and_a_larger_mail_stands_alone(self, box: Box) -> None:
        line = b"x" * 70 + b"\r\n"
        box.deliver(mail("small"), MORNING)
        box.deliver(mail("large", line * 140_000), MORNING + timedelta(seconds=1))
        for number in range(3):
            box.deliver(mail(f"third{number}", line * 50_000), MORNING + timedelta(seconds=2 + number))
        with closing(box.mailbox()) as mailbox:
            batches = read(mailbox)
        expected = [["small"], ["large"], ["third0", "third1"], ["third2"]]
        assert [subjects(batch) for batch in batches if batch.mails] == expected

    def test_reading_goes_on_after_the_last_committed_batch(self, box: Box) -> None:
        fill(box, 60)
        committed = Committed()
        with closing(box.mailbox()) as mailbox:
            first = next(iter(mailbox.batches(None, committed)))
        committed.take(first)
        with closing(box.mailbox()) as mailbox:
            rest = read(mailbox, first.cursor, committed)
        assert subjects(first, *rest) == [f"m{number:03}" for number in range(60)]

    def test_a_batch_that_was_not_committed_comes_again(self, box: Box) -> None:
        fill(box, 2)
        with closing(box.mailbox()) as mailbox:
            assert subjects(*read(mailbox)) == subjects(*read(mailbox)) == ["m000", "m001"]

    def test_reading_may_stop_after_any_batch_and_goes_on_at_its_cursor(self, box: Box) -> None:
        fill(box, 160)
        committed, cursor, found = Committed(), None, list[str]()
        for _ in range(20):
            with closing(box.mailbox()) as mailbox:
                batch = next(iter(mailbox.batches(cursor, committed)), None)
            if batch is None or (batch.cursor == cursor and not batch.mails):
                break
            committed.take(batch)
            cursor = batch.cursor
            found += subjects(batch)
        assert found == [f"m{number:03}" for number in range(160)]

    def test_mail_that_comes_while_others_are_read_is_read_now_or_at_the_next_look(self, box: Box) -> None:
        fill(box, 120)
        committed, cursor, came = Committed(), None, 0
        for _ in range(2):
            with closing(box.mailbox()) as mailbox:
                for batch in committing(mailbox, cursor, committed):
                    cursor = batch.cursor
                    if came < 3:
                        box.deliver(mail(f"late{came}"), MORNING + timedelta(hours=1, seconds=came))
                        came += 1
        assert (came, len(committed.places)) == (3, 123)

    @pytest.mark.parametrize("cursor", GARBAGE)
    def test_a_cursor_that_means_nothing_here_reads_everything(self, box: Box, cursor: str) -> None:
        fill(box, 2)
        with closing(box.mailbox()) as mailbox:
            assert subjects(*read(mailbox, cursor)) == ["m000", "m001"]

    def test_a_cursor_stays_small(self, box: Box) -> None:
        fill(box, 300)
        with closing(box.mailbox()) as mailbox:
            assert all(len(batch.cursor) < 64 * 1024 for batch in read(mailbox))

    def test_committed_mail_is_left_out_even_without_a_cursor(self, box: Box) -> None:
        fill(box, 3)
        committed = Committed()
        with closing(box.mailbox()) as mailbox:
            committed.take(*read(mailbox))
            assert subjects(*read(mailbox, None, committed)) == []

    def test_new_mail_is_found_by_the_next_poll_of_the_same_connection(self, box: Box) -> None:
        fill(box, 2)
        committed = Committed()
        with closing(box.mailbox()) as mailbox:
            batches = read(mailbox, None, committed)
            committed.take(*batches)
            assert subjects(*read(mailbox, batches[-1].cursor, committed)) == []
            box.deliver(mail("new"), MORNING + timedelta(hours=1))
            assert subjects(*read(mailbox, batches[-1].cursor, committed)) == ["new"]

    def test_mail_that_vanishes_between_listing_and_fetching_is_counted_and_never_empty(self, box: Box) -> None:
        fill(box, 60)
        with closing(box.mailbox()) as mailbox:
            reading = iter(mailbox.batches(None, Committed()))
            next(reading)
            box.expunge("m055")
            second = next(reading)
        assert subjects(second) == [f"m{number:03}" for number in range(50, 60) if number != 55]
        assert second.vanished == 1
        assert all(fetched.raw for fetched in second.mails)

    def test_bytes_come_back_as_they_were(self, box: Box) -> None:
        raw = "Subject: 立项\r\n".encode("gbk") + b"\r\n" + bytes(range(1, 10)) + b".\r\n\x80\xff\r\n.\r\nend"
        box.deliver(raw, MORNING)
        box.deliver(b"Subject: nul\r\n\r\na\0b\r\n", MORNING + timedelta(seconds=1))
        with closing(box.mailbox()) as mailbox:
            found = [fetched.raw for batch in read(mailbox) for fetched in batch.mails]
        assert found == [raw, b"Subject: nul\r\n\r\na%bb\r\n" % self.nul]

    def test_uids_are_all_that_the_server_has_now(self, box: Box) -> None:
        fill(box, 3)
        with closing(box.mailbox()) as mailbox:
            places = {fetched.place for batch in read(mailbox) for fetched in batch.mails}
            box.expunge("m001")
            folder, uidvalidity, uids = mailbox.uids()
        assert len(uids) == 2
        assert {Place(folder, uidvalidity, uid) for uid in uids} < places

    def test_a_mail_moves_to_a_chinese_folder_once_however_often_it_is_asked(self, box: Box) -> None:
        fill(box, 2)
        with closing(box.mailbox()) as mailbox:
            places = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
            mailbox.file(places[0], "move:已处理")
            mailbox.file(places[0], "move:已处理")
            assert box.held("已处理") == [mail("m000")]
            assert subjects(*read(mailbox)) == ["m001"]
            mailbox.file(places[1], "move:已处理")
        assert sorted(box.held("已处理")) == [mail("m000"), mail("m001")]

    def test_flagging_is_harmless_when_repeated_and_when_the_mail_is_gone(self, box: Box) -> None:
        fill(box, 2)
        with closing(box.mailbox()) as mailbox:
            places = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
            mailbox.file(places[0], "seen")
            mailbox.file(places[0], "seen")
            box.expunge("m001")
            mailbox.file(places[1], "seen")
            mailbox.file(places[1], "move:已处理")
            assert [fetched.place for batch in read(mailbox) for fetched in batch.mails] == places[:1]

    def test_a_place_under_another_uidvalidity_is_left_alone(self, box: Box) -> None:
        fill(box, 1)
        with closing(box.mailbox()) as mailbox:
            (place,) = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
            mailbox.file(Place(place.folder, place.uidvalidity + "9", place.uid), "move:已处理")
            assert subjects(*read(mailbox)) == ["m000"]

    def test_filing_between_two_batches_disturbs_nothing(self, box: Box) -> None:
        fill(box, 60)
        found: list[Batch] = []
        with closing(box.mailbox()) as mailbox:
            for batch in mailbox.batches(None, Committed()):
                found.append(batch)
                for fetched in batch.mails[:3]:
                    mailbox.file(fetched.place, "move:已处理")
        assert subjects(*found) == [f"m{number:03}" for number in range(60)]
        assert len(box.held("已处理")) == 6

    def test_an_unknown_way_of_filing_is_refused(self, box: Box) -> None:
        fill(box, 1)
        with closing(box.mailbox()) as mailbox:
            (place,) = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
            for action in ("delete", "move:"):
                with pytest.raises(PermanentError, match="归档"):
                    mailbox.file(place, action)

    def test_waiting_ends_when_mail_comes(self, box: Box) -> None:
        fill(box, 1)
        with closing(box.mailbox()) as mailbox:
            committed = Committed()
            batches = read(mailbox, None, committed)
            committed.take(*batches)
            waiting = threading.Thread(target=mailbox.wait, args=(600, threading.Event()))
            waiting.start()
            box.deliver(mail("new"), MORNING + timedelta(hours=1))
            waiting.join(60)
            assert not waiting.is_alive()
            assert subjects(*read(mailbox, batches[-1].cursor, committed)) == ["new"]

    def test_waiting_ends_when_told_to_stop(self, box: Box) -> None:
        stop = threading.Event()
        with closing(box.mailbox()) as mailbox:
            read(mailbox)
            waiting = threading.Thread(target=mailbox.wait, args=(600, stop))
            waiting.start()
            stop.set()
            waiting.join(60)
            assert not waiting.is_alive()

    def test_the_check_tells_how_many_mails_there_are(self, box: Box) -> None:
        fill(box, 3)
        with closing(box.mailbox()) as mailbox:
            assert "3 封邮件" in mailbox.check()

    def test_closing_twice_is_harmless(self, box: Box) -> None:
        mailbox = box.mailbox()
        read(mailbox)
        mailbox.close()
        mailbox.close()


class RenumberingContract:
    """What a mailbox with a UIDVALIDITY must do besides."""

    def test_a_changed_uidvalidity_reads_everything_again(self, box: RenumberedBox) -> None:
        fill(box, 3)
        committed = Committed()
        with closing(box.mailbox()) as mailbox:
            before = read(mailbox, None, committed)
        committed.take(*before)
        box.renumber()
        with closing(box.mailbox()) as mailbox:
            after = read(mailbox, before[-1].cursor, committed)
        assert subjects(*after) == ["m000", "m001", "m002"]
        assert after[0].mails[0].place.uidvalidity != before[0].mails[0].place.uidvalidity


class CutBox(Box, Protocol):
    def cut_at(self, request: int | None) -> None:
        """The connection is cut at this request, counted from now; 0 is the next. None: no more."""


class PagedContract:
    """What a mailbox that is listed page by page over HTTP must do besides. Pages have 50 mails."""

    def test_a_cut_at_each_request_in_turn_loses_nothing_and_doubles_nothing(self, box: CutBox) -> None:
        fill(box, 170)
        attempts, found = through(box, iter(range(1000)))
        assert sorted(found) == [f"m{number:03}" for number in range(170)]
        assert attempts > 5

    def test_a_first_reading_that_is_always_cut_early_gets_through(self, box: CutBox) -> None:
        fill(box, 1500)
        attempts, found = through(box, itertools.repeat(75))
        assert sorted(found) == sorted(f"m{number:03}" for number in range(1500))
        assert attempts > 2

    def test_listing_what_is_known_goes_on_where_it_was_cut(self, box: CutBox) -> None:
        fill(box, 600)
        committed = Committed()
        with closing(box.mailbox()) as mailbox:
            committed.take(*read(mailbox, None, committed))
        attempts, found = through(box, itertools.repeat(6), committed)
        assert (found, attempts > 2) == ([], True)

    def test_all_uids_are_had_from_a_server_that_cuts_the_line_again_and_again(self, box: CutBox) -> None:
        fill(box, 600)
        with closing(box.mailbox()) as mailbox:
            mailbox.uids()
            for request in range(1, 12):
                box.cut_at(request)
                assert len(mailbox.uids()[2]) == 600
            box.cut_at(0)
            with pytest.raises(TransientError):
                mailbox.uids()


def through(box: CutBox, cuts: Iterator[int], committed: Committed | None = None) -> tuple[int, list[str]]:
    """Reads everything although the connection is cut at these requests; how many tries it took, and what came."""
    committed, cursor, found = committed or Committed(), None, list[str]()
    for attempt in range(1, 500):
        box.cut_at(next(cuts))
        try:
            with closing(box.mailbox()) as mailbox:
                for batch in committing(mailbox, cursor, committed):
                    cursor = batch.cursor
                    found += subjects(batch)
            return attempt, found
        except TransientError:
            continue
    raise AssertionError("never gets through")
