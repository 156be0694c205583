"""How mail programs write: the same letter as Outlook, Foxmail, 网易, QQ, Gmail, Apple Mail … put it on the wire.

Bytes are put together by hand and not by `email.message`, because what real programs do wrong (GBK characters under a
gb2312 label, encoded words split inside a character, raw 8-bit subjects; mail.md §6) is the point. Deterministic: no
clock, no chance; boundaries come from the Message-ID. Line ends are LF, as in a Maildir.
"""

from __future__ import annotations

import base64
import hashlib
import quopri
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Literal


@dataclass(frozen=True)
class Party:
    """A sender or recipient: display name and address."""

    name: str
    address: str


@dataclass(frozen=True)
class Table:
    """A table in a body. `style`: drawn in Word, or pasted from Excel."""

    rows: tuple[tuple[str, ...], ...]
    style: Literal["word", "excel"] = "word"


@dataclass(frozen=True)
class File:
    """An attachment."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What somebody writes, before a mail program has put it into bytes."""

    sender: Party
    to: tuple[Party, ...]
    cc: tuple[Party, ...] = ()
    subject: str
    body: tuple[str | Table, ...]
    """Lines of text ("" is an empty one), and tables."""
    sent: datetime
    message_id: str
    answers: Letter | None = None
    """The letter that this one quotes: replied to, or forwarded when `forward`."""
    forward: bool = False
    files: tuple[File, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Further header fields, ASCII."""


Lines = list[str]


@dataclass(frozen=True, kw_only=True)
class Client:
    """One mail program: its labels, its way with headers, its markup and its quotation."""

    name: str
    label: str
    """The charset as it calls it, which is not always what it writes."""
    codec: str
    words: Literal["B", "Q", "split", "raw"]
    """Headers: encoded words, words split inside characters, or raw 8-bit bytes."""
    transfer: Literal["base64", "quoted-printable", "8bit"]
    headers: tuple[tuple[str, str], ...]
    quote: Callable[[Letter], Lines]
    """The quoted letter in text/plain."""
    page: Callable[[Letter, str], str] | None = None
    """The whole text/html; None: this program writes text/plain only."""
    tail: tuple[str, ...] = ()
    """What it writes under every letter: 发自我的 iPhone."""


def compose(client: Client, letter: Letter) -> bytes:
    """The letter as `client` hands it to its mail server: header fields and body."""
    text = _leaf(client, "text/plain", "\n".join(plain(client, letter)) + "\n")
    content = text
    if client.page is not None:
        page = _leaf(client, "text/html", client.page(letter, client.label))
        content = _multipart("alternative", letter, (text, page))
    if letter.files:
        content = _multipart("mixed", letter, (content, *(_attachment(client, f) for f in letter.files)))
    return b"".join(_fields(client, letter)) + b"MIME-Version: 1.0\n" + content


def plain(client: Client, letter: Letter) -> Lines:
    """The body as text/plain, quotation and the program's own tail included."""
    lines: Lines = []
    for block in letter.body:
        lines += [block] if isinstance(block, str) else ["\t".join(row) for row in block.rows]
    lines += client.tail
    return [*lines, "", *client.quote(letter.answers)] if letter.answers else lines


# ---- header fields


def _fields(client: Client, letter: Letter) -> Iterable[bytes]:
    yield f"Date: {format_datetime(letter.sent)}\n".encode()
    yield b"From: " + _mailboxes(client, (letter.sender,)) + b"\n"
    yield b"To: " + _mailboxes(client, letter.to) + b"\n"
    if letter.cc:
        yield b"Cc: " + _mailboxes(client, letter.cc) + b"\n"
    yield b"Subject: " + words(client, letter.subject) + b"\n"
    yield f"Message-ID: {letter.message_id}\n".encode()
    if letter.answers is not None and not letter.forward:
        yield f"In-Reply-To: {letter.answers.message_id}\n".encode()
        yield f"References: {' '.join(_thread(letter.answers))}\n".encode()
    for name, value in (*letter.headers, *client.headers):
        yield f"{name}: {value}\n".encode()


def _thread(letter: Letter) -> list[str]:
    """The Message-IDs that led to `letter`, oldest first, its own last."""
    older = _thread(letter.answers) if letter.answers is not None and not letter.forward else []
    return [*older, letter.message_id]


def _mailboxes(client: Client, parties: Iterable[Party]) -> bytes:
    return b",\n\t".join(_name(client, p.name) + f"<{p.address}>".encode() for p in parties)


def _name(client: Client, name: str) -> bytes:
    quote = b'"' if name.isascii() or client.words == "raw" else b""
    return quote + words(client, name) + quote + b" " if name else b""


def words(client: Client, text: str) -> bytes:
    """A header value: plain ASCII as it is, else in the client's kind of encoded words (RFC 2047), folded."""
    if text.isascii():
        return text.encode()
    if client.words == "raw":
        return text.encode(client.codec)
    if client.words == "split":
        return _b_words(client, _pieces(text.encode(client.codec), 30))
    size = 10 if client.words == "B" else 6  # keeps each word within 75 characters (RFC 2047 §2)
    chunks = (text[i : i + size].encode(client.codec) for i in range(0, len(text), size))
    return _b_words(client, chunks) if client.words == "B" else _q_words(client, chunks)


def _pieces(data: bytes, size: int) -> Iterable[bytes]:
    """Cut by bytes, as some servers do, whatever characters lie there (mail.md §8, 21)."""
    return (data[i : i + size] for i in range(0, len(data), size))


def _b_words(client: Client, chunks: Iterable[bytes]) -> bytes:
    return b"\n ".join(b"=?%s?B?%s?=" % (client.label.encode(), base64.b64encode(c)) for c in chunks)


def _q_words(client: Client, chunks: Iterable[bytes]) -> bytes:
    def q(data: bytes) -> bytes:
        return b"".join(bytes([b]) if chr(b).isascii() and chr(b).isalnum() else b"=%02X" % b for b in data)

    return b"\n ".join(b"=?%s?Q?%s?=" % (client.label.encode(), q(c)) for c in chunks)


# ---- body parts


_TRANSFER: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
    "8bit": bytes,
}


