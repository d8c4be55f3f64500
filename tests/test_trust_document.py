"""`docs/trust.md` says what was played: its tables, its figures, and every number in the text between them."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from consensus import power
from consensus.committee import EVERYBODY
from consensus.proposers import ACTIVE, FAILED, FLOOR_PERCENT, INACTIVE, MAX_FAILED_PERCENT, MIN_WINDOW, WINDOW_PER_SEAT
from contracts.genesis import ConsensusParams
from contracts.members import STARTING_INDEX_PPM
from contracts.params import DAY_MS, WagerParams
from contracts.wagers.judging import loss_tokens
from devnet.trustlab import coalitions, members
from devnet.trustlab.members import ABSENT, HONEST, LIAR, OFFENCE_EPOCH, ONCE, TWICE, VOTER
from devnet.trustlab.report import findings
from devnet.trustlab.tables import fill, named, percent, tables

DOCUMENT = Path(__file__).parent.parent / "docs" / "trust.md"
AGAIN = "python -P docs/pictures/trust.py docs"
FIGURES = ("A hundred epochs", "What a cartel can and can not do", "Limits")
"""Sections in which every number was played, or is a rule."""


def prose(text: str) -> str:
    """A text in one line, without tables, pictures, links and code."""
    kept = [line for line in text.splitlines() if not line.startswith(("|", "![", "<!--", "    ", "#"))]
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"\s+", " ", " ".join(kept)))


def sections(text: str) -> dict[str, str]:
    """Text below each heading of the second level."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def played() -> list[str]:
    """What the text says of what was played, word by word."""
    found = findings()
    life, dead, rejected = found.life, found.dead, found.rejected
    liar, once, voter, builder = (life.of(name) for name in (LIAR, ONCE, VOTER, HONEST[0]))
    lies = life.lies[LIAR]
    [lied] = life.lies[ONCE]
    back = next(one.epoch for one in once[lied:] if one.index_ppm >= once[lied - 1].index_ppm)
    _, halting, ruling = found.joins
    [four_of_seven] = [one for one in found.thresholds if (one.organisations, one.names) == (7, 4)]
    slow, slower = dead.first_ppm / 10_000, dead.later.wasted_ppm / 10_000
    first_success = found.speeds[0].reached_ppm[0] - STARTING_INDEX_PPM
    rewards = {
        name: life.of(name)[OFFENCE_EPOCH].tokens - life.of(name)[OFFENCE_EPOCH - 1].tokens for name in members.NAMES
    }
    reward = rewards[ONCE]
    assert reward == max(rewards.values()), "by chance it proposed the block with the evidence"
    blocks = ConsensusParams().target_block_ms * ConsensusParams().epoch_blocks
    return [
        f"Eight organisations with {members.BONDED:,} bonded and {members.FREE:,} free tokens each",
        f"they wager {members.WAGERED:,} tokens on two questions per epoch",
        f"signs twice in the middle of epoch {OFFENCE_EPOCH}",
        f"to {percent(builder[-1].power_ppm)} of the power in the end",
        f"from {percent(voter[0].power_ppm)} of the power to {percent(voter[-1].power_ppm)}",
        f"{percent(life.of(ABSENT)[-1].turns_ppm)} of the weight in the draw, which is {FLOOR_PERCENT}% of its share",
        f"loses {len(lies)} wagers in {lies[-1] - lies[0] + 1} epochs",
        f"its index times the {liar[-1].tokens - members.BONDED:,} free tokens that are left is below the bar of "
        f"{2 * WagerParams().minimum_trust_tokens}",
        f"In epoch 4 it still has {percent(liar[4].power_ppm)} of the power, in epoch 10 {percent(liar[10].power_ppm)}",
        f"*Who lied once*, in epoch {lied}, falls from {once[lied - 1].index_ppm:,} to {once[lied].index_ppm:,}, and "
        f"its power from {percent(once[lied + 1].power_ppm)} to {percent(once[lied + 2].power_ppm)} two epochs after",
        f"Its index is back where it was in epoch {back}.",
        f"loses {members.BONDED:,} of {members.BONDED + members.FREE:,} tokens at once",
        f"no power from epoch {OFFENCE_EPOCH + 2} on. The free {life.of(TWICE)[-1].tokens:,} stay its own",
        f"with the evidence got {reward // 1_000 * 1_000:,}: by chance it is the one that had lied once",
        f'"{percent(coalitions.FINE_PPM)}" is the smallest share that was tried',
        f"four of seven need {percent(four_of_seven.rules_ppm)}",
        f"organisations with {coalitions.DUST} tokens of bond, the least that has a seat by default, may have much "
        f"power beside a few giants with {coalitions.LARGE:,} each",
        f"where the others have {coalitions.LARGE:,} each as before",
        f"one more name of dust bonds {coalitions.DUST} tokens",
        f"Names of dust that had {percent(halting.before_ppm)} of the power together",
        f"{halting.dust + 1} names halt, {ruling.dust + 1} rule, from one epoch to the next",
        f"Played with {coalitions.TWELVE} equal organisations, one of them tombstoned, a newcomer with as much "
        f"as each, and {coalitions.PLAYS} beacons",
        f"four epochs are {round(4 * blocks / 1_000)} seconds",
        f"at a block every {ConsensusParams().target_block_ms} ms",
        f"an epoch may last {round(blocks / 1_000)} seconds",
        f"it keeps {percent(rejected.later.turns_ppm)} of the first turns, "
        f"{round(100 * rejected.later.turns_ppm / rejected.fair_ppm)}% of its fair {percent(rejected.fair_ppm)}",
        f"wastes a round: {rejected.later.wasted_ppm / 10_000:.1f} in 100 heights",
        f"wastes {slow:.1f} rounds in 100 heights in its first window and {slower:.1f} after that, "
        f"against {dead.fair_ppm // 10_000} if everybody took turns",
        f"Who has lied once has {found.speeds[0].fallen_ppm[0]:,}, and needs {found.speeds[0].back_epochs[0]} epochs",
        f"the first success is worth {first_success:,}",
    ]


