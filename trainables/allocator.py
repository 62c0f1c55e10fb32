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


def keep_freed_memory() -> None:
    """Has this process take blocks of any size from what was freed before. Does nothing where the C library has no such setting."""
    library = _c_library()
    if hasattr(library, "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, _LARGEST)
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)


def give_back_freed_memory() -> None:
    """Gives the system all that is free now."""
    library = _c_library()
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def _c_library() -> Any:
    return ctypes.CDLL(None)
