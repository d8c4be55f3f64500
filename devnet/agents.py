"""The process of all agents of one devnet: `python -m devnet.agents --dir DIR [--intervals N] [--record]`.

Reads the scenario, gives each agent its own member's key and each gateway its own meter's, and plays until it
is stopped or has seen N intervals settle. What it waits for, and what physically happened, is in
`DIR/agents.json`; killed and started again it goes on from there, every reading and offer exactly once. With
`--record` every envelope is written to `DIR/submitted.jsonl` before it is first sent.
With `--load` it makes traffic instead of playing intervals.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from contracts.envelope import CODEC, AccountEnvelope, Domains
from contracts.program.case import Case
from contracts.schedule import first_open
from devnet import keyring, profiles
from devnet.conductor import Conductor, Wallet
from devnet.courier import Courier, PooledClient
from devnet.diary import Diary, Progress
from devnet.directory import Layout, damaged
from devnet.errors import DevnetError
from devnet.faults import within
from devnet.liars import Liar
from devnet.observation import Submitted
from devnet.private import PrivateRun
from devnet.ruled import Ruled, own_data
from devnet.scenario import Scenario
from devnet.scenario_checks import rulebook_of
from devnet.sealed import SealedPlay
from devnet.secretive import Stage
from devnet.tempo import Running, Stepped, Tempo, read_clock
from devnet.trades import hire
from devnet.traffic import Traffic
from devnet.world import Flow, World
from node.agents.book import Book
from node.agents.builder import Allowance, Builder
from node.agents.eyes import Eyes
from node.agents.gateway import MeterGateway
from node.agents.outbox import Outbox
from node.agents.proven import ProvenLedger
from node.agents.seat import Seat
from node.agents.vault import Vault
from node.building import packed
from node.client import Account, Client, MeterKey
from node.clock import SystemClock
from node.disk import AppendFile, RealAppendFile, RealDisk
from node.errors import UNREADABLE, NodeError
from node.home import Home
from node.light.founding import Founding, read_founding
from node.rulebook.ledger import RuleLedger

SOLVE_S = 20.0
"""A builder's patience with its solver."""
LAG_S = 0.05
"""Between two questions to a node that is a block behind, or takes no reading now."""


class KillSafeDisk(RealDisk):
    """Writes without waiting for the medium: they survive a kill, not a power cut.

    Sixty gateways that share one disk would wait for each other as sixty devices never do.
    """

    def open_append(self, path: Path) -> AppendFile:
        """Append-only file whose `sync` returns at once."""
        return _KillSafeFile(path)


class _KillSafeFile(RealAppendFile):
    def sync(self) -> None:
        """What was appended is with the operating system already."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until done, stopped or failed; 0 unless failed."""
    parser = argparse.ArgumentParser(prog="python -m devnet.agents")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--intervals", type=int, default=None)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--load", action="store_true")
    options = parser.parse_args(arguments)
    layout = Layout(options.dir)
    diary = Diary(layout)
    try:
        with contextlib.ExitStack() as stack:
            record: Callable[[Sequence[Submitted]], None] = _forget
            if options.record:
                record = _Recorder(stack.enter_context(_whole_lines(layout.submitted)))
            asyncio.run(_until_stopped(_play(layout, options.intervals, options.load, record, diary)))
    except asyncio.CancelledError:
        return 0
    except NodeError as error:
        progress = diary.progress()
        progress.error = str(error)
        diary.tell(progress)
        print(error, file=sys.stderr)
        return 1
    return 0


async def _until_stopped(work: object) -> None:
    """Await `work`; SIGTERM cancels it."""
    assert asyncio.iscoroutine(work)
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


