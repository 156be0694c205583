from __future__ import annotations

import time

import pytest

from mailflow.message import read
from mailflow.message.absence import LONGEST, absence
from mailflow.message.automatic import by_list
from mailflow.message.deliveries import of_report
from mailflow.message.model import Delivery
from tests.message.builders import mail, multipart


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied", "Auto-Submitted: auto-generated; x=y", "Precedence: bulk", "Precedence: LIST",
        "Precedence: junk", "Precedence: auto_reply", "List-Id: <a.b>", "List-Unsubscribe: <mailto:a@b>",
        "X-Autoreply: yes", "X-Autorespond: x", "X-Auto-Generated: 1", "Return-Path: <>", "Return-Path: < >",
        "Auto-Submitted: (by a rule) auto-replied", "AUTO-SUBMITTED: Auto-Notified", "X-Loop: mailflow",
        "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent", "X-Auto-Reply: 1", "List-Post: NO",
    ],
)  # fmt: skip
def test_headers_of_automatic_mail(header: str) -> None:
    assert read(mail(headers=header + "\n")).automatic


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: no (written by hand)",
        "Auto-Submitted: (?) no; x=y",
        "Auto-Submitted:",
        "X-Autoreply: no",
        "X-Loop: other",
        "Listing: x",
        "X-Auto-Response-Suppress: DR, OOF, AutoReply",
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
        *(
            "owner-a@x.example",
            "MAILER-DAEMON",
            "no_response@x.example",
            "bounces+17=li@x.example",
            "autoreply@x.example",
        ),
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
        *("Delivery Status Notification (Failure)", "无法送达：x", "传递状态通知 (失败)", "邮件投递失败通知"),
        *("已读: x", "已讀：x", "未讀：x", "休假自动回复", "假期回复", "出差自动回复", "Vacation reply"),
        *("Please confirm your email", "请验证您的发件人"),
        *("邮件发送失败：x", "投递失败", "发送失败通知", "传递延迟: x", "邮件延迟", "发件人验证"),
    ],
)  # fmt: skip
def test_subjects_of_automatic_mail(subject: str) -> None:
    assert read(mail(subject=subject)).automatic


@pytest.mark.parametrize(
    "subject",
    [
        *(
            "回复: 自动回复: x",
            "退信率统计",
            "自动回复功能故障",
            "投诉-退信",
            "We undelivered",
            "x",
            "已读完方案",
            "接受: 会议",
        ),
        *("延迟交付说明", "确认发件人", "Accepted: x", "发送失败的原因分析", "出差报告", "假期安排"),
        *("发送失败：订单接口报错", "延迟：视频卡顿", "网络延迟", "发件人验证失败怎么办"),
    ],
)
def test_subjects_that_people_write(subject: str) -> None:
    assert read(mail(subject=subject)).automatic is None


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ("List-Id: <a.b>\nAuto-Submitted: auto-generated\n", "auto-submitted: auto-generated"),
        ("Precedence: list\nReturn-Path: <>\n", "return-path: <>"),
        ("List-Post: <mailto:a@b>\nPrecedence: bulk\n", "precedence: bulk"),
        ("List-Post: <mailto:a@b>\nPrecedence: list\n", "list-post"),
        ("Precedence: List\nList-Post: <mailto:a@b>\n", "precedence: list"),
    ],
)
def test_that_a_list_passed_it_on_is_the_last_of_reasons(headers: str, reason: str) -> None:
    """Whoever asks can tell by it that a person may have written the mail."""
    found = read(mail(headers=headers)).automatic
    assert (found, by_list(found)) == (reason, reason in ("list-post", "precedence: list"))


