"""Message -> Reading: what kind of mail it is and what it says (domain §2, §3, §4). Pure; the kinds are data."""

from __future__ import annotations

from dataclasses import replace

from mailflow.core.findings import Finding
from mailflow.core.mapping import Kind, Mapping
from mailflow.core.people import Person
from mailflow.core.register import Register, place_of
from mailflow.core.text import fold
from mailflow.kinds.accused import called, with_engineer
from mailflow.kinds.decision import parse_answer
from mailflow.kinds.fields import Fields, read_fields, says_nothing
from mailflow.kinds.findings import finding
from mailflow.kinds.forms import read_forms
from mailflow.kinds.reading import Answer, Reading
from mailflow.kinds.subject import read_subject
from mailflow.message.model import Message
from mailflow.message.thread import is_answer

__all__ = ["Answer", "Fields", "Reading", "parse_answer", "read", "read_fields", "read_subject"]

PROJECT_FIELD = "项目名称"
COMPLETED_BY_REPLY = ("communication", "registration")
"""Kinds whose missing fields are asked for: a reply under any subject may bring them (domain §3)."""


def read(message: Message, mapping: Mapping, register: Register, sender: Person | None) -> Reading:
    """How `message` is understood. `sender`: the roster person of its From address. Pure; never raises."""
    reading = read_subject(_sound(message.bare_subject), mapping, register, sender)
    text = _sound(message.text)
    tables = [[list(map(_sound, row)) for row in table] for table in message.tables]
    follows = message.is_reply or bool(message.in_reply_to or message.references or is_answer(message.thread_index))
    if kind := mapping.kinds_by_id.get(reading.kind or ""):
        fields = _fields(kind, mapping, message, text, tables)
        reading = _with_fields(reading, kind, fields, register)
        if kind.id == "complaint":
            own = called(sender, message.from_.name if message.from_ else "")
            reading = with_engineer(reading, fields, kind, text, own, mapping.roster, register)
    elif follows:
        fields = _brought(mapping, message, text, tables)
        more = (*reading.findings, *fields.findings)
        reading = reading.model_copy(update={**_said(fields), "vague": fields.vague, "findings": more})
    if follows and (answer := parse_answer(text, mapping.words, mapping.roster)):
        reading = reading.model_copy(update={"answer": answer})
    return reading


def _fields(kind: Kind, mapping: Mapping, message: Message, text: str, tables: list[list[list[str]]]) -> Fields:
    """What the body says, and the forms attached to it."""
    forms = read_forms(kind, mapping, message.attachments)
    fields = read_fields(kind, text, tables, forms.said)
    more = forms.findings_for(kind, fields.values, fields.missing)
    return replace(fields, findings=fields.findings + more) if more else fields


def _sound(text: str) -> str:
    """Without lone surrogates, which no store and no JSON takes."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")
    return text


def _said(fields: Fields) -> dict[str, object]:
    return {"fields": fields.values, "places": fields.places}


def _with_fields(reading: Reading, kind: Kind, fields: Fields, register: Register) -> Reading:
    update = {**_said(fields), "missing": fields.missing, "vague": fields.vague}
    findings = [*fields.findings, *_disagreement(reading, kind, fields, register)]
    return reading.model_copy(update={**update, "findings": (*reading.findings, *findings)})


def _disagreement(reading: Reading, kind: Kind, fields: Fields, register: Register) -> list[Finding]:
    """The body's 项目名称 must mean the project of the subject (domain §3)."""
    rule = next((rule for rule in kind.fields if rule.name == PROJECT_FIELD), None)
    if rule is None or reading.project_text is None:
        return []
    wrong = [
        value
        for value in fields.said.get(PROJECT_FIELD, ())
        if not says_nothing(rule, value) and not _agrees(value, reading, register)
    ]
    subject = reading.project or reading.project_text
    return [finding("project_disagrees", written=value, subject=subject) for value in wrong[:1]]


def _agrees(value: str, reading: Reading, register: Register) -> bool:
    written = reading.project_text or ""
    if fold(value) == fold(written):
        return True
    found = {project.name for project in register.resolve(value)}
    if reading.project:
        return reading.project in found
    return not found and place_of(value) == place_of(written)


def _brought(mapping: Mapping, message: Message, text: str, tables: list[list[list[str]]]) -> Fields:
    """The fields that a reply of no kind brings for what it answers; what is still missing only the book can tell."""
    kinds = (mapping.kinds_by_id.get(kind) for kind in COMPLETED_BY_REPLY)
    found = (_fields(kind, mapping, message, text, tables) for kind in kinds if kind)
    return next((fields for fields in found if fields.values), Fields())
