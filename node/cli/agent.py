"""`gridpact agent build`: run a member's builder by hand, with the member's key, until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import options
from node.cli.context import genesis_path, node_urls, signer
from node.cli.output import emit, line, progress, reporting
from node.cli.wager import claim_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.agents.book import Book
    from node.agents.builder import Allowance
    from node.client import Account
    from node.light.founding import Founding

KEEP_EVERY_S = 60.0
"""Between two times at which the newest header is written down, which must not be too old at the next start."""

app = typer.Typer(help="Agents that act for a member.", no_args_is_help=True)


@app.callback()
def agent() -> None:
    """Agents that act for a member."""


@app.command()
def build(
    as_: options.As = None,
    key: options.KeyFile = None,
    node: Annotated[
        list[str] | None,
        typer.Option("--node", help="URL of a node's RPC; several may be given. Default: all nodes of the devnet."),
    ] = None,
    directory: options.Devnet = options.DEVNET,
    genesis: options.Genesis = None,
    book: Annotated[
        Path | None,
        typer.Option("--book", help="File with what the builder must not forget. Default: DIR/builders/MEMBER."),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            "--head",
            help="File with the newest header that is believed, as `light follow` keeps it. Default: BOOK.head.",
        ),
    ] = None,
    stake: Annotated[
        int, typer.Option("--stake", min=0, max=2**61, help="Tokens wagered on each round; 0: the least it takes.")
    ] = 0,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=2**61, help="Most tokens that may be lost in all, and then no more.")
    ] = 1_000,
    claim: options.ClaimName = options.CLAIM,
    rounds: Annotated[
        int | None, typer.Option("--rounds", min=1, help="Stop once so many wagers were judged. Default: never.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Wager on open rounds, build solutions, reveal them in time; one line for everything that happens."""
    with reporting(as_json):
        import asyncio

        from node.agents.book import Book
        from node.agents.builder import Allowance
        from node.disk import RealDisk
        from node.light.founding import read_founding

        urls = [url for one in node or () for url in node_urls(one, directory)] or node_urls(None, directory)
        allowance = Allowance(stake, limit, claim_of(claim))
        founding = read_founding(genesis_path(genesis, directory))
        account = signer(founding.chain_id, as_, key, directory)
        where = directory / "builders" / account.member if book is None else book
        disk = RealDisk()
        disk.make_directory(where.parent)
        kept = Book(where, founding.chain_id, account.member, disk)

        def say(round_: int | None, text: str) -> None:
            emit(
                as_json,
                {"round": round_, "said": text},
                lambda: line(text if round_ is None else f"round {round_}: {text}"),
            )

        progress(
            f"Building for {account.member}: {kept.page.lost_tokens} of at most {limit} tokens lost so far, "
            f"{kept.staked_tokens} at stake. Ctrl-C stops it; {where} must stay until all is judged."
        )
        store = where.with_name(f"{where.name}.head") if head is None else head
        try:
            asyncio.run(_build(urls, founding, account, kept, allowance, say, rounds, store))
        finally:
            kept.release()


async def _build(
    urls: list[str],
    founding: Founding,
    account: Account,
    book: Book,
    allowance: Allowance,
    say: Callable[[int | None, str], None],
    rounds: int | None,
    store: Path,
) -> None:
    import asyncio
    import contextlib

    from node.agents.builder import Builder
    from node.agents.proven import ProvenLedger
    from node.client import Client
    from node.light.session import load, save

    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url)) for url in urls]
        ledger = ProvenLedger(clients, founding, head=load(store))

        def keep() -> None:
            if ledger.head is not None:
                save(store, ledger.head)

        async def keep_often() -> None:
            while True:
                await asyncio.sleep(KEEP_EVERY_S)
                keep()

        keeping = asyncio.ensure_future(keep_often())
        try:
            await Builder(account, ledger, book, allowance, say).run(rounds)
        finally:
            keeping.cancel()
            keep()
