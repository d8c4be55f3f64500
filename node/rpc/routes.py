"""What a route is: a method, a path with typed parameters, typed options, an answer. Server and document share it.

A parameter is read by its kind, and the kind says in the document what it reads: what one accepts and the other
promises can not differ. Reads nothing but text, and answers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, get_args

from contracts.confidential.records import Source
from node.rpc.arguments import identifier, number, transaction_hash
from node.rpc.errors import Refusal, malformed
from node.rpc.limits import MAX_PAGE
from node.rpc.schemas import Schema

Document = dict[str, Any]


class Clock(Protocol):
    """Reads what depends on when one asks."""

    def interval(self, text: str) -> int:
        """Number of the interval that `now`, `next`, `last` or digits name."""
        ...

    def cycle(self, text: str) -> Any:
        """The billing cycle that `now`, `last` or digits name."""
        ...


class Kind(NamedTuple):
    """A kind of parameter: what it is called, what it accepts, and how it is read. `read` raises `Refusal`."""

    what: str
    schema: Schema
    read: Callable[[Clock, str], Any]
    says: str


SOURCES: tuple[str, ...] = get_args(Source)
ID: Schema = {"type": "string", "pattern": "^[a-z0-9-]{1,32}$"}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
FILE: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$"}
HEIGHT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**48 - 1}
PLACE: Schema = {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,13})\.(0|[1-9][0-9]{0,9})$"}
"""`HEIGHT.NUMBER`."""


def form(schema: Schema) -> re.Pattern[str]:
    """What `match`es the texts that a schema's pattern describes, and no others."""
    return re.compile(schema["pattern"].replace("$", "\\Z"))


_FILE = form(FILE)


def _id(what: str, says: str) -> Kind:
    return Kind(what, ID, lambda _, text: identifier(text, what), says)


def _count(what: str, says: str) -> Kind:
    return Kind(what, COUNT, lambda _, text: number(text, what, 2**32), says)


def _or(words: Sequence[str], schema: Schema) -> Schema:
    return {"anyOf": [{"enum": list(words)}, schema]}


def _file(text: str) -> str:
    if not _FILE.match(text):
        raise malformed(f"{text[:40]!r} is no name of a file.", "The pages start at /.")
    return text


def _source(_: Clock, text: str) -> str:
    if text not in SOURCES:
        raise malformed(f"{text[:40]!r} is no source of credits.", f"Use one of {', '.join(SOURCES)}.")
    return text


def _latest(_: Clock, text: str) -> int | None:
    return None if text == "latest" else number(text, "height")


def _place(_: Clock, text: str) -> int | None:
    return None if text == "clock" else number(text, "receipt index", 2**32)


def _disputed(clock: Clock, text: str) -> int | None:
    return None if text == "open" else clock.interval(text)


_WORDS = ("now", "next", "last")
_WHEN = "Interval number, `now`, `next`: the first whose offers are not locked, or `last`: the newest that is settled."
_INTERVAL = Kind("interval", _or(_WORDS, COUNT), lambda clock, text: clock.interval(text), _WHEN)

PARAMETERS: dict[str, Kind] = {
    "member": _id("member", "Member id."),
    "meter": _id("meter", "Meter id."),
    "load": _id("load", "Id of a flexible load."),
    "certifier": _id("member", "Member id of the certifier."),
    "serial": _id("serial", "Serial of the offset, as its certifier gave it."),
    "interval": _INTERVAL,
    "first": _INTERVAL,
    "until": _INTERVAL._replace(says="The first interval behind the period."),
    "disputed": Kind(
        "interval", _or(("open", *_WORDS), COUNT), _disputed, "Interval number, or `open`: all that wait."
    ),
    "cycle": Kind(
        "billing cycle",
        _or(("now", "last"), COUNT),
        lambda clock, text: clock.cycle(text),
        "Number of a billing cycle, `now`, or `last`: the one before.",
    ),
    "round": _count("round number", "Number of a round of wagering."),
    "proposal": _count("proposal number", "Number of a proposal."),
    "policy": _count("policy number", "Number of a policy: those behind it are listed."),
    "before": _count("number", "Those with a lower number are listed."),
    "number": _count("number", "Number of an opening, or of a credit's item."),
    "epoch": _count("epoch", "Number of an epoch."),
    "attempt": _count("attempt", "Which attempt of the epoch, from 1."),
    "source": Kind("source", {"enum": list(SOURCES)}, _source, "Where a credit comes from."),
    "height": Kind("height", _or(("latest",), HEIGHT), _latest, "Height of a block, or `latest`."),
    "decided": Kind("height", HEIGHT, lambda _, text: number(text, "height"), "Height of a block."),
    "file": Kind("page", FILE, lambda _, text: _file(text), "Name of a file."),
    "folder": Kind("page", FILE, lambda _, text: _file(text), "Name of a folder."),
    "index": Kind("receipt index", _or(("clock",), COUNT), _place, "Place in the block, or `clock`: what time did."),
    "hash": Kind(
        "transaction hash",
        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        lambda _, text: transaction_hash(text),
        "Hash of a transaction.",
    ),
}
"""By the name that stands in the braces of a path."""


class Option(NamedTuple):
    """An option behind the path."""

    name: str
    schema: Schema
    read: Callable[[str], Any]
    says: str
    default: Any = None


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise malformed(f"prove={text[:20]!r} is neither 0 nor 1.", "Use prove=1 for a proof.")
    return text == "1"


