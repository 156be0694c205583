"""How a mail is read and why, without changing anything: for `mailflow explain`."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from mailflow import policies
from mailflow.app import App
from mailflow.core.book import Book, memory_book
from mailflow.core.facts import MailFact, MappingFact
from mailflow.core.mapping import Mapping
from mailflow.core.records import Complaint, Mail
from mailflow.errors import UserError
from mailflow.message.model import Address, Message
from mailflow.policies.letter import Letter

UNKNOWN_SEQ = 999_999_999


def explain(app: App, raw: bytes, received: datetime, mailbox: str | None = None) -> dict[str, Any]:
    """What `explain --json` prints of one mail (architecture, "Public interface").

    The mail is decided on the store as it stands, or on the mappings alone where there is no store yet; nothing is
    kept. `mailbox`: whose authserv-ids are believed; the first configured one by default.
    """
    names = [box.name for box in app.config.mailboxes]
    if mailbox is not None and mailbox not in names:
        raise UserError(f"配置里没有名为 {mailbox} 的邮箱：{'、'.join(names)}")
    fact = MailFact(
        seq=UNKNOWN_SEQ,
        time=received,
        mailbox=mailbox or names[0],
        folder="",
        uidvalidity="",
        uid="",
        digest=hashlib.sha256(raw).hexdigest(),
        raw=raw,
    )
    mapping, _ = app.mapping_on_disk()
    if app.has_store():
        with app.store.read() as reader:
            if reader.mapping() is not None:
                return _explained(fact, reader.book, mapping)
    return _explained(fact, _fresh_book(mapping, received), mapping)


def _fresh_book(mapping: Mapping, now: datetime) -> Book:
    """A book that knows the mappings and nothing else."""
    fact = MappingFact(seq=0, time=now, version=mapping.version, files={}, settings="")
    return memory_book(policies.decide(memory_book(), fact, mapping).entries)


def _explained(fact: MailFact, book: Book, mapping: Mapping) -> dict[str, Any]:
    letter, message = policies.read(fact, book, mapping)
    entries = policies.decide_letter(book, letter, mapping).entries
    mail = next(row for row in entries if isinstance(row, Mail) and row.seq == fact.seq)
    taken = next((m for m in book.find(Mail, content=letter.content) if m.message_id == letter.message_id), None)
    shown = taken or mail
    complaint = next((row for row in entries if isinstance(row, Complaint) and row.mail == mail.key), None)
    if taken is not None:
        complaint = next(iter(book.find(Complaint, mail=taken.key)), None)
    kind = mapping.kinds_by_id.get(shown.kind or "")
    return {
        **_read(message, letter),
        **_decided(shown, letter, complaint),
        "kind_name": kind.name if kind else None,
        "taken": taken is not None,
    }


def _read(message: Message, letter: Letter) -> dict[str, Any]:
    """How the bytes were read."""
    return {
        "subject": message.subject,
        "from": _address(message.from_),
        "to": [_address(a) for a in message.to],
        "cc": [_address(a) for a in message.cc],
        "date": message.date.isoformat() if message.date else None,
        "message_id": message.message_id,
        "text": message.text,
        "quoted": message.quoted,
        "attachments": [{"name": a.name, "type": a.type, "size": a.size} for a in message.attachments],
        "is_reply": message.is_reply,
        "is_forward": message.is_forward,
        "automatic": message.automatic,
        "bounce": message.bounce,
        "charset": message.charset,
        "trust": letter.trust,
        "evidence": letter.evidence,
    }


def _decided(mail: Mail, letter: Letter, complaint: Complaint | None) -> dict[str, Any]:
    """What it was taken for."""
    reading = letter.reading
    engineer = complaint.engineer if complaint else reading.person
    return {
        "kind": mail.kind,
        "resembles": reading.resembles,
        "project": reading.project,
        "project_text": reading.project_text,
        "engineer": engineer,
        "sender": letter.person,
        "fields": reading.fields,
        "missing": list(reading.missing),
        "vague": list(reading.vague),
        "answer": reading.answer.line if reading.answer else None,
        "corrected": reading.corrected,
        "findings": [{"code": f.code, "text": f.text} for f in mail.findings],
        "disposition": mail.disposition,
        "matter": mail.matter,
    }


def _address(address: Address | None) -> dict[str, str] | None:
    return {"name": address.name, "address": address.address} if address else None


_LABELS = {
    "subject": "主题", "from": "发件人", "to": "收件人", "cc": "抄送", "date": "日期", "message_id": "Message-ID",
    "charset": "编码", "trust": "可信程度", "evidence": "依据", "kind": "类型", "resembles": "像是", "project": "项目",
    "project_text": "项目原文", "engineer": "工程师", "missing": "缺少", "vague": "不够具体", "answer": "答复",
    "automatic": "自动邮件", "corrected": "正确的主题", "disposition": "处理", "matter": "有关",
}  # fmt: skip


_WORDS = {
    "trust": {"none": "不在名册", "roster": "在名册，未验证", "authenticated": "已验证"},
    "disposition": {
        "recorded": "记录", "decided": "执行决定", "held": "列入待确认", "near_miss": "请发件人更正",
        "duplicate": "重发，不另记", "copy": "副本，不另记", "discussion": "往来邮件，不改变什么",
        "automatic": "自动邮件，不处理", "bounce": "退信，不处理", "own": "本系统发出的，不处理",
        "unmatched": "不属于任何一种，只保存", "set_aside": "搁置",
    },
}  # fmt: skip


def lines(found: dict[str, Any]) -> list[str]:
    """`explain` for a person."""
    shown = [f"{label}：{_said(found, name)}" for name, label in _LABELS.items() if found[name] not in (None, [], "")]
    shown += [f"  {name}：{value}" for name, value in found["fields"].items()]
    shown += [f"附件：{a['name'] or '（无名）'}（{a['type']}，{a['size']} 字节）" for a in found["attachments"]]
    shown += [f"• {finding['text']}" for finding in found["findings"]]
    return [*shown, "正文：", *(f"  {line}" for line in found["text"].splitlines())]


def _said(found: dict[str, Any], name: str) -> str:
    """A value, and for an id the words that it stands for."""
    text = _text(found[name])
    words = found["kind_name"] if name == "kind" else _WORDS.get(name, {}).get(text)
    return f"{text}（{words}）" if words else text


def _text(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['name']} <{value['address']}>".strip()
    return "、".join(map(_text, value)) if isinstance(value, list) else str(value)
