"""One condition or amount of a rulebook: CEL over whole numbers, conditions and words.

What an expression may cost is bounded before it runs: so long, so deep, functions from a list, at most one
comprehension, over the one list that there is. So hostile ones (loops inside loops, lists that double) are refused
where the rulebook is read, and none takes longer than some milliseconds. The CEL library raises bare exceptions; each
becomes a stable `rulebook.*` code here, a crash of it included. Never calls anything outside itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import cel

from node.errors import NodeError

MAX_LENGTH = 1_024
MAX_DEPTH = 16
MAX_LIST_USES = 4
MAX_INT = 2**63 - 1
LIST = "ahead"
"""The only fact that is a list."""
MACROS = ("all", "exists", "exists_one", "filter", "map")
"""Comprehensions, over `LIST` alone."""
WORDS = ("true", "false", "in")
FUNCTIONS = ("abs", "has", "max", "min", "size", *MACROS)

Kind = Literal["condition", "amount"]
Value = bool | int | str

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9]+(?![A-Za-z0-9_.]))
    | (?P<text>"[^"\\\r\n]*"|'[^'\\\r\n]*')
    | (?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]])
    """,
    re.VERBOSE,
)


class RulebookError(NodeError):
    """A rulebook, or a rule in it, says what can not be done: `rulebook.*`."""


class Expression(NamedTuple):
    """One that was checked."""

    text: str
    program: Any
    names: tuple[tuple[str, str], ...]
    """Facts that it names, each with the field that is asked of it, where one is."""


def compile_expression(text: str, where: str) -> Expression:
    """Check and compile; `where` names the place for people. Raises `rulebook.length`, `rulebook.syntax`,
    `rulebook.depth`, `rulebook.function`, `rulebook.work`.
    """
    if len(text) > MAX_LENGTH:
        raise RulebookError(
            "rulebook.length",
            f"{where} has {len(text)} characters.",
            f"Write at most {MAX_LENGTH}; give parts of it names under [let].",
        )
    tokens = _tokens(text, where)
    _check(tokens, where)
    try:
        program = cel.compile(text)
    except BaseException as error:
        _let_through(error)
        # A crash inside the library is no exception of Python's, and is a mistake in the text all the same.
        raise RulebookError(
            "rulebook.syntax", f"{where} is no expression: {_first_line(error)}.", "See the language in rulebooks.md."
        ) from None
    return Expression(text, program, _names(tokens))


def evaluate(expression: Expression, facts: Mapping[str, Any], kind: Kind | None, where: str) -> Value:
    """What it comes to: a condition, an amount, or (None) any value but a list.

    Raises `rulebook.division`, `rulebook.overflow`, `rulebook.unknown`, `rulebook.type`, `rulebook.failed`.
    """
    context = cel.Context()
    context.add_function("min", _least)
    context.add_function("max", _most)
    context.add_function("abs", _size)
    context.update(dict(facts))
    try:
        value = expression.program.execute(context)
    except BaseException as error:
        _let_through(error)
        raise _failure(error, where) from None
    wanted = {"condition": (bool,), "amount": (int,), None: (bool, int, str)}[kind]
    if type(value) not in wanted:
        raise RulebookError(
            "rulebook.type",
            f"{where} comes to {value!r:.40}.",
            "A condition is true or false, an amount a whole number."
            if kind
            else "A name stands for a number, a word, true or false.",
        )
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise RulebookError("rulebook.overflow", f"{where} is beyond 2^63.", "Check its units.")
    found: Value = value
    return found


class _Token(NamedTuple):
    sort: str
    text: str


