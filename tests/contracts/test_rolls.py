"""Rolls: a map from ids to entries, however it is written, and a commitment that fixes every entry and its place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import Store

from contracts.members import Holding
from contracts.metering_records import Metered
from contracts.rolls import BUCKETS, Commitment, Rolls, bucket, committed, is_roll, leaves, locate
from contracts.state import State
from zk import merkle
from zk.codec import encode

HOLDINGS: Rolls[Holding] = Rolls("balance", Holding)
METERED: Rolls[Metered] = Rolls("metered", Metered)
IDS = st.sampled_from([f"{letter}-{number}" for letter in "abz" for number in range(12)])
PUTS = st.lists(st.tuples(IDS, st.integers(-9, 9)), max_size=25)


def store(state: State, into: Store) -> None:
    into.update((key, raw) for key, raw in state.changes().items() if raw is not None)


def standing(read: Store) -> dict[str, int]:
    """What a reader finds, through every way of reading, if they agree."""
    state = State(read)
    entries = [entry for key in HOLDINGS.roll_keys() for entry in state.roll(HOLDINGS, key)]
    found = {entry.member: entry.balance_nano for entry in entries}
    assert len(found) == len(entries), "an id stands once"
    for id_, amount in found.items():
        assert state.entry(HOLDINGS, id_) == Holding(id_, amount)
    for key, raw in read.items():
        ids = [entry.member for entry in HOLDINGS.decode(raw)]
        assert ids == sorted(ids) and {HOLDINGS.roll_key(id_) for id_ in ids} == {key}
        for id_ in (*ids, "", "m", "~"):
            assert HOLDINGS.search(leaves(raw), id_) == HOLDINGS.place(HOLDINGS.decode(raw), id_)
    return found


@given(st.dictionaries(IDS, st.integers(-9, 9)), st.lists(st.tuples(PUTS, st.booleans()), max_size=4))
@settings(max_examples=120)
def test_a_roll_is_a_map(first: dict[str, int], transactions: list[tuple[list[tuple[str, int]], bool]]) -> None:
    """Filled once, then changed by transactions, some of which are refused: what a dictionary would hold."""
    read, model = Store(), dict(first)
    state = State(read)
    state.fill(HOLDINGS, [Holding(id_, first[id_]) for id_ in sorted(first)])
    state.commit()
    store(state, read)
    assert standing(read) == model
    state = State(read)
    for puts, accepted in transactions:
        mine = dict(model)
        for id_, amount in puts:
            state.put(HOLDINGS, Holding(id_, amount))
            mine[id_] = amount
            assert state.entry(HOLDINGS, id_) == Holding(id_, amount)
        if accepted:
            state.commit()
            model = mine
        else:
            state.rollback()
        assert all(state.entry(HOLDINGS, id_) == Holding(id_, model[id_]) for id_ in model)
    store(state, read)
    assert standing(read) == model
    assert all(read.values()), "no roll is empty"


@given(st.dictionaries(IDS, st.integers(0, 9), min_size=1), IDS, st.integers(0, 9))
@settings(max_examples=60)
def test_a_commitment_fixes_every_entry(energies: dict[str, int], id_: str, wh: int) -> None:
    """The tree's value changes with any entry, is made of size and RFC 6962 root alone, and belongs to its group."""
    entries = [Metered(one, energies[one], 0) for one in sorted(energies)]
    rolls = METERED.spread(entries, 7)
    for key, roll in rolls.items():
        raw = encode(roll)
        assert leaves(raw) == [encode(entry) for entry in roll]
        assert committed(key, raw) == encode(Commitment(len(roll), merkle.root([encode(entry) for entry in roll])))
        assert committed(b"member/a", raw) == raw, "records stand as they are"
    changed = METERED.spread([Metered(one, {**energies, id_: wh}[one], 0) for one in sorted({*energies, id_})], 7)
    same = energies.get(id_) == wh
    values = [{key: committed(key, encode(roll)) for key, roll in one.items()} for one in (rolls, changed)]
    assert (values[0] == values[1]) is same
    assert not rolls.keys() & METERED.spread(entries, 8).keys()


@given(IDS, st.integers(0, 2**32 - 1))
def test_keys_lead_to_their_rolls(id_: str, interval: int) -> None:
    key, roll_key = METERED.key(interval, id_), METERED.roll_key(id_, interval)
    assert key == b"metered/%010d/%s" % (interval, id_.encode())
    assert locate(key) == (roll_key, id_)
    assert METERED.roll_keys(interval).index(roll_key) == bucket(id_) < BUCKETS
    assert is_roll(roll_key) and not is_roll(key)
    assert locate(HOLDINGS.key(id_)) == (HOLDINGS.roll_key(id_), id_)


@given(st.binary(max_size=40))
def test_any_bytes_may_be_asked_for(key: bytes) -> None:
    """Keys of bundles come from strangers."""
    roll_key, id_ = locate(key)
    assert is_roll(roll_key) and isinstance(id_, str)


def test_ids_spread_over_all_buckets() -> None:
    counts = [0] * BUCKETS
    for number in range(1_000):
        counts[bucket(f"member-{number:05d}")] += 1
    assert min(counts) > 30 and max(counts) < 100
