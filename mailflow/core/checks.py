"""What fits its form in mappings/ and still makes no sense: each check returns its problems. Pure.

Entries that did not fit their form are not among `Written`; the names they bear are, so that one typing error in a
person does not make everything that names this person look wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar, get_args

from mailflow.core import grades
from mailflow.core.address import is_address, key_of
from mailflow.core.mapping import Form, FormField, Kind, Pay, ProjectSeed
from mailflow.core.people import Person, Role, bare_name
from mailflow.core.register import place_of
from mailflow.core.shape import perhaps
from mailflow.core.text import fold
from mailflow.core.toml import Document
from mailflow.errors import Problem

T = TypeVar("T")

ROLES: tuple[str, ...] = get_args(Role)
OUTSIDE = "customer"
"""Stands for outside addresses among a kind's senders."""
PARTS = ("project", "new_project", "person", "summary", "text")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One [[table]] of a file, and where it stands."""

    value: T
    document: Document
    path: tuple[str, int]

    def problem(self, text: str, *key: str | int) -> Problem:
        return self.document.problem(text, *self.path, *key)


@dataclass(frozen=True)
class Written:
    """What the files say, as far as it fits its form."""

    people: tuple[Entry[Person], ...]
    projects: tuple[Entry[ProjectSeed], ...]
    kinds: tuple[Entry[Kind], ...]
    pay: Pay | None
    documents: dict[str, Document]
    forms: tuple[Entry[Form], ...] = ()

    @cached_property
    def names(self) -> list[str]:
        """All names in people.toml, those of people that do not fit their form included."""
        tables = self.documents["people.toml"].tables("person") if "people.toml" in self.documents else []
        return sorted({table["name"] for table in tables if isinstance(table.get("name"), str)})

    def person(self, name: str) -> Person | None:
        return next((entry.value for entry in self.people if entry.value.name == name), None)


def problems(written: Written) -> list[Problem]:
    """Everything that makes no sense, in the order of CHECKS."""
    return [problem for check in CHECKS for problem in check(written)]


def _doubles(items: Iterable[tuple[str, Entry[T], str]]) -> Iterator[tuple[Entry[T], str, Entry[T]]]:
    """(entry, what is written, earlier entry) for each key that another entry had before. Items: (key, entry, text)."""
    seen: dict[str, Entry[T]] = {}
    for key, entry, text in items:
        first = seen.setdefault(key, entry)
        if first is not entry:
            yield entry, text, first


def person_names(written: Written) -> Iterator[Problem]:
    """A name belongs to one person; people who share one carry suffixes, each of them (domain §1)."""
    yield from (entry.problem("name 不能为空", "name") for entry in written.people if not fold(entry.value.name))
    for entry, name, _ in _doubles((fold(e.value.name), e, e.value.name) for e in written.people):
        yield entry.problem(f"姓名 {name} 写了两次；同名的人请各加后缀，如 {name}(华东)", "name")
    suffixed = {bare_name(e.value.name): e.value.name for e in written.people if "(" in fold(e.value.name)}
    for entry in written.people:
        other = suffixed.get(fold(entry.value.name))
        if other is not None:
            text = f"{entry.value.name} 与 {other} 同名，也要加后缀，否则主题里的 {entry.value.name} 分不清是谁"
            yield entry.problem(text, "name")


def person_aliases(written: Written) -> Iterator[Problem]:
    """An alias that is somebody else's name would make that name ambiguous."""
    owners = {fold(e.value.name): e.value.name for e in written.people}
    for entry in written.people:
        for alias in entry.value.aliases:
            owner = owners.get(fold(alias), entry.value.name)
            if owner != entry.value.name:
                yield entry.problem(f"别名 {alias} 是另一个人的姓名（{owner}）", "aliases")


def addresses(written: Written) -> Iterator[Problem]:
    """Everybody has at least one, each belongs to one person, however it is spelt (domain §1)."""
    for entry in written.people:
        if not entry.value.addresses:
            yield entry.problem(f"{entry.value.name} 至少要有一个邮箱地址", "addresses")
        for address in entry.value.addresses:
            if not is_address(address):
                yield entry.problem(f"{address!r} 不是邮箱地址，应写成 zhangsan@tech.example", "addresses")
    written_down = ((key_of(a), e, a) for e in written.people for a in e.value.addresses)
    for entry, address, first in _doubles(written_down):
        yield entry.problem(f"地址 {address} 已经是 {first.value.name} 的", "addresses")


