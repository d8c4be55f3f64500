"""The network that is on the ledger: read, checked against the meters that there are, replaced.

Governance replaces it as a whole, so that what is proven of it holds for all of it.
"""

from __future__ import annotations

import msgspec

from contracts.flexible import assets
from contracts.members import Meter
from contracts.network.records import Network
from contracts.network.registration import MeterPlace, problem
from contracts.params import PactParams
from contracts.program.case import SITE as ONE_PLACE
from contracts.receipts import OK
from contracts.records import Site
from contracts.schema import METERS, NETWORK, NETWORKS, SITE, SITES
from contracts.state import State


def of(state: State) -> Network | None:
    """The network in force; None: everything is at one place."""
    return state.load(NETWORKS, NETWORK)


def is_place(state: State, meter: Meter) -> bool:
    """Whether this meter may be registered where it says that it is."""
    network = of(state)
    return network is None or any(place.id == assets.place_of(meter) for place in network.places)


def place_of(network: Network | None, place: str) -> str:
    """What is at this place is there in a case, too; but for what no line joins, which is all at one place."""
    return place if network is not None and network.lines else ONE_PLACE


def may_set(state: State, params: PactParams, network: Network) -> str:
    """ "ok", or why this network can not be registered for the meters that run."""
    found = problem(network, params.interval_ms, _meters(state))
    return OK if found is None else found.code


def put(state: State, network: Network | None) -> None:
    """Replace the network by one that may be set, or by none."""
    if network is not None:
        state.save(NETWORK, network)
    else:
        state.remove(NETWORK)


def carried(state: State) -> Network | None:
    """What a successor begins with: the network without the envelopes of those who have no meter there any more."""
    network = of(state)
    if network is None:
        return None
    held = {(meter.member, meter.place) for meter in _meters(state)}
    kept = tuple(one for one in network.transfers if (one.member, one.place) in held)
    return msgspec.structs.replace(network, transfers=kept)


def _meters(state: State) -> list[MeterPlace]:
    site = state.load(SITES, SITE) or Site(())
    found = []
    for running in site.meters:
        meter = state.load(METERS, METERS.key(running.meter))
        assert meter is not None, "every meter of the site is registered"
        if not running.stopped:
            found.append(MeterPlace(meter.id, assets.place_of(meter), meter.kind, meter.member))
    return found


def ascending(network: Network) -> Network:
    """The same network with its lists in their order."""
    return msgspec.structs.replace(
        network,
        places=tuple(sorted(network.places, key=lambda place: place.id)),
        lines=tuple(sorted(network.lines, key=lambda line: line.id)),
        transfers=tuple(sorted(network.transfers, key=lambda one: (one.member, one.place))),
    )
