"""A devnet as a laboratory: time stands still and moves, and a whole devnet goes on from a file."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from contracts.genesis import DevnetClock
from devnet import scenario, snapshot, timing
from devnet.directory import Layout
from devnet.errors import DevnetError
from devnet.lab import span_ms
from devnet.launcher import Launcher
from devnet.tempo import read_clock
from node.cli.output import run as run_cli
from node.clock import ClockSetting, SystemClock, wall_ms
from node.errors import NodeError
from node.home import Home
from node.main import keep_clock, kept_clock
from tests.support.pact import genesis

ORIGIN_MS = 1_700_000_000_000
SMOKE = scenario.load("smoke")


def clock(speed: int = 60) -> SystemClock:
    return SystemClock(DevnetClock(origin_ms=ORIGIN_MS, start_wall_ms=wall_ms(), speed_ppm=speed * 1_000_000))


# Clocks


def test_a_clock_follows_what_another_one_says() -> None:
    """However late it is told: as of the same moment, not as of its own."""
    one, other = clock(), clock()
    one.set(freeze=False, at_ms=ORIGIN_MS + 86_400_000)
    said = one.say()
    other.follow(said)
    assert abs(other.ledger_ms() - one.ledger_ms()) <= 60
    late = ClockSetting(False, said.at_ms, said.said_ms - 1_000)
    other.follow(late)
    assert 60_000 <= other.ledger_ms() - one.ledger_ms() <= 60_000 + 120
    other.follow(ClockSetting(True, 17, said.said_ms))
    assert other.ledger_ms() == 17 and other.say().freeze


def test_a_node_that_starts_goes_by_the_clock_it_had(tmp_path: Path) -> None:
    document = genesis(clock=DevnetClock(origin_ms=ORIGIN_MS, start_wall_ms=wall_ms(), speed_ppm=60_000_000))
    home = Home.at(tmp_path)
    before = clock()
    before.set(freeze=True, at_ms=ORIGIN_MS + 5)
    keep_clock(home, before)
    assert kept_clock(home, document).ledger_ms() == ORIGIN_MS + 5
    home.clock.write_bytes(b"{}")
    with pytest.raises(NodeError) as damaged:
        kept_clock(home, document)
    assert damaged.value.code == "clock.damaged"
    real = kept_clock(home, genesis())
    assert abs(real.ledger_ms() - wall_ms()) < 1_000, "no file moves the clock of a production chain"


@pytest.mark.parametrize(("text", "span"), [("30s", 30_000), ("15m", 900_000), ("2h", 7_200_000), ("1d", 86_400_000)])
def test_spans_of_time(text: str, span: int) -> None:
    assert span_ms(text) == span


@pytest.mark.parametrize("text", ["", "0m", "5", "-5m", "5x", "1.5h", "1234567890s", "٣m"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(DevnetError) as wrong:
        span_ms(text)
    assert wrong.value.code == "devnet.time"


# A devnet


def test_time_stands_moves_and_comes_back_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where, file = tmp_path / "net", tmp_path / "net.tar.gz"
    launcher = Launcher(where)
    launcher.up(SMOKE)
    try:
        frozen = timing.freeze(launcher)
        assert timing.how(launcher).at_ms == frozen.at_ms, "it stands"
        moved = timing.advance(launcher, 3_600_000)
        launcher.restart("campus")
        assert timing.how(launcher).at_ms == frozen.at_ms + 3_600_000 == moved.at_ms
        for by_ms in (0, -1, timing.MAX_ADVANCE_MS + 1):
            with pytest.raises(DevnetError) as refused:
                timing.advance(launcher, by_ms)
            assert refused.value.code == "devnet.time"

        sent = [
            "tx",
            "transfer",
            "--as",
            "solar",
            "--to",
            "campus",
            "--amount-nano",
            "7",
            "--dir",
            str(where),
            "--json",
        ]
        assert cli(sent) == 0
        hash_ = json.loads(capsys.readouterr().out)["hash"]
        assert cli(["devnet", "trace", hash_, "--dir", str(where)]) == 0
        told = capsys.readouterr().out
        assert "contracts.money.transfer" in told and "writes balance/" in told

        heights = [node["height"] for node in launcher.status()]
        assert snapshot.save(launcher, file) == file.stat().st_size
        with pytest.raises(DevnetError) as exists:
            snapshot.save(launcher, file)
        assert exists.value.code == "devnet.snapshot"
        launcher.down()

        again = Launcher(tmp_path / "again")
        document = snapshot.restore(again, file)
        try:
            assert str(where) not in msgspec.json.encode(document).decode()
            assert timing.how(again) == ClockSetting(True, moved.at_ms, timing.how(again).said_ms) or (
                timing.how(again).at_ms == moved.at_ms
            )
            assert [node["height"] >= height for node, height in zip(again.status(), heights, strict=True)] == [
                True
            ] * 4
            timing.go(again)
            assert timing.how(again).at_ms >= moved.at_ms and not timing.how(again).freeze
            setting = read_clock(Layout(tmp_path / "again").clock)
            assert setting is not None and not setting.freeze
            with pytest.raises(DevnetError) as running:
                snapshot.restore(again, file)
            assert running.value.code == "devnet.running"
        finally:
            again.down()
    finally:
        launcher.down()


def cli(arguments: list[str]) -> int:
    from devnet.cli import app

    return run_cli(app, arguments)


@pytest.mark.parametrize(
    "name", ["../outside", "/outside", "a/../../outside"], ids=["upwards", "absolute", "through the middle"]
)
def test_nothing_is_taken_out_beside_the_devnet(name: str, tmp_path: Path) -> None:
    archive(tmp_path / "bad.tar.gz", {"snapshot.json": b"{}", name: b"x"})
    with pytest.raises(DevnetError) as refused:
        snapshot.restore(Launcher(tmp_path / "in" / "net"), tmp_path / "bad.tar.gz")
    assert refused.value.code == "devnet.snapshot"
    assert not (tmp_path / "in" / "outside").exists() and not (tmp_path / "in" / "net").exists()


def test_links_are_not_taken_out(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as made:
        link = tarfile.TarInfo("nodes")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        made.addfile(link)
    with pytest.raises(DevnetError) as refused:
        snapshot.restore(Launcher(tmp_path / "net"), tmp_path / "bad.tar.gz")
    assert refused.value.code == "devnet.snapshot"


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CHRTYPE, b"0"]
)
@pytest.mark.parametrize("size", [2**40, -512])
def test_what_a_head_announces_is_not_read(kind: bytes, size: int, tmp_path: Path) -> None:
    """Names, holes and files as large as a disk, or less than nothing: a small file may not cost much."""
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, size
    (tmp_path / "bad.tar.gz").write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)))
    with pytest.raises(DevnetError) as refused:
        snapshot.restore(Launcher(tmp_path / "net"), tmp_path / "bad.tar.gz")
    assert refused.value.code == "devnet.snapshot" and refused.value.hint
    assert ("holds 'x'" in refused.value.message) is (kind != b"0" or size < 0)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("snapshot.json", b" " * (snapshot.MAX_DOCUMENT_BYTES + 1)),
        ("devnet.json", b'{"scenario": "\xff"}'),
        ("snapshot.json", json.dumps({"format": 1, "root": "/", "running": ["a"], "agents": False, "frozen": True})),
    ],
    ids=["large", "no text", "runs what it has not"],
)
def test_what_was_there_stays_until_a_file_is_known_to_be_good(
    name: str, content: bytes | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {"snapshot.json": json.dumps(SAID).encode(), "devnet.json": json.dumps(DOCUMENT | {"nodes": []}).encode()}
    archive(tmp_path / "good.tar.gz", good)
    bad = content.encode() if isinstance(content, str) else content
    archive(tmp_path / "bad.tar.gz", good | {name: bad})
    launcher = Launcher(tmp_path / "net")
    snapshot.restore(launcher, tmp_path / "good.tar.gz")
    (tmp_path / "net" / "kept").touch()
    with pytest.raises(DevnetError) as refused:
        snapshot.restore(launcher, tmp_path / "bad.tar.gz")
    assert refused.value.code == "devnet.snapshot" and (tmp_path / "net" / "kept").exists()
    monkeypatch.setattr(snapshot, "MAX_BYTES", 10)
    with pytest.raises(DevnetError) as large:
        snapshot.restore(launcher, tmp_path / "good.tar.gz")
    monkeypatch.undo()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(DevnetError) as full:
        snapshot.restore(launcher, tmp_path / "good.tar.gz")
    assert large.value.code == full.value.code == "devnet.snapshot" and "room" in full.value.message
    assert (tmp_path / "net" / "kept").exists()


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x1f\x8b\x08\x00"])
def test_what_is_no_saved_devnet_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DevnetError) as refused:
        snapshot.restore(Launcher(tmp_path / "net"), tmp_path / "file")
    assert refused.value.code == "devnet.snapshot"
    archive(tmp_path / "other.tar.gz", {"readme": b"x"})
    with pytest.raises(DevnetError) as other:
        snapshot.restore(Launcher(tmp_path / "net"), tmp_path / "other.tar.gz")
    assert other.value.code == "devnet.snapshot"


DOCUMENT = {"format": 1, "scenario": "smoke", "chain_id": "smoke-0", "stepped": False, "members": []}
SAID = {"format": snapshot.FORMAT, "root": "/old/net", "running": [], "agents": False, "frozen": True}


def entry(home: str) -> dict[str, object]:
    return {"name": "a", "pid": None, "rpc": "http://127.0.0.1:1", "p2p": "127.0.0.1:2", "home": home, "log": home}


@pytest.mark.parametrize("home", ["/elsewhere/a", "/old/net/../other/a", "relative"])
def test_a_saved_devnet_names_nothing_outside_of_itself(home: str, tmp_path: Path) -> None:
    document = DOCUMENT | {"nodes": [entry(home)]}
    files = {"snapshot.json": json.dumps(SAID).encode(), "devnet.json": json.dumps(document).encode()}
    archive(tmp_path / "bad.tar.gz", files)
    with pytest.raises(DevnetError) as refused:
        snapshot.restore(Launcher(tmp_path / "net"), tmp_path / "bad.tar.gz")
    assert refused.value.code == "devnet.snapshot" and not (tmp_path / "net").exists(), "nothing is left half made"


def test_a_saved_devnet_of_another_format_is_refused(tmp_path: Path) -> None:
    document = DOCUMENT | {"nodes": [entry("/old/net/nodes/a")]}
    for format_, code in ((snapshot.FORMAT + 1, "devnet.snapshot"), (snapshot.FORMAT, "")):
        files = {"snapshot.json": json.dumps(SAID | {"format": format_}).encode()}
        archive(tmp_path / f"{format_}.tar.gz", files | {"devnet.json": json.dumps(document).encode()})
        launcher = Launcher(tmp_path / f"net-{format_}")
        if code:
            with pytest.raises(DevnetError) as refused:
                snapshot.restore(launcher, tmp_path / f"{format_}.tar.gz")
            assert refused.value.code == code
        else:
            (node,) = snapshot.restore(launcher, tmp_path / f"{format_}.tar.gz").nodes
            assert node.home == str(launcher.layout.root / "nodes" / "a")


def test_a_devnet_is_not_saved_into_itself(tmp_path: Path) -> None:
    archive(
        tmp_path / "net.tar.gz",
        {"snapshot.json": json.dumps(SAID).encode(), "devnet.json": json.dumps(DOCUMENT | {"nodes": []}).encode()},
    )
    launcher = Launcher(tmp_path / "net")
    snapshot.restore(launcher, tmp_path / "net.tar.gz")
    with pytest.raises(DevnetError) as refused:
        snapshot.save(launcher, launcher.layout.root / "again.tar.gz")
    assert refused.value.code == "devnet.snapshot"


def archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made.addfile(info, io.BytesIO(content))
