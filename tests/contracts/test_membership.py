"""Who is a member: admissions, removals, roles and keys, and what each leaves behind."""

from __future__ import annotations

import msgspec
import pytest
from governance_world import BOND, CONSENSUS, DEARER, EPOCH, EXPIRY, NAMES, Pact, governed, new_meter, newcomer, node
from ledger_world import FIRST, codes, key_of, settle

from contracts import epochs
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.governance import membership
from contracts.governance.bodies import Propose, RotateKeys
from contracts.governance.changes import ReKey, RemoveMember, SetParams, SetRoles
from contracts.governance.roster import registered
from contracts.governance.rules import rules
from contracts.governance.voting import has_voice
from contracts.members import MAX_UNLOCKING, AccountKey, NodeKeys
from contracts.params import PactParams
from contracts.schema import KEY_USES, MEMBERSHIPS, SITE, SITES

_replace = msgspec.structs.replace


# Never fewer than four


def test_what_would_leave_three_waits_until_others_have_weight() -> None:
    pact = Pact(governed({**dict.fromkeys(NAMES, BOND), "tenant": 0}))
    pact.agree(RemoveMember("bio"), 0, voices=4)
    assert pact.propose("campus", RemoveMember("solar")) == "governance.too-few"
    first = Pact(governed({**dict.fromkeys(NAMES, BOND), "tenant": 0}))
    assert first.propose("bio", RemoveMember("solar")) == "ok"
    assert first.propose("bio", RemoveMember("storage")) == "ok"
    first.approve(0, "bio", "campus", "utility", "storage")
    assert first.ballot(0).status == "enacted"
    first.approve(1, "bio", "campus", "utility", "storage")
    assert (first.ballot(1).status, first.ballot(1).code) == ("open", "governance.too-few")
    assert first.member("storage").keys
    assert first.run(first.say("tenant", Bond(1_000))) == "ok"
    first.until(3 * EPOCH)
    assert first.ballot(1).status == "enacted"
    assert not first.member("storage").keys


def test_the_last_node_is_as_good_as_the_member() -> None:
    pact = Pact(governed({**dict.fromkeys(NAMES, BOND), "tenant": 0, "storage": 0}))
    assert pact.propose("bio", ReKey("bio", pact.member("bio").keys, (), b"")) == "governance.too-few"
    # Who has a bond and no node is none of the four.
    five = Pact(governed({**dict.fromkeys(NAMES, BOND), "tenant": 0}))
    five.agree(ReKey("bio", five.member("bio").keys, (), b""), 0, voices=4)
    assert five.propose("solar", RemoveMember("campus")) == "governance.too-few"


# Members


def test_an_admitted_member_speaks_bonds_and_has_a_voice() -> None:
    pact = Pact()
    pact.agree(newcomer(), 0)
    assert pact.balance("newbie") == 0
    assert pact.trust("newbie").free_change.kind == "admitted"
    assert pact.run(pact.say("newbie", Propose(SetParams(DEARER), "early", EXPIRY))) == "governance.no-power"
    assert pact.run(pact.say("bio", TransferTokens("newbie", 1_000, ""))) == "ok"
    assert pact.run(pact.say("newbie", Bond(1_000))) == "ok"
    pact.until(pact.height + 3 * EPOCH)
    assert pact.run(pact.say("newbie", Propose(SetParams(DEARER), "now", EXPIRY))) == "ok"
    assert (
        rules(pact.state()).members_height == pact.state().load(MEMBERSHIPS, MEMBERSHIPS.key("newbie")).admitted_height
    )


def test_meters_of_a_new_member_count_from_the_next_interval_on() -> None:
    pact = Pact()
    pact.agree(newcomer(meters=(new_meter("m-new", "newbie", import_wh=70),)), 0)
    assert [meter.since for meter in SITES.decode(pact.store[SITE]).meters if meter.meter == "m-new"] == [FIRST]
    settle(pact, FIRST, {"m-bio": (0, 10)})
    assert pact.interval(FIRST).estimated == 0
    settle(pact, FIRST + 1, {"m-bio": (0, 10)})
    assert pact.interval(FIRST + 1).estimated_meters == ("m-new",)
    pact.at(FIRST + 2)
    assert pact.run(pact.reading("m-new", FIRST + 2, 170, 0)) == "ok"
    assert pact.money() == Pact().money()


