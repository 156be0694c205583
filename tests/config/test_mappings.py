"""mappings/: what the files mean, and what is said when they make no sense."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mailflow.core.mapping import MailboxSettings, Mapping, Reminders, Settings
from mailflow.errors import UserError
from mailflow.mappings import load, parse, read_files
from mailflow.views import workbooks

ROOT = Path(__file__).parents[2]

PEOPLE = """\
[[person]]
name = "周九"
addresses = ["zhoujiu@tech.example"]
role = "support_manager"

[[person]]
name = "李四"
addresses = ["lisi@tech.example", "lisi2@tech.example"]
role = "engineer"
grade = 5
manager = "周九"
joined = 2024-03-01
left = 2026-03-01

[[person]]
name = "赵六"
addresses = ["zhaoliu@sales.example"]
role = "sales"
"""
PROJECTS = """\
[[project]]
name = "ERP项目"
aliases = ["企业资源"]
sales = "赵六"
first = "李四"

[[project]]
name = "ERP二期项目"
"""
KINDS = """\
[[kind]]
id = "communication"
name = "客户沟通"
keywords = ["客户沟通"]
parts = ["project", "person?"]
senders = ["engineer"]

[[kind.field]]
name = "沟通结果"
labels = ["结果"]

[[kind.field]]
name = "遗留问题"
labels = []
required_when = {"沟通结果" = "问题遗留"}
vague_patterns = ["没有.*"]

[[kind]]
id = "complaint"
name = "投诉"
keywords = ["投诉"]
"""
PAY = """\
floor = 1

[[rule]]
id = "rule1"
name = "扣发"
every = 2
effect = "withhold"

