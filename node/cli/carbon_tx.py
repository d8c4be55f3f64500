"""`gridpact tx carbon ...`: certify, offset, bid for a green share, pass certificates on and use them up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.context import Connection
from node.cli.output import kilograms, line, money, reporting
from node.cli.tx import MAX_WINDOW, interval_number, send
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody

app = typer.Typer(help="Factors, offsets, certificates of origin, green share.", no_args_is_help=True)

MAX_TEXT = 80
MAX_FACTOR = 2**22 - 1
Meter = Annotated[str, typer.Option("--meter", help="Meter id.")]
To = Annotated[str, typer.Option("--to", help="Member who receives.")]
Certifier = Annotated[str, typer.Option("--certifier", help="Member who issued the offset.")]
Serial = Annotated[str, typer.Option("--serial", help="Serial of the offset.")]
Certificate = Annotated[
    str, typer.Option("--certificate", help=f"How the certifier names it, up to {MAX_TEXT} characters.")
]
Boundary = Annotated[str, typer.Option("--boundary", help="What is counted, and over which life.")]
Purpose = Annotated[str, typer.Option("--purpose", help=f"What for, up to {MAX_TEXT} characters, public.")]
Cycle = Annotated[int, typer.Option("--cycle", min=0, max=2**32 - 1, help="Billing cycle of the generation.")]
Wh = Annotated[int, typer.Option("--wh", min=1, max=2**40 - 1, help="Energy in Wh.")]
Grams = Annotated[int, typer.Option("--ug", min=1, max=2**63 - 1, help="Amount in micrograms (10^9 are 1 kg).")]
At = Annotated[int, typer.Option("--first", min=0, max=2**32 - 1, help="First interval in which it counts.")]
Before = Annotated[int, typer.Option("--until", min=1, max=2**32 - 1, help="Interval in which it counts no more.")]
Factor = Annotated[int, typer.Option(min=0, max=MAX_FACTOR, help="In ug per Wh, which is g per MWh.")]


def _send(signing: options.Signing, what: str, body: AccountBody, said: str, next_: str) -> None:
    """Submit a body, and say in a sentence what it is and how to look at it."""
    from node.render import render

    document: dict[str, Any] = {"sender": signing.as_, **render(body)}

    def draw() -> None:
        line(said)
        line("See it with:")
        line(f"  {next_}")

    send(signing, what, lambda _: (body, document, draw))


def _text(text: str, what: str) -> str:
    """Free text of a body. Raises NodeError `cli.text`."""
    if not (0 < len(text) <= MAX_TEXT and text.isprintable()):
        raise NodeError(
            "cli.text", f"The {what} is empty, too long or unprintable.", f"Use 1 to {MAX_TEXT} characters."
        )
    return text


def _say(signing: options.Signing, what: str, make: Callable[[], tuple[AccountBody, str, str]]) -> None:
    """Build a body where wrong words become an answer with a code, and submit it."""
    with reporting(signing.as_json):
        body, said, next_ = make()
    _send(signing, what, body, said, next_)


@app.command()
@options.grouped
def factor(
    meter: Meter,
    certificate: Certificate,
    boundary: Boundary,
    operating: Factor,
    embodied: Factor,
    first: At,
    until: Before,
    *,
    signing: options.Signing,
) -> None:
    """Certify what a Wh of somebody else's meter emits, as a certifier; registering again renews."""
    from contracts.carbon.bodies import RegisterFactor

    def make() -> tuple[AccountBody, str, str]:
        texts = _text(certificate, "certificate"), _text(boundary, "boundary")
        body = RegisterFactor(meter, *texts, operating, embodied, first, until)
        said = (
            f"{meter}: {operating:,} operating and {embodied:,} embodied ug per Wh in intervals {first} to {until - 1}."
        )
        return body, said, f"gridpact carbon factors {meter}"

    _say(signing, "the certificate", make)


@app.command(name="end-factor")
@options.grouped
def end_factor(
    meter: Meter,
    interval: Annotated[int, typer.Option("--interval", min=1, max=2**32 - 1, help="First interval without it.")],
    *,
    signing: options.Signing,
) -> None:
    """End what is certified for a meter, as its certifier or the meter's owner; then the worst factor applies."""
    from contracts.carbon.bodies import EndFactor

    said = f"Nothing is certified for {meter} from interval {interval} on: the worst factor on the ledger applies."
    _send(signing, "the end", EndFactor(meter, interval), said, f"gridpact carbon factors {meter}")