def test_a_removed_member_is_silent_its_bond_unlocks_and_its_balance_stays() -> None:
    pact = Pact()
    settle(pact, FIRST, {"m-solar": (0, 500), "m-campus": (500, 0)})
    pact.at(FIRST + 1)
    assert pact.run(pact.reading("m-solar", FIRST + 1, 0, 900)) == "ok"
    tokens, money = pact.tokens(), pact.money()
    pact.agree(RemoveMember("solar"), 0, voices=5)
    balance = pact.balance("solar")
    assert pact.trust("solar").bonded_tokens == 0
    assert [part.amount_tokens for part in pact.trust("solar").unlocking] == [BOND]
    assert pact.run(_replace(pact.pay("bio", "solar", 1), sender="solar")) == "key.unknown"
    speaking = _replace(pact.pay("bio", "solar", 1), sender="solar", public_key=key_of("solar").public_key)
    assert pact.run(speaking) == "key.unknown"
    assert pact.run(pact.reading("m-solar", FIRST + 1, 0, 950)) == "meter.stopped"
    assert not has_voice(pact.state(), pact.height, "solar")
    # What it said before is settled, and it is not estimated afterwards.
    settle(pact, FIRST + 1, {"m-campus": (500, 0)}, silent=("m-solar",))
    assert pact.interval(FIRST + 1).injected_wh == 400
    settle(pact, FIRST + 2, {"m-campus": (500, 0)}, silent=("m-solar",))
    assert (pact.interval(FIRST + 2).estimated, pact.settled("m-solar").gaps) == (0, ())
    assert pact.balance("solar") != 0 and balance != 0
    assert (pact.tokens(), pact.money()) == (tokens, money)
    assert pact.propose("bio", newcomer("solar")) == "governance.id-taken"
    assert pact.propose("bio", SetRoles("solar", ())) == "governance.member"


def test_a_member_can_not_hide_from_removal_behind_its_unbonding() -> None:
    pact = Pact()
    for _ in range(MAX_UNLOCKING):
        assert pact.run(pact.say("solar", Unbond(1))) == "ok"
    pact.agree(RemoveMember("solar"), 0)
    assert pact.trust("solar").bonded_tokens == BOND - MAX_UNLOCKING
    pact.until(pact.height + 3 * EPOCH)
    assert "solar" not in epochs.powers(pact.state(), pact.height)


def test_ids_and_keys_are_never_used_again() -> None:
    pact = Pact()
    spent = newcomer(meters=(new_meter("m-new", "newbie"),))
    pact.agree(spent, 0)
    pact.agree(RemoveMember("newbie"), 1)
    fresh = (AccountKey(key_of("fresh").public_key, "all"),)
    assert pact.propose("bio", newcomer("again", nodes=())) == "ok"
    assert pact.propose("bio", newcomer("again", keys=spent.member.keys, nodes=())) == "governance.key-taken"
    assert pact.propose("bio", newcomer("again", keys=fresh, nodes=spent.member.nodes)) == "governance.key-taken"
    other = (node("node-newbie", "other"),)
    assert pact.propose("bio", newcomer("again", keys=fresh, nodes=other)) == "governance.id-taken"
    again = new_meter("m-new", "again")
    assert pact.propose("bio", newcomer("again", (again,), keys=fresh, nodes=())) == "governance.id-taken"


def test_roles_are_given_and_taken() -> None:
    pact = Pact()
    pact.agree(SetRoles("tenant", ("campus", "consumer")), 0)
    assert pact.run(pact.mode("tenant", FIRST + 2, "island")) == "ok"
    pact.agree(SetRoles("tenant", ()), 1)
    assert pact.run(pact.mode("tenant", FIRST + 2, "grid")) == "mode.role"
    assert pact.propose("bio", SetRoles("tenant", ("utility",))) == "governance.utility"
    assert pact.propose("bio", SetRoles("utility", ("supplier",))) == "governance.utility"
    assert pact.propose("bio", SetRoles("utility", ("supplier", "utility"))) == "ok"


# Keys


def rotation(*names: str, scope: str = "all") -> RotateKeys:
    return RotateKeys(tuple(AccountKey(key_of(name).public_key, scope) for name in names))


def test_a_member_rotates_its_own_keys_and_the_old_one_is_silent() -> None:
    pact = Pact()
    paid = pact.pay("solar", "bio", 1)
    assert pact.run(pact.say("solar", rotation("solar", "second"))) == "ok"
    assert pact.account("solar").lanes[0].next_nonce == 1
    second = _replace(pact.say("solar", rotation("second")), public_key=key_of("second").public_key, nonce=0)
    assert pact.run(second) == "ok"
    assert pact.run(paid) == "key.unknown"
    # Were it registered again, its lane would begin at 0, and what it once signed would count again.
    back = _replace(pact.say("solar", rotation("solar")), public_key=key_of("second").public_key, nonce=1)
    assert pact.run(back) == "governance.key-taken"


def test_rotating_brings_no_budget() -> None:
    pact = Pact(governed(params=PactParams(units_per_key=6)))
    assert codes(pact.block(*(pact.say("solar", Bond(1), nonce=n) for n in range(3)))) == ["ok"] * 3
    assert pact.run(pact.say("solar", rotation("second"))) == "ok"
    (lane,) = pact.account("solar").lanes
    assert (lane.next_nonce, lane.units_used) == (0, 5)


