"""What every sender must do, the one in memory included. A test class inherits SenderContract and provides `way`.

MoodyContract adds what only a server can do wrong, RecipientsContract what only some tell: who was refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import ClassVar, Protocol

import pytest

from mailflow.errors import AuthError, PermanentError, TransientError, UnclearError
from mailflow.notices.compose import compose
from mailflow.notices.render import Rendered
from mailflow.transports.base import Sender

FROM = "support@corp.example"
ANNA, BEN, IDN = "anna@corp.example", "ben@corp.example", "wang@例子.example"
REFUSED = "refused@corp.example"
"""Each way refuses this one for good."""
FULL = "full@corp.example"
"""And this one for now, where it tells who was refused."""


@dataclass(frozen=True)
class Arrived:
    """One message on the other side. `recipients` None: that cannot be seen there."""

    raw: bytes
    recipients: tuple[str, ...] | None = None


class Way(Protocol):
    """A way out, as its users and whoever receives see it."""

    def sender(self) -> Sender:
        """A new one."""

    def arrived(self) -> list[Arrived]: ...


class MoodyWay(Way, Protocol):
    def put_off(self) -> None:
        """The next message is refused for now."""

    def lose_answer(self) -> None:
        """The next message is taken, and the line cut instead of an answer."""

    def cut(self) -> None:
        """The line is cut before the next message could be taken."""

    def without_entry(self) -> Sender:
        """A sender whose login is refused."""

    def away(self) -> Sender:
        """A sender whose server is not there."""


def identity(number: int = 1) -> str:
    return f"<n{number}@corp.example>"


def notice(number: int = 1, to: Sequence[str] = (ANNA,), body: bytes = b"Text\r\n", header: bytes = b"") -> bytes:
    head = f"From: {FROM}\r\nTo: {', '.join(to)}\r\nSubject: notice {number}\r\nMessage-ID: {identity(number)}\r\n"
    return head.encode() + header + b"\r\n" + body


def composed(to: str = ANNA, cc: Sequence[str] = (), message_id: str = identity()) -> bytes:
    """A notice as the outbox makes it."""
    rendered = Rendered(
        "请补充沟通记录：" + "客户沟通-星海ERP二期-李四 " * 10, "您好，\n.\n请补充。\n", "<p>您好</p>\n"
    )
    when = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    from_ = f'"技术支持部, 自动助手 “小助”" <{FROM}>'
    return compose(rendered, from_=from_, to=to, cc=cc, message_id=message_id, date=when)


def raws(way: Way) -> list[bytes]:
    return [one.raw for one in way.arrived()]


BODIES = {
    "dots": b".one\r\n..two\r\n.\r\nthree\r\n.\r\n\r\n.",
    "eight bits": "你好，中文 ".encode() + "中文".encode("gbk") + b"\r\n",
    "long lines": b"x" * 998 + b"\r\n" + b"." + b"y" * 997 + b"\r\n",
    "commands": b"QUIT\r\nMAIL FROM:<evil@stranger.example>\r\n\r\nDATA\r\n",
    "nothing": b"",
}


class SenderContract:
    @pytest.fixture
    def way(self) -> Way:
        raise NotImplementedError

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
    def test_a_message_arrives_byte_for_byte(self, way: Way, body: bytes) -> None:
        message = notice(body=body if body.endswith(b"\r\n") or not body else body + b"\r\n")
        with closing(way.sender()) as sender:
            assert sender.send(message, FROM, [ANNA]) == ()
        assert raws(way) == [message]

    def test_each_recipient_gets_it_once(self, way: Way) -> None:
        message = notice(to=(ANNA, BEN))
        with closing(way.sender()) as sender:
            assert sender.send(message, FROM, [ANNA, BEN]) == ()
        (one,) = way.arrived()
        assert one.raw == message
        assert one.recipients is None or sorted(one.recipients) == [ANNA, BEN]

    def test_a_chinese_notice_arrives_as_it_was_composed(self, way: Way) -> None:
        message = composed(cc=[BEN])
        with closing(way.sender()) as sender:
            assert sender.send(message, FROM, [ANNA, BEN]) == ()
        assert raws(way) == [message]
        read = message_from_bytes(message, policy=policy.default)
        assert str(read["From"]).startswith('"技术支持部, 自动助手 “小助”" <')
        assert str(read["Subject"]).count("星海ERP二期") == 10

    def test_long_header_lines_stay_as_they_are(self, way: Way) -> None:
        """In-Reply-To is an identifier: folded or encoded, nobody would recognise it."""
        message = notice(header=b"In-Reply-To: <" + b"A1b2.C3d4_" * 40 + b"@mail.sales.example>\r\n")
        with closing(way.sender()) as sender:
            sender.send(message, FROM, [ANNA])
        assert raws(way) == [message]

    def test_a_bare_line_end_can_neither_end_the_message_nor_begin_another(self, way: Way) -> None:
        """SMTP smuggling: some servers take these for the end, and what follows for commands."""
        forged = b"MAIL FROM:<evil@stranger.example>\r\n"
        body = b"".join(end + forged for end in (b"a\n.\n", b"b\n.\r\n", b"c\r.\r", b"d\r\n.\n", b"e\r.\r\n"))
        with closing(way.sender()) as sender:
            sender.send(notice(body=body), FROM, [ANNA])
        (raw,) = raws(way)
        assert re.search(rb"\r(?!\n)|(?<!\r)\n", raw) is None
        assert raw.replace(b"\r\n", b"") == notice(body=body).replace(b"\r", b"").replace(b"\n", b"")

    def test_five_megabytes_arrive(self, way: Way) -> None:
        message = notice(body=(b"0123456789" * 7 + b"\r\n") * 72_000)
        assert len(message) > 5_000_000
        with closing(way.sender()) as sender:
            assert sender.send(message, FROM, [ANNA]) == ()
        assert raws(way) == [message]

    def test_many_messages_go_one_after_the_other(self, way: Way) -> None:
        messages = [notice(number) for number in range(30)]
        with closing(way.sender()) as sender:
            for message in messages:
                assert sender.send(message, FROM, [ANNA]) == ()
        assert sorted(raws(way)) == sorted(messages)

    def test_what_was_sent_is_found_or_nobody_knows_but_never_denied(self, way: Way) -> None:
        with closing(way.sender()) as sender:
            assert sender.find(identity()) is not True
            sender.send(notice(), FROM, [ANNA])
            assert sender.find(identity()) in (True, None)
            assert sender.find(identity(2)) is not True
        with closing(way.sender()) as another:
            assert another.find(identity()) in (True, None)

    def test_a_repeat_can_be_recognised(self, way: Way) -> None:
        with closing(way.sender()) as sender:
            for _ in range(2):
                assert sender.send(notice(), FROM, [ANNA]) == ()
        assert set(raws(way)) == {notice()}

    def test_an_idn_address_goes_out_as_every_server_knows_it(self, way: Way) -> None:
        message = composed(IDN)
        with closing(way.sender()) as sender:
            assert sender.send(message, FROM, [IDN]) == ()
        (one,) = way.arrived()
        assert one.raw == message
        assert b"To: wang@xn--fsqu00a.example\r\n" in message
        assert one.recipients in (None, ("wang@xn--fsqu00a.example",))

    def test_the_check_sends_nothing_and_tells_in_chinese_what_it_found(self, way: Way) -> None:
        with closing(way.sender()) as sender:
            for _ in range(2):
                assert re.search(r"[一-鿿].*。$", sender.check())
            sender.send(notice(), FROM, [ANNA])
            assert sender.check()
        assert raws(way) == [notice()]

    def test_it_may_be_closed_at_any_time_and_used_again(self, way: Way) -> None:
        sender = way.sender()
        sender.close()
        sender.close()
        for number in range(2):
            assert sender.send(notice(number), FROM, [ANNA]) == ()
            sender.close()
            sender.close()
        assert sorted(raws(way)) == [notice(0), notice(1)]

    def test_it_says_how_fast_it_may_be_used(self, way: Way) -> None:
        with closing(way.sender()) as sender:
            assert sender.per_minute >= 0
            assert sender.finds_late in (True, False)


class MoodyContract(SenderContract):
    """Of senders that speak to a server. After whatever went wrong, the next message goes through."""

    @pytest.fixture
    def way(self) -> MoodyWay:
        raise NotImplementedError

    def then_it_works(self, way: Way, sender: Sender, *before: bytes) -> None:
        assert sender.send(notice(9), FROM, [ANNA]) == ()
        assert raws(way) == [*before, notice(9)]

    def test_a_message_that_is_put_off_is_passing(self, way: MoodyWay) -> None:
        way.put_off()
        with closing(way.sender()) as sender:
            with pytest.raises(TransientError):
                sender.send(notice(), FROM, [ANNA])
            self.then_it_works(way, sender)

    def test_a_recipient_that_is_refused_for_good_is_final(self, way: MoodyWay) -> None:
        with closing(way.sender()) as sender:
            with pytest.raises(PermanentError) as caught:
                sender.send(notice(to=[REFUSED]), FROM, [REFUSED])
            assert not isinstance(caught.value, AuthError)
            self.then_it_works(way, sender)

    def test_a_lost_answer_is_unclear_and_what_was_taken_is_never_denied(self, way: MoodyWay) -> None:
        way.lose_answer()
        with closing(way.sender()) as sender:
            with pytest.raises(UnclearError):
                sender.send(notice(), FROM, [ANNA])
            assert sender.find(identity()) in (True, None)
            self.then_it_works(way, sender, notice())

    def test_a_line_cut_before_the_message_was_taken_repeats_nothing(self, way: MoodyWay) -> None:
        way.cut()
        with closing(way.sender()) as sender:
            with pytest.raises((TransientError, UnclearError)):
                sender.send(notice(), FROM, [ANNA])
            assert sender.find(identity()) is not True
            self.then_it_works(way, sender)

    def test_a_refused_login_is_a_persons_matter(self, way: MoodyWay) -> None:
        sender = way.without_entry()
        for call in (sender.check, lambda: sender.send(notice(), FROM, [ANNA])):
            with pytest.raises(AuthError):
                call()
        sender.close()
        assert raws(way) == []

    def test_a_server_that_is_away_is_passing(self, way: MoodyWay) -> None:
        sender = way.away()
        for call in (sender.check, lambda: sender.send(notice(), FROM, [ANNA])):
            with pytest.raises(TransientError):
                call()
        sender.close()


class RecipientsContract(MoodyContract):
    """Of senders that tell who was refused."""

    refused: ClassVar[dict[str, bool]] = {REFUSED: True, FULL: False}

    def test_who_is_refused_is_told_and_the_others_get_it(self, way: MoodyWay) -> None:
        everybody = [ANNA, REFUSED, FULL, "none", BEN]
        with closing(way.sender()) as sender:
            refusals = sender.send(notice(to=(ANNA, BEN)), FROM, everybody)
            told = {refusal.recipient: refusal.permanent for refusal in refusals}
            assert told == self.refused | {"none": True}
            assert all(refusal.text for refusal in refusals)
        assert way.arrived() == [Arrived(notice(to=(ANNA, BEN)), (ANNA, BEN))]

    def test_when_all_are_refused_one_that_passes_makes_it_passing(self, way: MoodyWay) -> None:
        with closing(way.sender()) as sender:
            with pytest.raises(TransientError, match=FULL):
                sender.send(notice(), FROM, [REFUSED, FULL])
            with pytest.raises(PermanentError, match=REFUSED):
                sender.send(notice(), FROM, [REFUSED, "none"])
            self.then_it_works(way, sender)

    def test_a_name_before_the_at_that_the_server_cannot_take_is_refused_alone(self, way: MoodyWay) -> None:
        chinese = "王@corp.example"
        message = composed(ANNA, [chinese])
        assert message.isascii()
        with closing(way.sender()) as sender:
            (refusal,) = sender.send(message, FROM, [ANNA, chinese])
        assert (refusal.recipient, refusal.permanent) == (chinese, True)
        assert "SMTPUTF8" in refusal.text
        assert way.arrived() == [Arrived(message, (ANNA,))]
