"""Genesis files: the same document both ways, and a sentence for every way to get one wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.confidential.records import CarriedAccount, CarriedCredit, CreditName, HiddenFounding
from contracts.genesis import Balance, Genesis, OpeningTrust
from contracts.members import AssetEnvelope, DaySpan, PowerLine
from contracts.network.records import Branch, Network, Place, Transfer
from contracts.params import DAY_MS, PactParams
from contracts.units import MAX_COUNT, MAX_TIME
from node import genesis_checks, genesis_file
from node.disk import RealDisk
from node.documents import DocumentError
from node.errors import NodeError
from tests.node.documents import genesis_document, key, member, meter
from zk.codec import encode
from zk.group import ORDER
from zk.pedersen import commit

DOCUMENT = genesis_document()
TEXT = genesis_file.dumps(DOCUMENT)
NODE, OTHER = (DOCUMENT.members[number].nodes[0] for number in (0, 1))
SMALL_ORDER_KEY = "01" + "00" * 31


def replace(**changes: object) -> Genesis:
    return msgspec.structs.replace(DOCUMENT, **changes)


@pytest.mark.properties
@settings(max_examples=40)
@given(
    members=st.integers(4, 7),
    meters=st.integers(0, 9),
    devnet=st.booleans(),
    interval=st.integers(1_000, 86_400_000),
    floor=st.integers(-(2**28) + 1, 0),
    balances=st.lists(st.integers(-(2**60), 2**60), max_size=4),
    time_ms=st.integers(0, 2**41),
    starts=st.sets(st.integers(0, 2**53 - 1), max_size=3),
)
def test_a_document_survives_both_ways(
    members: int,
    meters: int,
    devnet: bool,
    interval: int,
    floor: int,
    balances: list[int],
    time_ms: int,
    starts: set[int],
) -> None:
    document = msgspec.structs.replace(
        genesis_document(devnet, members, meters),
        params=PactParams(
            interval_ms=interval,
            price_floor_nano_per_wh=floor,
            cycle_ms=interval,
            cycle_starts_ms=tuple(sorted(starts)),
        ),
        balances=tuple(Balance(f"member-{i}", amount) for i, amount in enumerate(balances)),
        registers=(),
        time_ms=time_ms,
    )
    text = genesis_file.dumps(document)
    again = genesis_file.loads(text)
    assert encode(again) == encode(document)
    assert again.chain_id() == document.chain_id()
    assert genesis_file.dumps(again) == text


def test_order_in_the_file_does_not_change_the_chain() -> None:
    blocks = TEXT.split("\n[[meters]]\n")
    shuffled = "\n[[meters]]\n".join([blocks[0], *reversed(blocks[1:])])
    head, *members = shuffled.split("\n[[members]]\n")
    last, *meters = members[-1].split("\n[[meters]]\n", 1)
    shuffled = "\n[[members]]\n".join([head, last, *members[:-1]]) + "\n[[meters]]\n" + meters[0]
    shuffled = shuffled.replace('["node-0", "node-1"', '["node-1", "node-0"')
    assert shuffled != TEXT
    assert genesis_file.loads(shuffled) == DOCUMENT


def test_the_text_is_for_people() -> None:
    assert TEXT.startswith(f"# Genesis of the chain {DOCUMENT.chain_id()}\n")
    assert "[params]\ninterval_ms = 900000\n" in TEXT
    assert "balance_nano = 4611686018427387904\n" in TEXT
    assert "register_export_wh = 77\n" in TEXT
    assert f'public_key = "{key(0, 1).public_key.hex()}", scope = "all"' in TEXT


def test_envelopes_survive_in_any_order_and_fit_their_meters() -> None:
    first = AssetEnvelope("meter-0", 0, 0, spans=(DaySpan(60, 120),), safe_take_w=0)
    second = AssetEnvelope("meter-1", 0, 0, ramp_w=5)
    document = replace(envelopes=(first, second))
    text = genesis_file.dumps(document)
    assert "[[envelopes]]" in text and genesis_file.loads(text) == document
    head, *entries = text.split("[[envelopes]]\n")
    swapped = "[[envelopes]]\n".join([head, *(entry.rstrip() + "\n\n" for entry in reversed(entries))])
    assert genesis_file.loads(swapped) == document
    for wrong, code in (
        (AssetEnvelope("meter-9", 0, 0), "genesis.unknown-meter"),
        (AssetEnvelope("meter-1", 2**40 - 1, 2**40 - 1), "genesis.value"),
        (AssetEnvelope("meter-0", 0, 0), "genesis.duplicate-id"),
    ):
        with pytest.raises(NodeError) as refused:
            genesis_checks.check(replace(envelopes=(first, wrong)))
        assert refused.value.code == code and wrong.meter in refused.value.message


def test_lines_survive_in_any_order_and_their_meters_are_checked() -> None:
    line = PowerLine("line-a", "meter-0", "meter-1", "meter-2", 5, 20_000, 3)
    other = PowerLine("line-b", "meter-1", "meter-0", "meter-2", 0, 0, 0)
    document = replace(lines=(line, other))
    text = genesis_file.dumps(document)
    assert genesis_file.loads(text) == document
    assert genesis_file.loads(genesis_file.dumps(replace(lines=()))) == DOCUMENT
    head, first, second = text.split("[[lines]]\n")
    swapped = "[[lines]]\n".join([head, second.rstrip() + "\n\n", first])
    assert genesis_file.loads(swapped) == document
    for wrong, code, path in (
        ({"parent_meter": "meter-9"}, "genesis.unknown-meter", 'lines["line-b"].parent_meter'),
        ({"sending_meter": "meter-0"}, "genesis.value", 'lines["line-b"]'),
        ({"parent_meter": "meter-0"}, "genesis.value", 'lines["line-b"]'),
        ({"sending_meter": "meter-0", "receiving_meter": "meter-1"}, "genesis.value", 'lines["line-b"].sending_meter'),
        (
            {"sending_meter": "meter-2", "receiving_meter": "meter-1", "parent_meter": "meter-0"},
            "genesis.value",
            "receiving_meter",
        ),
        ({"id": "line-a"}, "genesis.duplicate-id", 'lines["line-a"]'),
    ):
        with pytest.raises(DocumentError) as caught:
            genesis_checks.check(replace(lines=(line, msgspec.structs.replace(other, **wrong))))
        assert caught.value.code == code
        assert path in caught.value.path


def test_a_network_survives_in_any_order_and_is_checked_as_governance_checks_it() -> None:
    network = Network(
        places=(Place("annexe", aim_npu=1_020_000_000), Place("zone-1")),
        lines=(Branch("tie", "annexe", "zone-1", 5_000, b_npu=-7),),
        transfers=(Transfer("member-0", "zone-1", 5, 5),),
        slack="zone-1",
    )
    document = replace(network=network)
    text = genesis_file.dumps(document)
    assert genesis_file.loads(text) == document
    head, first, second = text.split("[[network.places]]\n")
    second, bar, rest = second.partition("[[network.lines]]")
    swapped = "[[network.places]]\n".join([head, second.rstrip() + "\n\n", first])
    assert genesis_file.loads(swapped + bar + rest) == document
    for wrong, path in (
        ({"places": network.places[1:]}, 'network.lines["tie"]'),
        ({"places": network.places[:1], "lines": (), "transfers": (), "slack": "annexe"}, 'meters["meter-0"]'),
    ):
        with pytest.raises(DocumentError) as caught:
            genesis_checks.check(replace(network=msgspec.structs.replace(network, **wrong)))
        assert caught.value.code == "genesis.network" and path in caught.value.path


def test_trust_is_of_members_and_each_has_one() -> None:
    for trusts, code in (
        ((OpeningTrust("member-9"),), "genesis.unknown-member"),
        ((OpeningTrust("member-1"), OpeningTrust("member-0")), "genesis.order"),
        ((OpeningTrust("member-1"), OpeningTrust("member-1")), "genesis.duplicate-id"),
    ):
        with pytest.raises(DocumentError) as caught:
            genesis_checks.check(replace(trusts=trusts))
        assert caught.value.code == code and "trusts" in caught.value.path


def edited(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "code", "path", "hint"),
    [
        (edited("[params]", "[params"), "genesis.syntax", "", ""),
        (edited("interval_ms", "intervall_ms"), "genesis.unknown-key", "params.intervall_ms", "interval_ms"),
        (edited("[consensus]", "[consensus]\nx = 1"), "genesis.unknown-key", "consensus.x", "target_block_ms"),
        (edited('site = "yard"\n', ""), "genesis.missing", 'members["member-0"].site', "site"),
        (edited("rating_w", "rating_kw"), "genesis.unknown-key", 'meters["meter-0"].rating_kw', "rating_w"),
        (edited("interval_ms = 900000", "interval_ms = 9"), "genesis.value", "params.interval_ms", ">= 1000"),
        (
            edited("cycle_starts_ms = []", "cycle_starts_ms = [5, 5]"),
            "genesis.params",
            "params.cycle_starts_ms",
            "Sort",
        ),
        (edited("cycle_ms = 86400000", "cycle_ms = 899999"), "genesis.params", "params.cycle_ms", "900000"),
        (edited("on = false", "on = true"), "genesis.params", "params.wagering.wager_ms", "1800000"),
        (
            edited("max_block_units = 2048", "max_block_units = 1023"),
            "genesis.params",
            "params.max_block_units",
            "1024",
        ),
        (edited("fee_tokens = 1", "fee_tokens = 11"), "genesis.params", "params.wagering.fee_tokens", "at or below"),
        (edited("interval_ms = 900000", "interval_ms = 9e5"), "genesis.value", "params.interval_ms", "int"),
        (edited("[[members]]", "[members]"), "genesis.syntax", "", ""),
        ('name = "a"\ntime_ms = 1\nvalidators = []', "genesis.missing", "members", "[[members]]"),
        (edited('validators = ["node-0"', "validators = [1"), "genesis.value", "validators[0]", "str"),
        (edited("[params]", "[[params]]"), "genesis.value", "params", "[params]"),
        (edited('id = "meter-0"', 'id = "Meter"'), "genesis.value", 'meters["Meter"].id', "a-z, 0-9"),
        (edited('id = "meter-0"', 'id = "meter-1"'), "genesis.duplicate-id", 'meters["meter-1"]', "unique"),
        (edited('id = "member-1"', 'id = "member-0"'), "genesis.duplicate-id", 'members["member-0"]', ""),
        (edited('node = "node-1"', 'node = "node-0"'), "genesis.duplicate-id", '"].nodes["node-0"]', ""),
        (edited('"node-3"]', '"node-0"]'), "genesis.duplicate-id", 'validators["node-0"]', ""),
        (edited(', "node-3"]', "]"), "genesis.validators", "validators", "at least 4"),
        (edited('"node-3"]', '"node-33"]'), "genesis.unknown-node", "validators", '"node-3"'),
        (
            edited('member = "member-2"', 'member = "membr-2"'),
            "genesis.unknown-member",
            'meters["meter-2"].member',
            'Did you mean "member-2"?',
        ),
        (edited('kind = "load"', 'kind = "battery"'), "genesis.value", 'meters["meter-0"].kind', "storage"),
        (edited('"supplier"', '"king"'), "genesis.value", 'members["member-0"].roles', "supplier"),
        (edited('scope = "all"', 'scope = "none"'), "genesis.value", "keys[0].scope", "metering"),
        (
            edited(key(0, 1).public_key.hex(), SMALL_ORDER_KEY),
            "genesis.key",
            'members["member-0"].keys[0].public_key',
            "gridpact keys",
        ),
        (
            edited(key(0, 4).public_key.hex(), SMALL_ORDER_KEY),
            "genesis.key",
            'members["member-0"].nodes["node-0"].consensus_key',
            "",
        ),
        (
            edited(key(100, 1).public_key.hex(), SMALL_ORDER_KEY),
            "genesis.key",
            'meters["meter-0"].public_key',
            "",
        ),
        (edited(key(0, 1).public_key.hex(), "abc"), "genesis.value", "keys[0].public_key", "hexadecimal"),
        (edited(key(0, 1).public_key.hex(), "abcd"), "genesis.value", "keys[0].public_key", "length >= 32"),
        (
            edited(key(101, 1).public_key.hex(), key(0, 1).public_key.hex()),
            "genesis.duplicate-key",
            'meters["meter-1"].public_key',
            "each purpose",
        ),
        (
            edited(NODE.bls_key.hex(), bytes(96).hex()),
            "genesis.bls-key",
            'nodes["node-0"].bls_key',
            "node.json",
        ),
        (edited(NODE.bls_key.hex(), ""), "genesis.bls-key", 'nodes["node-0"].bls_key', ""),
        (edited(NODE.bls_key.hex(), (b"\xc0" + bytes(95)).hex()), "genesis.bls-key", 'nodes["node-0"].bls_key', ""),
        (
            edited(NODE.bls_possession.hex(), OTHER.bls_possession.hex()),
            "genesis.possession",
            'nodes["node-0"].bls_possession',
            "the same keys/node.json",
        ),
        (edited(NODE.bls_possession.hex(), ""), "genesis.possession", 'nodes["node-0"].bls_possession', ""),
        (
            edited(OTHER.bls_key.hex(), NODE.bls_key.hex()).replace(
                OTHER.bls_possession.hex(), NODE.bls_possession.hex()
            ),
            "genesis.duplicate-key",
            'nodes["node-1"].bls_key',
            "each node",
        ),
        (edited("127.0.0.1:26000", "127.0.0.1"), "genesis.address", 'nodes["node-0"].address', "host:port"),
        (edited('tls_certificate = "', 'tls_certificate = "!'), "genesis.value", "tls_certificate", "base64"),
        (edited('tls_certificate = "', 'tls_certificate = "AAAA'), "genesis.certificate", "tls_certificate", ""),
        (edited("= -500000", "= 5000000"), "genesis.params", "params.price_floor_nano_per_wh", "at or below"),
        (
            edited("balance_nano = 4611686018427387904", "balance_nano = 9223372036854775807"),
            "genesis.supply",
            "balance_nano",
            "Keep the sum",
        ),
        (edited("free_tokens = 1000", "wagered_tokens = 1"), "genesis.unknown-key", "wagered_tokens", "free_tokens"),
        (edited("free_tokens = 1000", "free_tokens = 9223372036854775807"), "genesis.supply", "trust", ""),
        (
            edited("balance_nano = 4611686018427387904", "balance_nano = 9223372036854775808"),
            "genesis.value",
            'members["member-0"].balance_nano',
            "<= 9223372036854775807",
        ),
    ],
)
def test_every_mistake_names_the_field_and_what_would_be_right(text: str, code: str, path: str, hint: str) -> None:
    with pytest.raises(NodeError) as caught:
        genesis_file.loads(text)
    assert caught.value.code == code, caught.value
    assert path in caught.value.message
    assert hint in caught.value.hint
    if code != "genesis.syntax":
        assert isinstance(caught.value, DocumentError)
        assert caught.value.path.endswith(path.lstrip('"].') if path.startswith('"') else path)


@pytest.mark.parametrize("line", [line for line in TEXT.splitlines() if " = " in line and "{" not in line])
def test_every_misspelt_key_is_refused(line: str) -> None:
    name = line.partition(" = ")[0]
    with pytest.raises(NodeError) as caught:
        genesis_file.loads(edited(f"\n{line}", f"\n{line.replace(name, name + 'x', 1)}"))
    assert caught.value.code == "genesis.unknown-key"
    assert f"`{name}`" in caught.value.hint


def test_a_production_chain_refuses_a_devnet_clock() -> None:
    with pytest.raises(NodeError) as caught:
        genesis_file.loads(TEXT, production=True)
    assert caught.value.code == "genesis.devnet-clock"
    production = genesis_document(devnet=False)
    assert genesis_file.loads(genesis_file.dumps(production), production=True) == production


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("genesis.order", lambda: {"members": DOCUMENT.members[::-1]}),
        ("genesis.order", lambda: {"meters": DOCUMENT.meters[::-1]}),
        ("genesis.order", lambda: {"balances": DOCUMENT.balances[::-1]}),
        ("genesis.order", lambda: {"validators": DOCUMENT.validators[::-1]}),
        ("genesis.duplicate-id", lambda: {"balances": DOCUMENT.balances[:1] * 2}),
        ("genesis.duplicate-id", lambda: {"registers": DOCUMENT.registers * 2}),
        ("genesis.unknown-member", lambda: {"balances": (Balance("nobody", 1),)}),
        ("genesis.unknown-meter", lambda: {"meters": (), "registers": DOCUMENT.registers}),
        ("genesis.value", lambda: {"time_ms": 2**60}),
        ("genesis.value", lambda: {"time_ms": MAX_TIME}),
        ("genesis.value", lambda: {"meters": (msgspec.structs.replace(meter(0, 0), rating_w=-1),)}),
        ("genesis.validators", lambda: {"validators": ("node-0",)}),
        ("genesis.value", lambda: {"name": "Test"}),
    ],
)
def test_documents_made_by_programs_are_checked_too(code: str, change: Callable[[], dict[str, object]]) -> None:
    with pytest.raises(NodeError) as caught:
        genesis_checks.check(replace(**change()))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("interval_ms", "bound_ms"), [(1_000, MAX_COUNT * 1_000), (900_000, MAX_COUNT * 900_000), (DAY_MS, MAX_TIME)]
)
def test_a_chain_has_ten_years_before_its_clock_or_its_intervals_end(interval_ms: int, bound_ms: int) -> None:
    params = msgspec.structs.replace(DOCUMENT.params, interval_ms=interval_ms, cycle_ms=DAY_MS)
    genesis_checks.check(replace(params=params, time_ms=bound_ms - genesis_checks.LEAST_FUTURE_MS))
    with pytest.raises(DocumentError) as caught:
        genesis_checks.check(replace(params=params, time_ms=bound_ms - genesis_checks.LEAST_FUTURE_MS + 1))
    assert (caught.value.code, caught.value.path) == ("genesis.value", "time_ms")


def test_one_member_may_not_hold_the_consensus_alone() -> None:
    nodes = tuple(node for number in range(4) for node in member(number).nodes)
    members = (
        msgspec.structs.replace(member(0), nodes=nodes),
        *(msgspec.structs.replace(member(number), nodes=()) for number in range(1, 4)),
    )
    with pytest.raises(NodeError) as caught:
        genesis_checks.check(replace(members=members))
    assert caught.value.code == "genesis.organisations"


def test_four_members_with_a_node_must_have_weight() -> None:
    light = tuple(OpeningTrust(f"member-{number}", 10**6, 225 if number else 99) for number in range(4))
    for trusts in ((), light, light[1:]):
        with pytest.raises(NodeError) as caught:
            genesis_checks.check(replace(trusts=trusts))
        assert caught.value.code == "genesis.bond"
    genesis_checks.check(replace(trusts=(msgspec.structs.replace(light[0], bonded_tokens=100), *light[1:])))


def test_a_certificate_must_name_its_node() -> None:
    other = msgspec.structs.replace(member(0).nodes[0], tls_certificate=member(1).nodes[0].tls_certificate)
    members = (msgspec.structs.replace(member(0), nodes=(other,)), *DOCUMENT.members[1:])
    with pytest.raises(NodeError) as caught:
        genesis_checks.check(replace(members=members))
    assert caught.value.code == "genesis.certificate"
    assert "node-1" in caught.value.message


def test_an_unordered_document_is_not_written() -> None:
    with pytest.raises(NodeError, match=r"genesis\.order"):
        genesis_file.dumps(replace(members=DOCUMENT.members[::-1]))


def test_both_files_hold_the_same_document(tmp_path: Path) -> None:
    toml, packed = tmp_path / "genesis.toml", tmp_path / "genesis.mp"
    genesis_file.save(DOCUMENT, toml, packed, RealDisk())
    assert genesis_file.load(toml) == genesis_file.load_packed(packed) == DOCUMENT
    packed.write_bytes(packed.read_bytes()[:-1])
    for path, code in ((packed, "genesis.malformed"), (tmp_path / "none", "genesis.missing-file")):
        with pytest.raises(NodeError) as caught:
            genesis_file.load_packed(path)
        assert caught.value.code == code
    toml.write_bytes(b"\xff")
    with pytest.raises(NodeError) as caught:
        genesis_file.load(toml)
    assert caught.value.code == "genesis.syntax"


def test_the_age_of_evidence_is_part_of_what_members_agree_on() -> None:
    """Defaults when left out; in the file, in the chain id and in the hash that headers carry otherwise."""
    text = TEXT.replace("evidence_age_blocks = 100000", "evidence_age_blocks = 5")
    text = text.replace("evidence_age_ms = 1814400000", "evidence_age_ms = 6")
    changed = genesis_file.loads(text)
    assert (changed.consensus.evidence_age_blocks, changed.consensus.evidence_age_ms) == (5, 6)
    assert changed.chain_id() != DOCUMENT.chain_id()
    hashes = {document.params.hash("x", encode(document.consensus)) for document in (changed, DOCUMENT)}
    assert len(hashes) == 2
    for wrong in ("evidence_age_blocks = 0", "evidence_age_ms = 0", "evidence_age_ms = -1"):
        name = wrong.split(" ")[0]
        line = next(line for line in TEXT.splitlines() if line.startswith(name))
        with pytest.raises(NodeError):
            genesis_file.loads(TEXT.replace(line, wrong))


def hidden() -> HiddenFounding:
    """Hidden money of two members, as a chain that is succeeded leaves it."""
    held, credited = commit(5, b"\0" * 31 + b"\7"), commit(0, (ORDER - 7).to_bytes(32, "big"))
    credit = CarriedCredit(CreditName("award", 4), credited.to_bytes(), b"note", 0, "old-0123")
    return HiddenFounding(
        net_nano=5,
        debited_nano=0,
        next_item=9,
        accounts=(
            CarriedAccount("member-0", 3, b"own", 2, -1, "old-0123", held.to_bytes(), held.to_bytes()),
            CarriedAccount("member-1", 0, credits=(credit,)),
        ),
    )


def test_hidden_money_survives_both_ways_and_has_to_add_up() -> None:
    document = replace(hidden=hidden())
    assert genesis_file.loads(genesis_file.dumps(document)) == document
    with pytest.raises(NodeError) as refused:
        genesis_file.loads(genesis_file.dumps(replace(hidden=msgspec.structs.replace(hidden(), net_nano=6))))
    assert refused.value.code == "genesis.hidden" and "add up" in refused.value.message
