"""A plan says each caveat once, and names the pairs that it is true of with as few names as say it."""

import itertools

import pytest

from sweeps.marks import mark_lines
from sweeps.results import PairId

PLANNED = [
    PairId(model, intermediate, variant, target)
    for model, intermediate, target in itertools.product(("a", "b"), ("none", "mnli"), ("xnli", "panx"))
    for variant in (("base", "oracle") if target == "xnli" else ("base",))
]


@pytest.mark.parametrize(
    ("is_marked", "names"),
    [
        (lambda pair: pair.target == "xnli", "every pair of xnli"),
        (lambda pair: pair.variant == "oracle", "every pair of xnli [oracle]"),
        (lambda pair: pair.target == "xnli" and pair.variant == "base", "every pair of xnli [base]"),
        (lambda pair: pair.intermediate == "mnli", "mnli -> xnli, mnli -> panx"),
        (lambda pair: pair.model == "b", "b: every pair of xnli, b: every pair of panx"),
        (lambda pair: pair.intermediate == "mnli" and pair.variant == "oracle", "mnli -> xnli [oracle]"),
        (lambda pair: pair.model == "b" and pair.intermediate == "mnli", "b: mnli -> xnli, b: mnli -> panx"),
        (lambda pair: pair == PairId("b", "mnli", "oracle", "xnli"), "b: mnli -> xnli [oracle]"),
        (lambda pair: pair.target == "xnli" and pair != PLANNED[0], "every pair of xnli [oracle], mnli -> xnli, b: every pair of xnli"),
    ],
)
def test_names_are_as_wide_as_is_true(is_marked, names):
    assert mark_lines({pair: ("it leaks",) if is_marked(pair) else () for pair in PLANNED}) == (f"{names}: it leaks",)


def test_a_row_without_others_is_named():
    assert mark_lines({PairId("a", "none", "base", "xnli"): ("it leaks",)}) == ("none -> xnli: it leaks",)


def test_every_sentence_is_said_once_in_the_order_of_the_pairs():
    sentences = dict.fromkeys(PLANNED, ()) | {PLANNED[0]: ("one", "two"), PLANNED[2]: ("two", "three")}
    lines = mark_lines(sentences)
    assert [line.rpartition(": ")[2] for line in lines] == ["one", "two", "three"]
    assert mark_lines(dict.fromkeys(PLANNED, ())) == ()
