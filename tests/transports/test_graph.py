"""The Graph mailbox and sender over HTTP against a small Graph (mail.md §2.1, §8 12 to 15)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailflow.errors import AuthError, MailflowError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import Batch
from mailflow.transports.graph.api import Office
from mailflow.transports.graph.mailbox import GraphMailbox
from mailflow.transports.graph.sender import GraphSender
from mailflow.transports.wire import Timeouts
from tests.servers.graph import TOKEN, Graph, GraphServer, Instead
from tests.servers.loopback import Certificate, free_port
from tests.servers.trickle import HTTP, TLS, Trickle
from tests.transports.contract import (
    MORNING,
    Box,
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


class Tokens:
    """Hands out `old` until it is told that this was refused."""

    def __init__(self, old: str = TOKEN, new: str = TOKEN) -> None:
        self.old, self.new = old, new
        self.renewed = 0

    def token(self, *, fresh: bool = False) -> str:
        self.renewed += fresh
        return self.new if self.renewed else self.old


class OfficeBox:
    def __init__(self, server: GraphServer, *, delta: bool = True) -> None:
        self.server = server
        self.delta = delta
        self.tokens = Tokens()

    @property
    def graph(self) -> Graph:
        return self.server.graph

    def office(self, timeouts: Timeouts = QUICK) -> Office:
        return Office(ADDRESS, self.tokens, self.server.base, self.delta, timeouts)

    def mailbox(self, folder: str = "INBOX", timeouts: Timeouts = QUICK) -> GraphMailbox:
        return GraphMailbox("support", self.office(timeouts), folder)

    def sender(self) -> GraphSender:
        return GraphSender(self.office())

    def deliver(self, raw: bytes, when: datetime) -> None:
        self.graph.put(raw, "F-inbox", when)

    def expunge(self, subject: str) -> None:
        found = [u for u, m in self.graph.mails.items() if f"Subject: {subject}\r\n".encode() in m.raw]
        for uid in found:
            del self.graph.mails[uid]

    def held(self, folder: str) -> list[bytes]:
        return self.graph.held(folder)

    def cut_at(self, request: int | None) -> None:
        left = request

        def cut(method: str, path: str) -> Instead:
            nonlocal left
            if left is None:
                return None
            if left:
                left -= 1
                return None
            # Not one mail alone, which would be asked for again: the line.
            left = 0 if path.endswith("/$value") else None
            return ""

        self.graph.before = cut


@pytest.fixture
def box() -> Iterator[OfficeBox]:
    with GraphServer() as server:
        yield OfficeBox(server)


class _Contract(MailboxContract):
    def test_waiting_ends_when_mail_comes(self, box: Box) -> None:
        """Graph cannot tell us; the wait ends by itself, and the poll finds the mail."""
        with closing(box.mailbox()) as mailbox:
            started = time.monotonic()
            mailbox.wait(0.2, threading.Event())
            assert time.monotonic() - started >= 0.2


class TestDelta(_Contract):
    @pytest.fixture
    def box(self) -> Iterator[OfficeBox]:
        with GraphServer() as server:
            yield OfficeBox(server)


class TestWithoutDelta(_Contract):
    """世纪互联."""

    @pytest.fixture
    def box(self) -> Iterator[OfficeBox]:
        with GraphServer() as server:
            yield OfficeBox(server, delta=False)


class TestPages(PagedContract):
    @pytest.fixture(params=["delta", "without delta"])
    def box(self, request: pytest.FixtureRequest) -> Iterator[CutBox]:
        with GraphServer() as server:
            server.graph.page = 50
            yield OfficeBox(server, delta=request.param == "delta")


def graph_says(status: int, code: str) -> Instead:
    return status, json.dumps({"error": {"code": code, "message": "no"}}).encode(), "application/json"


class GraphWay(DraftWay):
    busy = ("send", 429)
    no_draft = graph_says(404, "ErrorItemNotFound")
    no_right = graph_says(403, "ErrorSendAsDenied")

    def __init__(self, box: OfficeBox) -> None:
        self.box = box

    @property
    def server(self) -> Graph:
        return self.box.graph

    def asked(self, step: Step) -> Callable[..., bool]:
        return {"draft": drafting, "send": sending, "delete": lambda method, path: method == "DELETE"}[step]

    def put(self, raw: bytes, where: str) -> None:
        self.server.folders["F-deleted"] = "Deleted Items"
        self.server.put(raw, f"F-{where}", draft=True)

    def held(self, where: str) -> list[bytes]:
        return self.box.held(where.title())

    def sender(self) -> GraphSender:
        return self.box.sender()

    def without_entry(self) -> GraphSender:
        self.box.tokens = Tokens("old", "old")
        return self.box.sender()

    def away(self) -> GraphSender:
        return GraphSender(Office(ADDRESS, self.box.tokens, f"http://127.0.0.1:{free_port()}", timeouts=QUICK))


def drafting(method: str, path: str) -> bool:
    return (method, path) == ("POST", "/messages")


def sending(method: str, path: str) -> bool:
    return path.endswith("/send")


class TestSender(DraftContract):
    @pytest.fixture
    def way(self, box: OfficeBox) -> DraftWay:
        return GraphWay(box)


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delta", [True, False])
def test_a_kill_within_a_page_lists_the_page_again_and_leaves_out_what_is_committed(
    box: OfficeBox, delta: bool
) -> None:
    box.delta = delta
    fill(box, 130)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        first = next(iter(mailbox.batches(None, committed)))
    committed.take(first)
    with closing(box.mailbox()) as mailbox:
        rest = read(mailbox, first.cursor, committed)
    assert subjects(first, *rest) == [f"m{number:03}" for number in range(130)]


def test_without_delta_late_mail_is_found_in_the_overlap(box: OfficeBox) -> None:
    box.delta = False
    box.deliver(mail("new"), MORNING + timedelta(hours=2))
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        box.deliver(mail("late"), MORNING + timedelta(hours=1, minutes=30))
        assert subjects(*read(mailbox, batches[-1].cursor, committed)) == ["late"]


@pytest.mark.parametrize("delta", [True, False])
def test_every_request_asks_for_immutable_ids(box: OfficeBox, delta: bool) -> None:
    box.graph.page, box.delta = 2, delta
    fill(box, 5)
    with closing(box.mailbox()) as mailbox:
        places = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
        mailbox.file(places[0], "move:已处理")
        mailbox.file(places[1], "seen")
        mailbox.uids()
    with closing(box.sender()) as sender:
        sender.send(NOTICE, ADDRESS, BOTH)
        sender.find(identity())
    assert box.graph.prefers
    assert all('IdType="ImmutableId"' in prefer for prefer in box.graph.prefers)


def test_a_mail_that_a_page_names_twice_comes_once(box: OfficeBox) -> None:
    box.graph.twice = True
    fill(box, 3)
    with closing(box.mailbox()) as mailbox:
        assert subjects(*read(mailbox)) == ["m000", "m001", "m002"]


def test_a_state_that_is_gone_means_everything_anew_and_nothing_twice(box: OfficeBox) -> None:
    fill(box, 3)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        box.graph.epoch += 1
        box.deliver(mail("new"), MORNING + timedelta(hours=1))
        assert subjects(*read(mailbox, batches[-1].cursor, committed)) == ["new"]


def test_a_mail_that_graph_cannot_give_is_set_aside_alone_and_tried_again(box: OfficeBox) -> None:
    fill(box, 3)
    box.graph.refused.add("m001")
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        assert subjects(*batches) == ["m000", "m002"]
        assert sum(len(batch.unreadable) for batch in batches) == 1
        box.graph.refused.clear()
        mended = read(mailbox, batches[-1].cursor, committed)
        assert subjects(*mended) == ["m001"]
        assert mended[0].mails[0].received == MORNING + timedelta(seconds=1)


def test_without_delta_mail_with_one_time_over_the_border_of_a_page_is_read_once(box: OfficeBox) -> None:
    box.delta, box.graph.page = False, 10
    times = [MORNING + timedelta(seconds=second) for second in [0] * 7 + [1] * 35 + [2] * 3 + [3] * 12]
    for number, when in enumerate(times):
        box.deliver(mail(f"m{number:02}"), when)
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        found = subjects(*committing(mailbox, None, committed))
    assert sorted(found) == [f"m{number:02}" for number in range(len(times))]


def test_without_delta_what_others_delete_meanwhile_hides_no_other_mail(box: OfficeBox) -> None:
    """Links that count would leave out as many mails as were deleted before them."""
    box.delta, box.graph.page = False, 60
    fill(box, 150)
    found = list[Batch]()
    with closing(box.mailbox()) as mailbox:
        for batch in mailbox.batches(None, Committed()):
            found.append(batch)
            if len(found) == 1:
                for number in range(30):
                    box.expunge(f"m{number:03}")
    assert subjects(*found) == [f"m{number:03}" for number in range(150)]


def test_without_delta_mail_that_comes_later_than_the_overlap_is_found_by_reconciliation(box: OfficeBox) -> None:
    box.delta = False
    box.deliver(mail("new"), MORNING + timedelta(hours=5))
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        box.deliver(mail("days later"), MORNING)
        assert subjects(*read(mailbox, batches[-1].cursor, committed)) == []
        assert len(mailbox.uids()[2]) == 2
        assert subjects(*read(mailbox, None, committed)) == ["days later"]


def test_without_delta_a_time_to_come_hides_nothing(box: OfficeBox) -> None:
    """A wrong clock, or mail that was imported."""
    box.delta = False
    box.deliver(mail("from the future"), datetime(2090, 1, 1, tzinfo=UTC))
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox, None, committed)
        committed.take(*batches)
        box.deliver(mail("now"), datetime.now(UTC))
        assert subjects(*read(mailbox, batches[-1].cursor, committed)) == ["now"]


@pytest.mark.parametrize("delta", [True, False])
def test_a_mail_without_a_time_of_arrival_is_here_since_now(box: OfficeBox, delta: bool) -> None:
    box.delta, box.graph.page = delta, 2
    fill(box, 5)
    box.graph.odd["m001"] = {"receivedDateTime": None}
    begun = datetime.now(UTC)
    with closing(box.mailbox()) as mailbox:
        found = {f.raw: f.received for batch in read(mailbox) for f in batch.mails}
    assert len(found) == 5
    assert begun <= found[mail("m001")] <= datetime.now(UTC)


def test_bare_line_ends_come_as_they_are(box: OfficeBox) -> None:
    box.deliver(b"Subject: bare\n\nText\n", MORNING)
    with closing(box.mailbox()) as mailbox:
        assert [fetched.raw for batch in read(mailbox) for fetched in batch.mails] == [b"Subject: bare\n\nText\n"]


def test_reconciliation_asks_for_ids_a_thousand_at_a_time(box: OfficeBox) -> None:
    box.graph.page = 1000
    for number in range(2500):
        box.deliver(b"Subject: x\r\n\r\n", MORNING + timedelta(seconds=number))
    with closing(box.mailbox()) as mailbox:
        box.graph.requests.clear()
        assert len(mailbox.uids()[2]) == 2500
    assert len(box.graph.requests) == 4  # the folder, and three pages


def test_a_mail_that_was_taken_away_again_is_passed_by(box: OfficeBox) -> None:
    fill(box, 3)
    box.expunge("m001")
    with closing(box.mailbox()) as mailbox:
        assert subjects(*read(mailbox)) == ["m000", "m002"]


# -- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_told_by_its_name(box: OfficeBox) -> None:
    with closing(box.mailbox("客户/询价")) as mailbox, pytest.raises(PermanentError, match="客户/询价"):
        read(mailbox)


@pytest.mark.parametrize(
    ("path", "uid"),
    [("INBOX/故障", "F3"), ("inbox/故障", "F3"), ("客户/询价", "F2"), ("R&D's #1 +%", "F4"),
     ("技术支持/2026年/十一月", "F6"), ("日报/周报", "F7")],
)  # fmt: skip
def test_folders_are_found_by_their_path(box: OfficeBox, path: str, uid: str) -> None:
    """Also one below INBOX, whose own name depends on the mailbox's language, and one with a "/" in its name."""
    box.graph.folders |= {"F1": "客户", "F2": "询价", "F3": "故障", "F4": "R&D's #1 +%", "F5": "技术支持",
                          "F6": "2026年/十一月", "F7": "日报/周报", "F8": "日报"}  # fmt: skip
    box.graph.parents |= {"F2": "F1", "F3": "F-inbox", "F6": "F5"}
    box.graph.put(mail(f"in {uid}"), uid)
    with closing(box.mailbox(path)) as mailbox:
        assert subjects(*read(mailbox)) == [f"in {uid}"]