@pytest.mark.parametrize("scope", ["market", "money"])
def test_only_a_key_for_everything_rotates_keys(scope: str) -> None:
    pact = Pact()
    assert pact.run(pact.say("solar", rotation("second"), scope=scope)) == "key.scope"


def test_a_member_can_not_lock_itself_out() -> None:
    pact = Pact()
    assert pact.run(pact.say("solar", rotation("second", scope="market"))) == "governance.keys"
    assert pact.run(pact.say("solar", rotation())) == "governance.keys"
    assert pact.run(pact.say("solar", rotation("second", "second"))) == "governance.keys"


def test_new_keys_of_a_node_leave_the_old_ones_known_for_two_epochs() -> None:
    pact = Pact()
    before = pact.member("solar").nodes
    new = (node("node-solar", "solar-2"), node("node-solar-b"))
    pact.agree(ReKey("solar", pact.member("solar").keys, new, b"x"), 0)
    found = pact.state().load(MEMBERSHIPS, MEMBERSHIPS.key("solar"))
    assert found is not None and tuple(one.keys for one in found.former_nodes) == before
    assert pact.member("solar").nodes == new
    for key in (before[0].consensus_key, new[0].consensus_key):
        assert KEY_USES.decode(pact.store[KEY_USES.key(key.hex())]).member == "solar"
    # The change is in the second epoch, so the sets of the third were known before it.
    assert found.former_nodes[0].height in range(EPOCH + 1, 2 * EPOCH + 1)
    pact.until(3 * EPOCH - 1)
    assert known(pact, "node-solar") == [new[0], *before]
    pact.until(3 * EPOCH)
    assert known(pact, "node-solar") == [new[0]]


def known(pact: Pact, name: str) -> list[NodeKeys]:
    """All keys that may speak for a node in the next block, the present ones first."""
    return list(registered(pact.state(), pact.height + 1, CONSENSUS).get(name, ()))


def test_a_certificate_that_is_replaced_alone_does_not_stay_known_with_the_seat() -> None:
    pact = Pact()
    (before,) = pact.member("solar").nodes
    renewed = _replace(before, tls_certificate=b"renewed")
    pact.agree(ReKey("solar", pact.member("solar").keys, (renewed,), b""), 0)
    pact.until(3 * EPOCH - 1)
    assert known(pact, "node-solar") == [renewed, before]
    pact.until(3 * EPOCH)
    assert (renewed.node, renewed.consensus_key) in membership.seated_keys(pact.state(), pact.height)
    assert known(pact, "node-solar") == [renewed]


def test_keys_that_have_to_stay_seated_are_known_through_a_change_of_the_member() -> None:
    """Nobody takes the place of one of four: it votes with the nodes that it had, until its new ones have its seat."""
    pact = Pact(governed({**dict.fromkeys(NAMES, 0), **dict.fromkeys(NAMES[:4], BOND)}))
    name, keys = NAMES[0], pact.member(NAMES[0]).keys
    (before,) = pact.member(name).nodes
    assert pact.run(pact.say(NAMES[4], Bond(1_000))) == "ok"
    assert pact.propose(name, ReKey(name, keys, (), b"")) == "ok"
    assert pact.approve(0, *NAMES[:3]) == ["ok"] * 3
    assert pact.run(pact.say(NAMES[4], Unbond(1_000))) == "ok", "before the epoch ends"
    pact.until(6 * EPOCH)
    assert known(pact, before.node) == [before] and name in epochs.powers(pact.state(), pact.height + 1)
    fresh = node("node-fresh")
    pact.agree(ReKey(name, keys, (fresh,), b""), 1, voices=3)
    changed = epochs.epoch_of(pact.height, CONSENSUS)
    while epochs.epoch_of(pact.height + 1, CONSENSUS) < changed + 2:
        assert (known(pact, before.node), known(pact, fresh.node)) == ([before], [fresh])
        pact.block()
    assert (known(pact, before.node), known(pact, fresh.node)) == ([], [fresh])


def test_replaced_keys_of_a_node_that_is_about_to_be_seated_are_known_before_it_is() -> None:
    """Its seat was computed with the old keys, and begins an epoch later."""
    pact = Pact(governed({**dict.fromkeys(NAMES, BOND), "tenant": 0}))
    (before,) = pact.member("tenant").nodes
    pact.agree(ReKey("tenant", pact.member("tenant").keys, (node("node-tenant", "tenant-2"),), b""), 0, voices=4)
    last = 0
    for height in range(pact.height, 4 * EPOCH):
        pact.until(height)
        first, *others = known(pact, "node-tenant")
        assert first.consensus_key == key_of("tenant-2").public_key
        last = pact.height + 1 if before in others else last
    assert last == 3 * EPOCH
