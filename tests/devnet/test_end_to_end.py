"""Real node processes under traffic and faults: nothing final is lost, nothing counts twice, roots are equal.

Each run is judged by the same expectations as `gridpact devnet run`; one recording is then broken by hand,
and the command must notice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from devnet import scenario
from devnet.cli import app
from devnet.faults import Fault
from devnet.launcher import Launcher
from devnet.run import Report
from devnet.run import run as play
from devnet.scenario import Scenario
from devnet.spec import Expectations, Load
from node.cli.output import run

SMOKE = scenario.load("smoke")
NODES = SMOKE.nodes
SECONDS = 5


def under_traffic(*faults: Fault) -> Scenario:
    """A short smoke run with these faults."""
    return msgspec.structs.replace(
        SMOKE,
        load=Load(seconds=SECONDS, readings_per_s=80, transfers_per_s=20),
        faults=faults,
        expect=Expectations(readings_at_least=60 * SECONDS, transfers_at_least=15 * SECONDS),
    )


def verdict(report: Report) -> None:
    assert report.ok, report.failures


def test_sigkill_in_the_middle_of_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "recording.json"
    faults = (
        Fault("kill", ("campus",), after_ms=1_000),
        Fault("restart", ("campus",), after_ms=2_500),
    )
    verdict(play(under_traffic(*faults), tmp_path / "net", recording=recording))
    assert not (tmp_path / "net").exists()
    assert run(app, ["devnet", "check", str(recording), "--json"]) == 0

    for breaks, expectation in (
        (drop_a_reading, "submissions_final_once"),
        (change_a_payment, "bills_balance"),
        (swap_a_root, "roots_equal"),
    ):
        assert expectation in judged(recording, tmp_path / "broken.json", breaks, capsys)


def drop_a_reading(seen: dict[str, Any]) -> None:
    hash_ = next(item["hash"] for item in seen["submitted"] if item["kind"] == "reading")
    for block in seen["nodes"][2]["blocks"]:
        block["transactions"] = [entry for entry in block["transactions"] if entry[0] != hash_]


def change_a_payment(seen: dict[str, Any]) -> None:
    bills = next(view["bills_nano"] for view in seen["intervals"] if view["bills_nano"])
    member = next(iter(bills))
    bills[member] = str(int(bills[member]) + 1)


def swap_a_root(seen: dict[str, Any]) -> None:
    seen["nodes"][3]["state_root"] = "00" * 32


def test_all_four_killed_at_once(tmp_path: Path) -> None:
    faults = (Fault("kill", NODES, after_ms=1_500), Fault("restart", NODES, after_ms=1_600))
    verdict(play(under_traffic(*faults), tmp_path / "net"))


def test_partition_and_heal(tmp_path: Path) -> None:
    cut = Fault("partition", groups=(NODES[:2], NODES[2:]), after_ms=1_000)
    verdict(play(under_traffic(cut, Fault("heal", after_ms=4_000)), tmp_path / "net"))


def test_a_window_of_the_campus_with_a_dispute_and_an_owners_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "recording.json"
    window = ["--scenario", "campus", "--intervals", "7", "--dir", str(tmp_path / "net"), "--record", str(recording)]
    assert run(app, ["devnet", "run", *window, "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    assert [view["status"] for view in report["intervals"]] == ["settled"] * 7
    assert all(view["served_wh"] >= view["demand_wh"] > 400_000 for view in report["intervals"])
    assert [view["disputed"] for view in report["intervals"]] == [[], [], [], ["feeder-01"], [], [], []]
    corrections = report["intervals"][4]["corrections_nano"]
    assert set(corrections) == {"campus", "tenant-01", "tenant-23"}
    assert int(corrections["campus"]) > 0 > max(int(corrections["tenant-01"]), int(corrections["tenant-23"]))
    assert len(report["data"]["sha256"]) == 64
    assert not (tmp_path / "net").exists()

    for breaks, expectation in (
        (name_another_meter, "disputed_lines"),
        (settle_at_less, "disputes_decided"),
        (restate_less, "restated_meters"),
        (bill_another_member, "corrections_billed"),
    ):
        assert expectation in judged(recording, tmp_path / "changed.json", breaks, capsys)


def judged(
    recording: Path, changed: Path, breaks: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> set[str]:
    """Expectations that fail once `breaks` has changed what was seen."""
    document = msgspec.json.decode(recording.read_bytes())
    breaks(document["observation"])
    changed.write_bytes(msgspec.json.encode(document))
    capsys.readouterr()
    assert run(app, ["devnet", "check", str(changed), "--json"]) == 1
    return {failure["expectation"] for failure in msgspec.json.decode(capsys.readouterr().out)["failures"]}


def name_another_meter(seen: dict[str, Any]) -> None:
    seen["intervals"][3]["disputes"][0]["receiving_meter"] = "tenant-02-load"


def settle_at_less(seen: dict[str, Any]) -> None:
    seen["intervals"][3]["disputes"][0]["verdict"]["settled_wh"] -= 1


def restate_less(seen: dict[str, Any]) -> None:
    next(one for one in seen["corrected"] if one["cause"] == "restated")["import_wh"] -= 1


def bill_another_member(seen: dict[str, Any]) -> None:
    lines = seen["intervals"][4]["corrections_nano"]
    lines["tenant-02"] = lines.pop("tenant-01")


def test_a_window_of_the_four_sources_with_its_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "recording.json"
    window = ["--scenario", "four-sources", "--intervals", "8", "--dir", str(tmp_path / "net")]
    assert run(app, ["devnet", "run", *window, "--record", str(recording), "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    broken = {(fault["action"], *fault["targets"]) for fault in report["faults"]}
    assert broken > {("kill", "large-wind"), ("kill", "agents"), ("lose", "small-geothermal-well")}
    assert [view["silent"] for view in report["intervals"][2:7]] == [[], *[["small-solar-pv"]] * 3, []]

    for breaks, expectation in (
        (lose_energy, "registers_equal"),
        (let_it_speak, "silent_meters"),
        (forget_the_estimate, "silence_estimated"),
        (forget_the_truth, "silence_estimated"),
        (order_from_the_lost, "lost_sources"),
        (shed_somebody, "load_served"),
    ):
        assert expectation in judged(recording, tmp_path / "changed.json", breaks, capsys)


def lose_energy(seen: dict[str, Any]) -> None:
    seen["nodes"][1]["registers"]["campus-main"][0] -= 1


def let_it_speak(seen: dict[str, Any]) -> None:
    seen["intervals"][4]["silent"] = []


def forget_the_estimate(seen: dict[str, Any]) -> None:
    seen["intervals"][4]["estimated"] = []


def forget_the_truth(seen: dict[str, Any]) -> None:
    del seen["corrected"][1]


def order_from_the_lost(seen: dict[str, Any]) -> None:
    seen["intervals"][7]["supplied_wh"]["small-geothermal-well"] = 1


def shed_somebody(seen: dict[str, Any]) -> None:
    seen["intervals"][5]["shed_wh"] = 1


def test_liars_lose_what_the_rules_take_and_nobody_else_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "recording.json"
    window = ["--scenario", "liars", "--intervals", "4", "--dir", str(tmp_path / "net"), "--record", str(recording)]
    assert run(app, ["devnet", "run", *window, "--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out)
    lies = "; ".join(report["lies"])
    assert "biodiesel was found infeasible and lost 100 of 100 tokens" in lies
    assert "biodiesel was found beaten and lost 100 of 100 tokens" in lies
    assert "wind was found unrevealed and lost 50 of 100 tokens" in lies
    assert "geothermal lost 1000000 tokens and its name for a duplicate-prevote" in lies
    for code in ("wager.commitment", "wager.twice", "wager.phase"):
        assert f"was refused with {code}" in lies
    for honest in ("campus", "utility", "solar"):
        assert not any(f"{honest} was" in lie or f"{honest} lost" in lie for lie in report["lies"])

    for breaks, expectation in (
        (acquit_a_liar, "costs"),
        (let_a_liar_keep_a_token, "losses_by_the_rules"),
        (mint_a_token, "tokens_conserved"),
        (forget_a_refusal, "refused_words"),
        (leave_power_to_the_slashed, "punished"),
        (order_what_is_dear, "wagered_on"),
    ):
        assert expectation in judged(recording, tmp_path / "changed.json", breaks, capsys)


def lie_of(seen: dict[str, Any], number: int, member: str) -> dict[str, Any]:
    wagers: list[dict[str, Any]] = seen["wagering"]["rounds"][number]["wagers"]
    return next(one for one in wagers if one["member"] == member)


def acquit_a_liar(seen: dict[str, Any]) -> None:
    lie_of(seen, 1, "biodiesel")["verdict"] = "valid"


def let_a_liar_keep_a_token(seen: dict[str, Any]) -> None:
    lie_of(seen, 0, "wind")["lost_tokens"] -= 1


def mint_a_token(seen: dict[str, Any]) -> None:
    next(one for one in seen["wagering"]["trusts"] if one["member"] == "solar")["tokens"] += 1


def forget_a_refusal(seen: dict[str, Any]) -> None:
    del seen["wagering"]["refused"][0]


def leave_power_to_the_slashed(seen: dict[str, Any]) -> None:
    next(one for one in seen["wagering"]["trusts"] if one["member"] == "geothermal")["power"] = 500


def order_what_is_dear(seen: dict[str, Any]) -> None:
    one = seen["wagering"]["rounds"][2]
    one["cost_nano"] = str(int(one["fallback_nano"]) + 1)


def test_a_halt_says_why_one_restart_ends_it_and_the_day_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher = Launcher(tmp_path / "net")
    where = ["--dir", str(tmp_path / "net"), "--json"]
    transfer = ["tx", "transfer", "--as", "campus", "--to", "wind", "--amount-nano", "1"]
    try:
        launcher.up(under_traffic())
        launcher.kill(NODES[0])
        launcher.kill(NODES[1])
        assert run(app, [*transfer, "--no-wait", *where]) == 0
        looks = (status(capsys, where)["stuck"] for _ in range(1_000))
        stuck = next(filter(None, looks))
        assert NODES[0] in stuck
        assert NODES[1] in stuck
        launcher.restart(NODES[1])
        # Of another member: the transfer from before may still wait for its block in the lane of the campus.
        assert run(app, ["tx", "transfer", "--as", "wind", "--to", "campus", "--amount-nano", "1", *where]) == 0
        after = status(capsys, where)
        assert after["stuck"] is None
        assert [node["state"] for node in after["nodes"]] == ["dead", "running", "running", "running"]
        draw_the_day(tmp_path / "day.svg", capsys, where)
    finally:
        launcher.down()


def draw_the_day(picture: Path, capsys: pytest.CaptureFixture[str], where: list[str]) -> None:
    """One interval is traded on the living chain, and its picture shows just that."""
    assert run(app, ["query", "interval", "next", *where]) == 0
    interval = last(capsys)["data"]["interval"] + 1
    about = ["--interval", str(interval), *where]
    assert run(app, ["tx", "offer", "--as", "solar", "--meter", "solar-1", "--block", "90000:4000", *about]) == 0
    assert run(app, ["tx", "dispatch", "request", "--as", "campus", "--wh", "3000", *about]) == 0
    assert last(capsys)["served_wh"] == 3_000
    assert run(app, ["plot", "day", "--interval-from", str(interval), "--out", str(picture), *where]) == 0
    drawn = last(capsys)
    assert (drawn["first_interval"], drawn["intervals"]) == (interval, 1)
    bars = [one.attrib for one in ElementTree.parse(picture).iter() if "data-wh" in one.attrib]
    assert {(one["data-interval"], one["data-wh"]) for one in bars} >= {(str(interval), "3000")}


def last(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The newest document that a command printed."""
    document: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    return document


def status(capsys: pytest.CaptureFixture[str], where: list[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(app, ["devnet", "status", *where]) == 0
    document: dict[str, Any] = msgspec.json.decode(capsys.readouterr().out)
    return document
