"""No loop and no flood: so many answers to one correspondent and in one thread, and then a person is told.

What pay hangs on is told however much comes (mail.md §5, domain §9).
"""

from __future__ import annotations

import pytest

from mailflow.core.mapping import Mapping, Reminders
from mailflow.core.records import Due, Mail, Notice
from tests.policies.office import DIRECTOR, LI, PEOPLE, REPORT, WANG, ZHAO, ZHOU, Office, at


def codes(mail: Mail) -> list[str]:
    return [finding.code for finding in mail.findings]


def stopped(office: Office) -> list[tuple[str, str]]:
    """(whom it is about, who was told) of each word that answers were stopped."""
    return [(n.matter, n.person) for n in office.notices("answers_stopped")]


def ticket(office: Office, minute: int, **more: object) -> Mail:
    """What a ticket system makes of whatever it gets: our words in its subject, and a number of its own."""
    when = at("11-03 09:00").replace(hour=9 + minute // 60, minute=minute % 60)
    return office.mail(when, LI, "客户沟通-ERP项目", f"已登记，工单{len(office.facts)}。", **more)  # type: ignore[arg-type]


def test_two_robots_that_answer_each_other_end_with_the_thread() -> None:
    office = Office.open()
    last: Notice | Mail | str | None = None
    rounds = 0
    for rounds in range(200):
        before = len(office.notices("correction"))
        ticket(office, rounds, answers=last)
        if len(office.notices("correction")) == before:
            break
        last = max(office.notices("correction"), key=lambda notice: notice.due)
    assert rounds == len(office.notices("correction")) == 10
    assert stopped(office) == [("flood:李四", "周九")]


def test_robots_that_name_no_thread_end_with_the_hour() -> None:
    office = Office.open()
    mails = [ticket(office, minute // 10) for minute in range(200)]
    assert {mail.disposition for mail in mails} == {"near_miss"}, "all of them are taken in as they are"
    assert [codes(mail)[-1] == "answer_stopped" for mail in mails] == [False] * 30 + [True] * 170
    assert len(office.notices("correction")) == 30
    assert stopped(office) == [("flood:李四", "周九")]
    told = office.notice("answers_stopped")
    assert (told.to, told.in_reply_to) == (ZHOU, None)
    assert told.context["reached"] == "的来信一小时内已答复 30 次"


def test_slow_ones_end_with_the_day_and_the_next_day_begins_anew() -> None:
    office = Office.open()
    for number in range(150):
        office.mail(f"11-03 {number // 10:02}:{number % 10 * 6:02}", LI, "客户沟通-ERP项目", f"已登记，工单{number}。")
    assert len(office.notices("correction")) == 100
    assert len(stopped(office)) == 1
    assert codes(office.mail("11-05", LI, "客户沟通-ERP项目", "又一封。")) == ["near_miss", "person_missing"]
    assert len(office.notices("correction")) == 101


def test_a_colleague_is_answered_while_another_one_floods() -> None:
    office = Office.open()
    for minute in range(40):
        ticket(office, minute)
    office.mail("11-03 09:40", WANG, "客户沟通-ERP项目")
    assert len(office.notices("correction", "王五")) == 1


def test_the_limits_are_the_mappings() -> None:
    office = Office.open(reminders=Reminders(answers_per_hour=2, answers_per_day=3))
    for minute in range(10):
        ticket(office, minute)
    assert len(office.notices("correction")) == 2
    office.take(replace_limits(office, answers_per_hour=50), "11-03 09:10")
    for minute in range(11, 20):
        ticket(office, minute)
    assert len(office.notices("correction")) == 3


def replace_limits(office: Office, **limits: int) -> Mapping:
    reminders = office.mapping.reminders.model_copy(update=limits)
    return office.mapping.model_copy(update={"version": "v2", "reminders": reminders})


def test_what_pay_hangs_on_is_told_however_much_comes() -> None:
    office = Office.open()
    for minute in range(45):
        office.complaint(f"11-03 09:{minute:02}")
    assert office.counted() == 45
    assert len(office.notices("complaint_received", "李四")) == 45
    assert len(office.notices("consequence", "李四")) == 22
    assert stopped(office) == []


def test_of_what_is_forged_not_each_is_mailed_and_all_of_it_lies_before_the_manager() -> None:
    office = Office.open()
    forged = [
        office.mail(f"11-03 09:{minute:02}", ZHAO, "投诉-ERP项目", f"第{minute}次", verified=False)
        for minute in range(45)
    ]
    assert {mail.disposition for mail in forged} == {"held"}
    assert len(office.held()) == 45
    assert len(office.notices("held")) == 30
    assert stopped(office) == [("flood:zhaoliu@sales.example", "周九")]
    office.complaint("11-03 09:50")
    assert office.counted() == 1, "and the real one counts as ever"
    office.mail("11-03 09:51", ZHAO, "投诉ERP项目")
    assert office.notice("correction").person == "赵六", "who is answered, too"


def test_a_stranger_floods_nobody_either() -> None:
    office = Office.open()
    for minute in range(40):
        office.mail(f"11-03 09:{minute:02}", "Thief@outside.example", f"立项-项目{minute}", "第一责任售前：李四")
    assert len(office.held()) == 40
    assert len(office.notices("held")) == 30
    assert stopped(office) == [("flood:thief@outside.example", "周九")]
    assert office.notice("answers_stopped").context["name"] == ""


def test_a_managers_robot_is_told_of_to_somebody_else() -> None:
    office = Office.open()
    office.mail("11-03 09:00", ZHAO, "投诉-ERP项目", "没有报告。", verified=False)
    asked: Notice | Mail | str = office.notice("held")
    for minute in range(1, 60):
        # Whatever comes, the robot answers it with words that are no decision.
        office.mail(f"11-03 09:{minute:02}", ZHOU, "回复: 需要您决定", f"您的来信已收到，编号{minute}。", answers=asked)
        asked = max(office.notices(person="周九"), key=lambda notice: notice.due)
    assert len(office.notices("decision_unclear", "周九")) == 10
    assert [(n.person, n.to) for n in office.notices("answers_stopped")] == [("吴十", DIRECTOR)]


def test_with_nobody_else_to_tell_nobody_is_told() -> None:
    office = Office.open(people=tuple(p for p in PEOPLE if p.role != "technical_director"))
    for minute in range(40):
        office.mail(f"11-03 09:{minute:02}", ZHOU, "客户沟通-ERP项目", f"工单{minute}")
    assert len(office.notices()) == 30


def test_an_answer_that_was_not_sent_starts_no_clock_and_costs_nothing() -> None:
    reminders = Reminders(answers_per_hour=1)
    capped, free = Office.open(reminders=reminders), Office.open()
    for office in (capped, free):
        office.mail("11-03 09:00", LI, "客户沟通-ERP项目")
        office.mail("11-03 09:01", LI, "客户沟通-ERP项目-李四", "沟通结果：成功\n沟通人：张工")
    assert (len(capped.notices("report_incomplete")), len(free.notices("report_incomplete"))) == (0, 1)
    assert capped.reports() == free.reports(), "it stands there as incomplete all the same"
    assert capped.book.find(Due) == free.book.find(Due)
    capped.tick("11-20")
    assert [n.template for n in capped.notices(person="李四")] == ["correction"]


def test_what_the_manager_accepts_is_answered_over_the_cap() -> None:
    office = Office.open(reminders=Reminders(answers_per_hour=1))
    office.mail("11-03 09:00", WANG, "客户沟通-ERP项目")
    held = office.mail("11-03 09:01", LI, "客户沟通-ERP项目-王五", "沟通结果：成功\n沟通人：张工")
    assert office.command(held.matter or "", "确认", "11-03 09:02") is None
    assert office.notice("report_incomplete").person == "王五"


def test_of_a_second_engineers_flood_the_first_is_not_mailed_for_ever() -> None:
    office = Office.open()
    for minute in range(40):
        problem = REPORT.replace("vista", f"版本{minute}")
        assert office.mail(f"11-03 09:{minute:02}", WANG, "客户沟通-ERP项目-王五", problem).disposition == "recorded"
    assert len(office.reports()) == 40
    assert len(office.notices("second_engineer_report", "李四")) == 30
    assert stopped(office) == [("flood:王五", "周九")]


def test_older_mail_that_is_fetched_later_is_counted_with_what_came_about_that_time() -> None:
    office = Office.open(reminders=Reminders(answers_per_hour=2))
    for minute in (30, 40, 20, 10):
        ticket(office, minute)
    assert len(office.notices("correction")) == 2


@pytest.mark.parametrize("named", ["whole", "nearest"])
def test_an_answer_names_its_whole_thread_and_the_thread_is_known_by_it(named: str) -> None:
    office = Office.open()
    first = office.mail("11-03 09:00", LI, "客户沟通-ERP项目", message_id="<first@tech.example>")
    answer = office.notice("correction")
    assert (answer.in_reply_to, answer.references) == (first.message_id, ("<first@tech.example>",))
    more = {"references": "<first@tech.example>"} if named == "whole" else {}
    office.mail("11-03 09:01", LI, "客户沟通-ERP项目-", answers=answer, message_id="<next@tech.example>", **more)
    newer = max(office.notices("correction"), key=lambda notice: notice.due)
    assert newer.references == ("<first@tech.example>", answer.message_id, "<next@tech.example>")


def test_a_hostile_thread_is_not_taken_over_whole() -> None:
    office = Office.open()
    chain = " ".join(f"<{number}@tech.example>" for number in range(60))
    office.mail("11-03", LI, "客户沟通-ERP项目", references=chain, answers="<last@tech.example>")
    assert len(office.notice("correction").references) == 12
