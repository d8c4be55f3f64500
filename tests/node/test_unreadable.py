"""Files and lines that are no text, or nested without end: whoever reads them says so with its code."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.schema import PRIVATE_CYCLES, SEALED_ROUNDS
from devnet import keyring
from devnet.directory import Layout
from devnet.run import recheck
from node.access.log import read_log
from node.admin import AdminServer, socket_address
from node.building import kept
from node.cli.context import account_seed, devnet
from node.disk import RealDisk
from node.errors import NodeError, ProofError
from node.proofs import decode_bundle, state_bundle
from node.rpc import tokens
from node.statements import cycles
from node.statements import file as statements
from node.statements.making import make
from node.statements.untrusted import read_as_it_is, records
from tests.rpc.chain import Chain

ROOT = Path(__file__).parents[2]
NO_TEXT = [b'{"kind": "\xff"}', b'{"\xed\xa0\x80": 1}', b"\xc3(", b'{"kind": "statements", "chain_id": "\xf8"}']
ENDLESS = b'{"kind": ' + b"[" * 100_000

Read = Callable[[Path], object]
READERS: dict[str, tuple[str, Read]] = {
    "a bundle": ("proof.malformed", lambda path: decode_bundle(path.read_bytes())),
    "statements": ("proof.malformed", lambda path: statements.decode(path.read_bytes())),
    "an order": ("proof.malformed", lambda path: make(path.read_bytes(), (), b"e" * 32)),
    "tokens": ("rpc.tokens", tokens.load),
    "a sealed solution": ("builder.sealed", kept),
    "a devnet key": ("devnet.key", lambda path: keyring.seed(path, "account")),
    "any key": ("key.malformed", lambda path: account_seed("solar", path, path.parent)),
    "a recording": ("devnet.recording", recheck),
    "a devnet": ("devnet.damaged", lambda path: devnet(path.parent)),
    "a devnet's document": ("devnet.damaged", lambda path: Layout(path.parent).load()),
}


@pytest.mark.parametrize("what", READERS)
@pytest.mark.parametrize("content", [*NO_TEXT, ENDLESS], ids=["value", "name", "cut", "known", "endless"])
def test_a_file_that_is_no_text_has_a_code(what: str, content: bytes, tmp_path: Path) -> None:
    code, read = READERS[what]
    path = tmp_path / "devnet.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(NodeError) as refused:
        read(path)
    assert refused.value.code == code and refused.value.hint


def test_a_line_of_the_access_log_that_is_no_text_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "access.jsonl").write_bytes(b"\n".join([*NO_TEXT, ENDLESS]))
    assert read_log(RealDisk(), tmp_path) == []


def test_a_command_that_is_no_text_is_answered(tmp_path: Path) -> None:
    async def nothing(_: dict[str, object]) -> dict[str, object]:
        raise AssertionError("nothing was asked")

    async def go() -> None:
        server = AdminServer(tmp_path, nothing)
        await server.start()
        with socket_address(tmp_path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        for content in NO_TEXT:
            writer.write(content + b"\n")
            assert b'"admin.malformed"' in await reader.readline()
        writer.close()
        await server.stop()

    asyncio.run(asyncio.wait_for(go(), 20))


@pytest.mark.parametrize("value", [b"", b"\xc0", b"\xa1\xff", b"\x93\x01\x02\x03"])
def test_a_node_that_proves_what_is_no_record_gets_no_file_made_of_it(value: bytes) -> None:
    async def go() -> dict[str, Any]:
        chain = Chain()
        await chain.settle()
        return state_bundle(chain.ledger, [PRIVATE_CYCLES.key("campus", 1), SEALED_ROUNDS.key(1)], 1)

    bundle = asyncio.run(go())
    for entry in bundle["entries"]:
        entry["value"] = value.hex()
    told = decode_bundle(msgspec.json.encode(bundle))
    with pytest.raises(ProofError) as refused:
        cycles.file_of(told)
    assert refused.value.code == "proof.malformed" and refused.value.hint
    with pytest.raises(ProofError) as refused, read_as_it_is():
        list(records(told, SEALED_ROUNDS))
    assert refused.value.code == "proof.malformed"


def test_nobody_expects_only_half_of_what_a_decoder_raises() -> None:
    """Bytes that are no text are no `DecodeError`: whoever expects the one, expects the other."""
    half = []
    for path in [one for floor in ("node", "devnet") for one in (ROOT / floor).rglob("*.py")]:
        source = path.read_text()
        for found in ast.walk(ast.parse(source)) if "msgspec.DecodeError" in source else ():
            if isinstance(found, ast.ExceptHandler) and found.type is not None:
                expected = ast.unparse(found.type)
                if "msgspec.DecodeError" in expected and "ValueError" not in expected:
                    half.append(f"{path.relative_to(ROOT)}:{found.lineno}")
    assert half == []
