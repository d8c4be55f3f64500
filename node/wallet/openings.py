"""What a wallet remembers: for each commitment of its member, the value and the blinding behind it.

Named by the commitment itself, so that an opening is found by what the ledger shows, and is checked against it whenever
it is put in: a wallet never remembers what does not open. Bounded; what is of no use any more is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, NamedTuple

import msgspec

from node.errors import NodeError
from zk.pedersen import commit
from zk.statements.openings import Opening

MAX_OPENINGS = 65_536


class Known(NamedTuple):
    """One opening, and what it is of."""

    kind: str
    """`balance`, `item`, `credit` (`node.wallet.account`), or what else a member commits to
    (`node.wallet.collecting`)."""
    about: str
    """Number, meter or round, for people."""
    opening: Opening


class _Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """As it is stored; numbers are text, because browsers lose integers above 2^53."""

    commitment: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{96}\Z")]
    kind: str
    about: str
    value: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}\Z")]
    blinding: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is encrypted."""

    height: Annotated[int, msgspec.Meta(ge=0)]
    openings: Annotated[tuple[_Entry, ...], msgspec.Meta(max_length=MAX_OPENINGS)]


_DECODER = msgspec.json.Decoder(_Content)


class Openings:
    """Openings by commitment, 48 bytes."""

    def __init__(self) -> None:
        self.height = 0
        """Of the last word of this wallet that became final: what a node shows is not older."""
        self._known: dict[bytes, Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, kind: str, about: str, opening: Opening, *, base: bytes | None = None) -> bytes:
        """Remember an opening, over `base` in place of H where there is one; its commitment. Raises NodeError
        `wallet.full`."""
        commitment = commit(*opening, base=base).to_bytes()
        if len(self._known) >= MAX_OPENINGS and commitment not in self._known:
            raise NodeError(
                "wallet.full",
                f"The wallet has {MAX_OPENINGS} openings.",
                "Move it away: `gridpact wallet recover` reads what counts from the ledger.",
            )
        self._known[commitment] = Known(kind, about, opening)
        return commitment

    def find(self, commitment: bytes) -> Opening | None:
        """The opening of a commitment, None where it is not known here."""
        known = self._known.get(commitment)
        return None if known is None else known.opening

    def all(self, kind: str) -> list[tuple[bytes, Known]]:
        """All of one kind, as they were put in."""
        return [(commitment, known) for commitment, known in self._known.items() if known.kind == kind]

    def kinds(self) -> dict[str, int]:
        """How many there are of each kind, ascending by kind."""
        return dict(sorted(Counter(known.kind for known in self._known.values()).items()))

    def forget(self, commitments: Iterable[bytes]) -> None:
        """These are of no use any more."""
        for commitment in commitments:
            self._known.pop(commitment, None)

    def encode(self) -> bytes:
        """JSON, see docs/wallets.md."""
        entries = (
            _Entry(commitment.hex(), known.kind, known.about, str(known.opening.value), known.opening.blinding.hex())
            for commitment, known in self._known.items()
        )
        return msgspec.json.encode(_Content(self.height, tuple(entries)))

    @classmethod
    def decode(cls, data: bytes) -> Openings:
        """What `encode` made. ValueError (`msgspec.DecodeError`) on anything else."""
        made, content = cls(), _DECODER.decode(data)
        made.height = content.height
        for entry in content.openings:
            opening = Opening(int(entry.value), bytes.fromhex(entry.blinding))
            made._known[bytes.fromhex(entry.commitment)] = Known(entry.kind, entry.about, opening)
        return made
