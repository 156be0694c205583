from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailflow.message.headers import addresses, date, message_id, message_ids

CHINA = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("li@x.example", [("", "li@x.example")]),
        ("Li Si <Li@X.example>", [("Li Si", "Li@X.example")]),
        ('"张三, 华东" <z@x.example>, b@x.example', [("张三, 华东", "z@x.example"), ("", "b@x.example")]),
        ("=?utf-8?B?5byg5LiJLCDnjos=?= <z@x.example>", [("张三, 王", "z@x.example")]),
        ('"=?utf-8?B?5byg5LiJ?=" <z@x.example>', [("张三", "z@x.example")]),
        ("a@x.example (张三)", [("张三", "a@x.example")]),
        ("a@x.example; b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
        ("undisclosed-recipients:;", []),
        ("team: a@x.example, b@x.example;", [("", "a@x.example"), ("", "b@x.example")]),
        ("<@relay.example:a@x.example>", [("", "a@x.example")]),
        ("<mailto:a@x.example>", [("", "a@x.example")]),
        ("MAILER-DAEMON", [("MAILER-DAEMON", "")]),
        ("<MAILER-DAEMON>", [("", "MAILER-DAEMON")]),
        ("(c):", []),
        ("", []),
        ('"boss@corp.example" <x@evil.example>', [("boss@corp.example", "x@evil.example")]),
        ("a@x.example <b@x.example>", [("a@x.example", "b@x.example")]),
    ],
)
def test_addresses(raw: str, read: list[tuple[str, str]]) -> None:
    assert [(one.name, one.address) for one in addresses([raw])] == read


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("Fri, 20 Nov 2026 09:30:15 +0800", datetime(2026, 11, 20, 9, 30, 15, tzinfo=CHINA)),
        ("Fri, 20 Nov 2026 09:30:15 +0800 (CST)", datetime(2026, 11, 20, 9, 30, 15, tzinfo=CHINA)),
        ("20 Nov 26 09:30 GMT", datetime(2026, 11, 20, 9, 30, tzinfo=UTC)),
        ("Fri, 20 Nov 2026 09:30:15 -0000", datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC)),
        ("2026-11-20 09:30:15", datetime(2026, 11, 20, 9, 30, 15, tzinfo=UTC)),
        ("2026-11-20T09:30:15+08:00", datetime(2026, 11, 20, 9, 30, 15, tzinfo=CHINA)),
    ],
)
def test_dates(raw: str, read: datetime) -> None:
    assert date(raw) == read


@pytest.mark.parametrize(
    "raw", [None, "", "yesterday", "Fri, 99 Nov 2026 09:30:15 +0800", "1 Jan 1001 00:00:00 +0000",
            "1 Jan 20260 00:00:00 +0000", "1 Jan 2026 00:00:00 +9999999", "1 Jan 1970 00:00:00 +0000", "," * 500]
)  # fmt: skip
def test_absurd_dates_are_none(raw: str | None) -> None:
    assert date(raw) is None


def test_message_ids() -> None:
    assert message_id(" <a@b>\t") == "<a@b>"
    assert message_id("<[odd id]@b>") == "<[oddid]@b>"
    assert message_id("no brackets") == "nobrackets"
    assert message_id("") is message_id(None) is message_id("<>") is None
    assert message_ids(["<a@b> <c@\n d>", "<a@b>"]) == ("<a@b>", "<c@d>")
    assert message_ids(["a@b c"]) == ("a@b",)
