"""A site of three places around a loop, and whose meters are where."""

from __future__ import annotations

import msgspec

from contracts.genesis import Genesis
from contracts.network.records import Branch, Network, Place, Transfer
from contracts.network.registration import MeterPlace

NETWORK = Network(
    places=(Place("east"), Place("north"), Place("south")),
    lines=(
        Branch("east-north", "east", "north", 70_000),
        Branch("east-south", "east", "south", 40_000),
        Branch("north-south", "north", "south", 40_000),
    ),
    transfers=(Transfer("campus", "north", 90_000, 0), Transfer("solar", "east", 0, 90_000)),
)


def meters() -> list[MeterPlace]:
    return [
        MeterPlace("m-solar", "east", "source", "solar"),
        MeterPlace("m-campus", "north", "load", "campus"),
        MeterPlace("m-tenant", "south", "load", "tenant"),
    ]


def one_place(genesis: Genesis) -> Genesis:
    """The same with a network in which all meters are at one place."""
    return msgspec.structs.replace(genesis, network=Network((Place("zone"),), ()))
