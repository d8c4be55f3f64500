"""The document at `/openapi.json`: OpenAPI 3.1, made from the table that the server routes by.

Nothing is written here that the table, a parameter's kind or an answer's type could say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from node.access.requests import HEADER
from node.answers.chain import Problem
from node.proofs import StateBundle
from node.rpc.replies import JSON, MSGPACK
from node.rpc.routes import OPEN_TAG, PARAMETERS, Option, Route
from node.rpc.schemas import Schema, Schemas

Document = dict[str, Any]
TITLE = "Gridpact node"
SAYS = (
    "The ledger that competitors who share a microgrid run together. Integers that may pass 2^53 (money `_nano`, "
    "carbon `_ug`, tokens, power, nonces) are decimal strings, bytes are hex. Every answer is also served as "
    "MessagePack to whoever accepts that. Errors have a code that never changes its "
    "meaning, a sentence, and a hint what to do."
)
TAGS = {
    "node": "The node itself.",
    "blocks": "What was decided.",
    "transactions": "Submitting, and what became of it.",
    "state": "State after a height, with a proof on request.",
    "events": "Streams.",
    "pages": "For browsers.",
}
EVERYWHERE = (400, 401, 403, 404, 410, 421, 500, 503)
"""Statuses that any route may answer with an error document."""
OF_BODIES = (408, 411, 413, 415)
REASONS = {
    101: "A websocket.",
    200: "The answer.",
    304: "The asker has it.",
    400: "The request can't be read.",
    401: "A signature or token shows nobody.",
    403: "A member keeps this to itself, or another site's page asks.",
    404: "There is no such thing.",
    408: "The body took too long to arrive.",
    410: "State at this height is gone.",
    411: "The body has no length.",
    413: "The body is too large.",
    415: "The body is of another type.",
    421: "This node is not called that.",
    422: "The idempotency key stood for something else.",
    426: "This is served over a websocket.",
    500: "The node failed.",
    503: "Not now.",
}


def make_document(routes: Sequence[Route]) -> Document:
    """The document of these routes."""
    schemas = Schemas()
    problem = schemas.of(Problem)
    paths: dict[str, Document] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    errors = {str(status): _problem(problem, REASONS[status]) for status in REASONS if status >= 400}
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version("gridpact"), "description": SAYS},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": says} for name, says in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": errors,
            "securitySchemes": {
                "reader": {
                    "type": "apiKey",
                    "in": "header",
                    "name": HEADER,
                    "description": "Who asks, signed for this node and this question: docs/access.md.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "For a node on another machine; `gridpact token add` makes one. On the node's own "
                    "machine none is needed.",
                },
            },
        },
    }


def _operation(route: Route, schemas: Schemas) -> Document:
    name = re.sub(r"[^a-z0-9]+", "_", f"{route.method.lower()}{route.path}".replace(".", "_")).strip("_")
    operation: Document = {"operationId": name, "summary": route.says, "tags": [route.tag]}
    parameters = [_path_parameter(name) for name in route.parameters]
    parameters += [_option(option, "query") for option in route.options]
    parameters += [_option(option, "header") for option in route.headers]
    if parameters:
        operation["parameters"] = parameters
    if route.tag != OPEN_TAG:
        ways: list[Document] = [{}, {"token": []}]
        operation["security"] = ways + [way | {"reader": []} for way in ways] if route.personal else ways
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _body(route, schemas)}
    answers = {str(status): _answer(route, schemas, status) for status in route.statuses}
    refused = set(EVERYWHERE)
    refused |= {*OF_BODIES} if route.body else set()
    refused |= {422} if route.headers else set()
    refused |= {426} if 101 in route.statuses else set()
    refused -= {*route.statuses}
    operation["responses"] = answers | {
        str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(refused)
    }
    return operation


def _body(route: Route, schemas: Schemas) -> Document:
    assert route.body is not None
    content: Document = {MSGPACK: {"schema": {"description": route.body.binary}}}
    if route.body.json is not None:
        content = {JSON: {"schema": schemas.of(route.body.json)}} | content
    return content


def _path_parameter(name: str) -> Document:
    kind = PARAMETERS[name]
    return {"name": name, "in": "path", "required": True, "description": kind.says, "schema": kind.schema}


def _option(option: Option, place: str) -> Document:
    return {"name": option.name, "in": place, "description": option.says, "schema": option.schema}


def _answer(route: Route, schemas: Schemas, status: int) -> Document:
    said: Document = {"description": REASONS[status]}
    if route.media == "websocket" or status == 304:
        return said
    if route.media:
        return said | {"content": {route.media.partition(";")[0]: {}}}
    schema = _state(schemas.of(route.answers), route, schemas) if route.state else schemas.of(route.answers)
    return said | {"content": {JSON: {"schema": schema}, MSGPACK: {}}}


def _state(data: Schema, route: Route, schemas: Schemas) -> Schema:
    """An answer as of a height; `data` is null where a proof shows that there is no such record."""
    properties: Document = {
        "height": {"type": "integer"},
        "time_ms": {"type": "integer"},
        "data": {"anyOf": [data, {"type": "null"}]},
        "withheld": {"type": "object", "additionalProperties": {"type": "integer"}},
        "proof": schemas.of(StateBundle),
    }
    if route.lists:
        properties["page"] = PAGE
    required = ["height", "time_ms", "data"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


PAGE: Schema = {
    "type": "object",
    "description": "Which entries of the list `of` these are; `next` is the `offset` of the following ones.",
    "properties": {
        "of": {"type": "string"},
        "total": {"type": "integer"},
        "offset": {"type": "integer"},
        "next": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    },
    "required": ["of", "total", "offset", "next"],
    "additionalProperties": False,
}


def _problem(schema: Schema, says: str) -> Document:
    return {"description": says, "content": {JSON: {"schema": schema}, MSGPACK: {}}}
