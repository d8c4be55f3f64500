"""Who gets how much of what is equal: against a naive reader, and against who asks for more than it needs."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.program.case import WEIGHT_ONE
from contracts.program.ties import IMPORT, OFFER, SHED, UNSERVED, Claim, share_group, uniform_share
from zk.hashing import sha256

ROUND = bytes(32)
CLAIMS = st.builds(
    Claim,
    st.sampled_from([0, 5, 400]),
    st.sampled_from([UNSERVED, OFFER, IMPORT, SHED]),
    st.sampled_from("abc"),
    st.sampled_from(["", "m-1", "m-2"]),
    st.integers(1, 9),
)
WANTED = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 20), min_size=1)


def offer(organisation: str, energy_wh: int, meter: str = "m", factor: int = 0) -> Claim:
    return Claim(factor, OFFER, organisation, meter, energy_wh)


def test_remainders_go_out_in_order_of_the_round_hash() -> None:
    names = ["a", "b", "c"]
    for number in range(8):
        round_id = sha256(bytes([number]))
        first = min(names, key=lambda name: sha256(round_id + name.encode()))
        shares = share_group([offer(name, 9) for name in names], 10, 0, round_id)
        assert dict(zip(names, shares, strict=True)) == {name: 4 if name == first else 3 for name in names}


@given(WANTED, st.integers(0, 160), st.binary())
@settings(max_examples=200)
def test_everybody_gets_what_it_wants_or_one_level_and_more_is_not_had_by_asking(
    wanted: dict[str, int], amount: int, round_id: bytes
) -> None:
    amount = min(amount, sum(wanted.values()))
    shares = uniform_share(wanted, amount, round_id)
    assert shares.keys() == wanted.keys() and sum(shares.values()) == amount
    short = [shares[name] for name in wanted if shares[name] < wanted[name]]
    assert all(0 <= shares[name] <= wanted[name] for name in wanted)
    if short:
        assert max(short) - min(short) <= 1
        assert max(shares.values()) <= max(short) + (max(short) == min(short))
    for name, wanted_wh in wanted.items():
        if shares[name] < wanted_wh:
            assert uniform_share({**wanted, name: wanted_wh + 50}, amount, round_id) == shares


def test_meters_of_one_organisation_share_one_level() -> None:
    group = [offer("a", 1_000), offer("b", 100), offer("c", 700, "m-2"), offer("c", 700, "m-1")]
    assert share_group(group, 1_700, 0, ROUND) == [800, 100, 100, 700]


def test_who_is_not_served_shares_what_is_served() -> None:
    for kind in (UNSERVED, SHED):
        for asked in (600, 6_000):
            group = [Claim(0, kind, "small", "", 100), Claim(0, kind, "big", "", asked)]
            refused = share_group(group, 100 + asked - 500, 0, ROUND)
            assert [100 - refused[0], asked - refused[1]] == [100, 400]


@given(st.lists(CLAIMS, min_size=1, max_size=6), st.data())
@settings(max_examples=300)
def test_a_group_is_taken_between_clean_first_and_dirty_first(group: list[Claim], data: st.DataObject) -> None:
    whole = sum(claim.energy_wh for claim in group)
    taken = data.draw(st.integers(0, whole))
    theta = data.draw(st.sampled_from([0, 1, WEIGHT_ONE // 3, WEIGHT_ONE // 2, WEIGHT_ONE - 1, WEIGHT_ONE]))
    shares = share_group(group, taken, theta, ROUND)
    assert sum(shares) == taken
    assert all(0 <= share <= claim.energy_wh for share, claim in zip(shares, group, strict=True))

    def emitted(shares: list[int]) -> int:
        return sum(share * claim.factor_ug_per_wh for share, claim in zip(shares, group, strict=True))

    def naive(order: list[int]) -> int:
        left, total = taken, 0
        for i in order:
            total += min(left, group[i].energy_wh) * group[i].factor_ug_per_wh
            left -= min(left, group[i].energy_wh)
        return total

    clean, dirty = (
        naive(sorted(range(len(group)), key=lambda i: sign * group[i].factor_ug_per_wh)) for sign in (1, -1)
    )
    exact = clean + Fraction(theta, WEIGHT_ONE) * (dirty - clean)
    assert clean <= emitted(shares) <= exact + 400, "no more carbon than the share, but for a Wh"
    assert emitted(shares) >= exact - 400 * len(group)
    if theta in (0, WEIGHT_ONE):
        assert emitted(shares) == (dirty if theta else clean)


def test_the_order_of_claims_is_irrelevant() -> None:
    group = [offer("a", 9, "m-1"), offer("b", 9), offer("a", 3, "m-2", 5), offer("c", 7, factor=5)]
    shares = share_group(group, 20, WEIGHT_ONE // 3, ROUND)
    assert share_group(group[::-1], 20, WEIGHT_ONE // 3, ROUND) == shares[::-1]
