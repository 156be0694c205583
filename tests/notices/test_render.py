"""Every notice, rendered; hostile data stays data; mistakes in templates are told with file and line."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from mailflow.errors import UserError
from mailflow.notices.render import check, preview, render
from mailflow.notices.samples import SAMPLES

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates" / "notices"
KEYWORDS = (
    "立项 客户沟通 投诉 补发 撤诉 产品改进 故障 BUG反馈 测试 实施 交流 培训 文档 售后 进度 工作日报 工程周报 "
    "建群 解散群 离职 查询"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped templates that may be spoilt."""
    return Path(shutil.copytree(TEMPLATES, tmp_path / "notices"))


def visible(html: str) -> str:
    tree = HTMLParser(html)
    assert tree.body
    return re.sub(r"\s+", " ", tree.body.text(separator=" "))


def hostile(value: Any, text: str) -> Any:
    """The sample with every string replaced."""
    if isinstance(value, str):
        return text
    if isinstance(value, dict):
        return {key: hostile(item, text) for key, item in value.items()}
    return [hostile(item, text) for item in value] if isinstance(value, list) else value


def test_the_shipped_templates_are_right() -> None:
    assert check(TEMPLATES) == []


@pytest.mark.parametrize("name", SAMPLES)
def test_every_notice_says_what_it_must_in_text_and_html(name: str) -> None:
    done = preview(name, templates=TEMPLATES)
    sample = SAMPLES[name]
    page = visible(done.html)
    assert done.text.startswith(f"{sample['person']}，您好：\n")
    assert f"{sample['person']}，您好：" in page
    for key in ("number", "project", "reason", "deadline", "due", "result", "excerpt", "answer"):
        if sample.get(key):
            assert str(sample[key]) in done.text
            assert str(sample[key]) in page
    assert "\n\n\n" not in done.text
    assert "{{" not in done.subject + done.text + done.html


@pytest.mark.parametrize("name", SAMPLES)
def test_the_html_is_well_formed(name: str) -> None:
    body = preview(name, templates=TEMPLATES).html.removeprefix("<!DOCTYPE html>")
    body = re.sub(r"<(meta|br)([^>]*)>", r"<\1\2/>", body)
    assert etree.fromstring(body.encode()).tag == "html"


@pytest.mark.parametrize("name", SAMPLES)
def test_an_empty_value_leaves_no_hole(name: str) -> None:
    """Every list and text of the sample may be empty; the notice is still rendered."""
    empty = {k: type(v)() for k, v in SAMPLES[name].items()}
    done = render(name, empty, templates=TEMPLATES)
    assert "None" not in done.text
    assert "None" not in done.html


def test_the_complaint_notice_as_it_is_read() -> None:
    done = preview("complaint_received", templates=TEMPLATES)
    assert done.subject == "[MF-2026-000123] 收到投诉：星海ERP项目"
    assert "> 11月18日与客户沟通后没有收到沟通报告。" in done.text.splitlines()
    assert "第一行写“异议”" in done.text
    page = visible(done.html)
    assert "累计第 2 次计入的投诉" in page
    assert page.index("归属月份") < page.index("2026-11 ") < page.index("异议")


def test_the_consequence_notice_lists_rule_arithmetic_mails_and_reversals() -> None:
    done = preview("consequence", templates=TEMPLATES)
    assert done.subject == "绩效等级更正：2026-11"
    for text in (done.text, visible(done.html)):
        for piece in (
            "第2次计入的投诉，每2次扣发1级",
            "<a1@sales.example>",
            "冲销：扣发1级",
            "调整 2026-10",
            "L000005",
        ):
            assert piece in text
    new = render("consequence", SAMPLES["consequence"] | {"reason": ""}, templates=TEMPLATES)
    assert new.subject == "绩效等级通知：2026-11"


def test_the_fields_to_complete_can_be_copied_as_label_lines() -> None:
    done = preview("report_incomplete", templates=TEMPLATES)
    assert {"沟通人：", "具体问题："} <= set(done.text.splitlines())


@pytest.mark.parametrize("name", SAMPLES)
def test_no_subject_of_ours_reads_like_a_keyword_mail(name: str) -> None:
    """A reply to a notice must not look like a new complaint or registration (domain §2)."""
    bare = re.sub(r"\[MF-[0-9-]+\]\s*", "", preview(name, templates=TEMPLATES).subject)
    assert not bare.startswith(tuple(KEYWORDS.split()))


@pytest.mark.parametrize("name", SAMPLES)
def test_template_syntax_in_mail_stays_text(name: str) -> None:
    attack = "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}"
    done = render(name, hostile(SAMPLES[name], attack), templates=TEMPLATES)
    assert "{{ 7*7 }}" in done.text
    assert "49" not in done.text
    assert "subclass" not in done.text.replace("__subclasses__", "")


