"""`gridpact init | start | keys | restore | repair`: the commands of whoever operates a node."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from node.cli import options
from node.cli.output import emit, facts, line, progress, reporting
from node.cli.token import rpc
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.genesis import Genesis
    from node.home import Home

HomeDirectory = Annotated[
    Path, typer.Option("--home", envvar="GRIDPACT_HOME", help="Home directory of the node.", show_default=False)
]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File (mode 0600) whose first line opens the keys.")
]
IsDevnet = Annotated[bool, typer.Option("--devnet", help="Plain keys, refused by every production genesis.")]

keys = typer.Typer(help="Keys of a node and of accounts.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command in (init, genesis, start, restore, repair):
        app.command()(command)
    keys.command("rpc")(rpc)
    app.add_typer(keys, name="keys")


def init(
    home: HomeDirectory,
    node_id: Annotated[str, typer.Option("--id", help="Id of the node, as it will be in the genesis document.")],
    address: Annotated[str, typer.Option("--address", help="host:port where peers reach it.")] = "127.0.0.1:26656",
    genesis_path: Annotated[
        Path | None, typer.Option("--genesis", help="Genesis document (.toml or .mp) to install.")
    ] = None,
    devnet: IsDevnet = False,
    passphrase_file: PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Make keys and configuration of a new node."""
    with reporting(as_json):
        from node.home import Home, init_home

        document = None if genesis_path is None else _read_genesis(genesis_path)
        passphrase = None if devnet else _passphrase(passphrase_file, confirm=True)()
        identity = init_home(home, node_id, passphrase, devnet=devnet, address=address)
        place = Home.at(home)
        if document is not None:
            _install(document, place)
        result: dict[str, Any] = {
            "home": str(home),
            "node": node_id,
            "consensus_key": identity.node.consensus_key.hex(),
            "account_key": identity.account_key.hex(),
            "identity": str(place.identity),
            "chain_id": None if document is None else document.chain_id(),
        }

        def draw() -> None:
            line(f"Made node {node_id} in {home}.")
            line(f"Public identity, for the genesis document: {place.identity}")
            if document is None:
                line("Next: put it into the members' genesis.toml; when all have agreed on that, run")
                line(f"  gridpact genesis genesis.toml --home {home}")
            else:
                line(f"Installed the genesis of {document.chain_id()}. Next: gridpact start --home {home}")

        emit(as_json, result, draw)


def genesis(
    document: Annotated[Path, typer.Argument(help="Genesis document (.toml or .mp).")],
    home: Annotated[Path | None, typer.Option("--home", help="Install it in this node's home.")] = None,
    succession: Annotated[
        Path | None, typer.Option("--succession", help="Signatures of a successor; without more than 2/3 it stays out.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check a genesis document, say which chain it starts, and install it."""
    with reporting(as_json):
        read = _read_genesis(document)
        if succession is not None:
            from node.succession import begin_signing, load, require

            require(load(succession), read)
        if home is not None:
            place = _home(home)
            if place.store.exists():
                raise NodeError(
                    "home.exists", f"{place.store} holds a chain already.", "Install another genesis in a new home."
                )
            _install(read, place)
            if succession is not None:
                begin_signing(place)
        result = {
            "chain_id": read.chain_id(),
            "members": len(read.members),
            "meters": len(read.meters),
            "validators": list(read.validators),
            "home": None if home is None else str(home),
        }

        def draw() -> None:
            line(f"Chain {read.chain_id()}: {len(read.members)} members, {len(read.meters)} meters.")
            line(f"Validators: {', '.join(read.validators)}")
            if home is not None:
                line(f"Installed. Next: gridpact start --home {home}")

        emit(as_json, result, draw)


def start(home: HomeDirectory, passphrase_file: PassphraseFile = None, as_json: options.Json = False) -> None:
    """Run the node until it is told to stop (SIGTERM or Ctrl-C)."""
    with reporting(as_json):
        from node.main import run

        code = run(home, _passphrase(passphrase_file))
    raise typer.Exit(code)


def restore(
    backup: Annotated[Path, typer.Argument(help="Copy of the node's home, or of its data directory.")],
    home: HomeDirectory,
    as_json: options.Json = False,
) -> None:
    """Bring a node's data back from a backup; it signs again only after it has caught up and seen two more heights
    decided."""
    with reporting(as_json):
        from node.home import restore_home

        _report(restore_home(_home(home, must_exist=False), backup), as_json)


def repair(home: HomeDirectory, as_json: options.Json = False) -> None:
    """Repair a damaged log: keep what comes before the damage, move the rest aside. The key signs nothing more at the
    height in which it was voting."""
    with reporting(as_json):
        from node.home import repair_home

        done = repair_home(_home(home))
        _report(done.report, as_json, kept_records=done.kept_records, moved=[str(path) for path in done.moved])


@keys.command("show")
def show(home: HomeDirectory, as_json: options.Json = False) -> None:
    """Show the public identity of a node, which goes into the genesis document."""
    with reporting(as_json):
        import json

        place = _home(home)
        try:
            document = json.loads(place.identity.read_bytes())
        except (OSError, ValueError) as error:
            raise NodeError(
                "home.identity", f"{place.identity} can't be read: {error}.", "Take it from a copy of the home."
            ) from None
        rows = [[name, str(value)] for name, value in document.items()]
        emit(as_json, document, lambda: facts("Public identity", rows))


@keys.command("new")
def new(
    path: Annotated[Path, typer.Argument(help="File to write.")],
    kind: Annotated[Literal["account", "meter"], typer.Option("--kind", help="Who will sign with it.")] = "account",
    devnet: IsDevnet = False,
    passphrase_file: PassphraseFile = None,
    as_json: options.Json = False,
) -> None:
    """Make a key for an account or a meter; its public half goes into the genesis document."""
    with reporting(as_json):
        from node.disk import RealDisk
        from node.keys import Key, write_key

        passphrase = None if devnet else _passphrase(passphrase_file, confirm=True)()
        key = Key.generate(kind, devnet)
        write_key(path, key, passphrase, RealDisk())
        result = {"file": str(path), "kind": kind, "public_key": key.public_key.hex()}
        emit(as_json, result, lambda: line(f"Wrote {path}; public key {key.public_key.hex()}"))


def _home(root: Path, *, must_exist: bool = True) -> Home:
    """Paths of the node in `root`, with its data where the configuration says. Raises NodeError `config.*`."""
    from node import config
    from node.home import Home

    place = Home.at(root)
    if not must_exist and not place.config.exists():
        return place
    return Home.at(root, config.load(place.config))


def _read_genesis(path: Path) -> Genesis:
    from node import genesis_file

    return genesis_file.load_packed(path) if path.suffix == ".mp" else genesis_file.load(path)


def _install(document: Genesis, place: Home) -> None:
    from node import genesis_file
    from node.disk import RealDisk

    genesis_file.save(document, place.genesis_toml, place.genesis, RealDisk())


def _passphrase(file: Path | None, *, confirm: bool = False) -> Callable[[], str]:
    """Asks the file, the environment, then the person, if there is one."""

    def ask() -> str:
        return str(typer.prompt("Passphrase of the keys", hide_input=True, confirmation_prompt=confirm, err=True))

    def find() -> str:
        from node.keys import find_passphrase

        return find_passphrase(file=file, prompt=ask if sys.stdin.isatty() else None)

    return find


def _report(sentences: tuple[str, ...], as_json: bool, **more: Any) -> None:
    def draw() -> None:
        for sentence in sentences:
            line(sentence)

    if not sentences:
        progress("Nothing to do.")
    emit(as_json, {"report": list(sentences), **more}, draw)
