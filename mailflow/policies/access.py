"""Who is believed to have sent a mail, and what that person may do by mail (domain §9)."""

from __future__ import annotations

from mailflow.core.findings import Finding
from mailflow.core.mapping import TRUST_ORDER, Kind, Mapping, Trust
from mailflow.core.people import Person
from mailflow.message.auth import verdict
from mailflow.message.model import Message
from mailflow.policies.letter import Letter


def trust_of(message: Message, person: Person | None, mapping: Mapping, mailbox: str) -> tuple[Trust, str]:
    """How far the From address is believed, and the evidence in Chinese.

    none: not on the roster. roster: on the roster, nothing more is known. authenticated: the polled server itself
    says that the mail is from there (RFC 8601, mail.md §5).
    """
    if person is None:
        return "none", "发件人不在人员名册上"
    settings = mapping.settings.mailboxes.get(mailbox)
    found = verdict(message, settings.authserv_ids if settings else ())
    return ("authenticated" if found.ok else "roster"), found.evidence


def refusal(letter: Letter, kind: Kind, mapping: Mapping) -> Finding | None:
    """Why this sender may not send a mail of `kind`; None when it may."""
    person = mapping.roster.get(letter.person)
    if person is None:
        return Finding(
            "sender_unknown", f"发件人 {letter.sender or '（无地址）'} 不在人员名册上，不能发“{kind.name}”。"
        )
    if not person.active(mapping.calendar.day(letter.received)):
        return Finding("sender_left", f"{person.name} 当天不在职，不能发“{kind.name}”。")
    if kind.senders and person.role not in kind.senders:
        return Finding("sender_role", f"{person.name} 的角色（{person.role}）不能发“{kind.name}”。")
    return unverified(letter, kind.trust, kind.name)


def unverified(letter: Letter, needed: Trust, what: str) -> Finding | None:
    """Why the sender is not believed as far as `what` needs; None when it is."""
    if TRUST_ORDER.index(letter.trust) >= TRUST_ORDER.index(needed):
        return None
    return Finding("sender_unverified", f"“{what}”的发件人没有通过验证：{letter.evidence}。")