def test_a_path_is_made_step_by_step_below_inbox(box: OfficeBox) -> None:
    fill(box, 2)
    with closing(box.mailbox()) as mailbox:
        for fetched in (fetched for batch in read(mailbox) for fetched in batch.mails):
            mailbox.file(fetched.place, "move:INBOX/已处理/2026")
    assert box.held("2026") == [mail("m000"), mail("m001")]
    assert {box.graph.parents.get(uid) for uid, name in box.graph.folders.items() if name == "已处理"} == {"F-inbox"}


def test_a_folder_that_is_made_anew_is_found_again(box: OfficeBox) -> None:
    box.graph.folders["F1"] = "故障"
    box.graph.put(mail("old"), "F1")
    with closing(box.mailbox("故障")) as mailbox:
        cursor = read(mailbox)[-1].cursor
        del box.graph.folders["F1"]
        box.graph.folders["F2"] = "故障"
        box.graph.put(mail("new"), "F2")
        assert subjects(*read(mailbox, cursor)) == ["new"]


def test_the_state_of_another_folder_is_not_used(box: OfficeBox) -> None:
    """Somebody has changed `folder` in config.toml: a link knows nothing of that."""
    fill(box, 2)
    box.graph.folders["F1"] = "故障"
    box.graph.put(mail("other"), "F1")
    with closing(box.mailbox()) as mailbox:
        cursor = read(mailbox)[-1].cursor
    with closing(box.mailbox("故障")) as mailbox:
        assert subjects(*read(mailbox, cursor)) == ["other"]


