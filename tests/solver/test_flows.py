"""Flows in whole Wh: every zone adds up, no flow is a Wh off where it need not be, and lines at limits stay there."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.solver.flows import whole_flows

Drawn = tuple[dict[int, float], dict[int, tuple[int, int]]]


def leaving(flows: dict[int, int], ends: dict[int, tuple[int, int]]) -> dict[int, int]:
    found = dict.fromkeys((zone for pair in ends.values() for zone in pair), 0)
    for line, (first, second) in ends.items():
        found[first] += flows[line]
        found[second] -= flows[line]
    return found


def test_a_place_that_lines_only_pass_lets_out_what_it_lets_in() -> None:
    """Rounded one by one a Wh would vanish at zone 1: 3 comes in, 1.4 and 1.6 go out."""
    flow_wh = {0: 3.0, 1: 1.4, 2: 1.6, 3: 1.4, 4: 1.6}
    ends = {0: (0, 1), 1: (1, 2), 2: (1, 3), 3: (2, 4), 4: (3, 4)}
    flows = whole_flows(flow_wh, ends, dict.fromkeys(ends, 9), (), {})
    assert leaving(flows, ends) == {0: 3, 1: 0, 2: 0, 3: 0, 4: -3}
    halves = {0: 3.0, 1: 1.5, 2: 1.5, 3: 1.5, 4: 1.5}
    flows = whole_flows(halves, ends, dict.fromkeys(ends, 9), (), {})
    assert leaving(flows, ends) == {0: 3, 1: 0, 2: 0, 3: 0, 4: -3}


def test_what_the_rest_of_a_zone_was_rounded_by_leaves_it() -> None:
    """Zone 0 has a storage that gives 0.6 Wh more than in the optimum, and nothing else that gives way."""
    assert whole_flows({0: 2.4}, {0: (0, 1)}, {0: 9}, (), {0: 0.6, 1: -0.6}) == {0: 3}
    assert whole_flows({0: 2.4}, {0: (0, 1)}, {0: 9}, (), {}) == {0: 2}


def test_a_line_at_its_limit_is_there_exactly_and_no_other_passes_its_own() -> None:
    flow_wh = {0: -4.9999999, 1: 5.0000001, 2: 0.3}
    ends = {0: (1, 0), 1: (0, 2), 2: (1, 2)}
    flows = whole_flows(flow_wh, ends, {0: 5, 1: 5, 2: 9}, (0,), {})
    assert flows[0] == -5 and flows[1] == 5


@st.composite
def networks(draw: st.DrawFn) -> Drawn:
    """Zones, of which the first two give and take whatever is left; all others let out a whole number of Wh."""
    zones = draw(st.integers(3, 8))
    ends = [(draw(st.integers(0, zone - 1)), zone) for zone in range(1, zones)]
    pairs = st.tuples(st.integers(0, zones - 1), st.integers(0, zones - 1)).filter(lambda pair: pair[0] != pair[1])
    ends += draw(st.lists(pairs, max_size=6))
    tree = len(ends[: zones - 1])
    part = st.integers(-20_000, 20_000).map(lambda thousandth: thousandth / 1_000)
    flow_wh = [0.0] * tree + [draw(part) for _ in ends[tree:]]
    wanted = {zone: draw(st.integers(-9, 9)) for zone in range(2, zones)} | {1: draw(part)}
    for zone in range(zones - 1, 0, -1):
        # What leaves by all other lines is made up by the one that leads towards the root.
        other = sum(wh * ((a == zone) - (b == zone)) for wh, (a, b) in zip(flow_wh, ends, strict=True))
        flow_wh[zone - 1] = other - wanted[zone]
    return dict(enumerate(flow_wh)), dict(enumerate(ends))


@settings(max_examples=120)
@given(networks())
def test_every_zone_adds_up_within_a_wh_of_each_flow(drawn: Drawn) -> None:
    flow_wh, ends = drawn
    flows = whole_flows(flow_wh, ends, dict.fromkeys(ends, 10**6), (), {})
    found = leaving(flows, ends)
    for zone in found:
        real = sum(flow_wh[line] * ((a == zone) - (b == zone)) for line, (a, b) in ends.items())
        if zone > 1:
            assert found[zone] == round(real)
        else:
            assert abs(found[zone] - real) < 1 + 1e-6
    assert all(abs(flows[line] - wh) < 1 + 1e-6 for line, wh in flow_wh.items())
