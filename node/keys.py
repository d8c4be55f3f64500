"""Secret keys on disk: encrypted files, plain devnet files, and the TLS certificate.

A key file is JSON with its kind, its public key and an Ed25519 seed: encrypted (scrypt + ChaCha20-Poly1305,
bound to kind and public key), or plain and marked `devnet`. Files are 0600; a file that others can read is
refused. Seeds leave this module only inside key objects, never in text, errors or logs.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from contracts.genesis import Genesis
from node.disk import PRIVATE_MODE, Disk
from node.errors import UNREADABLE, NodeError
from zk import bls
from zk.ed25519 import SEED_BYTES, SigningKey

FORMAT: Final = "gridpact-key-1"
PASSPHRASE_VARIABLE = "GRIDPACT_PASSPHRASE"
MAX_KEY_FILE_BYTES = 16 * 1024
MIN_PASSPHRASE_CHARACTERS = 8

Kind = Literal["consensus", "tls", "account", "meter"]

_BEACON_INFO = b"gridpact/1/beacon-key"

_CERTIFICATE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
_CERTIFICATE_TO = datetime(2120, 1, 1, tzinfo=UTC)


class Kdf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Work factors of scrypt (RFC 7914). Bounded, so that a file cannot make the node use up its memory."""

    n: Annotated[int, msgspec.Meta(ge=2, le=2**20)] = 2**15
    r: Annotated[int, msgspec.Meta(ge=1, le=16)] = 8
    p: Annotated[int, msgspec.Meta(ge=1, le=4)] = 1


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The JSON document. `secret` is the seed or its ciphertext; `checksum` tells damage from a wrong
    passphrase.
    """

    format: Literal["gridpact-key-1"]
    kind: Kind
    public_key: str
    checksum: str
    devnet: bool
    seed: str = ""
    ciphertext: str = ""
    kdf: Kdf | None = None
    salt: str = ""
    nonce: str = ""

    def sum(self) -> str:
        """SHA-256 over everything else."""
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, checksum=""))).hexdigest()


class Key:
    """A secret key in memory with where it came from."""

    __slots__ = ("devnet", "kind", "seed", "signing")

    def __init__(self, kind: Kind, seed: bytes, devnet: bool) -> None:
        self.kind = kind
        self.devnet = devnet
        self.signing = SigningKey(seed)
        self.seed = seed

    @classmethod
    def generate(cls, kind: Kind, devnet: bool = False, entropy: Callable[[int], bytes] | None = None) -> Key:
        """A new key from the operating system's randomness, or from `entropy(byte count)`."""
        return cls(kind, (entropy or secrets.token_bytes)(SEED_BYTES), devnet)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self.signing.public_key

    def __repr__(self) -> str:
        return f"Key({self.kind}, {self.public_key.hex()})"