OUT_OF_OFFICE = (
    "您好，我正在休假，无法及时回复您的邮件，回来后会尽快回复。",
    "您好！\n\n我于11月20日至11月25日出差，期间不能及时查看邮件。如有急事，请联系李四，电话13800000000。\n\n谢谢！",
    "这是来自QQ邮箱的假期自动回复邮件。\n您好，我最近正在休假中，无法亲自回复您的邮件。我将在假期结束后，尽快给您回复。",
    "这是一封自动回复邮件。您的来信我已收到，我会尽快回复您。谢谢！",
    "本人目前外出开会，不便查收邮件，请见谅。",
    "您好，我正在休年假，11月30日返回。紧急事务请联系王五 wangwu@tech.example。",
    "您好，我現正休假，無法及時回覆您的郵件，回來後會盡快回覆。",
    "(自动回复)您好！您的来信已收到。",
    "此邮件由系统自动发送，请勿回复",
    "Hello,\n\nI am out of the office until 25 November with limited access to email. I will reply when I return.\n"
    "For urgent matters please contact Wang.\n\nRegards",
    "This is an automatic reply. I am on annual leave and will respond when I am back.",
)
PEOPLE = (
    "我在出差，无法及时回复邮件。同意。",
    "我出差，无法回复邮件，撤诉",
    "我在休假，确认",
    "我同意因为我在出差，无法及时回复邮件",
    "我在外出差，不能及时回复邮件，此投诉我同意。",
    "我出差期间客户反映设备无法登录，请尽快处理。",
    "出差期间与客户沟通，结果：成功。",
    "沟通结果：成功\n沟通人：张工\n沟通方式：现场\n具体问题：出差到客户现场，解决了远程控制",
    "李四正在出差，没有提交沟通报告。",
    "下周我出差，请安排王五去。",
    "我下周出差，报告回来后再补。",
    "本周出差",
    "自动回复功能坏了，请处理",
    "客户自动回复邮件说休假了，怎么办？",
    "您好，我正在休假，无法及时回复您的邮件。\n项目进展正常。",
    "I am out of the office, and approve this. I will reply later.",
    "出差 " * 200,
)


@pytest.mark.parametrize("text", OUT_OF_OFFICE)
def test_an_absence_that_only_its_text_tells(text: str) -> None:
    found = read(mail(text, subject="回复: 客户沟通-ERP项目-李四")).automatic
    assert found is not None
    assert found.startswith("text: ")


@pytest.mark.parametrize("text", PEOPLE)
def test_people_who_mention_an_absence(text: str) -> None:
    assert read(mail(text, subject="回复: 客户沟通-ERP项目-李四")).automatic is None


@pytest.mark.parametrize(
    "text", ["我" * 80 + "休假", ("我在" * 38 + "，") * 7, "如若有请联系" * 13 + "出差", "休假" + "1月" * 290]
)
def test_an_absence_is_looked_for_in_linear_time(text: str) -> None:
    began = time.process_time()
    for _ in range(10):
        assert absence(text[:LONGEST]) is None
    assert time.process_time() - began < 1


def test_a_request_for_silence_marks_nobody_as_a_program() -> None:
    for value, asked in (("All", True), ("OOF, AutoReply", True), ("DR, NDR", False), ("none", False)):
        message = read(mail(headers=f"X-Auto-Response-Suppress: {value}\n"))
        assert (message.automatic, message.unanswered) == (None, asked)


def test_an_answer_to_an_invitation_by_its_subject() -> None:
    calendar = "Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\nEND:VCALENDAR"
    for subject in ("已接受: 周会", "Accepted: 周会", "暂定：周会", "已谢绝: 周会"):
        raw = multipart(calendar).replace(b"Subject: x", f"Subject: {subject}".encode())
        assert read(raw).automatic == "text/calendar: reply"


# -- bounces -----------------------------------------------------------------------------------------------------------

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


OURS = "<mf-0123456789abcdef0123456789abcdef@tech.example>"
TWO = """Content-Type: message/delivery-status

Reporting-MTA: dns; mx.corp.example
Arrival-Date: Fri, 20 Nov 2026 09:30:00 +0800

Final-Recipient: rfc822; li@inner.corp.example
Original-Recipient: rfc822;li@corp.example
Action: failed
Status: 5.1.1 (bad destination mailbox)
Remote-MTA: dns; store.corp.example
Diagnostic-Code: smtp; 550 5.1.1 <li@inner.corp.example>:
  Recipient address rejected: 用户不存在

FINAL-RECIPIENT: RFC822;<wu@corp.example>
Action: delayed
Status: 4.4.1
"""


