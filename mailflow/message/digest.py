"""Digests by which copies and re-sends of a mail are known (domain §4, mail.md §4 "Adopt" 2)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from mailflow.core.text import fold
from mailflow.message.model import Message

_WHITE = re.compile(r"\s+")
_BLANK = re.compile(r"[\s\u200b-\u200f\u2060-\u2064\ufeff]+")


def content_digest(
    *, sender: str, date: str, subject: str, texts: Iterable[str], files: Iterable[tuple[str, bytes]]
) -> str:
    """SHA-256 of what a mail says, equal in all its copies: trace headers, folding and line ends do not matter.

    `files`: name and bytes, with the line ends of text already normalised.
    """
    parts = [sender.casefold(), _WHITE.sub(" ", date), subject]
    parts += ["\n".join(map(str.rstrip, text.split("\n"))).strip("\n") for text in texts]
    parts.append("")
    for name, content in files:
        parts += [name, hashlib.sha256(content).hexdigest()]
    return _digest(parts)


def resend_digest(message: Message, sender: str, topic: str | None = None) -> str:
    """SHA-256 by which the same text sent again by the same sender is known, however it is laid out (domain §4).

    `sender` is the address to count as the sender's, `topic` what the subject means, if that is known; prefixes, width,
    case and white space do not matter.
    """
    # Not fold: converting a whole text from traditional characters costs as much as reading the mail.
    text = _BLANK.sub("", unicodedata.normalize("NFKC", message.text)).casefold()
    return _digest([fold(sender), fold(message.bare_subject if topic is None else topic), text])


def _digest(parts: Iterable[str]) -> str:
    """Each part with its length, so that nothing can move from one to the next."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "replace")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()
