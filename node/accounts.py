"""Who signs what a client submits: a member's account with its lane of nonces, and a meter's own key.

Signs whatever it is given; what is worth signing is its caller's matter. Sends nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.bodies import AccountBody, MeterBody
from contracts.envelope import NO_SIGNATURE, AccountEnvelope, Domains, Envelope, MeterEnvelope
from node.access.requests import ReaderKey
from node.errors import NodeError, RpcError
from zk.ed25519 import SigningKey

if TYPE_CHECKING:
    from node.client import Client

EXPIRY_BLOCKS = 2_000
"""How many blocks a signed envelope stays valid by default."""


class Account:
    """One account key of a member on one chain: signs bodies and counts its nonce lane.

    The next nonce comes with `sync` from the ledger and from what waits at the node; call it again after a refusal.
    """

    def __init__(self, chain_id: str, member: str, seed: bytes) -> None:
        self.chain_id = chain_id
        self.member = member
        self.next_nonce = 0
        self.height = 0
        """Newest height seen by `sync`; expiry counts from it."""
        self._key = SigningKey(seed)
        self._domains = Domains(chain_id)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self._key.public_key

    def reader(self) -> ReaderKey:
        """The member as one who asks for what it may read."""
        return ReaderKey("member", self.member, self._key)

    async def sync(self, client: Client) -> None:
        """Read this key's next nonce, behind those that wait for a block at this node. Raises `RpcError` (`account.key`
        when the member does not list the key)."""
        answer = await client.member(self.member)
        try:
            keys = [str(key["public_key"]) for key in answer["data"]["keys"]]
            nonces = [int(lane["next_nonce"]) + int(lane.get("waiting", 0)) for lane in answer["data"]["lanes"]]
            next_nonce = dict(zip(keys, nonces, strict=True)).get(self.public_key.hex())
            height = int(answer["height"])
        except (TypeError, LookupError, ValueError, AttributeError) as error:
            raise RpcError(
                "rpc.garbled", f"{client.base_url} answers about member {self.member} in a strange form: {error}."
            ) from None
        if next_nonce is None:
            raise RpcError(
                "account.key",
                f"Member {self.member} of this chain does not list the key that would sign.",
                "The key file is of another member or another devnet: give the right one with --as or --key.",
            )
        self.next_nonce, self.height = next_nonce, height

    def sign(self, body: AccountBody, expiry_height: int | None = None) -> bytes:
        """The encoded envelope with the next nonce, which is then used up."""
        envelope = AccountEnvelope(
            self.chain_id,
            self.member,
            self.public_key,
            self.next_nonce,
            self.height + EXPIRY_BLOCKS if expiry_height is None else expiry_height,
            body,
            NO_SIGNATURE,
        )
        self.next_nonce += 1
        return _sealed(self._domains, self._key, envelope)


class MeterKey:
    """A meter's own key on one chain."""

    def __init__(self, chain_id: str, meter: str, seed: bytes) -> None:
        self.chain_id = chain_id
        self.meter = meter
        self._key = SigningKey(seed)
        self._domains = Domains(chain_id)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self._key.public_key

    def reader(self) -> ReaderKey:
        """The meter as one who asks for what its owner keeps to itself."""
        return ReaderKey("meter", self.meter, self._key)

    def sign(self, body: MeterBody) -> bytes:
        """The encoded envelope of one reading."""
        envelope = MeterEnvelope(self.chain_id, self.meter, self.public_key, body, NO_SIGNATURE)
        return _sealed(self._domains, self._key, envelope)

    def transaction_id(self, raw: bytes) -> bytes:
        """Hash under which the ledger knows an envelope."""
        return self._domains.transaction_id(raw)


def _sealed(domains: Domains, key: SigningKey, envelope: Envelope) -> bytes:
    """Encode and sign; an integer that no encoding holds is refused with the code that a node would give."""
    try:
        return domains.seal(key, envelope)
    except OverflowError:
        raise NodeError(
            "codec.malformed", "A number is beyond any bound of the ledger.", "Give a smaller number."
        ) from None
