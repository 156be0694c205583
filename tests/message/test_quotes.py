from __future__ import annotations

import pytest

from mailflow.message import read
from tests.message.builders import html, mail

BLOCK = "发件人： 李四\n发送时间： 2026年11月20日 9:30\n收件人： 王五\n主题： x\n\n旧文"
TEXTS = [
    f"\n{BLOCK}",
    f"\n> {BLOCK}".replace("\n", "\n> "),
    "\n" + BLOCK.replace("：", ":").replace("发件人", "*发件人").replace(":", ":*"),
    "\n" + BLOCK.replace("主题", "主　题"),
    "\n发件人: 李四\n日期: 2026/11/20\n抄送: 王五\n旧文",
    "\n寄件者: 李四\n寄件日期: 2026/11/20\n主旨: x\n旧文",
    "\nFrom: Li\nSent: Friday\nTo: Wang\nSubject: x\n\n旧文",
    "\n----- 原始邮件 -----\n旧文",
    "\n------------------ 原始邮件 ------------------\n旧文",
    "\n------------------&nbsp;Original&nbsp;------------------\n旧文",
    "\n-----邮件原件-----\n旧文",
    "\n---- 回复的原邮件 ----\n| 发件人 | 李四 |\n旧文",
    "\n---- 转发的邮件 ----\n旧文",
    "\n---Original---\n旧文",
    "\n-----Original Message-----\n旧文",
    "\n---------- Forwarded message ---------\n旧文",
    "\nBegin forwarded message:\n\n旧文",
    "\n________________________________\nFrom: Li\nSent: Friday\nTo: Wang\n旧文",
    "\n在 2026-11-20 09:30:15，\"李四\" <li@x.example> 写道：\n旧文",
    "\n李四 <li@x.example> 于2026年11月20日周五 09:30写道：\n\n> 旧文",
    "\n李四 <li@x.example> 于2026年11月20日周五\n09:30写道：\n\n> 旧文",
    "\nAt 2026-11-20 09:30:15, \"Li\" <li@x.example> wrote:\n>旧文",
    "\nOn Fri, Nov 20, 2026 at 9:30 AM Li Si\n<li@x.example> wrote:\n> 旧文",
    "\n> 旧文\n> 更旧",
    "\n发自我的 iPhone\n\n> 在 2026年11月20日，09:30，李四 写道：\n> 旧文",
    "\n获取 Outlook for iOS\n________________________________\n发件人: Li\n发送时间: 周五\n收件人: Wang\n旧文",
]  # fmt: skip


@pytest.mark.parametrize("quotation", TEXTS)
def test_the_new_part_of_a_plain_reply_is_told_from_the_quotation(quotation: str) -> None:
    message = read(mail(f"同意\n{quotation}\n", subject="Re: x"))
    assert message.text == "同意"
    assert "旧文" in message.quoted


@pytest.mark.parametrize("quotation", TEXTS)
def test_the_same_in_html_lines(quotation: str) -> None:
    lines = "".join(f"<div>{line.replace('<', '&lt;') or '<br>'}</div>" for line in quotation.split("\n"))
    message = read(html(f"<div>同意</div>{lines}"))
    assert message.text == "同意"
    assert "旧文" in message.quoted


@pytest.mark.parametrize(
    "quotation",
    [
        '<blockquote type="cite">旧文</blockquote>',
        '<blockquote class="gmail_quote">旧文</blockquote>',
        '<div class="gmail_attr">李四 写道</div><blockquote class="gmail_quote">旧文</blockquote>',
        '<blockquote id="isReplyContent">旧文</blockquote>',
        '<div id="isForwardContent">旧文</div>',
        '<div id="reply139content">旧文</div>',
        '<div id="origbody">旧文</div>',
        '<blockquote id="oriMsgHtmlSeperator">旧文</blockquote>',
        '<div id="mailcontent">旧文</div>',
        '<div class="history-quote-wrapper">旧文</div>',
        '<div id="lark-mail-quote-123">旧文</div>',
        '<div id="appendonsend"></div><hr><div>旧文</div>',
        '<div id="divRplyFwdMsg">x</div><div>旧文</div>',
        '<div id="mail-editor-reference-message-container">旧文</div>',
        '<div style="border:none;border-top:solid #B5C4DF 1.0pt"><p>发件人: 李四</p></div>旧文',
        "<table><tr><td>------------------ 原始邮件 ------------------</td></tr></table>旧文",
    ],
)
def test_markers_of_html_quotation(quotation: str) -> None:
    message = read(html(f"<div>同意</div>{quotation}"))
    assert message.text == "同意"
    assert "旧文" in message.quoted


def test_answers_between_quoted_lines_stay() -> None:
    message = read(mail("> 谁去？\n张三\n> 何时？\n周一\n"))
    assert message.text == "张三\n周一"
    message = read(
        html('<blockquote type="cite">谁去？</blockquote>张三<blockquote type="cite">何时？</blockquote>周一')
    )
    assert message.text == "张三\n周一"


@pytest.mark.parametrize(
    "text",
    [
        "发件人：不详\n其余正常",
        "客户写道：\n系统慢",
        "日期：今天\n主题：无",
        "- 原始邮件\n已存",
        "------\n分隔",
        "a > b",
    ],
)
def test_prose_is_no_quotation(text: str) -> None:
    assert read(mail(text)).text == text


def test_tables_of_the_quotation_are_not_the_senders() -> None:
    table = "<table><tr><td>沟通结果</td><td>{}</td></tr></table>"
    new, old = table.format("成功"), table.format("问题遗留")
    message = read(html(f'{new}<blockquote type="cite">{old}</blockquote>'))
    assert message.tables == ((("沟通结果", "成功"),),)
    message = read(html(f"{new}<p>-----Original Message-----</p>{old}"))
    assert message.tables == ((("沟通结果", "成功"),),)


def test_a_new_mail_that_some_webmail_wraps_in_a_quotation_element_is_still_read() -> None:
    wrapped = '<div id="mailcontent">技服：李四</div>'
    assert read(html(wrapped, subject="投诉-蓝湾项目")).text == "技服：李四"
    assert read(html(wrapped, subject="回复：投诉-蓝湾项目")).text == ""
