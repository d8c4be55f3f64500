"""`gridpact wallet ...`: the openings of a member's commitments, which the ledger does not have in the open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli import options
from node.cli.context import Connection, account, genesis_document
from node.cli.output import counted, emit, line, money, progress, reporting, table
from node.cli.purse import entropy, open_wallet, owner_of, passphrase_of, patiently, proven_by, session, wallet_path
from node.cli.tx import report, settle
from node.errors import NodeError

app = typer.Typer(help="Keep what opens hidden money, and get it back.", no_args_is_help=True)


@app.command()
@options.grouped
def create(*, signing: options.Signing, purse: options.Purse) -> None:
    """Make a wallet for a member, and register the note key that others seal amounts to."""
    from node.disk import RealDisk
    from node.wallet import account as hidden
    from node.wallet import file

    with reporting(signing.as_json), Connection(signing.node, signing.directory) as connection:
        owner = owner_of(signing.as_, signing.key, signing.directory)
        path = wallet_path(signing.as_, purse, signing.directory)
        signer = account(connection, signing.as_, signing.key, signing.directory)
        passphrase = passphrase_of(signing.as_, signing.key, purse, signing.directory)
        made = file.create(path, connection.chain_id, owner.member, passphrase, RealDisk())
        body = hidden.registration(connection.chain_id, owner, entropy())
        document = {"member": owner.member, "wallet": str(path), "note_key": body.point.hex()}

        def draw() -> None:
            line(f"{path} is the wallet of {owner.member}; keep a copy: gridpact wallet backup --to FILE")
            line(f"Others seal amounts to {body.point.hex()}.")

        known = connection.run(connection.client.query("hidden", owner.member))["data"]["note_key"]
        if known == document["note_key"]:
            emit(signing.as_json, document, draw)
            return
        result = settle(connection, signer.sign(body), signing, "the note key")
        if result.done and result.height is not None:
            made.openings.height = result.height
            made.save()
        report(result, signing, document, draw)


@app.command()
@options.watchable
@options.grouped
def show(
    as_: options.As = None,
    key: options.KeyFile = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    *,
    purse: options.Purse,
) -> None:
    """What a member's hidden money comes to: the balance, what waits for it, and what does not open."""
    from node.wallet import account as hidden

    with reporting(as_json), session(as_, key, node, directory, purse) as opened:
        seen = opened.look()
        found = hidden.find(seen, opened.owner, opened.wallet.openings)
        known = seen.own.balance is None or opened.wallet.openings.find(seen.own.balance) is not None
        waiting = [
            {
                "number": item.number,
                "from": item.sender,
                "amount_nano": str(found.items[item.number].value) if item.number in found.items else None,
                "due_height": item.due_height,
            }
            for item in seen.items
        ]
        balance_nano = 0 if seen.own.balance is None else None if found.balance is None else found.balance.value
        document = {
            "member": opened.owner.member,
            "sequence": seen.own.sequence,
            "balance_nano": None if balance_nano is None else str(balance_nano),
            "in_wallet": known,
            "items": waiting,
            "credits_nano": None if found.credits is None else str(found.credits.value),
            "lost": list(found.lost),
        }

        def draw() -> None:
            rows = [
                ["Hidden balance (currency)", "does not open" if balance_nano is None else money(balance_nano)],
                [
                    "Awards and returns (currency)",
                    "do not open" if found.credits is None else money(found.credits.value),
                ],
            ]
            table(f"Wallet of {opened.owner.member}", ["What", "Amount"], rows, right=["Amount"])
            headings = ["Item", "From", "Amount (currency)", "Goes back in block"]
            items = [
                [
                    str(one["number"]),
                    str(one["from"]),
                    "does not open" if one["amount_nano"] is None else money(str(one["amount_nano"])),
                    str(one["due_height"]),
                ]
                for one in waiting
            ]
            table("Waiting", headings, items, right=[headings[0], *headings[2:]])
            if not known:
                line("The wallet file does not have the balance; write it there from the ledger's notes:")
                line(f"  gridpact wallet recover --as {opened.owner.member}")

        emit(as_json, document, draw)


