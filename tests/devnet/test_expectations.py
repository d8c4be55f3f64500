"""Every expectation, broken alone, fails; and a recorded run can be judged again from its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contracts.params import WagerParams
from devnet.cli import app
from devnet.expectations import check
from devnet.observation import (
    HIDDEN,
    BlockView,
    Corrected,
    CycleView,
    Decided,
    Disputed,
    IndexWord,
    IntervalView,
    Moved,
    NodeView,
    Observation,
    Punished,
    Refused,
    RoundView,
    SealedView,
    StatementView,
    Submitted,
    TrustView,
    Wagering,
    WagerView,
)
from devnet.run import Recording
from devnet.spec import Cost, CycleEnd, DisputeSpan, Expectations, MeterSpan, RefusedWord, SealedEnd
from node.cli.output import run

replace = msgspec.structs.replace
NAMES = ("north", "east", "south", "west")
READINGS = tuple(Submitted(f"{number:064x}", "reading", "meter-1", number) for number in range(1, 4))
TRANSFER = Submitted("f" * 64, "transfer", "ann")
BLOCKS = (
    BlockView(1, "b1", ((READINGS[0].hash, "ok"), (TRANSFER.hash, "ok"))),
    BlockView(2, "b2", ((READINGS[1].hash, "ok"), (READINGS[2].hash, "reading.gap"))),
    BlockView(3, "b3", ((READINGS[2].hash, "ok"),)),
)
SETTLED = IntervalView(
    interval=7,
    status="settled",
    demand_wh=900,
    served_wh=1000,
    shed_wh=0,
    unserved_wh=0,
    price_nano_per_wh=50,
    injected_wh=1010,
    withdrawn_wh=1000,
    losses_wh=10,
    curtailed_wh=0,
    bills_nano={"ann": "-500", "bob": "500"},
    supplied_wh={"source-1": 600},
)
FLOWED = {"sender": (700, 400), "receiver": (390, 0), "parent": (400, 400)}
ENDS = ("sender", "receiver", "parent")
DISPUTE = Disputed("line-1", *ENDS, 195, 205, Decided(400, 400, 9, False))
# The run's second interval: one meter is broken, one source is lost.
BROKEN_DOWN = replace(
    SETTLED,
    interval=8,
    bills_nano={},
    silent=("meter-2",),
    estimated=("meter-2",),
    supplied_wh={},
    disputes=(DISPUTE,),
    flowed=FLOWED | {"meter-3": (90, 0)},
)
# In the third the meter speaks again, and is trued up; the verdict of a dispute and an owner's word are billed.
WHOLE_AGAIN = replace(
    SETTLED, interval=9, bills_nano={}, supplied_wh={}, corrections_nano={"ann": "-60", "bob": "50", "cid": "4"}
)
LAST = tuple(replace(SETTLED, interval=interval, bills_nano={}, supplied_wh={}) for interval in (10, 11))
VERDICTS = (
    Corrected("receiver", 8, 9, "verdict", "ann", 400, 0, "-40"),
    Corrected("sender", 8, 9, "verdict", "bob", 700, 400, "50"),
)
RETURN = Corrected("meter-2", 8, 9, "returned", "cid", 1, 0, "4")
WORD = Corrected("meter-3", 8, 9, "restated", "ann", 90, 0, "-20")
CORRECTED = (RETURN, *VERDICTS, WORD)
TERMS = WagerParams(on=True)
TOLD = (Refused("ann", 1, "wager.twice"),)
OFFENCE = Punished("dan", "duplicate-prevote", 1, 600, "bob", 30)


def round_about(number: int) -> RoundView:
    """A round in which three wager and the first one lies if it is the first round."""
    wagers = tuple(WagerView(name, "least-cost", 100, "best", 0, 0, "900") for name in ("ann", "bob", "cid"))
    if number == 0:
        wagers = (WagerView("ann", "least-cost", 100, "infeasible", 100, 0), *wagers[1:])
    if number == 4:
        wagers = (wagers[0], replace(wagers[1], reward_nano="7"), wagers[2])
    half = 500_000
    return RoundView(number, 7 + number, "judged", "none", "bob", "900", "900", ("ann", "bob", "cid"), wagers, half)


# A lie, a shortfall, a saving in the first epoch and one in the same epoch that raises nothing more.
WORDS = (
    IndexWord(1, "ann", 0, "infeasible"),
    IndexWord(2, "cid", lost_ppm=500),
    IndexWord(2, "cid", 1, "best", "70"),
    IndexWord(2, "cid", 2, "valid", "80"),
)
STAKES = Wagering(
    terms=TERMS,
    epoch_blocks=1,
    opening={name: (1_000, 500_000) for name in ("ann", "bob", "cid", "dan")},
    pool_tokens=670,
    trusts=(
        TrustView("ann", 900, 0, 375_000, False, 3),
        TrustView("bob", 1_030, 0, 500_000, False, 3),
        TrustView("cid", 1_000, 0, 499_500 + 500_500 // 128, False, 3),
        TrustView("dan", 400, 0, 0, True, 0),
    ),
    rounds=tuple(map(round_about, range(5))),
    refused=TOLD,
    punished=(OFFENCE,),
    words=WORDS,
)
STATEMENTS = (StatementView("ann", 0, "-500"), StatementView("bob", 0, "500"))
ROUND = SealedView(
    interval=7,
    phase="done",
    outcome="balanced",
    reason="none",
    demand_wh=10,
    target_wh=10,
    price_nano_per_wh=5,
    awarded_wh=9,
    paid_nano="45",
    bidders=("ann", "bob", "cid"),
    short=("ann",),
    lost=(),
    openings=4,
    ticks=4,
    seconds=1.0,
    beside_wh=0,
)
CYCLE = CycleView("campus", 1, "done", 4, (), (), {"meter-1": "equal"}, (), 0, True)
GOOD = Observation(
    scenario="test",
    chain_id="test-0",
    profile_source="nowhere",
    profile_sha256="0",
    target_height=3,
    nodes=tuple(NodeView(name, 3, "r3", BLOCKS, {"meter-1": 3}, {"meter-1": (40, 2)}) for name in NAMES),
    submitted=(*READINGS, TRANSFER),
    transfers=(Moved("ann", "bob", "25"), Moved("bob", HIDDEN, "5"), Moved(HIDDEN, "ann", "2")),
    opening_nano={"ann": "1000", "bob": "0"},
    balances_nano={"ann": "477", "bob": "520"},
    intervals=(SETTLED, BROKEN_DOWN, WHOLE_AGAIN, *LAST),
    expected_intervals=(7, 8, 9, 10, 11),
    shown={"meter-1": (40, 2)},
    corrected=CORRECTED,
    wagering=STAKES,
    statements=STATEMENTS,
    private=(CYCLE,),
    sealed=(ROUND,),
    secrets=9,
)
ALL = Expectations(
    load_served=True,
    intervals_settled=True,
    readings_at_least=3,
    transfers_at_least=1,
    silent_meters=(MeterSpan("meter-2", 1, 2),),
    lost_sources=(MeterSpan("source-1", 1),),
    disputed_lines=(DisputeSpan(*ENDS, line="line-1", from_interval=1, until_interval=2),),
    restated_meters=(MeterSpan("meter-3", 1, 2),),
    wagered_on=True,
    statements_proven=True,
    builders_earn=True,
    under_delivered=("cid",),
    costs=(Cost("ann", ("infeasible",)), Cost("cid", ("best",), from_round=3)),
    refused_words=(RefusedWord("ann", 1, "wager.twice"),),
    punished=("dan",),
    private_cycles=CycleEnd(4),
    sealed=(SealedEnd(0, short=("ann",)),),
)


def with_stakes(**fields: object) -> Observation:
    return replace(GOOD, wagering=replace(STAKES, **fields))


def with_trust(at: int, **fields: object) -> Observation:
    trusts = list(STAKES.trusts)
    trusts[at] = replace(trusts[at], **fields)
    return with_stakes(trusts=tuple(trusts))


def with_round(at: int, **fields: object) -> Observation:
    rounds = list(STAKES.rounds)
    rounds[at] = replace(rounds[at], **fields)
    return with_stakes(rounds=tuple(rounds))


def with_wager(at: int, place: int, **fields: object) -> Observation:
    wagers = list(STAKES.rounds[at].wagers)
    wagers[place] = replace(wagers[place], **fields)
    return with_round(at, wagers=tuple(wagers))


def with_node(change: Callable[[NodeView], NodeView]) -> Observation:
    """The good observation with its last node changed."""
    *others, last = GOOD.nodes
    return replace(GOOD, nodes=(*others, change(last)))


def with_interval(**fields: object) -> Observation:
    return replace(GOOD, intervals=(replace(SETTLED, **fields), BROKEN_DOWN, WHOLE_AGAIN, *LAST))


def with_second(**fields: object) -> Observation:
    return replace(GOOD, intervals=(SETTLED, replace(BROKEN_DOWN, **fields), WHOLE_AGAIN, *LAST))


def with_cycle(**fields: object) -> Observation:
    return replace(GOOD, private=(replace(CYCLE, **fields),))


def with_verdict(**fields: object) -> Observation:
    verdict = DISPUTE.verdict
    assert verdict is not None
    return with_second(disputes=(replace(DISPUTE, verdict=replace(verdict, **fields)),))


def with_corrections(old: Corrected, **fields: object) -> Observation:
    return replace(GOOD, corrected=tuple(replace(one, **fields) if one is old else one for one in CORRECTED))


def with_block(node: NodeView, height: int, **fields: object) -> NodeView:
    blocks = tuple(replace(block, **fields) if block.height == height else block for block in node.blocks)
    return replace(node, blocks=blocks)


TWICE = (*BLOCKS[2].transactions, (READINGS[0].hash, "ok"))
BROKEN: dict[str, list[Observation]] = {
    "caught_up": [
        with_node(lambda node: replace(node, height=0, blocks=(), state_root="r3")),
    ],
    "roots_equal": [
        with_node(lambda node: replace(node, state_root="r4")),
        with_node(lambda node: with_block(node, 2, id="other")),
        with_node(lambda node: replace(node, blocks=node.blocks[1:])),
    ],
    "submissions_final_once": [
        with_node(lambda node: with_block(node, 3, transactions=())),
        with_node(lambda node: with_block(node, 3, transactions=TWICE)),
        with_node(lambda node: replace(node, sequences={"meter-1": 2})),
        with_node(lambda node: replace(node, sequences={"meter-1": 4})),
        replace(GOOD, submitted=(*GOOD.submitted, Submitted("e" * 64, "need", "ann"))),
    ],
    "money_conserved": [
        replace(GOOD, balances_nano={"ann": "477", "bob": "521"}),
        replace(GOOD, balances_nano={"ann": "478", "bob": "519"}),
        replace(GOOD, transfers=()),
        replace(GOOD, transfers=GOOD.transfers[:2]),
        replace(GOOD, transfers=(*GOOD.transfers, Moved("ann", HIDDEN, "9"))),
    ],
    "bills_balance": [with_interval(bills_nano={"ann": "-500", "bob": "501"})],
    "load_served": [
        with_interval(shed_wh=1),
        with_interval(served_wh=899),
        with_interval(unserved_wh=1),
        with_interval(demand_wh=0),
    ],
    "intervals_settled": [with_interval(status="ordered"), replace(GOOD, expected_intervals=(7, 8, 9, 10, 11, 12))],
    "registers_equal": [
        with_node(lambda node: replace(node, registers={"meter-1": (39, 2)})),
        with_node(lambda node: replace(node, registers={"meter-1": (40, 3)})),
        with_node(lambda node: replace(node, registers={})),
        replace(GOOD, shown={"meter-1": (80, 2)}),
    ],
    "silent_meters": [
        with_second(silent=()),
        with_second(silent=("meter-2", "meter-3")),
        with_second(silent=("meter-3",)),
        with_interval(silent=("meter-2",)),
    ],
    "silence_estimated": [
        with_second(estimated=()),
        with_second(estimated=("meter-2", "meter-3")),
        with_second(silent=()),
        replace(GOOD, corrected=()),
        with_corrections(RETURN, booked_in=10),
        with_corrections(RETURN, meter="meter-3"),
        with_corrections(RETURN, cause="restated"),
        replace(GOOD, intervals=(SETTLED, BROKEN_DOWN)),
    ],
    "disputed_lines": [
        with_second(disputes=()),
        with_second(disputes=(DISPUTE, replace(DISPUTE, line="line-2"))),
        with_second(disputes=(replace(DISPUTE, receiving_meter="meter-2"),)),
        with_second(disputes=(replace(DISPUTE, parent_meter="meter-2"),)),
        with_interval(disputes=(DISPUTE,)),
    ],
    "disputes_decided": [
        with_second(disputes=(replace(DISPUTE, verdict=None),)),
        with_verdict(final=True),
        with_verdict(decided_in=10),
        with_verdict(settled_wh=399),
        with_verdict(parent_wh=401),
        with_second(flowed=FLOWED | {"parent": (300, 300), "meter-3": (90, 0)}),
        with_corrections(VERDICTS[0], import_wh=399),
        with_corrections(VERDICTS[1], export_wh=399),
        with_corrections(VERDICTS[1], booked_in=10),
        with_corrections(VERDICTS[0], final=True),
        with_corrections(VERDICTS[0], cause="restated"),
    ],
    "restated_meters": [
        replace(GOOD, corrected=(RETURN, *VERDICTS)),
        with_corrections(WORD, import_wh=89),
        with_corrections(WORD, meter="meter-4"),
        with_corrections(WORD, cause="returned"),
        replace(GOOD, corrected=(*CORRECTED, replace(WORD, interval=7))),
    ],
    "corrections_billed": [
        with_corrections(WORD, amount_nano="-21"),
        with_corrections(WORD, booked_in=10),
        with_corrections(WORD, member="bob"),
        with_corrections(VERDICTS[1], final=True),
        with_interval(corrections_nano={"ann": "1"}),
    ],
    "lost_sources": [
        with_second(supplied_wh={"source-1": 1}),
        with_interval(supplied_wh={}),
    ],
    "statements_proven": [
        replace(GOOD, statements=()),
        replace(GOOD, statements=STATEMENTS[:1]),
        replace(GOOD, statements=(replace(STATEMENTS[0], code="proof.trail"), STATEMENTS[1])),
        replace(GOOD, statements=tuple(replace(one, total_nano="0") for one in STATEMENTS)),
        replace(GOOD, statements=(STATEMENTS[0], replace(STATEMENTS[1], total_nano="501"))),
        replace(GOOD, statements=(*STATEMENTS, StatementView("ann", 1, "-1"), StatementView("bob", 2, "1"))),
    ],
    "everything_accepted": [
        replace(
            GOOD,
            nodes=tuple(
                with_block(node, 1, transactions=((READINGS[0].hash, "ok"), (TRANSFER.hash, "money.insufficient")))
                for node in GOOD.nodes
            ),
        )
    ],
    "readings_at_least": [replace(GOOD, submitted=GOOD.submitted[1:])],
    "transfers_at_least": [replace(GOOD, submitted=GOOD.submitted[:-1])],
    "wagered_on": [
        with_stakes(rounds=STAKES.rounds[1:]),
        with_round(1, reason="late"),
        with_round(1, phase="reveal"),
        with_round(1, wagers=STAKES.rounds[1].wagers[:1]),
        with_round(1, cost_nano="901"),
        replace(GOOD, wagering=None),
    ],
    "costs": [
        with_wager(0, 0, verdict="best", lost_tokens=0),
        with_wager(0, 0, verdict="unrevealed", lost_tokens=50),
        with_wager(2, 1, verdict="infeasible", lost_tokens=100),
        with_round(3, wagers=STAKES.rounds[3].wagers[:2]),
        with_round(0, wagers=STAKES.rounds[0].wagers[1:]),
        with_stakes(rounds=()),
    ],
    "losses_by_the_rules": [
        with_wager(0, 0, lost_tokens=99),
        with_wager(3, 2, lost_tokens=1),
        with_trust(0, index_ppm=500_000),
        with_trust(1, index_ppm=499_999),
        with_trust(3, index_ppm=1),
        with_stakes(words=WORDS[1:]),
        with_stakes(words=(WORDS[0], *WORDS[2:])),
        with_stakes(words=WORDS[:2]),
        with_stakes(words=(*WORDS, IndexWord(3, "cid", 3, "best", "9"))),
    ],
    "builders_earn": [
        with_wager(4, 1, reward_nano="0"),
        with_stakes(rounds=()),
        replace(GOOD, wagering=None),
    ],
    "under_delivered": [
        with_stakes(words=(WORDS[0], *WORDS[2:])),
        with_stakes(words=(*WORDS, IndexWord(3, "bob", lost_ppm=1))),
        replace(GOOD, wagering=None),
    ],
    "refused_words": [
        with_stakes(refused=()),
        with_stakes(refused=(*TOLD, *TOLD)),
        with_stakes(refused=(replace(TOLD[0], code="wager.phase"),)),
        with_stakes(refused=(*TOLD, Refused("cid", 0, "wager.twice"))),
    ],
    "tokens_conserved": [
        with_stakes(pool_tokens=671),
        with_trust(0, tokens=901),
        with_trust(1, tokens=1_000),
        with_stakes(trusts=STAKES.trusts[:3]),
    ],
    "punished": [
        with_trust(3, tombstoned=False),
        with_trust(2, tombstoned=True),
        with_trust(3, bonded_tokens=1),
        with_trust(3, power=3),
        with_stakes(punished=()),
    ],
    "private_cycles": [
        with_cycle(phase="paying"),
        with_cycle(uses=3),
        with_cycle(wide=("meter-1",)),
        with_cycle(named=(("ann", "meter-1", "silent"),)),
        with_cycle(unpaid=("meter-1",)),
        with_cycle(adds_up=False),
        replace(GOOD, private=()),
    ],
    "sealed": [
        replace(GOOD, sealed=(replace(ROUND, phase="delivering"),)),
        replace(GOOD, sealed=(replace(ROUND, short=()),)),
        replace(GOOD, sealed=()),
    ],
    "secrets_kept": [
        replace(GOOD, leaks=("ann's use of meter-1 at a log",)),
        replace(GOOD, secrets=0),
    ],
}


def test_a_good_run_passes() -> None:
    assert check(GOOD, ALL) == []


@pytest.mark.parametrize(
    ("expectation", "seen"), [(name, seen) for name, variants in BROKEN.items() for seen in variants]
)
def test_each_expectation_notices_what_it_is_about(expectation: str, seen: Observation) -> None:
    failed = {failure.expectation for failure in check(seen, ALL)}
    assert expectation in failed


SWITCHES = sorted(name for name in BROKEN if isinstance(getattr(ALL, name), bool))


@pytest.mark.parametrize("expectation", SWITCHES)
def test_what_is_not_expected_is_not_judged(expectation: str) -> None:
    indifferent = replace(ALL, **{expectation: False})
    for seen in BROKEN[expectation]:
        assert expectation not in {failure.expectation for failure in check(seen, indifferent)}


@pytest.mark.parametrize("hid", ["private", "sealed"])
def test_secrets_are_judged_wherever_anything_was_hidden_whatever_is_expected_of_it(hid: str) -> None:
    nothing = replace(ALL, private_cycles=None, sealed=())
    open_, found = replace(GOOD, private=(), sealed=()), ("ann's use of meter-1 at a log",)
    assert "secrets_kept" not in {one.expectation for one in check(replace(open_, secrets=0), nothing)}
    for seen in (replace(open_, leaks=found), replace(open_, secrets=0)):
        failed = {one.expectation for one in check(replace(seen, **{hid: getattr(GOOD, hid)}), nothing)}
        assert "secrets_kept" in failed


def test_every_expectation_is_attacked_here() -> None:
    assert set(BROKEN) == set(Expectations.__struct_fields__)


def test_a_failure_names_some_offenders_and_counts_the_rest() -> None:
    lost = tuple(Submitted(f"{number:064x}", "need", "ann") for number in range(100, 110))
    (failure,) = check(replace(GOOD, submitted=(*GOOD.submitted, *lost)), ALL)
    assert "and 37 more" in failure.message


def judge(path: Path, seen: Observation) -> int:
    path.write_bytes(msgspec.json.encode(Recording(seen, ALL)))
    return run(app, ["devnet", "check", str(path), "--json"])


def test_check_exits_with_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "recording.json"
    assert judge(path, GOOD) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["ok"] is True
    assert judge(path, BROKEN["submissions_final_once"][0]) == 1
    assert msgspec.json.decode(capsys.readouterr().out)["failures"]
    for variants in BROKEN.values():
        for seen in variants:
            assert judge(path, seen) == 1
    capsys.readouterr()


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", "", "\0"])
def test_a_zone_that_this_machine_does_not_know_costs_the_site_times_alone(
    zone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording may come from another machine, or from anybody."""
    path = tmp_path / "recording.json"
    path.write_bytes(msgspec.json.encode(Recording(GOOD, ALL, zone=zone)))
    assert run(app, ["devnet", "check", str(path)]) == 0
    assert "every expectation holds" in capsys.readouterr().out


def test_check_says_what_is_wrong_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in (b"", b"{}", b"\x00garbage"):
        path = tmp_path / "bad.json"
        path.write_bytes(content)
        assert run(app, ["devnet", "check", str(path), "--json"]) == 1
        assert msgspec.json.decode(capsys.readouterr().out)["code"] == "devnet.recording"
    assert run(app, ["devnet", "check", str(tmp_path / "none.json"), "--json"]) == 1
