"""`gridpact proof fetch | make | cycle | posted | verify | explain`: hand facts to others, check them and trust nobody.

`fetch` gets what is on the ledger, `make` proves what is hidden in commitments there, `cycle` adds up a private bill,
`posted` shows again what a transaction proved.
`verify` needs the file and a genesis document, nothing else: no node, no network, no storage engine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.context import Connection, genesis_document, genesis_path, reader_key
from node.cli.form import Form, site_form
from node.cli.output import emit, line, progress, reporting, write_file
from node.cli.waiting import working
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.genesis import Genesis
    from node.proofs import Proven
    from node.statements.file import StatementsFile

app = typer.Typer(help="Fetch proofs, make them of what is hidden, and check them.", no_args_is_help=True)
CHECKING = "Checking proofs"

KINDS = (
    *("tx", "reading", "member", "balance", "meter", "envelope", "order", "interval", "explain", "dispatch", "bill"),
    *("energy", "estimates", "corrections", "disputes", "conduct", "reductions", "make-whole", "base-loads"),
    *("carbon", "factors", "certificates", "offset", "hidden", "private-meter", "cycle", "sealed"),
)


@app.command()
def fetch(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    arguments: Annotated[
        list[str],
        typer.Argument(
            help="Hash, id or interval; a bill takes interval and member, energy and order interval and meter, "
            "a cycle its number and campus, sealed its interval and a member."
        ),
    ],
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of stdout.")] = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    as_: options.Reader = None,
    key: options.KeyFile = None,
) -> None:
    """Get a proof bundle from a node."""
    with reporting(as_json), Connection(node, directory) as connection:
        connection.sign_as(reader_key(as_, key, directory))
        if kind not in KINDS:
            raise NodeError("cli.kind", f"There are no proofs of {kind!r}.", f"Kinds are {', '.join(KINDS)}.")
        client = connection.client
        if kind == "tx":
            answer = connection.run(client.get(f"/tx/{arguments[0]}", prove=1))
        elif kind == "reading" and len(arguments) > 1:
            answer = connection.run(client.query(kind, arguments[0], prove=1, sequence=arguments[1]))
        else:
            answer = connection.run(client.query(kind, *arguments, prove=1))
        from node.cli.tx import write_proof

        if to is None:
            emit(True, answer["proof"], lambda: None)
        else:
            write_proof(to, answer["proof"])
            emit(as_json, {"file": str(to)}, lambda: line(f"Written. Check it: gridpact proof verify {to}"))


@app.command()
def make(
    orders: Annotated[
        str | None, typer.Argument(help="File that orders statements, or - for stdin. It has secrets in it.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of stdout.")] = None,
    fact: Annotated[
        list[Path] | None,
        typer.Option("--fact", help="Bundle that shows points on the ledger, as `fetch` wrote it. Repeat it."),
    ] = None,
    openings: Annotated[
        Path | None,
        typer.Option("--openings", help="Write what opens the new commitments to this file, and show it to nobody."),
    ] = None,
    example: Annotated[
        str | None, typer.Option("--example", help="Print an order of this kind of statement instead.", metavar="KIND")
    ] = None,
    genesis: options.Genesis = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Prove something of hidden figures, out of what opens them, to whoever gets the file."""
    with reporting(as_json):
        if example is not None:
            emit(True, _example(example, genesis, directory), lambda: None)
            return
        if orders is None:
            raise NodeError("cli.orders", "There is no order.", "Give a file, or print one: --example award.")
        from node.disk import RealDisk
        from node.proofs import decode_bundle
        from node.statements.making import make

        if openings is not None and openings.exists():
            raise NodeError(
                "proof.exists", f"{openings} exists.", "Name another file: what opens commitments is never overwritten."
            )
        facts = tuple(decode_bundle(read_bundle(str(one))) for one in fact or ())
        wanted = read_bundle(orders)
        with working("Making proofs", aloud=False):
            made, opened = make(wanted, facts, os.urandom(32))
        if openings is not None:
            RealDisk().replace(openings, json.dumps({"kind": "openings", "openings": opened}).encode() + b"\n")
        elif opened:
            progress("Nothing keeps what opens the new commitments. Give --openings FILE where they are to be used.")
        _hand_over(made, to, as_json)


