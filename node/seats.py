"""Who has a seat at which height. Imports no storage, so that a verifier of proofs can use it by itself."""

from __future__ import annotations

from collections.abc import Callable

from consensus.validators import Validator, ValidatorSet
from contracts import api
from contracts.genesis import Genesis

Sets = Callable[[int], ValidatorSet]
"""The validator set of each height: of any up to two above the newest executed one, and of all below."""


def validators_of(genesis: Genesis) -> ValidatorSet:
    """The validators that genesis seats: the root of all trust."""
    return ValidatorSet(tuple(Validator(*seat) for seat in api.seats(genesis)))


def constant_sets(genesis: Genesis) -> Sets:
    """Rule set 1 never changes the seats of genesis."""
    validators = validators_of(genesis)
    return lambda _height: validators
