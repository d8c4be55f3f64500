"""Processes that check proofs: true answers whatever happens to them, and none where nobody asks."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest

from node.proving import pool as pools
from node.proving.pool import Pool
from zk.hashing import sha256
from zk.statements import logarithm
from zk.statements.assertion import Assertion, Where

CRASHES = (sys.executable, "-c", "raise SystemExit(3)")
LIES = (
    sys.executable,
    "-c",
    "import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write(bytes([0, 0, 0, 2, 0x91, 0xc3])); "
    "sys.stdout.flush(); sys.stdin.buffer.read()",
)
HANGS = (sys.executable, "-c", "import sys; sys.stdin.buffer.read()")


def known(number: int, *, false: bool = False) -> Assertion:
    secret = (number + 2).to_bytes(32, "big")
    where = Where("chain", f"member-{number}")
    proof = logarithm.prove_known("possession", where, secret, entropy=sha256(secret))
    return logarithm.known(
        "possession", where._replace(round=1) if false else where, logarithm.public_point(secret), proof
    )


MADE = [known(number, false=number in {1, 4}) for number in range(6)]
TRUE = [True, False, True, True, False, True]


def run(work: Callable[[Pool], Awaitable[None]], pool: Callable[[], Pool] = Pool) -> None:
    async def inside() -> None:
        made = pool()
        try:
            async with asyncio.timeout(60):
                await work(made)
        finally:
            await made.stop()

    asyncio.run(inside())


async def ask(pool: Pool, assertions: Sequence[Assertion], *, urgent: bool = False) -> list[bool]:
    answer: asyncio.Future[list[bool]] = asyncio.get_running_loop().create_future()
    pool.check(assertions, urgent, answer.set_result)
    return await answer


def test_answers_come_in_the_order_of_the_questions_and_no_process_starts_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pools, "PART", 4)

    async def work(pool: Pool) -> None:
        assert pool.started == 0
        assert await ask(pool, MADE) == TRUE
        # The second finds the process of the first.
        assert await ask(pool, MADE[::-1], urgent=True) == TRUE[::-1]
        assert pool.started == 1
        (process,) = pool._idle
        pid = process.pid
        os.kill(pid, 0)
        await pool.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    run(work, lambda: Pool(workers=1))


@pytest.mark.parametrize("command", [CRASHES, LIES, HANGS, ("/no/such/program",)])
def test_whatever_a_process_does_the_answer_is_the_true_one(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "DEADLINE_S", 0.3)

    async def work(pool: Pool) -> None:
        assert await ask(pool, MADE) == TRUE
        assert pool.started == 2

    run(work, lambda: Pool(workers=1, command=command))


def test_what_is_urgent_goes_before_what_has_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PART", 2)

    async def work(pool: Pool) -> None:
        order: list[str] = []
        slow: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def later(_: list[bool]) -> None:
            order.append("later")
            slow.set_result(None)

        pool.check(MADE, False, later)
        pool.check(MADE[:2], True, lambda _: order.append("urgent"))
        await slow
        assert order == ["urgent", "later"]

    run(work, lambda: Pool(workers=1))


def test_what_is_hurried_goes_before_what_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PART", 2)

    async def work(pool: Pool) -> None:
        order: list[str] = []
        for name in ("first", "second", "third"):
            pool.check(MADE[:2], False, lambda _, name=name: order.append(name))
        pool.hurry()
        await ask(pool, MADE[:2], urgent=True)
        assert order == ["first", "second", "third"]

    run(work, lambda: Pool(workers=1))


def test_the_loop_is_free_while_a_process_checks() -> None:
    async def work(pool: Pool) -> None:
        await ask(pool, MADE[:1])
        asked = asyncio.ensure_future(ask(pool, MADE * 5))
        turns = 0
        while not asked.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 100
        assert asked.result() == TRUE * 5

    run(work, lambda: Pool(workers=1))


def test_stopping_in_the_middle_ends_every_process() -> None:
    async def work(pool: Pool) -> None:
        answered: list[list[bool]] = []
        pool.check(MADE, False, answered.append)
        await asyncio.sleep(0.05)
        await pool.stop()
        assert not answered
        assert not pool._running
        assert not pool._idle

    run(work, lambda: Pool(workers=1, command=HANGS))


def test_small_jobs_that_wait_are_asked_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PART", 4)
    asked: list[int] = []
    ask_process = pools._ask

    async def counted(process: Process, assertions: Sequence[Assertion]) -> list[bool]:
        asked.append(len(assertions))
        return await ask_process(process, assertions)

    monkeypatch.setattr(pools, "_ask", counted)

    async def work(pool: Pool) -> None:
        got: dict[str, list[bool]] = {}
        for name, part in {"a": MADE[:2], "b": MADE[2:3], "c": MADE[3:6]}.items():
            pool.check(part, False, partial(got.__setitem__, name))
        last = await ask(pool, MADE[4:5])
        assert last == [False]
        assert got == {"a": TRUE[:2], "b": TRUE[2:3], "c": TRUE[3:]}
        assert asked == [3, 4]

    run(work, lambda: Pool(workers=1))


def test_what_a_process_was_lost_over_is_asked_alone_before_anything_is_checked_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So whatever ends a process takes no other answer with it."""
    asked: list[int] = []
    ask_process = pools._ask

    async def fragile(process: Process, assertions: Sequence[Assertion]) -> list[bool]:
        asked.append(len(assertions))
        if MADE[2] in assertions:
            raise EOFError
        return await ask_process(process, assertions)

    monkeypatch.setattr(pools, "_ask", fragile)

    async def work(pool: Pool) -> None:
        got: list[list[bool]] = []
        for one in MADE[:3]:
            pool.check([one], False, got.append)
        assert await ask(pool, MADE[3:4]) == [True]
        assert got == [[True], [False], [True]]
        assert asked == [4, 1, 1, 1, 1]

    run(work, lambda: Pool(workers=1))


def test_a_node_that_is_killed_leaves_no_process_behind() -> None:
    node = (
        "import asyncio, sys\n"
        "from node.proving.pool import Pool\n"
        "from tests.node.test_proving_pool import MADE, ask\n"
        "async def main():\n"
        "    pool = Pool(workers=2)\n"
        "    await asyncio.gather(ask(pool, MADE), ask(pool, MADE, urgent=True))\n"
        "    print(*(process.pid for process in pool._idle), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen((sys.executable, "-c", node), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = [os.pidfd_open(int(pid)) for pid in process.stdout.readline().split()]
        process.kill()
    assert workers
    for worker in workers:
        # Readable once it has ended.
        assert select.select([worker], [], [], 30)[0]
        os.close(worker)