def rules() -> list[str]:
    """Numbers in the text that are rules, as it writes them."""
    terms = WagerParams()
    few, many = (f"{share * 100}%" for share in (power.FEW, power.MANY))
    return [
        few,
        many,
        "2/3",
        "1/3",
        "5/6",
        "2^j",
        "k + 1 choices",
        "e + 2",
        "at least 40%",
        "at most 60%",
        "from 90% to 60%",
        "in which each seat counts 1",
        f"{STARTING_INDEX_PPM:,}",
        f"{MAX_FAILED_PERCENT}%",
        f"public minimum, {terms.minimum_wager_tokens} tokens and up to {2 * terms.minimum_wager_tokens} at full",
        f"a fee of {terms.fee_tokens} token",
        f"{_half(terms.minimum_wager_tokens)} to {_half(2 * terms.minimum_wager_tokens)} tokens at the minimum",
        "1,000 members",
        "At 30% bad members",
        "root(k x) to root((n - k)(1 - x))",
        "bonds them in epoch 0",
    ]


def _half(tokens: int) -> int:
    """Of a wager, what a commitment without a reveal loses: rounded up, by the rule."""
    return loss_tokens(WagerParams(), "unrevealed", tokens)


def test_tables_and_their_numbers_are_as_they_were_played() -> None:
    text = DOCUMENT.read_text()
    assert sorted(named(text)) == sorted(tables(findings())), "each table stands in the document, once"
    assert fill(text, findings()) == text, AGAIN


def test_the_text_says_what_was_played() -> None:
    """Not one test for each: what they would be called had to be played first, by every process that collects tests."""
    text = prose(DOCUMENT.read_text())
    assert [said for said in played() if said not in text] == []


@pytest.mark.parametrize("name", FIGURES)
def test_no_number_is_in_the_text_that_was_neither_played_nor_is_a_rule(name: str) -> None:
    left = prose(sections(DOCUMENT.read_text())[name])
    for said in (*played(), *rules()):
        left = left.replace(said, " ")
    assert re.findall(r".{0,30}\d.{0,10}", left) == []


def test_rules_in_the_text_are_those_of_the_code() -> None:
    text, defaults = prose(DOCUMENT.read_text()), ConsensusParams()
    whole = DOCUMENT.read_text()
    for said in (
        f"by default {defaults.evidence_age_blocks:,} blocks and {defaults.evidence_age_ms // DAY_MS} days",
        f"bonds at least `seat_bond_tokens`, {defaults.seat_bond_tokens} by default",
        f"An epoch is {defaults.epoch_blocks} blocks",
        f"Above {EVERYBODY} organisations** a committee of {defaults.committee_seats} seats",
        f"the last {MIN_WINDOW} heights ({WINDOW_PER_SEAT} per seat",
        f"below {FLOOR_PERCENT}% of the share of turns",
        f"{defaults.whistleblower_ppm // 10_000}% of what was taken",
        f"draws** builders, {WagerParams().builders} by default",
    ):
        assert said in text
    for row in (
        f"| more than {MAX_FAILED_PERCENT}% of its turns failed | {FAILED} |",
        f"| neither proposed nor voted | {INACTIVE} |",
        f"| else | {ACTIVE} |",
    ):
        assert row in whole
    terms = WagerParams()
    assert (terms.unrevealed_ppm, terms.other_reward_ppm, terms.reward_pool_ppm) == (500_000, 250_000, 100_000)


def test_the_small_example_is_that_of_the_rule() -> None:
    weights = {"a": 1000, "b": 400, "c": 300, "d": 200}
    assert list(power.powers(weights).values()) == [375, 375, 300, 200]
    at = {cap: sum(min(weight, cap) for weight in weights.values()) for cap in (375, 376)}
    text = prose(DOCUMENT.read_text())
    assert f"in all {at[375]:,}, and 30% of that is {at[375] * 3 // 10}: it holds" in text
    assert f"they come to {at[376]:,}, and 30% of that is {at[376] * 3 / 10}: it does not" in text
    assert f"others with up to {100 * (Fraction(1, 3) - power.MANY) // 1}% may be down" in text
    assert at[375] * 3 >= 375 * 10 and at[376] * 3 < 376 * 10
