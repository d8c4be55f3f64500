"""Where a command finds what it needs: nodes, keys and the genesis document, of a devnet or named one by one."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from node.cli.strange import hear
from node.errors import UNREADABLE, NodeError

if TYPE_CHECKING:
    from contracts.genesis import Genesis
    from node.access.requests import ReaderKey
    from node.client import Account, Client, MeterKey, Result, SyncClient, Wait
    from zk.ed25519 import SigningKey

T = TypeVar("T")
UP_HINT = "Start a devnet here with `gridpact devnet up`, or name a node with --node URL."
MAX_KEY_BYTES = 16 * 1024
NORMAL_PPM = 10**6
"""Speed of a ledger's time that goes as ours does."""
LONGEST_WAIT_MS = 60_000
"""One request's wait; longer ones ask again."""


class DevnetNode(msgspec.Struct):
    """The part of a devnet's node entry that commands need."""

    name: str
    rpc: str
    home: str


class DevnetDocument(msgspec.Struct):
    """The part of `devnet.json` that commands need."""

    chain_id: str
    nodes: list[DevnetNode]
    zone: str | None = None
    """Time zone of the site, for people."""


class PlainKey(msgspec.Struct):
    """A devnet's key file. `seed` is 32 bytes in hex."""

    kind: str
    seed: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    devnet: bool
    member: str | None = None
    meter: str | None = None


def devnet(directory: Path) -> DevnetDocument | None:
    """The devnet in `directory`, running or not; None when there is none. Raises NodeError `devnet.damaged`."""
    path = directory / "devnet.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=DevnetDocument)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, *UNREADABLE) as error:
        raise NodeError(
            "devnet.damaged", f"{path} can't be read: {error}.", "`gridpact devnet down` removes it."
        ) from None


def node_urls(node: str | None, directory: Path) -> list[str]:
    """Nodes to talk to, best first. Raises NodeError `cli.no-node`."""
    if node is not None:
        if not node.startswith(("http://", "https://")):
            raise NodeError("cli.node", f"{node} is not a node's URL.", "Give it like http://127.0.0.1:8545.")
        return [node]
    document = devnet(directory)
    if document is None or not document.nodes:
        raise NodeError("cli.no-node", f"No node is named, and there is no devnet in {directory}.", UP_HINT)
    return [entry.rpc for entry in document.nodes]


class Connection:
    """One reachable node of several; goes on with another when that one goes away."""

    def __init__(self, node: str | None, directory: Path) -> None:
        """Connect to the first that answers. Raises NodeError."""
        self.urls = node_urls(node, directory)
        self._at = 0
        self._sync: SyncClient | None = None
        self._reader: ReaderKey | None = None
        self.status: dict[str, Any] = {}
        self._connect()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def client(self) -> Client:
        """The async client of the chosen node."""
        assert self._sync is not None, "a closed connection is not used"
        return self._sync.client

    def sign_as(self, reader: ReaderKey | None) -> None:
        """From now on `reader` asks."""
        self._reader = self.client.reader = reader

    @property
    def chain_id(self) -> str:
        """The chain that the node serves."""
        return str(self.status["chain_id"])

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Result of a coroutine of the client. Raises `RpcError`."""
        assert self._sync is not None, "a closed connection is not used"
        return self._sync.run(work)

    def seconds_until(self, ledger_ms: int) -> float | None:
        """Real seconds until ledger time is there, if it goes on as genesis says; None where it stands still."""
        now_ms, clock = int(self.run(self.client.status())["time_ms"]), self.run(self.client.genesis()).devnet_clock
        speed_ppm = NORMAL_PPM if clock is None else clock.speed_ppm
        return max(0, ledger_ms - now_ms) * NORMAL_PPM / speed_ppm / 1_000 if speed_ppm else None

    def submit(self, raw: bytes, wait: Wait, timeout_s: int) -> Result:
        """Submit one envelope and wait as asked, at whichever node lives. Raises `RpcError`.

        Sending the same bytes again is harmless: the ledger knows them by their hash.
        """
        from node.client import RpcError

        deadline = monotonic() + timeout_s
        while True:
            left_ms = max(1, int((deadline - monotonic()) * 1000))
            try:
                result = self.run(self.client.submit_one(raw, wait, min(left_ms, LONGEST_WAIT_MS)))
            except RpcError as error:
                if error.status or monotonic() >= deadline:
                    raise
                self._connect()
                continue
            if result.code != "wait.timeout" or monotonic() >= deadline:
                return result

    def _connect(self) -> None:
        """Take the next node that answers, the present one last. Raises the last one's `RpcError`."""
        from node.client import RpcError, SyncClient

        self._close()
        for attempt in range(len(self.urls)):
            self._sync = SyncClient(self.urls[(self._at + attempt) % len(self.urls)])
            self.client.listener = partial(hear, self.client.base_url)
            try:
                self.status = self.run(self.client.status())
            except RpcError:
                self._close()
                if attempt == len(self.urls) - 1:
                    raise
            else:
                self._at += attempt
                self.client.reader = self._reader
                return

    def _close(self) -> None:
        if self._sync is not None:
            self._sync.close()
            self._sync = None


def account(connection: Connection, as_: str | None, key: Path | None, directory: Path) -> Account:
    """The account that signs, its nonce read from the ledger. Raises NodeError."""
    found = signer(connection.chain_id, as_, key, directory)
    # Accounts are open to everybody. Unsigned, so that a wrong key is told as such, and not as a question refused.
    connection.run(found.sync(connection.client))
    connection.sign_as(found.reader())
    return found


