"""Subjects, one a line: what each means, and what it must never be taken for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailflow.core.records import Project
from mailflow.core.register import Register
from mailflow.kinds import read
from mailflow.kinds.findings import TEXTS
from mailflow.kinds.reading import Reading
from tests.kinds.cast import LI, MAPPING, PEOPLE, PROJECTS, REGISTER, WANG, ZHAO, codes, mail, read_subject

REPORTS = [
    ("客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通－ERP项目－李四", "ERP项目", "李四"),
    ("客户沟通—ERP项目——李四", "ERP项目", "李四"),
    ("客户沟通 – ERP 项目 – 李 四", "ERP项目", "李四"),
    ("客户沟通--ERP项目--李四", "ERP项目", "李四"),
    ("客户沟通 - - ERP项目 - - 李四", "ERP项目", "李四"),
    ("客戶溝通-ERP項目-李四", "ERP项目", "李四"),
    ("客户沟通-ｅｒｐ项目-李四", "ERP项目", "李四"),
    ("客户沟通-ERP-李四", "ERP项目", "李四"),
    ("客户沟通-ERP二期项目-李四", "ERP二期项目", "李四"),
    ("客户沟通-ERP二期-李四", "ERP二期项目", "李四"),
    ("客户沟通-ERP项目-li si", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李肆", "ERP项目", "李四"),
    ("客户沟通-ERP项目-张三(华东)", "ERP项目", "张三(华东)"),
    ("客户沟通-ERP项目-张三（华东）", "ERP项目", "张三(华东)"),
    ("客户沟通-ERP项目-Anne-Marie", "ERP项目", "安娜"),
    ("客户沟通-客户沟通-平台项目-李四", "客户沟通-平台项目", "李四"),
    ("客户沟通-投诉管理系统项目-李四", "投诉管理系统项目", "李四"),
    ("客户沟通-【试点】智慧园区(一期)项目-李四", "【试点】智慧园区(一期)项目", "李四"),
    ("客户沟通-[试点]智慧园区（一期）-李四", "【试点】智慧园区(一期)项目", "李四"),
    ("客户沟通-Data Center-X200-李四", "Data Center - X200 项目", "李四"),
    ("客户沟通-datacenter—x200项目-李四", "Data Center - X200 项目", "李四"),
    ("客户沟通-数据中心-李四", "Data Center - X200 项目", "李四"),
    ("客户沟通-银河-支线-李四", "银河-支线", "李四"),
    ("客户沟通-银河-李四", "银河", "李四"),
    ("客户沟通-《ERP项目》-李四", "ERP项目", "李四"),
    ("客户沟通-【ERP项目】-【李四】", "ERP项目", "李四"),
    ("客户沟通记录-ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通：ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通:ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通：-ERP项目-李四", "ERP项目", "李四"),
    ("【客户沟通】ERP项目-李四", "ERP项目", "李四"),
    ("[客户沟通]-ERP项目-李四", "ERP项目", "李四"),
    ("【紧急】客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四。", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四 -", "ERP项目", "李四"),
    ("客户沟通-ERP项目-张三华东", "ERP项目", "张三(华东)"),
    ("客户沟通-ERP项目-张三 华东", "ERP项目", "张三(华东)"),
    ("客户沟通-ERP项目-张三【华东】", "ERP项目", "张三(华东)"),
    ("客户沟通-ERP项目-张三-华东", "ERP项目", "张三(华东)"),
    ("客户沟通~ERP项目~李四", "ERP项目", "李四"),
    ("客户沟通～ERP项目～李四", "ERP项目", "李四"),
    ("客户沟通\u3000—\u3000ERP项目\u3000—\u3000李四", "ERP项目", "李四"),
    ("客戶溝通-ERP專案-李四", "ERP项目", "李四"),
    ("(补)客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("（紧急）[URGENT]【重要】客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("【紧急】" * 50 + "客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("★客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("❗️ 客户沟通-ERP项目-李四👍", "ERP项目", "李四"),
    ("客户沟通-ERP项目❗-李四", "ERP项目", "李四"),
    ("“客户沟通-ERP项目-李四”", "ERP项目", "李四"),
    ("《客户沟通-ERP项目-李四》", "ERP项目", "李四"),
    ("「客户沟通-ERP项目-李四」。", "ERP项目", "李四"),
    ("【客户沟通-ERP项目-李四】", "ERP项目", "李四"),
    ("“客户沟通”-ERP项目-李四", "ERP项目", "李四"),
    ("2026-11-20 客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("1、客户沟通-ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通-20261120-ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通-11月20日-ERP项目-李四", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四-第47周", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四（2026-11-16至2026-11-20）", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四...", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四…", "ERP项目", "李四"),
    ("客户沟通-2026年度运维项目-李四", None, "李四"),
    ("客户沟通-ERP项目、ERP二期项目-李四", None, "李四"),
    ("客户沟通-ERP项目-李四-20261120", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四-2026-11-20", "ERP项目", "李四"),
    ("客户沟通－ERP项目－李四－２０２６１１２０", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四 11月20日", "ERP项目", "李四"),
    ("客户沟通-ERP项目-李四（2026年11月20日）", "ERP项目", "李四"),
    ("客户沟通-新平台项目-李四", None, "李四"),
    ("客户沟通-新-平台-李四", None, "李四"),
    ("客户沟通：新平台项目-李四", None, "李四"),
    ("客户沟通-ERP项目-二期-李四", None, "李四"),
]


@pytest.mark.parametrize(("subject", "project", "writer"), REPORTS)
def test_a_communication_report_names_project_and_writer(subject: str, project: str | None, writer: str) -> None:
    reading = read_subject(subject)
    assert (reading.kind, reading.project, reading.person) == ("communication", project, writer)
    assert reading.project_text
    assert reading.resembles is None
    assert (project is None) == bool({"project_unknown", "project_ambiguous"} & codes(reading))


def test_the_project_is_kept_as_written() -> None:
    assert read_subject("客户沟通-新－平台 V2 项目-李四").project_text == "新－平台 V2 项目"


def test_a_similar_project_is_suggested_and_never_taken() -> None:
    for subject, suggestion in [
        ("客户沟通-投诉管理系桶项目-李四", "投诉管理系统项目"),
        ("客户沟通-海官一号项目-李四", "海关一号项目"),
        ("客户沟通-ERP项目-二期-李四", "ERP项目"),
    ]:
        reading = read_subject(subject)
        assert (reading.kind, reading.project) == ("communication", None)
        assert any(f.code == "project_similar" and suggestion in f.text for f in reading.findings), subject
    assert "project_similar" not in codes(read_subject("客户沟通-海关三号项目-李四"))


NEAR_MISSES = [
    # subject, kind that it resembles, a finding, corrected
    ("客户沟通-ERP项目", "communication", "person_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP项目-", "communication", "person_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通-李四", "communication", "project_missing", None),
    ("客户沟通--李四", "communication", "project_missing", None),
    ("客户沟通", "communication", "project_missing", None),
    ("客户沟通-", "communication", "project_missing", None),
    ("客户沟通-ERP项目-张三", "communication", "person_ambiguous", None),
    ("客户沟通-ERP项目-李思", "communication", "person_unknown", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP项目-欧阳小峰", "communication", "person_unknown", "客户沟通-ERP项目-欧阳晓峰"),
    ("客户沟通-ERP项目-陌生人", "communication", "person_unknown", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP项目-李四-王五", "communication", "subject_remainder", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP项目-李四-补充说明", "communication", "subject_remainder", "客户沟通-ERP项目-李四"),
    ("客户沟通-新平台项目-李四-20261120", "communication", "subject_remainder", "客户沟通-新平台项目-李四"),
    ("客户沟通-ERP项目-2026年11月20日", "communication", "person_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通-海关-李四", "communication", "project_ambiguous", None),
    ("客户沟通-李四-ERP项目", "communication", "parts_swapped", "客户沟通-ERP项目-李四"),
    ("补发-王五-ERP二期", "written_report", "parts_swapped", "补发-ERP二期项目-王五"),
    ("紧急：客户沟通-ERP项目-李四", "communication", "keyword_not_first", "客户沟通-ERP项目-李四"),
    ("主题：投诉-ERP项目沟通问题", "complaint", "keyword_not_first", "投诉-ERP项目"),
    ("客户沟通一ERP项目一李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通ーERP项目ー李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通=ERP项目=李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通→ERP项目→李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通（ERP项目）李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("工作日报20261120-ERP项目-李四", "daily_report", "separator_missing", "工作日报-ERP项目-李四"),
    ("客户沟通-ERP项目…", "communication", "person_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP二期项目-李...", "communication", "person_unknown", "客户沟通-ERP二期项目-李四"),
    ("测试-ERP…", "test", "subject_cut", "测试-ERP项目"),
    ("立项-新平台…", "registration", "subject_cut", None),
    ("测试-ERP项目方案", "test", "project_similar", "测试-ERP项目"),
    ("测试-ERP项目、ERP二期项目", "test", "project_ambiguous", None),
    ("故障-ERP项目无法登录", "fault", "separator_missing", "故障-ERP项目-无法登录"),
    ("进度-ERP项目初步验收", "milestone", "separator_missing", "进度-ERP项目-初步验收"),
    ("故障-海官一号项目-无法登录", "fault", "project_similar", "故障-海关一号项目-无法登录"),
    ("客户沟通-ERP项目 李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP项目_王五", "communication", "separator_missing", "客户沟通-ERP项目-王五"),
    ("客户沟通-ERP项目李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通 ERP项目 李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通/ERP项目/李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户沟通-ERP项目-李四-20261320", "communication", "subject_remainder", "客户沟通-ERP项目-李四"),
    ("客户沟通ERP项目李四", "communication", "separator_missing", "客户沟通-ERP项目-李四"),
    ("客户勾通-ERP项目-李四", "communication", "keyword_typo", "客户沟通-ERP项目-李四"),
    ("客户通沟-ERP项目-李四", "communication", "keyword_typo", "客户沟通-ERP项目-李四"),
    ("客户沟-ERP项目-李四", "communication", "keyword_typo", "客户沟通-ERP项目-李四"),
    ("投拆-ERP项目沟通问题", "complaint", "keyword_typo", "投诉-ERP项目"),
    ("投诉ERP项目", "complaint", "separator_missing", "投诉-ERP项目"),
    ("投诉 ERP项目沟通问题", "complaint", "separator_missing", "投诉-ERP项目"),
    ("投诉：食堂的菜", "complaint", "separator_missing", "投诉-食堂的菜"),
    ("投诉", "complaint", "project_missing", None),
    ("故障-ERP项目", "fault", "summary_missing", None),
    ("故障-登录失败", "fault", "project_unknown", None),
    ("培训-下周安排", "training", "project_unknown", None),
    ("测试-海关", "test", "project_ambiguous", None),
    ("离职-陌生人", "leaver", "person_unknown", None),
    ("立项-海关", "registration", "project_ambiguous", None),
    ("立项ERP项目", "registration", "separator_missing", "立项-ERP项目"),
]


@pytest.mark.parametrize(("subject", "resembles", "code", "corrected"), NEAR_MISSES)
def test_a_near_miss_is_no_kind_and_says_why(subject: str, resembles: str, code: str, corrected: str | None) -> None:
    reading = read_subject(subject)
    assert (reading.kind, reading.resembles) == (None, resembles)
    assert {"near_miss", code} <= codes(reading)
    assert reading.corrected == corrected
    assert any(resembles in finding.text for finding in reading.findings if finding.code == "near_miss")


@pytest.mark.parametrize("corrected", sorted({row[3] for row in NEAR_MISSES if row[3]}))
def test_a_corrected_subject_is_itself_understood(corrected: str) -> None:
    assert read_subject(corrected).kind is not None


NOTHING = [
    "",
    "关于投诉处理流程的通知",
    "投诉处理流程说明",
    "投诉-".strip("-") + "量统计 - 十月",
    "收到客户投诉-请处理",
    "客户沟通会议通知",
    "客户满意度调查",
    "测试",
    "培训",
    "培训：下周安排",
    "【通知】放假安排",
    "投标-ERP项目",
    "拆诉-ERP项目",
    "会议-ERP项目-李四",
    "月报-ERP项目-李四",
    "工作月报-ERP项目-李四",
    "ERP项目-李四",
    "回复率统计",
    "查询ERP怎么用",
    "测试一下新项目",
    "测试方案-ERP项目",
    "测试报告-ERP项目",
    "通知：培训-下周安排",
    "关于投诉-ERP项目",
    "《投诉处理办法》-征求意见",
    "★限时优惠★",
    "“一带一路”-培训通知",
    "24小时投诉-热线",
    "-",
    "【】",
    "：",
    "投诉" + "-银河" * 200,
]


@pytest.mark.parametrize("subject", NOTHING)
def test_ordinary_subjects_are_no_kind_and_no_near_miss(subject: str) -> None:
    reading = read_subject(subject)
    assert (reading.kind, reading.resembles, reading.findings) == (None, None, ())


COMPLAINTS = [
    ("投诉-ERP项目沟通问题", "ERP项目"),
    ("投诉-ERP项目", "ERP项目"),
    ("投诉-ERP沟通问题", "ERP项目"),
    ("投诉-ERP项目的沟通问题", "ERP项目"),
    ("投诉-ERP项目-沟通问题", "ERP项目"),
    ("投诉－ERP项目沟通问题！", "ERP项目"),
    ("投訴-ERP項目溝通問題", "ERP项目"),
    ("投诉-投诉管理系统项目沟通问题", "投诉管理系统项目"),
    ("投诉-投诉管理系统沟通问题", "投诉管理系统项目"),
    ("投诉-客户沟通-平台项目沟通问题", "客户沟通-平台项目"),
    ("投诉-沟通问题", "沟通问题"),
    ("投诉-沟通问题沟通问题", "沟通问题"),
    ("投诉-ERP二期项目沟通问题", "ERP二期项目"),
    ("投诉-银河-支线沟通问题", "银河-支线"),
    ("投诉-ERP项目沟通问题-20261120", "ERP项目"),
    ("投诉：ERP项目沟通问题", "ERP项目"),
    ("【投诉】ERP项目沟通问题", "ERP项目"),
    ("投诉-网管平台V2.1", "网管平台V2.1项目"),
    ("❗投诉-ERP项目", "ERP项目"),
    ("(投诉)-ERP项目", "ERP项目"),
    ("（紧急）投诉-ERP项目❗", "ERP项目"),
    ("《投诉-ERP项目》", "ERP项目"),
    ("[投诉-ERP项目沟通问题]", "ERP项目"),
    ("投诉-ERP项目沟通问题…", "ERP项目"),
    ("投訴-ERP專案溝通問題", "ERP项目"),
]


@pytest.mark.parametrize(("subject", "project"), COMPLAINTS)
def test_a_complaint_names_its_project(subject: str, project: str) -> None:
    reading = read_subject(subject, ZHAO)
    assert (reading.kind, reading.project, reading.findings) == ("complaint", project, ())


UNCERTAIN_COMPLAINTS = [
    ("投诉-新平台项目沟通问题", "project_unknown", "新平台项目"),
    ("投诉-海关沟通问题", "project_ambiguous", "海关"),
    ("投诉-ERP 2.1", "project_unknown", "ERP 2.1"),
    ("投诉-ERP项目-李四", "project_unknown", "ERP项目-李四"),
    ("撤诉-新平台项目", "project_unknown", "新平台项目"),
    ("投诉-ERP…", "subject_cut", "ERP"),
    ("投诉-ERP项目\ufffd", "project_unknown", "ERP项目\ufffd"),
    ("投诉-ERP...", "subject_cut", "ERP"),
    ("投诉-ERP项目沟…", "project_unknown", "ERP项目沟"),
    ("投诉-ERP项目、ERP二期项目沟通问题", "project_ambiguous", "ERP项目、ERP二期项目"),
    ("投诉：新平台项目", "project_unknown", "新平台项目"),
]


@pytest.mark.parametrize(("subject", "code", "written"), UNCERTAIN_COMPLAINTS)
def test_a_complaint_about_an_uncertain_project_stays_one(subject: str, code: str, written: str) -> None:
    reading = read_subject(subject, ZHAO)
    assert reading.kind in ("complaint", "withdrawal")
    assert (reading.project, reading.project_text) == (None, written)
    assert code in codes(reading)


def test_a_project_whose_name_ends_like_the_convention_makes_the_complaint_ambiguous() -> None:
    register = Register((*PROJECTS, Project(name="ERP项目沟通问题")))
    reading = read(mail("投诉-ERP项目沟通问题"), MAPPING, register, ZHAO)
    assert (reading.kind, reading.project) == ("complaint", None)
    assert "project_ambiguous" in codes(reading)
    only = Register((Project(name="旧城沟通问题"),))
    assert read(mail("投诉-旧城沟通问题"), MAPPING, only, ZHAO).project == "旧城沟通问题"


def test_two_complete_readings_are_never_decided_between() -> None:
    register = Register((Project(name="安"), Project(name="安-Anne")))
    people = (
        *PEOPLE,
        PEOPLE[3].__class__(name="马力", addresses=("ml@tech.example",), role="engineer", aliases=("Marie",)),
    )
    mapping = MAPPING.model_copy(update={"people": people})
    mapping.__dict__.pop("roster", None)
    reading = read(mail("客户沟通-安-Anne-Marie"), mapping, register, LI)
    assert (reading.kind, reading.resembles, reading.corrected) == (None, "communication", None)
    assert "subject_ambiguous" in codes(reading)


OTHERS = [
    ("补发-ERP项目-李四", "written_report", "ERP项目", "李四", None),
    ("撤诉-ERP项目", "withdrawal", "ERP项目", None, None),
    ("撤诉-ERP项目沟通问题", "withdrawal", "ERP项目", None, None),
    ("产品改进-ERP项目", "improvement", "ERP项目", None, None),
    ("产品改进-ERP项目-导出-报表", "improvement", "ERP项目", None, "导出-报表"),
    ("产品改进-银河-支线", "improvement", "银河-支线", None, None),
    ("产品改进-银河-报表", "improvement", "银河", None, "报表"),
    ("产品改进-新平台项目-报表", "improvement", None, None, "报表"),
    ("故障-ERP项目-无法登录", "fault", "ERP项目", None, "无法登录"),
    ("故障-Data Center - X200-断电-重启", "fault", "Data Center - X200 项目", None, "断电-重启"),
    ("测试-ERP项目", "test", "ERP项目", None, None),
    ("测试-新平台项目", "test", None, None, None),
    ("实施-ERP项目", "implementation", "ERP项目", None, None),
    ("交流-ERP项目", "exchange", "ERP项目", None, None),
    ("培训-ERP项目", "training", "ERP项目", None, None),
    ("文档-ERP项目", "document", "ERP项目", None, None),
    ("售后-ERP项目", "aftersales", "ERP项目", None, None),
    ("进度-ERP项目-初步验收", "milestone", "ERP项目", None, "初步验收"),
    ("工作日报-ERP项目-李四", "daily_report", "ERP项目", "李四", None),
    ("工程周报-ERP项目-李四", "weekly_report", "ERP项目", "李四", None),
    ("建群-甲公司 X200 容灾 交流群", "group_opened", None, None, "甲公司 X200 容灾 交流群"),
    ("解散群-甲公司 X200 容灾 交流群", "group_released", None, None, "甲公司 X200 容灾 交流群"),
    ("离职-李四", "leaver", None, "李四", None),
    ("BUG反馈-网管-界面-错位", "bug", None, None, "界面-错位"),
    ("内部bug反馈-网管-界面错位", "bug", None, None, "界面错位"),
    ("查询-跟踪表", "query", None, None, None),
    ("查询-ERP项目", "query", "ERP项目", None, None),
]


@pytest.mark.parametrize(("subject", "kind", "project", "person", "summary"), OTHERS)
def test_the_other_kinds(subject: str, kind: str, project: str | None, person: str | None, summary: str | None) -> None:
    reading = read_subject(subject)
    assert (reading.kind, reading.project, reading.person) == (kind, project, person)
    assert reading.summary == summary


def test_free_parts_are_told() -> None:
    assert read_subject("BUG反馈-网管-界面错位").text == "网管"
    assert read_subject("查询-投诉").text == "投诉"


def test_a_registration_keeps_the_name_as_written() -> None:
    reading = read_subject("立项- 新－平台 (二期) 项目 ", ZHAO)
    assert (reading.kind, reading.project, reading.project_text) == ("registration", None, "新－平台 (二期) 项目")
    again = read_subject("立项-erp项目", ZHAO)
    assert (again.kind, again.project, again.project_text) == ("registration", "ERP项目", "erp项目")
    assert read_subject("【立项】新平台项目", ZHAO).kind == "registration"
    assert read_subject("立项：明天开会讨论", ZHAO).kind is None


def test_only_an_engineer_who_reports_is_put_in_for_a_missing_name() -> None:
    assert read_subject("客户沟通-ERP项目", None).corrected is None
    assert read_subject("客户沟通-ERP项目", ZHAO).corrected is None
    assert read_subject("补发-ERP项目", LI).corrected is None
    assert read_subject("客户沟通-ERP项目", WANG).corrected == "客户沟通-ERP项目-王五"
    assert read_subject("客户沟通-ERP项目-张三", PEOPLE[0]).corrected == "客户沟通-ERP项目-张三(华东)"


def test_how_each_part_was_found_is_told() -> None:
    def found(subject: str) -> list[tuple[str, str, str]]:
        return [(m.part, m.meant, m.how) for m in read_subject(subject).matches]

    assert found("客户沟通-ERP项目-李四") == [
        ("keyword", "客户沟通", "name"), ("project", "ERP项目", "name"), ("person", "李四", "name")
    ]  # fmt: skip
    assert found("沟通记录-数据中心-li si")[:2] == [
        ("keyword", "客户沟通", "alias"), ("project", "Data Center - X200 项目", "alias")
    ]  # fmt: skip
    assert found("客戶溝通-erp-张三华东") == [
        ("keyword", "客户沟通", "normalised"), ("project", "ERP项目", "tail"), ("person", "张三(华东)", "brackets")
    ]  # fmt: skip
    assert found("客户沟通-[试点]智慧园区(一期)-李四")[1] == ("project", "【试点】智慧园区(一期)项目", "brackets")
    assert found("客户勾通-海关-陌生人") == [("keyword", "客户沟通", "typo")]
    assert found("查询-ERP")[1:] == [("project", "ERP项目", "tail")]


def test_the_name_of_somebody_else_is_not_a_suffix_without_brackets() -> None:
    people = (*PEOPLE, PEOPLE[3].__class__(name="张三华东", addresses=("zs3@tech.example",), role="engineer"))
    mapping = MAPPING.model_copy(update={"people": people})
    mapping.__dict__.pop("roster", None)
    reading = read(mail("客户沟通-ERP项目-张三华东"), mapping, REGISTER, LI)
    assert reading.person == "张三华东"
    assert read(mail("客户沟通-ERP项目-张三(华东)"), mapping, REGISTER, LI).person == "张三(华东)"
    assert "person_ambiguous" in codes(read(mail("客户沟通-ERP项目-张三【华东】"), mapping, REGISTER, LI))


def test_a_name_that_may_go_on_where_the_subject_was_cut_is_not_certain() -> None:
    people = (*PEOPLE, PEOPLE[3].__class__(name="李四喜", addresses=("lsx@tech.example",), role="engineer"))
    mapping = MAPPING.model_copy(update={"people": people})
    mapping.__dict__.pop("roster", None)
    reading = read(mail("客户沟通-ERP项目-李四…"), mapping, REGISTER, LI)
    assert (reading.kind, reading.corrected) == (None, "客户沟通-ERP项目-李四")
    assert "subject_cut" in codes(reading)


def test_a_kind_of_an_admin_is_read_like_any_other() -> None:
    kinds = [
        *MAPPING.model_dump(by_alias=True)["kinds"],
        {"id": "leave", "name": "请假", "keywords": ["请假", "请假申请"], "parts": ["person", "text?"]},
    ]
    mapping = MAPPING.__class__.model_validate(MAPPING.model_dump(by_alias=True) | {"kinds": kinds})

    def leave(subject: str) -> Reading:
        return read(mail(subject), mapping, REGISTER, LI)

    for subject, person, text in [
        ("请假-李四", "李四", None),
        ("請假－李 四－年假-三天", "李四", "年假-三天"),
        ("【请假申请】张三华东-两天", "张三(华东)", "两天"),
        ("请假：李四", "李四", None),
    ]:
        reading = leave(subject)
        assert (reading.kind, reading.person, reading.text) == ("leave", person, text), subject
    for subject, code, corrected in [
        ("请假 李四 三天", "separator_missing", "请假-李四-三天"),
        ("请假-李思-三天", "person_unknown", None),
        ("请假-张三-三天", "person_ambiguous", None),
        ("清假-李四", "keyword_typo", "请假-李四"),
    ]:
        reading = leave(subject)
        assert (reading.kind, reading.resembles) == (None, "leave"), subject
        assert code in codes(reading)
        assert corrected in (None, reading.corrected)
    assert leave("请假条").resembles is None


def test_an_admin_may_add_kinds_and_keywords() -> None:
    kinds = [
        *MAPPING.model_dump(by_alias=True)["kinds"],
        {"id": "visit", "name": "拜访", "keywords": ["拜", "拜-访"], "parts": ["project?"]},
    ]
    mapping = MAPPING.__class__.model_validate(MAPPING.model_dump(by_alias=True) | {"kinds": kinds})
    for subject, project in [("拜-访", None), ("拜—访-ERP项目", "ERP项目")]:
        reading = read(mail(subject), mapping, REGISTER, LI)
        assert (reading.kind, reading.project) == ("visit", project)


def test_every_finding_has_a_chinese_text() -> None:
    for code, text in TEXTS.items():
        assert code == code.lower()
        assert any("\u4e00" <= character <= "\u9fff" for character in text)


UNSHARED = [p for p in PEOPLE if p.role == "engineer"]
DASHES = st.sampled_from(["-", "－", "—", "——", " - ", " – ", "−", "﹣", "―", "--", "\u3000－\u3000"])


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


WRITTEN = st.sampled_from([str, str.lower, str.upper, _wide, lambda t: t.replace("项目", "項目"), lambda t: f" {t} "])


@settings(max_examples=300)
@given(st.sampled_from(PROJECTS), st.sampled_from(UNSHARED), DASHES, DASHES, WRITTEN, WRITTEN)
def test_any_project_and_person_in_any_writing_are_exactly_these(
    project: Project, person: object, first: str, second: str, one: object, other: object
) -> None:
    assert callable(one)
    assert callable(other)
    name = getattr(person, "name", "")
    reading = read_subject(f"客户沟通{first}{one(project.name)}{second}{other(name)}")
    assert (reading.kind, reading.project, reading.person) == ("communication", project.name, name)


def test_a_subject_that_was_read_before_is_read_anew_for_others() -> None:
    message, known = mail("客户沟通-新机房项目"), Register((*PROJECTS, Project(name="新机房项目", first="李四")))
    renamed = MAPPING.model_copy(update={"kinds": tuple(k for k in MAPPING.kinds if k.id != "communication")})
    for _ in range(2):
        assert read(message, MAPPING, REGISTER, LI).project is None
        assert read(message, MAPPING, known, LI).project == "新机房项目"
        assert read(message, MAPPING, known, LI).corrected == "客户沟通-新机房项目-李四"
        assert read(message, MAPPING, known, WANG).corrected == "客户沟通-新机房项目-王五"
        assert read(message, MAPPING, known, ZHAO).corrected is None
        assert read(message, renamed, known, LI).kind is None


PIECES = [
    "客户沟通",
    "投诉",
    "立项",
    "BUG反馈",
    "-",
    "—",
    "：",
    "【",
    "】",
    "(",
    "ERP项目",
    "李四",
    "张三",
    "沟通问题",
    " ",
    "\ud800",
    "\x00",
]


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)))
def test_no_subject_raises_and_no_result_is_invented(subject: str) -> None:
    reading = read(mail(subject), MAPPING, REGISTER, LI)
    assert reading.kind is None or reading.resembles is None
    assert reading.project is None or REGISTER.get(reading.project) is not None
    assert reading.person is None or MAPPING.roster.get(reading.person) is not None
    assert type(reading).model_validate_json(reading.model_dump_json()) == reading
