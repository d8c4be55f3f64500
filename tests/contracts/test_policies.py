"""Access policies on the ledger: what a member said last holds, for its own records alone."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import ROLES, Chain

from contracts.governance.bodies import RECORD_KINDS, AllowAccess, Reader, RecordKind, RevokeAccess
from contracts.governance.events import AccessAllowed, AccessRevoked
from contracts.members import AccessCount, AccessPolicy
from contracts.policies import Asker, may_read
from contracts.schema import ACCESS, ACCESS_COUNT, ACCESS_COUNTS, ACCESS_PLACES

SOLAR, UTILITIES, ALL = Reader("member", "solar"), Reader("role", "utility"), Reader("all", "all")
NOBODY = Asker()


def asker(name: str) -> Asker:
    return Asker(name, ROLES[name])


def policy(chain: Chain, member: str = "bio") -> AccessPolicy | None:
    raw = chain.store.get(ACCESS.key(member))
    return None if raw is None else ACCESS.decode(raw)


def allow(chain: Chain, kinds: tuple[RecordKind, ...], *readers: Reader, until_ms: int | None = None) -> None:
    (receipt,) = chain.block(chain.say("bio", AllowAccess(kinds, readers, until_ms)))
    assert receipt.events == (AccessAllowed("bio", tuple(sorted(kinds)), len(readers), until_ms),)


def revoke(chain: Chain, kinds: tuple[RecordKind, ...], *readers: Reader) -> None:
    (receipt,) = chain.block(chain.say("bio", RevokeAccess(kinds, readers)))
    assert receipt.events == (AccessRevoked("bio", tuple(sorted(kinds)), len(readers)),)


def readers_of(chain: Chain, kind: str) -> set[str]:
    """Which others may read a kind of bio's records now; "" is a stranger."""
    askers = [NOBODY, *(asker(name) for name in ROLES if name != "bio")]
    return {one.member for one in askers if may_read(policy(chain), kind, one, chain.now_ms)}


EVERYBODY = {"", *ROLES} - {"bio"}


def test_who_has_said_nothing_is_open_and_the_first_word_protects_what_it_names() -> None:
    chain = Chain()
    assert readers_of(chain, "bills") == EVERYBODY
    allow(chain, ("bills", "orders"), SOLAR)
    assert readers_of(chain, "bills") == readers_of(chain, "orders") == {"solar"}
    assert readers_of(chain, "needs") == EVERYBODY
    allow(chain, ("bills",), UTILITIES)
    assert readers_of(chain, "bills") == {"solar", "utility"}
    assert readers_of(chain, "orders") == {"solar"}
    revoke(chain, ("bills",), SOLAR)
    assert readers_of(chain, "bills") == {"utility"}
    revoke(chain, ("balance",))
    assert readers_of(chain, "balance") == set()
    allow(chain, ("balance",), ALL)
    assert readers_of(chain, "balance") == EVERYBODY
    assert policy(chain, "solar") is None


def test_a_grant_ends_at_its_moment_and_leaves_the_kind_protected() -> None:
    chain = Chain()
    end_ms = chain.now_ms + 1_000
    allow(chain, ("bills",), SOLAR, until_ms=end_ms)
    chain.now_ms = end_ms - 1
    assert readers_of(chain, "bills") == {"solar"}
    chain.now_ms = end_ms
    assert readers_of(chain, "bills") == set()
    allow(chain, ("orders",), UTILITIES)
    held = policy(chain)
    assert held is not None and [grant.kind for grant in held.grants] == ["orders"], "what has ended is dropped"
    assert readers_of(chain, "bills") == set()


def test_a_member_and_a_role_of_one_name_are_two() -> None:
    chain = Chain()
    allow(chain, ("bills",), Reader("role", "supplier"))
    assert readers_of(chain, "bills") == {name for name, roles in ROLES.items() if "supplier" in roles} - {"bio"}
    allow(chain, ("orders",), Reader("member", "utility"))
    assert not may_read(policy(chain), "orders", Asker("other", ("utility",)), chain.now_ms)
    assert not may_read(policy(chain), "bills", Asker("supplier", ()), chain.now_ms)


def test_policies_are_counted_and_every_change_shows() -> None:
    chain = Chain()
    allow(chain, ("bills",), SOLAR)
    allow(chain, ("bills",), UTILITIES)
    chain.block(chain.say("solar", RevokeAccess(("needs",), ())))
    assert ACCESS_COUNTS.decode(chain.store[ACCESS_COUNT]) == AccessCount(2, 3)
    places = [ACCESS_PLACES.decode(chain.store[ACCESS_PLACES.key(number)]).member for number in range(2)]
    assert places == ["bio", "solar"]
    assert ACCESS_PLACES.key(2) not in chain.store
    held = policy(chain)
    assert held is not None and (held.number, held.height) == (0, 2)


class Model(NamedTuple):
    """What a naive reader of the same words believes: protected kinds, and grants with their end."""

    kinds: set[str]
    grants: dict[tuple[str, Reader], int | None]


KINDS = st.lists(st.sampled_from(RECORD_KINDS[:3]), min_size=1, max_size=3).map(tuple)
READERS = st.lists(st.sampled_from([SOLAR, UTILITIES, ALL, Reader("member", "campus")]), max_size=3).map(tuple)
WORDS = st.tuples(st.booleans(), KINDS, READERS, st.none() | st.integers(-1, 4))


@given(st.lists(WORDS, max_size=8))
@settings(max_examples=60)
def test_any_words_mean_what_a_naive_reader_takes_them_for(
    words: list[tuple[bool, tuple[RecordKind, ...], tuple[Reader, ...], int | None]],
) -> None:
    chain, model = Chain(), Model(set(), {})
    for allows, kinds, readers, ahead in words:
        chain.now_ms += 1
        end_ms = None if ahead is None else chain.now_ms + ahead
        if allows and readers:
            code = chain.run(chain.say("bio", AllowAccess(kinds, readers, end_ms)))
            assert code == ("access.until" if end_ms is not None and end_ms <= chain.now_ms else "ok")
            if code == "ok":
                model.kinds.update(kinds)
                model.grants.update({(kind, reader): end_ms for kind in kinds for reader in readers})
        elif not allows and chain.run(chain.say("bio", RevokeAccess(kinds, readers))) == "ok":
            model.kinds.update(kinds)
            for kind, reader in list(model.grants):
                if kind in kinds and (not readers or reader in readers):
                    del model.grants[kind, reader]
        for kind in RECORD_KINDS[:4]:
            live = {
                reader
                for (of, reader), end in model.grants.items()
                if of == kind and (end is None or end > chain.now_ms)
            }
            expected = (
                EVERYBODY
                if kind not in model.kinds or ALL in live
                else {
                    name
                    for name in EVERYBODY
                    if Reader("member", name) in live or (name and UTILITIES in live and "utility" in ROLES[name])
                }
            )
            assert readers_of(chain, kind) == expected
