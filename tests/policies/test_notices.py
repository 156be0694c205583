"""What notices may say: every template that policies use has a sample, and every sample is of one that they use.

That each context is like its sample is checked by Office for every notice of every test in this folder.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import mailflow.policies
from mailflow.core.records import Notice
from mailflow.notices.samples import SAMPLES
from tests.policies.office import LI, Office, like_the_sample

SOURCES = sorted(Path(mailflow.policies.__file__).parent.glob("*.py"))
USED = re.compile(r"\bnotify\(\s*\"([a-z_]+)\"")


def test_the_templates_that_policies_use_are_those_that_have_a_sample() -> None:
    used = {name for path in SOURCES for name in USED.findall(path.read_text(encoding="utf-8"))}
    assert used == set(SAMPLES)


def notice() -> Notice:
    office = Office.open()
    office.complaint("11-03")
    office.complaint("11-04")
    return office.notice("consequence")


def test_a_context_that_lacks_or_adds_a_key_or_changes_a_type_is_noticed() -> None:
    told = notice()
    entry = told.context["entries"][0]
    wrong = (
        {**told.context, "extra": ""},
        {key: value for key, value in told.context.items() if key != "reason"},
        {**told.context, "reason": None},
        {**told.context, "entries": [{**entry, "extra": ""}]},
        {**told.context, "entries": [{**entry, "grades": "1"}]},
    )
    like_the_sample(told)
    for context in wrong:
        with pytest.raises(AssertionError):
            like_the_sample(replace(told, context=context))


def test_a_notice_goes_to_one_address_under_a_message_id_of_its_own() -> None:
    told = notice()
    assert told.to == LI
    assert told.message_id.endswith("@tech.example>")
    assert told == notice(), "from its key alone, so that a repeat is recognisable"
