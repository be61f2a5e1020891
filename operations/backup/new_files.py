"""Giving a complete file its name."""

import os
from pathlib import Path

from operations.backup.encryption import BackupError


def publish(partial_path: Path, path: Path) -> None:
    """Flush a file to disk, and give it its name in the same folder. The old name stays. Raises
    BackupError when there is a file with the new name: linking never replaces one, unlike renaming.
    """
    _sync(partial_path)
    try:
        os.link(partial_path, path)
    except FileExistsError:
        raise BackupError(f"{path} was created meanwhile, and isn't replaced") from None
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
