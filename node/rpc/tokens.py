"""Tokens: who may talk to a node that is reached from other machines. The node keeps their hashes alone.

    Authorization: Bearer laptop.<64 hexadecimal digits>

A token has a name, a scope (`read`, or `submit` to post as well) and an end. Whoever removes one has it refused within
a second, on connections that are open, too. Says nothing about members: what a request may read is the matter of
`node.access`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import hdrs, web

from contracts.units import Id
from node.access.requests import BadRequest
from node.disk import Disk
from node.errors import UNREADABLE, NodeError

FILE_NAME = "rpc-tokens.json"
MAX_TOKENS = 64
MAX_FILE_BYTES = 64 * 1024
MAX_DAYS = 366
DAY_MS = 86_400_000
SECRET_BYTES = 32
MAX_TOKEN = 32 + 1 + 2 * SECRET_BYTES
"""Characters."""
SUBPROTOCOL = "bearer."
"""Before a token among the subprotocols of a websocket: a browser can not set its headers."""
LOOK_EVERY_MS = 1_000
"""How old what is known of the file may be."""

Scope = Literal["read", "submit"]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the node knows of one token. Times are UTC by its own clock."""

    name: Id
    scope: Scope
    hash: Sha256
    made_ms: int
    expires_ms: int


class TokenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All tokens of a node, in the order in which they were made."""

    format: Literal["gridpact-tokens-1"] = "gridpact-tokens-1"
    tokens: Annotated[tuple[Token, ...], msgspec.Meta(max_length=MAX_TOKENS)] = ()


NOBODYS: Final = "0" * 64
_DECODER = msgspec.json.Decoder(TokenFile)


def load(path: Path) -> TokenFile:
    """The tokens in a file; none where there is no file. Raises NodeError `rpc.tokens`."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise NodeError("rpc.tokens", f"Others can read or change {path}.", f"chmod 600 {path}")
            return _DECODER.decode(file.read(MAX_FILE_BYTES))
    except FileNotFoundError:
        return TokenFile()
    except (OSError, *UNREADABLE) as error:
        raise NodeError(
            "rpc.tokens", f"{path} holds no tokens: {error}.", "Move it away, and make new ones with `token add`."
        ) from None


def add(path: Path, disk: Disk, name: str, scope: Scope, days: int, now_ms: int, secret: bytes) -> str:
    """A new token, which only this call ever returns. Raises NodeError `rpc.token-exists | rpc.tokens-full | ...`."""
    held = load(path).tokens
    left = tuple(one for one in held if one.expires_ms > now_ms)
    if any(one.name == name for one in left):
        raise NodeError("rpc.token-exists", f"There is a token {name}.", "Remove it first, or take another name.")
    if len(left) >= MAX_TOKENS:
        raise NodeError("rpc.tokens-full", f"There are {MAX_TOKENS} tokens.", "Remove one that nobody uses.")
    if not 1 <= days <= MAX_DAYS or len(secret) != SECRET_BYTES:
        raise NodeError("rpc.token-days", f"A token for {days} days is not made.", f"Give 1 to {MAX_DAYS} days.")
    try:
        made = msgspec.convert(
            {"name": name, "scope": scope, "hash": _hash(secret.hex()), "made_ms": now_ms}
            | {"expires_ms": now_ms + days * DAY_MS},
            Token,
        )
    except msgspec.ValidationError:
        raise NodeError(
            "rpc.token-name", f"{name[:40]!r} is no name.", "Names are 1 to 32 of a-z, 0-9 and -."
        ) from None
    _write(path, disk, (*left, made))
    return f"{name}.{secret.hex()}"


def remove(path: Path, disk: Disk, name: str) -> None:
    """Forget a token. Raises NodeError `rpc.token-unknown`."""
    held = load(path).tokens
    left = tuple(one for one in held if one.name != name)
    if len(left) == len(held):
        raise NodeError("rpc.token-unknown", f"There is no token {name[:40]}.", "`gridpact token list` shows them.")
    _write(path, disk, left)


def _write(path: Path, disk: Disk, tokens: tuple[Token, ...]) -> None:
    document = msgspec.json.format(msgspec.json.encode(TokenFile(tokens=tokens)), indent=2)
    disk.replace(path, document + b"\n")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Tokens:
    """Checks the tokens of one node's requests against its file."""

    def __init__(self, path: Path, wall_ms: Callable[[], int]) -> None:
        """Raises NodeError `rpc.tokens` where the file is damaged, or holds no token that still counts."""
        self._path = path
        self._wall_ms = wall_ms
        self._held = {one.name: one for one in load(path).tokens}
        self._looked_ms = wall_ms()
        if not any(one.expires_ms > self._looked_ms for one in self._held.values()):
            raise NodeError(
                "rpc.tokens",
                f"{path} has no token that counts, and without one nobody could use the RPC.",
                "Make one with `gridpact token add NAME --home DIR`.",
            )

    def check(self, request: web.BaseRequest) -> None:
        """Raises `BadRequest` `rpc.token | rpc.token-expired | rpc.token-scope`."""
        now_ms = self._wall_ms()
        name, _, secret = _presented(request).partition(".")
        held = self._known(now_ms).get(name)
        # Alike whether there is such a token or not, and however much of its secret is right.
        same = hmac.compare_digest(_hash(secret), NOBODYS if held is None else held.hash)
        if held is None or not same:
            raise BadRequest(
                "rpc.token",
                "This node is reached from other machines, and answers nobody without a token.",
                "Send `Authorization: Bearer TOKEN`; `gridpact token add NAME` makes one.",
            )
        if now_ms >= held.expires_ms:
            raise BadRequest("rpc.token-expired", f"The token {name} no longer counts.", "Make a new one.")
        if request.method != hdrs.METH_GET and held.scope != "submit":
            raise BadRequest(
                "rpc.token-scope", f"The token {name} reads only.", "Make one with `gridpact token add --submit`."
            )

    def name(self, request: web.BaseRequest) -> str:
        """Which token a request shows that was let in."""
        return _presented(request).partition(".")[0]

    def _known(self, now_ms: int) -> dict[str, Token]:
        """Tokens by name, read again when it is time. A file that can't be read lets nobody in."""
        if not 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            try:
                self._held = {one.name: one for one in load(self._path).tokens}
            except NodeError:
                self._held = {}
            self._looked_ms = now_ms
        return self._held


def _presented(request: web.BaseRequest) -> str:
    """The token in a request's header, or among a websocket's subprotocols; empty: there is none."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "bearer":
        offered = (one.strip() for one in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(","))
        token = next((one[len(SUBPROTOCOL) :] for one in offered if one.startswith(SUBPROTOCOL)), "")
    return token.strip() if len(token) <= MAX_TOKEN else ""