[[rule]]
id = "rule2"
name = "降级"
every = 4
effect = "demote"
"""
FILES = {"people.toml": PEOPLE, "projects.toml": PROJECTS, "kinds.toml": KINDS, "pay.toml": PAY}


def changed(name: str, old: str, new: str) -> dict[str, str]:
    """FILES with the only `old` in one of them replaced."""
    assert FILES[name].count(old) == 1
    return {**FILES, name: FILES[name].replace(old, new)}


def problems(files: dict[str, str]) -> list[str]:
    with pytest.raises(UserError) as caught:
        parse(files, Settings())
    return [str(problem) for problem in caught.value.problems]


def mapping(files: dict[str, str] = FILES, settings: Settings | None = None) -> Mapping:
    return parse(files, settings or Settings())


def test_files_become_one_mapping() -> None:
    made = mapping()
    assert made.people[1].addresses == ("lisi@tech.example", "lisi2@tech.example")
    assert made.people[1].joined == date(2024, 3, 1)
    assert made.projects[0].first == "李四"
    assert made.kinds_by_id["communication"].fields[1].required_when == {"沟通结果": "问题遗留"}
    assert [rule.every for rule in made.pay.rules] == [2, 4]
    assert made.reminders == Reminders()
    assert [person.name for person in made.managers()] == ["周九"]


def test_the_version_is_what_is_said_not_how() -> None:
    other = {name: "# a comment\r\n" + text.replace("\n", "\r\n") for name, text in reversed(FILES.items())}
    assert mapping(other).version == mapping().version
    assert mapping({**FILES, "reminders.toml": "registration_every = 2"}).version == mapping().version


@pytest.mark.parametrize(
    "files",
    [
        changed("people.toml", "grade = 5", "grade = 4"),
        changed("pay.toml", "every = 4", "every = 5"),
        changed("kinds.toml", '["结果"]', '["结局"]'),
        {**FILES, "reminders.toml": "registration_every = 3"},
        {**FILES, "calendar.toml": "holidays = [2026-12-25]"},
    ],
)
def test_another_mapping_is_another_version(files: dict[str, str]) -> None:
    assert mapping(files).version != mapping().version


def test_other_settings_are_another_version() -> None:
    settings = Settings(mailboxes={"support": MailboxSettings(authserv_ids=("mx.example.com",))})
    assert mapping(settings=settings).version != mapping().version
    again = Settings.model_validate_json(settings.model_dump_json())
    assert mapping(settings=again).version == mapping(settings=settings).version


CHANGES = [
    # people
    ("people.toml", 'name = "赵六"', 'name = "李四"', "people.toml:16: 姓名 李四 写了两次"),
    ("people.toml", 'name = "赵六"', 'name = "李四（华东）"', "people.toml:7: 李四 与 李四（华东） 同名，也要加后缀"),
    (
        "people.toml",
        '"zhaoliu@sales.example"',
        '"LiSi@Tech.example"',
        "people.toml:17: 地址 LiSi@Tech.example 已经是 李四",
    ),
    (
        "people.toml",
        '"zhaoliu@sales.example"',
        '"wang@例子.example"]\nrole = "sales"\n\n[[person]]\nname = "新人"\naddresses = ["WANG@xn--fsqu00a.example"',
        "people.toml:22: 地址 WANG@xn--fsqu00a.example 已经是 赵六",
    ),
    ("people.toml", '"zhaoliu@sales.example"', "", "people.toml:17: 赵六 至少要有一个邮箱地址"),
    (
        "people.toml",
        '"zhaoliu@sales.example"',
        '"zhaoliu.sales.example"',
        "people.toml:17: 'zhaoliu.sales.example' 不是",
    ),
    (
        "people.toml",
        '"zhaoliu@sales.example"',
        '"zhaoliu＠sales.example"',
        "people.toml:17: 'zhaoliu＠sales.example' 不是",
    ),
    (
        "people.toml",
        'role = "sales"',
        'role = "sale"',
        "people.toml:18: role 不能是 'sale'，可用的值：'engineer', 'sales'",
    ),
    (
        "people.toml",
        'role = "sales"',
        'role = "sales"\naliases = ["李四"]',
        "people.toml:19: 别名 李四 是另一个人的姓名",
    ),
    ("people.toml", "grade = 5", 'grade = "高"', "people.toml:10: 李四 的绩效等级 '高' 认不出，应是数字"),
    ("people.toml", "grade = 5", "grade = [5]", "people.toml:10: grade 应是文字（加英文引号），或者 grade 应是整数"),
    (
        "people.toml",
        'manager = "周九"',
        'manager = "周久"',
        "people.toml:11: manager = '周久'：人员名册里没有这个人，是否想写 周九",
    ),
    ("people.toml", "left = 2026", "left = 2023", "people.toml:13: 李四 的离职日期 2023-03-01 早于入职日期"),
    ("people.toml", "left = 2026-03-01", 'left = "三月"', "people.toml:13: left 应是日期，如 2026-09-01（不加引号）"),
    ("people.toml", "grade = 5", "grad = 5", "people.toml:10: 不认识的项 grad，是否想写 grade"),
    ("people.toml", '"support_manager"', '"technical_director"', 'people.toml: 没有 role = "support_manager" 的人'),
    # projects
    ("projects.toml", 'name = "ERP二期项目"', 'name = "ｅｒｐ"', "projects.toml:8: 项目名称 ｅｒｐ 与项目 ERP项目"),
    (
        "projects.toml",
        'name = "ERP二期项目"',
        'name = "x"\naliases = ["企業資源 项目"]',
        "projects.toml:9: 项目名称 企業資源 项目",
    ),
    (
        "projects.toml",
        'first = "李四"',
        'first = "李思"',
        "projects.toml:5: first = '李思'：人员名册里没有这个人，是否想写 李四",
    ),
    (
        "projects.toml",
        'first = "李四"',
        'first = "赵六"',
        "projects.toml:5: first = '赵六'：这个人的 role 是 sales，这里应是 engineer",
    ),
    (
        "projects.toml",
        'first = "李四"',
        'second = "周九"',
        "projects.toml:5: second = '周九'：这个人的 role 是 support_manager",
    ),
    (
        "projects.toml",
        'sales = "赵六"',
        'sales = "李四"',
        "projects.toml:4: sales = '李四'：这个人的 role 是 engineer，这里应是 sales",
    ),
    ("projects.toml", 'sales = "赵六"', 'grade = "D"', "projects.toml:4: grade 不能是 'D'"),
    (
        "projects.toml",
        '[[project]]\nname = "ERP二期项目"',
        "[[projct]]",
        "projects.toml:7: 不认识的项 projct，是否想写 project",
    ),
    # kinds
    ("kinds.toml", '["投诉"]', '["客戶 沟通"]', "kinds.toml:21: 关键词 客戶 沟通 已经是 客户沟通 的"),
    ("kinds.toml", 'id = "complaint"', 'id = "communication"', "kinds.toml:19: id communication 写了两次"),
    ("kinds.toml", 'id = "complaint"', 'id = "投诉"', "kinds.toml:19: id '投诉' 不能用"),
    ("kinds.toml", 'id = "complaint"', 'id = "leftover"', "kinds.toml:19: id 'leftover' 不能用"),
    ("kinds.toml", '["投诉"]', '["投诉："]', "kinds.toml:21: 关键词 '投诉：' 认不出"),
    ("kinds.toml", '["投诉"]', '["投诉-"]', "kinds.toml:21: 关键词 '投诉-' 认不出"),
    ("kinds.toml", '["投诉"]', '[" "]', "kinds.toml:21: 关键词 ' ' 认不出"),
    ("kinds.toml", '["投诉"]', '[]\nparts = ["project"]', "kinds.toml:22: 没有 keywords，parts 就不起作用"),
    ("kinds.toml", '"person?"', '"project"', "kinds.toml:5: parts 里的 project 写了两次"),
    ("kinds.toml", '"person?"', '"new_project"', "kinds.toml:5: parts 里的 project 和 new_project 不能都有"),
    ("kinds.toml", '"person?"', '"summary", "person?"', "kinds.toml:5: parts 里的 summary 到主题末尾为止"),
    ("kinds.toml", '"person?"', '"person?"' + ', "text"' * 6, "kinds.toml:5: parts 最多 6 个"),
    ("kinds.toml", '"person?"', '"persn?"', "kinds.toml:5: parts 里的 'persn?' 不认识，是否想写 person"),
    ("kinds.toml", '["engineer"]', '["engineers"]', "kinds.toml:6: 不认识角色 'engineers'，是否想写 engineer"),
    ("kinds.toml", '{"沟通结果"', '{"结果"', "kinds.toml:15: required_when 里的 结果 不是这一种邮件的字段"),
    ("kinds.toml", '"没有.*"', '"没有("', "kinds.toml:16: vague_patterns 里的 '没有(' 不是正则表达式"),
    ("kinds.toml", 'labels = ["结果"]', 'lables = ["结果"]', "kinds.toml:10: 不认识的项 lables，是否想写 labels"),
    # pay
    ("pay.toml", 'id = "rule2"', 'id = "rule1"', "pay.toml:10: 规则 id rule1 写了两次"),
    ("pay.toml", "every = 4", "every = 0", "pay.toml:12: every 不能小于 1"),
    ("pay.toml", '"demote"', '"dismiss"', "pay.toml:13: effect 不能是 'dismiss'，可用的值：'withhold', 'demote'"),
    ("pay.toml", "floor = 1", 'floor = "低"', "pay.toml:1: floor = '低' 认不出，应是数字"),
    ("pay.toml", "floor = 1", 'may_decide = ["manager"]', "pay.toml:1: 不认识角色 'manager'"),
    ("pay.toml", "floor = 1", "flor = 1", "pay.toml:1: 不认识的项 flor，是否想写 floor"),
]


def test_what_was_taken_into_use_is_read_whatever_a_later_release_thinks_of_it() -> None:
    files = FILES | {"kinds.toml": KINDS.replace('id = "complaint"', 'id = "投诉"')}
    with pytest.raises(UserError):
        parse(files, Settings())
    assert "投诉" in parse(files, Settings(), taken=True).kinds_by_id


@pytest.mark.parametrize(("name", "old", "new", "said"), CHANGES)
def test_one_mistake_is_said_with_its_line(name: str, old: str, new: str, said: str) -> None:
    found = problems(changed(name, old, new))
    assert any(text.startswith(said) for text in found), found


def test_mistakes_in_all_files_are_said_at_once() -> None:
    files = dict(FILES)
    for name, old, new in [
        ("people.toml", 'role = "sales"', 'role = "sale"'),
        ("people.toml", "grade = 5", 'grade = "高"'),
        ("projects.toml", 'first = "李四"', 'first = "周九"'),
        ("kinds.toml", '"没有.*"', '"没有("'),
        ("pay.toml", "every = 4", "every = x"),
    ]:
        files[name] = files[name].replace(old, new)
    found = problems({**files, "project.toml": ""})
    assert [text.split(": ")[0] for text in found] == [
        "kinds.toml:16",
        "pay.toml:12",
        "people.toml:18",
        "project.toml",
        "projects.toml:5",
    ]


def test_a_person_who_is_half_right_is_still_known_by_name() -> None:
    """赵六 has a wrong role; that the project names 赵六 is no second mistake."""
    (only,) = problems(changed("people.toml", 'role = "sales"', 'role = "sale"'))
    assert only.startswith("people.toml:18")


@pytest.mark.parametrize("grade", ["5", '"5"', '"P5"', '"初级 3"'])
def test_grades_that_are_numbers(grade: str) -> None:
    mapping(changed("people.toml", "grade = 5", f"grade = {grade}"))


def test_grades_are_steps_of_the_scale_when_there_is_one() -> None:
    files = changed("pay.toml", "floor = 1", 'floor = "初级"\nscale = ["初级", "高级"]')
    (only,) = problems(files)
    assert only == "people.toml:10: 李四 的绩效等级 5 认不出，应是 scale 中的一级：初级、高级"
    mapping({**files, "people.toml": PEOPLE.replace("grade = 5", 'grade = "高级"')})


def test_two_people_may_share_a_name_when_both_have_suffixes() -> None:
    twin = PEOPLE.replace('"李四"', '"张三(华东)"').replace('"赵六"', '"张三(华北)"')
    files = {**FILES, "people.toml": twin, "projects.toml": ""}
    assert len(mapping(files).roster.by_name("张三")) == 2


@pytest.mark.parametrize("name", ["people.toml", "kinds.toml", "pay.toml"])
def test_files_that_are_needed(name: str) -> None:
    (only,) = problems({key: text for key, text in FILES.items() if key not in (name, "projects.toml")})
    assert only.startswith(f"{name}: 缺少这个文件")


def test_files_that_may_be_missing() -> None:
    assert mapping({key: text for key, text in FILES.items() if key != "projects.toml"}).projects == ()


def test_a_folder_is_read(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (tmp_path / "notes.txt").write_text("not read", encoding="utf-8")
    assert list(read_files(tmp_path)) == sorted(FILES)
    assert load(tmp_path, Settings()) == mapping()


def test_problems_of_a_folder_name_its_files(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_bytes("a = 1\nb = '张三'".encode("gbk"))
    (tmp_path / "peeple.toml").write_bytes("# 张三".encode("gbk"))
    with pytest.raises(UserError) as caught:
        load(tmp_path, Settings())
    assert [(p.file, p.line) for p in caught.value.problems] == [
        (str(tmp_path / "peeple.toml"), 1),
        (str(tmp_path / "people.toml"), 2),
    ]


def test_a_missing_folder_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="没有这个目录"):
        load(tmp_path / "mappings", Settings())


SHEETS = """\
[columns]
reports = [{field = "number", heading = "编号"}]

