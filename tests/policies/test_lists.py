"""Mail that a list passed on: never answered, counted or opened by itself (domain §9), and not lost either."""

from __future__ import annotations

import pytest

from mailflow.core.records import Mail
from tests.policies.office import CUSTOMER, GONE, LI, REPORT, SUN, WANG, ZHAO, ZHOU, Office

LIST = (
    ("List-Id", "<sales.sales.example>"),
    ("Precedence", "list"),
    ("List-Unsubscribe", "<mailto:off@sales.example>"),
)
COMPLAINT = "技服：李四\n沟通后没有收到报告。"


@pytest.fixture
def office() -> Office:
    return Office.open()


def codes(mail: Mail) -> list[str]:
    return [finding.code for finding in mail.findings]


@pytest.mark.parametrize("header", LIST, ids=lambda header: header[0])
def test_a_complaint_waits_for_the_manager_and_counts_when_he_says_so(office: Office, header: tuple[str, str]) -> None:
    mail = office.mail("11-03", ZHAO, "投诉-ERP项目", COMPLAINT, headers=(header,))
    assert (mail.disposition, codes(mail)) == ("held", ["list_mail"])
    assert (office.counted(), office.complaints()) == (0, [])
    assert [(n.template, n.person) for n in office.notices()] == [("held", "周九")]
    assert office.command(mail.matter or "", "确认") is None
    assert office.row(mail).disposition == "recorded"
    assert office.counted() == 1


def test_the_manager_may_say_no(office: Office) -> None:
    mail = office.mail("11-03", ZHAO, "投诉-ERP项目", COMPLAINT, headers=LIST)
    assert office.command(mail.matter or "", "驳回") is None
    assert (office.row(mail).disposition, office.counted()) == ("decided", 0)


@pytest.mark.parametrize(
    ("sender", "subject", "text"),
    [
        (LI, "客户沟通-ERP项目-李四", REPORT),
        (ZHAO, "立项-银河项目", "客户：东方\n第一责任售前：李四"),
        (ZHAO, "撤诉-ERP项目", "误会。"),
    ],
)
def test_what_deadlines_and_pay_hang_on_is_held(office: Office, sender: str, subject: str, text: str) -> None:
    assert office.mail("11-03", sender, subject, text, headers=LIST).disposition == "held"


def test_a_decision_by_way_of_a_list_is_held(office: Office) -> None:
    office.mail("11-03", ZHAO, "投诉-ERP项目", COMPLAINT, verified=False)
    asked = office.notice("held")
    answer = office.mail("11-04", ZHOU, "回复: 需要您决定：待确认第1项", "确认", answers=asked, headers=LIST)
    assert (answer.disposition, codes(answer)) == ("held", ["list_mail"])
    assert office.counted() == 0


@pytest.mark.parametrize(
    ("sender", "subject", "headers"),
    [
        (CUSTOMER, "投诉-ERP项目", LIST),
        ("list@outside.example", "客户沟通-ERP项目-李四", LIST),
        (ZHAO, "投诉-ERP项目", (*LIST, ("Auto-Submitted", "auto-generated"))),
        (ZHAO, "投诉-ERP项目", (("Auto-Submitted", "auto-generated"), *LIST)),
        (ZHAO, "投诉-ERP项目", (*LIST, ("Precedence", "bulk"))),
        (ZHAO, "自动回复: 投诉-ERP项目", LIST),
        (ZHAO, "回复: 投诉-ERP项目", LIST),
        (LI, "本周简报", LIST),
        (LI, "客户沟通-ERP项目", LIST),
        (LI, "测试-ERP项目", LIST),
        ("周九 <zhaoliu@sales.example>", "投诉-ERP项目", LIST),
    ],
)
def test_robots_strangers_and_talk_are_left_as_they_were(
    office: Office, sender: str, subject: str, headers: tuple[tuple[str, str], ...]
) -> None:
    assert office.mail("11-03", sender, subject, COMPLAINT, headers=headers).disposition == "automatic"
    assert (office.notices(), office.held(), office.cases("customer_problem")) == ([], [], [])


