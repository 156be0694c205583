"""The must-handle cases of mail.md §8, each with the tests that show it, and those that had no test elsewhere.

1  UIDVALIDITY changed, 0, absent
        test_a_changed_uidvalidity_reads_everything_again
        test_a_uidvalidity_made_up_at_each_opening_counts_as_none_and_old_mail_does_not_come_poll_after_poll
        test_a_server_without_uidvalidity_is_read_from_its_cursor_too
        test_a_folder_made_anew_in_the_middle_of_reading_is_noticed
        test_a_mailbox_that_numbers_its_mail_anew_doubles_nothing
2  BODY[] NIL is vanished
        test_nil_an_empty_body_and_silence_are_vanished_mails
        test_a_mail_that_stays_though_nothing_of_it_is_handed_out_is_shown_and_tried_again
        test_a_large_mail_that_vanishes_between_two_parts_is_vanished
3  an absent UID; FETCH that ends in NO
        test_one_mail_that_the_server_cannot_hand_out_holds_up_nothing_and_is_tried_again
        test_one_mail_at_which_the_line_breaks_each_time_holds_up_the_others_for_two_polls
4  EOF, half a line, EXISTS before +
        test_a_connection_that_dies_in_idle_is_noticed
        test_an_exists_ends_the_wait_and_the_mail_is_read
        test_a_line_in_two_segments_wakes_us_and_costs_no_login
   silent drop, trickle, stall in a literal
        test_a_connection_that_is_silent_is_found_dead_when_idle_ends
        test_a_server_that_trickles_is_cut_off_at_the_deadline
        test_a_mail_that_trickles_is_cut_off_and_no_part_of_it_is_taken
        test_whatever_breaks_is_transient_and_the_next_poll_starts_afresh
5  SEARCH answers over 1 MB, two SEARCH lines
        test_a_search_answer_of_more_than_a_megabyte_is_read
        test_a_large_folder_is_searched_in_windows
        test_a_search_answer_may_be_split_shuffled_or_annotated
6  one malformed folder name
        test_a_folder_list_that_cannot_be_read_stops_no_copy
        test_the_folder_of_sent_mail_is_found_whatever_else_is_listed
        test_a_folder_that_is_not_there_is_told_with_those_that_are_near
        test_only_commands_that_are_offered_are_sent
7  163: ID, no IDLE, no MOVE
        test_netease_lets_nobody_in_who_has_not_said_who_he_is
        test_netease_that_forgets_is_told_once_more_and_then_a_person_is
        test_without_move_it_is_copy_flag_and_an_expunge_of_this_mail_only
8  QQ
        test_tencent_is_read_poll_after_poll_on_one_connection
        test_a_server_that_dislikes_frequent_logins_is_left_alone_for_a_while
        test_a_restart_is_no_reason_to_log_in_again_at_once
        test_known_refusals_are_told_in_words
        test_a_refused_account_is_tried_eight_times_in_a_day_and_then_four_times
        test_folders_of_one_account_are_one_try
9  authorisation codes expire
        test_a_refused_login_is_an_alarm_with_the_servers_words_and_a_hint
        test_a_login_that_is_refused_is_shown_and_not_tried_in_a_loop
        test_a_refused_login_rings_once_and_waits_for_a_person
        test_the_daemon_tries_a_new_password_within_seconds
        test_starts_do_not_hammer_the_account_and_the_log_says_why_it_is_not_read
        test_cron_does_not_hammer_the_account_and_says_so
        test_a_check_that_is_let_in_makes_the_daemon_try_at_once
        test_a_way_out_that_is_refused_is_known_before_there_is_anything_to_send
        test_a_sent_folder_that_is_refused_is_not_tried_with_each_message
        test_the_account_that_alarms_go_by_is_left_alone_when_it_is_refused
        test_access_that_is_taken_away_in_mid_session_works_the_same_way
        test_an_applications_new_secret_is_tried_at_once
        test_a_password_that_ends_is_told_in_advance
10 MOVE of a missing UID; replay
        test_move_is_used_when_offered_and_verified
        test_a_move_that_the_server_only_pretends_is_noticed
        test_a_pretended_move_is_noticed_where_search_ignores_what_it_is_asked
        test_a_mail_that_is_gone_is_filed_even_if_the_server_says_no_to_that
        test_a_move_that_was_cut_off_after_its_copy_is_finished_without_a_second_copy
11 token renewed before each reconnect
        test_imap_logs_in_with_a_fresh_token_after_every_reconnect
        test_a_token_that_ends_in_mid_session_costs_one_poll
        test_a_token_that_ends_in_the_midst_is_renewed_once
        test_imap_tries_a_fresh_token_once_where_a_kept_one_was_taken_back
        test_smtp_tries_a_fresh_token_once_where_a_kept_one_was_taken_back
        test_two_accounts_of_one_person_share_what_is_kept_at_the_same_time
        test_answers_that_are_none_are_passing_and_no_refusal
12 ids that change, items that vanish, 410
        test_a_mail_moves_to_a_chinese_folder_once_however_often_it_is_asked
        test_mail_that_vanishes_between_listing_and_fetching_is_counted_and_never_empty
        test_an_invalid_state_means_everything_anew_and_nothing_twice
        test_a_state_that_is_gone_means_everything_anew_and_nothing_twice
        test_a_state_that_the_server_refuses_costs_one_request_more
        test_a_state_that_the_server_refuses_means_everything_anew
        test_the_state_of_another_folder_is_not_used
        test_a_cut_at_each_request_in_turn_loses_nothing_and_doubles_nothing
        test_a_first_reading_that_is_always_cut_early_gets_through
        test_without_delta_what_others_delete_meanwhile_hides_no_other_mail
        test_without_delta_mail_that_comes_later_than_the_overlap_is_found_by_reconciliation
13 MIME that cannot be made
        test_an_item_that_exchange_cannot_convert_is_set_aside_alone_and_tried_again
        test_a_mail_that_graph_cannot_give_is_set_aside_alone_and_tried_again
        test_whatever_lies_in_the_folder_is_handed_out_if_exchange_makes_mail_of_it
        test_what_is_wrong_with_one_item_stops_no_other
        test_trouble_of_the_server_sets_no_item_aside
        test_a_mailbox_that_is_not_there_is_told_as_such_and_no_mail_is_passed_by
14 immutable ids, repeated items
        test_every_request_asks_for_immutable_ids
        test_a_mail_that_a_page_names_twice_comes_once
        test_a_list_without_end_ends_with_an_error_and_begins_anew
15 draft, send, look up (503 after it was stored)
        test_an_answer_lost_after_sending_is_unclear_and_found_in_sent
        test_a_draft_that_was_not_sent_is_found_and_taken_away
        test_a_lost_answer_is_unclear_and_what_was_taken_is_never_denied
        test_a_folder_that_is_away_is_asked_again_before_anything_is_repeated
16 answer lost after DATA; some refused
        test_an_answer_lost_after_the_message_was_handed_over_is_unclear
        test_what_is_no_answer_is_unclear_after_the_message
        test_a_yes_that_comes_too_early_is_not_taken_for_the_messages
        test_no_answer_makes_us_lose_or_repeat_a_message
        test_a_notice_is_never_lost_and_repeated_only_where_nobody_can_know
        test_some_recipients_refused_are_told_one_by_one_and_the_others_get_it
        test_who_is_refused_is_told_and_the_others_get_it
        test_a_recipient_that_is_refused_is_shown_and_not_tried_again
17 never answer automatic mail
        test_headers_of_automatic_mail
        test_senders_that_are_programs
        test_subjects_of_automatic_mail
        test_nobody_else_gets_one
        test_the_headers_of_a_reminder
        test_what_we_sent_ourselves_is_known_when_it_comes_back
        test_a_complaint_waits_for_the_manager_and_counts_when_he_says_so
   caps per correspondent, per thread and in all
        test_two_robots_that_answer_each_other_end_with_the_thread
        test_robots_that_name_no_thread_end_with_the_hour
        test_slow_ones_end_with_the_day_and_the_next_day_begins_anew
        test_what_pay_hangs_on_is_told_however_much_comes
        test_two_robots_end_at_the_cap
        test_it_is_stopped_and_everything_else_goes_on
        test_too_many_at_once_are_held_until_a_person_has_looked
   no stranger
        test_no_mail_makes_it_write_to_a_stranger
        test_nothing_that_mail_says_reaches_a_stranger
        test_a_notice_is_for_a_person_wherever_the_roster_has_that_person_now
18 bounces
        test_a_dsn_tells_which_mail_came_back
        test_prose_bounces_are_tied_to_our_mail_wherever_its_id_stands
        test_a_bounce_is_tied_to_the_notice_and_the_manager_told
19 Authentication-Results
        test_only_the_topmost_result_of_our_border_counts
        test_microsoft_365_writes_no_id
        test_a_key_that_cannot_be_had_is_unknown_and_never_a_failure
20 several From, an address in the name
        test_such_senders_are_never_verified
21 charsets
        test_every_gb_label_is_read_as_gb18030
        test_gbk_under_no_label_or_a_wrong_one_is_read
22 file names
        test_mail_is_read_as_expected
23 base64 footers, flowed, TNEF, inner mail
        test_base64_as_it_comes
        test_format_flowed
        test_attachments_have_their_names_by_the_code_page
        test_mail_is_read_as_expected
24 a mail that cannot be parsed
        test_7_one_bad_mail_stops_nothing
        test_strange_mails_hold_up_nothing_and_are_kept_byte_for_byte
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from exchangelib.errors import ErrorServerBusy

from mailflow.daemon import FIRST_WAIT, LONGEST_WAIT, LONGEST_WISH, back_off, wait_after
from mailflow.errors import PermanentError, TransientError
from mailflow.transports.ews.connection import Login
from mailflow.transports.imap import ImapMailbox, ImapSent
from mailflow.transports.wire import Timeouts
from tests.servers import imap as usual
from tests.servers.imap import Handler, ScriptedImap, Session
from tests.transports.contract import Committed, mail, read, subjects
from tests.transports.scripted import Given

QUICK = Timeouts(connect=1, read=0.4, operation=10)
TENCENT = b"IMAP4 IMAP4rev1 XLIST MOVE IDLE XAPPLEPUSHSERVICE NAMESPACE CHILDREN ID UIDPLUS"
LARGE = mail("large", bytes(range(256)) * 8)
TESTS = Path(__file__).parents[1]


def test_every_case_names_tests_that_there_are() -> None:
    cases = [int(number) for number in re.findall(r"^(\d+) ", __doc__ or "", re.MULTILINE)]
    assert cases == list(range(1, 25))
    there = {
        name
        for path in TESTS.rglob("*.py")
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = (__doc__ or "") + (TESTS / "servers" / "README.md").read_text(encoding="utf-8")
    # Not the files that it names.
    assert set(re.findall(r"\btest_\w+\b(?!\.py)", named)) - there == set()


@contextmanager
def serving(server: ScriptedImap, timeouts: Timeouts = QUICK) -> Iterator[tuple[ScriptedImap, ImapMailbox]]:
    with server:
        mailbox = ImapMailbox("s", "127.0.0.1", server.port, False, "u@x.example", lambda: "pw", timeouts=timeouts)
        with closing(mailbox):
            yield server, mailbox


# -- 4: a mail that trickles ------------------------------------------------------------------------------------------


def test_a_mail_that_trickles_is_cut_off_and_no_part_of_it_is_taken() -> None:
    """One byte at a time: each comes within the timeout of a read."""

    def trickle(session: Session, tag: bytes, line: bytes) -> None:
        if b"BODY" not in line:
            usual.fetch(session, tag, line)
            return
        session.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % len(LARGE))
        for byte in LARGE:
            if session.server.stopped.wait(0.05):
                return
            session.write(bytes([byte]))

    timeouts = Timeouts(connect=5, read=30, operation=0.5)
    with serving(ScriptedImap({1: LARGE}, on={b"UID FETCH": trickle}), timeouts) as (server, mailbox):
        with pytest.raises(TransientError):
            read(mailbox)
        server.on.clear()
        assert subjects(*read(mailbox)) == ["large"]


# -- 5: long answers --------------------------------------------------------------------------------------------------


def test_a_search_answer_of_more_than_a_megabyte_is_read() -> None:
    """A server that ignores the range of a SEARCH, with 150,000 mails in the folder."""

    def everything(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, b"SEARCH " + b" ".join(b"%d" % uid for uid in range(1_000_000, 1_150_000)))

    newest = 1_149_999
    with serving(ScriptedImap({newest: mail("new")}, on={b"UID SEARCH": everything})) as (_, mailbox):
        cursor = json.dumps({"uidvalidity": "7", "uid": newest - 1})
        assert subjects(*read(mailbox, cursor)) == ["new"]


# -- 6: folder lists --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        [b'LIST (\\HasNoChildren) "/" "bad&utf7"'],
        [b'LIST (\\HasNoChildren) "/" name with blanks'],
        [b'LIST (\\Sent) "/" Gesendet ("CHILDINFO" ("SUBSCRIBED"))', b"LIST"],
        [b"LIST ((( )"],
    ],
)
def test_a_folder_list_that_cannot_be_read_stops_no_copy(names: list[bytes]) -> None:
    def malformed(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, *names)

    server = ScriptedImap(capability=b"IMAP4rev1 SPECIAL-USE", on={b"LIST": malformed})
    with server, closing(ImapSent("send", "127.0.0.1", server.port, False, "u@x.example", lambda: "pw", "")) as sent:
        sent.append(mail("copy"))
        assert list(server.copied.values()) == [[len(mail("copy"))]]


# -- 7, 8: the Chinese providers --------------------------------------------------------------------------------------


class Tencent(ScriptedImap):
    """QQ and exmail (mail.md §2): SEARCH ignores what it is asked, descending sets are BAD, unknown commands cost the
    connection, and a session sees only what was there when it opened the folder."""

    def __init__(self, mails: dict[int, bytes]) -> None:
        self.seen: dict[Session, list[int]] = {}
        on: dict[bytes, Handler] = {b"UID SEARCH": self._search, b"EXAMINE": self._select, b"NOOP": usual.accept}
        super().__init__(mails, capability=TENCENT, on=on)

    def handler(self, rest: bytes) -> Handler:
        known = rest.split()[0].upper() in {b"CAPABILITY", b"LOGIN", b"ID", b"EXAMINE", b"SELECT", b"UID", b"NOOP",
                                            b"IDLE", b"LOGOUT", b"FETCH"}  # fmt: skip
        return super().handler(rest) if known else (lambda session, tag, line: session.cut())

    def _select(self, session: Session, tag: bytes, line: bytes) -> None:
        self.seen[session] = sorted(self.mails)
        usual.select(session, tag, line)

    def _search(self, session: Session, tag: bytes, line: bytes) -> None:
        low, _, high = line.split()[-1].partition(b":")
        if high == b"*" or int(low) > int(high or low):
            session.bad(tag, b"UID SEARCH parameters!")
        else:
            session.ok(tag, b"SEARCH " + b" ".join(b"%d" % uid for uid in self.seen[session]))


def test_tencent_is_read_poll_after_poll_on_one_connection() -> None:
    with serving(Tencent({1: mail("one"), 2: mail("two")})) as (server, mailbox):
        committed, cursor = Committed(), None
        for poll in range(3):
            batches = read(mailbox, cursor, committed)
            committed.take(*batches)
            cursor = batches[-1].cursor if batches else cursor
            mailbox.wait(0.05, threading.Event())
            server.mails[3 + poll] = mail(f"later {poll}")
        assert sorted(int(place.uid) for place in committed.places) == [1, 2, 3, 4]
        assert mailbox.uids()[2] == {"1", "2", "3", "4", "5"}
        assert sum(line.startswith(b"LOGIN") for line in server.commands) == 1


# -- 9: refused logins, and back-off ----------------------------------------------------------------------------------


def test_the_waits_between_tries_double_and_no_two_daemons_come_at_once() -> None:
    waits = [[back_off(failures) for _ in range(50)] for failures in range(20)]
    assert all(len(set(tries)) > 10 for tries in waits)
    assert min(waits[0]) >= 0.8 * FIRST_WAIT
    assert max(waits[0]) <= 1.2 * FIRST_WAIT < 0.8 * 4 * FIRST_WAIT <= min(waits[2])
    assert max(waits[19]) <= 1.2 * LONGEST_WAIT


def test_a_server_is_left_alone_for_as_long_as_it_wishes() -> None:
    assert wait_after(TransientError("x", retry_after=120), 0) == 120
    assert wait_after(TransientError("x", retry_after=0.1), 0) >= 0.8 * FIRST_WAIT
    assert wait_after(TransientError("x", retry_after=10**9), 0) == LONGEST_WISH
    assert wait_after(TransientError("x"), 0) <= 1.2 * FIRST_WAIT
    assert wait_after(PermanentError("x"), 9) <= 1.2 * LONGEST_WAIT


def test_exchange_says_how_long_it_wishes_to_be_left_alone() -> None:
    login = Login("https://mail.corp.example/EWS/Exchange.asmx", "s@corp.example", "s", lambda: "pw")
    error = login.mapped("列出邮件", ErrorServerBusy("busy", back_off=17))
    assert isinstance(error, TransientError)
    assert error.retry_after == 17


# -- 11: tokens that end in mid-session -------------------------------------------------------------------------------


def expired_bye(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* BYE Session invalidated - AccessTokenExpired\r\n")
    session.cut()


def expired_no(session: Session, tag: bytes, line: bytes) -> None:
    session.no(tag, b"AccessTokenExpired")


def not_connected(session: Session, tag: bytes, line: bytes) -> None:
    session.bad(tag, b"User is authenticated but not connected.")


@pytest.mark.parametrize("command", [b"EXAMINE", b"UID SEARCH", b"UID FETCH"])
@pytest.mark.parametrize("ending", [expired_bye, expired_no, not_connected])
def test_a_token_that_ends_in_mid_session_costs_one_poll(command: bytes, ending: Handler) -> None:
    tokens = Given("token-1", "token-2", "token-3")

    def authenticate(session: Session, tag: bytes, line: bytes) -> None:
        session.write(b"+ \r\n")
        session.server.commands.append(base64.b64decode(session.read()))
        session.ok(tag)

    server = ScriptedImap({1: mail("one")}, capability=b"IMAP4rev1 AUTH=XOAUTH2", on={b"AUTHENTICATE": authenticate})
    with server:
        mailbox = ImapMailbox("s", "127.0.0.1", server.port, False, "u@x.example", str, timeouts=QUICK, tokens=tokens)
        with closing(mailbox):
            (batch,) = read(mailbox)
            server.mails[2] = mail("two")
            server.on[command] = ending
            with pytest.raises(TransientError):
                read(mailbox, batch.cursor)
            del server.on[command]
            (after,) = read(mailbox, batch.cursor)
        assert subjects(after) == ["two"]
        assert after.unreadable == ()
        assert [line for line in server.commands if b"Bearer token-2" in line]


# -- large mails, in parts --------------------------------------------------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.mailbox._WHOLE", 1000)
    monkeypatch.setattr("mailflow.transports.imap.mailbox._PART", 300)
    monkeypatch.setattr("mailflow.transports.base.MAX_BATCH_BYTES", 500)


def asked_part(line: bytes) -> tuple[int, int] | None:
    found = re.search(rb"BODY\.PEEK\[\]<(\d+)\.(\d+)>", line)
    return (int(found[1]), int(found[2])) if found else None


def parts_of(most: int) -> Handler:
    """Hands out at most `most` bytes, whatever is asked for."""

    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if part := asked_part(line):
            line = line.replace(b".%d>" % part[1], b".%d>" % min(most, part[1]))
        usual.fetch(session, tag, line)

    return fetch


def sized(size: int) -> Handler:
    """Says a wrong RFC822.SIZE."""

    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if asked_part(line) or b"BODY" in line:
            usual.fetch(session, tag, line)
        else:
            right = usual.fetched(session, 1, line)
            session.ok(tag, right.replace(b"SIZE %d" % len(LARGE), b"SIZE %d" % size))

    return fetch


def without_parts(session: Session, tag: bytes, line: bytes) -> None:
    part = asked_part(line)
    usual.fetch(session, tag, line.replace(b"<%d.%d>" % part, b"") if part else line)


def more_than_asked(session: Session, tag: bytes, line: bytes) -> None:
    part = asked_part(line)
    usual.fetch(session, tag, line.replace(b".%d>" % part[1], b".99999>") if part else line)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "handler",
    [usual.fetch, parts_of(100), parts_of(299), sized(1100), sized(10**6), without_parts, more_than_asked],
    ids=["right", "short parts", "one short", "size too small", "size too large", "no parts", "more than asked"],
)
def test_a_large_mail_comes_whole_whatever_the_server_makes_of_parts(handler: Handler) -> None:
    server = ScriptedImap({1: LARGE, 2: mail("small")}, on={b"UID FETCH": handler})
    with serving(server) as (_, mailbox):
        batches = read(mailbox)
        assert [fetched.raw for batch in batches for fetched in batch.mails] == [LARGE, mail("small")]
        whole = [line for line in server.commands if b"BODY.PEEK[])" in line]
        assert [line.split()[2] for line in whole] == [b"2"]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("at", [0, 600])
def test_a_large_mail_that_vanishes_between_two_parts_is_vanished(at: int) -> None:
    def vanishing(session: Session, tag: bytes, line: bytes) -> None:
        part = asked_part(line)
        if part and part[0] >= at:
            session.ok(tag, b"1 FETCH (UID 1 BODY[]<%d> NIL)" % part[0])
        else:
            usual.fetch(session, tag, line)

    def now_it_is_gone(session: Session, tag: bytes, line: bytes) -> None:
        session.server.mails.clear()
        session.ok(tag, b"1 EXPUNGE")

    with serving(ScriptedImap({1: LARGE}, on={b"UID FETCH": vanishing, b"NOOP": now_it_is_gone})) as (_, mailbox):
        (batch,) = read(mailbox)
    assert (batch.mails, batch.vanished, batch.unreadable) == ((), 1, ())


def refused_at_600(session: Session, tag: bytes, line: bytes) -> None:
    part = asked_part(line)
    if part and part[0] >= 600:
        session.no(tag, b"[SERVERBUG] Internal error")
    else:
        usual.fetch(session, tag, line)


def without_end(session: Session, tag: bytes, line: bytes) -> None:
    part = asked_part(line)
    if part:
        session.ok(tag, b"1 FETCH (UID 1 BODY[]<%d> {%d}\r\n%b)" % (*part, b"x" * part[1]))
    else:
        usual.fetch(session, tag, line)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("handler", [refused_at_600, without_end])
def test_a_large_mail_that_cannot_be_had_whole_is_set_aside_alone(handler: Handler) -> None:
    with serving(ScriptedImap({1: LARGE, 2: mail("small")}, on={b"UID FETCH": handler})) as (server, mailbox):
        batches = read(mailbox)
        assert subjects(*batches) == ["small"]
        assert [uid for batch in batches for uid in batch.unreadable] == ["1"]
        server.on.clear()
        assert subjects(*read(mailbox, batches[-1].cursor)) == ["large"]


# -- the server's time ------------------------------------------------------------------------------------------------


def test_a_mail_without_a_date_of_the_server_has_it_since_now() -> None:
    def undated(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, usual.fetched(session, 1, line).replace(b" INTERNALDATE " + usual.DATE, b""))

    with serving(ScriptedImap({1: mail("one")}, on={b"UID FETCH": undated})) as (_, mailbox):
        (batch,) = read(mailbox)
    assert subjects(batch) == ["one"]
    assert batch.mails[0].received.utcoffset() is not None