[[columns.leftovers]]
field = "project"
heading = "项目名称"

[[columns.leftovers]]
field = "state"
heading = "进展"
width = 12
"""


def test_sheets_may_have_other_columns() -> None:
    columns = mapping({**FILES, "sheets.toml": SHEETS}).sheets.columns
    assert [(c.field, c.heading, c.width) for c in columns["leftovers"]] == [
        ("project", "项目名称", None),
        ("state", "进展", 12),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reports =", "report =", "sheets.toml:2: 没有工作表 report，是否想写 reports"),
        ('"state"', '"stat"', "sheets.toml:9: 工作表 leftovers 没有 stat，是否想写 state"),
        ('"进展"', '"编号"', "sheets.toml:10: 列标题 编号 在这张工作表里用了两次"),
        ("width", "widht", "sheets.toml:11: 不认识的项 widht，是否想写 width"),
        ("width = 12", 'format = "date"', "sheets.toml:11: state 的格式是 text，不能改成 date"),
        ("width = 12", 'owner = "person"', "sheets.toml:11: state 是程序自带的列，归谁填写不能改"),
        ('heading = "编号"', 'choices = ["一"]', "sheets.toml:2: number 由程序填写，不能有下拉选项"),
        ('heading = "编号"', "show = false", "sheets.toml:2: number 是这张工作表的编号列，必须显示"),
        ('field = "state"', 'field = "project"', "sheets.toml:9: project 写了两次"),
    ],
)
def test_sheets_and_columns_that_do_not_exist(old: str, new: str, said: str) -> None:
    assert old in SHEETS
    (only,) = problems({**FILES, "sheets.toml": SHEETS.replace(old, new)})
    assert only.startswith(said)


def test_sheets_may_leave_columns_out_and_add_some_for_people() -> None:
    text = """
