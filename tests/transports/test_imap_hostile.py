"""IMAP servers that are broken in one place for good, or that mean ill: one mail that breaks the line each time,
secrets that are repeated, answers in clear text before TLS, numbers that nobody has so many mails for."""

from __future__ import annotations

import base64
import contextlib
import gc
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from mailflow import journal
from mailflow.core.providers import Provider
from mailflow.errors import AuthError, MailflowError, TransientError
from mailflow.transports.imap import ImapMailbox, ImapSent
from mailflow.transports.imap.cursor import Cursor
from mailflow.transports.pace import Pace
from mailflow.transports.wire import Timeouts
from tests.servers import imap as usual
from tests.servers.imap import Handler, ScriptedImap, Session
from tests.servers.loopback import Certificate, make_certificate
from tests.transports.contract import Committed, committing, mail, subjects
from tests.transports.scripted import ALIYUN, QUICK, Given, place, server_and_mailbox

# -- one mail at which the line breaks each time ----------------------------------------------------------------------

MAILS = {uid: mail(str(uid)) for uid in range(1, 8)}


def at_uid(bad: int, break_off: Handler, item: bytes = b"BODY") -> Handler:
    """As soon as `item` of this mail is asked for, alone or with others."""

    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if item in line and bad in usual.asked(session, line):
            break_off(session, tag, line)
        else:
            usual.fetch(session, tag, line)

    return fetch


