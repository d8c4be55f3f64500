"""`gridpact succession export | sign | verify`: a new chain in place of one that can not go on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import options
from node.cli.output import emit, line, reporting
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.genesis import Genesis
    from contracts.succession import LeftBehind, Succession

app = typer.Typer(help="Go on from a chain that can not: export it, sign the successor.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="File of signatures, as `succession export` writes it.")]
Document = Annotated[Path, typer.Option("--genesis", help="Genesis document of the new chain (.toml or .mp).")]


@app.command()
def export(
    home: Annotated[Path, typer.Option("--home", envvar="GRIDPACT_HOME", help="Home of a stopped node.")],
    name: Annotated[str, typer.Option("--name", help="Name of the new chain.")],
    out: Annotated[Path, typer.Option("--out", help="Genesis document to write (.toml); the signatures go beside it.")],
    height: Annotated[int | None, typer.Option("--height", min=0, help="Default: the node's newest.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over an earlier export, signatures and all.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Make a genesis document from the state of a stopped node, for the members to sign."""
    with reporting(as_json):
        from node import config, genesis_file, succession
        from node.disk import RealDisk
        from node.home import Home

        beside = _beside(out, replace)
        place = Home.at(home, config.load(Home.at(home).config))
        genesis, made, left = succession.export(place, name, height)
        RealDisk().replace(out, genesis_file.dumps(genesis).encode())
        succession.save(made, beside)
        origin = made.origin
        result = {
            "chain_id": origin.successor,
            "from_chain_id": origin.chain_id,
            "from_height": origin.height,
            "state_root": origin.state_root.hex(),
            "genesis": str(out),
            "succession": str(beside),
            "left_behind": {name: list(value) for name, value in left._asdict().items()},
        }

        def draw() -> None:
            line(f"{origin.successor} goes on from {origin.chain_id} after block {origin.height},")
            line(f"state root {origin.state_root.hex()}.")
            _warn(left)
            line(f"Wrote {out} and {beside}. Every member compares the root with its own node, then:")
            line(f"  gridpact succession sign {beside} --genesis {out} --as MEMBER")

        emit(as_json, result, draw)


@app.command()
def sign(
    file: File,
    genesis: Document,
    as_: options.As = None,
    key: options.KeyFile = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Add a member's signature."""
    with reporting(as_json):
        from node import succession
        from node.cli.context import account_key

        document = _document(genesis)
        after = succession.sign(succession.load(file), document, *account_key(as_, key, directory))
        succession.save(after, file)
        _tell(document, after, as_json)


@app.command()
def verify(file: File, genesis: Document, as_json: options.Json = False) -> None:
    """Say who has signed; exit code 0 only with more than 2/3 of the power."""
    with reporting(as_json):
        from node import succession

        document, found = _document(genesis), succession.load(file)
        succession.require(found, document)
        _tell(document, found, as_json)


def _tell(document: Genesis, found: Succession, as_json: bool) -> None:
    from contracts.succession import support

    signed = support(document, found)
    result = {
        "chain_id": document.chain_id(),
        "from_chain_id": found.origin.chain_id,
        "from_height": found.origin.height,
        "members": list(signed.members),
        "power": str(signed.got),
        "total_power": str(signed.total),
        "enough": signed.enough,
    }

    def draw() -> None:
        line(f"{document.chain_id()}: signed by {', '.join(signed.members)}.")
        line(f"They have {signed.got} of {signed.total} of the power; more than 2/3 must sign.")
        if signed.enough:
            line("Enough. Every member: gridpact genesis DOCUMENT --home NEW-HOME --succession FILE")

    emit(as_json, result, draw)


def _warn(left: LeftBehind) -> None:
    """Say what members have to do again."""
    if left.tombstoned:
        line(f"Not taken over: tombstones. {', '.join(left.tombstoned)} may bond again, with an index of zero.")
    if left.policies:
        line(
            f"Not taken over: access policies. Records of {', '.join(left.policies)} are open until they say otherwise."
        )
    if left.certified:
        line(
            f"Not taken over: certificates of {', '.join(left.certified)}. Their factors go on as registered, until "
            "certified again. Offsets, certificates of origin and what storages hold of carbon stay behind, too."
        )
    if left.promised:
        line(f"Not taken over: base loads of {', '.join(left.promised)}, until they are registered again.")
    if left.private:
        line(
            f"Not taken over: private meters {', '.join(left.private)}. Nobody knows their registers: have them "
            "admitted again, with registers that everybody sees, once their last cycle is paid."
        )
    if left.sealed:
        line(
            f"Not taken over: sealed rounds of {', '.join(map(str, left.sealed))}. Escrows and wagers go back; what "
            "was paid for awards that are not credited yet stays inside, nobody's."
        )
    if left.rounds:
        line(f"Not taken over: rounds {', '.join(map(str, left.rounds))}. What was wagered on them is free again.")
    if left.proposals:
        line(f"Not taken over: proposals {', '.join(map(str, left.proposals))}.")


def _beside(out: Path, replace: bool) -> Path:
    """The file of signatures beside a document that may be written. Raises NodeError `succession.out`,
    `succession.exists`."""
    if out.suffix != ".toml":
        raise NodeError("succession.out", f"{out} is not named as a document.", "Give a name that ends in .toml.")
    beside = out.with_suffix(".succession")
    found = [str(path) for path in (out, beside) if path.exists()]
    if found and not replace:
        raise NodeError(
            "succession.exists",
            f"{' and '.join(found)} would be lost.",
            "Give another name with --out, or add --replace: whoever signed it has to sign the new one.",
        )
    return beside


def _document(path: Path) -> Genesis:
    from node import genesis_file

    return genesis_file.load_packed(path) if path.suffix == ".mp" else genesis_file.load(path)
