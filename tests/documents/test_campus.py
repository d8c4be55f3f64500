"""What the documents say to type on the campus devnet, typed: see `place.py` for what that means.

All of them share one devnet, so they come in the order of what they do to it: who asks first, who votes and kills last.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.documents.lane import Typed, report, typing

LANE = (
    "README.md",
    "docs/how-to/read-a-price.md",
    "docs/how-to/silent-meters.md",
    "docs/how-to/account-for-carbon.md",
    "docs/carbon.md",
    "docs/how-to/hide-money.md",
    "docs/how-to/prove-a-figure.md",
    "docs/how-to/solve-a-dispatch.md",
    "docs/how-to/act-by-rules.md",
    "docs/rulebooks.md",
    "docs/devices.md",
    "docs/how-to/wager.md",
    "docs/how-to/check-without-a-node.md",
    "docs/how-to/run-a-node.md",
    "docs/api.md",
    "docs/networks.md",
    "docs/how-to/change-the-pact.md",
    "docs/how-to/ask-and-offer.md",
    "docs/how-to/weigh-trust.md",
    "docs/tutorial.md",
    "docs/governance.md",
    "docs/how-to/say-who-reads.md",
)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    yield from typing(LANE, tmp_path_factory.mktemp("campus"))


@pytest.mark.parametrize("document", LANE)
def test_every_command_does_what_the_document_says(typed: Typed, document: str) -> None:
    report(typed(document))