def write_key(path: Path, key: Key, passphrase: str | None, disk: Disk, kdf: Kdf | None = None) -> None:
    """Store a key: encrypted under `passphrase`, or plain if it is None, which only devnet keys may be.

    Raises NodeError `key.exists`, `key.passphrase-missing`, `key.passphrase-weak`, `disk.*`.
    """
    if disk.exists(path):
        raise NodeError("key.exists", f"{path} exists.", "Keys are never overwritten: choose another home.")
    if passphrase is None:
        if not key.devnet:
            raise _passphrase_missing()
        file = _KeyFile(FORMAT, key.kind, key.public_key.hex(), "", True, seed=key.seed.hex())
    else:
        if len(passphrase) < MIN_PASSPHRASE_CHARACTERS:
            raise NodeError(
                "key.passphrase-weak",
                f"The passphrase has fewer than {MIN_PASSPHRASE_CHARACTERS} characters.",
                "Choose a longer one.",
            )
        kdf = kdf or Kdf()
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = _cipher(passphrase, salt, kdf).encrypt(nonce, key.seed, _bound_to(key.kind, key.public_key))
        file = _KeyFile(
            FORMAT,
            key.kind,
            key.public_key.hex(),
            "",
            key.devnet,
            ciphertext=sealed.hex(),
            kdf=kdf,
            salt=salt.hex(),
            nonce=nonce.hex(),
        )
    file = msgspec.structs.replace(file, checksum=file.sum())
    disk.replace(path, msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n")


def read_key(path: Path, kind: Kind, passphrase: Callable[[], str]) -> Key:
    """The key in `path`; `passphrase` is called only if the file is encrypted.

    Raises NodeError `key.missing`, `key.permissions`, `key.malformed`, `key.corrupt`, `key.kind`,
    `key.wrong-passphrase`, `key.passphrase-missing`.
    """
    file = _read_file(path)
    if file.kind != kind:
        raise NodeError("key.kind", f"{path} holds a {file.kind} key, not a {kind} key.", "Name the right file.")
    try:
        public_key, salt, nonce = (bytes.fromhex(text) for text in (file.public_key, file.salt, file.nonce))
        seed, ciphertext = bytes.fromhex(file.seed), bytes.fromhex(file.ciphertext)
    except ValueError as error:
        raise _malformed(path, str(error)) from None
    if file.kdf is None:
        if not file.devnet:
            raise _malformed(path, "a plain key that is not marked as a devnet key")
    else:
        try:
            seed = _cipher(passphrase(), salt, file.kdf).decrypt(nonce, ciphertext, _bound_to(kind, public_key))
        except InvalidTag:
            raise NodeError(
                "key.wrong-passphrase",
                f"The passphrase does not open {path}.",
                "Try again; nothing was changed.",
            ) from None
        except ValueError as error:
            raise _malformed(path, str(error)) from None
    if len(seed) != SEED_BYTES:
        raise _malformed(path, f"a seed of {len(seed)} bytes, where {SEED_BYTES} are right")
    key = Key(file.kind, seed, file.devnet)
    if key.public_key != public_key:
        raise _corrupt(path)
    return key


def is_encrypted(path: Path) -> bool:
    """Whether `read_key` will ask for a passphrase. Raises like it."""
    return _read_file(path).kdf is not None


def read_public_key(path: Path) -> bytes:
    """The public half alone, without a passphrase; what the file says is not proven. Raises like `read_key`."""
    try:
        return bytes.fromhex(_read_file(path).public_key)
    except ValueError as error:
        raise _malformed(path, str(error)) from None


def refuse_devnet_keys(keys: Iterable[Key], genesis: Genesis) -> None:
    """Raise NodeError `key.devnet` if a production genesis (one without devnet clock) meets a devnet key."""
    if genesis.devnet_clock is not None:
        return
    for key in keys:
        if key.devnet:
            raise NodeError(
                "key.devnet",
                f"The {key.kind} key {key.public_key.hex()} is for devnets, and {genesis.chain_id()} is none.",
                "Make new keys with `gridpact init` and register them.",
            )


def find_passphrase(
    argument: str | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    prompt: Callable[[], str] | None = None,
) -> str:
    """First of: the argument, the first line of the file, GRIDPACT_PASSPHRASE, the answer to `prompt`.

    Raises NodeError `key.passphrase-missing`, `key.permissions`, `key.missing`.
    """
    if argument is not None:
        return argument
    if file is not None:
        _check_private(file, "passphrase file")
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    if PASSPHRASE_VARIABLE in environment:
        return environment[PASSPHRASE_VARIABLE]
    if prompt is not None:
        return prompt()
    raise _passphrase_missing()


def beacon_key(key: Key) -> bls.SigningKey:
    """The BLS key of the seat whose consensus key this is, for its beacons.

    Derived (HKDF, RFC 5869) and never stored: who has the one key may act as the seat anyway, so that a second file
    would only be one more to lose, or to leave behind when the other is replaced.
    """
    return bls.SigningKey(HKDF(SHA256(), bls.SEED_BYTES, None, _BEACON_INFO).derive(key.seed))


def certificate(key: Key, node_id: str) -> bytes:
    """Self-signed X.509 certificate (DER) for mutual TLS. Equal keys and ids give equal bytes.

    Peers compare it with the registered one, so the dates are only as wide as TLS libraries want them.
    """
    private = Ed25519PrivateKey.from_private_bytes(key.seed)
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    serial = int.from_bytes(hashlib.sha256(key.public_key + node_id.encode()).digest()[:16], "big") | 1
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(_CERTIFICATE_FROM)
        .not_valid_after(_CERTIFICATE_TO)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(node_id)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(private, algorithm=None).public_bytes(serialization.Encoding.DER)


def _read_file(path: Path) -> _KeyFile:
    _check_private(path, "key file")
    raw = path.read_bytes()
    if len(raw) > MAX_KEY_FILE_BYTES:
        raise _malformed(path, f"{len(raw)} bytes, where a key file has at most {MAX_KEY_FILE_BYTES}")
    try:
        file = msgspec.json.decode(raw, type=_KeyFile)
    except UNREADABLE as error:
        raise _malformed(path, str(error)) from None
    if file.checksum != file.sum():
        raise _corrupt(path)
    return file


def _check_private(path: Path, what: str) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise NodeError("key.missing", f"There is no {what} {path}.", "Run `gridpact init` first.") from None
    if mode & 0o077:
        raise NodeError(
            "key.permissions",
            f"The {what} {path} is accessible to others (mode {mode:04o}).",
            f"Run `chmod {PRIVATE_MODE:o} {path}`, and replace the key if it was exposed.",
        )


def _cipher(passphrase: str, salt: bytes, kdf: Kdf) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(Scrypt(salt, 32, kdf.n, kdf.r, kdf.p).derive(passphrase.encode()))


def _bound_to(kind: str, public_key: bytes) -> bytes:
    return b"/".join((FORMAT.encode(), kind.encode(), public_key))


def _malformed(path: Path, reason: str) -> NodeError:
    return NodeError("key.malformed", f"{path} is not a key file: {reason}.", "Put back a copy of the file.")


def _corrupt(path: Path) -> NodeError:
    return NodeError("key.corrupt", f"{path} is damaged: its checksum does not match.", "Put back a copy of the file.")


def _passphrase_missing() -> NodeError:
    return NodeError(
        "key.passphrase-missing",
        "The keys of this node need a passphrase.",
        f"Give --passphrase-file, or set {PASSPHRASE_VARIABLE}.",
    )
