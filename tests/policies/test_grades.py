"""The pay ledger (domain §4): what counted complaints lead to, how it is taken back, and what closing a month fixes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mailflow.core.mapping import PayRule
from mailflow.core.records import LedgerEntry, Mail, Month
from tests.policies.office import DIRECTOR, LI, SUN, WANG, ZHAO, ZHOU, Office, mapping, pay, people

RULE1, RULE2 = ("rule1", "2026-11"), ("rule2", "2026-11")


@pytest.fixture
def office() -> Office:
    return Office.open()


def complain(office: Office, *days: str, **more: str) -> list[str]:
    return [office.complaint(day, **more).number for day in days]


# -- the rules ---------------------------------------------------------------------------------------------------------


def test_with_every_second_counted_complaint_that_months_performance_pay_is_one_grade_down(office: Office) -> None:
    complain(office, "11-03")
    assert office.ledger() == []
    complain(office, "11-04")
    assert office.ledger() == [("rule1", "2026-11", "2026-11", 1)]
    complain(office, "11-05")
    assert len(office.ledger()) == 1


def test_with_every_fourth_the_grade_is_one_lower_for_good_and_both_rules_apply_to_the_fourth(office: Office) -> None:
    complain(office, "11-03", "11-04", "11-05", "11-06")
    assert office.net() == {RULE1: 2, RULE2: 1}
    fourth = office.book.find(LedgerEntry)[1:]
    assert [(e.rule, e.ordinal) for e in fourth] == [("rule1", 4), ("rule2", 4)]


def test_counted_over_the_engineers_whole_time(office: Office) -> None:
    complain(office, "2025-03-03", "2025-12-04", "11-05", "2027-01-06")
    assert office.net() == {("rule1", "2025-12"): 1, ("rule1", "2027-01"): 1, ("rule2", "2027-01"): 1}


def test_each_engineer_is_counted_alone(office: Office) -> None:
    complain(office, "11-03")
    complain(office, "11-04", project="网管项目")
    assert office.ledger("李四") == office.ledger("王五") == []


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("lifetime", {("r", "2026-11"): 1, ("r", "2027-01"): 1}),
        ("year", {("r", "2026-11"): 1}),
        ("month", {("r", "2026-11"): 1}),
    ],
)
def test_scope_is_mapping(scope: str, expected: dict[tuple[str, str], int]) -> None:
    rule = PayRule.model_validate({"id": "r", "name": "r", "every": 2, "effect": "withhold", "scope": scope})
    office = Office.open(pay=pay(rule))
    complain(office, "11-03", "11-20", "12-05", "2027-01-04")
    assert office.net() == expected


def test_a_year_and_a_month_begin_anew_at_their_ends() -> None:
    month = PayRule(id="m", name="m", every=2, effect="withhold", scope="month")
    year = PayRule(id="y", name="y", every=3, effect="demote", scope="year", grades=2)
    office = Office.open(pay=pay(month, year))
    complain(office, "10-31", "11-01", "11-30", "2027-01-01", "2027-01-02")
    assert office.net() == {("m", "2026-11"): 1, ("y", "2026-11"): 2, ("m", "2027-01"): 1}


def test_whether_rules_stack_is_mapping() -> None:
    office = Office.open(pay=pay(stack=False))
    complain(office, "11-03", "11-04", "11-05", "11-06")
    assert office.net() == {RULE1: 1, RULE2: 1}, "to the fourth only the rule with the larger `every` applies"


def test_nobody_is_demoted_below_the_floor_and_the_entry_says_so() -> None:
    office = Office.open()
    days = [f"11-{day:02}" for day in range(2, 18)]
    complain(office, *days, project="网管项目")
    demotions = [e for e in office.book.find(LedgerEntry, engineer="王五") if e.effect == "demote"]
    assert [e.grades for e in demotions] == [1, 1, 0, 0], "from 3 down to 1"
    assert "已到最低等级" in demotions[2].cause


def test_an_entry_of_no_grades_can_be_taken_back_like_any_other() -> None:
    office = Office.open(pay=pay(floor=3))
    numbers = complain(office, "11-03", "11-04", "11-05", "11-06", project="网管项目")
    assert office.net("王五") == {RULE1: 2}
    office.command(f"complaint:{numbers[0]}", "驳回")
    assert office.net("王五") == {RULE1: 1}
    assert not [e for e in office.book.standing("王五") if e.effect == "demote"]
    complain(office, "11-07", project="网管项目")
    assert [e.grades for e in office.book.standing("王五") if e.effect == "demote"] == [0]


def test_a_demotion_that_the_floor_cut_is_made_up_when_an_earlier_one_falls_away() -> None:
    """By months, so that the later demotion keeps its own complaints."""
    rule = PayRule(id="r", name="r", every=2, effect="demote", scope="month")
    office = Office.open(pay=pay(rule, floor=2))
    numbers = complain(office, "10-10", "10-11", "11-10", "11-11", project="网管项目")
    assert office.net("王五") == {("r", "2026-10"): 1}
    office.command(f"complaint:{numbers[0]}", "驳回")
    assert office.net("王五") == {("r", "2026-11"): 1}


def test_who_has_no_grade_has_no_floor(office: Office) -> None:
    complain(office, *(f"11-{day:02}" for day in range(2, 10)), project="门户项目")
    assert office.net("张三(华东)")[RULE2] == 2


# -- taking out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["驳回", "撤诉", "指定 王五"])
def test_what_takes_a_complaint_out_has_the_consequences_worked_out_anew(office: Office, answer: str) -> None:
    numbers = complain(office, "11-03", "11-04")
    office.command(f"complaint:{numbers[0]}", answer)
    assert office.net() == {}
    assert office.ledger() == [("rule1", "2026-11", "2026-11", 1), ("rule1", "2026-11", "2026-11", -1)]
    assert office.counted("王五") == (answer == "指定 王五")


def test_what_only_changed_its_mails_is_taken_back_and_booked_again_and_told_once(office: Office) -> None:
    numbers = complain(office, "11-03", "11-04", "11-05")
    told = len(office.notices("consequence"))
    office.command(f"complaint:{numbers[0]}", "驳回")
    assert office.net() == {RULE1: 1}
    (standing,) = office.book.standing("李四")
    assert standing.complaints == tuple(numbers[1:])
    assert len(standing.mails) == 2
    (notice,) = office.notices("consequence")[told:]
    assert [e["grades"] for e in notice.context["entries"]] == [-1, 1]
    assert numbers[0] in notice.context["reason"]
    assert "驳回" in notice.context["reason"]


def test_entries_are_never_edited(office: Office) -> None:
    numbers = complain(office, "11-03", "11-04", "11-05", "11-06")
    before = {e.number: e for e in office.book.find(LedgerEntry)}
    office.command(f"complaint:{numbers[1]}", "驳回")
    for entry in office.book.find(LedgerEntry):
        known = before.get(entry.number, entry)
        assert replace(entry, reversed_by=None) == replace(known, reversed_by=None)


def test_a_late_complaint_takes_its_place_in_the_order_of_reception(office: Office) -> None:
    complain(office, "11-03", "12-04", "12-05")
    assert office.net() == {("rule1", "2026-12"): 1}
    complain(office, "11-02")
    assert office.net() == {("rule1", "2026-11"): 1, ("rule1", "2026-12"): 1, ("rule2", "2026-12"): 1}


def test_the_engineer_sees_for_every_entry_which_mails_led_to_it(office: Office) -> None:
    complain(office, "11-03", message_id="<a@sales.example>")
    complain(office, "11-04", message_id="<b@sales.example>")
    (entry,) = office.notice("consequence").context["entries"]
    assert entry["mails"] == ["<a@sales.example>", "<b@sales.example>"]
    assert entry["rule"] == "每2次投诉，当月绩效工资扣发1级"
    assert office.notice("consequence").to == LI


def test_who_loses_a_complaint_is_not_told_who_gets_it(office: Office) -> None:
    numbers = complain(office, "11-03", "11-04")
    office.command(f"complaint:{numbers[0]}", "指定 王五，因为是他去的现场")
    for notice in office.notices(person="李四"):
        assert "王五" not in str(notice.context)
    assert "王五" not in str(office.book.find(LedgerEntry, engineer="李四"))
    assert office.notices("complaint_received", "王五")[0].context["subject"] == "投诉-ERP项目沟通问题"


# -- closing -----------------------------------------------------------------------------------------------------------


def test_after_closing_whatever_changes_appears_as_an_adjusting_entry_in_the_open_month_with_the_reason(
    office: Office,
) -> None:
    numbers = complain(office, "11-03", "11-04")
    assert office.close("2026-11", "12-02") is None
    parent = office.book.get(Mail, office.of(numbers[1]).mail)
    office.mail("12-05", ZHAO, "回复: 投诉-ERP项目沟通问题", "撤诉。", answers=parent)
    assert office.ledger() == [("rule1", "2026-11", "2026-11", 1), ("rule1", "2026-12", "2026-11", -1)]
    entry = office.book.find(LedgerEntry)[-1]
    assert entry.adjusting
    assert numbers[1] in entry.cause
    assert "撤诉" in entry.cause


def test_received_before_the_close_and_fetched_after_it_is_booked_in_the_open_month(office: Office) -> None:
    complain(office, "11-03")
    office.close("2026-11", "12-02")
    complain(office, "11-28")
    assert office.ledger() == [("rule1", "2026-12", "2026-11", 1)]
    assert office.book.find(LedgerEntry)[0].cause.startswith("调整2026-11：")


def test_held_before_the_close_and_decided_after_it_is_booked_in_the_open_month(office: Office) -> None:
    complain(office, "11-03")
    late = office.complaint("11-04", verified=False)
    office.close("2026-11", "12-02")
    assert office.command("held:1", "确认", "12-03") is None
    assert office.of(late.number).month == "2026-11"
    assert office.ledger() == [("rule1", "2026-12", "2026-11", 1)]


def test_an_adjusting_entry_goes_to_the_next_month_that_is_open(office: Office) -> None:
    complain(office, "11-03")
    for month in ("2026-12", "2026-11", "2027-01"):
        assert office.close(month, "2027-01-20") is None
    complain(office, "11-28")
    assert office.ledger() == [("rule1", "2027-02", "2026-11", 1)]


def test_of_several_open_months_it_is_the_current_one(office: Office) -> None:
    """November waits for its confirmation in December, and its draft has been sent: it is not changed any more."""
    numbers = complain(office, "10-03", "10-04")
    office.close("2026-10", "11-02")
    office.command(f"complaint:{numbers[0]}", "驳回", "12-03")
    assert office.ledger()[-1] == ("rule1", "2026-12", "2026-10", -1)


def test_a_month_is_closed_once_never_before_it_begins_and_only_by_its_name(office: Office) -> None:
    assert office.close("2026-11", "12-02") is None
    before = office.book.find(Month)
    assert "已由" in (office.close("2026-11", "12-03") or "")
    assert "还没有开始" in (office.close("2027-01", "12-03") or "")
    for text in ("2026-13", "2026-1", "1999-00", "上月", ""):
        assert office.close(text, "12-03") is not None
    assert "确认" in (office.command("month:2026-10", "驳回") or "")
    assert office.book.find(Month) == before


def test_a_month_closed_by_mistake_sets_off_no_drafts_of_the_months_since(office: Office) -> None:
    office.close("2025-03", "11-02")
    drafts = {n.matter for n in office.tick("11-03") if n.template == "month_draft"}
    assert drafts == {"month:2026-09", "month:2026-10"}  # the office's ledger begins in September


# -- other rules, other roster -----------------------------------------------------------------------------------------


def test_open_months_are_worked_out_anew_under_other_rules_and_closed_ones_never(office: Office) -> None:
    complain(office, "10-20", "10-21", "11-03", "11-04")
    office.close("2026-10", "11-02")
    rule = PayRule(id="rule1", name="每3次", every=3, effect="withhold", grades=2)
    office.take(mapping("v2", pay=pay(rule)), "11-10")
    assert office.net() == {("rule1", "2026-10"): 1, RULE1: 2}
    assert all(not e.adjusting for e in office.book.find(LedgerEntry))
    assert "绩效规则" in office.notices("consequence")[-1].context["reason"]


def test_a_mapping_that_says_the_same_of_pay_books_and_tells_nothing(office: Office) -> None:
    complain(office, "11-03", "11-04")
    ledger, notices = office.ledger(), office.notices()
    office.take(mapping("v2", words=office.mapping.words), "11-10")
    assert (office.ledger(), office.notices()) == (ledger, notices)


def test_another_opening_grade_in_the_roster_changes_no_closed_month() -> None:
    office = Office.open(pay=pay(floor=3))
    complain(office, "10-10", "10-11", "10-12", "10-13", project="网管项目")
    office.close("2026-10", "11-02")
    office.take(mapping("v2", people=people("王五", grade=5), pay=pay(floor=3)), "11-03")
    assert office.net("王五") == {("rule1", "2026-10"): 2}
    complain(office, "11-05", "11-06", "11-07", "11-08", project="网管项目")
    assert office.net("王五")[RULE2] == 1, "the open month goes by the new grade"


def test_two_closings_and_a_withdrawal_across_them_keep_both_months_as_they_were(office: Office) -> None:
    numbers = complain(office, "10-10", "10-11", "11-05", "11-06")
    office.close("2026-10", "11-02")
    office.close("2026-11", "12-02")
    closed = [e for e in office.book.find(LedgerEntry) if not e.adjusting]
    office.command(f"complaint:{numbers[0]}", "驳回", "12-10")
    assert office.net() == {("rule1", "2026-11"): 1}
    assert {e.month for e in office.book.find(LedgerEntry)} == {"2026-10", "2026-11", "2026-12"}
    assert [e.number for e in office.book.find(LedgerEntry) if not e.adjusting] == [e.number for e in closed]


# -- the draft ---------------------------------------------------------------------------------------------------------


def test_the_draft_is_sent_on_the_first_working_day_and_closes_by_a_reply() -> None:
    office = Office.open("11-01")
    complain(office, "11-03", "11-04")
    assert office.tick("11-30 23:00") == []
    (draft,) = office.tick("12-01 09:00")
    assert (draft.template, draft.person) == ("month_draft", "周九")
    (line,) = draft.context["engineers"]
    assert (line["complaints"], line["withheld"], line["demoted"]) == (2, 1, 0)
    mail = office.mail("12-02", ZHOU, "回复: 请确认 2026-11 绩效等级台账", "确认", answers=draft)
    assert (mail.disposition, mail.matter) == ("decided", "month:2026-11")
    assert office.book.is_closed("2026-11")
    assert office.notice("decision_done").context["result"] == "2026-11 已关账。"


def test_the_first_working_day_is_the_calendars(office: Office) -> None:
    """October begins with a holiday."""
    complain(office, "09-10")
    assert office.tick("10-07 12:00") == []
    assert [n.context["month"] for n in office.tick("10-08 09:00")] == ["2026-09"]


def test_a_reply_without_in_reply_to_closes_the_month_that_its_subject_names(office: Office) -> None:
    office.tick("10-08 09:00")
    office.mail("10-09", ZHOU, "回复: 请确认 2026-09 绩效等级台账", "确认")
    assert office.book.is_closed("2026-09")


@pytest.mark.parametrize(
    ("sender", "text", "verified"),
    [
        (DIRECTOR, "确认", True),
        (WANG, "确认", True),
        (ZHOU, "确认", False),
        (ZHOU, "确认吗？", True),
        (ZHOU, "驳回", True),
    ],
)
def test_nothing_else_closes_a_month(office: Office, sender: str, text: str, verified: bool) -> None:
    (draft,) = office.tick("10-08 09:00")
    office.mail("10-09", sender, "回复: 请确认", text, answers=draft, verified=verified)
    assert not office.book.is_closed("2026-09")


def test_a_confirmation_of_an_old_draft_says_what_was_booked_since(office: Office) -> None:
    complain(office, "09-10")
    (draft,) = office.tick("10-08 09:00")
    complain(office, "09-30")
    office.mail("10-20", ZHOU, "回复: 请确认", "确认", answers=draft)
    assert office.book.is_closed("2026-09")
    assert "L000001" in office.notice("decision_done").context["result"]


def test_a_confirmation_that_arrives_twice_closes_once_and_says_so(office: Office) -> None:
    (draft,) = office.tick("10-08 09:00")
    for day in ("10-09", "10-10"):
        office.mail(day, ZHOU, "回复: 请确认", "确认", answers=draft)
    assert len(office.book.find(Month)) == 1
    assert "已由 周九" in office.notice("decision_unclear").context["reason"]


def test_who_is_struck_off_the_roster_at_the_floor_is_not_demoted_for_it() -> None:
    office = Office.open(people=people("王五", grade=1))
    complain(office, "11-03", "11-04", "11-05", "11-06", project="网管项目")
    before = office.ledger("王五")
    assert before[-1] == ("rule2", "2026-11", "2026-11", 0)
    office.take(mapping("v2", people=tuple(p for p in people("王五") if p.name != "王五")), "11-20")
    assert office.ledger("王五") == before


def test_the_floor_holds_for_who_is_struck_off_the_roster_when_a_complaint_is_taken_out() -> None:
    office = Office.open(people=people("王五", grade=1))
    days = [f"{month}-{day}" for month in ("10", "11") for day in ("13", "14", "15", "16")]
    found = [office.complaint(day, SUN, project="网管项目") for day in days]
    office.close("2026-10", "11-02")
    office.take(mapping("v2", people=tuple(p for p in people("王五") if p.name != "王五")), "11-20")
    office.command(found[-1].matter, "驳回")
    office.command(found[0].matter, "驳回")
    assert office.counted("王五") == 6
    assert {month for rule, month in office.net("王五") if rule == "rule2"} == set(), "at the floor already"


def test_where_no_manager_is_there_the_director_is_told(office: Office) -> None:
    office.take(mapping("v2", people=people("周九", left=date(2026, 10, 31))), "11-02")
    complain(office, "11-03", "11-04")
    office.complaint("11-05", project="火星项目")
    assert [n.person for n in office.notices("held")] == ["吴十"]
    assert {n.person for n in office.tick("12-01 09:00")} == {"吴十"}


def test_after_three_months_of_downtime_there_is_one_draft_for_each_month(office: Office) -> None:
    complain(office, "09-10", "09-11")
    drafts = office.tick("2027-01-04 10:00")
    assert [n.context["month"] for n in drafts] == ["2026-09", "2026-10", "2026-11", "2026-12"]
    assert office.tick("2027-01-04 10:01") == []


def test_no_draft_of_a_month_that_is_closed_and_none_when_drafts_are_off(office: Office) -> None:
    office.close("2026-09", "10-02")
    assert office.tick("10-20") == []
    reminders = office.mapping.reminders.model_copy(update={"month_draft": False})
    office.take(mapping("v2", reminders=reminders), "10-21")
    assert office.tick("12-20") == []
