"""Tables of state: which record lies under which key.

Every read and write of contracts goes through these.
"""

from __future__ import annotations

from contracts.members import Account, Member, Meter, MeterHead
from contracts.records import (
    BUCKETS,
    Basis,
    Bill,
    Correction,
    Dispute,
    Estimate,
    IntervalRecord,
    Lines,
    Link,
    ModeRecord,
    NeedBucket,
    OfferBucket,
    OpenDisputes,
    Order,
    OrderIndex,
    Returns,
    Ring,
    Schedule,
    Sentinel,
    Site,
    Standing,
    TariffRecord,
    Utility,
    Verdict,
)
from contracts.state import Table
from zk.hashing import sha256

MEMBERS: Table[Member] = Table("member", Member)
ACCOUNTS: Table[Account] = Table("account", Account)
METERS: Table[Meter] = Table("meter", Meter)
HEADS: Table[MeterHead] = Table("head", MeterHead)
INTERVALS: Table[IntervalRecord] = Table("interval", IntervalRecord)
ORDERS: Table[Order] = Table("order", Order)
BILLS: Table[Bill] = Table("bill", Bill)
TARIFFS: Table[TariffRecord] = Table("tariff", TariffRecord)
MODES: Table[ModeRecord] = Table("mode", ModeRecord)
LINKS: Table[Link] = Table("link", Link)
RINGS: Table[Ring] = Table("ring", Ring)
ESTIMATES: Table[Estimate] = Table("estimate", Estimate)
"""By interval and meter."""
RETURNS: Table[Returns] = Table("returns", Returns)
BASES: Table[Basis] = Table("basis", Basis)
"""By interval and meter."""
STANDINGS: Table[Standing] = Table("standing", Standing)
"""By interval and member."""
CORRECTIONS: Table[Correction] = Table("correction", Correction)
"""By corrected interval, meter and number, from 0."""
NEEDS: Table[NeedBucket] = Table("needs", NeedBucket)
OFFERS: Table[OfferBucket] = Table("offers", OfferBucket)
ORDER_INDEX: Table[OrderIndex] = Table("orders", OrderIndex)
SCHEDULES: Table[Schedule] = Table("schedule", Schedule)
SITES: Table[Site] = Table("site", Site)
UTILITIES: Table[Utility] = Table("utility", Utility)
LINES: Table[Lines] = Table("line", Lines)
DISPUTES: Table[Dispute] = Table("dispute", Dispute)
"""By interval and line."""
VERDICTS: Table[Verdict] = Table("verdict", Verdict)
"""By interval and line."""
OPEN_DISPUTES: Table[OpenDisputes] = Table("disputes", OpenDisputes)
SENTINELS: Table[Sentinel] = Table("sentinel", Sentinel)

SCHEDULE = SCHEDULES.key("working")
SITE = SITES.key("all")
UTILITY = UTILITIES.key("grid")
LINK = LINKS.key("grid")
LINE_LIST = LINES.key("all")
DISPUTE_LIST = OPEN_DISPUTES.key("open")
SENTINEL = SENTINELS.key("genesis")


def bucket(id_: str) -> int:
    """Bucket of an id: ids come from admission, so nobody can aim many at one."""
    return sha256(id_.encode())[0] % BUCKETS