def test_a_mail_that_a_person_has_put_elsewhere_stays_there(box: OfficeBox) -> None:
    """Its id is still good: it would be taken out of the bin again."""
    fill(box, 1)
    box.graph.folders["F-deleted"] = "Deleted Items"
    with closing(box.mailbox()) as mailbox:
        (place,) = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
        box.graph.mails[place.uid].folder = "F-deleted"
        mailbox.file(place, "move:已处理")
    assert (box.held("Deleted Items"), box.held("已处理")) == ([mail("m000")], [])


def test_a_folder_that_mail_is_moved_to_and_that_vanishes_is_made_anew(box: OfficeBox) -> None:
    fill(box, 2)
    with closing(box.mailbox()) as mailbox:
        places = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
        mailbox.file(places[0], "move:已处理")
        for uid in [uid for uid, name in box.graph.folders.items() if name == "已处理"]:
            del box.graph.folders[uid]
        with pytest.raises(TransientError):
            mailbox.file(places[1], "move:已处理")
        mailbox.file(places[1], "move:已处理")
    assert box.held("已处理") == [mail("m001")]


# -- trouble ----------------------------------------------------------------------------------------------------------


def test_a_token_that_ends_in_the_midst_is_renewed_once(box: OfficeBox) -> None:
    fill(box, 1)
    box.tokens = Tokens("old", TOKEN)
    with closing(box.mailbox()) as mailbox:
        assert subjects(*read(mailbox)) == ["m000"]
    assert box.tokens.renewed == 1


