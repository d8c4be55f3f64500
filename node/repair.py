"""What `gridpact repair` does to a damaged journal: keeps the valid prefix, moves everything else aside.

Never runs by itself, never deletes a byte of the log, never touches a sound journal.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from node.disk import Disk
from node.journal import Scan, segment_name, segments
from node.reach import missing_segment, reach_path, read_reach

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
    numbers = segments(directory, disk)
    reach = read_reach(directory, disk)
    missing = missing_segment(numbers, reach)
    kept = 0
    for position, number in enumerate(numbers):
        if missing is not None and number > missing:
            return _move_aside(directory, disk, numbers[position:], 0, kept, f"{segment_name(missing)} is missing")
        scan = Scan(disk.read(directory / segment_name(number)), number, chain_id)
        kept += sum(1 for _ in scan)
        chain_id = scan.chain_id
        if scan.damage is not None and (scan.damage.durable or number != numbers[-1]):
            return _move_aside(directory, disk, numbers[position:], scan.end, kept, scan.damage.reason)
        if number == reach.newest and scan.end < reach.size:
            return _move_aside(directory, disk, numbers[position:], scan.end, kept, f"{reach.size} bytes were durable")
    if missing is not None:
        disk.remove(reach_path(directory))
        lost = f"{directory / segment_name(missing)} is missing, and all that it held."
        return Repair(kept, (), (lost, _KEPT.format(kept)))
    return Repair(kept, (), (f"{directory} is sound: {kept} records. Nothing was changed.",))


def _move_aside(directory: Path, disk: Disk, numbers: list[int], offset: int, kept: int, reason: str) -> Repair:
    """Move away the segments `numbers`, of the first one only what starts at `offset`.

    From the last to the first, and the damaged place last of all, so that an interrupted repair is still seen
    as one to be done.
    """
    first = directory / segment_name(numbers[0])
    moved, report = [], [f"{first} is damaged at byte {offset}: {reason}."]
    for number in reversed(numbers):
        path = directory / segment_name(number)
        target = _damaged_name(path, disk)
        whole = number != numbers[0] or offset == 0
        if whole:
            disk.rename(path, target)
        else:
            disk.replace(target, disk.read(path)[offset:])
            disk.truncate(path, offset)
        moved.append(target)
        report.append(f"Moved {'all' if whole else 'the remainder'} of {path.name} to {target.name}.")
    if disk.exists(reach_path(directory)):
        disk.remove(reach_path(directory))
    report.append(_KEPT.format(kept))
    return Repair(kept, tuple(moved), tuple(report))


def _damaged_name(path: Path, disk: Disk) -> Path:
    """First free one of `NAME.damaged`, `NAME.damaged-2`, ..."""
    target, count = path.with_name(path.name + ".damaged"), 1
    while disk.exists(target):
        count += 1
        target = path.with_name(f"{path.name}.damaged-{count}")
    return target
