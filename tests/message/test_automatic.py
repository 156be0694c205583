from __future__ import annotations

import pytest

from mailflow.message import read
from tests.message.builders import mail, multipart


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated; x=y", "Precedence: bulk", "Precedence: LIST",
        "Precedence: junk", "Precedence: auto_reply", "List-Id: <a.b>", "List-Unsubscribe: <mailto:a@b>",
        "X-Autoreply: yes", "X-Autorespond: x", "X-Auto-Generated: 1", "Return-Path: <>",
    ],
)  # fmt: skip
def test_headers_of_automatic_mail(header: str) -> None:
    assert read(mail(headers=header + "\n")).automatic


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: no",
        "Precedence: normal",
        "X-Auto-Response-Suppress: All",
        "Return-Path: <li@corp.example>",
        "X: y",
    ],
)
def test_headers_that_mark_nothing(header: str) -> None:
    assert read(mail(headers=header + "\n")).automatic is None


@pytest.mark.parametrize(
    "sender",
    [
        *("MAILER-DAEMON@x.example", "postmaster@x.example", "NoReply@x.example", "no-reply@x.example"),
        *("donotreply@x.example", "do-not-reply@x.example", "news-noreply@x.example", "a-request@x.example"),
        *("owner-a@x.example", "MAILER-DAEMON"),
    ],
)
def test_senders_that_are_programs(sender: str) -> None:
    assert read(mail(sender=sender)).automatic


@pytest.mark.parametrize("sender", ["li@x.example", "request@x.example", "owner@x.example", "reply@x.example"])
def test_senders_that_are_people(sender: str) -> None:
    assert read(mail(sender=sender)).automatic is None


@pytest.mark.parametrize(
    "subject",
    [
        *("自动回复: x", "自动回复", "自動回覆：x", "自动答复: x", "[External] 自动回复:x", "Automatic reply: x"),
        *("Out of office", "退信", "系统退信", "系统退信/Systems bounce", "Undeliverable: x", "未送达: x"),
        "Delivery Status Notification (Failure)",
    ],
)  # fmt: skip
def test_subjects_of_automatic_mail(subject: str) -> None:
    assert read(mail(subject=subject)).automatic


@pytest.mark.parametrize(
    "subject", ["回复: 自动回复: x", "退信率统计", "自动回复功能故障", "投诉-退信", "We undelivered", "x"]
)
def test_subjects_that_people_write(subject: str) -> None:
    assert read(mail(subject=subject)).automatic is None


STATUS = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\nAction: {}\nStatus: 5.1.1\n"
RETURNED = "Content-Type: message/rfc822\n\nFrom: us@corp.example\nMessage-ID: <ours@corp.example>\n\nx"


def report(*parts: str) -> bytes:
    return multipart("\nsorry", *parts, kind="report; report-type=delivery-status")


def test_a_dsn_tells_which_mail_came_back() -> None:
    message = read(report(STATUS.format("failed"), RETURNED))
    assert (message.automatic, message.bounce) == ("multipart/report: delivery-status", True)
    assert message.bounced == ("<ours@corp.example>",)


def test_a_delay_or_success_is_no_bounce() -> None:
    delayed = read(report(STATUS.format("delayed"), RETURNED))
    assert (delayed.automatic is not None, delayed.bounce, delayed.bounced) == (True, False, ())
    assert "delivery_delayed" in [f.code for f in delayed.findings]
    assert not read(report(STATUS.format("delivered"), RETURNED)).bounce


def test_a_receipt_is_automatic_and_no_bounce() -> None:
    message = read(multipart("\nread", kind="report; report-type=disposition-notification"))
    assert message.automatic == "multipart/report: disposition-notification"
    assert not message.bounce


def test_a_prose_bounce_is_matched_by_the_id_in_its_text() -> None:
    body = "无法投递。\nMessage-ID: <ours@corp.example>\n> <li@x.example>\n"
    message = read(mail(body, subject="退信", sender="postmaster@x.example"))
    assert (message.bounce, message.bounced) == (True, ("<ours@corp.example>",))


def test_a_person_who_writes_about_a_bounce_sends_none() -> None:
    assert not read(mail("Message-ID: <ours@corp.example>", subject="退信")).bounce


def test_calendar_replies_are_automatic_and_invitations_are_not() -> None:
    calendar = "Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\nMETHOD:{}\nEND:VCALENDAR"
    assert read(multipart(calendar.format("REPLY"))).automatic == "text/calendar: reply"
    assert read(multipart(calendar.format("REQUEST"))).automatic is None
