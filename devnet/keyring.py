"""Plain key files of a devnet: one JSON object with a seed, marked `"devnet": true`, for its owner alone.

Never for anything of value: production keys are encrypted (`node.keys`), and a production genesis refuses
these.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from devnet.errors import DevnetError
from node.errors import UNREADABLE
from zk.ed25519 import SEED_BYTES, SigningKey

Kind = Literal["account", "meter"]


class KeyFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """The document. `seed` and `public_key` are 32 bytes in hex; `member` or `meter` says whose key it is."""

    kind: Kind
    seed: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    public_key: str
    devnet: bool
    member: str | None = None
    meter: str | None = None


def make(path: Path, kind: Kind, owner: str) -> bytes:
    """Write a new key of `owner` and return its public half."""
    seed = secrets.token_bytes(SEED_BYTES)
    public_key = SigningKey(seed).public_key
    file = KeyFile(
        kind,
        seed.hex(),
        public_key.hex(),
        devnet=True,
        member=owner if kind == "account" else None,
        meter=owner if kind == "meter" else None,
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        output.write(msgspec.json.format(msgspec.json.encode(file)) + b"\n")
    return public_key


def seed(path: Path, kind: Kind) -> bytes:
    """The 32-byte seed in a key file. Raises `DevnetError` (`devnet.key`)."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=KeyFile)
    except (OSError, *UNREADABLE) as error:
        raise DevnetError("devnet.key", f"{path} can't be read: {error}.", "`gridpact devnet down`, then up.") from None
    if file.kind != kind or not file.devnet:
        raise DevnetError("devnet.key", f"{path} holds a {file.kind} key, not a devnet's {kind} key.", "")
    return bytes.fromhex(file.seed)
