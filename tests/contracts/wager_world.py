"""A pact that wagers on its dispatch: rounds to open, phases to pass, builders that are honest or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from ledger_world import FIRST, METERS, OPENING_TOKENS, ROLES, Chain, make_genesis

from contracts import windows
from contracts.bodies import Claim, CommitSolution, RevealSolution, Wager
from contracts.genesis import Genesis, OpeningTrust
from contracts.members import Asset
from contracts.params import PactParams, WagerParams
from contracts.program.case import Case, Solution
from contracts.program.documents import pack
from contracts.receipts import AnyEvent
from contracts.schema import OPEN_ROUND_LIST, OPEN_ROUNDS, ROUNDS, WAGERS
from contracts.state import State
from contracts.wagers.records import JUDGED, Round, Wagered
from contracts.wagers.sealing import seal
from node.solver.build import build
from zk.hashing import sha256

TARGET = FIRST + 4
"""The interval that is wagered on."""
LEAD_MS = 1_800_000
TERMS = WagerParams(on=True)
PARAMS = PactParams(gate_lead_ms=LEAD_MS, wagering=TERMS)
AMOUNT = 100
STEERED = METERS | {"m-bio": METERS["m-bio"]._replace(asset=Asset(ramp_w=400_000))}
"""What biodiesel delivers is for builders to choose: it is ramp-limited, if by no more than its rating."""
SEATED = ("bio", "campus", "solar", "storage")
BOND = 10_000


def wagering(params: PactParams = PARAMS, trusts: tuple[OpeningTrust, ...] | None = None, **terms: int) -> Genesis:
    """Genesis with wagering on and some of its terms changed; four seats of equal power, whoever has which `trusts`."""
    changed = msgspec.structs.replace(params, wagering=msgspec.structs.replace(params.wagering, **terms))
    given = {name: OpeningTrust(name, OPENING_TOKENS) for name in ROLES} if trusts is None else dict.fromkeys(ROLES)
    given |= {one.member: one for one in trusts or ()}
    bonded = tuple(
        msgspec.structs.replace(given[name] or OpeningTrust(name), bonded_tokens=BOND if name in SEATED else 0)
        for name in sorted(given)
    )
    return make_genesis(params=changed, meters=STEERED, trusts=bonded, scopes=("all", "wagering"))


def opened(genesis: Genesis | None = None) -> Chain:
    """Round 0 takes wagers on the dispatch of `TARGET`: sun and biodiesel for a campus and a tenant."""
    chain = Chain(genesis or wagering())
    chain.block(
        chain.offer("solar", "m-solar", TARGET, (50_000, 20_000), (90_000, 10_000)),
        chain.offer("bio", "m-bio", TARGET, (200_000, 40_000)),
        chain.need("campus", TARGET, 30_000, tier=1),
        chain.need("tenant", TARGET, 5_000, limit=150_000),
    )
    chain.at(TARGET, -LEAD_MS).block()
    return chain


def round_of(chain: Chain, number: int = 0) -> Round:
    return ROUNDS.decode(chain.store[ROUNDS.key(number)])


def wager_of(chain: Chain, member: str, number: int = 0) -> Wagered:
    found = State(chain.store).entry(WAGERS, member, number)
    assert found is not None
    return found


def open_numbers(chain: Chain) -> tuple[int, ...]:
    raw = chain.store.get(OPEN_ROUND_LIST)
    return () if raw is None else OPEN_ROUNDS.decode(raw).rounds


def case_of(chain: Chain, interval: int = TARGET) -> Case:
    """What a round about a window asks, by its first interval."""
    found = windows.kept_case(State(chain.store), interval)
    assert found is not None
    return found


def best_of(chain: Chain, interval: int = TARGET) -> Solution:
    """What an honest builder finds."""
    return build(case_of(chain, interval), 60.0).solution


def packed(solution: Solution) -> bytes:
    raw = pack(solution)
    assert isinstance(raw, bytes)
    return raw


def solution_of(chain: Chain, interval: int = TARGET) -> bytes:
    """What an honest builder reveals."""
    return packed(best_of(chain, interval))


def wager(chain: Chain, member: str, amount: int = AMOUNT, claim: Claim = "least-cost", number: int = 0) -> str:
    return chain.run(chain.say(member, Wager(number, claim, amount)))


def sealed(chain: Chain, member: str, solution: bytes, number: int = 0) -> tuple[CommitSolution, RevealSolution]:
    return seal(chain.chain_id, number, member, sha256(member.encode()), solution)


def commit(chain: Chain, member: str, solution: bytes, number: int = 0) -> str:
    return chain.run(chain.say(member, sealed(chain, member, solution, number)[0]))


def reveal(chain: Chain, member: str, solution: bytes, number: int = 0) -> str:
    return chain.run(chain.say(member, sealed(chain, member, solution, number)[1]))


def next_phase(chain: Chain, number: int = 0) -> list[AnyEvent]:
    """Let the time of the present phase pass, and as many blocks as it takes; what the clock did."""
    before, events = round_of(chain, number), []
    if before.phase != "draw":
        chain.now_ms = max(chain.now_ms, before.ends_ms)
    for _ in range(64):
        chain.block()
        assert chain.clock is not None
        events += chain.clock.events
        if round_of(chain, number).phase != before.phase:
            return events
    raise AssertionError(f"phase {before.phase} never ends")


def drawn(
    chain: Chain, members: Sequence[str], amount: int = AMOUNT, claim: Claim = "least-cost", number: int = 0
) -> tuple[str, ...]:
    """All `members` wager, and the builders are drawn."""
    for member in members:
        assert wager(chain, member, amount, claim, number) == "ok"
    next_phase(chain, number)
    next_phase(chain, number)
    return round_of(chain, number).builders


def play(chain: Chain, solutions: Mapping[str, bytes | None], number: int = 0) -> list[AnyEvent]:
    """Builders commit to their solutions and reveal them, and the round is judged. None: committed, and not shown."""
    for member, solution in solutions.items():
        assert commit(chain, member, b"" if solution is None else solution, number) == "ok"
    next_phase(chain, number)
    for member, solution in solutions.items():
        if solution is not None:
            assert reveal(chain, member, solution, number) == "ok"
    events = next_phase(chain, number)
    assert round_of(chain, number).phase == JUDGED and number not in open_numbers(chain)
    return events
