"""A scenario from start to verdict without a person: up, play, faults on time, observe, check, down.

Bounded: whatever hangs, the run ends by its deadline and says what it was waiting for. Never leaves a process
behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from devnet import leaks, processes, profiles, stakes
from devnet.diary import Diary, Progress
from devnet.directory import Layout, write_whole
from devnet.errors import DevnetError
from devnet.expectations import Failure, check
from devnet.faults import MENDS, Fault, within
from devnet.launcher import Launcher
from devnet.liars import equivocate
from devnet.observation import Observation, Submitted
from devnet.observe import observe
from devnet.scenario import Scenario
from devnet.scenario_checks import AGENTS
from devnet.spec import Expectations
from node.admin import call
from node.cli.context import genesis_document
from node.client import Client
from node.errors import UNREADABLE

POLL_S = 0.05
BASE_TIMEOUT_S = 60.0
INTERVAL_TIMEOUT_S = 15.0
"""What one stepped interval may take, at most; it takes about one second."""
SEALED_TIMEOUT_S = 30.0
"""What one interval with a sealed round may take, at most; it takes about four seconds."""
TRAFFIC_TIMEOUT_FACTOR = 3
MAX_TIMEOUT_S = 900.0
MAX_OBSERVATION_BYTES = 1024 * 1024 * 1024

Say = Callable[[str], None]


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An observation with the expectations it was made for: what `gridpact devnet check` reads."""

    observation: Observation
    expect: Expectations
    faults: tuple[Fault, ...] = ()
    """What broke on the way, for whoever reads the report."""
    zone: str | None = None
    """Time zone of the site, for the same."""


class Report(msgspec.Struct, frozen=True):
    """What `devnet run` prints."""

    scenario: str
    ok: bool
    failures: tuple[dict[str, str], ...]
    height: int
    readings: int
    transactions: int
    intervals: tuple[dict[str, Any], ...]
    faults: tuple[dict[str, Any], ...]
    """What broke, and in which interval of the run."""
    lies: tuple[str, ...]
    """Who lied, how, and what it cost."""
    private: tuple[dict[str, Any], ...]
    """Private billing cycles as they ended."""
    leaks: tuple[str, ...]
    """Secrets of others at suppliers' nodes."""
    sealed: tuple[dict[str, Any], ...]
    """Sealed rounds as they ended."""
    zone: str | None
    data: dict[str, str]
    seconds: dict[str, float]


def run(
    scenario: Scenario,
    directory: Path,
    *,
    intervals: int | None = None,
    recording: Path | None = None,
    keep: bool = False,
    say: Say = lambda text: None,
    reached: Callable[[float], None] = lambda intervals: None,
) -> Report:
    """Run `scenario` in `directory` and judge it; `recording` keeps the observation, `keep` the directory. `reached`
    hears how many intervals have begun.

    Raises `DevnetError` where the run itself could not be carried out (`devnet.*`).
    """
    launcher = Launcher(directory, say)
    count = intervals or scenario.intervals
    started = time.monotonic()
    # Outside the clean-up: a devnet that was here before is somebody else's to stop.
    launcher.refuse_running()
    try:
        launcher.up(scenario, stepped=scenario.load is None and scenario.clock.run == "stepped")
        if scenario.hides:
            asyncio.run(_record(launcher))
        ready = time.monotonic()
        progress = _play(launcher, scenario, count, say, reached)
        played = time.monotonic()
        say("recording what every node shows")
        observation = _observe(launcher, scenario, progress)
        if scenario.hides:
            say("looking for what nobody may know at the suppliers' nodes")
            launcher.kill_all()
            observation = _searched(launcher.layout, scenario, observation)
        judged = Recording(observation, scenario.expect, _faults(scenario, count), launcher.layout.load().zone)
        if recording is not None:
            write_whole(recording, msgspec.json.encode(judged))
        seconds = {
            "ready": round(ready - started, 2),
            "played": round(played - ready, 2),
            "observed": round(time.monotonic() - played, 2),
        }
        return report(judged, seconds)
    finally:
        launcher.down(keep=keep)


