"""Search and mining against the plain formula and against XTREME's own scripts."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.toy_data import toy_task
from trainables import retrieval
from trainables.examples import Passage
from trainables.metrics import value_of
from trainables.retrieval import best_threshold, mine, nearest, rank
from trainables.scoring import choose_threshold, mined_pairs, score_passages
from trainables.specs import RetrievalProtocol

BUCC = RetrievalProtocol(layer=1, pooling="mean", similarity="cosine", margin="ratio", neighbours=4)
PLAIN = BUCC.model_copy(update={"margin": "none"})


def random_vectors(num: int, size: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, size)).astype(np.float32)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("num", [1, 4, 100])
@pytest.mark.parametrize("block", [1, 7, 2048])
def test_blocks_change_nothing(block: int, num: int, similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "_BLOCK", block)
    queries, candidates = random_vectors(50, 8, seed=0), random_vectors(73, 8, seed=1)
    wanted = queries @ candidates.T
    if similarity == "cosine":
        wanted /= np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(candidates, axis=1)
    found = nearest(queries, candidates, num, similarity)
    assert found.index_QK.tolist() == np.argsort(-wanted, axis=1)[:, :num].tolist()
    assert np.allclose(found.similarity_QK, np.sort(wanted, axis=1)[:, ::-1][:, :num], atol=1e-6)


@given(st.lists(st.lists(st.integers(0, 2), min_size=9, max_size=9), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 9))
def test_the_first_of_equals_wins(rows: list[list[int]], num: int, block: int) -> None:
    similarities = np.array(rows, dtype=np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "_BLOCK", block)
        found = nearest(similarities, np.eye(9, dtype=np.float32), num, "dot")
    assert found.index_QK.tolist() == np.argsort(-similarities, axis=1, kind="stable")[:, :num].tolist()


def test_length_does_not_matter_to_the_cosine() -> None:
    candidates = np.array([[0, 0], [1, 1], [100, 0], [2, 2]], dtype=np.float32)
    queries = np.array([[3, 3], [1, 0.1]], dtype=np.float32)
    assert nearest(queries, candidates, 1, "cosine").index_QK.tolist() == [[1], [2]]
    assert nearest(queries, candidates, 2, "dot").index_QK.tolist() == [[2, 3], [2, 3]]


@pytest.mark.parametrize("margin", ["ratio", "distance"])
def test_a_margin_ranks_by_what_a_similarity_is_above_its_neighbourhood(margin: str) -> None:
    """A candidate that is near to everything, a hub, wins by similarity and loses by margin."""
    queries, candidates = random_vectors(40, 6, seed=2) + 0.5, random_vectors(50, 6, seed=3) + 0.5
    protocol = BUCC.model_copy(update={"margin": margin, "neighbours": 50})
    cosine = (queries @ candidates.T) / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(candidates, axis=1)
    backward = -np.sort(-cosine, axis=0)[:50].mean(axis=0)
    around = (cosine.mean(axis=1)[:, None] + backward) / 2
    wanted = cosine / around if margin == "ratio" else cosine - around
    assert rank(queries, candidates, 5, protocol).tolist() == np.argsort(-wanted, axis=1)[:, :5].tolist()
    assert rank(queries, candidates, 5, PLAIN).tolist() == np.argsort(-cosine, axis=1)[:, :5].tolist()


def test_mining_takes_each_sentence_once_and_the_best_pairs_first() -> None:
    queries = np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0]], dtype=np.float32)
    candidates = np.array([[1, 0, 0], [0, 1, 0.1]], dtype=np.float32)
    pairs = mine(queries, candidates, PLAIN.model_copy(update={"neighbours": 1}))
    assert [(pair.query, pair.candidate) for pair in pairs] == [(0, 0), (2, 1)]
    assert [pair.score for pair in pairs] == sorted((pair.score for pair in pairs), reverse=True)


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 12))
def test_no_threshold_beats_the_chosen_one(is_gold: list[bool], num_more: int) -> None:
    scores = np.linspace(2, 1, len(is_gold))
    num_gold = sum(is_gold) + num_more

    def f1(threshold: float) -> float:
        kept = [right for score, right in zip(scores, is_gold, strict=True) if score >= threshold]
        return 2 * sum(kept) / (len(kept) + num_gold)

    chosen = best_threshold(scores, np.array(is_gold, dtype=bool), num_gold)
    assert f1(chosen) == pytest.approx(max([f1(score) for score in scores], default=0) if any(is_gold) else f1(0))


def corpora(seed: int) -> tuple[list[Passage], np.ndarray]:
    """300 sentences, 400 candidates, 120 of them translations up to noise, and some sentences that are there twice."""
    queries, candidates = random_vectors(300, 16, seed) + 0.3, random_vectors(400, 16, seed + 1) + 0.3
    candidates[50:170] = queries[:120] + 0.7 * random_vectors(120, 16, seed + 2)
    texts = {"query": [f"query {i}" for i in range(300)], "candidate": [f"candidate {i}" for i in range(400)]}
    for vectors, side in ((queries, "query"), (candidates, "candidate")):
        for copy, original in ((200, 3), (210, 60), (211, 60)):
            vectors[copy], texts[side][copy] = vectors[original], texts[side][original]
    passages = [
        *(Passage(f"zh-{i}", text, "query", (f"en-{i + 50}",) if i < 120 else ()) for i, text in enumerate(texts["query"])),
        *(Passage(f"en-{i}", text, "candidate", ()) for i, text in enumerate(texts["candidate"])),
    ]
    return passages, np.vstack([queries, candidates])


def test_mined_pairs_and_threshold_are_those_of_xtreme() -> None:
    """Golden: `mine_bitext` and `bucc_eval` of google-research/xtreme's `utils_retrieve.py`, with FAISS 1.15, on the same vectors."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "mined_pairs.json").read_text())
    task = toy_task("retrieval", is_mining=True, metrics=("mining_f1", "mining_precision", "mining_recall"))
    dev, test = corpora(seed=10), corpora(seed=20)
    threshold = choose_threshold(*dev, BUCC)
    assert threshold == pytest.approx(golden["threshold"], abs=1e-6)
    for name, (passages, vectors) in {"dev": dev, "test": test}.items():
        assert len(mined_pairs(passages, vectors, BUCC)) == golden[name]["num_mined"]
        scored = score_passages(task, passages, vectors, BUCC, threshold)
        pairs = [f"{query}\t{found[0]}" for query, found in zip(scored.ids, scored.predictions, strict=True) if found]
        assert sorted(pairs) == golden[name]["pairs"]
        for metric in task.metrics:
            value = value_of(metric, scored.columns, scored.counts_NK.sum(axis=0))
            assert value == pytest.approx(golden[name][metric.removeprefix("mining_")], abs=1e-9)
