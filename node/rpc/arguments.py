"""What a request names in its path and options, read strictly: numbers, ids, hashes, pages."""

from __future__ import annotations

import re

from node.rpc.errors import malformed
from node.rpc.limits import MAX_LISTED

_ID = re.compile(r"[a-z0-9-]{1,32}\Z")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,14})\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


def number(text: str, what: str, below: int = 2**48) -> int:
    """A decimal number of a path or query. Raises `Refusal` (400)."""
    if not _NUMBER.match(text) or int(text) >= below:
        raise malformed(f"{text[:40]!r} is no {what}.", f"Give the {what} as a decimal number.")
    return int(text)


def newest(count: int, before: int | None) -> range:
    """Numbers of the newest of `count` records, or of those just below number `before`, newest first."""
    end = count if before is None else min(before, count)
    return range(end - 1, max(end - MAX_LISTED, 0) - 1, -1)


def identifier(text: str, what: str) -> str:
    """An id of a path. Raises `Refusal` (400)."""
    if not _ID.match(text):
        raise malformed(f"{text[:40]!r} is not a {what} id.", "Ids are 1 to 32 characters of a-z, 0-9 and -.")
    return text


def transaction_hash(text: str) -> bytes:
    """A transaction hash of a path. Raises `Refusal` (400)."""
    if not _HASH.match(text):
        raise malformed(f"{text[:70]!r} is not a transaction hash.", "Give 64 hexadecimal digits, lower case.")
    return bytes.fromhex(text)
