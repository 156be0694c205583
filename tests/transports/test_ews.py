"""The EWS mailbox and sender: the real exchangelib against a small Exchange over HTTP (mail.md §3, §8 12, 13, 15)."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from exchangelib.protocol import CachingProtocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import Batch
from mailflow.transports.ews.connection import Login
from mailflow.transports.ews.mailbox import EwsMailbox
from mailflow.transports.ews.sender import EwsSender
from mailflow.transports.wire import Timeouts
from tests.servers.ews import NEVER_READ, PASSWORD, USER, EwsServer, Exchange, Instead
from tests.servers.loopback import Certificate, free_port
from tests.servers.trickle import HTTP, TLS, Trickle
from tests.transports.contract import (
    MORNING,
    Committed,
    CutBox,
    MailboxContract,
    PagedContract,
    committing,
    fill,
    mail,
    read,
    subjects,
)
from tests.transports.draft_contract import BOTH, NOTICE, DraftContract, DraftWay, Step, When, instead
from tests.transports.sender_contract import identity

QUICK = Timeouts(connect=2, read=10, operation=20)
ADDRESS = "support@corp.example"
PAGE_OF_A_PROXY = b"<!DOCTYPE html><html><body><h1>\xe8\xae\xbf\xe9\x97\xae\xe5\x8f\x97\xe9\x99\x90</h1></body></html>"


class ExchangeBox:
    def __init__(self, server: EwsServer) -> None:
        self.server = server

    @property
    def exchange(self) -> Exchange:
        return self.server.exchange

    def login(self, password: str = PASSWORD, timeouts: Timeouts = QUICK, address: str = ADDRESS) -> Login:
        return Login(self.server.endpoint, address, USER, lambda: password, timeouts)

    def mailbox(self, folder: str = "INBOX", password: str = PASSWORD, timeouts: Timeouts = QUICK) -> EwsMailbox:
        return EwsMailbox("support", self.login(password, timeouts), folder)

    def sender(self) -> EwsSender:
        return EwsSender(self.login())

    def deliver(self, raw: bytes, when: datetime) -> None:
        self.exchange.put(raw, "inbox", when)

    def expunge(self, subject: str) -> None:
        found = [u for u, item in self.exchange.items.items() if f"Subject: {subject}\r\n".encode() in item.raw]
        for uid in found:
            self.exchange.remove(uid)

    def held(self, folder: str) -> list[bytes]:
        return self.exchange.held(folder)

    def cut_at(self, request: int | None) -> None:
        left = request

        def cut(operation: str) -> Instead:
            nonlocal left
            if not operation or left is None:
                return None
            if left:
                left -= 1
                return None
            # Not some mails alone, which would be asked for again: the line.
            left = 0 if operation == "GetItem" else None
            return ""

        self.exchange.before = cut


@pytest.fixture
def box() -> Iterator[ExchangeBox]:
    with EwsServer() as server:
        yield ExchangeBox(server)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailflow.transports.ews.items._PAGE", 50)


class TestMailbox(MailboxContract):
    @pytest.fixture
    def box(self) -> Iterator[ExchangeBox]:
        with EwsServer() as server:
            yield ExchangeBox(server)


@pytest.mark.usefixtures("small_pages")
class TestPages(PagedContract):
    @pytest.fixture
    def box(self) -> Iterator[CutBox]:
        with EwsServer() as server:
            yield ExchangeBox(server)


class ExchangeWay(DraftWay):
    busy = ("draft", 503)
    no_draft = "ErrorItemNotFound"
    no_right = "ErrorSendAsDenied"

    def __init__(self, box: ExchangeBox) -> None:
        self.box = box

    @property
    def server(self) -> Exchange:
        return self.box.exchange

    def asked(self, step: Step) -> Callable[..., bool]:
        wanted = {"draft": "CreateItem", "send": "SendItem", "delete": "DeleteItem"}[step]
        return lambda operation: operation == wanted

    def put(self, raw: bytes, where: str) -> None:
        self.server.put(raw, where)

    def held(self, where: str) -> list[bytes]:
        return self.box.held({"sent": "sentitems"}.get(where, where))

    def sender(self) -> EwsSender:
        return self.box.sender()

    def without_entry(self) -> EwsSender:
        return EwsSender(self.box.login(password="wrong"))

    def away(self) -> EwsSender:
        return EwsSender(Login(f"http://127.0.0.1:{free_port()}/EWS/Exchange.asmx", ADDRESS, USER, str, QUICK))


class TestSender(DraftContract):
    @pytest.fixture
    def way(self, box: ExchangeBox) -> DraftWay:
        return ExchangeWay(box)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_kill_within_a_page_reads_the_page_again_and_leaves_out_what_is_committed(box: ExchangeBox) -> None:
    fill(box, 130)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        first = next(iter(mailbox.batches(None, committed)))
    committed.take(first)
    with closing(box.mailbox()) as mailbox:
        rest = read(mailbox, first.cursor, committed)
    assert subjects(first, *rest) == [f"m{number:03}" for number in range(130)]


@pytest.mark.usefixtures("small_pages")
def test_after_a_page_is_committed_it_is_not_listed_again(box: ExchangeBox) -> None:
    fill(box, 130)
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
        (second,) = [n for n, batch in enumerate(batches) if subjects(batch)[-1:] == ["m099"]]
        box.exchange.operations.clear()
        rest = read(mailbox, batches[second + 1].cursor)
    assert subjects(*rest) == [f"m{number:03}" for number in range(100, 130)]
    assert box.exchange.operations.count("SyncFolderItems") == 1


def test_an_invalid_state_means_everything_anew_and_nothing_twice(box: ExchangeBox) -> None:
    fill(box, 3)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        box.exchange.epoch += 1
        box.deliver(mail("new"), MORNING + timedelta(hours=1))
        assert subjects(*read(mailbox, batches[-1].cursor, committed)) == ["new"]


def test_an_item_that_exchange_cannot_convert_is_set_aside_alone_and_tried_again(box: ExchangeBox) -> None:
    fill(box, 4)
    box.exchange.unconvertible.add("m002")
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        assert subjects(*batches) == ["m000", "m001", "m003"]
        assert sum(len(batch.unreadable) for batch in batches) == 1
        again = read(mailbox, batches[-1].cursor, committed)
        assert sum(len(batch.unreadable) for batch in again) == 1
        box.exchange.unconvertible.clear()
        mended = read(mailbox, again[-1].cursor, committed)
        assert subjects(*mended) == ["m002"]
        assert subjects(*read(mailbox, mended[-1].cursor, committed)) == []


def test_mail_is_ordered_by_its_arrival_within_a_page(box: ExchangeBox) -> None:
    for number in (2, 0, 1):
        box.deliver(mail(f"m{number}"), MORNING + timedelta(seconds=number))
    with closing(box.mailbox()) as mailbox:
        assert subjects(*read(mailbox)) == ["m0", "m1", "m2"]


@pytest.mark.parametrize("code", ["ErrorInvalidSyncStateData", "ErrorSyncFolderNotFound"])
def test_a_state_that_the_server_refuses_costs_one_request_more(box: ExchangeBox, code: str) -> None:
    fill(box, 2)
    with closing(box.mailbox()) as mailbox:
        (*_, batch) = read(mailbox)
        refused = iter([code])
        box.exchange.before = lambda operation: next(refused, None) if operation == "SyncFolderItems" else None
        assert subjects(*read(mailbox, batch.cursor)) == ["m000", "m001"]


def test_the_state_of_another_folder_is_not_used(box: ExchangeBox) -> None:
    """Somebody has changed `folder` in config.toml."""
    fill(box, 2)
    box.exchange.folders["F1"] = "故障"
    box.exchange.put(mail("other"), "F1")
    with closing(box.mailbox()) as mailbox:
        cursor = read(mailbox)[-1].cursor
    with closing(box.mailbox("故障")) as mailbox:
        assert subjects(*read(mailbox, cursor)) == ["other"]


# -- items of all kinds -----------------------------------------------------------------------------------------------

KINDS = (
    "MeetingRequest", "MeetingResponse", "MeetingCancellation", "MeetingMessage", "PostItem", "Item", "CalendarItem",
    "Contact", "DistributionList", "Task", "PostReplyItem", "RoleMember", "SharingMessage", "NetworkItem", "Person",
)  # fmt: skip


def test_whatever_lies_in_the_folder_is_handed_out_if_exchange_makes_mail_of_it(box: ExchangeBox) -> None:
    """Read receipts and bounces are Messages; the others have kinds of their own, some of which nobody knows."""
    for number, kind in enumerate(KINDS):
        uid = box.exchange.put(mail(kind), "inbox", MORNING + timedelta(seconds=number))
        box.exchange.shape[uid] = kind
    with closing(box.mailbox()) as mailbox:
        assert subjects(*read(mailbox)) == list(KINDS)
        assert len(mailbox.uids()[2]) == len(KINDS)


@pytest.mark.parametrize("action", ["seen", "move:已处理"])
def test_whatever_lies_in_the_folder_is_filed_and_what_knows_no_flag_is_done(box: ExchangeBox, action: str) -> None:
    """One that could not be filed would hold up the filing of all that come after it."""
    for number, kind in enumerate(("Message", *KINDS)):
        uid = box.exchange.put(mail(kind), "inbox", MORNING + timedelta(seconds=number))
        box.exchange.shape[uid] = kind
    with closing(box.mailbox()) as mailbox:
        for place in [fetched.place for batch in read(mailbox) for fetched in batch.mails]:
            mailbox.file(place, action)
    if action == "seen":
        unread = {box.exchange.shape[uid] for uid, item in box.exchange.items.items() if not item.read}
        assert unread == NEVER_READ & set(KINDS)
    else:
        assert len(box.held("已处理")) == len(KINDS) + 1


@pytest.mark.parametrize(
    "field",
    ["<t:MimeContent>not base64!</t:MimeContent>", "<t:MimeContent></t:MimeContent>", "<t:Size>large</t:Size>", ""],
)
def test_an_item_without_mail_in_it_is_set_aside_alone(box: ExchangeBox, field: str) -> None:
    fill(box, 3)
    box.exchange.odd["m001"] = field
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
        assert subjects(*batches) == ["m000", "m002"]
        assert [uid for batch in batches for uid in batch.unreadable] == ["AAMk000002=="]


@pytest.mark.parametrize(
    "code",
    ["ErrorMimeContentConversionFailed", "ErrorContentConversionFailed", "ErrorInternalServerError", "ErrorItemCorrupt",
     "ErrorUnsupportedMimeConversion", "ErrorNobodyKnows"],
)  # fmt: skip
def test_what_is_wrong_with_one_item_stops_no_other(box: ExchangeBox, code: str) -> None:
    fill(box, 25)
    box.exchange.wrong["m007"] = code
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
        assert len(subjects(*batches)) == 24
        assert sum(len(batch.unreadable) for batch in batches) == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [("ErrorServerBusy", TransientError), ("ErrorMailboxStoreUnavailable", TransientError),
     ("ErrorBatchProcessingStopped", TransientError), ("ErrorAccessDenied", AuthError)],
)  # fmt: skip
def test_trouble_of_the_server_sets_no_item_aside(box: ExchangeBox, code: str, error: type[MailflowError]) -> None:
    fill(box, 3)
    box.exchange.wrong["m001"] = code
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(error):
            read(mailbox)
        box.exchange.wrong.clear()
        assert subjects(*read(mailbox)) == ["m000", "m001", "m002"]


def withhold(box: ExchangeBox, trouble: Instead, *uids: str) -> None:
    """A proxy, or the server, answers so whenever one of these mails is asked for, alone or with others; none: any."""

    def say(operation: str) -> Instead:
        asked = box.exchange.requests[-1] if operation == "GetItem" else b""
        wanted = b"item:MimeContent" in asked and (not uids or any(uid.encode() in asked for uid in uids))
        return trouble if wanted else None

    box.exchange.before = say


WITHHELD: list[Instead] = [500, 502, 504, 400, "", (200, PAGE_OF_A_PROXY), (403, PAGE_OF_A_PROXY), (302, b"")]


@pytest.mark.parametrize("trouble", WITHHELD)
@pytest.mark.parametrize("bad", [1, 12, 25])
def test_a_mail_that_alone_does_not_come_holds_up_no_other_and_is_tried_again(
    box: ExchangeBox, bad: int, trouble: Instead
) -> None:
    fill(box, 25)
    uid = f"AAMk{bad:06d}=="
    withhold(box, trouble, uid)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = list(committing(mailbox, None, committed))
        assert subjects(*batches) == [f"m{number:03}" for number in range(25) if number != bad - 1]
        assert [uid for batch in batches for uid in batch.unreadable] == [uid]
        box.deliver(mail("new"), MORNING + timedelta(hours=1))
        more = list(committing(mailbox, batches[-1].cursor, committed))
        assert (subjects(*more), [uid for batch in more for uid in batch.unreadable]) == (["new"], [uid])
        box.exchange.before = lambda operation: None
        assert subjects(*committing(mailbox, more[-1].cursor, committed)) == [f"m{bad - 1:03}"]


def test_mails_that_do_not_come_hold_up_no_other_however_many_they_are(box: ExchangeBox) -> None:
    fill(box, 8)
    bad = [f"AAMk{number:06d}==" for number in (1, 3, 5, 7)]
    withhold(box, 500, *bad)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = list(committing(mailbox, None, committed))
        box.deliver(mail("new"), MORNING + timedelta(hours=1))
        more = list(committing(mailbox, batches[-1].cursor, committed))
    assert (subjects(*more), [uid for batch in more for uid in batch.unreadable]) == (["new"], bad)


@pytest.mark.parametrize("trouble", WITHHELD)
def test_when_no_mail_comes_it_is_not_the_mails(box: ExchangeBox, trouble: Instead) -> None:
    fill(box, 5)
    withhold(box, trouble)
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError):
            read(mailbox)
        box.exchange.before = lambda operation: None
        assert subjects(*read(mailbox)) == [f"m{number:03}" for number in range(5)]


@pytest.mark.parametrize("dies", [True, False])
def test_a_server_that_wishes_to_be_left_alone_or_has_died_is_asked_for_no_other_mail(
    box: ExchangeBox, naps: list[float], dies: bool
) -> None:
    fill(box, 5)
    said = iter([None, *[500 if dies else 503] * 9])
    box.exchange.before = lambda operation: next(said) if operation == "GetItem" else None
    with closing(box.mailbox()) as mailbox, pytest.raises(TransientError):
        read(mailbox)
    # What there is, the mails; and whether it is well.
    assert (box.exchange.operations.count("GetItem"), naps) == (3 if dies else 2, [])


def test_a_mail_without_a_time_of_arrival_is_here_since_now(box: ExchangeBox) -> None:
    fill(box, 1)
    box.exchange.odd["m000"] = "<t:DateTimeReceived></t:DateTimeReceived>"
    begun = datetime.now(UTC)
    with closing(box.mailbox()) as mailbox:
        (fetched,) = [fetched for batch in read(mailbox) for fetched in batch.mails]
    assert begun <= fetched.received <= datetime.now(UTC)


def test_bare_line_ends_come_as_they_are(box: ExchangeBox) -> None:
    box.deliver(b"Subject: bare\n\nText\n", MORNING)
    with closing(box.mailbox()) as mailbox:
        assert [fetched.raw for batch in read(mailbox) for fetched in batch.mails] == [b"Subject: bare\n\nText\n"]


def test_more_refused_items_than_the_cursor_has_room_for_are_named_and_the_cursor_stays_small(box: ExchangeBox) -> None:
    for number in range(600):
        uid = "A" * 150 + f"{number:04}"
        box.exchange.items[uid] = box.exchange.items[box.exchange.put(mail(f"m{number:03}"), "nowhere", MORNING)]
        box.exchange.items[uid].folder = "inbox"
        box.exchange.log.append(("Create", "inbox", uid))
        box.exchange.wrong[f"m{number:03}"] = "ErrorItemCorrupt"
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
        assert sum(len(batch.unreadable) for batch in batches) == 600
        assert all(len(batch.cursor) < 64 * 1024 for batch in batches)
        assert sum(len(batch.unreadable) for batch in read(mailbox, batches[-1].cursor)) > 200


# -- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_told_by_its_name(box: ExchangeBox) -> None:
    with closing(box.mailbox("客户/询价")) as mailbox, pytest.raises(PermanentError, match="客户/询价"):
        read(mailbox)


@pytest.mark.parametrize(
    "path", ["INBOX/故障", "inbox/故障", "客户/询价", "R&D's <1>", "技术支持/2026年/十一月", "日报/周报"]
)
def test_folders_are_found_by_their_path(box: ExchangeBox, path: str) -> None:
    """Also one below INBOX, whose own name depends on the mailbox's language, and one with a "/" in its name."""
    box.exchange.folders["inbox"] = "收件箱"
    box.exchange.folders |= {"F1": "客户", "F2": "询价", "F3": "故障", "F4": "R&D's <1>", "F5": "技术支持",
                             "F6": "2026年/十一月", "F7": "日报/周报", "F8": "日报"}  # fmt: skip
    box.exchange.parents |= {"F2": "F1", "F3": "inbox", "F6": "F5"}
    for uid in ("F2", "F3", "F4", "F6", "F7"):
        box.exchange.put(mail(f"in {uid}"), uid)
    right = {"故": "F3", "询": "F2", "R": "F4", "技": "F6", "日": "F7"}
    wanted = next(uid for sign, uid in right.items() if sign in path)
    with closing(box.mailbox(path)) as mailbox:
        assert subjects(*read(mailbox)) == [f"in {wanted}"]


