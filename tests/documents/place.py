"""A folder in which somebody types what a document says, and what that means where it can not be taken by the letter.

Each line goes to a shell of its own, in a folder that looks like a clone of the repository, with what the lines before
it exported. What a person would do without thinking, the folder does, too:

1. **Numbers of intervals.** A number of seven digits stands for the interval that `--interval next` printed in this
   document, and before it did, for the newest that is settled. The same number stands for the same interval to the
   document's end. Before anything is asked of it, or of `last`, the folder waits until it is settled, and for a round
   or a capacity until it is there; a sealed round is one that is. `--first` and `--until` are meant as they stand.
2. **Numbers of proposals** are counted from the first that the document makes.
3. **Words in capitals** are what an earlier command printed: CHAIN the devnet's chain, URL an address of a node (a
   second one of another), HASH the newest transaction, HEX the hash of the block that `--trust-height` names, KEY a
   key of the member that is named.
4. **Files** that no command makes are the document's own blocks of that kind, or what `instead.FILES` has.
5. **A devnet that runs is used on**: `devnet up` of the scenario that is up, and `devnet down` before a document that
   needs the same, are left to the last of them. The first `up` and the last `down` of each are real. A scenario that
   was run from its beginning to its end is not run in the same way again.

What is left, above all what is too long to run here, has a line in `instead.py` that says why.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.documents import instead
from tests.documents.commands import ROOT, Command, blocks

PATIENCE_S = 300.0
"""For anything that is waited for. Nothing that works takes as long on a busy machine."""
LOOK_S = 0.3
SEALED_AHEAD = 4
"""Intervals from now on that may have a sealed round."""
INTERVAL = re.compile(r"(?<!--first )(?<!--until )\b\d{7}\b")
OWN = (".gridpact", ".git", "build", ".venv")
UP = re.compile(r"gridpact devnet up(?: --scenario ([a-z-]+))?$")
DOWN = "gridpact devnet down"
RESTORE = re.compile(r"gridpact devnet restore ")
RESTORED = "restored"
"""In place of the name of a scenario: a devnet out of a file is no other document's."""


class Ran(NamedTuple):
    """What a line did."""

    exit_code: int
    out: str
    err: str


