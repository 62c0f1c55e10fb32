"""Exact search among embedded sentences: nearest neighbours, margins, and the mining of translation pairs.

Legend: `Q` queries, `C` candidates, `D` hidden size, `K` neighbours.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from trainables.specs import Margin, RetrievalProtocol, Similarity

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Device = torch.device | str

_BLOCK = 2048
"""Queries, and candidates, whose similarities are in memory at once: 16 MiB."""


class Neighbours(NamedTuple):
    """For each query its most similar candidates, best first; of equals the first."""

    index_QK: Indices
    similarity_QK: Floats


def nearest(queries_QD: Floats, candidates_CD: Floats, num: int, similarity: Similarity, device: Device = "cpu") -> Neighbours:
    """The `num` most similar candidates of each query, or all if there are fewer; exact, as FAISS's flat indexes are.

    Beside its arguments it holds two blocks of vectors and one of similarities.
    """
    num = min(num, len(candidates_CD))
    index_QK = np.empty((len(queries_QD), num), dtype=np.int64)
    similarity_QK = np.empty((len(queries_QD), num), dtype=np.float32)
    for first in range(0, len(queries_QD), _BLOCK):
        block = slice(first, first + _BLOCK)
        queries = _scaled(queries_QD[block], similarity, device)
        values, indices = (
            queries.new_full((len(queries), num), -torch.inf),
            torch.zeros(len(queries), num, dtype=torch.int64, device=device),
        )
        for start in range(0, len(candidates_CD), _BLOCK):
            similarities = queries @ _scaled(candidates_CD[start : start + _BLOCK], similarity, device).T
            rows = (similarities.amax(dim=1) > values[:, -1]).nonzero().squeeze(1)
            found_values, found_indices = _largest(similarities[rows], num)
            # the earlier blocks stand first, so that of equals the first wins here too
            values[rows], order = _largest(torch.hstack([values[rows], found_values]), num)
            indices[rows] = torch.hstack([indices[rows], start + found_indices]).gather(1, order)
        index_QK[block], similarity_QK[block] = indices.cpu().numpy(), values.cpu().numpy()
    return Neighbours(index_QK, similarity_QK)


def _scaled(vectors: Floats, similarity: Similarity, device: Device) -> Tensor:
    tensor = torch.from_numpy(vectors).to(device)
    return tensor if similarity == "dot" else normalize(tensor, dim=1)


def _largest(values_QC: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """The `num` largest values of each row and their places, in order, of equals the first."""
    num = min(num, values_QC.shape[1])
    found_QK, index_QK = values_QC.topk(num)
    for row in ((values_QC >= found_QK[:, -1:]).sum(dim=1) > num).nonzero().squeeze(1):  # topk takes any of several equal last ones
        index_QK[row] = values_QC[row].sort(descending=True, stable=True).indices[:num]
    index_QK = index_QK.sort(dim=1).values
    sorted_QK = values_QC.gather(1, index_QK).sort(dim=1, descending=True, stable=True)
    return sorted_QK.values, index_QK.gather(1, sorted_QK.indices)


def rank(queries_QD: Floats, candidates_CD: Floats, num: int, protocol: RetrievalProtocol, device: Device = "cpu") -> Indices:
    """[Q, num] the candidates that answer each query, best first, by similarity or, with a margin, by margin."""
    if protocol.margin == "none":
        return nearest(queries_QD, candidates_CD, num, protocol.similarity, device).index_QK
    found = nearest(queries_QD, candidates_CD, max(num, protocol.neighbours), protocol.similarity, device)
    back = nearest(candidates_CD, queries_QD, protocol.neighbours, protocol.similarity, device)
    margins_QK = _margins(found, _mean(found, protocol.neighbours), _mean(back, protocol.neighbours), protocol.margin)
    return np.take_along_axis(found.index_QK, np.argsort(-margins_QK, axis=1, kind="stable"), axis=1)[:, :num]


def _mean(neighbours: Neighbours, num: int) -> Floats:
    return neighbours.similarity_QK[:, :num].mean(axis=1)


def _margins(found: Neighbours, mean_Q: Floats, mean_C: Floats, margin: Margin) -> NDArray[np.float64]:
    """[Q, K] each similarity against the mean of both sides' neighbourhoods (Artetxe and Schwenk 2019, equation 2)."""
    around_QK = (mean_Q[:, None] + mean_C[found.index_QK]) / 2
    match margin:
        case "ratio":
            return np.asarray(found.similarity_QK / around_QK, dtype=np.float64)
        case "distance":
            return np.asarray(found.similarity_QK - around_QK, dtype=np.float64)
        case "none":
            return np.asarray(found.similarity_QK, dtype=np.float64)


class Pair(NamedTuple):
    """A query and a candidate that are taken for translations of each other."""

    query: int
    candidate: int
    score: float


def mine(queries_QD: Floats, candidates_CD: Floats, protocol: RetrievalProtocol, device: Device = "cpu") -> list[Pair]:
    """Pairs of distinct sentences, best first, each sentence in one at most (XTREME's `mine_bitext`, retrieval "max").

    The best candidate of each query and the best query of each candidate, by margin among the nearest neighbours, are joined
    greedily; pairs with a score of 0 or less are left out.
    """
    found = nearest(queries_QD, candidates_CD, protocol.neighbours, protocol.similarity, device)
    back = nearest(candidates_CD, queries_QD, protocol.neighbours, protocol.similarity, device)
    mean_Q, mean_C = _mean(found, protocol.neighbours), _mean(back, protocol.neighbours)
    forward, backward = _margins(found, mean_Q, mean_C, protocol.margin), _margins(back, mean_C, mean_Q, protocol.margin)
    best_Q, best_C = forward.argmax(axis=1), backward.argmax(axis=1)
    queries = np.concatenate([np.arange(len(best_Q)), back.index_QK[np.arange(len(best_C)), best_C]])
    candidates = np.concatenate([found.index_QK[np.arange(len(best_Q)), best_Q], np.arange(len(best_C))])
    scores = np.concatenate([forward.max(axis=1), backward.max(axis=1)])
    pairs: list[Pair] = []
    seen_queries: set[int] = set()
    seen_candidates: set[int] = set()
    for place in np.argsort(-scores, kind="stable"):
        query, candidate = int(queries[place]), int(candidates[place])
        if query not in seen_queries and candidate not in seen_candidates:
            seen_queries.add(query)
            seen_candidates.add(candidate)
            if scores[place] > 0:
                pairs.append(Pair(query, candidate, float(scores[place])))
    return pairs


def best_threshold(scores: NDArray[np.float64], is_gold: NDArray[np.bool_], num_gold: int) -> float:
    """The score from which on pairs are kept for the best F1: half-way to the next pair (XTREME's `bucc_optimize`); 0 if none is right.

    `scores` fall. The original reads past the end where the best cut keeps every pair; here the last score is the threshold then.
    """
    num_right = np.cumsum(is_gold)
    f1 = 2 * num_right / (np.arange(1, len(scores) + 1) + num_gold)
    if not len(scores) or f1.max() == 0:
        return 0.0
    last = int(f1.argmax())
    return float((scores[last] + scores[min(last + 1, len(scores) - 1)]) / 2)
