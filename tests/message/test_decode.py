from __future__ import annotations

import base64
import warnings

import pytest

from mailflow.message.decode import codec_of, decode_text, decode_transfer, decode_words, parameters


@pytest.mark.parametrize("label", ["gb2312", "GBK", "gb_2312-80", "cp936", "x-gbk", "euc-cn", "gb18030"])
def test_every_gb_label_is_read_as_gb18030(label: str) -> None:
    text = "朱镕基、喆、堃、㙍、€"
    assert decode_text(text.encode("gb18030"), label) == (text, "gb18030", True)


@pytest.mark.parametrize("label", [None, "", "x-unknown", "us-ascii", "utf-8", "iso-8859-1", "zlib", "a" * 100, "\0"])
def test_gbk_under_no_label_or_a_wrong_one_is_read(label: str | None) -> None:
    assert decode_text("投诉".encode("gbk"), label).text == "投诉"


@pytest.mark.parametrize("label", [None, "gb2312", "iso-8859-1", "us-ascii", "no such"])
def test_utf8_under_no_label_or_a_wrong_one_is_read(label: str | None) -> None:
    assert decode_text("客户沟通报告".encode(), label).text == "客户沟通报告"


def test_real_latin1_stays_latin1() -> None:
    assert decode_text("Müller, Zürich – café".encode("cp1252"), "iso-8859-1").text == "Müller, Zürich – café"


def test_big5_without_a_label_is_told_from_gbk_when_long_enough() -> None:
    text = "本系統無法連線，請協助處理，謝謝貴公司。"
    assert decode_text(text.encode("big5")).text == text


def test_simplified_text_without_a_label_is_never_taken_for_big5() -> None:
    text = "解决远程控制网络参数设置，镕基路机房换卡，喆堃两位同事到场。" * 3
    assert decode_text(text.encode("gbk")).text == text


def test_a_damaged_byte_in_utf8_is_seen_and_the_rest_stays_right() -> None:
    data = "客户沟通报告已经提交，请查收。".encode()
    assert decode_text(data[:10] + b"\xff" + data[10:]).text.count("\ufffd") >= 1
    assert "请查收" in decode_text(data[:10] + b"\xff" + data[10:], "utf-8").text


def test_codecs_that_are_no_charsets_are_unknown() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for label in ("zlib", "rot13", "unicode_escape", "idna", "punycode", "base64", "undefined", "mbcs"):
            assert codec_of(label) is None
            assert decode_text(b"\\d \\x\xff", label).text


def test_utf7_gives_no_lone_surrogate() -> None:
    decode_text(b"+2AA-", "utf-7").text.encode("utf-8")


def word(text: str | bytes, charset: str = "utf-8") -> str:
    data = text.encode(charset) if isinstance(text, str) else text
    return f"=?{charset}?B?{base64.b64encode(data).decode()}?="


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("plain", "plain"),
        (f"Re: {word('投诉')} {word('-项目')}", "Re: 投诉-项目"),
        (f"{word('投', 'gbk')} {word('诉')}", "投诉"),
        (f"a{word('投')}b", "a投b"),
        (f"{word('投诉'.encode()[:4])}\t{word('投诉'.encode()[4:])}", "投诉"),
        (f'"{word("张,三")}"', '"张,三"'),
        ("=?utf-8?Q?what?_now?=", "what? now"),
        ("=?utf-8*zh?q?a=5Fb?=", "a_b"),
        ("=?utf-8?B?5oqV6K+J", "=?utf-8?B?5oqV6K+J"),
        ("=?utf-8?B?5oqV6K+J!!?=", "投诉"),
        ("=??B?5oqV6K+J?=", "投诉"),
        ("a =?b c?= d", "a =?b c?= d"),
    ],
)
def test_encoded_words(raw: str, read: str) -> None:
    assert decode_words(raw) == read


@pytest.mark.parametrize(
    ("raw", "key", "read"),
    [
        ('a; filename="b c.txt"', "filename", "b c.txt"),
        ("a; filename=b c.txt; x=y", "filename", "b c.txt"),
        ("a; filename*=gb2312''%E9F.txt", "filename", "镕.txt"),
        ("a; filename*0*=utf-8''%E5%91; filename*1*=%A8; filename*2=.x", "filename", "周.x"),
        ("a; name=\"old\"; name*=utf-8''new", "name", "new"),
        ("a; name*1=b; name*0=a", "name", "ab"),
        ('a; name="unclosed', "name", "unclosed"),
        (r'a; name="q\"q"', "name", 'q"q'),
        ("a; boundary=first; boundary=second", "boundary", "first"),
    ],
)
def test_parameters(raw: str, key: str, read: str) -> None:
    assert parameters(raw)[1][key] == read


@pytest.mark.parametrize("value", ["", ";", "a; =x", "a; name*99999999=x", "a; *=x", "a; name*0*='", 'a; "'])
def test_odd_parameters_do_no_harm(value: str) -> None:
    parameters(value)


@pytest.mark.parametrize(
    ("body", "data", "rest"),
    [
        (b"YWJj\r\nZGVm\r\n", b"abcdef", b""),
        (b"YWJjZA", b"abcd", b""),
        (b"YWJjZA==\nZGVm\n", b"abcddef", b""),
        (b"YWJjZA==\n\n--\nScanned by x.example\n", b"abcd", b"--\nScanned by x.example"),
        (b"YWJj\n\nScanned\n", b"abc", b"Scanned"),
        (b"this is no base64 at all.", b"this is no base64 at all.", b""),
        (b"", b"", b""),
    ],
)
def test_base64_as_it_comes(body: bytes, data: bytes, rest: bytes) -> None:
    payload = decode_transfer(body, "base64")
    assert payload is not None
    assert (payload.data, payload.rest) == (data, rest)


def test_quoted_printable_and_uuencode() -> None:
    assert decode_transfer(b"=E6=8A=95=\r\nx", "quoted-printable") == ("投x".encode(), b"", False)
    assert decode_transfer(b"begin 644 a\n#86)C\n`\nend\n", "x-uuencode") == (b"abc", b"", False)
    assert decode_transfer(b"x", "rot13") is None
