"""What a devnet leaves on disk, and where: its document, keys, node homes, logs and progress.

Every command finds the processes of earlier ones through `devnet.json`, which is replaced whole and synced,
so that an interrupted start can still be cleaned up. Never removes a directory that it did not make.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from devnet.errors import DevnetError
from node.errors import UNREADABLE

DEFAULT = Path(".gridpact") / "devnet"
FORMAT = 1


class NodeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One node's process and addresses. `rpc` is a full URL, `p2p` is host:port."""

    name: str
    pid: int | None
    rpc: str
    p2p: str
    home: str
    log: str


class MemberEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member, its opening balance and the file with its account key."""

    id: str
    name: str
    roles: tuple[str, ...]
    balance_nano: str
    key: str


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`devnet.json`."""

    format: int
    scenario: str
    chain_id: str
    stepped: bool
    nodes: tuple[NodeEntry, ...]
    members: tuple[MemberEntry, ...]
    zone: str | None = None
    """Time zone of the site, where this machine knows it."""
    agents: int | None = None
    """Pid of the process that is all agents."""


class Layout:
    """Paths of one devnet."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.document = self.root / "devnet.json"
        self.keys = self.root / "keys"
        self.agent_keys = self.keys / "agents"
        self.traffic_keys = self.keys / "traffic"
        self.meter_keys = self.keys / "meters"
        self.builder_keys = self.keys / "builders"
        self.books = self.root / "builders"
        self.seat_keys = self.keys / "seats"
        self.vaults = self.root / "seats"
        self.rulebooks = self.root / "rulebooks"
        self.nodes = self.root / "nodes"
        self.scenario = self.root / "scenario.json"
        self.clock = self.root / "clock.json"
        self.agents_log = self.root / "agents.log"
        self.outbox = self.root / "outbox"
        self.submitted = self.root / "submitted.jsonl"
        self.progress = self.root / "agents.json"
        self.market = self.root / "market.json"
        self.secrets = self.root / "secrets.jsonl"
        """What agents know and nodes must not; searched for, never read by any of them."""
        self.traffic = self.root / "traffic"
        """What each node heard and answered, where a run is searched for secrets."""

    def exists(self) -> bool:
        """Whether there is a devnet, running or not."""
        return self.document.exists()

    def load(self) -> Document:
        """The devnet's document. Raises `DevnetError` (`devnet.none`, `devnet.damaged`)."""
        try:
            raw = self.document.read_bytes()
        except FileNotFoundError:
            raise DevnetError(
                "devnet.none", f"There is no devnet in {self.root}.", "Start one: `gridpact devnet up`."
            ) from None
        try:
            document = msgspec.json.decode(raw, type=Document)
        except UNREADABLE as error:
            raise damaged(self.document, error) from None
        return document

    def save(self, document: Document) -> None:
        """Replace the document, durably and at once."""
        write_whole(self.document, msgspec.json.format(msgspec.json.encode(document)))

    def make(self) -> None:
        """Create the directory for a new devnet; an old one's files go first.

        Raises `DevnetError` (`devnet.directory`) if something else than a devnet lives there.
        """
        if self.root.exists() and not self.root.is_dir():
            raise DevnetError("devnet.directory", f"{self.root} is not a directory.", "Choose another --dir.")
        if self.exists():
            self.remove()
        if self.root.exists() and any(self.root.iterdir()):
            raise DevnetError(
                "devnet.directory",
                f"{self.root} holds files that are not a devnet's.",
                "Choose another --dir.",
            )
        for path in (
            self.root,
            self.keys,
            self.agent_keys,
            self.traffic_keys,
            self.meter_keys,
            self.builder_keys,
            self.books,
            self.seat_keys,
            self.vaults,
            self.rulebooks,
            self.nodes,
            self.outbox,
            self.traffic,
        ):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove everything that a devnet left, if there is one."""
        if self.exists():
            shutil.rmtree(self.root)


def damaged(path: Path, error: Exception) -> DevnetError:
    """What to raise for a file of a devnet that can't be read."""
    return DevnetError("devnet.damaged", f"{path} can't be read: {error}.", "`gridpact devnet down`, then up.")


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace a file so that a reader sees the old or the new content, never a part."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    part.replace(path)
