"""Every way of writing 标签：值 that people use, what must not be taken for one, and where each value stands."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailflow import kinds, message
from mailflow.core.mapping import FieldRule, Kind
from mailflow.kinds import Fields, read_fields
from mailflow.kinds.tables import labels_of
from tests.kinds.cast import LI, MAPPING, REGISTER

REPORT = MAPPING.kinds_by_id["communication"]
FAULT = MAPPING.kinds_by_id["fault"]
WEEKLY = MAPPING.kinds_by_id["weekly_report"]
WANTED = {
    "沟通结果": "成功",
    "项目名称": "ERP项目",
    "沟通人": "王工",
    "沟通方式": "电话",
    "具体问题": "解决vista下远程控制网络参数设置",
}
PAIRS = list(WANTED.items())
PROBLEM = WANTED["具体问题"]


def each(shape: str) -> str:
    return "\n".join(shape.format(k=k, v=v) for k, v in PAIRS)


SHAPES = {
    "full width colon": each("{k}：{v}"),
    "half width colon": each("{k}:{v}"),
    "colon and blank": each("{k}: {v}"),
    "blanks around": each("  {k} ： {v}  "),
    "ratio sign for a colon": each("{k}∶{v}"),
    "small colon": each("{k}﹕{v}"),
    "dash between blanks": each("{k} - {v}"),
    "long dash": each("{k} —— {v}"),
    "tight dash": each("{k}-{v}"),
    "tight long dash": each("{k}—{v}"),
    "equals": each("{k}={v}"),
    "wide equals": each("{k} ＝ {v}"),
    "arrow": each("{k} → {v}"),
    "semicolon for a colon": each("{k}；{v}"),
    "lenticular": each("【{k}】{v}"),
    "lenticular and colon": each("【{k}】：{v}"),
    "all in lenticular": each("【{k}：{v}】"),
    "square": each("[{k}]：{v}"),
    "square without colon": each("[{k}] {v}"),
    "corner": each("「{k}」{v}"),
    "title marks": each("《{k}》：{v}"),
    "angle": each("<{k}>：{v}"),
    "quotation marks": each("“{k}”：{v}"),
    "tab": each("{k}\t{v}"),
    "colon and tab": each("{k}：\t{v}"),
    "wide gap": each("{k}      {v}"),
    "ideographic blank": each("{k}　{v}"),
    "markdown, colon inside": each("**{k}：**{v}"),
    "markdown, colon outside": each("**{k}**：{v}"),
    "markdown, bold value": each("**{k}**：**{v}**"),
    "markdown list": each("- **{k}**: {v}"),
    "markdown heading": each("### {k}\n{v}"),
    "underlined": each("__{k}__：{v}"),
    "a line to write on": each("{k}：___{v}___"),
    "bullet •": each("• {k}：{v}"),
    "bullet ·": each("·{k}：{v}"),
    "bullet ■": each("■ {k}：{v}"),
    "bullet -": each("- {k}：{v}"),
    "bullet *": each("* {k}：{v}"),
    "bullet ➢": each("➢ {k}：{v}"),
    "spaced out": "\n".join(f"{' '.join(k)}：{v}" for k, v in PAIRS),
    "spaced out wide": "\n".join(f"{chr(0x3000).join(k)}：{v}" for k, v in PAIRS),
    "hint": each("{k}（必填）：{v}"),
    "hint with a colon": each("{k}（例如：张工）：{v}"),
    "hint with commas": each("{k}(请写具体，不少于10字)：{v}"),
    "value below": each("{k}：\n{v}"),
    "value below a blank line": each("{k}：\n\n{v}\n"),
    "label alone": "\n".join(f"{k}\n{v}" for k, v in PAIRS),
    "numbered 1.": "\n".join(f"{n}.{k}：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "numbered 1、": "\n".join(f"{n}、{k}：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "numbered 1)": "\n".join(f"{n}) {k}：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "numbered (1)": "\n".join(f"({n}){k}：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "numbered ①": "\n".join(f"{n} {k}：{v}" for n, (k, v) in zip("①②③④⑤", PAIRS, strict=True)),
    "numbered （一）": "\n".join(f"（{n}）{k}：{v}" for n, (k, v) in zip("一二三四五", PAIRS, strict=True)),
    "numbered 一、": "\n".join(f"{n}、{k}：{v}" for n, (k, v) in zip("一二三四五", PAIRS, strict=True)),
    "numbered 2.1": "\n".join(f"2.{n} {k}：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "numbered a.": "\n".join(f"{n}. {k}：{v}" for n, (k, v) in zip("abcde", PAIRS, strict=True)),
    "numbered and bold": "\n".join(f"{n}. **{k}**：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "one line, gaps": "   ".join(f"{k}：{v}" for k, v in PAIRS),
    "one line, blanks": " ".join(f"{k}：{v}" for k, v in PAIRS),
    "one line, commas": "，".join(f"{k}：{v}" for k, v in PAIRS),
    "one line, semicolons": "；".join(f"{k}：{v}" for k, v in PAIRS),
    "one line, bars": " | ".join(f"{k}：{v}" for k, v in PAIRS),
    "one line, equals": "；".join(f"{k}={v}" for k, v in PAIRS),
    "one line, numbered": " ".join(f"{n}、{k}：{v}" for n, (k, v) in enumerate(PAIRS, 1)),
    "two on a line": "沟通结果：成功  项目名称：ERP项目\n沟通人：王工，沟通方式：电话\n具体问题：" + PROBLEM,
    "short labels on a line": "结果：成功  项目：ERP项目  方式：电话\n沟通人：王工\n问题描述：" + PROBLEM,
    "short labels and blanks": "结果：成功 项目：ERP项目 方式：电话\n沟通人：王工\n问题描述：" + PROBLEM,
    "spaced labels on a line": "结 果：成功   项 目：ERP项目   方 式：电话\n沟 通 人：王工\n问题描述：" + PROBLEM,
    "pasted, headings on top": "\t".join(WANTED) + "\n" + "\t".join(WANTED.values()),
    "pasted, side by side": each("{k}\t{v}"),
    "pasted, four columns": "沟通结果\t成功\t项目名称\tERP项目\n沟通人\t王工\t沟通方式\t电话\n具体问题\t" + PROBLEM,
    "pasted, one cell a line": "\n".join(f"{k}\n{v}" for k, v in PAIRS),
    "bars, two columns": each("| {k} | {v} |"),
    "bars, headings on top": f"| {' | '.join(WANTED)} |\n| {' | '.join(WANTED.values())} |",
    "markdown table": f"| {' | '.join(WANTED)} |\n|{'---|' * 5}\n| {' | '.join(WANTED.values())} |",
    "markdown table, aligned": f"| {' | '.join(WANTED)} |\n|{':--:|' * 5}\n| {' | '.join(WANTED.values())} |",
    "drawn table": "┌──┬──┐\n" + "\n├──┼──┤\n".join(f"│ {k} │ {v} │" for k, v in PAIRS) + "\n└──┴──┘",
    "headings between gaps": "    ".join(WANTED) + "\n" + "    ".join(WANTED.values()),
    "traditional": "溝通結果：成功\n項目名稱：ERP项目\n溝通人：王工\n溝通方式：電話\n具體問題：" + PROBLEM,
    "wide Latin": each("{k}：{v}").replace("项目名称", "项目名称").replace("\n", "\r\n"),
    "sound-alikes": "勾通街果：成功\n项目名称：ERP项目\n勾通人：王工\n沟通方势：电话\n具体问提：" + PROBLEM,
    "a character missing": "沟通果：成功\n项目名称：ERP项目\n沟通人：王工\n沟通式：电话\n具体问：" + PROBLEM,
    "a character doubled": "沟通结果果：成功\n项目的名称：ERP项目\n沟通人：王工\n方式：电话\n具体问题题：" + PROBLEM,
    "swapped": "沟通果结：成功\n项目称名：ERP项目\n沟通人：王工\n沟方通式：电话\n具体问题：" + PROBLEM,
    "no-break blanks": each("{k}：\xa0{v}"),
    "zero width inside": each("\u200b{k}：\u200b{v}"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_fields_are_read_in_every_shape(shape: str) -> None:
    fields = read_fields(REPORT, SHAPES[shape])
    assert fields.values == WANTED
    assert (fields.missing, fields.vague, fields.findings) == ((), (), ())
    assert fields.places.keys() == WANTED.keys()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_greeting_above_and_a_signature_below_change_nothing(shape: str) -> None:
    text = (
        f"周经理，您好！\n\n昨天去了客户那里，具体情况如下。\n\n{SHAPES[shape]}\n\n谢谢！\n李四\n手机：138-0000-0000\n"
    )
    assert read_fields(REPORT, text).values == WANTED


PROSE = {
    "inside a sentence": "我们讨论的结果：客户同意延期",
    "behind a comma": "昨天开会，结果：客户同意",
    "behind a comma, long label": "昨天和客户开会，沟通结果：成功",
    "behind a blank": "昨天 结果：客户同意",
    "a word of its own": "结果很好，客户满意。",
    "the word goes on": "项目组：张三、李四",
    "a title": "项目进展说明",
    "a question": "结果怎么样？时间来得及吗？",
    "short label before a dash": "项目-二期也要做",
    "a list of labels": "结果、方式、时间都要写",
    "denied": "无遗留问题：都解决了",
    "another label": "原遗留问题：打印乱码",
    "quoted": "> 沟通结果：成功\n> 沟通人：王工",
    "quoted deeper": ">> 沟通结果：成功",
}


@pytest.mark.parametrize("shape", PROSE)
def test_prose_is_no_field(shape: str) -> None:
    assert read_fields(REPORT, PROSE[shape]).values == {}


def test_a_label_behind_a_full_stop_begins_a_sentence() -> None:
    text = "昨天去了现场。沟通结果：成功。沟通人：王工；沟通方式：现场"
    assert read_fields(REPORT, text).values == {"沟通结果": "成功", "沟通人": "王工", "沟通方式": "现场"}


def test_labels_of_other_fields_are_never_confused() -> None:
    text = "遗留问题：备件没有到货\n具体问题：打印乱码无法恢复\n沟通结果：问题遗留"
    wanted = {"沟通结果": "问题遗留", "具体问题": "打印乱码无法恢复", "遗留问题描述": "备件没有到货"}
    assert read_fields(REPORT, text).values == wanted
    tries = "第一次处理：重启\n第二次处理：换线\n第三次处理：换板\n第四次处理：没有"
    # An unknown label stays in the text of the field above.
    wanted = {"第一次处理": "重启", "第二次处理": "换线", "第三次处理": "换板\n第四次处理：没有"}
    assert read_fields(FAULT, tries).values == wanted
    assert read_fields(FAULT, "尝试1：重启\n尝试2：换线\n尝试4：不知道").values.keys() == {"第一次处理", "第二次处理"}
    # 上周计划 is one character from 下周计划, and says the opposite.
    assert read_fields(WEEKLY, "上周计划：切换\n本周完成：切换完成").values == {"本周完成": "切换完成"}
    assert read_fields(REPORT, "沟通时长：2小时\n沟通时间：昨天").values == {"支持日期": "昨天", "耗时": "2小时"}


def test_a_value_that_is_also_a_label() -> None:
    for text in ("沟通结果：遗留问题", "沟通结果：\n遗留问题", "沟通结果\t遗留问题", "沟通结果  遗留问题"):
        assert read_fields(REPORT, text + "\n沟通人：王工").values == {"沟通结果": "问题遗留", "沟通人": "王工"}
    assert read_fields(REPORT, "", [[("沟通结果", "遗留问题")]]).values == {"沟通结果": "问题遗留"}
    table = [[("沟通结果", "沟通人"), ("遗留问题", "王工")]]
    assert read_fields(REPORT, "", table).values == {"沟通结果": "问题遗留", "沟通人": "王工"}


LONG = {
    "lines": ("具体问题：第一行\n第二行\n沟通人：王工", "第一行\n第二行"),
    "a list": ("具体问题：\n1. 打印乱码\n2. 网络断线\n沟通人：王工", "1. 打印乱码\n2. 网络断线"),
    "a list between blank lines": ("具体问题：\n\n1、乱码\n\n2、断线\n\n沟通人：王工", "1、乱码\n\n2、断线"),
    "a list at the end": ("沟通人：王工\n具体问题：\n1、打印乱码\n\n2、网络断线\n\n李四", "1、打印乱码\n\n2、网络断线"),
    "bullets": ("具体问题：\n- 打印乱码\n- 网络断线", "- 打印乱码\n- 网络断线"),
    "other labels inside": ("具体问题：乱码\n原因：驱动旧\n处理：更新\n沟通人：王工", "乱码\n原因：驱动旧\n处理：更新"),
    "up to the next label on a line": ("具体问题：打印乱码，\n网络断线；沟通人：王工", "打印乱码，\n网络断线"),
    "a cell of several lines": ('具体问题\t"1. 乱码\n2. 说是""偶尔""断线"\n沟通人\t王工', '1. 乱码\n2. 说是"偶尔"断线'),
    "ends before the closing": ("沟通人：王工\n具体问题：打印乱码\n此致\n敬礼", "打印乱码"),
    "ends before the signature": ("沟通人：王工\n具体问题：打印乱码\n\n李四\n技术支持部", "打印乱码"),
}  # fmt: skip


@pytest.mark.parametrize("shape", LONG)
def test_a_long_value_goes_on_until_the_next_label(shape: str) -> None:
    text, wanted = LONG[shape]
    assert read_fields(REPORT, text).values["具体问题"] == wanted


def test_a_short_value_is_no_other_line() -> None:
    assert read_fields(REPORT, "沟通人：\n备注：加急").values == {}
    assert read_fields(REPORT, "沟通人：\n\n\n\n王工").values == {}
    assert read_fields(REPORT, "沟通人：\n谢谢！").values == {}
    assert read_fields(REPORT, "支持日期：\n下午3：30").values == {"支持日期": "下午3：30"}


@pytest.mark.parametrize(
    "value", ["☑成功 □问题遗留", "□问题遗留 √成功", "成功（√） 问题遗留（ ）", "■ 成功  □ 问题遗留"]
)
def test_the_ticked_one_is_meant(value: str) -> None:
    fields = read_fields(REPORT, f"沟通结果：{value}")
    assert (fields.values, fields.vague) == ({"沟通结果": "成功"}, ())
    assert read_fields(REPORT, "沟通结果：☑成功 ☑问题遗留").vague == ("沟通结果",)


def test_the_unit_may_stand_beside_the_label() -> None:
    assert read_fields(REPORT, "耗时（小时）：2.5").values == {"耗时": "2.5小时"}
    assert read_fields(REPORT, "耗时(分钟)：约90").values == {"耗时": "约90"}


TABLES = {
    "two columns": tuple(PAIRS),
    "headings on top": (tuple(WANTED), tuple(WANTED.values())),
    "two rows of two": (
        ("沟通结果", "项目名称"), ("成功", "ERP项目"), ("沟通人", "沟通方式"), ("王工", "电话"),
        ("具体问题", ""), (PROBLEM, ""),
    ),
    "four columns": (
        ("沟通结果", "成功", "项目名称", "ERP项目"), ("沟通人", "王工", "沟通方式", "电话"),
        ("具体问题", PROBLEM, "", ""),
    ),
    "a heading across the first column": (
        ("基本情况", "沟通结果", "成功"), ("", "项目名称", "ERP项目"), ("", "沟通人", "王工"),
        ("详细", "沟通方式", "电话"), ("", "具体问题", PROBLEM),
    ),
    "one below the other": tuple((cell,) for pair in PAIRS for cell in pair),
    "in one cell": (("\n".join(f"{k}：{v}" for k, v in PAIRS), ""),),
    "cells with colons": tuple((f"{k}：", v) for k, v in PAIRS),
    "label and value in a cell": tuple((f"{k}：{v}", "") for k, v in PAIRS),
    "numbered": tuple((str(n), k, v) for n, (k, v) in enumerate(PAIRS, 1)),
    "bold": tuple((f"**{k}**", v) for k, v in PAIRS),
    "spaced out": tuple((" ".join(k), v) for k, v in PAIRS),
}  # fmt: skip


@pytest.mark.parametrize("shape", TABLES)
def test_fields_are_read_from_tables(shape: str) -> None:
    fields = read_fields(REPORT, "", [TABLES[shape]])
    assert fields.values == WANTED
    assert fields.findings == ()


SPANS = {
    "a value over three columns": (("沟通人", "王工", "方式", "电话"), ("具体问题", PROBLEM, PROBLEM, PROBLEM)),
    "a label over two": (("沟通人", "沟通人", "王工"), ("方式", "方式", "电话"), ("具体问题", "具体问题", PROBLEM)),
    "a label over all": (("沟通人", "王工", "方式", "电话"), ("具体问题",) * 4, (PROBLEM,) * 4),
    "a heading down the side": (("情况", "沟通人", "王工"), ("情况", "方式", "电话"), ("情况", "具体问题", PROBLEM)),
}


@pytest.mark.parametrize("shape", SPANS)
def test_a_cell_over_several_columns_or_rows_is_one(shape: str) -> None:
    fields = read_fields(REPORT, "", [SPANS[shape]])
    assert fields.values == {"沟通人": "王工", "沟通方式": "电话", "具体问题": PROBLEM}
    assert fields.findings == ()
    assert not any("、" in place for place in fields.places.values())


def test_prose_in_several_rows_of_one_label_is_one_value() -> None:
    table = (("具体问题", "打印乱码"), ("具体问题", "网络断线"), ("沟通人", "王工"))
    fields = read_fields(REPORT, "", [table])
    assert (fields.values, fields.findings) == ({"具体问题": "打印乱码\n网络断线", "沟通人": "王工"}, ())


# -- places ----------------------------------------------------------------------------------------------------------


def test_places_tell_where_a_value_stands() -> None:
    text = "您好\n\n结果：成功\n沟通人：\n王工\n具体问题：打印\n乱码\n\n谢谢"
    assert read_fields(REPORT, text).places == {
        "沟通结果": "正文第3行",
        "沟通人": "正文第5行",
        "具体问题": "正文第6至7行",
    }
    table = (("沟通结果", "沟通人"), ("成功", "王工"))
    assert read_fields(REPORT, "", [[("x",)], table]).places == {
        "沟通结果": "表格2第2行第1列",
        "沟通人": "表格2第2行第2列",
    }


def test_what_was_said_twice_has_two_places_and_a_table_that_the_text_shows_one() -> None:
    assert read_fields(REPORT, "结果：成功\n沟通结果：成功").places == {"沟通结果": "正文第1行、正文第2行"}
    table = (("沟通结果", "成功"), ("沟通人", "王工"))
    shown = "您好\n沟通结果\t成功\n沟通人\t王工\n方式：电话"
    assert read_fields(REPORT, shown, [table]).places == {
        "沟通结果": "表格1第1行第2列",
        "沟通人": "表格1第2行第2列",
        "沟通方式": "正文第4行",
    }


def test_cells_over_several_columns_are_not_read_again_from_the_text() -> None:
    table = (("沟通人", "王工", "方式", "电话"), ("具体问题", PROBLEM, PROBLEM, PROBLEM), ("沟通结果：成功",) * 4)
    shown = f"沟通人\t王工\t方式\t电话\n具体问题\t{PROBLEM}\n沟通结果：成功"
    assert read_fields(REPORT, shown, [table]).places == {
        "沟通结果": "表格1第3行第1列",
        "沟通人": "表格1第1行第2列",
        "沟通方式": "表格1第1行第4列",
        "具体问题": "表格1第2行第2列",
    }


def test_places_and_quotations_of_a_whole_mail() -> None:
    raw = (
        "From: lisi@tech.example\nSubject: 回复: 客户沟通-ERP项目-李四\nContent-Type: text/html; charset=utf-8\n\n"
        "<p>补充如下：</p><table><tr><td><b>沟通结果</b></td><td>成功</td></tr></table><p>沟通人：王工</p>"
        "<blockquote type=cite><table><tr><td>沟通结果</td><td>问题遗留</td></tr></table>沟通方式：电话</blockquote>"
    ).encode()
    reading = kinds.read(message.read(raw), MAPPING, REGISTER, LI)
    assert reading.fields == {"沟通结果": "成功", "沟通人": "王工"}
    assert reading.places == {"沟通结果": "表格1第1行第2列", "沟通人": "正文第3行"}
    assert type(reading).model_validate_json(reading.model_dump_json()) == reading


# -- properties ------------------------------------------------------------------------------------------------------

WRITERS = (
    "{k}：{v}", "{k}: {v}", "【{k}】{v}", "[{k}]：{v}", "**{k}：**{v}", "1. {k}：{v}", "（一）{k}：{v}", "① {k}：{v}",
    "• {k}：{v}", "{k} - {v}", "{k}={v}", "{k}\t{v}", "{k}    {v}", "| {k} | {v} |", "{k}：\n{v}", "{k}（必填）：{v}",
)  # fmt: skip
PLAIN = Kind(
    id="x",
    name="x",
    keywords=(),
    field=tuple(FieldRule(name=n, labels=()) for n in ("客户名称", "产品型号", "联系地址", "实施内容")),
)
VALUES = st.text(st.sampled_from("王李工程ERP二期0123456789甲乙丙网络设备和与在"), min_size=1, max_size=20)


@given(st.sampled_from(WRITERS), st.lists(VALUES, min_size=4, max_size=4), st.permutations(range(4)))
def test_what_a_writer_writes_is_read_back(writer: str, values: list[str], order: list[int]) -> None:
    pairs = [(PLAIN.fields[n].name, values[n]) for n in order]
    text = "\n".join(writer.format(k=k, v=v) for k, v in pairs)
    assert read_fields(PLAIN, text).values == dict(pairs)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6))
def test_a_table_is_read_the_same_as_cells_and_as_text(rows: list[tuple[str, str]]) -> None:
    table = [(PLAIN.fields[n % 4].name, value) for n, (_, value) in enumerate(rows)]
    text = "\n".join("\t".join(row) for row in table)
    assert read_fields(PLAIN, "", [table]).values == read_fields(PLAIN, text).values


ALPHABET = '沟通结果问题遗留项目：: \t\n|【】（）*-=；，。>1一①\u3000\u200b☑□"王工'


@given(st.text(st.one_of(st.characters(), st.sampled_from(ALPHABET)), max_size=300))
@example("【" * 100)
@example("沟通结果|" * 50 + "\n" + "成功|" * 50)
def test_no_text_raises_and_every_value_has_a_place(text: str) -> None:
    cells = tuple(tuple(line.split("|")) for line in text.splitlines())
    fields = read_fields(REPORT, text, [cells])
    assert fields.values.keys() == fields.places.keys() == fields.said.keys()
    assert fields.values.keys() <= {rule.name for rule in REPORT.fields}


HOSTILE = {
    "blanks": " " * 3000, "stars": "* " * 1500, "bars": "|" * 3000, "brackets": "【" * 3000, "hints": "(（" * 1500,
    "labels": "沟通结果；" * 600, "labels and gaps": "结果  " * 700, "colons": "：" * 3000, "half": "沟通" * 1500,
    "dashes": "-—" * 1500, "tabs": "沟通结果\t" * 600, "numbers": "1." * 1500, "labels and colons": "，沟通人：" * 500,
    "rules": "+-" * 1500, "wide blanks": "\u3000" * 3000, "digits": "９" * 3000, "quotes": '"' * 3000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_reading_is_linear(name: str) -> None:
    """Ten times the text takes about ten times as long, whatever it is made of; and never a second."""

    def seconds(lines: int) -> float:
        text = "\n".join([HOSTILE[name]] * lines)
        started = time.process_time()
        read_fields(REPORT, text)
        return time.process_time() - started

    seconds(3)
    small, large = (min(seconds(lines) for _ in range(3)) for lines in (30, 300))
    assert large < 40 * small + 0.1
    assert large < 3


def test_many_unknown_labels_are_forgotten_again() -> None:
    labels = labels_of(REPORT)
    for start in range(0, 20_000, 1000):
        read_fields(REPORT, "\n".join(f"标签{n}号：值" for n in range(start, start + 1000)))
    assert len(labels._near) <= 4096
    assert read_fields(REPORT, "沟通结果：成功").values == {"沟通结果": "成功"}


def test_nothing_is_given_by_an_empty_body() -> None:
    assert read_fields(PLAIN, "") == Fields()


@pytest.mark.parametrize(
    "text",
    [
        "补充：沟通人：王工",
        "補充如下，沟通人：王工",
        "您好！沟通人：王工",
        "您好，沟通人：王工，沟通方式：电话",
        "更正：1、沟通人：王工",
    ],
)
def test_a_word_before_the_answer_to_what_was_asked_is_no_obstacle(text: str) -> None:
    assert read_fields(REPORT, text).values["沟通人"] == "王工"


def test_a_word_that_only_begins_so_is_no_lead() -> None:
    assert read_fields(REPORT, "补充沟通人：王工").values == {}
