from __future__ import annotations

import pytest

from mailflow.message import read, verdict
from tests.message.builders import mail

IDS = ["MX.corp.example"]
RECEIVED = "Received: from out.cust.example by mx.corp.example with ESMTPS; Fri, 20 Nov 2026 09:30:00 +0800\n"


def results(value: str) -> str:
    return f"Authentication-Results: {value}\n"


def judged(headers: str, sender: str = "李四 <li@corp.example>", ids: list[str] = IDS) -> bool:
    found = verdict(read(mail(headers=headers, sender=sender)), ids)
    assert found.evidence
    return found.ok


@pytest.mark.parametrize(
    "value",
    [
        "mx.corp.example; dmarc=pass header.from=corp.example",
        "mx.corp.example 1; spf=fail; dmarc=pass (p=reject dis=none) header.from=corp.example",
        "mx.corp.example (a (nested; dmarc=fail) comment); dkim=pass header.d=corp.example",
        'mx.corp.example; dkim=pass header.i="@mail.corp.example"; spf=neutral',
        "mx.corp.example; dkim=fail header.d=corp.example; dkim=pass reason=ok header.d=corp.example",
        "mx.corp.example; auth=pass (login) smtp.auth=LI@corp.example",
        "mx.corp.example; auth=pass smtp.mailfrom=li@corp.example",
        "MX.Corp.Example;\n dkim=pass\n header.d=corp.example",
    ],
)
def test_what_verifies_a_sender(value: str) -> None:
    assert judged(results(value) + RECEIVED)


@pytest.mark.parametrize(
    "value",
    [
        "mx.corp.example; none",
        "mx.corp.example",
        "mx.corp.example; spf=pass smtp.mailfrom=li@corp.example",
        "mx.corp.example; dkim=pass header.d=evil.example; dmarc=fail",
        "mx.corp.example; dkim=pass header.d=notcorp.example",
        "mx.corp.example; dkim=pass header.d=example",
        "mx.corp.example; dkim=fail header.d=corp.example",
        "mx.corp.example; auth=pass smtp.auth=other@corp.example",
        "mx.corp.example; dmarc=pass header.from=evil.example",
        "mx.corp.example; (dmarc=pass) spf=none",
        'mx.corp.example; spf=none reason="x; dmarc=pass"',
        "other.example; dmarc=pass",
        "dmarc=pass header.from=corp.example",
        "", ";;;", "(((", '"', "mx.corp.example; =pass",
    ],
)  # fmt: skip
def test_what_does_not(value: str) -> None:
    assert not judged(results(value) + RECEIVED)


def test_only_the_topmost_result_of_our_border_counts() -> None:
    good, bad = results("mx.corp.example; dmarc=pass"), results("mx.corp.example; dmarc=fail")
    assert judged(results("other.example; dmarc=fail") + good + bad)
    assert not judged(bad + good)


def test_a_result_below_our_own_border_is_forged() -> None:
    found = verdict(read(mail(headers=RECEIVED + results("mx.corp.example; dmarc=pass"))), IDS)
    assert not found.ok
    assert "伪造" in found.evidence
    inner = "Received: from mx.corp.example by store.corp.example; Fri, 20 Nov 2026 09:30:01 +0800\n"
    assert judged(inner + results("mx.corp.example; dmarc=pass") + RECEIVED)


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ("From: x@evil.example\n", "li@corp.example"),
        ("", "li@corp.example, x@evil.example"),
        ("", '"boss@corp.example" <li@corp.example>'),
        ("", "boss＠corp.example（经理） <li@corp.example>"),
        ("Sender: x@evil.example\n", "li@corp.example"),
        ("", "li"),
        ("", "=?utf-8?B?5byg5Lg=?= <li@corp.example>"),
    ],
)
def test_such_senders_are_never_verified(headers: str, sender: str) -> None:
    assert not judged(results("mx.corp.example; dmarc=pass") + headers, sender)


def test_a_sender_of_the_same_organisation_is_no_doubt() -> None:
    good = results("mx.corp.example; dmarc=pass")
    assert judged(good + "Sender: secretary@corp.example\n", "li@corp.example")
    assert judged(good, '"li@corp.example" <li@corp.example>')


def test_without_configured_ids_nobody_is_verified() -> None:
    found = verdict(read(mail(headers=results("mx.corp.example; dmarc=pass"))), [])
    assert (found.ok, found.evidence) == (False, "没有配置 authserv_ids")
    assert not judged("")


def test_exchange_internal_counts_only_where_it_is_configured() -> None:
    internal = "X-MS-Exchange-Organization-AuthAs: Internal\n"
    assert judged(internal, ids=["X-MS-Exchange-Organization-AuthAs"])
    assert not judged(internal)
    assert not judged(internal.replace("Internal", "Anonymous"), ids=["X-MS-Exchange-Organization-AuthAs"])
    assert not judged(internal + internal, ids=["X-MS-Exchange-Organization-AuthAs"])
