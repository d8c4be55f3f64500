"""What commands about hidden money share: the wallet that a member's key opens, and the ledger as nodes prove it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

from node.cli import options
from node.cli.context import Connection, account, account_seed, devnet, genesis_path, is_plain
from node.cli.output import reporting
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody
    from node.agents.proven import ProvenLedger
    from node.client import Account
    from node.wallet.account import Owner, Seen
    from node.wallet.file import WalletFile
    from zk.statements.openings import Opening

    Making = tuple[AccountBody, Opening | None, dict[str, Any], Callable[[], None]]

T = TypeVar("T")
PATIENCE_S = 20.0
"""How long a wallet waits until a node proves what it said last."""
PAUSE_S = 0.2
ENTROPY_BYTES = 32
_DEVNET_INFO = b"gridpact/1/devnet-wallet"


def wallet_path(as_: str | None, purse: options.Purse, directory: Path) -> Path:
    """Where a member's wallet is. Raises NodeError `cli.signer`, `cli.wallet`."""
    if as_ is None:
        raise NodeError(
            "cli.signer", "Nobody is named whose wallet it is.", "Add --as MEMBER, for example --as campus."
        )
    if purse.wallet is not None:
        return purse.wallet
    if devnet(directory) is None:
        # What `gridpact devnet down` removes is no place for it.
        raise NodeError(
            "cli.wallet", f"No wallet is named, and there is no devnet in {directory}.", "Name its file with --wallet."
        )
    return directory / "wallets" / f"{as_}.json"


def passphrase_of(as_: str | None, key: Path | None, purse: options.Purse, directory: Path) -> str:
    """What opens the wallet: as the options say, the environment, or derived from a key that lies open. Raises
    NodeError."""
    import os

    from node.keys import PASSPHRASE_VARIABLE, find_passphrase

    named = purse.passphrase_file is not None or PASSPHRASE_VARIABLE in os.environ
    if not named and as_ is not None and is_plain(as_, key, directory):
        return _from_seed(account_seed(as_, key, directory)[1])
    return find_passphrase(file=purse.passphrase_file, environment=os.environ, prompt=_typed)


@cache
def _typed() -> str:
    """Asked for once, however often a command that is watched looks."""
    import typer

    return str(typer.prompt("Passphrase of the wallet", hide_input=True, err=True))


def _from_seed(seed: bytes) -> str:
    """Of a devnet's wallet: who has the open key has all the money anyway, and nobody has to type anything."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, None, _DEVNET_INFO).derive(seed).hex()


class Session:
    """A member at its wallet, with nodes to talk to."""

    def __init__(self, connection: Connection, owner: Owner, ledger: ProvenLedger, wallet: WalletFile) -> None:
        self.connection = connection
        self.owner = owner
        self.ledger = ledger
        self.wallet = wallet

    def look(self) -> Seen:
        """What the ledger proves of the member's hidden money, no older than its own last word. Raises NodeError."""
        from node.wallet import account

        return self.patiently(lambda: account.look(self.ledger, self.owner.member, self.wallet.openings.height))

    def patiently(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer of a question to the ledger, asked again for a while. Raises `Unproven`."""
        return patiently(self.connection, ask)

    def tidy(self, seen: Seen, balance: Opening | None = None) -> None:
        """Keep of hidden money what is on the ledger, and `balance`, which is about to be; write the file."""
        from node.wallet.account import BALANCE, CREDIT, ITEM

        openings = self.wallet.openings
        alive = {item.commitment for item in seen.items} | {credit.commitment for credit in seen.credits}
        alive |= {seen.own.balance}
        for kind in (BALANCE, ITEM, CREDIT):
            openings.forget([commitment for commitment, _ in openings.all(kind) if commitment not in alive])
        if balance is not None and (balance.value or any(balance.blinding)):
            openings.keep(BALANCE, self.owner.member, balance)
        self.wallet.save()


def patiently(connection: Connection, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The answer of a question to the ledger, asked again for a while. Raises `Unproven`."""
    from node.agents.proven import Unproven

    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            return connection.run(ask())
        except Unproven:
            if monotonic() >= deadline:
                raise
            sleep(PAUSE_S)


def owner_of(as_: str | None, key: Path | None, directory: Path) -> Owner:
    """The member that the options name, with the secret of its note key. Raises NodeError."""
    from node.wallet.account import Owner
    from zk import notes

    member, seed = account_seed(as_, key, directory)
    return Owner(member, notes.secret_of(seed))


@contextmanager
def proven_by(connection: Connection, wallet: Path, purse: options.Purse, directory: Path) -> Iterator[ProvenLedger]:
    """The ledger as the connection's node proves it, gone on from the header that is kept beside the wallet. Raises
    NodeError."""
    from node.agents.proven import ProvenLedger
    from node.light.founding import read_founding
    from node.light.session import load, save

    store = wallet.with_name(f"{wallet.name}.head")
    ledger = ProvenLedger([connection.client], read_founding(genesis_path(purse.genesis, directory)), head=load(store))
    try:
        yield ledger
    finally:
        if ledger.head is not None and store.parent.is_dir():
            save(store, ledger.head)


def open_wallet(as_: str | None, key: Path | None, purse: options.Purse, directory: Path, chain_id: str) -> WalletFile:
    """The wallet that the options name. Raises NodeError `wallet.*`."""
    from node.disk import RealDisk
    from node.wallet import file

    path = wallet_path(as_, purse, directory)
    opened = file.load(path, lambda: passphrase_of(as_, key, purse, directory), RealDisk())
    if (opened.chain_id, opened.member) != (chain_id, as_):
        raise NodeError(
            "wallet.other",
            f"{path} is the wallet of {opened.member} on {opened.chain_id}.",
            "Name the right file with --wallet; an older devnet's goes with `gridpact devnet down`.",
        )
    return opened


@contextmanager
def session(
    as_: str | None, key: Path | None, node: str | None, directory: Path, purse: options.Purse
) -> Iterator[Session]:
    """Open wallet and connection. Raises NodeError."""
    path = wallet_path(as_, purse, directory)
    with Connection(node, directory) as connection, proven_by(connection, path, purse, directory) as ledger:
        owner = owner_of(as_, key, directory)
        wallet = open_wallet(as_, key, purse, directory, ledger.chain_id)
        yield Session(connection, owner, ledger, wallet)


def say(signing: options.Signing, purse: options.Purse, what: str, make: Callable[[Session, Seen], Making]) -> None:
    """Sign what `make` says of the account as it stands, remember what will open it, submit, and print the outcome.

    The opening is on disk before the word leaves: whatever dies in between, the wallet still opens the balance.
    """
    from node.cli.tx import report, settle

    with (
        reporting(signing.as_json),
        session(signing.as_, signing.key, signing.node, signing.directory, purse) as opened,
    ):
        signer: Account = account(opened.connection, signing.as_, signing.key, signing.directory)
        seen = opened.look()
        body, balance, document, draw = make(opened, seen)
        opened.tidy(seen, balance)
        result = settle(opened.connection, signer.sign(body), signing, what)
        if result.done and result.height is not None:
            opened.wallet.openings.height = result.height
            opened.wallet.save()
        report(result, signing, document, draw)


def entropy() -> bytes:
    """Fresh randomness for one proof."""
    import secrets

    return secrets.token_bytes(ENTROPY_BYTES)
