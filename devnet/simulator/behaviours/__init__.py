"""What Byzantine nodes do: plug-ins that stand between a real replica and its links, with its key in their hands.

One module per family. Add a behaviour by decorating a class with `behaviour` in a module that is imported here; its
`name` is what plans and `--behaviour` use.
"""

from __future__ import annotations

from devnet.simulator.behaviours import (
    bundles,
    clients,
    collusion,
    evidence,
    floods,
    proposals,
    silence,
    sync,
    votes,
    wire,
)
from devnet.simulator.behaviours.base import BEHAVIOURS, Behaviour, Out, Signing, behaviour
from devnet.simulator.behaviours.puppeteer import Puppeteer

__all__ = [
    "BEHAVIOURS",
    "Behaviour",
    "Out",
    "Puppeteer",
    "Signing",
    "behaviour",
    "bundles",
    "clients",
    "collusion",
    "evidence",
    "floods",
    "proposals",
    "silence",
    "sync",
    "votes",
    "wire",
]
