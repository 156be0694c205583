"""Who is believed to have sent a mail, and what that person may do by mail (domain §9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mailflow.core.address import key_of
from mailflow.core.facts import Signatures
from mailflow.core.findings import Finding
from mailflow.core.mapping import TRUST_ORDER, Kind, MailboxSettings, Mapping, Trust
from mailflow.core.people import Person
from mailflow.message.auth import Check, aligned, verdict
from mailflow.message.model import Message
from mailflow.policies import impostors
from mailflow.policies.letter import Letter


class Standing(NamedTuple):
    """How far the From address of a mail is believed. All texts are Chinese.

    trust: none: not on the roster. roster: on the roster, nothing more is known. authenticated: the polled server, a
    signature of the sender's domain or a trusted relay says that the mail is from there (domain §9, mail.md §5).
    """

    trust: Trust
    evidence: str
    checks: tuple[Check, ...]
    """Everything that was looked at, for `explain`."""
    findings: tuple[Finding, ...] = ()


def standing_of(
    message: Message, person: Person | None, mapping: Mapping, mailbox: str, signatures: Signatures | None
) -> Standing:
    """`signatures`: what checking them found when the mail was fetched."""
    settings = mapping.settings.mailboxes.get(mailbox, _NOTHING)
    found = verdict(
        message,
        settings.authserv_ids,
        received_by=settings.received_by,
        signatures=signatures,
        dkim=settings.dkim,
        arc_sealers=settings.arc_sealers,
    )
    findings = impostors.find(message, mapping)
    doubt = _doubt(message, person, mapping, findings)
    roster = Check("名册", person.name if person else "不在", "" if person else "发件人不在人员名册上")
    checks = (roster, *found.checks, *([doubt] if doubt else []), *_automation(message))
    if person is None:
        return Standing("none", "发件人不在人员名册上", checks, findings)
    if doubt:
        return Standing("roster", doubt.detail, checks, findings)
    return Standing("authenticated" if found.ok else "roster", found.evidence, checks, findings)


_NOTHING = MailboxSettings()


def _doubt(message: Message, person: Person | None, mapping: Mapping, findings: Sequence[Finding]) -> Check | None:
    """What the roster says against a sender whom others vouch for."""
    if findings:
        return Check("冒充", "可疑", findings[0].text)
    if not message.reply_to or person is None:
        return None
    sender = message.from_.domain if message.from_ else ""
    own = set(map(key_of, mapping.settings.own_addresses))
    for one in message.reply_to[:20]:
        known = key_of(one.address) in own or mapping.roster.by_address(one.address) == person
        if not known and not aligned(one.domain, sender):
            return Check("回信地址", "可疑", f"回信地址 (Reply-To) 是别处的：{one.address[:100]}")
    return None


def _automation(message: Message) -> Iterator[Check]:
    if message.deliveries:
        each = "；".join(
            f"{d.recipient or '（没有写收件人）'} {d.action} {d.status}".strip() for d in message.deliveries[:5]
        )
        yield Check("投递报告", "退信" if message.bounce else "不是退信", each[:300])
    if message.automatic:
        yield Check("自动邮件", "是", message.automatic[:200])
    if message.unanswered:
        yield Check("自动答复", "不回", "发件人请求不要自动答复 (X-Auto-Response-Suppress)")


def refusal(letter: Letter, kind: Kind, mapping: Mapping) -> Finding | None:
    """Why this sender may not send a mail of `kind`; None when it may."""
    person = mapping.roster.get(letter.person)
    if not letter.accepted and (found := impostors.imposture(letter)):
        return found
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
