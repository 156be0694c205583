"""Communication reports, leftover problems and requests to register (domain §3)."""

from __future__ import annotations

from datetime import date

import pytest

from mailflow.core.mapping import ProjectSeed
from mailflow.core.records import Mail, Notice, Report
from tests.policies.office import CUSTOMER, LEFTOVER, LI, REPORT, SEEDS, SUN, WANG, ZHAO, ZHOU, Office, mapping, people

SUBJECT = "客户沟通-ERP项目-李四"
PARTS = REPORT.splitlines()


@pytest.fixture
def office() -> Office:
    return Office.open()


def report(office: Office, when: str = "11-03", text: str = REPORT, subject: str = SUBJECT, sender: str = LI) -> Report:
    mail = office.mail(when, sender, subject, text)
    assert mail.matter is not None
    found = office.book.get(Report, mail.matter.removeprefix("report:"))
    assert found is not None
    return found


def again(office: Office, found: Report) -> Report:
    now = office.book.get(Report, found.number)
    assert now is not None
    return now


# -- fields ------------------------------------------------------------------------------------------------------------


def test_a_report_with_missing_or_vague_fields_is_recorded_at_once_and_its_sender_asked(office: Office) -> None:
    found = report(office, text="沟通结果：成功\n具体问题：解决了技术问题\n")
    assert (found.state, found.missing) == ("incomplete", ("沟通人", "具体问题"))
    notice = office.notice("report_incomplete", "李四")
    assert [m["name"] for m in notice.context["missing"]] == ["沟通人", "具体问题"]


def test_the_reply_completes_the_same_record(office: Office) -> None:
    found = report(office, text="沟通结果：成功\n沟通人：张工\n")
    ask = office.notice("report_incomplete")
    mail = office.mail("11-04", LI, f"回复: [{found.number}] 请补充", "具体问题：端口镜像丢包\n", answers=ask)
    assert (mail.disposition, mail.matter) == ("recorded", f"report:{found.number}")
    now = again(office, found)
    assert (now.state, now.problem, now.contact, len(now.mails)) == ("complete", "端口镜像丢包", "张工", 2)
    assert len(office.reports()) == 1


def test_a_reply_that_still_leaves_something_out_is_asked_again(office: Office) -> None:
    found = report(office, text="沟通结果：成功\n")
    ask = office.notice("report_incomplete")
    office.mail("11-04", LI, "回复: 请补充", "沟通人：张工\n", answers=ask)
    assert again(office, found).missing == ("具体问题",)
    assert len(office.notices("report_incomplete")) == 2


def test_a_reply_without_in_reply_to_is_known_by_the_number_in_its_subject(office: Office) -> None:
    found = report(office, text="沟通结果：成功\n沟通人：张工\n")
    office.mail("11-04", LI, f"回复: [{found.number}] 请补充沟通报告", "具体问题：端口镜像丢包\n")
    assert again(office, found).state == "complete"


def test_completing_a_report_of_a_leftover_problem_does_not_solve_it(office: Office) -> None:
    """The number in the subject of the reply is the report's own."""
    found = report(office, text="沟通结果：问题遗留\n具体问题：双机切换过慢\n")
    ask = office.notice("report_incomplete")
    text = "沟通人：张工\n遗留问题描述：切换时间为五秒\n"
    office.mail("11-04", LI, f"回复: [{found.number}] 请补充", text, answers=ask)
    (case,) = office.cases("leftover")
    assert (case.state, case.title, again(office, found).state) == ("open", "切换时间为五秒", "complete")


def test_a_result_that_a_reply_brings_has_its_consequence(office: Office) -> None:
    found = report(office, text="沟通人：张工\n具体问题：双机切换过慢\n")
    ask = office.notice("report_incomplete")
    office.mail("11-04", LI, "回复: 请补充", "沟通结果：问题遗留\n遗留问题描述：切换时间为五秒\n", answers=ask)
    assert [c.state for c in office.cases("leftover")] == ["open"]
    assert again(office, found).case is not None


def test_a_reply_that_turns_a_leftover_into_success_solves_it(office: Office) -> None:
    found = report(office, text="沟通结果：问题遗留\n沟通人：张工\n具体问题：双机切换过慢\n")
    ask = office.notice("report_incomplete")
    office.mail("11-04", LI, "回复: 请补充", "沟通结果：成功\n", answers=ask)
    assert [c.state for c in office.cases("leftover")] == ["solved"]
    assert again(office, found).state == "complete"


def test_a_mail_about_another_project_written_as_reply_completes_nothing(office: Office) -> None:
    found = report(office, text="沟通结果：成功\n")
    ask = office.notice("report_incomplete")
    office.mail("11-04", LI, "客户沟通-网管项目-李四", REPORT, answers=ask)
    assert again(office, found).state == "incomplete"
    assert [r.project for r in office.reports()] == ["ERP项目", "网管项目"]


