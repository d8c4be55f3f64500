"""Reading the journal back: the logged inputs of the open height, and which effects they are the answers to.

Replay runs the same pure machine over the same inputs; effects whose answer is in the log must not run again, all
others must. Never changes anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from consensus.effects import (
    BuildValue,
    CheckPayload,
    Effect,
    LoggedInput,
    PayloadChecked,
    Schedule,
    Sign,
    Signed,
    Timeout,
    ValueBuilt,
)
from node.journal import INPUT, MAX_RECORD_BYTES
from zk.codec import Codec

LOG_CODEC: Codec[LoggedInput] = Codec(LoggedInput, MAX_RECORD_BYTES)


def logged_inputs(records: Iterable[tuple[int, int, bytes]], height: int) -> Iterator[LoggedInput]:
    """Inputs of `height`, in order; records of stored heights are of no use any more."""
    return (LOG_CODEC.decode(body) for kind, at, body in records if kind == INPUT and at == height)


def unanswered(effects: list[Effect], logged: LoggedInput) -> list[Effect]:
    """`effects` without those that `logged` answers."""
    return [effect for effect in effects if not _answers(logged, effect)]


def _answers(logged: LoggedInput, effect: Effect) -> bool:
    """True when this logged input is the result of that effect, so that it need not run again."""
    match logged, effect:
        case Signed(message), Sign(wanted):
            return type(message) is type(wanted) and replace(message, signature=b"") == wanted
        case PayloadChecked(_, block_id, _), CheckPayload(block):
            return block_id == block.header.id()
        case ValueBuilt(height, round_, _), BuildValue(wanted_height, wanted_round, _):
            return (height, round_) == (wanted_height, wanted_round)
        case Timeout(step, height, round_), Schedule(wanted_step, wanted_height, wanted_round, _):
            return (step, height, round_) == (wanted_step, wanted_height, wanted_round)
        case _:
            return False
