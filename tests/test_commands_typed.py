"""Every command of the documents is typed by exactly one lane of `tests/documents` (`make test-docs`), as it stands or
as a table there says and why; and the table speaks of nothing that is gone."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.documents import instead, test_campus, test_elsewhere
from tests.documents.commands import ROOT, commands, commands_of, documents
from tests.documents.lane import needs
from tests.documents.place import INTERVAL

TYPED = (*test_campus.LANE, *test_elsewhere.LANE)
LINES = [command for path in documents() for command in commands(path)]


def test_a_document_with_commands_is_in_one_lane() -> None:
    named = {str(path.relative_to(ROOT)) for path in documents() if commands(path)}
    assert Counter(TYPED) == Counter(named)


def test_what_is_said_of_a_command_is_said_of_one_that_is_there() -> None:
    lines = {command.text for command in LINES}
    for table in (instead.SMALLER, instead.EXITS, instead.BEFORE, instead.UNTIL_STOPPED):
        assert set(table) - lines == set()
    assert set(instead.BLOCKS) <= set(TYPED)
    words = " ".join(lines)
    assert [word for word in instead.FILES if not re.search(rf"(?<![\w/.-]){re.escape(word)}(?![\w.-])", words)] == []
    for command, (shorter, why) in instead.SMALLER.items():
        assert shorter != command and why


def test_the_campus_runs_where_documents_need_it() -> None:
    """A lane shares one devnet as long as its documents ask for the same."""
    assert [one for one in test_campus.LANE if needs(one) not in ("campus", None)] == []
    assert test_campus.LANE[0] == "README.md", "who is new starts there, with a devnet of its own"


@pytest.mark.parametrize(
    ("line", "text", "says", "exit_code", "refusal"),
    [
        ("gridpact doctor   # what is wrong; exit code 1 with a reason", "gridpact doctor", None, 1, None),
        ("gridpact query bill 7 x  # refused with `access.denied`, and whom to ask", None, None, 1, "access.denied"),
        ('gridpact tx mode island --reason "storm # 7"', 'gridpact tx mode island --reason "storm # 7"', "", 0, None),
        ("gridpact a \\\n    --b 7   # c", "gridpact a --b 7", "c", 0, None),
    ],
)
def test_a_line_and_what_it_says_are_told_apart(
    line: str, text: str | None, says: str | None, exit_code: int, refusal: str | None
) -> None:
    (command,) = commands_of("README.md", f"Words.\n\n```sh\n{line}\n```\n")
    assert text is None or command.text == text
    assert says is None or command.says == says
    assert (command.exit_code, command.refusal) == (exit_code, refusal)


def test_blocks_of_a_console_have_commands_and_answers() -> None:
    page = ROOT / "docs" / "dispatch.md"
    assert next(command.text.split()[:3] for command in commands(page)) == ["gridpact", "dispatch", "solve"]
    assert all(page.read_text().splitlines()[one.line - 1] == f"$ {one.text}" for one in commands(page))


def test_numbers_of_intervals_are_known() -> None:
    assert INTERVAL.findall("bill 1950852 campus --first 1951000 --until 1985940 --wh 5000000000") == ["1950852"]
