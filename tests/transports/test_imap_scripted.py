"""The IMAP mailbox against servers that behave as some real ones do (mail.md §1.2, §2)."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable

import pytest

from mailflow.errors import AuthError, PermanentError, TransientError
from mailflow.transports.base import Place
from mailflow.transports.imap import ImapMailbox
from mailflow.transports.wire import Timeouts
from tests.servers import imap as usual
from tests.servers.imap import Handler, ScriptedImap, Session
from tests.servers.loopback import Certificate
from tests.transports.contract import Committed, mail, read, subjects
from tests.transports.scripted import ALIYUN, BARE, NETEASE, place, server_and_mailbox

# -- reading ----------------------------------------------------------------------------------------------------------


def test_the_cursor_is_the_uidvalidity_and_the_last_uid() -> None:
    with server_and_mailbox() as (_, mailbox):
        batches = read(mailbox)
    assert [json.loads(batch.cursor) for batch in batches] == [{"folder": "INBOX", "uidvalidity": "7", "uid": 5}]


def test_ranges_are_explicit_and_ascending_and_nothing_is_searched_when_nothing_is_new() -> None:
    with server_and_mailbox() as (server, mailbox):
        (batch,) = read(mailbox)
        server.mails[9] = mail("nine")
        assert subjects(*read(mailbox, batch.cursor)) == ["nine"]
        (nine,) = read(mailbox, batch.cursor)
        assert read(mailbox, nine.cursor) == []
        searches = [line for line in server.commands if b"SEARCH" in line]
        assert searches == [b"UID SEARCH UID 1:5", b"UID SEARCH UID 6:9", b"UID SEARCH UID 6:9"]
        assert not [line for line in server.commands if b":*" in line]


def test_only_commands_that_are_offered_are_sent() -> None:
    with server_and_mailbox(capability=BARE) as (server, mailbox):
        read(mailbox)
        mailbox.file(place(1), "seen")
        mailbox.file(place(2), "move:Done")
        mailbox.uids()
        mailbox.check()
        mailbox.wait(0.01, threading.Event())
        mailbox.close()
        names = {b" ".join(line.split()[: 2 if line.startswith(b"UID") else 1]) for line in server.commands}
    basic = {b"CAPABILITY", b"LOGIN", b"EXAMINE", b"SELECT", b"FETCH", b"LOGOUT"}
    assert names == basic | {b"UID SEARCH", b"UID FETCH", b"UID STORE", b"UID COPY"}


def test_netease_lets_nobody_in_who_has_not_said_who_he_is() -> None:
    def unsafe_without_id(session: Session, tag: bytes, line: bytes) -> None:
        if not session.told_id:
            session.no(tag, b"SELECT Unsafe Login. Please contact kefu@example.example for help")
        else:
            usual.select(session, tag, line)

    with server_and_mailbox(capability=NETEASE, on={b"EXAMINE": unsafe_without_id}) as (server, mailbox):
        assert subjects(*read(mailbox)) == ["one", "two", "five"]
        identified = [line for line in server.commands if line.startswith(b"ID ")]
        assert identified[0].startswith(b'ID ("name" "mailflow"')
        assert not identified[0].endswith(b" ")


def test_netease_that_forgets_is_told_once_more_and_then_a_person_is() -> None:
    def forgetful(session: Session, tag: bytes, line: bytes) -> None:
        if sum(line.startswith(b"ID ") for line in session.server.commands) < 2:
            session.no(tag, b"SELECT Unsafe Login")
        else:
            usual.select(session, tag, line)

    with server_and_mailbox(capability=NETEASE, on={b"EXAMINE": forgetful}) as (_, mailbox):
        assert len(read(mailbox)) == 1

    def never(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, b"SELECT Unsafe Login")

    with (
        server_and_mailbox(capability=NETEASE, on={b"EXAMINE": never}) as (_, mailbox),
        pytest.raises(AuthError, match="请在网页邮箱中开启 IMAP"),
    ):
        mailbox.check()


def test_a_refused_id_is_no_obstacle() -> None:
    def refuse(session: Session, tag: bytes, line: bytes) -> None:
        session.bad(tag, b"Request not ending with \\r\\n")

    with server_and_mailbox(on={b"ID": refuse}) as (_, mailbox):
        assert len(read(mailbox)) == 1


@pytest.mark.parametrize("uidvalidity", [0, None])
def test_a_server_without_uidvalidity_is_read_from_its_cursor_too(uidvalidity: int | None) -> None:
    with server_and_mailbox(uidvalidity=uidvalidity) as (server, mailbox):
        (batch,) = read(mailbox)
        assert batch.mails[0].place == Place("INBOX", "0", "1")
        server.mails[8] = mail("eight")
        assert subjects(*read(mailbox, batch.cursor)) == ["eight"]


def test_a_server_without_uidnext_is_asked_for_the_uid_of_its_last_mail() -> None:
    with server_and_mailbox() as (server, mailbox):
        server.uidnext = 0
        (batch,) = read(mailbox)
        assert subjects(batch) == ["one", "two", "five"]
        server.mails[8] = mail("eight")
        assert subjects(*read(mailbox, batch.cursor)) == ["eight"]


def test_a_wrong_uidnext_is_found_out_by_reconciliation() -> None:
    with server_and_mailbox() as (server, mailbox):
        server.uidnext = 3
        assert mailbox.uids() == ("INBOX", "7", {"1", "2", "5"})
        assert subjects(*read(mailbox)) == ["one", "two", "five"]


def test_a_search_that_ignores_its_criterion_does_not_bring_old_mail_again() -> None:
    def everything(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, b"SEARCH 1 2 5 9 9")

    with server_and_mailbox(on={b"UID SEARCH": everything}) as (server, mailbox):
        server.mails[9] = mail("nine")
        assert subjects(*read(mailbox, json.dumps({"uidvalidity": "7", "uid": 5}))) == ["nine"]


def test_a_large_folder_is_searched_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.mailbox._WINDOW", 40)
    with server_and_mailbox({uid: mail(str(uid)) for uid in range(10, 1010, 10)}) as (server, mailbox):
        assert subjects(*read(mailbox)) == [str(uid) for uid in range(10, 1010, 10)]
        assert len(mailbox.uids()[2]) == 100
        searches = [line for line in server.commands if b"SEARCH" in line]
    assert searches[:3] == [b"UID SEARCH UID 1:400", b"UID SEARCH UID 401:800", b"UID SEARCH UID 801:1000"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "[]", "{}", '{"uidvalidity": "7"}', '{"uidvalidity":"8","uid":5}'])
def test_a_cursor_that_means_nothing_here_reads_from_the_start(cursor: str) -> None:
    with server_and_mailbox() as (_, mailbox):
        assert subjects(*read(mailbox, cursor)) == ["one", "two", "five"]


def test_a_window_of_committed_mail_moves_the_cursor_on() -> None:
    committed = Committed()
    committed.places = {place(1), place(2), place(5)}
    with server_and_mailbox() as (_, mailbox):
        (batch,) = read(mailbox, None, committed)
    assert (batch.mails, json.loads(batch.cursor)["uid"]) == ((), 5)


# -- what is not there, and what the server does not hand out ---------------------------------------------------------


def strange(session: Session, tag: bytes, line: bytes) -> None:
    if b"BODY" not in line:
        usual.fetch(session, tag, line)
        return
    answers = [b"1 FETCH (UID 1 BODY[] NIL)", b'2 FETCH (UID 2 BODY[] "")']
    session.ok(tag, *answers, usual.fetched(session, 5, line))


def then_they_are_gone(session: Session, tag: bytes, line: bytes) -> None:
    for uid in (1, 2, 3):
        session.server.mails.pop(uid, None)
    session.ok(tag, b"3 EXPUNGE", b"2 EXPUNGE", b"1 EXPUNGE")


STRANGE = {1: mail("nil"), 2: mail("empty"), 3: mail("silence"), 5: mail("five")}


def test_nil_an_empty_body_and_silence_are_vanished_mails() -> None:
    with server_and_mailbox(STRANGE, on={b"UID FETCH": strange, b"NOOP": then_they_are_gone}) as (_, mailbox):
        (batch,) = read(mailbox)
    assert subjects(batch) == ["five"]
    assert (batch.vanished, batch.unreadable) == (3, ())


def test_a_mail_that_stays_though_nothing_of_it_is_handed_out_is_shown_and_tried_again() -> None:
    with server_and_mailbox(STRANGE, on={b"UID FETCH": strange}) as (server, mailbox):
        (batch,) = read(mailbox)
        assert subjects(batch) == ["five"]
        assert (batch.vanished, batch.unreadable) == (0, ("1", "2", "3"))
        server.on.clear()
        assert subjects(*read(mailbox, batch.cursor)) == ["nil", "empty", "silence"]


def without_a_byte(session: Session, tag: bytes, line: bytes) -> None:
    """UID 2 has none, and the server says so."""
    if b"BODY" in line and 2 in usual.asked(session, line):
        others = [usual.fetched(session, uid, line) for uid in usual.asked(session, line) if uid != 2]
        session.ok(tag, b'2 FETCH (UID 2 BODY[] "")', *others)
    else:
        usual.fetch(session, tag, line)


def test_a_mail_without_a_byte_is_taken_in_as_that_at_the_third_look() -> None:
    mails = {1: mail("one"), 2: b"", 3: mail("three")}
    with server_and_mailbox(mails, on={b"UID FETCH": without_a_byte}) as (_, mailbox):
        (first,) = read(mailbox)
        assert (subjects(first), first.unreadable) == (["one", "three"], ("2",))
        (second,) = read(mailbox, first.cursor)
        assert (second.mails, second.unreadable) == ((), ("2",))
        (third,) = read(mailbox, second.cursor)
        assert [(one.place.uid, one.raw) for one in third.mails] == [("2", b"")]
        assert (third.vanished, third.unreadable) == (0, ())
        assert read(mailbox, third.cursor) == []


def test_a_mail_that_was_still_being_written_is_not_taken_for_an_empty_one() -> None:
    with server_and_mailbox({2: b""}, on={b"UID FETCH": without_a_byte}) as (server, mailbox):
        (first,) = read(mailbox)
        (second,) = read(mailbox, first.cursor)
        server.on.clear()
        server.mails[2] = mail("two")
        assert subjects(*read(mailbox, second.cursor)) == ["two"]


def test_many_mails_without_a_byte_are_a_server_in_trouble() -> None:
    with server_and_mailbox(dict.fromkeys(range(1, 13), b"")) as (_, mailbox):
        for _ in range(4):
            with pytest.raises(TransientError, match="一封邮件也不交出来"):
                read(mailbox)


def test_the_cursor_of_another_folder_means_nothing() -> None:
    """Its UIDs begin at 1 again, and some servers have one UIDVALIDITY for all folders."""
    cursor = json.dumps({"folder": "报告", "uidvalidity": "7", "uid": 5})
    with server_and_mailbox() as (_, mailbox):
        assert read(mailbox, cursor) == read(mailbox)


def refusing(*uids: int, answer: bytes = b"[SERVERBUG] Internal error") -> Handler:
    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if b"BODY" in line and set(usual.asked(session, line)) & {*uids}:
            session.no(tag, answer)
        else:
            usual.fetch(session, tag, line)

    return fetch


def test_one_mail_that_the_server_cannot_hand_out_holds_up_nothing_and_is_tried_again() -> None:
    with server_and_mailbox(on={b"UID FETCH": refusing(2)}) as (server, mailbox):
        (batch,) = read(mailbox)
        assert subjects(batch) == ["one", "five"]
        assert (batch.vanished, batch.unreadable) == (0, ("2",))
        (again,) = read(mailbox, batch.cursor)
        assert (again.mails, again.unreadable) == ((), ("2",))
        server.on.clear()
        (mended,) = read(mailbox, again.cursor)
        assert subjects(mended) == ["two"]
        assert read(mailbox, mended.cursor) == []


def test_two_mails_that_are_all_there_is_and_cannot_be_read_do_not_stop_the_mailbox() -> None:
    with server_and_mailbox({1: mail("one"), 2: mail("two")}, on={b"UID FETCH": refusing(1, 2)}) as (server, mailbox):
        (batch,) = read(mailbox)
        assert batch.unreadable == ("1", "2")
        server.mails[3] = mail("three")
        batches = read(mailbox, batch.cursor)
        assert subjects(*batches) == ["three"]
        server.on.clear()
        assert subjects(*read(mailbox, batches[-1].cursor)) == ["one", "two"]


def test_a_refused_mail_that_vanished_is_forgotten() -> None:
    with server_and_mailbox(on={b"UID FETCH": refusing(2)}) as (server, mailbox):
        (batch,) = read(mailbox)
        del server.mails[2]
        (after,) = read(mailbox, batch.cursor)
        assert (after.vanished, after.unreadable) == (1, ())
        assert read(mailbox, after.cursor) == []


def test_a_server_that_hands_out_nothing_at_all_is_tried_later() -> None:
    mails = {uid: mail(str(uid)) for uid in range(1, 13)}
    with server_and_mailbox(mails, on={b"UID FETCH": refusing(*mails)}) as (_, mailbox), pytest.raises(TransientError):
        read(mailbox)


def test_a_busy_server_is_tried_later() -> None:
    busy = refusing(5, answer=b"[UNAVAILABLE] later")
    with server_and_mailbox({5: mail("five")}, on={b"UID FETCH": busy}) as (_, mailbox), pytest.raises(TransientError):
        read(mailbox)


def test_a_mail_without_a_usable_date_is_not_lost() -> None:
    def undated(session: Session, tag: bytes, line: bytes) -> None:
        raw = usual.fetched(session, 1, line).replace(usual.DATE, b'"99-Foo-0000 99:99:99 +9999"')
        session.ok(tag, raw)

    with server_and_mailbox({1: mail("one")}, on={b"UID FETCH": undated}) as (_, mailbox):
        (batch,) = read(mailbox)
    assert batch.mails[0].received.utcoffset() is not None


# -- broken connections -----------------------------------------------------------------------------------------------


def half_a_line(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* SEARCH 1 2")
    session.cut()


def no_answer(session: Session, tag: bytes, line: bytes) -> None:
    session.server.stopped.wait(5)


def stall_in_a_literal(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* 1 FETCH (UID 1 RFC822.SIZE {1000}\r\nabc")
    session.server.stopped.wait(5)


def cut_in_a_literal(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* 1 FETCH (UID 1 BODY[] {1000}\r\nabc")
    session.cut()


def no_text_after_ok(session: Session, tag: bytes, line: bytes) -> None:
    session.write(tag + b" OK\r\n")


def deep_parentheses(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b"1 FETCH " + b"(" * 20_000)


def absurd_literal(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % 10**30)


def binary(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b"SEARCH \xff\xfe\x00", text=b"\xff")


def refusal_in_gbk(session: Session, tag: bytes, line: bytes) -> None:
    session.no(tag, "系统繁忙".encode("gbk"))


@pytest.mark.parametrize(
    ("command", "handler"),
    [
        (b"UID SEARCH", half_a_line),
        (b"UID SEARCH", no_answer),
        (b"UID SEARCH", no_text_after_ok),
        (b"UID SEARCH", binary),
        (b"UID SEARCH", refusal_in_gbk),
        (b"UID FETCH", stall_in_a_literal),
        (b"UID FETCH", cut_in_a_literal),
        (b"UID FETCH", deep_parentheses),
        (b"UID FETCH", absurd_literal),
        (b"EXAMINE", no_answer),
        (b"LOGIN", half_a_line),
        (b"CAPABILITY", no_answer),
        (b"CAPABILITY", binary),
    ],
)
def test_whatever_breaks_is_transient_and_the_next_poll_starts_afresh(command: bytes, handler: Handler) -> None:
    with server_and_mailbox(on={command: handler}) as (server, mailbox):
        with pytest.raises(TransientError, match=r"127\.0\.0\.1"):
            read(mailbox)
        server.on.clear()
        assert subjects(*read(mailbox)) == ["one", "two", "five"]


def test_the_servers_own_chinese_words_are_told() -> None:
    with (
        server_and_mailbox(on={b"EXAMINE": refusal_in_gbk}) as (_, mailbox),
        pytest.raises(TransientError, match="系统繁忙"),
    ):
        mailbox.check()


@pytest.mark.parametrize("command", [b"UID SEARCH", b"UID FETCH", b"LOGIN", b"CAPABILITY"])
def test_a_server_that_trickles_is_cut_off_at_the_deadline(command: bytes) -> None:
    """Each byte comes in time, the answer never does."""

    def trickle(session: Session, tag: bytes, line: bytes) -> None:
        while not session.server.stopped.wait(0.05):
            session.write(b"x")

    timeouts = Timeouts(connect=5, read=30, operation=0.5)
    with (
        server_and_mailbox(timeouts=timeouts, on={command: trickle}) as (_, mailbox),
        pytest.raises(TransientError),
    ):
        read(mailbox)


@pytest.mark.parametrize("record", [b"", b"\x16\x03\x03\x3f\xff"], ids=["silent", "a record without end"])
def test_a_handshake_that_never_ends_is_cut_off(certificate: Certificate, record: bytes) -> None:
    """Versions before imapclient 4.1 wait for a silent server for ever (mail.md §1.2 a)."""

    class Trickling(ScriptedImap):
        def serve(self, session: Session) -> None:
            with contextlib.suppress(OSError), session.sock, session.file:
                session.write(record)
                while not self.stopped.wait(0.05):
                    session.write(record and b"\x02")

    context = certificate.client_context()
    timeouts = Timeouts(connect=30, read=30, operation=0.5)
    with Trickling() as server:
        mailbox = ImapMailbox("s", "localhost", server.port, True, "u", str, context=context, timeouts=timeouts)
        with pytest.raises(TransientError):
            mailbox.check()


def test_a_folder_made_anew_in_the_middle_of_reading_is_noticed() -> None:
    with server_and_mailbox({uid: mail(str(uid)) for uid in range(1, 61)}) as (server, mailbox):
        reading = iter(mailbox.batches(None, Committed()))
        next(reading)
        mailbox.close()
        server.uidvalidity = 8
        with pytest.raises(TransientError, match="UIDVALIDITY"):
            next(reading)


# -- logging in -------------------------------------------------------------------------------------------------------


def answering(text: bytes) -> Handler:
    return lambda session, tag, line: session.no(tag, text)


@pytest.mark.parametrize(
    "words",
    [
        "Login fail. Account is abnormal, service is not open, password is incorrect",
        "登录失败：请使用授权码",
        "[EXPIRED] your code",
    ],
)
def test_a_refused_login_is_an_alarm_with_the_servers_words_and_a_hint(words: str) -> None:
    with server_and_mailbox(on={b"LOGIN": answering(words.encode())}) as (_, mailbox):
        with pytest.raises(AuthError, match="授权码") as caught:
            mailbox.check()
        assert words in str(caught.value)


def test_a_login_that_the_server_cannot_judge_now_is_tried_later() -> None:
    on = {b"LOGIN": answering(b"[UNAVAILABLE] Temporary authentication failure.")}
    with server_and_mailbox(on=on) as (_, mailbox), pytest.raises(TransientError, match="Temporary"):
        mailbox.check()


def test_a_chinese_password_needs_a_server_that_takes_it() -> None:
    with ScriptedImap(capability=BARE) as server:
        mailbox = ImapMailbox("s", "127.0.0.1", server.port, False, "u@x.example", lambda: "密码")
        with pytest.raises(AuthError, match="AUTH=PLAIN"):
            mailbox.check()
        assert not [line for line in server.commands if line.startswith(b"AUTHENTICATE")]


def test_the_password_is_asked_for_at_every_login() -> None:
    given = iter(["first", "second"])
    with ScriptedImap({1: mail("one")}) as server:
        mailbox = ImapMailbox("s", "127.0.0.1", server.port, False, "u@x.example", lambda: next(given))
        mailbox.check()
        mailbox.close()
        mailbox.check()
        mailbox.close()
        logins = [line for line in server.commands if line.startswith(b"LOGIN")]
    assert logins == [b'LOGIN u@x.example "first"', b'LOGIN u@x.example "second"']


def test_a_password_does_not_leave_this_machine_unencrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.connection.is_loopback", lambda host: False)
    with server_and_mailbox(capability=BARE) as (server, mailbox):
        with pytest.raises(PermanentError, match="STARTTLS"):
            mailbox.check()
        assert not [line for line in server.commands if line.startswith(b"LOGIN")]


def test_a_connection_that_died_between_two_polls_costs_no_poll() -> None:
    with server_and_mailbox() as (server, mailbox):
        (batch,) = read(mailbox)
        server.drop_connections()
        server.mails[6] = mail("six")
        assert subjects(*read(mailbox, batch.cursor)) == ["six"]


def test_one_connection_serves_many_polls() -> None:
    with server_and_mailbox() as (server, mailbox):
        for _ in range(3):
            read(mailbox)
        assert sum(line.startswith(b"LOGIN") for line in server.commands) == 1


# -- filing -----------------------------------------------------------------------------------------------------------


def test_move_is_used_when_offered_and_verified() -> None:
    with server_and_mailbox() as (server, mailbox):
        mailbox.file(place(2), "move:已处理")
        mailbox.file(place(2), "move:已处理")
        assert server.copied == {b'"&XfJZBHQG-"': [2]}
        assert sorted(server.mails) == [1, 5]


def test_a_move_that_the_server_only_pretends_is_noticed() -> None:
    with (
        server_and_mailbox(on={b"UID MOVE": usual.accept}) as (_, mailbox),
        pytest.raises(TransientError, match="没有移动"),
    ):
        mailbox.file(place(2), "move:Done")


def test_a_missing_folder_is_made_once() -> None:
    def only_if_made(session: Session, tag: bytes, line: bytes) -> None:
        if b'CREATE "Done"' in session.server.commands:
            usual.move(session, tag, line)
        else:
            session.no(tag, b"[TRYCREATE] no such folder")

    with server_and_mailbox(on={b"UID MOVE": only_if_made}) as (server, mailbox):
        mailbox.file(place(2), "move:Done")
        mailbox.file(place(5), "move:Done")
        assert server.copied == {b'"Done"': [2, 5]}
        assert server.commands.count(b'CREATE "Done"') == 1


@pytest.mark.parametrize("capability", [NETEASE, ALIYUN])
def test_without_move_it_is_copy_flag_and_an_expunge_of_this_mail_only(capability: bytes) -> None:
    with server_and_mailbox(capability=capability) as (server, mailbox):
        server.flags[5] = {b"\\Deleted"}
        mailbox.file(place(2), "move:Done")
        mailbox.file(place(2), "move:Done")
        assert server.copied == {b'"Done"': [2]}
        assert sorted(server.mails) == [1, 5]
        assert b"EXPUNGE" not in server.commands


def test_without_uidplus_the_mail_is_flagged_and_what_others_flagged_stays() -> None:
    with server_and_mailbox(capability=BARE) as (server, mailbox):
        server.flags[5] = {b"\\Deleted"}
        mailbox.file(place(2), "move:Done")
        mailbox.file(place(2), "move:Done")
        assert server.copied == {b'"Done"': [2]}
        assert server.flags[2] == {b"\\Deleted"}
        assert sorted(server.mails) == [1, 2, 5]


def test_a_move_that_was_cut_off_after_its_copy_is_finished_without_a_second_copy() -> None:
    def cut(session: Session, tag: bytes, line: bytes) -> None:
        session.cut()

    with server_and_mailbox(capability=NETEASE, on={b"UID EXPUNGE": cut}) as (server, mailbox):
        with pytest.raises(TransientError):
            mailbox.file(place(2), "move:Done")
        server.on.clear()
        mailbox.file(place(2), "move:Done")
        assert server.copied == {b'"Done"': [2]}
        assert sorted(server.mails) == [1, 5]


def test_a_folder_that_may_only_be_read_is_said_so() -> None:
    def readonly(session: Session, tag: bytes, line: bytes) -> None:
        usual.select(session, tag, b"EXAMINE")

    with (
        server_and_mailbox(on={b"SELECT": readonly}) as (_, mailbox),
        pytest.raises(PermanentError, match="只读"),
    ):
        mailbox.file(place(2), "seen")


# -- waiting ----------------------------------------------------------------------------------------------------------


def exists_first(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* 4 EXISTS\r\n+ idling\r\n")
    session.read()
    session.ok(tag)


def exists_in_the_same_packet(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"+ idling\r\n* 4 EXISTS\r\n")
    session.read()
    session.ok(tag)


def exists_at_once(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"+ idling\r\n")
    session.server.stopped.wait(0.1)
    session.write(b"* 4 EXISTS\r\n")
    session.read()
    session.ok(tag)


def still_here_then_exists(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"+ idling\r\n")
    session.server.stopped.wait(0.1)
    session.write(b"* OK Still here\r\n* 2 FETCH (FLAGS (\\Seen))\r\n")
    session.server.stopped.wait(0.1)
    session.write(b"* 4 EXISTS\r\n")
    session.read()
    session.ok(tag)


def exists_with_noop(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b"4 EXISTS")


@pytest.mark.parametrize(
    ("command", "handler"),
    [
        (b"IDLE", exists_first),
        (b"IDLE", exists_in_the_same_packet),
        (b"IDLE", exists_at_once),
        (b"IDLE", still_here_then_exists),
        (b"NOOP", exists_with_noop),
    ],
)
def test_an_exists_ends_the_wait_and_the_mail_is_read(command: bytes, handler: Handler) -> None:
    with server_and_mailbox(on={command: handler}) as (server, mailbox):
        (batch,) = read(mailbox)
        server.mails[6] = mail("six")
        waiting = threading.Thread(target=mailbox.wait, args=(600, threading.Event()))
        waiting.start()
        waiting.join(60)
        assert not waiting.is_alive()
        assert subjects(*read(mailbox, batch.cursor)) == ["six"]


def idle_then(action: Callable[[Session], None]) -> Handler:
    def handler(session: Session, tag: bytes, line: bytes) -> None:
        session.write(b"+ idling\r\n")
        action(session)
        session.server.stopped.wait(5)

    return handler


@pytest.mark.parametrize(
    "action",
    [Session.cut, lambda session: (session.write(b"* 4 EXI"), session.cut())],
    ids=["cut", "half a line"],
)
def test_a_connection_that_dies_in_idle_is_noticed(action: Callable[[Session], None]) -> None:
    with server_and_mailbox(on={b"IDLE": idle_then(action)}) as (_, mailbox), pytest.raises(TransientError):
        mailbox.wait(600, threading.Event())


def test_a_connection_that_is_silent_is_found_dead_when_idle_ends() -> None:
    """A NAT that dropped us looks like a quiet mailbox; only the end of IDLE tells."""
    with (
        server_and_mailbox(on={b"IDLE": idle_then(lambda session: None)}) as (_, mailbox),
        pytest.raises(TransientError),
    ):
        mailbox.wait(0.2, threading.Event())


def test_a_server_that_refuses_the_idle_it_offers_is_polled() -> None:
    with server_and_mailbox(on={b"IDLE": answering(b"not now")}) as (_, mailbox):
        mailbox.wait(0.1, threading.Event())
        assert len(read(mailbox)) == 1


def test_idle_is_begun_anew_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.mailbox._IDLE_RESTART", 0.2)
    with server_and_mailbox() as (server, mailbox):
        mailbox.wait(0.7, threading.Event())
        assert server.commands.count(b"IDLE") >= 2


def test_without_idle_the_wait_is_a_plain_one_that_stop_ends() -> None:
    stop = threading.Event()
    with server_and_mailbox(capability=NETEASE) as (server, mailbox):
        mailbox.wait(0.05, stop)
        stop.set()
        mailbox.wait(600, stop)
        assert b"IDLE" not in server.commands


def test_close_is_silent_whatever_has_become_of_the_connection() -> None:
    with server_and_mailbox(on={b"LOGOUT": no_answer}) as (server, mailbox):
        read(mailbox)
        mailbox.close()
        read(mailbox)
        server.drop_connections()
        mailbox.close()
        mailbox.close()
