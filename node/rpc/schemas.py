"""JSON Schema (2020-12) of what `node.render.render` writes of a type: the same rules, told ahead.

One schema for each record type, by name, so that a document can point at it. Never looks at a value.
"""

from __future__ import annotations

from enum import Enum
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import inspect

from node.render import is_decimal_string, type_name

Schema = dict[str, Any]
WHERE = "#/components/schemas/"
DECIMAL: Schema = {"type": "string", "pattern": "^-?(0|[1-9][0-9]*)$"}
"""An integer that JavaScript would lose digits of."""
HEX: Schema = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}


class Schemas:
    """The record types of one document, each under a name of its own."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[type, str] = {}

    def of(self, type_: Any) -> Schema:
        """Schema of what is written of a value of this type, or of one of several."""
        if isinstance(type_, tuple):
            return {"anyOf": [self.of(one) for one in type_]}
        return self._of(inspect.type_info(type_), "")

    def _of(self, info: inspect.Type, name: str) -> Schema:
        match info:
            case inspect.StructType():
                return {"$ref": WHERE + self._struct(info)}
            case inspect.UnionType():
                return {"anyOf": [self._of(one, name) for one in info.types]}
            case inspect.VarTupleType() | inspect.ListType():
                bounds: Schema = {"minItems": info.min_length or None, "maxItems": info.max_length}
                return {"type": "array", "items": self._of(info.item_type, name)} | _given(bounds)
            case inspect.TupleType():
                items = [self._of(one, name) for one in info.item_types]
                return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
            case inspect.DictType():
                return {"type": "object", "additionalProperties": self._of(info.value_type, name)}
            case inspect.IntType() if is_decimal_string(name):
                return DECIMAL
            case inspect.IntType():
                return {"type": "integer"} | _given({"minimum": info.ge, "maximum": info.le})
            case inspect.StrType():
                pattern = None if info.pattern is None else info.pattern.replace("\\Z", "$")
                bounds = {"minLength": info.min_length, "maxLength": info.max_length, "pattern": pattern}
                return {"type": "string"} | _given(bounds)
            case inspect.BytesType():
                return HEX | _given({"maxLength": None if info.max_length is None else 2 * info.max_length})
            case inspect.BoolType():
                return {"type": "boolean"}
            case inspect.FloatType():
                return {"type": "number"}
            case inspect.NoneType():
                return {"type": "null"}
            case inspect.LiteralType():
                return {"enum": list(info.values)}
            case inspect.EnumType():
                return {"enum": _members(info.cls)}
            case inspect.AnyType():
                return {}
        raise TypeError(f"{type(info).__name__} has no schema")

    def _struct(self, info: inspect.StructType) -> str:
        cls = info.cls
        if cls in self._names:
            return self._names[cls]
        name = cls.__name__
        if name in self.components:
            name = f"{cls.__module__.rpartition('.')[2].title().replace('_', '')}{name}"
        assert name not in self.components, f"two types are called {name}"
        self._names[cls] = name
        document: Schema = {"type": "object", "description": _sentence(cls)}
        self.components[name] = document
        properties: Schema = {}
        if info.tag is not None:
            kind, word = ("type", type_name(cls)) if info.array_like else (info.tag_field or "type", info.tag)
            properties[kind] = {"const": word}
        # What has a default is left out where nobody has written the record yet.
        required = [*properties, *(field.name for field in info.fields if field.required)]
        properties |= {field.name: self._of(field.type, field.name) for field in info.fields}
        document |= {"properties": properties, "required": required, "additionalProperties": False}
        return name


def _given(bounds: dict[str, Any]) -> Schema:
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _members(cls: type[Enum]) -> list[str]:
    return [one.name.lower() for one in cls]


def _sentence(cls: type[msgspec.Struct]) -> str:
    """The first paragraph of what a type says about itself."""
    return " ".join(cleandoc(cls.__doc__ or "").split("\n\n")[0].split())