def test_a_token_that_stays_refused_is_an_alarm(box: OfficeBox) -> None:
    box.tokens = Tokens("old", "old")
    with closing(box.mailbox()) as mailbox, pytest.raises(AuthError, match=r"Mail\.ReadWrite"):
        mailbox.check()


def elsewhere(data: dict[str, Any]) -> dict[str, Any]:
    return {name: "http://evil.example/v1.0/delta" if name.startswith("@odata.") else v for name, v in data.items()}


def test_a_link_that_leads_elsewhere_is_not_followed(box: OfficeBox) -> None:
    """The token would go with it."""
    fill(box, 1)
    box.graph.spoil = elsewhere
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError, match="没有打开"):
            read(mailbox)
        box.graph.spoil = None
        (*_, batch) = read(mailbox)
        cursor = json.dumps(json.loads(batch.cursor) | {"state": "http://evil.example/v1.0/delta"})
        with pytest.raises(TransientError, match="没有打开"):
            read(mailbox, cursor)


def asked_for(box: OfficeBox, what: str, answer: Instead) -> None:
    """`answer` instead of what Graph would say about this."""
    signs = {"folder": "/mailFolders/inbox", "list": "/delta", "mail": "/$value"}
    box.graph.before = lambda method, path: answer if path.endswith(signs[what]) else None


TROUBLE: list[Instead] = [429, 503, 500, 502, 504, 408, 423, 409, ""]
PAGE_OF_A_PROXY = "<!DOCTYPE html><h1>访问受限</h1>".encode()
STRANGE: list[Instead] = [
    (200, PAGE_OF_A_PROXY, "text/html; charset=utf-8"), (404, PAGE_OF_A_PROXY, "text/html"), (302, b"", "text/html"),
    (403, PAGE_OF_A_PROXY, "text/html"), (400, PAGE_OF_A_PROXY, "text/html"), (410, b"", "text/plain"),
    (407, b"", "text/html"), (511, PAGE_OF_A_PROXY, "text/html"),
]  # fmt: skip


