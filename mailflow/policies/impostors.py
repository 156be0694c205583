"""Mail that looks as if somebody on the roster had sent it, and was not sent from their address (domain §9)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from mailflow.core.findings import Finding
from mailflow.core.mapping import Mapping
from mailflow.core.people import Person, bare_name
from mailflow.core.records import Complaint
from mailflow.message.lookalike import resembled
from mailflow.message.model import Message
from mailflow.policies import threads
from mailflow.policies.desk import Desk, Ending
from mailflow.policies.letter import Letter

CODES = ("lookalike_domain", "name_not_address")
_LONGEST = 100
_WORD = re.compile(r"[^\s<>\"'(),;:\[\]（）【】，；：《》“”]++")
_DECIDING = ("held:", "month:", "complaint:", "ledger:")


def find(message: Message, mapping: Mapping) -> tuple[Finding, ...]:
    """What in the sender of `message` looks like another one."""
    return tuple(_find(message, mapping))


def _find(message: Message, mapping: Mapping) -> Iterator[Finding]:
    for sender in message.froms[:5]:
        person = mapping.roster.by_address(sender.address)
        if person is None and (known := resembled(sender.domain, mapping.domains)):
            yield Finding(
                "lookalike_domain",
                f"发件人的域名 {sender.domain[:_LONGEST]} 很像 {known}，但不是它。请用别的办法向本人核实。",
            )
        shown = _shown(sender.name[:_LONGEST], person, mapping)
        if shown:
            yield Finding(
                "name_not_address",
                f"发件人显示的是{shown}，但地址 {sender.address[:_LONGEST] or '（空）'} 不是本人在人员名册上的地址。"
                "请向本人核实；如果是本人的另一个地址，请加进 people.toml。",
            )


def _shown(name: str, person: Person | None, mapping: Mapping) -> str | None:
    """Which other person of the roster a display name shows, by name or by address."""
    if not name:
        return None
    text = unicodedata.normalize("NFKC", name)
    for word in _WORD.findall(text) if "@" in text else ():
        owner = mapping.roster.by_address(word)
        if owner is not None and owner != person:
            return f"{owner.name}的地址 {word}"
    named = mapping.roster.by_name(name) or mapping.roster.by_name(bare_name(name))
    # Somebody who is not on the roster may bear the same name: that is for a person to tell.
    return named[0].name if named and person not in named else None


def imposture(letter: Letter) -> Finding | None:
    return next((f for f in letter.findings if f.code in CODES), None)


def held(desk: Desk, letter: Letter) -> Ending | None:
    """Such mail is kept like any other; where it would decide something, the manager is shown it."""
    problem = imposture(letter)
    if problem is None or letter.accepted or not decides(desk, letter):
        return None
    return desk.hold(letter, "mail", problem.code, problem.text, choices=("驳回",))


def decides(desk: Desk, letter: Letter) -> bool:
    """A withdrawal, or an answer to something that decides. A complaint is held as one (policies/complaints.py)."""
    reading = letter.reading
    if reading.kind == "withdrawal":
        return True
    if reading.answer is None or (reading.kind == "complaint" and not letter.follows_up):
        return False
    return bool(threads.answered_loosely(desk.book, letter, *_DECIDING) or _numbered(desk, letter))


def _numbered(desk: Desk, letter: Letter) -> bool:
    """By a number that it carries: of a stranger, who is not heard about it otherwise, too."""
    return letter.follows_up and any(desk.book.get(Complaint, number) for number in letter.numbers[:20])
