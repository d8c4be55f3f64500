"""JSON forms of every record, both ways.

Bytes are lower-case hex. Integers that may pass 2^53 (money, emissions, tokens, power, nonces) are decimal
strings, because JavaScript loses them; times, energies, heights and counts are numbers. Tagged records
(bodies, events, envelopes) carry their name as `type`. `parse` accepts exactly what `render` writes, so
that one value has one form. Never used for anything that is hashed or signed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

Json = Any
R = TypeVar("R", bound=msgspec.Struct)

_STRING_SUFFIXES = ("_nano", "_ug", "_tokens")
_STRING_NAMES = frozenset({"power", "approving_power", "total_power", "nonce", "next_nonce"})
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HEX = re.compile(r"(?:[0-9a-f]{2})*\Z")
_DECIMAL = re.compile(r"(?:0|-?[1-9][0-9]{0,19})\Z")


class NotThisForm(ValueError):
    """A document that is not the JSON form of the expected record; the message names the field."""


def is_decimal_string(name: str) -> bool:
    """Whether integers under this name are written as decimal strings."""
    return name.endswith(_STRING_SUFFIXES) or name in _STRING_NAMES


def type_name(type_: type[msgspec.Struct]) -> str:
    """`PlainReading` -> `plain-reading`."""
    return _WORD.sub("-", type_.__name__).lower()


def render(value: object, name: str = "") -> Json:
    """JSON-ready form of a record, or of bytes, integers, strings, lists and tuples of them, under a field
    `name`."""
    match value:
        case None | bool() | str():
            return value
        case Enum():
            return value.name.lower()
        case int():
            return str(value) if is_decimal_string(name) else value
        case bytes():
            return value.hex()
        case msgspec.Struct():
            return _renderer(type(value))(value)
        case list() | tuple():
            return [render(item, name) for item in value]
        case dict():
            return {key: render(item, key) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} has no JSON form")


@lru_cache(maxsize=256)
def _renderer(type_: type[msgspec.Struct]) -> Callable[[msgspec.Struct], dict[str, Json]]:
    """One function per record type: the fields are looked up once, not per record."""
    fields = type_.__struct_fields__
    head = {"type": type_name(type_)} if type_.__struct_config__.tag is not None else {}

    def one(record: msgspec.Struct) -> dict[str, Json]:
        return {**head, **{field: render(getattr(record, field), field) for field in fields}}

    return one


def parse(type_: type[R], document: Json) -> R:
    """The record of an untagged type whose form `document` is, bounds checked. Raises `NotThisForm`."""
    try:
        return msgspec.convert(_lift(_type_info(type_), document, type_name(type_)), type_, strict=True)
    except msgspec.ValidationError as error:
        raise NotThisForm(str(error)) from None


def read(type_: type[R], document: Json) -> R:
    """The record, tagged or not, that `document` is a form of, also where a newer node says more than `type_` has, or
    leaves out what has a default. Raises `NotThisForm`."""
    try:
        lifted = _lift(_type_info(type_), document, type_name(type_), exact=False)
        return msgspec.convert(lifted, type_, strict=True)
    except msgspec.ValidationError as error:
        raise NotThisForm(str(error)) from None


@lru_cache(maxsize=256)
def _type_info(type_: type[msgspec.Struct]) -> inspect.Type:
    return inspect.type_info(type_)


def _lift(info: inspect.Type, document: Json, name: str, *, exact: bool = True) -> Any:
    """`document` with hex and decimal strings turned into bytes and integers, and objects into arrays."""
    match info, document:
        case inspect.UnionType(), None if info.includes_none:
            return None
        case inspect.UnionType(), _:
            return _lift(_one_of(info, document, name), document, name, exact=exact)
        case inspect.StructType(), dict():
            return _lift_struct(info, document, name, exact=exact)
        case inspect.TupleType(), list() if len(document) == len(info.item_types):
            pairs = zip(info.item_types, document, strict=True)
            return [_lift(one, item, name, exact=exact) for one, item in pairs]
        case ((inspect.VarTupleType() | inspect.ListType()), list()):
            return [_lift(info.item_type, item, name, exact=exact) for item in document]
        case inspect.DictType(), dict():
            return {key: _lift(info.value_type, value, key, exact=exact) for key, value in document.items()}
        case inspect.BytesType(), str() if _HEX.match(document):
            return bytes.fromhex(document)
        case inspect.IntType(), str() if is_decimal_string(name) and _DECIMAL.match(document):
            return int(document)
        case inspect.IntType(), int() if not isinstance(document, bool) and not is_decimal_string(name):
            return document
        case inspect.EnumType(), str() if document.upper() in info.cls.__members__:
            return info.cls[document.upper()].value
        case ((inspect.StrType() | inspect.LiteralType()), str()):
            return document
        case inspect.BoolType(), bool():
            return document
        case inspect.AnyType(), _:
            return document
    raise NotThisForm(f"{name}: {type(document).__name__} is not the form of {type(info).__name__[:-4].lower()}")


def _lift_struct(info: inspect.StructType, document: dict[str, Json], name: str, *, exact: bool) -> Any:
    expected = {field.name for field in info.fields}
    word = _tag(info)
    given = document.keys() - ({word[0]} if word else set())
    if exact and given != expected:
        raise NotThisForm(f"{name}: expected exactly {', '.join(field.name for field in info.fields)}")
    missing = [field.name for field in info.fields if field.required and field.name not in given]
    if missing or (word and document.get(word[0]) != word[1]):
        raise NotThisForm(f"{name}: {', '.join(missing) or 'its type'} is missing")
    values: dict[str, Any] = {}
    for field in info.fields:
        if field.name in given:
            values[field.name] = _lift(field.type, document[field.name], field.name, exact=exact)
        elif info.array_like:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            values[field.name] = msgspec.to_builtins(default, builtin_types=(bytes,))
    if info.array_like:
        return [*((info.tag,) if word else ()), *values.values()]
    return {info.tag_field or "type": info.tag, **values} if word else values


def _tag(info: inspect.StructType) -> tuple[str, Any] | None:
    """Name and value of what tells a record from others in its JSON form; None: nothing does."""
    if info.tag is None:
        return None
    return ("type", type_name(info.cls)) if info.array_like else (info.tag_field or "type", info.tag)


def _one_of(info: inspect.UnionType, document: Json, name: str) -> inspect.Type:
    """The type of a union that a document is a form of: told by its tag, or by what JSON has it as."""
    types = [one for one in info.types if not isinstance(one, inspect.NoneType)]
    for one in types:
        word = _tag(one) if isinstance(one, inspect.StructType) else None
        if len(types) == 1 or (word and isinstance(document, dict) and document.get(word[0]) == word[1]):
            return one
        if isinstance(one, inspect.StrType) and isinstance(document, str):
            return one
        if isinstance(one, inspect.IntType) and isinstance(document, int):
            return one
    raise NotThisForm(f"{name}: {type(document).__name__} is none of what it may be")
