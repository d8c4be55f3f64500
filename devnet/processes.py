"""Processes of a devnet: started in sessions of their own, found again by pid and command line, signalled.

A pid alone is never trusted, because the system hands them out again: a process counts as ours only if its
command line still names the directory it was started for. Never signals anything else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

POLL_S = 0.02
EXEC_POLL_S = 0.005
EXEC_POLLS = 20
MAX_TAIL_BYTES = 64 * 1024


def spawn(arguments: Sequence[str], log: Path) -> int:
    """Start a program in its own session, output appended to `log`; returns its pid.

    Its own session, so that Ctrl-C in a terminal reaches the one who started the devnet and not the devnet.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    # Only the pid is kept: later commands run in other processes. A set returncode says nobody waits on this
    # object.
    process.returncode = 0
    return process.pid


def state(pid: int | None, marker: str) -> str:
    """`running`, `paused`, or `dead`: gone, a zombie, or somebody else (no `marker` in its command line)."""
    if pid is None or pid <= 1:
        return "dead"
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    code, command = _process(pid)
    for _ in range(EXEC_POLLS):
        # While a program is being loaded its command line is empty for a moment; a kernel thread's stays so.
        if code in ("", "Z", "X") or any(command):
            break
        time.sleep(EXEC_POLL_S)
        code, command = _process(pid)
    if code in ("", "Z", "X") or marker not in command:
        return "dead"
    return "paused" if code in ("T", "t") else "running"


def _process(pid: int) -> tuple[str, list[str]]:
    """State letter and command line of `pid`; empty when there is none."""
    proc = Path("/proc") / str(pid)
    if not Path("/proc/self").exists():
        listing = subprocess.run(
            ["ps", "-o", "state=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return (listing[0][:1], listing[1:]) if listing else ("", [])
    try:
        status = (proc / "stat").read_text()
        command = (proc / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "", []
    return status.rpartition(")")[2].split()[0], command


def send(pid: int | None, marker: str, number: signal.Signals) -> bool:
    """Signal `pid` if it is still ours; False if it is not there (any more)."""
    if pid is None or state(pid, marker) == "dead":
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_state(pid: int | None, marker: str, wanted: str, timeout_s: float) -> bool:
    """True once the process is in this state, False if it still is not after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while state(pid, marker) != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def wait_dead(pid: int | None, marker: str, timeout_s: float) -> bool:
    """True once the process is gone, False if it is still there after `timeout_s`."""
    return wait_state(pid, marker, "dead", timeout_s)


def stop(pid: int | None, marker: str, patience_s: float = 3.0) -> None:
    """End a process: politely, then not. A paused one can't hear the polite part and is woken first."""
    send(pid, marker, signal.SIGTERM)
    send(pid, marker, signal.SIGCONT)
    if not wait_dead(pid, marker, patience_s):
        send(pid, marker, signal.SIGKILL)
        wait_dead(pid, marker, patience_s)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now. Somebody may still take one before its node binds it."""
    sockets = []
    try:
        for _ in range(count):
            probe = socket.socket()
            sockets.append(probe)
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def tail(log: Path, lines: int = 12, start: int = 0) -> str:
    """Last lines of a log, from byte `start` on at most 64 KiB back."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            file.seek(max(start, size - MAX_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