def report(recording: Recording, seconds: dict[str, float]) -> Report:
    """Judge a recording."""
    seen = recording.observation
    failures = check(seen, recording.expect)
    return Report(
        scenario=seen.scenario,
        ok=not failures,
        failures=tuple(_document(failure) for failure in failures),
        height=seen.target_height,
        readings=sum(item.kind == "reading" for item in seen.submitted),
        transactions=sum(len(block.transactions) for node in seen.nodes[:1] for block in node.blocks),
        intervals=tuple(
            {
                "interval": view.interval,
                "start_ms": view.start_ms,
                "status": view.status,
                "demand_wh": view.demand_wh,
                "served_wh": view.served_wh,
                "withdrawn_wh": view.withdrawn_wh,
                "losses_wh": view.losses_wh,
                "curtailed_wh": view.curtailed_wh,
                "silent": view.silent,
                "estimated": view.estimated,
                "disputed": tuple(one.line for one in view.disputes),
                "corrections_nano": view.corrections_nano,
                "price_nano_per_wh": view.price_nano_per_wh,
                "paid_nano": str(-sum(int(nano) for nano in view.bills_nano.values() if int(nano) < 0)),
            }
            for view in seen.intervals
        ),
        faults=tuple(_happening(fault) for fault in recording.faults),
        lies=tuple(stakes.told(seen)),
        private=tuple(msgspec.to_builtins(view) for view in seen.private),
        leaks=seen.leaks,
        sealed=tuple(msgspec.to_builtins(view) for view in seen.sealed),
        zone=recording.zone,
        data={"source": seen.profile_source, "sha256": seen.profile_sha256},
        seconds=seconds,
    )


def recheck(path: Path) -> Report:
    """Judge a recording from a file. Raises `DevnetError` (`devnet.recording`)."""
    try:
        if path.stat().st_size > MAX_OBSERVATION_BYTES:
            raise DevnetError("devnet.recording", f"{path} is larger than 1 GiB.", "Check the path.")
        recording = msgspec.json.decode(path.read_bytes(), type=Recording)
    except (OSError, *UNREADABLE) as error:
        raise DevnetError(
            "devnet.recording",
            f"{path} is no recording: {getattr(error, 'strerror', None) or error}.",
            "Make one: `gridpact devnet run --record FILE`.",
        ) from None
    return report(recording, {})


def _happening(fault: Fault) -> dict[str, Any]:
    targets = (*fault.nodes, *fault.meters, *(name for group in fault.groups for name in group))
    return {"action": fault.action, "targets": targets, "interval": fault.interval, "after_ms": fault.after_ms}


def _faults(scenario: Scenario, count: int) -> tuple[Fault, ...]:
    """Those of a run of so many intervals; traffic has none to count, and all of them."""
    return scenario.faults if scenario.load is not None else within(scenario.faults, count)


def _document(failure: Failure) -> dict[str, str]:
    return {"expectation": failure.expectation, "message": failure.message}


def _play(launcher: Launcher, scenario: Scenario, count: int, say: Say, reached: Callable[[float], None]) -> Progress:
    """Let the agents do their part while faults happen on time. Raises `DevnetError`."""
    layout = launcher.layout
    mode = ["--load"] if scenario.load is not None else ["--intervals", str(count)]
    arguments = [*mode, "--record"]
    document, diary = launcher.spawn_agents(arguments), Diary(layout)
    timeout_s = BASE_TIMEOUT_S + count * (INTERVAL_TIMEOUT_S if scenario.sealed is None else SEALED_TIMEOUT_S)
    if scenario.load is not None:
        timeout_s = BASE_TIMEOUT_S + TRAFFIC_TIMEOUT_FACTOR * scenario.load.seconds
    deadline = time.monotonic() + min(timeout_s, MAX_TIMEOUT_S)
    begun_at: float | None = None
    faults = [fault for fault in _faults(scenario, count) if not fault.on_equipment]
    shown = ""
    while True:
        # In this order: agents that end after the first look have said everything before the second.
        ended = processes.state(document.agents, str(layout.root)) == "dead"
        progress = diary.progress()
        reached(progress.begun)
        if progress.begun and begun_at is None:
            begun_at = time.monotonic()
        for fault in [one for one in faults if _due(one, progress, begun_at)]:
            faults.remove(fault)
            say(f"fault: {fault.action} {' | '.join(','.join(group) for group in fault.groups)}{','.join(fault.nodes)}")
            inflict(launcher, fault)
            if AGENTS in fault.nodes:
                document, ended = launcher.spawn_agents(arguments), False
        if progress.done:
            return progress
        if ended:
            raise DevnetError(
                "devnet.agents",
                f"The agents ended early: {progress.error or launcher.log_tail(AGENTS, 8) or 'no word why'}",
                f"Their log: {layout.agents_log}",
            )
        if time.monotonic() > deadline:
            stuck = [f"{one['name']}: {one['stuck'] or one['state']}" for one in launcher.status()]
            raise DevnetError(
                "devnet.timeout",
                f"Gave up after {timeout_s:.0f} s of waiting for {progress.waiting_for}. {'; '.join(stuck)}.",
                f"Logs are in {layout.nodes}, with --keep.",
            )
        if progress.waiting_for != shown:
            shown = progress.waiting_for
            say(f"waiting for {shown}")
        time.sleep(POLL_S)