def test_another_writers_reply_does_not_complete_it(office: Office) -> None:
    found = report(office, text="沟通结果：成功\n")
    parent = office.book.get(Mail, found.mail)
    mail = office.mail("11-04", WANG, f"回复: {SUBJECT}", "沟通人：张工\n具体问题：端口镜像丢包\n", answers=parent)
    assert (mail.disposition, again(office, found).state) == ("held", "incomplete")
    own = office.mail("11-04", WANG, "客户沟通-ERP项目-王五", REPORT, answers=parent)
    assert (own.disposition, len(office.reports())) == ("recorded", 2)


@pytest.mark.parametrize("sender", [ZHAO, ZHOU])
def test_a_sales_persons_reply_that_quotes_the_fields_is_talk(office: Office, sender: str) -> None:
    found = report(office)
    parent = office.book.get(Mail, found.mail)
    mail = office.mail("11-04", sender, f"回复: {SUBJECT}", f"收到，谢谢。\n{REPORT}", answers=parent)
    assert (mail.disposition, mail.matter, office.held()) == ("discussion", f"report:{found.number}", [])


def test_a_customers_reply_to_a_report_is_a_customers_mail(office: Office) -> None:
    report(office)
    mail = office.mail("11-04", CUSTOMER, f"回复: {SUBJECT}", "现在又不行了。")
    assert mail.kind == "customer_problem"


def test_the_body_must_agree_with_the_subject_or_the_mail_is_held_and_recorded_when_accepted(office: Office) -> None:
    mail = office.mail("11-03", LI, SUBJECT, f"项目名称：网管项目\n{REPORT}")
    assert (mail.disposition, office.held()[0].reason, office.reports()) == ("held", "project_disagrees", [])
    assert office.command("held:1", "确认") is None
    assert (office.row(mail).disposition, len(office.reports())) == ("recorded", 1)


def test_the_same_report_again_within_24_hours_is_not_recorded_twice_and_after_them_it_is(office: Office) -> None:
    report(office, "11-03 09:30")
    assert office.mail("11-04 09:29", LI, SUBJECT, REPORT).disposition == "duplicate"
    assert office.mail("11-04 09:31", LI, SUBJECT, REPORT).disposition == "recorded", "as with complaints"


def test_the_same_words_about_another_day_are_a_report_of_their_own(office: Office) -> None:
    ends = [office.mail(f"11-03 {h}:30", LI, f"{SUBJECT}-11月{h - 7}日", REPORT).disposition for h in (9, 10)]
    assert (ends, len(office.reports())) == (["recorded", "recorded"], 2)


# -- whose sheet -------------------------------------------------------------------------------------------------------


def test_the_row_goes_to_the_first_engineer_whoever_wrote_it_and_the_first_is_told(office: Office) -> None:
    found = report(office, subject="客户沟通-ERP项目-王五", sender=WANG)
    assert (found.engineer, found.writer) == ("李四", "王五")
    notice = office.notice("second_engineer_report")
    assert (notice.person, notice.cc) == ("李四", (ZHOU,))
    report(office, "11-05")
    assert len(office.notices("second_engineer_report")) == 1, "the first engineer's own report is told to nobody"


# -- leftover problems -------------------------------------------------------------------------------------------------


def leftover(office: Office, when: str = "11-03", text: str = LEFTOVER) -> Report:
    return report(office, when, text)


def test_a_leftover_is_closed_by_the_next_success_when_just_one_is_open(office: Office) -> None:
    leftover(office)
    report(office, "11-05")
    (case,) = office.cases("leftover")
    assert (case.state, len(case.mails)) == ("solved", 2)


def test_a_success_from_before_the_leftover_that_is_fetched_after_it_is_not_the_next_one(office: Office) -> None:
    leftover(office, "11-03 10:00")
    report(office, "11-03 09:00")
    assert [case.state for case in office.cases("leftover")] == ["open"]
    report(office, "11-03 11:00", REPORT + "耗时：1小时\n")
    assert [case.state for case in office.cases("leftover")] == ["solved"]


def test_a_leftover_is_closed_by_a_later_report_in_the_same_thread(office: Office) -> None:
    first = leftover(office)
    leftover(office, "11-04", LEFTOVER.replace("双机", "三机"))
    parent = office.book.get(Mail, first.mail)
    office.mail("11-05", LI, f"回复: {SUBJECT}", REPORT, answers=parent)
    assert [c.state for c in office.cases("leftover")] == ["solved", "open"]
    assert office.notices("leftover_which") == []


