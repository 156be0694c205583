from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from mailflow.message import read, verdict
from mailflow.message.auth import senders
from tests.message.builders import mail

IDS = ["MX.corp.example"]
RECEIVED = "Received: from out.cust.example by mx.corp.example with ESMTPS; Fri, 20 Nov 2026 09:30:00 +0800\n"


def results(value: str) -> str:
    return f"Authentication-Results: {value}\n"


def judged(
    headers: str, sender: str = "李四 <li@corp.example>", ids: Sequence[str] = IDS, by: Sequence[str] = ()
) -> bool:
    found = verdict(read(mail(headers=headers, sender=sender)), ids, received_by=by)
    assert found.evidence
    assert found.checks
    return found.ok


def checked(headers: str, ids: Sequence[str] = IDS, by: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What was said of each Authentication-Results, in order."""
    found = verdict(read(mail(headers=headers)), ids, received_by=by)
    return [(check.result, check.detail) for check in found.checks if check.name == "认证结果"]


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
        "mx.corp.example.; dmarc=pass header.from=Corp.Example",
        '"mx.corp.example"; dmarc=pass header.from=corp.example',
        "(our) mx.corp.example (really) 1 (version); dmarc/1=pass header.from=corp.example",
        "mx.corp.example; dkim = pass header.d = corp.example",
        "mx.corp.example; dkim=pass header . d=corp.example",
        "mx.corp.example; dkim / 1 = pass (2048-bit key; unprotected) header.d=corp.example header.i=@corp.example",
        "mx.corp.example; spf=pass smtp.mailfrom= header.from=corp.example; dmarc=pass header.from=corp.example",
        "mx.corp.example; dkim=pass header.b=abcdefg= header.d=corp.example",
        'mx.corp.example; dkim=fail reason="x; dkim=pass"; dmarc=pass policy.published-domain-policy=none',
        "mx.corp.example;" + " x=y;" * 900 + " dmarc=pass",
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
        "mx.corp.example x; dmarc=pass", "mx.corp.example 1 2; dmarc=pass", "mx.corp.example dmarc=pass; dmarc=pass",
        "mx.corp.example; dmarc=pass header.from=sub.corp.example",
        "mx.corp.example; dmarc=passed", "mx.corp.example; xdmarc=pass",
        "mx.corp.example; arc=pass header.d=corp.example",
        "mx.corp.example; dkim=pass reason=ok. header.d=evil.example",
        "mx.corp.example; dkim=pass header.b=a= header.d=evil.example header.i=@evil.example",
        "mx.corp.example; dmarc=pass smtp.mailfrom= header.from=evil.example",
        "mx.corp.example; dmarc=pass smtp.mailfrom=x. header.from=evil.example",
        "mx.corp.example; iprev=pass policy.iprev=10.0.0.1; spf=pass; dkim=neutral header.d=corp.example",
        "mx.corp.example; dkim=pass", "mx.corp.example; auth=pass", "mx.corp.example; none; dmarc=fail",
        "mx.corp.example.evil.example; dmarc=pass", "evil.example mx.corp.example; dmarc=pass",
        "(mx.corp.example; dmarc=pass) x; dmarc=pass",
    ],
)  # fmt: skip
def test_what_does_not(value: str) -> None:
    assert not judged(results(value) + RECEIVED)


@pytest.mark.parametrize(
    ("domain", "sender"), [("com.cn", "li@corp.com.cn"), ("co.uk", "li@x.co.uk"), ("cn", "li@x.cn")]
)
def test_a_suffix_is_nobodys_domain(domain: str, sender: str) -> None:
    assert not judged(results(f"mx.corp.example; dkim=pass header.d={domain}"), sender)
    assert judged(results(f"mx.corp.example; dkim=pass header.d={sender[3:]}"), sender)


def test_only_the_topmost_result_of_our_border_counts() -> None:
    good, bad = results("mx.corp.example; dmarc=pass"), results("mx.corp.example; dmarc=fail")
    assert judged(results("other.example; dmarc=fail") + good + bad)
    assert not judged(bad + good)
    assert checked(bad + good + RECEIVED) == [
        ("未通过", "mx.corp.example 没有证实发件人：dmarc=fail"),
        ("可疑", "mx.corp.example：不是最上面的一条，不作凭据"),
    ]


GOOD = results("mx.corp.example; dmarc=pass header.from=corp.example")
INNER = "Received: from mx.corp.example by store.corp.example with LMTP; Fri, 20 Nov 2026 09:30:01 +0800\n"
SENDERS = "Received: from pc (HELO mx.corp.example) by out.cust.example; Fri, 20 Nov 2026 09:29:00 +0800\n"
FOREIGN = "Received: from x by relay.cust.example; Fri, 20 Nov 2026 09:29:00 +0800\n"


@pytest.mark.parametrize(
    "headers",
    [
        GOOD + RECEIVED,
        GOOD + RECEIVED + SENDERS,
        INNER + GOOD + RECEIVED + SENDERS,
        INNER + INNER + results("other.example; dmarc=fail") + GOOD + RECEIVED + FOREIGN + GOOD,
        # Nobody relayed it, or our line is not known by its name and nothing stands above.
        GOOD,
        GOOD + SENDERS,
        # Folded, and in capitals.
        "RECEIVED: from x\n\tby store.corp.example\n" + GOOD.upper().replace("DMARC=PASS", "dmarc=pass") + RECEIVED,
    ],
)
def test_where_a_genuine_result_stands(headers: str) -> None:
    assert judged(headers)


LMTP = "Received: from mx.corp.example by mx.corp.example with LMTP id x (envelope-from <li@corp.example>)\n"
FILTER = "Received: from localhost (localhost [127.0.0.1]) by mx.corp.example (Postfix) with ESMTP id x\n"


@pytest.mark.parametrize(
    "above",
    [
        LMTP,
        FILTER,
        LMTP + FILTER + LMTP,
        LMTP.replace("LMTP", "LMTPS"),
        FILTER.replace("[127.0.0.1]", "[IPv6:::1]"),
        FILTER.replace("localhost [127.0.0.1]", "[127.0.0.1]"),
        FILTER.replace("ESMTP", "spam-scanned"),
    ],
)
def test_programs_of_one_machine_hand_mail_on_among_themselves(above: str) -> None:
    assert judged(above + GOOD + RECEIVED)
    assert not judged(above + RECEIVED + GOOD + RECEIVED)


@pytest.mark.parametrize(
    "seen",
    [
        "from localhost (evil.example [6.6.6.6])",
        "from [127.0.0.1] (evil.example [6.6.6.6])",
        "from [127.0.0.1] (6.6.6.6)",
        "from unknown (HELO 127.0.0.1) (6.6.6.6)",
        "from unknown (HELO [127.0.0.1]) ([6.6.6.6])",
        "from 127.0.0.1",
        "from localhost",
        "from mx.corp.example (evil.example [IPv6:2001:db8::1])",
        "from ::1 (evil.example [2001:db8::1])",
        "from with.LMTP.example (evil [6.6.6.6])",
        "from x (HELO with LMTP) ([6.6.6.6])",
        "from x (HELO by mx.corp.example with LMTP) ([6.6.6.6])",
        "from x (HELO [127.0.0.1] by mx.corp.example) ([6.6.6.6])",
        "from localhost ([127.0.0.1] ([6.6.6.6]))",
        "",
    ],
)
def test_a_sender_cannot_say_that_it_is_our_own_machine(seen: str) -> None:
    assert not judged(f"Received: {seen} by mx.corp.example (Postfix) with ESMTP id x; Fri\n" + GOOD + RECEIVED)


@pytest.mark.parametrize(
    "headers",
    [
        RECEIVED + GOOD,
        RECEIVED + GOOD + RECEIVED,
        INNER + RECEIVED + GOOD,
        INNER + RECEIVED + SENDERS + GOOD + RECEIVED,
        RECEIVED + results("other.example; dmarc=pass") + GOOD,
        # Our border wrote one that says nothing good, the sender another one.
        results("mx.corp.example; dmarc=fail") + RECEIVED + GOOD,
        results("mx.corp.example; none") + RECEIVED + GOOD,
        # Lines above that nobody knows: one of them may be our border's.
        INNER + GOOD,
        INNER + GOOD + FOREIGN,
        FOREIGN + GOOD,
        "Received: by MX.Corp.Example. (Postfix)\n" + GOOD,
        "Received: from evil (evil [6.6.6.6] (may be forged)) (authenticated) by mx.corp.example (Postfix)\n" + GOOD,
    ],
)
def test_where_a_forged_result_may_stand(headers: str) -> None:
    assert not judged(headers)


def test_a_result_below_our_own_border_is_forged() -> None:
    found = verdict(read(mail(headers=RECEIVED + GOOD)), IDS)
    assert not found.ok
    assert "伪造" in found.evidence
    assert checked(RECEIVED + GOOD)[0] == ("可疑", "mx.corp.example 的认证结果早于本方收信，是伪造的")
    assert "received_by" in verdict(read(mail(headers=INNER + GOOD)), IDS).evidence


MX1 = "Received: from out.cust.example by mx1.corp.example; Fri, 20 Nov 2026 09:30:00 +0800\n"
ORGANISATION = results("corp.example; dmarc=pass header.from=corp.example")


def test_a_border_that_receives_under_another_name_than_it_judges() -> None:
    ids, by = ["corp.example"], ["mx1.corp.example", "mx2.corp.example"]
    assert judged(INNER + ORGANISATION + MX1 + SENDERS, ids=ids, by=by)
    assert not judged(INNER + ORGANISATION + MX1 + SENDERS, ids=ids)
    forged = MX1 + ORGANISATION + "Received: from x by corp.example\n"
    assert not judged(forged, ids=ids, by=by)
    assert not judged(INNER + forged, ids=ids, by=by)
    relayed = INNER.replace("LMTP", "ESMTP") + ORGANISATION + MX1
    assert judged(relayed, ids=ids, by=by)
    assert not judged(relayed, ids=ids, by=[".corp.example"]), "store.corp.example is one of them, too"
    assert judged(INNER + ORGANISATION + MX1.replace("mx1.", "mx1.in."), ids=ids, by=[".in.corp.example"])


def test_results_of_others_are_ignored_and_shown() -> None:
    many = results("other.example; dmarc=pass") * 20 + results("dmarc=pass header.from=corp.example")
    found = checked(many + RECEIVED)
    assert found[0] == ("忽略", "other.example：不在 authserv_ids 里，不作凭据")
    assert found[-1] == ("没有", "没有可信服务器的认证结果")
    assert len(found) == 7
    idless = checked(results("dmarc=pass header.from=corp.example"))
    assert idless[0] == ("忽略", "没有写是哪台服务器的，不作凭据")


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
        ("", "团队: li@corp.example;"),
        ("", "team: li@corp.example, x@evil.example;"),
        ("", "undisclosed-recipients:;"),
        ("", ""),
        ("", "<>"),
        ("", "boss@corp.example <x@evil.example>"),
        ("Subject: y\n", "li@corp.example"),
        ("Message-ID: <a@x>\nMessage-ID: <b@x>\n", "li@corp.example"),
        ("In-Reply-To: <a@x>\nIn-Reply-To: <b@x>\n", "li@corp.example"),
        ("Content-Type: text/plain\nContent-Type: text/html\n", "li@corp.example"),
    ],
)
def test_such_senders_are_never_verified(headers: str, sender: str) -> None:
    assert not judged(results("mx.corp.example; dmarc=pass") + headers, sender)


def test_a_sender_of_the_same_organisation_is_no_doubt() -> None:
    good = results("mx.corp.example; dmarc=pass")
    assert judged(good + "Sender: secretary@corp.example\n", "li@corp.example")
    assert judged(good, '"li@corp.example" <li@corp.example>')


IDN, LATIN = "例子.example", "xn--fsqu00a.example"


@pytest.mark.parametrize("sender", [f"wang@{IDN}", f"wang@{LATIN}", f'"wang@{IDN}" <wang@{LATIN}>'])
@pytest.mark.parametrize("domain", [IDN, LATIN])
@pytest.mark.parametrize(
    "result", ["dmarc=pass header.from={}", "dkim=pass header.d={}", "auth=pass smtp.auth=wang@{}"]
)
def test_both_spellings_of_a_domain_are_one(sender: str, domain: str, result: str) -> None:
    assert judged(results(f"mx.corp.example; {result.format(domain)}") + RECEIVED, sender)
    assert judged(results("mx.corp.example; dmarc=pass") + f"Sender: wang@{domain}\n", sender)
    assert not judged(results(f"mx.corp.example; {result.format('例子2.example')}") + RECEIVED, sender)


def test_a_full_width_letter_is_no_other_spelling() -> None:
    good = results("mx.corp.example; dkim=pass header.d=corp.example") + RECEIVED
    assert judged(good, "li@corp.example")
    assert not judged(good, "li@ｃorp.example")


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


M365 = "X-MS-Exchange-Organization-AuthAs"
FRONT = (
    "Received: from out.cust.example (1.2.3.4) by FT042.mail.protection.outlook.com (10.13.1.1) with Microsoft SMTP "
    "Server; Fri, 20 Nov 2026 09:30:00 +0800\n"
)
BACK = "Received: from FT042.eop-nam11.prod.protection.outlook.com by BL0PR01.namprd01.prod.outlook.com\n"
IDLESS = results(
    "spf=pass (sender IP is 1.2.3.4) smtp.mailfrom=corp.example; dkim=pass (signature was verified)"
    " header.d=corp.example;dmarc=pass action=none header.from=corp.example;compauth=pass reason=100"
)


def test_microsoft_365_writes_no_id() -> None:
    by, stamp = [".mail.protection.outlook.com"], f"{M365}: Anonymous\n"
    assert judged(BACK + IDLESS + FRONT + stamp, ids=[M365], by=by)
    for forged in (
        BACK + IDLESS + FRONT,  # not stamped by Exchange
        BACK + IDLESS + FRONT + stamp + stamp,
        FRONT + IDLESS + FRONT + stamp,
        BACK + FRONT + IDLESS + stamp,
        BACK + IDLESS + stamp,  # no line of its front servers
        BACK + results("spf=fail; dmarc=fail header.from=corp.example") + IDLESS + FRONT + stamp,
        BACK + IDLESS.replace("=corp.example", "=evil.example") + FRONT + stamp,
    ):
        assert not judged(forged, ids=[M365], by=by)
    assert not judged(BACK + IDLESS + FRONT + stamp, ids=[M365]), "which servers are the front is not configured"
    assert not judged(BACK + IDLESS + FRONT + stamp, ids=IDS, by=by)


def test_every_verdict_says_what_was_looked_at() -> None:
    found = verdict(read(mail(headers=GOOD + RECEIVED)), IDS)
    assert found.checks == (
        ("发件人", "可辨认", "li@corp.example"),
        ("认证结果", "通过", "mx.corp.example：dmarc=pass"),
    )
    doubted = verdict(read(mail(headers=GOOD + RECEIVED, sender="x@corp.example <li@corp.example>")), IDS)
    assert [check.result for check in doubted.checks] == ["存疑", "通过"]
    assert doubted.evidence == doubted.checks[0].detail


@pytest.mark.parametrize(
    "value",
    [
        "(" * 50_000,
        "[a" * 30_000,
        "1" * 60_000,
        "1." * 30_000,
        "a:" * 30_000,
        " by" * 20_000,
        "a=" * 50_000,
        ". " * 50_000,
        ";" * 50_000,
        '"\\' * 50_000,
        "a / " * 30_000,
    ],
)
def test_hostile_results_take_linear_time(value: str) -> None:
    message = read(
        mail(headers=f"Received: from {value} by mx.corp.example\n" * 5 + results(f"mx.corp.example; {value}") * 5)
    )
    began = time.process_time()
    assert not verdict(message, IDS).ok
    assert time.process_time() - began < 1


def test_who_sent_it_is_found_without_reading_the_mail() -> None:
    raw = mail(headers="X: y\n", sender="=?utf-8?b?5p2O5Zub?= <li@corp.example>, x@y.example")
    assert [one.address for one in senders(raw)] == ["li@corp.example", "x@y.example"]
    assert senders(b"") == senders(b"\n\nFrom: x@y\n") == ()
