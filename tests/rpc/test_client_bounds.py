"""What the client refuses before it sends anything."""

from __future__ import annotations

import pytest

from contracts.bodies import Transfer
from node.client import Account
from node.errors import NodeError


def test_a_number_that_no_encoding_holds_is_refused_with_a_code() -> None:
    account = Account("test-0000000000000000", "campus", bytes(32))
    with pytest.raises(NodeError) as refused:
        account.sign(Transfer("wind", 10**20, ""))
    assert refused.value.code == "codec.malformed"
    assert refused.value.hint