def test_a_path_is_made_step_by_step_below_inbox(box: ExchangeBox) -> None:
    fill(box, 2)
    with closing(box.mailbox()) as mailbox:
        for fetched in (fetched for batch in read(mailbox) for fetched in batch.mails):
            mailbox.file(fetched.place, "move:INBOX/已处理/2026")
    assert box.held("2026") == [mail("m000"), mail("m001")]
    made = {name: box.exchange.parents.get(uid) for uid, name in box.exchange.folders.items() if name in "已处理 2026"}
    assert made["已处理"] == "inbox"


def test_a_folder_that_is_made_anew_is_found_again(box: ExchangeBox) -> None:
    box.exchange.folders["F1"] = "故障"
    box.exchange.put(mail("old"), "F1")
    with closing(box.mailbox("故障")) as mailbox:
        cursor = read(mailbox)[-1].cursor
        del box.exchange.folders["F1"]
        box.exchange.folders["F2"] = "故障"
        box.exchange.put(mail("new"), "F2")
        box.exchange.before = lambda operation: "ErrorFolderNotFound" if operation == "SyncFolderItems" else None
        with pytest.raises(PermanentError):
            read(mailbox, cursor)
        box.exchange.before = lambda operation: None
        assert subjects(*read(mailbox, cursor)) == ["new"]


