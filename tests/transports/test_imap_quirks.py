"""IMAP servers that say too much, too little, or something else than they mean (mail.md §1, §2)."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailflow.core.providers import GENERIC, Provider, Refusal
from mailflow.errors import AuthError, PermanentError, TransientError
from mailflow.transports.base import Place
from mailflow.transports.imap import ImapMailbox
from mailflow.transports.pace import Pace
from mailflow.transports.wire import Timeouts
from tests.servers import imap as usual
from tests.servers.imap import Handler, ScriptedImap, Session
from tests.transports.contract import Committed, mail, read, subjects
from tests.transports.scripted import ALIYUN, BARE, QUICK, place, server_and_mailbox

INBOX = b'LIST (\\HasNoChildren) "." INBOX'


def untagged(*lines: bytes) -> Handler:
    return lambda session, tag, line: session.ok(tag, *lines)


def refusing(text: bytes) -> Handler:
    return lambda session, tag, line: session.no(tag, text)


@contextlib.contextmanager
def opening(
    server: ScriptedImap, folder: str = "INBOX", provider: Provider = GENERIC, pace: Pace | None = None
) -> Iterator[ImapMailbox]:
    with server:
        box = ImapMailbox(
            "s", "127.0.0.1", server.port, False, "u@x.example", lambda: "pw", folder, timeouts=QUICK,
            provider=provider, pace=pace or Pace(),
        )  # fmt: skip
        with contextlib.closing(box):
            yield box


# -- answers to FETCH and SEARCH --------------------------------------------------------------------------------------


def body(number: int, uid: int, raw: bytes) -> bytes:
    return b"%d FETCH (UID %d BODY[] {%d}\r\n%b)" % (number, uid, len(raw), raw)


ONE, TWO = mail("one"), mail("two")
QUOTED = ONE.replace(b"\r\n", b"; ")


@pytest.mark.parametrize(
    "lines",
    [
        [body(1, 1, ONE), body(2, 2, TWO), body(1, 1, ONE), body(2, 2, TWO)],
        [b"2 FETCH (BODY[] {3}\r\nbad)", body(1, 1, ONE), body(2, 2, TWO), b"1 FETCH (BODY[] {3}\r\nbad)"],
        [body(1, 1, ONE), b"1 EXPUNGE", body(1, 2, TWO)],
        [body(1, 1, ONE), body(2, 2, TWO), b"1 FETCH (UID 1 BODY[] NIL)", b'2 FETCH (UID 2 BODY[] "")'],
        [b"1 FETCH (UID 1 BODY[] NIL)", body(1, 1, ONE), b"2 FETCH (UID 2 FLAGS (\\Seen))", body(2, 2, TWO)],
        [b"1 FETCH (UID 1 FLAGS (\\Recent))", b"1 FETCH (UID 1 FLAGS (\\Seen))", body(1, 1, ONE), body(2, 2, TWO)],
        [body(2, 2, TWO), b"7 EXISTS", b"OK Still here", body(1, 1, ONE), b"1 RECENT"],
        [body(1, 1, ONE).replace(b"BODY[] {", b"body[] ~{"), body(2, 2, TWO), body(3, 4711, b"of another")],
        [b'1 FETCH (UID 1 BODY[] "%b")' % QUOTED, body(2, 2, TWO)],
    ],
    ids=[
        "twice",
        "without UID",
        "expunged meanwhile",
        "NIL later",
        "NIL first",
        "read meanwhile",
        "other news",
        "literal8",
        "quoted",
    ],
)
def test_bodies_come_to_the_mails_that_they_are_of(lines: list[bytes]) -> None:
    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        (session.ok(tag, *lines) if b"BODY" in line else usual.fetch(session, tag, line))

    with server_and_mailbox({1: ONE, 2: TWO}, on={b"UID FETCH": fetch}) as (_, mailbox):
        (batch,) = read(mailbox)
    assert [(one.place.uid, one.raw.replace(QUOTED, ONE)) for one in batch.mails] == [("1", ONE), ("2", TWO)]
    assert (batch.vanished, batch.unreadable) == (0, ())


def test_two_bodies_of_one_mail_are_a_muddle_and_neither_is_taken() -> None:
    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if b"BODY" in line:
            session.ok(tag, body(1, 1, ONE), body(2, 1, TWO))
        else:
            usual.fetch(session, tag, line)

    with server_and_mailbox({1: ONE, 2: TWO}, on={b"UID FETCH": fetch}) as (server, mailbox):
        with pytest.raises(TransientError, match="same UID"):
            read(mailbox)
        server.on.clear()
        assert subjects(*read(mailbox)) == ["one", "two"]


@pytest.mark.parametrize(
    "lines",
    [
        [b"SEARCH 1 2", b"SEARCH 5"],
        [b"SEARCH 5 1 2 1"],
        [b"SEARCH 1 2 5 (MODSEQ 917162500)"],
        [b"SEARCH", b"SEARCH 1 2 5"],
    ],
    ids=["two lines", "out of order", "MODSEQ", "an empty line"],
)
def test_a_search_answer_may_be_split_shuffled_or_annotated(lines: list[bytes]) -> None:
    with server_and_mailbox(on={b"UID SEARCH": untagged(*lines)}) as (_, mailbox):
        assert subjects(*read(mailbox)) == ["one", "two", "five"]


def test_a_uidnext_that_lags_behind_hides_nothing() -> None:
    with server_and_mailbox() as (server, mailbox):
        server.uidnext = 6
        (batch,) = read(mailbox)
        server.mails[6] = mail("six")
        assert subjects(*read(mailbox, batch.cursor)) == ["six"]


def test_message_numbers_that_are_refused_leave_uidnext_and_none_at_all_is_no_empty_folder() -> None:
    with server_and_mailbox(on={b"FETCH": refusing(b"Invalid messageset")}) as (server, mailbox):
        assert subjects(*read(mailbox)) == ["one", "two", "five"]
        server.uidnext = 0
        with pytest.raises(TransientError, match="Invalid messageset"):
            read(mailbox)
        server.on[b"FETCH"] = usual.accept
        with pytest.raises(TransientError, match="UIDNEXT"):
            read(mailbox)


def test_a_server_that_does_not_say_how_many_mails_there_are_has_not_none() -> None:
    with (
        server_and_mailbox(on={b"EXAMINE": untagged(b"OK [UIDVALIDITY 7] valid")}) as (_, mailbox),
        pytest.raises(TransientError, match="EXISTS"),
    ):
        read(mailbox)


def test_an_absurd_size_costs_neither_the_deadline_nor_the_mail() -> None:
    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if b"SIZE" in line:
            session.ok(tag, b"1 FETCH (UID 1 RFC822.SIZE %d)" % 10**30)
        else:
            usual.fetch(session, tag, line)

    with server_and_mailbox({1: ONE}, on={b"UID FETCH": fetch}) as (_, mailbox):
        assert [one.raw for batch in read(mailbox) for one in batch.mails] == [ONE]


def test_a_folder_of_a_hundred_thousand_mails_with_the_largest_uids_there_are() -> None:
    last = 2**32 - 1
    mails = dict.fromkeys(range(last - 99_999, last + 1), ONE)
    committed = Committed()
    committed.places = {place(uid) for uid in mails if uid not in (last - 60_000, last)}
    with server_and_mailbox(mails, timeouts=Timeouts()) as (server, mailbox):
        batches = read(mailbox, None, committed)
        assert [one.place.uid for batch in batches for one in batch.mails] == [str(last - 60_000), str(last)]
        assert len(mailbox.uids()[2]) == 100_000
        server.commands.clear()
        assert read(mailbox, batches[-1].cursor) == []
        assert not [line for line in server.commands if b"SEARCH" in line]


# -- opening the folder -----------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.connection._ANEW", 0.0)


def ever_another(session: Session, tag: bytes, line: bytes) -> None:
    session.server.uidvalidity = (session.server.uidvalidity or 0) + 1
    usual.select(session, tag, line)


@pytest.mark.usefixtures("at_once")
def test_a_uidvalidity_made_up_at_each_opening_counts_as_none_and_old_mail_does_not_come_poll_after_poll() -> None:
    with server_and_mailbox(on={b"EXAMINE": ever_another, b"SELECT": ever_another}) as (server, mailbox):
        committed, cursor, polls = Committed(), None, []
        for number in range(6, 10):
            batches = read(mailbox, cursor, committed)
            committed.take(*batches)
            cursor = batches[-1].cursor
            polls.append(subjects(*batches))
            server.mails[number] = mail(str(number))
            mailbox.close()  # as after an error, or a restart
        everything = ["one", "two", "five"]
        assert polls == [everything, [*everything, "6"], ["7"], ["8"]]
        read(mailbox, cursor, committed)
        assert mailbox.uids() == ("INBOX", "0", {"1", "2", "5", "6", "7", "8", "9"})
        mailbox.file(place(5), "move:Done")
        assert sorted(server.mails) == [1, 2, 5, 6, 7, 8, 9]  # 7 is no UIDVALIDITY of this folder


@pytest.mark.parametrize(
    ("folder", "sent"),
    [
        ("已处理", rb'"&XfJZBHQG-"'),
        ("R&D", rb'"R&-D"'),
        ("INBOX.已处理", rb'"INBOX.&XfJZBHQG-"'),
        ("INBOX/客户 A/2026", rb'"INBOX/&W6JiNw- A/2026"'),
        ('a"b\\c', rb'"a\"b\\c"'),
        ("100%*", b'"100%*"'),
        ("inbox", b'"INBOX"'),
        ("😀", b'"&2D3eAA-"'),
    ],
)
def test_folders_of_any_name_are_opened_and_moved_to(folder: str, sent: bytes) -> None:
    with opening(ScriptedImap({1: ONE}), folder) as box:
        (batch,) = read(box)
        assert batch.mails[0].place.folder == ("INBOX" if folder == "inbox" else folder)
    server = ScriptedImap({1: ONE})
    with opening(server, "elsewhere") as box:
        read(box)
        box.file(Place("elsewhere", "7", "1"), f"move:{folder}")
        opened = sent if folder != "inbox" else b'"inbox"'
        assert server.copied == {opened: [1]}


LISTED = [
    INBOX,
    b'LIST (\\HasNoChildren) "." "INBOX.&XfJZBHQG-"',
    b'LIST (\\Noselect \\HasChildren) "." "&W6JiNw-"',
    b'LIST (\\HasNoChildren) "." name with blanks',
    b'LIST (\\HasNoChildren) "." {7}\r\nliteral',
    b"LIST ((( )",
    b"LIST",
    b'LIST (\\Sent) "." "Sent Messages" ("CHILDINFO" ("SUBSCRIBED"))',
]


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("已处理", r"没有文件夹“已处理”。相近的有：INBOX\.已处理"),
        ("Name With Blank", "相近的有：name with blanks"),
        ("客户", "“客户”只是一层目录"),
        ("完全没有", r"没有文件夹“完全没有”。现有：INBOX、INBOX\.已处理、name with blanks、literal、"),
    ],
)
def test_a_folder_that_is_not_there_is_told_with_those_that_are_near(folder: str, said: str) -> None:
    server = ScriptedImap(on={b"EXAMINE": refusing(b"SELECT failed"), b"LIST": untagged(*LISTED)})
    with opening(server, folder) as box, pytest.raises(PermanentError, match=said):
        box.check()


@pytest.mark.parametrize("listing", [untagged(), refusing(b"not now"), untagged(b'LIST () "/" "there"')])
def test_a_refusal_without_a_reason_in_the_folder_list_is_tried_again(listing: Handler) -> None:
    server = ScriptedImap(on={b"EXAMINE": refusing(b"SELECT failed"), b"LIST": listing})
    with opening(server, "there") as box, pytest.raises(TransientError, match="SELECT failed"):
        box.check()


@pytest.mark.parametrize(
    ("folder", "raw"), [("R&D", b"R&D"), ("已处理", "已处理".encode()), ("已处理", "已处理".encode("gbk"))]
)
def test_a_server_that_knows_no_modified_utf_7_is_asked_in_its_own_words(folder: str, raw: bytes) -> None:
    def examine(session: Session, tag: bytes, line: bytes) -> None:
        if line == b'EXAMINE "%b"' % raw:
            usual.select(session, tag, line)
        else:
            session.no(tag, b"Unknown folder")

    server = ScriptedImap({1: ONE}, on={b"EXAMINE": examine, b"LIST": untagged(b'LIST () "/" "%b"' % raw)})
    with opening(server, folder) as box:
        (batch,) = read(box)
        assert batch.mails[0].place.folder == folder
        server.commands.clear()
        assert read(box, batch.cursor) == []
    assert b"LIST" not in b" ".join(server.commands)


# -- logging in -------------------------------------------------------------------------------------------------------


def test_a_login_that_is_disabled_is_not_tried() -> None:
    with opening(ScriptedImap({1: ONE}, capability=BARE + b" LOGINDISABLED AUTH=PLAIN")) as box:
        assert subjects(*read(box)) == ["one"]
    server = ScriptedImap(capability=BARE + b" LOGINDISABLED")
    with opening(server) as box, pytest.raises(AuthError, match="LOGINDISABLED"):
        box.check()
    assert not [line for line in server.commands if line.startswith((b"LOGIN", b"AUTH"))]


def test_a_server_that_greets_us_as_known_is_not_logged_in_to() -> None:
    server = ScriptedImap({1: ONE}, greeting=b"* PREAUTH welcome")
    with opening(server) as box:
        assert subjects(*read(box)) == ["one"]
    assert not [line for line in server.commands if line.startswith(b"LOGIN")]
    assert [line for line in server.commands if line.startswith(b"ID ")]


def test_a_greeting_that_would_have_us_skip_encryption_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """PREAUTH rules STARTTLS out (RFC 3501 §6.2.1), which suits whoever sits in the line."""
    monkeypatch.setattr("mailflow.transports.imap.connection.is_loopback", lambda host: False)
    server = ScriptedImap({1: ONE}, capability=b"IMAP4rev1 STARTTLS", greeting=b"* PREAUTH welcome")
    with opening(server) as box, pytest.raises(TransientError):
        read(box)
    assert {*server.commands} == {b"CAPABILITY"}


@pytest.mark.parametrize("words", ["连接太多，请稍后再试", "Too many connections"])
@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_goodbye_in_place_of_a_greeting_is_told_and_tried_later(words: str, encoding: str) -> None:
    server = ScriptedImap(greeting=b"* BYE " + words.encode(encoding))
    with opening(server) as box, pytest.raises(TransientError, match=words):
        box.check()


def test_a_goodbye_in_mid_session_is_told_and_costs_one_poll() -> None:
    def bye(session: Session, tag: bytes, line: bytes) -> None:
        session.write("* BYE 系统维护\r\n".encode())
        session.cut()

    with server_and_mailbox(on={b"UID SEARCH": bye}) as (server, mailbox):
        with pytest.raises(TransientError, match="系统维护"):
            read(mailbox)
        server.on.clear()
        assert len(read(mailbox)) == 1


def test_what_is_offered_after_the_login_counts_even_if_something_was_said_unasked_before_it() -> None:
    """QQ says less before the login than after it (mail.md §2)."""

    def login(session: Session, tag: bytes, line: bytes) -> None:
        session.server.capability = b"IMAP4rev1 ID MOVE UIDPLUS"
        session.ok(tag)

    server = ScriptedImap({1: ONE}, capability=b"IMAP4rev1", on={b"LOGIN": login})
    with opening(server) as box:
        assert "MOVE、UIDPLUS、ID" in box.check()
    assert [line.split()[0] for line in server.commands][:4] == [b"CAPABILITY", b"LOGIN", b"CAPABILITY", b"ID"]


def test_a_refusal_after_the_login_is_told_in_the_providers_words() -> None:
    """Microsoft 365, when the application may not open the mailbox (mail.md §1.2)."""

    def not_connected(session: Session, tag: bytes, line: bytes) -> None:
        session.bad(tag, b"User is authenticated but not connected.")

    provider = Provider(id="m", name="M", refusal=(Refusal(says="not connected", means="请管理员授权。"),))
    server = ScriptedImap(on={b"EXAMINE": not_connected})
    with opening(server, provider=provider) as box, pytest.raises(TransientError, match=r"not connected.*请管理员授权"):
        box.check()


def test_a_bad_answer_is_told_in_the_servers_chinese() -> None:
    def bad(session: Session, tag: bytes, line: bytes) -> None:
        session.bad(tag, "参数错误".encode("gbk"))

    with server_and_mailbox(on={b"UID SEARCH": bad}) as (_, mailbox), pytest.raises(TransientError, match="参数错误"):
        read(mailbox)


def test_a_greeting_that_never_ends_is_cut_off() -> None:
    class Trickling(ScriptedImap):
        def serve(self, session: Session) -> None:
            with contextlib.suppress(OSError), session.sock, session.file:
                while not self.stopped.wait(0.05):
                    session.write(b"*")

    with Trickling() as server:
        timeouts = Timeouts(connect=30, read=30, operation=0.5)
        box = ImapMailbox("s", "127.0.0.1", server.port, False, "u", str, timeouts=timeouts)
        with pytest.raises(TransientError):
            box.check()


def test_a_logout_that_trickles_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def trickle(session: Session, tag: bytes, line: bytes) -> None:
        while not session.server.stopped.wait(0.05):
            session.write(b"x")

    monkeypatch.setattr("mailflow.transports.imap.connection._GOODBYE", 0.3)
    with server_and_mailbox(timeouts=Timeouts(connect=5, read=30), on={b"LOGOUT": trickle}) as (_, mailbox):
        read(mailbox)
        closing = threading.Thread(target=mailbox.close)
        closing.start()
        closing.join(20)
        assert not closing.is_alive()


def test_a_restart_is_no_reason_to_log_in_again_at_once(tmp_path: Path) -> None:
    careful = Provider(id="careful", name="x", login_pause=60)
    with ScriptedImap({1: ONE}) as server:

        def box() -> ImapMailbox:
            pace = Pace(tmp_path / "logins.json")
            return ImapMailbox(
                "s", "127.0.0.1", server.port, False, "u", lambda: "pw", timeouts=QUICK, provider=careful, pace=pace
            )

        with contextlib.closing(box()) as first:
            assert subjects(*read(first)) == ["one"]
        with contextlib.closing(box()) as after, pytest.raises(TransientError, match="不允许频繁登录") as caught:
            after.check()
        assert 0 < (caught.value.retry_after or 0) <= 60
        (account,) = json.loads((tmp_path / "logins.json").read_text(encoding="utf-8"))
        (tmp_path / "logins.json").write_text(json.dumps({account: time.time() - 61}), encoding="utf-8")
        with contextlib.closing(box()) as later:
            assert later.check()


@pytest.mark.parametrize("content", ["", "[]", '{"a": "x"}', '{"a": null}', '{"s u@127.0.0.1": 9e99}', "\x00"])
def test_a_file_of_logins_that_makes_no_sense_stops_nobody(tmp_path: Path, content: str) -> None:
    path = tmp_path / "logins.json"
    path.write_text(content, encoding="utf-8")
    pace = Pace(path)
    assert pace.since("s u@127.0.0.1") == float("inf")
    Pace(tmp_path / "not there" / "logins.json").note("s")


def test_the_logins_that_another_process_has_noted_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "logins.json"
    daemon, check = Pace(path), Pace(path)
    daemon.note("read by the daemon")
    check.note("tried by a person")
    after = Pace(path)
    assert [after.since(who) < float("inf") for who in ("read by the daemon", "tried by a person")] == [True, True]
    assert daemon.since("tried by a person") < float("inf")


# -- filing -----------------------------------------------------------------------------------------------------------


def test_moving_to_the_very_folder_that_is_read_is_refused() -> None:
    with server_and_mailbox() as (server, mailbox):
        with pytest.raises(PermanentError, match="正在读的文件夹"):
            mailbox.file(place(1), "move:inbox")
        assert server.copied == {}


def test_a_pretended_move_is_noticed_where_search_ignores_what_it_is_asked() -> None:
    on = {b"UID MOVE": usual.accept, b"UID SEARCH": untagged(b"SEARCH 1 2 5")}
    with server_and_mailbox(on=on) as (_, mailbox), pytest.raises(TransientError, match="没有移动"):
        mailbox.file(place(2), "move:Done")


def test_a_flag_told_unasked_of_another_mail_is_not_taken_for_ours() -> None:
    """Message 2 is UID 3; somebody deletes it just now. UID 2 must be copied all the same."""

    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        ours = [usual.fetched(session, uid, line) for uid in usual.asked(session, line)]
        session.ok(tag, *ours, b"2 FETCH (FLAGS (\\Deleted))")

    with server_and_mailbox({2: TWO, 3: mail("three")}, capability=ALIYUN, on={b"UID FETCH": fetch}) as (server, box):
        box.file(place(2), "move:Done")
        assert server.copied == {b'"Done"': [2]}
        assert sorted(server.mails) == [3]


def test_a_folder_that_must_lie_below_the_inbox_is_told_with_its_right_name() -> None:
    names = untagged(INBOX, b'LIST () "." "INBOX.Sent"', b'LIST () "." "INBOX.Trash"')
    on = {b"UID MOVE": refusing(b"Mailbox does not exist"), b"CREATE": refusing(b"Invalid name"), b"LIST": names}
    with server_and_mailbox(on=on) as (_, mailbox), pytest.raises(PermanentError, match=r"move:INBOX\.已处理"):
        mailbox.file(place(1), "move:已处理")


# -- waiting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [b"NOOP", b"IDLE"])
def test_an_exists_without_anything_new_wakes_nobody(command: bytes) -> None:
    """Some repeat it at each NOOP; each time the folder would be opened anew, for ever."""

    def idle(session: Session, tag: bytes, line: bytes) -> None:
        session.write(b"* 3 EXISTS\r\n+ idling\r\n* 3 EXISTS\r\n* 2 EXPUNGE\r\n* 2 EXISTS\r\n* OK Still here\r\n")
        session.read()
        session.ok(tag)

    on = {b"NOOP": untagged(b"3 EXISTS", b"0 RECENT")} if command == b"NOOP" else {b"IDLE": idle}
    with server_and_mailbox(on=on) as (server, mailbox):
        read(mailbox)
        begun = time.monotonic()
        mailbox.wait(0.5, threading.Event())
        assert time.monotonic() - begun >= 0.5
        assert server.commands.count(b"IDLE") == 1


@pytest.mark.parametrize("answer", [refusing(b"not now"), usual.accept], ids=["NO", "OK at once"])
def test_a_refused_idle_costs_no_login(answer: Handler) -> None:
    """Logins are what gets an account locked (mail.md §2, QQ)."""
    with server_and_mailbox(on={b"IDLE": answer}) as (server, mailbox):
        for _ in range(3):
            read(mailbox)
            mailbox.wait(0.05, threading.Event())
        assert sum(line.startswith(b"LOGIN") for line in server.commands) == 1
