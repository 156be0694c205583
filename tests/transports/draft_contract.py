"""What a sender must do besides that hands a message over as a draft, and then has it sent (mail.md §8, 15): Exchange
and Graph. A test class inherits DraftContract and provides `way`."""

from __future__ import annotations

import abc
from collections.abc import Callable
from contextlib import closing
from typing import Any, ClassVar, Literal

import pytest

from mailflow.errors import AuthError, PermanentError, TransientError, UnclearError
from mailflow.transports.base import Sender
from tests.transports.sender_contract import ANNA, BEN, FROM, REFUSED, Arrived, MoodyContract, identity, notice, raws

Step = Literal["draft", "send", "delete"]
When = Literal["before", "after"]
BOTH = (ANNA, BEN)
NOTICE = notice(to=BOTH)


def instead(server: Any, when: When, asked: Callable[..., bool], answer: Any, *, once: bool = False) -> None:
    """What the server says `when` it has not yet, or has already, done what is `asked`; `once`: the next time alone."""

    def say(*request: str) -> Any:
        if not asked(*request):
            return None
        if once:
            setattr(server, when, lambda *request: None)
        return answer

    setattr(server, when, say)


class DraftWay(abc.ABC):
    """A way out over drafts, as its users and its server see it."""

    busy: ClassVar[tuple[Step, int]]
    """The step and the status with which the server puts a message off."""
    no_draft: ClassVar[Any]
    """What the server says of a draft that is not there."""
    no_right: ClassVar[Any]
    """What it says to somebody who must not send in this name."""

    @property
    @abc.abstractmethod
    def server(self) -> Any:
        """Its state, with `before`, `after`, `submitted` and `unseen`."""

    @abc.abstractmethod
    def asked(self, step: Step) -> Callable[..., bool]:
        """Whether a request is this step."""

    @abc.abstractmethod
    def put(self, raw: bytes, where: Literal["drafts", "outbox", "deleted"]) -> None: ...

    @abc.abstractmethod
    def held(self, where: Literal["drafts", "outbox", "sent"]) -> list[bytes]: ...

    @abc.abstractmethod
    def sender(self) -> Sender: ...

    @abc.abstractmethod
    def without_entry(self) -> Sender: ...

    @abc.abstractmethod
    def away(self) -> Sender: ...

    def answer(self, step: Step, answer: Any, when: When = "before", *, once: bool = False) -> None:
        instead(self.server, when, self.asked(step), answer, once=once)

    def as_usual(self) -> None:
        self.server.before = self.server.after = lambda *request: None

    def arrived(self) -> list[Arrived]:
        return [Arrived(raw) for raw in self.server.submitted]

    def put_off(self) -> None:
        self.answer(*self.busy, once=True)

    def lose_answer(self) -> None:
        self.answer("send", "", "after", once=True)

    def cut(self) -> None:
        self.answer("send", "", once=True)


