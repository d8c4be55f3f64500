"""The exceptions that node code shows to people: a stable code, a sentence, and what to do next."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder may raise of bytes that nobody has looked at: wrong, no text, nested without end."""


class NodeError(Exception):
    """Something the operator must know. `code` never changes meaning; `hint` is the next step or empty."""

    def __init__(self, code: str, message: str, hint: str = "", report: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.report = report
        """What does not fit into a sentence, as a JSON document that is kept in a file of the home; mostly empty."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" {self.hint}" if self.hint else "")

    def document(self) -> dict[str, str]:
        """The form that `--json`, RPC and the admin socket print."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class ProofError(NodeError):
    """A fact that is not provable (yet), or a bundle that proves nothing."""

    def __init__(self, code: str, message: str, hint: str = "Ask another node for the proof.") -> None:
        super().__init__(code, message, hint)


class RpcError(NodeError):
    """A node's refusal, or the reason why there was no answer (`rpc.unreachable`, `rpc.timeout`,
    `rpc.garbled`)."""

    def __init__(self, code: str, message: str, hint: str = "", status: int = 0) -> None:
        super().__init__(code, message, hint)
        self.status = status
