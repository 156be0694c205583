"""Delivery reports about our notices: recorded, told once, harmless when forged, and never a loop (mail.md §5)."""

from __future__ import annotations

import pytest

from mailflow.core.records import Bounce, Mail, Notice
from tests.policies.office import DIRECTOR, LI, OWN, REPORT, ZHOU, Office, at, people

DSN = """\
Return-Path: <>
From: MAILER-DAEMON@mx.tech.example
To: {own}
Subject: Undelivered Mail Returned to Sender
Date: Tue, 03 Nov 2026 10:00:00 +0800
Message-ID: <{number}@mx.tech.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=b"

--=b

sorry
--=b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.tech.example

Final-Recipient: rfc822; {to}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 =?x?= no such user
--=b
Content-Type: text/rfc822-headers

Message-ID: {about}
--=b--
"""


def returned(
    office: Office, about: str, to: str, when: str = "11-03 10:00", action: str = "failed", status: str = "5.1.1"
) -> Mail:
    text = DSN.format(own=OWN, number=len(office.facts), to=to, action=action, status=status, about=about)
    return office.deliver(text.encode(), at(when))


@pytest.fixture
def office() -> Office:
    return Office.open()


def told_of_complaint(office: Office) -> Notice:
    office.complaint("11-03")
    return office.notice("complaint_received")


def test_a_bounce_is_tied_to_the_notice_and_the_manager_told(office: Office) -> None:
    notice = told_of_complaint(office)
    mail = returned(office, notice.message_id, LI)
    (row,) = office.book.find(Bounce, notice=notice.key)
    assert (row.recipient, row.final, row.status, row.mail) == (LI, True, "5.1.1", mail.key)
    assert mail.disposition == "bounce"
    assert "5.1.1 550 5.1.1 =?x?= no such user" in mail.findings[-1].text
    told = office.notice("bounced", "周九")
    assert (told.to, told.context["name"], told.context["address"]) == (ZHOU, "李四", LI)
    assert told.in_reply_to is None
    assert office.notices("bounced") == [told]


@pytest.mark.parametrize("spelt", ["lisi@例子.example", "LISI@xn--fsqu00a.example"])
def test_a_bounce_names_the_address_in_either_spelling(spelt: str) -> None:
    office = Office.open(people=people("李四", addresses=("lisi@例子.example",)))
    notice = told_of_complaint(office)
    returned(office, notice.message_id, spelt)
    (row,) = office.book.find(Bounce, notice=notice.key)
    assert row.recipient == "lisi@例子.example"


def test_the_manager_is_told_once_an_address(office: Office) -> None:
    first = told_of_complaint(office)
    for when in ("11-03 10:00", "11-04 10:00", "11-05 10:00"):
        returned(office, first.message_id, LI, when)
    office.complaint("11-06", project="网管项目", sender="sunqi@sales.example")
    other = office.notice("complaint_received", "王五")
    returned(office, other.message_id, other.to.upper(), "11-06 10:00")
    assert sorted(n.context["address"] for n in office.notices("bounced")) == sorted([LI, other.to])
    assert len(office.book.find(Bounce)) == 4


def test_a_delay_is_kept_and_nobody_told(office: Office) -> None:
    notice = told_of_complaint(office)
    mail = returned(office, notice.message_id, LI, action="delayed", status="4.4.1")
    (row,) = office.book.find(Bounce)
    assert (row.final, mail.disposition, office.notices("bounced")) == (False, "automatic", [])
    assert "延迟" in mail.findings[-1].text
    success = returned(office, notice.message_id, LI, action="delivered", status="2.0.0")
    assert (success.disposition, len(office.book.find(Bounce))) == ("automatic", 1)


def test_a_bounce_of_a_bounce_notice_ends_there(office: Office) -> None:
    notice = told_of_complaint(office)
    returned(office, notice.message_id, LI)
    told = office.notice("bounced")
    for _ in range(3):
        returned(office, told.message_id, told.to, "11-04 10:00")
    assert office.notices("bounced") == [told]
    assert len(office.book.find(Bounce, notice=told.key)) == 3


def test_where_the_managers_own_mail_does_not_arrive_the_director_is_told(office: Office) -> None:
    office.mail("11-03", "x@tech.example", "投诉-ERP项目", "没有报告。")
    asked = office.notice("held", "周九")
    returned(office, asked.message_id, ZHOU)
    (told,) = office.notices("bounced")
    assert (told.person, told.to) == ("吴十", DIRECTOR)


def test_a_bounce_of_mail_that_is_not_ours_is_nothing_to_us(office: Office) -> None:
    mail = returned(office, "<somebody@else.example>", LI)
    assert (mail.disposition, mail.kind, office.notices(), office.book.find(Bounce)) == ("bounce", None, [], [])


def test_a_forged_bounce_slanders_no_other_address_and_moves_nothing(office: Office) -> None:
    notice = told_of_complaint(office)
    counted = office.counted()
    mail = returned(office, notice.message_id, "wangwu@tech.example")
    (row,) = office.book.find(Bounce)
    assert row.recipient == LI, "the notice went to nobody else"
    assert (office.counted(), office.ledger(), mail.matter) == (counted, [], f"bounce:{LI}")
    again = office.complaint("11-05")
    assert (again.state, len(office.notices("complaint_received"))) == ("counted", 2), "told as before"


def test_a_bounce_of_a_copy_says_which(office: Office) -> None:
    report = office.mail("11-03", "wangwu@tech.example", "客户沟通-ERP项目-王五", REPORT)
    assert report.disposition == "recorded"
    notice = office.notice("second_engineer_report")
    assert notice.cc == (ZHOU,)
    returned(office, notice.message_id, ZHOU)
    (row,) = office.book.find(Bounce)
    assert row.recipient == ZHOU
    returned(office, notice.message_id, "forwarded@elsewhere.example")
    unknown = office.book.find(Bounce)[-1]
    assert (unknown.recipient, unknown.final) == ("", True)
    assert [n.context["address"] for n in office.notices("bounced")] == [ZHOU]


def test_a_prose_bounce_with_our_id_in_its_text(office: Office) -> None:
    notice = told_of_complaint(office)
    mail = office.mail(
        "11-03 11:00",
        "PostMaster@qq.example",
        "系统退信",
        f"收件人邮件地址（{LI}）不存在。\n原因：550 Mailbox not found\n{notice.message_id[1:-1]}",
    )
    (row,) = office.book.find(Bounce)
    assert (mail.disposition, row.recipient, row.reason) == ("bounce", LI, "原因：550 Mailbox not found")
    assert office.notice("bounced").context["reason"] == row.reason


def test_a_person_who_answers_a_notice_reports_no_bounce(office: Office) -> None:
    notice = told_of_complaint(office)
    office.mail("11-04", LI, "退信", f"550 no {notice.message_id}", answers=notice)
    assert (office.book.find(Bounce), office.notices("bounced")) == ([], [])


def test_a_mail_that_asks_for_silence_gets_no_correction(office: Office) -> None:
    silent = (("X-Auto-Response-Suppress", "All"),)
    quiet = office.mail("11-03", LI, "客户沟通-ERP项目", "沟通结果：成功", headers=silent)
    assert (quiet.disposition, office.notices("correction")) == ("near_miss", [])
    office.mail("11-04", LI, "客户沟通-ERP项目", "沟通结果：成功。")
    assert len(office.notices("correction")) == 1
