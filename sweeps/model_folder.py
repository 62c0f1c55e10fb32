"""A folder that holds a model, known by its content."""

import hashlib
from pathlib import Path

from sweeps.study import StudyError


def folder_hash(place: str, folder: Path) -> str:
    """The first 16 hex of a hash over names and bytes of a folder's files; a StudyError that begins with `place` if it is none."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not any(path.name == "config.json" for path in paths):
        raise StudyError(f"{place}: {folder} holds no config.json; it must be a folder that from_pretrained reads")
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
