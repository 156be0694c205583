"""Whether two stores have worked out the same (promise 5). Used by `rebuild --check`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice

from mailflow.core.records import ROW_TYPES, Row
from mailflow.store.reader import Reader

LIMIT = 1000
"""Lines at most: a store of which everything differs is told by its first thousand differences."""

Columns = Mapping[str, str | None]

_TABLES = {
    "mail": "邮件", "project": "项目", "report": "沟通报告", "case": "事项", "complaint": "投诉", "ledger": "台账",
    "month": "月份", "held": "待确认", "due": "到期", "notice": "通知", "counter": "编号",
    "bounce": "退信", "cell_note": "填写", "sheet_note": "表格改动",
    "correspondent": "来信人",
}  # fmt: skip


def compare(left: Reader, right: Reader) -> list[str]:
    """What differs in the derived tables, in Chinese, one line for each field; [] when nothing does."""
    differences = (line for kind in ROW_TYPES for line in _of_kind(kind, left, right))
    lines = list(islice(differences, LIMIT))
    if next(differences, None) is not None:
        lines.append(f"……还有更多差异，只列出前 {LIMIT} 处。")
    return lines


def _of_kind(kind: type[Row], left: Reader, right: Reader) -> Iterator[str]:
    for key, one, other in _paired(left.derived(kind), right.derived(kind)):
        where = f"{_TABLES[kind.table]} {key}"
        if one is None or other is None:
            yield f"{where}：只在{'右' if one is None else '左'}边有"
        elif one != other:
            yield from _fields(where, one, other)


def _paired(left: Iterator[Columns], right: Iterator[Columns]) -> Iterator[tuple[str, Columns | None, Columns | None]]:
    """Rows of both sides by key. Both come in the order of keys, so one row of each is held at a time."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        key = min(_key(row) for row in (one, other) if row is not None)
        first = one if one is not None and _key(one) == key else None
        second = other if other is not None and _key(other) == key else None
        yield key, first, second
        one = next(left, None) if first is not None else one
        other = next(right, None) if second is not None else other


def _key(row: Columns) -> str:
    return row["key"] or ""


def _fields(where: str, one: Columns, other: Columns) -> Iterator[str]:
    # Columns under which a row is found follow from its body: they differ alone in a damaged store only.
    left, right = (_body(one), _body(other)) if one["body"] != other["body"] else (_columns(one), _columns(other))
    for name in sorted(left.keys() | right.keys()):
        if left.get(name) != right.get(name):
            yield f"{where}：{name} 左边是 {left.get(name, '（无）')}，右边是 {right.get(name, '（无）')}"


def _body(row: Columns) -> dict[str, str]:
    return {name: json.dumps(value, ensure_ascii=False) for name, value in json.loads(row["body"] or "{}").items()}


def _columns(row: Columns) -> dict[str, str]:
    return {f"索引列 {name}": json.dumps(value, ensure_ascii=False) for name, value in row.items()}
