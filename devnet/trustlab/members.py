"""A hundred epochs in the life of honest, absent and lying members: index, tokens, power and turns.

All wager but two, on two questions per epoch, at full significance. A question always has an answer that is better
than the fallback, and builders who look for it find it: index moves as fast as it can.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from contracts.bodies import AccountBody, Wager
from contracts.envelope import AccountEnvelope
from contracts.genesis import OpeningTrust
from contracts.members import STARTING_INDEX_PPM
from contracts.receipts import WagerJudged
from contracts.schema import ROUNDS, TRUSTS
from contracts.state import State
from contracts.trust import all_tokens, lower_index, raise_index
from contracts.wagers import rounds
from contracts.wagers.records import WAGERING, Round
from contracts.wagers.sealing import seal
from devnet.trustlab.pact import BEST, FALSE, Pact
from devnet.trustlab.turns import ALIVE, CHAIN_ID, DEAD, EPOCH_BLOCKS, PPM
from zk.hashing import sha256

HONEST = ("builder-a", "builder-b", "builder-c")
VOTER, ABSENT, LIAR, ONCE, TWICE = "voter", "absent", "liar", "once", "twice"
"""Who does not build, who does nothing, who always lies, who lies once, and whose key signs twice."""
NAMES = tuple(sorted((*HONEST, VOTER, ABSENT, LIAR, ONCE, TWICE)))
BUILDERS = (*HONEST, LIAR, ONCE)
BONDED, FREE, WAGERED = 1_000_000, 100_000, 5_000
"""Tokens of each member at the start, and of each wager."""
QUESTIONS = 2
"""Per epoch."""
MILESTONES = (1, 10, 25, 50, 100)
LIES = 3
MOST_EPOCHS = 1_000
LIE_EPOCH, OFFENCE_EPOCH = 20, 40
"""From the first on, `ONCE` lies at the first chance that it gets; in the second, `TWICE` signs twice."""


class Standing(NamedTuple):
    """One member at the end of an epoch."""

    epoch: int
    member: str
    index_ppm: int
    tokens: int
    """All of its tokens."""
    bonded_tokens: int
    power_ppm: int
    """Its share of the power of the epoch."""
    turns_ppm: int
    """Its share of the weights by which first turns were drawn, a mean over the epoch."""
    blocks: int
    """Blocks of the epoch that it proposed."""


class Life(NamedTuple):
    """What happened in so many epochs."""

    epochs: int
    standings: tuple[Standing, ...]
    """By epoch, then by member; epoch 0 first."""
    lies: dict[str, tuple[int, ...]]
    """Epochs in which members lost a wager, by name."""
    refused: tuple[tuple[str, int], ...]
    """Codes with which transactions were refused, and how often."""
    pool_tokens: int
    supply_tokens: int

    def of(self, member: str) -> list[Standing]:
        """One member's standings."""
        return [one for one in self.standings if one.member == member]


class Speed(NamedTuple):
    """How fast an index moves at a significance."""

    significance_ppm: int
    reached_ppm: tuple[int, ...]
    """After each of `MILESTONES` epochs, by who improves on the fallback in every one, from `STARTING_INDEX_PPM`."""
    fallen_ppm: tuple[int, ...]
    """After 1 to `LIES` lost wagers in a row, whatever the significance."""
    back_epochs: tuple[int, ...]
    """Epochs until each of them is where it began, if it improves on the fallback in every one."""


def speed(significance_ppm: int) -> Speed:
    """Ask the contracts."""
    fallen, back = [], []
    for lies in range(1, LIES + 1):
        *_, low = _indexes(lies, 0, 0)
        climbed = _indexes(lies, MOST_EPOCHS, significance_ppm)
        fallen.append(low)
        back.append(next(at for at, index_ppm in enumerate(climbed) if index_ppm >= STARTING_INDEX_PPM))
    reached = _indexes(0, MILESTONES[-1], significance_ppm)
    return Speed(significance_ppm, tuple(reached[at] for at in MILESTONES), tuple(fallen), tuple(back))