async def _play(
    layout: Layout,
    intervals: int | None,
    load: bool,
    record: Callable[[Sequence[Submitted]], None],
    diary: Diary,
) -> None:
    document = layout.load()
    scenario = load_scenario(layout)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(PooledClient(node.rpc)) for node in document.nodes]
        courier = Courier(clients, record)
        genesis = await courier.ask(lambda node: node.genesis())
        clock = SystemClock(genesis.devnet_clock)
        if load:
            await _make_traffic(layout, scenario, courier, clock, diary)
            return
        if scenario.private is not None:
            await _bill_privately(layout, scenario, clients, courier, clock, diary, stack)
            return
        if scenario.sealed is not None:
            await _dispatch_sealed(layout, scenario, intervals, clients, courier, clock, diary, stack)
            return
        tempo = await _tempo(layout, courier, clock)
        world = World(scenario, profiles.load(scenario.season))
        faults = () if intervals is None else [one for one in within(scenario.faults, intervals) if one.on_equipment]
        restated = {meter for fault in faults if fault.restate for meter in fault.meters}
        owners = {meter.member for meter in scenario.meters if meter.id in restated}
        chain_id = document.chain_id
        home = Home.at(Path(document.nodes[0].home))
        members = [member.id for member in scenario.members]
        wallets = await wallets_of(layout.agent_keys, members, chain_id, courier)
        persons = await wallets_of(layout.keys, sorted(owners), chain_id, courier)
        for some in (wallets, persons):
            _skip_signed(some, diary)
        gateways, signed = {}, {}
        for gateway, head in await _gateways(layout, [meter.id for meter in scenario.meters], courier, stack):
            gateways[gateway.meter] = gateway
            if gateway.sequence:
                signed[gateway.meter] = int(head["interval"])
            world.registers[gateway.meter] = Flow(int(head["import_wh"]), int(head["export_wh"]))
        if (known := diary.progress().world) is not None:
            world.restore(known)
        founding = read_founding(home.genesis)
        builders = builders_of(layout, scenario, clients, founding, stack)
        if not document.stepped:
            # Where time does not wait for them they wait for nobody either.
            _beside(map(_keep_building, builders), stack)
        _beside(map(_keep_sitting, seats_of(layout, scenario, clients, founding, stack)), stack)
        ruled = _ruled(layout, scenario, world, clients, founding, builders, stack)
        conductor = Conductor(
            scenario,
            world,
            hire(scenario, world, ruled),
            wallets,
            gateways,
            courier,
            chain_id,
            tempo,
            diary,
            faults,
            signed,
            persons,
            builders if document.stepped else (),
        )
        # The first interval whose gate is still ahead.
        params = scenario.params
        first = first_open(params, tempo.now_ms())
        await conductor.run(first, intervals)
        conductor.progress.done = True
        diary.tell(conductor.progress)


async def _make_traffic(
    layout: Layout,
    scenario: Scenario,
    courier: Courier,
    clock: SystemClock,
    diary: Diary,
) -> None:
    plan = scenario.load
    if plan is None:
        raise DevnetError("scenario.load", f"{scenario.name} has no [load].", "Add the table to the scenario.")
    progress = Progress(waiting_for=f"{plan.seconds} s of traffic to be final", begun=1)
    diary.tell(progress)
    traffic = await Traffic.open(layout, scenario, courier, clock, readings=True)
    result = await traffic.run(plan.seconds, plan.readings_per_s, plan.transfers_per_s)
    progress.refused = result.refused
    progress.done = True
    diary.tell(progress)


async def _bill_privately(
    layout: Layout,
    scenario: Scenario,
    clients: Sequence[Client],
    courier: Courier,
    clock: SystemClock,
    diary: Diary,
    stack: contextlib.AsyncExitStack,
) -> None:
    assert scenario.private is not None, "the scenario says so"
    hidden = [meter.id for meter in scenario.meters if meter.private is not None]
    run = PrivateRun(await _stage(layout, scenario, hidden, clients, courier, clock, diary, stack))
    await run.run(scenario.private.cycles)


async def _dispatch_sealed(
    layout: Layout,
    scenario: Scenario,
    intervals: int | None,
    clients: Sequence[Client],
    courier: Courier,
    clock: SystemClock,
    diary: Diary,
    stack: contextlib.AsyncExitStack,
) -> None:
    meters = [meter.id for meter in scenario.meters]
    stage = await _stage(layout, scenario, meters, clients, courier, clock, diary, stack)
    _beside(map(_keep_sitting, seats_of(layout, scenario, clients, stage.founding, stack)), stack)
    play = SealedPlay(stage, World(scenario, profiles.load(scenario.season)))
    await play.run(intervals or scenario.intervals)


async def _stage(
    layout: Layout,
    scenario: Scenario,
    meters: Sequence[str],
    clients: Sequence[Client],
    courier: Courier,
    clock: SystemClock,
    diary: Diary,
    stack: contextlib.AsyncExitStack,
) -> Stage:
    """What a run with secrets plays on, with the gateways of these meters open."""
    document = layout.load()
    founding = read_founding(Home.at(Path(document.nodes[0].home)).genesis)
    tempo = await _tempo(layout, courier, clock)
    wallets = await wallets_of(layout.keys, [one.id for one in scenario.members], document.chain_id, courier)
    gateways = {one.meter: one for one, _ in await _gateways(layout, meters, courier, stack)}
    return Stage(scenario, layout, founding, clients, courier, wallets, gateways, tempo, diary)


async def _tempo(layout: Layout, courier: Courier, clock: SystemClock) -> Tempo:
    """How ledger time passes: by itself, or as the agents step it."""
    document = layout.load()
    if not document.stepped:
        return Running(clock, layout.clock)
    return Stepped([Path(node.home) for node in document.nodes], layout.clock, await _stepped_to(layout, courier))