@app.command()
@options.grouped
def offset(
    serial: Serial, to: To, certificate: Certificate, boundary: Boundary, amount_ug: Grams, *, signing: options.Signing
) -> None:
    """Issue an offset to a member, as a certifier."""
    from contracts.carbon.bodies import IssueOffset

    def make() -> tuple[AccountBody, str, str]:
        texts = _text(certificate, "certificate"), _text(boundary, "boundary")
        said = f"{to} holds offset {signing.as_} {serial} of {kilograms(amount_ug)} kg."
        return IssueOffset(serial, to, *texts, amount_ug), said, f"gridpact carbon offset {signing.as_} {serial}"

    _say(signing, "the offset", make)


@app.command(name="transfer-offset")
@options.grouped
def transfer_offset(certifier: Certifier, serial: Serial, to: To, *, signing: options.Signing) -> None:
    """Pass a whole offset on."""
    from contracts.carbon.bodies import TransferOffset

    said = f"Offset {certifier} {serial} goes to {to}."
    body = TransferOffset(certifier, serial, to)
    _send(signing, "the transfer", body, said, f"gridpact carbon offset {certifier} {serial}")


@app.command(name="retire-offset")
@options.grouped
def retire_offset(certifier: Certifier, serial: Serial, purpose: Purpose, *, signing: options.Signing) -> None:
    """Use an offset up, for good. It stands beside what was emitted, and is never subtracted from it."""
    from contracts.carbon.bodies import RetireOffset

    def make() -> tuple[AccountBody, str, str]:
        body = RetireOffset(certifier, serial, _text(purpose, "purpose"))
        return body, f"Offset {certifier} {serial} is used up.", f"gridpact carbon offset {certifier} {serial}"

    _say(signing, "the retirement", make)


@app.command(name="transfer-origin")
@options.grouped
def transfer_origin(to: To, meter: Meter, cycle: Cycle, energy_wh: Wh, *, signing: options.Signing) -> None:
    """Pass certificates of origin on."""
    from contracts.carbon.bodies import TransferOrigin

    said = f"{energy_wh:,} Wh of {meter}, cycle {cycle}, go to {to}."
    body = TransferOrigin(to, meter, cycle, energy_wh)
    _send(signing, "the transfer", body, said, f"gridpact carbon certificates {to}")


@app.command(name="retire-origin")
@options.grouped
def retire_origin(meter: Meter, cycle: Cycle, energy_wh: Wh, purpose: Purpose, *, signing: options.Signing) -> None:
    """Use certificates of origin up, for good: so much of one's consumption came from that meter."""
    from contracts.carbon.bodies import RetireOrigin

    def make() -> tuple[AccountBody, str, str]:
        body = RetireOrigin(meter, cycle, energy_wh, _text(purpose, "purpose"))
        said = f"{energy_wh:,} Wh of {meter}, cycle {cycle}, are used up."
        return body, said, f"gridpact carbon certificates {signing.as_}"

    _say(signing, "the retirement", make)


@app.command()
@options.grouped
def green(
    energy_wh: Annotated[
        int, typer.Option("--wh", min=0, max=2**40 - 1, help="In each interval; 0 withdraws the bid.")
    ],
    premium: Annotated[int, typer.Option("--premium", min=1, max=2**28 - 1, help="On top, in nano-currency per Wh.")],
    interval: options.Interval = "next",
    count: Annotated[int, typer.Option("--count", min=1, max=MAX_WINDOW, help="Intervals.")] = 1,
    *,
    signing: options.Signing,
) -> None:
    """Bid for a green share: pay sources without operating emission a premium, and get their certificates."""
    from contracts.carbon.bodies import GreenBid

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Any]:
        when = interval_number(connection, interval)
        first = when["interval"]
        document = {"interval": first, "count": count, "energy_wh": energy_wh, "premium_nano_per_wh": premium}

        def draw() -> None:
            each = f"{energy_wh:,} Wh at {money(premium * 1_000)} per kWh on top"
            line(f"{signing.as_} bids for {each} in {count} intervals from {first} on.")
            line("What it bought stands in its bill, and in its certificates:")
            line(f"  gridpact carbon certificates {signing.as_}")

        return GreenBid(first, count, energy_wh, premium), document, draw

    send(signing, "the bid", make)
