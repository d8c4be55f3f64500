"""Bounded integers with their units, enforced at decode, so that no transaction can overflow a node.

Money is nano-currency and prices nano-currency per Wh, so price x energy is exact. Bounds are those of the
pact: |price| < 2^28, energy < 2^40, |money| < 2^63, tokens < 2^63, counts < 2^32, factors < 2^22, emissions <
2^63.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Meta = msgspec.Meta

MAX_PRICE = 2**28 - 1
MAX_ENERGY = 2**40 - 1
MAX_MONEY = 2**63 - 1
MAX_TOKENS = 2**63 - 1
MAX_FACTOR = 2**22 - 1
MAX_COUNT = 2**32 - 1
MAX_TIME = 2**53 - 1
PPM = 1_000_000
WH_MS = 3_600_000
"""Milliseconds in which one watt makes one Wh."""

Id = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
Name = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,80}\Z")]
"""Free text for people, without control characters; escape it wherever it is shown."""
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
PublicKey = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Point = Annotated[bytes, Meta(min_length=48, max_length=48)]
Note = Annotated[bytes, Meta(max_length=512)]
"""Sealed to somebody, see `zk.notes`."""
Proof = Annotated[bytes, Meta(max_length=16_384)]

Price = Annotated[int, Meta(ge=-MAX_PRICE, le=MAX_PRICE)]
Energy = Annotated[int, Meta(ge=0, le=MAX_ENERGY)]
Total = Annotated[int, Meta(ge=0, le=MAX_MONEY)]
"""Sum of energies in Wh over many meters or members: may pass the bound of a single one."""
Balance = Annotated[int, Meta(ge=-MAX_MONEY, le=MAX_MONEY)]
"""Difference of such sums."""
Rate = Annotated[int, Meta(ge=-(2**32), le=2**32)]
"""A price with a penalty of at most tenfold on it."""
Charge = Annotated[int, Meta(ge=0, le=2**60)]
"""What a storage of efficiency n/d each way holds, in 1/(n*d) Wh."""
Power = Annotated[int, Meta(ge=0, le=MAX_ENERGY)]
Money = Annotated[int, Meta(ge=-MAX_MONEY, le=MAX_MONEY)]
Amount = Annotated[int, Meta(ge=1, le=MAX_MONEY)]
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
TokenAmount = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
Factor = Annotated[int, Meta(ge=0, le=MAX_FACTOR)]
Emission = Annotated[int, Meta(ge=0, le=MAX_MONEY)]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Interval = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Height = Annotated[int, Meta(ge=0, le=2**48 - 1)]
Time = Annotated[int, Meta(ge=0, le=MAX_TIME)]
Ppm = Annotated[int, Meta(ge=0, le=PPM)]
Small = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


def energy_wh(power_w: int, interval_ms: int) -> int:
    """What this power carries in one interval, rounded down: a limit in Wh is never more than the one in W, and never
    beyond what an energy may be."""
    return min(MAX_ENERGY, power_w * interval_ms // WH_MS)