def test_a_dsn_is_read_recipient_by_recipient() -> None:
    message = read(report(TWO, RETURNED))
    first, second = message.deliveries
    assert first == Delivery(
        recipient="li@inner.corp.example",
        original="li@corp.example",
        action="failed",
        status="5.1.1",
        remote="store.corp.example",
        text="550 5.1.1 <li@inner.corp.example>: Recipient address rejected: 用户不存在",
    )
    assert (second.recipient, second.action, second.status, second.final) == (
        "wu@corp.example",
        "delayed",
        "4.4.1",
        False,
    )
    assert (first.final, message.bounce, message.reported) == (True, True, ("<ours@corp.example>",))


@pytest.mark.parametrize(
    ("fields", "final", "status"),
    [
        ("Action: failed\nStatus: 5.0.0", True, "5.0.0"),
        # RFC 3464 §2.3.3: failed means that it is not tried again, as when a queue gives up after five days.
        ("Action: failed\nStatus: 4.4.7", True, "4.4.7"),
        ("Action: FAILED (give up)", True, ""),
        ("Action: delayed\nStatus: 4.2.2", False, "4.2.2"),
        ("Action: delivered\nStatus: 2.0.0", False, "2.0.0"),
        ("Action: relayed", False, ""),
        ("Action: expanded", False, ""),
        ("Status: 4.2.2", False, "4.2.2"),
        ("Status: 5.2.2", True, "5.2.2"),
        ("Diagnostic-Code: smtp; 452 4.2.2 mailbox full", False, "4.2.2"),
        ("Diagnostic-Code: X-Postfix; 554 5.7.1 spam", True, "5.7.1"),
    ],
)
def test_what_is_final(fields: str, final: bool, status: str) -> None:
    (one,) = of_report(f"Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; x@y.example\n{fields}\n".encode())
    assert (one.final, one.status) == (final, status)


def test_an_international_dsn() -> None:
    status = TWO.replace("delivery-status", "global-delivery-status").replace("rfc822; li@inner", "utf-8; 李四@inner")
    message = read(report(status, RETURNED.replace("message/rfc822", "message/global-headers")))
    assert message.deliveries[0].recipient == "李四@inner.corp.example"
    assert message.reported == ("<ours@corp.example>",)
    (escaped,) = of_report(rb"Final-Recipient: utf-8; \x{674E}\x{56DB}@corp.example" + b"\nAction: failed\n")
    assert escaped.recipient == "李四@corp.example"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n\n\n", b"Action", b"Action:", b"\xff\xfe\x00", b"Final-Recipient:",
        b"Final-Recipient: rfc822;\nAction: x",
        b"Final-Recipient: utf-8; \\x{110000}\\x{D800}@x\n", b"A: b\n" * 50_000, b"Final-Recipient: x@y\n" * 50_000,
        b"Final-Recipient: " + b"@" * 200_000, b"Diagnostic-Code: " + b" \n " * 100_000,
    ],
)  # fmt: skip
def test_hostile_reports(content: bytes) -> None:
    began = time.process_time()
    found = of_report(content)
    assert len(found) <= 200
    assert all(len(one.text) <= 300 and len(one.recipient) < 320 for one in found)
    assert time.process_time() - began < 1