@pytest.mark.parametrize("trouble", [*TROUBLE, *STRANGE])
@pytest.mark.parametrize("what", ["folder", "list"])
def test_a_server_in_trouble_is_asked_once_and_tried_again_by_the_caller_alone(
    box: OfficeBox, what: str, trouble: Instead
) -> None:
    fill(box, 1)
    asked_for(box, what, trouble)
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError):
            read(mailbox)
        assert len(box.graph.requests) == {"folder": 1, "list": 2}[what]
        box.graph.before = lambda method, path: None
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b"5", b'"x"', b"{", b"[" * 100_000, b"\xff\xfe", b'{"value": 5}']
)
@pytest.mark.parametrize("what", ["folder", "list"])
def test_json_of_another_shape_is_passing(box: OfficeBox, what: str, body: bytes) -> None:
    fill(box, 1)
    asked_for(box, what, (200, body, "application/json"))
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError):
            read(mailbox)
        box.graph.before = lambda method, path: None
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize("trouble", [*TROUBLE[1:], *STRANGE])
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_mail_that_alone_does_not_come_holds_up_no_other_and_is_tried_again(
    box: OfficeBox, bad: int, trouble: Instead
) -> None:
    """Graph stumbles over it, or a proxy withholds it, always."""
    fill(box, 3)
    uid = f"AAk{bad + 1:06d}="
    box.graph.before = lambda method, path: trouble if path.endswith(f"{uid}/$value") else None
    committed = Committed()
    others = [f"m{number:03}" for number in range(3) if number != bad]
    with closing(box.mailbox()) as mailbox:
        batches = list(committing(mailbox, None, committed))
        assert (subjects(*batches), [uid for batch in batches for uid in batch.unreadable]) == (others, [uid])
        box.deliver(mail("new"), MORNING + timedelta(hours=1))
        more = list(committing(mailbox, batches[-1].cursor, committed))
        assert (subjects(*more), [uid for batch in more for uid in batch.unreadable]) == (["new"], [uid])
        box.graph.before = lambda method, path: None
        assert subjects(*committing(mailbox, more[-1].cursor, committed)) == [f"m{bad:03}"]


def test_a_mail_that_comes_at_the_second_try_comes_in_its_place(box: OfficeBox) -> None:
    fill(box, 3)
    instead(box.graph, "before", lambda method, path: path.endswith("2=/$value"), 500, once=True)
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
    assert subjects(*batches) == ["m000", "m001", "m002"]
    assert not any(batch.unreadable for batch in batches)


@pytest.mark.parametrize("trouble", [*TROUBLE, *STRANGE])
def test_when_no_mail_comes_it_is_not_the_mails(box: OfficeBox, trouble: Instead) -> None:
    fill(box, 5)
    asked_for(box, "mail", trouble)
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError):
            read(mailbox)
        box.graph.before = lambda method, path: None
        assert subjects(*read(mailbox)) == [f"m{number:03}" for number in range(5)]


@pytest.mark.parametrize("dead", ["/$value", "="])
def test_a_server_that_wishes_to_be_left_alone_or_has_died_is_asked_for_no_other_mail(
    box: OfficeBox, dead: str
) -> None:
    fill(box, 5)
    box.graph.retry_after = "7" if dead == "/$value" else None
    with closing(box.mailbox()) as mailbox:
        box.graph.before = lambda method, path: 503 if path.endswith(("/$value", dead)) else None
        with pytest.raises(TransientError):
            read(mailbox)
    assert sum(request.endswith("/$value") for request in box.graph.requests) == 1


def test_mails_that_do_not_come_hold_up_no_other_however_many_they_are(box: OfficeBox) -> None:
    fill(box, 8)
    bad = [f"AAk{number:06d}=" for number in (1, 3, 5, 7)]
    box.graph.before = lambda method, path: 500 if path.endswith(tuple(f"{uid}/$value" for uid in bad)) else None
    committed = Committed()
    with closing(box.mailbox()) as mailbox:
        batches = list(committing(mailbox, None, committed))
        box.deliver(mail("new"), MORNING + timedelta(hours=1))
        more = list(committing(mailbox, batches[-1].cursor, committed))
    assert (subjects(*more), [uid for batch in more for uid in batch.unreadable]) == (["new"], bad)


def test_an_empty_mail_is_none_and_is_tried_again(box: OfficeBox) -> None:
    fill(box, 2)
    box.graph.before = lambda method, path: (200, b"", "text/plain") if path.endswith("1=/$value") else None
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
        assert subjects(*batches) == ["m001"]
        assert [uid for batch in batches for uid in batch.unreadable] == ["AAk000001="]
        box.graph.before = lambda method, path: None
        assert subjects(*read(mailbox, batches[-1].cursor)) == ["m000"]


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just([5]),
                   st.just([{}]), st.just([{"id": None}]))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["value", "id", "receivedDateTime", "parentFolderId", "@odata.nextLink", "@odata.deltaLink",
                        "totalItemCount", "@removed", "isDraft"]),
       VALUES, st.booleans(), st.booleans())  # fmt: skip