def test_a_mailbox_of_somebody_else_is_opened_by_its_own_address(box: ExchangeBox) -> None:
    """A shared mailbox: who logs in is another one."""
    fill(box, 1)
    shared = EwsMailbox("shared", box.login(address="shared@corp.example"), "INBOX")
    with closing(shared) as mailbox:
        assert subjects(*read(mailbox)) == ["m000"]
    asked = [request for request in box.exchange.requests if b"DistinguishedFolderId" in request]
    assert asked
    assert all(b">shared@corp.example<" in request for request in asked)


def test_two_mailboxes_with_one_login_do_not_wait_for_each_other(box: ExchangeBox) -> None:
    """The library shares the sessions of equal credentials: those who listen would hold up those who read."""
    fill(box, 1)
    boxes = [EwsMailbox(f"box{number}", box.login(), "INBOX") for number in range(4)]
    for mailbox in boxes:
        mailbox.wait(0.3, threading.Event())  # each has an ear now
    for mailbox in boxes:
        assert subjects(*read(mailbox)) == ["m000"]
    for mailbox in boxes:
        mailbox.close()


def test_the_check_says_what_the_server_is(box: ExchangeBox) -> None:
    with closing(box.mailbox()) as mailbox, closing(box.sender()) as sender:
        assert all("Microsoft Exchange Server 2019" in each.check() for each in (mailbox, sender))


