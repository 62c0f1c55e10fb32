"""How well an encoder's vectors explain the classes of a task that it is not trained on: LogME.

Legend: `N` vectors, `D` hidden size, `K` singular values; `S` sequences, `T` tokens.
"""

import numpy as np
from numpy.typing import NDArray

from trainables.features import IGNORED, Features
from trainables.inference import embed, embed_tokens
from trainables.manifest import Measurement
from trainables.model import Model
from trainables.packing import take, unit_bounds
from trainables.specs import TransferSpec

LAST_LAYER = -1

Floats = NDArray[np.float64]

_MAX_ITERATIONS = 100
_TOLERANCE = 1e-4
_LARGEST = 1e8


def log_evidence(vectors_ND: Floats, classes_N: NDArray[np.int64]) -> float:
    """LogME: the log evidence, per example and mean over classes, of a Bayesian linear regression of each class on the vectors.

    You et al. 2021 (arXiv 2102.11005, algorithm 1); precisions by fixed-point iteration. Higher is better.
    """
    centred_ND = vectors_ND.astype(np.float64)
    left_NK, singular_K, _ = np.linalg.svd(centred_ND, full_matrices=False)
    squares_K = singular_K**2
    found = []
    for label in np.unique(classes_N):
        y_N = (classes_N == label).astype(np.float64)
        found.append(_evidence(left_NK.T @ y_N, squares_K, float(y_N @ y_N), vectors_ND.shape))
    return float(np.mean(found))


def _evidence(projected_K: Floats, squares_K: Floats, total: float, shape: tuple[int, ...]) -> float:
    """Per example, of one target with squared norm `total`, projected onto the vectors' left singular vectors."""
    num, size = shape
    weight_precision = noise_precision = 1.0
    outside = max(0.0, total - float((projected_K**2).sum()))
    for _ in range(_MAX_ITERATIONS):
        ratio = weight_precision / noise_precision
        effective = float((squares_K / (squares_K + ratio)).sum())
        weights = float((squares_K * projected_K**2 / (squares_K + ratio) ** 2).sum())
        residual = outside + float((projected_K**2 / (squares_K / ratio + 1) ** 2).sum())
        weight_precision = min(effective / max(weights, 1e-12), _LARGEST)
        noise_precision = min((num - effective) / max(residual, 1e-12), _LARGEST)
        if abs(weight_precision / noise_precision - ratio) <= _TOLERANCE * ratio:
            break
    ratio = weight_precision / noise_precision
    weights = float((squares_K * projected_K**2 / (squares_K + ratio) ** 2).sum())
    residual = outside + float((projected_K**2 / (squares_K / ratio + 1) ** 2).sum())
    determinant = float(np.log(weight_precision + noise_precision * squares_K).sum()) + (size - len(squares_K)) * np.log(weight_precision)
    evidence = size * np.log(weight_precision) + num * np.log(noise_precision) - determinant - num * np.log(2 * np.pi)
    evidence -= noise_precision * residual + weight_precision * weights
    return float(evidence / (2 * num))


def measure_transfer(spec: TransferSpec, model: Model, features: Features) -> Measurement:
    """LogME of what a head would read: a vector a sequence, or a token where tokens have classes."""
    (data,) = spec.data
    few = spaced(features, spec.num_units)
    if features.kind in ("classification", "multiple_choice"):
        vectors, classes = embed(model, few, LAST_LAYER, "mean"), sequence_classes(few)
    else:
        classes = token_classes(few)
        vectors, classes = embed_tokens(model, few, LAST_LAYER)[classes != IGNORED], classes[classes != IGNORED]
    value = log_evidence(vectors.astype(np.float64), classes)
    return Measurement(task=data.task, language=data.language, split=data.split, metric="logme", value=value, n=few.num_examples)


def spaced(features: Features, num_units: int) -> Features:
    """At most `num_units` of the units of some features, evenly spaced: examples may be sorted by class."""
    there = len(unit_bounds(features)) - 1
    return features if there <= num_units else take(features, np.linspace(0, there - 1, num_units).round().astype(np.int64))


def sequence_classes(features: Features) -> NDArray[np.int64]:
    """A class for each sequence; of multiple choice, whether it is the right option."""
    if features.kind == "classification":
        return features.targets.astype(np.int64)
    option_S = np.arange(len(features.example)) - np.searchsorted(features.example, features.example)
    return (option_S == features.targets[features.example]).astype(np.int64)


def token_classes(features: Features) -> NDArray[np.int64]:
    """A class for each token, or IGNORED: its tag; of a question's context, whether it is a part of the answer."""
    if features.kind == "tagging":
        return features.targets.astype(np.int64)
    assert features.kind == "span_qa", f"{features.kind} has no classes"
    place_T = np.arange(len(features.token_ids)) - np.repeat(features.offsets[:-1], np.diff(features.offsets))
    first_T, last_T = np.repeat(features.targets, np.diff(features.offsets), axis=0).T
    in_answer_T = (first_T <= place_T) & (place_T <= last_T)
    return np.where(features.char_spans[:, 0] < 0, IGNORED, in_answer_T).astype(np.int64)
