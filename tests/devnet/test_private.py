"""Private billing on real nodes, and the search for what nobody may know."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from devnet import leaks, scenario
from devnet.directory import Layout
from devnet.leaks import Secret
from devnet.run import run as play
from devnet.scenario import Scenario
from node.ledger.store import LevelStore

MONTH = scenario.load("private-campus")
KEY = bytes(range(100, 132))
SECRETS = (Secret.of_bytes("wind", "blinding", KEY), Secret.of_value("wind", "use", 30_000))


def small() -> Scenario:
    """Two tenants, two suppliers and four nodes."""
    text = b"""
base = "private-campus"
validators = 4
[expect]
private_cycles = { uses = 4 }
readings_at_least = 4
[[fleets]]
prefix = "tenant"
name = "Tenant"
count = 2
peak_w = [20_500, 60_500]
profiles = ["flat"]
balance_nano = 1_000_000_000_000
cycle_wh = 4_711
private = { campus = "campus", tariff_nano_per_wh = 130_007, low_wh = 1_000, high_wh = 3_000 }
[[members]]
id = "solar"
name = "Solar field"
roles = ["supplier"]
balance_nano = 100_000_000_000
able = true
[[members]]
id = "wind"
name = "Wind park"
roles = ["supplier"]
balance_nano = 100_000_000_000
able = true
[[members]]
id = "campus"
name = "Data-centre campus"
roles = ["campus"]
balance_nano = 100_000_000_000
able = true
[[members]]
id = "utility"
name = "Public grid"
roles = ["utility"]
balance_nano = 100_000_000_000
able = true
[[meters]]
id = "solar-1"
member = "solar"
kind = "source"
rating_w = 100_000
cycle_wh = 3_000
private = { campus = "campus", tariff_nano_per_wh = 100_003, fixed_wh = 20 }
[[meters]]
id = "wind-1"
member = "wind"
kind = "source"
rating_w = 100_000
cycle_wh = 1_721
private = { campus = "campus", tariff_nano_per_wh = 110_017, loss_ppm = 10_000, accuracy_wh = 3 }
"""
    return scenario.parse(text)


def test_a_supplier_learns_nothing_and_a_planted_secret_is_found(tmp_path: Path) -> None:
    root = tmp_path / "net"
    report = play(small(), root, keep=True)
    assert report.ok, report.failures
    (ended,) = report.private
    assert sorted(ended["outcomes"].values()) == ["within", "within"], "10 Wh were lost on the way"
    layout = Layout(root)
    others = [one for one in leaks.load(layout.secrets) if one.owner != "solar"]
    assert {one.owner for one in others} == {"campus", "wind", "tenant-01", "tenant-02"}
    home, heard = layout.nodes / "solar", layout.traffic / "solar"
    assert heard.stat().st_size > 100_000
    assert leaks.search(home, others) == leaks.search(heard, others) == []

    planted, amount = (next(one for one in others if is_kind(one)) for is_kind in (_is_key, _is_amount))
    with (home / "node.log").open("a") as log:
        log.write(f"paying with {bytes.fromhex(planted.data).hex()}\n")
    store = LevelStore(home / "data" / "store")
    store.write([(b"zz", msgspec.msgpack.encode(["bill", [{"nano": amount.value}]]))], sync=True)
    store.close()
    with heard.open("ab") as file:
        file.write(base64.b64encode(b"?" + bytes.fromhex(planted.data)))
    found = leaks.search(home, others)
    assert {(one.secret, Path(one.place.partition(": ")[0]).name) for one in found} >= {
        (planted, "node.log"),
        (amount, "store"),
    }
    assert [one.secret for one in leaks.search(heard, others)] == [planted]


def _is_key(secret: Secret) -> bool:
    return secret.what == "note key"


def _is_amount(secret: Secret) -> bool:
    return secret.value is not None and secret.value >= leaks.LEAST_TELLING


def test_the_month_is_the_papers() -> None:
    hidden = [meter for meter in MONTH.meters if meter.private is not None]
    used = [meter.cycle_wh for meter in hidden if meter.kind == "load"]
    assert [meter.cycle_wh for meter in hidden if meter.kind == "source"] == [31_000, 30_000, 15_100, 14_900]
    assert (len(used), sum(used)) == (53, 91_000)
    assert all(1_000 <= one <= 3_000 for one in used)


FORMS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda key: key[::-1],
    lambda key: key.hex().encode(),
    lambda key: key.hex().upper().encode(),
    lambda key: b"x" + base64.b64encode(key),
    lambda key: base64.b64encode(b"a" + key + b"z"),
    lambda key: base64.urlsafe_b64encode(b"ab" + key),
    lambda key: str(int.from_bytes(key, "big")).encode(),
    lambda key: str(int.from_bytes(key, "little")).encode(),
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", [0, 1, 7, 13])
def test_every_form_of_a_key_is_found_wherever_it_stands(
    tmp_path: Path, form: Callable[[bytes], bytes], before: int
) -> None:
    (tmp_path / "file").write_bytes(b"q" * before + form(KEY) + b"qq")
    assert [one.secret for one in leaks.search(tmp_path, SECRETS)] == [SECRETS[0]]
    (tmp_path / "file").write_bytes(b"q" * before + form(bytes(32)) + form(KEY)[:20])
    assert leaks.search(tmp_path, SECRETS) == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("used 30000 Wh", True),
        ("used 30,000 Wh", True),
        ("30_000", True),
        ('{"energy_wh":30000}', True),
        ('{"energy_wh": "30000"}', True),
        ("300001", False),
        ("1.30000", False),
        ("30,0000", False),
        ("127.0.0.1:30000", False),
        ('{"since_ms":30000}', False),
    ],
)
def test_figures_are_found_in_text_and_ports_and_times_are_none(tmp_path: Path, text: str, is_found: bool) -> None:
    (tmp_path / "log").write_text(text)
    assert [one.secret for one in leaks.search(tmp_path, SECRETS)] == ([SECRETS[1]] if is_found else [])


def test_figures_are_found_inside_records_and_records_inside_records(tmp_path: Path) -> None:
    inner = msgspec.msgpack.encode([1, ["a", 30_000]])
    for record in (["a", [30_000]], {"a": {"b": 30_000}}, [b"", inner]):
        assert list(leaks.integers(msgspec.msgpack.encode(record))).count(30_000) == 1
    store = LevelStore(tmp_path / "store")
    store.write([(b"key", msgspec.msgpack.encode([["x"], inner])), (KEY, b"1")], sync=True)
    store.close()
    assert {one.secret for one in leaks.search(tmp_path, SECRETS)} == set(SECRETS)


def test_secrets_are_kept_as_they_were_written_down(tmp_path: Path) -> None:
    path = tmp_path / "secrets.jsonl"
    leaks.keep(path, SECRETS)
    leaks.keep(path, SECRETS[:1])
    assert leaks.load(path) == SECRETS
    assert io.BytesIO(path.read_bytes()).readline().endswith(b"\n")
