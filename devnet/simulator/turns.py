"""Whose turn it is to propose, told anew from the blocks of a chain: the judge of `consensus.proposers`.

Naive on purpose: the whole window is counted for every height, and the draw takes tickets one after the other. Also
schedules by hand, which lead heights as they like.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from consensus.messages import Block
from consensus.proposers import Proposers
from node.leaders import Leaders
from node.ledger.ledger import Ledger
from node.seats import Sets

Led = Callable[[int], tuple[str, ...]]
"""Who leads the first rounds of a height, as far as they have a seat; after them come all seats by id. Empty where no
schedule says so."""


class Scheduled(Leaders):
    """Leads as a schedule says."""

    def __init__(self, ledger: Ledger, sets: Sets, led: Led) -> None:
        super().__init__(ledger, sets)
        self._followed, self._seats, self._led = ledger, sets, led

    def proposers(self) -> Proposers:
        height = self._followed.height + 1
        first, seats = self._led(height), self._seats(height)
        if not first:
            return super().proposers()
        order = [*(seats.seats[seats.index[name]] for name in first if name in seats.index), *seats.seats]
        return Proposers(order, len(order))


class Turns:
    """Follows one chain from its genesis, with the validator sets that it has."""

    def __init__(self, ledger: Ledger, sets: Sets, led: Led | None) -> None:
        self._chain_id = ledger.chain_id
        self._epoch = ledger.genesis.consensus.epoch_blocks
        self._sets = sets
        self._led = led
        self.mixes = [hashlib.sha256(self._tag("beacon-genesis") + ledger.genesis_hash).digest()]
        """By height."""
        self._blocks: list[tuple[str, list[str], list[str]]] = []
        """Of each height: proposer, whose turn had passed, and who signed it as the next block says."""

    def order(self, height: int, tombstoned: tuple[str, ...]) -> list[str]:
        """Who proposes in the first rounds of the height above the newest block; it begins again at its end.

        `tombstoned` are members by the state below.
        """
        seats = self._sets(height).seats
        if self._led is not None and (first := self._led(height)):
            ids = [seat.id for seat in seats]
            return [*(name for name in first if name in ids), *ids]
        window = self._blocks[: max(0, height - 2)][-max(64, 10 * len(seats)) :]
        powers = {seat.id: 0 if seat.flagged or seat.organisation in tombstoned else seat.power for seat in seats}
        marks = {}
        for seat in seats:
            led = sum(proposer == seat.id for proposer, _, _ in window)
            missed = sum(seat.id in passed for _, passed, _ in window)
            seen = led > 0 or any(seat.id in voters for _, _, voters in window)
            marks[seat.id] = 1 if 10 * missed > led + missed else 1000 if seen else 10
        floor, total = 1, sum(powers.values())
        while 100 * floor * total < 5 * sum(powers[name] * max(mark, floor) for name, mark in marks.items()):
            floor += 1
        weights = {name: powers[name] * max(mark, floor) for name, mark in marks.items() if powers[name]}
        return self._drawn(height, weights)

    def _drawn(self, height: int, weights: dict[str, int]) -> list[str]:
        epoch = (height - 1) // self._epoch
        seed = self.mixes[0 if epoch < 2 else (epoch - 1) * self._epoch]
        draw = self._tag("proposer") + msgspec.msgpack.encode((seed, height))
        order: list[str] = []
        counter = 0
        while weights:
            bits = sum(weights.values()).bit_length()
            hashed = hashlib.sha256(draw + counter.to_bytes(8, "big")).digest()
            counter += 1
            ticket = int.from_bytes(hashed, "big") >> (256 - bits)
            for name, weight in weights.items():
                if ticket < weight:
                    order.append(name)
                    del weights[name]
                    break
                ticket -= weight
        return order

    def took(self, block: Block, order: list[str]) -> None:
        """The next block was decided, and `order` is that of its height."""
        header = block.header
        if block.last_certificate is not None:
            seats = self._sets(header.height - 1).seats
            self._blocks[-1][2].extend(seats[index].id for index, _ in block.last_certificate.signatures)
        self._blocks.append((header.proposer, order[: header.proposer_round], []))
        mixed = self._tag("beacon-mix") + msgspec.msgpack.encode((self.mixes[-1], header.beacon))
        self.mixes.append(hashlib.sha256(mixed).digest())

    def _tag(self, name: str) -> bytes:
        return f"gridpact/1/{name}/{self._chain_id}/".encode()
