"""What this floor can't do, said the way the node says it: code, sentence, next step."""

from __future__ import annotations

from node.errors import NodeError


class DevnetError(NodeError):
    """Something a person asked for can't be done. Codes start with `devnet.` or `scenario.`."""
