"""A chain that executes blocks on the real contracts, without a network: whoever has the turn has its block decided.

Trust and nothing else: no meters and no money. State is a dictionary, and the chain's id is not that of its genesis, so
that draws stay what they are when such documents get another field. The one thing made up here is what builders are
asked for: a question with a known answer (`QUESTION`), because what can be found beyond a node's own fallback depends
on the site, and trust shall not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from consensus.validators import ValidatorSet
from contracts import api, epochs
from contracts.api import BlockContext, Charge
from contracts.bodies import AccountBody
from contracts.envelope import NO_SIGNATURE, AccountEnvelope
from contracts.genesis import ConsensusParams, Genesis, OpeningTrust
from contracts.members import AccountKey, Member, Trust
from contracts.params import PactParams, WagerParams
from contracts.receipts import AnyEvent
from contracts.schema import ACCOUNTS, TRUSTS
from contracts.state import State
from contracts.trust import pool_tokens, tombstoned
from contracts.wagers import rounds
from contracts.wagers.judging import Case, Judge, Weighed
from devnet.simulator.pact import key_of, node_keys
from devnet.trustlab.turns import CHAIN_ID, EPOCH_BLOCKS, Played, Turns
from zk.hashing import sha256

START_MS = 1_754_294_400_000
BLOCK_MS = 1_000
SEAT_BOND = ConsensusParams().seat_bond_tokens
MONTH_MS = 30 * 86_400_000
STAKE_NANO = 10**12
"""At stake in every question: the significance is full."""
FALLBACK_NANO, BEST_NANO, THRESHOLD_NANO = 10**12, 9 * 10**11, 10**6
"""Cost of what every node finds for itself and of the best solution, and the difference that counts as none."""
BEST, FALSE = b"best", b"infeasible"
TERMS = WagerParams(on=True, wager_ms=BLOCK_MS, commit_ms=BLOCK_MS, reveal_ms=BLOCK_MS)


def _weigh(solution: bytes) -> Weighed | None:
    return Weighed(BEST_NANO, 0, 0, True, None) if solution == BEST else None


QUESTION = Judge(
    "question",
    "least-cost",
    lambda _state, _context, _subject: Case(Weighed(FALLBACK_NANO, 0, 0, True, None), THRESHOLD_NANO, 0, _weigh),
    lambda _state, _context, _subject, _plan, _builder: (),
)


class Pact:
    """One chain from its genesis on."""

    def __init__(
        self, trusts: Mapping[str, OpeningTrust], epoch_blocks: int = EPOCH_BLOCKS, seat_bond_tokens: int = SEAT_BOND
    ) -> None:
        members = tuple(_member(name) for name in sorted(trusts))
        self.genesis = Genesis(
            name="trustlab",
            rule_set=1,
            time_ms=START_MS,
            params=PactParams(wagering=TERMS),
            consensus=ConsensusParams(epoch_blocks=epoch_blocks, seat_bond_tokens=seat_bond_tokens),
            members=members,
            meters=(),
            balances=(),
            registers=(),
            validators=tuple(member.id for member in members),
            devnet_clock=None,
            trusts=tuple(trusts[member.id] for member in members),
        )
        self.turns = Turns(epoch_blocks=epoch_blocks)
        self.played: Played | None = None
        """The newest block's turn."""
        self._store: dict[bytes, bytes] = dict(api.genesis_records(self.genesis))

    @property
    def height(self) -> int:
        """Newest height."""
        return self.turns.height

    @property
    def state(self) -> State:
        """What is committed."""
        return State(self._store)

    def block(
        self,
        envelopes: Sequence[AccountEnvelope] = (),
        *,
        conduct: Callable[[str], str],
        twice: str | None = None,
        question: bool = False,
    ) -> tuple[tuple[AnyEvent, ...], list[str]]:
        """Execute the next block: what the clock did, and the codes of the transactions. With a `question`, a round
        opens in it; it brings the evidence that the node `twice` contradicted itself at the height below."""
        state = self.state
        height = self.height + 1
        validators = ValidatorSet(epochs.seats(state, height))
        played = self.turns.play(validators, conduct, frozenset(tombstoned(state)))
        self.played = played
        context = self.rehearsal(height)._replace(proposer=played.proposer, mix=played.mix)
        charges = [] if twice is None else [self._charge(twice, height - 1, played)]
        opened = api.open_block(state, context, charges, {QUESTION.name: QUESTION})
        if question:
            rounds.open_round(state, context, QUESTION, height, None, STAKE_NANO, context.time_ms + MONTH_MS)
            state.commit()
        codes = [api.apply(state, envelope, context).code for envelope in envelopes]
        api.close_block(state, context)
        for key, value in state.changes().items():
            if value is None:
                self._store.pop(key, None)
            else:
                self._store[key] = value
        return opened.events, codes

    def _charge(self, node: str, height: int, played: Played) -> Charge:
        """The evidence that a node signed two prevotes, brought by whoever proposes."""
        evidence = sha256(f"two votes of {node}".encode())
        # An organisation and its only node have one name here.
        return Charge(node, node, "prevote", height, 0, evidence, played.proposer)

    def rehearsal(self, height: int) -> BlockContext:
        """What contracts know of a block whose proposer nobody has named yet."""
        params, consensus = self.genesis.params, self.genesis.consensus
        return BlockContext(CHAIN_ID, height, START_MS + height * BLOCK_MS, params, consensus)

    def say(self, member: str, body: AccountBody, ahead: int = 0) -> AccountEnvelope:
        """A transaction of a member; `ahead` others of it come before in the same block. Nobody checks a signature
        here."""
        account = self.state.load(ACCOUNTS, ACCOUNTS.key(member))
        assert account is not None, "only members speak"
        nonce = account.lanes[0].next_nonce + ahead
        return AccountEnvelope(
            CHAIN_ID, member, key_of(member).public_key, nonce, self.height + 100, body, NO_SIGNATURE
        )

    def trust(self, member: str) -> Trust:
        """A member's trust as it is stored."""
        found = self.state.entry(TRUSTS, member)
        assert found is not None, "every member has trust"
        return found

    def pool_tokens(self) -> int:
        """Tokens in the pool of lost ones."""
        return pool_tokens(self.state)

    def powers(self, height: int) -> dict[str, int]:
        """Power of each organisation in force at a height."""
        return epochs.powers(self.state, height)


def _member(name: str) -> Member:
    return Member(
        id=name,
        name=name,
        roles=("supplier",),
        site="lab",
        keys=(AccountKey(key_of(name).public_key, "all"),),
        nodes=(node_keys(name, key_of(f"{name} node").public_key),),
        encryption_key=b"",
    )
