"""A new genesis from committed state has everything that was, and more than 2/3 of its power must sign it."""

from __future__ import annotations

import msgspec
from governance_world import NAMES, Pact, governed, new_meter, newcomer
from ledger_world import FIRST, OPENING_TOKENS, Chain, change, key_of, settle
from wager_world import opened, wager

from contracts import epochs
from contracts.bodies import Bond, Unbond
from contracts.genesis import CODEC, Genesis
from contracts.governance.bodies import AllowAccess, Reader, RevokeAccess
from contracts.governance.changes import RemoveMember, RevokeKey, SetParams
from contracts.members import REVOKED_KEY, AssetEnvelope
from contracts.params import PactParams
from contracts.schema import REGISTERS
from contracts.state import State
from contracts.succession import POOL, Origin, Signed, Succession, left_behind, sign_bytes, successor, support
from contracts.trust import slash
from zk.codec import encode

_replace = msgspec.structs.replace


def lived() -> Pact:
    """A pact with a past: money owed, a member that joined and one that left, a slash, bonds on their way."""
    pact = Pact()
    settle(pact, FIRST, {"m-campus": (700, 0), "m-bio": (0, 400), "m-tie": (0, 300)})
    pact.agree(newcomer(meters=(new_meter("m-new", "newbie", import_wh=70),)), 0)
    assert pact.run(pact.say("bio", Unbond(500))) == "ok"
    pact.agree(RemoveMember("storage"), 1)
    pact.agree(SetParams(PactParams(penalty_ppm=200_000)), 2)
    pact.decide(lambda state, context: slash(state, context, "tenant", "double-vote"))
    return pact


def exported(pact: Pact) -> Genesis:
    return successor(State(pact.store), pact.genesis, "again", pact.now_ms)


def test_envelopes_go_on_and_what_was_revoked_stays_in_its_safe_state() -> None:
    solar = AssetEnvelope("m-solar", 40_000, 0, ramp_w=80, safe_give_w=4_000)
    pact = Pact(change(governed(), envelopes=(AssetEnvelope("m-bio", 4_000, 0, ramp_w=40), solar)))
    pact.agree(RevokeKey("solar", key_of("m-solar").public_key), 0)
    genesis = exported(pact)
    safe = AssetEnvelope("m-solar", 4_000, 0, safe_give_w=4_000)
    assert genesis.envelopes == (AssetEnvelope("m-bio", 4_000, 0, ramp_w=40), safe)
    assert {one.id: one.public_key for one in genesis.meters}["m-solar"] == REVOKED_KEY
    assert CODEC.decode(encode(genesis)) == genesis


def succession(genesis: Genesis, *names: str) -> Succession:
    origin = Origin("test-0123456789abcdef", 30, bytes(32), genesis.chain_id(), genesis.hash())
    message = sign_bytes(origin)
    signed = [Signed(name, key_of(name).public_key, key_of(name).sign(message)) for name in names]
    return Succession(origin, tuple(signed))


def test_money_tokens_members_and_registers_are_those_of_the_state() -> None:
    pact = lived()
    genesis = exported(pact)
    assert CODEC.decode(encode(genesis)) == genesis
    assert {one.member: one.balance_nano for one in genesis.balances} == {
        name: pact.balance(name) for name in [*NAMES, "newbie"]
    }
    assert sum(one.free_tokens + one.bonded_tokens for one in genesis.trusts) == pact.tokens()
    again = Chain(genesis)
    assert (again.money(), again.tokens()) == (pact.money(), pact.tokens())
    for name in [*NAMES, "newbie"]:
        assert again.trust(name).index_ppm == pact.trust(name).index_ppm
        assert again.trust(name).bonded_tokens == pact.trust(name).bonded_tokens
    members = {one.id: one for one in genesis.members}
    assert members["newbie"].keys == pact.member("newbie").keys
    assert not members["storage"].keys and not members["tenant"].nodes and not members[POOL].keys
    assert "m-storage" not in {meter.id for meter in genesis.meters}
    for meter in genesis.meters:
        before, after = (State(chain.store).entry(REGISTERS, meter.id) for chain in (pact, again))
        assert before is not None and after is not None
        assert (after.import_wh, after.export_wh) == (before.import_wh, before.export_wh)
    assert genesis.params.penalty_ppm == 200_000


def test_tokens_in_open_rounds_are_free_again_and_none_vanishes() -> None:
    chain = opened()
    for member in ("bio", "storage", "utility"):
        assert wager(chain, member) == "ok"
    genesis = successor(State(chain.store), chain.genesis, "again", chain.now_ms)
    again = Chain(genesis)
    assert again.tokens() == chain.tokens()
    assert again.trust("bio").free_tokens == OPENING_TOKENS and again.trust("bio").wagered_tokens == 0
    assert again.trust("bio").bonded_tokens == chain.trust("bio").bonded_tokens
    assert left_behind(State(chain.store)).rounds == (0,) and not left_behind(State(again.store)).rounds


def test_a_tombstoned_member_weighs_nothing_on_the_new_chain_whatever_it_bonds() -> None:
    pact = lived()
    again = Chain(exported(pact))
    assert again.run(again.say("tenant", Bond(1_000))) == "ok"
    while again.height < 4 * again.genesis.consensus.epoch_blocks:
        again.block()
    assert "tenant" not in epochs.powers(State(again.store), again.height + 1)


def test_what_begins_anew_is_told() -> None:
    pact = lived()
    assert pact.run(pact.say("solar", RevokeAccess(("bills",), ()))) == "ok"
    assert pact.run(pact.say("bio", AllowAccess(("needs",), (Reader("member", "solar"),), None))) == "ok"
    assert pact.propose("campus", SetParams(PactParams(penalty_ppm=300_000))) == "ok"
    left = left_behind(pact.state())
    assert left == (("tenant",), ("solar", "bio"), (), (3,), (), (), (), ())
    assert left_behind(State(Chain(exported(pact)).store)) == ((),) * 8


def test_more_than_two_thirds_of_the_founding_power_must_sign() -> None:
    genesis = exported(Pact())
    four = support(genesis, succession(genesis, *NAMES[:4]))
    assert (4 * four.total, four.enough) == (6 * four.got, False)
    assert support(genesis, succession(genesis, *NAMES[:5])).enough
    assert support(genesis, succession(genesis, *NAMES[:5])).members == tuple(NAMES[:5])


def test_forged_repeated_and_foreign_signatures_count_for_nothing() -> None:
    genesis = exported(Pact())
    good = succession(genesis, *NAMES[:4])
    doubled = _replace(good, signatures=(*good.signatures, *good.signatures))
    assert support(genesis, doubled).got == support(genesis, good).got
    forged = Signed("tenant", key_of("tenant").public_key, good.signatures[0].signature)
    stolen = _replace(good.signatures[0], member="tenant")
    strange = Signed("nobody", key_of("nobody").public_key, key_of("nobody").sign(sign_bytes(good.origin)))
    money = key_of("tenant/money")
    narrow = Signed("tenant", money.public_key, money.sign(sign_bytes(good.origin)))
    for one in (forged, stolen, strange, narrow):
        assert not support(genesis, _replace(good, signatures=(*good.signatures, one))).enough
    other = _replace(genesis, time_ms=genesis.time_ms + 1)
    assert support(other, succession(genesis, *NAMES)).got == 0
    moved = _replace(good.origin, height=31)
    assert support(genesis, _replace(succession(genesis, *NAMES), origin=moved)).got == 0
