"""What is said of something that is not there: a sentence in the words of its kind, and where to look instead."""

from __future__ import annotations

from collections.abc import Sequence

_SENTENCES = {
    ("bill", 2): "There is no bill of {1} for interval {0}.",
    ("statement", 2): "There is no statement of {1} for billing cycle {0}.",
    ("network", 0): "This site has no network of lines.",
    ("sealed", 1): "Interval {0} has no sealed round.",
    ("sealed", 2): "{1} has no part in a sealed round of interval {0}.",
    ("cycle", 2): "{1} has no private bill for billing cycle {0}.",
    ("note-key", 1): "{0} has no note key.",
    ("private-meter", 1): "{0} is no private meter.",
    ("capacity", 1): "{0} has no sealed capacity.",
    ("carbon", 1): "There are no figures about the carbon of interval {0}.",
    ("offset", 2): "{0} certified no offset {1}.",
    ("load", 1): "There is no flexible load {0}.",
    ("round", 1): "There is no round {0} of wagering.",
    ("wager", 2): "{1} has no wager in round {0}.",
}
"""By kind and number of arguments, where the name of the kind and its arguments make no sentence."""
_HINTS = {
    "bill": "A bill is there once its interval has settled; `gridpact query interval last` names the newest.",
    "carbon": "They are there once the interval has settled; `gridpact query interval last` names the newest.",
    "round": "`gridpact query rounds` shows those that there are.",
    "wager": "`gridpact query rounds` shows those that there are.",
    "opening": "`gridpact query threshold` shows those that wait.",
    "sealed": "Each interval has a sealed round once its campus opens one, and no other ever.",
    "proposal": "`gridpact govern list` shows those that there are.",
    "network": "Members agree on one with `gridpact govern propose-network`.",
    "note-key": "Its member makes one with `gridpact wallet create`.",
    "load": "`gridpact query loads` shows those that wait.",
}
UNLISTED = "Check the spelling; with prove=1 its absence is proven."


def sentence(kind: str, arguments: Sequence[str]) -> str:
    """That there is no such thing."""
    known = _SENTENCES.get((kind, len(arguments)))
    return f"There is no {kind} {'/'.join(arguments)}." if known is None else known.format(*arguments)


def hint(kind: str) -> str:
    """What would have been there, or how to know that it is not."""
    return _HINTS.get(kind, UNLISTED)
