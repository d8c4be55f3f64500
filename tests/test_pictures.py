"""The drawings of the documents: made by the program that stands beside them, of rounds that the machine plays,
of what the laboratory of trust plays, and of the dashboard as a browser shows a real run."""

from __future__ import annotations

import runpy
from pathlib import Path

from tests.consensus.height import NAMES
from tests.consensus.test_drawing import HEARD

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
DRAWING = runpy.run_path(str(PICTURES / "consensus.py"))
DASHBOARD = runpy.run_path(str(PICTURES / "dashboard.py"))
TRUST = runpy.run_path(str(PICTURES / "trust.py"))
MAX_BYTES = 60_000


def test_the_drawings_are_as_they_are_made(tmp_path: Path) -> None:
    DRAWING["main"](tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(made) == {"a-lock.svg", "one-height.svg"}
    assert {name: (PICTURES / name).read_text() for name in made} == made


def test_the_figures_of_trust_are_as_they_are_played(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    document = (PICTURES.parent / "trust.md").read_text()
    (tmp_path / "trust.md").write_text(document)
    TRUST["main"](tmp_path)
    made = {path.name: path.read_text() for path in (tmp_path / "pictures").iterdir()}
    again = "python -P docs/pictures/trust.py docs"
    assert {name: (PICTURES / name).read_text() for name in made} == made, again
    assert (tmp_path / "trust.md").read_text() == document
    for name, drawn in made.items():
        assert len(drawn.encode()) < MAX_BYTES
        assert f"(pictures/{name})" in document


def test_the_drawing_of_a_lock_is_of_the_rounds_that_the_machine_plays() -> None:
    """`tests/consensus/test_drawing.py` plays them; precommits follow from who hears whose prevotes."""
    rounds, drawn = DRAWING["ROUNDS"], DRAWING["NAMES"]
    played = dict(zip(drawn, NAMES, strict=True))
    heard = [
        {played[name]: tuple(played[voter] for voter in voters) for name, voters in one.heard.items()} for one in rounds
    ]
    assert heard == list(HEARD)
    assert [one.prevotes for one in rounds] == [("A", "nil", "A", "A"), ("B", "B", "B", "nil"), ("B, 1",) * 4]
    assert [[one.precommit(name) for name in drawn] for one in rounds] == [
        ["nil", "nil", "nil", "A"],
        ["nil", "nil", "B", "nil"],
        ["B", "B", "B", "B"],
    ]


def test_the_pictures_of_the_dashboard_are_those_that_are_made_and_all_are_shown() -> None:
    """What they show is of a run, so no test makes them again."""
    names = set(DASHBOARD["PICTURES"])
    assert names == {path.name for path in PICTURES.glob("dashboard*.png")}
    document = (PICTURES.parent / "dashboard.md").read_text()
    for name in names:
        drawn = (PICTURES / name).read_bytes()
        assert drawn.startswith(b"\x89PNG") and len(drawn) <= DASHBOARD["MAX_BYTES"]
        assert f"(pictures/{name})" in document


def test_every_picture_is_shown_in_a_document() -> None:
    shown = "".join(path.read_text() for path in (PICTURES.parents[1] / "README.md", *PICTURES.parent.rglob("*.md")))
    pictures = [path.name for path in PICTURES.iterdir() if path.suffix in {".svg", ".png"}]
    assert len(pictures) > 8
    assert [name for name in pictures if f"pictures/{name})" not in shown] == []
