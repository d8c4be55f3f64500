"""The solver's process: whatever it does, its caller goes on, and nothing of a wrong answer is used."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from contracts.program.case import Block, Case, Demand, Solution, Source
from contracts.program.check import check
from devnet.bench.dispatch_cases import DAY_OF_FOUR, make
from node.errors import NodeError
from node.solver import process
from node.solver.build import build
from node.solver.process import Limits, solve
from node.solver.worker import Answer, answer

CASE = make(DAY_OF_FOUR)
QUICK = Limits(seconds=0.2)


def played(monkeypatch: pytest.MonkeyPatch, program: str, grace_s: float = 10.0) -> NodeError:
    """What comes of a process that runs `program` instead of the solver."""
    monkeypatch.setattr(process, "command", lambda limits: (sys.executable, "-c", program))
    monkeypatch.setattr(process, "GRACE_S", grace_s)
    with pytest.raises(NodeError) as refused:
        asyncio.run(solve(CASE, QUICK))
    return refused.value


def test_a_case_is_solved_in_another_process_as_in_this_one() -> None:
    found = asyncio.run(solve(CASE))
    assert found.solution == build(CASE, 20.0).solution
    assert found.verdict == check(CASE, found.solution) and found.verdict.certified
    assert found.solve_s >= 0 and found.repair_s > 0


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A solver that writes its number into this pipe and then hangs."""
    pipe = tmp_path / "pid"
    os.mkfifo(pipe)
    program = f"import os, signal; open({str(pipe)!r}, 'w').write(str(os.getpid())); signal.pause()"
    monkeypatch.setattr(process, "command", lambda limits: (sys.executable, "-c", program))
    return pipe


async def hung(pipe: Path, solving: asyncio.Task[process.Solved]) -> str:
    """The number of the solver's process, once it hangs; heard by the loop that waits for it."""
    loop = asyncio.get_running_loop()
    number = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    heard: asyncio.Future[bytes] = loop.create_future()
    loop.add_reader(number, lambda: heard.done() or heard.set_result(os.read(number, 64)))
    await asyncio.wait({heard, solving}, return_when=asyncio.FIRST_COMPLETED)
    loop.remove_reader(number)
    os.close(number)
    assert heard.done() and not solving.done()
    return heard.result().decode()


def test_a_hanging_solver_is_ended_while_everything_else_goes_on(
    hanging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "GRACE_S", 1.5)

    async def both() -> tuple[str, NodeError]:
        solving = asyncio.create_task(solve(CASE, QUICK))
        pid = await hung(hanging, solving)
        with pytest.raises(NodeError) as refused:
            await solving
        return pid, refused.value

    pid, refused = asyncio.run(both())
    assert refused.code == "solver.time" and not Path(f"/proc/{pid}").exists()


def test_a_caller_that_gives_up_leaves_no_process(hanging: Path) -> None:
    async def give_up() -> str:
        solving = asyncio.create_task(solve(CASE))
        pid = await hung(hanging, solving)
        solving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await solving
        return pid

    assert not Path(f"/proc/{asyncio.run(give_up())}").exists()


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import os; os.abort()", "solver.crashed", "SIGABRT"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "solver.crashed", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "solver.time", "used up"),
        ("raise SystemExit(3)", "solver.crashed", "exit code 3"),
        ("import sys; sys.stdin.read(); raise MemoryError", "solver.crashed", "exit code 1"),
        ("print('optimal!')", "solver.wrong", "no answer"),
        ("print('{}')", "solver.wrong", "no solution"),
        ("", "solver.wrong", "no answer"),
        ("print('[' * 100_000)", "solver.wrong", "no answer"),
        ("import sys\nfor _ in range(400): sys.stdout.write('x' * 100_000)", "solver.wrong", "longer than 16 MiB"),
        ("import json; print(json.dumps({'problem': {'code': 'a.b', 'message': 'm', 'hint': 'h'}}))", "a.b", "m"),
    ],
)
def test_every_way_to_fail_has_a_code(program: str, code: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = played(monkeypatch, program)
    assert refused.code == code and said in refused.message and refused.hint


def altered() -> list[Solution]:
    honest = build(CASE, 20.0).solution
    charge, discharge = honest.charge_wh[0], honest.discharge_wh[0]
    return [
        replace(honest, round_id="11" * 32),
        replace(honest, charge_wh=()),
        replace(honest, charge_wh=((charge[0] + 2**39, *charge[1:]),)),
        replace(honest, discharge_wh=((*discharge[:-1], discharge[-1] + 1),)),
        replace(honest, multipliers=(honest.multipliers[0], honest.multipliers[0])),
    ]


@pytest.mark.parametrize("at", range(5))
def test_a_solution_that_nobody_would_accept_is_not_believed(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = msgspec.json.encode(Answer(altered()[at]))
    refused = played(monkeypatch, f"import sys; sys.stdin.read(); sys.stdout.buffer.write({raw!r})")
    assert refused.code == "solver.wrong" and refused.hint == "Nothing was used of it."


def test_what_the_worker_refuses_comes_through() -> None:
    source = Source("source", "org", ((Block(20, 5), Block(10, 5)),))
    wrong = Case("wrong", 1, 1, "00" * 32, (source,), demands=(Demand("org", (4,)),), reference_nano_per_wh=(1,))
    with pytest.raises(NodeError, match=r"^dispatch\.blocks"):
        asyncio.run(solve(wrong))


def test_the_worker_may_not_have_more_memory_than_that() -> None:
    """Too little even to load what it needs: the process ends, and says so one way or the other."""
    with pytest.raises(NodeError) as refused:
        asyncio.run(solve(CASE, Limits(20.0, 96 << 20)))
    assert refused.value.code in ("solver.memory", "solver.crashed")


def test_the_worker_answers_in_its_own_words() -> None:
    given = answer(msgspec.json.encode(CASE), 20.0)
    assert given.problem is None and given.solution == build(CASE, 20.0).solution
    late = answer(msgspec.json.encode(CASE), 0.0)
    assert late.solution is None and late.problem is not None and late.problem.code == "solver.time"


def test_the_worker_runs_alone(tmp_path: Path) -> None:
    """As an agent starts it: a case in, an answer out, and nothing loaded from where it is called."""
    for trap in ("node", "contracts", "msgspec"):
        (tmp_path / f"{trap}.py").write_text("raise SystemExit('loaded from the working directory')")
    done = subprocess.run(
        process.command(Limits(20.0)),
        input=msgspec.json.encode(CASE),
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert json.loads(done.stdout)["solution"]["round_id"] == CASE.round_id and done.stderr == b""
