"""What all dealers together can not do either: make a key that is none."""

from __future__ import annotations

from ceremony_world import Sealers

from contracts.ceremony.events import CeremonyMoved
from contracts.ceremony.records import Dealt
from contracts.schema import DEALINGS
from zk import ceremony as making
from zk.codec import encode


def test_dealers_whose_parts_sum_to_the_identity_make_no_key() -> None:
    """Under the identity nothing is hidden: E would be the value itself, for all to find."""
    chain = Sealers().to_dealing().to_complaints()
    now = chain.now()
    others = making.joint([making.decode_vector(chain.dealt(name).vector, now.threshold) for name in "abc"])
    last = chain.dealt("d")
    cancelled = Dealt(((-others[0]).to_bytes(), *last.vector[1:]), last.shares)
    chain.store[DEALINGS.key(now.epoch, now.attempt, "d")] = encode(cancelled)
    moved: list[str] = []
    for _ in range(20):
        chain.block()
        assert chain.clock is not None
        moved += [one.phase for one in chain.clock.events if isinstance(one, CeremonyMoved)]
        if moved:
            break
    assert moved == ["register"], "another attempt, with everybody"
    assert chain.key() is None
    assert (chain.now().epoch, chain.now().attempt) == (now.epoch, now.attempt + 1)
    assert not any(seat.barred for seat in chain.now().seats)
    chain.with_key()
    assert chain.made().attempt == now.attempt + 1
