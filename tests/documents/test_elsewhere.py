"""What the documents say to type where no campus runs, or several devnets one after the other: see `place.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.documents.lane import Typed, report, typing

LANE = (
    "docs/dispatch.md",
    "docs/examples.md",
    "docs/how-to/run-scenarios.md",
    "docs/how-to/sealed-dispatch.md",
    "docs/how-to/break-it.md",
)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    yield from typing(LANE, tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("document", LANE)
def test_every_command_does_what_the_document_says(typed: Typed, document: str) -> None:
    report(typed(document))
