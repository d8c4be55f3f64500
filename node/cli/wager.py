"""`gridpact query rounds|round` and `gridpact tx wager|commit-solution|reveal`: wagering on solutions by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection
from node.cli.form import Form
from node.cli.output import facts, line, money, table
from node.cli.tx import send
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody, Claim

Number = Annotated[int, typer.Argument(min=0, max=2**32 - 1, help="Number of a round.")]


def register(tx: typer.Typer, query: typer.Typer) -> None:
    """Add the commands to their nouns."""
    query.command()(options.grouped(rounds))
    query.command(name="round")(options.grouped(round_))
    tx.command()(options.grouped(wager))
    tx.command()(options.grouped(commit_solution))
    tx.command()(options.grouped(reveal))


# Queries


def rounds(
    asking: options.Asking,
    before: Annotated[int | None, typer.Option("--before", min=0, help="Only those with a lower number.")] = None,
) -> None:
    """Rounds of wagering, newest first: what they are about, and what came of them."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["No.", "Judge", "Subject", "Significance (ppm)", "Phase", "Wagers", "Ordered", "Cost (currency)"]
        rows = [
            [
                str(one["number"]),
                one["judge"],
                str(one["subject"]),
                f"{one['significance_ppm']:,}",
                one["phase"],
                str(one["wagers"]),
                _ordered(one),
                money(one["cost_nano"]) if one["phase"] == "judged" else "-",
            ]
            for one in data["rounds"]
        ]
        right = ["No.", "Subject", *headings[3:4], "Wagers", headings[-1]]
        table(f"Rounds ({data['count']} in all)", headings, rows, right=right)

    show("rounds", [] if before is None else [str(before)], draw, asking, Rows("rounds", "round_"))


def _ordered(one: Data) -> str:
    """Whose solution a judged round ordered."""
    if one["phase"] != "judged":
        return "-"
    if one["builder"] is not None:
        return str(one["builder"])
    return "fallback" if one["reason"] == "none" else f"fallback ({one['reason']})"


def round_(number: Number, asking: options.Asking) -> None:
    """A round: what it takes to wager, who was drawn, and what became of every wager."""

    def draw(data: Data, shown: Form) -> None:
        rows = [
            ["About", f"{data['judge']} {data['subject']}"],
            ["Opened by", data["opener"] or "the clock"],
            ["Stake (currency)", money(data["stake_nano"])],
            ["Significance (ppm)", f"{data['significance_ppm']:,}"],
            ["Phase", data["phase"]],
            ["Phase lasts at least until", shown.time(data["ends_ms"]) if data["phase"] not in TIMELESS else "-"],
            ["Decided at the latest", shown.time(data["last_ms"])],
            ["Smallest wager (tokens)", f"{int(data['minimum_wager_tokens']):,}"],
            ["Smallest net trust (tokens)", f"{int(data['minimum_trust_tokens']):,}"],
            ["Builders", ", ".join(data["builders"]) or "not drawn"],
            ["Ordered", _ordered(data)],
        ]
        if data["phase"] == "judged":
            rows += [
                ["Cost of the fallback (currency)", money(data["fallback_nano"])],
                ["Cost of what was ordered (currency)", money(data["cost_nano"])],
            ]
        facts(f"Round {data['number']}", rows)
        headings = ["Member", "Claim", "Wager", "Verdict", "Lost", "Reward", "Cost (currency)"]
        placed = [
            [
                one["member"],
                one["claim"],
                f"{int(one['amount_tokens']):,}",
                one["verdict"],
                f"{int(one['lost_tokens']):,}",
                f"{int(one['reward_tokens']):,}",
                "-" if one["cost_nano"] is None else money(one["cost_nano"]),
            ]
            for one in data["placed"]
        ]
        table("Wagers (tokens)", headings, placed, right=["Wager", "Lost", "Reward", "Cost (currency)"])

    show("round", [str(number)], draw, asking, Rows("placed", "wager_"))


TIMELESS = ("draw", "judged")


