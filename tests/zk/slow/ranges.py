"""Range proofs of the document: both equations as they are written there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.zk.slow.curve import R, base, encoded, point, refuse_unless, same, scalar, total, vector
from tests.zk.slow.sponge import Sponge, session

Range = tuple[int, int]


def weights(span: int) -> list[int]:
    """Weights of the digits of [0, span]."""
    k = 0
    while 2 ** (k + 1) <= span + 1:
        k += 1
    rest = span - (2**k - 1)
    return [2**i for i in range(k)] + ([rest] if rest else [])


def check(tag: bytes, points: Sequence[Any], ranges: Sequence[Range], proof: bytes, key: bytes = b"") -> None:
    """Refused unless the proof shows that what the points commit to, over H or the key, lies in the ranges."""
    refuse_unless(1 <= len(points) <= 128 and len(points) == len(ranges), "1 to 128 commitments, a range for each")
    refuse_unless(all(0 <= lo <= hi < 2**64 for lo, hi in ranges), "0 <= lo <= hi < 2^64")
    commitments = [encoded(one) for one in points]
    for one in commitments:
        point(one)
    v, h, u_base = base(b"V"), base(b"H"), base(b"U")
    hiding = point(key) if key else h
    refuse_unless(not same(hiding, v) and not same(hiding, u_base), "the base is neither V nor U")
    digits = [(j, weight) for j, (lo, hi) in enumerate(ranges, start=1) for weight in weights(hi - lo)]
    n = 4
    while n < len(digits):
        n *= 2
    refuse_unless(n <= 2048, "at most 2,048 weights")
    rounds = (n // 4).bit_length() - 1

    refuse_unless(len(proof) == 4 * 48 + 3 * 32 + rounds * 96 + 8 * 32, "length of a range proof")
    rest = proof

    def take(size: int) -> bytes:
        nonlocal rest
        taken, rest = rest[:size], rest[size:]
        return taken

    sponge = Sponge(session(b"gridpact/1/range-proof"))

    def absorb(*parts: bytes) -> None:
        for part in parts:
            sponge.absorb(part)

    def squeeze() -> int:
        drawn = sponge.challenge()
        refuse_unless(drawn, "a challenge is 0")
        return drawn

    absorb(len(tag).to_bytes(4, "little"), tag)
    absorb(*(number.to_bytes(4, "little") for number in (1, len(points), n, 4)))
    absorb(*(bound.to_bytes(8, "little") for pair in ranges for bound in pair))
    absorb(encoded(hiding), *commitments)
    a_bytes, s_bytes = take(48), take(48)
    absorb(a_bytes, s_bytes)
    y, z = squeeze(), squeeze()
    t1_bytes, t2_bytes = take(48), take(48)
    absorb(t1_bytes, t2_bytes)
    x = squeeze()
    t_bytes, tau_bytes, mu_bytes = take(32), take(32), take(32)
    absorb(t_bytes, tau_bytes, mu_bytes)
    w = squeeze()
    folds = []
    for _ in range(rounds):
        l_bytes, r_bytes = take(48), take(48)
        absorb(l_bytes, r_bytes)
        folds.append((l_bytes, r_bytes, squeeze()))
    a = [scalar(take(32)) for _ in range(4)]
    b = [scalar(take(32)) for _ in range(4)]
    t, tau, mu = scalar(t_bytes), scalar(tau_bytes), scalar(mu_bytes)
    big_a, big_s, t1, t2 = point(a_bytes), point(s_bytes), point(t1_bytes), point(t2_bytes)
    sides = [(point(left), point(right), u) for left, right, u in folds]

    big_z = [pow(z, 1 + j, R) * weight % R for j, weight in digits] + [0] * (n - len(digits))
    delta = (z - z * z) * sum(pow(y, i, R) for i in range(n)) - z * sum(big_z)
    value_side = total(
        [*points, v, t1, t2],
        [
            *(pow(z, 1 + j, R) for j in range(1, len(points) + 1)),
            delta - sum(pow(z, 1 + j, R) * lo for j, (lo, _) in enumerate(ranges, start=1)),
            x,
            x * x,
        ],
    )
    refuse_unless(same(total([v, hiding], [t, tau]), value_side), "the first equation of a range proof")

    # What folding makes of every generator: its factor is a product of one u or u^-1 for each round in which it was in
    # the upper half; the lower half goes on without one.
    g_factors, h_factors = [1] * n, [pow(y, -i, R) for i in range(n)]
    half = n // 2
    for _, _, u in sides:
        for i in range(n):
            if i // half % 2:
                g_factors[i] = g_factors[i] * pow(u, -1, R) % R
                h_factors[i] = h_factors[i] * u % R
        half //= 2
    g, big_h = vector(b"G", n), vector(b"H", n)
    inverse_y = [pow(y, -i, R) for i in range(n)]
    difference = total(
        [big_a, big_s, *g, *big_h, h, u_base, *(one for left, right, _ in sides for one in (left, right))],
        [
            1,
            x,
            *(-z - a[i % 4] * g_factors[i] for i in range(n)),
            *(z + inverse_y[i] * big_z[i] - b[i % 4] * h_factors[i] for i in range(n)),
            -mu,
            w * (t - sum(one * other for one, other in zip(a, b, strict=True))),
            *(factor for _, _, u in sides for factor in (u, pow(u, -1, R))),
        ],
    )
    refuse_unless(same(difference, total([], [])), "the second equation of a range proof")
