"""What a run ends with when a rule is broken."""

from __future__ import annotations


class Violation(Exception):
    """`oracle` names the rule, the message says who broke it and how."""

    def __init__(self, oracle: str, message: str) -> None:
        super().__init__(message)
        self.oracle = oracle
