"""A whole devnet in one file: save what it is at this moment, and go on from there as often as one likes.

Everything of its directory is in the file, ledgers, logs and keys included, so a file is worth what its keys are: those
of a devnet, nothing. It goes on where ledger time stood, with the same ports. Never takes anything out of a file but
regular files and directories below the devnet's own.
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import msgspec

from devnet import processes
from devnet.directory import Document
from devnet.errors import DevnetError
from devnet.launcher import Launcher
from devnet.timing import freeze, go, how

NAME = "snapshot.json"
FORMAT = 1
MAX_BYTES = 16 << 30
MAX_FILES = 200_000


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a devnet beside its files."""

    format: int
    root: str
    """Where it was, which its document names in every path."""
    running: tuple[str, ...]
    agents: bool
    frozen: bool


def save(launcher: Launcher, path: Path) -> int:
    """Write the devnet to a new file and let it go on; returns the bytes of the file.

    Nodes that ran stop for it and start again. Raises `DevnetError`: `devnet.none`, `devnet.snapshot`.
    """
    layout = launcher.layout
    document = layout.load()
    if path.exists():
        raise DevnetError("devnet.snapshot", f"{path} exists.", "Give another name; nothing is overwritten.")
    if layout.root in path.absolute().parents:
        raise DevnetError("devnet.snapshot", f"{path} is in the devnet itself.", "Write it somewhere else.")
    running = tuple(node.name for node in document.nodes if processes.state(node.pid, node.home) == "running")
    agents = processes.state(document.agents, str(layout.root)) != "dead"
    frozen = not running or how(launcher).freeze
    if not frozen:
        freeze(launcher)
    said = Snapshot(FORMAT, str(layout.root), running, agents, frozen)
    launcher.kill_all()
    (layout.root / NAME).write_bytes(msgspec.json.encode(said))
    part = path.with_name(path.name + ".part")
    try:
        with tarfile.open(part, "w:gz", compresslevel=1) as archive:
            for file in sorted(layout.root.rglob("*")):
                if stat.S_ISREG(file.lstat().st_mode) or file.is_dir():
                    archive.add(file, str(file.relative_to(layout.root)), recursive=False)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise DevnetError("devnet.snapshot", f"{path} can't be written: {error.strerror}.", "See the disk.") from None
    finally:
        _go_on(launcher, said)
    return path.stat().st_size


def restore(launcher: Launcher, path: Path) -> Document:
    """Make the devnet of a file and let it go on. Raises `DevnetError`: `devnet.running`, `devnet.directory`,
    `devnet.snapshot`, `devnet.port-taken`, `devnet.start`."""
    launcher.refuse_running()
    layout = launcher.layout
    made = False
    try:
        with tarfile.open(path, "r:gz") as archive:
            members = _checked(path, archive)
            layout.make()
            made = True
            for member in members:
                _take(archive, member, layout.root)
        said = msgspec.json.decode((layout.root / NAME).read_bytes(), type=Snapshot)
        if said.format != FORMAT:
            raise ValueError(f"its format is {said.format}, and this program reads {FORMAT}")
        document = msgspec.json.decode(layout.document.read_bytes(), type=Document)
        layout.save(_moved(document, PurePosixPath(said.root), layout.root))
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        if made:
            shutil.rmtree(layout.root)
        raise DevnetError("devnet.snapshot", f"{path} is no saved devnet: {error}.", "`gridpact devnet save`") from None
    _go_on(launcher, said)
    return layout.load()


def _moved(document: Document, old: PurePosixPath, new: Path) -> Document:
    """The document of a devnet that lies elsewhere now. ValueError where it names something outside of it."""

    def path(text: str) -> str:
        below = PurePosixPath(text).relative_to(old)
        if ".." in below.parts:
            raise ValueError(f"{text[:80]!r} is outside of it")
        return str(new / below)

    replace = msgspec.structs.replace
    nodes = tuple(replace(one, home=path(one.home), log=path(one.log)) for one in document.nodes)
    members = tuple(replace(one, key=path(one.key)) for one in document.members)
    return replace(document, nodes=nodes, members=members)


def _checked(path: Path, archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """What is in the file, if all of it may be taken out."""
    members: list[tarfile.TarInfo] = []
    size = 0
    for member in archive:
        size += member.size
        name = PurePosixPath(member.name)
        if not (member.isreg() or member.isdir()) or name.is_absolute() or ".." in name.parts:
            raise DevnetError("devnet.snapshot", f"{path} holds {member.name[:80]!r}.", "Use a file that `save` wrote.")
        if size > MAX_BYTES or len(members) == MAX_FILES:
            raise DevnetError("devnet.snapshot", f"{path} is too large.", f"At most {MAX_BYTES} bytes are taken out.")
        members.append(member)
    if not any(member.name == NAME for member in members):
        raise DevnetError("devnet.snapshot", f"{path} is no saved devnet.", "`gridpact devnet save FILE` makes one.")
    return members


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """One file or directory; only its owner may read it."""
    target = root / member.name
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = archive.extractfile(member)
    assert source is not None, "a regular file has content"
    with target.open("wb") as file:
        while chunk := source.read(1 << 20):
            file.write(chunk)
    target.chmod(0o700 if member.mode & stat.S_IXUSR else 0o600)


def _go_on(launcher: Launcher, said: Snapshot) -> None:
    """Start what ran, and let time go on if it did."""
    (launcher.layout.root / NAME).unlink(missing_ok=True)
    launcher.start(said.running)
    if said.agents:
        launcher.spawn_agents([])
    if said.running and not said.frozen:
        go(launcher)
