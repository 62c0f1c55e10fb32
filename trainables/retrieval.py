"""Exact nearest neighbours by cosine."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BLOCK = 2048
"""Queries, and candidates, whose similarities are in memory at once: 16 MiB."""


def nearest(queries_QD: Floats, candidates_CD: Floats) -> NDArray[np.int64]:
    """[Q] for each query the index of the candidate with the largest cosine, the first of equals (XTREME's IndexFlatL2 after L2 norm)."""
    queries_QD, candidates_CD = _unit(queries_QD), _unit(candidates_CD)
    best = np.zeros(len(queries_QD), dtype=np.int64)
    for first in range(0, len(queries_QD), _BLOCK):
        block = queries_QD[first : first + _BLOCK]
        cosine = np.full(len(block), -np.inf, dtype=np.float32)
        for start in range(0, len(candidates_CD), _BLOCK):
            similarities = block @ candidates_CD[start : start + _BLOCK].T
            index = similarities.argmax(axis=1)
            found = similarities[np.arange(len(block)), index]
            is_better = found > cosine
            cosine[is_better] = found[is_better]
            best[first : first + _BLOCK][is_better] = start + index[is_better]
    return best


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
