"""E-mail addresses as people write them into configuration and roster, and as mail spells them. Pure.

A domain has two spellings, 例子.example and xn--fsqu00a.example (IDNA 2008): they are one address everywhere here, and
only the second one goes out. What stands before the @ has one spelling only (RFC 6530).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_LONGEST_LOCAL = 64
_LONGEST_DOMAIN = 253
"""RFC 5321 §4.5.3.1; and a hostile domain must not cost time."""


def is_address(text: str) -> bool:
    """Whether `text` is one bare address (RFC 5321 §4.1.2, RFC 6531 §3.3; without quoting and comments)."""
    local, _, domain = text.rpartition("@")
    if len(local.encode("utf-8", "replace")) > _LONGEST_LOCAL or ".." in text:
        return False
    if not unicodedata.is_normalized("NFKC", local):
        return False  # ｗang: somebody's input method was still on
    ascii_local = "".join([c for c in local if c.isascii() or unicodedata.category(c)[0] not in "LMN"])
    return (
        bool(local)
        and (not ascii_local or _LOCAL.fullmatch(ascii_local) is not None)
        and _DOMAIN.fullmatch(_a_labels(domain)) is not None
    )


def is_plain(text: str) -> bool:
    """Whether `text` is an address that every server takes: letters before the @ are Latin ones."""
    return is_address(text) and ascii_form(text).isascii()


def ascii_form(address: str) -> str:
    """The address with its domain as every server knows it; what stands before the @ stays as it is.

    >>> ascii_form("wang@\u4f8b\u5b50.example")
    'wang@xn--fsqu00a.example'
    """
    local, at, domain = address.rpartition("@")
    return address if domain.isascii() else f"{local}{at}{_a_labels(domain)}"


def key_of(address: str) -> str:
    """What is equal for two spellings of one address, and for no two others."""
    if address.isascii():
        return address.lower()
    local, at, domain = address.rpartition("@")
    return f"{unicodedata.normalize('NFC', local).casefold()}{at}{_a_labels(domain)}"


def domain_of(address: str) -> str:
    """In lower case, and in Latin letters where that can be."""
    return _a_labels(address.rpartition("@")[2])


def _a_labels(domain: str) -> str:
    return domain.lower() if domain.isascii() else _encoded(domain)


@lru_cache(maxsize=4096)
def _encoded(domain: str) -> str:
    """Strictly: a full-width letter or stop is no other spelling of a name, but somebody's trick (mail.md §5)."""
    import idna  # slow to import, and rarely needed

    plain = unicodedata.normalize("NFC", domain[: _LONGEST_DOMAIN + 1]).lower()
    try:
        return idna.encode(plain, strict=True).decode("ascii")
    except UnicodeError:
        return plain