@app.command()
def cycle(
    which: Annotated[str, typer.Argument(help="Number of the billing cycle, now, or last.")],
    campus: Annotated[str, typer.Argument(help="Campus whose private meters it bills.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of stdout.")] = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """A file in which anybody adds up a private bill: what all used is what all sources are paid for, hidden."""
    with reporting(as_json):
        from msgspec import json as codec

        from node.proofs import decode_bundle
        from node.statements.cycles import file_of

        with Connection(node, directory) as connection:
            answer = connection.run(connection.client.query("cycle", which, campus, prove=1))
        _hand_over(file_of(decode_bundle(codec.encode(answer["proof"]))), to, as_json)


@app.command()
def posted(
    transaction: Annotated[str, typer.Argument(help="Hash of a sealed bid, demand or award.", metavar="HASH")],
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of stdout.")] = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """A file in which anybody checks again what a transaction proved to a sealed round."""
    with reporting(as_json):
        from msgspec import json as codec

        from node.proofs import decode_bundle
        from node.statements.posted import file_of, word_of

        with Connection(node, directory) as connection:
            answer = connection.run(connection.client.get(f"/tx/{transaction}", prove=1))
            fact = decode_bundle(codec.encode(answer["proof"]))
            word = word_of(fact)
            asked = connection.client.query("sealed", str(word.body.interval), word.sender, prove=1)
            party = decode_bundle(codec.encode(connection.run(asked)["proof"]))
        _hand_over(file_of(fact, party), to, as_json)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(help="Proof bundle or file of statements, or - for stdin.")],
    anchored: Annotated[
        bool,
        typer.Option("--anchored", help="Refuse points that the file does not show on the ledger."),
    ] = False,
    genesis: options.Genesis = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Check a proof bundle or a file of statements against the genesis document alone."""
    with reporting(as_json):
        from node.proofs import decode_bundle, verify_bundle
        from node.statements import file as statements

        raw = read_bundle(file)
        if statements.has_statements(raw):
            with working(CHECKING, aloud=False):
                told = statements.decode(raw)
                shown = statements.verify(told, genesis_document(genesis, directory), anchored=anchored)
            emit(as_json, {"valid": True, "proven": shown.sentence, **shown.data}, lambda: _draw_statements(shown.data))
            return
        with working(CHECKING, aloud=False):
            proven = verify_bundle(decode_bundle(raw), genesis_document(genesis, directory))
        emit(
            as_json,
            {"valid": True, "proven": proven.sentence, **proven.data},
            lambda: _draw(proven, site_form(directory), genesis_path(genesis, directory)),
        )


@app.command()
def explain(
    file: Annotated[str, typer.Argument(help="File of statements, or - for stdin.")],
    as_json: options.Json = False,
) -> None:
    """Say in a sentence what each statement proves and what it does not reveal, once its proof was checked."""
    with reporting(as_json):
        from node.statements import file as statements

        told = statements.decode(read_bundle(file))
        with working(CHECKING, aloud=False):
            explained = statements.explain(told)
        emit(as_json, {"statements": explained}, lambda: _draw_explained(explained))


def _hand_over(made: StatementsFile, to: Path | None, as_json: bool) -> None:
    from msgspec import to_builtins

    document = to_builtins(made)
    if to is None:
        emit(True, document, lambda: None)
    else:
        write_file(to, json.dumps(document) + "\n")
        emit(as_json, {"file": str(to)}, lambda: line(f"Written. Check it: gridpact proof verify {to}"))


def _example(kind: str, genesis: Path | None, directory: Path) -> dict[str, Any]:
    from node.statements.examples import INPUTS, example

    if kind not in INPUTS:
        raise NodeError("proof.kind", f"There are no statements of {kind!r}.", f"Kinds: {', '.join(INPUTS)}.")
    try:
        return example(kind, genesis_document(genesis, directory).chain_id())
    except NodeError:
        return example(kind, "chain-id")


def read_bundle(file: str) -> bytes:
    """Bytes of a proof file, `-` for stdin. Raises NodeError `proof.unreadable`, `proof.empty`."""
    from node.proofs import MAX_BUNDLE_BYTES

    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_BUNDLE_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise NodeError("proof.unreadable", f"{file}: {error.strerror}.", "Give the file that was fetched.") from None
    if not raw.strip():
        raise NodeError("proof.empty", "There is no proof in it.", "See what `gridpact proof fetch` said.")
    return raw


def verify_own(
    document: dict[str, Any], verify: Callable[[bytes, Genesis], Proven], directory: Path, to: Path | None
) -> str:
    """Verify what a node answered as a stranger would, and keep it at `to`. Raises NodeError; returns what is proven,
    as a sentence."""
    from msgspec import json as codec

    raw = codec.encode(document)
    with working(CHECKING, aloud=False):
        sentence = verify(raw, genesis_document(None, directory)).sentence
    if to is not None:
        write_file(to, raw.decode() + "\n")
    return sentence


def _draw(proven: Any, shown: Form, genesis: Path) -> None:
    line(f"Valid. {proven.sentence}")
    when = shown.time(proven.data["time_ms"])
    line(f"Header {proven.data['height']}, {when} ledger time, id {proven.data['block_id']}.")
    line(f"Its signers are more than 2/3 of the power of its height, which the genesis document {genesis} leads to.")
    line("No node is believed. You trust that document, and that no more than a third of the power breaks the rules.")
    for record in proven.data.get("records", ()):
        line(f"  {record['key']}: {_flat(record['value'])}")
    if "receipt" in proven.data:
        line(f"  receipt: {_flat(proven.data['receipt'])}")
    if "envelope" in proven.data:
        line(f"  envelope: {_flat(proven.data['envelope'])}")


def _draw_statements(data: dict[str, Any]) -> None:
    line("Valid.")
    for number, one in enumerate(data["statements"], start=1):
        line(f"{number}. It is proven that {one['proven']}; not revealed: {one['not_revealed']}.")
        for point, place in one["points"].items():
            line(f"   {point[:16]}...: {place or 'nothing in the file shows that it is on the ledger'}")
    for fact in data["facts"]:
        line(f"Fact: {fact}")


def _draw_explained(explained: list[dict[str, Any]]) -> None:
    for one in explained:
        line(one["explained"])
    line("Whether the points are on the ledger: gridpact proof verify")


def _flat(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_flat(item)}" for name, item in value.items())
        case list():
            return f"[{'; '.join(_flat(item) for item in value)}]"
        case None:
            return "none"
    return str(value)