@app.command()
@options.grouped
def backup(
    to: Annotated[Path, typer.Option("--to", help="File to write the copy to; it must not exist.")],
    as_: options.As = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    *,
    purse: options.Purse,
) -> None:
    """Copy the wallet as it is, encrypted. Whatever happens later, the copy and the ledger's notes are enough."""
    with reporting(as_json):
        _copied(wallet_path(as_, purse, directory), to, as_json)


@app.command()
@options.grouped
def restore(
    source: Annotated[Path, typer.Option("--from", help="Copy that `wallet backup` made.")],
    as_: options.As = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    *,
    purse: options.Purse,
) -> None:
    """Put a copy of the wallet back. Never over a wallet that is there: move a damaged one away first."""
    with reporting(as_json):
        _copied(source, wallet_path(as_, purse, directory), as_json)


@app.command()
@options.grouped
def recover(
    as_: options.As = None,
    key: options.KeyFile = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    *,
    purse: options.Purse,
) -> None:
    """Read all openings from the notes on the ledger, with nothing but the member's account key: hidden money, and what
    its meters and sealed rounds committed to."""
    from node.disk import RealDisk
    from node.wallet import account as hidden
    from node.wallet import file
    from node.wallet.collecting import collect

    with reporting(as_json):
        path = wallet_path(as_, purse, directory)
        disk = RealDisk()
        with Connection(node, directory) as connection, proven_by(connection, path, purse, directory) as ledger:
            owner = owner_of(as_, key, directory)
            try:
                wallet = open_wallet(as_, key, purse, directory, ledger.chain_id)
            except NodeError as error:
                if error.code not in ("wallet.missing", "wallet.corrupt", "wallet.malformed"):
                    raise
                if disk.exists(path):
                    progress(f"{error.message} It is now {file.set_aside(path, disk)}.")
                passphrase = passphrase_of(as_, key, purse, directory)
                wallet = file.create(path, ledger.chain_id, owner.member, passphrase, disk)
                progress(f"{path} is a new wallet.")
            seen = patiently(connection, lambda: hidden.look(ledger, owner.member, wallet.openings.height))
            found = hidden.recover(seen, owner, wallet.openings)
            wallet.save()
            document = genesis_document(purse.genesis, directory)
            meters = [meter for meter in document.meters if meter.member == owner.member]
            others = patiently(connection, lambda: collect(ledger, owner, meters, wallet.openings))
            lost = [*found.lost, *others]
            wallet.save()
        balance_nano = None if found.balance is None else str(found.balance.value)
        said = {
            "member": owner.member,
            "wallet": str(path),
            "balance_nano": "0" if seen.own.balance is None else balance_nano,
            "items": len(found.items),
            "openings": wallet.openings.kinds(),
            "lost": lost,
        }

        def draw() -> None:
            line(f"{path} opens {money(str(said['balance_nano'] or 0))} and {len(found.items)} waiting items.")
            counts = ", ".join(f"{count} of kind {kind}" for kind, count in wallet.openings.kinds().items())
            line(f"It has {counted(len(wallet.openings), 'opening')}{': ' if counts else ''}{counts}.")
            for one in lost:
                line(f"Does not open with this key: {one}.")

        if found.lost and found.balance is None and seen.own.balance is not None:
            raise NodeError(
                "wallet.lost",
                f"No note on the ledger opens the balance of {owner.member} with this key.",
                "Notes are sealed to the key of the account that made the wallet: name that one with --key.",
            )
        emit(as_json, said, draw)


def _copied(source: Path, target: Path, as_json: bool) -> None:
    from node.disk import RealDisk
    from node.wallet import file

    chain_id, member = file.copy(source, target, RealDisk())
    document = {"wallet": str(target), "member": member, "chain_id": chain_id}
    emit(as_json, document, lambda: line(f"{target} is the wallet of {member} on {chain_id}."))