def test_leftovers_are_closed_by_a_report_that_carries_their_numbers(office: Office) -> None:
    for day in ("11-03", "11-04", "11-05"):
        leftover(office, day, LEFTOVER.replace("双机", f"{day}机"))
    one, _, three = (c.number for c in office.cases("leftover"))
    report(office, "11-06", f"{REPORT}已解决：{one}、{three}\n")
    assert [c.state for c in office.cases("leftover")] == ["solved", "open", "solved"]


def test_otherwise_the_sender_is_asked_which_one_and_answers_by_number(office: Office) -> None:
    leftover(office)
    leftover(office, "11-04", LEFTOVER.replace("双机", "三机"))
    done = report(office, "11-06")
    ask = office.notice("leftover_which", "李四")
    first, second = (c["number"] for c in ask.context["cases"])
    office.mail("11-07", LI, f"回复: [{done.number}] 请确认", second, answers=ask)
    assert [c.state for c in office.cases("leftover")] == ["open", "solved"]
    office.mail("11-08", LI, f"回复: [{done.number}] 请确认", f"还有{first}", answers=ask)
    assert [c.state for c in office.cases("leftover")] == ["solved", "solved"]


def test_a_success_of_another_engineer_or_project_closes_nothing(office: Office) -> None:
    leftover(office)
    report(office, "11-05", subject="客户沟通-ERP项目-王五", sender=WANG)
    report(office, "11-06", subject="客户沟通-网管项目-李四")
    assert [c.state for c in office.cases("leftover")] == ["open"]


# -- not registered ----------------------------------------------------------------------------------------------------

MARS = "客户沟通-火星项目-李四"


def unregistered(office: Office, when: str = "11-03 10:00", to: str = ZHAO) -> Mail:
    return office.mail(when, LI, MARS, REPORT.replace("vista", f"{when}系统"), to=f"{to}, support@tech.example")


def asked(notices: list[Notice]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(n.template, n.person, n.cc) for n in notices]


def test_for_an_unregistered_project_sales_is_asked_again_every_two_working_days_then_support_may_stop(
    office: Office,
) -> None:
    office.tick("11-02 09:00")
    unregistered(office)
    assert [(r.registered, r.engineer) for r in office.reports()] == [(False, None)]
    assert asked(office.tick("11-03 10:01")) == [("registration_request", "赵六", ())]
    assert office.tick("11-05 08:59") == []
    assert asked(office.tick("11-05 09:00")) == [("registration_request", "赵六", (ZHOU,))]
    assert asked(office.tick("11-09 09:00")) == [("registration_request", "赵六", (ZHOU,))]
    assert office.tick("11-10 12:00") == []
    assert set(asked(office.tick("11-11 09:00"))) == {("support_stopped", "周九", ()), ("support_stopped", "李四", ())}
    assert office.cases("registration_request")[0].state == "stopped"


def test_further_reports_join_the_request_that_is_open(office: Office) -> None:
    unregistered(office)
    unregistered(office, "11-03 11:00")
    office.tick("11-03 12:00")
    assert len(office.notice("registration_request").context["reports"]) == 2


def test_after_downtime_there_is_one_step_and_the_next_counts_from_now(office: Office) -> None:
    office.tick("11-02 09:00")
    unregistered(office)
    assert len(office.tick("11-24 10:00")) == 1, "the mail was fetched three weeks late, and is asked about once"
    assert office.tick("11-24 10:01") == []
    assert office.tick("11-25 18:00") == []
    assert len(office.tick("11-27 09:00")) == 1
    office.take(mapping("v2", reminders=office.mapping.reminders.model_copy(update={"month_draft": False})), "11-27")
    assert len(office.tick("2027-03-01 09:00")) == 1
    assert office.tick("2027-03-01 09:01") == []


def test_nobody_known_to_ask_or_one_who_has_left_means_the_manager_is_asked(office: Office) -> None:
    unregistered(office, to=SUN)
    office.take(mapping("v2", people=people("孙七", left=date(2026, 11, 2))), "11-03")
    office.tick("11-03 12:00")
    assert office.notice("registration_request").person == "周九"


@pytest.mark.parametrize("how", ["mail", "seed", "alias"])
def test_registering_moves_what_was_kept_to_its_place_and_ends_the_request(office: Office, how: str) -> None:
    unregistered(office)
    office.tick("11-03 12:00")
    if how == "mail":
        office.mail("11-04", ZHAO, "立项-火星项目", "客户：某局\n第一责任售前：王五\n")
    else:
        seed = ProjectSeed(name="火星项目" if how == "seed" else "火星探测二期", aliases=("火星",), first="王五")
        office.take(mapping("v2", projects=(*SEEDS, seed)), "11-04")
    (found,) = office.reports()
    assert (found.registered, found.engineer) == (True, "王五")
    assert office.notice("second_engineer_report").person == "王五"
    assert office.cases("registration_request")[0].state == "registered"
    assert [n for n in office.tick("11-20") if n.template != "month_draft"] == []


