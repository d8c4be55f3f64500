"""Makes the drawings of `docs/consensus.md`: one height, and a lock that is kept and then given up.

python docs/pictures/consensus.py docs/pictures
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from node.drawing.svg import Svg

STYLE = """
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.paper { fill: #ffffff; stroke: #d1d9e0; }
.title { font-size: 16px; font-weight: 600; }
.head { font-weight: 600; }
.muted { fill: #59636e; font-size: 12px; }
.lane { stroke: #818b98; stroke-width: 1.2; }
.gone { stroke: #a8b1bb; stroke-width: 1.2; stroke-dasharray: 3 4; }
.band { fill: #f6f8fa; }
.propose { stroke: #0969da; } .propose-fill { fill: #0969da; }
.prevote { stroke: #8250df; } .prevote-fill { fill: #8250df; }
.precommit { stroke: #1a7f37; } .precommit-fill { fill: #1a7f37; }
.lock-fill { fill: #9a6700; } .nil-fill { fill: #6e7781; }
.arrow { stroke-width: 1.6; }
.disk { fill: #1f2328; }
.on { fill: #ffffff; font-weight: 600; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.paper { fill: #0d1117; stroke: #3d444d; }
.muted { fill: #9198a1; }
.lane { stroke: #656c76; }
.gone { stroke: #59636e; }
.band { fill: #161b22; }
.propose { stroke: #58a6ff; } .propose-fill { fill: #58a6ff; }
.prevote { stroke: #bc8cff; } .prevote-fill { fill: #bc8cff; }
.precommit { stroke: #3fb950; } .precommit-fill { fill: #3fb950; }
.lock-fill { fill: #d29922; } .nil-fill { fill: #9198a1; }
.disk { fill: #e6edf3; }
.on { fill: #0d1117; }
}
"""
NAMES = ("biodiesel", "campus", "solar", "wind")
QUORUM = 3
NIL = "nil"


def arrow(svg: Svg, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
    """A line with a head at its end."""
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    sides = [(end[0] - 9 * math.cos(angle + turn), end[1] - 9 * math.sin(angle + turn)) for turn in (-0.35, 0.35)]
    svg.line(start, end, class_=f"arrow {kind}")
    svg.polyline([end, *sides, end], class_=f"{kind}-fill")


def lost(svg: Svg, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A message that does not arrive in time."""
    svg.line(start, end, class_="gone")


def dot(svg: Svg, x: float, y: float, kind: str, radius: float = 6) -> None:
    """A round mark."""
    svg.rect(x - radius, y - radius, 2 * radius, 2 * radius, rx=radius, class_=f"{kind}-fill")


def pill(svg: Svg, x: float, y: float, content: str, kind: str, width: float = 92) -> None:
    """A word in a rounded box around (x, y)."""
    svg.rect(x - width / 2, y - 11, width, 22, rx=11, class_=f"{kind}-fill")
    svg.text(x, y + 4.5, content, text_anchor="middle", class_="on")


def paper(width: int, height: int, title: str, description: str) -> Svg:
    """An empty drawing with its title."""
    svg = Svg(width, height, title, description, STYLE)
    svg.text(24, 34, title, class_="title")
    return svg


def middle(svg: Svg, x: float, y: float, lines: Iterable[str], kind: str = "muted") -> None:
    """Centred lines of text, the first at y."""
    for number, content in enumerate(lines):
        svg.text(x, y + 17 * number, content, text_anchor="middle", class_=kind)


# One height

LANES = {"solar": 128, "wind": 188, "biodiesel": 248, "campus": 308}
SILENT = "campus"


def one_height() -> str:
    """Three steps, each one message delay, with one of four members silent."""
    svg = paper(
        980,
        470,
        "One height: three message delays, and one of four may be silent",
        "Solar proposes. Solar, wind and biodiesel prevote; three of four prevotes are a polka: each of them locks the "
        "block and precommits. Three of four precommits decide it. Campus says nothing all the while.",
    )
    steps = (
        (130, 325, "1  propose", "propose"),
        (335, 535, "2  prevote", "prevote"),
        (545, 745, "3  precommit", "precommit"),
    )
    for left, right, name, kind in steps:
        svg.rect(left, 62, right - left, 276, class_="band", rx=6)
        svg.text((left + right) / 2, 84, name, text_anchor="middle", class_=f"head {kind}-fill")
    svg.rect(755, 62, 201, 276, class_="band", rx=6)
    svg.text(855, 84, "4  decide, execute", text_anchor="middle", class_="head")
    for name, y in LANES.items():
        svg.text(24, y + 4, name, class_="muted" if name == SILENT else "head")
        svg.line((130, y), (956, y), class_="gone" if name == SILENT else "lane")
    svg.text(24, LANES["solar"] + 21, "proposer", class_="muted")
    svg.text(24, LANES[SILENT] + 21, "silent", class_="muted")
    speakers = [name for name in LANES if name != SILENT]
    for name, y in LANES.items():
        if name != "solar":
            _message(svg, (160, LANES["solar"]), (305, y), "propose")
    for left, right, kind in ((355, 515, "prevote"), (565, 725, "precommit")):
        for sender in speakers:
            for target in speakers:
                if sender != target:
                    _message(svg, (left, LANES[sender]), (right, LANES[target]), kind)
    _speak(svg, 160, LANES["solar"], "propose")
    for name in speakers:
        y = LANES[name]
        _speak(svg, 355, y, "prevote")
        _speak(svg, 565, y, "precommit")
        pill(svg, 800, y, "decided", "precommit", 74)
        svg.rect(850, y - 11, 80, 22, rx=4, class_="paper")
        svg.text(890, y + 4.5, "execute", text_anchor="middle")
    middle(svg, 227, 362, ["header and transaction hashes;", "the rest travelled before"])
    middle(svg, 435, 362, ["block valid, in time, every", "transaction of it on disk"])
    middle(svg, 645, 362, ["polka: 3 of 4 prevoted it;", "lock it, then precommit"])
    middle(svg, 855, 362, ["3 of 4 precommitted it: final;", "the next header proves the state"])
    svg.line((24, 410), (956, 410), class_="gone")
    svg.rect(24, 429, 9, 14, class_="disk", rx=1.5)
    svg.text(42, 441, "append to the log, fsync, advance the key's state: then, and only then, the message leaves.")
    return svg.document()


def _message(svg: Svg, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
    arrow(svg, (start[0] + 7, start[1]), end, kind)


def _speak(svg: Svg, x: float, y: float, kind: str) -> None:
    """Something is signed and sent, after it is on disk."""
    svg.rect(x - 21, y - 7, 9, 14, class_="disk", rx=1.5)
    dot(svg, x, y, kind)


# A lock across rounds

COLUMNS = {name: 290 + 185 * place for place, name in enumerate(NAMES)}


class Round(NamedTuple):
    """What happens in one round. Votes stand in the order of `NAMES`."""

    proposer: str
    says: str
    late: tuple[str, ...]
    """Whom the proposal does not reach in time."""
    prevotes: tuple[str, ...]
    heard: dict[str, tuple[str, ...]]
    """Whose prevotes arrive at whom before the timeout, own ones apart."""
    remark: tuple[str, ...]

    def votes(self, name: str) -> list[str]:
        """The prevotes that `name` has when its timer ends, its own among them: what they are for, in order."""
        heard = (name, *self.heard[name])
        return [vote.split(",")[0] for voter, vote in zip(NAMES, self.prevotes, strict=True) if voter in heard]

    def precommit(self, name: str) -> str:
        """The block of which `name` sees a polka, or nil."""
        [(most, times)] = Counter(self.votes(name)).most_common(1)
        return most if times >= QUORUM else NIL


ALL = {name: tuple(other for other in NAMES if other != name) for name in NAMES}
ROUNDS = (
    Round(
        "biodiesel",
        "proposes A",
        ("campus",),
        ("A", "nil", "A", "A"),
        {
            "biodiesel": ("campus", "solar"),
            "campus": ("biodiesel", "solar"),
            "solar": ("biodiesel", "campus"),
            "wind": ("biodiesel", "solar"),
        },
        ("Only wind hears three", "prevotes for A: it locks.", "For all that it knows,", "A may be decided."),
    ),
    Round(
        "campus",
        "proposes B (knows no polka)",
        (),
        ("B", "B", "B", "nil"),
        {
            "biodiesel": ("campus", "wind"),
            "campus": ("biodiesel", "wind"),
            "solar": ("biodiesel", "campus"),
            "wind": ("biodiesel", "campus"),
        },
        ("B is fresh: valid_round -1.", "wind keeps its lock and", "prevotes nil. Only solar", "sees the polka for B."),
    ),
    Round(
        "solar",
        "proposes B again, valid_round 1, with its polka",
        (),
        ("B, 1", "B, 1", "B, 1", "B, 1"),
        ALL,
        ("The polka of round 1 is", "newer than wind's lock of", "round 0: wind may let go", "of A, and prevotes B."),
    ),
)
ROUND_HEIGHT = 268


def a_lock() -> str:
    """Three rounds of four honest members whose messages are late: a lock is kept, then given up for a newer polka."""
    height = 84 + len(ROUNDS) * ROUND_HEIGHT + 66
    svg = paper(
        980,
        height,
        "A lock is kept against a fresh block, and given up for a newer polka",
        "Four honest members, late messages. Round 0: wind alone sees a polka for A and locks A. Round 1: B is "
        "proposed afresh, wind prevotes nil, solar alone sees a polka for B. Round 2: B is proposed again with valid "
        "round 1 and its polka, wind gives its lock up, and everybody decides B.",
    )
    for name, x in COLUMNS.items():
        svg.text(x, 66, name, text_anchor="middle", class_="head")
    locks: dict[str, str] = {}
    for number, one in enumerate(ROUNDS):
        locks |= {name: f"{block} since {number}" for name in NAMES if (block := one.precommit(name)) != NIL}
        _round(svg, number, one, locks, 84 + number * ROUND_HEIGHT)
    y = height - 42
    svg.text(24, y + 4, "decided", class_="head")
    for x in COLUMNS.values():
        pill(svg, x, y, "B", "precommit")
    return svg.document()


def _round(svg: Svg, number: int, one: Round, locks: Mapping[str, str], top: float) -> None:
    svg.rect(16, top, 948, ROUND_HEIGHT - 10, class_="band", rx=6)
    svg.text(24, top + 24, f"round {number}", class_="head")
    for line, content in enumerate(one.remark):
        svg.text(24, top + 128 + 17 * line, content, class_="muted")
    source = COLUMNS[one.proposer]
    y = top + 20
    for name, x in COLUMNS.items():
        if name in one.late:
            lost(svg, (source, y + 10), (x, top + 66))
        elif name != one.proposer:
            arrow(svg, (source, y + 10), (x, top + 66), "propose")
    pill(svg, source, y, one.says, "propose", 16 + 7.2 * len(one.says))
    for name, x, prevote in zip(NAMES, COLUMNS.values(), one.prevotes, strict=True):
        for target in NAMES:
            if target == name:
                continue
            start, end = (x, top + 89), (COLUMNS[target], top + 153)
            if name in one.heard[target]:
                arrow(svg, start, end, "prevote")
            else:
                lost(svg, start, end)
        pill(svg, x, top + 78, prevote, "nil" if prevote == NIL else "prevote", 62)
    svg.text(24, top + 82, "prevote", class_="muted")
    svg.text(24, top + 215, "precommit", class_="muted")
    for name, x in COLUMNS.items():
        precommit = one.precommit(name)
        outcome = "timeout" if precommit == NIL else "a polka"
        svg.text(x, top + 173, f"{' '.join(one.votes(name))}: {outcome}", text_anchor="middle", class_="muted")
        pill(svg, x, top + 211, precommit, "nil" if precommit == NIL else "precommit", 62)
        if name in locks:
            svg.text(x, top + 244, f"locked: {locks[name]}", text_anchor="middle", class_="head lock-fill")


def main(directory: Path) -> None:
    """Write both."""
    (directory / "one-height.svg").write_text(one_height())
    (directory / "a-lock.svg").write_text(a_lock())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
