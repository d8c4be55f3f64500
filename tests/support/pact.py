"""The pact that tests of several floors use: the simulator's."""

from devnet.simulator.pact import START_MS, VALIDATORS, Speaker, genesis, key_of, meter

__all__ = ["START_MS", "VALIDATORS", "Speaker", "genesis", "key_of", "meter"]
