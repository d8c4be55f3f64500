"""`gridpact query threshold`: how the key that opens sealed sums is made, who holds it, and what it has to open."""

from __future__ import annotations

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.form import Form
from node.cli.output import line, table

WORDS = {
    "register": "seats register",
    "commit": "dealers commit",
    "deal": "dealers deal",
    "complain": "seats check their shares",
    "done": "the key is made",
    "waiting": "too few may deal before the next epoch",
}


def threshold(asking: options.Asking) -> None:
    """The threshold key: its seats, the attempt at making one, and sums that wait to be opened."""

    def draw(data: Data, shown: Form) -> None:
        running = data["running"]
        if running is None:
            line("No key is made: sealed dispatch is off here.")
        else:
            place = f"Attempt {running['attempt']} of epoch {running['epoch']}"
            line(f"{place}: {WORDS[running['phase']]}; {running['threshold']} of {len(running['seats'])} seats open.")
            if running["phase"] != "done":
                table("Seats", ["Index", "Member", "Stands"], _standing(running["seats"]), right=["Index"])
        for one in data["keys"]:
            force = "in force" if one["key_id"] == data["in_force"] else "held for rounds that use it"
            rows = [
                [str(seat["index"]), seat["member"], "excused" if seat["excused"] else seat["share"] or "has no share"]
                for seat in one["seats"]
            ]
            title = f"Key of epoch {one['epoch']}, {force}: {one['threshold']} of {len(rows)} seats open"
            table(title, ["Index", "Member", "Public share"], rows, right=["Index"])
        rows = [
            [str(one["number"]), one["purpose"], str(one["round"]), str(one["tick"]), str(len(one["shares"]))]
            for one in data["openings"]
        ]
        if rows:
            headings = ["Opening", "Purpose", "Round", "Tick", "Shares"]
            table("Sums that wait for shares", headings, rows, right=[headings[0], *headings[2:]])

    show("threshold", [], draw, asking, Rows("keys", "key_"))


def _standing(seats: list[Data]) -> list[list[str]]:
    return [[str(index), seat["member"], _word(seat)] for index, seat in enumerate(seats, start=1)]


def _word(seat: Data) -> str:
    if seat["bad"]:
        return "disqualified: dealt what is no share"
    if seat["barred"]:
        return "deals no more in this epoch"
    if seat["dealt"]:
        return "has dealt"
    if seat["commitment"]:
        return "has committed"
    return "registered" if seat["key"] else "-"