def cut(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* 1 FETCH (UID 1 BODY[] {1000}\r\nabc")
    session.cut()


def goodbye(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"* BYE Internal error occurred. Refer to server log for more information.\r\n")
    session.cut()


def nonsense(session: Session, tag: bytes, line: bytes) -> None:
    session.ok(tag, b"4 FETCH (UID 4 BODY[] (((")


def literal(off: int) -> Handler:
    """One that is so much longer than it says."""

    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        size = len(MAILS[4])
        session.ok(tag, b"4 FETCH (UID 4 BODY[] {%d}\r\n%b)" % (size - off, MAILS[4]))

    return fetch


def silent(session: Session, tag: bytes, line: bytes) -> None:
    session.server.stopped.wait(5)


def polls(mailbox: ImapMailbox, committed: Committed, cursor: str | None, times: int) -> Iterator[tuple[str, str]]:
    """What came, and what was told, at each poll; the mailbox is made anew after an error, as in the daemon."""
    for _ in range(times):
        found, unreadable = list[str](), list[str]()
        try:
            for batch in committing(mailbox, cursor, committed):
                cursor = batch.cursor
                found += subjects(batch)
                unreadable += batch.unreadable
        except TransientError:
            unreadable.append("broken")
            mailbox.close()
        yield " ".join(found), " ".join(unreadable)


@pytest.mark.parametrize("item", [b"BODY", b"SIZE"])
@pytest.mark.parametrize("break_off", [cut, goodbye, nonsense, literal(9), literal(-99), silent])
def test_one_mail_at_which_the_line_breaks_each_time_holds_up_the_others_for_two_polls(
    break_off: Handler, item: bytes
) -> None:
    """A virus scanner in the line does that, or a server that falls over a damaged mail."""
    committed = Committed()
    with server_and_mailbox(MAILS, on={b"UID FETCH": at_uid(4, break_off, item)}) as (_, mailbox):
        told = list(polls(mailbox, committed, None, 9))
        assert told[:3] == [("", "broken"), ("1 2 3", "broken"), ("5 6 7", "4")]
        # Now it is tried ever more seldom, and shown at each poll.
        assert [unreadable for _, unreadable in told[3:]] == ["broken", "4", "4", "4", "broken", "4"]
        assert {one.uid for one in committed.places} == {"1", "2", "3", "5", "6", "7"}
        assert mailbox.uids()[2] == {str(uid) for uid in MAILS}


def test_new_mail_comes_before_the_line_is_broken_again() -> None:
    committed = Committed()
    with server_and_mailbox(MAILS, on={b"UID FETCH": at_uid(4, cut)}) as (server, mailbox):
        poll = polls(mailbox, committed, None, 8)
        told = []
        for number in range(8):
            server.mails[10 + number] = mail(f"new {number}")
            told.append(next(poll))
    assert [found for found, _ in told] == [
        "", "1 2 3", "5 6 7 new 0 new 1 new 2", "new 3", "new 4", "new 5", "new 6", "new 7"
    ]  # fmt: skip
    assert [unreadable for _, unreadable in told[3:]] == ["broken", "4", "4", "4", "broken"]


def test_a_mail_at_which_the_line_broke_comes_when_it_can_be_had() -> None:
    committed, cursor = Committed(), None
    with server_and_mailbox(MAILS, on={b"UID FETCH": at_uid(4, cut)}) as (server, mailbox):
        found: list[str] = []
        for poll in range(8):
            if poll == 4:
                server.on.clear()
            with contextlib.suppress(TransientError):
                for batch in committing(mailbox, cursor, committed):
                    cursor = batch.cursor
                    found += subjects(batch)
        assert sorted(found) == [str(uid) for uid in MAILS]
        assert "broke" not in (cursor or "")


def test_a_large_mail_goes_on_where_the_line_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.imap.mailbox._WHOLE", 1000)
    monkeypatch.setattr("mailflow.transports.imap.mailbox._PART", 300)
    large = mail("large", bytes(range(256)) * 8)
    asked = Counter[bytes]()

    def each_part_but_the_first_breaks_once(session: Session, tag: bytes, line: bytes) -> None:
        asked[line] += 1
        if b"]<" in line and b"]<0." not in line and asked[line] == 1:
            cut(session, tag, line)
        else:
            usual.fetch(session, tag, line)

    with server_and_mailbox({1: large}, on={b"UID FETCH": each_part_but_the_first_breaks_once}) as (server, mailbox):
        assert [one.raw for batch in committing(mailbox, None, Committed()) for one in batch.mails] == [large]
        assert {number for line, number in asked.items() if b"]<" in line} == {1, 2}
        server.on[b"UID FETCH"] = lambda session, tag, line: (
            cut(session, tag, line) if b"]<600." in line else usual.fetch(session, tag, line)
        )
        assert list(polls(mailbox, Committed(), None, 3)) == [("", "broken"), ("", "broken"), ("", "1")]


def test_a_line_that_broke_once_costs_nothing_but_the_poll() -> None:
    breaks = iter([True])

    def once(session: Session, tag: bytes, line: bytes) -> None:
        (cut if b"BODY" in line and next(breaks, False) else usual.fetch)(session, tag, line)

    with server_and_mailbox(MAILS, on={b"UID FETCH": once}) as (_, mailbox):
        told = list(polls(mailbox, Committed(), None, 3))
    assert told == [("", "broken"), ("1 2 3 4 5 6 7", ""), ("", "")]


def test_after_a_line_that_broke_for_long_all_mails_come_at_once() -> None:
    """Each of them is suspected, until the first one has come; they do not wait for as long as it broke."""
    mails = {uid: mail(str(uid)) for uid in range(1, 31)}
    breaks = {b"UID FETCH": lambda session, tag, line: (cut if b"BODY" in line else usual.fetch)(session, tag, line)}
    committed, cursor = Committed(), None
    with server_and_mailbox(mails, on=breaks) as (server, mailbox):
        for look in range(60 + 17):
            if look == 60:
                server.on.clear()
            with contextlib.suppress(TransientError):
                for batch in committing(mailbox, cursor, committed):
                    cursor = batch.cursor
            mailbox.close()
            if len(committed.places) == len(mails):
                break
    assert len(committed.places) == len(mails)
    assert look < 60 + 17
    assert "broke" not in (cursor or "")


@pytest.mark.parametrize(("looks", "left_out"), [(0, 0), (1, 0), (2, 1), (3, 0), (4, 1), (6, 1), (7, 0), (8, 1)])
def test_a_mail_at_which_the_line_breaks_is_tried_but_seldom(looks: int, left_out: int) -> None:
    assert Cursor("INBOX", "7", broke={1: looks}).leaves_out(1) == bool(left_out)


def test_a_mail_at_which_the_line_breaks_is_never_given_up() -> None:
    tried = [look for look in range(1, 200) if not Cursor("INBOX", "7", broke={1: look - 1}).leaves_out(1)]
    assert tried[:5] == [1, 2, 4, 8, 16]
    assert {after - before for before, after in pairwise(tried[4:])} == {16}


def test_a_mail_that_was_only_suspected_clears_the_others() -> None:
    at = Cursor("INBOX", "7", 9, again=[1, 2, 3], broke={1: 40, 2: 41, 3: 42, 11: 1})
    at.pass_by([2], [2])
    assert at.broke == {1: 40, 2: 41, 3: 42, 11: 1}
    at.pass_by([2])
    assert at.broke == {1: 3, 3: 3, 11: 3}
    assert not any(at.leaves_out(uid) for uid in (1, 3, 11))


def test_the_cursor_stays_small_whatever_breaks() -> None:
    at = Cursor("客户询价/" * 20, str(2**32 - 1))
    for start in range(2**32 - 20_000, 2**32 - 200, 200):
        uids = list(range(start, start + 200))
        at.broke_at(uids)
        at.really_empty(uids, uids)
        at.pass_by(uids, uids)
        at.broke_at(range(start + 200, start + 400))
        assert len(str(at).encode()) < 64 * 1024
        assert Cursor.parse(str(at), at.folder) == at


@pytest.mark.parametrize("text", ['{"uidvalidity": "7", "uid": 5}', '{"uidvalidity": "7", "uid": 5, "again": [3]}'])
def test_the_cursor_of_an_older_release_is_understood(text: str) -> None:
    at = Cursor.parse(text, "INBOX")
    assert at is not None
    assert (at.uid, at.broke, at.empty) == (5, {}, {})


def test_a_large_mail_that_cannot_go_on_where_the_line_broke_is_suspected_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that wants a pause between two logins must not have it asked for first, for ever."""
    monkeypatch.setattr("mailflow.transports.imap.mailbox._WHOLE", 1000)
    monkeypatch.setattr("mailflow.transports.imap.mailbox._PART", 300)
    monkeypatch.setattr("mailflow.transports.base.MAX_BATCH_BYTES", 1000)
    at_600 = {b"UID FETCH": lambda session, tag, line: (cut if b"]<600." in line else usual.fetch)(session, tag, line)}
    committed, cursor = Committed(), None
    careful = Provider(id="careful", name="x", login_pause=60)
    with ScriptedImap({1: mail("large", bytes(2000)), 2: mail("two")}, on=at_600) as server:
        for expected in (set(), set(), {"2"}):
            box = ImapMailbox(
                "s", "127.0.0.1", server.port, False, "u@x.example", lambda: "pw", timeouts=QUICK, provider=careful,
                pace=Pace(),
            )  # fmt: skip
            with contextlib.closing(box), contextlib.suppress(TransientError):
                for batch in committing(box, cursor, committed):
                    cursor = batch.cursor
            assert {one.uid for one in committed.places} == expected


def test_a_server_that_is_out_of_order_is_no_fault_of_the_mails() -> None:
    """It lets us in and then says that it is busy, or does not let us in at all."""

    def busy(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, b"[UNAVAILABLE] later")

    for command, handler in ((b"UID FETCH", busy), (b"EXAMINE", goodbye), (b"LOGIN", goodbye)):
        with server_and_mailbox(MAILS, on={command: handler}) as (server, mailbox):
            told = list(polls(mailbox, Committed(), None, 6))
            assert told == [("", "broken")] * 6
            server.on.clear()
            assert subjects(*committing(mailbox, None, Committed())) == [str(uid) for uid in MAILS]


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [2**32, 10**18])
def test_more_mails_than_there_can_be_are_not_asked_for(exists: int) -> None:
    def select(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, b"%d EXISTS" % exists, b"OK [UIDVALIDITY 7] valid")

    with server_and_mailbox(on={b"EXAMINE": select}) as (_, mailbox), pytest.raises(TransientError, match="EXISTS"):
        mailbox.check()


def test_a_literal_larger_than_any_mail_is_not_waited_for() -> None:
    def huge(session: Session, tag: bytes, line: bytes) -> None:
        session.write(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % 2**40)
        session.server.stopped.wait(5)

    timeouts = Timeouts(connect=5, read=60, operation=60)
    with (
        server_and_mailbox(timeouts=timeouts, on={b"UID FETCH": huge}) as (_, mailbox),
        pytest.raises(TransientError, match="1099511627776"),
    ):
        list(mailbox.batches(None, Committed()))


# -- secrets ----------------------------------------------------------------------------------------------------------

PASSWORD = 'ge"heim-4711'


@pytest.mark.parametrize(
    "answer",
    [
        b"%(tag)s NO cannot: %(line)s",
        b"%(tag)s BAD unknown command %(line)s",
        b"LOGIN? %(line)s",
        b"* BYE %(line)s",
    ],
)
@pytest.mark.parametrize("way", ["login", "plain", "token"])
def test_a_server_that_repeats_the_password_does_not_get_it_into_a_message(answer: bytes, way: str) -> None:
    def repeat(session: Session, tag: bytes, line: bytes) -> None:
        if way != "login":
            session.write(b"+ \r\n")
            line = session.read()
        session.write(answer % {b"tag": tag, b"line": line} + b"\r\n")

    capability = b"IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2"
    user = "用户" if way == "plain" else "u"
    tokens = Given(*["t0ken-of-some-length"] * 2) if way == "token" else None
    with ScriptedImap(capability=capability, on={b"LOGIN": repeat, b"AUTHENTICATE": repeat}) as server:
        box = ImapMailbox("s", "127.0.0.1", server.port, False, user, lambda: PASSWORD, timeouts=QUICK, tokens=tokens)
        with contextlib.closing(box), pytest.raises(MailflowError) as caught:
            box.check()
    said = " ".join(map(str, causes(caught.value)))
    sent = (PASSWORD, PASSWORD.replace('"', r"\""), b64(f"\0{user}\0{PASSWORD}")[:12], "t0ken-of")
    xoauth = b64(f"user={user}\1auth=Bearer t0ken-of-some-length\1\1")[:12]
    assert not [secret for secret in (*sent, xoauth) if secret in said]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "words",
    [
        b"[ALERT] Too many simultaneous connections. (Failure)",
        b"[LIMIT] LOGIN Rate limit hit.",
        b"Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
    ],
)
def test_too_many_connections_are_no_wrong_password(words: bytes) -> None:
    def refuse(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, words)

    with server_and_mailbox(on={b"LOGIN": refuse}) as (_, mailbox), pytest.raises(TransientError) as caught:
        mailbox.check()
    assert not isinstance(caught.value, AuthError)


# -- STARTTLS ---------------------------------------------------------------------------------------------------------


class Tls(ScriptedImap):
    """Goes over to TLS when asked. `injected`: said in clear text behind the OK, as whoever sits in the line may."""

    def __init__(self, context: ssl.SSLContext, injected: bytes = b"", before: bytes = b"") -> None:
        super().__init__({1: mail("one")}, capability=b"IMAP4rev1 STARTTLS", on={b"STARTTLS": self._starttls})
        self.context, self._injected, self._before = context, injected, before

    def _starttls(self, session: Session, tag: bytes, line: bytes) -> None:
        session.write(self._before + tag + b" OK go\r\n" + self._injected)
        plain = session.file
        with (
            contextlib.closing(self.context.wrap_socket(session.sock, server_side=True)) as session.sock,
            session.sock.makefile("rb") as session.file,
        ):
            while line := session.read():
                tag, _, rest = line.partition(b" ")
                self.commands.append(rest)
                self.handler(rest)(session, tag, rest)
        session.file = plain


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server counts as another machine."""
    monkeypatch.setattr("mailflow.transports.imap.connection.is_loopback", lambda host: False)


@pytest.mark.usefixtures("elsewhere")
def test_what_was_said_before_tls_is_forgotten(certificate: Certificate) -> None:
    """RFC 3501 §6.2.1; "* LIST" is what would be believed of a folder's name."""
    before = b'* LIST (\\Sent) "/" "evil"\r\n* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n* 9 EXISTS\r\n'
    with Tls(certificate.server_context(), before=before) as server:
        context = certificate.client_context()
        box = ImapMailbox("s", "localhost", server.port, False, "u", lambda: "pw", context=context, timeouts=QUICK)
        sent = ImapSent("s", "localhost", server.port, False, "u", lambda: "pw", "", context=context, timeouts=QUICK)
        with contextlib.closing(box), contextlib.closing(sent):
            assert subjects(*box.batches(None, Committed())) == ["one"]
            sent.append(mail("copy"))
        assert [*server.copied] == [b'"Sent"']


@pytest.mark.usefixtures("elsewhere")
def test_a_certificate_that_has_changed_gets_no_password(certificate: Certificate, tmp_path: Path) -> None:
    server = Tls(certificate.server_context())
    with server:
        context = certificate.client_context()
        box = ImapMailbox("s", "localhost", server.port, False, "u", lambda: "pw", context=context, timeouts=QUICK)
        with contextlib.closing(box):
            box.check()
            server.context = make_certificate(tmp_path).server_context()
            server.drop_connections()
            with pytest.raises(TransientError, match="证书不受信任"):
                box.check()
            assert sum(line.startswith(b"LOGIN") for line in server.commands) == 1
            server.context = certificate.server_context()
            assert box.check()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("injected", [b"* CAPABILITY IMAP4rev1\r\n", b"A0 OK\r\n", b"* BYE\r\n", b"* PREAUTH hi\r\n"])
def test_clear_text_behind_starttls_costs_the_connection(certificate: Certificate, injected: bytes) -> None:
    with Tls(certificate.server_context(), injected) as server:
        context = certificate.client_context()
        box = ImapMailbox("s", "localhost", server.port, False, "u", lambda: "pw", context=context, timeouts=QUICK)
        with contextlib.closing(box), pytest.raises(TransientError):
            box.check()
        assert {*server.commands} == {b"CAPABILITY", b"STARTTLS"}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("header", [b"", b"\x16\x03\x03\x3f\xff"])
def test_a_handshake_after_starttls_that_never_ends_is_cut_off(header: bytes) -> None:
    """Each byte comes in time, and each is what a TLS record may hold."""

    def trickle(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag)
        session.write(header)
        while not session.server.stopped.wait(0.05):
            session.write(b"\x02")

    with ScriptedImap(capability=b"IMAP4rev1 STARTTLS", on={b"STARTTLS": trickle}) as server:
        timeouts = Timeouts(connect=30, read=30, operation=0.5)
        box = ImapMailbox("s", "127.0.0.1", server.port, False, "u", str, timeouts=timeouts)
        ended = threading.Event()

        def check() -> None:
            with pytest.raises(TransientError):
                box.check()
            ended.set()

        threading.Thread(target=check, daemon=True).start()
        assert ended.wait(10)


# -- filing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [b"no such message", b"The specified message set is invalid."])
@pytest.mark.parametrize(("command", "action"), [(b"UID MOVE", "move:Done"), (b"UID STORE", "seen")])
def test_a_mail_that_is_gone_is_filed_even_if_the_server_says_no_to_that(
    command: bytes, action: str, words: bytes
) -> None:
    def refuse(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, words)

    with server_and_mailbox(on={command: refuse}) as (server, mailbox):
        del server.mails[2]
        mailbox.file(place(2), action)
        with pytest.raises(MailflowError):
            mailbox.file(place(1), action)


@pytest.mark.parametrize("capability", [ALIYUN, b"IMAP4rev1 MOVE"])
def test_a_full_mailbox_is_no_reason_to_make_folders(capability: bytes) -> None:
    def full(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, b"[OVERQUOTA] quota exceeded")

    with server_and_mailbox(capability=capability, on={b"UID MOVE": full, b"UID COPY": full}) as (server, mailbox):
        with pytest.raises(TransientError, match="OVERQUOTA"):
            mailbox.file(place(1), "move:Done")
        assert not [line for line in server.commands if line.startswith(b"CREATE")]
        assert not server.flags


# -- the folder of sent mail ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def sent_on(server: ScriptedImap) -> Iterator[ImapSent]:
    with server:
        sent = ImapSent("s", "127.0.0.1", server.port, False, "u", lambda: "pw", "", timeouts=QUICK)
        with contextlib.closing(sent):
            yield sent


def listing(*lines: bytes) -> Handler:
    return lambda session, tag, line: session.ok(tag, *lines)


@pytest.mark.parametrize(
    ("lines", "folder"),
    [
        ([b'LIST (\\Sent) "/" "&XfJT0ZAB-"', b'LIST () "/" "bad&utf7"', b"LIST ((( )"], b'"&XfJT0ZAB-"'),
        ([b"LIST ((( )", b"LIST (\\HasNoChildren \\SENT) NIL {4}\r\na b\\"], b'"a b\\\\"'),
        ([b'LIST (\\Sent) "/" "\xd2\xd1\xb7\xa2\xcb\xcd"'], b'"\xd2\xd1\xb7\xa2\xcb\xcd"'),
        ([b'LIST (\\Noselect \\Sent) "/" "[Gmail]"', b'LIST () "/" "Sent Items"'], b'"Sent Items"'),
        ([b'LIST () "." INBOX', b'LIST () "." "INBOX.Sent"', b'LIST () "." "INBOX.x"'], b'"INBOX.Sent"'),
        ([b'LIST () "/" "INBOX"', b'LIST () "/" "Sent Messages"'], b'"Sent Messages"'),
        ([b'LIST () "/" "INBOX"', b'LIST () "/" "&XfJT0ZCuTvY-"'], b'"&XfJT0ZCuTvY-"'),
        ([b'LIST () "." INBOX', b'LIST () "." "INBOX.x"'], b'"INBOX.Sent"'),
        ([], b'"Sent"'),
    ],
)
def test_the_folder_of_sent_mail_is_found_whatever_else_is_listed(lines: list[bytes], folder: bytes) -> None:
    def append(session: Session, tag: bytes, line: bytes) -> None:
        session.server.copied[line[len("APPEND ") :].partition(b" (")[0]] = []
        session.write(b"+ go\r\n")
        session.file.read(int(line.rsplit(b"{", 1)[1].rstrip(b"}")))
        session.read()
        session.ok(tag)

    server = ScriptedImap(on={b"LIST": listing(*lines), b"APPEND": append})
    with (
        server,
        contextlib.closing(ImapSent("s", "127.0.0.1", server.port, False, "u", str, timeouts=QUICK, folder="")) as sent,
    ):
        sent.append(mail("copy"))
    assert [*server.copied] == [folder]


def test_a_line_that_breaks_while_the_folder_is_looked_for_chooses_none() -> None:
    server = ScriptedImap(on={b"LIST": lambda session, tag, line: session.cut()})
    with (
        server,
        contextlib.closing(ImapSent("s", "127.0.0.1", server.port, False, "u", str, timeouts=QUICK, folder="")) as sent,
    ):
        with pytest.raises(TransientError):
            sent.append(mail("copy"))
        server.on[b"LIST"] = listing(b'LIST (\\Sent) "/" "Gesendet"')
        sent.append(mail("copy"))
    assert [*server.copied] == [b'"Gesendet"']


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_mail_that_came_while_others_were_read_ends_the_wait_at_once() -> None:
    """Said once, with the answer to a FETCH; nobody says it again."""

    def fetch(session: Session, tag: bytes, line: bytes) -> None:
        if b"BODY" in line:
            session.server.mails[6] = mail("six")
            session.write(b"* 4 EXISTS\r\n")
        usual.fetch(session, tag, line)

    with server_and_mailbox(on={b"UID FETCH": fetch}) as (_, mailbox):
        committed = Committed()
        for batch in committing(mailbox, None, committed):
            cursor = batch.cursor
        waiting = threading.Thread(target=mailbox.wait, args=(600, threading.Event()), daemon=True)
        waiting.start()
        waiting.join(20)
        assert not waiting.is_alive()
        assert subjects(*committing(mailbox, cursor, committed)) == ["six"]


def in_two(session: Session, tag: bytes, line: bytes) -> None:
    session.write(b"+ idling\r\n* OK Still he")
    time.sleep(0.2)
    session.write(b"re\r\n* 4 EXI")
    time.sleep(0.2)
    session.write(b"STS\r\n")
    session.read()
    session.ok(tag)


def test_a_line_in_two_segments_wakes_us_and_costs_no_login() -> None:
    with server_and_mailbox(on={b"IDLE": in_two}) as (server, mailbox):
        mailbox.wait(600, threading.Event())
        mailbox.check()
        assert sum(line.startswith(b"LOGIN") for line in server.commands) == 1


def flood(session: Session) -> None:
    while not session.server.stopped.is_set():
        session.write(b"* OK Still here, and here, and here\r\n" * 100)


def deleted(session: Session) -> None:
    session.write(b"* BYE [UNAVAILABLE] Mailbox has been deleted\r\n")
    session.cut()


@pytest.mark.parametrize("after", [flood, deleted, lambda session: session.read()], ids=["flood", "BYE", "no end"])
def test_an_idle_that_goes_wrong_ends_with_the_operation(after: Callable[[Session], None]) -> None:
    def idle(session: Session, tag: bytes, line: bytes) -> None:
        session.write(b"+ idling\r\n")
        after(session)
        session.server.stopped.wait(5)

    timeouts = Timeouts(connect=1, read=0.4, operation=0.5)
    with server_and_mailbox(timeouts=timeouts, on={b"IDLE": idle}) as (server, mailbox):
        with pytest.raises(TransientError):
            mailbox.wait(0.3, threading.Event())
        server.on.clear()
        assert mailbox.check()


# -- alerts -----------------------------------------------------------------------------------------------------------


def test_what_a_server_wants_people_to_see_is_in_the_log_once(tmp_path: Path) -> None:
    """RFC 3501 §7.1; what a mail says is no alert."""

    def login(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, text=b"[ALERT] " + "密码三天后到期".encode("gbk"))

    def noop(session: Session, tag: bytes, line: bytes) -> None:
        session.ok(tag, b"OK [alert] Mailbox is 95% full")

    forged = mail("x", b"* OK [ALERT] forged\r\n")
    journal.setup(file=tmp_path / "log")
    try:
        with server_and_mailbox({1: forged}, on={b"LOGIN": login, b"NOOP": noop}) as (_, mailbox):
            for _ in range(3):
                assert subjects(*committing(mailbox, None, Committed())) == ["x"]
                mailbox.wait(0.05, threading.Event())
    finally:
        journal.setup()
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert log.count("mailbox_alert") == 2
    assert "密码三天后到期" in log
    assert "Mailbox is 95% full" in log


# -- what is left behind ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("elsewhere")
def test_no_socket_and_no_thread_is_left_behind(certificate: Certificate) -> None:
    def no(session: Session, tag: bytes, line: bytes) -> None:
        session.no(tag, b"not now")

    def end(session: Session, tag: bytes, line: bytes) -> None:
        session.cut()

    before = threading.active_count()
    server, context = Tls(certificate.server_context()), certificate.client_context()
    starttls = server.on[b"STARTTLS"]
    with server:
        for command in (b"CAPABILITY", b"STARTTLS", b"LOGIN", b"EXAMINE", b"UID SEARCH", b"UID FETCH", b"NOOP"):
            for handler in (no, end, nonsense):
                server.on = {b"STARTTLS": starttls, command: handler}
                box = ImapMailbox("s", "localhost", server.port, False, "u", str, context=context, timeouts=QUICK)
                with contextlib.suppress(MailflowError):
                    list(box.batches(None, Committed()))
                    box.wait(0.01, threading.Event())
                box.close()
    gc.collect()  # an open socket would be a warning, and so an error
    assert threading.active_count() <= before
