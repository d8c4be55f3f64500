"""What the process makes of the registered nodes: whom it links with, by which keys, and whether it is one of them."""

from __future__ import annotations

from node.config import Config, NodeSection
from node.main import is_registered, peers_of
from tests.support.pact import key_of, node_keys

PRESENT = node_keys("wind", key_of("wind second").public_key, b"new", "127.0.0.1:2")
BEFORE = node_keys("wind", key_of("wind first").public_key, b"old", "127.0.0.1:1")
OTHER = node_keys("solar", key_of("solar").public_key, b"solar", "127.0.0.1:3")
NODES = {"solar": (OTHER,), "wind": (PRESENT, BEFORE)}


def test_peers_use_present_keys_and_may_use_replaced_ones() -> None:
    registry, former = peers_of(NODES, Config(node=NodeSection(id="solar")))
    assert registry == {
        "solar": (b"solar", OTHER.consensus_key, "127.0.0.1:3"),
        "wind": (b"new", PRESENT.consensus_key, "127.0.0.1:2"),
    }
    assert former == {"solar": [], "wind": [(b"old", BEFORE.consensus_key, "127.0.0.1:1")]}


def test_a_seed_overrules_what_is_registered_and_adds_nobody() -> None:
    seeds = {"wind": "10.0.0.1:9", "stranger": "10.0.0.2:9"}
    registry, _ = peers_of(NODES, Config(node=NodeSection(id="solar"), seeds=seeds))
    assert {node: address for node, (_, _, address) in registry.items()} == {
        "solar": "127.0.0.1:3",
        "wind": "10.0.0.1:9",
    }


def test_a_node_is_registered_with_both_keys_of_one_time() -> None:
    for keys in (PRESENT, BEFORE):
        assert is_registered(NODES, "wind", keys.consensus_key, keys.bls_key)
        assert not is_registered(NODES, "solar", keys.consensus_key, keys.bls_key)
        assert not is_registered(NODES, "stranger", keys.consensus_key, keys.bls_key)
        assert not is_registered(NODES, "wind", keys.consensus_key, OTHER.bls_key)
        assert not is_registered(NODES, "wind", OTHER.consensus_key, keys.bls_key)
