"""`gridpact agent build | run | seat | bill | device | deliver`: what acts for a member until it is stopped."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from node.cli import options
from node.cli.context import Connection, genesis_path, node_urls, signer
from node.cli.output import emit, line, progress, reporting, table
from node.cli.wager import claim_of
from node.errors import UNREADABLE, NodeError

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

app = typer.Typer(help="Agents that act for a member.", no_args_is_help=True)


@app.callback()
def agent() -> None:
    """Agents that act for a member."""


class Actor(NamedTuple):
    """Who acts, by which nodes, and where it keeps what it must not forget, and the newest header that it believes."""

    account: Account
    urls: list[str]
    founding: Founding
    where: Path
    head: Path


def _actor(acting: options.Acting, folder: str, file: Path | None = None, head: Path | None = None) -> Actor:
    """Whom the options name; without `file` it keeps what it must in `folder`. Raises NodeError."""
    from node.disk import RealDisk
    from node.light.founding import read_founding

    directory = acting.directory
    urls = [url for one in acting.node or () for url in node_urls(one, directory)] or node_urls(None, directory)
    founding = read_founding(genesis_path(acting.genesis, directory))
    account = signer(founding.chain_id, acting.as_, acting.key, directory)
    where = directory / folder / account.member if file is None else file
    RealDisk().make_directory(where.parent)
    return Actor(account, urls, founding, where, where.with_name(f"{where.name}.head") if head is None else head)


def _teller(as_json: bool, what: str) -> Callable[[int | None, str], None]:
    """Prints a line for everything that happens, in a numbered `what` or in none."""

    def say(number: int | None, text: str) -> None:
        place = "" if number is None else f"{what} {number}: "
        emit(as_json, {what: number, "said": text}, lambda: line(place + text))

    return say


@app.command()
@options.grouped
def build(
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
    *,
    acting: options.Acting,
) -> None:
    """Wager on open rounds, build solutions, reveal them in time; one line for everything that happens."""
    with reporting(acting.as_json):
        import asyncio

        from node.agents.book import Book
        from node.agents.builder import Allowance
        from node.disk import RealDisk

        allowance = Allowance(stake, limit, claim_of(claim))
        actor = _actor(acting, "builders", book, head)
        member = actor.account.member
        kept = Book(actor.where, actor.founding.chain_id, member, RealDisk())
        progress(
            f"Building for {member}: {kept.page.lost_tokens} of at most {limit} tokens lost so far, "
            f"{kept.staked_tokens} at stake. Ctrl-C stops it; {actor.where} must stay until all is judged."
        )
        try:
            asyncio.run(_build(actor, kept, allowance, _teller(acting.as_json, "round"), rounds))
        finally:
            kept.release()


async def _build(
    actor: Actor, book: Book, allowance: Allowance, say: Callable[[int | None, str], None], rounds: int | None
) -> None:
    from node.agents.builder import Builder

    async with _following(actor) as ledger:
        await Builder(actor.account, ledger, book, allowance, say).run(rounds)


@asynccontextmanager
async def _following(actor: Actor) -> AsyncIterator[ProvenLedger]:
    """What nodes prove, gone on from the header that the actor believes, which is kept up to date."""
    import asyncio

    from node.agents.proven import ProvenLedger
    from node.client import Client
    from node.light.session import load, save

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url)) for url in actor.urls]
        ledger = ProvenLedger(clients, actor.founding, head=load(actor.head))

        def keep() -> None:
            if ledger.head is not None:
                save(actor.head, ledger.head)

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
@options.grouped
def run(
    rulebook: Annotated[Path, typer.Option("--rulebook", help="The rulebook, TOML; see docs/rulebooks.md.")],
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
    *,
    acting: options.Acting,
) -> None:
    """Act for a member by its rulebook, before the offers of each interval lock; one line for everything it does."""
    with reporting(acting.as_json):
        import asyncio

        from node.cli.context import genesis_document
        from node.disk import RealDisk
        from node.rulebook.document import load
        from node.rulebook.ledger import RuleLedger

        # Before anything else: a rulebook with a mistake does not act at all.
        rules = load(rulebook)
        actor = _actor(acting, "rulebooks", state, head)
        member = actor.account.member
        document = genesis_document(acting.genesis, acting.directory)
        meters = [one.id for one in document.meters if one.member == member and one.kind != "tie"]
        ledger = RuleLedger(actor.where, actor.founding.chain_id, member, RealDisk())
        progress(f"Acting for {member} by {rulebook}; Ctrl-C stops it, and {actor.where} remembers its limits.")
        seen = (meters, weather or [], own, record, document.time_ms)
        try:
            asyncio.run(_act(actor, rules, ledger, _teller(acting.as_json, "interval"), seen, intervals))
        finally:
            ledger.release()


async def _act(
    actor: Actor,
    rulebook: Rulebook,
    ledger: RuleLedger,
    say: Callable[[int | None, str], None],
    seen: tuple[list[str], list[str], Path | None, Path | None, int],
    intervals: int | None,
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
        except (OSError, *UNREADABLE) as error:
            say(interval, f"rulebook.own: {own} tells nothing: {error}")
            return {}

    def keep(sight: Sight) -> None:
        if record is not None:
            with record.open("ab") as file:
                file.write(msgspec.json.encode(sight) + b"\n")

    account = actor.account
    async with _following(actor) as proven:
        eyes = Eyes(proven, account.member, account.reader(), meters, weather, known, since_ms)
        agent = RuledAgent(account, proven, eyes, rulebook, ledger, say, keep)
        await agent.run(clock_of(actor.founding), intervals)


@app.command()
@options.grouped
def seat(
    vault: Annotated[
        Path | None,
        typer.Option("--vault", help="File with what the seat must keep secret. Default: DIR/seats/MEMBER."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option("--head", help="File with the newest header that is believed. Default: VAULT.head."),
    ] = None,
    *,
    acting: options.Acting,
) -> None:
    """Hold the member's seat of the threshold key: make keys with the others, and open what the ledger asks for."""
    with reporting(acting.as_json):
        import asyncio

        from node.agents.vault import Vault
        from node.disk import RealDisk

        actor = _actor(acting, "seats", vault, head)
        member = actor.account.member
        kept = Vault(actor.where, actor.founding.chain_id, member, RealDisk())
        progress(
            f"Holding the seat of {member}. Ctrl-C stops it; {actor.where} must stay, and stay secret, "
            "until other keys are made."
        )
        try:
            asyncio.run(_hold(actor, kept, lambda text: _told(acting.as_json, text)))
        finally:
            kept.release()


