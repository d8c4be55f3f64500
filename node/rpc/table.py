"""Every route of a node: what the server serves, and what the document at `/openapi.json` is made from.

Who adds a route adds a line; `tests/rpc/test_access.py` asks of each what it keeps back. A handler gets the server's
`Endpoints` and the call.
"""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from node.access.rights import Rights
from node.answers import chain, market
from node.rpc.arguments import number
from node.rpc.catalogue import QUERIES
from node.rpc.frames import TOPICS
from node.rpc.idempotency import KEY
from node.rpc.listing import read_place
from node.rpc.live import LIVE_TOPICS
from node.rpc.routes import HEIGHT, ID, LIMIT, PLACE, PROVE, SEQUENCE, Body, Document, Found, Option, Route, text_option
from node.rpc.submit import JsonSubmission

HTML = "text/html"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text form."""
KEPT = (200, 304)
"""Of what a browser keeps and asks whether it is still so."""
SOCKET = "websocket"
BINARY = "application/msgpack"
CURSOR = text_option("cursor", PLACE, "The last event that was seen, `HEIGHT.NUMBER`; else from now on.")
FILTERS = (
    text_option("sender", ID, "Only those that this member or meter signed."),
    text_option("body", ID, "Only those with this sort of body, such as `transfer`."),
    text_option("code", {"type": "string", "pattern": "^[a-z0-9.-]{1,64}$"}, "Only those with this code."),
)
BEFORE = Option("before", PLACE, read_place, "`next` of the page before.")
BELOW = Option("before", HEIGHT, lambda text: number(text, "height"), "Only those below this height.")


def _topics(*words: str) -> Option:
    one = f"({'|'.join(words)})"
    pattern = f"^{one}(,{one}){{0,{len(words) - 1}}}$"
    says = f"Comma-separated, of {', '.join(words)}."
    return text_option("topics", {"type": "string", "pattern": pattern}, says)


class Call(NamedTuple):
    """One request as its handler sees it. `request` is None where the node's operator asks."""

    found: Found
    options: Document
    rights: Rights
    request: web.BaseRequest | None


ROUTES: tuple[Route, ...] = (
    Route(
        "GET",
        "/",
        lambda e, c: e.page(c, "index.html"),
        "The node's own pages.",
        media=HTML,
        statuses=KEPT,
        tag="pages",
    ),
    Route(
        "GET",
        "/docs",
        lambda e, c: e.page(c, "docs.html"),
        "This document, to browse.",
        media=HTML,
        statuses=KEPT,
        tag="pages",
    ),
    Route(
        "GET",
        "/web/{file}",
        lambda e, c: e.page(c, *e.read(c)),
        "A file of the pages.",
        media=HTML,
        statuses=KEPT,
        tag="pages",
    ),
    Route(
        "GET",
        "/web/{folder}/{file}",
        lambda e, c: e.page(c, "/".join(e.read(c))),
        "A file of the pages.",
        media=HTML,
        statuses=KEPT,
        tag="pages",
    ),
    Route("GET", "/openapi.json", lambda e, c: e.document(c), "This document.", dict, tag="pages"),
    Route(
        "POST",
        "/tx",
        lambda e, c: e.submit(c),
        "Submit 1 to 256 envelopes and wait as asked: `accepted` on this node's disk, `final`, or `proof`.",
        chain.Submission,
        body=Body(JsonSubmission, "`[[bin...], wait, timeout_ms]`; the last two may be left out."),
        headers=(KEY,),
        tag="transactions",
    ),
    Route(
        "POST",
        "/evidence",
        lambda e, c: e.report(c),
        "Tell the node who signed two contradicting messages.",
        chain.Reported,
        body=Body(None, "An encoded equivocation."),
    ),
    Route("GET", "/status", lambda e, c: e.status(), "Where the node stands, and why nothing happens.", chain.Status),
    Route(
        "GET",
        "/health",
        lambda e, c: e.health(c),
        "Whether the node makes progress: 200, or 503.",
        chain.Health,
        statuses=(200, 503),
    ),
    Route("GET", "/metrics", lambda e, c: e.metrics(), "Prometheus text.", media=METRICS),
    Route("GET", "/genesis", lambda e, c: e.genesis(), "The genesis document, canonical MessagePack.", media=BINARY),
    Route(
        "GET",
        "/blocks",
        lambda e, c: e.block_list(c),
        "Blocks, newest first.",
        chain.Blocks,
        options=(BELOW, LIMIT),
        tag="blocks",
    ),
    Route(
        "GET",
        "/block/{height}",
        lambda e, c: e.blocks.block(*e.read(c)),
        "A block with its certificate.",
        chain.Block,
        tag="blocks",
    ),
    Route(
        "GET",
        "/header/{height}",
        lambda e, c: e.blocks.header(*e.read(c)),
        "A header with its certificate.",
        chain.BlockHeader,
        tag="blocks",
    ),
    Route(
        "GET",
        "/light/{height}",
        lambda e, c: e.light(c),
        "What a light client needs of one height, canonical MessagePack.",
        media=BINARY,
        tag="blocks",
    ),
    Route(
        "GET",
        "/transactions",
        lambda e, c: e.transaction_list(c),
        "Transactions, newest first. A page looks at so many, found or not.",
        chain.Transactions,
        options=(BEFORE, LIMIT, *FILTERS),
        tag="transactions",
    ),
    Route(
        "GET",
        "/tx/{hash}",
        lambda e, c: e.blocks.transaction(*e.read(c), c.rights, **c.options),
        "A decided transaction with its receipt.",
        chain.Transaction,
        options=(PROVE,),
        tag="transactions",
        personal=True,
    ),
    Route(
        "GET",
        "/receipt/{decided}/{index}",
        lambda e, c: e.blocks.receipt(*e.read(c), c.rights, **c.options),
        "The receipt of a transaction of a block, or of its clock.",
        (chain.Transaction, chain.ClockReceipt),
        options=(PROVE,),
        tag="transactions",
        personal=True,
    ),
    Route(
        "GET",
        "/query/reading/{meter}",
        lambda e, c: e.blocks.reading(*e.read(c), rights=c.rights, **c.options),
        "An accepted reading: the newest, or the one with a sequence.",
        chain.ReadingAnswer,
        options=(PROVE, SEQUENCE),
        tag="state",
        personal=True,
    ),
    Route(
        "GET",
        "/check/{interval}",
        lambda e, c: e.recheck.of(*e.read(c), c.rights),
        "The orders of an interval's window, checked again by this node: costs, and how far from the optimum at most.",
        market.Check,
    ),
    *QUERIES,
    Route(
        "GET",
        "/refusals",
        lambda e, c: e.desk.refusals(c.rights),
        "What this node kept back of the asker's own records. Signed requests only.",
        chain.Refusals,
        personal=True,
    ),
    Route(
        "GET",
        "/events",
        lambda e, c: e.events.serve(c.request, c.options, c.rights),
        "A websocket with every event from a cursor on, one message each.",
        media=SOCKET,
        options=(_topics(*TOPICS), CURSOR),
        statuses=(101,),
        tag="events",
    ),
    Route(
        "GET",
        "/ws",
        lambda e, c: e.live.serve(c.request, c.options, c.rights),
        "A websocket whose topics may change while it is open, one message a block; see docs/api.md.",
        media=SOCKET,
        options=(_topics(*LIVE_TOPICS), CURSOR),
        statuses=(101,),
        tag="events",
    ),
)
