"""LogME follows its definition and ranks encoders by what their vectors know; sequences or tokens have classes."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from trainables.features import IGNORED, Features
from trainables.transferability import log_evidence, sequence_classes, spaced, token_classes


def make_vectors(num: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((num, size))


def best_evidence(vectors_ND: np.ndarray, y_N: np.ndarray) -> float:
    """By the marginal Gaussian itself, its two variances optimised numerically."""

    def negative(logs: np.ndarray) -> float:
        weights, noise = np.exp(logs)
        covariance = weights * vectors_ND @ vectors_ND.T + noise * np.eye(len(y_N))
        return -float(multivariate_normal(np.zeros(len(y_N)), covariance).logpdf(y_N)) / len(y_N)

    return -min(minimize(negative, start, method="Nelder-Mead").fun for start in ([-2.0, -2.0], [0.0, -1.0], [-4.0, 0.0]))


@pytest.mark.parametrize(("num", "size"), [(40, 6), (12, 20)], ids=["more examples than dimensions", "fewer"])
def test_it_is_the_largest_evidence_of_a_linear_gaussian_model(num, size):
    vectors = make_vectors(num, size)
    classes = (vectors[:, 0] + 0.5 * make_vectors(num, 1, 1)[:, 0] > 0).astype(np.int64)
    expected = np.mean([best_evidence(vectors, (classes == label).astype(float)) for label in (0, 1)])
    assert log_evidence(vectors, classes) == pytest.approx(expected, abs=2e-3)


def test_vectors_that_know_the_classes_score_higher():
    classes = np.arange(90) % 3
    vectors = make_vectors(90, 10)
    knowing = vectors.copy()
    knowing[np.arange(90), classes] += 3.0
    assert log_evidence(knowing, classes) > log_evidence(vectors, classes) + 0.2


def test_an_option_s_class_is_whether_it_is_right():
    empty = np.zeros(0, np.int32)
    features = Features(
        kind="multiple_choice",
        token_ids=empty,
        offsets=np.zeros(1, np.int64),
        second_segment=empty,
        example=np.array([0, 0, 1, 1, 1], np.int32),
        num_examples=2,
        targets=np.array([1, 2], np.int32),
        char_spans=empty,
    )
    assert sequence_classes(features).tolist() == [0, 1, 0, 0, 1]


def make_question_features(num_windows: int) -> Features:
    """Windows of five tokens, of which the last three are context and the last two the answer."""
    return Features(
        kind="span_qa",
        token_ids=np.arange(5 * num_windows, dtype=np.int32),
        offsets=5 * np.arange(num_windows + 1, dtype=np.int64),
        second_segment=np.full(num_windows, 2, np.int32),
        example=np.arange(num_windows, dtype=np.int32),
        num_examples=num_windows,
        targets=np.tile(np.array([[3, 4]], np.int32), (num_windows, 1)),
        char_spans=np.tile(np.array([[-1, -1], [-1, -1], [0, 1], [2, 3], [4, 5]], np.int32), (num_windows, 1)),
    )


def test_a_token_s_class_is_whether_it_answers_or_its_tag():
    features = make_question_features(2)
    assert token_classes(features).tolist() == [IGNORED, IGNORED, 0, 1, 1] * 2
    tags = np.array([IGNORED, 2, 0, 1, IGNORED], np.int32)
    assert token_classes(make_question_features(1)._replace(kind="tagging", targets=tags)).tolist() == tags.tolist()


def test_few_units_are_spread_over_all():
    few = spaced(make_question_features(10), 4)
    assert few.token_ids[::5].tolist() == [0, 15, 30, 45]
    assert spaced(make_question_features(3), 4).num_examples == 3