def _tokens(text: str, where: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise RulebookError(
                "rulebook.syntax",
                f"{where}, character {at + 1}: {text[at : at + 12]!r} means nothing here.",
                "Write whole numbers, names, words in quotes without backslashes, and + - * / % < > = ! && || ? : .",
            )
        if token.lastgroup != "space":
            found.append(_Token(str(token.lastgroup), token.group()))
        at = token.end()
    return found


def _check(tokens: list[_Token], where: str) -> None:
    depth = lists = macros = 0
    for at, (sort, text) in enumerate(tokens):
        depth += (text in "([?") - (text in ")]") if sort == "sign" else 0
        if depth > MAX_DEPTH:
            raise RulebookError(
                "rulebook.depth", f"{where} is nested deeper than {MAX_DEPTH}.", "Give parts of it names under [let]."
            )
        if sort != "word":
            continue
        lists += text == LIST
        called = at + 1 < len(tokens) and tokens[at + 1].text == "("
        if called and text not in FUNCTIONS:
            raise RulebookError(
                "rulebook.function", f"{where} calls {text}, which there is not.", f"There are {', '.join(FUNCTIONS)}."
            )
        if called and text in MACROS:
            macros += 1
            over = [one.text for one in tokens[max(0, at - 3) : at]]
            if over[-2:] != [LIST, "."] or over[:-2] == ["."]:
                raise RulebookError(
                    "rulebook.work",
                    f"{where}: {text} goes through something else than {LIST}.",
                    f"Write {LIST}.{text}.",
                )
    if macros > 1 or lists > MAX_LIST_USES:
        raise RulebookError(
            "rulebook.work",
            f"{where} goes through {LIST} {macros} times and names it {lists} times.",
            f"Once, and at most {MAX_LIST_USES} times: give parts of it names under [let].",
        )


def _names(tokens: list[_Token]) -> tuple[tuple[str, str], ...]:
    texts = ["", *(token.text for token in tokens), "", "", ""]
    found, own = [], set(WORDS)
    for at, (sort, text) in enumerate(tokens, 1):
        if sort != "word":
            continue
        if texts[at + 1] == "(":
            if text in MACROS:
                # What stands for each element of the list.
                own.add(texts[at + 2])
        elif texts[at - 1] != ".":
            field = texts[at + 2] if texts[at + 1] == "." and texts[at + 3] != "(" else ""
            found.append((text, field))
    return tuple(dict.fromkeys(one for one in found if one[0] not in own))


def _failure(error: BaseException, where: str) -> RulebookError:
    match error:
        case ZeroDivisionError():
            return RulebookError("rulebook.division", f"{where} divides by zero.", "Ask first whether it is zero.")
        case OverflowError():
            return RulebookError("rulebook.overflow", f"{where} is beyond 2^63.", "Check its units.")
        case KeyError() | IndexError():
            return RulebookError(
                "rulebook.unknown", f"{where} names {_first_line(error)}, which there is not.", "Ask first with has()."
            )
        case TypeError():
            return RulebookError(
                "rulebook.type", f"{where} mixes what does not mix: {_first_line(error)}.", "Compare like with like."
            )
        case RuntimeError() if "Undefined" in str(error):
            return RulebookError(
                "rulebook.unknown", f"{where}: {_first_line(error)}.", "`gridpact rulebook facts` lists all names."
            )
    return RulebookError("rulebook.failed", f"{where}: {_first_line(error)}.", "Write it in simpler parts.")


def _let_through(error: BaseException) -> None:
    """What is no word of the library's about an expression."""
    if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
        raise error


def _first_line(error: BaseException) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__)[:160].rstrip(".")


# The library prints what a function of Python raises, so these answer with nothing, whose type then does not fit.


def _least(*numbers: object) -> int | None:
    return min(_whole(numbers), default=None)


def _most(*numbers: object) -> int | None:
    return max(_whole(numbers), default=None)


def _size(*numbers: object) -> int | None:
    whole = _whole(numbers)
    return abs(whole[0]) if len(whole) == 1 else None


def _whole(numbers: tuple[object, ...]) -> list[int]:
    """The numbers, or none where one of them is none."""
    whole = [one for one in numbers if isinstance(one, int) and not isinstance(one, bool)]
    return whole if len(whole) == len(numbers) else []
