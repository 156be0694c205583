"""Whether a mail comes from its From address (RFC 8601, RFC 6376, RFC 8617, domain §9, mail.md §5).

Three may vouch for it: our own border in its Authentication-Results, a signature of the sender's domain, and a relay
whose seal is trusted. Each says what it found, so that a person can follow the verdict; nothing here asks the network.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from mailflow.core.address import domain_of, key_of
from mailflow.core.facts import Signatures
from mailflow.message.headers import addresses
from mailflow.message.mime import read_head
from mailflow.message.model import Address, Message
from mailflow.message.results import read_results, result_of
from mailflow.message.trace import RECEIVED, Place, Trace

EXCHANGE = "x-ms-exchange-organization-authas"
"""Stands among authserv-ids for Microsoft 365 and Exchange, whose results carry no id (mail.md §8, 19)."""
_RESULTS, _SEALED = "authentication-results", "arc-authentication-results"
_TRACE = frozenset({_RESULTS, RECEIVED, _SEALED, EXCHANGE, "from"})
ONCE = frozenset(
    (
        "from", "sender", "subject", "date", "message-id", "in-reply-to", "references", "content-type",
        "content-transfer-encoding",
    )
)  # fmt: skip
"""What decides and may stand once (RFC 5322 §3.6): of two, a signature may cover one and a reader see the other."""

_UNREADABLE = frozenset({"encrypted", "smime_unreadable"})

_INSTANCE = re.compile(r"\s*i\s*=\s*(\d{1,3})\s*;")
_GROUP = re.compile(r'[^"<@:]*+:[^;]*+;\s*+\Z')
_WORD = re.compile(r"[^\s<>\"'(),;:\[\]（）【】，；：《》“”]++")
_SHOWN = 6
_HEAD = 65_536


class Check(NamedTuple):
    """One thing that was looked at: all three are Chinese, for a person."""

    name: str
    result: str
    detail: str


class Verdict(NamedTuple):
    """`evidence`: Chinese, short, why. `checks`: everything that was looked at, what was ignored included."""

    ok: bool
    evidence: str
    checks: tuple[Check, ...] = ()


class _Opinion(NamedTuple):
    """What one of those who may vouch has found."""

    ok: bool
    check: Check


def verdict(
    message: Message,
    authserv_ids: Collection[str],
    *,
    received_by: Collection[str] = (),
    signatures: Signatures | None = None,
    dkim: bool = False,
    arc_sealers: Collection[str] = (),
) -> Verdict:
    """Whether `message` counts as sent by its From address.

    Args:
        authserv_ids: of Authentication-Results, only the topmost of one of these is believed, and only above the
            Received lines by which our border took the mail in: whatever is below, the sender may have written.
        received_by: the names in those Received lines; a leading dot stands for all hosts of a domain. Empty: the
            authserv_ids are these names.
        signatures: what checking them found when the mail was fetched.
        dkim: whether a signature of the From domain is enough.
        arc_sealers: domains of relays whose seal makes the results that they saw count like ours.
    """
    trace = message.headers.of(_TRACE)
    doubt = _sender_doubt(message, trace)
    sender = message.from_.address if message.from_ else ""
    checks = [Check("发件人", "存疑" if doubt else "可辨认", doubt or sender[:200])]
    opinions = [
        *_of_border(message, trace, _folded(authserv_ids), _folded(received_by)),
        *(_of_signatures(message, signatures) if dkim else ()),
        *(_of_sealers(message, signatures, _folded(arc_sealers)) if arc_sealers else ()),
    ]
    checks += [one.check for one in opinions]
    if doubt:
        return Verdict(False, doubt, tuple(checks))
    vouching = next((one for one in opinions if one.ok), None)
    if vouching:
        return Verdict(True, vouching.check.detail, tuple(checks))
    if not (authserv_ids or dkim or arc_sealers):
        return Verdict(False, "没有配置 authserv_ids", tuple(checks))
    # What failed or is not known says more than what was passed over; and our own border says most.
    said = next((one for one in opinions if one.check.result not in _PASSED_OVER), None)
    said = said or next((one for one in opinions if one.check.result == "可疑"), None)
    return Verdict(False, said.check.detail if said else "没有可信服务器的认证结果", tuple(checks))


_PASSED_OVER = ("忽略", "可疑", "没有")


def senders(raw: bytes) -> tuple[Address, ...]:
    """All From addresses of a mail, without reading the rest of it."""
    head = read_head(raw, 0, min(len(raw), _HEAD))
    return addresses([value for name, value in head.fields if name.casefold() == "from"])


def _folded(names: Collection[str]) -> frozenset[str]:
    return _as_compared(tuple(names))


@lru_cache(maxsize=256)
def _as_compared(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one.strip().casefold().rstrip(".") for one in names)


# -- the sender ------------------------------------------------------------------------------------------------------


def _sender_doubt(message: Message, trace: Trace) -> str | None:
    """Why nobody can say whose mail this is, whatever a border found (mail.md §8, 20)."""
    sender = message.from_
    if sender is None or "@" not in sender.address:
        return "没有可辨认的发件人地址"
    if len(message.froms) > 1 or "from" in message.doubled:
        return "有不止一个发件人地址"
    if message.doubled and (doubled := sorted(ONCE.intersection(message.doubled))):
        return f"信头 {'、'.join(doubled)} 不止一个，内容不同，不能确定哪一个是真的"
    if any(key == "from" and _GROUP.match(value) for key, value in trace):
        return "发件人写的是一个组，不是一个人"
    name = unicodedata.normalize("NFKC", sender.name[:500])
    shown = _WORD.findall(name) if "@" in name else ()
    if any("@" in one.strip("@") and key_of(one) != key_of(sender.address) for one in shown):
        return "显示名里的地址与真实发件地址不同"
    other = message.sender
    if other and key_of(other.address) != key_of(sender.address) and not aligned(other.domain, sender.domain):
        return f"实际发送者 (Sender) 是另一个地址：{other.address[:100]}"
    if any(finding.code in _UNREADABLE for finding in message.findings):
        return "正文是加密的，读不出来，不作凭据"
    return "信中有无法辨认的字符 (U+FFFD)，不作凭据" if message.doubtful else None


SECOND = frozenset({"ac", "co", "com", "edu", "gov", "idv", "mil", "net", "org"})
"""Under a country's domain these are nobody's own: com.cn."""


def aligned(one: str, other: str) -> bool:
    """Whether two domains belong together: equal, or one under the other, which is nobody's suffix such as com.cn."""
    one, other = domain_of(one).strip("."), domain_of(other).strip(".")
    short, long = sorted((one, other), key=len)
    first, dot, last = short.partition(".")
    if not dot or (len(last) == 2 and first in SECOND):
        return False
    return short == long or long.endswith("." + short)


