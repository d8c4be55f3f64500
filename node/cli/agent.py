"""`gridpact agent build | run | seat | bill | device | deliver`: what acts for a member until it is stopped."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import options
from node.cli.context import Connection, genesis_path, node_urls, signer
from node.cli.output import emit, line, progress, reporting, table
from node.cli.wager import claim_of
from node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from contracts.bodies import AccountBody
    from node.agents.book import Book
    from node.agents.builder import Allowance
    from node.agents.proven import ProvenLedger
    from node.agents.vault import Vault
    from node.client import Account
    from node.light.founding import Founding
    from node.rulebook.document import Rulebook
    from node.rulebook.ledger import RuleLedger
    from node.rulebook.sight import Sight
    from node.wallet.account import Owner

KEEP_EVERY_S = 60.0
"""Between two times at which the newest header is written down, which must not be too old at the next start."""

MAX_LINE_BYTES = 1024 * 1024

Nodes = Annotated[
    list[str] | None,
    typer.Option("--node", help="URL of a node's RPC; several may be given. Default: all nodes of the devnet."),
]

app = typer.Typer(help="Agents that act for a member.", no_args_is_help=True)


@app.callback()
def agent() -> None:
    """Agents that act for a member."""


@app.command()
def build(
    as_: options.As = None,
    key: options.KeyFile = None,
    node: Nodes = None,
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

        urls = _urls(node, directory)
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


def _urls(nodes: list[str] | None, directory: Path) -> list[str]:
    return [url for one in nodes or () for url in node_urls(one, directory)] or node_urls(None, directory)


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
    from node.agents.builder import Builder

    async with _following(urls, founding, store) as ledger:
        await Builder(account, ledger, book, allowance, say).run(rounds)


@asynccontextmanager
async def _following(urls: list[str], founding: Founding, store: Path) -> AsyncIterator[ProvenLedger]:
    """What nodes prove, gone on from the header in `store`, which is kept up to date there."""
    import asyncio

    from node.agents.proven import ProvenLedger
    from node.client import Client
    from node.light.session import load, save

    async with AsyncExitStack() as stack:
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
            yield ledger
        finally:
            keeping.cancel()
            keep()


@app.command()
def run(
    rulebook: Annotated[Path, typer.Option("--rulebook", help="The rulebook, TOML; see docs/rulebooks.md.")],
    as_: options.As = None,
    key: options.KeyFile = None,
    node: Nodes = None,
    directory: options.Devnet = options.DEVNET,
    genesis: options.Genesis = None,
    weather: Annotated[
        list[str] | None, typer.Option("--weather", help="Meter whose output tells of sun or wind; repeat for several.")
    ] = None,
    own: Annotated[
        Path | None,
        typer.Option("--own", help="JSON by meter: what a battery holds, better forecasts; read anew each interval."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="File that remembers limits. Default: DIR/rulebooks/MEMBER."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", help="File with the newest header that is believed. Default: STATE.head."),
    ] = None,
    record: Annotated[
        Path | None, typer.Option("--record", help="Append what is seen each interval, for `rulebook check --day`.")
    ] = None,
    intervals: Annotated[
        int | None, typer.Option("--intervals", min=1, help="Stop once so many were acted on. Default: never.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Act for a member by its rulebook, before the offers of each interval lock; one line for everything it does."""
    with reporting(as_json):
        import asyncio

        from node.cli.context import genesis_document
        from node.disk import RealDisk
        from node.light.founding import read_founding
        from node.rulebook.document import load
        from node.rulebook.ledger import RuleLedger

        # Before anything else: a rulebook with a mistake does not act at all.
        rules = load(rulebook)
        urls = _urls(node, directory)
        founding = read_founding(genesis_path(genesis, directory))
        account = signer(founding.chain_id, as_, key, directory)
        document = genesis_document(genesis, directory)
        meters = [one.id for one in document.meters if one.member == account.member and one.kind != "tie"]
        where = directory / "rulebooks" / account.member if state is None else state
        disk = RealDisk()
        disk.make_directory(where.parent)
        ledger = RuleLedger(where, founding.chain_id, account.member, disk)
        progress(f"Acting for {account.member} by {rulebook}; Ctrl-C stops it, and {where} remembers its limits.")

        def say(interval: int | None, text: str) -> None:
            emit(
                as_json,
                {"interval": interval, "said": text},
                lambda: line(text if interval is None else f"interval {interval}: {text}"),
            )

        seen = (meters, weather or [], own, record, document.time_ms)
        store = where.with_name(f"{where.name}.head") if head is None else head
        try:
            asyncio.run(_act(urls, founding, account, rules, ledger, say, seen, intervals, store))
        finally:
            ledger.release()


