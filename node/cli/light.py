"""`gridpact light follow | verify | report`: believe a chain without running a node, and say who lied.

Needs the genesis document, or height and hash of one block from somebody you trust; everything that nodes say is
checked against that. Reads its options with argparse and not with Typer, whose validation library alone takes a
quarter of the 40 MB that this may use (`docs/decisions/0009-a-light-client-of-40-mb.md`).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from node.cli.context import Connection, genesis_path, node_urls
from node.cli.options import DEVNET
from node.cli.output import FAILED, USAGE, emit, fail, line, progress, reporting
from node.errors import NodeError

if TYPE_CHECKING:
    from node.light.follower import Diverged, Follower, Head
    from node.light.founding import Founding

MAX_WITNESSES = 8
HELP = "Follow a chain without a node: verified headers, and who lied."


def register(app: typer.Typer) -> None:
    """Name the command in `app`, which hands everything behind `light` to `main`."""
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command("light", help=HELP, add_help_option=False, context_settings=passed_on)(_pass_on)


def _pass_on(context: typer.Context) -> None:
    raise typer.Exit(main(context.args))


def main(arguments: Sequence[str]) -> int:
    """Run `gridpact light` with these arguments; returns the exit code."""
    try:
        asked = _parser().parse_args(arguments)
        with reporting(asked.json):
            asked.run(asked)
    except NodeError as usage:
        try:
            fail("--json" in arguments, usage)
        except typer.Exit:
            return USAGE
    except typer.Exit as done:
        return int(done.exit_code)
    except SystemExit as done:
        # How argparse ends after --help.
        return int(done.code or 0)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NodeError(
            "cli.usage", f"{message[:1].upper()}{message[1:]}.", f"`{self.prog} --help` shows what it takes."
        )


def _parser() -> _Parser:
    reached = _Parser(add_help=False)
    option = reached.add_argument
    option("--node", metavar="URL", help="Node to ask. Default: a node of the devnet.")
    option("--dir", metavar="DIR", type=Path, default=DEVNET, help="Directory of the devnet.")
    option("--json", action="store_true", help="Print one JSON document a line on stdout.")
    common = _Parser(add_help=False, parents=[reached])
    option = common.add_argument
    option("--witness", metavar="URL", action="append", default=[], help="Another node that must agree; repeatable.")
    option(
        "--genesis", metavar="FILE", type=Path, help="Genesis document to trust (genesis.mp). Default: the devnet's."
    )
    option("--trust-height", metavar="N", type=_positive, help="Height of a block that you trust.")
    option("--trust-hash", metavar="HEX", help="Its hash, 64 hexadecimal digits.")
    option("--trusting-period", metavar="SECONDS", type=_positive, help="How long a header is trusted, in ledger time.")
    option("--evidence", metavar="FILE", type=Path, default=Path("light-evidence.json"), help="Where attacks are kept.")
    parser = _Parser(prog="gridpact light", description=HELP, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    follow = commands.add_parser(
        "follow",
        parents=[common],
        allow_abbrev=False,
        help="Keep a verified head until Ctrl-C, a line for each new one.",
        description="Keep a verified head until Ctrl-C, a line for each new one. Exits with 1 when somebody lied.",
    )
    follow.add_argument("--store", metavar="FILE", type=Path, help="Keep the head in this file, and go on from it.")
    follow.add_argument("--every", metavar="SECONDS", type=_seconds, default=1.0, help="Between two looks. Default: 1.")
    follow.add_argument("--until", metavar="N", type=_positive, help="Stop once this height is verified.")
    follow.set_defaults(run=_follow)
    verify = commands.add_parser(
        "verify",
        parents=[common],
        allow_abbrev=False,
        help="Verify one header and print it.",
        description="Verify one header and print it, with how many witnesses confirmed it.",
    )
    verify.add_argument("height", nargs="?", type=_positive, help="Height to verify. Default: the newest.")
    verify.set_defaults(run=_verify)
    report = commands.add_parser(
        "report",
        parents=[reached],
        allow_abbrev=False,
        help="Hand evidence of an attack to a node.",
        description="Hand to a node what convicts by itself: the two votes of everybody who signed both blocks.",
    )
    report.add_argument("file", metavar="FILE", type=Path, help="What --evidence named.")
    report.set_defaults(run=_report)
    return parser


def _positive(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,14}", text):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number from 1")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or not 0.05 <= float(text) <= 3600:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number of seconds from 0.05 to 3600")
    return float(text)


class _Setting:
    """Sources, root of trust and clock, as the options name them. Raises NodeError."""

    def __init__(self, asked: argparse.Namespace) -> None:
        from node.light.session import Anchor, clock_of, trust_of
        from node.light.source import Source

        if len(asked.witness) > MAX_WITNESSES:
            raise NodeError("light.witnesses", f"{len(asked.witness)} are too many.", f"Name at most {MAX_WITNESSES}.")
        genesis = _founding(asked)
        self.primary = Source(node_urls(asked.node, asked.dir)[0])
        self.witnesses = [Source(url) for url in asked.witness]
        self.trust = trust_of(genesis, None if asked.trusting_period is None else asked.trusting_period * 1000)
        block_id = None if asked.trust_hash is None else bytes.fromhex(asked.trust_hash)
        self.anchor = Anchor(genesis, asked.trust_height, block_id)
        self.now_ms = clock_of(genesis)

    def follower(self, store: Path | None) -> Follower:
        """A follower with its root of trust, which the primary is asked for. Raises NodeError."""
        from node.light.follower import Follower
        from node.light.session import find_root

        root = find_root(self.primary, self.anchor, store, self.trust, self.now_ms())
        return Follower(self.primary, self.witnesses, root, self.trust, self.now_ms)


def _founding(asked: argparse.Namespace) -> Founding | None:
    """The genesis document to trust; None when a block is trusted instead. Raises NodeError."""
    from node.light.founding import read_founding

    height, hash_ = asked.trust_height, asked.trust_hash
    if (height is None) != (hash_ is None) or (hash_ is not None and not re.fullmatch("[0-9a-f]{64}", hash_)):
        raise NodeError(
            "light.root",
            "A block is trusted by its height and its hash.",
            "Give both --trust-height N and --trust-hash with 64 hexadecimal digits, lower case.",
        )
    if asked.genesis is None and hash_ is not None:
        return None
    return read_founding(genesis_path(asked.genesis, asked.dir))


def _follow(asked: argparse.Namespace) -> None:
    from node.light.follower import Diverged
    from node.light.session import save
    from node.light.source import SourceError

    setting = _Setting(asked)
    follower: Follower | None = None
    told: dict[str, str] = {}
    while follower is None or asked.until is None or follower.head.height < asked.until:
        head = trouble = None
        try:
            if follower is None:
                follower = setting.follower(asked.store)
                _show(asked, follower.root)
            head = follower.step()
        except SourceError as error:
            trouble = error
        except Diverged as diverged:
            _accuse(asked, diverged)
        _tell(told, setting.primary.url, trouble)
        for one in () if follower is None else follower.witnesses:
            _tell(told, one.source.url, one.trouble)
        if head is None:
            time.sleep(asked.every)
            continue
        _show(asked, head)
        if asked.store is not None:
            save(asked.store, head.block)


def _verify(asked: argparse.Namespace) -> None:
    from node.light.follower import Diverged

    setting = _Setting(asked)
    follower = setting.follower(None)
    head = follower.root
    if asked.height is not None and asked.height < head.block.height:
        raise NodeError(
            "light.below",
            f"Height {asked.height} is below the trusted {head.block.height}.",
            "Trust a block at or below it: --trust-height and --trust-hash, or --genesis.",
        )
    try:
        while (further := follower.step(asked.height)) is not None:
            head = further
    except Diverged as diverged:
        _accuse(asked, diverged)
    if asked.height is not None and head.block.height < asked.height:
        raise NodeError("light.behind", f"{setting.primary.url} has no block {asked.height} yet.", "Ask again later.")
    for one in follower.witnesses:
        _tell({}, one.source.url, one.trouble)
    _show(asked, head)


def _report(asked: argparse.Namespace) -> None:
    from node.light.session import read_evidence

    votes = read_evidence(asked.file)
    if not votes:
        raise NodeError(
            "light.no-votes",
            f"{asked.file} has no two votes of one member for one round.",
            "Show it to the members: what it holds is judged by whoever has the chain.",
        )
    with Connection(asked.node, asked.dir) as connection:
        told = [connection.run(connection.client.report(vote))["status"] for vote in votes]
    kept, known = told.count("kept"), told.count("known")
    emit(
        asked.json,
        {"votes": len(told), "kept": kept, "known": known},
        lambda: line(f"{kept} kept until a block has them, {known} known before (gridpact query offences)."),
    )


def _show(asked: argparse.Namespace, head: Head) -> None:
    header, witnesses = head.block.header, len(asked.witness)
    document = {
        "height": header.height,
        "id": head.block.id().hex(),
        "time_ms": header.time_ms,
        "chain_id": header.chain_id,
        "state_root": header.state_root.hex(),
        "steps": head.steps,
        "confirmed": head.agreed,
        "witnesses": witnesses,
    }
    how = f"in {head.steps} step{'s' if head.steps > 1 else ''}" if head.steps else "trusted"
    confirmed = f", {head.agreed} of {witnesses} witnesses" if witnesses and head.steps else ""
    emit(asked.json, document, lambda: line(f"{header.height}  {head.block.id().hex()}  {how}{confirmed}"))
    # Whoever reads from a pipe wants it now.
    sys.stdout.flush()


def _tell(told: dict[str, str], url: str, trouble: NodeError | None) -> None:
    """Say what is the matter with a source when that changes."""
    code = "" if trouble is None else trouble.code
    if told.get(url, "") != code:
        progress(f"{url} answers again." if trouble is None else f"{trouble.code}: {trouble.message} {trouble.hint}")
    told[url] = code


def _accuse(asked: argparse.Namespace, diverged: Diverged) -> NoReturn:
    """Print who lied, write the evidence, and exit."""
    from node.light.session import report, write_evidence

    told = report(diverged)
    write_evidence(asked.evidence, told.evidence)

    def draw() -> None:
        progress(f"Error ({diverged.code}): {diverged.message}")
        for sentence in told.sentences:
            line(sentence)
        line(f"Evidence written to {asked.evidence}.")
        progress(f"Next: {diverged.hint}")

    emit(asked.json, told.document | {"evidence": str(asked.evidence)}, draw)
    raise typer.Exit(FAILED)
