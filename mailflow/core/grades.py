"""Arithmetic of pay grades (domain §4): grades are written 5, "5", "P5" or as steps of a scale. Pure.

A level is the grade as a number: higher is better. In a scale the lowest step is level 1, so that the default floor
of 1 means "not below the lowest step" there too.
"""

from __future__ import annotations

import re

from mailflow.core.mapping import Pay

_DIGITS = re.compile(r"[0-9]{1,9}\Z")


def level(grade: str | int | None, pay: Pay) -> int | None:
    """The level of `grade`; None where it cannot be told (no grade, or one that is neither number nor step)."""
    if grade is None:
        return None
    if pay.scale:
        return _step(str(grade).strip(), pay)
    if isinstance(grade, int):
        return int(grade)
    found = _DIGITS.search(grade.strip())
    return int(found.group()) if found else None


def _step(grade: str, pay: Pay) -> int | None:
    if grade in pay.scale:
        return pay.scale.index(grade) + 1
    # A bare number that is no step's name means the how-manieth step: floor = 1.
    number = int(grade) if grade.isascii() and grade.isdigit() and len(grade) < 10 else 0
    return number if 1 <= number <= len(pay.scale) else None


def label(level: int, pay: Pay, like: str | int | None) -> str:
    """How `level` is written for somebody whose grade is written as `like`: 4 like "P5" is "P4"."""
    if pay.scale:
        return pay.scale[min(max(level, 1), len(pay.scale)) - 1]
    text = "" if like is None else str(like).strip()
    found = _DIGITS.search(text)
    return text[: found.start()] + str(level) if found and level >= 0 else str(level)


def floor_level(pay: Pay) -> int:
    """The level below which nobody is demoted."""
    found = level(pay.floor, pay)
    return 1 if found is None else found