def _size(text: str) -> int:
    size = number(text, "limit", 2**32)
    if not 1 <= size <= MAX_PAGE:
        raise Refusal(400, "rpc.page", f"A page of {size} is not served.", f"Ask for 1 to {MAX_PAGE} at once.")
    return size


PROVE = Option("prove", {"enum": [0, 1]}, _flag, "1: with a proof.", False)
AT_HEIGHT = Option("height", HEIGHT, lambda text: number(text, "height"), "State after this height; else the newest.")
SEQUENCE = Option("sequence", COUNT, lambda text: number(text, "sequence", 2**32), "Of the reading; else the newest.")
LIMIT = Option(
    "limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}, _size, "Most entries of the page.", MAX_PAGE
)
OFFSET = Option("offset", COUNT, lambda text: number(text, "offset", 2**32), "Entries to leave out first.", 0)
OF_MEMBER = Option("member", ID, lambda text: identifier(text, "member"), "Only entries of this member.")


def text_option(name: str, schema: Schema, says: str) -> Option:
    """An option of a form that its schema's pattern says wholly."""
    wanted = form(schema)

    def read(text: str) -> str:
        if not wanted.match(text):
            raise malformed(f"{name}={text[:40]!r} has not the form of this option.", says)
        return text

    return Option(name, schema, read, says)


class Body(NamedTuple):
    """What a POST carries: the type of its JSON form (None: there is none), and what its MessagePack form is."""

    json: Any
    binary: str


OPEN_TAG = "pages"
"""Of routes that need no token: what they serve is in every copy of the program."""


class Route(NamedTuple):
    """One line of the table. `answers` is the type of the JSON document (several: one of them), or else `media` says
    what comes back."""

    method: str
    path: str
    handle: Callable[..., Any]
    says: str
    answers: Any = None
    media: str = ""
    options: tuple[Option, ...] = ()
    body: Body | None = None
    headers: tuple[Option, ...] = ()
    """Headers beyond those of every request; its handler reads them."""
    statuses: tuple[int, ...] = (200,)
    tag: str = "node"
    state: bool = False
    """Its document is `answers` as of a height, with a proof if that is asked for."""
    personal: bool = False
    """Shows what it shows by who asks, so that the node's operator may read it as its member."""
    lists: str = ""
    """The list of its data that can be read in pages."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The path's parts."""
        return tuple(self.path.strip("/").split("/"))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of its parameters, in order."""
        return tuple(part[1:-1] for part in self.parts if part.startswith("{"))


class Found(NamedTuple):
    """A route with what stands in its braces."""

    route: Route
    texts: tuple[str, ...]

    def arguments(self, clock: Clock) -> list[Any]:
        """What the path names. Raises `Refusal`."""
        return [
            PARAMETERS[name].read(clock, text) for name, text in zip(self.route.parameters, self.texts, strict=True)
        ]

    def options(self, given: Mapping[str, str]) -> Document:
        """Every option of the route, given or by default. Raises `Refusal` for others and for those given twice."""
        known = {option.name: option for option in self.route.options}
        if len(given) > len(set(given)) or given.keys() - known.keys():
            strange = sorted(given.keys() - known.keys()) or ["one twice"]
            raise Refusal(
                400,
                "rpc.option",
                f"{self.route.path} has no option {strange[0][:40]!r}."
                if given.keys() - known.keys()
                else "An option is given twice.",
                f"It has: {', '.join(known) or 'none'}.",
            )
        return {name: option.read(given[name]) if name in given else option.default for name, option in known.items()}


class _Node:
    """One place in the tree of paths."""

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.free: _Node | None = None
        self.routes: dict[str, Route] = {}

    def walk(self, parts: Sequence[str], texts: tuple[str, ...] = ()) -> tuple[_Node, tuple[str, ...]] | None:
        if not parts:
            return (self, texts) if self.routes else None
        first, rest = parts[0], parts[1:]
        found = self.named[first].walk(rest, texts) if first in self.named else None
        if found is None and self.free is not None and first:
            found = self.free.walk(rest, (*texts, first))
        return found


class Router:
    """Finds the route of a request."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Node()
        self._plain: dict[tuple[str, str], Found] = {}
        for route in routes:
            node = self._root
            for part in route.parts:
                if part.startswith("{"):
                    node.free = node.free or _Node()
                    node = node.free
                else:
                    node = node.named.setdefault(part, _Node())
            assert route.method not in node.routes, f"two routes are {route.method} {route.path}"
            node.routes[route.method] = route
            if not route.parameters:
                self._plain[route.method, route.path] = Found(route, ())

    def find(self, method: str, path: str) -> Found:
        """The route of a path. Raises `Refusal` 404 or 405."""
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain
        parts = path.strip("/").split("/")
        place = self._root.walk(parts) if len(parts) <= MAX_PARTS else None
        if place is None:
            raise Refusal(404, "rpc.unknown-path", f"There is no {method[:10]} {path[:80]}.", "See /openapi.json.")
        node, texts = place
        route = node.routes.get(method)
        if route is None:
            allowed = ", ".join(sorted(node.routes))
            raise Refusal(405, "rpc.method", f"{path[:80]} is not served to {method[:10]}.", f"Use {allowed}.", allowed)
        return Found(route, texts)


MAX_PARTS = 8
"""Of a path."""
