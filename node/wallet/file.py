"""A wallet on disk: one JSON document, encrypted with what every browser has (docs/wallets.md).

The key is PBKDF2-SHA-256 of the passphrase, the cipher AES-256-GCM with a fresh nonce at every writing, bound to
format, chain and member. A checksum over the document tells damage from a wrong passphrase: it keeps nobody out, it is
there for people who have to know which of the two they are looking at. Files are 0600 and replaced as a whole.
"""

from __future__ import annotations

import hashlib
import secrets
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from node.disk import PRIVATE_MODE, Disk
from node.errors import UNREADABLE, NodeError
from node.keys import MIN_PASSPHRASE_CHARACTERS
from node.wallet.openings import MAX_OPENINGS, Openings

FORMAT: Final = "gridpact-wallet-1"
MAX_WALLET_BYTES = 64 * 1024 * 1024
ITERATIONS = 600_000
"""Of PBKDF2 in new files: 0.2 s."""
LEAST_ITERATIONS = 100_000
MOST_ITERATIONS = 10_000_000
"""More in a file would only keep the reader busy."""
_KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12

_Hex = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2})*\Z")]
RECOVERY = "Put back a copy (`gridpact wallet restore`), or read it anew from the ledger (`gridpact wallet recover`)."


class _WalletFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON document; docs/wallets.md says how each field is used."""

    format: Literal["gridpact-wallet-1"]
    chain_id: str
    member: str
    kdf: Literal["PBKDF2-SHA-256"]
    iterations: Annotated[int, msgspec.Meta(ge=LEAST_ITERATIONS, le=MOST_ITERATIONS)]
    salt: _Hex
    cipher: Literal["AES-256-GCM"]
    iv: _Hex
    ciphertext: _Hex
    """With the tag of 16 bytes at its end."""
    checksum: str

    def sum(self) -> str:
        """SHA-256 over all other fields, a line each, in their order."""
        parts = (getattr(self, name) for name in self.__struct_fields__[:-1])
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

    def bound_to(self) -> bytes:
        """Additional data of the cipher."""
        return f"{self.format}/{self.chain_id}/{self.member}".encode()


class WalletFile:
    """An open wallet: its openings, and the file that they are written back to."""

    def __init__(self, path: Path, head: _WalletFile, key: bytes, openings: Openings, disk: Disk) -> None:
        self.path = path
        self.openings = openings
        self._head = head
        self._key = key
        self._disk = disk

    @property
    def member(self) -> str:
        """Whose it is."""
        return self._head.member

    @property
    def chain_id(self) -> str:
        """The chain that it is about."""
        return self._head.chain_id

    def save(self) -> None:
        """Write the openings, durably, in place of what was there. Raises NodeError `disk.*`."""
        iv = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._key).encrypt(iv, self.openings.encode(), self._head.bound_to())
        made = msgspec.structs.replace(self._head, iv=iv.hex(), ciphertext=sealed.hex())
        whole = msgspec.structs.replace(made, checksum=made.sum())
        self._disk.replace(self.path, msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")


def create(path: Path, chain_id: str, member: str, passphrase: str, disk: Disk) -> WalletFile:
    """A new, empty wallet on disk. Raises NodeError `wallet.exists`, `key.passphrase-weak`, `disk.*`."""
    if disk.exists(path):
        raise NodeError(
            "wallet.exists",
            f"{path} exists.",
            "Wallets are never overwritten: move it away first, or name another file with --wallet.",
        )
    if len(passphrase) < MIN_PASSPHRASE_CHARACTERS:
        raise NodeError(
            "key.passphrase-weak",
            f"The passphrase has fewer than {MIN_PASSPHRASE_CHARACTERS} characters.",
            "Choose a longer one.",
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    head = _WalletFile(FORMAT, chain_id, member, "PBKDF2-SHA-256", ITERATIONS, salt.hex(), "AES-256-GCM", "", "", "")
    made = WalletFile(path, head, _derive(passphrase, head), Openings(), disk)
    disk.make_directory(path.parent)
    made.save()
    return made


def load(path: Path, passphrase: Callable[[], str], disk: Disk) -> WalletFile:
    """The wallet in a file.

    Raises NodeError `wallet.missing`, `wallet.permissions`, `wallet.malformed`, `wallet.corrupt`,
    `wallet.wrong-passphrase`, and whatever `passphrase` raises.
    """
    head = _read(path)
    key = _derive(passphrase(), head)
    try:
        plain = AESGCM(key).decrypt(bytes.fromhex(head.iv), bytes.fromhex(head.ciphertext), head.bound_to())
    except InvalidTag:
        raise NodeError(
            "wallet.wrong-passphrase", f"The passphrase does not open {path}.", "Try again; nothing was changed."
        ) from None
    except ValueError as error:
        raise _malformed(path, str(error)) from None
    try:
        openings = Openings.decode(plain)
    except ValueError as error:
        raise _malformed(path, str(error)) from None
    return WalletFile(path, head, key, openings, disk)


def copy(source: Path, target: Path, disk: Disk) -> tuple[str, str]:
    """Copy a wallet as it is, still encrypted; its chain and member. Raises NodeError `wallet.*`, `disk.*`."""
    head = _read(source)
    if disk.exists(target):
        raise NodeError("wallet.exists", f"{target} exists.", "Name another file: wallets are never overwritten.")
    disk.make_directory(target.parent)
    disk.replace(target, source.read_bytes())
    return head.chain_id, head.member


def set_aside(path: Path, disk: Disk) -> Path:
    """Give a damaged wallet another name, under which nothing is. Raises NodeError `disk.*`."""
    numbers = count()
    while disk.exists(target := path.with_name(f"{path.name}.damaged-{next(numbers)}")):
        pass
    disk.rename(path, target)
    return target


def _read(path: Path) -> _WalletFile:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes() if path.stat().st_size <= MAX_WALLET_BYTES else b""
    except OSError:
        raise NodeError(
            "wallet.missing",
            f"There is no wallet {path}.",
            "Make one with `gridpact wallet create`; a lost one is read anew by `gridpact wallet recover`.",
        ) from None
    if mode & 0o077:
        raise NodeError(
            "wallet.permissions",
            f"The wallet {path} is accessible to others (mode {mode:04o}).",
            f"Run `chmod {PRIVATE_MODE:o} {path}`.",
        )
    try:
        head = msgspec.json.decode(raw, type=_WalletFile)
    except UNREADABLE as error:
        raise _malformed(path, str(error)) from None
    if head.checksum != head.sum():
        raise NodeError(
            "wallet.corrupt",
            f"{path} is damaged: its checksum does not match, so the passphrase is not to blame.",
            RECOVERY,
        )
    return head


def _derive(passphrase: str, head: _WalletFile) -> bytes:
    return PBKDF2HMAC(SHA256(), _KEY_BYTES, bytes.fromhex(head.salt), head.iterations).derive(passphrase.encode())


def _malformed(path: Path, reason: str) -> NodeError:
    return NodeError("wallet.malformed", f"{path} is not a wallet: {reason}.", RECOVERY)


assert MAX_OPENINGS * 512 <= MAX_WALLET_BYTES
