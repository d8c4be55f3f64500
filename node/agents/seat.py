"""A member's seat of the threshold key: it helps to make keys, and opens with them what the state machine asks.

It acts on proven state alone (`node.agents.proven`): a node that asks for a share of something else than the ledger
does gets none, and one that shows other dealings can make it late, and nothing else. All its secrets of an attempt
follow from one that is on disk before anything leaves (`node.agents.vault`), so a seat that is killed anywhere goes on
where it was, and deals nothing twice. Once the ledger has retired a key, what it had of that key is erased.

It complains only of a note that it has opened itself and found wrong, since a complaint shows the note to all.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from contracts.bodies import AccountBody
from contracts.ceremony import openings
from contracts.ceremony.bodies import CommitDealing, Complain, Deal, GiveShare, RegisterSeat
from contracts.ceremony.keys import held_keys, key
from contracts.ceremony.making import RUNNING, recipients, running
from contracts.ceremony.records import (
    COMMIT,
    COMPLAIN,
    DEAL,
    REGISTER,
    Ceremony,
    Dealt,
    OpeningRecord,
    ThresholdKey,
)
from contracts.receipts import OK
from contracts.schema import DEALINGS
from contracts.sealed.bodies import ClaimSum
from contracts.state import State
from node.agents.builder import EXPIRY_BLOCKS, PROOF_LAG, spread
from node.agents.position import position
from node.agents.proven import Proven, ProvenLedger, keep_looking
from node.agents.vault import Vault
from node.client import Account, RpcError
from node.rpc.limits import MAX_LISTED
from node.sealed.finding import Finder, prepare
from zk import ceremony as making
from zk import notes
from zk.statements import share

Say = Callable[[str], None]
"""Told in a sentence what happens."""

LOOK_S = 0.5
"""Between two looks where no node tells of a new block."""
MAX_WAITS = 64
"""Looks between two attempts to say the same, at most."""


class Duty(NamedTuple):
    """Something that is due, by a name that it keeps from look to look."""

    name: tuple[str, int, int, str]
    make: Callable[[], AccountBody]
    """What is said, made once it is: proofs and dealings take time."""
    said: str
    """What is told once it is done."""


class Standing(NamedTuple):
    """What is on the ledger, proven, as of one height."""

    height: int
    now: Ceremony | None
    keys: Sequence[ThresholdKey]
    """Held ones."""
    waiting: Sequence[OpeningRecord]


class Part(NamedTuple):
    """What one dealer dealt to this seat."""

    dealer: str
    note: bytes
    share: bytes | None
    """None where the note holds no share of the dealer's polynomial."""


