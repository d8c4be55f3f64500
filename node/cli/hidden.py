"""`gridpact tx deposit | withdraw | spend | accept` and `gridpact query hidden | note-key`: hidden money by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.form import Form
from node.cli.output import facts, line, money, table
from node.cli.purse import Session, entropy, say
from node.cli.tx import Ask

if TYPE_CHECKING:
    from node.cli.purse import Making
    from node.wallet.account import Seen
    from zk.statements.openings import Opening

MemberId = Annotated[str, typer.Argument(help="Member id.")]


def register(tx: typer.Typer, query: typer.Typer) -> None:
    """Add the commands to their nouns."""
    tx.command()(options.grouped(deposit))
    tx.command()(options.grouped(withdraw))
    tx.command()(options.grouped(spend))
    tx.command()(options.grouped(accept))
    query.command()(options.grouped(hidden))
    query.command()(options.grouped(note_key))


# Transactions


def deposit(amount_nano: Ask, *, signing: options.Signing, purse: options.Purse) -> None:
    """Hide public money. The amount is public; what becomes of it afterwards is not."""
    from contracts.confidential.bodies import Deposit

    def make(opened: Session, seen: Seen) -> Making:
        before = _before(opened, seen)
        after = before.shifted(amount_nano)
        document = {"member": signing.as_, "amount_nano": str(amount_nano), "hidden_nano": str(after.value)}
        return Deposit(amount_nano), after, document, lambda: _moved("Deposit", amount_nano, after.value)

    say(signing, purse, "the deposit", make)


def withdraw(amount_nano: Ask, *, signing: options.Signing, purse: options.Purse) -> None:
    """Take hidden money out into the public balance. The amount is public, what remains is not."""
    from node.wallet import account

    def make(opened: Session, seen: Seen) -> Making:
        balance = account.balance_of(seen, opened.wallet.openings)
        word = account.withdraw(seen, opened.owner, balance, amount_nano, entropy())
        rest_nano = word.balance.value
        document = {"member": signing.as_, "amount_nano": str(amount_nano), "hidden_nano": str(rest_nano)}
        return word.body, word.balance, document, lambda: _moved("Withdrawal", amount_nano, rest_nano)

    say(signing, purse, "the withdrawal", make)


def spend(
    to: Annotated[str, typer.Option("--to", help="Member who receives; the amount is between the two of you.")],
    amount_nano: Ask,
    *,
    signing: options.Signing,
    purse: options.Purse,
) -> None:
    """Pay a member in hidden money: nobody else learns how much. It waits there until it is accepted, or returns."""
    from node.wallet import account

    def make(opened: Session, seen: Seen) -> Making:
        balance = account.balance_of(seen, opened.wallet.openings)
        to_key = opened.patiently(lambda: account.key_of(opened.ledger, to))
        word = account.spend(seen, opened.owner, balance, to, to_key, amount_nano, entropy())
        rest_nano = word.balance.value
        document = {
            "from": signing.as_,
            "to": to,
            "amount_nano": str(amount_nano),
            "hidden_nano": str(rest_nano),
            "commitment": word.body.commitment.hex(),
        }

        def draw() -> None:
            headings = ["From", "To", "Amount (currency)", "Hidden balance then (currency)"]
            row = [str(signing.as_), to, money(amount_nano), money(rest_nano)]
            table("Hidden payment", headings, [row], right=headings[2:])
            line(f"It waits until {to} says: gridpact tx accept --as {to}")

        return word.body, word.balance, document, draw

    say(signing, purse, "the payment", make)


def accept(
    items: Annotated[
        list[int] | None, typer.Option("--item", min=0, help="Number of an item; repeatable. Default: all that open.")
    ] = None,
    *,
    signing: options.Signing,
    purse: options.Purse,
) -> None:
    """Take in what waits: payments, and what awards and returns brought. What does not open is left lying."""
    from node.wallet import account

    def make(opened: Session, seen: Seen) -> Making:
        found = account.find(seen, opened.owner, opened.wallet.openings)
        before = _before(opened, seen)
        numbers = sorted(found.items) if items is None else items
        credits = items is None and found.credits is not None and seen.own.credits is not None
        word = account.accept(seen, opened.owner, before, found, numbers, credits, entropy())
        gained_nano = word.balance.value - before.value
        document = {
            "member": signing.as_,
            "items": list(word.body.items),
            "credits": credits,
            "amount_nano": str(gained_nano),
            "hidden_nano": str(word.balance.value),
            "left": list(found.lost),
        }

        def draw() -> None:
            _moved("Accepted", gained_nano, word.balance.value)
            for one in found.lost:
                line(f"Left lying, because it does not open: {one}.")

        return word.body, word.balance, document, draw

    say(signing, purse, "the acceptance", make)


def _before(opened: Session, seen: Seen) -> Opening:
    """What opens the balance as it stands, if there ever was one."""
    from node.wallet import account

    return account.NOTHING if seen.own.balance is None else account.balance_of(seen, opened.wallet.openings)


def _moved(what: str, amount_nano: int, after_nano: int) -> None:
    headings = ["Amount (currency)", "Hidden balance then (currency)"]
    table(what, headings, [[money(amount_nano), money(after_nano)]], right=headings)


# Queries


def hidden(
    member: Annotated[str | None, typer.Argument(help="Member id. Default: the sums over all.")] = None,
    *,
    asking: options.Asking,
) -> None:
    """A hidden account as everybody sees it, or the sums over all: commitments, nothing that says how much."""
    if member is None:
        show("hidden", [], _draw_sums, asking)
        return

    def draw(data: Data, shown: Form) -> None:
        own = data["account"]
        if own is None:
            line(f"{member} has no hidden money, and never had any.")
            return
        rows = [
            ["Sequence", str(own["sequence"])],
            ["Balance", own["balance"] or "none"],
            ["Credits of awards and returns", own["credits"] or "none"],
            ["Note key", data["note_key"] or "none: nobody can pay it in hidden money"],
        ]
        facts(f"Hidden account of {member}", rows)
        headings = ["Item", "From", "Commitment", "Goes back in block"]
        items = [
            [str(one["number"]), one["sender"], one["commitment"], str(one["due_height"])] for one in data["items"]
        ]
        table("Waiting", headings, items, right=[headings[0], headings[3]])
        line(f"What is in it, its owner sees with: gridpact wallet show --as {member}")

    show("hidden", [member], draw, asking, Rows("items", "item_", ("credits", "account", "more")))


def _draw_sums(data: Data, shown: Form) -> None:
    rows = [
        ["Deposits less withdrawals (currency)", money(data["net_nano"])],
        ["Debited for awards (currency)", money(data["debited_nano"])],
        ["Sum of all that is hidden", data["held"] or "nothing"],
        ["Sum of all awards", data["credited"] or "nothing"],
    ]
    table("Hidden money", ["What", "Value"], rows)
    line("Every block asserts: all that is hidden = (deposits less withdrawals) V + awards, as points.")


def note_key(member: MemberId, asking: options.Asking) -> None:
    """The points that notes to a member are sealed to, oldest first."""

    def draw(data: Data, shown: Form) -> None:
        rows = [[str(one["height"]), one["point"]] for one in data["keys"]]
        table(f"Note keys of {member}", ["From block", "Point"], rows, right=["From block"])

    show("note-key", [member], draw, asking, Rows("keys", "key_"))
