"""Freed memory is used again without asking the system for it, until it is given back."""

import platform
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

STEPS = """
    import sys
    from pathlib import Path
    import torch
    from trainables.allocator import give_back_freed_memory, keep_freed_memory

    def faults():
        return int(Path("/proc/self/stat").read_text().split()[9])

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1])

    def step():
        blocks = [torch.ones(2**24) for _ in range(2)]  # beyond what glibc keeps by itself

    if sys.argv[1] == "keeps":
        keep_freed_memory()
    for _ in range(15):
        step()
    before = faults()
    for _ in range(10):
        step()
    number, held = faults() - before, resident()
    give_back_freed_memory()
    print(number, held - resident())
"""


def measured(way: str) -> tuple[int, int]:
    """Pages that ten steps of 128 MiB had cleared, and those that were given back in the end; of a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(STEPS), way]
    faults, given_back = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(faults), int(given_back)


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(HUGE_PAGES.exists() and "[always]" in HUGE_PAGES.read_text(), reason="pages are so large that few are cleared")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_freed_memory_is_used_again_and_given_back_when_that_is_asked() -> None:
    pages = 2**27 // resource.getpagesize()
    (faults, given_back), (faults_by_default, _) = measured("keeps"), measured("as it is")
    assert faults_by_default > 9 * pages, "else this is needless"
    assert faults < faults_by_default / 4
    assert given_back > 0.9 * pages
