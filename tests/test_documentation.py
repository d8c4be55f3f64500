"""The documentation site, as far as it can be judged without building it: every page is there and can be reached,
every link leads somewhere in the repository and on the site, and the reference leaves no module out.

`make docs` builds it.
"""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = runpy.run_path(str(ROOT / "docs" / "pages.py"))
LINKED, PAGE_OF, MODULES = PAGES["linked"], PAGES["page_of"], PAGES["modules"]
GENERATED: dict[str, str] = PAGES["generated"]()
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
WRITTEN = {str(path.relative_to(ROOT / "docs")): path for path in (ROOT / "docs").rglob("*.md")}
DOCUMENTS = [*ROOT.glob("*.md"), *WRITTEN.values()]
PROSE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def leaves(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in their order."""
    match nav:
        case str():
            yield nav
        case list():
            for entry in nav:
                yield from leaves(entry)
        case dict():
            for entry in nav.values():
                yield from leaves(entry)


def links(text: str) -> Iterator[str]:
    """Targets of a document that are no addresses."""
    for _, target in PAGES["LINK"].findall(PROSE.sub("", text)):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(text: str) -> set[str]:
    """What a heading is called in a link: GitHub and MkDocs make the same of plain words."""
    headings = re.findall(r"^#+ (.*)$", PROSE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_navigation_has_every_page_once_and_no_other() -> None:
    listed = list(leaves(PAGES["navigation"](CONFIG["nav"])))
    assert sorted(listed) == sorted([*WRITTEN, *GENERATED])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_to_what_is_there(path: Path) -> None:
    for link in links(path.read_text()):
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), link
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there.read_text()), link


@pytest.mark.parametrize("page", [page for page in (*WRITTEN, *GENERATED) if not page.startswith("reference/")])
def test_a_link_of_a_page_stays_on_the_site(page: str) -> None:
    text = GENERATED[page] if page in GENERATED else LINKED(WRITTEN[page].read_text(), f"docs/{page}", page)
    for link in links(text):
        there = (
            os.path.normpath(os.path.join(os.path.dirname(page), link.partition("#")[0])) if link[0] != "#" else page
        )
        assert there in GENERATED or (ROOT / "docs" / there).is_file(), link


def test_a_link_is_turned_into_one_of_the_site() -> None:
    text = "[a](docs/trust.md#index) [b](INVARIANTS.md) [c](zk/pedersen.py) [d](Makefile) [e](https://a.b/c.md) [f](#g)"
    assert LINKED(text, "README.md", "index.md") == (
        "[a](trust.md#index) [b](invariants.md) [c](reference/zk.pedersen.md) d [e](https://a.b/c.md) [f](#g)"
    )
    assert LINKED("[w](../decisions)", "docs/pictures/x.md", "pictures/x.md") == "[w](../decisions/index.md)"
    assert LINKED("```\n[a](Makefile)\n```\n", "README.md", "index.md") == "```\n[a](Makefile)\n```\n"


def test_the_reference_has_a_page_for_every_module_that_says_what_it_is_for() -> None:
    floors = [
        path.relative_to(ROOT) for floor in ("zk", "consensus", "contracts") for path in (ROOT / floor).rglob("*.py")
    ]
    silent = [path for path in floors if path not in MODULES()]
    assert [path for path in silent if path.name != "__init__.py"] == []
    assert GENERATED["reference/node.client.md"] == "# node.client\n\n::: node.client\n"
    listed = GENERATED["reference/index.md"]
    assert "| [`zk.pedersen`](zk.pedersen.md) | Commitments: a value hidden behind a blinding, " in listed
    assert PAGE_OF("node/driver.py") is None, "what is not published has no page"
