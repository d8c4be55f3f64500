"""`gridpact agent build | device | deliver`: what acts for a member, by hand, until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import options
from node.cli.context import Connection, genesis_path, node_urls, signer
from node.cli.output import emit, line, progress, reporting, table
from node.cli.wager import claim_of
from node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.agents.book import Book
    from node.agents.builder import Allowance
    from node.client import Account
    from node.light.founding import Founding

KEEP_EVERY_S = 60.0
"""Between two times at which the newest header is written down, which must not be too old at the next start."""

MAX_LINE_BYTES = 1024 * 1024

app = typer.Typer(help="Agents that act for a member.", no_args_is_help=True)


@app.callback()
def agent() -> None:
    """Agents that act for a member."""


@app.command()
def build(
    as_: options.As = None,
    key: options.KeyFile = None,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", help="URL of a node's RPC; several may be given. Default: all nodes of the devnet."),
    ] = None,
    directory: options.Devnet = options.DEVNET,
    genesis: options.Genesis = None,
    book: Annotated[
        Path | None,
        typer.Option("--book", help="File with what the builder must not forget. Default: DIR/builders/MEMBER."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            "--head",
            help="File with the newest header that is believed, as `light follow` keeps it. Default: BOOK.head.",
        ),
    ] = None,
    stake: Annotated[
        int, typer.Option("--stake", min=0, max=2**61, help="Tokens wagered on each round; 0: the least it takes.")
    ] = 0,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=2**61, help="Most tokens that may be lost in all, and then no more.")
    ] = 1_000,
    claim: options.ClaimName = options.CLAIM,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Stop once so many wagers were judged. Default: never.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Wager on open rounds, build solutions, reveal them in time; one line for everything that happens."""
    with reporting(as_json):
        import asyncio

        from node.agents.book import Book
        from node.agents.builder import Allowance
        from node.disk import RealDisk
        from node.light.founding import read_founding

        urls = [url for one in node or () for url in node_urls(one, directory)] or node_urls(None, directory)
        allowance = Allowance(stake, limit, claim_of(claim))
        founding = read_founding(genesis_path(genesis, directory))
        account = signer(founding.chain_id, as_, key, directory)
        where = directory / "builders" / account.member if book is None else book
        disk = RealDisk()
        disk.make_directory(where.parent)
        kept = Book(where, founding.chain_id, account.member, disk)

        def say(round_: int | None, text: str) -> None:
            emit(
                as_json,
                {"round": round_, "said": text},
                lambda: line(text if round_ is None else f"round {round_}: {text}"),
            )

        progress(
            f"Building for {account.member}: {kept.page.lost_tokens} of at most {limit} tokens lost so far, "
            f"{kept.staked_tokens} at stake. Ctrl-C stops it; {where} must stay until all is judged."
        )
        store = where.with_name(f"{where.name}.head") if head is None else head
        try:
            asyncio.run(_build(urls, founding, account, kept, allowance, say, rounds, store))
        finally:
            kept.release()


async def _build(
    urls: list[str],
    founding: Founding,
    account: Account,
    book: Book,
    allowance: Allowance,
    say: Callable[[int | None, str], None],
    rounds: int | None,
    store: Path,
) -> None:
    import asyncio
    import contextlib

    from node.agents.builder import Builder
    from node.agents.proven import ProvenLedger
    from node.client import Client
    from node.light.session import load, save

    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url)) for url in urls]
        ledger = ProvenLedger(clients, founding, head=load(store))

        def keep() -> None:
            if ledger.head is not None:
                save(store, ledger.head)

        async def keep_often() -> None:
            while True:
                await asyncio.sleep(KEEP_EVERY_S)
                keep()

        keeping = asyncio.ensure_future(keep_often())
        try:
            await Builder(account, ledger, book, allowance, say).run(rounds)
        finally:
            keeping.cancel()
            keep()


