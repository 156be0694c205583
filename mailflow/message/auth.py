"""Whether a mail comes from its From address, by our own border's word (RFC 8601, domain §9, mail.md §5)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from mailflow.message.model import Message

_RESULTS = "authentication-results"
_EXCHANGE = "x-ms-exchange-organization-authas"
_TOKEN = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"?|([();])|([^\s"();]+)')
_BY = re.compile(r"\bby\s+([^\s;()]+)", re.I)
_WORD = re.compile(r"[^\s<>\"'(),;:\[\]（）【】，；：《》“”]++")
_LIMIT = 20_000


@dataclass(frozen=True)
class Verdict:
    """`evidence`: Chinese, short, why."""

    ok: bool
    evidence: str


@dataclass(frozen=True)
class _Result:
    """One `method=result` with its properties, all lower case."""

    method: str
    result: str
    properties: dict[str, str]


def verdict(message: Message, authserv_ids: Collection[str]) -> Verdict:
    """Whether `message` counts as sent by its From address.

    Only the topmost Authentication-Results of one of `authserv_ids` is believed, and only if our border put it there.
    The id X-MS-Exchange-Organization-AuthAs stands for Microsoft 365, whose results carry no id: there the header of
    that name, which its border removes from outside mail, must say Internal (mail.md §8, 19).
    """
    doubt = _sender_doubt(message)
    if doubt:
        return Verdict(False, doubt)
    if not authserv_ids:
        return Verdict(False, "没有配置 authserv_ids")
    ids = {one.strip().casefold() for one in authserv_ids}
    if _EXCHANGE in ids and _is_exchange_internal(message):
        return Verdict(True, "Exchange 组织内部认证 (AuthAs: Internal)")
    found = _trusted_results(message, ids)
    return found if isinstance(found, Verdict) else _by_results(message, *found)


def _sender_doubt(message: Message) -> str | None:
    """Why nobody can say whose mail this is, whatever a border found (mail.md §8, 20)."""
    sender = message.from_
    if sender is None or "@" not in sender.address:
        return "没有可辨认的发件人地址"
    if len(message.froms) > 1 or len(message.header_all("From")) > 1:
        return "有不止一个发件人地址"
    shown = _WORD.findall(unicodedata.normalize("NFKC", sender.name))
    if any("@" in one.strip("@") and one.casefold() != sender.address.casefold() for one in shown):
        return "显示名里的地址与真实发件地址不同"
    other = message.sender
    if other and other.address.casefold() != sender.address.casefold() and not aligned(other.domain, sender.domain):
        return f"实际发送者 (Sender) 是另一个地址：{other.address[:100]}"
    return "信中有无法辨认的字符 (U+FFFD)，不作凭据" if message.doubtful else None


def _is_exchange_internal(message: Message) -> bool:
    return [value.strip().casefold() for value in message.header_all(_EXCHANGE)] == ["internal"]


def _trusted_results(message: Message, ids: Collection[str]) -> Verdict | tuple[str, list[_Result]]:
    """The results of our border and its id, or why there are none."""
    passed: set[str] = set()
    for name, value in message.headers:
        if name.casefold() == "received":
            passed.update(by.casefold().rstrip(".") for by in _BY.findall(value[:_LIMIT]))
        elif name.casefold() == _RESULTS:
            authserv_id, results = _read(value)
            if authserv_id in ids:
                # Our border received the mail after this header was in it: somebody else wrote it (RFC 8601 §5).
                if authserv_id in passed:
                    return Verdict(False, f"{authserv_id} 的认证结果早于本方收信，是伪造的")
                return authserv_id, results
    return Verdict(False, "没有可信服务器的认证结果")


def _read(value: str) -> tuple[str, list[_Result]]:
    """The authserv-id ("" if absent, as with Microsoft 365) and the results of one header. Tolerates anything."""
    segments = list(_segments(value[:_LIMIT]))
    head = segments[0] if segments else []
    authserv_id = head[0].casefold() if head and "=" not in head[0] and len(head) <= 2 else ""
    return authserv_id, [r for r in map(_result, segments[1:] if authserv_id else segments) if r]


def _segments(value: str) -> Iterator[list[str]]:
    """The words between semicolons, comments left out, a quoted value glued to its name."""
    depth, words, glue = 0, list[str](), False
    for match in _TOKEN.finditer(value):
        quoted, mark, word = match[1], match[2], match[3]
        if mark in ("(", ")"):
            depth = max(0, depth + (1 if mark == "(" else -1))
        elif depth:
            continue
        elif mark:
            yield words
            words, glue = [], False
        else:
            text = quoted if quoted is not None else word
            if words and (glue or text.startswith("=")):
                words[-1] += text
            else:
                words.append(text)
            glue = words[-1].endswith("=") and quoted is None
    yield words


def _result(words: Sequence[str]) -> _Result | None:
    pairs = [(k.casefold(), v.casefold()) for k, sign, v in (w.partition("=") for w in words) if sign]
    if not pairs:
        return None
    method = pairs[0][0].partition("/")[0]
    properties: dict[str, str] = {}
    for name, value in pairs[1:]:
        properties.setdefault(name, value)
    return _Result(method, pairs[0][1], properties)


def _by_results(message: Message, authserv_id: str, results: Sequence[_Result]) -> Verdict:
    assert message.from_ is not None  # noqa: S101  _sender_doubt() saw to it
    address, domain = message.from_.address.casefold(), message.from_.domain
    passed = [r for r in results if r.result == "pass"]
    for one in passed:
        if one.method == "dmarc" and one.properties.get("header.from", domain).rpartition("@")[2] == domain:
            return Verdict(True, f"{authserv_id}：dmarc=pass")
        signer = one.properties.get("header.d") or one.properties.get("header.i", "").rpartition("@")[2]
        if one.method == "dkim" and aligned(signer, domain):
            return Verdict(True, f"{authserv_id}：dkim=pass ({signer[:100]})")
        if one.method == "auth" and address in (one.properties.get("smtp.auth"), one.properties.get("smtp.mailfrom")):
            return Verdict(True, f"{authserv_id}：auth=pass ({address[:100]})")
    said = " ".join(f"{r.method}={r.result}" for r in results)[:120]
    return Verdict(False, f"{authserv_id} 没有证实发件人：{said or '没有结果'}")


def aligned(one: str, other: str) -> bool:
    """Whether two domains belong together: equal, or one under the other, which has two labels or more."""
    one, other = one.casefold().strip("."), other.casefold().strip(".")
    short, long = sorted((one, other), key=len)
    return "." in short and (short == long or long.endswith("." + short))