def test_whatever_an_answer_says_no_other_exception_escapes_and_no_mail_is_lost(
    key: str, value: Any, missing: bool, delta: bool
) -> None:
    def spoilt(data: Any) -> Any:
        if isinstance(data, list):
            return [spoilt(each) for each in data]
        if not isinstance(data, dict):
            return data
        kept = {name: spoilt(each) for name, each in data.items() if name != key}
        return kept if missing else kept | {key: value}

    with GraphServer() as server:
        box = OfficeBox(server, delta=delta)
        server.graph.page = 2
        fill(box, 3)
        server.graph.spoil = spoilt
        committed, cursor = Committed(), None
        with closing(box.mailbox()) as mailbox, closing(box.sender()) as sender:
            for _ in range(2):
                try:
                    for batch in committing(mailbox, cursor, committed):
                        cursor = batch.cursor
                except MailflowError:
                    pass
            places = list(committed.places)
            calls: list[Callable[[], object]] = [mailbox.uids, mailbox.check, sender.check]
            calls += [partial(sender.send, NOTICE, ADDRESS, BOTH), partial(sender.find, identity())]
            calls += [partial(mailbox.file, place, "move:已处理") for place in places]
            for call in calls:
                with suppress(MailflowError):
                    call()
        server.graph.spoil = None
        for uid in server.graph.mails:
            if server.graph.mails[uid].folder not in ("F-drafts", "F-sent"):
                server.graph.mails[uid].folder = "F-inbox"
        # Reconciliation reads from the start.
        with closing(box.mailbox()) as mailbox:
            committed.take(*read(mailbox, None, committed))
        assert {f"AAk{number:06d}=" for number in (1, 2, 3)} <= {place.uid for place in committed.places}
        assert len(server.graph.submitted) <= 1


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("delta", [True, False])
def test_a_list_without_end_ends_with_an_error_and_begins_anew(box: OfficeBox, delta: bool, fresh: bool) -> None:
    """A link that leads in a circle, and links that are always new and lead nowhere."""
    box.delta, box.graph.page = delta, 2
    for _ in range(5):
        box.deliver(mail("same time"), MORNING)
    count = iter(range(10_000))

    def circling(data: dict[str, Any]) -> dict[str, Any]:
        if "value" not in data:
            return data
        link = f"{box.server.base}/v1.0/users/support%40corp.example/mailFolders/F-inbox/messages"
        link += "/delta?$skiptoken=0.2" if delta else "?$skip=2&$top=2"
        return {"value": [] if fresh else data["value"], "@odata.nextLink": f"{link}&n={next(count) if fresh else 0}"}

    box.graph.spoil = circling
    committed, batches = Committed(), list[Batch]()
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError, match="没有尽头"):
            batches.extend(committing(mailbox, None, committed))
        with pytest.raises(TransientError, match="没有尽头"):
            mailbox.uids()
        box.graph.spoil = None
        committed.take(*read(mailbox, batches[-1].cursor, committed))
    assert len(committed.places) == 5


@pytest.mark.parametrize(
    ("said", "wait"),
    [("17", 17), ("0", 0), ("999999999999", 86400), ("9" * 400, 86400), ("-5", None), ("soon", None), ("", None),
     ("Fri, 01 Jan 2100 00:00:00 GMT", 86400), ("Fri, 01 Jan 2010 00:00:00 GMT", 0), ("1e999", 86400),
     ("Fri, 99 Foo 2010 00:00:00 GMT", None)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_the_caller_backs_off_as_long_as_the_server_wishes(
    box: OfficeBox, status: int, said: str, wait: float | None
) -> None:
    box.graph.before = lambda method, path: status
    box.graph.retry_after = said
    with closing(box.mailbox()) as mailbox, pytest.raises(TransientError) as caught:
        read(mailbox)
    assert caught.value.retry_after == wait
    assert len(box.graph.requests) == 1


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST", "DELETE"])
def test_every_kind_of_request_may_be_throttled(box: OfficeBox, method: str) -> None:
    fill(box, 1)
    with closing(box.mailbox()) as mailbox, closing(box.sender()) as sender:
        (place,) = [fetched.place for batch in read(mailbox) for fetched in batch.mails]
        box.graph.put(NOTICE, "F-drafts", draft=True)
        box.graph.before = lambda asked, path: 429 if asked == method else None
        box.graph.retry_after = "30"
        waits = []
        calls: list[Callable[[], object]] = [partial(mailbox.file, place, how) for how in ("seen", "move:已处理")]
        calls += [mailbox.uids, partial(sender.find, identity())]
        calls += [partial(sender.send, NOTICE, ADDRESS, BOTH)]
        for call in calls:
            try:
                call()
            except TransientError as error:
                waits.append(error.retry_after)
        assert waits
        assert set(waits) == {30}
        assert len(box.graph.submitted) <= 1


NOBODY = {
    "ErrorInvalidUser": "请检查 url",
    "MailboxNotEnabledForRESTAPI": "ews://",
    "Request_ResourceNotFound": "tenant",
}


@pytest.mark.parametrize("code", NOBODY)
@pytest.mark.parametrize("what", ["folder", "list", "mail"])
def test_a_mailbox_that_is_not_there_is_told_as_such_and_no_mail_is_passed_by(
    box: OfficeBox, what: str, code: str
) -> None:
    fill(box, 2)
    said = json.dumps({"error": {"code": code, "message": "The mailbox is either inactive or soft-deleted."}}).encode()
    asked_for(box, what, (404, said, "application/json"))
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(PermanentError, match=NOBODY[code]):
            read(mailbox)
        box.graph.before = lambda method, path: None
        assert subjects(*read(mailbox)) == ["m000", "m001"]


def test_a_permission_that_is_missing_is_told_as_such(box: OfficeBox) -> None:
    said = json.dumps({"error": {"code": "ErrorAccessDenied", "message": "Access is denied."}}).encode()
    asked_for(box, "list", (403, said, "application/json"))
    with closing(box.mailbox()) as mailbox, pytest.raises(AuthError, match=r"Mail\.ReadWrite"):
        read(mailbox)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "BadRequest"), (404, "ErrorItemNotFound"), (410, "SyncStateNotFound")]
)
def test_a_state_that_the_server_refuses_means_everything_anew(box: OfficeBox, status: int, code: str) -> None:
    fill(box, 2)
    with closing(box.mailbox()) as mailbox:
        (*_, batch) = read(mailbox)
        said = json.dumps({"error": {"code": code, "message": "gone"}}).encode()
        answers = iter([(status, said, "application/json")])
        box.graph.before = lambda method, path: next(answers, None) if path.endswith("/delta") else None
        assert subjects(*read(mailbox, batch.cursor)) == ["m000", "m001"]


