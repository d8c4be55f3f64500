"""What the RPC server answers when it does not do what was asked: an HTTP status with code, sentence and
hint."""

from __future__ import annotations

from node.errors import NodeError


class Refusal(NodeError):
    """A request that is answered with an error document."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", allowed: str = "") -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.allowed = allowed
        """Methods, where the one that was used is not."""


def malformed(message: str, hint: str = "See /openapi.json for the form of this request.") -> Refusal:
    """400: the request can't be read."""
    return Refusal(400, "rpc.malformed", message, hint)


def unknown(what: str, name: str, hint: str = "") -> Refusal:
    """404: `what` (a word like `member`, part of the code) has no such `name`."""
    return Refusal(404, f"rpc.unknown-{what}", f"There is no {what} {name}.", hint)
