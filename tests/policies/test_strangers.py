"""Nobody outside the roster is ever written to, whatever a mail says; customers are not, for now (domain §1, §9)."""

from __future__ import annotations

from datetime import date

import pytest

from mailflow.core.mapping import ProjectSeed
from mailflow.core.records import Notice
from tests.policies.office import CUSTOMER, LI, OWN, PEOPLE, SEEDS, WANG, ZHAO, ZHOU, Office, people

THIEF = "thief@outside.example"
KNOWN = {address for person in PEOPLE for address in person.addresses}
BODY = f"技服：李四\n客户：{THIEF}\n第一责任售前：{THIEF}\n第二售前：李四 <{THIEF}>\n责任销售：{THIEF}\n沟通人：{THIEF}"
SUBJECTS = (
    "投诉-ERP项目", "撤诉-ERP项目", "客户沟通-ERP项目-李四", "客户沟通-ERP项目", f"客户沟通-ERP项目-{THIEF}",
    "客户沟通-没有立项-李四", "立项-银河项目", f"立项-{THIEF}项目", f"投诉-ERP项目沟通问题\r\n To: {THIEF}",
    "回复: 待确认第1项", "确认", f"离职-{THIEF}", "查询-跟踪表", "BUG反馈-产品-概要",
    "Undelivered Mail Returned to Sender",
)  # fmt: skip
SENDERS = (
    THIEF, f"李四 <{THIEF}>", f'"{LI}" <{THIEF}>', f"周九 <{THIEF}>", LI, ZHAO, ZHOU, CUSTOMER,
    "lisi@tech-example.example", "mailer-daemon@outside.example", f"{LI}.outside.example",
)  # fmt: skip
HEADERS: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("Reply-To", THIEF), ("Sender", THIEF), ("Return-Path", f"<{THIEF}>")),
    (("Cc", f"李四 <{THIEF}>, {LI}, {OWN}"), ("Bcc", THIEF), ("Resent-To", THIEF)),
    (("From", THIEF),),
    (("Disposition-Notification-To", THIEF), ("Return-Receipt-To", THIEF), ("Errors-To", THIEF)),
)


def reached(office: Office) -> set[str]:
    return {address for notice in office.book.find(Notice) for address in (notice.to, *notice.cc)}


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: headers[0][0] if headers else "none")
@pytest.mark.parametrize("verified", [True, False])
def test_no_mail_makes_it_write_to_a_stranger(headers: tuple[tuple[str, str], ...], verified: bool) -> None:
    office = Office.open()
    day = 0
    for sender in SENDERS:
        for subject in SUBJECTS:
            day += 1
            to = f"{OWN}, 李四 <{THIEF}>, 赵六 <{THIEF}>"
            office.mail(
                f"2027-{1 + day // 28:02}-{1 + day % 28:02}", sender, subject.partition("\r")[0], f"{BODY}\n{day}",
                to=to, headers=headers if not (headers and headers[0][0] == "From") else (), verified=verified,
            )  # fmt: skip
            if day % 7 == 0:
                for held in office.held():
                    office.command(f"held:{held.number}", "确认", f"2027-{1 + day // 28:02}-{1 + day % 28:02}")
                office.tick(f"2027-{1 + day // 28:02}-{1 + day % 28:02} 18:00")
    office.tick("2028-01-31")
    assert office.notices(), "there was much to say"
    assert reached(office) <= KNOWN
    assert all(person.address in KNOWN for person in PEOPLE)


def test_a_customer_is_never_written_to_even_with_an_open_case() -> None:
    office = Office.open()
    first = office.mail("11-03", CUSTOMER, "系统无法登录", "请尽快处理。")
    assert first.kind == "customer_problem"
    (case,) = office.cases("customer_problem")
    for subject in (f"回复: 系统无法登录 [{case.number}]", "客户沟通-ERP项目", "立项-我们的项目", "投诉-ERP项目"):
        office.mail("11-04", CUSTOMER, subject, BODY, answers=first)
    office.tick("11-30")
    assert CUSTOMER not in reached(office)


def test_a_project_that_is_named_after_an_address_or_led_by_one_reaches_nobody() -> None:
    office = Office.open(projects=(*SEEDS, ProjectSeed(name="外面项目", sales=THIEF, first=THIEF)))
    office.mail("11-03", LI, "客户沟通-外面项目-李四", "沟通结果：成功")
    office.mail("11-03", ZHAO, "投诉-外面项目", "没有报告。")
    office.tick("12-31")
    assert reached(office) <= KNOWN


def test_whoever_has_left_is_no_longer_written_to() -> None:
    office = Office.open(people=people("李四", left=date(2026, 11, 3)))
    office.mail("11-03", LI, "客户沟通-ERP项目")
    office.mail("11-04", LI, "客户沟通-ERP项目", "又一封")
    office.mail("11-04", WANG, "客户沟通-ERP项目-王五", "沟通结果：成功")
    assert [notice.matter for notice in office.notices(person="李四")] == ["mail:000000002"]


def test_a_person_with_our_own_address_makes_no_loop_of_us() -> None:
    office = Office.open(people=people("周九", addresses=(OWN,)))
    office.mail("11-03 09:00", ZHAO, "投诉-ERP项目", "没有报告。", verified=False)
    asked = office.notice("held")
    assert asked.to == OWN
    for minute in range(1, 5):
        back = office.mail(f"11-03 09:0{minute}", OWN, "需要您决定", str(minute), message_id=asked.message_id)
        assert (back.disposition, back.matter) == ("own", "held:1")
    assert len(office.notices()) == 1


@pytest.mark.parametrize(
    ("message_id", "headers", "disposition"),
    [
        # An alarm, or a notice of another day's book: by the form of its Message-ID.
        ("<mf-0123456789abcdef0123456789abcdef@tech.example>", (), "own"),
        ("<other@tech.example>", (("X-Loop", "mailflow"),), "automatic"),
        ("<mf-0123456789abcdef0123456789abcdef@outside.example>", (), "near_miss"),
        ("<mf-0123@tech.example>", (), "near_miss"),
    ],
)
def test_what_we_sent_ourselves_is_known_when_it_comes_back(
    message_id: str, headers: tuple[tuple[str, str], ...], disposition: str
) -> None:
    mail = Office.open().mail("11-03", LI, "客户沟通-ERP项目", message_id=message_id, headers=headers)
    assert mail.disposition == disposition
