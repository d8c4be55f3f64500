"""Expressions of rulebooks: bounded before they run, total over figures, one code for every way to fail."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.rulebook import expression
from node.rulebook.expression import (
    MAX_DEPTH,
    MAX_LENGTH,
    RulebookError,
    compile_expression,
    evaluate,
)

FACTS: dict[str, Any] = {"ahead": list(range(96)), "price": {"last": 7, "name": "sun"}, "zero": 0, "big": 2**62}


def told(text: str, kind: Any = "amount") -> Any:
    return evaluate(compile_expression(text, "rule 'r'"), FACTS, kind, "rule 'r'")


def code(text: str, kind: Any = "amount") -> str:
    with pytest.raises(RulebookError) as refused:
        told(text, kind)
    assert "rule 'r'" in refused.value.message and refused.value.hint
    return refused.value.code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-7 / 2", -3),
        ("price.last > 6 ? 1 : 2", 1),
        ("min(3, 1, 2) + max(1, price.last) + abs(-4)", 12),
        ("ahead.filter(p, p < price.last).size()", 7),
        ("ahead.map(p, p * 2)[3]", 6),
        ("size(ahead)", 96),
        ("has(price.gone) ? 1 : 2", 2),
        ("price.name == 'sun' ? 1 : 2", 1),
        ("5 in ahead ? 1 : 2", 1),
    ],
)
def test_what_can_be_said(text: str, value: int) -> None:
    assert told(text) == value


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1 / zero", "rulebook.division"),
        ("1 % zero", "rulebook.division"),
        ("big + big + big", "rulebook.overflow"),
        ("abs(-9223372036854775807 - 1)", "rulebook.overflow"),
        ("price.gone", "rulebook.unknown"),
        ("gone", "rulebook.unknown"),
        ("ahead[200]", "rulebook.unknown"),
        ("price.name + 1", "rulebook.type"),
        ("price.name", "rulebook.type"),
        ("true", "rulebook.type"),
        ("min(true, 1)", "rulebook.type"),
        ("min()", "rulebook.type"),
        ("abs(1, 2)", "rulebook.type"),
        ("ahead", "rulebook.type"),
        ("price", "rulebook.type"),
        ("", "rulebook.syntax"),
        ("(", "rulebook.syntax"),
        ("1 +", "rulebook.syntax"),
        ("1.5", "rulebook.syntax"),
        ("1u", "rulebook.syntax"),
        ("{1: 2}[1]", "rulebook.syntax"),
        (r"'\n'", "rulebook.syntax"),
        ("99999999999999999999", "rulebook.syntax"),
        ("`zero`", "rulebook.syntax"),
        ("'a'.matches('a')", "rulebook.function"),
        ("timestamp('2020-01-01T00:00:00Z')", "rulebook.function"),
        ("zero.string()", "rulebook.function"),
        ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "rulebook.depth"),
        ("1" + " + 1" * MAX_LENGTH, "rulebook.length"),
        ("ahead.map(a, ahead.map(b, a * b)).size()", "rulebook.work"),
        ("ahead.map(a, a).map(b, b).size()", "rulebook.work"),
        ("[1, 2].map(a, a).size()", "rulebook.work"),
        ("(ahead + ahead).map(a, a).size()", "rulebook.work"),
        ("price.ahead.map(a, a).size()", "rulebook.work"),
        ("size(ahead + ahead + ahead + ahead + ahead)", "rulebook.work"),
    ],
)
def test_every_way_to_fail_has_its_code(text: str, wanted: str) -> None:
    assert code(text) == wanted


def test_a_condition_is_true_or_false_and_a_name_no_list() -> None:
    assert told("price.last == 7", "condition") is True
    assert code("1", "condition") == "rulebook.type"
    assert told("price.name", None) == "sun"
    assert code("ahead", None) == "rulebook.type"


def test_the_dearest_expression_that_is_allowed_is_cheap() -> None:
    inside = "size(ahead + ahead + ahead)" + " + price.last" * ((MAX_LENGTH - 60) // 13)
    began = time.process_time()
    told(f"ahead.map(p, {inside})[0]")
    assert time.process_time() - began < 0.5, "a loop inside the loop takes a minute"


def test_a_crash_of_the_library_is_a_code_and_what_stops_the_process_is_not() -> None:
    class Crash(BaseException):
        """As a panic in native code shows."""

    class Program:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def execute(self, context: object) -> object:
            raise self.error

    crashed = expression.Expression("1", Program(Crash("index out of range\nbacktrace")), ())
    with pytest.raises(RulebookError) as refused:
        evaluate(crashed, FACTS, "amount", "rule 'r'")
    assert refused.value.code == "rulebook.failed" and "backtrace" not in refused.value.message
    for stop in (KeyboardInterrupt(), SystemExit()):
        with pytest.raises(type(stop)):
            evaluate(expression.Expression("1", Program(stop), ()), FACTS, "amount", "rule 'r'")


def test_names_are_those_of_facts_and_not_of_what_a_loop_calls_its_elements() -> None:
    names = compile_expression("ahead.exists(p, p < price.last) && zero == 0 && true && has(price.gone)", "r").names
    assert names == (("ahead", ""), ("price", "last"), ("zero", ""), ("price", "gone"))
    assert compile_expression("ahead.size()", "r").names == (("ahead", ""),)


WORDS = ["ahead", "price.last", "zero", "1", "0", "(", ")", "+", "-", "/", "%", "?", ":", "<", "&&", "!", ",", ".", "["]
WORDS += ["]", "map", "filter", "min", "'a'", "true", "size", "==", "in", "has", "p", "{", '"', "\\", "9" * 19]


@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=24).map(" ".join)))
def test_whatever_is_written_is_a_value_or_a_code(text: str) -> None:
    try:
        value = told(text, None)
    except RulebookError as refused:
        assert refused.code.startswith("rulebook.")
    else:
        assert type(value) in (int, bool, str)