async def _act(
    urls: list[str],
    founding: Founding,
    account: Account,
    rulebook: Rulebook,
    ledger: RuleLedger,
    say: Callable[[int | None, str], None],
    seen: tuple[list[str], list[str], Path | None, Path | None, int],
    intervals: int | None,
    store: Path,
) -> None:
    import msgspec

    from node.agents.eyes import Eyes, Own
    from node.agents.ruled import RuledAgent
    from node.light.session import clock_of

    meters, weather, own, record, since_ms = seen

    def known(interval: int) -> dict[str, Own]:
        if own is None:
            return {}
        try:
            return msgspec.json.decode(own.read_bytes(), type=dict[str, Own])
        except (OSError, msgspec.DecodeError) as error:
            say(interval, f"rulebook.own: {own} tells nothing: {error}")
            return {}

    def keep(sight: Sight) -> None:
        if record is not None:
            with record.open("ab") as file:
                file.write(msgspec.json.encode(sight) + b"\n")

    async with _following(urls, founding, store) as proven:
        eyes = Eyes(proven, account.member, account.reader(), meters, weather, known, since_ms)
        agent = RuledAgent(account, proven, eyes, rulebook, ledger, say, keep)
        await agent.run(clock_of(founding), intervals)


@app.command()
def seat(
    as_: options.As = None,
    key: options.KeyFile = None,
    node: Nodes = None,
    directory: options.Devnet = options.DEVNET,
    genesis: options.Genesis = None,
    vault: Annotated[
        Path | None,
        typer.Option("--vault", help="File with what the seat must keep secret. Default: DIR/seats/MEMBER."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", help="File with the newest header that is believed. Default: VAULT.head."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Hold the member's seat of the threshold key: make keys with the others, and open what the ledger asks for."""
    with reporting(as_json):
        import asyncio

        from node.agents.vault import Vault
        from node.disk import RealDisk
        from node.light.founding import read_founding

        urls = _urls(node, directory)
        founding = read_founding(genesis_path(genesis, directory))
        account = signer(founding.chain_id, as_, key, directory)
        where = directory / "seats" / account.member if vault is None else vault
        disk = RealDisk()
        disk.make_directory(where.parent)
        kept = Vault(where, founding.chain_id, account.member, disk)
        progress(
            f"Holding the seat of {account.member}. Ctrl-C stops it; {where} must stay, and stay secret, "
            "until other keys are made."
        )
        store = where.with_name(f"{where.name}.head") if head is None else head
        try:
            asyncio.run(_hold(urls, founding, account, kept, lambda text: _told(as_json, text), store))
        finally:
            kept.release()


@app.command()
def bill(
    campus: Annotated[str, typer.Argument(help="The member that bills private meters; perhaps this one.")],
    as_: options.As = None,
    key: options.KeyFile = None,
    node: Nodes = None,
    directory: options.Devnet = options.DEVNET,
    genesis: options.Genesis = None,
    as_json: options.Json = False,
) -> None:
    """Bill privately: prove what the member's meters used, answer for its sources, and pay; as the campus, split."""
    with reporting(as_json):
        import asyncio

        from node.cli.purse import owner_of
        from node.light.founding import read_founding

        urls = _urls(node, directory)
        founding = read_founding(genesis_path(genesis, directory))
        account = signer(founding.chain_id, as_, key, directory)
        owner = owner_of(as_, key, directory)
        store = directory / "billing" / f"{account.member}.head"
        progress(f"Billing for {account.member} with {campus}. Ctrl-C stops it; it keeps nothing.")
        asyncio.run(_bill(urls, founding, account, owner, campus, lambda text: _told(as_json, text), store))


async def _bill(
    urls: list[str],
    founding: Founding,
    account: Account,
    owner: Owner,
    campus: str,
    tell: Callable[[str], None],
    store: Path,
) -> None:
    from contracts.cycles import cycle_of
    from node.billing.agents import CampusAgent, OwnerAgent
    from node.billing.biller import Biller
    from node.cli.purse import entropy

    store.parent.mkdir(parents=True, exist_ok=True)
    async with _following(urls, founding, store) as ledger:
        first = ledger.nodes[0]
        params = (await first.genesis()).params

        async def say(body: AccountBody) -> str:
            await account.sync(first)
            result = await first.submit_one(account.sign(body))
            if result.height is not None:
                biller.since(result.height)
            return result.code

        async def present() -> int:
            return cycle_of(params, int((await first.status())["time_ms"]) // params.interval_ms)

        kind = CampusAgent if account.member == campus else OwnerAgent
        biller = kind(owner, ledger, say, entropy)
        await Biller(biller, campus, tell).run(present)


async def _hold(
    urls: list[str], founding: Founding, account: Account, vault: Vault, say: Callable[[str], None], store: Path
) -> None:
    from node.agents.seat import Seat

    async with _following(urls, founding, store) as ledger:
        await Seat(account, ledger, vault, say).run()


def _told(as_json: bool, text: str) -> None:
    emit(as_json, {"said": text}, lambda: line(text))


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
