"""Mutual TLS 1.3 whose only trust anchors are the registered certificates, as a machine without I/O.

Ciphertext in, ciphertext out over memory BIOs: asyncio's own TLS drops the alert of a failed handshake, and
the refused side could not tell "not registered" from a crash. Binding is by key alone: no host names, no
authorities, no validity dates (an islanded site has no trusted clock; what is registered is valid). No TLS
1.2, no tickets, no resumption, no early data.
"""

from __future__ import annotations

import contextlib
import secrets
import ssl
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from node.errors import NodeError
from node.peer.reasons import Reason

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of openssl/x509_vfy.h, which the ssl module does not name."""

_ABOUT_OUR_KEY = ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "CERTIFICATE_REQUIRED")
"""Parts of OpenSSL's names for alerts that say: your certificate will not do."""

_NO_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"


class Identity(NamedTuple):
    """Who we are to our peers."""

    node: str
    certificate: bytes
    """DER, as registered."""
    tls_seed: bytes
    """The certificate's Ed25519 private key, 32 bytes."""
    sign_hello: Callable[[bytes], bytes]
    """Signs with the node's consensus key; 64 bytes."""


class Contexts(NamedTuple):
    """One TLS configuration per side of a connection."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def contexts(identity: Identity, certificates: Iterable[bytes]) -> Contexts:
    """Contexts that accept exactly `certificates` (DER); what is no certificate is left out.

    Raises NodeError `net.tls-key` when our own key and certificate don't match.
    """
    both = Contexts(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    both.server.num_tickets = 0
    for context in both:
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        # Set as a whole, because defaults differ by Python version; strict checks would refuse bare leaves.
        context.verify_flags = ssl.VerifyFlags(
            ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        )
        for certificate in certificates:
            try:
                context.load_verify_locations(cadata=certificate)
            except (ssl.SSLError, ValueError):
                continue
    _load_key(both, identity)
    return both


def _load_key(both: Contexts, identity: Identity) -> None:
    # The ssl module takes keys from files only: one that only we can read, encrypted under a passphrase that
    # never leaves memory, and gone at once.
    passphrase = secrets.token_hex(32)
    key = Ed25519PrivateKey.from_private_bytes(identity.tls_seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode())
    )
    with tempfile.TemporaryDirectory(prefix="gridpact-tls-") as directory:
        path = Path(directory) / "identity.pem"
        path.write_bytes(ssl.DER_cert_to_PEM_cert(identity.certificate).encode() + key)
        for context in both:
            try:
                context.load_cert_chain(path, password=passphrase)
            except ssl.SSLError as error:
                raise NodeError(
                    "net.tls-key",
                    "The TLS key does not belong to the certificate that is registered for this node.",
                    "Put back the key file of the registered certificate, or register the new certificate.",
                ) from error


def reason_of(error: ssl.SSLError, handshaking: bool) -> Reason:
    """The code under which a TLS failure is counted."""
    name = getattr(error, "reason", None) or ""  # absent when not raised by OpenSSL itself
    if isinstance(error, ssl.SSLCertVerificationError) or name == _NO_CERTIFICATE:
        return Reason.UNKNOWN_KEY
    if any(alert in name for alert in _ABOUT_OUR_KEY):
        return Reason.REFUSED_US
    if isinstance(error, ssl.SSLZeroReturnError | ssl.SSLEOFError) and not handshaking:
        return Reason.LOST
    return Reason.TLS


class TlsSession:
    """One connection's TLS. Every method but `take` may raise ssl.SSLError; `take` then holds the alert."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "take")

    def __init__(self, context: ssl.SSLContext, server_side: bool) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self.take: Callable[[], bytes] = self._outgoing.read
        """Ciphertext to send, empty when there is none."""

    def feed(self, data: memoryview) -> None:
        """Ciphertext that arrived. Whoever feeds must read until nothing is left before feeding again."""
        self._incoming.write(data)

    def handshake(self) -> bool:
        """Go on with the handshake as far as the input allows; True when it is complete."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def peer_certificate(self) -> bytes:
        """The verified certificate (DER) of the other side; only after the handshake."""
        certificate = self._tls.getpeercert(binary_form=True)
        assert certificate, "a handshake without a certificate can't complete"
        return certificate

    def read_into(self, space: memoryview) -> int:
        """Decrypt at most one record into `space`; number of bytes, 0 when more input is needed."""
        if not self._incoming.pending and not self._tls.pending():
            return 0
        try:
            count: Any = self._tls.read(len(space), space)
        except ssl.SSLWantReadError:
            return 0
        if not count:
            raise ssl.SSLZeroReturnError("the other side closed its stream")
        return int(count)

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt `data`; `take` the ciphertext."""
        self._tls.write(data)

    def close(self) -> None:
        """Say goodbye (close_notify); the answer is not waited for."""
        with contextlib.suppress(ssl.SSLError):  # wants the answer, or the stream is broken already
            self._tls.unwrap()
