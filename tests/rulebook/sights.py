"""A member with a load, a source and a storage, and what its agent sees."""

from __future__ import annotations

from typing import Any

import msgspec

from node.rulebook.document import Rulebook, parse
from node.rulebook.sight import Forecast, MeterSight, Sight

DAY = 20_000
INTERVAL = DAY * 96 + 40
"""10:00 UTC."""
LOAD = MeterSight(
    id="racks", kind="load", take_wh=10_000, floor_wh=500, expect=Forecast(4_000, 300, 3_000, 4_000, 5_000, 8)
)
SUN = MeterSight(id="roof", kind="source", give_wh=6_000, expect=Forecast(2_000, 100, 1_500, 2_000, 2_500, 8))
BATTERY = MeterSight(id="cells", kind="storage", give_wh=3_000, take_wh=2_000, charge_wh=5_000, capacity_wh=8_000)
SIGHT = Sight(
    interval=INTERVAL,
    interval_ms=900_000,
    member="me",
    import_nano_per_wh=200_000,
    export_nano_per_wh=50_000,
    last_nano_per_wh=150_000,
    cap_nano_per_wh=4_000_000,
    floor_nano_per_wh=-500_000,
    price=Forecast(120_000, 10_000, 90_000, 120_000, 160_000, 8),
    ahead=(200_000, 180_000, 340_000),
    meters=(LOAD, SUN, BATTERY),
    balance_nano=10**12,
    free_tokens=1_000,
    bonded_tokens=100,
    index_ppm=500_000,
)


def seen(**changes: Any) -> Sight:
    """The sight with these changes."""
    return msgspec.structs.replace(SIGHT, **changes)


def rulebook(*rules: str, limits: str = "", let: str = "", member: str = "me") -> Rulebook:
    """A rulebook of rules written `when -> inline table of the action`."""
    tables = "".join(
        f"[[rules]]\nname = 'rule {number}'\nwhen = \"{rule.split(' -> ')[0]}\"\ndo = {{ {rule.split(' -> ')[1]} }}\n"
        for number, rule in enumerate(rules)
    )
    return parse(f"format = 1\nmember = '{member}'\n[limits]\n{limits}\n[let]\n{let}\n{tables}".encode())