def _leaf(client: Client, kind: str, text: str) -> bytes:
    # Outlook writes what its charset lacks as character references; only markup can do that.
    data = text.encode(client.codec, "xmlcharrefreplace" if kind == "text/html" else "strict")
    body = _TRANSFER[client.transfer](data)
    head = f'Content-Type: {kind};\n\tcharset="{client.label}"\nContent-Transfer-Encoding: {client.transfer}\n\n'
    return head.encode() + body


def _multipart(subtype: str, letter: Letter, parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256(f"{subtype}{letter.message_id}".encode()).hexdigest()[:24]
    boundary = f"----=_Part_{digest}"
    head = f'Content-Type: multipart/{subtype};\n\tboundary="{boundary}"\n\n'
    body = "".join(f"--{boundary}\n{part.decode('latin-1')}\n" for part in parts)
    return head.encode() + body.encode("latin-1") + f"--{boundary}--\n".encode()


def _attachment(client: Client, file: File) -> bytes:
    name = words(client, file.name).replace(b"\n ", b" ")
    head = b'Content-Type: %s;\n\tname="%s"\nContent-Transfer-Encoding: base64\n' % (file.type.encode(), name)
    disposition = b'Content-Disposition: attachment;\n\tfilename="%s"\n\n' % name
    return head + disposition + base64.encodebytes(file.content)


# ---- markup


def _row(cells: Iterable[str], open_cell: str, close_cell: str) -> str:
    return "<tr>" + "".join(open_cell + (escape(c) or "&nbsp;") + close_cell for c in cells) + "</tr>\n"


def _table(table: Table, open_table: str, open_cell: str, close_cell: str) -> str:
    if table.style == "excel":
        open_table = (
            "<table border=0 cellpadding=0 cellspacing=0 width=434 style='border-collapse:collapse;width:326pt'>\n"
            "<col width=110 style='mso-width-source:userset;mso-width-alt:3520;width:83pt'>\n"
        )
        open_cell, close_cell = "<td class=xl65 height=19 style='height:14.25pt;font-family:等线'>", "</td>"
    return open_table + "".join(_row(row, open_cell, close_cell) for row in table.rows) + "</table>\n"


def _blocks(letter: Letter, line: str, open_table: str, open_cell: str, close_cell: str) -> str:
    """The body in HTML; `line` is the pattern of one line of text."""
    made = (
        line.format(escape(b) or "&nbsp;") if isinstance(b, str) else _table(b, open_table, open_cell, close_cell)
        for b in letter.body
    )
    return "".join(made)


def _names(parties: Iterable[Party]) -> str:
    return "; ".join(f"{p.name} <{p.address}>" for p in parties)


def _flat(letter: Letter) -> str:
    """A quoted body in HTML, one line of text a `<br>`, tables as tables."""
    return _blocks(letter, "<div>{}</div>\n", "<table>", "<td>", "</td>")


def _old_text(letter: Letter) -> Lines:
    return [b if isinstance(b, str) else "\n".join("\t".join(r) for r in b.rows) for b in letter.body]


# ---- Outlook (Chinese): Word markup, gb2312 label, header block after a rule

_WEEK = "一二三四五六日"
_WORD_HEAD = """\
<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" \
xmlns:w="urn:schemas-microsoft-com:office:word" xmlns="http://www.w3.org/TR/REC-html40">
<head><meta http-equiv=Content-Type content="text/html; charset={label}">
<meta name=Generator content="Microsoft Word 15 (filtered medium)">
<style><!-- @font-face {{font-family:等线;}} p.MsoNormal, li.MsoNormal {{margin:0cm;text-align:justify;\
font-size:10.5pt;font-family:等线;}} --></style>
<!--[if gte mso 9]><xml><o:shapedefaults v:ext="edit" spidmax="1026" /></xml><![endif]--></head>
<body lang=ZH-CN link="#0563C1" vlink="#954F72"><div class=WordSection1>
"""
_WORD_LINE = (
    "<p class=MsoNormal><span lang=EN-US style='font-family:\"微软雅黑\",sans-serif'>{}<o:p></o:p></span></p>\n"
)
_WORD_TABLE = "<table class=MsoTableGrid border=1 cellspacing=0 cellpadding=0 style='border-collapse:collapse'>\n"
_WORD_CELL = "<td width=160 valign=top style='padding:0cm 5.4pt 0cm 5.4pt'><p class=MsoNormal><span lang=EN-US>"
_WORD_CELL_END = "<o:p></o:p></span></p></td>"


def _cn_date(at: datetime) -> str:
    return f"{at.year}年{at.month}月{at.day}日 {at.hour}:{at.minute:02d}"


_HEADS = ("发件人", "发送时间", "收件人", "抄送", "主题")
_TW_HEADS = ("寄件者", "寄件日期", "收件者", "副本", "主旨")


def _outlook_heads(old: Letter, heads: Iterable[str] = _HEADS) -> list[tuple[str, str]]:
    values = (_names((old.sender,)), _cn_date(old.sent), _names(old.to), _names(old.cc), old.subject)
    return [(head, value) for head, value in zip(heads, values, strict=True) if value]


def _outlook_quote(old: Letter) -> Lines:
    return ["-----邮件原件-----", *(f"{k}: {v}" for k, v in _outlook_heads(old)), "", *_old_text(old)]


def _outlook_tw_quote(old: Letter) -> Lines:
    heads = (f"{k}: {v}" for k, v in _outlook_heads(old, _TW_HEADS))
    return ["-----Original Message-----", *heads, "", *_old_text(old)]


def _outlook_page(letter: Letter, label: str) -> str:
    page = _WORD_HEAD.format(label=label) + _blocks(letter, _WORD_LINE, _WORD_TABLE, _WORD_CELL, _WORD_CELL_END)
    if letter.answers:
        names = _TW_HEADS if label == "big5" else _HEADS
        heads = "<br>".join(f"<b>{k}:</b> {escape(v)}" for k, v in _outlook_heads(letter.answers, names))
        page += (
            "<div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'>\n"
            f"<p class=MsoNormal>{heads}<o:p></o:p></p></div></div>\n{_flat(letter.answers)}"
        )
    return page + "</div></body></html>\n"


# ---- Foxmail: header block with full-width colons in a bordered div


def _foxmail_heads(old: Letter) -> list[str]:
    return [
        f"发件人： {old.sender.name}",
        f"发送时间： {old.sent:%Y-%m-%d %H:%M}",
        f"收件人： {'; '.join(p.name for p in old.to)}",
        f"抄送： {'; '.join(p.name for p in old.cc)}",
        f"主题： {old.subject}",
    ]


def _foxmail_quote(old: Letter) -> Lines:
    return ["", old.sender.address, " ", *_foxmail_heads(old), *_old_text(old)]


def _foxmail_page(letter: Letter, label: str) -> str:
    page = (
        f'<html><head><meta http-equiv="content-type" content="text/html; charset={label}">'
        "<style>body { line-height: 1.5; }blockquote { margin-top: 0px; margin-bottom: 0px; margin-left: 0.5em; }"
        "body { font-size: 14px; font-family: 微软雅黑; color: rgb(0, 0, 0); }</style></head><body>\n"
    ) + _blocks(letter, "<div><span></span>{}</div>\n", '<table border="1" cellspacing="0">', "<td>", "</td>")
    if letter.answers:
        heads = "".join(f"<div><b>{h.partition('： ')[0]}：</b>&nbsp;{escape(h.partition('： ')[2])}</div>"
                        for h in _foxmail_heads(letter.answers))  # fmt: skip
        page += (
            '<blockquote style="margin-top: 0px; margin-bottom: 0px; margin-left: 0.5em;"><div>&nbsp;</div>'
            '<div style="border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
            '<div style="PADDING-RIGHT: 8px; PADDING-LEFT: 8px; FONT-SIZE: 12px;FONT-FAMILY:tahoma;COLOR:#000000; '
            f'BACKGROUND: #efefef; PADDING-BOTTOM: 8px; PADDING-TOP: 8px">{heads}</div></div>'
            f"{_flat(letter.answers)}</blockquote>\n"
        )
    return page + "</body></html>\n"


# ---- 网易 webmail (Coremail): the original in a small table


def _netease_quote(old: Letter) -> Lines:
    return [
        "---- 回复的原邮件 ----",
        f"| 发件人 | {old.sender.name}<{old.sender.address}> |",
        f"| 发送日期 | {old.sent:%Y年%m月%d日 %H:%M} |",
        f"| 收件人 | {_names(old.to)} |",
        f"| 主题 | {old.subject} |",
        *_old_text(old),
    ]


def _netease_page(letter: Letter, label: str) -> str:
    page = '<div style="line-height:1.7;color:#000000;font-size:14px;font-family:Arial">' + _blocks(
        letter, '<div style="margin:0;">{}</div>\n', '<table border="1">', "<td>", "</td>"
    )
    old = letter.answers
    if old:
        rows = (("发件人", _names((old.sender,))), ("发送日期", f"{old.sent:%Y年%m月%d日 %H:%M}"),
                ("收件人", _names(old.to)), ("主题", old.subject))  # fmt: skip
        cells = "".join(f"<tr><td>{k}</td><td>{escape(v)}</td></tr>" for k, v in rows)
        page += (
            '<blockquote id="isReplyContent" style="padding-left:1ex;margin:0 0 0 0.8ex;border-left:#ccc 1px solid">'
            f"<div>---- 回复的原邮件 ----</div><table>{cells}</table>{_flat(old)}</blockquote>"
        )
    return page + "</div>\n"


# ---- QQ Mail


def _qq_date(at: datetime) -> str:
    half = "上午" if at.hour < 12 else "下午"
    day = f"{at.year}年{at.month}月{at.day}日(星期{_WEEK[at.weekday()]})"
    return f"{day} {half}{(at.hour - 1) % 12 + 1}:{at.minute:02d}"


def _qq_heads(old: Letter) -> list[str]:
    return [
        f'发件人: "{old.sender.name}" <{old.sender.address}>;',
        f"发送时间: {_qq_date(old.sent)}",
        "收件人: " + "".join(f'"{p.name}"<{p.address}>;' for p in old.to),
        f"主题: {old.subject}",
    ]


def _qq_quote(old: Letter) -> Lines:
    return ["------------------ 原始邮件 ------------------", *_qq_heads(old), "", *_old_text(old)]


def _qq_page(letter: Letter, label: str) -> str:
    page = f'<meta http-equiv="Content-Type" content="text/html; charset={label}">' + _blocks(
        letter, "<div>{}</div>", '<table border="1">', "<td>", "</td>"
    )
    if letter.answers:
        heads = "".join(f"<div><b>{h.partition(':')[0]}:</b>{escape(h.partition(':')[2])}</div>"
                        for h in _qq_heads(letter.answers))  # fmt: skip
        page += (
            '<div><br></div><div style="font-size: 12px;font-family: Arial Narrow;padding:2px 0 2px 0;">'
            "------------------&nbsp;原始邮件&nbsp;------------------</div>"
            f'<div style="font-size: 12px;background:#efefef;padding:8px;">{heads}</div>{_flat(letter.answers)}'
        )
    return page


# ---- Gmail, Apple Mail, iPhone, Thunderbird: an attribution line, the rest behind ">"


def _gmail_line(old: Letter) -> str:
    day = f"{old.sent.year}年{old.sent.month}月{old.sent.day}日周{_WEEK[old.sent.weekday()]} {old.sent:%H:%M}"
    return f"{old.sender.name} <{old.sender.address}> 于{day}写道："


def _gmail_quote(old: Letter) -> Lines:
    return [_gmail_line(old), "", *(f"> {line}" for line in "\n".join(_old_text(old)).split("\n"))]


def _gmail_page(letter: Letter, label: str) -> str:
    page = '<div dir="ltr">' + _blocks(letter, "<div>{}</div>", '<table border="1">', "<td>", "</td>") + "</div>"
    if letter.answers:
        page += (
            f'<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{escape(_gmail_line(letter.answers))}<br>'
            '</div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;'
            f'border-left:1px solid rgb(204,204,204)">{_flat(letter.answers)}</blockquote></div>'
        )
    return page + "\n"


def _apple_line(old: Letter) -> str:
    day = f"{old.sent.year}年{old.sent.month}月{old.sent.day}日"
    return f"在 {day}，{old.sent:%H:%M}，{old.sender.name} <{old.sender.address}> 写道："


def _apple_quote(old: Letter) -> Lines:
    quoted = "\n".join(_old_text(old)).split("\n")
    return [f"> {_apple_line(old)}", ">", *(f"> {line}" for line in quoted)]


def _thunderbird_quote(old: Letter) -> Lines:
    quoted = "\n".join(_old_text(old)).split("\n")
    return [f"在 {old.sent:%Y/%m/%d %H:%M}, {old.sender.name} 写道:", *(f"> {line}" for line in quoted)]


OUTLOOK = Client(
    name="Outlook", label="gb2312", codec="gb18030", words="B", transfer="quoted-printable",
    headers=(("X-Mailer", "Microsoft Outlook 16.0"), ("Content-Language", "zh-cn")),
    quote=_outlook_quote, page=_outlook_page,
)  # fmt: skip
OUTLOOK_UTF8 = Client(
    name="Outlook 365", label="utf-8", codec="utf-8", words="B", transfer="base64",
    headers=(("Content-Language", "zh-CN"), ("X-MS-Has-Attach", "")),
    quote=_outlook_quote, page=_outlook_page,
)  # fmt: skip
OUTLOOK_TW = Client(
    name="Outlook 繁體", label="big5", codec="big5", words="B", transfer="base64",
    headers=(("X-Mailer", "Microsoft Outlook 16.0"), ("Content-Language", "zh-tw")),
    quote=_outlook_tw_quote, page=_outlook_page,
)  # fmt: skip
FOXMAIL = Client(
    name="Foxmail", label="GB18030", codec="gb18030", words="B", transfer="base64",
    headers=(("X-Priority", "3"), ("X-Has-Attach", "no"), ("X-Mailer", "Foxmail 7.2.25.254[cn]")),
    quote=_foxmail_quote, page=_foxmail_page,
)  # fmt: skip
NETEASE = Client(
    name="网易邮箱", label="GBK", codec="gb18030", words="split", transfer="base64",
    headers=(("X-Priority", "3"), ("X-Mailer", "Coremail Webmail Server Version XT5.0.14 build 20260801")),
    quote=_netease_quote, page=_netease_page,
)  # fmt: skip
QQ = Client(
    name="QQ邮箱", label="gb18030", codec="gb18030", words="B", transfer="base64",
    headers=(("X-Priority", "3"), ("X-QQ-MIME", "TCMime 1.0"), ("X-Mailer", "QQMail 2.x")),
    quote=_qq_quote, page=_qq_page,
)  # fmt: skip
GMAIL = Client(
    name="Gmail", label="UTF-8", codec="utf-8", words="B", transfer="base64",
    headers=(), quote=_gmail_quote, page=_gmail_page,
)  # fmt: skip
APPLE = Client(
    name="Apple Mail", label="utf-8", codec="utf-8", words="Q", transfer="quoted-printable",
    headers=(("X-Mailer", "Apple Mail (2.3826.400.131.1.6)"),), quote=_apple_quote,
)  # fmt: skip
IPHONE = Client(
    name="iPhone", label="utf-8", codec="utf-8", words="B", transfer="base64",
    headers=(("X-Mailer", "iPhone Mail (22H20)"),), quote=_apple_quote, tail=("", "发自我的 iPhone"),
)  # fmt: skip
THUNDERBIRD = Client(
    name="Thunderbird", label="UTF-8", codec="utf-8", words="Q", transfer="8bit",
    headers=(("User-Agent", "Mozilla Thunderbird"), ("Content-Language", "zh-CN")), quote=_thunderbird_quote,
)  # fmt: skip
OLD_SYSTEM = Client(
    name="老业务系统", label="gbk", codec="gb18030", words="raw", transfer="8bit",
    headers=(("X-Mailer", "OA-Mailer 2.1"),), quote=_thunderbird_quote,
)  # fmt: skip

CLIENTS = (
    OUTLOOK, OUTLOOK_UTF8, OUTLOOK_TW, FOXMAIL, NETEASE, QQ, GMAIL, APPLE, IPHONE, THUNDERBIRD, OLD_SYSTEM,
)  # fmt: skip
