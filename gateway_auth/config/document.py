"""The reference of the configuration, made from the schema: as JSON Schema and as a page."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway_auth.config import shape
from gateway_auth.config.introduction import INTRODUCTION
from gateway_auth.config.overlay import environment_name
from gateway_auth.config.schema import Document
from gateway_auth.config.shape import Path

_WORDS: dict[object, str] = {str: "text", bool: "true or false", int: "whole number", float: "number"}
_REQUIRED = "required"
_ABSENT = "–"


def json_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of the configuration, for editors and `gateway-auth config schema`."""
    schema: dict[str, object] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= Document.model_json_schema()
    schema["title"] = "gateway-auth configuration"
    _say_false_for_off(schema)
    return schema


def _say_false_for_off(schema: dict[str, object]) -> None:
    """`failed_auth` is turned off by false, which the model behind the schema keeps as null."""
    definitions = schema["$defs"]
    if not isinstance(definitions, dict):
        raise AssertionError("the schema has no definitions")
    brake = definitions["GatewayTable"]["properties"]["failed_auth"]
    brake["anyOf"] = [option for option in brake["anyOf"] if option != {"type": "null"}] + [{"const": False}]


def render_reference() -> str:
    """The page docs/configuration.md."""
    sections = [INTRODUCTION.strip(), "## Reference"]
    for name, field in Document.model_fields.items():
        sections += _render_section(name, field)
    return "\n\n".join(sections) + "\n"


def _render_section(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"### {_heading(name, field.annotation)}"
    yield str(field.description)
    model = _innermost(field.annotation)
    if model is None:
        yield _names_table(name, field)
        return
    nested = dict(_nested(model))
    yield _table(model, _example_path(name, field.annotation))
    for key, inner in nested.items():
        inner_model = _innermost(inner.annotation)
        if inner_model is not None:
            mark = "[]" if shape.is_list(inner.annotation) else ""
            yield f"#### `{_spelled(name, field.annotation)}.{key}{mark}`"
            path = (*_example_path(name, field.annotation), *_example_path(key, inner.annotation))
            yield _table(inner_model, path)


def _nested(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for key, field in model.model_fields.items():
        if _innermost(field.annotation) is not None:
            yield key, field


def _innermost(annotation: object) -> type[BaseModel] | None:
    """The model of a table, of the entries of a list of tables, or of the values of a table of tables."""
    if shape.is_list(annotation):
        return shape.model_of(shape.child(annotation, 0))
    if shape.is_named_table(annotation):
        return shape.model_of(shape.child(annotation, "name"))
    return shape.model_of(annotation)


def _example_path(name: str, annotation: object) -> Path:
    if shape.is_list(annotation):
        return (name, 0)
    return (name, "name") if shape.is_named_table(annotation) else (name,)


def _spelled(name: str, annotation: object) -> str:
    return f"{name}[]" if shape.is_list(annotation) else f"{name}.*" if shape.is_named_table(annotation) else name


def _heading(name: str, annotation: object) -> str:
    if shape.is_list(annotation):
        return f"`[[{name}]]`"
    if shape.is_named_table(annotation) and _innermost(annotation) is not None:
        return f"`[{name}.NAME]`"
    return f"`[{name}]`"


def _names_table(name: str, field: FieldInfo) -> str:
    value = _type(shape.child(field.annotation, "name"))
    variable = environment_name((name, "name"))
    row = f"| *any name* | {value} | {_ABSENT} | {_cell(str(field.description))} | `{variable}` |"
    return "\n".join((*_HEAD, row))


_HEAD = ("| Key | Type | Default | Meaning | Environment |", "| --- | --- | --- | --- | --- |")


def _table(model: type[BaseModel], path: Path) -> str:
    rows = [_row(key, field, path) for key, field in model.model_fields.items()]
    return "\n".join((*_HEAD, *rows))


def _row(key: str, field: FieldInfo, path: Path) -> str:
    cells = (
        f"`{key}`",
        _type(field.annotation) + _bounds(field),
        _default(field),
        _cell(str(field.description)),
        f"`{environment_name((*path, key))}`",
    )
    return f"| {' | '.join(cells)} |"


def _type(annotation: object) -> str:
    choices = shape.choices_of(annotation)
    if choices:
        return " or ".join(f"`{word}`" for word in choices)
    if shape.is_list(annotation):
        inner = shape.child(annotation, 0)
        words = _type(inner)
        return "list of tables" if shape.model_of(inner) is not None else f"list of {words}"
    if shape.model_of(annotation) is not None:
        return "table"
    return _WORDS.get(shape.bare(annotation), "table")


def _bounds(field: FieldInfo) -> str:
    """The allowed range of a number: `, 1 to 1024`."""
    limits = {
        name: getattr(item, name) for item in field.metadata for name in ("ge", "gt", "le") if hasattr(item, name)
    }
    if "le" not in limits:
        return ""
    return f", {limits['ge']} to {limits['le']}" if "ge" in limits else f", at most {limits['le']}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return _REQUIRED
    if field.default is None:
        return _ABSENT
    return f"`{_cell(_toml(field.default))}`"


def _toml(value: object) -> str:
    if isinstance(value, BaseModel):
        pairs = ", ".join(f"{key} = {_toml(getattr(value, key))}" for key in type(value).model_fields)
        return f"{{ {pairs} }}"
    return json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
