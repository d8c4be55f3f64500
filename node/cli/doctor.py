"""`gridpact doctor`: what is wrong with a node or with a height, in sentences, each with what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli import options
from node.cli.context import devnet, node_urls
from node.cli.output import emit, line, reporting, table
from node.errors import NodeError

Home = Annotated[Path | None, typer.Option("--home", help="Home of a node, running or not; nothing in it is changed.")]
_SIGNS = {"error": "!!", "warning": " !", "note": "  "}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(options.watchable(doctor))


def doctor(
    home: Home = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Explain what a node or a height waits for, and what would help. Exit code 1 when something is wrong."""
    with reporting(as_json):
        patients = _patients(home, node, directory)
        document = {"healthy": not any(_is_ill(one) for one in patients), "nodes": patients}
        emit(as_json, document, lambda: _draw(patients))
        if not document["healthy"]:
            raise typer.Exit(1)


def _patients(home: Path | None, node: str | None, directory: Path) -> list[dict[str, Any]]:
    """One document per node that was asked for; without a wish, of every node of the devnet."""
    if home is not None and node is not None:
        raise NodeError("cli.usage", "Both --home and --node are given.", "Name one of them.")
    if home is not None:
        return [_at_home(str(home), home)]
    entries = None if node is not None else devnet(directory)
    if entries is None or not entries.nodes:
        return [_over_rpc(node_urls(node, directory)[0])]
    return [_in_devnet(entry.name, Path(entry.home)) for entry in entries.nodes]


def _in_devnet(name: str, home: Path) -> dict[str, Any]:
    """A node that the devnet starts, rather than a person."""
    document = _at_home(name, home)
    for finding in document["findings"]:
        if finding["code"] == "node.stopped":
            finding["fix"] = f"gridpact devnet restart {name}"
    return document


def _at_home(name: str, home: Path) -> dict[str, Any]:
    from node.doctor.home import examine

    findings, status = examine(home)
    return _document(name, findings, status)


def _over_rpc(url: str) -> dict[str, Any]:
    from node.client import SyncClient
    from node.doctor.findings import Finding, diagnose

    client = SyncClient(url)
    try:
        status = client.run(client.client.status())
    except NodeError as error:
        silent = Finding(
            "node.unreachable",
            "error",
            f"{url} does not answer: {error.message}",
            "On the machine of that node: gridpact doctor --home HOME",
        )
        return _document(url, [silent], None)
    finally:
        client.close()
    return _document(url, diagnose(status), status)


def _document(name: str, findings: list[Any], status: dict[str, Any] | None) -> dict[str, Any]:
    from node.doctor.findings import seats

    return {
        "node": name,
        "height": None if status is None else status.get("height"),
        "findings": [finding.document() for finding in findings],
        "seats": [] if status is None else seats(status),
    }


def _is_ill(patient: dict[str, Any]) -> bool:
    return any(finding["severity"] == "error" for finding in patient["findings"])


def _draw(patients: list[dict[str, Any]]) -> None:
    for patient in patients:
        height = "" if patient["height"] is None else f", height {patient['height']}"
        line(f"{patient['node']}{height}" + ("" if patient["findings"] else ": nothing is wrong"))
        for finding in patient["findings"]:
            line(f"  {_SIGNS[finding['severity']]} {finding['sentence']} ({finding['code']})")
            if finding["fix"]:
                line(f"       -> {finding['fix']}")
        if any(seat["prevoted"] or seat["precommitted"] for seat in patient["seats"]) and _is_ill(patient):
            rows = [
                [
                    seat["id"],
                    str(seat["power"]),
                    *(_said(seat[name]) for name in ("prevoted", "precommitted", "linked")),
                ]
                for seat in patient["seats"]
            ]
            headings = ["Seat", "Power", "Prevoted", "Precommitted", "Linked"]
            table("The present round", headings, rows, right=headings[1:2])


def _said(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"
