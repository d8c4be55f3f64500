"""A follower among honest, silent, slow and lying nodes: its head is always a block of the chain, or it stops."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.attack import Kind, compare
from consensus.light import LightBlock
from consensus.skipping import MAX_TRACE, Trust
from node.errors import NodeError
from node.light.follower import Diverged, Follower
from node.light.source import SourceError
from tests.consensus.light_chain import SECOND, Powers, chain, light_block
from tests.light.sources import Listed
from zk.hashing import ZERO_HASH

TRUST = Trust(1_000 * SECOND, 10 * SECOND)
NOW_MS = 100 * SECOND
SET: Powers = dict.fromkeys(["ada", "bob", "cyd", "dan"], 1)
FORGERS: Powers = dict.fromkeys(["cyd", "dan"], 1)
"""Half of the power: enough to deceive who skips, too little to decide."""


def real(length: int) -> list[LightBlock]:
    return chain([SET] * (length + 1))


REAL = real(60)


def lie(blocks: list[LightBlock], since: int) -> list[LightBlock]:
    """The same up to height `since`, then forged."""
    return blocks[:since] + [
        light_block(height, height * SECOND, FORGERS, FORGERS, state_root=ZERO_HASH)
        for height in range(since + 1, len(blocks) + 1)
    ]


def follower(primary: Listed, *witnesses: Listed, root: LightBlock | None = None, now_ms: int = NOW_MS) -> Follower:
    return Follower(primary, witnesses, root or real(1)[0], TRUST, lambda: now_ms)


def run(client: Follower) -> list[int]:
    """Heights of the heads until there is none."""
    heights = []
    while (head := client.step()) is not None:
        heights.append(head.block.height)
    return heights


def test_it_follows_as_blocks_are_made_and_survives_restarts() -> None:
    blocks = real(20)
    primary, witness = Listed("primary", blocks[:4]), Listed("witness", blocks)
    client = follower(primary, witness)
    assert run(client) == [4]
    primary.silent = True
    with pytest.raises(SourceError):
        client.step()
    primary.silent = False
    primary.blocks = blocks[:2]
    assert client.step() is None, "a node that has fallen back is waited for"
    primary.blocks = blocks
    head = client.step()
    assert head is not None and (head.block.height, head.steps, head.agreed) == (20, 1, 1)
    assert client.step() is None


def test_a_certain_height_can_be_asked_for() -> None:
    blocks = real(9)
    client = follower(Listed("primary", blocks))
    head = client.step(5)
    assert head is not None and head.block.id() == blocks[4].id()
    assert client.step(5) is None and client.step(3) is None


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 12), st.booleans(), st.booleans()), max_size=8))
@settings(max_examples=40)
def test_witnesses_that_are_late_or_silent_confirm_in_the_end(
    events: list[tuple[int, int, bool, bool]],
) -> None:
    """Blocks made, how far the second witness is behind, and who is silent, step by step; all is well at the end."""
    blocks = REAL
    primary, first, second = Listed("primary", blocks[:1]), Listed("first", []), Listed("second", [])
    client = follower(primary, first, second)
    made = seen = 1
    for grown, behind, primary_silent, first_silent in [*events, (1, 0, False, False)]:
        made += grown
        primary.blocks, first.blocks, second.blocks = blocks[:made], blocks[:made], blocks[: max(0, made - behind)]
        primary.silent, first.silent = primary_silent, first_silent
        try:
            client.step()
        except SourceError:
            assert primary_silent
            continue
        assert client.head.id() == blocks[made - 1].id()
        one, two = client.witnesses
        assert (one.trouble is None) is not first_silent
        assert (two.trouble is None) is (behind == 0)
        seen = max(seen, made - behind)
        assert one.agreed.height <= made and two.agreed.height <= seen
    assert client.head.height == made
    assert [witness.agreed.id() for witness in client.witnesses] == [client.head.id()] * 2


def test_a_witness_confirms_the_head_while_no_new_one_comes() -> None:
    blocks = real(5)
    witness = Listed("witness", blocks)
    client = follower(Listed("primary", blocks), witness)
    witness.silent = True
    head = client.step()
    assert head is not None and head.agreed == 0
    witness.silent = False
    assert client.step() is None and client.witnesses[0].agreed.id() == blocks[-1].id()


def test_a_witness_that_was_away_is_led_through_every_part_of_a_long_way() -> None:
    blocks = chain([{f"n{height}": 1} for height in range(3 * MAX_TRACE)])
    witness = Listed("witness", blocks)
    client = follower(Listed("primary", blocks), witness, root=blocks[0])
    witness.silent = True
    assert run(client)[-1] == len(blocks)
    witness.silent = False
    assert client.step() is None and client.witnesses[0].agreed.id() == blocks[-1].id()
    assert witness.asked[-1] == len(blocks) and len(set(witness.asked)) > 3


def test_a_lying_primary_is_found_out_by_any_witness() -> None:
    blocks = real(30)
    forged = lie(blocks, 17)
    client = follower(Listed("primary", forged), Listed("deaf", []), Listed("witness", blocks))
    with pytest.raises(Diverged) as caught:
        client.step()
    assert (caught.value.code, caught.value.primary, caught.value.witness) == ("light.divergence", "primary", "witness")
    common, left, right, _ = caught.value.divergence
    assert (left.id(), right.id()) == (forged[-1].id(), blocks[-1].id())
    finding = compare(common, left, right)
    assert finding.kind is Kind.LUNATIC and [one.id for one in finding.left] == ["cyd", "dan"]
    assert client.head.height == 1, "what is contradicted never becomes the head"


def test_a_witness_that_was_away_still_finds_an_old_lie() -> None:
    blocks = real(30)
    primary, witness = Listed("primary", blocks[:5]), Listed("witness", blocks)
    client = follower(primary, witness)
    assert run(client) == [5]
    witness.silent = True
    primary.blocks = lie(blocks[:20], 8)
    assert run(client) == [20], "nobody was there to contradict"
    primary.blocks = [*primary.blocks, *lie(blocks, 20)[20:]]
    witness.silent = False
    with pytest.raises(Diverged) as caught:
        run(client)
    common, left, right, _ = caught.value.divergence
    assert common.id() == blocks[4].id()
    assert [one.id for one in compare(common, left, right).left] == ["cyd", "dan"]


def test_a_lying_witness_that_verifies_stops_too() -> None:
    blocks = real(30)
    client = follower(Listed("primary", blocks), Listed("witness", lie(blocks, 17)))
    with pytest.raises(Diverged) as caught:
        client.step()
    common, left, right, attacks = caught.value.divergence
    assert [one.id for one in compare(common, left, right).right] == ["cyd", "dan"]
    assert any(attack.conflicting.id() == right.id() for attack in attacks)


def test_a_primary_that_shows_two_blocks_of_one_height_accuses_itself() -> None:
    blocks = real(10)
    primary = Listed("primary", blocks)
    client = follower(primary)
    assert run(client) == [10]
    parent = blocks[8].id()
    primary.blocks = [*blocks[:9], light_block(10, 10 * SECOND, SET, SET, payload_root=ZERO_HASH, parent_hash=parent)]
    with pytest.raises(Diverged) as caught:
        client.step()
    finding = compare(*caught.value.divergence[:3])
    assert finding.kind is Kind.EQUIVOCATION and [one.id for one in finding.proven] == list(SET)
    assert caught.value.witness == caught.value.primary == "primary"


def test_a_witness_with_blocks_that_do_not_verify_is_dropped_and_the_rest_goes_on() -> None:
    blocks = real(12)
    unsigned = [*blocks[:9], light_block(10, 10 * SECOND, SET, SET, ["ada"])]
    bad = Listed("bad", unsigned)
    primary = Listed("primary", blocks[:10])
    client = follower(primary, bad, Listed("good", blocks))
    head = client.step()
    assert head is not None and head.agreed == 1
    trouble = client.witnesses[0].trouble
    assert client.witnesses[0].dropped and trouble is not None and trouble.code == "light.signers"
    asked = len(bad.asked)
    primary.blocks = blocks
    assert run(client) == [12] and len(bad.asked) == asked


@pytest.mark.parametrize(
    ("powers", "signers", "expected"),
    [(SET, None, "light.root"), ({"eve": 1}, None, "light.hash"), (SET, ["ada"], "light.signers")],
)
def test_a_witness_must_have_the_trusted_block(powers: Powers, signers: list[str] | None, expected: str) -> None:
    blocks = real(5)
    elsewhere = [light_block(1, SECOND, powers, SET, signers, state_root=ZERO_HASH), *blocks[1:]]
    client = follower(Listed("primary", blocks), Listed("witness", elsewhere))
    if expected == "light.root":
        with pytest.raises(NodeError, match=r"light\.root"):
            client.step()
        return
    head = client.step()
    trouble = client.witnesses[0].trouble
    assert head is not None and head.agreed == 0
    assert client.witnesses[0].dropped and trouble is not None and trouble.code == expected


def test_a_primary_that_shows_what_is_invalid_is_left() -> None:
    blocks = real(6)
    for shown, code in [
        (light_block(7, 7 * SECOND, SET, SET, ["ada", "bob"]), "light.signers"),
        (light_block(7, NOW_MS + 10 * SECOND, SET, SET), "light.future"),
        (light_block(7, 7 * SECOND, SET, SET, chain_id="another"), "light.chain"),
    ]:
        with pytest.raises(NodeError) as caught:
            follower(Listed("primary", [*blocks, shown])).step()
        assert caught.value.code == code and "primary" in caught.value.message


def test_trust_runs_out() -> None:
    blocks = real(6)
    with pytest.raises(NodeError) as caught:
        follower(Listed("primary", blocks), now_ms=SECOND + TRUST.period_ms).step()
    assert caught.value.code == "light.expired"


def test_a_witness_that_was_away_for_the_trusting_period_confirms_nothing_any_more() -> None:
    blocks = chain([SET] * 8)
    later = light_block(8, 900 * SECOND, SET, SET)
    last = light_block(9, 1_800 * SECOND, SET, SET)
    now = [NOW_MS]
    primary, witness = Listed("primary", blocks), Listed("witness", blocks)
    client = Follower(primary, [witness], blocks[0], TRUST, lambda: now[0])
    assert run(client) == [7]
    witness.silent = True
    for block, now_s in ((later, 901), (last, 1_801)):
        primary.blocks = [*primary.blocks, block]
        now[0] = now_s * SECOND
        assert run(client) == [block.height]
    witness.silent, witness.blocks = False, primary.blocks
    assert client.step() is None
    trouble = client.witnesses[0].trouble
    assert client.witnesses[0].dropped and trouble is not None and trouble.code == "light.expired"


def test_a_root_that_the_primary_contradicts_is_no_root() -> None:
    other = light_block(1, SECOND, SET, SET, state_root=ZERO_HASH)
    with pytest.raises(NodeError, match=r"light\.root"):
        follower(Listed("primary", [other])).step()
