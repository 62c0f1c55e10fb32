"""The C library's allocator, told to keep the memory that torch frees.

By default it gives large blocks back to the system, and each step of a training has it clear as many pages anew: some 40 MB of a small
model's, a tenth of the step's time on one thread.
"""

import ctypes
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""As glibc's <malloc.h> has them."""
_LARGEST = 2**31 - 1
"""Bytes; they are a C int."""
_LARGEST_BEFORE = 32 * 2**20
"""The most that older ones of glibc take for blocks that are not mapped one by one."""


def keep_freed_memory() -> None:
    """Has this process take blocks from what was freed before; in threads beside the main one most of them, for their heaps are of 64 MiB.

    Does nothing where the C library has no such setting.
    """
    library = _c_library()
    if hasattr(library, "mallopt") and any(library.mallopt(_MMAP_THRESHOLD, size) for size in (_LARGEST, _LARGEST_BEFORE)):
        library.mallopt(_TRIM_THRESHOLD, _LARGEST)  # alone it would have all larger blocks mapped


def give_back_freed_memory() -> None:
    """Gives the system all that is free now, for other processes may need it."""
    library = _c_library()
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _c_library() -> Any:
    return ctypes.CDLL(None)
