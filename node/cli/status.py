"""`gridpact status`: where a node stands, and in one line why nothing happens if nothing does."""

from __future__ import annotations

from typing import Any

import typer

from node.cli import options
from node.cli.context import Connection
from node.cli.form import Form, site_form
from node.cli.output import emit, line, reporting, table


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(options.watchable(status))


def status(
    node: options.Node = None, directory: options.Devnet = options.DEVNET, as_json: options.Json = False
) -> None:
    """Show a node's height, peers, mempool, and why it waits."""
    with reporting(as_json), Connection(node, directory) as connection:
        document = connection.status
        emit(as_json, document, lambda: _draw(document, site_form(directory)))


def _draw(document: dict[str, Any], shown: Form) -> None:
    line(f"Chain {document.get('chain_id', '?')}, node {document.get('node', '?')}")
    line(f"Height {document.get('height', '?')}, ledger time {shown.time(int(document.get('time_ms', 0)))}")
    if document.get("syncing"):
        line(f"Catching up to height {document.get('best_peer_height', '?')}.")
    epoch = document.get("epoch")
    if epoch:
        line(f"Epoch {epoch['number']}, to block {epoch['ends_with']}: {len(epoch['powers'])} members have seats.")
        for id_ in epoch["flagged"]:
            line(f"{id_} contradicted itself: its votes do not count, and the others make up for them.")
    mempool = document.get("mempool", {})
    line(f"Waiting transactions: {mempool.get('transactions', 0)} ({mempool.get('bytes', 0)} bytes)")
    evidence = document.get("evidence", {})
    if evidence.get("waiting"):
        line(f"Evidence that waits for a block: {evidence['waiting']}")
    if evidence.get("offences"):
        line(f"Offences on record: {evidence['offences']} (gridpact query offences)")
    refused = document.get("access", {}).get("refused")
    if refused:
        line(f"Requests from which something was kept back: {refused} (gridpact access log)")
    peers = document.get("peers", [])
    if peers:
        headings = ["Peer", "Address", "Connected", "Round trip (us)"]
        rows = [
            [
                str(peer.get("id", "?")),
                str(peer.get("address", "?")),
                "cut off" if peer.get("blocked") else "yes" if peer.get("connected") else "no",
                str(peer.get("rtt_us") or "-"),
            ]
            for peer in peers
        ]
        table("Peers", headings, rows, right=headings[3:])
    stuck = document.get("stuck")
    line(f"Stuck: {stuck}" if stuck else "Nothing is stuck.")