# -- our own border --------------------------------------------------------------------------------------------------


def _of_border(message: Message, trace: Trace, ids: frozenset[str], received_by: frozenset[str]) -> Iterator[_Opinion]:
    """What our border says, and what pretends to be its word."""
    if not ids:
        return
    if EXCHANGE in ids:
        yield from _of_exchange(trace)
    place = Place(trace, received_by or ids)
    idless = bool(EXCHANGE in ids and received_by and sum(key == EXCHANGE for key, _ in trace) == 1)
    believed, ignored = False, 0
    for index, (key, value) in enumerate(trace):
        if key != _RESULTS:
            continue
        authserv_id, segments = read_results(value)
        named = authserv_id in ids if authserv_id else idless
        problem = _why_ignored(authserv_id, named, believed, place.problem(index, sure=not authserv_id))
        if problem is None:
            believed = True
            ok, detail = _judged(message, authserv_id or "收信服务器", segments)
            yield _Opinion(ok, Check("认证结果", "通过" if ok else "未通过", detail))
        elif (ignored := ignored + 1) <= _SHOWN:
            yield _Opinion(False, Check("认证结果", "可疑" if named else "忽略", problem))
    if not believed and ids != {EXCHANGE}:
        yield _Opinion(False, Check("认证结果", "没有", "没有可信服务器的认证结果"))


def _of_exchange(trace: Trace) -> Iterator[_Opinion]:
    """Exchange removes these from outside mail, and writes Internal where the sender had logged in (mail.md §5)."""
    said = [value.strip().casefold() for key, value in trace if key == EXCHANGE]
    if said == ["internal"]:
        yield _Opinion(True, Check("Exchange", "通过", "Exchange 组织内部认证 (AuthAs: Internal)"))
    else:
        text = "、".join(said)[:100] if said else "没有这个信头"
        yield _Opinion(False, Check("Exchange", "未通过", f"Exchange 没有说是内部邮件 (AuthAs: {text})"))