# Transactions


def wager(
    number: Number,
    tokens: Annotated[int, typer.Option("--tokens", min=1, max=2**63 - 1, help="Free tokens to lock.")],
    claim: options.ClaimName = options.CLAIM,
    *,
    signing: options.Signing,
) -> None:
    """Wager on a solution of a round, before its builders are drawn; a false claim loses the wager."""
    from contracts.bodies import Wager

    def make(_: Connection) -> tuple[AccountBody, dict[str, Any], Any]:
        named = claim_of(claim)
        document = {"round": number, "member": signing.as_, "claim": claim, "amount_tokens": str(tokens)}
        row = [str(number), str(signing.as_), claim, f"{tokens:,}"]

        def draw() -> None:
            table("Wager", ["Round", "Member", "Claim", "Tokens"], [row], right=["Round", "Tokens"])
            line("See whether you are drawn, and what became of it, with:")
            line(f"  gridpact query round {number}")

        return Wager(number, named, tokens), document, draw

    send(signing, "the wager", make)


def commit_solution(
    number: Number,
    keep: Annotated[Path, typer.Option("--keep", help="New file for solution and salt; revealing needs it.")],
    solution: Annotated[
        Path | None,
        typer.Option("--solution", help="File with an encoded solution. Default: what is solved here."),
    ] = None,
    *,
    signing: options.Signing,
) -> None:
    """Commit to a solution as a drawn builder, without showing it; it is kept in a file until it is revealed."""

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Any]:
        from node import building

        raw = _read(solution) if solution is not None else _solved(connection, number)
        what = building.sealed(connection.chain_id, number, str(signing.as_), raw)
        building.keep(keep, what)
        body = what.bodies()[0]
        document = {"round": number, "member": signing.as_, "commitment": body.commitment.hex(), "kept": str(keep)}

        def draw() -> None:
            line(f"Committed to a solution of {len(raw):,} bytes for round {number}.")
            line("Reveal it once commitments are closed (`gridpact query round`), or lose a part of the wager:")
            line(f"  gridpact tx reveal --as {signing.as_} --sealed {keep}")

        return body, document, draw

    send(signing, "the commitment", make)


def reveal(
    sealed: Annotated[Path, typer.Option("--sealed", help="File that the commitment wrote.")],
    *,
    signing: options.Signing,
) -> None:
    """Show the solution that a drawn builder committed to."""

    def make(_: Connection) -> tuple[AccountBody, dict[str, Any], Any]:
        from node import building

        what = building.kept(sealed)
        document = {"round": what.round, "member": signing.as_, "solution": what.solution.hex()}

        def draw() -> None:
            line(f"Revealed a solution of {len(what.solution):,} bytes for round {what.round}. See the verdict with:")
            line(f"  gridpact query round {what.round}")

        return what.bodies()[1], document, draw

    send(signing, "the reveal", make)


def claim_of(text: str) -> Claim:
    """The claim of that name. Raises NodeError `cli.claim`."""
    from contracts.bodies import CLAIMS

    for claim in CLAIMS:
        if claim == text:
            return claim
    raise NodeError("cli.claim", f"{text!r} is not a claim.", f"Claims are {', '.join(CLAIMS)}.")


def _read(path: Path) -> bytes:
    """The bytes of a file. Raises NodeError `cli.solution`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise NodeError("cli.solution", f"{path}: {error.strerror}.", "Name a file with --solution.") from None


def _solved(connection: Connection, number: int) -> bytes:
    """What the solver makes of the case that the round is about, as the signer of `connection` may read it. Raises
    NodeError `builder.subject`."""
    from node import building

    about = connection.run(connection.client.query("round", str(number)))["data"]
    if about["judge"] != "dispatch":
        raise NodeError(
            "builder.subject", f"Round {number} is not about a dispatch.", "Give a solution with --solution FILE."
        )
    answer = connection.run(connection.client.query("case", str(about["subject"])))
    return connection.run(building.make_solution(building.read_case(answer)))
