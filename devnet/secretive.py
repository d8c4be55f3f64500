"""What runs have in common in which members have secrets: everybody speaks with its own key, and what it draws is kept.

What anybody knows that others must not is written down beside the nodes, for `devnet.leaks` to look for; no node ever
reads that file.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from contracts.bodies import AccountBody
from devnet import keyring
from devnet.conductor import Wallet
from devnet.courier import WAIT_MS, Courier
from devnet.diary import Diary, Progress
from devnet.directory import Layout
from devnet.leaks import Secret, keep
from devnet.observation import Submitted
from devnet.scenario import Scenario
from devnet.tempo import Tempo
from node.agents.gateway import MeterGateway
from node.agents.proven import ProvenLedger
from node.client import Client
from node.light.founding import Founding
from node.wallet import account
from zk import notes

ENTROPY_BYTES = 32
PAUSE_S = 0.05


class Stage(NamedTuple):
    """What such a run plays on and with."""

    scenario: Scenario
    layout: Layout
    founding: Founding
    nodes: Sequence[Client]
    courier: Courier
    wallets: dict[str, Wallet]
    """Of the members of the scenario, by id."""
    gateways: dict[str, MeterGateway]
    """Of the meters that somebody of the run reads, by id."""
    tempo: Tempo
    diary: Diary


class Secretive:
    """Members with note keys, their wallets, meters and courier, and the diary of the run."""

    def __init__(self, stage: Stage) -> None:
        self._scenario, self._layout, self._courier = stage.scenario, stage.layout, stage.courier
        self._founding, self._nodes = stage.founding, stage.nodes
        self._wallets, self._gateways = stage.wallets, stage.gateways
        self._tempo, self._diary = stage.tempo, stage.diary
        self._progress = Progress(waiting_for="note keys", begun=1)
        self._height = 0

    def _owner(self, member: str) -> account.Owner:
        """The member with its note key."""
        secret = notes.secret_of(keyring.seed(self._layout.keys / f"{member}.json", "account"))
        keep(self._layout.secrets, [Secret.of_bytes(member, "note key", secret)])
        return account.Owner(member, secret)

    def _ledger(self, at: int) -> ProvenLedger:
        """The view of one of several members, each of which asks another node first."""
        turn = at % len(self._nodes)
        return ProvenLedger([*self._nodes[turn:], *self._nodes[:turn]], self._founding)

    def _draw(self, member: str) -> bytes:
        """Entropy of a member, written down as a secret of its own."""
        drawn = secrets.token_bytes(ENTROPY_BYTES)
        keep(self._layout.secrets, [Secret.of_bytes(member, "entropy", drawn)])
        return drawn

    async def _delivered(self, member: str, body: AccountBody) -> tuple[str, str]:
        """Sign and send a word of a member; its hash and the code of its receipt."""
        parcel = self._wallets[member].seal(body, "word", self._height)
        code = (await self._courier.deliver([parcel]))[parcel.about.hash]
        if code != "ok":
            self._progress.refused[code] = self._progress.refused.get(code, 0) + 1
        return parcel.about.hash, code

    async def _metered(self, said: Sequence[Submitted]) -> None:
        """Have all that meters said final."""
        self._courier.record(said)
        await asyncio.gather(*map(self._flush, self._gateways.values()))

    async def _flush(self, gateway: MeterGateway) -> None:
        while gateway.waiting:
            await self._courier.ask(lambda node: gateway.flush(node, "final", WAIT_MS))

    def _tell(self, waiting_for: str) -> None:
        self._progress.waiting_for = waiting_for
        self._diary.tell(self._progress)
