"""`gridpact proof fetch | verify`: hand a fact to somebody else, and check one without trusting anybody.

`verify` needs the bundle and a genesis document, nothing else: no node, no network, no storage engine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.context import Connection, genesis_document, reader_key
from node.cli.form import Form, site_form
from node.cli.output import emit, line, reporting, write_file
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.genesis import Genesis
    from node.proofs import Proven

app = typer.Typer(help="Fetch proofs and check them.", no_args_is_help=True)

KINDS = (
    *("tx", "reading", "member", "balance", "meter", "envelope", "order", "interval", "explain", "dispatch", "bill"),
    *("energy", "estimates", "corrections", "disputes", "conduct", "reductions", "make-whole", "base-loads"),
    *("carbon", "factors", "certificates", "offset"),
)


@app.command()
def fetch(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    arguments: Annotated[
        list[str],
        typer.Argument(
            help="Hash, id or interval; a bill takes interval and member, energy and order interval and meter."
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
def verify(
    file: Annotated[str, typer.Argument(help="Proof bundle, or - for stdin.")],
    genesis: options.Genesis = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Check a proof bundle against the genesis document alone."""
    with reporting(as_json):
        from node.proofs import decode_bundle, verify_bundle

        proven = verify_bundle(decode_bundle(read_bundle(file)), genesis_document(genesis, directory))
        emit(
            as_json,
            {"valid": True, "proven": proven.sentence, **proven.data},
            lambda: _draw(proven, site_form(directory)),
        )


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
    sentence = verify(raw, genesis_document(None, directory)).sentence
    if to is not None:
        write_file(to, raw.decode() + "\n")
    return sentence


def _draw(proven: Any, shown: Form) -> None:
    line(f"Valid. {proven.sentence}")
    when = shown.time(proven.data["time_ms"])
    line(f"Header {proven.data['height']}, {when} ledger time, id {proven.data['block_id']}.")
    line("Its signers are more than 2/3 of the power of its height, which the genesis document leads to.")
    for record in proven.data.get("records", ()):
        line(f"  {record['key']}: {_flat(record['value'])}")
    if "receipt" in proven.data:
        line(f"  receipt: {_flat(proven.data['receipt'])}")
    if "envelope" in proven.data:
        line(f"  envelope: {_flat(proven.data['envelope'])}")


def _flat(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_flat(item)}" for name, item in value.items())
        case list():
            return f"[{'; '.join(_flat(item) for item in value)}]"
        case None:
            return "none"
    return str(value)
