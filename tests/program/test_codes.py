"""Every code of the dispatch program has a sentence, and no sentence is of a code that nothing gives."""

from __future__ import annotations

import re
from pathlib import Path

import contracts.program
from contracts.program.codes import CODES
from node.codes import describe

FOLDER = Path(contracts.program.__file__).parent
CODE = re.compile(r'"(dispatch\.[a-z-]+)"')


def test_every_code_is_described_and_every_description_is_of_a_code() -> None:
    used = {
        code for path in sorted(FOLDER.glob("*.py")) if path.stem != "codes" for code in CODE.findall(path.read_text())
    }
    assert used == set(CODES)


def test_sentences_say_what_is_wrong_and_what_would_be_right() -> None:
    for code, (message, hint) in CODES.items():
        assert message.endswith(".") and hint.endswith(".") and message[0].isupper() and hint[0].isupper(), code
        assert describe(code) == CODES[code]
    assert len({message for message, _ in CODES.values()}) == len(CODES)
