from __future__ import annotations

import pytest

from mailflow.message import read
from mailflow.message.text import html_page, is_placeholder, plain_page
from tests.message.builders import multipart


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>一<b>二</b> <i>三</i></p><p>四</p>", "一二 三\n四"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<p>a</p><p>&nbsp;</p><p>b</p>", "a\n\nb"),
        ("<div>a<div>b</div>c</div>", "a\nb\nc"),
        ("<style>x</style><script>y</script><title>z</title>a<!-- c -->", "a"),
        ("<p style='display: none'>x</p>a<span style='visibility:hidden'>y</span><p hidden>z</p>", "a"),
        ("<pre>a\n  b\n\nc</pre>d", "a\n  b\n\nc\nd"),
        ("<table><tr><th>k<th>v<tr><td>a<p>b</p><td></table>", "k\tv\na b"),
        ("<table><tr><td>whole mail<p>in one cell</table>", "whole mail\nin one cell"),
        ("<table><tr><td>left<td><table><tr><td>k<td>v</table></table>", "left\nk\tv"),
        ("a   b\n c&amp;&lt;", "a b c&<"),
        ("</div>x<td>y", "xy"),
    ],
)
def test_html_is_read_as_a_person_sees_it(html: str, text: str) -> None:
    assert html_page(html).new() == text


def test_text_nested_deeper_than_any_stack_is_read() -> None:
    assert html_page("<div>" * 5000 + "深").new() == "深"
    assert html_page("<div><font size=1>" * 30_000 + "深&amp;浅<script>x</script>").new() == "深&浅"


def test_cells_keep_their_lines_in_tables_and_lose_them_in_the_text() -> None:
    page = html_page("<table><tr><td>问题</td><td><p>一</p><p>二</p></td></tr></table>")
    assert page.new_tables() == ((("问题", "一\n二"),),)
    assert page.new() == "问题\t一 二"


@pytest.mark.parametrize(
    "text",
    ["", " \n\xa0", "请使用支持HTML的客户端查看", "您的邮箱不支持 html 格式", "Please view this e-mail in HTML."],
)
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


def test_a_sentence_about_html_in_a_long_mail_is_no_placeholder() -> None:
    assert not is_placeholder("沟通结果：成功")
    assert not is_placeholder("客户端不支持HTML。" + "其余内容。" * 100)


def test_format_flowed() -> None:
    page = plain_page("一 \n二\n> 旧 \n> 文\n-- \nx\n  stuffed", flowed=True, delsp=True)
    assert page.new() == "一二\n--\nx\n stuffed"
    assert page.old() == "> 旧文"
    assert plain_page("a \nb", flowed=True).new() == "a b"
    assert plain_page("a \nb").new() == "a\nb"


def test_plain_is_preferred_unless_it_says_nothing_or_html_has_tables() -> None:
    plain = "Content-Type: text/plain; charset=utf-8\n\n{}\n"
    html = "Content-Type: text/html; charset=utf-8\n\n{}\n"
    both = multipart(plain.format("plain"), html.format("<p>html</p>"), kind="alternative")
    assert read(both).text == "plain"
    assert read(both).html == "<p>html</p>\n"
    assert read(multipart(plain.format(" "), html.format("<p>html</p>"), kind="alternative")).text == "html"
    table = "<table><tr><td>k<td>v</table>"
    assert read(multipart(plain.format("k\n\nv"), html.format(table), kind="alternative")).text == "k\tv"
