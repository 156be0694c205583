"""Where reading takes a short way for ordinary mail, it gives what the long way gives."""

from __future__ import annotations

import re
import sys
from email.utils import parsedate_to_datetime
from random import Random

import pytest

from mailflow.message import disclaimer, headers, invisible, mime, quotes, words
from mailflow.message.decode import strictly
from mailflow.message.model import NO_HINTS
from mailflow.message.results import _plain_segments, _segments
from mailflow.message.text import clean

HEAD = (
    b"Return-Path: <li@corp.example>\nReceived: from a (a [192.0.2.1])\n\tby mx.corp.example;\n Fri, 20 Nov 2026\n"
    b"Subject: =?gb2312?B?zbbL3w==?=\n =?gb2312?B?zbbL3w==?=\nTo : a@corp.example\nEmpty:\n\ntext: no field\n\nmore\n"
)
BITS = (b"\r", b"\n", b"\n ", b"\n\t", b"\r\n", b"\t", b"\0", b" ", b":", b"\n\n", b"~{", b"\xff", b"\r\n\r\n", b"a b")


@pytest.mark.parametrize("raw", [HEAD, HEAD.replace(b"\n", b"\r\n")], ids=["LF", "CRLF"])
def test_a_header_as_it_should_be(raw: bytes) -> None:
    assert mime._sound_head(raw, 0, len(raw)) == mime._any_head(raw, 0, len(raw), NO_HINTS)


@pytest.mark.parametrize("seed", range(20))
def test_a_header_that_only_looks_like_it(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        raw = bytearray(random.choice((HEAD, HEAD.replace(b"\n", b"\r\n"))))
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(raw))
            raw[at : at + random.randrange(3)] = random.choice(BITS)
        start = random.choice((0, random.randrange(len(raw))))
        sound = mime._sound_head(bytes(raw), start, len(raw))
        assert sound is None or sound == mime._any_head(bytes(raw), start, len(raw), NO_HINTS)


def test_gbk_is_gb18030_wherever_it_decodes() -> None:
    pairs = [bytes((first, second)) for first in range(256) for second in range(256)]
    differ = [pair for pair in pairs if (text := strictly(pair, "gbk")) and text != pair.decode("gb18030")]
    assert not differ
    assert strictly("㐀投诉".encode("gb18030"), "gb18030") == "㐀投诉"


def test_ordinary_is_all_of_the_bmp_but_invisible_and_control_characters() -> None:
    control = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        taken_out = bool(invisible._INVISIBLE.match(char) or control.match(char))
        assert invisible.is_ordinary(char) is (code < 0x10000 and not taken_out), hex(code)


@pytest.mark.parametrize("char", ["\u034f", "\u115f", "\u3164", "\u200b", "\U000e0041"])
def test_invisible_characters_are_taken_out(char: str) -> None:
    assert invisible.without_invisible(f"投{char}诉")[0] == "投诉"


@pytest.mark.parametrize(
    ("text", "cleaned", "controls"),
    [("甲\r\r\n乙\r\n丙\r丁", "甲\n乙\n丙\n丁", ""), ("甲\x07乙\x7f", "甲乙", "\x07\x7f"), ("😀\t", "😀\t", "")],
)
def test_clean(text: str, cleaned: str, controls: str) -> None:
    found = clean(text)
    assert (found.text, "".join(found.controls)) == (cleaned, controls)


WORDS = ("utf-8?B?5oqV6K+J?=", "utf-8?B?5oqV?=", "gb2312?B?zbbL3w==?=", "gb2312?B?zbY=?=", "GBK?B?zbbL3w==?=")
ODD = ("utf-8?B?5oqV6A==?=", "utf-8?B?r4k=?=", "utf-8?B?5oq?=", "utf-8?B?=", "utf-8?B??=", "x", "utf-8?Q?a?=")


@pytest.mark.parametrize("seed", range(5))
def test_words_of_one_charset(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    values = []
    for _ in range(300):
        chosen = random.choices(WORDS + ODD, k=random.randrange(1, 4))
        values.append(random.choice((" ", "\t", "", "  ")).join([f"=?{word}" for word in chosen]))
    short = [words.decode_words(value) for value in values]
    assert sum(words._whole(value) is not None for value in values) > 20
    monkeypatch.setattr(words, "_whole", lambda value: None)
    assert short == [words.decode_words(value) for value in values]


@pytest.mark.parametrize(
    "text", ["回复见下文：", "Answers IN-LINE.", "see my comments Below", "in Red", "请看红字", "见邮件中"]
)
def test_answers_that_are_announced(text: str) -> None:
    assert quotes._ANNOUNCED.search(text)
    assert any(place in text.lower() for place in quotes._PLACES)


@pytest.mark.parametrize("hint", disclaimer._HINTS)
def test_hints_of_a_disclaimer(hint: str) -> None:
    assert disclaimer.may_have_disclaimer([f"甲{hint}乙"])


@pytest.mark.parametrize(
    "value",
    ["Fri, 20 Nov 2026 09:30:15 +0800", "2 Mar 2026 09:30:15 -0500", "Mon, 02 Mar 2026 00:00:00 +0000"],
)
def test_a_date_as_it_should_be(value: str) -> None:
    assert headers._USUAL.fullmatch(value)
    assert headers.date(value) == parsedate_to_datetime(value)


@pytest.mark.parametrize("value", ["Fri, 31 Nov 2026 09:30:15 +0800", "Fri, 20 Nov 2026 09:30:15 +9900"])
def test_a_date_that_cannot_be(value: str) -> None:
    assert headers.date(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "mx.corp.example; dkim=pass header.d=corp.example;\tspf=pass",
        "mx.corp.example (a) ;dkim=pass (good) header.i=@corp.example",
        "a=b", "=a; b =c", "a; b= c", "a; b=", "/a", "a (b (c)) d=e", "a; ;=c", "a; b . c=d", "(x)=y", "",
    ],
)  # fmt: skip
def test_authentication_results(value: str) -> None:
    assert _plain_segments(value) in (None, list(_segments(value)))
