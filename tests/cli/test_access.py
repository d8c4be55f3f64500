"""`gridpact tx access`, `query access`, `access`: what a member closes is closed, and errors say how to read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.governance.bodies import RECORD_KINDS
from node.access.log import AccessLog
from node.admin import AdminServer
from node.disk import RealDisk
from node.rpc.server import RpcServer
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL

TX = ("tx", "access")


def close(devnet: Devnet, *options: str) -> dict[str, Any]:
    return devnet.document(*TX, "revoke", "--as", "campus", *options)


def test_a_member_closes_opens_and_shows_its_policy(devnet: Devnet) -> None:
    assert devnet.document("query", "access")["data"]["policies"] == []
    done = close(devnet, "--kind", "balance", "--kind", "bills")
    assert (done["status"], done["code"], done["kinds"]) == ("final", "ok", ["balance", "bills"])
    granted = ("--kind", "bills", "--to", "wind", "--to", "role:utility", "--until", "2027-01-31")
    assert devnet.document(*TX, "allow", "--as", "campus", *granted)["until_ms"] == 1_801_353_600_000
    data = devnet.document("query", "access", "campus", "--prove")["data"]
    assert data["kinds"] == ["balance", "bills"]
    assert [(one["sort"], one["reader"]) for one in data["grants"]] == [("member", "wind"), ("role", "utility")]
    assert data["open"] == [kind for kind in RECORD_KINDS if kind not in ("balance", "bills")]
    (listed,) = devnet.document("query", "access")["data"]["policies"]
    assert (listed["member"], listed["number"]) == ("campus", 0)
    text = devnet.run("query", "access", "campus").output
    for part in ("balance", "nobody else", "wind", "role:utility", "2027-01-31", "Open to everybody: corrections"):
        assert part in text
    assert "Nobody has a policy" not in devnet.run("query", "access").output
    open_ = devnet.document("query", "access", "wind")["data"]
    assert (open_["grants"], open_["open"]) == ([], list(RECORD_KINDS))
    close(devnet, "--kind", "all")
    assert devnet.document("query", "access", "campus")["data"]["open"] == []


def test_who_signs_reads_and_who_does_not_is_told_how(devnet: Devnet) -> None:
    devnet.document(
        "tx", "reading", "--as", "campus-1", "--import-wh", "4321", "--export-wh", "0", "--interval", str(INTERVAL)
    )
    close(devnet, "--kind", "all")
    error = devnet.document("query", "balance", "campus", exit_code=1)
    assert error["code"] == "access.denied" and "--as MEMBER" in error["hint"]
    assert "tx access allow --as campus --kind balance --to MEMBER" in error["hint"]
    assert devnet.document("query", "balance", "campus", "--as", "campus")["data"]["member"] == "campus"
    error = devnet.document("query", "balance", "campus", "--as", "wind", exit_code=1)
    assert error["code"] == "access.denied" and "not open to wind" in error["message"]
    devnet.document(*TX, "allow", "--as", "campus", "--kind", "balance", "--to", "wind")
    assert devnet.document("query", "balance", "campus", "--as", "wind")["data"]["member"] == "campus"

    assert "kept by its owner" in devnet.run("query", "member", "campus").output
    shown = devnet.run("query", "meter", "campus-1")
    assert "kept by its owner" in shown.output
    assert "Left out, because members keep them: 2 of kind registers" in shown.output
    assert "4,321" in devnet.run("query", "meter", "campus-1", "--as", "campus").output
    csv = devnet.run("query", "member", "campus", "--csv")
    assert csv.exit_code == 0 and "Left out" in csv.stderr and "Left out" not in csv.stdout
    again = devnet.document(
        "tx", "reading", "--as", "campus-1", "--import-wh", "5000", "--export-wh", "0", "--interval", str(INTERVAL)
    )
    assert (again["code"], again["sequence"]) == ("ok", 2), "the meter reads its own head"

    fetched = devnet.document("proof", "fetch", "reading", "campus-1", exit_code=1)
    assert fetched["code"] == "access.denied"
    assert devnet.document("proof", "fetch", "reading", "campus-1", "--as", "campus")["kind"] == "receipt"
    error = devnet.document("bill", "show", "campus", exit_code=1)
    assert error["code"] == "access.denied"
    assert devnet.document("bill", "show", "campus", "--as", "campus")["data"]["member"] == "campus"


def test_owners_and_operators_see_who_was_refused(devnet: Devnet, invoke: Callable[..., Any], tmp_path: Path) -> None:
    close(devnet, "--kind", "balance")
    devnet.run("query", "balance", "campus", "--as", "wind")
    (entry,) = devnet.document("access", "refusals", "--as", "campus")["entries"]
    assert (entry["asker"], entry["kinds"], entry["owners"]) == ("wind", ["balance"], ["campus"])
    assert entry["target"].startswith("GET /query/balance/campus")
    told = devnet.run("access", "refusals", "--as", "campus").output.replace("\n", " ")
    assert "wind (127.0.0.1) was refused (access.denied): balance of campus. GET /query/balance/campus" in told
    assert devnet.document("access", "refusals", exit_code=1)["code"] == "access.unsigned"
    assert devnet.document("access", "refusals", "--as", "wind")["entries"] == []
    assert "kept back: 2" in devnet.run("status").output

    log = AccessLog(RealDisk(), tmp_path / "access")
    log.note(0, "wind", "10.0.0.9", "GET /", "access.denied", [("balance", "campus")])
    log.close(0)
    read = invoke("access", "log", "--home", str(tmp_path))
    assert read.exit_code == 0 and "10.0.0.9" in read.output
    assert "Nothing was refused" in invoke("access", "log", "--home", str(tmp_path / "other")).output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("allow", "--kind", "bills"), "cli.reader"),
        (("allow", "--kind", "bills", "--to", "group:x"), "cli.reader"),
        (("allow", "--kind", "bills", "--to", ""), "cli.reader"),
        (("allow", "--kind", "money", "--to", "wind"), "cli.record-kind"),
        (("revoke",), "cli.record-kind"),
        (("allow", "--kind", "bills", "--to", "wind", "--until", "tomorrow"), "cli.until"),
        (("allow", "--kind", "bills", "--to", "wind", "--until", "2027-02-30"), "cli.until"),
        (("allow", "--kind", "bills", "--to", "wind", "--until", "1999-01-01"), "access.until"),
        (("allow", "--kind", "bills", "--to", "nobody"), "access.reader"),
        (("revoke", "--kind", "bills", "--from", "wind"), "access.not-granted"),
    ],
)
def test_what_is_said_wrongly_gets_a_code(devnet: Devnet, arguments: tuple[str, ...], code: str) -> None:
    error = devnet.document(*TX, *arguments, "--as", "campus", exit_code=1)
    assert error["code"] == code and error["hint"]


def test_the_operator_reads_what_its_own_member_may(devnet: Devnet, invoke: Callable[..., Any], tmp_path: Path) -> None:
    """The devnet's node is solar's: it reads solar's balance, and nobody else's."""
    for member in ("campus", "solar"):
        devnet.document(*TX, "revoke", "--as", member, "--kind", "balance")
    server: RpcServer = devnet.server

    async def handle(command: dict[str, Any]) -> dict[str, Any]:
        return {"answer": await server.for_operator(command["target"])}

    admin = AdminServer(tmp_path, handle)
    devnet.call(admin.start())
    try:
        own = invoke("access", "read", "/query/balance/solar", "--home", str(tmp_path))
        assert json.loads(own.stdout)["data"]["member"] == "solar"
        other = invoke("access", "read", "/query/balance/campus?prove=1", "--home", str(tmp_path))
        assert other.exit_code == 1 and json.loads(other.stdout)["code"] == "access.denied"
        for target in ("/refusals", "/receipt/1/0", "/query/trust?prove=1"):
            assert invoke("access", "read", target, "--home", str(tmp_path)).exit_code == 0
        assert invoke("access", "read", "/status", "--home", str(tmp_path)).exit_code == 1
    finally:
        devnet.call(admin.stop())
