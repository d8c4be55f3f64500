"""A run as a message diagram: one line per message, one column per node, time downwards.

`●` marks the sender, `+7` a receiver and the milliseconds the message took, `✗` one whom it never reached. Lines of
their own say what nodes decided and suffered. Transactions and small talk are left out.
"""

from __future__ import annotations

from collections import deque

from consensus.messages import NO_ROUND, Commit, Message, PolkaCertificate, Proposal, RoundCertificate, Vote, VoteType
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from devnet.simulator.network import Watcher
from node.effects import Timer
from node.errors import NodeError
from node.peer.wire import Frame
from zk.hashing import sha256

MAX_LINES = 2_000
"""The newest lines of a run; older ones are forgotten."""
SHOWN = frozenset({Frame.CONSENSUS, Frame.BLOCK_REQUEST, Frame.BLOCK_RESPONSE})
TIMEOUTS = {1: "propose", 2: "prevote", 3: "precommit"}
WIDTH = 52


class Line:
    """A message with who got it when, or an event of one node."""

    __slots__ = ("at_ms", "cells", "text")

    def __init__(self, at_ms: int, text: str) -> None:
        self.at_ms = at_ms
        self.text = text
        self.cells: dict[str, str] = {}


class Trace(Watcher):
    """Collects lines; `render` draws them."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=MAX_LINES)
        self._open: dict[tuple[str, bytes], Line] = {}
        """The line of the newest sending of a message."""

    def sending(self, machine: Machine, target: str, frame: Frame, body: bytes) -> None:
        if frame in SHOWN:
            self._line(machine, frame, body)

    def _line(self, machine: Machine, frame: Frame, body: bytes) -> Line:
        now, key = machine.network.now_ms, (machine.node, body)
        line = self._open.get(key)
        if line is None or line.at_ms != now:
            line = self._add(now, _named(frame, body))
            line.cells[machine.name] = "●"
            self._open[key] = line
        return line

    def _add(self, at_ms: int, text: str) -> Line:
        line = Line(at_ms, text)
        if len(self._lines) == MAX_LINES:
            oldest = self._lines[0]
            self._open = {key: kept for key, kept in self._open.items() if kept is not oldest}
        self._lines.append(line)
        return line

    def delivered(self, machine: Machine, peer: str, frame: Frame, body: bytes) -> None:
        if frame not in SHOWN:
            return
        line = self._open.get((peer, body))
        if line is None:
            # A liar said something else than its replica wanted.
            line = self._add(machine.network.now_ms, _named(frame, body))
            line.cells[peer] = "●"
            self._open[peer, body] = line
        line.cells.setdefault(machine.name, f"+{machine.network.now_ms - line.at_ms}")

    def lost(self, sender: str, target: str, frame: Frame, body: bytes) -> None:
        line = self._open.get((sender.partition("~")[0], body))
        if frame in SHOWN and line is not None:
            line.cells.setdefault(target, "✗")

    def fired(self, machine: Machine, timer: Timer) -> None:
        if timer[0] == "timeout" and timer[1] in TIMEOUTS:
            self._event(machine, f"{timer[2]}/{timer[3]} {TIMEOUTS[int(timer[1])]} timeout", "◷")

    def stored(self, machine: Machine, height: int) -> None:
        self._event(machine, f"{height} decided {machine.ledger.block_id(height).hex()[:6]}", "■")

    def penalised(self, machine: Machine, peer: str, code: str) -> None:
        self._event(machine, f"blames {peer}: {code}", "!")

    def stopped(self, machine: Machine, error: NodeError) -> None:
        self._event(machine, f"stops: {error.code}", "☠")

    def lost_power(self, machine: Machine) -> None:
        self._event(machine, "power fails inside a disk operation", "↯")

    def noted(self, at_ms: int, text: str) -> None:
        self._add(at_ms, text)

    def _event(self, machine: Machine, text: str, mark: str) -> None:
        self._add(machine.network.now_ms, text).cells[machine.name] = mark

    def render(self, names: tuple[str, ...], newest: int) -> str:
        """The last `newest` lines, with a column for each of `names`."""
        width = max(6, *(len(name) for name in names))
        rows = [f"{'ms':>8}  {'':<{WIDTH}}" + "".join(f"{name:^{width + 2}}" for name in names).rstrip()]
        for line in list(self._lines)[-newest:]:
            # A lifeline where nothing happens.
            cells = "".join(f"{line.cells.get(name, '·'):^{width + 2}}" for name in names)
            rows.append(f"{line.at_ms:>8}  {line.text[:WIDTH]:<{WIDTH}}{cells}".rstrip())
        return "\n".join(rows)


def _named(frame: Frame, body: bytes) -> str:
    message = read(frame, body)
    if message is None:
        return f"{frame.name.lower()} garbage of {len(body)} bytes"
    if isinstance(message, Message):
        return _said(message)
    return f"{frame.name.lower().replace('_', ' ')} {sha256(body).hex()[:6]}"


def _said(message: Message) -> str:
    match message:
        case Proposal(height, round_, valid_round, block):
            again = "" if valid_round == NO_ROUND else f" again, polka in {valid_round}"
            return f"{height}/{round_} proposal {block.header.id().hex()[:6]}, {len(block.payload)} tx{again}"
        case Vote(kind, height, round_, block_id, valid_round):
            name = "prevote" if kind == VoteType.PREVOTE else "precommit"
            again = "" if valid_round == NO_ROUND else f", polka in {valid_round}"
            return f"{height}/{round_} {name} {'nil' if block_id is None else block_id.hex()[:6]}{again}"
        case PolkaCertificate(height, round_, block_id):
            return f"{height}/{round_} polka {block_id.hex()[:6]}"
        case RoundCertificate(height, round_, votes):
            return f"{height}/{round_} round certificate of {len(votes)} votes"
        case Commit(certificate, block):
            whole = "" if block is None else " with its block"
            return f"{certificate.height}/{certificate.round} commit {certificate.block_id.hex()[:6]}{whole}"