def signer(chain_id: str, as_: str | None, key: Path | None, directory: Path) -> Account:
    """The account that signs, by its key alone. Raises NodeError."""
    from node.client import Account

    member, seed = account_seed(as_, key, directory)
    return Account(chain_id, member, seed)


def reader_key(as_: str | None, key: Path | None, directory: Path) -> ReaderKey | None:
    """Who asks; None: nobody in particular. Raises NodeError."""
    from node.access.requests import ReaderKey

    if as_ is None:
        if key is not None:
            raise NodeError("cli.signer", "A key is given, and nobody who asks.", "Add --as MEMBER.")
        return None
    return ReaderKey("member", *account_key(as_, key, directory))


def account_key(as_: str | None, key: Path | None, directory: Path) -> tuple[str, SigningKey]:
    """Who signs, and the account key, from a file or the devnet. Raises NodeError."""
    from zk.ed25519 import SigningKey

    member, seed = account_seed(as_, key, directory)
    return member, SigningKey(seed)


def account_seed(as_: str | None, key: Path | None, directory: Path) -> tuple[str, bytes]:
    """Who signs, and the secret of the account key. Raises NodeError."""
    if as_ is None:
        raise NodeError("cli.signer", "Nobody is named to sign.", "Add --as MEMBER, for example --as campus.")
    return as_, _seed(key or _devnet_key(directory / "keys", as_, "member"), "account")


def meter_key(connection: Connection, meter: str, key: Path | None, directory: Path) -> MeterKey:
    """The meter that signs. Raises NodeError."""
    from node.client import MeterKey

    seed = _seed(key or _devnet_key(directory / "keys" / "meters", meter, "meter"), "meter")
    return MeterKey(connection.chain_id, meter, seed)


def meter_seed(key: Path) -> bytes:
    """The secret of a meter's key file. Raises NodeError."""
    return _seed(key, "meter")


def genesis_path(path: Path | None, directory: Path) -> Path:
    """Where the genesis document to trust is. Raises NodeError `proof.untrusted`."""
    if path is not None:
        return path
    document = devnet(directory)
    if document is None or not document.nodes:
        raise NodeError(
            "proof.untrusted",
            f"A proof is worth what its root of trust is, and there is no devnet in {directory}.",
            "Name the genesis document that you trust with --genesis FILE (genesis.mp of a node you run).",
        )
    return Path(document.nodes[0].home) / "genesis.mp"


def genesis_document(path: Path | None, directory: Path) -> Genesis:
    """The genesis document to trust. Raises NodeError `proof.untrusted`, `genesis.unreadable`."""
    from contracts.genesis import CODEC
    from zk.codec import Malformed

    path = genesis_path(path, directory)
    try:
        return CODEC.decode(path.read_bytes())
    except (OSError, Malformed) as error:
        raise NodeError(
            "genesis.unreadable", f"{path} is no genesis document: {error}.", "Name a genesis.mp with --genesis."
        ) from None


def _devnet_key(directory: Path, name: str, what: str) -> Path:
    path = directory / f"{name}.json"
    if path.name != f"{name}.json" or path.parent != directory or not path.exists():
        known = sorted(one.stem for one in directory.glob("*.json")) if directory.is_dir() else []
        hint = f"There are keys of {_some(known)}." if known else UP_HINT
        raise NodeError("cli.signer", f"There is no key of {what} {name} in {directory}.", hint)
    return path


def has_key(member: str, directory: Path) -> bool:
    """Whether the devnet in `directory` has a key of the member."""
    try:
        _devnet_key(directory / "keys", member, "member")
    except NodeError:
        return False
    return True


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def is_plain(as_: str, key: Path | None, directory: Path) -> bool:
    """Whether the account key lies open, as those of devnets do. Raises NodeError."""
    try:
        raw = (key or _devnet_key(directory / "keys", as_, "member")).read_bytes()
        return msgspec.json.decode(raw, type=PlainKey).devnet
    except (OSError, *UNREADABLE):
        return False


def _seed(path: Path, kind: str) -> bytes:
    """The seed in a key file: a devnet's, or one that `gridpact init` made. Raises NodeError."""
    try:
        if path.stat().st_size > MAX_KEY_BYTES:
            raise NodeError("key.malformed", f"{path} is too large for a key file.", "Name a key file.")
        raw = path.read_bytes()
    except OSError as error:
        raise NodeError("key.missing", f"{path}: {error.strerror}.", "Name a key file with --key.") from None
    try:
        plain = msgspec.json.decode(raw, type=PlainKey)
    except UNREADABLE:
        return _kept_seed(path, kind)
    if plain.kind != kind or not plain.devnet:
        raise NodeError("key.kind", f"{path} holds a {plain.kind} key, not a {kind} key.", "Name the right file.")
    return bytes.fromhex(plain.seed)


def _kept_seed(path: Path, kind: str) -> bytes:
    import typer

    from node.keys import find_passphrase, read_key

    def passphrase() -> str:
        def ask() -> str:
            return str(typer.prompt("Passphrase", hide_input=True, err=True))

        return find_passphrase(environment=os.environ, prompt=ask)

    return read_key(path, "meter" if kind == "meter" else "account", passphrase).seed
