"""Lies to those who are behind, and about where one stands."""

from __future__ import annotations

from msgspec.structs import replace

from devnet.simulator.behaviours.base import Behaviour, Out, behaviour
from devnet.simulator.frames import read
from node.peer.wire import BlockResponse, Frame, FullBlock, Status
from zk.codec import encode
from zk.hashing import sha256

MAX_HEIGHT = 2**48 - 1
MAX_ROUND = 2**31 - 1


@behaviour
class FalseStatus(Behaviour):
    """Claims any height and round."""

    name = "false-status"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        if frame is not Frame.STATUS:
            return [Out(target, frame, body)]
        random = self.random
        height = random.choice((0, self.height + 1, self.height + 1_000, random.randrange(2**40), MAX_HEIGHT))
        self.acted()
        return [
            Out(target, frame, encode(Status(height, min(height + 1, MAX_HEIGHT), random.choice((0, 7, MAX_ROUND)))))
        ]


@behaviour
class LieInSync(Behaviour):
    """Claims more heights than it has, so that it is asked first, and answers with everything but the truth."""

    name = "lie-in-sync"
    CLAIMED = 50
    INVENTED = 3

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        match read(frame, body):
            case Status():
                height = self.height + self.CLAIMED
                self.acted()
                return [Out(target, frame, encode(Status(height, height + 1, 0)))]
            case BlockResponse() as answer:
                self.acted()
                return [Out(target, frame, encode(false)) for false in self._false(answer)]
            case _:
                return [Out(target, frame, body)]

    def _false(self, answer: BlockResponse) -> list[BlockResponse]:
        """One lie, or silence."""
        first, blocks = answer.first, answer.blocks
        empty = BlockResponse(first, ())
        if not blocks:
            return self.random.choice(([empty], [], [self._made_up(first)], [self._made_up(first)]))
        match self.random.randrange(8):
            case 0:
                return [empty]
            case 1:
                return []
            case 2:
                # As long as a response may be.
                return [BlockResponse(first, tuple(blocks[at % len(blocks)] for at in range(64)))]
            case 3:
                return [BlockResponse(first + 1, blocks[1:])]
            case 4:
                return [answer] * 4
            case _:
                at = self.random.randrange(len(blocks))
                return [BlockResponse(first, (*blocks[:at], self._altered(blocks[at]), *blocks[at + 1 :]))]

    def _made_up(self, first: int) -> BlockResponse:
        """Heights that do not exist: its newest block again and again, with the right parent and old signatures."""
        ledger = self.machine.ledger
        block, certificate = ledger.block(ledger.height), ledger.certificate(ledger.height)
        if block is None or certificate is None:
            return BlockResponse(first, ())
        parent, made = ledger.block_id(ledger.height), []
        for height in range(first, first + self.INVENTED):
            header = replace(block.header, height=height, parent_hash=parent, state_root=ledger.state_root)
            parent = header.id()
            proof = replace(certificate, height=height, block_id=parent)
            raws = tuple(ledger.transactions(ledger.height))
            made.append(FullBlock(replace(block, header=header), proof, raws))
        return BlockResponse(first, tuple(made))

    def _altered(self, full: FullBlock) -> FullBlock:
        header, certificate, raws = full.block.header, full.certificate, full.transactions
        match self.random.randrange(7):
            case 0:
                return replace(full, block=replace(full.block, header=replace(header, time_ms=header.time_ms + 1)))
            case 1:
                false_root = replace(header, state_root=sha256(header.state_root))
                return replace(full, block=replace(full.block, header=false_root))
            case 2:
                return replace(full, block=replace(full.block, payload=(*full.block.payload, sha256(b"smuggled in"))))
            case 3:
                return replace(full, certificate=replace(certificate, signatures=certificate.signatures[:1]))
            case 4:
                signatures = tuple((index, bytes(64)) for index, _ in certificate.signatures)
                return replace(full, certificate=replace(certificate, signatures=signatures))
            case 5:
                return replace(full, transactions=raws[:-1] if raws else (b"nothing",))
            case _:
                altered = tuple(raw[:-1] + bytes((raw[-1] ^ 1,)) for raw in raws)
                return replace(full, transactions=altered or (b"nothing",))