def _due(fault: Fault, progress: Progress, begun_at: float | None) -> bool:
    """Its time has come; once all is done, whatever mends is due."""
    if progress.done and fault.action in MENDS:
        return True
    if fault.interval is not None:
        return progress.begun > fault.interval
    return begun_at is not None and time.monotonic() - begun_at >= (fault.after_ms or 0) / 1000


def inflict(launcher: Launcher, fault: Fault) -> None:
    """Carry out one fault. Raises `DevnetError` as the launcher does."""
    match fault.action:
        case "kill":
            for name in fault.nodes:
                launcher.kill(name)
        case "restart":
            for name in fault.nodes:
                launcher.restart(name)
        case "pause":
            for name in fault.nodes:
                launcher.pause(name)
        case "resume":
            for name in fault.nodes:
                launcher.resume(name)
        case "partition":
            launcher.partition(fault.groups)
        case "heal":
            launcher.heal()
        case "equivocate":
            for name in fault.nodes:
                asyncio.run(_equivocate(launcher, name))


async def _record(launcher: Launcher) -> None:
    """Let every node write down what it hears and answers from now on."""
    for node in launcher.layout.load().nodes:
        await call(Path(node.home), {"cmd": "record", "path": str(launcher.layout.traffic / node.name)})


def _searched(layout: Layout, scenario: Scenario, seen: Observation) -> Observation:
    """With every secret of others that is on a supplier's disk, in its log or in what its node heard."""
    secrets = leaks.load(layout.secrets)
    suppliers = {meter.member for meter in scenario.meters if meter.private is not None and meter.kind == "source"}
    if scenario.sealed is not None:
        # Thousands of blocks: what reaches one of them reaches all, and one takes long enough.
        suppliers = set(sorted(suppliers.intersection(scenario.nodes))[:1])
    found: list[str] = []
    for node in layout.load().nodes:
        if node.name in suppliers:
            others = [one for one in secrets if one.owner != node.name]
            for place in (Path(node.home), layout.traffic / node.name):
                found += [
                    f"{leak.secret.owner}'s {leak.secret.what} at {leak.place}" for leak in leaks.search(place, others)
                ]
    return msgspec.structs.replace(seen, leaks=tuple(found), secrets=len(secrets))


async def _equivocate(launcher: Launcher, name: str) -> None:
    """Let a validator contradict itself, with the key in its home, and every other node hear of it."""
    document = launcher.layout.load()
    home = next(Path(node.home) for node in document.nodes if node.name == name)
    async with contextlib.AsyncExitStack() as stack:
        others = [node.rpc for node in document.nodes if node.name != name]
        tellers = [await stack.enter_async_context(Client(url)) for url in others]
        await equivocate(name, home, document.chain_id, tellers)


def read_submitted(layout: Layout) -> Sequence[Submitted]:
    """Everything that the agents recorded, once: killed ones may have written what they then said again."""
    if not layout.submitted.exists():
        return ()
    items = msgspec.json.Decoder(Submitted).decode_lines(layout.submitted.read_bytes())
    return tuple({item.hash: item for item in items}.values())


def _observe(launcher: Launcher, scenario: Scenario, progress: Progress) -> Observation:
    layout = launcher.layout
    return asyncio.run(
        observe(
            scenario,
            layout.load(),
            profiles.load(scenario.season),
            read_submitted(layout),
            progress,
            genesis_document(None, layout.root) if scenario.expect.statements_proven else None,
        )
    )
