"""A prover of range proofs from the definitions: integers, folded generators, one step after the other.

It takes any digits, so that a test can lie with it. Written from the text of `zk.range_proof`, and shares with it the
group and the sponge only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zk.group import ORDER, native
from zk.group.bases import bases, vectors
from zk.transcript import Sponge, session_id


def weights_of(span: int) -> list[int]:
    """1, 2, 4, ... as long as all of them stay within the span, then what is missing."""
    found: list[int] = []
    while sum(found) + (1 << len(found)) <= span:
        found.append(1 << len(found))
    return found + [span - sum(found)] * (sum(found) < span)


def _sum(points: Sequence[Any], factors: Sequence[int]) -> Any:
    return native.multiexp(list(points), [native.scalar(factor % ORDER) for factor in factors])


def _bytes(number: int) -> bytes:
    return (number % ORDER).to_bytes(32, "big")


def _inner(left: Sequence[int], right: Sequence[int]) -> int:
    return sum(a * b for a, b in zip(left, right, strict=True)) % ORDER


def commit(value: int, blinding: int, base: Any = None) -> bytes:
    """Of any integer, also a negative one."""
    known = bases()
    return bytes(_sum([known.V, base or known.H], [value, blinding]).to_bytes())


def prove(
    values: Sequence[int],
    digits: Sequence[Sequence[int]],
    blindings: Sequence[int],
    ranges: Sequence[tuple[int, int]],
    *,
    tag: bytes,
    base: Any = None,
    seed: int = 7,
) -> tuple[list[bytes], bytes]:
    """Commitments and a proof for these digits, true or not."""
    known = bases()
    hiding = base or known.H
    flat = [digit for each in digits for digit in each]
    n = 4
    while n < len(flat):
        n *= 2
    owner_weights = [(j, w) for j, (lo, hi) in enumerate(ranges) for w in weights_of(hi - lo)]
    owner_weights += [(0, 0)] * (n - len(owner_weights))
    flat += [0] * (n - len(flat))
    commitments = [commit(value, blinding, hiding) for value, blinding in zip(values, blindings, strict=True)]
    sponge = Sponge(session_id(b"gridpact/1/range-proof"))
    head = [len(tag).to_bytes(4, "little"), tag]
    head += [number.to_bytes(4, "little") for number in (1, len(ranges), n, 4)]
    head += [bound.to_bytes(8, "little") for pair in ranges for bound in pair]
    for part in (*head, hiding.to_bytes(), *commitments):
        sponge.absorb(part)
    sent: list[bytes] = []

    def send(*parts: bytes) -> None:
        for part in parts:
            sponge.absorb(part)
            sent.append(part)

    def noise(at: int) -> int:
        return pow(seed, at + 3, ORDER)

    g, h = (list(vector) for vector in vectors(n))
    a_l, a_r = flat, [digit - 1 for digit in flat]
    s_l, s_r = [noise(10 + i) for i in range(n)], [noise(5000 + i) for i in range(n)]
    alpha, rho, tau_1, tau_2 = (noise(i) for i in range(4))
    send(_sum([known.H, *g, *h], [alpha, *a_l, *a_r]).to_bytes())
    send(_sum([known.H, *g, *h], [rho, *s_l, *s_r]).to_bytes())
    y, z = sponge.challenge(), sponge.challenge()
    zeta = [pow(z, 2 + j, ORDER) * w for j, w in owner_weights]
    l_0, l_1 = [a - z for a in a_l], s_l
    r_0 = [pow(y, i, ORDER) * (a_r[i] + z) + zeta[i] for i in range(n)]
    r_1 = [pow(y, i, ORDER) * s_r[i] for i in range(n)]
    t_1, t_2 = _inner(l_0, r_1) + _inner(l_1, r_0), _inner(l_1, r_1)
    send(_sum([known.V, hiding], [t_1, tau_1]).to_bytes(), _sum([known.V, hiding], [t_2, tau_2]).to_bytes())
    x = sponge.challenge()
    a = [(l_0[i] + x * l_1[i]) % ORDER for i in range(n)]
    b = [(r_0[i] + x * r_1[i]) % ORDER for i in range(n)]
    tau = x * tau_1 + x * x * tau_2 + sum(pow(z, 2 + j, ORDER) * blinding for j, blinding in enumerate(blindings))
    send(_bytes(_inner(a, b)), _bytes(tau), _bytes(alpha + x * rho))
    w = sponge.challenge()
    q = _sum([known.U], [w])
    h = [_sum([point], [pow(y, -i, ORDER)]) for i, point in enumerate(h)]
    while len(a) > 4:
        half = len(a) // 2
        a_low, a_high, b_low, b_high = a[:half], a[half:], b[:half], b[half:]
        send(
            _sum([*g[:half], *h[half:], q], [*a_high, *b_low, _inner(a_high, b_low)]).to_bytes(),
            _sum([*g[half:], *h[:half], q], [*a_low, *b_high, _inner(a_low, b_high)]).to_bytes(),
        )
        u = sponge.challenge()
        inverse = pow(u, -1, ORDER)
        a = [(low + u * high) % ORDER for low, high in zip(a_low, a_high, strict=True)]
        b = [(low + inverse * high) % ORDER for low, high in zip(b_low, b_high, strict=True)]
        g = [_sum([low, high], [1, inverse]) for low, high in zip(g[:half], g[half:], strict=True)]
        h = [_sum([low, high], [1, u]) for low, high in zip(h[:half], h[half:], strict=True)]
    send(*(_bytes(number) for number in (*a, *b)))
    return commitments, b"".join(sent)
