"""The configuration of one node: a TOML file in which every value has a default, a unit in its name and a
bound.

Only what one operator may choose alone is here. What nodes must agree on is in the genesis document.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from contracts.units import Id
from node.disk import Disk
from node.documents import Reader, parse, scalar
from node.errors import NodeError

MAX_CONFIG_BYTES = 1024 * 1024
AREA = "config"

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Host = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]


def _bounded(low: int, high: int, description: str) -> msgspec.Meta:
    return msgspec.Meta(ge=low, le=high, description=description)


def _says(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file."""


class NodeSection(Section, frozen=True, kw_only=True):
    """Who this is."""

    id: Annotated[Id, _says("Id of this node, as registered in the genesis document.")]
    data_dir: Annotated[
        str,
        msgspec.Meta(min_length=1, max_length=4096, description="Ledger and journal; relative to the home."),
    ] = "data"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _says("Least severe messages in node.log.")] = (
        "info"
    )


class P2pSection(Section, frozen=True, kw_only=True):
    """Links to the other nodes."""

    host: Annotated[Host, _says("Address to listen on for peers.")] = "127.0.0.1"
    port: Annotated[Port, _says("Port to listen on for peers; 0 takes a free one.")] = 26_656


class RpcSection(Section, frozen=True, kw_only=True):
    """The HTTP interface for clients."""

    host: Annotated[Host, _says("Address to listen on for clients.")] = "127.0.0.1"
    port: Annotated[Port, _says("Port to listen on for clients; 0 takes a free one.")] = 26_657
    max_connections: Annotated[int, _bounded(1, 65_536, "Clients connected at once.")] = 1_024
    tls_certificate: Annotated[
        str,
        msgspec.Meta(max_length=4096, description="Certificate (PEM) for HTTPS, in the home; empty: none."),
    ] = ""
    tls_key: Annotated[str, msgspec.Meta(max_length=4096, description="Private key (PEM) of the certificate.")] = ""
    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=253)], ...],
        msgspec.Meta(max_length=16, description="Host names of this node, besides its addresses and localhost."),
    ] = ()
    max_subscribers: Annotated[int, _bounded(0, 65_536, "Event streams open at once.")] = 256


class MempoolSection(Section, frozen=True, kw_only=True):
    """Transactions that wait for a block."""

    max_bytes: Annotated[int, _bounded(1_048_576, 4_294_967_295, "Bytes of all of them.")] = 33_554_432
    max_transactions: Annotated[int, _bounded(1_000, 10_000_000, "Number of all of them.")] = 6_144
    max_per_sender: Annotated[int, _bounded(1, 1_000_000, "Number from one member, its meters included.")] = 1_024


class LedgerSection(Section, frozen=True, kw_only=True):
    """What is kept of the past."""

    retain_heights: Annotated[int, _bounded(16, 4_294_967_295, "Heights at which state can be read and proven.")] = 256


class Config(Section, frozen=True, kw_only=True):
    """The whole file. `seeds` overrides registered addresses: node id = "host:port"."""

    node: NodeSection
    p2p: P2pSection = P2pSection()
    rpc: RpcSection = RpcSection()
    mempool: MempoolSection = MempoolSection()
    ledger: LedgerSection = LedgerSection()
    seeds: Annotated[
        dict[Id, str],
        msgspec.Meta(max_length=256, description='Peer addresses other than the registered: id = "host:port".'),
    ] = msgspec.field(default_factory=dict)


def loads(text: str) -> Config:
    """The configuration in `text`. Raises `config.syntax|unknown-key|missing|value`."""
    reader = Reader(AREA)
    config = reader.struct(Config, parse(text, AREA), "")
    for node, address in config.seeds.items():
        if not is_address(address):
            raise reader.error(
                "value",
                f"seeds.{node}",
                f"{address!r} is not an address",
                'Write "host:port", port 1 to 65535.',
            )
    return config


def load(path: Path) -> Config:
    """The configuration in the file. Raises like `loads`, and `config.missing-file`."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise NodeError(
            "config.missing-file", f"There is no configuration {path}.", "Run `gridpact init` first."
        ) from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise NodeError("config.syntax", f"{path} is no configuration: {len(raw)} bytes.", "Check the path.")
    try:
        return loads(raw.decode())
    except UnicodeDecodeError as error:
        raise NodeError("config.syntax", f"{path} is not text: {error}.", "Save it as UTF-8.") from None
    except NodeError as error:
        raise NodeError(error.code, f"{path}: {error.message}", error.hint) from error


def dumps(config: Config) -> str:
    """The file, every value with its meaning, bound and default."""
    hints = get_type_hints(Config, include_extras=True)
    lines = ["# Configuration of one Gridpact node. What all nodes share is in genesis.toml."]
    for name, hint in hints.items():
        section = getattr(config, name)
        if isinstance(section, Section):
            lines += ["", f"# {(type(section).__doc__ or '').strip()}", f"[{name}]"]
            lines += _lines(section)
        else:
            lines += ["", f"# {_meta(hint).description}", f"[{name}]"]
            lines += [f"{scalar(key)} = {scalar(value)}" for key, value in sorted(section.items())]
    return "\n".join(lines) + "\n"


def save(config: Config, path: Path, disk: Disk) -> None:
    """Write the file. Raises NodeError `disk.*`."""
    disk.replace(path, dumps(config).encode())


def is_address(text: str) -> bool:
    """True for `host:port` with a port from 1 to 65535; IPv6 hosts in brackets."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    return (
        bool(colon and host.strip("[]"))
        and (":" not in host or bracketed)
        and not any(character.isspace() for character in host)
        and port.isascii()
        and port.isdigit()
        and 1 <= int(port) <= 65_535
    )


def _lines(section: Section) -> list[str]:
    lines = []
    hints = get_type_hints(type(section), include_extras=True)
    for field in msgspec.structs.fields(section):
        hint = hints[field.name]
        notes = [_meta(hint).description or "", *_bounds(hint)]
        if field.default is not msgspec.NODEFAULT:
            notes.append(f"Default {scalar(field.default)}.")
        lines += [f"# {' '.join(notes)}", f"{field.name} = {scalar(getattr(section, field.name))}"]
    return lines


def _meta(hint: Any) -> msgspec.Meta:
    """The annotation with the description: the last one."""
    meta: msgspec.Meta = get_args(hint)[-1]
    return meta


def _bounds(hint: Any) -> list[str]:
    base, *metas = get_args(hint)
    if get_origin(base) is Literal:
        return ["One of " + ", ".join(get_args(base)) + "."]
    return [f"{meta.ge} to {meta.le}." for meta in metas if meta.ge is not None]
