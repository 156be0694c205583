"""Withdrawals (domain §2, §4): by whom, of what, and in whichever order mails are fetched."""

from __future__ import annotations

import pytest

from mailflow.core.records import Complaint, Mail
from tests.policies.office import CUSTOMER, LI, SUN, WANG, ZHAO, ZHOU, Office


@pytest.fixture
def office() -> Office:
    return Office.open()


def mail_of(office: Office, complaint: Complaint) -> Mail:
    found = office.book.get(Mail, complaint.mail)
    assert found is not None
    return found


@pytest.mark.parametrize("sender", [ZHAO, ZHOU])
@pytest.mark.parametrize("subject", ["撤诉-ERP项目", "回复: 投诉-ERP项目沟通问题"])
def test_by_subject_or_in_reply_by_the_complainant_or_the_manager_the_complaint_no_longer_counts(
    office: Office, sender: str, subject: str
) -> None:
    found = office.complaint("11-03")
    answers = mail_of(office, found) if subject.startswith("回复") else None
    mail = office.mail("11-04", sender, subject, "撤诉，已补发。", answers=answers)
    assert (mail.disposition, mail.kind, mail.matter) == ("decided", "withdrawal", found.matter)
    assert (office.of(found.number).state, office.counted()) == ("withdrawn", 0)
    assert office.notice("complaint_withdrawn", "李四").context["state"] == "已撤诉"


@pytest.mark.parametrize(
    "text", ["报告收到了，撤诉", "周经理：\n报告收到了。\n我撤诉。", "请撤诉", "撤诉吧", "已经沟通，同意撤诉"]
)
def test_a_reply_that_says_it_but_does_not_begin_with_it_is_for_the_manager(office: Office, text: str) -> None:
    found = office.complaint("11-03")
    mail = office.mail("11-04", ZHAO, "回复: 投诉-ERP项目沟通问题", text, answers=mail_of(office, found))
    assert (mail.disposition, mail.kind, office.held()[0].reason) == ("held", "withdrawal", "withdrawal_unclear")
    assert office.counted() == 1
    assert office.command("held:1", "确认") is None
    assert office.of(found.number).state == "withdrawn"


@pytest.mark.parametrize(
    ("sender", "text"),
    [(ZHAO, "我不撤诉"), (ZHAO, "没有撤诉的打算"), (SUN, "赵六会撤诉吗"), (ZHOU, "请赵六撤诉"), (LI, "请赵六撤诉")],
)
def test_talk_about_withdrawing_is_talk(office: Office, sender: str, text: str) -> None:
    found = office.complaint("11-03")
    mail = office.mail("11-04", sender, "回复: 投诉-ERP项目沟通问题", text, answers=mail_of(office, found))
    assert (mail.disposition, office.held(), office.counted()) == ("discussion", [], 1)


def test_a_reply_without_in_reply_to_withdraws_the_only_one_that_it_can_mean(office: Office) -> None:
    found = office.complaint("11-03")
    office.mail("11-04", ZHAO, "答复：投诉-ERP项目沟通问题", "撤诉")
    assert office.of(found.number).state == "withdrawn"


@pytest.mark.parametrize(
    ("sender", "verified", "reason"),
    [
        (SUN, True, "not_the_complainant"),
        (LI, True, "not_the_complainant"),
        (CUSTOMER, True, "not_the_complainant"),
        (ZHAO, False, "sender_unverified"),
    ],
)
def test_nobody_elses_word_and_no_unverified_one_withdraws(
    office: Office, sender: str, verified: bool, reason: str
) -> None:
    found = office.complaint("11-03")
    mail = office.mail("11-04", sender, "回复: 投诉-ERP项目", "撤诉", answers=mail_of(office, found), verified=verified)
    assert (mail.disposition, office.held()[0].reason) == ("held", reason)
    assert office.of(found.number).state == "counted"
    assert office.command("held:1", "驳回") is None
    assert (office.of(found.number).state, office.held()) == ("counted", [])
    assert office.row(mail).disposition == "decided"


def test_a_held_withdrawal_that_the_manager_confirms_takes_the_complaint_out(office: Office) -> None:
    found = office.complaint("11-03")
    office.mail("11-04", SUN, "回复: 投诉-ERP项目", "撤诉", answers=mail_of(office, found))
    office.command("held:1", "确认")
    assert office.of(found.number).state == "withdrawn"


