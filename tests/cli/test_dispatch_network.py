"""`gridpact dispatch --network`: voltages attached to a solution in a file, and checked there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from contracts.program.case import Block, Case, Connection, Demand, Line, Source
from contracts.program.documents import json_of, solution_of
from contracts.program.verdict import Refusal
from node.cli import app

NETWORK = """
[network]
slack = "north"
[[network.places]]
id = "north"
least_var = -1_000_000
most_var = 1_000_000
[[network.places]]
id = "south"
reactive_ppm = 300_000
[[network.lines]]
id = "tie"
from_place = "north"
to_place = "south"
limit_w = 400_000
reactance_npu = 50_000_000
g_npu = 3_846_153_846
b_npu = -19_230_769_231
"""
CASE = Case(
    "two places",
    2,
    1,
    "ef" * 32,
    sources=(Source("m-sun", "sun", (((Block(10_000, 9_000),),) * 2), "south"),),
    connections=(Connection("grid", "u", (30_000,) * 2, (0, 0), (90_000,) * 2, (0, 0), (0, 0), "north"),),
    demands=(Demand("campus", (60_000, 20_000), place="south"),),
    lines=(Line("tie", "north", "south", (100_000,) * 2, 50_000_000),),
)


class Files:
    """A case, its network, and what commands say of them."""

    def __init__(self, where: Path) -> None:
        self.case, self.network, self.out = where / "case.json", where / "wires.toml", where / "out.json"
        self.case.write_bytes(json_of(CASE))
        self.network.write_text(NETWORK)

    def told(self, *arguments: str | Path, exit_code: int = 0) -> dict[str, Any]:
        result = CliRunner().invoke(app, ["dispatch", *map(str, arguments), "--json"])
        assert result.exit_code == exit_code, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def solve(self, *more: str | Path, exit_code: int = 0) -> dict[str, Any]:
        given = ("solve", self.case, "--out", self.out, "--network", self.network, *more)
        return self.told(*given, exit_code=exit_code)

    def verify(self, *more: str | Path, exit_code: int = 0) -> dict[str, Any]:
        return self.told("verify", self.case, self.out, "--network", self.network, *more, exit_code=exit_code)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_voltages_are_attached_and_checked(files: Files) -> None:
    solved = files.solve()
    assert len(solved["loss_wh"]) == 1 and 0 < solved["loss_wh"][0] < 3_000
    assert solved["slack_extra_wh"] == solved["loss_wh"]
    verified = files.verify()
    assert verified["loss_wh"] == solved["loss_wh"] and verified["certified"]
    told = CliRunner().invoke(
        app, ["dispatch", "verify", str(files.case), str(files.out), "--network", str(files.network)]
    )
    assert "voltages carry it" in told.stdout
    # In intervals of an hour it is a quarter of the power: other voltages.
    assert files.verify("--minutes", "60", exit_code=1)["code"] == "network.active"
    assert files.solve("--minutes", "60")["loss_wh"][0] < solved["loss_wh"][0]


def test_altered_voltages_have_a_code_and_a_place(files: Files) -> None:
    files.solve()
    solution = solution_of(files.out.read_bytes())
    assert not isinstance(solution, Refusal)
    (found,) = solution.voltages
    moved = msgspec.structs.replace(found, im_npu=(0, found.im_npu[1] + 1_000))
    files.out.write_bytes(json_of(msgspec.structs.replace(solution, voltages=(moved,))))
    answer = files.verify(exit_code=1)
    assert answer["code"] == "network.active" and 'place "south" in interval 0' in answer["message"] and answer["hint"]
    files.out.write_bytes(json_of(msgspec.structs.replace(solution, voltages=())))
    assert files.verify(exit_code=1)["code"] == "network.voltages"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("reactance_npu = 50_000_000", "reactance_npu = 0", "network.reactance"),
        ('id = "south"', 'id = "sud"', "network.place"),
        ("limit_w = 400_000", "limit = 400_000", "genesis.unknown-key"),
        # 200 kW with some reactive power are more than 200 kVA.
        ("limit_w = 400_000", "limit_w = 200_000", "network.line"),
        # At a tenth of its admittance the line can not carry that.
        ("g_npu = 3_846_153_846\nb_npu = -19_230_769_231", "b_npu = -200_000_000", "solver.voltages"),
    ],
)
def test_what_is_wrong_with_a_network_has_its_code(files: Files, old: str, new: str, code: str) -> None:
    files.network.write_text(NETWORK.replace(old, new))
    answer = files.solve(exit_code=1)
    assert answer["code"] == code and answer["message"] and answer["hint"]


def test_a_network_of_other_places_is_none_of_the_case(files: Files) -> None:
    files.network.write_text(NETWORK.replace("south", "sud"))
    answer = files.solve(exit_code=1)
    assert answer["code"] == "network.place" and '"south"' in answer["message"]
