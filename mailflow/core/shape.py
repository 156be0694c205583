"""Data against a model: what does not fit, in Chinese, with file and line. Pure; used by config and mappings."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mailflow.core.toml import Document, Path
from mailflow.errors import Problem

T = TypeVar("T")

_TEXTS = {
    "string_type": "{key} 应是文字（加英文引号）",
    "string_too_short": "{key} 不能为空",
    "int_type": "{key} 应是整数",
    "int_parsing": "{key} 应是整数",
    "int_from_float": "{key} 应是整数",
    "float_type": "{key} 应是数字",
    "float_parsing": "{key} 应是数字",
    "bool_type": "{key} 应是 true 或 false",
    "bool_parsing": "{key} 应是 true 或 false",
    "tuple_type": "{key} 应是列表，写在方括号里：[\"…\", \"…\"]",
    "dict_type": "{key} 应是表，如 [{key}]",
    "model_type": "{key} 应是表，如 [{key}] 或 [[{key}]]",
    "dataclass_type": "{key} 应是表，如 [[{key}]]",
    "greater_than_equal": "{key} 不能小于 {ge}",
    "less_than_equal": "{key} 不能大于 {le}",
    "string_pattern_mismatch": "{key} 只能用小写英文字母、数字和连接号，以字母开头",
    "value_error": "{key}：{error}",
}  # fmt: skip
_DATE = "{key} 应是日期，如 2026-09-01（不加引号）"
_TIME = "{key} 应是时刻，如 09:00:00（不加引号）"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The word of `known` that `word` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)), None)


def perhaps(word: str, known: Iterable[str]) -> str:
    """A half-sentence that suggests the nearest known word; empty when none is near."""
    near = nearest(word, known)
    return f"，是否想写 {near}" if near else ""


def read(
    document: Document, model: type[T], *, context: Mapping[str, Any] | None = None
) -> tuple[T | None, list[Problem]]:
    """`document` as a `model`, or None with everything that does not fit."""
    try:
        return TypeAdapter(model).validate_python(document.data, context=dict(context or {})), []
    except ValidationError as error:
        return None, _problems(document, model, error)


def _problems(document: Document, model: type, error: ValidationError) -> list[Problem]:
    """One problem for each place: a value that fits none of several types is one mistake, not several."""
    texts: dict[Path, list[str]] = {}
    for detail in error.errors():
        path = _present(document.data, detail)
        text = _text(detail, path, model)
        if text not in texts.setdefault(path, []):
            texts[path].append(text)
    return [document.problem("，或者 ".join(found), *path) for path, found in texts.items()]


def _present(data: object, detail: ErrorDetails) -> Path:
    """The place of an error without pydantic's additions (names of types tried) behind it."""
    loc = detail["loc"]
    if detail["type"] == "missing":
        return loc
    for depth, key in enumerate(loc):
        if not (isinstance(data, dict) and key in data) and not (isinstance(data, list) and isinstance(key, int)):
            return loc[:depth]
        data = data[key]  # type: ignore[index]  # a dict or a list, as just seen
    return loc


def _text(detail: ErrorDetails, path: Path, model: type) -> str:
    key = str(next((k for k in reversed(path) if isinstance(k, str)), "文件"))
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return f"缺少 {_written(key, _fields(_model_at(model, path[:-1])).get(key))}"
    if kind == "extra_forbidden" or kind == "unexpected_keyword_argument":
        known = _keys(_model_at(model, path[:-1]))
        return f"不认识的项 {key}{perhaps(key, known)}（可用的项：{'、'.join(known)}）"
    if kind == "literal_error":
        return f"{key} 不能是 {detail['input']!r}，可用的值：{context['expected'].replace(' or ', ', ')}"
    if kind.startswith(("date_", "time_")):
        return (_DATE if kind.startswith("date_") else _TIME).format(key=key)
    if kind == "tuple_type" and isinstance(detail["input"], dict):
        return f"[{key}] 要写成 [[{key}]]：每个一段，两层方括号"
    return _TEXTS.get(kind, "{key}：" + detail["msg"].replace("{", "{{").replace("}", "}}")).format(key=key, **context)


def _written(key: str, annotation: Any) -> str:
    """How `key` stands in the file: [send], [[mailbox]] or url."""
    if _table(annotation) is None:
        return key
    return f"[[{key}]]" if get_origin(annotation) is tuple else f"[{key}]"


def _model_at(model: Any, path: Path) -> Any:
    """The model that describes the table at `path` inside `model`; None where there is none."""
    for key in path:
        if isinstance(key, str):
            model = get_args(model)[1] if get_origin(model) is dict else _fields(_table(model)).get(key)
    return _table(model)


def _table(annotation: Any) -> Any:
    """The model or dataclass inside `tuple[X, ...]`, `X | None` or `Annotated[X, …]`."""
    if get_origin(annotation) in (tuple, Union, types.UnionType, Annotated):
        return next((t for t in map(_table, get_args(annotation)) if t is not None), None)
    return annotation if _fields(annotation) else None


def _fields(model: Any) -> dict[str, Any]:
    """Names as they are written in TOML -> annotation."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    if isinstance(model, type) and dataclasses.is_dataclass(model):
        return {field.name: field.type for field in dataclasses.fields(model)}
    return {}


def _keys(model: Any) -> list[str]:
    return list(_fields(model))
