"""Pages of the documentation site that are no files of `docs/`: a hook of MkDocs, see mkdocs.yml.

README.md is the home page; every decision, and every module of the reference, has a page by itself, so that none can
be forgotten. A link of a document is good in the repository, and is turned here into one that is good on the site.
Writes nothing beside the site, and never runs the code whose docstrings it shows.
"""

from __future__ import annotations

import ast
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HOME = "index.md"
OUTSIDE = {"README.md": HOME, "INVARIANTS.md": "invariants.md", "CHANGELOG.md": "changes.md"}
"""Documents that stand beside the code, and their pages."""
REFERENCE = ("zk", "consensus", "contracts", "node/client.py")
"""Packages and modules whose docstrings are published: the pure floors, and what programs call a node by."""
DECISIONS = "decisions/index.md"
REFERENCE_HOME = "reference/index.md"
LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s]+)\)")
FENCED = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)


@cache
def modules() -> tuple[Path, ...]:
    """Files of the reference, relative to the repository; those without a docstring have nothing to publish."""
    found = []
    for name in REFERENCE:
        place = ROOT / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if ast.get_docstring(ast.parse(path.read_text())):
                found.append(path.relative_to(ROOT))
    return tuple(found)


def dotted(module: Path) -> str:
    """The name that imports a file: zk/sigma/__init__.py is zk.sigma."""
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def page_of(target: str) -> str | None:
    """Where the site has a file or folder of the repository; None: nowhere."""
    if target in OUTSIDE:
        return OUTSIDE[target]
    if target == "docs/decisions":
        return DECISIONS
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    path = Path(target)
    return f"reference/{dotted(path)}.md" if path.suffix == ".py" and path in modules() else None


def linked(text: str, source: str, page: str) -> str:
    """The text of a document of the repository, with links that are good on a page of the site; a link to what the site
    does not have becomes its words."""

    def turned(found: re.Match[str]) -> str:
        words, link = found.groups()
        target, mark, anchor = link.partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        there = page_of(os.path.normpath(os.path.join(os.path.dirname(source), target)))
        if there is None:
            return words
        return f"[{words}]({os.path.relpath(there, os.path.dirname(page) or '.')}{mark}{anchor})"

    parts = FENCED.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(turned, part) for part in parts)


def generated() -> dict[str, str]:
    """Pages and their text."""
    pages = {page: linked((ROOT / source).read_text(), source, page) for source, page in OUTSIDE.items()}
    decided = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [f"- [{path.read_text().splitlines()[0].removeprefix('# ')}]({path.name})" for path in decided]
    pages[DECISIONS] = "\n".join(
        ["# Decisions", "", "Why things are as they are, in the order of deciding.", "", *titles]
    )
    listed = []
    for module in modules():
        name = dotted(module)
        first = ast.get_docstring(ast.parse((ROOT / module).read_text())) or ""
        listed.append(f"| [`{name}`]({name}.md) | {' '.join(first.split(chr(10) * 2)[0].split())} |")
        pages[f"reference/{name}.md"] = f"# {name}\n\n::: {name}\n"
    opening = "Every public name of the pure floors and of the client, from the docstrings of the code."
    head = ["# Reference", "", opening, "", "| module | what it is for |", "|---|---|"]
    pages[REFERENCE_HOME] = "\n".join([*head, *listed])
    return pages


def navigation(nav: list[Any]) -> list[Any]:
    """The `nav` of mkdocs.yml with what stands for many pages written out: `decisions` and `reference`."""
    floors: dict[str, list[str]] = {}
    for module in modules():
        floors.setdefault(module.parts[0], []).append(f"reference/{dotted(module)}.md")
    decided = sorted(f"decisions/{path.name}" for path in (ROOT / "docs" / "decisions").glob("*.md"))
    floors_nav = [{name: paths} for name, paths in floors.items()]
    whole = {"decisions": [DECISIONS, *decided], "reference": [REFERENCE_HOME, *floors_nav]}

    def written(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {title: written(under) for title, under in entry.items()}
        if isinstance(entry, list):
            return [written(one) for one in entry]
        return whole.get(entry, entry)

    made: list[Any] = written(nav)
    return made


# What MkDocs calls


def on_config(config: Any) -> Any:
    """Write the navigation out."""
    config["nav"] = navigation(config["nav"])
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are no files."""
    from mkdocs.structure.files import File

    for page, text in generated().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn the links of a document of `docs/`."""
    path = page.file.src_uri
    return markdown if page.file.generated_by else linked(markdown, f"docs/{path}", path)