PROSE = (
    (
        "PostMaster@qq.example",
        "系统退信/Systems bounce",
        "收件人邮件地址（li@corp.example）不存在，邮件无法送达。\n原因：550 Mailbox not found",
    ),
    (
        "Postmaster@163.example",
        "系统退信",
        "抱歉，您的邮件被退回来了……\n收件人：li@corp.example\n退信原因：\n550 User not found: li@corp.example",
    ),
    ("MAILER-DAEMON@sina.example", "退信通知", "以下收件人无法送达：\n<li@corp.example>\n550 5.1.1 unknown user"),
    (
        "postmaster@139.example",
        "邮件投递失败通知",
        "您的邮件投递失败。\n收件人 li@corp.example\n失败原因：用户不存在 5.1.1",
    ),
    (
        "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@corp.example>",
        "未送达: 收到投诉",
        "传递给这些收件人或组失败：\nli@corp.example\n找不到这个地址。\n诊断信息：550 5.1.10 RESOLVER.ADR.NotFound",
    ),
    ("postmaster@exmail.example", "系统退信", "发往 li@corp.example 的邮件被退回\n退信代码：550 5.1.1\n"),
    (
        "邮件系统 <a1b2@coremail.example>",
        "退信",
        "您发送给 li@corp.example 的邮件因对方邮箱已满被退回。\n原因 552 5.2.2 over quota",
    ),
)


@pytest.mark.parametrize(("sender", "subject", "text"), PROSE)
@pytest.mark.parametrize(
    "where",
    ["text", "bare", "In-Reply-To", "References", "attachment"],
)
def test_prose_bounces_are_tied_to_our_mail_wherever_its_id_stands(
    sender: str, subject: str, text: str, where: str
) -> None:
    headers, body = "", text
    if where == "text":
        body += f"\n原邮件 Message-ID: {OURS}"
    elif where == "bare":
        body += f"\n原信头：Subject: x Message-Id:{OURS[1:-1]}，"
    elif where != "attachment":
        headers = f"{where}: {OURS}\n"
    raw = mail(body, headers=headers, subject=subject, sender=sender)
    if where == "attachment":
        head, _, text_part = raw.partition(b"\n\n")
        parts = f"\n--=b\nContent-Type: application/octet-stream; name=a.eml\n\nMessage-ID: {OURS}\n\n--=b--\n"
        kind = b'\nContent-Type: multipart/mixed; boundary="=b"\n\n--=b\nContent-Type: text/plain; charset=utf-8\n\n'
        raw = head + kind + text_part + parts.encode()
    message = read(raw)
    assert message.bounce
    assert OURS in message.reported
    assert "li@corp.example" in [one.recipient for one in message.deliveries]
    assert all(one.final and one.text for one in message.deliveries)


def test_a_prose_bounce_tells_why() -> None:
    _, subject, text = PROSE[1]
    (one,) = read(mail(text, subject=subject, sender="postmaster@x.example")).deliveries
    assert (one.recipient, one.text) == ("li@corp.example", "退信原因： 550 User not found: li@corp.example")
    assert one.status == "5.0.0"


def test_a_prose_delay_is_no_bounce() -> None:
    text = "Your message to li@corp.example has been delayed. It will be retried for 3 days. 451 4.4.1 timeout"
    for subject in ("Warning: could not send message for past 4 hours", "投递延迟通知", "Delivery delayed"):
        message = read(mail(text, subject=subject, sender="MAILER-DAEMON@x.example"))
        assert (message.bounce, message.bounced) == (False, ())
        assert [one.final for one in message.deliveries] == [False]
        assert "delivery_delayed" in [f.code for f in message.findings]


def test_failed_recipients_in_a_header() -> None:
    headers = "X-Failed-Recipients: li@corp.example, wu@corp.example\n"
    message = read(mail("whatever\n550 no", headers=headers, subject="Mail delivery failed", sender="x@y.example"))
    assert message.bounce
    assert [one.recipient for one in message.deliveries] == ["li@corp.example", "wu@corp.example"]


def test_a_bounce_does_not_report_on_itself() -> None:
    raw = mail(f"id {OURS}", headers=f"Message-ID: {OURS}\n", subject="系统退信", sender="postmaster@x.example")
    assert read(raw).reported == ()


def test_calendar_replies_are_automatic_and_invitations_are_not() -> None:
    calendar = "Content-Type: text/calendar; charset=utf-8\n\nBEGIN:VCALENDAR\nMETHOD:{}\nEND:VCALENDAR"
    assert read(multipart(calendar.format("REPLY"))).automatic == "text/calendar: reply"
    assert read(multipart(calendar.format("REQUEST"))).automatic is None