# -- trouble ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the library sleeps."""
    taken: list[float] = []
    monkeypatch.setattr("exchangelib.util.time.sleep", taken.append)
    return taken


def test_a_wrong_password_is_an_alarm_after_one_try(box: ExchangeBox) -> None:
    with closing(box.mailbox(password="wrong")) as mailbox, pytest.raises(AuthError, match="核对用户名"):
        mailbox.check()
    assert box.exchange.posts == 2  # how to log in is asked first


def test_a_refusal_that_closes_the_connection_is_a_refusal(box: ExchangeBox) -> None:
    """As some proxies do; the library takes that for a server in trouble, and it would be tried until the account is
    locked."""
    with closing(box.mailbox(password="wrong")) as mailbox:
        box.exchange.headers["Connection"] = "close"
        with pytest.raises(AuthError, match="核对用户名"):
            mailbox.check()


def test_a_password_that_cannot_be_sent_is_told_as_such(box: ExchangeBox) -> None:
    with closing(box.mailbox(password="密码")) as mailbox, pytest.raises(AuthError, match="英文字母"):
        mailbox.check()


TROUBLE = [503, 500, 502, 504, 429, 400, "", "ErrorServerBusy", "ErrorTimeoutExpired", "ErrorTooManyObjectsOpened",
           "ErrorExceededConnectionCount", "ErrorInternalServerTransientError", "ErrorConnectionFailed",
           "ErrorMailboxMoveInProgress", "ErrorNobodyKnows"]  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("during", ["GetFolder", "SyncFolderItems", "GetItem"])
