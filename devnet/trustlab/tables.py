"""The tables of `docs/trust.md`, as Markdown, from what was played.

A table is the rows after a line `<!-- table: name -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from devnet.trustlab import coalitions, members
from devnet.trustlab.report import Findings
from node.cli.trust import scientific

Row = Sequence[object]
SHOWN_EPOCHS = (0, 10, 25, 50, 75, 99)
SHOWN_COMMITTEES = (100, 150, 200, 250, 300)
WHO = {
    members.HONEST[0]: "builds and votes",
    members.VOTER: "votes",
    members.ABSENT: "absent",
    members.ONCE: "lied once",
    members.LIAR: "always lies",
    members.TWICE: "signed twice",
}
"""Members that are shown, in words."""
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n)(?:\|.*\n)*")


def percent(ppm: int | None, digits: int = 1) -> str:
    """A share of a whole, rounded to the nearest; "never" where there is none."""
    if ppm is None:
        return "never"
    unit = 10 ** (4 - digits)
    tenths = (2 * ppm + unit) // (2 * unit)
    whole, part = divmod(tenths, 10**digits)
    return f"{whole}.{part:0{digits}d}%" if digits else f"{whole}%"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def table(headings: Row, rows: Iterable[Row]) -> str:
    """Markdown without an empty line."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in cells) + " |" for cells in lines)


def tables(found: Findings) -> dict[str, str]:
    """All of them, by name."""
    life = found.life
    epochs = [epoch for epoch in SHOWN_EPOCHS if epoch < life.epochs]

    def by_epoch(field: str) -> str:
        rows = []
        for name, words in WHO.items():
            told = life.of(name)
            values = [getattr(told[epoch], field) for epoch in epochs]
            rows.append([words, *(f"{value:,}" if field != "power_ppm" else percent(value) for value in values)])
        return table(["", *(f"epoch {epoch}" for epoch in epochs)], rows)

    return {
        "index": by_epoch("index_ppm"),
        "tokens": by_epoch("tokens"),
        "power": by_epoch("power_ppm"),
        "turns": table(
            ["", "power, last epoch", "weight in the draw of turns", "blocks in the last 10 epochs"],
            [
                [
                    words,
                    percent(life.of(name)[-1].power_ppm),
                    percent(life.of(name)[-1].turns_ppm),
                    sum(one.blocks for one in life.of(name)[-10:]),
                ]
                for name, words in WHO.items()
            ],
        ),
        "speed": table(
            ["epochs with a success in each", *members.MILESTONES],
            [
                [
                    f"index at {percent(speed.significance_ppm, 0)} significance",
                    *(f"{index:,}" for index in speed.reached_ppm),
                ]
                for speed in found.speeds
            ],
        ),
        "lies": table(
            [
                "lost wagers in a row",
                "index left",
                *(f"epochs back at {percent(speed.significance_ppm, 0)} significance" for speed in found.speeds),
            ],
            [
                [
                    lies + 1,
                    f"{found.speeds[0].fallen_ppm[lies]:,}",
                    *(speed.back_epochs[lies] for speed in found.speeds),
                ]
                for lies in range(members.LIES)
            ],
        ),
        "thresholds": table(
            ["organisations", "names of the coalition", "halts from a bond of", "rules from a bond of"],
            [
                [one.organisations, one.names, percent(one.halts_ppm), percent(one.rules_ppm)]
                for one in found.thresholds
            ],
        ),
        "dust": table(
            ["large honest", "dust", "share of the weights that is dust", "share of the power that is dust"],
            [[one.large, one.dust, percent(one.weight_ppm, 2), percent(one.power_ppm)] for one in found.dust],
        ),
        "joins": table(
            ["large honest", "dust", "tokens that the dust has bonded", "its power without the new one", "with it"],
            [
                [
                    one.large,
                    f"{one.dust} and 1",
                    f"{one.bonded_tokens:,}",
                    percent(one.before_ppm),
                    percent(one.after_ppm),
                ]
                for one in found.joins
            ],
        ),
        "bars": table(
            ["a seat takes", "names at the bar", "tokens that they have bonded", "their power of 100", "of 101"],
            [
                [
                    f"{one.bar_tokens:,}",
                    f"{one.dust} and 1",
                    f"{one.bonded_tokens:,}",
                    percent(one.before_ppm),
                    percent(one.after_ppm),
                ]
                for one in found.bars
            ],
        ),
        "heldup": table(
            [
                f"of {coalitions.TWELVE} come and go",
                "the offender is gone after",
                "the newcomer has it all after, on average",
                "at worst",
            ],
            [
                [
                    one.toggling,
                    _epochs(one.offender_epochs),
                    f"{float(one.newcomer_epochs):.1f} epochs",
                    _epochs(one.newcomer_worst),
                ]
                for one in found.held_up
            ],
        ),
        "splits": table(["names", "share of the power"], [[one.names, percent(one.power_ppm)] for one in found.splits]),
        "takeover": table(
            ["names", *(f"epoch {epoch}" for epoch in range(1, 8)), "halts from", "rules from"],
            [
                [
                    one.names,
                    *(percent(one.power_ppm[epoch]) for epoch in range(1, 8)),
                    "never" if one.halts_epoch is None else f"epoch {one.halts_epoch}",
                    "never" if one.rules_epoch is None else f"epoch {one.rules_epoch}",
                ]
                for one in found.takeovers
            ],
        ),
        "grinding": table(
            [
                "last turns held",
                "seeds to choose from",
                "how often turns fall so",
                "best share of first turns",
            ],
            [[one.last_turns, one.seeds, percent(one.chance_ppm, 2), percent(one.turns_ppm)] for one in found.grinds],
        ),
        "draws": table(
            ["of 20 who wagered, in the cartel", "all builders are of it", "none is"],
            [[one.cartel, percent(one.all_ppm), percent(one.none_ppm)] for one in found.draws],
        ),
        "committees": table(
            ["seats", *(f"{bad // 10}% bad" for bad in sorted({one.bad for one in found.risks}))],
            [
                [seats, *(scientific(one.per_year) for one in found.risks if one.seats == seats)]
                for seats in sorted({one.seats for one in found.risks} & set(SHOWN_COMMITTEES))
            ],
        ),
    }


def fill(document: str, found: Findings) -> str:
    """The document with its tables as they were played. Raises KeyError for a table that nobody makes."""
    made = tables(found)
    return _TABLE.sub(lambda match: f"{match[1]}{made[match[2]]}\n", document)


def named(document: str) -> list[str]:
    """Tables that a document has, in their order."""
    return [match[2] for match in _TABLE.finditer(document)]
