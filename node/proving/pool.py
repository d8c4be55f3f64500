"""Processes that check proofs, so that the event loop stays free: none until the first proof comes.

Whatever happens to a process, the answer is the true one: what it did not answer is asked once more of a new one, and
then checked here. An answer is never made up, since nodes that disagree on one proof fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from node.proving.proofs import Answer
from node.proving.worker import LENGTH_BYTES, answers, question
from zk.statements import check
from zk.statements.assertion import Assertion

LOG = logging.getLogger("gridpact")

MAX_WORKERS = 4
PART = 128
"""Assertions that are checked together, of as many jobs: the more of them, the less each multiplication costs, and the
longer looking for a false one takes."""
DEADLINE_S = 60.0
"""For one part, twenty times what the dearest takes. A process that needs longer is not coming back."""

COMMAND = (sys.executable, "-P", "-m", "node.proving.worker")
_LOST = (OSError, EOFError, TimeoutError, msgspec.DecodeError, ValueError)


@dataclass(slots=True)
class _Job:
    """One call of `Pool.check`."""

    assertions: Sequence[Assertion]
    done: Answer
    answers: dict[int, list[bool]] = field(default_factory=dict)
    """By where a part begins."""


@dataclass(slots=True)
class _Part:
    """Some assertions of a job."""

    job: _Job
    start: int
    tried: bool = False
    """A process was lost over it."""

    @property
    def assertions(self) -> Sequence[Assertion]:
        """The ones that this part is about."""
        return self.job.assertions[self.start : self.start + PART]


class Pool:
    """Workers of one node on the running loop; `check` is a `node.proving.proofs.Checker`."""

    def __init__(self, workers: int | None = None, command: Sequence[str] = COMMAND) -> None:
        """One core is left to the loop unless `workers` says how many."""
        self._most = workers or max(1, min(MAX_WORKERS, (os.cpu_count() or 1) - 1))
        self._command = command
        self._urgent: deque[_Part] = deque()
        self._others: deque[_Part] = deque()
        self._idle: list[Process] = []
        self._running: set[asyncio.Task[None]] = set()
        self._at_work = 0
        """Those that will look for another part before they end."""
        self.started = 0
        """Processes since the beginning."""
        self.answered = 0
        """Assertions since the beginning."""

    def check(self, assertions: Sequence[Assertion], urgent: bool, done: Answer) -> None:
        """See `node.proving.proofs.Checker`. What is urgent goes before everything that has not begun."""
        job = _Job(assertions, done)
        queue = self._urgent if urgent else self._others
        queue.extend(_Part(job, start) for start in range(0, len(assertions), PART))
        while self._at_work < min(self._most, len(self._urgent) + len(self._others)):
            self._at_work += 1
            task = asyncio.get_running_loop().create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def hurry(self) -> None:
        """What was not urgent when it was asked is now."""
        self._urgent.extend(self._others)
        self._others.clear()

    async def stop(self) -> None:
        """End all processes; what was not answered never is."""
        self._urgent.clear()
        self._others.clear()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for process in self._idle:
            await _end(process)
        self._idle.clear()

    async def _work(self) -> None:
        """Ask one process after parts until none is left."""
        process: Process | None = None
        try:
            process = self._idle.pop() if self._idle else None
            while parts := self._next():
                asked = [one for part in parts for one in part.assertions]
                try:
                    process = process or await self._start()
                    found = await asyncio.wait_for(_ask(process, asked), DEADLINE_S)
                except _LOST as error:
                    LOG.warning("a process that checks proofs was lost: %r", error)
                    if process is not None:
                        await _end(process)
                        process = None
                    if not any(part.tried for part in parts):
                        for part in reversed(parts):
                            part.tried = True
                            self._urgent.appendleft(part)
                        continue
                    found = check.verify_all(asked)
                for part in parts:
                    count = len(part.assertions)
                    self._answered(part, found[:count])
                    found = found[count:]
        except asyncio.CancelledError:
            if process is not None:
                await _end(process)
            raise
        finally:
            self._at_work -= 1
        if process is not None:
            self._idle.append(process)

    def _next(self) -> list[_Part]:
        """What is asked together next: of one queue, and what was asked before alone."""
        queue, parts, count = self._urgent or self._others, list[_Part](), 0
        while queue and count + len(queue[0].assertions) <= PART and not (parts and queue[0].tried):
            part = queue.popleft()
            count += len(part.assertions)
            parts.append(part)
            if part.tried:
                break
        return parts

    def _answered(self, part: _Part, found: list[bool]) -> None:
        job = part.job
        self.answered += len(found)
        job.answers[part.start] = found
        if sum(map(len, job.answers.values())) == len(job.assertions):
            job.done([one for start in sorted(job.answers) for one in job.answers[start]])

    async def _start(self) -> Process:
        self.started += 1
        return await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE)


async def _ask(process: Process, assertions: Sequence[Assertion]) -> list[bool]:
    """What the process says. Raises one of `_LOST` when it says nothing that could be an answer."""
    assert process.stdin is not None and process.stdout is not None, "it was made with pipes"
    process.stdin.write(question(assertions))
    await process.stdin.drain()
    length = await process.stdout.readexactly(LENGTH_BYTES)
    found = answers(await process.stdout.readexactly(int.from_bytes(length, "big")))
    if len(found) != len(assertions):
        raise ValueError(f"{len(found)} answers to {len(assertions)} questions")
    return found


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    # And not `wait`, which never returns while there is something left in a pipe.
    await process.communicate()
