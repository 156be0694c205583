"""Mail that is nobody's word, and customers' mail (domain §2, §9)."""

from __future__ import annotations

import pytest

from tests.policies.office import CUSTOMER, LI, OWN, ZHAO, Office


@pytest.fixture
def office() -> Office:
    return Office.open()


def test_a_mail_of_no_kind_is_unmatched_and_otherwise_left_alone(office: Office) -> None:
    mail = office.mail("11-03", LI, "周末聚餐", "大家去吗？")
    assert (mail.disposition, mail.kind, office.notices()) == ("unmatched", None, [])


def test_our_own_mail_that_comes_back_is_never_answered(office: Office) -> None:
    office.complaint("11-03")
    told = office.notice("complaint_received")
    mail = office.mail("11-04", OWN, "收到投诉", message_id=told.message_id)
    other = office.mail("11-04", OWN, "投诉-ERP项目", "没有报告。")
    assert (mail.disposition, other.disposition, office.counted()) == ("own", "own", 1)


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("自动回复: 投诉-ERP项目", ()),
        ("投诉-ERP项目", (("Precedence", "bulk"),)),
        ("客户沟通-ERP项目-李四", (("Auto-Submitted", "auto-generated"),)),
        ("问题", (("List-Id", "<list.customer.example>"),)),
    ],
)
@pytest.mark.parametrize("sender", [ZHAO, CUSTOMER])
def test_automatic_mail_is_never_answered_never_counted_never_opens_a_problem(
    office: Office, subject: str, headers: tuple[tuple[str, str], ...], sender: str
) -> None:
    mail = office.mail("11-03", sender, subject, "不在办公室。", headers=headers)
    assert (mail.disposition, mail.kind) == ("automatic", None)
    assert (office.notices(), office.complaints(), office.cases("customer_problem")) == ([], [], [])


def test_anything_from_outside_opens_a_customer_problem_and_replies_join_it(office: Office) -> None:
    first = office.mail("11-03", CUSTOMER, "设备无法登录", "请帮忙。")
    office.mail("11-03", LI, "回复: 设备无法登录", "请重启。", answers=first)
    office.mail("11-04", CUSTOMER, "回复: 设备无法登录", "好了。", answers=first)
    (case,) = office.cases("customer_problem")
    assert len(case.mails) == 3
    assert office.notices() == []


def test_a_person_of_the_roster_with_an_address_in_capitals_is_that_person(office: Office) -> None:
    assert office.complaint("11-03", "ZhaoLiu@Sales.Example").state == "counted"


def test_two_from_addresses_are_nobody(office: Office) -> None:
    found = office.complaint("11-03", f"{ZHAO}, {LI}")
    assert (found.state, found.complainant) == ("held", None)
