"""Notices as mail: what a parser reads back, and that nothing from mail becomes a header."""

from __future__ import annotations

import re
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailflow.errors import PermanentError
from mailflow.notices.compose import compose
from mailflow.notices.render import Rendered, preview, render
from mailflow.notices.samples import SAMPLES

TEMPLATES = Path(__file__).parents[2] / "templates" / "notices"
WHEN = datetime(2026, 11, 20, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
PLAIN = Rendered(subject="请确认", text="您好\n", html="<p>您好</p>\n")


def composed(rendered: Rendered = PLAIN, **more: Any) -> bytes:
    values: dict[str, Any] = {
        "from_": "技术支持助手 <support@desk.example>",
        "to": "lisi@support.example",
        "cc": ("qian@support.example", "sun@support.example"),
        "message_id": "<mf-0123456789abcdef@desk.example>",
        "date": WHEN,
    }
    return compose(rendered, **values | more)


def read(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    return mail


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content()).replace("\r\n", "\n")  # text is CRLF in a mail (RFC 2046 §4.1.1)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_notice_is_read_back_as_it_was_written(name: str) -> None:
    rendered = preview(name, templates=TEMPLATES)
    mail = read(composed(rendered))
    assert mail["Subject"] == rendered.subject
    assert body(mail, "plain") == rendered.text
    assert body(mail, "html") == rendered.html
    assert mail.get_content_type() == "multipart/alternative"


def test_the_headers_of_a_reminder() -> None:
    mail = read(composed())
    assert [(k, str(v)) for k, v in mail.items() if k != "Content-Type"] == [
        ("Date", "Fri, 20 Nov 2026 09:30:00 +0800"),
        ("From", "技术支持助手 <support@desk.example>"),
        ("To", "lisi@support.example"),
        ("Cc", "qian@support.example, sun@support.example"),
        ("Subject", "请确认"),
        ("Message-ID", "<mf-0123456789abcdef@desk.example>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("X-Loop", "mailflow"),
        ("MIME-Version", "1.0"),
    ]


def test_an_answer_names_what_it_answers() -> None:
    mail = read(composed(in_reply_to="<q1@sales.example>"))
    assert (mail["In-Reply-To"], mail["References"]) == ("<q1@sales.example>", "<q1@sales.example>")
    assert mail["Auto-Submitted"] == "auto-replied"


def test_an_answer_names_its_thread_and_nothing_that_is_no_message_id() -> None:
    thread = (
        "<first@sales.example>",
        "no id\r\nBcc: thief@outside.example",
        f"<{'x' * 850}@sales.example>",
        "<q1@a.example>",
    )
    raw = composed(in_reply_to="<q1@a.example>", references=thread)
    found = message_from_bytes(raw)
    assert str(found["References"]).split() == [thread[0], thread[2], thread[3]]
    assert (found["Bcc"], max(map(len, raw.splitlines())) <= 998) == (None, True)  # RFC 5322 §2.1.1


def test_a_long_message_id_is_not_encoded() -> None:
    long = f"<{'A1b2.C3d4_' * 15}@mail.outlook-very-long-host-name.sales.example>"
    raw = composed(in_reply_to=long)
    assert raw.count(long.encode()) == 2
    assert read(raw)["In-Reply-To"] == long
    assert b"=?" not in raw.partition(b"In-Reply-To")[2].partition(b"Auto-Submitted")[0]


@pytest.mark.parametrize(
    "odd", ["<complaint:1@x.example>", "<a,b(c)@x.example>", '<"a.b"@x.example>', "<=?utf-8?q?x?=>"]
)
def test_an_odd_message_id_stays_as_it_is(odd: str) -> None:
    """Of other people's programs; and it is by ours that a message is looked up."""
    raw = composed(message_id=odd, in_reply_to=odd)
    for name in ("Message-ID", "In-Reply-To", "References"):
        assert f"\r\n{name}: {odd}\r\n".encode() in raw


IDN, CHINESE = "wang@例子.example", "王@例子.example"


def test_an_idn_address_stands_in_the_header_as_every_server_knows_it() -> None:
    raw = composed(from_=f"技术支持助手 <{IDN}>", to=IDN, cc=(CHINESE, "sun@BÜCHER.example"))
    assert raw.isascii()
    mail = read(raw)
    assert (mail["From"], mail["To"]) == ("技术支持助手 <wang@xn--fsqu00a.example>", "wang@xn--fsqu00a.example")
    assert mail["Cc"] == "sun@xn--bcher-kva.example", "who has Chinese before the @ is in the envelope alone"


def test_a_header_can_name_nobody() -> None:
    mail = read(composed(to=CHINESE, cc=()))
    assert (mail["To"], mail["Cc"]) == ("undisclosed-recipients:;", None)
    with pytest.raises(PermanentError, match="地址无法使用"):
        composed(from_=CHINESE)


@given(
    subject=st.text(max_size=300),
    text=st.text(max_size=2000),
    name=st.text(st.characters(categories=["L", "N", "P"]), max_size=200),
    copies=st.integers(0, 200),
)
def test_no_line_is_longer_than_a_server_takes(subject: str, text: str, name: str, copies: int) -> None:
    """RFC 5321 §4.5.3.1.6, and nothing but ASCII with CRLF line ends, whatever is said in it."""
    name = name.translate(dict.fromkeys(map(ord, '"\\<>,;:@()[]')))
    raw = composed(
        Rendered(subject, text, text),
        from_=f'"{name}" <a@b.example>',
        cc=[f"{n}{'x' * 50}@y.example" for n in range(copies)],
    )
    assert raw.isascii()
    assert b"\0" not in raw
    assert re.search(rb"\r(?!\n)|(?<!\r)\n", raw) is None
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    "forged",
    ["<a@b.example>\r\nBcc: evil@attacker.example", "<a b@c.example>", "no brackets", "<值@x.example>", "", "<>"],
)
def test_what_is_no_message_id_is_not_answered_to(forged: str) -> None:
    mail = read(composed(in_reply_to=forged))
    assert mail["In-Reply-To"] is None
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize(
    "forged",
    ["项目\r\nBcc: evil@attacker.example", "x\nTo: evil@attacker.example", "\r\n\r\n<h1>", "a\x00b\x1b\u2028c"],
)
def test_nothing_from_mail_becomes_a_header(forged: str) -> None:
    direct = read(composed(Rendered(subject=forged, text="t\n", html="<p>t</p>\n")))
    context = {k: forged if isinstance(v, str) else v for k, v in SAMPLES["held"].items()}
    through = read(composed(render("held", context, templates=TEMPLATES)))
    for mail in (direct, through):
        assert mail["Bcc"] is None
        assert mail.get_all("To") == ["lisi@support.example"]
        assert len(mail.get_all("Subject", [])) == 1


@pytest.mark.parametrize(
    "subject",
    [
        "[MF-2026-000123] 收到投诉：Star Sea ERP 二期 项目 (phase 2) - 沟通问题",
        "请改正主题：" + "客户沟通 星海EPR 李四 " * 12,
        "ascii only " * 15,
        "=?utf-8?q?=0D=0ABcc=3A_evil=40attacker.example?= evil",
        "投诉 =?utf-8?b?5rWL6K+V?= " * 7,
        "表情😀与“引号”, 逗号; <尖括号@x.example>",
    ],
)
def test_subjects_come_back_as_they_were(subject: str) -> None:
    raw = composed(Rendered(subject=subject.strip(), text="t\n", html="<p>t</p>\n"))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = read(raw)
    assert mail["Bcc"] is None
    assert mail["Subject"] == subject.strip()


def test_a_text_cannot_end_its_part() -> None:
    raw = composed()
    boundary = read(raw).get_boundary()
    text = f"--{boundary}\r\nContent-Type: text/html\r\n\r\n<script>x</script>\r\n--{boundary}--\n.\nFrom here\n"
    mail = read(composed(Rendered(subject="s", text=text, html="<p>h</p>\n")))
    assert len(list(mail.iter_parts())) == 2
    assert "<script>" in body(mail, "plain")


@pytest.mark.parametrize(
    "address",
    ["", "no-at-sign", "a@b.example\r\nBcc: c@d.example", "李，四@x.example", "a@b@c.example", "a@b.example\x00"],
)
def test_an_address_that_cannot_stand_in_a_header_is_refused(address: str) -> None:
    with pytest.raises(PermanentError):
        composed(to=address)


def test_a_bad_message_id_of_our_own_is_refused() -> None:
    with pytest.raises(PermanentError):
        composed(message_id="mf-1@desk.example\r\nX: y")


def test_the_same_notice_gives_the_same_bytes() -> None:
    assert composed(preview("held", templates=TEMPLATES)) == composed(preview("held", templates=TEMPLATES))
    assert composed() != composed(message_id="<mf-other@desk.example>")


def test_all_lines_end_in_crlf_and_stay_short() -> None:
    raw = composed(preview("month_draft", templates=TEMPLATES))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii()
