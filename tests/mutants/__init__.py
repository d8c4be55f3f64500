"""Tests of the tests: faults planted in the real code, each of which the simulator must find."""
