"""A node's home directory: where everything lies, how it is made, repaired and brought back from a backup.

    HOME/config.toml                    what the operator chooses
    HOME/genesis.toml, genesis.mp       what the members agreed on, as text and packed
    HOME/keys/{consensus,tls,account}.json  secrets; node.json is what others may know
    HOME/keys/consensus.state           what the consensus key has signed
    HOME/data/{store,journal}           ledger and log
    HOME/admin.sock, node.log
    HOME/clock.json                     how a devnet's clock was set last
    HOME/<code>.json                    report of why the node stopped, if a sentence is not enough

Never overwrites a key and never deletes data: what is replaced is moved aside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from consensus.messages import Id
from contracts.members import NodeKeys
from node import config as configuration
from node.config import Config, NodeSection, is_address
from node.disk import RealDisk, sync_directory
from node.documents import plain
from node.errors import NodeError
from node.keys import Key, Kind, beacon_key, certificate, read_key, read_public_key, write_key
from node.repair import Repair, repair
from node.signer import FileSigner
from zk import bls

_DISK = RealDisk()
DEFAULT_ADDRESS = "127.0.0.1:26656"
KEY_KINDS: Final[tuple[Kind, ...]] = ("consensus", "tls", "account")


class Home(NamedTuple):
    """Paths of one node. `data` is elsewhere only if the configuration says so."""

    root: Path
    data: Path

    @classmethod
    def at(cls, root: Path, config: Config | None = None) -> Home:
        """The home in `root`, with its data where `config` puts it."""
        return cls(root, root / (config.node.data_dir if config else "data"))

    @property
    def config(self) -> Path:
        """Configuration, TOML."""
        return self.root / "config.toml"

    @property
    def genesis_toml(self) -> Path:
        """Genesis as people wrote it."""
        return self.root / "genesis.toml"

    @property
    def genesis(self) -> Path:
        """Genesis as nodes read it."""
        return self.root / "genesis.mp"

    @property
    def keys(self) -> Path:
        """Directory of key files."""
        return self.root / "keys"

    def key(self, kind: str) -> Path:
        """Key file of one kind: consensus, tls or account."""
        return self.keys / f"{kind}.json"

    @property
    def identity(self) -> Path:
        """What others may know of this node, to be put into genesis."""
        return self.keys / "node.json"

    @property
    def sign_state(self) -> Path:
        """State of the signer, beside its key."""
        return self.keys / "consensus.state"

    @property
    def clock(self) -> Path:
        """How this node's clock was set last, on devnets."""
        return self.root / "clock.json"

    @property
    def store(self) -> Path:
        """Directory of the ledger's database."""
        return self.data / "store"

    @property
    def journal(self) -> Path:
        """Directory of the log."""
        return self.data / "journal"

    @property
    def log(self) -> Path:
        """Where a detached node writes."""
        return self.root / "node.log"


class PublicIdentity(NamedTuple):
    """What genesis needs to know of a new node and its member's first account."""

    node: NodeKeys
    account_key: bytes


class Secrets(NamedTuple):
    """What a running node needs of its keys."""

    consensus: Key
    tls: Key
    certificate: bytes
    """DER, as registered."""
    beacon: bls.SigningKey


def keep_report(root: Path, error: NodeError) -> None:
    """Write the report of an error, if it has one, to `<code>.json` in the home. An older one is replaced.

    Raises nothing: the error itself is what people must see.
    """
    if error.report:
        with contextlib.suppress(NodeError, OSError):
            _DISK.replace(root / f"{error.code}.json", error.report)


