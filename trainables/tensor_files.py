"""Tensors copied between safetensors files under other names, byte by byte, so that files may be larger than memory.

The format: eight bytes with the length of a header, the header as JSON, then the tensors one after another
(https://github.com/huggingface/safetensors#format).
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 8
"""Of the first tensor's first byte."""
_BLOCK_BYTES = 1 << 20


class StoredTensor(NamedTuple):
    """Where a tensor's bytes are."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    first_byte: int
    num_bytes: int


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file by their names."""
    with open(path, "rb") as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        header = json.loads(file.read(length))
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            found[name] = StoredTensor(path, entry["dtype"], tuple(entry["shape"]), _LENGTH.size + length + first, end - first)
    return found


def write_tensors(path: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """A file of copies of these tensors, in this order."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (end, end + tensor.num_bytes)}
        end += tensor.num_bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with open(path, "wb") as target:
        target.write(_LENGTH.pack(len(text)) + text)
        for tensor in tensors.values():
            with open(tensor.path, "rb") as source:
                source.seek(tensor.first_byte)
                _copy(source, target, tensor.num_bytes)


def _copy(source: BinaryIO, target: BinaryIO, num_bytes: int) -> None:
    for first in range(0, num_bytes, _BLOCK_BYTES):
        target.write(source.read(min(_BLOCK_BYTES, num_bytes - first)))