def _beside(works: Iterable[Coroutine[Any, Any, None]], stack: contextlib.AsyncExitStack) -> None:
    """Let some go on beside everything else, until the stack ends."""
    for work in works:
        stack.callback(asyncio.ensure_future(work).cancel)


async def _stepped_to(layout: Layout, courier: Courier) -> int:
    """Ledger time where the last step went; before the first, where the chain stands."""
    if (setting := read_clock(layout.clock)) is not None:
        return setting.at_ms
    return int((await courier.get("/status"))["time_ms"])


async def wallets_of(keys: Path, members: Sequence[str], chain_id: str, courier: Courier) -> dict[str, Wallet]:
    """A wallet per member with its key in the directory `keys`, at the nonce where the ledger is."""
    wallets = {
        member: Wallet(Account(chain_id, member, keyring.seed(keys / f"{member}.json", "account")))
        for member in members
    }
    await asyncio.gather(*(wallet.catch_up(courier) for wallet in wallets.values()))
    return wallets


def _skip_signed(wallets: dict[str, Wallet], diary: Diary) -> None:
    """Put wallets behind what an earlier process signed and may not have sent."""
    _, parcels = diary.market() or (0, ())
    for parcel in parcels:
        envelope = CODEC.decode(parcel.raw)
        assert isinstance(envelope, AccountEnvelope), "the market speaks with account keys"
        if envelope.sender in wallets:
            wallets[envelope.sender].skip(envelope.public_key, envelope.nonce)


def builders_of(
    layout: Layout,
    scenario: Scenario,
    nodes: Sequence[Client],
    founding: Founding,
    stack: contextlib.AsyncExitStack,
    tell: Callable[[str, int | None, str], None] | None = None,
) -> list[Builder]:
    """A builder per member that has one, each with its own key, book and view of the chain, and its own first node.
    `tell` hears what each says; without it, that is in the agents' log."""
    if scenario.builders:
        # What they solve with: the first round has other things to wait for.
        for name in ("node.solver.build", "highspy"):
            import_module(name)
    found: list[Builder] = []
    for at, spec in enumerate(scenario.builders):
        first = at % len(nodes)
        seed = keyring.seed(layout.builder_keys / f"{spec.member}.json", "account")
        account = Account(founding.chain_id, spec.member, seed)
        ledger = ProvenLedger([*nodes[first:], *nodes[:first]], founding)
        book = Book(layout.books / spec.member, founding.chain_id, spec.member, KillSafeDisk())
        stack.callback(book.release)
        allowance = Allowance(spec.stake_tokens, spec.limit_tokens, spec.claim)
        say = partial(tell or _say, spec.member)
        if spec.lies:
            found.append(Liar(account, ledger, book, allowance, say, spec.lies, _solved, spec.lies_from))
        else:
            found.append(Builder(account, ledger, book, allowance, say, _solved))
    return found


def seats_of(
    layout: Layout,
    scenario: Scenario,
    nodes: Sequence[Client],
    founding: Founding,
    stack: contextlib.AsyncExitStack,
    say: Callable[[str, str], None] | None = None,
) -> list[Seat]:
    """A seat of the threshold key per organisation with a node, where dispatch may be sealed: each with its own key and
    vault, and asks its own node first. `say` hears what each says; without it, that is in the agents' log."""
    found: list[Seat] = []
    for at, member in enumerate(scenario.nodes if scenario.params.sealed.on else ()):
        account = Account(founding.chain_id, member, keyring.seed(layout.seat_keys / f"{member}.json", "account"))
        vault = Vault(layout.vaults / member, founding.chain_id, member, RealDisk())
        stack.callback(vault.release)
        ledger = ProvenLedger([*nodes[at:], *nodes[:at]], founding)
        found.append(Seat(account, ledger, vault, partial(say or _seat_said, member)))
    return found


async def _keep_sitting(seat: Seat) -> None:
    """Hold the seat until cancelled; what another look can't change ends it, and is said."""
    try:
        await seat.run()
    except NodeError as error:
        _seat_said(seat.member, f"it stops: {error}")


def _seat_said(member: str, text: str) -> None:
    """A line in the agents' log."""
    print(f"seat {member}: {text}", flush=True)


async def _solved(case: Case) -> bytes:
    """What the solver finds, in a thread: these builders have a process of their own already."""
    from node.solver.build import build

    return packed((await asyncio.to_thread(build, case, SOLVE_S)).solution)