def test_a_server_in_trouble_is_asked_once_and_tried_again_by_the_caller_alone(
    box: ExchangeBox, naps: list[float], during: str, trouble: Instead
) -> None:
    fill(box, 1)
    box.exchange.before = lambda operation: trouble if operation == during else None
    with closing(box.mailbox()) as mailbox:
        if (during, trouble) == ("GetItem", "ErrorNobodyKnows"):
            # It is said of the item, which is set aside.
            assert [uid for batch in read(mailbox) for uid in batch.unreadable] == ["AAMk000001=="]
        else:
            with pytest.raises(TransientError):
                read(mailbox)
        assert (box.exchange.operations.count(during), naps) == (1, [])
        box.exchange.before = lambda operation: None
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize("status", [503, 500, 502, 403, 429])
def test_a_server_in_trouble_before_the_login_is_asked_once_and_its_wish_heard(
    box: ExchangeBox, naps: list[float], status: int
) -> None:
    box.exchange.before = lambda operation: status
    box.exchange.headers["Retry-After"] = "77"
    with closing(box.mailbox()) as mailbox, pytest.raises(TransientError, match=str(status)) as caught:
        read(mailbox)
    assert (caught.value.retry_after, box.exchange.posts, naps) == (77, 1, [])
    assert CachingProtocol._protocol_cache == {}


@pytest.mark.parametrize(
    ("said", "wait"),
    [("17", 17), ("0", 10), ("999999999999", 86400), ("9" * 400, 86400), ("-5", 10), ("soon", 10), ("", 10),
     ("Fri, 01 Jan 2100 00:00:00 GMT", 86400), ("Fri, 01 Jan 2010 00:00:00 GMT", 10), ("1e3", 1000)],
)  # fmt: skip
def test_the_caller_backs_off_as_long_as_the_server_wishes(box: ExchangeBox, said: str, wait: float) -> None:
    """Where it says nothing sensible, the library says ten seconds."""
    box.exchange.before = lambda operation: 503 if operation == "SyncFolderItems" else None
    box.exchange.headers["Retry-After"] = said
    with closing(box.mailbox()) as mailbox, pytest.raises(TransientError) as caught:
        read(mailbox)
    assert caught.value.retry_after == wait


