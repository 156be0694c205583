"""The leaves of a mail, decoded: body texts and attachments, each in order, and what was left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import unescape
from typing import NamedTuple

from mailflow.core.findings import Finding
from mailflow.core.text import one_line
from mailflow.message import mime
from mailflow.message.attachments import attachment, is_body, is_tnef
from mailflow.message.decode import Decoded, decode_text
from mailflow.message.embedded import take_files
from mailflow.message.flaws import dropped, flaw
from mailflow.message.model import Attachment, Certainty, Dropped, Hints
from mailflow.message.page import Page, joined
from mailflow.message.sealed import open_clear_signed, without_encrypted
from mailflow.message.text import Cleaned, clean, plain_page
from mailflow.message.tnef import Tnef, read_tnef
from mailflow.message.transfer import Payload, decode_transfer, undeclared
from mailflow.message.walker import html_page

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.I)
_HTML_START = re.compile(
    r"[\s\ufeff]*<(?:!doctype\s+html|html|head|body|meta|div|table|p|span|font|style|br)\b[^<>]*>", re.I
)
_HTML_END = re.compile(r"</?(?:html|body|div|table|p|span|font|br)\b[^<>]*>\s*\Z", re.I)
_ANY_TAG = re.compile(r"<[a-zA-Z!/]")
_MAX_TNEF = 20
Names = tuple[str, ...]
_WORST: tuple[Certainty, ...] = ("certain", "likely", "guessed")


class Text(NamedTuple):
    """A body text, cleaned."""

    text: str
    html: bool
    alternative: int | None
    params: dict[str, str]
    identity: str = ""
    """What the content digest is made of: the text, or where that is not certain the bytes. How sure a reading is hangs
    on the roster, and a copy must be known after the roster has changed."""

    ordinary: bool = False
    """Nothing in it is invisible, as far as is known."""

    def page(self, answer: bool, names: Names) -> Page:
        if self.html:
            return html_page(self.text, answer=answer, names=names, ordinary=self.ordinary)
        flowed = self.params.get("format", "").lower() == "flowed"
        delsp = self.params.get("delsp", "").lower() == "yes"
        return plain_page(self.text, flowed=flowed, delsp=delsp, names=names, ordinary=self.ordinary)


class Body:
    """The leaves of a mail, decoded."""

    def __init__(self, leaves: Iterable[mime.Leaf], hints: Hints) -> None:
        self.texts: list[Text] = []
        self.attachments: list[Attachment] = []
        self.files: list[tuple[str, bytes]] = []
        """Names and bytes of the attachments for the digest."""
        self.flaws: list[Finding] = []
        self.dropped: list[Dropped] = []
        self.charset = ""
        self.certainty: Certainty = "certain"
        self._hints = hints
        self._tnef: list[Tnef] = []
        for leaf in leaves:
            encoding = leaf.fields.get("content-transfer-encoding", "").strip().lower()
            payload = self._payload(leaf, encoding)
            if is_body(leaf):
                self._add_text(leaf, payload.data)
            else:
                self._add_attachment(leaf, payload.data, encoding)
        if self._tnef and not any(one.text.strip() for one in self.texts):
            self._add_tnef_body()

    @property
    def html(self) -> str | None:
        return "\n".join([one.text for one in self.texts if one.html]) or None

    def page(self, *, answer: bool, names: Names) -> Page:
        """The text that a reader sees: of alternatives one, of all other texts each, in order."""
        pages: list[Page] = []
        done: set[int] = set()
        for one in self.texts:
            if one.alternative is None:
                pages.append(one.page(answer, names))
            elif one.alternative not in done:
                done.add(one.alternative)
                pages.append(_chosen([t for t in self.texts if t.alternative == one.alternative], answer, names))
        return joined(pages)

    def _payload(self, leaf: mime.Leaf, encoding: str) -> Payload:
        payload = decode_transfer(leaf.body, encoding)
        if payload is None:
            self.flaws.append(flaw("unknown_encoding", encoding))
            return Payload(leaf.body)
        if payload.damaged:
            self.flaws.append(flaw("base64_damaged"))
        if payload.rest:
            rest = decode_text(payload.rest[:2000]).text
            self.flaws.append(flaw("base64_footer", rest))
            self.dropped.append(dropped("扫描页脚", rest))
        return payload

    def _add_text(self, leaf: mime.Leaf, data: bytes) -> None:
        html = leaf.type == "text/html"
        if data is leaf.body and data.isascii() and (found := undeclared(data)) is not None:
            self.flaws.append(flaw("encoding_undeclared"))
            data = found
        if not html:
            data, files = take_files(data)
            for name, content in files:
                self._add_file(Attachment(name, "application/octet-stream", len(content), content))
                self.flaws.append(flaw("embedded_file", name or "（无名）"))
        label = leaf.params.get("charset") or (_meta_charset(data) if html else "")
        decoded = decode_text(data, label or None, self._hints)
        self._note_charset(decoded, label, data.isascii())
        cleaned = self._clean(decoded.text)
        html, text = self._as_it_is(html, self._without_armor(cleaned.text))
        identity = text if decoded.certainty == "certain" else data.replace(b"\r\n", b"\n").decode("latin-1")
        ordinary = cleaned.ordinary and text is cleaned.text
        self.texts.append(Text(text, html, leaf.alternative, leaf.params, identity, ordinary))

    def _clean(self, text: str) -> Cleaned:
        cleaned = clean(text)
        if cleaned.controls:
            self.flaws.append(flaw("control_characters"))
            shown = "、".join(f"U+{ord(char):04X} ×{n}" for char, n in sorted(Counter(cleaned.controls).items()))
            self.dropped.append(dropped("控制字符", shown))
        return cleaned

    def _without_armor(self, text: str) -> str:
        """The text without what OpenPGP put around it, or in its place."""
        if "-----BEGIN PGP " not in text:
            return text
        text, encrypted = without_encrypted(text)
        if encrypted:
            self.flaws.append(flaw("encrypted", "OpenPGP"))
            self.dropped.append(dropped("未拆开的内容", encrypted))
        text, signature = open_clear_signed(text)
        if signature:
            self.dropped.append(dropped("签名数据", signature))
        return text

    def _as_it_is(self, html: bool, text: str) -> tuple[bool, str]:
        """Whether the text is HTML, whatever its label says."""
        if html and not _ANY_TAG.search(text):
            return False, unescape(text)
        if not html and "<" in text[:500] and _HTML_START.match(text) and _HTML_END.search(text, len(text) - 200):
            self.flaws.append(flaw("html_as_plain"))
            return True, text
        return html, text

    def _note_charset(self, decoded: Decoded, label: str, is_ascii: bool) -> None:
        label = label if label.isprintable() else one_line(label)
        how = f"label {label[:40]}" if label else "no label"
        charset = f"{decoded.codec} ({how})" if decoded.fits or not label else f"{decoded.codec} ({how} wrong)"
        self.charset = self.charset or charset
        if decoded.certainty != "certain":
            self.certainty = worst(self.certainty, decoded.certainty)
        if not decoded.fits and not (is_ascii and decoded.codec in ("ascii", "utf-8")):
            self.flaws.append(flaw("charset_guessed", charset))

    def _add_attachment(self, leaf: mime.Leaf, data: bytes, encoding: str) -> None:
        one = attachment(leaf, data)
        # Only base64 keeps the line ends of a part on its way from server to server.
        self._add_file(one, data if encoding == "base64" else data.replace(b"\r\n", b"\n"))
        if is_tnef(one) and len(self._tnef) < _MAX_TNEF:
            self._open_tnef(one)
        elif leaf.type == "message/partial":
            number = f"{leaf.params.get('number', '')}/{leaf.params.get('total', '')}"
            self.flaws.append(flaw("partial"))
            self.dropped.append(dropped("未拆开的内容", f"message/partial {number}"))
        elif leaf.type == "message/external-body":
            place = leaf.params.get("url") or leaf.params.get("name") or leaf.params.get("access-type", "")
            self.flaws.append(flaw("external_body", place))
            self.dropped.append(dropped("未拆开的内容", f"message/external-body {place}"))

    def _add_file(self, one: Attachment, content: bytes | None = None) -> None:
        self.attachments.append(one)
        self.files.append((one.name or "", one.content if content is None else content))

    def _open_tnef(self, one: Attachment) -> None:
        found = read_tnef(one.content)
        self._tnef.append(found)
        self.flaws.append(flaw("tnef_damaged" if found.damaged else "tnef", one.name or "winmail.dat"))
        self.attachments += found.attachments
        if found.damaged:
            self.dropped.append(dropped("未拆开的内容", one.name or "winmail.dat"))

    def _add_tnef_body(self) -> None:
        """The text that Outlook put into winmail.dat, where the mail has no other."""
        for found in self._tnef:
            text, html = found.body()
            if text.strip():
                self.charset = f"{found.codec} (TNEF)"
                cleaned = self._clean(text).text
                self.texts.append(Text(cleaned, html, None, {}, cleaned))
                return


def worst(*found: Certainty) -> Certainty:
    return max(found, key=_WORST.index)


def _chosen(texts: Sequence[Text], answer: bool, names: Names) -> Page:
    """The HTML, which is what every mail program shows; text/plain where the HTML says nothing.

    Not text/plain first, although it is the cheaper one: what it alone says nobody has seen, so that it must not move
    pay (domain §9); it tears tables apart, and does not say which lines are quotation.
    """
    html = [one for one in texts if one.html]
    page = joined([one.page(answer, names) for one in html])
    if any(page.lines):
        return page
    plain = [one for one in texts if not one.html]
    return joined([one.page(answer, names) for one in plain or html])


def _meta_charset(data: bytes) -> str:
    found = _META_CHARSET.search(data, 0, 4096)
    return found[1].decode("ascii") if found else ""
