"""Making a threshold key on the ledger: what cheating dealers, silent seats and false complaints achieve."""

from __future__ import annotations

from ceremony_world import Sealers

from zk import elgamal


def test_four_seats_make_a_key_that_any_three_open_with() -> None:
    chain = Sealers().with_key()
    key = chain.made()
    assert (key.threshold, len(key.seats), key.dealers) == (3, 4, ("a", "b", "c", "d"))
    number = chain.ask(chain.sealed(31_000))
    chain.all_ok(chain.sharing(name, chain.opening(number)) for name in ("b", "c", "d"))
    record = chain.opening(number)
    assert record.outcome == "opened"
    assert elgamal.is_value(elgamal.decode(record.point, record.point).E, 31_000)