def test_of_several_complaints_the_manager_names_the_one(office: Office) -> None:
    first, second = office.complaint("11-03"), office.complaint("11-09")
    mail = office.mail("11-10", ZHAO, "撤诉-ERP项目")
    (held,) = office.held()
    assert held.choices == (f"指定 {first.number}", f"指定 {second.number}", "驳回")
    assert office.command("held:1", "确认") is not None
    assert office.command("held:1", f"指定 {second.number}") is None
    assert [office.of(c.number).state for c in (first, second)] == ["counted", "withdrawn"]
    assert office.row(mail).matter == second.matter


def test_who_withdraws_may_say_which_one_in_reply_to_the_own_mail_that_is_held(office: Office) -> None:
    office.complaint("11-03")
    second = office.complaint("11-09")
    unclear = office.mail("11-10", ZHAO, "撤诉-ERP项目")
    office.mail("11-11", ZHAO, "回复: 撤诉-ERP项目", f"撤诉，是{second.number}。", answers=unclear)
    assert office.of(second.number).state == "withdrawn"


@pytest.mark.parametrize("where", ["撤诉-ERP项目 [{}]", "撤诉-ERP项目", "回复: 撤诉-ERP项目"])
def test_the_number_says_which_one_even_between_chinese_characters(office: Office, where: str) -> None:
    office.complaint("11-03")
    second = office.complaint("11-09")
    office.mail("11-10", ZHAO, where.format(second.number), f"撤诉。编号{second.number}的投诉。")
    assert office.of(second.number).state == "withdrawn"
    assert office.counted() == 1


def test_the_complaints_of_others_stay_when_one_withdraws_by_subject(office: Office) -> None:
    mine, others = office.complaint("11-03", ZHAO), office.complaint("11-04", SUN)
    office.mail("11-05", ZHAO, "撤诉-ERP项目")
    assert [office.of(c.number).state for c in (mine, others)] == ["withdrawn", "counted"]