def test_who_has_left_is_held_as_by_any_other_way(office: Office) -> None:
    assert office.mail("11-03", GONE, "客户沟通-ERP项目-钱文", REPORT, headers=LIST).disposition == "held"


def test_the_writer_gets_no_automatic_answer_even_when_it_is_accepted(office: Office) -> None:
    mail = office.mail("11-03", LI, "客户沟通-ERP项目-李四", "沟通结果：成功", headers=LIST)
    assert office.command(mail.matter or "", "确认") is None
    (report,) = office.reports()
    assert report.state == "incomplete"
    assert office.notices(person="李四") == []


class TestDirectlyAsWell:
    """Everybody of the list got it, and so did we: the direct one counts, once, whichever comes first."""

    def test_the_direct_one_first(self, office: Office) -> None:
        direct = office.mail("11-03 09:00", ZHAO, "投诉-ERP项目", COMPLAINT, message_id="<c@sales.example>")
        listed = office.mail(
            "11-03 09:01", ZHAO, "投诉-ERP项目", COMPLAINT, message_id="<c@sales.example>", headers=LIST
        )
        footer = office.mail(
            "11-03 09:02", ZHAO, "投诉-ERP项目", f"{COMPLAINT}\n--\n退订",
            message_id="<c@sales.example>", headers=LIST,
        )  # fmt: skip
        assert [mail.disposition for mail in (direct, listed, footer)] == ["recorded", "copy", "automatic"]
        assert (office.counted(), office.held()) == (1, [])

    @pytest.mark.parametrize("added", ["", "\n_______\n销售部邮件列表"])
    def test_the_list_first(self, office: Office, added: str) -> None:
        listed = office.mail(
            "11-03 09:00", ZHAO, "投诉-ERP项目", COMPLAINT + added, message_id="<c@sales.example>", headers=LIST
        )
        direct = office.mail("11-03 09:01", ZHAO, "投诉-ERP项目", COMPLAINT, message_id="<c@sales.example>")
        assert (office.row(listed).disposition, direct.disposition) == ("copy", "recorded")
        assert (office.counted(), office.held()) == (1, []), "nobody need decide on the list's"
        again = office.mail("11-03 09:02", ZHAO, "投诉-ERP项目", COMPLAINT, message_id="<c@sales.example>")
        other = office.mail("11-03 09:03", ZHAO, "投诉-ERP项目", "别的。", message_id="<c@sales.example>")
        assert (again.disposition, codes(other)) == ("copy", ["message_id_reused"])
        office.mail("11-04", ZHAO, "回复: 投诉-ERP项目", "撤诉", answers=direct)
        assert office.counted() == 0, "a reply is about the one that counts"

    def test_of_a_kind_that_is_not_held_the_direct_one_is_not_lost_as_a_copy(self, office: Office) -> None:
        listed = office.mail(
            "11-03 09:00", WANG, "客户沟通-ERP项目", REPORT, message_id="<m@tech.example>", headers=LIST
        )
        direct = office.mail("11-03 09:01", WANG, "客户沟通-ERP项目", REPORT, message_id="<m@tech.example>")
        assert (listed.disposition, direct.disposition) == ("automatic", "near_miss")

    def test_what_was_decided_stays_decided(self, office: Office) -> None:
        listed = office.mail(
            "11-03 09:00", SUN, "投诉-ERP项目", COMPLAINT, message_id="<c@sales.example>", headers=LIST
        )
        office.command(listed.matter or "", "确认", "11-03")
        direct = office.mail("11-03 09:01", SUN, "投诉-ERP项目", COMPLAINT, message_id="<c@sales.example>")
        assert (direct.disposition, office.counted()) == ("copy", 1)
