"""Options that many commands share, with one spelling and one help text, and whole groups of them.

A command that takes a group has one parameter of its type and is decorated with `grouped`; the command line sees the
group's options in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import typer

from node.cli.form import ZONE_VARIABLE

R = TypeVar("R")
DEVNET = Path(".gridpact") / "devnet"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print RFC 4180 CSV on stdout; units are in the column names.")]
Zone = Annotated[
    str | None,
    typer.Option(
        "--tz",
        envvar=ZONE_VARIABLE,
        help="Time zone of the site, like Europe/Berlin, shown beside UTC.",
        metavar="ZONE",
    ),
]
Node = Annotated[
    str | None,
    typer.Option("--node", envvar="GRIDPACT_NODE", help="URL of a node's RPC. Default: a node of the devnet."),
]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", help="URL of a node's RPC; several may be given. Default: all nodes of the devnet."),
]
Devnet = Annotated[Path, typer.Option("--dir", help="Directory of the devnet; several can run.")]
As = Annotated[str | None, typer.Option("--as", help="Member (or meter) who signs, by its key in the devnet.")]
Reader = Annotated[
    str | None, typer.Option("--as", help="Member who asks: the request is signed by its key.", metavar="MEMBER")
]
KeyFile = Annotated[Path | None, typer.Option("--key", help="Key file to sign with, instead of a devnet key.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is final, or only until a node has it.")]
Prove = Annotated[bool, typer.Option("--prove", help="Fetch a proof and check it.")]
ProveTo = Annotated[Path | None, typer.Option("--prove-to", help="Write the proof to this file.")]
Timeout = Annotated[int, typer.Option("--timeout", min=1, max=86_400, help="Longest wait, in seconds.")]
Interval = Annotated[
    str, typer.Option("--interval", help="Interval number, or `next`: the first whose offers are not locked.")
]
ClaimName = Annotated[
    str,
    typer.Option(
        "--claim",
        help="What the solution is said to be: least-cost, least-energy or zero-carbon. A false claim loses the wager.",
    ),
]
CLAIM = "least-cost"
Genesis = Annotated[
    Path | None, typer.Option("--genesis", help="Genesis document to trust (genesis.mp). Default: the devnet's.")
]


Wallet = Annotated[
    Path | None,
    typer.Option("--wallet", help="Wallet file. Default: wallets/MEMBER.json in the directory of the devnet."),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File whose first line opens the wallet. Default: GRIDPACT_PASSPHRASE, a devnet's key, or a prompt.",
    ),
]


Plot = Annotated[bool, typer.Option("--plot", help="Draw it for people, instead of tables.")]
Watch = Annotated[bool, typer.Option("--watch", help="Go on showing it as it changes, until Ctrl-C.")]


class Asking(NamedTuple):
    """Options of a query."""

    node: Node = None
    directory: Devnet = DEVNET
    prove: Prove = False
    as_json: Json = False
    as_csv: Csv = False
    tz: Zone = None
    as_: Reader = None
    key: KeyFile = None


class Listing(NamedTuple):
    """Options of a query whose answer has no proof of its own."""

    node: Node = None
    directory: Devnet = DEVNET
    as_json: Json = False
    as_csv: Csv = False
    tz: Zone = None


class Signing(NamedTuple):
    """Options of whatever signs one thing and submits it."""

    as_: As = None
    key: KeyFile = None
    node: Node = None
    directory: Devnet = DEVNET
    wait: Wait = True
    prove_to: ProveTo = None
    timeout: Timeout = 60
    as_json: Json = False


class Acting(NamedTuple):
    """Options of whatever goes on acting for a member, by what nodes prove."""

    as_: As = None
    key: KeyFile = None
    node: Nodes = None
    directory: Devnet = DEVNET
    genesis: Genesis = None
    as_json: Json = False


class Purse(NamedTuple):
    """Options of whatever opens a wallet."""

    wallet: Wallet = None
    passphrase_file: PassphraseFile = None
    genesis: Genesis = None


GROUPS = (Asking, Listing, Signing, Acting, Purse)
READERS = (Asking, Listing)
"""Groups of commands that read, and so can be watched."""


def grouped(command: Callable[..., R]) -> Callable[..., R]:
    """`command` as the command line sees it: a parameter of a group's type is replaced by the group's options.

    The parameter's own default, where it has one, gives the options' defaults.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[Parameter] = []
    members: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    for name, parameter in signature(command).parameters.items():
        group = hints[name]
        if group not in GROUPS:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=group))
            continue
        defaults = group() if parameter.default is Parameter.empty else parameter.default
        options = get_type_hints(group, include_extras=True)
        members[name] = group, list(options)
        parameters += [
            Parameter(option, Parameter.KEYWORD_ONLY, default=getattr(defaults, option), annotation=annotation)
            for option, annotation in options.items()
        ]

    @wraps(command)
    def gathered(**values: Any) -> R:
        groups = {
            name: group(**{option: values.pop(option) for option in options})
            for name, (group, options) in members.items()
        }
        return command(**values, **groups)

    _present(gathered, parameters, hints["return"])
    reads = any(group in READERS for group, _ in members.values())
    return watchable(gathered) if reads else gathered


def watchable(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` with the option `--watch`, by which it is run again whenever the ledger has gone on.

    Its nodes are those of its parameters `node` and `directory`; without `node` it is run now and then. `as_json` and
    `as_csv` say how it prints.
    """
    hints = get_type_hints(command, include_extras=True)
    own = [parameter.replace(annotation=hints[name]) for name, parameter in signature(command).parameters.items()]
    parameters = [*own, Parameter("watch", Parameter.KEYWORD_ONLY, default=False, annotation=Watch)]

    @wraps(command)
    def watched(*, watch: bool, **values: Any) -> Any:
        if not watch:
            return command(**values)
        from node.cli.watch import watch as follow

        return follow(lambda: command(**values), values)

    _present(watched, parameters, hints["return"])
    return watched


def _present(command: Callable[..., Any], parameters: list[Parameter], returns: object) -> None:
    """Let Typer read these parameters, and not look through to what `command` wraps."""
    vars(command)["__signature__"] = signature(command).replace(parameters=parameters)
    command.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": returns}
    del vars(command)["__wrapped__"]
