"""`gridpact bench zk`: what proofs cost who makes them and every node that checks them, and how long they are.

Everything in this process, on one core and one thread, with the statements of the ledger; nothing is kept between two
measurements but the generators, which a process makes once. Medians of processor time, which others on the machine
disturb least. `point_us`, to read one point, says how fast the machine is just now: three fifths of checking a reading
are nine of these.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from devnet.bench import ceremony
from devnet.errors import DevnetError
from zk import ed25519
from zk.group import SCALAR_BYTES, native
from zk.group.bases import bases
from zk.hashing import sha256
from zk.statements import bid, check, ranges, share
from zk.statements.assertion import Assertion, Where
from zk.statements.openings import Opening, opened

T = TypeVar("T")
Say = Callable[[str], None]

CHAIN = "bench"
TENANTS = 53
MANY = 1_000
BOUNDS = (1_000, 3_000)
"""Wh of a tenant in a cycle, as the paper's campus agrees on them."""
TICKS = 32
CAPACITY_WH = 200_000
SHARES = 7
"""Of ten seats."""
REPEATS = 5
POINTS = 200


class Reading(NamedTuple):
    """A committed reading as a node gets it."""

    assertion: Assertion
    key: bytes
    message: bytes
    signature: bytes


def measure(
    say: Say, many: int = MANY, ticks: int = TICKS, repeats: int = REPEATS, seats: int = ceremony.SEATS
) -> dict[str, Any]:
    """The report, in the order in which it is shown. DevnetError `bench.zk` when what was proven is not believed."""
    say("points")
    report: dict[str, Any] = {"point_us": round(_point_s() * 1e6, 1)}
    say(f"proving {many} readings")
    made = [_timed(reading, i) for i in range(many)]
    readings = [one for one, _ in made]
    say(f"checking {TENANTS} and {many} readings")
    report["verify_53_readings_ms"] = _ms(_checked(readings[:TENANTS]) for _ in range(repeats))
    report["verify_1000_readings_ms"] = _ms(_checked(readings) for _ in range(repeats))
    report["prove_reading_ms"] = _ms(took for _, took in made)
    report["reading_proof_bytes"] = len(readings[0].assertion.proof)
    say(f"a sealed bid of {ticks} ticks, and shares")
    report |= _bid(ticks, repeats) | _share(repeats)
    say(f"a ceremony of {seats} seats")
    return report | {"dkg_10_cpu_s": round(ceremony.measure(seats), 3)}


def reading(number: int) -> Reading:
    """What the meter `number` commits to and signs, as in a billing cycle."""
    where = Where(CHAIN, f"meter-{number}", at=number)
    value = BOUNDS[0] + number * 37 % (BOUNDS[1] - BOUNDS[0] + 1)
    entropy = sha256(b"entropy" + number.to_bytes(8, "big"))
    openings = opened("reading", where, [value], entropy)
    posted = ranges.prove("reading", where, openings, [BOUNDS], entropy=entropy)
    seed = sha256(b"meter" + number.to_bytes(8, "big"))
    message = posted.commitments[0] + posted.proof
    assertion = ranges.assertion("reading", where, posted.commitments, [BOUNDS], posted.proof)
    return Reading(assertion, ed25519.public_key(seed), message, ed25519.sign(seed, message))


def _checked(readings: Sequence[Reading]) -> float:
    """Seconds to check proofs and signatures together."""

    def check_all() -> bool:
        signed = all([ed25519.verify(one.key, one.message, one.signature) for one in readings])
        return signed and all(check.verify_all([one.assertion for one in readings]))

    return _believed(check_all)


def _bid(ticks: int, repeats: int) -> dict[str, Any]:
    key = bases().B.times_secret(native.scalar(_number("key"))).to_bytes()
    where = Where(CHAIN, "solar", at=7, round=1, key_id=sha256(key))
    entropy = sha256(b"bid")
    capacity = Opening(CAPACITY_WH, _number("capacity").to_bytes(SCALAR_BYTES, "big"))
    quantities = [CAPACITY_WH // (2 * ticks)] * ticks
    # The generators and their kept multiples, which a process makes once.
    bid.prove(where, key, capacity, quantities, entropy=entropy)
    made = [_timed(lambda: bid.prove(where, key, capacity, quantities, entropy=entropy)) for _ in range(repeats)]
    sealed, _ = made[-1][0]
    posted = ranges.prove("capacity", where, [capacity], [(0, CAPACITY_WH)], entropy=entropy).commitments[0]
    assertion = bid.assertion(where, key, posted, *sealed)
    return {
        "bid_prove_ms": _ms(took for _, took in made),
        "bid_verify_ms": _ms(_believed(lambda: check.verify(assertion)) for _ in range(repeats)),
        "bid_proof_bytes": sum(map(len, (*sealed.e, *sealed.r, sealed.slack, sealed.proof))),
    }


def _share(repeats: int) -> dict[str, Any]:
    """Per share, of those that one opening needs, checked together as a node checks what it has got."""
    r = bases().B.times_secret(native.scalar(_number("sum"))).to_bytes()
    made = [_one_share(f"seat-{seat}", r) for seat in range(SHARES)]
    return {"share_verify_ms": _ms(_believed(lambda: all(check.verify_all(made))) / SHARES for _ in range(repeats))}


def _one_share(seat: str, r: bytes) -> Assertion:
    secret = _number(seat).to_bytes(SCALAR_BYTES, "big")
    key = bases().B.times_secret(native.decode_scalar(secret)).to_bytes()
    where = Where(CHAIN, seat, round=1, key_id=sha256(b"key"))
    point, proof = share.prove(where, "price", 3, r, secret, entropy=sha256(b"share"))
    return share.assertion(where, "price", 3, r, key, point, proof)


def _point_s() -> float:
    encoded = [bases().B.times_secret(native.scalar(i + 1)).to_bytes() for i in range(POINTS)]
    native.forget()
    return statistics.median(_timed(native.decode_point, one)[1] for one in encoded)


def _number(name: str) -> int:
    return int.from_bytes(sha256(name.encode()), "big") >> 2


def _timed(work: Callable[..., T], *what: Any) -> tuple[T, float]:
    """What the work gives, and its seconds."""
    start = time.process_time()
    made = work(*what)
    return made, time.process_time() - start


def _believed(work: Callable[[], bool]) -> float:
    gc.collect()
    native.forget()
    holds, took = _timed(work)
    if not holds:
        raise DevnetError("bench.zk", "a proof that was just made is not believed", "This is a bug.")
    return took


def _ms(seconds: Iterable[float]) -> float:
    return round(statistics.median(seconds) * 1_000, 2)
