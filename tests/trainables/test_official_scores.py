"""Scores against what the official evaluators said, once, of samples made to be hard: tests/golden/official_*.json.

The samples hold the punctuation and the articles of MLQA's languages, empty and blank texts, characters beyond the first plane,
tags that break their scheme, and tags without one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainables.toy_data import toy_task
from trainables.examples import Answer, Question
from trainables.metrics import answer_scores, mlqa_tokens, span_counts_of, squad2_scores, squad_tokens, value_of
from trainables.scoring import score_answers
from trainables.span_qa import FoundAnswer

GOLDEN = Path(__file__).parents[1] / "golden"
ANSWERS: dict[str, Any] = json.loads((GOLDEN / "official_answers.json").read_text())
TAGS: list[dict[str, Any]] = json.loads((GOLDEN / "official_tags.json").read_text())["cases"]
LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")


def gold(case: dict[str, Any]) -> tuple[Answer, ...]:
    return tuple(Answer(text, 0) for text in case["answers"])


def questions(cases: list[dict[str, Any]]) -> list[Question]:
    return [Question(str(number), "?", "", gold(case)) for number, case in enumerate(cases)]


def percent(metrics: tuple[str, ...], language: str, cases: list[dict[str, Any]], has_unanswerable: bool = False) -> dict[str, float]:
    """The metrics of a set, by the road that a model's answers take."""
    task = toy_task("span_qa", metrics=metrics, has_unanswerable=has_unanswerable)
    found = [FoundAnswer(case["prediction"], case.get("null_odds", 0.0)) for case in cases]
    scored = score_answers(task, language, questions(cases), found)
    return {name: 100 * float(value_of(name, scored.columns, scored.counts_NK.sum(axis=0))) for name in metrics}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_answer_scores_as_the_official_scripts_score_it(language: str) -> None:
    cases = [case for case in ANSWERS["cases"] if case["language"] == language]
    assert len(cases) > 50
    for case in cases:
        said = case["prediction"]
        assert answer_scores(said, gold(case), squad_tokens) == pytest.approx(case["squad1"], abs=1e-9), case
        assert squad2_scores(said, gold(case)) == pytest.approx(case["squad2"], abs=1e-9), case
        assert answer_scores(said, gold(case), lambda text: mlqa_tokens(text, language)) == pytest.approx(case["mlqa"], abs=1e-9), case


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_set_of_answers_scores_as_officially(language: str) -> None:
    cases = [case for case in ANSWERS["cases"] if case["language"] == language]
    official = ANSWERS["sets"][language]
    assert percent(("f1", "exact_match"), language, cases) == pytest.approx(official["squad1"], abs=1e-9)
    by_mlqa = percent(("mlqa_f1", "mlqa_exact_match"), language, cases)
    assert by_mlqa == pytest.approx({f"mlqa_{name}": value for name, value in official["mlqa"].items()}, abs=1e-9)


@pytest.mark.parametrize("number", range(len(ANSWERS["squad2_sets"])))
def test_thresholds_are_those_of_squad2_s_script(number: int) -> None:
    """At 0 and at the best of the set; odds of whole numbers have ties."""
    case = ANSWERS["squad2_sets"][number]
    assert percent(tuple(case["official"]), "en", case["questions"], has_unanswerable=True) == pytest.approx(case["official"], abs=1e-9)


@pytest.mark.parametrize("number", range(len(TAGS)))
def test_tags_score_as_seqeval_scores_them(number: int) -> None:
    case = TAGS[number]
    predicted, right = ([sentence.split() for sentence in case[side]] for side in ("predicted", "gold"))
    sums = np.sum(span_counts_of(predicted, right), axis=0)
    assert sums.tolist() == case["counts"]
    for name in ("span_f1", "pos_f1"):
        assert value_of(name, ("span_tp", "span_predicted", "span_gold"), sums) == pytest.approx(case["f1"], abs=1e-9)