def test_an_answer_that_trickles_is_cut_off(box: OfficeBox) -> None:
    """Each byte comes within the timeout of a read."""
    fill(box, 1)
    with closing(box.mailbox(timeouts=Timeouts(connect=2, read=5, operation=0.7))) as mailbox:
        mailbox.check()
        box.graph.trickle = 0.05
        with pytest.raises(TransientError):
            read(mailbox)
        box.graph.trickle = 0.0
        assert subjects(*read(mailbox)) == ["m000"]


@pytest.mark.parametrize(("scheme", "begin"), [("https", TLS), ("http", HTTP)])
def test_a_handshake_and_an_answer_that_never_end_are_cut_off(scheme: str, begin: bytes) -> None:
    timeouts = Timeouts(connect=30, read=30, operation=0.5)
    with Trickle(begin) as server:
        office = Office(ADDRESS, Tokens(), f"{scheme}://127.0.0.1:{server.port}", timeouts=timeouts)
        with closing(GraphMailbox("support", office)) as mailbox, pytest.raises(TransientError):
            mailbox.check()
        assert server.left.wait(20)


def test_answers_are_wanted_as_they_are(box: OfficeBox) -> None:
    """Of one that is compressed, and trickles, nothing comes out that would tell how long it takes."""
    fill(box, 1)
    with closing(box.mailbox()) as mailbox:
        read(mailbox)
    assert box.graph.encodings == {"identity"}


def test_half_an_answer_is_passing(box: OfficeBox) -> None:
    fill(box, 1)
    box.graph.half = "/delta"
    with closing(box.mailbox()) as mailbox:
        with pytest.raises(TransientError):
            read(mailbox)
        box.graph.half = ""
        assert subjects(*read(mailbox)) == ["m000"]


def test_half_a_mail_is_none(box: OfficeBox) -> None:
    fill(box, 1)
    box.graph.half = "/$value"
    with closing(box.mailbox()) as mailbox:
        batches = read(mailbox)
        assert [uid for batch in batches for uid in batch.unreadable] == ["AAk000001="]
        box.graph.half = ""
        assert subjects(*read(mailbox, batches[-1].cursor)) == ["m000"]