def _why_ignored(authserv_id: str, named: bool, believed: bool, place: str | None) -> str | None:
    shown = authserv_id[:100] or "没有写服务器名"
    if not named:
        return f"{shown}：不在 authserv_ids 里，不作凭据" if authserv_id else "没有写是哪台服务器的，不作凭据"
    if believed:
        return f"{shown}：不是最上面的一条，不作凭据"
    return f"{shown} {place}" if place else None


def _judged(message: Message, authserv_id: str, segments: Iterable[Sequence[str]]) -> tuple[bool, str]:
    """Whether these results vouch for the From address. spf=pass alone does not: it is about the envelope."""
    results = [one for one in map(result_of, segments) if one]
    if message.from_ is None:
        return False, f"{authserv_id}：没有发件人地址"
    address, domain = key_of(message.from_.address), message.from_.domain
    for one in (r for r in results if r.result == "pass"):
        if one.method == "dmarc" and domain_of(one.properties.get("header.from", domain)).strip(".") == domain:
            return True, f"{authserv_id}：dmarc=pass"
        signer = one.properties.get("header.d") or one.properties.get("header.i", "").rpartition("@")[2]
        if one.method == "dkim" and aligned(signer, domain):
            return True, f"{authserv_id}：dkim=pass ({signer[:100]})"
        names = (one.properties.get("smtp.auth", ""), one.properties.get("smtp.mailfrom", ""))
        if one.method == "auth" and address in map(key_of, names):
            return True, f"{authserv_id}：auth=pass ({address[:100]})"
    said = " ".join(f"{r.method}={r.result}" for r in results)[:120]
    return False, f"{authserv_id} 没有证实发件人：{said or '没有结果'}"


# -- signatures ------------------------------------------------------------------------------------------------------

_WORDS = {"pass": "通过", "fail": "失败", "unknown": "未知"}


def _of_signatures(message: Message, found: Signatures | None) -> Iterator[_Opinion]:
    """A signature of the From domain that covers everything that decides (RFC 6376 §5.4, §8.15)."""
    if found is None or not found.dkim:
        text = "没有发件人域名的签名" if found else "收信时没有核对签名"
        yield _Opinion(False, Check("DKIM", "没有", text))
        return
    domain = message.from_.domain if message.from_ else ""
    for one in found.dkim:
        name = f"DKIM {one.domain[:100]}"
        if one.result != "pass":
            yield _Opinion(False, Check("DKIM", _WORDS[one.result], f"{name}：{one.reason}"))
        elif not aligned(one.domain, domain):
            yield _Opinion(False, Check("DKIM", "忽略", f"{name}：不是发件人域名的签名"))
        elif one.unsigned:
            text = f"{name}：签名有效，但不包括 {'、'.join(one.unsigned)}"
            yield _Opinion(False, Check("DKIM", "未通过", text))
        else:
            yield _Opinion(True, Check("DKIM", "通过", f"{name}：签名有效"))


def _of_sealers(message: Message, found: Signatures | None, trusted: frozenset[str]) -> Iterator[_Opinion]:
    """What the oldest relay saw of those from which on every seal is a trusted one.

    Not what an earlier one saw: a relay that is not trusted may have written the whole mail anew and sealed that.
    """
    if found is None or found.arc is None:
        text = "没有可信转发者的封印" if found else "收信时没有核对封印"
        yield _Opinion(False, Check("ARC", "没有", text))
        return
    arc = found.arc
    if arc.result != "pass":
        yield _Opinion(False, Check("ARC", _WORDS[arc.result], f"ARC：{arc.reason}"))
        return
    instance = len(arc.sealers) + 1
    while instance > 1 and arc.sealers[instance - 2].casefold() in trusted:
        instance -= 1
    if instance > len(arc.sealers):
        yield _Opinion(False, Check("ARC", "忽略", f"ARC：{'、'.join(arc.sealers)[:200]} 不在 arc_sealers 里"))
        return
    ok, detail = _judged(message, f"ARC {arc.sealers[instance - 1][:100]}", _sealed_results(message, instance))
    yield _Opinion(ok, Check("ARC", "通过" if ok else "未通过", detail))


def _sealed_results(message: Message, instance: int) -> list[list[str]]:
    found = [value for value in message.header_all(_SEALED) if _number(value) == instance]
    if len(found) != 1:
        return []
    return read_results(found[0].partition(";")[2])[1]


def _number(value: str) -> int | None:
    match = _INSTANCE.match(value)
    return int(match[1]) if match else None