def test_registering_ends_a_stopped_request_and_the_open_one_after_it(office: Office) -> None:
    unregistered(office)
    for day in ("11-03 12:00", "11-05 12:00", "11-09 12:00", "11-11 12:00"):
        office.tick(day)
    unregistered(office, "11-12 10:00")
    assert [c.state for c in office.cases("registration_request")] == ["stopped", "asked"]
    office.mail("11-13", ZHAO, "立项-火星项目", "客户：某局\n第一责任售前：王五\n")
    assert [c.state for c in office.cases("registration_request")] == ["registered", "registered"]


def test_leftovers_move_with_their_project(office: Office) -> None:
    office.mail("11-03", LI, MARS, LEFTOVER)
    office.take(
        mapping("v2", projects=(*SEEDS, ProjectSeed(name="火星探测", aliases=("火星",), first="李四"))), "11-04"
    )
    assert [c.project for c in office.cases("leftover")] == ["火星探测"]
    report(office, "11-05", subject="客户沟通-火星探测-李四")
    assert [c.state for c in office.cases("leftover")] == ["solved"]


# -- registrations -----------------------------------------------------------------------------------------------------

FULL = "客户：某局\n第一责任售前：王五\n"


def test_a_project_is_changed_only_by_its_sales_person_or_the_manager_and_only_verified(office: Office) -> None:
    for sender, verified in ((SUN, True), (ZHAO, False)):
        mail = office.mail("11-03", sender, "立项-ERP项目", FULL + f"支持内容：{sender}", verified=verified)
        assert (mail.disposition, office.project("ERP项目").first) == ("held", "李四")
    office.mail("11-04", ZHAO, "立项-ERP项目", FULL)
    assert office.project("ERP项目").first == "王五"


def test_a_verified_registration_that_names_the_first_engineer_verifies_an_unverified_one(office: Office) -> None:
    office.mail("11-03", ZHAO, "立项-星海项目", FULL, verified=False)
    office.mail("11-04", ZHAO, "立项-星海项目", "客户：另一局\n")
    assert office.project("星海项目").verified is False, "it says nothing of the first engineer"
    office.mail("11-05", ZHAO, "立项-星海项目", "客户：另一局\n第一责任售前：王五\n")
    assert office.project("星海项目").verified is True
    office.mail("11-06", ZHAO, "立项-星海项目", "客户：另一局\n第一责任售前：王五\n抄送", verified=False)
    assert office.project("星海项目").verified is True, "nor does an unverified repeat take it back"


def test_projects_toml_may_say_who_is_first_where_only_an_unverified_mail_did(office: Office) -> None:
    office.mail("11-03", ZHAO, "立项-星海项目", FULL, verified=False)
    office.mail("11-03", ZHAO, "立项-银河项目", FULL)
    seeds = (ProjectSeed(name="星海项目", first="李四"), ProjectSeed(name="银河项目", first="李四"))
    office.take(mapping("v2", projects=(*SEEDS, *seeds)), "11-04")
    assert (office.project("星海项目").first, office.project("星海项目").verified) == ("李四", True)
    assert office.project("银河项目").first == "王五", "verified mail stands"


def test_reports_stay_in_the_sheet_where_they_were_when_the_first_engineer_changes(office: Office) -> None:
    found = report(office)
    office.mail("11-10", ZHAO, "立项-ERP项目", FULL)
    assert again(office, found).engineer == "李四"


@pytest.mark.parametrize(
    ("text", "word"), [("客户：某局\n", "第一责任售前"), ("客户：某局\n第一责任售前：张三\n", "张三(华东)")]
)
def test_a_registration_without_a_certain_first_engineer_registers_nothing_and_is_answered(
    office: Office, text: str, word: str
) -> None:
    mail = office.mail("11-03", ZHAO, "立项-星海项目", text)
    assert mail.disposition == "near_miss"
    assert word in str(office.notice("registration_incomplete", "赵六").context)
    assert office.book.register().get("星海项目") is None


def test_a_near_miss_from_the_roster_gets_one_correction_and_one_from_outside_gets_nothing(office: Office) -> None:
    assert office.mail("11-03", LI, "客户勾通-ERP项目-李四", REPORT).disposition == "near_miss"
    office.mail("11-03", CUSTOMER, "客户勾通-ERP项目-李四", REPORT)
    assert [(n.template, n.person) for n in office.notices()] == [("correction", "李四")]