@app.command()
def device(
    plates: Annotated[
        Path, typer.Argument(help="TOML: [[envelopes]] as in a genesis document, set by hand at the devices.")
    ],
    orders: Annotated[
        Path, typer.Option("--orders", help="Directory where proofs of orders appear, named METER.*.json.")
    ],
    state: Annotated[Path, typer.Option("--state", help="Directory for what the devices must not forget.")],
    genesis: options.Genesis = None,
    directory: options.Devnet = options.DEVNET,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="Directory with the meters' keys, METER.json; none: nothing is signed."),
    ] = None,
    loss_ppm: Annotated[int, typer.Option("--loss-ppm", min=0, max=1_000_000, help="Lost in the site's lines.")] = 0,
) -> None:
    """Enforce the envelopes of one site's devices, with no network; a line in for each interval, a line out.

    Lines are JSON: what the equipment senses (see docs/devices.md) and what each device does.
    """
    with reporting(True):
        import sys

        import msgspec

        from node.agents.device import Device
        from node.agents.gateway import MeterGateway
        from node.agents.isolation import forbid_network
        from node.agents.site import Sensed, Site
        from node.cli.context import genesis_document, meter_seed
        from node.client import MeterKey
        from node.disk import RealDisk
        from node.genesis_file import load_envelopes

        # Before anything is read that somebody else wrote.
        forbid_network()
        document, disk = genesis_document(genesis, directory), RealDisk()
        disk.make_directory(state)
        disk.make_directory(orders)
        devices = [Device(one, document, state / f"{one.meter}.device", disk) for one in load_envelopes(plates)]
        gateways = {}
        if keys is not None:
            for meter in (one.plate.meter for one in devices):
                key = MeterKey(document.chain_id(), meter, meter_seed(keys / f"{meter}.json"))
                gateways[meter] = MeterGateway(key, state / f"{meter}.outbox", disk)
        site = Site(devices, orders, document.params.interval_ms, loss_ppm, gateways)
        decoder = msgspec.json.Decoder(Sensed)
        for raw in sys.stdin.buffer:
            try:
                sensed = decoder.decode(raw[:MAX_LINE_BYTES])
            except msgspec.DecodeError as error:
                raise NodeError(
                    "device.line", f"A line is not what was sensed: {error}.", "See docs/devices.md."
                ) from None
            sys.stdout.buffer.write(msgspec.json.encode(site.step(sensed)) + b"\n")
            sys.stdout.buffer.flush()


@app.command()
def deliver(
    state: Annotated[Path, typer.Argument(help="The --state directory of `agent device`, whose process has ended.")],
    keys: Annotated[Path, typer.Option("--keys", help="Directory with the meters' keys, METER.json.")],
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Hand in what meters showed while there was no network: each reading counts once, however often it is sent."""
    with reporting(as_json), Connection(node, directory) as connection:
        from node.agents.gateway import MeterGateway
        from node.cli.context import meter_seed
        from node.client import MeterKey

        told: dict[str, tuple[int, int, list[str]]] = {}
        for outbox in sorted(state.glob("*.outbox")):
            meter = outbox.stem
            gateway = MeterGateway(MeterKey(connection.chain_id, meter, meter_seed(keys / f"{meter}.json")), outbox)
            try:
                final, refused = 0, list[str]()
                while gateway.waiting:
                    flushed = connection.run(gateway.flush(connection.client))
                    final += flushed.final
                    refused += [one.code for one in flushed.refused]
                    if flushed.held or not (flushed.final or flushed.refused):
                        break
                told[meter] = final, gateway.waiting, refused
            finally:
                gateway.close()
        headings = ["Meter", "Final", "Waiting", "Refused"]
        rows = [[meter, *(str(count) for count in one[:2]), ", ".join(one[2]) or "-"] for meter, one in told.items()]
        names = ("final", "waiting", "refused")
        document = {"meters": {meter: dict(zip(names, one, strict=True)) for meter, one in told.items()}}
        emit(as_json, document, lambda: table("Delivered", headings, rows, right=headings[1:3]))