[columns]
leftovers = [
    {field = "closed", show = false},
    {field = "visit", heading = "回访", owner = "person", choices = ["已回访"]},
]
"""
    leftovers = workbooks.SHEETS["leftovers"].filled((), mapping({**FILES, "sheets.toml": text}))
    assert [c.heading for c in leftovers.columns] == ["编号", "回访", "项目", "遗留问题", "状态", "提出时间", "备注"]
    assert (leftovers.columns[1].owner, leftovers.columns[1].choices) == ("person", ("已回访",))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ('field = "visit", heading = "回访"', "工作表 leftovers 没有 visit；要加一列给人填写"),
        ('field = "visit", owner = "person"', "增加的列 visit 要写 heading"),
        ('field = "visit", heading = "回访", owner = "person", show = false', "增加的列 visit 不能不显示"),
    ],
)
def test_what_is_wrong_with_a_column_of_ones_own(column: str, said: str) -> None:
    (only,) = problems({**FILES, "sheets.toml": f"[columns]\nleftovers = [{{{column}}}]\n"})
    assert said in only


def test_the_shipped_sheets_file_lists_every_column() -> None:
    text = (ROOT / "mappings" / "sheets.toml").read_text(encoding="utf-8")
    sections = dict(section.split("]", 1) for section in text.split("\n# [")[2:])
    assert list(sections) == list(workbooks.SHEETS)
    for sheet, layout in workbooks.SHEETS.items():
        words = sections[sheet].replace("#", "").replace("，", " ").split()
        assert words == [layout.title, *(word for c in layout.columns for word in (c.field, c.heading))]


def test_the_shipped_mappings_are_right() -> None:
    made = load(ROOT / "mappings", Settings())
    assert len(made.roster.by_name("张三")) == 2
    assert {"ERP项目", "ERP二期项目", "投诉管理系统项目"} <= {project.name for project in made.projects}
    assert made.managers()


def test_the_shipped_pay_rules_are_those_of_the_department() -> None:
    """domain §4: every 2nd withholds one grade of the month, every 4th demotes by one for good; both on the 4th."""
    files = read_files(ROOT / "mappings")
    pay = parse({**FILES, "pay.toml": files["pay.toml"]}, Settings()).pay
    rules = [(rule.id, rule.every, rule.scope, rule.effect, rule.grades) for rule in pay.rules]
    assert rules == [("rule1", 2, "lifetime", "withhold", 1), ("rule2", 4, "lifetime", "demote", 1)]
    assert (pay.floor, pay.stack, pay.may_complain, pay.resend_hours) == (1, True, ("sales",), 24)
