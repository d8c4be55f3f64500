"""A look at the store of a stopped node that leaves it as it is: LevelDB writes when it opens, so it opens a copy.

Tables never change and are linked; the few small files that say which tables count are copied. Never for the store
of a running node, whose files change while they are copied.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from node.ledger.store import LevelStore, StoreError

TABLES = (".ldb", ".sst")
LEFT_OUT = ("LOCK", "LOG", "LOG.old")


@contextlib.contextmanager
def view(path: Path) -> Iterator[LevelStore]:
    """The store in `path`, opened elsewhere. Raises StoreError as opening it would, and `store.io`."""
    with tempfile.TemporaryDirectory(prefix="gridpact-view-") as root:
        try:
            for file in sorted(path.iterdir()):
                if file.suffix in TABLES:
                    (Path(root) / file.name).symlink_to(file.absolute())
                elif file.is_file() and file.name not in LEFT_OUT:
                    shutil.copyfile(file, Path(root) / file.name)
        except OSError as error:
            raise StoreError(
                "store.io", f"{path} can't be read: {error.strerror}.", "Check the disk and its permissions."
            ) from error
        try:
            store = LevelStore(root)
            try:
                yield store
            finally:
                store.close()
        except StoreError as error:
            # People know the store by its own path.
            raise StoreError(error.code, error.message.replace(root, str(path)), error.hint) from error
