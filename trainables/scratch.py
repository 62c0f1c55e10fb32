"""Temporary folders that no dead process leaves behind for long: whoever makes one deletes those of this user whose makers died.

A folder is locked by its maker for as long as that lives; the kernel releases the lock however it ends. So nobody needs to know processes.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "polystilts-scratch-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]+")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder in the machine's place for temporary files; it is gone afterwards."""
    collect_scratch(is_dry=False)
    folder, lock = _locked_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what stays is the next maker's to delete
        os.close(lock)


def collect_scratch(*, is_dry: bool) -> int:
    """Deletes the folders whose makers died; with `is_dry`, only counts them. Returns their bytes.

    Other users' folders and links are left alone.
    """
    freed = 0
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), _lock_of(path) as is_dead:  # an OSError: somebody else was first, or it is no folder
            if is_dead:
                freed += sum(found.lstat().st_size for found in path.rglob("*") if not found.is_dir())
                if not is_dry:
                    shutil.rmtree(path, ignore_errors=True)
    return freed


def _locked_folder() -> tuple[Path, int]:
    """One that nobody has taken for a dead process's before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks: there nobody takes one for dead either
            fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, lock
        os.close(lock)


@contextmanager
def _lock_of(path: Path) -> Iterator[bool]:
    """Whether a folder is a dead process's of this user, who is kept from no other meanwhile; an OSError if it is no folder of its own."""
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        is_mine = os.fstat(lock).st_uid == os.geteuid() and _NAME.fullmatch(path.name) is not None
        if is_mine:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield is_mine
    finally:
        os.close(lock)
