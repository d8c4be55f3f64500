"""How `gridpact query` asks a node and prints the answer: tables, JSON or CSV, proven where that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from node.cli import options
from node.cli.context import Connection, genesis_document, reader_key
from node.cli.form import Form, form, print_csv, rows
from node.cli.output import emit, line, progress, reporting
from node.rpc.missing import sentence

Data = dict[str, Any]
Draw = Callable[[Data, Form], None]
"""Prints an answer's data for people."""


class Rows(NamedTuple):
    """How an answer becomes CSV: the list that has a row per entry, their prefix, and what is left out."""

    several: str | None = None
    prefix: str = ""
    without: tuple[str, ...] = ()


PLAIN = Rows()


def show(
    kind: str,
    arguments: list[str],
    draw: Draw,
    asking: options.Asking,
    shape: Rows = PLAIN,
    sequence: int | None = None,
    refine: Draw | None = None,
    signed: bool = True,
) -> None:
    """Ask for `kind` and print it. `refine` adds to the data what is told from it, before it is printed in any form."""
    with reporting(asking.as_json):
        shown = form(asking.as_json, asking.as_csv, asking.tz, asking.directory)
        reader = reader_key(asking.as_, asking.key, asking.directory) if signed else None
        with Connection(asking.node, asking.directory) as connection:
            connection.sign_as(reader)
            asked: dict[str, Any] = {"prove": 1} if asking.prove else {}
            if sequence is not None:
                asked["sequence"] = sequence
            answer = connection.run(connection.client.query(kind, *arguments, **asked))
        if asking.prove:
            answer["proven"] = check(answer["proof"], asking.directory)
        if refine is not None and answer["data"] is not None:
            refine(answer["data"], shown)
        _print(answer, draw, shown, shape, sentence(kind, arguments))


def _print(answer: Data, draw: Draw, shown: Form, shape: Rows, missing: str) -> None:
    """An answer in the form that was asked for; `data` None: its absence."""
    data = answer["data"]
    if data is None and not shown.as_json:
        # CSV of nothing is nothing: a program does not take the sentences for a row.
        say = progress if shown.as_csv else line
        say(missing)
        say(answer["proven"])
    elif shown.as_csv:
        if "proven" in answer:
            progress(f"Proven: {answer['proven']}")
        kept = {name: value for name, value in data.items() if name not in shape.without}
        place = {"as_of_height": str(answer["height"]), "as_of_time_ms": str(answer["time_ms"])}
        place |= shown.moments("as_of_time_ms", answer["time_ms"])
        for text in kept_back(answer):
            progress(text)
        print_csv([row | place for row in rows(kept, shown, shape.several, shape.prefix)])
    else:
        emit(shown.as_json, answer, lambda: _draw_answer(answer, draw, shown))


def kept_back(answer: Data) -> list[str]:
    """A sentence about what an answer leaves out; none where it is whole."""
    withheld = answer.get("withheld")
    if not withheld:
        return []
    counted = ", ".join(f"{count} of kind {kind}" for kind, count in withheld.items())
    return [f"Left out, because members keep them: {counted}. Ask as a member who may read them: --as MEMBER."]


def check(proof: Data, directory: Path) -> str:
    """What a proof shows, checked against the genesis that is trusted here. Raises `ProofError`."""
    from msgspec import json as codec

    from node.proofs import decode_bundle, verify_bundle

    genesis = genesis_document(None, directory)
    return verify_bundle(decode_bundle(codec.encode(proof)), genesis).sentence


def _draw_answer(answer: Data, draw: Draw, shown: Form) -> None:
    draw(answer["data"], shown)
    for text in kept_back(answer):
        line(text)
    draw_standing(answer, shown, answer["time_ms"])


def draw_standing(answer: Data, shown: Form, time_ms: int) -> None:
    """As of when an answer is, and what is proven of it."""
    line(f"As of block {answer['height']}, {shown.time(time_ms)} ledger time.")
    if "proven" in answer:
        line(f"Proven: {answer['proven']}")
