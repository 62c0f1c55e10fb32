"""Axes make variants: each changes what it says, shares all else, and is no cell where it changes nothing."""

import itertools

import pytest

from sweeps.estimate import count
from sweeps.opened import open_study
from sweeps.plan import PairProgram, plan_study
from sweeps.study import StudyError
from tests.sweeps.test_plan import STUDY, write

AXES = """
axes:
  layers:
    encoder-top: {intermediate_training: {layers_trained: top_2}}
    target-top: {target_training: {layers_trained: top_2}}
    both-top: {intermediate_training: {layers_trained: top_2}, target_training: {layers_trained: top_2}}
  examples:
    1k: {intermediate_examples: 1000}
"""


def programs_of(tmp_path, text: str) -> dict[tuple[str, str, str], PairProgram]:
    programs = plan_study(open_study(write(tmp_path, text), tmp_path / "runs", None).builder)
    return {(program.pair.intermediate, program.pair.target, program.pair.variant): program for program in programs}


def test_axes_are_crossed_and_pairs_have_the_variants_that_change_them(tmp_path):
    programs = programs_of(tmp_path, STUDY.replace("[mnli, squad2]", "[mnli]") + AXES)
    places = itertools.product(("mnli", "none"), ("xnli", "tatoeba"))
    variants = {place: [variant for *row, variant in programs if tuple(row) == place] for place in places}
    names = ["base", "encoder-top", "target-top", "both-top"]
    assert variants["mnli", "xnli"] == [name for one in names for name in (one, "1k" if one == "base" else f"{one}, 1k")]
    assert variants["none", "xnli"] == ["base", "target-top", "both-top"], "the baseline has no intermediate training to change"
    untrained = [name for name in variants["mnli", "xnli"] if "target-top" not in name]
    assert variants["mnli", "tatoeba"] == untrained, "retrieval has no target training to change"
    assert variants["none", "tatoeba"] == ["base"]


def test_a_gain_is_over_the_baseline_with_the_same_target_training(tmp_path):
    programs = programs_of(tmp_path, STUDY + AXES)
    assert programs["mnli", "xnli", "1k"].result().baseline.variant == "base"
    assert programs["mnli", "xnli", "target-top, 1k"].result().baseline.variant == "target-top"
    for program in programs.values():
        assert ("none", program.pair.target, program.result().baseline.variant) in programs


def test_what_does_not_differ_is_the_same_stage(tmp_path):
    programs = programs_of(tmp_path, STUDY + AXES)

    def stages(variant: str, row: str = "mnli") -> list[str]:
        program = programs[row, "xnli", variant]
        requests = program.steps()
        return [request.key for request in next(requests)]

    assert stages("base") == stages("target-top")
    assert stages("encoder-top") == stages("both-top")
    assert len({*stages("base"), *stages("encoder-top"), *stages("1k"), *stages("encoder-top, 1k")}) == 4
    assert stages("target-top", "none") == stages("both-top", "none"), "without intermediate training these are one target training"


def test_a_variant_changes_the_specs_that_it_names(tmp_path):
    builder = open_study(write(tmp_path, STUDY + AXES), tmp_path / "runs", None).builder
    way = builder.axes.ways("xnli")["both-top, 1k"]
    encoder = builder.target_encoder("one", "mnli", way, 0)
    assert encoder.stages[-1].layers_trained == "top_2"
    assert encoder.stages[-1].mixture[0].train.num_examples == 1000
    training = builder.target("one", encoder, "xnli", way, {"learning_rate": 1e-5}, 0)
    assert training.layers_trained == "top_2"
    assert training.mixture[0].train.num_examples is None


def test_text_is_mixed_into_every_intermediate_and_keeps_its_size(tmp_path):
    axes = """
    axes:
      mlm: {mlm: {mixed_in: {pocket_text: {languages: [qab], share: 0.5, num_examples: 70}}}}
      examples: {1k: {intermediate_examples: 1000}}
    """
    builder = open_study(write(tmp_path, STUDY + "\n".join(line[4:] for line in axes.splitlines())), tmp_path / "runs", None).builder
    encoder = builder.target_encoder("one", "mnli", builder.axes.ways("xnli")["mlm, 1k"], 0)
    assert [(entry.train.task, entry.train.num_examples, entry.share) for entry in encoder.stages[-1].mixture] == [
        ("mnli", 1000, None),
        ("pocket_text", 70, 0.5),
    ]


def test_only_what_differs_is_trained_again(tmp_path):
    plain = count(open_study(write(tmp_path, STUDY), tmp_path / "runs", None))
    varied = STUDY + "axes: {layers: {target-top: {target_training: {layers_trained: top_2}}}}\n"
    counts = count(open_study(write(tmp_path, varied), tmp_path / "runs", None))
    target_trainings = 3 * 2 * 4 * 3
    assert counts.trainings == plain.trainings + target_trainings, "no intermediate training more"


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("{layers: {none: {}}}", "axes.layers.none: it changes nothing"),
        ("{layers: {base: {target_examples: 9}}}", "axes.layers: 'base' may hold only"),
        ("{layers: {a: {target_training: {learning_rate: 1e-3}}}}", "axes.layers.a.target_training.learning_rate: the search varies it"),
        ("{one: {a: {target_examples: 9}}, two: {b: {target_examples: 8}}}", "axes.two: it changes target_examples, and so does axes.one"),
        ("{one: {a: {target_examples: 9}}, two: {a: {intermediate_examples: 8}}}", "axes.two.a: axes.one has a value of this name too"),
        ("{mlm: {m: {mixed_in: {txt: {}}}}}", "axes.mlm.m.mixed_in.txt: unknown task 'txt'; did you mean 'text'?"),
        ("{layers: {a: {target_training: {layers_trained: top}}}}", "axes.layers.a.target_training.layers_trained: "),
        ("{layers: {a: {target_trainin: {}}}}", "axes.layers.a.target_trainin: unknown field; did you mean 'target_training'?"),
    ],
)
def test_a_wrong_axis_is_refused(tmp_path, axes, message):
    with pytest.raises(StudyError) as error:
        open_study(write(tmp_path, STUDY + f"axes: {axes}\n"), tmp_path / "runs", None)
    assert str(error.value).startswith(f"study.yaml: {message}")
