"""The pact that tests of several floors use: the simulator's."""

from devnet.simulator.pact import (
    START_MS,
    VALIDATORS,
    Speaker,
    beacon_key_of,
    genesis,
    key_of,
    meter,
    node_keys,
    seed_of,
)

__all__ = ["START_MS", "VALIDATORS", "Speaker", "beacon_key_of", "genesis", "key_of", "meter", "node_keys", "seed_of"]
