"""Addresses: both spellings of a domain are one, wherever addresses are compared."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailflow.core.address import ascii_form, domain_of, is_address, is_plain, key_of
from mailflow.core.people import Person, Roster

IDN, LATIN = "wang@例子.example", "wang@xn--fsqu00a.example"


@pytest.mark.parametrize(
    ("text", "address", "plain"),
    [
        ("a.b+c@x.example", True, True),
        (IDN, True, True),
        (LATIN, True, True),
        ("li@BÜCHER.example", True, True),
        ("王@例子.example", True, False),
        ("हिन्दी@x.example", True, False),
        ("", False, False),
        ("a", False, False),
        ("a@", False, False),
        ("@x.example", False, False),
        ("a@b@x.example", False, False),
        ("a..b@x.example", False, False),
        ("a b@x.example", False, False),
        ("a@-x.example", False, False),
        ("a@x.example\r\nBcc: b@x.example", False, False),
        ("王，@x.example", False, False),
        ("王\u2028@x.example", False, False),
        ("王\u202e@x.example", False, False),
        ("x" * 65 + "@x.example", False, False),
        ("王" * 22 + "@x.example", False, False),
        ("a@" + "中" * 300 + ".example", False, False),
        # An input method that was still on; and no other spelling of corp.example, but somebody's trick.
        ("ｗang@x.example", False, False),
        ("wang＠x.example", False, False),
        ("a@ｃorp.example", False, False),
        ("a@corp。example", False, False),
        ("a@☃.example", False, False),
        ("a@\udc80.example", False, False),
    ],
)
def test_what_is_an_address_and_what_every_server_takes(text: str, address: bool, plain: bool) -> None:
    assert (is_address(text), is_plain(text)) == (address, plain)


def test_both_spellings_of_a_domain_are_one_address() -> None:
    spellings = [IDN, LATIN, "WANG@XN--FSQU00A.EXAMPLE", "Wang@例子.EXAMPLE"]
    assert {key_of(one) for one in spellings} == {LATIN}
    assert {domain_of(one) for one in spellings} == {"xn--fsqu00a.example"}
    assert ascii_form(IDN) == LATIN
    assert ascii_form("Wang@Corp.example") == "Wang@Corp.example"
    assert key_of("王@例子.example") == key_of("王@xn--fsqu00a.example") != key_of("李@例子.example")
    assert key_of("e\u0301@x.example") == key_of("é@x.example")


@pytest.mark.parametrize(
    "trick", ["wang@ｃorp.example", "wang@corp。example", "wang@c\u00adorp.example", "wang@ⅽorp.example"]
)
def test_a_domain_that_looks_alike_is_another_one(trick: str) -> None:
    assert key_of(trick) != key_of("wang@corp.example")
    assert domain_of(trick) != "corp.example"


@given(st.text(max_size=80))
def test_whatever_is_written_there_is_an_answer(text: str) -> None:
    assert key_of(key_of(text)) == key_of(text)
    assert is_plain(text) <= is_address(text)
    assert ascii_form(text).isascii() or not is_plain(text)


def test_a_hostile_domain_costs_no_time() -> None:
    started = time.process_time()
    for length in range(10_000, 10_020):
        domain_of("a@" + "例" * length)
    assert time.process_time() - started < 1


def test_the_roster_knows_a_person_by_either_spelling() -> None:
    wang = Person(name="王五", addresses=(IDN,), role="engineer")
    roster = Roster((wang, Person(name="李四", addresses=("li@xn--fsqu00a.example",), role="engineer")))
    assert roster.by_address(LATIN) == roster.by_address(IDN.upper()) == wang
    found = roster.by_address("li@例子.example")
    assert found is not None
    assert found.name == "李四"
    assert roster.by_address("wang@例子2.example") is None
