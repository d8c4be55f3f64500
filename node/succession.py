"""Succession on disk: the state of a stopped node made into a genesis document, and the file of who signs it.

Reads a copy of the store and changes nothing in the home. What the document has and who has to sign it says
`contracts.succession`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from contracts.genesis import Genesis
from contracts.state import State
from contracts.succession import LeftBehind, Origin, Signed, Succession, left_behind, sign_bytes, successor, support
from node import genesis_checks, genesis_file
from node.disk import RealDisk
from node.errors import NodeError
from node.home import Home, stopped
from node.keys import read_public_key
from node.ledger.ledger import HistoryPruned, Ledger
from node.ledger.view import view
from node.signer import FileSigner
from zk.codec import Codec, Malformed, encode
from zk.ed25519 import SigningKey

MAX_BYTES = 4 * 1024 * 1024
CODEC: Codec[Succession] = Codec(Succession, MAX_BYTES)


class _At(NamedTuple):
    """State after one height."""

    ledger: Ledger
    height: int

    def get(self, key: bytes) -> bytes | None:
        return self.ledger.get_at(key, self.height)


def export(home: Home, name: str, height: int | None) -> tuple[Genesis, Succession, LeftBehind]:
    """The successor of a stopped node's chain after `height` (None: its newest), unsigned, and what it does not have.

    Raises NodeError `home.running`, `succession.height`, `genesis.*`, `store.*`.
    """
    old = genesis_file.load_packed(home.genesis)
    with stopped(home), view(home.store) as store:
        ledger = Ledger.open(store, old)
        at = ledger.height if height is None else height
        try:
            state = State(_At(ledger, at))
            genesis, left = successor(state, old, name, ledger.time_ms(at)), left_behind(state)
        except (HistoryPruned, LookupError) as error:
            raise NodeError(
                "succession.height",
                f"{error}.",
                f"Choose a height from {ledger.oldest} to {ledger.height} that every member has.",
            ) from None
        header = ledger.header(at + 1)
        root = ledger.state_root if header is None else header.state_root
    genesis_checks.check(genesis)
    return genesis, Succession(Origin(old.chain_id(), at, root, genesis.chain_id(), genesis.hash())), left


def save(succession: Succession, path: Path) -> None:
    """Write the file. Raises NodeError `disk.*`."""
    RealDisk().replace(path, encode(succession))


def load(path: Path) -> Succession:
    """Read the file. Raises NodeError `succession.unreadable`."""
    try:
        return CODEC.decode(path.read_bytes())
    except (OSError, Malformed) as error:
        raise NodeError(
            "succession.unreadable",
            f"{path} is no succession: {error}.",
            "Give the file that `gridpact succession export` wrote.",
        ) from None


def sign(succession: Succession, genesis: Genesis, member: str, key: SigningKey) -> Succession:
    """The same with this member's word, in place of an earlier one. Raises NodeError `succession.signer`,
    `succession.document`."""
    check_document(succession, genesis)
    signed = Signed(member, key.public_key, key.sign(sign_bytes(succession.origin)))
    others = [one for one in succession.signatures if one.member != member]
    after = msgspec.structs.replace(succession, signatures=tuple(sorted((*others, signed), key=lambda one: one.member)))
    if member not in support(genesis, after).members:
        raise NodeError(
            "succession.signer",
            f"This is no account key of {member} with the scope `all` or `governance`.",
            "Sign with one of the member's keys in the document.",
        )
    return after


def check_document(succession: Succession, genesis: Genesis) -> None:
    """Raises NodeError `succession.document` unless these signatures are for this document."""
    origin = succession.origin
    if (origin.successor, origin.genesis_hash) != (genesis.chain_id(), genesis.hash()):
        raise NodeError(
            "succession.document",
            f"The signatures are for {origin.successor}, the document is {genesis.chain_id()}.",
            "Use the document that was exported with the file, byte for byte.",
        )


def require(succession: Succession, genesis: Genesis) -> None:
    """Raises NodeError `succession.unsigned` unless members with more than 2/3 of the power stand for the document."""
    check_document(succession, genesis)
    found = support(genesis, succession)
    if not found.enough:
        raise NodeError(
            "succession.unsigned",
            f"Members with {found.got} of {found.total} of the power have signed; more than 2/3 must.",
            "Have more members sign with `gridpact succession sign`, and merge nothing by hand.",
        )


def begin_signing(home: Home) -> None:
    """Let the key of a home that was copied without its signing state sign on the new chain, whose id is in everything
    that is signed. Raises NodeError `key.*`, `disk.*`."""
    if not home.sign_state.exists():
        FileSigner.create(home.sign_state, RealDisk(), read_public_key(home.key("consensus")))
