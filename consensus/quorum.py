"""All threshold arithmetic of the protocol, in one place, cross-multiplied and never divided.

Safety needs any two quorums to share honest power; a rounding in one place would be a fork somewhere else.
"""


def is_quorum(got: int, total: int) -> bool:
    """Strictly more than 2/3 of `total` power."""
    return 3 * got > 2 * total


def is_skip(got: int, total: int) -> bool:
    """Strictly more than 1/3: at least one honest seat is among them (the paper's f + 1, L55)."""
    return 3 * got > total


def is_broad(got: int, total: int) -> bool:
    """Strictly more than 5/6: what is left is less than a sixth, so that a quorum stays when as many again are down."""
    return 6 * got > 5 * total
