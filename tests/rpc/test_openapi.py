"""The document against the server: whatever it allows is answered as it promises, whatever it forbids is refused."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from consensus.messages import VoteType
from node.render import render
from node.rpc.errors import Refusal
from node.rpc.openapi import make_document
from node.rpc.routes import PARAMETERS, Route, Router
from node.rpc.schemas import Schemas
from node.rpc.table import ROUTES
from tests.rpc.access_world import kept_chain
from tests.rpc.chain import Chain, Promised

DOCUMENT: dict[str, Any] = json.loads(json.dumps(make_document(ROUTES)))
for one in DOCUMENT["paths"]["/tx"].values():
    # The binary form is attacked by `test_submit.py`, byte by byte.
    del one["requestBody"]["content"]["application/msgpack"]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


class Served:
    """A chain with records of every kind, served from a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.chain: Chain = self.call(kept_chain())
        self._server = Promised(self.chain, "127.0.0.1", 0)
        self.url: str = self.call(self._server.start())

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine beside the server."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(20)

    def stop(self) -> None:
        self.call(self._server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.stop()


OPERATIONS = {
    f"{one.method.upper()} {one.path}": one
    for result in SCHEMA.get_all_operations()
    for one in [result.ok()]
    if one.path not in ("/evidence", "/events")
}
TOGETHER = {"rpc.period", "rpc.too-many-proofs"}
"""Refusals of what each parameter allows and all of them together do not."""
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance, negative_data_rejection]


def drive(name: str, mode: GenerationMode, served: Served, examples: int) -> set[tuple[int, str]]:
    """Ask as the document allows or forbids, and check every answer against it; statuses and codes that came."""
    came: set[tuple[int, str]] = set()

    @given(OPERATIONS[name].as_strategy(mode))
    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)
    def run(case: schemathesis.Case) -> None:
        # To JSON Schema 5.0 is an integer, here it is not.
        assume(not (isinstance(case.body, dict) and isinstance(case.body.get("timeout_ms"), float)))
        answer = case.call(base_url=served.url)
        case.validate_response(answer, checks=CHECKS)
        refused = answer.status_code >= 400
        came.add((answer.status_code, json.loads(answer.content)["code"] if refused else ""))

    run()
    return came


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_what_the_document_allows_is_answered_as_promised(name: str, served: Served) -> None:
    came = drive(name, GenerationMode.POSITIVE, served, 3)
    assert not [one for one in came if one[0] >= 500 or (one[0] == 400 and one[1] not in TOGETHER)]


KINDS = {
    (route.parameters, *(option.name for option in route.options)): f"{route.method} {route.path}"
    for route in ROUTES
    if (route.parameters or route.body) and f"{route.method} {route.path}" in OPERATIONS
}
"""One route for each way to ask wrongly: which parameters, options and body it has."""


@pytest.mark.parametrize("name", sorted(KINDS.values()))
def test_what_the_document_forbids_is_refused_with_a_code(name: str, served: Served) -> None:
    assert all(400 <= status < 500 for status, _ in drive(name, GenerationMode.NEGATIVE, served, 3))


def test_the_document_is_valid_and_names_every_route_once() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")
    operations = [one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len(operations) == len(set(operations)) == len(ROUTES)
    for route in ROUTES:
        assert set(route.parameters) <= PARAMETERS.keys() and route.says.endswith(".")


PATHS = [route for route in ROUTES if route.parameters]


@given(st.sampled_from(PATHS), st.lists(st.text(alphabet="a0-9.x", min_size=1, max_size=4), min_size=3, max_size=3))
def test_every_path_leads_to_the_route_that_the_document_names(route: Route, texts: list[str]) -> None:
    """Words of another route's path are found before what stands in braces, and nothing else changes the way."""
    given_ = iter(texts)
    path = "/" + "/".join(next(given_) if part.startswith("{") else part for part in route.parts)
    found = Router(ROUTES).find(route.method, path)
    assert found.route == route and list(found.texts) == texts[: len(route.parameters)]


@pytest.mark.parametrize(
    "path",
    ["/query//solar", "/query/bill//solar", "/query/bill/1", "/a/b/c/d/e/f/g/h/i/j", "/query/bill/1/solar/x", "/block"],
)
def test_a_path_with_something_missing_or_too_much_leads_nowhere(path: str) -> None:
    with pytest.raises(Refusal) as refused:
        Router(ROUTES).find("GET", path)
    assert (refused.value.status, refused.value.code) == (404, "rpc.unknown-path")


class Whole(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """One of every form that records have."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=8, pattern=r"^[a-z]+\Z")]
    count: Annotated[int, msgspec.Meta(ge=0, le=9)]
    balance_nano: int
    hash: bytes
    pair: tuple[int, bytes]
    many: tuple[int, ...]
    maybe: int | None
    table: dict[str, int]
    flag: bool
    vote: VoteType


BIG = st.integers(-(2**80), 2**80)
WHOLES = st.builds(
    Whole,
    text=st.text("abcz", min_size=1, max_size=8),
    count=st.integers(0, 9),
    balance_nano=BIG,
    hash=st.binary(max_size=8),
    pair=st.tuples(BIG, st.binary(max_size=4)),
    many=st.lists(BIG, max_size=3).map(tuple),
    maybe=st.none() | BIG,
    table=st.dictionaries(st.text(max_size=3), BIG, max_size=2),
    flag=st.booleans(),
    vote=st.sampled_from(VoteType),
)


@given(WHOLES)
def test_whatever_is_rendered_has_the_form_that_its_schema_promises(record: Whole) -> None:
    schemas = Schemas()
    schema = {**schemas.of(Whole), "components": {"schemas": schemas.components}}
    validator = jsonschema_rs.Draft202012Validator(schema)
    document = render(record)
    validator.validate(document)
    for name in document:
        assert not validator.is_valid({**document, name: 0.5})
        assert not validator.is_valid({key: value for key, value in document.items() if key != name})
    assert not validator.is_valid({**document, "more": 1})
