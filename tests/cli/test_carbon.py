"""Carbon on the command line: reports that a stranger proves, figures with who vouches for them, wrong input."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.bodies import Offer, OfferBlock
from contracts.carbon.bodies import RegisterFactor
from contracts.cycles import cycle_of
from contracts.params import CarbonParams
from contracts.records import Schedule
from contracts.schema import CARBONS, CARRIED, CERTIFICATES, EMITTED, SCHEDULE, SCHEDULES
from node.carbon_report import Records, make_report, needed_keys
from node.rpc.server import RpcServer
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, METERS, PARAMS, Chain, Promised
from tests.support.pact import meter

FIRST = INTERVAL + 1
COUNT = 3
CYCLE = cycle_of(PARAMS, INTERVAL)
SITE = msgspec.structs.replace(PARAMS, carbon=CarbonParams(site_ug=4_000, travel_ug=30))
ALL = (*METERS, meter("wind-1", "wind", "source"), meter("tenant-1", "biodiesel"))


class Site(Devnet):
    """Two sources, two consumers; biodiesel certifies."""

    async def _start(self) -> tuple[Chain, RpcServer, str]:
        chain = Chain(meters=ALL, params=SITE, roles={"biodiesel": ("certifier",)})
        server = Promised(chain, "127.0.0.1", 0)
        return chain, server, await server.start()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "devnet")
    yield made
    made.stop()


def run(site: Site, count: int = COUNT, **bodies: Any) -> None:
    """Certified sun and uncertified wind for two consumers, read, closed and settled."""
    chain, speaker = site.chain, site.chain.speaker

    async def go() -> None:
        chain.automatic = False
        said = RegisterFactor("solar-1", "TUV-7", "cradle to grave", 0, 40, FIRST, FIRST + 100)
        await chain.submit([speaker.member("biodiesel", said)])
        await chain.produce()
        await chain.submit([speaker.member("solar", Offer("solar-1", FIRST, (OfferBlock(100_000, 9_000),)))])
        await chain.produce()
        for at in range(count):
            interval, times = FIRST + at, at + 1
            await chain.produce(interval * PARAMS.interval_ms)
            registers = {"solar-1": (0, 3_000), "wind-1": (0, 1_000), "campus-1": (2_500, 0), "tenant-1": (1_500, 0)}
            await chain.submit(
                [speaker.reading(name, interval, a * times, b * times) for name, (a, b) in sorted(registers.items())]
            )
            await chain.produce()
        await chain.produce((FIRST + count) * PARAMS.interval_ms + PARAMS.close_grace_ms)
        chain.automatic = True
        await chain.settle()

    site.call(go())


POOL = 3_000 * 40 + 1_000 * 1_000_000


def test_a_report_of_the_site_balances_and_names_who_vouches(site: Site) -> None:
    run(site)
    shown = site.document("carbon", "report")["data"]
    assert (shown["cycle"], shown["booked_intervals"], shown["status"]) == (CYCLE, COUNT, "open")
    sums = {name: int(value) for name, value in shown["totals"].items()}
    assert sums["emitted_ug"] == COUNT * (POOL + 4_030) == sums["attributed_ug"]
    assert sums["embodied_ug"] == COUNT * 3_000 * 40 and sums["site_ug"] == COUNT * 4_000
    factors = {one["meter"]: one for one in shown["factors"]}
    sun = factors["solar-1"]
    assert (sun["certifier"], sun["certificate"], sun["boundary"]) == ("biodiesel", "TUV-7", "cradle to grave")
    assert (sun["embodied_ug"], sun["origin_wh"]) == (str(COUNT * 3_000 * 40), COUNT * 3_000)
    assert (factors["wind-1"]["basis"], factors["wind-1"]["boundary"]) == ("worst", "worst on the ledger")
    assert shown["unexplained_ug"] == "0" and "carbon.site_ug" in shown["fixed"]["certificate"]
    assert "(none)" in site.run("carbon", "report").stdout
    members = [site.document("carbon", "report", "--member", name)["data"] for name in ("campus", "biodiesel")]
    assert sum(int(one["totals"]["carried_ug"]) for one in members) == sums["attributed_ug"]
    assert members[0]["lines"][0]["mix_ug_per_wh"] == POOL // 4_000


def test_a_report_is_proven_with_headers_alone(site: Site, tmp_path: Path) -> None:
    run(site)
    genesis_file = str(site.root / "nodes" / "solar" / "genesis.mp")
    for about in ([], ["--member", "campus"], ["--from", str(FIRST), "--until", str(FIRST + 2)]):
        file = tmp_path / "report.json"
        shown = site.run("carbon", "report", *about, "--prove-to", str(file))
        assert shown.exit_code == 0, shown.output
        assert "Proven: Intervals " in shown.stdout and f"gridpact carbon verify {file}" in shown.stdout
        checked = site.document("carbon", "verify", str(file), "--genesis", genesis_file)
        assert checked["valid"] and checked["totals"] == site.document("carbon", "report", *about)["data"]["totals"]
        text = site.run("carbon", "verify", str(file), "--genesis", genesis_file).stdout
        assert "Valid. Intervals " in text and "TUV-7" in text


def _drop(meter_: str) -> Callable[[dict[str, Any]], None]:
    def drop(file: dict[str, Any]) -> None:
        entries = file["proof"]["entries"]
        kept = [one for one in entries if meter_.encode() not in bytes.fromhex(one["key"])]
        assert len(kept) < len(entries)
        file["proof"]["entries"] = kept

    return drop


def _total(file: dict[str, Any]) -> None:
    file["report"]["totals"]["carried_ug"] = str(int(file["report"]["totals"]["carried_ug"]) - 1)


def _boundary(file: dict[str, Any]) -> None:
    file["report"]["factors"][0]["boundary"] = "operation alone"


def _interval(file: dict[str, Any]) -> None:
    entries = file["proof"]["entries"]
    file["proof"]["entries"] = [one for one in entries if bytes.fromhex(one["key"]) != b"carbon/%010d" % FIRST]


def _offset(file: dict[str, Any]) -> None:
    file["report"]["retired_offsets_ug"] = "1"


def _member(file: dict[str, Any]) -> None:
    file["report"]["member"] = None


def _period(file: dict[str, Any]) -> None:
    file["report"]["until_interval"] = file["report"]["first_interval"]


def _huge(file: dict[str, Any]) -> None:
    file["report"]["until_interval"] = 2**32


def test_no_altered_report_passes(site: Site, tmp_path: Path) -> None:
    run(site, 1)
    file = tmp_path / "report.json"
    assert site.run("carbon", "report", "--member", "campus", "--prove-to", str(file)).exit_code == 0
    drops = [_drop(what) for what in ("solar-1", "emitted", "certificate")]
    for alter in (_total, _boundary, _interval, _offset, _member, *drops):
        read = json.loads(file.read_text())
        alter(read)
        answer = site.document("carbon", "verify", "-", exit_code=1, stdin=json.dumps(read).encode())
        assert answer["code"] == "proof.carbon", alter
    for alter in (_period, _huge):
        read = json.loads(file.read_text())
        alter(read)
        answer = site.document("carbon", "verify", "-", exit_code=1, stdin=json.dumps(read).encode())
        assert answer["code"] == "proof.carbon" and "3000 intervals" in answer["message"]


def test_no_report_passes_that_is_made_to_fit_what_its_file_leaves_out_or_adds(site: Site, tmp_path: Path) -> None:
    """A forger who says what its own choice of true records says."""
    run(site, 2)
    file, longer = tmp_path / "report.json", tmp_path / "longer.json"
    assert site.run("carbon", "report", "--member", "campus", "--prove-to", str(longer)).exit_code == 0
    short = ("--from", str(FIRST), "--until", str(FIRST + 1))
    assert site.run("carbon", "report", "--member", "campus", *short, "--prove-to", str(file)).exit_code == 0
    whole, one = json.loads(longer.read_text()), json.loads(file.read_text())
    booked = {b"carbon/%010d" % FIRST, b"carried/%010d/campus" % FIRST, b"emitted/%010d/" % FIRST}

    def of_interval(entry: dict[str, Any]) -> bool:
        return any(bytes.fromhex(entry["key"]).startswith(key) for key in booked)

    left_out = [entry for entry in whole["proof"]["entries"] if not of_interval(entry)]
    assert 0 < len(left_out) < len(whole["proof"]["entries"])
    forged = [fit(site, {**whole, "proof": {**whole["proof"], "entries": left_out}})]
    for name in (b"emitted/%010d/" % (FIRST + 1), b"carbon/%010d" % (FIRST + 1), b"schedule/"):
        added = [entry for entry in whole["proof"]["entries"] if bytes.fromhex(entry["key"]).startswith(name)]
        forged.append(fit(site, {**one, "proof": {**one["proof"], "entries": one["proof"]["entries"] + added}}))
    forged.append({**one, "proof": {**one["proof"], "entries": whole["proof"]["entries"]}})
    for file_ in forged:
        answer = site.document("carbon", "verify", "-", exit_code=1, stdin=json.dumps(file_).encode())
        assert answer["code"] == "proof.carbon"


def fit(site: Site, file: dict[str, Any]) -> dict[str, Any]:
    """The file with the report that its records would make."""
    stated = file["report"]
    first, until = stated["first_interval"], stated["until_interval"]
    held = {bytes.fromhex(one["key"]): one["value"] for one in file["proof"]["entries"]}
    needed = set(needed_keys(PARAMS, first, until, "campus", stated["as_of_ms"]))
    known = {key: bytes.fromhex(value) for key, value in held.items() if value is not None}
    of_tables = [key for key in held.keys() - needed if key.startswith((b"emitted/", b"certificate/"))]
    emitted = [EMITTED.decode_entry(known[key]) for key in of_tables if key.startswith(b"emitted/")]
    said = [CERTIFICATES.decode(known[key]) for key in of_tables if key.startswith(b"certificate/")]
    times = range(first, until)
    records = Records(
        SCHEDULES.decode(known[SCHEDULE]) if SCHEDULE in known else Schedule((), ()),
        {t: CARBONS.decode(known[key]) for t in times if (key := CARBONS.key(t)) in known},
        {t: CARRIED.decode_entry(known[key]) for t in times if (key := CARRIED.key(t, "campus")) in known},
        emitted,
        {(one.meter, one.number): one for one in said},
        (),
    )
    try:
        made = make_report(PARAMS, first, until, "campus", stated["as_of_ms"], records)
    except ValueError:
        made = stated
    return {**file, "report": made}


def test_leaving_out_a_meter_is_said_and_not_silent(site: Site) -> None:
    run(site, 1)
    site.document("tx", "access", "revoke", "--as", "wind", "--kind", "energy")
    answer = site.document("carbon", "report")
    assert answer["withheld"] == {"energy": 1}
    assert answer["data"]["unexplained_ug"] == str(1_000 * 1_000_000)
    own = site.document("carbon", "report", "--as", "wind")["data"]
    assert own["unexplained_ug"] == "0"
    assert "that are not shown" in site.run("carbon", "report", "--prove").stdout


def test_explained_it_says_where_the_figures_come_from(site: Site) -> None:
    run(site)
    text = site.run("carbon", "report", "--explain").stdout
    assert "kg entered: " in text and "nothing is subtracted" in text
    assert "wind-1 brought 3,000 Wh at 1,000,000 operating and 0 embodied ug per Wh: 3.000 kg" in text
    said = site.document("carbon", "report", "--member", "campus", "--explain")["data"]["explained"]
    assert said[1].startswith("campus consumed 7,500 Wh, and carries ")


def test_csv_has_a_row_per_interval(site: Site) -> None:
    run(site)
    result = site.run("carbon", "report", "--member", "campus", "--csv")
    found = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode(), newline="")))
    lines = site.document("carbon", "report", "--member", "campus")["data"]["lines"]
    assert [one["line_carried_ug"] for one in found] == [one["carried_ug"] for one in lines]
    assert {"line_interval", "line_start_utc", "line_consumed_wh", "line_mix_ug_per_wh"} <= found[0].keys()


def test_intervals_factors_and_totals_are_shown_with_proof(site: Site) -> None:
    run(site)
    one = site.document("carbon", "interval", str(FIRST), "--prove")
    assert one["data"]["pool_ug"] == str(POOL) and "proven" in one
    assert [source["meter"] for source in one["data"]["sources"]] == ["solar-1", "wind-1"]
    assert "TUV-7" in site.run("carbon", "interval", str(FIRST)).stdout
    found = site.document("carbon", "factors", "solar-1", "--prove")["data"]
    assert found["certificates"][0]["certificate"] == "TUV-7" and found["worst_ug_per_wh"] == 1_000_000
    assert "1,000,000 ug per Wh, the worst on the ledger" in site.run("carbon", "factors", "wind-1").stdout
    sums = site.document("carbon", "totals", "--prove")["data"]["carbon"]
    assert sums["emitted_ug"] == sums["attributed_ug"] == str(COUNT * (POOL + 4_030))
    assert "Since genesis" in site.run("carbon", "totals").stdout


def test_certificates_and_offsets_are_passed_on_and_used_up(site: Site) -> None:
    run(site)
    held = site.document("carbon", "certificates", "solar")["data"]
    assert held["lots"] == [{"meter": "solar-1", "cycle": CYCLE, "energy_wh": COUNT * 3_000}]
    lot = ("--meter", "solar-1", "--cycle", str(CYCLE))
    site.document("tx", "carbon", "transfer-origin", "--as", "solar", "--to", "campus", *lot, "--wh", "4000")
    site.document("tx", "carbon", "retire-origin", "--as", "campus", *lot, "--wh", "1500", "--purpose", "cooling")
    issue = ("--to", "campus", "--certificate", "VER-1", "--boundary", "peat", "--ug", "5000000000")
    site.document("tx", "carbon", "offset", "--as", "biodiesel", "--serial", "o-1", *issue)
    which = ("--certifier", "biodiesel", "--serial", "o-1")
    site.document("tx", "carbon", "retire-offset", "--as", "campus", *which, "--purpose", "flights")
    shown = site.document("carbon", "report", "--member", "campus", "--prove")["data"]
    assert (shown["retired_offsets_ug"], shown["retired_origin_wh"]) == ("5000000000", 1_500)
    assert int(shown["totals"]["carried_ug"]) > 0, "nothing is netted"
    text = site.run("carbon", "certificates", "campus").stdout
    assert "2,500" in text and "offset biodiesel o-1" in text and "cooling" in text
    assert "Used up by campus" in site.run("carbon", "offset", "biodiesel", "o-1").stdout
    again = site.document("tx", "carbon", "transfer-offset", "--as", "campus", *which, "--to", "wind", exit_code=1)
    assert again["code"] == "offset.retired"


def test_a_certifier_certifies_and_ends(site: Site) -> None:
    figures = ("--operating", "5", "--embodied", "6", "--first", str(FIRST + 5), "--until", str(FIRST + 9))
    said = ("--certificate", "A", "--boundary", "all")
    site.document("tx", "carbon", "factor", "--as", "biodiesel", "--meter", "wind-1", *said, *figures)
    assert len(site.document("carbon", "factors", "wind-1")["data"]["certificates"]) == 1
    refused = site.document("tx", "carbon", "factor", "--as", "wind", "--meter", "wind-1", *said, *figures, exit_code=1)
    assert refused["code"] == "carbon.role"
    own = site.document(
        "tx", "carbon", "factor", "--as", "biodiesel", "--meter", "tenant-1", *said, *figures, exit_code=1
    )
    assert own["code"] == "carbon.own"
    ended = site.run("tx", "carbon", "end-factor", "--as", "wind", "--meter", "wind-1", "--interval", str(FIRST + 6))
    assert ended.exit_code == 0 and "worst factor" in ended.stdout
    assert site.document("carbon", "factors", "wind-1")["data"]["certificates"][0]["until"] == FIRST + 6


def test_a_green_bid_stands(site: Site) -> None:
    bid = site.document("tx", "carbon", "green", "--as", "campus", "--wh", "500", "--premium", "20000", "--count", "2")
    assert (bid["count"], bid["energy_wh"], bid["code"]) == (2, 500, "ok")
    high = ("--wh", "500", "--premium", str(2**28 - 1))
    assert site.document("tx", "carbon", "green", "--as", "campus", *high, exit_code=1)["code"] == "green.price"


WRONG = [
    (("report", "--cycle", "now", "--from", "1", "--until", "2"), "cli.period"),
    (("report", "--from", "1"), "cli.period"),
    (("report", "--from", "yesterday", "--until", "now"), "cli.period"),
    (("report", "--from", "2025-08-04T10:07", "--until", "now"), "cli.period"),
    (("report", "--from", "9", "--until", "9"), "rpc.period"),
    (("report", "--from", "1", "--until", "3002"), "rpc.period"),
    (("report", "--from", "1", "--until", str(2**32)), "rpc.malformed"),
    (("report", "--cycle", "next"), "rpc.malformed"),
    (("report", "--member", "nobody"), "rpc.unknown-member"),
    (("report", "--member", "No Body"), "rpc.malformed"),
    (("interval", "x"), "rpc.malformed"),
    (("interval", "7"), "rpc.unknown-carbon"),
    (("factors", "nothing"), "rpc.unknown-meter"),
    (("certificates", "nobody"), "rpc.unknown-member"),
    (("offset", "biodiesel", "o-9"), "rpc.unknown-offset"),
    (("verify", "/nowhere"), "proof.unreadable"),
]


def test_what_is_asked_wrongly_gets_a_code(site: Site) -> None:
    for arguments, code in WRONG:
        answer = site.document("carbon", *arguments, exit_code=1)
        assert answer["code"] == code and answer["message"] and answer["hint"], arguments


def test_what_is_no_report_is_no_proof(site: Site) -> None:
    for raw in (b"{}", b"[" * 100_000, b'{"kind": "statement", "report": {}, "proof": {}}'):
        answer = site.document("carbon", "verify", "-", exit_code=1, stdin=raw)
        assert answer["code"] == "proof.malformed"


def test_texts_without_end_or_sense_are_refused_here(site: Site) -> None:
    for purpose in ("", "x" * 81, "a\nb"):
        told = ("--certifier", "biodiesel", "--serial", "o-1", "--purpose", purpose)
        refused = site.document("tx", "carbon", "retire-offset", "--as", "campus", *told, exit_code=1)
        assert refused["code"] == "cli.text"


def test_moments_name_intervals(site: Site) -> None:
    run(site, 1)
    shown = site.document("carbon", "report", "--from", "2025-08-04", "--until", "2025-08-05")["data"]
    assert shown["first_interval"] * PARAMS.interval_ms == shown["start_ms"] and shown["until_interval"] > FIRST
    offset_ = site.document("carbon", "report", "--from", "2025-08-04T02:00+02:00", "--until", "now")["data"]
    assert offset_["first_interval"] == shown["first_interval"]
