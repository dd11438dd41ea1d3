"""What may stand where in the configuration, read off the schema's types. It validates nothing."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str | int, ...]
"""Where in the configuration: names of keys and positions in lists, from the outside in."""


def bare(shape: object) -> object:
    """`shape` without `Annotated` and without "or None"."""
    origin = get_origin(shape)
    if origin is Annotated:
        return bare(get_args(shape)[0])
    if origin in (Union, UnionType):
        rest = [option for option in get_args(shape) if option is not NoneType]
        return bare(rest[0]) if len(rest) == 1 else shape
    return shape


def model_of(shape: object) -> type[BaseModel] | None:
    """The model a table of this shape follows, or None where it is not such a table."""
    found = bare(shape)
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def child(shape: object, part: str | int) -> object | None:
    """The shape of what stands under key or position `part`; None when nothing may stand there."""
    model = model_of(shape)
    if model is not None:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        return field.annotation if field is not None else None
    found = bare(shape)
    if is_list(found):
        return get_args(found)[0] if isinstance(part, int) else None
    if is_named_table(found):
        return get_args(found)[1] if isinstance(part, str) else None
    return None


def at(shape: object, path: Path) -> object | None:
    """The shape at the end of `path`, or None."""
    found: object | None = shape
    for part in path:
        found = child(found, part)
    return found


def is_list(shape: object) -> bool:
    """Whether a list stands here."""
    return get_origin(bare(shape)) is list


def is_named_table(shape: object) -> bool:
    """Whether a table stands here whose keys are names the operator chooses."""
    return get_origin(bare(shape)) is dict


def is_text(shape: object) -> bool:
    """Whether text stands here."""
    return bare(shape) is str


def choices_of(shape: object) -> tuple[str, ...]:
    """The words one of which must stand here; none where other values may."""
    found = bare(shape)
    return tuple(str(choice) for choice in get_args(found)) if get_origin(found) is Literal else ()
