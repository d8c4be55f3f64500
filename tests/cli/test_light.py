"""`gridpact light` against served chains: follows, verifies, stores, accuses, and fits into 40 MB."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consensus.evidence import EQUIVOCATION
from consensus.light import CODEC, LightBlock
from contracts.genesis import DevnetClock
from contracts.members import Meter
from node.light.session import MAX_EVIDENCE_FILE_BYTES
from node.rpc.light import light_block
from tests.cli.conftest import Devnet
from tests.consensus.light_chain import SECOND, chain
from tests.consensus.light_chain import light_block as signed
from tests.light.sources import answer, listening, of_blocks
from tests.rpc.chain import Chain
from tests.support.pact import START_MS, genesis, key_of
from zk.codec import encode
from zk.hashing import ZERO_HASH

MAX_KB = 40 * 1024
Invoke = Callable[..., Any]
MEASURED = """
import re, sys
from devnet.cli import main
try:
    main()
finally:
    status = open("/proc/self/status").read()
    print(re.search(r"VmHWM:\\s+(\\d+)", status)[1], file=sys.stderr)
"""
"""The `gridpact` command, which says in its last line how much memory it had at most, in KiB."""


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    """A chain whose clock stands where it started, so that its blocks are never too old to trust."""
    made = Devnet(tmp_path / "devnet", DevnetClock(START_MS, 0, 0))
    yield made
    made.stop()


def light(*arguments: str) -> tuple[int, list[dict[str, Any]], int]:
    """Exit code, documents and peak memory of `gridpact light ... --json` in a process of its own."""
    command = [sys.executable, "-c", MEASURED, "light", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], int(done.stderr.splitlines()[-1])


def test_a_light_client_loads_no_curve_server_store_or_solver() -> None:
    asked = "import sys, devnet.cli, node.light.follower, node.light.session; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    heavy = {"py_arkworks_bls12381", "pyblst", "py_ecc", "aiohttp", "plyvel", "highspy", "numpy", "cryptography"}
    assert not loaded & heavy


def grow(devnet: Devnet, blocks: int) -> Chain:
    chain: Chain = devnet.chain
    for _ in range(blocks):
        devnet.call(chain.produce())
    return chain


def test_a_header_is_verified_from_the_genesis_document(devnet: Devnet) -> None:
    chain = grow(devnet, 5)
    newest = devnet.document("light", "verify", "--node", devnet.url)
    assert (newest["height"], newest["id"]) == (5, chain.ledger.block_id(5).hex())
    assert newest["chain_id"] == chain.ledger.chain_id and newest["steps"] == 1
    third = devnet.document("light", "verify", "3", "--node", devnet.url, "--witness", devnet.url)
    assert (third["id"], third["confirmed"], third["witnesses"]) == (chain.ledger.block_id(3).hex(), 1, 1)
    shown = devnet.run("light", "verify", "--node", devnet.url)
    assert shown.exit_code == 0 and shown.stdout == f"5  {newest['id']}  in 1 step\n"
    assert devnet.document("light", "verify", "6", "--node", devnet.url, exit_code=1)["code"] == "light.behind"


def test_or_from_a_hash(devnet: Devnet) -> None:
    chain = grow(devnet, 5)
    trust = ("--node", devnet.url, "--genesis", str(devnet.root / "nodes" / "solar" / "genesis.mp"), "--trust-height")
    good = devnet.document("light", "verify", *trust, "3", "--trust-hash", chain.ledger.block_id(3).hex())
    assert good["height"] == 5
    bad = devnet.document("light", "verify", *trust, "3", "--trust-hash", chain.ledger.block_id(4).hex(), exit_code=1)
    assert bad["code"] == "light.hash" and bad["hint"]
    low = ("2", *trust, "3", "--trust-hash", chain.ledger.block_id(3).hex())
    assert devnet.document("light", "verify", *low, exit_code=1)["code"] == "light.below"


def test_following_goes_on_from_the_stored_head(devnet: Devnet, tmp_path: Path) -> None:
    grow(devnet, 4)
    store = tmp_path / "head"
    arguments = ("light", "follow", "--node", devnet.url, "--store", str(store), "--every", "0.05", "--json", "--until")
    first = [json.loads(line) for line in devnet.run(*arguments, "4").stdout.splitlines()]
    assert [(head["height"], head["steps"]) for head in first] == [(1, 0), (4, 1)]
    assert CODEC.decode(store.read_bytes()).height == 4
    grow(devnet, 3)
    again = [json.loads(line) for line in devnet.run(*arguments, "7").stdout.splitlines()]
    assert [(head["height"], head["steps"]) for head in again] == [(4, 0), (7, 1)]


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        ((), "cli.usage", 2),
        (("watch",), "cli.usage", 2),
        (("follow", "--until", "0"), "cli.usage", 2),
        (("follow", "--every", "0"), "cli.usage", 2),
        (("follow", "--every", "nan"), "cli.usage", 2),
        (("follow", "--hight", "5"), "cli.usage", 2),
        (("verify", "-5"), "cli.usage", 2),
        (("report",), "cli.usage", 2),
        (("report", "/nowhere/evidence.json"), "light.evidence", 1),
        (("verify", "x"), "cli.usage", 2),
        (("verify", "--trusting-period", "9" * 20), "cli.usage", 2),
        (("verify", "--trust-height", "5"), "light.root", 1),
        (("verify", "--trust-hash", "0" * 64), "light.root", 1),
        (("verify", "--trust-height", "5", "--trust-hash", "Z" * 64), "light.root", 1),
        (("verify", *["--witness", "http://127.0.0.1:9"] * 9), "light.witnesses", 1),
        (("verify", "--node", "localhost"), "cli.node", 1),
        (("verify", "--witness", "localhost"), "cli.node", 1),
        (("verify", "--node", "http://127.0.0.1:9"), "light.unreachable", 1),
        (("verify", "--genesis", "/nowhere/genesis.mp"), "genesis.unreadable", 1),
    ],
)
def test_what_is_asked_wrongly_gets_a_code(devnet: Devnet, arguments: tuple[str, ...], code: str, status: int) -> None:
    found = devnet.document("light", *arguments, exit_code=status)
    assert found["code"] == code and found["message"] and found["hint"]


def test_help_is_there(invoke: Invoke) -> None:
    assert "light" in invoke("--help").stdout
    for command in ("follow", "verify", "report"):
        result = invoke("light", command, "--help")
        assert result.exit_code == 0


def forked(devnet: Devnet) -> list[LightBlock]:
    """What three of the four validators would have to sign to show another block 3."""
    chain: Chain = devnet.chain
    honest = [CODEC.decode(light_block(chain, height)) for height in (1, 2, 3)]
    header = devnet.chain.ledger.header(3)
    assert header is not None
    other = msgspec.structs.replace(header, payload_root=ZERO_HASH)
    return [*honest[:2], msgspec.structs.replace(honest[2], header=other, certificate=chain.certify(other))]


def test_a_divergence_names_the_liars_writes_evidence_and_fails(devnet: Devnet, tmp_path: Path) -> None:
    grow(devnet, 3)
    evidence = tmp_path / "evidence.json"
    with listening(of_blocks(forked(devnet))) as url:
        command = ("light", "follow", "--node", devnet.url, "--witness", url, "--evidence", str(evidence))
        root, told = (json.loads(line) for line in devnet.run(*command, "--json").stdout.splitlines())
        assert root["steps"] == 0
        assert (told["code"], told["kind"]) == ("light.divergence", "equivocation")
        assert told["proven"] == ["biodiesel", "campus", "wind"] and told["evidence"] == str(evidence)
        assert len(json.loads(evidence.read_bytes())["duplicate_precommits"]) == 3
        shown = devnet.run(*command)
        assert shown.exit_code == 1
        assert "Proven to have lied, whichever block is the chain's: biodiesel, campus, wind." in shown.stdout
        assert "light.divergence" in shown.stderr and "Evidence written" in shown.stdout
    told = devnet.document("light", "report", str(evidence), "--node", devnet.url)
    assert told == {"votes": 3, "kept": 3, "known": 0}
    votes = [EQUIVOCATION.decode(raw) for raw in devnet.chain.reports]
    assert [vote.accused for vote in votes] == ["biodiesel", "campus", "wind"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "light.evidence"),
        (b"{}", "light.evidence"),
        (b'{"duplicate_precommits": ["zz"]}', "light.evidence"),
        (b'{"duplicate_precommits": ["00"]}', "light.evidence"),
        (b'{"duplicate_precommits": [%s]}' % b",".join([b'""'] * 257), "light.evidence"),
        (b'{"duplicate_precommits": []}' + b" " * MAX_EVIDENCE_FILE_BYTES, "light.evidence"),
        (b'{"duplicate_precommits": []}', "light.no-votes"),
    ],
)
def test_what_is_no_evidence_is_not_reported(devnet: Devnet, tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "evidence.json").write_bytes(content)
    found = devnet.document("light", "report", str(tmp_path / "evidence.json"), "--node", devnet.url, exit_code=1)
    assert found["code"] == code and found["hint"]
    assert devnet.chain.reports == []


def test_following_a_served_chain_takes_less_than_40_mb(devnet: Devnet) -> None:
    grow(devnet, 6)
    where = ("--node", devnet.url, "--dir", str(devnet.root), "--every", "0.05")
    code, heads, peak_kb = light("follow", *where, "--witness", devnet.url, "--until", "6")
    assert code == 0 and (heads[-1]["height"], heads[-1]["confirmed"]) == (6, 1)
    assert peak_kb < MAX_KB


def test_the_genesis_of_20_000_meters_takes_less_than_40_mb(tmp_path: Path) -> None:
    key = key_of("meter").public_key
    meters = tuple(Meter(f"m-{at:05}", "campus", key, "load", "site", 1, None, None) for at in range(20_000))
    (tmp_path / "genesis.mp").write_bytes(encode(genesis(meters=meters)))
    block = signed(1, SECOND, {"ada": 1}, {"ada": 1})
    with listening(of_blocks([block])) as url:
        code, told, peak_kb = light("verify", "--node", url, "--genesis", str(tmp_path / "genesis.mp"))
    assert code == 1 and told[-1]["code"] == "light.chain"
    assert peak_kb < MAX_KB


ENDLESS = ("--trusting-period", str(10**10))
"""The blocks of these chains are of 1970."""


def test_the_largest_sets_that_all_change_take_less_than_40_mb() -> None:
    """256 seats, none of whom has one at the next height, so that each block must be looked at."""
    sets = [{f"seat-{height}-{seat}": 1 for seat in range(256)} for height in range(12)]
    blocks = chain(sets)
    with listening(of_blocks(blocks)) as url:
        trust = (*ENDLESS, "--trust-height", "1", "--trust-hash", blocks[0].id().hex())
        code, heads, peak_kb = light("verify", "--node", url, *trust)
    assert code == 0 and heads[-1]["height"] == 11
    assert peak_kb < MAX_KB


def test_a_node_that_wants_as_much_memory_as_it_can_get_gets_less_than_40_mb() -> None:
    """The newest block is far above, and every one between is signed by 256 strangers: all wait for one below."""
    first = signed(1, SECOND, {"ada": 1}, {"ada": 1})

    def say(path: str) -> bytes:
        which = path.removeprefix("/light/")
        height = 2**47 if which == "latest" else int(which)
        strangers = {f"stranger-of-a-long-name-{seat:08}": 1 for seat in range(256)}
        block = first if height == 1 else signed(height, 2 * SECOND, strangers, strangers)
        return answer("200 OK", encode(block))

    with listening(say) as url:
        trust = (*ENDLESS, "--trust-height", "1", "--trust-hash", first.id().hex())
        code, told, peak_kb = light("verify", "--node", url, *trust)
    assert code == 1 and told[-1]["code"] == "light.adjacent-set"
    assert peak_kb < MAX_KB


def test_a_chain_of_the_past_is_not_believed(devnet: Devnet) -> None:
    block = signed(1, SECOND, {"ada": 1}, {"ada": 1})
    with listening(of_blocks([block])) as url:
        arguments = ("verify", "--node", url, "--trust-height", "1", "--trust-hash", block.id().hex())
        assert devnet.document("light", *arguments, exit_code=1)["code"] == "light.expired"
