"""The launcher with a program that pretends to be a node: trouble is said, and nothing is left behind."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devnet import launcher as module
from devnet import processes, scenario
from devnet.errors import DevnetError
from devnet.launcher import Launcher
from devnet.run import run as play
from node.errors import NodeError

SMOKE = scenario.load("smoke")
FAKE = (sys.executable, str(Path(__file__).with_name("fake_node.py")))
Make = Callable[[str], Launcher]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Launchers of fake nodes; whatever they leave is stopped."""
    monkeypatch.setattr(module, "first_light", lambda document: None)
    made: list[Launcher] = []

    def new(name: str) -> Launcher:
        made.append(Launcher(tmp_path / name, program=FAKE))
        return made[-1]

    yield new
    for one in made:
        one.down()


def alive(launcher: Launcher) -> list[str]:
    return [node["name"] for node in launcher.status() if node["state"] != "dead"]


def test_a_devnet_comes_up_breaks_and_goes_down(make: Make) -> None:
    one, other = make("one"), make("other")
    document = one.up(SMOKE)
    assert [node.name for node in document.nodes] == list(SMOKE.nodes)
    assert {node["state"] for node in one.status()} == {"running"}
    assert {node["height"] for node in one.status()} == {1}
    other.up(SMOKE)

    one.kill("wind")
    assert alive(one) == ["solar", "campus", "utility"]
    with pytest.raises(DevnetError) as caught:
        one.pause("wind")
    assert caught.value.code == "devnet.not-running"
    one.restart("wind")
    assert len(alive(one)) == 4

    one.pause("solar")
    states = {node["name"]: node for node in one.status()}
    assert (states["solar"]["state"], states["solar"]["height"]) == ("paused", None)
    one.resume("solar")
    assert {node["state"] for node in one.status()} == {"running"}

    pids = [node["pid"] for node in one.status()]
    one.down()
    assert not one.layout.root.exists()
    assert all(processes.state(pid, str(one.layout.nodes)) == "dead" for pid in pids)
    assert len(alive(other)) == 4
    one.down()


def test_keys_are_private_and_plain_and_everybody_has_some(make: Make) -> None:
    one = make("one")
    document = one.up(SMOKE)
    files = list(one.layout.keys.rglob("*.json"))
    assert len(files) == 3 * len(SMOKE.members) + len(SMOKE.meters)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert len({file.read_text() for file in files}) == len(files)
    assert {entry.id: entry.balance_nano for entry in document.members} == {
        member.id: str(member.balance_nano) for member in SMOKE.members
    }


def test_a_running_devnet_is_not_started_over(make: Make) -> None:
    one = make("one")
    one.up(SMOKE)
    with pytest.raises(DevnetError) as caught:
        one.up(SMOKE)
    assert caught.value.code == "devnet.running"
    with pytest.raises(DevnetError):
        play(SMOKE, one.layout.root)
    assert len(alive(one)) == 4


def test_what_a_crash_left_is_replaced(make: Make) -> None:
    one = make("one")
    first = one.up(SMOKE)
    for node in first.nodes:
        one.kill(node.name)
    assert one.up(SMOKE).chain_id != first.chain_id
    assert len(alive(one)) == 4


def test_a_start_that_was_killed_half_way_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(Exception):
        """Stands for SIGKILL: nothing after it runs."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    one = make("one")
    with monkeypatch.context() as patched:
        patched.setattr(module, "found", die)
        patched.setattr(Launcher, "kill_all", lambda self: None)
        with pytest.raises(Killed):
            one.up(SMOKE)
    assert one.status() == []
    one.up(SMOKE)
    assert len(alive(one)) == 4


def test_a_node_that_ends_at_its_start_is_quoted(make: Make, tmp_path: Path) -> None:
    (tmp_path / "behaviour-campus").write_text("fail")
    one = make("one")
    with pytest.raises(DevnetError) as caught:
        one.up(SMOKE)
    assert caught.value.code == "devnet.start"
    assert "campus" in caught.value.message
    assert "the store is in a bad mood" in caught.value.message
    assert alive(one) == []


def test_a_node_that_never_gets_ready_is_given_up(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.5)
    (tmp_path / "behaviour-utility").write_text("mute")
    one = make("one")
    with pytest.raises(DevnetError) as caught:
        one.up(SMOKE)
    assert caught.value.code == "devnet.timeout"
    assert "utility" in caught.value.message
    assert alive(one) == []


def test_a_port_that_is_taken_meanwhile_is_replaced(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real = processes.free_ports
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        stolen = thief.getsockname()[1]
        given: list[list[int]] = []

        def unlucky(count: int) -> list[int]:
            ports = real(count)
            if not given:
                ports[-1] = stolen
            given.append(ports)
            return ports

        monkeypatch.setattr(processes, "free_ports", unlucky)
        one = make("one")
        one.up(SMOKE)
    assert len(given) == 2
    assert len(alive(one)) == 4


def test_bad_luck_with_ports_ends(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        stolen = thief.getsockname()[1]
        monkeypatch.setattr(processes, "free_ports", lambda count: [stolen] * count)
        with pytest.raises(NodeError) as caught:
            make("one").up(SMOKE)
    assert caught.value.code in ("devnet.ports", "genesis.duplicate")


def test_somebody_elses_directory_is_left_alone(make: Make, tmp_path: Path) -> None:
    precious = tmp_path / "one" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    one = make("one")
    with pytest.raises(DevnetError) as caught:
        one.up(SMOKE)
    assert caught.value.code == "devnet.directory"
    one.down()
    one.layout.remove()
    assert precious.read_text() == "years of work"


def test_without_a_devnet_every_command_says_so(make: Make) -> None:
    one = make("one")
    for command in (one.status, one.heal, lambda: one.kill("solar"), lambda: one.log_tail("solar", 5)):
        with pytest.raises(DevnetError) as caught:
            command()
        assert caught.value.code == "devnet.none"
        assert "devnet up" in caught.value.hint


def test_names_are_checked(make: Make) -> None:
    one = make("one")
    one.up(SMOKE)
    with pytest.raises(DevnetError) as caught:
        one.kill("solra")
    assert caught.value.code == "devnet.no-node"
    assert "solar" in caught.value.hint
    with pytest.raises(DevnetError) as caught:
        one.partition([["solar"], ["solar", "wind"]])
    assert caught.value.code == "devnet.partition"
