"""Exact search among 100,000 x 100,000 vectors of 1,024: seconds against the bare matrix product, and memory.

    python benchmarks/retrieval_search.py [--vectors N] [--size D] [--neighbours K] [--json FILE]

Both run in one process, block by block over the same vectors; the product is the least that an exact search can do. Memory is the
process's largest resident set, the vectors themselves included.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import torch

from trainables.retrieval import nearest

BLOCK = 2048


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--vectors", type=int, default=100_000)
    arguments.add_argument("--size", type=int, default=1024)
    arguments.add_argument("--neighbours", type=int, default=4)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    random = np.random.default_rng(0)
    queries, candidates = (random.standard_normal((given.vectors, given.size), dtype=np.float32) for _ in range(2))
    began = time.monotonic()
    found = nearest(queries, candidates, given.neighbours, "cosine")
    search_s = time.monotonic() - began
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.monotonic()
    multiply(queries, candidates)
    product_s = time.monotonic() - began
    assert found.index_QK.shape == (given.vectors, given.neighbours)
    print(
        f"{given.vectors:,} x {given.vectors:,} vectors of {given.size:,}, {given.neighbours} neighbours, {torch.get_num_threads()} threads"
    )
    print(f"search {search_s:.1f} s, product alone {product_s:.1f} s: ratio {search_s / product_s:.2f}; {peak_gb:.2f} GB at most")
    if given.json:
        given.json.write_text(json.dumps({"search_s": search_s, "product_s": product_s, "peak_gb": peak_gb}))


def multiply(queries: np.ndarray, candidates: np.ndarray) -> None:
    for first in range(0, len(queries), BLOCK):
        block = torch.from_numpy(queries[first : first + BLOCK])
        for start in range(0, len(candidates), BLOCK):
            block @ torch.from_numpy(candidates[start : start + BLOCK]).T


if __name__ == "__main__":
    main()
