"""Voltages of a dispatch: IEEE cases against PYPOWER, integers against fractions, and altered figures refused."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import msgspec
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypower.api import case14, case30, case57, case118, case300, ext2int, makeYbus, ppoption, runpf

from contracts.network import admittance
from contracts.network.codes import CODES
from contracts.network.mismatch import Flow, Injection, Matrix, Model, check, model
from contracts.network.records import MAX_ADMITTANCE, MAX_VOLTAGE, NANO, Branch, Network, Place
from contracts.program.case import MAX_PLACES, Voltages
from contracts.program.verdict import Refusal
from node.codes import describe
from node.errors import NodeError
from node.solver.powerflow import solve
from tests.support.networks import WIDE, ieee

Make = Callable[[], dict[str, Any]]
CASES: tuple[Make, ...] = (case14, case30, case57, case118, case300)
_replace = msgspec.structs.replace


@cache
def solved(make: Make) -> tuple[Model, Injection, Voltages]:
    """An IEEE case as the ledger has it, and voltages that our solver found."""
    network, flows = ieee(make())
    put = Injection(*flows)
    return model(network), put, solve(model(network), put)


@cache
def pypower(make: Make) -> dict[str, Any]:
    """The same by PYPOWER."""
    case = make()
    for name in ("bus", "gen", "branch"):
        case[name] = case[name].astype(float)
    found, success = runpf(case, ppoption(VERBOSE=0, OUT_ALL=0))
    assert success
    return found


def code(answer: Flow | Refusal) -> str:
    if not isinstance(answer, Refusal):
        return "ok"
    assert answer.message and describe(answer.code) == CODES[answer.code]
    return answer.code


# Known answers


def test_losses_and_slack_of_ieee_14_are_the_published_ones() -> None:
    """13.39327 MW and 232.3933 MW."""
    flow = check(*solved(case14), "interval 0")
    assert isinstance(flow, Flow)
    assert round(flow.loss_w / 1e6, 5) == 13.39327
    assert round(flow.slack_w / 1e6, 4) == 232.3933


@pytest.mark.parametrize("make", CASES)
def test_voltages_that_are_found_pass_and_lose_what_pypower_loses(make: Make) -> None:
    prepared, put, voltages = solved(make)
    flow = check(prepared, put, voltages, "interval 0")
    assert isinstance(flow, Flow)
    found = pypower(make)
    made, drawn = found["gen"][:, 1].sum(), found["bus"][:, 2].sum()
    assert flow.loss_w == pytest.approx((made - drawn) * 1e6, abs=150)
    slack = found["gen"][found["gen"][:, 0] == found["bus"][found["bus"][:, 1] == 3, 0][0], 1].sum()
    load = found["bus"][found["bus"][:, 1] == 3, 2][0]
    assert flow.slack_w == pytest.approx((slack - load) * 1e6, abs=150)
    order = numpy.argsort(found["bus"][:, 0])
    size = numpy.hypot(voltages.re_npu, voltages.im_npu) / NANO
    assert numpy.abs(size - found["bus"][order, 7]).max() < 1e-6


@pytest.mark.parametrize("make", CASES)
def test_the_admittances_of_a_network_are_those_of_pypower(make: Make) -> None:
    network, _ = ieee(make())
    case = make()
    for name in ("bus", "gen", "branch"):
        case[name] = case[name][numpy.argsort(case[name][:, 0])] if name == "bus" else case[name]
        case[name] = case[name].astype(float)
    inner = ext2int(case)
    theirs = makeYbus(inner["baseMVA"], inner["bus"], inner["branch"])[0].toarray()
    ours = numpy.zeros(theirs.shape, dtype=complex)
    for row, other, g, b in admittance.entries(network):
        ours[row, other] += complex(g, b) / NANO
    # Of each admittance about half of 10^-9 is lost by rounding, and taps are rounded before they are squared.
    assert numpy.abs(ours - theirs).max() < 1e-6


# Exact


def fractions_of(line: Branch) -> list[tuple[Fraction, Fraction]]:
    """The pi model in fractions, in 10^-9 per unit: own and other admittance of the first end, then of the second."""

    def product(one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
        return one[0] * other[0] - one[1] * other[1], one[0] * other[1] + one[1] * other[0]

    tap = Fraction(line.tap_re, NANO), Fraction(line.tap_im, NANO)
    square = tap[0] ** 2 + tap[1] ** 2
    minus = Fraction(-line.g_npu), Fraction(-line.b_npu)
    own = Fraction(line.g_npu), Fraction(line.b_npu) + Fraction(line.charging_npu, 2)
    return [
        (own[0] / square, own[1] / square),
        product(minus, (tap[0] / square, tap[1] / square)),
        own,
        product(minus, (tap[0] / square, -tap[1] / square)),
    ]


part = st.integers(-(10**12), 10**12)
taps = st.integers(-2 * NANO, 2 * NANO)


@given(part, part, part, taps, taps)
def test_a_line_is_its_pi_model_rounded_once(g: int, b: int, charging: int, re: int, im: int) -> None:
    if 4 * (re**2 + im**2) < NANO**2:
        re = NANO
    line = Branch("l", "a", "b", 0, 1, g, b, charging, re, im)
    for rounded, exact in zip(admittance.ends(line), fractions_of(line), strict=True):
        for one, other in zip(rounded, exact, strict=True):
            assert -Fraction(1, 2) < one - other <= Fraction(1, 2)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Matrix, Voltages]:
    """Rows of any admittances whose sum is inside the bound, and any voltages."""
    places = draw(st.integers(1, 5))
    extreme = st.sampled_from([-MAX_VOLTAGE, -1, 0, 1, MAX_VOLTAGE]) | st.integers(-MAX_VOLTAGE, MAX_VOLTAGE)
    voltages = Voltages(*(tuple(draw(extreme) for _ in range(places)) for _ in range(2)))
    rows = [draw(st.integers(0, places - 1)) for _ in range(draw(st.integers(1, 4)))]
    entries = []
    for row in range(len(rows)):
        count = draw(st.integers(1, places))
        most = MAX_ADMITTANCE // (2 * count)
        value = st.sampled_from([-most, -1, 0, 1, most]) | st.integers(-most, most)
        entries += [(row, other, draw(value), draw(value)) for other in range(count)]
    return Matrix(entries, rows), voltages


def naive(matrix: Matrix, voltages: Voltages) -> tuple[list[int], list[int]]:
    """V_k conj(sum of Y V), with Python's integers and the textbook's formula."""
    active, reactive = [], []
    for row, at in enumerate(matrix.rows):
        p = q = 0
        for _, other, g, b in (entry for entry in matrix.entries if entry[0] == row):
            e, f = voltages.re_npu[at], voltages.im_npu[at]
            c, d = voltages.re_npu[other], voltages.im_npu[other]
            p += e * (g * c - b * d) + f * (g * d + b * c)
            q += f * (g * c - b * d) - e * (g * d + b * c)
        active.append(p)
        reactive.append(q)
    return active, reactive


@settings(max_examples=150)
@given(matrices())
def test_powers_are_exact_in_integers_and_in_limbs(given_: tuple[Matrix, Voltages]) -> None:
    matrix, voltages = given_
    assert matrix.powers(voltages) == matrix.fast_powers(voltages) == naive(matrix, voltages)


def test_limbs_hold_the_largest_place_that_there_can_be() -> None:
    """All places around one, all admittances and voltages at their bounds, in the signs that add up."""
    count = MAX_PLACES
    most = MAX_ADMITTANCE // (2 * count)
    # The lower parts of the admittances are as large as they get.
    most -= (most + 1) % 2**20
    for sign in (1, -1):
        matrix = Matrix([(0, other, sign * most, -sign * most) for other in range(count)], [0])
        voltages = Voltages((MAX_VOLTAGE,) * count, (MAX_VOLTAGE,) * count)
        assert matrix.powers(voltages) == matrix.fast_powers(voltages)
        turned = Voltages((-MAX_VOLTAGE,) * count, (MAX_VOLTAGE,) * count)
        assert matrix.powers(turned) == matrix.fast_powers(turned)


@pytest.mark.parametrize("make", CASES)
def test_limbs_and_integers_agree_on_ieee_cases(make: Make) -> None:
    prepared, _, voltages = solved(make)
    for matrix in (prepared.at_places, prepared.at_ends):
        assert matrix.powers(voltages) == matrix.fast_powers(voltages)


# Attacks


def moved(values: tuple[int, ...], number: int, by: int) -> tuple[int, ...]:
    return (*values[:number], values[number] + by, *values[number + 1 :])


@pytest.mark.parametrize("make", [case14, case57, case300])
def test_an_altered_voltage_is_refused(make: Make) -> None:
    """At every place, by 2e-5 per unit of either part: where lines are stiff far less is enough."""
    prepared, put, voltages = solved(make)
    count = len(prepared.network.places)
    for number in range(0, count, 1 + count // 40):
        if number == prepared.slack:
            continue
        up = _replace(voltages, re_npu=moved(voltages.re_npu, number, 20_000))
        on = _replace(voltages, im_npu=moved(voltages.im_npu, number, 20_000))
        for altered in (up, on):
            assert code(check(prepared, put, altered, "interval 0")) in ("network.active", "network.reactive")


def test_an_altered_injection_is_refused() -> None:
    """By a little more than twice what is tolerated, at each place; also what two places shift between them."""
    prepared, put, voltages = solved(case14)
    for number in range(len(put.w)):
        more = put._replace(w=moved(tuple(put.w), number, 201_000))
        wanted = "ok" if number == prepared.slack else "network.active"
        assert code(check(prepared, more, voltages, "interval 0")) == wanted
    for number, place in enumerate(prepared.network.places):
        drawn = put._replace(var=moved(tuple(put.var), number, -201_000))
        wanted = "network.reactive" if place.aim_npu is None else "ok"
        assert code(check(prepared, drawn, voltages, "interval 0")) == wanted
    shifted = put._replace(w=moved(moved(tuple(put.w), 3, 500_000), 4, -500_000))
    assert code(check(prepared, shifted, voltages, "interval 0")) == "network.active"


def test_what_may_be_off_is_a_millionth_per_unit_and_no_more() -> None:
    """By how much the load of a place may be written up or down: exactly as far as the tolerance goes."""
    prepared, put, voltages = solved(case14)
    number = 13
    active, _ = prepared.at_places.powers(voltages)
    unit = prepared.network.base_w * put.unit
    exact = Fraction(active[number] * unit, NANO**3)
    slip = Fraction(unit, 1_000_000)
    for w, wanted in (
        (exact - slip, "ok"),
        (exact + slip, "ok"),
        (exact - slip - 1, "network.active"),
        (exact + slip + 1, "network.active"),
    ):
        inward = -(-w.numerator // w.denominator) if w < exact else w.numerator // w.denominator
        assert code(check(prepared, put._replace(w=_at(put.w, number, inward)), voltages, "interval 0")) == wanted


def _at(values: Any, number: int, value: int) -> list[int]:
    return [*values[:number], value, *values[number + 1 :]]


def test_voltages_of_another_shape_or_turned_are_refused() -> None:
    prepared, put, voltages = solved(case14)
    short = _replace(voltages, im_npu=voltages.im_npu[:-1])
    assert code(check(prepared, put, short, "interval 0")) == "network.voltages"
    assert code(check(prepared, put, Voltages((), ()), "interval 0")) == "network.voltages"
    # Turned by 90 degrees, or upside down, it is the same flow: one dispatch, one set of voltages.
    quarter = Voltages(tuple(-one for one in voltages.im_npu), voltages.re_npu)
    half = Voltages(tuple(-one for one in voltages.re_npu), tuple(-one for one in voltages.im_npu))
    assert prepared.at_places.powers(quarter) == prepared.at_places.powers(voltages)
    for turned in (quarter, half):
        assert code(check(prepared, put, turned, "interval 0")) == "network.reference"
    dead = Voltages((0,) * len(voltages.re_npu), (0,) * len(voltages.re_npu))
    assert code(check(prepared, put, dead, "interval 0")) == "network.reference"


def limited(change: Callable[[Network], Network]) -> tuple[str, str]:
    prepared, put, voltages = solved(case14)
    answer = check(model(change(prepared.network)), put, voltages, "interval 7")
    return (answer.code, answer.where) if isinstance(answer, Refusal) else ("ok", "")


def test_limits_of_voltages_reactive_power_and_lines_hold_to_the_last_unit() -> None:
    prepared, put, voltages = solved(case14)
    network = prepared.network

    def place(number: int, **changes: int) -> Callable[[Network], Network]:
        return lambda now: _replace(now, places=_at_tuple(now.places, number, _replace(now.places[number], **changes)))

    def line(number: int, **changes: int) -> Callable[[Network], Network]:
        return lambda now: _replace(now, lines=_at_tuple(now.lines, number, _replace(now.lines[number], **changes)))

    square = voltages.re_npu[8] ** 2 + voltages.im_npu[8] ** 2
    low = int(Fraction(square) ** 0.5)
    assert limited(place(8, least_npu=low - 2, most_npu=low + 2)) == ("ok", "")
    name = network.places[8].id
    assert limited(place(8, least_npu=low + 2)) == ("network.voltage", f'place "{name}" in interval 7')
    assert limited(place(8, most_npu=low - 2)) == ("network.voltage", f'place "{name}" in interval 7')

    _, reactive = prepared.at_places.powers(voltages)
    given = Fraction(reactive[1] * network.base_w, NANO**3) - Fraction(put.var[1], put.unit)
    slip = network.base_w // 1_000_000
    assert limited(place(1, most_var=int(given) + 1, least_var=int(given)))[0] == "ok"
    assert limited(place(1, most_var=int(given) - slip - 1))[0] == "network.reactive"
    assert limited(place(1, least_var=int(given) + slip + 2))[0] == "network.reactive"

    active, reactive = prepared.at_ends.powers(voltages)
    apparent = max(active[0] ** 2 + reactive[0] ** 2, active[1] ** 2 + reactive[1] ** 2)
    va = int((Fraction(apparent) ** 0.5) * network.base_w / NANO**3)
    assert limited(line(0, limit_w=va + 2))[0] == "ok"
    wanted = "network.line", f'line "{network.lines[0].id}" in interval 7'
    assert limited(line(0, limit_w=va - 2)) == wanted
    assert limited(line(0, limit_w=0)) == wanted


def _at_tuple(values: tuple[Any, ...], number: int, value: Any) -> tuple[Any, ...]:
    return (*values[:number], value, *values[number + 1 :])


# The solver


def test_a_place_that_has_used_up_its_reactive_power_gives_all_of_it() -> None:
    """Of IEEE 14 with the limits of its generators: the one at bus 2 would give 43.56 Mvar, and may give 40."""
    network, flows = ieee(case14())
    second = _replace(network.places[1], least_var=-40_000_000, most_var=40_000_000)
    tight = model(_replace(network, places=_at_tuple(network.places, 1, second)))
    put = Injection(*flows)
    assert code(check(tight, put, solved(case14)[2], "interval 0")) == "network.reactive"
    voltages = solve(tight, put)
    assert code(check(tight, put, voltages, "interval 0")) == "ok"
    _, reactive = tight.at_places.powers(voltages)
    given = reactive[1] * network.base_w / NANO**3 - put.var[1] / put.unit
    assert given == pytest.approx(40_000_000, abs=100)


def test_more_than_lines_can_carry_has_no_voltages() -> None:
    """Over 1 per unit of reactance at most 1/2 per unit reaches a load of pure resistance."""
    line = Branch("l", "a", "b", WIDE, NANO, 0, -NANO)
    network = Network((Place("a", 1, 2 * NANO), Place("b", 1, 2 * NANO)), (line,), slack="a", base_w=1_000)
    loose = _replace(network, places=(_replace(network.places[0], least_var=-WIDE, most_var=WIDE), network.places[1]))
    prepared = model(loose)
    carried = Injection([0, -499], [0, 0], 1)
    assert code(check(prepared, carried, solve(prepared, carried), "interval 0")) == "ok"
    with pytest.raises(NodeError, match="close to the most"):
        solve(prepared, Injection([0, -501], [0, 0], 1))
