"""Whose fault it is that an answer could not be shown: whether it has the form that a node of this version gives it.

Asked only when something went wrong: knowing every form takes as long as the question did.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from node.errors import NodeError, RpcError

PUZZLED = (TypeError, LookupError, ValueError, AttributeError, ArithmeticError)
"""What reading a document of another form ends in."""
MAX_HEARD = 64
_heard: deque[tuple[str, str, Any]] = deque(maxlen=MAX_HEARD)
"""The newest answers of this process: one command's."""


def hear(base_url: str, path: str, document: Any) -> None:
    """Remember an answer for as long as it may turn out to be strange."""
    _heard.append((base_url, path, document))


def forget() -> None:
    """Another command begins."""
    _heard.clear()


def strange() -> RpcError | None:
    """The refusal of the newest document that has not the form of its route; None: all have."""
    for base_url, path, document in reversed(_heard):
        reason = _wrong(path, document)
        if reason is not None:
            return RpcError(
                "rpc.garbled",
                f"{base_url}{path} answers in a strange form: {reason}.",
                "It may be of another version: compare `gridpact --version` there and here, or ask another node.",
            )
    return None


def _wrong(path: str, document: Any) -> str | None:
    from node.render import NotThisForm, read
    from node.rpc.routes import Router
    from node.rpc.table import ROUTES

    try:
        route = Router(ROUTES).find("GET", path).route
    except NodeError:
        return None
    types = route.answers if isinstance(route.answers, tuple) else (route.answers,)
    if None in types or dict in types:
        return None
    if route.state:
        if not isinstance(document.get("height"), int) or not isinstance(document.get("time_ms"), int):
            return "it has no height and time"
        if "data" not in document:
            return "it has no data"
        document = document["data"]
    reasons = []
    for type_ in types:
        try:
            read(type_, document)
        except NotThisForm as error:
            reasons.append(str(error))
        else:
            # What has a default may be left out by an older node; whoever shows it may have counted on it.
            missing = [name for name in type_.__struct_fields__ if name not in document]
            return f"it has no {missing[0]}" if missing else None
    return reasons[0]