def init_home(
    root: Path,
    node_id: str,
    passphrase: str | None,
    *,
    devnet: bool = False,
    address: str = DEFAULT_ADDRESS,
    config: Config | None = None,
    entropy: Callable[[int], bytes] | None = None,
) -> PublicIdentity:
    """Make keys, signing state and configuration of a new node. `passphrase` None is for devnets only.

    Raises NodeError `home.exists`, `home.value`, `key.*`, `disk.*`.
    """
    try:
        msgspec.convert(node_id, Id)
    except msgspec.ValidationError:
        raise NodeError("home.value", f'"{node_id}" is no id.', "Ids are 1 to 32 of a-z, 0-9 and hyphen.") from None
    if not is_address(address):
        raise NodeError("home.value", f'"{address}" is not an address.', 'Write "host:port".')
    home = Home.at(root, config)
    if _DISK.exists(home.config) or _DISK.list(home.keys):
        raise NodeError("home.exists", f"{root} already is the home of a node.", "Choose another directory.")
    _DISK.make_directory(home.keys)
    consensus, tls, account = (Key.generate(kind, devnet, entropy) for kind in KEY_KINDS)
    for key in (consensus, tls, account):
        write_key(home.key(key.kind), key, passphrase, _DISK)
    FileSigner.create(home.sign_state, _DISK, consensus.public_key)
    beacon = beacon_key(consensus)
    identity = PublicIdentity(
        NodeKeys(
            node=node_id,
            consensus_key=consensus.public_key,
            bls_key=beacon.public_key,
            bls_possession=beacon.prove_possession(),
            tls_certificate=certificate(tls, node_id),
            address=address,
        ),
        account.public_key,
    )
    document = {**plain(identity.node, ("tls_certificate",)), "account_key": identity.account_key.hex()}
    _DISK.replace(home.identity, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    # The configuration comes last: a home that has one is complete.
    configuration.save(config or Config(node=NodeSection(id=node_id)), home.config, _DISK)
    return identity


def load_secrets(home: Home, node_id: str, passphrase: Callable[[], str]) -> Secrets:
    """Keys of the node; `passphrase` is called at most once. Raises NodeError `key.*`."""
    given: list[str] = []

    def once() -> str:
        if not given:
            given.append(passphrase())
        return given[0]

    consensus = read_key(home.key("consensus"), "consensus", once)
    tls = read_key(home.key("tls"), "tls", once)
    return Secrets(consensus, tls, certificate(tls, node_id), beacon_key(consensus))


def repair_home(home: Home) -> Repair:
    """Repair the journal of a stopped node. Its key signs nothing more at the last height that it signed: what binds it
    there may be among what is lost. Raises NodeError `home.running`, `signer.corrupt`, `disk.*`."""
    with stopped(home):
        height = FileSigner.retire(home.sign_state, _DISK) if _DISK.exists(home.sign_state) else None
        done = repair(home.journal, _DISK)
    if height is None:
        return done
    return done._replace(report=(*done.report, f"The key signs nothing more at height {height}."))


def restore_home(home: Home, backup: Path) -> tuple[str, ...]:
    """Bring the data of a stopped node back from `backup` (a copy of its home, or of its data directory).

    The node will not sign until it has caught up and seen a height decided, because the backup cannot tell
    what it signed since. Present data is moved aside; missing keys and documents are taken from the backup;
    signing state never is. Returns sentences for the operator. Raises NodeError `home.backup`,
    `home.running`, `disk.*`, `key.*`.
    """
    source = backup / "data" if (backup / "data").is_dir() else backup
    if not (source / "store").is_dir():
        raise NodeError(
            "home.backup",
            f"{backup} holds no copy of a node's data.",
            "Name a copy of the home, or of its data directory with `store` and `journal`.",
        )
    with stopped(home):
        report = _fetch_missing(home, backup)
        incoming = home.data.with_name(home.data.name + ".incoming")
        shutil.rmtree(incoming, ignore_errors=True)
        _copy_tree(source, incoming)
        # From here on the node must not sign, whatever interrupts the rest.
        _forbid_signing(home)
        report.append("Forbade signing until the node has caught up and sees a height decided.")
        if home.data.exists():
            aside = _free_name(home.data.with_name(home.data.name + ".replaced"))
            home.data.rename(aside)
            report.append(f"Moved the present data to {aside}.")
        incoming.rename(home.data)
        sync_directory(home.data.parent)
        report.append(f"Restored {home.data} from {source}.")
    return tuple(report)


@contextlib.contextmanager
def stopped(home: Home) -> Iterator[None]:
    """Keep the node from starting meanwhile: a running one holds the lock on its signing state."""
    try:
        lock = _DISK.lock(home.sign_state)
    except FileNotFoundError:
        yield
        return
    except NodeError as error:
        raise NodeError("home.running", f"The node of {home.root} is running.", "Stop it first.") from error
    try:
        yield
    finally:
        lock.release()


def _fetch_missing(home: Home, backup: Path) -> list[str]:
    report = []
    _DISK.make_directory(home.keys)
    for path in (home.config, home.genesis_toml, home.genesis, *map(home.key, KEY_KINDS), home.identity):
        copy = backup / path.relative_to(home.root)
        if not path.exists() and copy.exists():
            _DISK.replace(path, copy.read_bytes())
            report.append(f"Took {path.name} from the backup.")
    return report


def _forbid_signing(home: Home) -> None:
    try:
        FileSigner.mark(home.sign_state, _DISK)
    except FileNotFoundError:
        FileSigner.create(home.sign_state, _DISK, read_public_key(home.key("consensus")), restored=True)
    except NodeError as error:
        if error.code != "signer.corrupt":
            raise
        _DISK.rename(home.sign_state, _free_name(home.sign_state.with_name("consensus.state.damaged")))
        FileSigner.create(home.sign_state, _DISK, read_public_key(home.key("consensus")), restored=True)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a directory, durably."""
    try:
        shutil.copytree(source, target)
        for directory, _, names in os.walk(target):
            for name in names:
                with open(Path(directory) / name, "rb") as file:
                    os.fsync(file.fileno())
            sync_directory(Path(directory))
    except OSError as error:
        raise NodeError(
            "home.backup", f"{source} could not be copied: {error}.", "Free space or check the backup; try again."
        ) from error


def _free_name(path: Path) -> Path:
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate
