"""`read`: from the bytes of a mail to what a person would read, top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from mailflow.core.findings import Finding
from mailflow.core.steps import Steps, done
from mailflow.core.text import one_line
from mailflow.message import mime
from mailflow.message.automatic import Automatic, judge
from mailflow.message.body import Body, worst
from mailflow.message.digest import content_digest
from mailflow.message.fields import Headers
from mailflow.message.flaws import dropped, flaw
from mailflow.message.headers import addresses, date, message_id, message_ids
from mailflow.message.model import NO_HINTS, Address, Dropped, Hints, Message
from mailflow.message.page import Page
from mailflow.message.signature import told_apart
from mailflow.message.thread import Thread, read_subject
from mailflow.message.words import decode_words

_ONCE = frozenset((
    "date", "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject",
    "mime-version", "content-type", "content-transfer-encoding",
))  # fmt: skip
"""Header fields that a mail may have once (RFC 5322 §3.6, RFC 2045)."""
_LOST = ("\ufffd", "锟斤拷")
"""What stands where characters were lost: U+FFFD, and U+FFFD that some program read as GBK."""
_UNOPENED = frozenset({"encrypted", "smime_unreadable", "partial", "external_body", "tnef_damaged"})


def read(raw: bytes, hints: Hints = NO_HINTS) -> Message:
    """The mail in `raw`. Pure; takes any bytes and never raises; what is wrong with the mail is in `findings`."""
    return done(read_in_steps(raw, hints))


def read_in_steps(raw: bytes, hints: Hints = NO_HINTS) -> Steps[Message]:
    """`read`, for many mails side by side."""
    tree = mime.parse(raw, hints)
    yield
    heads = _Heads(tree.fields, hints)
    yield
    body = Body(tree.leaves, hints)
    yield
    page = body.page(answer=heads.is_answer, names=heads.names)
    yield
    parts = told_apart(page, heads.names)
    yield
    text, quoted = parts.text, parts.quoted
    automatic = judge(
        headers=heads.fields,
        type_=tree.type,
        params=tree.params,
        subject=heads.subject,
        froms=heads.froms,
        sender=heads.sender,
        attachments=body.attachments,
        text=f"{text}\n{quoted}\n{parts.signature}\n{parts.disclaimer}",
        new=text,
    )
    yield
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
        thread_index=heads.thread_index,
        text=text,
        quoted=quoted,
        signature=parts.signature,
        disclaimer=parts.disclaimer,
        tables=parts.tables,
        html=body.html,
        attachments=tuple(body.attachments),
        automatic=automatic.reason,
        bounce=automatic.bounce,
        bounced=automatic.bounced,
        deliveries=automatic.deliveries,
        reported=automatic.reported,
        unanswered=automatic.unanswered,
        headers=heads.fields,
        charset=_charset(tree, body),
        charset_certainty=worst(body.certainty, tree.raw_certainty),
        content=content_digest(
            sender=heads.froms[0].address if heads.froms else "",
            date=heads.first("date"),
            subject=heads.subject,
            texts=[one.identity for one in body.texts],
            files=body.files,
        ),
        dropped=(*tree.dropped, *body.dropped, *_unseen(page)),
        doubled=heads.doubled,
        findings=tuple(_findings(tree, heads, body, automatic, undecodable)),
        doubtful=bool(undecodable) or _is_unread(tree, body, text),
    )


class _Heads:
    """The header fields of the mail, read."""

    def __init__(self, fields: mime.Fields, hints: Hints) -> None:
        self.fields = Headers(fields, _shown)
        self._raw: dict[str, list[str]] = {}
        for name, (_, value) in zip(self.fields.names, fields, strict=True):
            self._raw.setdefault(name, []).append(value)
        self.subject = one_line(decode_words(self.first("subject"), hints))
        self.thread: Thread = read_subject(self.subject)
        self.froms = self.addresses("from")
        self.names = _names(self.froms)
        """What the sender is called, to know a signature by."""
        self.sender = next(iter(self.addresses("sender")), None)
        self.date = date(self.first("date"))
        self.in_reply_to = message_ids(self._raw.get("in-reply-to", ()))
        self.references = message_ids(self._raw.get("references", ()))
        self.thread_index = "".join(self.first("thread-index").encode("ascii", "ignore").decode().split()) or None

        self.doubled = tuple(
            [name for name, values in self._raw.items() if len(values) > 1 and _disagree(name, values)]
        )

    def first(self, name: str) -> str:
        return self._raw.get(name, [""])[0]

    def addresses(self, name: str) -> tuple[Address, ...]:
        return addresses(self._raw.get(name, ()))

    @property
    def is_answer(self) -> bool:
        return bool(self.thread.is_reply or self.thread.is_forward or self.in_reply_to or self.references)


def _names(froms: Sequence[Address]) -> tuple[str, ...]:
    name = froms[0].name.strip(" '\"") if froms else ""
    return (name,) if name and "@" not in name else ()


def _disagree(name: str, values: Iterable[str]) -> bool:
    return name in _ONCE and len({one_line(decode_words(value)) for value in values}) > 1


def _shown(raw: str) -> str:
    """The value of a header field as people see it."""
    value = (_known(raw) if len(raw) <= _REMEMBERED else decode_words(raw)) if "=?" in raw else raw
    # one_line() costs much: only where there is something to put right.
    return value if value.isprintable() and "  " not in value else one_line(value)


_REMEMBERED = 500
_known = lru_cache(maxsize=2048)(decode_words)
"""The same people write and are written to every day."""


def _unseen(page: Page) -> list[Dropped]:
    """Text that no reader sees, and invisible characters inside words."""
    hidden = [dropped("隐藏文字", text) for text in page.hidden]
    return [*hidden, dropped("控制字符", "；".join(dict.fromkeys(page.controls)))] if page.controls else hidden


def _undecodable(heads: _Heads, text: str) -> list[str]:
    """Where U+FFFD stands among what decisions are read from."""
    names = "".join([one.name + one.address for one in heads.froms])
    places = (("主题", heads.subject), ("发件人", names), ("正文", text))
    return [place for place, found in places if any(mark in found for mark in _LOST)]


def _is_unread(tree: mime.Tree, body: Body, text: str) -> bool:
    """Whether what the mail says is in something that was not opened."""
    return not text.strip() and any(one.code in _UNOPENED for one in (*tree.flaws, *body.flaws))


def _charset(tree: mime.Tree, body: Body) -> str:
    """As people are told: of the body, and of raw headers where they are of another."""
    if not tree.raw_codec or body.charset.startswith(f"{tree.raw_codec} "):
        return body.charset
    return f"{body.charset}; 信头 {tree.raw_codec} (no label)"


def _findings(
    tree: mime.Tree, heads: _Heads, body: Body, automatic: Automatic, undecodable: Sequence[str]
) -> Iterable[Finding]:
    found = [*tree.flaws, *body.flaws]
    if not tree.fields and not any(one.text.strip() for one in body.texts):
        found.append(flaw("empty_mail"))
    elif not heads.froms or "@" not in heads.froms[0].address:
        found.append(flaw("no_from"))
    if len(heads.froms) > 1:
        found.append(flaw("several_from"))
    if doubled := [name for name in heads.doubled if name != "from"]:
        found.append(flaw("doubled_header", "、".join(doubled)))
    if tree.raw_certainty == "guessed":
        found.append(flaw("header_charset_guessed", tree.raw_codec))
    if heads.date is None and heads.first("date"):
        found.append(flaw("date_unreadable", heads.first("date")))
    if automatic.delayed:
        found.append(flaw("delivery_delayed"))
    if undecodable:
        found.append(flaw("undecodable", "、".join(undecodable)))
    return dict.fromkeys(found)
