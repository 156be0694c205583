"""The demo's mails are what they claim to be: real encodings, invented people, and always the same bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header
from email.utils import parsedate_to_datetime

import pytest

from mailflow.demo.clients import CLIENTS, Client, Letter, compose, plain
from mailflow.demo.mails import mails, reply_to
from mailflow.demo.people import MX
from mailflow.demo.post import Post, moment

ALL = list(mails().values())
ADDRESS = re.compile(rb"[\w.+-]+@([\w-]+(?:\.[\w-]+)*)")


def body(post: Post, kind: str) -> bytes:
    """The decoded payload of the first part of this type."""
    for part in message_from_bytes(post.raw).walk():
        if part.get_content_type() == kind:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload
    raise AssertionError(f"{post.id} has no {kind}")


def raw_subject(post: Post) -> bytes:
    found = re.search(rb"^Subject: (.*(?:\n[ \t].*)*)", post.raw, re.MULTILINE)
    assert found
    return found.group(1)


@pytest.mark.parametrize("post", ALL, ids=lambda p: p.id)
def test_the_standard_parser_finds_no_defect_and_the_text_that_was_written(post: Post) -> None:
    message = message_from_bytes(post.raw)
    assert not [d for part in message.walk() for d in part.defects]
    if post.id == "bounce":
        assert message.get_content_type() == "multipart/report"
        return
    charset = next(c for c in CLIENTS if c.name == post.client).codec
    text = body(post, "text/plain").decode(charset)
    line = next(b for b in post.letter.body if isinstance(b, str) and b)
    assert line in text


@pytest.mark.parametrize("post", ALL, ids=lambda p: p.id)
def test_subjects_decode_to_what_was_written(post: Post) -> None:
    written = raw_subject(post)
    if not written.isascii():
        assert written.decode("gb18030") == post.letter.subject
        return
    # Words are joined before decoding, as a good reader does: some programs split characters.
    parts = decode_header(re.sub(rb"\n[ \t]+", b" ", written).decode())
    joined = b"".join(p if isinstance(p, bytes) else p.encode() for p, _ in parts)
    codec = next(c for c in CLIENTS if c.name == post.client).codec
    assert joined.decode(codec) == post.letter.subject


def test_there_are_enough_of_every_sort() -> None:
    sorts = Counter(post.id.partition("-")[0] for post in ALL)
    assert len(ALL) >= 60
    assert sorts["rep"] >= 20
    assert sorts["cmp"] >= 14
    assert sorts["reg"] == 5
    assert sorts["cust"] == 3
    assert {post.client for post in ALL} == {client.name for client in CLIENTS}


def test_they_arrive_one_after_the_other_and_claim_about_that_time() -> None:
    times = [post.arrives for post in ALL]
    assert times == sorted(set(times))
    late = [p.id for p in ALL if abs(p.arrives - parsedate_to_datetime(message_from_bytes(p.raw)["Date"]))
            > timedelta(minutes=2)]  # fmt: skip
    assert late == ["cmp-yunting-late"]
    post = mails()["cmp-yunting-late"]
    assert (f"{post.letter.sent:%Y-%m}", f"{post.arrives:%Y-%m}") == ("2026-10", "2026-11")


def test_message_ids_are_unique_but_for_the_copy_in_the_managers_mailbox() -> None:
    counts = Counter(message_from_bytes(post.raw)["Message-ID"] for post in ALL)
    assert [mid for mid, n in counts.items() if n > 1] == [mails()["cmp-qifeng-1"].message_id]
    assert [post.id for post in ALL if post.mailbox == "manager"] == ["cmp-qifeng-1-copy"]


def test_the_copy_differs_only_in_what_the_mail_server_wrote() -> None:
    first, copy = mails()["cmp-qifeng-1"].raw, mails()["cmp-qifeng-1-copy"].raw
    assert first != copy
    assert first[first.index(b"\nDate: ") :] == copy[copy.index(b"\nDate: ") :]


def test_the_re_send_has_the_same_text_within_a_day() -> None:
    first, again = mails()["cmp-hemo"], mails()["cmp-hemo-resent"]
    assert body(first, "text/plain") == body(again, "text/plain")
    assert first.message_id != again.message_id
    assert again.arrives - first.arrives < timedelta(hours=24)


def test_the_bytes_are_always_the_same() -> None:
    first = hashlib.sha256(b"".join(post.raw for post in mails().values())).digest()
    mails.cache_clear()
    assert hashlib.sha256(b"".join(post.raw for post in mails().values())).digest() == first


def test_no_address_is_outside_the_example_domains() -> None:
    for post in ALL:
        texts = [post.raw.partition(b"\n\n")[0]]
        for part in message_from_bytes(post.raw).walk():
            payload = part.get_payload(decode=True)
            texts += [payload] if isinstance(payload, bytes) else []
        for domain in ADDRESS.findall(b"\n".join(texts)):
            assert domain.endswith(b".example"), (post.id, domain)


def test_a_gb2312_label_stands_over_characters_that_gb2312_has_not() -> None:
    post = mails()["rep-liwan-second"]
    assert b'charset="gb2312"' in post.raw
    data = body(post, "text/plain")
    with pytest.raises(UnicodeDecodeError):
        data.decode("gb2312")
    assert "苏堃" in data.decode("gb18030")
    assert b"=?gb2312?B?" in raw_subject(post)


def test_a_raw_subject_is_gbk_and_no_utf_8() -> None:
    written = raw_subject(mails()["rep-danzhou-2"])
    with pytest.raises(UnicodeDecodeError):
        written.decode("utf-8")
    assert written.decode("gbk").startswith("客户沟通--澹州轨道")


def test_the_netease_webmail_splits_encoded_words_inside_a_character() -> None:
    written = b"".join(raw_subject(mails()[post_id]) for post_id in ("reg-hemo", "cmp-hemo"))
    words = re.findall(rb"=\?GBK\?B\?([^?]+)\?=", written)
    broken = 0
    for word in words:
        try:
            base64.b64decode(word).decode("gbk")
        except UnicodeDecodeError:
            broken += 1
    assert broken


@pytest.mark.parametrize(
    ("post_id", "label"),
    [("reg-yuxi", b"big5"), ("reg-yunting", b"GB18030"), ("rep-hemo-1", b"gb18030"), ("rep-linjiang", b"UTF-8")],
)
def test_the_charset_label_is_the_clients(post_id: str, label: bytes) -> None:
    assert b'charset="' + label + b'"' in mails()[post_id].raw


def test_headers_keep_to_the_length_of_encoded_words() -> None:
    for post in ALL:
        for word in re.findall(rb"=\?[^?\s]+\?[BQ]\?[^?\s]*\?=", post.raw):
            assert len(word) <= 75, (post.id, word)


@pytest.mark.parametrize(
    ("post_id", "kind", "codec", "separator"),
    [
        ("cmp-qifeng-1-re", "text/plain", "gb18030", "-----邮件原件-----"),
        ("cmp-qifeng-1-re", "text/html", "gb18030", "border-top:solid #E1E1E1"),
        ("wd-liwan", "text/html", "gb18030", "原始邮件"),
        ("wd-liwan", "text/plain", "gb18030", "------------------ 原始邮件 ------------------"),
    ],
)
def test_replies_quote_as_their_program_does(post_id: str, kind: str, codec: str, separator: str) -> None:
    assert separator in body(mails()[post_id], kind).decode(codec)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.name)
def test_every_program_quotes_sender_and_text_of_the_original(client: Client) -> None:
    old = mails()["reg-yuxi"].letter if client.codec == "big5" else mails()["cmp-liwan-1"].letter
    reply = Letter(sender=old.to[0], to=(old.sender,), subject="Re: x", body=("OK",), sent=moment("10-15 10:00"),
                   message_id="<a@b.example>", answers=old)  # fmt: skip
    text = "\n".join(plain(client, reply))
    assert text.startswith("OK")
    assert old.sender.name in text
    assert next(b for b in old.body if isinstance(b, str)) in text
    assert not message_from_bytes(compose(client, reply)).defects


def test_only_the_forged_complaint_fails_verification() -> None:
    results = {post.id: re.findall(rb"Authentication-Results: (\S+);[^:]*dmarc=(\w+)", post.raw) for post in ALL}
    failed = [post_id for post_id, found in results.items() if found[0] != (MX.encode(), b"pass")]
    assert failed == ["cmp-forged"]
    # It brings a forged result of its own along, below the true one.
    assert [verdict for _, verdict in results["cmp-forged"]] == [b"fail", b"pass"]


def test_automatic_mail_is_marked_as_its_program_marks_it() -> None:
    assert message_from_bytes(mails()["ooo-hemu"].raw)["Auto-Submitted"] == "auto-generated"
    assert message_from_bytes(mails()["newsletter"].raw)["List-Id"]
    assert message_from_bytes(mails()["bounce"].raw)["Return-Path"] == "<>"
    # The customer's one has nothing but its subject.
    assert message_from_bytes(mails()["ooo-customer"].raw)["Auto-Submitted"] is None


def test_an_answer_to_a_notice_names_it_and_quotes_it_below() -> None:
    made = [
        reply_to("<mf-1@lanyu-tech.example>", "待确认第1项", ("驳回", "核实过"), "沈从周", "10-23 09:40", post_id="x")
        for _ in range(2)
    ]
    assert made[0].raw == made[1].raw
    message = message_from_bytes(made[0].raw)
    assert message["In-Reply-To"] == message["References"] == "<mf-1@lanyu-tech.example>"
    text = body(made[0], "text/plain").decode("gb18030")
    assert text.startswith("驳回\n")
    assert text.index("指定 姓名") > text.index("-----邮件原件-----")
