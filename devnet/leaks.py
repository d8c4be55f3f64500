"""Looks for what nobody may know where anybody could find it: on a node's disk, in its log, in what it heard.

Secrets are searched in every form that a program here could have written one in: raw, reversed, as hex, base64 and
decimal text, and inside any structure that is MessagePack. Databases are opened and searched record by record, since
their files are compressed. Judges nothing: whoever asks says whose secrets may be where.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np

from devnet.errors import DevnetError
from node.errors import NodeError
from node.ledger.store import LevelStore

LEAST_TELLING = 10_000
"""Smaller numbers are heights, counts and lengths as well, so finding one says nothing. What is small is looked for
where it is committed to, priced and paid for instead."""
STORE = "CURRENT"
"""A file that a database has in its directory."""
HEAD_BYTES = 8
"""Of each form: what is compared first."""
SIEVE = 1 << 22
NUMBER = re.compile(
    rb"(?<![0-9A-Za-z.,_])(?<![0-9]:)(?:[0-9]{5,20}|[0-9]{1,3}(?:([.,_' ])[0-9]{3})(?:\1[0-9]{3})*)(?![0-9A-Za-z])"
)
"""A number as text: plain, or grouped by thousands; no port behind an address."""
ABOUT_MACHINES = re.compile(rb'"[a-z_]*(?:_ms|_us|_in|_out|bytes|height|pid)":\s*\Z')
"""Before figures of a document that count time and traffic."""


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that its owner alone knows, or shares with the campus."""

    owner: str
    what: str
    data: str = ""
    """Hex."""
    value: int | None = None

    @classmethod
    def of_bytes(cls, owner: str, what: str, data: bytes) -> Self:
        """A key, a blinding or entropy."""
        return cls(owner, what, data.hex())

    @classmethod
    def of_value(cls, owner: str, what: str, value: int) -> Self:
        """An amount of energy or money."""
        return cls(owner, what, "", value)


class Leak(NamedTuple):
    """A secret, and where it was found."""

    secret: Secret
    place: str


def keep(path: Path, secrets: Sequence[Secret]) -> None:
    """Add secrets to a file of them."""
    with path.open("ab") as file:
        file.write(b"".join(msgspec.json.encode(one) + b"\n" for one in secrets))


def load(path: Path) -> tuple[Secret, ...]:
    """All that a file has, each once."""
    return tuple(dict.fromkeys(msgspec.json.Decoder(Secret).decode_lines(path.read_bytes())))


class Searcher:
    """Finds any of some secrets in bytes."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._forms: dict[bytes, Secret] = {}
        self._values: dict[int, Secret] = {}
        for secret in secrets:
            if secret.value is None:
                self._forms |= dict.fromkeys(encodings(bytes.fromhex(secret.data)), secret)
            elif secret.value >= LEAST_TELLING:
                self._values[secret.value] = secret
        self._heads: dict[bytes, list[bytes]] = {}
        for form in self._forms:
            self._heads.setdefault(form[:HEAD_BYTES], []).append(form)
        self._sieve: Any = np.zeros(SIEVE, dtype=bool)
        for head in self._heads:
            self._sieve[int.from_bytes(head, "little") % SIEVE] = True

    def search(self, data: bytes, place: str) -> Iterator[Leak]:
        """Every secret that is somewhere in `data`, as bytes or as text."""
        for at in self._candidates(data):
            for form in self._heads.get(data[at : at + HEAD_BYTES], ()):
                if data.startswith(form, at):
                    yield Leak(self._forms[form], place)
        for found in NUMBER.finditer(data):
            secret = self._values.get(int(re.sub(rb"[^0-9]", b"", found[0])))
            before = data[max(0, found.start() - 32) : found.start()]
            if secret is not None and not ABOUT_MACHINES.search(before):
                yield Leak(secret, place)

    def search_integers(self, raw: bytes, place: str) -> Iterator[Leak]:
        """Every secret that is an integer somewhere in MessagePack."""
        for number in integers(raw):
            if number in self._values:
                yield Leak(self._values[number], place)

    def _candidates(self, data: bytes) -> list[int]:
        """Where something may begin, ascending: each window of `HEAD_BYTES` is looked at once."""
        found: list[int] = []
        for shift in range(HEAD_BYTES):
            count = (len(data) - shift) // HEAD_BYTES
            if count > 0:
                windows = np.frombuffer(data, dtype="<u8", count=count, offset=shift)
                found += (np.flatnonzero(self._sieve[windows % SIEVE]) * HEAD_BYTES + shift).tolist()
        return sorted(found)


def encodings(data: bytes) -> set[bytes]:
    """The forms in which bytes are written down."""
    forms = set()
    for order in (data, data[::-1]):
        forms |= {order, order.hex().encode(), order.hex().upper().encode()}
        # Wherever in a text it begins: the characters that do not depend on what stands beside it.
        for shift in range(3):
            for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
                forms.add(alphabet(bytes(shift) + order)[4 if shift else 0 : -4])
        forms.add(str(int.from_bytes(order, "big")).encode())
    return forms


def integers(raw: bytes, depth: int = 4) -> Iterator[int]:
    """Every integer in MessagePack, also in MessagePack that is packed as bytes inside; none where it is no such."""
    try:
        whole = msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, ValueError):
        return
    if not isinstance(whole, list | dict):
        return
    left: list[Any] = [whole]
    while left:
        match left.pop():
            case bool():
                pass
            case int() as number:
                yield number
            case bytes() as inner if depth and len(inner) > 2:
                yield from integers(inner, depth - 1)
            case list() as inner:
                left += inner
            case dict() as inner:
                left += [*inner, *inner.values()]
            case _:
                pass


def search(root: Path, secrets: Iterable[Secret]) -> list[Leak]:
    """Every secret in any file or database under a directory, or in one file. Raises `DevnetError` for a database that
    is in use."""
    searcher, found = Searcher(secrets), list[Leak]()
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    for path in files:
        found += searcher.search(path.read_bytes(), str(path))
    # After the files: whoever opens a database tidies it up.
    for path in files:
        if path.name == STORE:
            found += _search_store(path.parent, searcher)
    return list(dict.fromkeys(found))


def _search_store(path: Path, searcher: Searcher) -> list[Leak]:
    """The records of a database, whose files hold them compressed."""
    try:
        store = LevelStore(path)
    except NodeError as error:
        raise DevnetError(
            "devnet.store", f"{path} can't be opened: {error}.", "Stop the node before its disk is searched."
        ) from None
    try:
        found: list[Leak] = []
        for key, value in store.scan(b"", b"\xff" * 64):
            place = f"{path}: {key[:64]!r}"
            found += searcher.search(key + b"\0" + value, place)
            found += searcher.search_integers(value, place)
        return found
    finally:
        store.close()
