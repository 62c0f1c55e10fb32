"""Progress checkpoints: the state of a training that is still going on, in files that say themselves whether they are whole."""

import hashlib
import logging
import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from trainables.ranks import gathered

_NAME = re.compile(r"step-(\d{9})-([0-9a-f]{16})\.pt")
_NUM_KEPT = 2

log = logging.getLogger(__name__)


def save_progress(folder: Path, step: int, state: object) -> None:
    """Writes `state`, of tensors and plain values, aside, syncs it and renames it to `step-<step>-<hash of its bytes>.pt`.

    The newest two are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".step-{step:09d}.{os.getpid()}"
    with open(aside, "w+b") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    os.replace(aside, folder / f"step-{step:09d}-{digest}.pt")
    for _, old in _newest_first(folder)[_NUM_KEPT:]:
        old.unlink()


def load_progress(folder: Path) -> Any | None:
    """The newest whole checkpoint, on the CPU; None if there is none. A damaged one is named in a warning and passed over.

    Where several ranks have folders of their own, the newest step of which all have one; every rank calls this.
    """
    whole = {step: path for step, path in _newest_first(folder) if _is_whole(path)}
    common = set(whole).intersection(*gathered(set(whole)))
    if not common:
        return None
    path = whole[max(common)]
    try:
        return torch.load(path, map_location="cpu", weights_only=True)  # others may write there: what is no plain state is not read
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path} is no progress checkpoint of a training ({str(error).splitlines()[0]}); delete it") from None


def _is_whole(path: Path) -> bool:
    match = _NAME.fullmatch(path.name)
    with open(path, "rb") as stream:
        is_whole = match is not None and hashlib.file_digest(stream, "sha256").hexdigest()[:16] == match[2]
    if not is_whole:
        log.warning("progress checkpoint %s is damaged; falling back to the one before", path)
    return is_whole


def _newest_first(folder: Path) -> list[tuple[int, Path]]:
    """By step."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob("step-*.pt"))
    return sorted(((int(match[1]), path) for match, path in named if match is not None), reverse=True)
