"""Answers as people write them, and prose that must not be taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailflow.core.mapping import Words
from mailflow.kinds import parse_answer
from tests.kinds.cast import LI, MAPPING, mail, read_mail

WORDS = [
    ("确认", "accept"),
    ("確認", "accept"),
    ("确认。", "accept"),
    ("确认！", "accept"),
    ("确认 谢谢", "accept"),
    ("确认，请尽快处理", "accept"),
    ("【确认】", "accept"),
    ("“同意”", "accept"),
    ("同意了", "accept"),
    ("我同意", "accept"),
    ("同意计入", "accept"),
    ("确认属实", "accept"),
    ("同意，无异议", "accept"),
    ("确认。什么时候生效？", "accept"),
    ("计入", "accept"),
    ("计入，谢谢", "accept"),
    ("属实", "accept"),
    ("驳回", "reject"),
    ("不同意", "reject"),
    ("我不同意", "reject"),
    ("不计", "reject"),
    ("不计入", "reject"),
    ("驳回：不属实，当天已经沟通", "reject"),
    ("维持", "uphold"),
    ("维持原判。", "uphold"),
    ("撤诉", "withdraw"),
    ("申请撤诉", "withdraw"),
    ("现申请撤诉。", "withdraw"),
    ("撤诉，不再追究", "withdraw"),
    ("异议", "object"),
    ("有异议", "object"),
    ("我有异议：当天已经发过邮件", "object"),
    ("提出异议。", "object"),
    ("异议：不是我的项目", "object"),
    ("\n\n  确认\n\n张三", "accept"),
    ("周经理您好：\n确认", "accept"),
    ("周经理，您好！\n\n同意。", "accept"),
    ("周经理：\n驳回", "reject"),
    ("周经理：驳回", "reject"),
    ("您好，同意。", "accept"),
    ("Hi Zhou,\n确认", "accept"),
]


@pytest.mark.parametrize(("text", "word"), WORDS)
def test_an_answer_is_read(text: str, word: str) -> None:
    answer = parse_answer(text, MAPPING.words, MAPPING.roster)
    assert answer is not None
    assert answer.word == word
    assert answer.line in text


NONE = [
    "",
    "\n \n",
    "不确认",
    "没有异议",
    "无异议",
    "异议：无",
    "异议 没有。",
    "确认关闭",
    "确认一下再说",
    "同意你的看法，但是应由销售负责",
    "同意，但是要改派",
    "同意，除非对方道歉",
    "同意吗？",
    "确认？",
    "同意还是驳回？",
    "同意驳回",
    "同意，驳回",
    "确认，不属实",
    "请确认",
    "请驳回",
    "暂不确认，\n确认",
    "确认，没有核实",
    "维持 未核实",
    "申请驳回",
    "要求确认",
    "不同意见已收到",
    "不计较",
    "撤诉申请表在附件",
    "撤诉吗",
    "我认为应该驳回",
    "收到，谢谢",
    "收到\n确认",
    "驳回李工，同意",
    "指定会议时间",
    "指定 李四？",
    "维持秩序",
    "异议处理流程",
]


@pytest.mark.parametrize("text", NONE)
def test_prose_is_no_answer(text: str) -> None:
    assert parse_answer(text, MAPPING.words, MAPPING.roster) is None


ASSIGNMENTS = [
    ("指定 李四", "李四", "李四"),
    ("指定李四", "李四", "李四"),
    ("指定：李四", "李四", "李四"),
    ("指定-李四", "李四", "李四"),
    ("指定给李四。", "李四", "李四"),
    ("改派给 李四 负责", "李四", "李四 负责"),
    ("指定李四负责", "李四", "李四负责"),
    ("计入 李四", "李四", "李四"),
    ("计入李四名下", "李四", "李四名下"),
    ("指定 李四，不是王五", "李四", "李四，不是王五"),
    ("指定 张三（华东）", "张三(华东)", "张三（华东"),
    ("指定 沈成", "沈成", "沈成"),
    ("指定 张三", None, "张三"),
    ("指定 李四、王五", None, "李四、王五"),
    ("指定 李四和王五", None, "李四和王五"),
    ("指定 某人", None, "某人"),
    ("指定", None, None),
]


@pytest.mark.parametrize(("text", "person", "written"), ASSIGNMENTS)
def test_an_assignment_names_one_person_or_nobody(text: str, person: str | None, written: str | None) -> None:
    answer = parse_answer(text, MAPPING.words, MAPPING.roster)
    assert answer is not None
    assert (answer.word, answer.argument) == ("assign", person)
    assert (answer.argument_text or "").startswith(written or "")


def test_the_words_are_the_mapping_s() -> None:
    words = Words(accept=("好的",), reject=("免了",))
    found = [parse_answer(text, words, MAPPING.roster) for text in ("好的。", "免了", "确认")]
    assert [answer and answer.word for answer in found] == ["accept", "reject", None]


def test_every_reply_is_read_for_an_answer_and_no_other_mail_is() -> None:
    reply = read_mail(mail("投诉-ERP项目", "撤诉", reply=True))
    assert (reply.kind, reply.answer and reply.answer.word) == ("complaint", "withdraw")
    assert read_mail(mail("投诉-ERP项目", "撤诉")).answer is None
    assert read_mail(mail("随便什么", "确认", reply=True), LI).answer is not None


PIECES = ["确认", "不", "同意", "指定", "李四", "，", "？", "我", "您好", "\n", " ", "异议", "撤诉", "\ud800", "张三"]


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
def test_no_text_raises_and_nobody_is_invented(text: str) -> None:
    answer = read_mail(mail("回复", text, reply=True)).answer
    if answer and answer.argument:
        assert MAPPING.roster.get(answer.argument) is not None
