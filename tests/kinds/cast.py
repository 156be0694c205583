"""The people and projects of the tests of reading."""

from __future__ import annotations

import tomllib
from pathlib import Path

from mailflow.core.mapping import Kind, Mapping, Pay, Words
from mailflow.core.people import Person, Role
from mailflow.core.records import Project
from mailflow.core.register import Register
from mailflow.kinds import Reading, read
from mailflow.message.model import Message

SHIPPED = Path(__file__).parents[2] / "mappings" / "kinds.toml"


def person(name: str, role: Role, *aliases: str) -> Person:
    return Person(name=name, addresses=(f"p{abs(hash(name))}@tech.example",), role=role, aliases=aliases)


PEOPLE = (
    person("张三(华东)", "engineer"),
    person("张三(华北)", "engineer"),
    person("李四", "engineer", "Li Si", "李肆"),
    person("王五", "engineer", "wangwu"),
    person("欧阳晓峰", "engineer"),
    person("安娜", "engineer", "Anne-Marie"),
    person("沈成", "engineer"),
    person("赵六", "sales"),
    person("周九", "support_manager"),
)
LI, WANG, ZHAO = PEOPLE[2], PEOPLE[3], PEOPLE[7]

PROJECTS = (
    Project(name="ERP项目", first="李四"),
    Project(name="ERP二期项目", first="王五"),
    Project(name="客户沟通-平台项目", first="李四"),
    Project(name="投诉管理系统项目", first="李四"),
    Project(name="【试点】智慧园区(一期)项目", first="李四"),
    Project(name="Data Center - X200 项目", first="李四", aliases=("数据中心",)),
    Project(name="沟通问题", first="李四"),
    Project(name="银河", first="李四"),
    Project(name="银河-支线", first="王五"),
    Project(name="海关一号项目", first="李四", aliases=("海关",)),
    Project(name="海关二号项目", first="王五", aliases=("海关",)),
    Project(name="网管平台V2.1项目", first="李四"),
)
REGISTER = Register(PROJECTS)


def mapping(**changes: object) -> Mapping:
    """The shipped kinds with the people above."""
    shipped = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    parts: dict[str, object] = {
        "version": "test",
        "people": PEOPLE,
        "kinds": [Kind.model_validate(kind) for kind in shipped["kind"]],
        "words": Words.model_validate(shipped["words"]),
        "pay": Pay(rule=()),
    }
    return Mapping.model_validate(parts | changes)


MAPPING = mapping()


def mail(
    subject: str,
    text: str = "",
    *,
    reply: bool = False,
    tables: tuple[tuple[tuple[str, ...], ...], ...] = (),
) -> Message:
    return Message(
        subject=subject, bare_subject=subject, text=text, tables=tables, is_reply=reply, in_reply_to=("<a@b>",) * reply
    )


def read_mail(message: Message, sender: Person | None = LI) -> Reading:
    return read(message, MAPPING, REGISTER, sender)


def read_subject(subject: str, sender: Person | None = LI) -> Reading:
    return read_mail(mail(subject), sender)


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings}