def _ruled(
    layout: Layout,
    scenario: Scenario,
    world: World,
    nodes: Sequence[Client],
    founding: Founding,
    builders: Sequence[Builder],
    stack: contextlib.AsyncExitStack,
) -> list[Ruled]:
    """An agent per member with a rulebook, each with its own view of the chain and its own first node."""
    found: list[Ruled] = []
    for at, spec in enumerate(scenario.rulebooks):
        first = at % len(nodes)
        seed = keyring.seed(layout.agent_keys / f"{spec.member}.json", "account")
        account = Account(founding.chain_id, spec.member, seed)
        meters = [meter for meter in scenario.meters if meter.member == spec.member and meter.kind != "tie"]
        proven = ProvenLedger([*nodes[first:], *nodes[:first]], founding)
        names = [meter.id for meter in meters]
        known, since_ms = own_data(world, meters), scenario.clock.origin_ms
        eyes = Eyes(proven, spec.member, account.reader(), names, spec.weather, known, since_ms)
        ledger = RuleLedger(layout.rulebooks / spec.member, founding.chain_id, spec.member, KillSafeDisk())
        stack.callback(ledger.release)
        found.append(
            Ruled(
                spec.member,
                meters,
                world,
                rulebook_of(spec),
                eyes,
                ledger,
                layout.rulebooks / f"{spec.member}.jsonl",
                partial(_rule_said, spec.member),
                next((one for one in builders if one.member == spec.member), None),
            )
        )
    return found


def _rule_said(member: str, text: str) -> None:
    """A line in the agents' log."""
    print(f"rulebook {member}: {text}", flush=True)


async def _keep_building(builder: Builder) -> None:
    """Build until cancelled; what another look can't change ends it, and is said."""
    try:
        await builder.run()
    except NodeError as error:
        _say(builder.member, None, f"it stops: {error}")


def _say(member: str, round_: int | None, text: str) -> None:
    """A line in the agents' log."""
    print(f"builder {member}{'' if round_ is None else f' in round {round_}'}: {text}", flush=True)


async def _gateways(
    layout: Layout, meters: Sequence[str], courier: Courier, stack: contextlib.AsyncExitStack
) -> list[tuple[MeterGateway, dict[str, Any]]]:
    """A gateway per meter, closed with the stack, and what the ledger shows of the meter."""
    chain_id = layout.load().chain_id
    opened = await asyncio.gather(*(_gateway(layout, chain_id, meter, courier) for meter in meters))
    for gateway, _ in opened:
        stack.callback(gateway.close)
    return opened


async def _gateway(layout: Layout, chain_id: str, meter: str, courier: Courier) -> tuple[MeterGateway, dict[str, Any]]:
    """The meter's gateway and its chain's head, with everything final that an earlier process signed."""
    seed = keyring.seed(layout.meter_keys / f"{meter}.json", "meter")
    path, disk = layout.outbox / meter, KillSafeDisk()
    courier.record(_unsent(path, disk, chain_id, meter))
    gateway = MeterGateway(MeterKey(chain_id, meter, seed), path, disk)
    await courier.ask(gateway.adopt)
    while gateway.waiting:
        flushed = await courier.ask(gateway.flush)
        if flushed.held:
            await asyncio.sleep(LAG_S)
    while True:
        head: dict[str, Any] = (await courier.get(f"/query/meter/{meter}"))["data"]["head"]
        # Another node may answer than the one that has just taken the reading.
        if int(head["sequence"]) >= gateway.sequence:
            return gateway, head
        await asyncio.sleep(LAG_S)


def _unsent(path: Path, disk: RealDisk, chain_id: str, meter: str) -> list[Submitted]:
    """What waits in an outbox, signed by a process that was killed before it could write it down."""
    outbox, domains = Outbox(path, disk), Domains(chain_id)
    waiting = [
        Submitted(domains.transaction_id(one.envelope).hex(), "reading", meter, one.sequence)
        for one in outbox.waiting.values()
    ]
    outbox.close()
    return waiting


def load_scenario(layout: Layout) -> Scenario:
    """The scenario that the devnet was made from."""
    try:
        return msgspec.json.decode(layout.scenario.read_bytes(), type=Scenario)
    except (OSError, *UNREADABLE) as error:
        raise damaged(layout.scenario, error) from None


def _whole_lines(path: Path) -> BinaryIO:
    """The record opened to append, without the part of a line at which an earlier process was killed."""
    file = path.open("a+b")
    file.seek(0)
    file.truncate(file.read().rfind(b"\n") + 1)
    return file


class _Recorder:
    """Writes submissions down before they are sent, one JSON document per line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __call__(self, items: Sequence[Submitted]) -> None:
        self._file.write(b"".join(msgspec.json.encode(item) + b"\n" for item in items))
        self._file.flush()


def _forget(items: Sequence[Submitted]) -> None:
    """Nobody asked for a record."""


if __name__ == "__main__":
    sys.exit(main())
