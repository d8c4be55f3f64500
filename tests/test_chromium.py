"""Which Chromium the browser tests get: asked of the script that finds or installs it, with programs that only tell
what they were asked to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devnet import chromium

SCRIPT = Path(__file__).parent / "browser" / "chromium.sh"


class Machine:
    """A machine that has the programs which a test gives it, and nothing else."""

    def __init__(self, root: Path) -> None:
        self.programs = root / "bin"
        self.programs.mkdir()
        self.log = root / "log"
        self.log.touch()

    def has(self, name: str, does: str = "") -> Path:
        """A program of that name, which logs how it was called before it does something."""
        made = self.programs / name
        made.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.log}"\n{does}\n')
        made.chmod(0o755)
        return made

    def asked(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """What the script says."""
        return subprocess.run(
            [SCRIPT], env={"PATH": str(self.programs)} | environment, capture_output=True, text=True, check=False
        )

    def apt(self) -> list[str]:
        """What was asked of apt, without its options."""
        lines = [line.split() for line in self.log.read_text().splitlines() if line.startswith("apt-get")]
        return [next(word for word in line if word in {"update", "install"}) for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def installs(machine: Machine, *, lists: int = 0, fails: bool = False) -> None:
    """Root's apt, which copies a program for `chromium`; `lists` is the exit code of an update."""
    machine.has("id", "echo 0")
    there = machine.programs / "chromium"
    installed = "exit 100" if fails else f'echo "#!/bin/sh" >"{there}"; /bin/chmod +x "{there}"'
    install = f"*install*--no-install-recommends*) {installed};;"
    machine.has("apt-get", f'case "$*" in *update*) exit {lists};; {install} esac')


def test_one_that_is_there_is_taken_and_nothing_is_installed(machine: Machine) -> None:
    installs(machine)
    there = machine.has("chromium")
    said = machine.asked()
    assert (said.returncode, said.stdout.strip(), machine.apt()) == (0, str(there), [])


def test_one_that_is_named_is_taken_and_nothing_is_installed(machine: Machine, tmp_path: Path) -> None:
    installs(machine)
    named = machine.has("mine").rename(tmp_path / "mine")
    machine.has("chromium")
    said = machine.asked(CHROMIUM=str(named))
    assert (said.returncode, said.stdout.strip(), machine.apt()) == (0, str(named), [])


def test_one_that_is_named_and_is_none_is_an_error_and_nothing_is_installed(machine: Machine) -> None:
    installs(machine)
    said = machine.asked(CHROMIUM="/nowhere/chromium")
    assert said.returncode == 1 and "/nowhere/chromium" in said.stderr and machine.apt() == []


def test_root_gets_one_from_apt_whose_words_are_not_taken_for_its_path(machine: Machine) -> None:
    installs(machine)
    said = machine.asked()
    assert (said.returncode, said.stdout.strip()) == (0, str(machine.programs / "chromium"))
    assert machine.apt() == ["update", "install"]
    assert all("Acquire::Retries" in line for line in machine.log.read_text().splitlines() if "apt-get" in line)


def test_a_list_that_can_not_be_fetched_does_not_keep_apt_from_installing(machine: Machine) -> None:
    installs(machine, lists=100)
    assert machine.asked().returncode == 0
    assert machine.apt() == ["update", "install"]


def test_an_installation_that_fails_names_the_command(machine: Machine) -> None:
    installs(machine, fails=True)
    said = machine.asked()
    assert said.returncode == 1 and said.stdout == ""
    assert "apt-get install --no-install-recommends chromium" in said.stderr


def test_nobody_but_root_installs_and_is_told_the_command(machine: Machine) -> None:
    installs(machine)
    machine.has("id", "echo 1000")
    said = machine.asked()
    assert said.returncode == 1 and said.stdout == "" and machine.apt() == []
    assert "sudo apt-get install --no-install-recommends chromium" in said.stderr


def test_without_apt_the_need_is_named(machine: Machine) -> None:
    machine.has("id", "echo 0")
    said = machine.asked()
    assert said.returncode == 1 and "CHROMIUM=" in said.stderr


def test_programs_are_found_as_the_script_finds_them(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.programs))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert chromium.program() is None
    there = machine.has("chromium")
    assert chromium.program() == str(there)
    monkeypatch.setenv("CHROMIUM", str(machine.programs / "other"))
    assert chromium.program() is None
