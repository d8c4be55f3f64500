"""Carbon in a dispatch case: the factors that count, premiums for green energy, and the site's policy.

Takes the case that stands on the ledger and gives back the one that is dispatched. A source has one factor in a case,
so the highest that counts in any of its intervals is taken: nobody gains by a certificate that ends in between.
"""

from __future__ import annotations

import msgspec

from contracts.carbon import bids, policy
from contracts.carbon.book import past_before
from contracts.carbon.factors import Applied, applied_over, imported
from contracts.carbon.green import blocks
from contracts.carbon.policy import Operating
from contracts.context import BlockContext
from contracts.members import Meter
from contracts.program.case import Block, Case, Connection, Source
from contracts.records import Site
from contracts.schema import METERS, SITE, SITES
from contracts.state import State

_replace = msgspec.structs.replace


def dispatched(state: State, context: BlockContext, first: int, case: Case) -> Case:
    """The case as it is dispatched; `first` is the ledger's number of its first interval."""
    times = range(first, first + case.intervals)
    found = {source.id: _applied(state, context, source.id, times) for source in case.sources}
    stores = {store.id: _applied(state, context, store.id, times) for store in case.storages}
    ties = _ties(state)
    imports = [max((imported(state, context.params, tie, t) for tie in ties), key=_total, default=None) for t in times]
    case = _replace(
        case,
        sources=tuple(_replace(source, factor_ug_per_wh=max(map(_total, found[source.id]))) for source in case.sources),
        storages=tuple(_replace(one, factor_ug_per_wh=max(map(_total, stores[one.id]))) for one in case.storages),
        connections=tuple(_imported(one, imports) for one in case.connections),
    )
    case = _replace(case, sources=_discounted(state, context, first, case))
    operating = Operating(
        [max(one.operating_ug_per_wh for one in found[source.id]) for source in case.sources],
        [
            [
                one.factor_ug_per_wh[t] if factor is None else factor.operating_ug_per_wh
                for t, factor in enumerate(imports)
            ]
            for one in case.connections
        ],
    )
    carbon = context.params.carbon
    past = past_before(state, context.params, first) if carbon.zero_ghg else policy.NO_PAST
    return policy.constrain(case, operating, carbon, past)


def _discounted(state: State, context: BlockContext, first: int, case: Case) -> tuple[Source, ...]:
    """Sources with premiums taken off the blocks of green ones."""
    taken_off: dict[str, dict[int, tuple[Block, ...]]] = {}
    for t in range(case.intervals):
        demand = bids.wanted(state, first + t)
        if not demand:
            continue
        offered = {
            source.id: [(block.price_nano_per_wh, block.energy_wh) for block in source.blocks[t]]
            for source in case.sources
        }
        for meter, segments in bids.segments(state, context, first + t, demand, offered).items():
            taken_off.setdefault(meter, {})[t] = tuple(Block(*block) for block in blocks(segments))
    return tuple(
        _replace(
            source,
            blocks=tuple(taken_off[source.id].get(t, offered) for t, offered in enumerate(source.blocks)),
        )
        if source.id in taken_off
        else source
        for source in case.sources
    )


def _imported(connection: Connection, imports: list[Applied | None]) -> Connection:
    factors = zip(connection.factor_ug_per_wh, imports, strict=True)
    return _replace(
        connection, factor_ug_per_wh=tuple(said if one is None else one.total_ug_per_wh for said, one in factors)
    )


def _ties(state: State) -> list[Meter]:
    """Meters between the site and the utility."""
    site = state.load(SITES, SITE) or Site(())
    found = [state.load(METERS, METERS.key(meter.meter)) for meter in site.meters if meter.tie]
    return [meter for meter in found if meter is not None]


def _applied(state: State, context: BlockContext, name: str, times: range) -> list[Applied]:
    meter = state.load(METERS, METERS.key(name))
    assert meter is not None, "who offers is registered"
    return applied_over(state, context.params, meter, times)


def _total(factor: Applied) -> int:
    return factor.total_ug_per_wh
