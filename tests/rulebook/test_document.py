"""A rulebook is read strictly and as a whole: one mistake anywhere, with its place, and none of it acts."""

from __future__ import annotations

from pathlib import Path

import pytest

from devnet import scenario
from node.rulebook.document import MAX_BYTES, load, parse
from node.rulebook.expression import RulebookError
from node.rulebook.replay import DAYS, load_day, replay, shipped
from tests.rulebook.sights import rulebook

RULE = "[[rules]]\nname = 'r'\nwhen = 'true'\ndo = { action = 'need', wh = 1 }\n"
HEAD = "format = 1\nmember = 'me'\n[limits]\n"


def refused(text: str | bytes) -> RulebookError:
    with pytest.raises(RulebookError) as error:
        parse(text if isinstance(text, bytes) else text.encode())
    assert error.value.hint
    return error.value


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("format = ", "rulebook.syntax", "no TOML"),
        (b"\xff", "rulebook.syntax", "utf-8"),
        ("a = " + "[" * 5_000, "rulebook.syntax", ""),
        ("#" * (MAX_BYTES + 1), "rulebook.oversized", ""),
        (HEAD, "rulebook.value", "rules"),
        ("format = 2\nmember = 'me'\n[limits]\n" + RULE, "rulebook.value", "format"),
        (HEAD + "spend = 1\n" + RULE, "rulebook.value", "spend"),
        (HEAD + RULE + RULE, "rulebook.value", "'r'"),
        (HEAD + RULE + RULE.replace("'r'", "'s'").replace("'need'", "'beg'"), "rulebook.value", "line 8"),
        (HEAD + RULE.replace("wh = 1", "kwh = 1"), "rulebook.value", "line 4"),
        (HEAD + RULE.replace("'true'", "'tru'"), "rulebook.unknown", "line 4"),
        (HEAD + RULE.replace("'true'", "'false && tru'"), "rulebook.unknown", "tru"),
        (HEAD + RULE.replace("'true'", "'false && price.import > 1'"), "rulebook.unknown", "price.import"),
        (HEAD + RULE.replace("'true'", "'1'"), "rulebook.type", "`when`"),
        (HEAD + RULE.replace("wh = 1", "wh = 'true'"), "rulebook.type", "`wh`"),
        (HEAD + RULE.replace("wh = 1", "wh = 1.5"), "rulebook.value", "line 4"),
        (HEAD + RULE.replace("wh = 1", "wh = 'ahead.map(a, ahead.map(b, 1)).size()'"), "rulebook.work", "line 4"),
        (HEAD + "[let]\nprice = '1'\n" + RULE, "rulebook.value", "price"),
        (HEAD + "[let]\na = 'b'\nb = '1'\n" + RULE, "rulebook.unknown", "b"),
        (HEAD + "[let]\na = 'ahead'\n" + RULE, "rulebook.type", "a"),
    ],
)
def test_every_mistake_has_a_code_and_its_place(text: str | bytes, code: str, said: str) -> None:
    error = refused(text)
    assert error.code == code and said in error.message, error


def test_a_file_that_is_not_there_has_a_code(tmp_path: Path) -> None:
    with pytest.raises(RulebookError) as error:
        load(tmp_path / "none.toml")
    assert error.value.code == "rulebook.unreadable"


def test_what_fails_for_some_figures_alone_is_no_mistake() -> None:
    ruled = rulebook("share > 5 -> action = 'need', wh = 'share'", let="share = 'need.mean / (need.p90 - need.p10)'")
    assert [name for name, _ in ruled.names] == ["share"]


def test_rules_in_one_line_are_read_too() -> None:
    text = HEAD.replace("[limits]\n", "limits = {}\n")
    assert (
        len(parse((text + "rules = [{ name = 'r', when = 'true', do = { action = 'shed', wh = 1 } }]").encode()).rules)
        == 1
    )


@pytest.mark.parametrize("path", sorted((scenario.SCENARIOS / "rulebooks").glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_act_on_their_recorded_day_and_no_rule_of_theirs_fails(path: Path) -> None:
    example = load(path)
    assert example.about and example.member in shipped()
    day = load_day(DAYS / f"{example.member}.jsonl")
    steps = replay(example, day)
    assert len(steps) == 96
    assert [step.decision.stopped for step in steps] == [None] * 96
    assert [trouble for step in steps for trouble in step.decision.troubles] == []
    assert sum(len(step.decision.bodies) for step in steps) > 70
