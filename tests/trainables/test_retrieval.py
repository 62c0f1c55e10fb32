"""Nearest neighbours against the plain formula."""

import numpy as np
import pytest

from trainables import retrieval
from trainables.retrieval import nearest


@pytest.mark.parametrize("block", [1, 7, 2048])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    random = np.random.default_rng(0)
    queries, candidates = random.normal(size=(50, 8)).astype(np.float32), random.normal(size=(73, 8)).astype(np.float32)
    cosine = (queries @ candidates.T) / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(candidates, axis=1)
    assert nearest(queries, candidates).tolist() == cosine.argmax(axis=1).tolist()


def test_length_does_not_matter_and_the_first_of_equals_wins() -> None:
    candidates = np.array([[0, 0], [1, 1], [100, 0], [2, 2]], dtype=np.float32)
    assert nearest(np.array([[3, 3], [1, 0.1]], dtype=np.float32), candidates).tolist() == [1, 2]