class Seat:
    """One member's seat. `step` does what is due now; `run` does so until it is cancelled."""

    def __init__(self, account: Account, ledger: ProvenLedger, vault: Vault, say: Say = lambda text: None) -> None:
        """`account` signs and is used by nobody else meanwhile."""
        self.member = account.member
        self.vault = vault
        self.ledger = ledger
        self._account = account
        self._say = say
        self._told = ""
        self._shares: dict[bytes, bytes] = {}
        """The seat's share of each held key, by key id."""
        self._parts: dict[tuple[int, int, str], Part] = {}
        """What each dealer dealt to this seat, by epoch and attempt."""
        self._finder = Finder()
        self._turn = 0
        self._woken = asyncio.Event()
        self._listed = False
        """The member lists the key, and `account` knows its next nonce."""
        self._answers: dict[tuple[str, int, int, str], int] = {}
        """Height at which a node says that a duty is done; the proof comes with the next block."""
        self._waits: dict[tuple[str, int, int, str], tuple[int, int]] = {}
        """For duties that were refused: how many looks the next try waits, and how many of these are left."""

    async def run(self) -> None:
        """Act until cancelled, with every block that a node tells of, and every `LOOK_S` whatever nodes tell. Raises
        NodeError `account.key` and `disk.*`: nothing that another look could change."""
        listening = asyncio.ensure_future(self._listen())
        try:
            await keep_looking(self._look, lambda: False, self._say, 0)
        finally:
            listening.cancel()

    async def _look(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._woken.wait()
        self._woken.clear()
        await self.step()

    async def _listen(self) -> None:
        """Hear of new blocks from one node after the other. It is a hint when to look, and nothing else."""
        while True:
            for node in self.ledger.nodes:
                with contextlib.suppress(RpcError, OSError):
                    async for _ in node.events(("block",)):
                        self._woken.set()
                await asyncio.sleep(LOOK_S)

    async def step(self, least_height: int = 0) -> None:
        """Do what is due as of block `least_height` or later. Raises `Unproven`, NodeError `disk.*`, `account.key`."""
        seen = await self.ledger.ask(_standing, "threshold", least_height=least_height)
        self._forget(seen)
        duties = [
            *await self._attempt(seen.now),
            *[duty for one in seen.keys for duty in await self._hold(one)],
            *self._open(seen),
        ]
        lag = range(seen.height + 1, seen.height + PROOF_LAG + 1)
        self._answers = {name: height for name, height in self._answers.items() if height in lag}
        due = {duty.name for duty in duties}
        await self._send([duty for duty in duties if self._is_time(duty.name)], seen.height)
        # After shares, which nobody else can give: a node that does not answer here is not to hold them up.
        found = await self._find(seen)
        due |= {duty.name for duty in found}
        self._waits = {name: waits for name, waits in self._waits.items() if name in due}
        await self._send([duty for duty in found if self._is_time(duty.name)], seen.height)

    # Memory

    def _forget(self, seen: Standing) -> None:
        """Erase what no held key and no running attempt needs."""
        needed = {(one.epoch, one.attempt) for one in seen.keys}
        if seen.now is not None and seen.now.phase in RUNNING:
            needed.add((seen.now.epoch, seen.now.attempt))
        self.vault.erase_others(needed)
        self._parts = {name: part for name, part in self._parts.items() if name[:2] in needed}
        held = [one.key_id for one in seen.keys]
        self._shares = {key_id: mine for key_id, mine in self._shares.items() if key_id in held}

    def _at(self, about: Ceremony | ThresholdKey) -> making.Attempt:
        return making.Attempt(self.ledger.chain_id, about.epoch, about.attempt)

    def _index(self, about: Ceremony | ThresholdKey) -> int | None:
        members = [seat.member for seat in about.seats]
        return members.index(self.member) + 1 if self.member in members else None

    def _secret(self, about: Ceremony | ThresholdKey, index: int) -> bytes | None:
        """What was drawn for an attempt in which the seat has registered; None, and said, where that was not here."""
        drawn = self.vault.find(about.epoch, about.attempt)
        registered = about.seats[index - 1].key
        if not registered:
            return None
        if drawn is None or notes.public(making.seat_secret(self._at(about), self.member, drawn)) != registered:
            self._tell(
                f"its key of attempt {about.attempt} in epoch {about.epoch} was registered with another vault: "
                "it gives no share until other keys are made"
            )
            return None
        return drawn

    # Making a key

    async def _attempt(self, now: Ceremony | None) -> list[Duty]:
        index = None if now is None else self._index(now)
        if now is None or index is None or now.phase not in RUNNING:
            return []
        own = now.seats[index - 1]
        if now.phase == REGISTER and not own.key:
            return [self._duty(REGISTER, now, partial(self._registration, now))]
        drawn = self._secret(now, index)
        if drawn is None:
            return []
        match now.phase:
            case "commit" if not own.barred and not own.commitment:
                return [self._duty(COMMIT, now, partial(self._commitment, now, drawn))]
            case "deal" if own.commitment and not own.dealt:
                return [self._duty(DEAL, now, partial(self._dealt, now, drawn))]
            case "complain":
                dealers = [seat.member for seat in now.seats if seat.dealt and not seat.bad]
                return self._complaints(now, await self._received(now, index, drawn, dealers), drawn)
        return []

    def _registration(self, now: Ceremony) -> RegisterSeat:
        drawn = self.vault.draw(now.epoch, now.attempt)
        secret = making.seat_secret(self._at(now), self.member, drawn)
        return RegisterSeat(
            now.epoch, now.attempt, *making.prove_seat(self._at(now), self.member, secret, entropy=drawn)
        )

    def _commitment(self, now: Ceremony, drawn: bytes) -> CommitDealing:
        vector = making.deal(self._at(now), self.member, now.threshold, {}, entropy=drawn).vector
        return CommitDealing(now.epoch, now.attempt, making.digest(self._at(now), self.member, vector))

    def _dealt(self, now: Ceremony, drawn: bytes) -> Deal:
        to = {at: (now.seats[at - 1].member, now.seats[at - 1].key) for at in recipients(now.seats)}
        return Deal(now.epoch, now.attempt, *making.deal(self._at(now), self.member, now.threshold, to, entropy=drawn))

    def _duty(self, phase: str, now: Ceremony, make: Callable[[], AccountBody]) -> Duty:
        said = f"{phase} in attempt {now.attempt} of epoch {now.epoch}"
        return Duty((phase, now.epoch, now.attempt, ""), make, said)

    async def _received(
        self, about: Ceremony | ThresholdKey, index: int, drawn: bytes, dealers: Sequence[str]
    ) -> list[Part]:
        """What these dealers dealt to this seat, opened and checked; each once."""
        for dealer in dealers:
            name = (about.epoch, about.attempt, dealer)
            if name not in self._parts:
                dealt = await self._dealing(about, dealer)
                note = dealt.shares[recipients(about.seats).index(index)]
                secret = making.seat_secret(self._at(about), self.member, drawn)
                plain = notes.open_(secret, note, **making.route(self._at(about), dealer, self.member))
                vector = making.decode_vector(dealt.vector, about.threshold)
                good = plain is not None and making.is_share(plain, index, vector)
                self._parts[name] = Part(dealer, note, plain if good else None)
        return [self._parts[about.epoch, about.attempt, dealer] for dealer in dealers]

    async def _dealing(self, about: Ceremony | ThresholdKey, dealer: str) -> Dealt:
        def read(seen: Proven) -> Dealt:
            found = State(seen).load(DEALINGS, DEALINGS.key(about.epoch, about.attempt, dealer))
            if found is None:
                raise LookupError(f"no dealing of {dealer}")
            return found

        return await self.ledger.ask(read, "dealing", about.epoch, about.attempt, dealer)

    def _complaints(self, about: Ceremony | ThresholdKey, received: Sequence[Part], drawn: bytes) -> list[Duty]:
        return [
            Duty(
                (COMPLAIN, about.epoch, about.attempt, part.dealer),
                partial(self._complaint, about, part, drawn),
                f"{part.dealer} dealt what is no share, and is named for it",
            )
            for part in received
            if part.share is None
        ]

    def _complaint(self, about: Ceremony | ThresholdKey, part: Part, drawn: bytes) -> Complain:
        secret = making.seat_secret(self._at(about), self.member, drawn)
        route = making.route(self._at(about), part.dealer, self.member)
        shown = notes.reveal(secret, part.note, entropy=drawn, **route)
        return Complain(about.epoch, about.attempt, part.dealer, shown)

    # Holding one

    async def _hold(self, held: ThresholdKey) -> list[Duty]:
        """Work out the seat's share of a key; complain where a dealer's part of it is none."""
        index = self._index(held)
        if held.key_id in self._shares or index is None or held.seats[index - 1].excused:
            return []
        drawn = self._secret(held, index)
        if drawn is None:
            return []
        received = await self._received(held, index, drawn, held.dealers)
        good = [part.share for part in received if part.share is not None]
        if len(good) < len(received):
            return self._complaints(held, received, drawn)
        self._shares[held.key_id] = making.held_share(good)
        await prepare()
        self._say(f"holds share {index} of the key of epoch {held.epoch}, which {held.threshold} seats open with")
        return []

    def _open(self, seen: Standing) -> list[Duty]:
        """Shares of what waits to be opened."""
        keys = {one.key_id: one for one in seen.keys}
        duties = []
        for record in seen.waiting:
            held, mine = keys.get(record.key_id), self._shares.get(record.key_id)
            index = None if held is None else self._index(held)
            if held is None or mine is None or index in [one.index for one in record.shares]:
                continue
            said = f"gave its share of opening {record.number}: {record.purpose} {record.round}, {record.tick}"
            duties.append(Duty(("share", record.number, 0, ""), partial(self._share, held, record, mine), said))
        return duties

    def _share(self, held: ThresholdKey, record: OpeningRecord, mine: bytes) -> GiveShare:
        where = openings.where_of(self.ledger.chain_id, held, record, self.member)
        point, proof = share.prove(where, record.purpose, record.tick, record.R, mine, entropy=secrets.token_bytes(32))
        return GiveShare(record.number, point, proof)

    async def _find(self, seen: Standing) -> list[Duty]:
        """Claims of sums that are open, so that rounds go on: in turn with the other seats."""
        newest = seen.keys[-1] if seen.keys else None
        index = None if newest is None else self._index(newest)
        if newest is None or index is None:
            return []
        self._turn += 1
        node = self.ledger.nodes[self._turn % len(self.ledger.nodes)]
        found = await self._finder.look(node, index, len(newest.seats))
        return [
            Duty(
                ("claim", one.interval, one.opening, ""),
                partial(ClaimSum, *one),
                f"found opening {one.opening}: {one.sum_wh} Wh",
            )
            for one in found
        ]

    # Sending

    def _is_time(self, name: tuple[str, int, int, str]) -> bool:
        """Whether a duty has to be done now: not while its proof is still to come, nor at once after a refusal."""
        if name in self._answers:
            return False
        waits, left = self._waits.get(name, (0, 0))
        if left:
            self._waits[name] = waits, left - 1
        return not left

    async def _send(self, duties: Sequence[Duty], height: int) -> None:
        if not duties:
            return
        if not self._listed:
            self._account.next_nonce, _ = await position(self.ledger, self.member, self._account.public_key)
            self._listed = True
        bodies = [duty.make() for duty in duties]
        signed = [self._account.sign(body, height + EXPIRY_BLOCKS) for body in bodies]
        await asyncio.gather(*(self._say_duty(duty, raw) for duty, raw in zip(duties, signed, strict=True)))

    async def _say_duty(self, duty: Duty, raw: bytes) -> None:
        self._turn += 1
        result = await spread(self.ledger.nodes, self._turn - 1, raw)
        if result is None or result.status != "final":
            # Nobody knows whether its nonce is used: that is asked before the next word.
            self._listed = False
        if result is not None and result.done and result.height is not None:
            self._answers[duty.name] = result.height
            self._say(duty.said)
            return
        if result is not None and result.code != OK:
            self._tell(f"{result.code}: {result.message}")
        waits, _ = self._waits.get(duty.name, (1, 0))
        self._waits[duty.name] = min(2 * waits, MAX_WAITS), waits

    def _tell(self, text: str) -> None:
        """Say something, once."""
        if text != self._told:
            self._told = text
            self._say(text)


def _standing(seen: Proven) -> Standing:
    state = State(seen)
    held = [key(state, one.key_id) for one in held_keys(state).held]
    known = [one for one in held if one is not None]
    return Standing(seen.height, running(state), known, openings.waiting(state, MAX_LISTED))