@pytest.mark.parametrize("name", SAMPLES)
def test_markup_in_mail_stays_text(name: str) -> None:
    attack = "</td></table><script>alert(1)</script><img src=x onerror=\"a()\"><a href='javascript:b()'>c</a>"
    done = render(name, hostile(SAMPLES[name], attack), templates=TEMPLATES)
    tree = HTMLParser(done.html)
    assert tree.css("script, img") == []
    assert all(a.attributes["href"] and a.attributes["href"].startswith("mailto:") for a in tree.css("a"))
    assert attack in HTMLParser(done.html).text()


@pytest.mark.parametrize("name", SAMPLES)
def test_line_feeds_and_control_characters_do_not_reach_the_subject(name: str) -> None:
    attack = "项目\r\nBcc: evil@attacker.example\r\n\r\n\x00\x1b[31m\x85\u2028\u202ekcah\ud800"
    done = render(name, hostile(SAMPLES[name], attack), templates=TEMPLATES)
    assert len(done.subject.splitlines()) == 1
    for text in (done.subject, done.text, done.html):
        assert not set("\r\x00\x1b\u202e") & set(text)
        text.encode("utf-8")


def test_text_of_a_mail_cannot_speak_in_our_name() -> None:
    """An excerpt is quoted line by line, and a value among our words stays on its line."""
    forged = "算了\n\n请直接回复“确认”即可结案。\n技术支持助手"
    done = render(
        "held", SAMPLES["held"] | {"excerpt": forged, "reason": forged, "subject": forged}, templates=TEMPLATES
    )
    lines = done.text.splitlines()
    assert "> 请直接回复“确认”即可结案。" in lines
    assert "请直接回复“确认”即可结案。" not in lines


def test_a_long_subject_is_cut() -> None:
    done = render("correction", SAMPLES["correction"] | {"subject": "长" * 5000}, templates=TEMPLATES)
    assert len(done.subject) == 200
    assert done.subject.endswith("…")


def test_a_link_that_is_no_mailto_is_left_out() -> None:
    done = render("correction", SAMPLES["correction"] | {"mailto": "javascript:alert(1)"}, templates=TEMPLATES)
    assert "javascript" not in done.text + done.html


@pytest.mark.parametrize("name", ["nosuch", "../held", "held/../held", "", "HELD", "held\n"])
def test_only_named_notices_are_rendered(name: str) -> None:
    with pytest.raises(UserError):
        render(name, {"person": "李四"}, templates=TEMPLATES)


def test_a_missing_variable_is_told_with_file_and_line() -> None:
    context = {k: v for k, v in SAMPLES["held"].items() if k != "reason"}
    with pytest.raises(UserError) as caught:
        render("held", context, templates=TEMPLATES)
    problems = caught.value.problems
    assert [(Path(p.file or "").name, p.line) for p in problems] == [("held.txt.j2", 5), ("held.html.j2", 7)]
    assert "reason" in problems[0].text


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("一\n{{ person }\n", 2, "语法"),
        ("一\n二\n{% if reason %}\n", 3, "语法"),
        ("一\n{{ personn }}\n", 2, "personn"),
        ("一\n{% if not number %}\n{{ nowhere }}\n{% endif %}\n", 3, "nowhere"),
        ("{{ 1 / 0 }}", 1, "division"),
        ("{{ person.__class__.__mro__ }}", 1, "__class__"),
        ("{{ person.upper() }}", 1, "upper"),
        ("{{ choices.append(1) }}", 1, "append"),
        ("{{ ''['__class__'] }}", 1, "__class__"),
        ("{% include '../../secret.txt' %}", None, "secret"),
        ("{% include '/etc/hostname' %}", None, "hostname"),
        ("{{ number|nosuchfilter }}", 1, "nosuchfilter"),
    ],
)
def test_a_wrong_template_is_told_by_check(folder: Path, source: str, line: int | None, said: str) -> None:
    (folder / "held.txt.j2").write_text(source, encoding="utf-8")
    (folder.parent.parent / "secret.txt").write_text("geheim", encoding="utf-8")
    problems = check(folder)
    assert [Path(p.file or "").name for p in problems] == ["held.txt.j2"]
    assert problems[0].line == line
    assert said in problems[0].text


def test_all_problems_are_told_at_once(folder: Path) -> None:
    (folder / "held.txt.j2").write_bytes("您好".encode("gb18030"))
    (folder / "correction.subject.j2").unlink()
    (folder / "macros.html.j2").write_text("{% macro x( %}", encoding="utf-8")
    problems = check(folder)
    texts = "\n".join(map(str, problems))
    assert "UTF-8" in texts
    assert "没有找到模板“correction.subject.j2”" in texts
    assert "macros.html.j2:1" in texts


def test_a_changed_template_is_taken_up(folder: Path) -> None:
    assert preview("held", templates=folder).subject.startswith("待确认")
    (folder / "held.subject.j2").write_text("请看第 {{ number }} 项", encoding="utf-8")
    assert preview("held", templates=folder).subject == "请看第 3 项"


def test_the_page_on_templates_names_every_notice_and_variable() -> None:
    page = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    for name, sample in SAMPLES.items():
        section = page.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert section, name
        assert {f"`{variable}`" for variable in sample} <= set(re.findall(r"`[a-z_]+`", section)) | {"`person`"}, name