def managers(written: Written) -> Iterator[Problem]:
    for entry in written.people:
        manager = entry.value.manager
        if manager is not None and manager not in written.names:
            yield entry.problem(_nobody("manager", manager, written), "manager")


def _nobody(key: str, name: str, written: Written) -> str:
    return f"{key} = {name!r}：人员名册里没有这个人{perhaps(name, written.names)}"


def employment(written: Written) -> Iterator[Problem]:
    for entry in written.people:
        joined, left = entry.value.joined, entry.value.left
        if joined and left and left < joined:
            yield entry.problem(f"{entry.value.name} 的离职日期 {left} 早于入职日期 {joined}", "left")


def pay_grades(written: Written) -> Iterator[Problem]:
    """Every grade, and the floor, is a number or a step of the scale (domain §4)."""
    if written.pay is None:
        return
    wanted = (
        f"应是 scale 中的一级：{'、'.join(written.pay.scale)}"
        if written.pay.scale
        else '应是数字，或以数字结尾，如 "P5"'
    )
    for entry in written.people:
        grade = entry.value.grade
        if grade is not None and grades.level(grade, written.pay) is None:
            yield entry.problem(f"{entry.value.name} 的绩效等级 {grade!r} 认不出，{wanted}", "grade")
    if grades.level(written.pay.floor, written.pay) is None:
        yield written.documents["pay.toml"].problem(f"floor = {written.pay.floor!r} 认不出，{wanted}", "floor")


def project_names(written: Written) -> Iterator[Problem]:
    """XX and XX项目 are one name, in whatever width and case (domain §2)."""
    names = ((place_of(n), e, n) for e in written.projects for n in (e.value.name, *e.value.aliases))
    for entry, name, first in _doubles(names):
        key = "name" if name == entry.value.name else "aliases"
        yield entry.problem(f"项目名称 {name} 与项目 {first.value.name} 的名称或别名相同", key)


def project_people(written: Written) -> Iterator[Problem]:
    """sales, first and second are on the roster, in their roles (domain §1)."""
    if "people.toml" not in written.documents:
        return
    for entry in written.projects:
        for key, role in (("sales", "sales"), ("first", "engineer"), ("second", "engineer")):
            name: str | None = getattr(entry.value, key)
            if name is None:
                continue
            person = written.person(name)
            if name not in written.names:
                yield entry.problem(_nobody(key, name, written), key)
            elif person is not None and person.role != role:
                yield entry.problem(f"{key} = {name!r}：这个人的 role 是 {person.role}，这里应是 {role}", key)


def kind_keywords(written: Written) -> Iterator[Problem]:
    """A keyword belongs to one kind, an id to one kind."""
    for entry, kind, _ in _doubles((e.value.id, e, e.value.id) for e in written.kinds):
        yield entry.problem(f"id {kind} 写了两次", "id")
    keywords = ((fold(k), e, k) for e in written.kinds for k in e.value.keywords)
    for entry, keyword, first in _doubles(keywords):
        yield entry.problem(f"关键词 {keyword} 已经是 {first.value.name} 的", "keywords")


_KIND_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN_IDS = ("leftover", "registration_request")
"""Cases that no mail's subject opens."""
_NO_KEYWORD = re.compile(r"[:：【】\[\]［］〔〕()（）《》“”\"]")
_MOST_PARTS = 6


def kind_ids(written: Written) -> Iterator[Problem]:
    """An id stands in the store and in JSON; it is nobody else's."""
    for entry in written.kinds:
        if not _KIND_ID.fullmatch(entry.value.id) or entry.value.id in _TAKEN_IDS:
            text = f"id {entry.value.id!r} 不能用：要以小写英文字母开头，只含小写字母、数字和下划线，如 leave"
            yield entry.problem(text, "id")