def _indexes(lies: int, epochs: int, significance_ppm: int) -> list[int]:
    """Index after so many lost wagers, and then after each of so many epochs of success."""
    name = HONEST[0]
    pact = Pact({name: OpeningTrust(name, FREE, BONDED)})
    state = pact.state
    for _ in range(lies):
        lower_index(state, pact.rehearsal(1), name)
    indexes = [_index(state, name)]
    for epoch in range(epochs):
        start = epoch * EPOCH_BLOCKS + 1
        raise_index(state, pact.rehearsal(start), name, significance_ppm, start)
        indexes.append(_index(state, name))
    return indexes


def _index(state: State, name: str) -> int:
    found = state.entry(TRUSTS, name)
    assert found is not None, "every member has trust"
    return found.index_ppm


def live(epochs: int, lived: Callable[[], None] = lambda: None) -> Life:
    """Play so many epochs; `lived` hears of each."""
    pact = Pact({name: OpeningTrust(name, FREE, BONDED) for name in NAMES})
    supply = (BONDED + FREE) * len(NAMES)
    standings: list[Standing] = []
    lies: dict[str, list[int]] = {name: [] for name in NAMES}
    refused: Counter[str] = Counter()
    for epoch in range(epochs):
        lived()
        blocks: Counter[str] = Counter()
        shares: Counter[str] = Counter()
        for place in range(EPOCH_BLOCKS):
            events, codes = pact.block(
                _said(pact, epoch, lies),
                conduct=_conduct,
                twice=TWICE if (epoch, place) == (OFFENCE_EPOCH, EPOCH_BLOCKS // 2) else None,
                question=place % (EPOCH_BLOCKS // QUESTIONS) == 0,
            )
            refused.update(code for code in codes if code != "ok")
            for event in events:
                if isinstance(event, WagerJudged) and event.verdict == "infeasible":
                    lies[event.member].append(epoch)
            assert pact.played is not None
            blocks[pact.played.proposer] += 1
            weights = pact.turns.weights
            for name, weight in weights.items():
                shares[name] += weight * PPM // sum(weights.values())
        powers = pact.powers(pact.height)
        for name in NAMES:
            trust = pact.trust(name)
            standings.append(
                Standing(
                    epoch,
                    name,
                    trust.index_ppm,
                    all_tokens(trust),
                    trust.bonded_tokens,
                    powers.get(name, 0) * PPM // sum(powers.values()),
                    shares[name] // EPOCH_BLOCKS,
                    blocks[name],
                )
            )
        held = sum(all_tokens(pact.trust(name)) for name in NAMES)
        assert held + pact.pool_tokens() == supply, "no token is made or destroyed"
    return Life(
        epochs=epochs,
        standings=tuple(standings),
        lies={name: tuple(at) for name, at in lies.items() if at},
        refused=tuple(sorted(refused.items())),
        pool_tokens=pact.pool_tokens(),
        supply_tokens=supply,
    )


def _conduct(node: str) -> str:
    return DEAD if node == ABSENT else ALIVE


def _said(pact: Pact, epoch: int, lies: dict[str, list[int]]) -> list[AccountEnvelope]:
    """What builders say to the rounds whose phase began in the newest block: nobody hesitates."""
    state = pact.state
    said: Counter[str] = Counter()
    envelopes = []
    for number in rounds.open_rounds(state):
        round_ = state.load(ROUNDS, ROUNDS.key(number))
        assert round_ is not None, "an open round is on record"
        if round_.since_height != pact.height:
            continue
        for name in BUILDERS if round_.phase == WAGERING else round_.builders:
            body = _body(round_, name, _lies(name, epoch, lies))
            if body is not None:
                envelopes.append(pact.say(name, body, said[name]))
                said[name] += 1
    return envelopes


def _lies(name: str, epoch: int, lies: dict[str, list[int]]) -> bool:
    return name == LIAR or (name == ONCE and epoch >= LIE_EPOCH and not lies[ONCE])


def _body(round_: Round, name: str, lies: bool) -> AccountBody | None:
    """What a builder has to say in the phase that begins."""
    solution = FALSE if lies else BEST
    salt = sha256(f"{name}/{round_.number}".encode())
    match round_.phase:
        case "wager":
            return Wager(round_.number, "least-cost", WAGERED)
        case "commit":
            return seal(CHAIN_ID, round_.number, name, salt, solution)[0]
        case "reveal":
            return seal(CHAIN_ID, round_.number, name, salt, solution)[1]
    return None
