"""Every code that a submission can be refused with has a sentence and a next step."""

from __future__ import annotations

import re
from pathlib import Path

from contracts.codes import CODES
from node.codes import NODE_CODES, describe

SOURCES = ("mempool.py", "admission.py", "transactions.py", "runner.py", "proving/stage.py")
CODE = re.compile(r'"((?:mempool|tx|node)\.[a-z-]+)"')


def test_every_refusal_of_the_node_is_described() -> None:
    root = Path(__file__).parents[2] / "node"
    used = {code for name in SOURCES for code in CODE.findall((root / name).read_text())}
    used -= {"node.defect"}
    assert used - CODES.keys() == NODE_CODES.keys()
    for code in used:
        assert describe(code).message
        assert describe(code).hint