class DraftContract(MoodyContract):
    @pytest.fixture
    def way(self) -> DraftWay:
        raise NotImplementedError

    def test_a_message_is_sent_once_and_lies_in_sent(self, way: DraftWay) -> None:
        with closing(way.sender()) as sender:
            assert sender.send(NOTICE, FROM, BOTH) == ()
            assert sender.find(identity()) is True
        assert way.server.submitted == way.held("sent") == [NOTICE]
        assert way.held("drafts") == []

    def test_a_copy_that_is_not_to_be_sent_is_taken_out_of_the_header(self, way: DraftWay) -> None:
        with closing(way.sender()) as sender:
            sender.send(NOTICE, FROM, [ANNA])
        (sent,) = raws(way)
        assert BEN.encode() not in sent
        assert f"To: {ANNA}\r\n".encode() in sent
        assert f"Message-ID: {identity()}\r\n".encode() in sent

    @pytest.mark.parametrize("trouble", ["", 503])
    def test_an_answer_lost_after_sending_is_unclear_and_found_in_sent(self, way: DraftWay, trouble: str | int) -> None:
        way.answer("send", trouble, "after")
        with closing(way.sender()) as sender:
            with pytest.raises(UnclearError):
                sender.send(NOTICE, FROM, BOTH)
            way.as_usual()
            assert sender.find(identity()) is True
        assert raws(way) == [NOTICE]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_that_the_draft_is_gone_does_not_say_that_it_was_not_sent(self, way: DraftWay, when: When) -> None:
        """A proxy, or the server itself, has repeated the request: the second time there was nothing left to send."""
        way.answer("send", way.no_draft, when)
        with closing(way.sender()) as sender:
            with pytest.raises(UnclearError):
                sender.send(NOTICE, FROM, BOTH)
            way.as_usual()
            assert sender.find(identity()) is (when == "after")
        assert raws(way) == ([NOTICE] if when == "after" else [])

    def test_a_draft_that_was_not_sent_is_found_and_taken_away(self, way: DraftWay) -> None:
        way.answer("send", "")
        with closing(way.sender()) as sender:
            with pytest.raises(UnclearError):
                sender.send(NOTICE, FROM, BOTH)
            way.as_usual()
            assert sender.find(identity()) is False
            assert sender.find(identity()) is None
        assert (way.held("drafts"), raws(way)) == ([], [])

    def test_a_message_that_is_still_in_the_outbox_is_on_its_way(self, way: DraftWay) -> None:
        """In the Outbox of Graph it is a draft as before."""
        way.put(NOTICE, "outbox")
        with closing(way.sender()) as sender:
            assert sender.find(identity()) is True
        assert way.held("outbox") == [NOTICE]

    def test_a_draft_that_a_person_has_thrown_away_was_not_sent(self, way: DraftWay) -> None:
        way.put(NOTICE, "deleted")
        with closing(way.sender()) as sender:
            assert sender.find(identity()) is not True

    def test_a_copy_that_comes_late_into_sent_is_nothing_that_was_denied(self, way: DraftWay) -> None:
        with closing(way.sender()) as sender:
            sender.send(NOTICE, FROM, BOTH)
            way.server.unseen = 1
            assert sender.find(identity()) is None
            assert sender.find(identity()) is True

    def test_a_draft_whose_answer_was_lost_is_no_message_and_denies_none(self, way: DraftWay) -> None:
        """It stays behind. If it still lay there when the message itself has gone, and its copy comes late into Sent,
        it would say that nothing was sent."""
        with closing(way.sender()) as sender:
            way.answer("draft", "", "after", once=True)
            with pytest.raises(TransientError):
                sender.send(NOTICE, FROM, BOTH)
            way.lose_answer()
            with pytest.raises(UnclearError):
                sender.send(NOTICE, FROM, BOTH)
            way.server.unseen = 1
            assert sender.find(identity()) is None
            assert sender.find(identity()) is True
        assert (way.held("drafts"), raws(way)) == ([], [NOTICE])

    def test_what_was_never_handed_over_is_not_found(self, way: DraftWay) -> None:
        with closing(way.sender()) as sender:
            assert sender.find(identity()) is None

    @pytest.mark.parametrize("stays", [False, True])
    def test_a_refused_recipient_is_final_and_a_draft_that_stays_changes_no_verdict(
        self, way: DraftWay, stays: bool
    ) -> None:
        refused = notice(to=(REFUSED, BEN))
        with closing(way.sender()) as sender:
            if stays:
                way.answer("delete", 503)
            with pytest.raises(PermanentError, match="ErrorInvalidRecipients"):
                sender.send(refused, FROM, (REFUSED, BEN))
        assert (way.held("drafts"), raws(way)) == ([refused] * stays, [])

    def test_who_must_not_send_in_this_name_waits_for_a_person(self, way: DraftWay) -> None:
        """It is wrong with every message, and none of them may be given up for it."""
        way.answer("send", way.no_right)
        with closing(way.sender()) as sender:
            with pytest.raises(AuthError, match="ErrorSendAsDenied"):
                sender.send(NOTICE, FROM, BOTH)
            way.as_usual()
            assert sender.send(NOTICE, FROM, BOTH) == ()
        assert (way.held("drafts"), raws(way)) == ([], [NOTICE])

    def test_the_check_says_who_sends(self, way: DraftWay) -> None:
        with closing(way.sender()) as sender:
            assert FROM in sender.check()
