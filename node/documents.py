"""TOML that people write, to typed structs and back: strict, and with errors that say what would be right.

Every problem is a NodeError `<area>.syntax|unknown-key|missing|value` that names the path of the field. Bytes
are hex, or base64 where the reader says so. Never guesses: an unknown key is refused with the closest valid
one.
"""

from __future__ import annotations

import base64
import binascii
import json
import tomllib
import types
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from node.errors import NodeError

T = TypeVar("T", bound=msgspec.Struct)
Table = dict[str, Any]

_IDS = ("id", "node", "meter")
"""Fields by which an entry of a list is named in paths; positions say little in a long file."""


class DocumentError(NodeError):
    """A problem with one field, at `path`."""

    def __init__(self, code: str, path: str, message: str, hint: str) -> None:
        super().__init__(code, f"{path}: {message}.", hint)
        self.path = path


def parse(text: str, area: str) -> Table:
    """The tables of a TOML document. Raises `<area>.syntax`."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NodeError(
            f"{area}.syntax", f"This is not TOML: {error}.", "Strings need quotes, tables [brackets]."
        ) from None


class Reader(NamedTuple):
    """Builds structs from tables. Errors are `<area>.<code>`; bytes in `base64_fields` are not hex but
    base64.
    """

    area: str
    base64_fields: Collection[str] = ()

    def struct(self, type_: type[T], table: object, path: str) -> T:
        """A struct of `type_` from a table with its fields. Raises `DocumentError`."""
        if not isinstance(table, dict):
            raise self.error("value", path or "the document", "this must be a table", f"Write [{path}].")
        prefix = path + "." if path else ""
        fields, hints = _shape(type_)
        for key in table:
            if key not in fields:
                close = get_close_matches(key, fields, 1)
                known = ", ".join(fields)
                hint = f"Did you mean `{close[0]}`?" if close else f"Known here: {known}."
                raise self.error("unknown-key", prefix + key, "there is no such key", hint)
        values: Table = {}
        for name, field in fields.items():
            if name in table:
                values[field.name] = self._value(hints[field.name], table[name], prefix + name, name)
            elif field.required and not _is_optional(hints[field.name]):
                raise self.error(
                    "missing", prefix + name, "this is required", _addition(hints[field.name], prefix + name)
                )
            elif field.required:
                values[field.name] = None
        return type_(**values)

    def error(self, code: str, path: str, message: str, hint: str) -> DocumentError:
        """The error `<area>.<code>`."""
        return DocumentError(f"{self.area}.{code}", path, message, hint)

    def _value(self, hint: Any, raw: object, path: str, name: str) -> object:
        bare = _bare(hint)
        if _is_struct(bare):
            return self.struct(bare, raw, path)
        value = raw
        if get_origin(bare) is tuple and isinstance(raw, list):
            item = get_args(bare)[0]
            value = tuple(self._value(item, entry, _entry(path, i, entry), name) for i, entry in enumerate(raw))
        elif bare is bytes:
            value = self._bytes(raw, path, name)
        try:
            return msgspec.convert(value, hint, strict=True)
        except msgspec.ValidationError as error:
            raise self.error("value", path, f"this is {_shown(raw)}", _expectation(bare, str(error))) from None

    def _bytes(self, raw: object, path: str, name: str) -> bytes:
        as_base64 = name in self.base64_fields
        try:
            if not isinstance(raw, str):
                raise TypeError
            return base64.b64decode(raw, validate=True) if as_base64 else bytes.fromhex(raw)
        except (TypeError, ValueError, binascii.Error):
            wanted = "base64" if as_base64 else "hexadecimal digits, two per byte"
            raise self.error("value", path, f"this is {_shown(raw)}", f"Write {wanted}, in quotes.") from None


def plain(value: object, base64_fields: Collection[str] = (), name: str = "") -> Any:
    """A struct as a table: the inverse of `Reader.struct`. None is left out."""
    match value:
        case msgspec.Struct():
            table = {
                name: plain(getattr(value, field.name), base64_fields, name)
                for name, field in _shape(type(value))[0].items()
            }
            return {key: entry for key, entry in table.items() if entry is not None}
        case tuple() | list():
            return [plain(entry, base64_fields, name) for entry in value]
        case bytes():
            return base64.b64encode(value).decode() if name in base64_fields else value.hex()
        case _:
            return value


def emit(document: Mapping[str, Any], path: str = "") -> str:
    """TOML of nested tables: values, then tables, then lists of tables; inside lists of values, inline
    tables.
    """
    values, tables = [], []
    for key, value in document.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            tables.append(f"\n[{name}]\n{emit(value, name)}")
        elif _is_table_list(value):
            tables.extend(f"\n[[{name}]]\n{emit(entry, name)}" for entry in value)
        else:
            values.append(f"{_key(key)} = {scalar(value)}\n")
    return "".join(values + tables)


def scalar(value: object) -> str:
    """A TOML value on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {scalar(entry)}" for key, entry in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(scalar(entry) for entry in value) + "]"
        case _:
            raise TypeError(f"a {type(value).__name__} has no place in a document")


def _is_table_list(value: object) -> bool:
    """Entries with an id get a [[table]] of their own; small anonymous ones stay inline."""
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], Mapping)
        and any(name in value[0] for name in _IDS)
    )


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else scalar(key)


@cache
def _shape(type_: type[msgspec.Struct]) -> tuple[dict[str, msgspec.structs.FieldInfo], dict[str, Any]]:
    """Fields by their names in documents, and full type hints; both are slow to ask for."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    return fields, get_type_hints(type_, include_extras=True)


def _entry(path: str, position: int, entry: object) -> str:
    if isinstance(entry, dict):
        for name in _IDS:
            if isinstance(entry.get(name), str):
                return f'{path}["{entry[name]}"]'
    return f"{path}[{position}]"


def _bare(hint: Any) -> Any:
    """The type without bounds and without `| None`."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if _is_optional(hint):
        return _bare(next(argument for argument in get_args(hint) if argument is not types.NoneType))
    return hint


def _addition(hint: Any, path: str) -> str:
    """How to add what is missing."""
    bare = _bare(hint)
    if _is_struct(bare):
        return f"Add a table [{path}]."
    if get_origin(bare) is tuple and _is_struct(get_args(bare)[0]):
        return f"Add at least one table [[{path}]]."
    return f"Add `{path.rpartition('.')[2]} = ...`."


def _is_struct(bare: Any) -> bool:
    return isinstance(bare, type) and issubclass(bare, msgspec.Struct)


def _is_optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, types.UnionType) and types.NoneType in get_args(hint)


def _shown(raw: object) -> str:
    text = json.dumps(raw, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _expectation(bare: Any, message: str) -> str:
    """What would be right: msgspec's sentence, or better words where it speaks in patterns."""
    if get_origin(bare) is Literal:
        return "Write one of " + ", ".join(map(scalar, get_args(bare))) + "."
    if r"[a-z0-9-]{1,32}" in message:
        return "Ids are 1 to 32 of a-z, 0-9 and hyphen."
    if "matching regex" in message:
        return "Write 1 to 80 characters, none of them control characters."
    return message.replace("`", "") + "."