def test_a_certificate_of_our_own_authority_is_trusted_when_it_is_named_and_not_otherwise(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with GraphServer(certificate) as server:
        box = OfficeBox(server)
        fill(box, 1)
        with closing(box.mailbox()) as mailbox:
            with pytest.raises(TransientError, match="证书不受信任"):
                read(mailbox)
            assert box.graph.requests == []
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
            assert subjects(*read(mailbox)) == ["m000"]


def test_a_proxy_is_used_where_the_environment_names_one(box: OfficeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(box, 1)
    monkeypatch.setenv("HTTP_PROXY", box.server.base)
    monkeypatch.setenv("http_proxy", box.server.base)
    box.graph.base = "http://graph.corp.example"
    office = Office(ADDRESS, box.tokens, "http://graph.corp.example", timeouts=QUICK)
    with closing(GraphMailbox("support", office)) as mailbox:
        assert subjects(*read(mailbox)) == ["m000"]


def test_connecting_again_and_again_leaves_no_connection_and_no_thread_behind(box: OfficeBox) -> None:
    fill(box, 1)
    threads = threading.active_count()
    for _ in range(20):
        with closing(box.mailbox()) as mailbox:
            read(mailbox)
    until = time.monotonic() + 20
    while box.graph.connections or threading.active_count() > threads:
        assert time.monotonic() < until
        time.sleep(0.02)


# -- sending ----------------------------------------------------------------------------------------------------------


def test_a_message_id_with_signs_that_mean_something_in_a_url_is_found(box: OfficeBox) -> None:
    odd = b"<a'b&c#d+e%41=f/g?h@corp.example>"
    with closing(box.sender()) as sender:
        sender.send(NOTICE.replace(identity().encode(), odd), ADDRESS, BOTH)
        assert sender.find(odd.decode()) is True
        assert sender.find(identity()) is None


NO_DRAFT: list[Instead] = [
    (201, b"", "text/plain"), (201, b"{}", "application/json"), (404, b"", "text/plain"),
    graph_says(404, "ErrorInvalidUser"), graph_says(403, "ErrorQuotaExceeded"), graph_says(507, "ErrorQuotaExceeded"),
    graph_says(400, "ErrorSubmissionQuotaExceeded"), (201, PAGE_OF_A_PROXY, "text/html"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "when", "error", "answer"),
    [*((drafting, "before", TransientError, answer) for answer in (*TROUBLE, *STRANGE, *NO_DRAFT)),
     *((sending, "after", UnclearError, answer) for answer in (*TROUBLE[1:], *STRANGE[1:]))],
)  # fmt: skip
def test_whatever_is_answered_nothing_is_given_up_and_nothing_sent_twice(
    box: OfficeBox, asked: Callable[..., bool], when: When, error: type[MailflowError], answer: Instead
) -> None:
    instead(box.graph, when, asked, answer, once=True)
    with closing(box.sender()) as sender:
        with pytest.raises(error):
            sender.send(NOTICE, ADDRESS, BOTH)
        if sender.find(identity()) is None:
            sender.send(NOTICE, ADDRESS, BOTH)
    assert box.graph.submitted == [NOTICE]


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_quota_that_is_used_up_is_a_clear_no_and_costs_no_doubt(box: OfficeBox, status: int) -> None:
    instead(box.graph, "before", sending, graph_says(status, "ErrorSubmissionQuotaExceeded"), once=True)
    with closing(box.sender()) as sender:
        with pytest.raises(TransientError, match="ErrorSubmissionQuotaExceeded"):
            sender.send(NOTICE, ADDRESS, BOTH)
        assert box.held("Drafts") == []
        sender.send(NOTICE, ADDRESS, BOTH)
    assert box.graph.submitted == [NOTICE]


@pytest.mark.parametrize(
    "answer", [graph_says(413, "RequestEntityTooLarge"), graph_says(400, "ErrorMimeContentInvalidBase64String")]
)
@pytest.mark.parametrize("asked", [drafting, sending])
def test_a_message_that_graph_cannot_take_is_final(box: OfficeBox, asked: Callable[..., bool], answer: Instead) -> None:
    instead(box.graph, "before", asked, answer)
    with closing(box.sender()) as sender, pytest.raises(PermanentError):
        sender.send(NOTICE, ADDRESS, BOTH)
    assert (box.held("Drafts"), box.graph.submitted) == ([], [])


def test_throttled_before_sending_is_no_doubt(box: OfficeBox) -> None:
    instead(box.graph, "before", sending, 429)
    with closing(box.sender()) as sender, pytest.raises(TransientError):
        sender.send(NOTICE, ADDRESS, BOTH)
    assert (box.held("Drafts"), box.graph.submitted) == ([], [])


@pytest.mark.parametrize("lacks", ["isDraft", "parentFolderId"])
def test_an_answer_that_does_not_tell_drafts_from_messages_settles_nothing(box: OfficeBox, lacks: str) -> None:
    box.graph.put(NOTICE, "F-drafts", draft=True)

    def spoilt(data: dict[str, Any]) -> dict[str, Any]:
        return data | {"value": [{k: v for k, v in row.items() if k != lacks} for row in data.get("value", [])]}

    box.graph.spoil = spoilt
    with closing(box.sender()) as sender:
        with pytest.raises(TransientError, match="是不是草稿"):
            sender.find(identity())
        box.graph.spoil = None
        assert sender.find(identity()) is False