def busy(milliseconds: str) -> bytes:
    """As Exchange throttles."""
    types = "http://schemas.microsoft.com/exchange/services/2006/types"
    errors = "http://schemas.microsoft.com/exchange/services/2006/errors"
    wait = (
        f'<t:MessageXml xmlns:t="{types}"><t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value></t:MessageXml>'
    )
    said = f'<e:ResponseCode xmlns:e="{errors}">ErrorServerBusy</e:ResponseCode>'
    fault = f"<s:Fault><faultcode>a:ErrorServerBusy</faultcode><detail>{said}{wait}</detail></s:Fault>"
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{fault}</s:Body></s:Envelope>'.encode()


@pytest.mark.parametrize(
    ("milliseconds", "wait"), [("297749", 297.749), ("0", 10), ("-1", None), ("9" * 30, 86400), ("soon", None)]
)
def test_exchange_says_how_long_it_wishes_to_be_left_alone_in_milliseconds(
    box: ExchangeBox, naps: list[float], milliseconds: str, wait: float | None
) -> None:
    box.exchange.before = lambda operation: (500, busy(milliseconds)) if operation == "SyncFolderItems" else None
    with closing(box.mailbox()) as mailbox, pytest.raises(TransientError) as caught:
        read(mailbox)
    assert (caught.value.retry_after, naps) == (wait, [])


STRANGE: list[Instead] = [
    (200, PAGE_OF_A_PROXY), (200, b""), (200, b"{}"), (200, b"<a/>"), (200, b"\x00\xff"), (500, b"<a/>"), (202, b""),
    (200, b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>'),
    (200, b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'),
    (302, b""), (307, b""), (404, PAGE_OF_A_PROXY), (403, PAGE_OF_A_PROXY), (407, b""),
]  # fmt: skip


@pytest.mark.parametrize("answer", STRANGE)
@pytest.mark.parametrize("during", ["GetFolder", "SyncFolderItems", "GetItem"])
def test_strange_answers_are_passing(box: ExchangeBox, during: str, answer: Instead) -> None:
    fill(box, 1)
    box.exchange.before = lambda operation: answer if operation == during else None
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError):
            read(mailbox)
        box.exchange.before = lambda operation: None
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [((404, b""), "没有 EWS"), ((405, b""), "没有 EWS"), ((302, b""), "要我们去"), ((200, PAGE_OF_A_PROXY), "网页")],
)
def test_what_is_no_exchange_is_told_as_such(box: ExchangeBox, answer: Instead, said: str) -> None:
    box.exchange.before = lambda operation: answer
    box.exchange.headers["Location"] = "https://mail.corp.example/owa/"
    with closing(box.mailbox()) as mailbox, pytest.raises(MailflowError, match=said) as caught:
        mailbox.check()
    assert not isinstance(caught.value, AuthError)


def spoilt(answer: bytes, name: str, how: str) -> bytes:
    """The answer without one of its elements, or with another content or twice."""
    element = re.compile(rb"<(%b)\b[^>]*?(?:/>|>.*?</\1>)" % name.encode(), re.DOTALL)
    with_it = {"gone": b"", "empty": b"<%b/>" % name.encode(), "twice": rb"\g<0>\g<0>"}.get(how)
    return element.sub(
        with_it if with_it is not None else b"<%b>%b</%b>" % ((name.encode(), how.encode(), name.encode())), answer
    )


NAMES = ("m:ResponseMessages", "m:ResponseCode", "m:SyncState", "m:IncludesLastItemInRange", "m:Changes", "t:Create",
         "t:Message", "t:ItemId", "m:Items", "t:MimeContent", "t:Size", "t:DateTimeReceived", "m:Folders", "t:Folder",
         "t:FolderId", "t:DisplayName", "s:Header", "s:Body", "m:SyncFolderItemsResponseMessage",
         "m:GetItemResponseMessage", "m:GetFolderResponseMessage")  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES), st.sampled_from(["gone", "empty", "twice", "x", "-1", "99999999999999999999", "<t:z/>"]))
def test_whatever_an_answer_lacks_no_other_exception_escapes_and_no_mail_is_lost(name: str, how: str) -> None:
    with EwsServer() as server:
        box = ExchangeBox(server)
        fill(box, 3)
        server.exchange.spoil = lambda answer: spoilt(answer, name, how)
        committed, cursor, named = Committed(), None, set[str]()
        with closing(box.mailbox()) as mailbox:
            for _ in range(2):
                try:
                    for batch in committing(mailbox, cursor, committed):
                        cursor = batch.cursor
                        named |= set(batch.unreadable)
                    mailbox.uids()
                except MailflowError:
                    pass
        server.exchange.spoil = None
        # Reconciliation reads from the start.
        with closing(box.mailbox()) as mailbox:
            committed.take(*read(mailbox, None, committed))
        assert {place.uid for place in committed.places} >= {"AAMk000001==", "AAMk000002==", "AAMk000003=="}


