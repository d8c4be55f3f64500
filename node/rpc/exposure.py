"""Whether a node may be reached from other machines: only over TLS, and only with tokens. Checked before it listens."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from node.errors import NodeError
from node.rpc.guard import is_loopback
from node.rpc.tokens import FILE_NAME, Tokens

HANDSHAKE_S = 5.0
"""A TLS handshake that takes longer is cut off."""


class Exposure(NamedTuple):
    """What protects a server. Both None: only this machine may reach it."""

    tls: ssl.SSLContext | None = None
    tokens: Tokens | None = None

    def demand(self, host: str) -> None:
        """Raises NodeError `rpc.exposed` where a server that is protected like this may not listen on `host`."""
        if is_loopback(host) or (self.tls is not None and self.tokens is not None):
            return
        raise NodeError(
            "rpc.exposed",
            f"The RPC would listen on {host} for other machines, without TLS and tokens.",
            "Run `gridpact keys rpc --home DIR --name HOST` and `gridpact token add NAME --home DIR`, or set "
            'rpc.host = "127.0.0.1" in config.toml.',
        )


UNPROTECTED = Exposure()


def protect(host: str, home: Path, certificate: str, key: str, wall_ms: Callable[[], int]) -> Exposure:
    """What a server on `host` needs; `certificate` and `key` are files, relative to the home, or empty.

    Raises NodeError `rpc.exposed`, `rpc.tls`, `rpc.tokens`.
    """
    if not certificate and not key:
        UNPROTECTED.demand(host)
        return UNPROTECTED
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(home / certificate, home / key)
    except (OSError, ssl.SSLError) as error:
        raise NodeError(
            "rpc.tls",
            f"The RPC's certificate {certificate or '(none)'} and key {key or '(none)'} can't be used: {error}.",
            "Name both in the [rpc] part of config.toml, as PEM files; `gridpact keys rpc` makes them.",
        ) from None
    return Exposure(context, Tokens(home / FILE_NAME, wall_ms))
