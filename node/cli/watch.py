"""`--watch`: a command that reads is run again whenever the ledger has gone on, until Ctrl-C, which is no failure.

A terminal is drawn anew in place. Elsewhere an answer follows the one before it where something has changed, with
--json as one document each. While no node answers, the last answer stays, marked as stale. Never asks more than four
times a second, and sends nothing.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple, Protocol, Self

import typer

from node.cli.context import node_urls
from node.cli.output import passing_errors_on, progress, reporting
from node.errors import NodeError, RpcError

MIN_GAP_S = 0.25
"""Between the beginnings of two looks, however many blocks are made."""
LOOK_S = 2.0
"""Without a block it looks again after so long: clocks, and what waits, change without one."""
RETRY_S = 1.0
"""Between two attempts to reach a node."""
AWAY = frozenset({"rpc.unreachable", "rpc.timeout"})
"""Codes that say that no node answers."""
STANDING = "As of block "
"""The line of an answer that changes with every block, also where nothing else does."""


class Frame(NamedTuple):
    """What one run of the command printed; `error`: why it printed nothing."""

    text: str
    error: NodeError | None = None


class Shows(Protocol):
    """Where frames go."""

    def show(self, frame: Frame) -> None: ...
    def stale(self, error: NodeError) -> None: ...


def watch(once: Callable[[], object], options: Mapping[str, Any]) -> None:
    """Run a command with these options, and again after every block of the nodes that they name, until Ctrl-C.

    An error of the first run is the command's; afterwards what it says is shown, and it goes on.
    """
    as_json = bool(options["as_json"])
    with reporting(as_json), _ended_by_signals():
        if options.get("as_csv"):
            raise NodeError("cli.format", "A table that is watched has no end.", "Give --watch with --json, not --csv.")
        # Before anything is followed: who asks for what is not there is told so at once.
        frame = _run(once)
        if frame.error is not None:
            raise frame.error
        urls = node_urls(options["node"], options["directory"]) if "node" in options else ()
        with _screen(as_json) as screen, Blocks(urls) as blocks:
            while True:
                if frame.error is not None and frame.error.code in AWAY:
                    screen.stale(frame.error)
                else:
                    screen.show(frame)
                looked = monotonic()
                blocks.wait(LOOK_S)
                blocks.pause(looked + MIN_GAP_S - monotonic())
                frame = _run(once)


def _run(once: Callable[[], object]) -> Frame:
    printed = _Printed()
    try:
        # How a command ends says nothing that does not stand in what it prints.
        with redirect_stdout(printed), passing_errors_on(), suppress(typer.Exit):
            once()
    except NodeError as error:
        return Frame("", error)
    return Frame(printed.getvalue())


class _Printed(io.StringIO):
    """What would have gone to stdout, in the same style."""

    def __init__(self) -> None:
        super().__init__()
        self._terminal = sys.stdout.isatty()

    def isatty(self) -> bool:
        return self._terminal


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and a reader that is gone end it as Ctrl-C does, with the terminal as it was."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # What is left in the buffer has nobody to go to, either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _screen(as_json: bool) -> Iterator[Shows]:
    if as_json or not sys.stdout.isatty():
        yield _Lines(as_json)
        return
    from rich.live import Live

    with Live(auto_refresh=False, screen=True) as live:
        drawn = _Drawn(live)
        try:
            yield drawn
        finally:
            live.stop()
            # The last answer stays on the terminal.
            print(drawn.text, end="")


class _Lines:
    """One answer below the other, those that say something new."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._shown: object = None
        self._away = False

    def show(self, frame: Frame) -> None:
        self._away = False
        text = frame.text if frame.error is None else _said(frame.error, as_json=self._as_json)
        new = self._essence(text)
        if new == self._shown:
            return
        between = "\n" if self._shown is not None and not self._as_json else ""
        self._shown = new
        print(between + text, end="", flush=True)

    def stale(self, error: NodeError) -> None:
        if not self._away:
            progress(f"{error.message} What stands above is as of then; trying again ...")
        self._away = True

    def _essence(self, text: str) -> object:
        """What has to differ for an answer to be another one: not just the block that it is as of."""
        if not self._as_json:
            return [line for line in text.splitlines() if not line.startswith(STANDING)]
        try:
            document: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError:
            return text
        return {name: value for name, value in document.items() if name not in ("height", "time_ms", "proof")}


class _Drawn:
    """The screen of a terminal."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self.text = ""

    def show(self, frame: Frame) -> None:
        self.text = frame.text if frame.error is None else _said(frame.error, as_json=False)
        self._draw("Follows the ledger; Ctrl-C ends it.")

    def stale(self, error: NodeError) -> None:
        self._draw(f"STALE since {datetime.now(UTC):%H:%M:%S} UTC: {error.message} Trying again ...")

    def _draw(self, head: str) -> None:
        from rich.console import Group
        from rich.text import Text

        lines = self.text.rstrip("\n").split("\n")
        room = max(1, shutil.get_terminal_size().lines - 3)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"... and {len(lines) - room + 1} lines more; a higher window shows them."]
        style = "bold red" if head.startswith("STALE") else "dim"
        self._live.update(Group(Text(head, style=style), Text(), Text.from_ansi("\n".join(lines))), refresh=True)


def _said(error: NodeError, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(error.document()) + "\n"
    return f"Error ({error.code}): {error.message}\n" + (f"Next: {error.hint}\n" if error.hint else "")


class Blocks:
    """Tells when a node of `urls` has a new block, or has come back; in a thread, since commands block."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._news = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._following: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def __enter__(self) -> Self:
        if self._urls:
            self._thread.start()
            self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._following is not None:
            self._loop.call_soon_threadsafe(self._following.cancel)
            self._thread.join()

    def wait(self, timeout_s: float) -> None:
        """Return at the next block, at the latest after `timeout_s`; blocks before this one are old news then."""
        self._news.wait(timeout_s)

    def pause(self, seconds: float) -> None:
        """Let blocks gather that come at once."""
        if seconds > 0:
            threading.Event().wait(seconds)
        self._news.clear()

    def _work(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._follow())

    async def _follow(self) -> None:
        from node.client import Client

        self._loop, self._following = asyncio.get_running_loop(), asyncio.current_task()
        self._ready.set()
        while True:
            for url in self._urls:
                with suppress(RpcError):
                    async with Client(url) as client:
                        await client.status()
                        self._news.set()
                        async for _ in client.events(("block",)):
                            self._news.set()
                # Whoever watches is told by looking that it is gone.
                self._news.set()
            await asyncio.sleep(RETRY_S)
