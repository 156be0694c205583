"""Who is named in a line of text."""

from __future__ import annotations

import re

from mailflow.core.people import Person, Roster
from mailflow.core.text import fold

_BETWEEN = re.compile(r"[\s、，,。.;；:：/／&＆|]+")
_AND = re.compile("[和与及]")
_BEHIND = re.compile(r"(?:负责|处理|承担|名下|工程师|同事)$")
_MOST = 12


def person_named(text: str, roster: Roster) -> Person | None:
    """The only person whom `text` names: by the whole of it, or by one of the words between its punctuation.

    None when it names nobody, two, or a name that two people share: never guessed (domain §1).
    """
    text = text.strip()
    if len(text) > 200:
        return None
    if whole := _meant(text, roster):
        return whole[0] if len(whole) == 1 else None
    words = _words(text, roster)
    named = [people for word in words if (people := _meant(word, roster))]
    if any(len(people) > 1 for people in named):
        return None
    persons = {people[0].name for people in named}
    # Somebody who only turns up later in the sentence is talked about, not named.
    alone = len(persons) == 1 and _meant(words[0], roster) and not _others(words, persons, roster)
    return named[0][0] if alone else None


def _others(words: list[str], persons: set[str], roster: Roster) -> bool:
    """李四和王五都没有报告: whether a word goes on behind the name of somebody else."""
    longer = [fold(word) for word in words if not _meant(word, roster)]
    return any(
        word.startswith(name)
        for word in longer
        for name in roster.names()
        if len(name) > 1 and persons.isdisjoint(person.name for person in roster.by_name(name))
    )


def names_somebody(text: str, roster: Roster) -> bool:
    """Whether anybody on the roster is among those whom `text` may name."""
    return any(_meant(word, roster) for word in (text, *_words(text[:200], roster)))


def _words(text: str, roster: Roster) -> list[str]:
    return [part for word in _BETWEEN.split(text)[:_MOST] if word for part in _split(word, roster)]


def _meant(word: str, roster: Roster) -> tuple[Person, ...]:
    return roster.by_name(word) or roster.by_name(_BEHIND.sub("", word))


def _split(word: str, roster: Roster) -> list[str]:
    """李四和王五 -> both; a name that holds such a character stays whole."""
    return [word] if _meant(word, roster) else [w for w in _AND.split(word) if w]
