"""`read`: from the bytes of a mail to what a person would read, top to bottom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailflow.core.findings import Finding
from mailflow.core.text import one_line
from mailflow.message import mime
from mailflow.message.attachments import TNEF, attachment, is_body
from mailflow.message.automatic import Automatic, judge
from mailflow.message.decode import Decoded, Payload, decode_text, decode_transfer, decode_words
from mailflow.message.digest import content_digest
from mailflow.message.flaws import flaw
from mailflow.message.headers import addresses, date, message_id, message_ids
from mailflow.message.model import Address, Attachment, Message
from mailflow.message.text import Page, clean, html_page, is_placeholder, plain_page
from mailflow.message.thread import Thread, read_subject

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.I)


def read(raw: bytes) -> Message:
    """The mail in `raw`. Pure; takes any bytes and never raises; what is wrong with the mail is in `findings`."""
    tree = mime.parse(raw)
    heads = _Heads(tree.fields)
    body = _Body(tree.leaves)
    page = body.page(answer=heads.is_answer)
    text, quoted = page.new(), page.old()
    automatic = judge(
        headers=heads.fields,
        type_=tree.type,
        params=tree.params,
        subject=heads.subject,
        froms=heads.froms,
        sender=heads.sender,
        attachments=body.attachments,
        text=f"{text}\n{quoted}",
    )
    undecodable = _undecodable(heads, text)
    return Message(
        subject=heads.subject,
        bare_subject=heads.thread.bare,
        tags=heads.thread.tags,
        is_reply=heads.thread.is_reply,
        is_forward=heads.thread.is_forward,
        case_numbers=heads.thread.cases,
        from_=heads.froms[0] if heads.froms else None,
        froms=heads.froms,
        sender=heads.sender,
        reply_to=heads.addresses("reply-to"),
        to=heads.addresses("to"),
        cc=heads.addresses("cc"),
        date=heads.date,
        message_id=message_id(heads.first("message-id")),
        in_reply_to=heads.in_reply_to,
        references=heads.references,
        text=text,
        quoted=quoted,
        tables=page.new_tables(),
        html=body.html,
        attachments=tuple(body.attachments),
        automatic=automatic.reason,
        bounce=automatic.bounce,
        bounced=automatic.bounced,
        headers=heads.fields,
        charset=body.charset,
        content=content_digest(
            sender=heads.froms[0].address if heads.froms else "",
            date=heads.first("date"),
            subject=heads.subject,
            texts=[one.text for one in body.texts],
            files=body.files,
        ),
        findings=tuple(_findings(tree, heads, body, automatic, undecodable)),
        doubtful=bool(undecodable),
    )


class _Heads:
    """The header fields of the mail, read."""

    def __init__(self, fields: mime.Fields) -> None:
        self.fields = tuple([(name, _flat(decode_words(value))) for name, value in fields])
        self._raw: dict[str, list[str]] = {}
        for name, value in fields:
            self._raw.setdefault(name.lower(), []).append(value)
        self.subject = one_line(decode_words(self.first("subject")))
        self.thread: Thread = read_subject(self.subject)
        self.froms = self.addresses("from")
        self.sender = next(iter(self.addresses("sender")), None)
        self.date = date(self.first("date"))
        self.in_reply_to = message_ids(self._raw.get("in-reply-to", ()))
        self.references = message_ids(self._raw.get("references", ()))

    def first(self, name: str) -> str:
        return self._raw.get(name, [""])[0]

    def addresses(self, name: str) -> tuple[Address, ...]:
        return addresses(self._raw.get(name, ()))

    @property
    def is_answer(self) -> bool:
        return bool(self.thread.is_reply or self.thread.is_forward or self.in_reply_to or self.references)


@dataclass(frozen=True)
class _Text:
    """A body text, cleaned."""

    text: str
    html: bool
    alternative: int | None
    params: dict[str, str]

    def page(self, answer: bool) -> Page:
        if self.html:
            return html_page(self.text, answer=answer)
        flowed = self.params.get("format", "").lower() == "flowed"
        return plain_page(self.text, flowed=flowed, delsp=self.params.get("delsp", "").lower() == "yes")


class _Body:
    """The leaves of a mail, decoded: body texts and attachments, each in order."""

    def __init__(self, leaves: Iterable[mime.Leaf]) -> None:
        self.texts: list[_Text] = []
        self.attachments: list[Attachment] = []
        self.files: list[tuple[str, bytes]] = []
        """Names and bytes of the attachments for the digest."""
        self.flaws: list[Finding] = []
        self.charset = ""
        for leaf in leaves:
            encoding = leaf.fields.get("content-transfer-encoding", "").partition(";")[0].strip().lower()
            payload = self._payload(leaf, encoding)
            if is_body(leaf):
                self._add_text(leaf, payload.data)
            else:
                self._add_attachment(leaf, payload.data, encoding)

    @property
    def html(self) -> str | None:
        return "\n".join([one.text for one in self.texts if one.html]) or None

    def page(self, *, answer: bool) -> Page:
        """The text that a reader sees: of alternatives one, of all other texts each, in order."""
        whole = Page()
        done: set[int] = set()
        for one in self.texts:
            if one.alternative is None:
                whole.add(one.page(answer))
            elif one.alternative not in done:
                done.add(one.alternative)
                whole.add(_chosen([t for t in self.texts if t.alternative == one.alternative], answer))
        return whole

    def _payload(self, leaf: mime.Leaf, encoding: str) -> Payload:
        payload = decode_transfer(leaf.body, encoding)
        if payload is None:
            self.flaws.append(flaw("unknown_encoding", encoding))
            return Payload(leaf.body)
        if payload.damaged:
            self.flaws.append(flaw("base64_damaged"))
        if payload.rest:
            self.flaws.append(flaw("base64_footer", decode_text(payload.rest[:2000]).text))
        return payload

    def _add_text(self, leaf: mime.Leaf, data: bytes) -> None:
        html = leaf.type == "text/html"
        label = leaf.params.get("charset") or (_meta_charset(data) if html else "")
        decoded = decode_text(data, label or None)
        text = clean(decoded.text)
        if len(text) + decoded.text.count("\r\n") < len(decoded.text):
            self.flaws.append(flaw("control_characters"))
        self._note_charset(decoded, label, data.isascii())
        self.texts.append(_Text(text, html, leaf.alternative, leaf.params))

    def _note_charset(self, decoded: Decoded, label: str, is_ascii: bool) -> None:
        how = f"label {label[:40]}" if label else "no label"
        charset = f"{decoded.codec} ({how})" if decoded.fits or not label else f"{decoded.codec} ({how} wrong)"
        self.charset = self.charset or charset
        if not is_ascii and not decoded.fits:
            self.flaws.append(flaw("charset_guessed", charset))

    def _add_attachment(self, leaf: mime.Leaf, data: bytes, encoding: str) -> None:
        one = attachment(leaf, data)
        self.attachments.append(one)
        if one.type in TNEF:
            self.flaws.append(flaw("tnef", one.name or "winmail.dat"))
        # Only base64 keeps the line ends of a part on its way from server to server.
        self.files.append((one.name or "", data if encoding == "base64" else data.replace(b"\r\n", b"\n")))


def _flat(value: str) -> str:
    """one_line(), which costs much, only where there is something to put right."""
    return value if value.isprintable() and "  " not in value else one_line(value)


def _chosen(texts: Sequence[_Text], answer: bool) -> Page:
    """text/plain, unless it only says that there is HTML, or the HTML has tables, which plain text tears apart."""
    plain = [one for one in texts if not one.html]
    html = [one for one in texts if one.html]
    unusable = not plain or is_placeholder("\n".join([one.text for one in plain]))
    if html and (unusable or any("<t" in one.text or "<T" in one.text for one in html)):
        page = _joined(html, answer)
        if (unusable and page.lines) or page.new_tables():
            return page
    return _joined(plain or html, answer)


def _joined(texts: Iterable[_Text], answer: bool) -> Page:
    page = Page()
    for one in texts:
        page.add(one.page(answer))
    return page


def _undecodable(heads: _Heads, text: str) -> list[str]:
    """Where U+FFFD stands among what decisions are read from."""
    names = "".join([one.name + one.address for one in heads.froms])
    places = (("主题", heads.subject), ("发件人", names), ("正文", text))
    return [place for place, found in places if "\ufffd" in found]


def _findings(
    tree: mime.Tree, heads: _Heads, body: _Body, automatic: Automatic, undecodable: Sequence[str]
) -> Iterable[Finding]:
    found = [*tree.flaws, *body.flaws]
    if not tree.fields and not any(one.text.strip() for one in body.texts):
        found.append(flaw("empty_mail"))
    elif not heads.froms or "@" not in heads.froms[0].address:
        found.append(flaw("no_from"))
    if len(heads.froms) > 1:
        found.append(flaw("several_from"))
    if heads.date is None and heads.first("date"):
        found.append(flaw("date_unreadable", heads.first("date")))
    if automatic.delayed:
        found.append(flaw("delivery_delayed"))
    if undecodable:
        found.append(flaw("undecodable", "、".join(undecodable)))
    return dict.fromkeys(found)


def _meta_charset(data: bytes) -> str:
    found = _META_CHARSET.search(data, 0, 4096)
    return found[1].decode("ascii") if found else ""
