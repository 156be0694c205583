"""Complaints (domain §4): what counts, against whom, once, in which month."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import permutations

import pytest

from mailflow.core.records import Complaint, Mail
from tests.policies.office import (
    CUSTOMER,
    DIRECTOR,
    GONE,
    LI,
    SEEDS,
    SUN,
    WANG,
    ZHAO,
    ZHAO2,
    ZHOU,
    Office,
    at,
    mapping,
    pay,
    people,
    raw_mail,
)


@pytest.fixture
def office() -> Office:
    return Office.open()


# -- against whom ------------------------------------------------------------------------------------------------------


def test_counts_against_the_engineer_whom_its_body_names(office: Office) -> None:
    found = office.complaint("11-03", text="技服：王五\n没有报告。")
    assert (found.state, found.engineer, found.named_by) == ("counted", "王五", "body")


def test_otherwise_against_the_projects_first_engineer(office: Office) -> None:
    found = office.complaint("11-03")
    assert (found.state, found.engineer, found.named_by) == ("counted", "李四", "first")


@pytest.mark.parametrize(
    ("project", "text", "reason"),
    [
        ("ERP项目", "技服：张三\n没有报告。", "engineer_unclear"),
        ("ERP项目", "技服：李斯\n没有报告。", "engineer_unclear"),
        ("ERP项目", "技服：李四、王五\n没有报告。", "engineer_unclear"),
        ("ERP项目", "技服：李四和王五都没有报告", "engineer_unclear"),
        ("ERP项目", "技服：李四、王五两人", "engineer_unclear"),
        ("ERP项目", "技服：李四，张三也没有写", "engineer_unclear"),
        ("ERP项目", "技服：孙七\n没有报告。", "not_an_engineer"),
        ("火星项目", "没有报告。", "project_unknown"),
        ("火星项目", "技服：李四\n没有报告。", "project_unknown"),
        ("ERP项目", "项目名称：网管项目\n没有报告。", "project_disagrees"),
        ("旧线项目", "没有报告。", "engineer_left"),
        ("ERP项目", "技服：钱文\n没有报告。", "engineer_left"),
    ],
)
def test_if_that_cannot_be_told_for_certain_it_is_held(office: Office, project: str, text: str, reason: str) -> None:
    found = office.complaint("11-03", project=project, text=text)
    assert (found.state, found.engineer) == ("held", None)
    (held,) = office.held()
    assert (held.kind, held.reason, held.matter) == ("complaint", reason, found.matter)
    assert [n.person for n in office.notices()] == ["周九"]
    assert office.counted() == 0


def test_who_is_named_is_certain_even_if_the_project_is_not() -> None:
    office = Office.open(pay=pay(unknown_project="count"))
    found = office.complaint("11-03", project="火星项目", text="技服：李四\n没有报告。")
    assert (found.state, found.engineer) == ("counted", "李四")
    named = office.complaint("11-04", text="技服：王五\n项目名称：网管项目\n没有报告。")
    assert (named.state, named.engineer) == ("counted", "王五")


def test_who_left_after_it_was_received_is_still_meant(office: Office) -> None:
    found = office.complaint("10-20", project="旧线项目")
    assert (found.state, found.engineer) == ("counted", "钱文")


def test_a_first_engineer_by_unverified_registration_is_not_certain(office: Office) -> None:
    office.mail("11-01", ZHAO, "立项-星海项目", "客户：某局\n第一责任售前：李四\n", verified=False)
    found = office.complaint("11-03", project="星海项目")
    assert (found.state, office.held()[0].reason) == ("held", "registration_unverified")
    assert office.command("held:1", "确认") is None
    assert office.of(found.number).engineer == "李四"


def test_a_complaint_from_before_a_change_of_first_engineer_is_not_certain_when_fetched_after_it(
    office: Office,
) -> None:
    before = office.complaint("11-03")
    office.mail("11-10", ZHAO, "立项-ERP项目", "客户：某局\n第一责任售前：王五\n")
    late = office.complaint("11-05")
    after = office.complaint("11-12")
    assert office.of(before.number).engineer == "李四", "earlier complaints stay where they are"
    assert (late.state, office.held()[0].reason) == ("held", "first_changed")
    assert after.engineer == "王五"


def change_first(office: Office, when: str, name: str, project: str = "ERP项目") -> Mail:
    return office.mail(when, ZHAO, f"立项-{project}", f"客户：某局\n第一责任售前：{name}\n")


def test_a_change_of_first_engineer_that_is_fetched_late_moves_what_was_received_after_it(office: Office) -> None:
    found = [office.complaint(f"11-{day:02}") for day in (3, 9, 12)]
    named = office.complaint("11-13", text="技服：李四\n没有报告。")
    assert change_first(office, "11-10", "王五").disposition == "recorded"
    assert [office.of(c.number).engineer for c in (*found, named)] == ["李四", "李四", "王五", "李四"]
    assert (office.counted("李四"), office.counted("王五")) == (3, 1)
    assert office.net() == {("rule1", "2026-11"): 1}
    assert office.notice("complaint_withdrawn", "李四").context["state"] == "已改派"
    assert "王五" not in str(office.notice("complaint_withdrawn", "李四").context), "promise 10"
    assert len(office.notices("complaint_received", "王五")) == 1


def test_what_the_manager_has_decided_is_not_moved_by_a_change_that_is_fetched_late(office: Office) -> None:
    found = office.complaint("11-12")
    office.command(found.matter, "指定 张三(华东)")
    office.command(found.matter, "指定 李四")
    change_first(office, "11-10", "王五")
    assert office.of(found.number).engineer == "李四"


def test_an_older_change_that_is_fetched_after_a_newer_one_is_for_the_manager(office: Office) -> None:
    change_first(office, "11-10", "王五")
    assert change_first(office, "11-08", "张三(华东)").disposition == "held"
    assert (office.project("ERP项目").first, office.held()[0].reason) == ("王五", "first_changed")


def test_a_complaint_from_before_the_registration_is_not_certain_when_fetched_after_it(office: Office) -> None:
    change_first(office, "11-10", "李四", "火星项目")
    assert office.complaint("11-09", project="火星项目").state == "held"
    assert office.held()[0].reason == "first_changed"
    assert office.complaint("11-11", project="火星项目").engineer == "李四"


def test_a_first_engineer_changed_in_projects_toml_is_as_good_as_one_changed_by_mail(office: Office) -> None:
    seeds = (SEEDS[0].model_copy(update={"first": "王五"}), *SEEDS[1:])
    office.take(mapping("v2", projects=seeds), "11-10")
    office.take(mapping("v3", projects=seeds), "11-20")
    assert office.complaint("11-05").state == "held"
    assert office.complaint("11-12").engineer == "王五"


# -- who may -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [LI, DIRECTOR, ZHOU, CUSTOMER])
def test_only_roster_members_with_a_role_that_may_complain_can_complain(office: Office, sender: str) -> None:
    found = office.complaint("11-03", sender)
    assert found.state == "held"
    assert office.held()[0].reason in ("sender_role", "sender_unknown")


def test_only_if_the_sender_is_authenticated_as_the_mapping_demands(office: Office) -> None:
    found = office.complaint("11-03", verified=False)
    assert (found.state, office.held()[0].reason) == ("held", "sender_unverified")


def test_who_has_left_cannot_complain() -> None:
    office = Office.open(people=people("赵六", left=date(2026, 11, 1)))
    assert office.complaint("11-03").state == "held"
    assert office.complaint("11-01").state == "counted", "the day of leaving included"


def test_automatic_mail_is_never_counted(office: Office) -> None:
    mail = office.mail("11-03", ZHAO, "投诉-ERP项目", "没有报告。", headers=(("Auto-Submitted", "auto-replied"),))
    assert (mail.disposition, office.complaints(), office.notices()) == ("automatic", [], [])


# -- once --------------------------------------------------------------------------------------------------------------


def test_not_again_as_a_reply_or_a_forward(office: Office) -> None:
    first = office.complaint("11-03")
    original = office.book.get(Mail, first.mail)
    for subject in ("回复: 投诉-ERP项目沟通问题", "转发: 投诉-ERP项目沟通问题", "Re: 投诉-ERP项目"):
        for parent in (original, None):
            mail = office.mail("11-04", SUN, subject, f"请看下面。{subject}{parent is None}", answers=parent)
            assert (mail.disposition, mail.matter) == ("discussion", first.matter)
    assert len(office.complaints()) == 1
    assert office.held() == []


def test_a_reply_or_forward_whose_original_never_came_is_held_if_the_sender_may_be_complaining(office: Office) -> None:
    office.complaint("09-03")
    forwarded = office.mail("11-03", ZHOU, "转发: 投诉-ERP项目", "请登记。", answers="<never@sales.example>")
    assert forwarded.disposition == "held", "the complaint of September is another one"
    talk = office.mail("11-03", WANG, "回复: 投诉-ERP项目", "我来联系客户。", answers="<never@sales.example>")
    assert talk.disposition == "discussion"
    assert office.counted() == 1


def test_a_new_complaint_written_in_the_thread_of_an_old_one_is_for_the_manager_to_tell(office: Office) -> None:
    first = office.complaint("11-03")
    parent = office.book.get(Mail, first.mail)
    second = office.complaint("11-09", answers=parent)
    assert second.state == "held"
    assert office.complaint("11-09", project="网管项目", answers=parent).state == "counted", "another project"
    again = office.complaint("11-12", answers=parent, text="第1次：沟通后没有收到报告。")
    assert again.state == "held", "the same text after 24 h, but in the thread"


def test_not_again_as_a_copy_in_a_second_polled_mailbox_or_a_redelivery(office: Office) -> None:
    raw = raw_mail(ZHAO, "投诉-ERP项目", "没有报告。", message_id="<c1@sales.example>")
    ends = [office.deliver(raw, at("11-03"), box).disposition for box in ("support", "second", "support")]
    assert ends == ["recorded", "copy", "copy"]
    assert office.counted() == 1


def test_of_two_copies_the_earlier_reception_is_the_month_in_whichever_order_they_are_fetched() -> None:
    for order in ((0, 1), (1, 0)):
        office = Office.open()
        office.complaint("10-05")
        raw = raw_mail(ZHAO, "投诉-ERP项目", "没有报告。", message_id="<c1@sales.example>")
        copies = [("support", at("10-31 23:59")), ("second", at("11-01 00:01"))]
        for index in order:
            office.deliver(raw, copies[index][1], copies[index][0])
        assert [c.month for c in office.book.counted("李四")] == ["2026-10", "2026-10"]
        assert office.net() == {("rule1", "2026-10"): 1}


def test_an_unverified_copy_moves_nothing(office: Office) -> None:
    raw = raw_mail(ZHAO, "投诉-ERP项目", "没有报告。", message_id="<c1@sales.example>")
    office.deliver(raw, at("11-01 00:01"))
    office.deliver(raw, at("10-31 23:59"), "unknown")
    assert [c.month for c in office.complaints()] == ["2026-11"]


@pytest.mark.parametrize(("later", "state"), [("11-04 09:29", "duplicate"), ("11-04 09:31", "counted")])
def test_not_again_as_a_re_send_of_the_same_text_by_the_same_sender_within_24_hours(
    office: Office, later: str, state: str
) -> None:
    office.complaint("11-03 09:30", text="没有报告。")
    assert office.complaint(later, text="没有报告。").state == state


def test_the_24_hours_run_from_the_complaint_that_counts_not_from_its_re_sends(office: Office) -> None:
    start = at("11-03")
    states = [office.complaint(start + timedelta(hours=h), text="没有报告。").state for h in (0, 23, 25, 46, 50)]
    assert states == ["counted", "duplicate", "counted", "duplicate", "counted"]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_which_of_the_same_texts_count_does_not_hang_on_the_order_of_fetching(order: tuple[int, ...]) -> None:
    office = Office.open()
    times = [at("10-31 04:00") + timedelta(hours=h) for h in (0, 20, 40, 45)]
    ends = {i: office.mail(times[i], ZHAO, "投诉-ERP项目", "没有报告。", message_id=f"<{i}@x.example>") for i in order}
    assert [(c.received, c.month) for c in office.book.counted("李四")] == [
        (times[0], "2026-10"),
        (times[2], "2026-11"),
    ]
    assert office.net() == {("rule1", "2026-11"): 1}
    assert sorted(office.row(mail).disposition for mail in ends.values()) == ["duplicate"] * 2 + ["recorded"] * 2


def test_an_earlier_copy_may_show_that_a_complaint_is_a_re_send(office: Office) -> None:
    office.complaint("11-03 09:00", text="没有报告。")
    raw = raw_mail(ZHAO, "投诉-ERP项目沟通问题", "没有报告。", message_id="<late@sales.example>")
    office.deliver(raw, at("11-04 10:00"))
    assert office.counted() == 2
    office.deliver(raw, at("11-04 08:00"), "second")
    assert (office.counted(), office.net()) == (1, {})
    assert office.notice("complaint_withdrawn").context["state"] == "不重复计"


def test_what_comes_to_count_by_a_mail_fetched_late_is_told_with_what_it_says(office: Office) -> None:
    repeats = [office.complaint(when, text="没有报告。") for when in ("11-04 16:00", "11-03 20:00")]
    assert [office.of(c.number).state for c in repeats] == ["counted", "duplicate"]
    office.complaint("11-03 10:00", text="没有报告。")
    assert [(c.received, c.state) for c in office.complaints(state="counted")] == [
        (at("11-04 16:00"), "counted"),
        (at("11-03 10:00"), "counted"),
    ]
    told = office.notices("complaint_received", "李四")
    assert [(n.context["subject"], n.context["excerpt"]) for n in told[-1:]] == [("投诉-ERP项目沟通问题", "没有报告。")]


def test_a_repeat_names_the_complaint_that_it_repeats_now(office: Office) -> None:
    later = office.complaint("11-04 16:00", text="没有报告。")
    repeat = office.complaint("11-03 20:00", text="没有报告。")
    earlier = office.complaint("11-03 10:00", text="没有报告。")
    assert office.of(repeat.number).duplicate_of == earlier.number != later.number
    assert earlier.number in office.of(repeat.number).reason


def test_what_comes_to_count_counts_against_whoever_was_first_then(office: Office) -> None:
    office.complaint("11-09 20:00", text="没有报告。")
    repeat = office.complaint("11-10 16:00", text="没有报告。")
    change_first(office, "11-10 08:00", "王五")
    office.complaint("11-09 10:00", text="没有报告。")
    assert (office.of(repeat.number).state, office.of(repeat.number).engineer) == ("counted", "王五")
    assert (office.counted("李四"), office.counted("王五")) == (1, 1)


@pytest.mark.parametrize("as_copy", [True, False])
def test_one_that_was_there_before_the_first_engineer_changed_is_for_the_manager(office: Office, as_copy: bool) -> None:
    change_first(office, "11-10 08:00", "王五")
    raw = raw_mail(ZHAO, "投诉-ERP项目", "没有报告。", message_id="<c@sales.example>")
    office.deliver(raw, at("11-10 16:00"))
    (found,) = office.complaints(state="counted")
    again = raw if as_copy else raw.replace(b"<c@sales.example>", b"<d@sales.example>")
    office.deliver(again, at("11-09 20:00"), "second")
    (held,) = office.held()
    assert (held.reason, held.matter, office.counted("王五")) == ("first_changed", found.matter, 1)
    office.command(f"held:{held.number}", "指定 李四")
    assert (office.counted("李四"), office.counted("王五"), office.held()) == (1, 0, [])
    assert office.of(found.number).received == at("11-09 20:00")


def test_an_unverified_re_send_never_comes_to_count(office: Office) -> None:
    office.complaint("11-03 20:00", text="没有报告。")
    forged = office.complaint("11-04 16:00", text="没有报告。", verified=False)
    office.complaint("11-03 00:00", text="没有报告。")
    assert (office.of(forged.number).state, office.counted()) == ("duplicate", 1)


def test_said_a_third_time_after_it_was_taken_out_it_is_still_for_the_manager(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    office.command(first.matter, "驳回")
    assert office.complaint("11-03 10:00", text="没有报告。").state == "held"
    assert office.complaint("11-03 11:00", text="没有报告。").state == "duplicate"
    assert (office.counted(), [h.reason for h in office.held()]) == (0, ["resent_after_out"])


@pytest.mark.parametrize(
    "subject", ["投诉-ERP项目沟通问题", "【重发】投诉-ERP项目", "[External] 投訴－ＥＲＰ項目", "投诉 — ERP"]
)
def test_a_re_send_under_a_subject_that_means_the_same_is_one_too(office: Office, subject: str) -> None:
    office.mail("11-03 09:00", ZHAO, "投诉-ERP项目", "没有报告。")
    assert office.mail("11-03 10:00", ZHAO, subject, "没有报告。").disposition == "duplicate"
    assert (office.counted(), office.held()) == (1, [])


def test_the_same_text_about_another_day_is_a_complaint_of_its_own(office: Office) -> None:
    for day in ("11月2日", "11月3日"):
        office.mail("11-04", ZHAO, f"投诉-ERP项目{day}", "没有报告。")
    assert office.counted() == 2


def test_the_same_text_about_another_project_is_a_complaint_of_its_own(office: Office) -> None:
    for project in ("ERP项目", "网管项目"):
        office.mail("11-03", ZHAO, f"投诉-{project}", "没有报告。")
    assert (office.counted("李四"), office.counted("王五")) == (1, 1)


def test_a_re_send_from_another_address_of_the_same_person_is_one_too(office: Office) -> None:
    office.complaint("11-03", ZHAO, text="没有报告。")
    assert office.complaint("11-03 12:00", ZHAO2, text="没有报告。").state == "duplicate"
    assert office.complaint("11-03 12:00", SUN, text="没有报告。").state == "counted", "another sender"


def test_a_re_send_fetched_before_the_first_sending_leaves_the_complaint_in_the_first_ones_month(
    office: Office,
) -> None:
    office.complaint("11-01 08:00", text="没有报告。")
    office.complaint("10-31 20:00", text="没有报告。")
    assert [(c.month, c.state) for c in office.complaints()] == [("2026-10", "counted"), ("2026-10", "duplicate")]


def test_said_again_after_it_was_taken_out_it_is_for_the_manager_to_tell(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    office.mail("11-03 10:00", ZHAO, "撤诉-ERP项目")
    again = office.complaint("11-03 11:00", text="没有报告。")
    assert (office.of(first.number).state, again.state) == ("withdrawn", "held")
    assert office.held()[0].reason == "resent_after_out"


def test_a_re_send_of_a_dismissed_complaint_that_came_before_stays_out_with_it(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    copy = office.complaint("11-03 11:00", text="没有报告。")
    office.command(first.matter, "驳回")
    assert [office.of(c.number).state for c in (first, copy)] == ["dismissed", "duplicate"]
    assert office.counted() == 0


def test_a_verified_re_send_of_a_held_complaint_counts_and_closes_the_held_item(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。", verified=False)
    second = office.complaint("11-03 10:00", text="没有报告。")
    assert (office.of(first.number).state, second.state) == ("duplicate", "counted")
    assert office.held() == []
    third = office.complaint("11-03 11:00", text="没有报告。")
    assert third.duplicate_of == second.number


def test_the_same_message_id_with_other_content_is_held_and_counts_when_accepted(office: Office) -> None:
    office.complaint("11-03", message_id="<same@sales.example>")
    mail = office.mail("11-05", ZHAO, "投诉-ERP项目", "另一次没有报告。", message_id="<same@sales.example>")
    assert (mail.disposition, office.counted()) == ("held", 1)
    assert office.command("held:1", "确认") is None
    assert (office.counted(), office.row(mail).disposition, office.held()) == (2, "recorded", [])


def test_what_is_accepted_and_still_not_certain_is_held_again_under_its_own_reason(office: Office) -> None:
    office.complaint("11-03", message_id="<same@sales.example>")
    mail = office.mail("11-05", ZHAO, "投诉-ERP项目", "技服：张三\n没有报告。", message_id="<same@sales.example>")
    assert office.command("held:1", "确认") is None
    (held,) = office.held()
    assert (held.reason, office.row(mail).disposition) == ("engineer_unclear", "held")
    assert office.command("held:2", "指定 张三(华北)") is None
    assert (office.held(), office.row(mail).disposition) == ([], "recorded")


# -- when --------------------------------------------------------------------------------------------------------------


def test_belongs_to_the_month_in_which_the_server_received_it_not_that_of_its_date_header(office: Office) -> None:
    last = office.complaint("10-31 23:59", date_header="Sun, 01 Nov 2026 00:10:00 +0800")
    first = office.complaint("11-01 00:00", date_header="Thu, 01 Jan 1970 00:00:00 +0000")
    assert (last.month, first.month) == ("2026-10", "2026-11")


def test_the_engineer_is_told_of_each_complaint(office: Office) -> None:
    found = office.complaint("11-03")
    notice = office.notice("complaint_received")
    assert (notice.person, notice.to, notice.cc) == ("李四", LI, ())
    assert notice.context["ordinal"] == 1
    assert notice.context["sender"] == "赵六"
    assert notice.matter == found.matter


def test_who_has_left_is_told_nothing(office: Office) -> None:
    found = office.complaint("11-03", text="技服：钱文\n没有报告。")
    office.command(f"complaint:{found.number}", "指定 钱文")
    assert office.of(found.number).engineer == "钱文"
    assert not [n for n in office.notices() if n.to == GONE]


def test_nobody_but_the_engineer_and_the_managers_hears_of_a_complaint(office: Office) -> None:
    for day in range(3, 8):
        office.complaint(f"11-{day:02}")
    office.complaint("11-09", text="技服：张三\n没有报告。")
    assert {n.person for n in office.notices()} == {"李四", "周九"}
    assert all(not n.cc for n in office.notices())
    assert {n.template for n in office.notices(person="周九")} == {"held"}


def test_a_held_complaint_is_one_complaint(office: Office) -> None:
    found = office.complaint("11-03", text="技服：张三\n没有报告。")
    assert office.complaint("11-03 12:00", text="技服：张三\n没有报告。").state == "duplicate"
    office.command("held:1", "指定 张三(华东)")
    assert len([c for c in office.book.find(Complaint) if c.state == "counted"]) == 1
    assert office.of(found.number).engineer == "张三(华东)"


# -- whom the prose names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["王五没有报告。", "李四和王五都没有报告。"])
def test_an_engineer_whom_only_the_prose_names_is_never_guessed_at(office: Office, text: str) -> None:
    found = office.complaint("11-03", text=text)
    assert (found.state, office.held()[0].reason) == ("held", "engineer_mentioned")


@pytest.mark.parametrize("text", ["李四没有报告。", "李四那天没有去。\n李四"])
def test_prose_that_names_the_first_engineer_or_nobody_says_nothing_else(office: Office, text: str) -> None:
    found = office.complaint("11-03", text=text)
    assert (found.state, found.engineer, found.named_by) == ("counted", "李四", "first")


def test_the_engineer_in_the_complainants_signature_is_not_the_one_complained_of(office: Office) -> None:
    held = office.complaint("11-03", text="没有报告。\n\n赵六\n销售部\n技术支持：王五")
    assert (held.state, office.held()[0].reason) == ("held", "engineer_unclear")
    counted = office.complaint("11-10", text="技服：李四\n又没有报告。\n\n赵六\n销售部\n技术支持：王五")
    assert (counted.state, counted.engineer, counted.named_by) == ("counted", "李四", "body")
