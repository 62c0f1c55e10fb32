"""A folder that holds a model, known by its content."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sweeps.study import StudyError

_INDICES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


def folder_hash(place: str, folder: Path) -> str:
    """The first 16 hex of a hash over names and bytes of a folder's files; a StudyError that begins with `place` if it is none."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not any(path.name == "config.json" for path in paths):
        raise StudyError(f"{place}: {folder} holds no config.json; it must be a folder that from_pretrained reads")
    _check_is_whole(place, folder)
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def read_object(place: str, path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one where there is no file. A StudyError that begins with `place` if it holds something else."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{place}: {path} is no JSON: {error}; copy it again from where the model is from") from None
    if not isinstance(content, dict):
        raise StudyError(f"{place}: {path} holds no JSON object; copy it again from where the model is from")
    return content


def _check_is_whole(place: str, folder: Path) -> None:
    """A StudyError if what lies in a folder names code, or weights that lie elsewhere, of which its hash knows nothing."""
    for path in (folder / name for name in ("config.json", "tokenizer_config.json")):
        if "auto_map" in read_object(place, path):
            raise StudyError(
                f"{place}: {path} names Python code of its own, which is never run; take auto_map out if transformers has the model"
            )
    if (folder / "adapter_config.json").exists():
        raise StudyError(
            f"{place}: {folder} holds an adapter_config.json, of weights that lie elsewhere; merge them, and save the whole model"
        )
    for path in (folder / name for name in _INDICES):
        weights = read_object(place, path).get("weight_map", {})
        for name in weights.values() if isinstance(weights, dict) else ():
            if not isinstance(name, str) or Path(name).name != name:
                raise StudyError(f"{place}: {path} names {name!r}, which is no file beside it; put the weights there")