@app.command()
@options.grouped
def bill(
    campus: Annotated[str, typer.Argument(help="The member that bills private meters; perhaps this one.")],
    acting: options.Acting,
) -> None:
    """Bill privately: prove what the member's meters used, answer for its sources, and pay; as the campus, split."""
    with reporting(acting.as_json):
        import asyncio

        from node.cli.purse import owner_of

        actor = _actor(acting, "billing")
        owner = owner_of(acting.as_, acting.key, acting.directory)
        progress(f"Billing for {owner.member} with {campus}. Ctrl-C stops it; it keeps nothing.")
        asyncio.run(_bill(actor, owner, campus, lambda text: _told(acting.as_json, text)))


async def _bill(actor: Actor, owner: Owner, campus: str, tell: Callable[[str], None]) -> None:
    from contracts.cycles import cycle_of
    from node.billing.agents import CampusAgent, OwnerAgent
    from node.billing.biller import Biller
    from node.cli.purse import entropy

    account = actor.account
    async with _following(actor) as ledger:
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


async def _hold(actor: Actor, vault: Vault, say: Callable[[str], None]) -> None:
    from node.agents.seat import Seat

    async with _following(actor) as ledger:
        await Seat(actor.account, ledger, vault, say).run()


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
            except UNREADABLE as error:
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