def kind_forms(written: Written) -> Iterator[Problem]:
    """A keyword can be found at the start of a subject, and the parts behind it told apart."""
    for entry in written.kinds:
        for keyword in entry.value.keywords:
            if not fold(keyword).strip("-") or fold(keyword) != fold(keyword).strip("-") or _NO_KEYWORD.search(keyword):
                text = f"关键词 {keyword!r} 认不出：不能空着，不能含冒号、括号和引号，两头不能是“-”"
                yield entry.problem(text, "keywords")
        yield from (entry.problem(text, "parts") for text in _parts_wrong(entry.value))


def _parts_wrong(kind: Kind) -> Iterator[str]:
    parts = [part.removesuffix("?") for part in kind.parts]
    if parts and not kind.keywords:
        yield "没有 keywords，parts 就不起作用"
    if len(parts) > _MOST_PARTS:
        yield f"parts 最多 {_MOST_PARTS} 个"
    for part in sorted({part for part in parts if parts.count(part) > 1}):
        yield f"parts 里的 {part} 写了两次"
    if "summary" in parts[:-1]:
        yield "parts 里的 summary 到主题末尾为止，只能写在最后；中间的一段文字请用 text"
    if {"project", "new_project"} <= set(parts):
        yield "parts 里的 project 和 new_project 不能都有"


def kind_subjects(written: Written) -> Iterator[Problem]:
    """What follows the keyword, and who may write it (domain §2)."""
    for entry in written.kinds:
        for part in entry.value.parts:
            if part.removesuffix("?") not in PARTS:
                text = f"parts 里的 {part!r} 不认识{perhaps(part, PARTS)}（可用：{'、'.join(PARTS)}，后面可加 ?）"
                yield entry.problem(text, "parts")
        for text in _unknown_roles(entry.value.senders, (*ROLES, OUTSIDE)):
            yield entry.problem(text, "senders")


def kind_fields(written: Written) -> Iterator[Problem]:
    """required_when names fields of the same kind; patterns are regular expressions."""
    for entry in written.kinds:
        known = [field.name for field in entry.value.fields]
        for index, field in enumerate(entry.value.fields):
            for other in field.required_when:
                if other not in known:
                    text = f"required_when 里的 {other} 不是这一种邮件的字段{perhaps(other, known)}"
                    yield entry.problem(text, "field", index, "required_when")
            for pattern in filter(_broken, field.vague_patterns):
                yield entry.problem(f"vague_patterns 里的 {pattern!r} 不是正则表达式", "field", index, "vague_patterns")


_SEPARATORS = re.compile(r"[:：=＝|｜\t\n，。；;（）()]")


def kind_labels(written: Written) -> Iterator[Problem]:
    """What separates labels from values cannot be in one, and no two fields of a kind share one."""
    for entry in written.kinds:
        seen: dict[str, str] = {}
        for index, field in enumerate(entry.value.fields):
            for key, label in (("name", field.name), *(("labels", label) for label in field.labels)):
                if not fold(label) or _SEPARATORS.search(label):
                    text = f"标签 {label!r} 认不出：不能空着，也不能含有冒号、等号、括号、逗号、句号、分号、竖线"
                    yield entry.problem(text, "field", index, key)
                owner = seen.setdefault(fold(label), field.name)
                if owner != field.name:
                    yield entry.problem(f"标签 {label} 已经是字段 {owner} 的", "field", index, key)


_CELL_NAME = re.compile(r"[^\W\d][\w.]{0,254}")
_REFERENCE = re.compile(r"[A-Za-z]{1,3}[0-9]{1,7}|[RrCc](?:[0-9]*[RrCc]?[0-9]*)")


def form_names(written: Written) -> Iterator[Problem]:
    """A name or alias belongs to one form, and a form to a kind that there is."""
    ids = [str(t["id"]) for t in _tables(written, "kinds.toml", "kind") if isinstance(t.get("id"), str)]
    for entry in written.forms:
        if "kinds.toml" in written.documents and entry.value.kind not in ids:
            yield entry.problem(f"kind = {entry.value.kind!r}：没有这个种类{perhaps(entry.value.kind, ids)}", "kind")
    names = ((fold(n), e, n) for e in written.forms for n in (e.value.name, *e.value.aliases))
    for entry, name, first in _doubles(names):
        key = "name" if name == entry.value.name else "aliases"
        yield entry.problem(f"表单名称 {name} 与表单 {first.value.name} 的名称或别名相同", key)


