"""What `gridpact repair` does to a damaged journal: keeps the valid prefix, moves everything else aside.

Never runs by itself, never deletes a byte of the log, never touches a sound journal.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from node.disk import Disk
from node.journal import JournalCorrupt, scans, segment_name, segments
from node.reach import reach_path

_KEPT = "Kept {} records. Transactions that were only in what is gone must be sent again."


class Repair(NamedTuple):
    """What `repair` did: `moved` are the `.damaged` files, `report` the sentences for the operator."""

    kept_records: int
    moved: tuple[Path, ...]
    report: tuple[str, ...]


def repair(directory: Path, disk: Disk, chain_id: str | None = None) -> Repair:
    """Keep the valid prefix of a corrupt journal and move everything after it aside, byte for byte.

    Never called by a node: what is moved had been promised, and with it the votes that bind the key, so that the
    caller sees to it that the key signs no more at that height (`FileSigner.retire`). May be interrupted and run
    again. Does nothing to a sound journal, torn tail or not. `chain_id` None accepts the journal of any one chain.
    """
    kept = 0
    try:
        for scan in scans(directory, disk, chain_id):
            kept += sum(1 for _ in scan)
    except JournalCorrupt as found:
        moved, report = _move_aside(directory, disk, found)
        return Repair(kept, moved, (found.message, *report, _KEPT.format(kept)))
    return Repair(kept, (), (f"{directory} is sound: {kept} records. Nothing was changed.",))


def _move_aside(directory: Path, disk: Disk, found: JournalCorrupt) -> tuple[tuple[Path, ...], list[str]]:
    """Move away what starts at the damaged place, and all later segments.

    From the last to the first, and the damaged place last of all, so that an interrupted repair is still seen
    as one to be done.
    """
    moved: list[Path] = []
    report: list[str] = []
    for number in reversed([number for number in segments(directory, disk) if number >= found.number]):
        path = directory / segment_name(number)
        target = _damaged_name(path, disk)
        whole = number != found.number or found.offset == 0
        if whole:
            disk.rename(path, target)
        else:
            disk.replace(target, disk.read(path)[found.offset :])
            disk.truncate(path, found.offset)
        moved.append(target)
        report.append(f"Moved {'all' if whole else 'the remainder'} of {path.name} to {target.name}.")
    if disk.exists(reach_path(directory)):
        disk.remove(reach_path(directory))
    return tuple(moved), report


def _damaged_name(path: Path, disk: Disk) -> Path:
    """First free one of `NAME.damaged`, `NAME.damaged-2`, ..."""
    target, count = path.with_name(path.name + ".damaged"), 1
    while disk.exists(target):
        count += 1
        target = path.with_name(f"{path.name}.damaged-{count}")
    return target
