"""Which mail is the same as another one (architecture, "Identity by three keys"), and which is nobody's word."""

from __future__ import annotations

import re

from mailflow.core.address import key_of
from mailflow.core.findings import Finding
from mailflow.core.records import Held, Mail
from mailflow.message.automatic import by_list
from mailflow.policies import bounces, impostors, resends
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter

_LISTED_KINDS = ("registration", "communication", "complaint", "withdrawal")
"""What somebody's pay or deadlines hang on, and must not vanish because a list passed it on."""


def own(desk: Desk, letter: Letter) -> Ending | None:
    """Mail that mailflow sent itself and that comes back: never answered, or it would loop (domain §9)."""
    notice = desk.book.notice_by_id(letter.message_id) if letter.message_id else None
    if notice is not None:
        return Ending("own", notice.matter)
    if letter.message_id and _OURS.fullmatch(letter.message_id.removesuffix(f"@{desk.mapping.settings.domain}>")):
        # An alarm, or a notice that a rebuild no longer wants.
        return Ending("own")
    if key_of(letter.sender) in map(key_of, desk.mapping.settings.own_addresses) and not letter.person:
        return Ending("own")
    return None


_OURS = re.compile(r"<mf-[0-9a-f]{32}")
"""How the Message-IDs begin that desk.py and alarm.py make."""


def copy(desk: Desk, letter: Letter) -> Ending | None:
    """The same mail again: in a second mailbox, redelivered, or read anew after UIDVALIDITY changed."""
    for mail in desk.book.find(Mail, content=letter.content):
        if mail.message_id == letter.message_id and (letter.automatic or not _is_listed(mail)):
            resends.seen_earlier(desk, mail, letter)
            return Ending("copy", mail.matter, kind=mail.kind)
    return None


def automatic(desk: Desk, letter: Letter) -> Ending | None:
    """Never answered, never counted, never opens a problem (domain §9). What a colleague wrote is not lost for having
    come through a list: the manager is asked."""
    if ending := bounces.report(desk, letter):
        return ending
    if not letter.automatic:
        return None
    if _matters(desk, letter):
        text = f"这封邮件是经邮件列表转来的（{letter.automatic}），请确认是否算数；以后请直接寄给本系统的邮箱。"
        return desk.hold(letter, "mail", "list_mail", text, choices=("确认", "驳回"))
    found = [Finding("automatic", f"自动邮件（{letter.automatic}），不作处理。")]
    if by_list(letter.automatic):
        found.append(Finding("list_mail", "只是经邮件列表转来的；直接寄来的同一封会照常处理。"))
    return Ending("automatic", findings=tuple(found))


def _matters(desk: Desk, letter: Letter) -> bool:
    """Whether a list passed on what only a person of the roster may say, and what did not come directly as well."""
    person = desk.mapping.roster.get(letter.person)
    if person is None or not by_list(letter.automatic) or impostors.imposture(letter):
        return False
    if letter.message_id is not None and desk.book.mail_by_id(letter.message_id):
        return False
    new = letter.reading.kind in _LISTED_KINDS and not letter.follows_up
    return new or (letter.reading.answer is not None and impostors.decides(desk, letter))


def _is_listed(mail: Mail) -> bool:
    """Whether it is what a list made of a mail, and nobody has decided on it: one that comes directly counts."""
    listed = "list_mail" in {finding.code for finding in mail.findings}
    return listed and mail.disposition in ("held", "automatic", "copy")


def reused(desk: Desk, letter: Letter) -> Ending | None:
    """Another mail had this Message-ID with other content: kept, flagged, held."""
    known = desk.book.find(Mail, message_id=letter.message_id) if letter.message_id else []
    for mail in filter(_is_listed, known):
        _overtake(desk, mail)
    if all(map(_is_listed, known)):
        return None
    return desk.hold(
        letter,
        "mail",
        "message_id_reused",
        "已收过 Message-ID 相同而内容不同的邮件，请确认这封是否有效。",
        choices=("确认", "驳回"),
    )


def _overtake(desk: Desk, mail: Mail) -> None:
    """The mail that a list passed on has come directly: nobody need decide on the list's."""
    for held in desk.book.find(Held, mail=mail.key, state="open"):
        desk.close(held, "同一封邮件也直接寄到了，以直接寄到的为准。")
        desk.end_mail(mail.key, "copy")
