"""A key is a function of content alone, and changes with every bit of it."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.axes import BASE
from tests.sweeps.simulation import builder_of, make_study
from trainables.keys import canonical_json, content_key
from trainables.specs import Spec

GOLDEN = Path(__file__).parents[1] / "golden" / "stage_keys.json"

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(values)
def test_canonical_json_reads_back_as_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), scalars, min_size=2))
def test_the_order_of_a_map_does_not_matter(value):
    assert content_key("x", value) == content_key("x", dict(reversed(value.items())))


@given(values, values)
def test_different_values_have_different_keys(one, other):
    assert (canonical_json(one) == canonical_json(other)) == (content_key("x", one) == content_key("x", other))


def test_an_integer_and_a_float_differ():
    assert canonical_json({"a": 1}) != canonical_json({"a": 1.0})


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1, 2}}, {"a": [object()]}, {"a": b"x"}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        canonical_json(value)


def test_what_is_no_number_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"spec\.rates\[1\] is nan"):
        canonical_json({"spec": {"rates": [1.0, math.nan]}})


def _keys() -> dict[str, str]:
    """Keys without the installed versions, which a machine may have others of, and without those of parents, which hold them."""
    builder = builder_of(make_study())
    encoder = builder.target_encoder("xlmr", "mnli", BASE, 0)
    specs: dict[str, Spec] = {
        "mnli encoder": builder.intermediate("xlmr", "mnli", (), 0),
        "squad2 encoder": builder.intermediate("xlmr", "squad2", (), 0),
        "xnli training": builder.target("xlmr", encoder, "xnli", BASE, {"learning_rate": 1e-5}, 0),
        "panx training": builder.target("xlmr", encoder, "panx", BASE, {"learning_rate": 1e-5, "batch_size": 16}, 1),
        "xnli evaluation": builder.evaluation("xlmr", encoder.ref, "xnli", BASE),
        "tatoeba evaluation": builder.evaluation("xlmr", encoder.ref, "tatoeba", BASE),
    }
    mt5 = {"family": "mt5", "hub": "google/mt5-small", "form": "generated"}
    builder = builder_of(make_study(models={"mt5": mt5}, targets=["xnli"], intermediates=["mnli"], benchmark={"languages": ["en"]}))
    specs |= {
        "mnli as text": builder.intermediate("mt5", "mnli", (), 0),
        "xnli as text evaluation": builder.evaluation("mt5", encoder.ref, "xnli", BASE),
        "xnli as text benchmark": builder.benchmark("mt5", encoder.ref, encoder.ref, "xnli", BASE),
    }
    contents = {
        name: {field: value for field, value in spec.content().items() if field not in ("versions", "encoder", "arms")}
        for name, spec in specs.items()
    }
    return {name: content_key(specs[name].kind, content) for name, content in contents.items()}


def test_keys_are_golden():
    """Fails when a spec gains, loses or renames a field, or a default moves: old stores then no longer hit.

    If that is meant, raise the code version of what computes otherwise and write the file again: `python -m
    tests.trainables.test_keys`.
    """
    assert _keys() == json.loads(GOLDEN.read_text())


def test_a_point_of_the_search_is_the_spec_s():
    builder = builder_of(make_study())
    encoder = builder.target_encoder("xlmr", "mnli", BASE, 0)
    spec = builder.target("xlmr", encoder, "xnli", BASE, {"learning_rate": 3e-5}, 1)
    assert (spec.learning_rate, spec.seed) == (3e-5, 1)
    assert spec.key != builder.target("xlmr", encoder, "xnli", BASE, {"learning_rate": 3e-5}, 2).key


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_keys(), indent=1, sort_keys=True) + "\n")
