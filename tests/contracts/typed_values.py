"""Hypothesis strategies from msgspec types: any value inside the bounds, with a taste for the extremes."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

IDS = st.sampled_from(["bio", "campus", "m-solar", "m-tie", "solar", "utility", "a", "z" * 32])


def values(type_: Any, overrides: dict[type, st.SearchStrategy[Any]] | None = None) -> st.SearchStrategy[Any]:
    """All values of a type; `overrides` replaces the strategy of a struct type."""
    return _of(msgspec.inspect.type_info(type_), overrides or {})


def _of(info: Any, overrides: dict[type, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    inspect = msgspec.inspect
    match info:
        case inspect.IntType():
            low = info.ge if info.ge is not None else info.gt + 1
            high = info.le if info.le is not None else info.lt - 1
            return st.one_of(st.sampled_from([low, high]), st.integers(low, high))
        case inspect.StrType():
            return IDS if info.pattern else st.text("abc .", max_size=min(info.max_length or 20, 20))
        case inspect.BytesType():
            return st.binary(min_size=info.min_length or 0, max_size=info.max_length or 8)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.UnionType():
            return st.one_of([_of(option, overrides) for option in info.types])
        case inspect.VarTupleType():
            longest = min(info.max_length if info.max_length is not None else 4, 4)
            return st.lists(_of(info.item_type, overrides), min_size=info.min_length or 0, max_size=longest).map(tuple)
        case inspect.TupleType():
            return st.tuples(*[_of(item, overrides) for item in info.item_types])
        case inspect.StructType():
            if info.cls in overrides:
                return overrides[info.cls]
            fields = {field.name: _of(field.type, overrides) for field in info.fields}
            return st.builds(info.cls, **fields)
    raise TypeError(f"no strategy for {info}")
