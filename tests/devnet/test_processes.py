"""Processes are found by pid and command line, and nobody else's process is ever touched."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devnet import processes

STUBBORN = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
POLITE = (
    "import signal, sys\n"
    "def leave(*_):\n    print('bye', flush=True)\n    sys.exit()\n"
    "signal.signal(signal.SIGTERM, leave)\nprint('up', flush=True)\nsignal.pause()"
)
PATIENT = "import signal; print('up', flush=True); signal.pause()"


class Child:
    def __init__(self, directory: Path, program: str) -> None:
        self.log = directory / "log"
        self.marker = str(directory)
        self.pid = processes.spawn([sys.executable, "-c", program, self.marker], self.log)

    def wait_up(self) -> None:
        deadline = 500
        while b"up" not in self.log.read_bytes():
            deadline -= 1
            assert deadline, "the child starts"
            assert not processes.wait_dead(self.pid, self.marker, 0.01)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Child]:
    child = Child(tmp_path, PATIENT)
    child.wait_up()
    yield child
    processes.send(child.pid, child.marker, signal.SIGKILL)


def test_a_child_lives_in_a_session_of_its_own(patient: Child) -> None:
    assert os.getsid(patient.pid) == patient.pid != os.getsid(0)
    assert processes.state(patient.pid, patient.marker) == "running"


def test_somebody_elses_pid_is_dead_to_us(patient: Child) -> None:
    other = patient.marker + "-other"
    assert processes.state(patient.pid, other) == "dead"
    assert not processes.send(patient.pid, other, signal.SIGKILL)
    processes.stop(patient.pid, other)
    assert processes.state(patient.pid, patient.marker) == "running"
    for pid in (None, 0, 1, -1, 2**22 + 1):
        assert processes.state(pid, patient.marker) == "dead"


def test_a_paused_process_is_seen_woken_and_stopped(patient: Child) -> None:
    assert processes.send(patient.pid, patient.marker, signal.SIGSTOP)
    assert processes.wait_state(patient.pid, patient.marker, "paused", 5)
    processes.stop(patient.pid, patient.marker)
    assert processes.state(patient.pid, patient.marker) == "dead"
    assert not processes.send(patient.pid, patient.marker, signal.SIGCONT)


def test_a_paused_process_hears_the_polite_part(tmp_path: Path) -> None:
    child = Child(tmp_path, POLITE)
    child.wait_up()
    processes.send(child.pid, child.marker, signal.SIGSTOP)
    assert processes.wait_state(child.pid, child.marker, "paused", 5)
    processes.stop(child.pid, child.marker, patience_s=5)
    assert processes.tail(child.log) == "up\nbye"


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = Child(tmp_path, STUBBORN)
    child.wait_up()
    processes.stop(child.pid, child.marker, patience_s=0.1)
    assert processes.state(child.pid, child.marker) == "dead"


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    child = Child(tmp_path, "print('up')")
    assert processes.wait_dead(child.pid, child.marker, 10)


def test_free_ports_are_distinct_and_free() -> None:
    ports = processes.free_ports(14)
    assert len(set(ports)) == 14
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_tail_is_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(20_000)))
    assert processes.tail(log, 2) == "line 19998\nline 19999"
    assert processes.tail(log, 5, start=log.stat().st_size - 11) == "line 19999"
    assert processes.tail(tmp_path / "none") == ""