def test_a_list_without_end_ends_with_an_error_and_begins_anew(box: ExchangeBox) -> None:
    fill(box, 2)
    box.exchange.endless = True
    committed, batches = Committed(), list[Batch]()
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError, match="没有尽头"):
            batches.extend(committing(mailbox, None, committed))
        cursor = batches[-1].cursor
        with pytest.raises(TransientError, match="没有尽头"):
            mailbox.uids()
        box.exchange.endless = False
        box.deliver(mail("new"), MORNING)
        assert subjects(*read(mailbox, cursor, committed)) == ["new"]


def test_an_answer_that_trickles_is_cut_off(box: ExchangeBox) -> None:
    """Each byte comes within the timeout of a read."""
    fill(box, 1)
    with closing(box.mailbox(timeouts=Timeouts(connect=2, read=5, operation=0.7))) as mailbox:
        mailbox.check()
        box.exchange.trickle = 0.05
        with pytest.raises(TransientError):
            read(mailbox)
        box.exchange.trickle = 0.0
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize(("scheme", "begin"), [("https", TLS), ("http", HTTP)])
def test_a_handshake_and_an_answer_that_never_end_are_cut_off(scheme: str, begin: bytes) -> None:
    timeouts = Timeouts(connect=30, read=30, operation=0.5)
    with Trickle(begin) as server:
        endpoint = f"{scheme}://127.0.0.1:{server.port}/EWS/Exchange.asmx"
        login = Login(endpoint, ADDRESS, USER, lambda: PASSWORD, timeouts)
        with closing(EwsMailbox("support", login)) as mailbox, pytest.raises(TransientError):
            mailbox.check()
        assert server.left.wait(20)


# -- ways in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offers", [("NTLM",), ("Negotiate", "NTLM"), ("Negotiate", "NTLM", 'Basic realm="x"')])
def test_ntlm_logs_in(
    box: ExchangeBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offers: tuple[str, ...]
) -> None:
    domain, name = USER.split("\\")
    (tmp_path / "users").write_text(f"{domain}:{name}:{PASSWORD}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "users"))
    box.exchange.offers = offers
    fill(box, 30)
    with closing(box.mailbox()) as mailbox:
        assert len(subjects(*read(mailbox))) == 30
    with closing(box.mailbox(password="wrong")) as mailbox, pytest.raises(AuthError, match="核对用户名"):
        read(mailbox)


@pytest.mark.parametrize(
    ("offers", "said"),
    [
        (("Negotiate",), "打开一种"),
        ((), "打开一种"),
        (('Bearer client_id="00000002-0000-0ff1-ce00-000000000000", authorization_uri="https://login.x.example/"',),
         "2027-04-01"),
    ],
)  # fmt: skip
def test_a_server_that_offers_no_way_in_of_ours_is_told_as_such(
    box: ExchangeBox, offers: tuple[str, ...], said: str
) -> None:
    """Exchange Online behind a name of the department's own takes tokens only."""
    box.exchange.offers = offers
    with closing(box.mailbox()) as mailbox, pytest.raises(PermanentError, match=said):
        mailbox.check()


def test_a_mailbox_that_has_moved_to_the_cloud_is_told_as_such(box: ExchangeBox) -> None:
    box.exchange.before = lambda operation: "ErrorNonExistentMailbox" if operation else None
    with closing(box.mailbox()) as mailbox, pytest.raises(PermanentError, match="graph://"):
        mailbox.check()


def test_a_certificate_of_our_own_authority_is_trusted_when_it_is_named_and_not_otherwise(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with EwsServer(certificate) as server:
        box = ExchangeBox(server)
        fill(box, 1)
        with closing(box.mailbox()) as mailbox:
            with pytest.raises(TransientError, match="证书不受信任"):
                read(mailbox)
            assert box.exchange.posts == 0
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.cert))
            assert subjects(*read(mailbox)) == ["m000"]


