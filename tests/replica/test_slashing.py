"""What becomes of a validator that contradicts itself in running networks: its bond, its turns, its seat."""

from __future__ import annotations

import pytest

from consensus.quorum import is_quorum
from contracts import epochs, trust
from contracts.bodies import Bond, Transfer, TransferTokens, Unbond
from contracts.genesis import ConsensusParams
from contracts.members import Trust
from contracts.schema import TRUSTS
from contracts.state import State
from node.seats import LedgerSets
from tests.replica.test_evidence_pool import pools, report, two_votes
from tests.replica.test_network import agreed, heights, quiet
from tests.support.memory import MemoryNetwork
from tests.support.pact import VALIDATORS, Speaker, genesis

BLOCKS = 4
FIVE = (*VALIDATORS[:2], "hydro", *VALIDATORS[2:])
LIAR = "wind"


class Site:
    """A network, and whoever speaks for its members."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.net = MemoryNetwork(genesis(validators=names, consensus=ConsensusParams(epoch_blocks=BLOCKS)))
        self.net.start()
        self.speaker = Speaker(self.net.genesis.chain_id())
        self.ledger = self.net.machines["solar"].ledger
        self.honest = tuple(name for name in names if name != LIAR)
        self.tell(Unbond(300))

    def ask(self, body: Bond | Transfer | TransferTokens | Unbond, who: str) -> None:
        self.net.machines["campus"].submit(self.speaker.member(who, body))

    def tell(self, body: Bond | Transfer | TransferTokens | Unbond, who: str = LIAR) -> None:
        """The same, and wait until it is final everywhere."""
        self.ask(body, who)
        quiet(self.net)

    def lie(self) -> int:
        """The liar's two votes come out; returns the block that punishes it."""
        lied = self.ledger.height
        assert report(self.net, "solar", two_votes(self.ledger, LIAR, lied)) == "ok"
        self.net.run_until(lambda: set(pools(self.net).values()) == {0})
        quiet(self.net)
        return next(
            height
            for height in range(lied + 1, self.ledger.height + 1)
            if (block := self.ledger.block(height)) is not None and block.evidence
        )

    def grow(self, height: int) -> None:
        """Blocks up to this height at least."""
        while self.ledger.height < height:
            self.tell(Transfer("solar", 1, ""), "campus")

    def trust(self, member: str) -> Trust:
        found = State(self.ledger).entry(TRUSTS, member)
        assert found is not None
        return found

    def proposer(self, height: int) -> str:
        block = self.ledger.block(height)
        assert block is not None
        return block.header.proposer


@pytest.mark.parametrize("names", [FIVE, VALIDATORS], ids=["five", "four"])
def test_a_liar_loses_bond_and_turns_at_once_and_its_seat_two_epochs_later(names: tuple[str, ...]) -> None:
    site = Site(names)
    before = {name: site.trust(name) for name in names}
    assert (before[LIAR].bonded_tokens, trust.unlocking_tokens(before[LIAR])) == (700, 300)
    punished = site.lie()
    after = site.trust(LIAR)
    assert (after.free_tokens, after.bonded_tokens, after.unlocking, after.index_ppm) == (1_000, 0, (), 0)
    reporter = site.proposer(punished)
    for name in site.honest:
        reward = 50 if name == reporter else 0
        assert site.trust(name).free_tokens == before[name].free_tokens + reward
        assert site.trust(name).bonded_tokens == before[name].bonded_tokens
    assert trust.pool_tokens(State(site.ledger)) == (1_000 if reporter == LIAR else 950)
    seats = LedgerSets(site.ledger)
    leaves = (epochs.epoch_of(punished, site.net.genesis.consensus) + 2) * BLOCKS + 1
    site.grow(leaves + 2 * BLOCKS)
    assert LIAR not in {site.proposer(height) for height in range(punished + 1, site.ledger.height + 1)}
    assert all(seat.id != LIAR or seat.flagged is False for seat in seats(leaves - 1).seats)
    assert any(seat.id == LIAR for seat in seats(leaves - 1).seats), "power changes with an epoch, like all power"
    flagged = [seat.id for seat in seats(leaves).seats if seat.flagged]
    if names == FIVE:
        assert sorted(seat.id for seat in seats(leaves).seats) == sorted(site.honest) and not flagged
    else:
        assert len(seats(leaves).seats) == 4 and flagged == [LIAR], "no fewer than four, and its votes count no more"
    assert set(epochs.powers(State(site.ledger), site.ledger.height + 1)) == set(site.honest)
    # The tombstoned node goes on reading along.
    agreed(site.net)
    assert len(set(heights(site.net))) == 1


def test_with_a_flagged_seat_all_others_are_needed() -> None:
    site = Site(VALIDATORS)
    punished = site.lie()
    site.grow((epochs.epoch_of(punished, site.net.genesis.consensus) + 2) * BLOCKS + 1)
    seats = LedgerSets(site.ledger)(site.ledger.height + 1).seats
    total = sum(seat.power for seat in seats)
    honest = [seat.power for seat in seats if not seat.flagged]
    assert is_quorum(sum(honest), total) and not is_quorum(sum(honest) - min(honest), total)
    site.net.machines[LIAR].crash()
    height = site.ledger.height
    site.ask(Transfer("solar", 1, ""), "campus")
    site.net.run_until(lambda: site.ledger.height > height)
    site.net.run_for(5_000)
    site.net.machines["biodiesel"].crash()
    height = site.ledger.height
    site.ask(Transfer("solar", 1, ""), "campus")
    site.net.run_for(10_000)
    site.net.machines[LIAR].start()
    site.net.run_for(10_000)
    assert site.ledger.height == height, "a flagged seat helps two of the others to no quorum"
    site.net.machines["biodiesel"].start()
    site.net.run_until(lambda: site.ledger.height > height)


def test_a_new_bond_under_the_old_name_is_refused_and_given_to_another_it_counts() -> None:
    site = Site(FIVE)
    site.lie()
    site.tell(Bond(1_000))
    assert site.trust(LIAR).bonded_tokens == 0
    site.tell(TransferTokens("hydro", 1_000, "from one who lied"))
    site.tell(Bond(1_000), "hydro")
    assert site.trust("hydro").bonded_tokens == 2_000 and site.trust(LIAR).free_tokens == 0
