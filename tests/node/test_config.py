"""The configuration: round trips, documents itself, and answers every mistake with the field and what is right."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import config
from node.config import Config, MempoolSection, NodeSection, P2pSection, RpcSection, is_address
from node.disk import RealDisk
from node.errors import NodeError

MINIMAL = '[node]\nid = "solar-1"\n'


def test_everything_but_the_id_has_a_default() -> None:
    assert config.loads(MINIMAL) == Config(node=NodeSection(id="solar-1"))


@pytest.mark.properties
@given(
    port=st.integers(0, 65_535),
    size=st.integers(2**20, 2**32 - 1),
    level=st.sampled_from(["debug", "info", "warning", "error"]),
    directory=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    seeds=st.dictionaries(st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True), st.just("[::1]:80"), max_size=3),
)
def test_what_is_written_is_read_back(port: int, size: int, level: str, directory: str, seeds: dict[str, str]) -> None:
    written = Config(
        node=NodeSection(id="solar-1", data_dir=directory, log_level=level),  # type: ignore[arg-type]
        p2p=P2pSection(port=port),
        mempool=MempoolSection(max_bytes=size),
        seeds=seeds,
    )
    assert config.loads(config.dumps(written)) == written


def test_every_value_is_documented_with_its_bounds_and_default() -> None:
    lines = config.dumps(Config(node=NodeSection(id="solar-1"))).splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            comment = lines[number - 1]
            assert comment.startswith("# ") and len(comment) > 20, line
            assert line.startswith("id = ") or f"Default {line.partition(' = ')[2]}." in comment
            if line.rpartition(" = ")[2].isdigit():
                assert " to " in comment, line


@pytest.mark.parametrize(
    ("text", "code", "path", "hint"),
    [
        ("[node", "config.syntax", "", ""),
        ("", "config.missing", "node", "[node]"),
        ("[node]", "config.missing", "node.id", "Add `id = ...`"),
        ("node = 3", "config.value", "node", "table"),
        ('[node]\nid = "Solar"', "config.value", "node.id", "a-z, 0-9"),
        (MINIMAL + 'log_levl = "info"', "config.unknown-key", "node.log_levl", "`log_level`"),
        (MINIMAL + 'log_level = "loud"', "config.value", "node.log_level", '"debug", "info"'),
        (MINIMAL + "[mempol]", "config.unknown-key", "mempol", "`mempool`"),
        (MINIMAL + "[zzz]", "config.unknown-key", "zzz", "Known here: node, p2p"),
        (MINIMAL + "[p2p]\nport = 65536", "config.value", "p2p.port", "<= 65535"),
        (MINIMAL + "[rpc]\nmax_connections = 0", "config.value", "rpc.max_connections", ">= 1"),
        (MINIMAL + '[p2p]\nport = "1"', "config.value", "p2p.port", "Expected int"),
        (MINIMAL + "[p2p]\nport = 1.0", "config.value", "p2p.port", "Expected int"),
        (MINIMAL + "[p2p]\nport = true", "config.value", "p2p.port", "Expected int"),
        (MINIMAL + '[p2p]\nhost = ""', "config.value", "p2p.host", "length >= 1"),
        (MINIMAL + '[seeds]\nwind-1 = "nowhere"', "config.value", "seeds.wind-1", "host:port"),
        (MINIMAL + '[seeds]\nWind = "a:1"', "config.value", "seeds", "a-z, 0-9"),
    ],
)
def test_every_mistake_names_the_field_and_what_would_be_right(text: str, code: str, path: str, hint: str) -> None:
    with pytest.raises(NodeError) as caught:
        config.loads(text)
    assert caught.value.code == code
    assert path in caught.value.message
    assert hint in caught.value.hint or hint in caught.value.message


def test_files_that_are_missing_or_no_text_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(NodeError) as caught:
        config.load(path)
    assert caught.value.code == "config.missing-file"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(NodeError) as caught:
        config.load(path)
    assert caught.value.code == "config.syntax"
    path.write_text(MINIMAL + "[rpc]\nprot = 1")
    with pytest.raises(NodeError) as caught:
        config.load(path)
    assert str(path) in caught.value.message and "rpc.prot" in caught.value.message


def test_a_saved_file_is_loaded(tmp_path: Path) -> None:
    written = Config(node=NodeSection(id="a"), rpc=RpcSection(port=0), seeds={"b": "localhost:1"})
    config.save(written, tmp_path / "config.toml", RealDisk())
    assert config.load(tmp_path / "config.toml") == written


def test_bounds_hold_for_the_defaults() -> None:
    msgspec.convert(msgspec.to_builtins(Config(node=NodeSection(id="a"))), Config)


@pytest.mark.parametrize("text", ["localhost:1", "10.0.0.1:65535", "[::1]:80", "a.example:26656"])
def test_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text", ["", "a", ":1", "a:", "a:0", "a:65536", "a:-1", "a:1x", "::1:80", "[]:1", "a b:1", "a:٣"]
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)