def test_a_proxy_is_used_where_the_environment_names_one(box: ExchangeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(box, 1)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{box.server.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{box.server.port}")
    login = Login("http://mail.corp.example/EWS/Exchange.asmx", ADDRESS, USER, lambda: PASSWORD, QUICK)
    with closing(EwsMailbox("support", login)) as mailbox:
        assert subjects(*read(mailbox)) == ["m000"]


# -- listening --------------------------------------------------------------------------------------------------------


def eventually(condition: object) -> None:
    until = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


def ears() -> int:
    return sum(thread.name == "ews-ear" for thread in threading.enumerate())


def test_without_subscriptions_there_is_the_poll(box: ExchangeBox) -> None:
    box.exchange.deaf = True
    fill(box, 1)
    with closing(box.mailbox()) as mailbox:
        started = time.monotonic()
        mailbox.wait(1.2, threading.Event())
        assert time.monotonic() - started >= 1.0
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize("trouble", [503, "", (200, PAGE_OF_A_PROXY), "ErrorSubscriptionNotFound", "ErrorServerBusy"])
def test_a_subscription_that_dies_leaves_nothing_behind(box: ExchangeBox, trouble: Instead) -> None:
    box.exchange.before = lambda operation: trouble if operation == "GetStreamingEvents" else None
    fill(box, 1)
    with closing(box.mailbox()) as mailbox:
        mailbox.wait(0.3, threading.Event())
        eventually(lambda: "GetStreamingEvents" in box.exchange.operations and ears() == 0)
        for _ in range(3):
            mailbox.wait(0.1, threading.Event())
        assert box.exchange.operations.count("GetStreamingEvents") == 1
        assert subjects(*read(mailbox)) == ["m000"]
    eventually(lambda: box.exchange.connections == 0)


def test_connecting_again_and_again_leaves_no_thread_no_connection_and_no_session_behind(box: ExchangeBox) -> None:
    """Days of a thin line: each time the mailbox listens, and is closed in the midst of it."""
    fill(box, 1)
    for _ in range(15):
        mailbox = box.mailbox()
        read(mailbox)
        heard = box.exchange.operations.count("GetStreamingEvents")
        mailbox.wait(0.05, threading.Event())
        eventually(lambda heard=heard: box.exchange.operations.count("GetStreamingEvents") > heard)
        mailbox.close()
    eventually(lambda: ears() == 0)
    eventually(lambda: box.exchange.connections == 0)
    assert CachingProtocol._protocol_cache == {}


# -- sending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["ErrorQuotaExceeded", "ErrorSubmissionQuotaExceeded"])
@pytest.mark.parametrize("operation", ["CreateItem", "SendItem"])
def test_a_full_mailbox_puts_the_message_off_and_leaves_no_draft(box: ExchangeBox, operation: str, code: str) -> None:
    box.exchange.before = lambda asked: code if asked == operation else None
    with closing(box.sender()) as sender, pytest.raises(TransientError, match=code):
        sender.send(NOTICE, ADDRESS, BOTH)
    assert (box.held("drafts"), box.exchange.submitted) == ([], [])


@pytest.mark.parametrize("code", ["ErrorMessageSizeExceeded", "ErrorMailRecipientNotFound"])
@pytest.mark.parametrize("operation", ["CreateItem", "SendItem"])
def test_a_message_that_exchange_cannot_take_is_final(box: ExchangeBox, operation: str, code: str) -> None:
    box.exchange.before = lambda asked: code if asked == operation else None
    with closing(box.sender()) as sender, pytest.raises(PermanentError, match=code):
        sender.send(NOTICE, ADDRESS, BOTH)


@pytest.mark.parametrize(
    ("operation", "when", "error"), [("CreateItem", "before", TransientError), ("SendItem", "after", UnclearError)]
)
@pytest.mark.parametrize("trouble", [*TROUBLE, *STRANGE])
def test_whatever_is_answered_nothing_is_given_up_and_nothing_sent_twice(
    box: ExchangeBox, naps: list[float], operation: str, when: When, error: type[MailflowError], trouble: Instead
) -> None:
    instead(box.exchange, when, lambda asked: asked == operation, trouble, once=True)
    with closing(box.sender()) as sender:
        with pytest.raises(error):
            sender.send(NOTICE, ADDRESS, BOTH)
        if sender.find(identity()) is None:
            sender.send(NOTICE, ADDRESS, BOTH)
    assert (box.exchange.submitted, naps) == ([NOTICE], [])


@pytest.mark.parametrize(
    "code",
    ["ErrorCannotDeleteObject", "ErrorItemSave", "ErrorInvalidChangeKey", "ErrorStaleObject",
     "ErrorBatchProcessingStopped", "ErrorInternalServerError", "ErrorNobodyKnows"],
)  # fmt: skip
def test_only_a_clear_no_says_that_it_was_not_sent(box: ExchangeBox, code: str) -> None:
    """Its copy could not be saved, or the draft not be deleted: it may be on its way all the same."""
    box.exchange.after = lambda operation: code if operation == "SendItem" else None
    with closing(box.sender()) as sender:
        with pytest.raises(UnclearError, match=code):
            sender.send(NOTICE, ADDRESS, BOTH)
        assert sender.find(identity()) is True
    assert box.exchange.submitted == [NOTICE]


def test_a_mailbox_that_is_not_there_makes_no_message_final(box: ExchangeBox) -> None:
    box.exchange.before = lambda operation: "ErrorNonExistentMailbox" if operation == "GetFolder" else None
    with closing(box.sender()) as sender, pytest.raises(TransientError, match="graph://"):
        sender.send(NOTICE, ADDRESS, BOTH)
