"""`gridpact agent deliver`: what was metered without a network reaches the ledger once, from a terminal."""

from __future__ import annotations

from pathlib import Path

from node.agents.gateway import MeterGateway
from node.client import MeterKey
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL
from tests.support.pact import seed_of


def test_outboxes_are_delivered_once_and_say_what_became_of_each(devnet: Devnet, tmp_path: Path) -> None:
    state, keys = tmp_path / "state", str(devnet.root / "keys" / "meters")
    state.mkdir()
    for meter, rows in (("campus-1", ((5, 0), (9, 0))), ("solar-1", ((0, 3), (0, 2)))):
        gateway = MeterGateway(MeterKey(devnet.chain.ledger.chain_id, meter, seed_of(meter)), state / f"{meter}.outbox")
        for import_wh, export_wh in rows:
            gateway.record(INTERVAL, import_wh, export_wh)
        gateway.close()
    told = devnet.document("agent", "deliver", str(state), "--keys", keys)["meters"]
    assert told["campus-1"] == {"final": 2, "waiting": 0, "refused": []}
    # A register that runs backwards is said, and holds up nobody.
    assert told["solar-1"]["refused"] == ["reading.backwards"] and told["solar-1"]["waiting"] == 0
    again = devnet.document("agent", "deliver", str(state), "--keys", keys)["meters"]
    assert all(one == {"final": 0, "waiting": 0, "refused": []} for one in again.values())
    assert devnet.document("query", "meter", "campus-1")["data"]["head"]["sequence"] == 2
    shown = devnet.run("agent", "deliver", str(state), "--keys", keys)
    assert shown.exit_code == 0 and "campus-1" in shown.stdout
    missing = devnet.document("agent", "deliver", str(state), "--keys", str(tmp_path), exit_code=1)
    assert missing["code"] == "key.missing"
