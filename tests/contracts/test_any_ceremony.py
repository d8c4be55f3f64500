"""Any seats at all: whoever is away, silent, lies or complains of nothing, what comes out is what the rules say."""

from __future__ import annotations

from typing import NamedTuple

from ceremony_world import Sealers, sealed_pact
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.units import PPM
from zk import elgamal
from zk.statements import logarithm

ABSENT, MUTE, TRAITOR, LIAR, HIDDEN_LIAR, GRUMBLER, HONEST = HABITS = (
    "absent",
    "does not commit",
    "does not deal",
    "lies, and is complained of",
    "lies, and nobody says so in time",
    "complains of a good share",
    "honest",
)


class Played(NamedTuple):
    chain: Sealers
    phase: str


def play(habits: list[str]) -> Played:
    """One attempt among seats of these habits, in their order."""
    chain = Sealers(sealed_pact(len(habits), window_blocks=1))
    habit = dict(zip(chain.names, habits, strict=True))

    def who(*without: str) -> list[str]:
        return [name for name in chain.names if habit[name] not in without]

    chain.all_ok(map(chain.registering, who(ABSENT)))
    if len(who(ABSENT)) < chain.now().threshold:
        return Played(chain, chain.now().phase)
    chain.until("commit")
    chain.all_ok(map(chain.committing, who(ABSENT, MUTE)))
    if chain.until("deal", "register", "waiting") != "deal":
        return Played(chain, chain.now().phase)
    victim = {name: next(other for other in who(ABSENT) if other != name) for name in who(ABSENT)}
    lies = {name: chain.lying(name, victim[name], b"\1" * 32) for name in who(ABSENT) if "lies" in habit[name]}
    chain.all_ok(lies.get(name) or chain.showing(name) for name in who(ABSENT, MUTE, TRAITOR))
    if chain.until("complain", "register", "waiting") != "complain":
        return Played(chain, chain.now().phase)
    # In blocks of their own: one seat may have more to say than one word.
    words = [(victim[name], name) for name in lies if habit[name] == LIAR]
    good = next((name for name in who(ABSENT, MUTE, TRAITOR, LIAR, HIDDEN_LIAR)), None)
    words += [(name, good) for name in who() if habit[name] == GRUMBLER and good is not None]
    rounds: list[list[tuple[str, str]]] = []
    for word in words:
        free = next((one for one in rounds if word[0] not in [sender for sender, _ in one]), None)
        rounds.append([word]) if free is None else free.append(word)
    for said in rounds:
        chain.all_ok(chain.complaining(*word) for word in said)
    return Played(chain, chain.until("done", "register", "waiting"))


@given(st.lists(st.sampled_from((*HABITS, *[HONEST] * 9)), min_size=4, max_size=7))
@settings(max_examples=24)
def test_the_key_is_of_those_that_kept_to_the_rules_or_there_is_none(habits: list[str]) -> None:
    chain, phase = play(habits)
    habit = dict(zip(chain.names, habits, strict=True))
    threshold = 2 * len(habits) // 3 + 1
    for name in chain.names:
        # Only a lie that was proven costs trust.
        if habit[name] not in (LIAR, GRUMBLER):
            assert chain.index_ppm(name) == PPM
        elif phase == "done" and habit[name] == LIAR:
            assert chain.index_ppm(name) == PPM - PPM // 4
    dealers = tuple(name for name in chain.names if habit[name] in (HIDDEN_LIAR, GRUMBLER, HONEST))
    came = [name for name in chain.names if habit[name] != ABSENT]
    if len(dealers) < threshold:
        assert chain.key() is None
        assert phase in ("register", "waiting")
        left = len(habits) - sum(one in (MUTE, TRAITOR, LIAR) for one in habits)
        assert phase == "register" or left < threshold
        return
    key = chain.made()
    assert key.dealers == dealers
    assert [seat.member for seat in key.seats if seat.share] == came
    assert not chain.powers().keys() - set(chain.names)
    # Who was dealt only shares of the polynomials has its part, whatever it did itself.
    part = {}
    for seat in key.seats:
        if seat.share:
            secret = chain.held_share(seat.member, key)
            if logarithm.public_point(secret) == seat.share:
                part[seat.index] = secret
    hurt = sum(one == HIDDEN_LIAR for one in habits)
    assert len(part) >= len(came) - min(hurt, 2), "only the victims of hidden lies have none"
    if len(part) >= threshold:
        sealed = chain.sealed(4_321)
        shares = {index: elgamal.share(secret, sealed.R) for index, secret in part.items()}
        assert elgamal.is_value(elgamal.opened(sealed, elgamal.combine(shares, threshold)), 4_321)
