"""From status documents to findings: the cases of the field, and anything that a stranger may write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.doctor.findings import diagnose, seats

POWER = {"a": 10, "b": 10, "c": 10, "d": 10}


def peer(name: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "address": f"{name}:1", "connected": True, "blocked": False, "refusals": {}, **changes}


def votes(**changes: Any) -> dict[str, Any]:
    return {"round": 2, "proposer": "c", "proposal": "ready", "prevoted": ["a", "b"], "precommitted": [], **changes}


def status(phase: str = "prevote", **changes: Any) -> dict[str, Any]:
    height = {"height": 8, "round": 2, "phase": phase, "power": POWER, "seat": True, "rounds": [votes()]}
    return {
        "node": "a",
        "height": 7,
        "time_ms": 1_000_000,
        "block_time_ms": 999_000,
        "stuck": "No block for 9 s: ...",
        "consensus": height,
        "peers": [peer(name) for name in "bcd"],
        "counters": {},
        **changes,
    }


def codes(document: dict[str, Any]) -> list[str]:
    return [finding.code for finding in diagnose(document)]


def test_a_height_that_goes_on_is_well() -> None:
    assert diagnose(status(stuck=None)) == []


def test_an_idle_height_is_not_stuck() -> None:
    assert codes(status("idle", stuck=None)) == ["chain.idle"]


def test_it_names_who_is_missing_with_power() -> None:
    down = [peer("b"), peer("c", connected=False, since_ms=9_000, last_reason="peer.silent"), peer("d")]
    found = {finding.code: finding for finding in diagnose(status(peers=down))}
    assert set(found) == {"chain.stuck", "chain.no-quorum", "peer.unreachable"}
    sentence = found["chain.no-quorum"].sentence
    assert "height 8, round 2, step prevote" in sentence
    assert "20 of 40 power has prevoted (a 10, b 10)" in sentence
    assert "Missing: c 10, d 10; without a link from here: c." in sentence
    assert "restart" in found["chain.no-quorum"].fix
    assert "9 s" in found["peer.unreachable"].sentence


def test_precommits_are_counted_in_their_step() -> None:
    consensus = status()["consensus"] | {"phase": "precommit", "rounds": [votes(prevoted=["a", "b", "c"])]}
    (finding,) = [one for one in diagnose(status(consensus=consensus)) if one.code == "chain.no-quorum"]
    assert "0 of 40 power has precommitted (nobody)" in finding.sentence
    enough = consensus | {"rounds": [votes(precommitted=["a", "b", "c"])]}
    assert "chain.no-quorum" not in codes(status(consensus=enough))


def test_a_partition_is_healed_and_not_restarted() -> None:
    cut = [peer("b"), peer("c", connected=False, blocked=True), peer("d", connected=False, blocked=True)]
    found = {finding.code: finding for finding in diagnose(status(peers=cut))}
    assert "gridpact devnet heal" in found["chain.no-quorum"].fix
    assert found["peer.partitioned"].fix == "gridpact devnet heal"


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"consensus": {"phase": "propose", "rounds": [votes(proposal="missing")]}}, "chain.no-proposal", "warning"),
        ({"consensus": {"rounds": [votes(proposal="consensus.untimely")]}}, "clock.untimely", "error"),
        ({"consensus": {"rounds": [votes(proposal="consensus.block-state")]}}, "chain.proposal-refused", "error"),
        ({"consensus": {"missing_payloads": ["00"]}}, "chain.payload-missing", "error"),
        ({"consensus": {"missing_block": "00", "phase": "committing"}}, "chain.block-missing", "error"),
        ({"consensus": {"seat": False}}, "node.no-seat", "note"),
        ({"restored": True}, "node.restored", "warning"),
        ({"syncing": True, "best_peer_height": 90}, "node.catching-up", "note"),
        ({"block_time_ms": 1_002_001}, "clock.behind", "error"),
        ({"counters": {"signer.double": 3}}, "signer.double", "warning"),
        ({"counters": {"consensus.conflict": 1}}, "chain.contradiction", "warning"),
        ({"counters": {"consensus.decided-invalid": 1}}, "chain.decided-invalid", "error"),
        ({"counters": {"consensus.share": 1}}, "peer.share", "warning"),
        ({"counters": {"mempool.full": 1}}, "mempool.full", "warning"),
        ({"counters": {"mempool.proofs": 1}}, "mempool.proofs", "warning"),
        ({"peers": [peer("b", refusals={"codec.form": 2, "peer.lost": 1})]}, "peer.misbehaves", "warning"),
        ({"peers": [peer("b", connected=False)]}, "peer.none", "error"),
    ],
)
def test_each_trouble_has_its_code(changes: dict[str, Any], code: str, severity: str) -> None:
    document = status()
    for name, value in changes.items():
        document[name] = document[name] | value if name == "consensus" else value
    found = {finding.code: finding for finding in diagnose(document)}
    assert found[code].severity == severity
    assert found[code].sentence.endswith((".", "..."))
    assert code not in codes(status())


def test_the_worst_comes_first() -> None:
    severities = [one.severity for one in diagnose(status(restored=True, syncing=True, block_time_ms=2_000_000))]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


def test_each_seat_says_what_it_said() -> None:
    table = seats(status(peers=[peer("b"), peer("c", connected=False), peer("d", blocked=True)]))
    assert table[0] == {"id": "a", "power": 10, "prevoted": True, "precommitted": False, "linked": True}
    assert [one["linked"] for one in table] == [True, True, False, False]
    assert [one["prevoted"] for one in table] == [True, True, False, False]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*status(), "syncing", "restored", "best_peer_height", "stopped"]
HEIGHT_FIELDS = [*status()["consensus"], "missing_block", "missing_payloads"]


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON),
    st.dictionaries(st.sampled_from(HEIGHT_FIELDS), JSON),
    st.dictionaries(st.sampled_from([*votes()]), JSON),
    st.dictionaries(st.sampled_from([*peer("b")]), JSON),
)
def test_no_document_of_a_stranger_raises(
    fields: dict[str, Any], height: dict[str, Any], present: dict[str, Any], link: dict[str, Any]
) -> None:
    document = status()
    document["consensus"] |= {"rounds": [votes(**present)], **height}
    document["peers"] = [peer("b", **link)]
    document |= fields
    for finding in diagnose(document):
        assert finding.severity in ("error", "warning", "note")
    assert isinstance(seats(document), list)
