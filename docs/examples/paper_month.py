"""The month of the white paper, as arithmetic that you can take apart: 53 tenants used 91 kWh of four suppliers.

Every meter commits to what it counted. Tenants prove that each used between 1 and 3 kWh, the campus splits the total,
and every supplier proves that its share is what its meter delivered. `month` plays that on the shipped scenario, with
the statements that nodes check; `gridpact devnet run --scenario private-campus` does the same on real nodes.

Run it: `python docs/examples/paper_month.py`
"""

from __future__ import annotations

import pandas as pd

from contracts.private.points import total
from devnet.scenario import load
from zk.pedersen import commit
from zk.statements import known_difference, ranges
from zk.statements.assertion import Assertion, Where
from zk.statements.check import verify_all
from zk.statements.openings import Opening, blindings

CHAIN = "the-papers-month"
PRIVATE = ["energy_wh", "money_nano"]
"""Columns that nobody but the owner of the meter and the campus knows."""


def month(entropy: bytes) -> pd.DataFrame:
    """One row a meter. `entropy`: 32 bytes, fresh wherever something is to stay secret.

    Columns: meter, member, kind; low_wh and high_wh, between which everybody knows it to be (a source: NA); commitment,
    all that is public of the energy; proven, what everybody finds who checks; energy_wh and money_nano, which stay
    between the owner and the campus (money is paid for a load and received for a source).
    """
    meters = [meter for meter in load("private-campus").meters if meter.private is not None]
    loads = [meter for meter in meters if meter.kind == "load"]
    sources = [meter for meter in meters if meter.kind == "source"]
    metered = {one.id: _opening("reading", one.id, one.cycle_wh, entropy) for one in meters}

    assertions: list[Assertion] = []
    for one in loads:
        where, agreed = Where(CHAIN, one.id), [(one.private.low_wh, one.private.high_wh)]
        said = ranges.prove("range", where, [metered[one.id]], agreed, entropy=entropy)
        assertions.append(ranges.assertion("range", where, said.commitments, agreed, said.proof))

    # The campus can open the sum of what tenants used, and fixes the last share so that all shares are that sum.
    used = metered[loads[0].id]
    for one in loads[1:]:
        used = used.plus(metered[one.id])
    shares = {one.id: _opening("share-of-bill", one.id, one.cycle_wh, entropy) for one in sources[:-1]}
    last = used
    for share in shares.values():
        last = last.minus(share)
    shares[sources[-1].id] = last

    for one in sources:
        where, share, delivered = Where(CHAIN, one.id), shares[one.id], metered[one.id]
        answer = known_difference.prove(where, share, delivered, entropy=entropy)
        points = _point(share), _point(delivered)
        assertions.append(known_difference.assertion(where, *points, answer.difference, answer.proof))
        assert answer.difference == 0, "what is billed was delivered"
    assert total(map(_point, shares.values())) == total(_point(metered[one.id]) for one in loads), "points add up"

    rows = [
        {
            "meter": one.id,
            "member": one.member,
            "kind": one.kind,
            "low_wh": one.private.low_wh,
            "high_wh": one.private.high_wh,
            "commitment": _point(metered[one.id]).hex(),
            "proven": proven,
            "energy_wh": metered[one.id].value,
            "money_nano": metered[one.id].value * one.private.tariff_nano_per_wh,
        }
        for one, proven in zip([*loads, *sources], verify_all(assertions), strict=True)
    ]
    return pd.DataFrame(rows).astype({"low_wh": "Int64", "high_wh": "Int64"})


def stranger(frame: pd.DataFrame) -> pd.DataFrame:
    """What everybody else sees of a month."""
    return frame.drop(columns=PRIVATE)


def _opening(kind: str, meter: str, energy_wh: int, entropy: bytes) -> Opening:
    (blinding,) = blindings(kind, Where(CHAIN, meter), [energy_wh], entropy, 1)
    return Opening(energy_wh, blinding)


def _point(opening: Opening) -> bytes:
    return commit(*opening).to_bytes()


if __name__ == "__main__":
    import secrets

    played = month(secrets.token_bytes(32))
    print(stranger(played).to_string(max_colwidth=20))
    print(played.groupby("kind")[PRIVATE].sum())