def test_withdrawing_the_re_sent_copy_withdraws_the_complaint(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    copy = office.complaint("11-03 10:00", text="没有报告。")
    office.mail("11-04", ZHAO, "回复: 投诉-ERP项目", "撤诉", answers=mail_of(office, copy))
    assert office.of(first.number).state == "withdrawn"


def test_withdrawing_twice_tells_once(office: Office) -> None:
    found = office.complaint("11-03")
    for day in ("11-04", "11-05"):
        office.mail(day, ZHAO, "回复: 投诉-ERP项目", "撤诉", answers=mail_of(office, found))
    assert len(office.notices("complaint_withdrawn")) == 1


def test_a_held_complaint_that_is_withdrawn_leaves_nothing_open(office: Office) -> None:
    found = office.complaint("11-03", project="火星项目")
    mail = office.mail("11-04", ZHAO, "撤诉-火星项目")
    assert (mail.disposition, office.of(found.number).state) == ("decided", "withdrawn")
    assert office.held() == []
    assert office.row(mail_of(office, found)).disposition == "decided"
    assert office.notices(person="李四") == []


def test_a_held_withdrawal_is_closed_when_a_verified_one_comes(office: Office) -> None:
    found = office.complaint("11-03")
    doubtful = office.mail("11-04", ZHAO, "撤诉-ERP项目", verified=False)
    office.mail("11-05", ZHAO, "撤诉-ERP项目")
    assert (office.of(found.number).state, office.held()) == ("withdrawn", [])
    assert office.row(doubtful).disposition == "decided"


def test_a_withdrawal_of_nothing_is_shown_to_the_manager(office: Office) -> None:
    mail = office.mail("11-04", ZHAO, "撤诉-ERP项目")
    assert (mail.disposition, office.held()[0].reason) == ("held", "no_complaint")


def test_a_reply_to_a_complaint_that_never_came_does_not_withdraw_another_one(office: Office) -> None:
    first = office.complaint("11-03")
    mail = office.mail("11-20", ZHAO, "回复: 投诉-ERP项目", "撤诉", answers="<second@sales.example>")
    assert (mail.disposition, office.held()[0].reason) == ("held", "original_unknown")
    assert office.of(first.number).state == "counted"


@pytest.mark.parametrize("by_reply", [True, False])
@pytest.mark.parametrize("verified", [True, False])
def test_a_withdrawal_fetched_before_its_complaint_ends_like_one_fetched_after_it(
    office: Office, by_reply: bool, verified: bool
) -> None:
    if by_reply:
        early = office.mail("11-05", ZHAO, "回复: 投诉-ERP项目", "撤诉", answers="<late@sales.example>")
    else:
        early = office.mail("11-05", ZHAO, "撤诉-ERP项目")
    office.complaint("11-06")
    late = office.complaint("11-03", message_id="<late@sales.example>", verified=verified)
    assert office.of(late.number).state == "withdrawn"
    assert (office.held(), office.row(early).disposition) == ([], "decided")
    assert office.counted() == 1, "the complaint that was received after the withdrawal counts"


def test_the_withdrawal_of_a_re_sent_copy_fetched_before_it_withdraws_the_complaint(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    office.mail("11-04", ZHAO, "回复: 投诉-ERP项目沟通问题", "撤诉", answers="<again@sales.example>")
    office.complaint("11-03 12:00", text="没有报告。", message_id="<again@sales.example>")
    assert (office.of(first.number).state, office.held()) == ("withdrawn", [])


def test_one_that_names_another_project_withdraws_nothing_for_coming_first(office: Office) -> None:
    office.mail("11-04", ZHAO, "回复: 投诉-网管项目", "撤诉", answers="<c@sales.example>")
    assert office.complaint("11-03", message_id="<c@sales.example>").state == "counted"
    assert [held.kind for held in office.held()] == ["withdrawal"]


@pytest.mark.parametrize(("sender", "verified"), [(SUN, True), (ZHAO, False)])
def test_one_that_would_not_be_believed_is_not_believed_for_coming_first(
    office: Office, sender: str, verified: bool
) -> None:
    early = "<late@sales.example>"
    office.mail("11-05", sender, "回复: 投诉-ERP项目", "撤诉", answers=early, verified=verified)
    late = office.complaint("11-03", message_id=early)
    assert (office.of(late.number).state, len(office.held())) == ("counted", 1)


def test_a_withdrawal_does_not_reach_a_complaint_that_was_received_after_it(office: Office) -> None:
    office.complaint("11-06")
    mail = office.mail("11-05", ZHAO, "撤诉-ERP项目")
    assert (mail.disposition, office.counted()) == ("held", 1)


@pytest.mark.parametrize("sender", [SUN, LI])
def test_talk_under_the_subject_of_a_withdrawal_is_talk(office: Office, sender: str) -> None:
    found = office.complaint("11-03")
    withdrawal = office.mail("11-04", SUN, "撤诉-网管项目")
    mail = office.mail("11-05", sender, "回复: 撤诉-ERP项目", "为什么要撤诉？", answers=withdrawal)
    assert (mail.disposition, office.of(found.number).state) == ("discussion", "counted")


def test_the_manager_agreeing_with_a_withdrawal_does_not_bring_the_complaint_back(office: Office) -> None:
    found = office.complaint("11-03")
    withdrawal = office.mail("11-04", ZHAO, "回复: 投诉-ERP项目", "撤诉", answers=mail_of(office, found))
    office.mail("11-05", ZHOU, "回复: 回复: 投诉-ERP项目", "同意。", answers=withdrawal)
    assert office.of(found.number).state == "withdrawn"
    assert "已不计" in office.notice("decision_unclear", "周九").context["reason"]


def test_what_was_withdrawn_by_mistake_can_be_brought_back_and_each_turn_is_told(office: Office) -> None:
    found = office.complaint("11-03")
    for day, answer in (("11-04", "撤诉"), ("11-05", "指定 李四"), ("11-06", "驳回"), ("11-07", "指定 李四")):
        assert office.command(found.matter, answer, day) is None
    assert office.counted() == 1
    assert len(office.notices("complaint_received", "李四")) == 3
    assert len(office.notices("complaint_withdrawn", "李四")) == 2


def test_the_withdrawal_of_an_engineer_is_nobodys(office: Office) -> None:
    office.complaint("11-03", project="网管项目", text="技服：王五\n没有报告。")
    mail = office.mail("11-04", WANG, "撤诉-网管项目")
    assert (mail.disposition, office.counted("王五")) == ("held", 1)
