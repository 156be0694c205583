"""The corpus: NN-name.eml, what reading it gives (NN-name.expect), and what it shows (NN-name.readme).

`pytest tests/test_corpus.py --corpus-update` writes the .expect files; read the difference before committing it. Mail
that must not be published goes into tests/corpus/private/, which git ignores.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mailflow.message import Address, Message, read

CORPUS = Path(__file__).parent / "corpus"
MAILS = sorted([*CORPUS.glob("*.eml"), *CORPUS.glob("private/*.eml")])


def selected(message: Message) -> dict[str, Any]:
    """The fields that .expect holds; empty ones are left out."""
    found: dict[str, Any] = {
        "subject": message.subject,
        "bare_subject": message.bare_subject,
        "tags": list(message.tags),
        "is_reply": message.is_reply,
        "is_forward": message.is_forward,
        "case_numbers": list(message.case_numbers),
        "from": shown([message.from_] if message.from_ else []),
        "froms": shown(message.froms) if len(message.froms) > 1 else [],
        "sender": shown([message.sender] if message.sender else []),
        "reply_to": shown(message.reply_to),
        "to": shown(message.to),
        "cc": shown(message.cc),
        "date": message.date.isoformat() if message.date else None,
        "message_id": message.message_id,
        "in_reply_to": list(message.in_reply_to),
        "references": list(message.references),
        "text": message.text.split("\n") if message.text else None,
        "quoted": message.quoted.split("\n") if message.quoted else None,
        "tables": [[list(row) for row in table] for table in message.tables],
        "attachments": [[a.name, a.type, a.size, "inline" if a.inline else ""] for a in message.attachments],
        "automatic": message.automatic,
        "bounce": message.bounce,
        "bounced": list(message.bounced),
        "charset": message.charset,
        "doubtful": message.doubtful,
        "findings": [finding.code for finding in message.findings],
        "content": message.content,
    }
    return {key: value for key, value in found.items() if value}


def shown(addresses: tuple[Address, ...] | list[Address]) -> list[list[str]]:
    return [[one.name, one.address] for one in addresses]


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_mail_is_read_as_expected(mail: Path, request: pytest.FixtureRequest) -> None:
    found = selected(read(mail.read_bytes()))
    expect = mail.with_suffix(".expect")
    if request.config.getoption("--corpus-update"):
        expect.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(expect.read_text(encoding="utf-8"))


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_line_ends_and_trace_headers_do_not_change_the_content_digest(mail: Path) -> None:
    raw = mail.read_bytes()
    lf = raw.replace(b"\r\n", b"\n")
    traced = (
        b"Return-Path: <bounce@x.example>\r\nReceived: from a by b; Sat, 21 Nov 2026 00:00:00 +0800\r\nX-Copy: 2\r\n"
    )
    contents = {read(copy).content for copy in (raw, lf, lf.replace(b"\n", b"\r\n"), traced + raw)}
    assert len(contents) == 1


def test_every_mail_of_the_corpus_says_what_it_shows() -> None:
    public = sorted(CORPUS.glob("*.eml"))
    assert len(public) >= 40
    for mail in public:
        lines = mail.with_suffix(".readme").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1, mail.name
    assert {p.stem for p in CORPUS.glob("*.expect")} == {p.stem for p in public}
