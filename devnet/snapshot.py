"""A whole devnet in one file: save what it is at this moment, and go on from there as often as one likes.

Everything of its directory is in the file, ledgers, logs and keys included, so a file is worth what its keys are: those
of a devnet, nothing. It goes on where ledger time stood, with the same ports. Never takes anything out of a file but
regular files and directories below the devnet's own.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from devnet import processes
from devnet.directory import Document, Layout
from devnet.errors import DevnetError
from devnet.launcher import Launcher
from devnet.timing import freeze, go, how

NAME = "snapshot.json"
FORMAT = 1
MAX_BYTES = 16 << 30
MAX_FILES = 200_000
MAX_DOCUMENT_BYTES = 16 << 20
"""Of what is said of the devnet, which is read as a whole."""
PART_BYTES = 1 << 20
"""Held in memory of a file that is taken out."""
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
"""`save` writes nothing else: no links, no devices, no long names, no holes."""


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
        with tarfile.open(part, "w:gz", compresslevel=1, format=tarfile.USTAR_FORMAT) as archive:
            for file in sorted(layout.root.rglob("*")):
                mode = file.lstat().st_mode
                if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
                    archive.add(file, str(file.relative_to(layout.root)), recursive=False)
        part.replace(path)
    except (OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise DevnetError("devnet.snapshot", f"{path} can't be written: {error}.", "See the disk.") from None
    finally:
        _go_on(launcher, said)
    return path.stat().st_size


def restore(launcher: Launcher, path: Path) -> Document:
    """Make the devnet of a file and let it go on. What is wrong with the file is found before anything that is there
    goes. Raises `DevnetError`: `devnet.running`, `devnet.directory`, `devnet.snapshot`, `devnet.port-taken`,
    `devnet.start`."""
    launcher.refuse_running()
    layout = launcher.layout
    made = False
    try:
        said, document = _understood(path, layout)
        layout.make()
        made = True
        _walk(path, lambda member, content: _take(member, content, layout.root))
        layout.save(document)
    except (OSError, EOFError, ValueError, RecursionError, tarfile.TarError, zlib.error) as error:
        if made:
            shutil.rmtree(layout.root)
        raise DevnetError("devnet.snapshot", f"{path} is no saved devnet: {error}.", "`gridpact devnet save`") from None
    _go_on(launcher, said)
    return layout.load()


def _understood(path: Path, layout: Layout) -> tuple[Snapshot, Document]:
    """What a file says of its devnet, once it is known that all of it may be taken out and has room."""
    documents: dict[str, bytes] = {}
    size = 0

    def look(member: tarfile.TarInfo, content: Iterator[bytes]) -> None:
        nonlocal size
        size += member.size
        if size > MAX_BYTES:
            raise DevnetError("devnet.snapshot", f"{path} is too large.", f"At most {MAX_BYTES} bytes are taken out.")
        if member.name in (NAME, layout.document.name):
            if member.size > MAX_DOCUMENT_BYTES:
                raise ValueError(f"{member.name} has {member.size} bytes")
            documents[member.name] = b"".join(content)

    _walk(path, look)
    if documents.keys() != {NAME, layout.document.name}:
        raise DevnetError("devnet.snapshot", f"{path} is no saved devnet.", "`gridpact devnet save FILE` makes one.")
    room = shutil.disk_usage(next(parent for parent in layout.root.parents if parent.exists())).free
    if size > room:
        raise DevnetError("devnet.snapshot", f"{path} needs {size} bytes, there is room for {room}.", "Make room.")
    said = msgspec.json.decode(documents[NAME], type=Snapshot)
    if said.format != FORMAT:
        raise ValueError(f"its format is {said.format}, and this program reads {FORMAT}")
    document = msgspec.json.decode(documents[layout.document.name], type=Document)
    if unknown := set(said.running) - {node.name for node in document.nodes}:
        raise ValueError(f"it has no node {min(unknown)[:40]!r}")
    return said, _moved(document, PurePosixPath(said.root), layout.root)


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


def _walk(path: Path, each: Callable[[tarfile.TarInfo, Iterator[bytes]], None]) -> None:
    """Hand over every file and directory in the archive with its content, in parts; nothing else may be in it.

    Reads heads one by one: `tarfile` itself would first read what a head announces of names and holes, however long.
    Raises `DevnetError`, OSError, EOFError, ValueError, TarError, zlib.error.
    """
    count = 0
    with gzip.open(path, "rb") as stream:
        while (head := stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):
            member = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
            name = PurePosixPath(member.name)
            plain = member.type in PLAIN and member.size >= 0 and not (member.isdir() and member.size)
            if not plain or name.is_absolute() or ".." in name.parts:
                raise DevnetError(
                    "devnet.snapshot", f"{path} holds {member.name[:80]!r}.", "Use a file that `save` wrote."
                )
            count += 1
            if count > MAX_FILES:
                raise DevnetError("devnet.snapshot", f"{path} is too large.", f"At most {MAX_FILES} files.")
            content = _content(stream, member.size)
            each(member, content)
            for _ in content:
                pass
            stream.read(-member.size % tarfile.BLOCKSIZE)
        if not head:
            raise EOFError("it ends too early")


def _content(stream: gzip.GzipFile, size: int) -> Iterator[bytes]:
    """So many of the next bytes, in parts."""
    while size:
        part = stream.read(min(size, PART_BYTES))
        if not part:
            raise EOFError("it ends too early")
        size -= len(part)
        yield part


def _take(member: tarfile.TarInfo, content: Iterator[bytes], root: Path) -> None:
    """Write one file or directory; only its owner may read it."""
    target = root / member.name
    if member.isdir():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.writelines(content)
    target.chmod(0o700 if member.mode & stat.S_IXUSR else 0o600)


def _go_on(launcher: Launcher, said: Snapshot) -> None:
    """Start what ran, and let time go on if it did."""
    (launcher.layout.root / NAME).unlink(missing_ok=True)
    launcher.start(said.running)
    if said.agents:
        launcher.spawn_agents([])
    if said.running and not said.frozen:
        go(launcher)
