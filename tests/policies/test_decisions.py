"""Decisions, re-assignment and objections (domain §2, §4, §9): by mail, by command, by cell."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from mailflow.core.facts import DecisionFact
from mailflow.core.records import Complaint, Held, Mail, Notice
from tests.policies.office import DIRECTOR, LI, WANG, ZHAO, ZHOU, Office, at, mapping, people, raw_mail


@pytest.fixture
def office() -> Office:
    return Office.open()


def mail_of(office: Office, complaint: Complaint) -> Mail:
    found = office.book.get(Mail, complaint.mail)
    assert found is not None
    return found


def reply(office: Office, to: Notice | Mail, text: str, sender: str = ZHOU, day: str = "11-10", **more: Any) -> Mail:
    return office.mail(day, sender, "回复: 收到", text, answers=to, **more)


# -- held complaints ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state", "engineer"),
    [
        ("确认", "counted", "李四"),
        ("同意", "counted", "李四"),
        ("维持", "counted", "李四"),
        ("指定 王五", "counted", "王五"),
        ("驳回", "dismissed", None),
        ("撤诉", "withdrawn", None),
    ],
)
def test_the_manager_decides_a_held_complaint_by_reply(
    office: Office, answer: str, state: str, engineer: str | None
) -> None:
    found = office.complaint("11-03", verified=False)
    mail = reply(office, office.notice("held"), answer)
    assert (mail.disposition, mail.kind) == ("decided", "decision")
    assert (office.of(found.number).state, office.of(found.number).engineer) == (state, engineer)
    assert office.held() == []
    assert office.row(mail_of(office, found)).disposition == ("recorded" if state == "counted" else "decided")
    assert office.notice("decision_done").in_reply_to == mail.message_id


@pytest.mark.parametrize("answer", ["确认吗？", "指定 张三", "指定 小李", "指定 孙七", "好的", ""])
def test_what_is_not_a_clear_answer_is_asked_again_and_changes_nothing(office: Office, answer: str) -> None:
    found = office.complaint("11-03", verified=False)
    reply(office, office.notice("held"), answer)
    assert (office.of(found.number).state, len(office.held())) == ("held", 1)
    assert office.notice("decision_unclear").context["choices"] == ["确认", "指定 姓名", "驳回"]


@pytest.mark.parametrize("sender", [DIRECTOR, LI, ZHAO])
def test_only_who_may_decide_decides(office: Office, sender: str) -> None:
    found = office.complaint("11-03", verified=False)
    mail = reply(office, office.notice("held"), "确认", sender)
    assert (mail.disposition, office.of(found.number).state) == ("discussion", "held")


def test_an_unverified_decision_is_held_and_takes_effect_when_it_is_confirmed(office: Office) -> None:
    found = office.complaint("11-03", verified=False)
    mail = reply(office, office.notice("held"), "指定 王五", verified=False)
    assert (mail.disposition, office.of(found.number).state) == ("held", "held")
    assert office.command("held:2", "确认") is None
    assert office.of(found.number).engineer == "王五"
    assert (office.held(), office.row(mail).disposition) == ([], "decided")


@pytest.mark.parametrize("by_mail", [True, False])
def test_a_held_complaint_is_decided_as_well_in_its_own_thread_or_by_its_number(office: Office, by_mail: bool) -> None:
    found = office.complaint("11-03", verified=False)
    if by_mail:
        office.mail("11-10", ZHOU, "回复: 投诉-ERP项目", "确认", answers=mail_of(office, found))
    else:
        assert office.command(found.matter, "确认") is None
    assert (office.of(found.number).engineer, office.held()) == ("李四", [])


def test_a_decision_that_arrives_twice_is_carried_out_once(office: Office) -> None:
    found = office.complaint("11-03", verified=False)
    ask = office.notice("held")
    reply(office, ask, "指定 王五")
    reply(office, ask, "指定 李四", day="11-11")
    assert office.of(found.number).engineer == "王五"
    assert "已处理" in office.notice("decision_unclear").context["reason"]
    assert office.command("held:1", "驳回") is not None


def test_a_reply_without_in_reply_to_is_known_by_our_subject(office: Office) -> None:
    found = office.complaint("11-03", verified=False)
    office.mail("11-10", ZHOU, "回复: 待确认第1项（投诉）：ERP项目", "确认")
    assert office.of(found.number).state == "counted"


def test_a_held_complaint_whose_project_was_registered_since_can_simply_be_confirmed(office: Office) -> None:
    found = office.complaint("11-03", project="火星项目")
    assert office.command("held:1", "确认") is not None, "nobody can be meant yet"
    office.mail("11-05", ZHAO, "立项-火星项目", "客户：某局\n第一责任售前：王五\n")
    assert (office.of(found.number).state, len(office.held())) == ("held", 1)
    assert office.command("held:1", "确认") is None
    assert (office.of(found.number).engineer, office.of(found.number).project) == ("王五", "火星项目")


def test_a_report_or_complaint_written_as_reply_to_a_held_item_is_not_swallowed(office: Office) -> None:
    office.mail("11-03", ZHAO, "撤诉-ERP项目")
    held = office.notice("held")
    mail = office.mail("11-04", ZHAO, "投诉-网管项目", "没有报告。", answers=held)
    assert (mail.disposition, office.counted("王五")) == ("recorded", 1)
    found = office.complaint("11-05")
    again = office.mail("11-06", ZHOU, "撤诉-ERP项目", "", answers=held)
    assert (again.disposition, office.of(found.number).state) == ("decided", "withdrawn")


# -- counted complaints ------------------------------------------------------------------------------------------------


def test_a_managers_dismissal_takes_the_complaint_out(office: Office) -> None:
    found = office.complaint("11-03")
    mail = office.mail("11-10", ZHOU, "回复: 投诉-ERP项目", "驳回，报告当天已发。", answers=mail_of(office, found))
    assert (mail.disposition, office.of(found.number).state) == ("decided", "dismissed")
    assert office.notice("complaint_withdrawn", "李四").context["state"] == "已驳回"


def test_a_re_assignment_moves_it_to_another_engineer(office: Office) -> None:
    found = office.complaint("11-03")
    office.mail("11-10", ZHOU, "回复: 投诉-ERP项目", "改派 王五", answers=mail_of(office, found))
    assert (office.counted("李四"), office.counted("王五")) == (0, 1)
    assert office.notice("complaint_withdrawn", "李四").context["state"] == "已改派"
    assert office.notice("complaint_received", "王五").context["ordinal"] == 1


def test_a_re_assignment_to_the_same_person_changes_and_tells_nothing_to_the_engineer(office: Office) -> None:
    found = office.complaint("11-03")
    told = office.notices(person="李四")
    assert office.command(found.matter, "指定 李四") is None
    assert (office.of(found.number), office.notices(person="李四")) == (found, told)


def test_there_and_back_again_is_told_at_each_turn(office: Office) -> None:
    found = office.complaint("11-03")
    for name in ("王五", "李四", "王五"):
        office.command(found.matter, f"指定 {name}")
    told = [(n.person, n.template) for n in office.notices() if n.template != "held"]
    assert sorted(told) == sorted([
        ("李四", "complaint_received"), ("李四", "complaint_withdrawn"), ("李四", "complaint_received"),
        ("李四", "complaint_withdrawn"), ("王五", "complaint_received"), ("王五", "complaint_withdrawn"),
        ("王五", "complaint_received"),
    ])  # fmt: skip


def test_a_re_send_goes_with_its_complaint(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    copy = office.complaint("11-03 10:00", text="没有报告。")
    office.command(first.matter, "指定 王五")
    assert office.of(copy.number).engineer == "王五"


def test_what_is_said_to_a_re_send_is_said_to_the_complaint(office: Office) -> None:
    first = office.complaint("11-03 09:00", text="没有报告。")
    copy = office.complaint("11-03 10:00", text="没有报告。")
    office.mail("11-04", ZHOU, "回复: 投诉-ERP项目", "驳回", answers=mail_of(office, copy))
    assert office.of(first.number).state == "dismissed"


def test_a_re_send_counts_on_its_own_when_the_manager_says_so_by_its_number(office: Office) -> None:
    office.complaint("11-03 09:00", text="没有报告。")
    copy = office.complaint("11-03 10:00", text="没有报告。")
    assert office.command(copy.matter, "确认") is not None
    assert office.command(copy.matter, "指定 李四") is None
    assert office.counted() == 2


def test_a_decision_about_a_complaint_that_never_came_does_not_hit_another_one(office: Office) -> None:
    found = office.complaint("11-03")
    mail = office.mail("11-20", ZHOU, "回复: 投诉-ERP项目", "驳回", answers="<second@sales.example>")
    assert office.of(found.number).state == "counted"
    assert mail.disposition == "discussion"
    unclear = office.notice("decision_unclear", "周九")
    reply(office, unclear, f"驳回 {found.number}", day="11-21")
    assert office.of(found.number).state == "dismissed", "asked again, it can be said by number"


def test_by_number_in_the_subject_it_is_told_without_in_reply_to(office: Office) -> None:
    office.complaint("11-03")
    second = office.complaint("11-04")
    office.mail("11-10", ZHOU, f"回复: [{second.number}] 投诉-ERP项目", "驳回")
    assert office.of(second.number).state == "dismissed"


def test_a_manager_who_has_left_decides_nothing(office: Office) -> None:
    found = office.complaint("11-03")
    office.take(mapping("v2", people=people("周九", left=date(2026, 11, 5))), "11-06")
    office.mail("11-10", ZHOU, "回复: 投诉-ERP项目", "驳回", answers=mail_of(office, found))
    assert office.of(found.number).state == "counted"


def test_where_nobody_is_there_who_may_decide_the_director_who_is_asked_does(office: Office) -> None:
    office.take(mapping("v2", people=people("周九", left=date(2026, 10, 31))), "11-02")
    found = office.complaint("11-03", verified=False)
    reply(office, office.notice("held", "吴十"), "确认", LI)
    assert office.of(found.number).state == "held"
    reply(office, office.notice("held", "吴十"), "确认", DIRECTOR)
    assert (office.of(found.number).state, office.notice("decision_done").person) == ("counted", "吴十")
    draft = next(n for n in office.tick("12-01 09:00") if n.matter == "month:2026-11")
    reply(office, draft, "确认", DIRECTOR, "12-02")
    assert office.book.is_closed("2026-11")


# -- objections --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["收到，异议：当天已发", "收到。我对这次投诉有异议", "周经理：\n关于这次投诉，我有异议。"]
)
def test_who_is_concerned_objects_wherever_the_word_stands(office: Office, text: str) -> None:
    found = office.complaint("11-03")
    reply(office, office.notice("complaint_received"), text, LI, "11-05")
    assert [(held.kind, held.matter) for held in office.held()] == [("objection", found.matter)]


@pytest.mark.parametrize(("sender", "text"), [(LI, "收到，没有异议"), (LI, "无异议。"), (WANG, "李四应该有异议")])
def test_no_objection_is_none(office: Office, sender: str, text: str) -> None:
    office.complaint("11-03")
    reply(office, office.notice("complaint_received"), text, sender, "11-05")
    assert office.held() == []


def test_an_objection_to_what_is_found_to_be_a_repeat_is_decided_with_the_one_that_counts(office: Office) -> None:
    first = office.complaint("11-04 08:00", text="没有报告。")
    later = office.complaint("11-05 20:00", text="没有报告。")
    told = next(n for n in office.notices("complaint_received") if n.matter == later.matter)
    reply(office, told, "异议：当天已发", LI, "11-06")
    raw = raw_mail(ZHAO, "投诉-ERP项目沟通问题", "没有报告。", message_id=later.reference)
    office.deliver(raw, at("11-05 06:00"), "second")
    assert (office.of(later.number).state, office.held()[0].matter) == ("duplicate", first.matter)
    assert office.command("held:1", "维持") is None
    assert (office.counted(), office.notice("objection_result").person, office.held()) == (1, "李四", [])


def objection(office: Office, day: str = "11-05", text: str = "异议，当天已发报告。") -> Complaint:
    found = office.complaint("11-03")
    reply(office, office.notice("complaint_received"), text, LI, day)
    return found


def test_an_objection_goes_to_the_manager_and_moves_nothing_by_itself(office: Office) -> None:
    found = objection(office)
    (held,) = office.held()
    assert (held.kind, held.engineer, held.matter) == ("objection", "李四", found.matter)
    assert office.of(found.number).state == "counted"
    assert "当天已发报告" in office.notice("held", "周九").context["excerpt"]


@pytest.mark.parametrize(
    ("answer", "state", "engineer", "upheld"),
    [
        ("维持", "counted", "李四", True),
        ("指定 李四", "counted", "李四", True),
        ("驳回", "dismissed", "李四", False),
        ("指定 王五", "counted", "王五", False),
    ],
)
def test_the_manager_decides_an_objection_and_the_engineer_is_told(
    office: Office, answer: str, state: str, engineer: str, upheld: bool
) -> None:
    found = objection(office)
    reply(office, office.notice("held"), answer)
    assert (office.of(found.number).state, office.of(found.number).engineer) == (state, engineer)
    result = office.notice("objection_result", "李四")
    assert result.context["upheld"] is upheld
    assert "王五" not in str(result.context)
    assert office.held() == []
    assert not office.book.find(Mail, disposition="held")


def test_agreement_could_mean_either_side_and_is_asked_again(office: Office) -> None:
    found = objection(office)
    reply(office, office.notice("held"), "同意")
    assert (office.of(found.number).state, len(office.held())) == ("counted", 1)
    assert "维持" in office.notice("decision_unclear").context["reason"]
    assert office.command(found.matter, "确认") is None
    assert len(office.held()) == 1


def test_two_objections_to_one_complaint_end_with_one_decision(office: Office) -> None:
    objection(office)
    reply(office, office.notice("complaint_received"), "异议。补充：见附件。", LI, "11-06")
    assert len(office.held()) == 2
    office.command("held:2", "维持")
    assert office.held() == []
    assert {n.context["upheld"] for n in office.notices("objection_result")} == {True}


def test_upholding_in_the_complaints_own_thread_ends_the_objection_too(office: Office) -> None:
    found = objection(office)
    office.mail("11-10", ZHOU, "回复: 投诉-ERP项目", "维持", answers=mail_of(office, found))
    assert office.held() == []
    assert office.notice("objection_result").context["upheld"] is True


def test_an_objection_left_open_is_closed_when_the_complaint_is_withdrawn(office: Office) -> None:
    objection(office)
    office.mail("11-06", ZHAO, "撤诉-ERP项目")
    assert office.held() == []
    assert not office.book.find(Mail, disposition="held")


@pytest.mark.parametrize("sender", [WANG, ZHAO])
def test_only_the_engineer_concerned_can_object(office: Office, sender: str) -> None:
    office.complaint("11-03")
    mail = reply(office, office.notice("complaint_received"), "异议", sender)
    assert (mail.disposition, office.held()) == ("discussion", [])


def test_what_no_longer_counts_needs_no_objection(office: Office) -> None:
    found = office.complaint("11-03")
    told = office.notice("complaint_received")
    office.command(found.matter, "驳回")
    mail = reply(office, told, "异议", LI)
    assert (mail.disposition, office.held()) == ("discussion", [])


def test_an_objection_to_a_consequence_is_about_the_last_complaint_that_still_counts(office: Office) -> None:
    first, second = office.complaint("11-03"), office.complaint("11-04")
    told = office.notice("consequence")
    office.command(second.matter, "驳回")
    reply(office, told, "异议", LI)
    assert office.held()[0].matter == first.matter


# -- by cell and by command --------------------------------------------------------------------------------------------


def cell(office: Office, matter: str, answer: str) -> str | None:
    fact = DecisionFact(
        seq=len(office.facts) + 1, time=at("11-20"), matter=matter, answer=answer, by="待确认.xlsx", channel="cell"
    )
    outcome = office.decide(fact)
    office.book.put(*outcome.entries)  # a refused cell is kept all the same (intake.take_cells)
    return outcome.refused


def test_a_cell_decides_like_a_reply_and_a_refused_one_shows_the_reason_there(office: Office) -> None:
    found = office.complaint("11-03", verified=False)
    assert cell(office, "held:1", "指定 小明") is not None
    (held,) = office.held()
    assert held.answer == "指定 小明"
    assert "小明" in (held.result or "")
    assert cell(office, "held:1", "指定 王五") is None
    assert office.of(found.number).engineer == "王五"


@pytest.mark.parametrize("matter", ["held:9", "held:x", "held:", "complaint:MF-2026-000999", "nothing:1", ""])
def test_a_decision_about_nothing_is_refused(office: Office, matter: str) -> None:
    assert office.command(matter, "确认") is not None
    assert office.book.find(Held) == []