class Place:
    """A folder, its devnet, and what the document at hand has printed so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: str | None = None
        """Scenario of the devnet that is up."""
        self._environment = _environment()
        self._intervals: dict[str, str] = {}
        self._asked: str | None = None
        self._first_proposal: int | None = None
        self._hash = ""
        self._played: set[str] = set()
        for entry in ROOT.iterdir():
            if entry.name not in OWN:
                (folder / entry.name).symlink_to(entry)
        (folder / ".venv").symlink_to(instead.VENV)

    def open(self, document: Path) -> None:
        """Begin a document: what an earlier one printed is forgotten."""
        self._intervals, self._asked, self._first_proposal, self._hash = {}, None, None, ""
        self._environment = _environment()
        for name, text in zip(instead.BLOCKS.get(_name(document), ()), blocks(document, "toml"), strict=False):
            (self.folder / name).write_text(text)

    def run(self, command: Command, coming: str | None) -> str | None:
        """Type it. What is wrong with what it did, or None. `coming`: the scenario that is started next, if any."""
        text = instead.SMALLER.get(command.text, (command.text, ""))[0]
        if self._done(command, text, coming):
            return None
        if UP.match(command.text) and self.running is not None:
            self.shell(DOWN)
        for line in instead.BEFORE.get(command.text, ()):
            self.shell(self._meant(line))
        if "govern propose-" in text and self._first_proposal is None:
            self._first_proposal = int(self.ask("/query/proposals")["data"]["count"])
        self._bring(text)
        meant = self._meant(text)
        ran = self.shell(meant, stops=command.text in instead.UNTIL_STOPPED)
        expected = instead.EXITS.get(command.text, (command.exit_code, ""))[0]
        stopped = command.text in instead.UNTIL_STOPPED and ran.exit_code == instead.INTERRUPTED
        if not stopped and (ran.exit_code != expected or (command.refusal or "") not in ran.err):
            return _complaint(command, meant, ran, expected)
        self._note(command, text, ran)
        return None

    def _done(self, command: Command, text: str, coming: str | None) -> bool:
        """Whether there is nothing to do for it, see rule 5."""
        if up := UP.match(command.text):
            return self.running == (up[1] or "campus")
        return text in self._played or (command.text == DOWN and self.running is not None and self.running == coming)

    def shell(self, text: str, *, stops: bool = False) -> Ran:
        """Run one line of bash, for as long as it takes; with `stops` until it has said something, and then Ctrl-C.
        Exported variables stay."""
        kept = self.folder / ".environment"
        script = f"set -o pipefail\n{text}\ncode=$?\nenv -0 > {shlex.quote(str(kept))}\nexit $code\n"
        with subprocess.Popen(
            # As in a terminal: whoever is started in the background is deaf to Ctrl-C, and so is what it starts.
            ["env", "--default-signal=INT", "bash", "-c", script],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                if stops:
                    assert process.stdout is not None
                    process.stdout.readline()
                    os.killpg(process.pid, signal.SIGINT)
                out, err = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                err += f"\nnot done in {PATIENCE_S:.0f} s"
        if kept.exists():
            pairs = (pair.partition("=") for pair in kept.read_text().split("\0") if pair)
            self._environment = {name: value for name, _, value in pairs}
        return Ran(process.returncode, out, err)

    def down(self) -> None:
        """Whatever happened, nothing stays up."""
        self.shell(DOWN)

    # What a line means

    def _bring(self, text: str) -> None:
        """Files that the line names and nothing has made."""
        for word, (name, made) in instead.FILES.items():
            target = self.folder / name
            if re.search(rf"(?<![\w/.-]){re.escape(word)}(?![\w.-])", text) and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch(mode=0o600)
                target.write_bytes(made(self.folder))

    def urls(self) -> list[str]:
        """RPC addresses of the devnet's nodes that run."""
        document = json.loads((self.folder / ".gridpact" / "devnet" / "devnet.json").read_text())
        return [one["rpc"] for one in document["nodes"]]

    def ask(self, path: str) -> Any:
        """What the first node that answers says to a GET; None: it refuses."""
        for url in self.urls():
            try:
                with urlopen(url + path, timeout=30) as answer:
                    return json.load(answer)
            except HTTPError:
                return None
            except OSError:
                continue
        return None

    def wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        """The first answer that is one."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            answer = found()
            if answer:
                return answer
            time.sleep(LOOK_S)
        raise AssertionError(f"{what} did not happen in {PATIENCE_S:.0f} s")

    def settled(self, which: str) -> str:
        """The number of an interval, or of `last`, once it is settled."""

        def look() -> str | None:
            answer = self.ask(f"/query/interval/{which}")
            done = answer is not None and answer["data"]["status"] == "settled"
            return str(answer["data"]["interval"]) if done else None

        return str(self.wait_for(f"interval {which} to be settled", look))

    def _meant(self, text: str) -> str:
        text = INTERVAL.sub(lambda found: self._interval(found[0]), text)
        if re.search(r"\blast\b", text) and self.running == "campus":
            self.settled("last")
        text = re.sub(
            r"(govern (?:approve|show|signal|withdraw)) (\d+)",
            lambda found: f"{found[1]} {int(found[2]) + (self._first_proposal or 0)}",
            text,
        )
        if re.search(r"\bURL\b", text):
            for url in [*self.urls(), *self.urls()][: len(re.findall(r"\bURL\b", text))]:
                text = re.sub(r"\bURL\b", url, text, count=1)
        if round_ := re.search(r"\bquery round (\d+)", text):
            self.wait_for(f"round {round_[1]}", lambda: self.ask(f"/query/round/{round_[1]}"))
        if source := re.search(r"\bquery capacity ([a-z0-9-]+)", text):
            self.wait_for(f"a capacity of {source[1]}", lambda: self.ask(f"/query/capacity/{source[1]}"))
        if found := re.search(r"\bquery sealed (\d+)", text):
            text = text.replace(found[1], str(self.wait_for("a sealed round", self._sealed)))
        if re.search(r"\bKEY\b", text):
            text = re.sub(r"\bKEY\b", self.ask("/query/member/storage")["data"]["keys"][0]["public_key"], text)
        if re.search(r"\bHEX\b", text):
            text = re.sub(r"\bHEX\b", self._block(re.search(r"--trust-height (\d+)", text)), text)
        text = re.sub(r"\bHASH\b", self._hash, text)
        return re.sub(r"\bCHAIN\b", lambda _: str(self.ask("/status")["chain_id"]), text)

    def _interval(self, number: str) -> str:
        if number not in self._intervals:
            self._intervals[number] = self._asked or self.settled("last")
        self.settled(self._intervals[number])
        return self._intervals[number]

    def _sealed(self) -> int | None:
        """The interval of a sealed round that is open, or was."""
        first = int(self.ask("/query/interval/now")["data"]["interval"])
        return next((at for at in range(first, first + SEALED_AHEAD) if self.ask(f"/query/sealed/{at}")), None)

    def _block(self, height: re.Match[str] | None) -> str:
        assert height is not None
        block = self.wait_for(f"block {height[1]}", lambda: self.ask(f"/block/{height[1]}"))
        return str(block["id"])

    def _note(self, command: Command, text: str, ran: Ran) -> None:
        """What later lines mean by what this one has done and printed."""
        if up := UP.match(command.text):
            self.running = up[1] or "campus"
        elif RESTORE.match(text):
            self.running = RESTORED
        elif text == DOWN:
            self.running = None
        elif text.startswith("gridpact devnet run "):
            self._played.add(text)
        if "--interval next" in text and (asked := re.search(r"Interval (\d{7})", ran.out)):
            self._asked = asked[1]
        if made := re.search(r"^Transaction ([0-9a-f]{64})$", ran.out, re.MULTILINE):
            self._hash = made[1]


def _environment() -> dict[str, str]:
    """What a shell in a fresh clone has, and the commands of this tree."""
    path = f"{instead.VENV / 'bin'}:{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRIDPACT_")}
    return kept | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


def _name(document: Path) -> str:
    return str(document.relative_to(ROOT))


def _complaint(command: Command, text: str, ran: Ran, expected: int) -> str:
    where = f"{command.document}:{command.line}"
    told = ran.err[-1500:] or ran.out[-1500:]
    return f"{where}: `{text}` ended with {ran.exit_code}, not {expected} {command.refusal or ''}\n{told}"
