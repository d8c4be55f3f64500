"""Many nodes on one machine: launcher, scenarios, load, faults, benchmarks."""
