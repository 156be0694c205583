"""E-mail addresses as people write them into configuration and roster. Pure."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def is_address(text: str) -> bool:
    """Whether `text` is one bare address (RFC 5321 §4.1.2 without quoting, comments and international characters)."""
    return _ADDRESS.fullmatch(text) is not None and ".." not in text


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()