def form_fields(written: Written) -> Iterator[Problem]:
    """Each field is one of the kind's, once; its cell has a name of its own that a workbook takes."""
    kinds = {entry.value.id: entry.value for entry in written.kinds}
    for entry in written.forms:
        if not entry.value.fields:
            yield entry.problem("表单至少要有一个 [[form.field]]", "field")
        seen: dict[tuple[str, str], str] = {}
        for index, field in enumerate(entry.value.fields):
            for key, text in _form_field(field, kinds.get(entry.value.kind), seen):
                yield entry.problem(text, "field", index, key)


def _form_field(field: FormField, kind: Kind | None, seen: dict[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    """(key, what is wrong). `seen`: what the fields before had."""
    for key, value in (("field", field.field), ("label", field.printed), ("cell", field.named)):
        owner = seen.setdefault((key, fold(value)), field.field)
        if key == "field" and owner is not field.field:
            yield key, f"字段 {value} 写了两次"
        elif owner != field.field:
            yield key, f"{key} {value} 已经是字段 {owner} 的"
    if field.label and _SEPARATORS.search(field.label):
        yield "label", f"标签 {field.label!r} 里不能有冒号、等号、括号、逗号、句号、分号、竖线"
    if not _CELL_NAME.fullmatch(field.named) or _REFERENCE.fullmatch(field.named):
        hint = "单元格名称只能用汉字、字母、数字、下划线和点，以汉字或字母开头，不能像 A1"
        yield "cell" if field.cell else "field", f"{field.named!r} 不能作单元格名称：{hint}；请写 cell"
    if kind is None:
        return
    rule = next((rule for rule in kind.fields if rule.name == field.field), None)
    if rule is None:
        known = [rule.name for rule in kind.fields]
        yield "field", f"种类 {kind.id} 没有字段 {field.field}{perhaps(field.field, known)}"
    elif rule.values:
        known = [*rule.values, *rule.value_aliases]
        for choice in field.choices:
            if choice not in known:
                yield "choices", f"choices 里的 {choice} 不是字段 {field.field} 的值{perhaps(choice, known)}"


def _tables(written: Written, name: str, key: str) -> list[dict[str, object]]:
    return written.documents[name].tables(key) if name in written.documents else []


def _broken(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return True
    return False


def _unknown_roles(roles: Iterable[str], known: tuple[str, ...]) -> Iterator[str]:
    for role in roles:
        if role not in known:
            yield f"不认识角色 {role!r}{perhaps(role, known)}（可用：{'、'.join(known)}）"


def pay_rules(written: Written) -> Iterator[Problem]:
    if written.pay is None:
        return
    document, seen = written.documents["pay.toml"], set[str]()
    for index, rule in enumerate(written.pay.rules):
        if rule.id in seen:
            yield document.problem(f"规则 id {rule.id} 写了两次", "rule", index, "id")
        seen.add(rule.id)
    for key in ("may_complain", "may_withdraw", "may_decide"):
        for text in _unknown_roles(getattr(written.pay, key), ROLES):
            yield document.problem(text, key)


def somebody_decides(written: Written) -> Iterator[Problem]:
    """Held items need a person to decide them (domain §4)."""
    document = written.documents.get("people.toml")
    if document and all(table.get("role") != "support_manager" for table in document.tables("person")):
        yield document.problem('没有 role = "support_manager" 的人：待确认的邮件没有人能决定')


CHECKS: tuple[Callable[[Written], Iterator[Problem]], ...] = (
    person_names,
    person_aliases,
    addresses,
    managers,
    employment,
    pay_grades,
    project_names,
    project_people,
    kind_ids,
    kind_keywords,
    kind_forms,
    kind_subjects,
    kind_fields,
    kind_labels,
    form_names,
    form_fields,
    pay_rules,
    somebody_decides,
)
