"""Every kind of statement of the document, out of its instance bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any

import msgpack

from tests.zk.slow import ranges, sigma
from tests.zk.slow.curve import (
    Refused,
    base,
    encoded,
    identity,
    point,
    refuse_unless,
    same,
    scalar,
    total,
)
from tests.zk.slow.sponge import Sponge, framed, session


@cache
def named(name: str) -> bytes:
    """Bytes of V or H."""
    return encoded(base(name.encode()))


def number(value: object, lo: int, hi: int) -> int:
    """A field that is an integer of a range."""
    refuse_unless(type(value) is int, "an integer")
    assert isinstance(value, int)
    refuse_unless(lo <= value <= hi, "a number out of its bounds")
    return value


def raw(value: object) -> bytes:
    """A field of bytes."""
    refuse_unless(type(value) is bytes, "bytes")
    assert isinstance(value, bytes)
    return value


def many(value: object, most: int) -> list[Any]:
    """A field that is an array."""
    refuse_unless(type(value) is list, "an array")
    assert isinstance(value, list)
    refuse_unless(1 <= len(value) <= most, "an array of a length that is allowed")
    return value


def in_ranges(tag: bytes, points: list[Any], bounds: list[tuple[int, int]], proof: bytes, key: bytes = b"") -> None:
    """The range proof of a statement."""
    ranges.check(tag + framed(b"range"), points, bounds, proof, key)


def related(tag: bytes, relation: sigma.Relation, proof: bytes) -> bytes:
    """What follows the sigma proof of a statement, which is true."""
    split = sigma.length(relation)
    sigma.check(tag + framed(b"sigma") + sigma.BATCHABLE, relation, proof[:split])
    return proof[split:]


def linear(*terms: tuple[Any, int]) -> Any:
    """A public combination of points."""
    return total([one for one, _ in terms], [factor for _, factor in terms])


def ranged(tag: bytes, proof: bytes, commitments: object, bounds: object, key: object) -> None:
    """range, reading, capacity, quality."""
    points = [point(raw(one)) for one in many(commitments, 128)]
    pairs = [many(pair, 2) for pair in many(bounds, 128)]
    refuse_unless(all(len(pair) == 2 for pair in pairs), "a range has two bounds")
    limits = [(number(lo, 0, 2**64 - 1), number(hi, 0, 2**64 - 1)) for lo, hi in pairs]
    in_ranges(tag, points, limits, proof, raw(key))


def spend(tag: bytes, proof: bytes, balance: object, transfer: object) -> None:
    c, t = point(raw(balance)), point(raw(transfer))
    rest = linear((c, 1), (t, -1))
    if identity(rest):
        in_ranges(tag, [t], [(1, 2**63 - 1)], proof)
    else:
        in_ranges(tag, [t, rest], [(1, 2**63 - 1), (0, 2**63 - 1)], proof)


def withdraw(tag: bytes, proof: bytes, balance: object, amount: object) -> None:
    c, v = point(raw(balance)), number(amount, 1, 2**63 - 1)
    rest = linear((c, 1), (base(b"V"), -v))
    if identity(rest):
        refuse_unless(not proof, "nothing to prove")
    else:
        in_ranges(tag, [rest], [(0, 2**63 - 1)], proof)


def known_difference(tag: bytes, proof: bytes, minuend: object, subtrahend: object, difference: object) -> None:
    a, m, v = raw(minuend), raw(subtrahend), number(difference, 1 - 2**63, 2**63 - 1)
    if identity(linear((point(a), 1), (point(m), -1), (base(b"V"), -v))):
        refuse_unless(not proof, "nothing to prove")
        return
    relation = sigma.build(
        {"V": named("V"), "H": named("H"), "A": a, "M": m}, "delta", ({"A": 1, "M": -1, "V": -v}, [("delta", "H")])
    )
    refuse_unless(not related(tag, relation, proof), "nothing behind a sigma proof")


def within_loss(
    tag: bytes, proof: bytes, share: object, delivery_: object, ppm: object, fixed: object, accuracy: object
) -> None:
    d, m, v = point(raw(share)), point(raw(delivery_)), base(b"V")
    lost, constant, gained = number(ppm, 0, 10**6), number(fixed, 0, 2**40 - 1), number(accuracy, 0, 2**40 - 1)
    first = linear((d, 10**6), (m, lost - 10**6), (v, 10**6 * constant))
    second = linear((m, 10**6), (d, -(10**6)), (v, 10**6 * gained))
    hidden = [one for one in (first, second) if not identity(one)]
    if hidden:
        in_ranges(tag, hidden, [(0, 2**62 - 1)] * len(hidden), proof)
    else:
        refuse_unless(not proof, "nothing to prove")


def reserve(tag: bytes, proof: bytes, held: object, delivery_: object, most: object) -> None:
    z, m, limit = point(raw(held)), point(raw(delivery_)), number(most, 0, 2**40 - 1)
    in_ranges(tag, [z, linear((z, 1), (m, -1))], [(0, limit)] * 2, proof)


def delivery(tag: bytes, proof: bytes, award_: object, metered: object, shortfall: object, others: object) -> None:
    q, m, v = point(raw(award_)), point(raw(metered)), base(b"V")
    u, o = number(shortfall, 0, 2**32 - 1), number(others, 0, 2**40 - 1)
    points = [linear((q, 1), (v, -u)), linear((m, 1), (q, -1), (v, u - o))]
    in_ranges(tag, points, [(0, 2**32 - 1), (0, 2**40 - 1)], proof)


def green_share(tag: bytes, proof: bytes, consumption: object, ppm: object, volume: object, remainder: object) -> None:
    c, g, x, share = raw(consumption), raw(volume), raw(remainder), number(ppm, 1, 10**6)
    relation = sigma.build(
        {"H": named("H"), "C": c, "G": g, "X": x}, "beta", ({"C": share, "G": -(10**6), "X": -1}, [("beta", "H")])
    )
    rest = related(tag, relation, proof)
    in_ranges(tag, [point(g), point(x)], [(0, 2**40 - 1), (0, 10**6 - 1)], rest)


def demand(tag: bytes, proof: bytes, key: object, e: object, r: object, most: object) -> None:
    p, sealed, limit = raw(key), raw(e), number(most, 0, 2**32 - 1)
    relation = sigma.build(
        {"V": named("V"), "P": p, "E": sealed, "R": raw(r)},
        "d r",
        ({"E": 1}, [("d", "V"), ("r", "P")]),
        ({"R": 1}, [("r", "B")]),
    )
    in_ranges(tag, [point(sealed)], [(0, limit)], related(tag, relation, proof), p)


def bid(tag: bytes, proof: bytes, key: object, capacity: object, e: object, r: object, slack: object) -> None:
    p, c, f = raw(key), raw(capacity), raw(slack)
    es, rs = [raw(one) for one in many(e, 64)], [raw(one) for one in many(r, 64)]
    refuse_unless(len(es) == len(rs), "as many E as R")
    for row in (es, rs):
        for count in range(1, len(row) + 1):
            refuse_unless(not identity(linear(*((point(one), 1) for one in row[:count]))), "a first sum")
    sponge = Sponge(session(b"gridpact/1/bid-weights"))
    sponge.absorb(framed(tag, p, c, *es, *rs, f))
    rho = [int.from_bytes(sponge.squeeze(16), "little") for _ in es]
    refuse_unless(0 not in rho, "a weight is 0")
    e_names, r_names = [f"E{k}" for k in range(len(es))], [f"R{k}" for k in range(len(rs))]
    relation = sigma.build(
        {"V": named("V"), "P": p, "H": named("H"), "C": c, "F": f}
        | dict(zip(e_names, es, strict=True))
        | dict(zip(r_names, rs, strict=True)),
        "d r alpha beta",
        (dict(zip(e_names, rho, strict=True)), [("d", "V"), ("r", "P")]),
        (dict(zip(r_names, rho, strict=True)), [("r", "B")]),
        ({"C": 1, "F": -1} | dict.fromkeys(e_names, -1), [("alpha", "P"), ("beta", "H")]),
    )
    rest = related(tag, relation, proof)
    in_ranges(tag, [*map(point, es), point(f)], [(0, 2**31 - 1)] * len(es) + [(0, 2**32 - 1)], rest, p)


def award(
    tag: bytes,
    proof: bytes,
    key: object,
    weighted: object,
    divisor: object,
    award_: object,
    remainder: object,
    summand: object,
    summand_r: object,
) -> None:
    b, q, x = number(divisor, 1, 2**32 - 1), raw(award_), raw(remainder)
    refuse_unless(bool(x) == (b > 1), "X is there exactly when b > 1")
    elements = {"V": named("V"), "P": raw(key), "H": named("H"), "W": raw(weighted), "Q": q}
    elements |= {"T": raw(summand), "R_T": raw(summand_r)}
    image = {"W": 1, "Q": -b}
    if x:
        elements["X"], image["X"] = x, -1
    relation = sigma.build(
        elements,
        "q s y alpha beta",
        ({"Q": 1}, [("q", "V"), ("s", "H")]),
        ({"T": 1}, [("q", "V"), ("y", "P")]),
        ({"R_T": 1}, [("y", "B")]),
        (image, [("alpha", "P"), ("beta", "H")]),
    )
    rest = related(tag, relation, proof)
    bounds = [(0, 2**32 - 1), (0, b - 1)]
    points = [point(one) for one in (q, x) if one]
    in_ranges(tag, points, bounds[: len(points)], rest)


def sums(tag: bytes, proof: bytes, parts: object, public: object, whole: object) -> None:
    """sum"""
    terms = [(point(raw(one)), 1) for one in many(parts, 4_096)]
    found = linear(*terms, (base(b"V"), number(public, 0, 2**63 - 1)))
    refuse_unless(not proof and same(found, point(raw(whole))), "parts add up to the total")


def opening(tag: bytes, proof: bytes, commitment: object, value: object, blinding: object) -> None:
    v, s = number(value, 0, 2**64 - 1), scalar(raw(blinding))
    found = linear((base(b"V"), v), (base(b"H"), s))
    refuse_unless(not proof and same(found, point(raw(commitment))), "a commitment is opened")


def chain(tag: bytes, proof: bytes, head: object, length: object, first: object, records: object) -> None:
    behind = number(length, 1, 2**32) - number(first, 0, 2**32)
    shown = [raw(one) for one in many(records, 4_096)]
    refuse_unless(all(len(one) <= 4_096 for one in shown), "a record has at most 4,096 bytes")
    refuse_unless(len(proof) == 32 * (1 + behind - len(shown)), "one digest for each record behind")
    refuse_unless(first or proof[:32] == sha256(tag[:-36]).digest(), "the link before the first is that of the place")
    link, digests = proof[:32], [sha256(one).digest() for one in shown]
    digests += [proof[at : at + 32] for at in range(32, len(proof), 32)]
    assert isinstance(first, int)
    for place, digest in enumerate(digests, start=first):
        link = sha256(framed(b"gridpact/1/chain-link", link, place.to_bytes(8, "big"), digest)).digest()
    refuse_unless(len(raw(head)) == 32 and link == head, "the links end in the head")


SEALED: dict[str, tuple[int, Callable[..., None]]] = {
    **dict.fromkeys(("range", "reading", "capacity", "quality"), (3, ranged)),
    "spend": (2, spend),
    "withdraw": (2, withdraw),
    "known-difference": (3, known_difference),
    "within-loss": (5, within_loss),
    "reserve": (3, reserve),
    "delivery": (4, delivery),
    "green-share": (4, green_share),
    "demand": (4, demand),
    "bid": (5, bid),
    "award": (7, award),
    "sum": (3, sums),
    "opening": (3, opening),
    "chain": (4, chain),
}
"""Per kind, how many fields its instance has, and its check."""
LIMITS = {"sum": 2**18, "chain": 2**20}
LOGARITHMS = {"possession": (1, 2), "note": (1, 2), "reveal": (2, 4), "share": (2, 4)}
"""Per kind, equations and elements."""


def check(kind: str, tag: bytes, instance: bytes, proof: bytes) -> None:
    """Refused unless the statement is proven."""
    if kind in LOGARITHMS:
        relation = sigma.read(instance)
        refuse_unless((len(relation.equations), len(relation.elements)) == LOGARITHMS[kind], "another relation")
        sigma.check(tag, relation, proof)
        return
    refuse_unless(kind in SEALED, "no kind of statement")
    try:
        fields = msgpack.unpackb(instance, strict_map_key=False)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise Refused(str(error)) from None
    refuse_unless(len(instance) <= LIMITS.get(kind, 16_384), "as many bytes as an instance may have")
    count, checks = SEALED[kind]
    refuse_unless(type(fields) is list and len(fields) == count, "as many fields as the kind has")
    refuse_unless(msgpack.packb(fields) == instance, "the shortest encoding")
    checks(tag, proof, *fields)


def verify(kind: str, tag: bytes, instance: bytes, proof: bytes) -> bool:
    """Whether a statement is proven."""
    try:
        check(kind, tag, instance, proof)
    except Refused:
        return False
    return True
