"""The walk runs each stage once, and what it finds does not depend on time, interruption or what the store had before."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.plan import Request, plan_study
from sweeps.walk import Walk
from tests.sweeps.simulation import builder_of, make_study, manifest_of, outcome, run
from trainables.manifest import Manifest

STUDIES = [
    make_study(),
    make_study(search={"trials": 6, "replicates": 2, "parallel": 3, "pruning": "asha", "reduction_factor": 2.0}),
    make_study(encoder_seeds="paired", search={"trials": 2, "replicates": 2, "pruning": "none"}),
]


@pytest.mark.parametrize("study", STUDIES)
def test_each_stage_runs_once_and_every_cell_is_filled(study):
    walk, executed = run(study, {}, random.Random(0))
    assert len(executed) == len(set(executed))
    assert all(program.evaluations and program.problem is None for program in walk.programs)
    assert len(walk.programs) == 3 * 3


@pytest.mark.parametrize("study", STUDIES)
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 60))
def test_the_outcome_does_not_depend_on_timing_or_interruption(study, seed, cut):
    expected = outcome(run(study, {}, random.Random(0))[0])
    store: dict[str, Manifest] = {}
    _, before = run(study, store, random.Random(seed), stop_after=cut)
    walk, after = run(study, store, random.Random(seed + 1))
    assert outcome(walk) == expected
    assert not set(before) & set(after), "a finished stage ran again"


def test_a_finished_study_runs_nothing():
    store: dict[str, Manifest] = {}
    first, _ = run(STUDIES[0], store, random.Random(0))
    second, executed = run(STUDIES[0], store, random.Random(0))
    assert executed == []
    assert outcome(second) == outcome(first)
    assert all(found.was_cached for found in second.drain())


def test_what_another_study_trained_to_its_end_changes_nothing():
    """Without pruning the store holds whole curves; the pruned study must see them as cut where it would have cut them."""
    pruned, whole = make_study(), make_study(search={"trials": 4, "replicates": 3, "pruning": "none"})
    expected = [cell[:4] for cell in outcome(run(pruned, {}, random.Random(0))[0])]
    store: dict[str, Manifest] = {}
    run(whole, store, random.Random(1))
    walk, _ = run(pruned, store, random.Random(2))
    assert [cell[:4] for cell in outcome(walk)] == expected


def test_intermediate_encoders_are_shared_and_come_first():
    walk = Walk(plan_study(builder_of(make_study())), lambda _: None)
    first = [walk.next() for _ in range(2)]
    assert [request.context.name for request in first if request] == ["xlmr: mnli encoder, seed 0", "xlmr: squad2 encoder, seed 0"]


def test_a_failure_ends_only_the_pairs_that_need_it():
    walk = Walk(plan_study(builder_of(make_study())), lambda _: None)
    executed = []
    while not walk.is_finished:
        request = walk.next()
        assert request is not None
        executed.append(request.context.name)
        if request.context.role == "encoder" and request.context.intermediate == "mnli":
            walk.fail(request.key, "ValueError: planted")
        else:
            walk.finish(request.key, manifest_of(request))
    for program in walk.programs:
        assert (program.problem is not None) == (program.pair.intermediate == "mnli")
    assert "planted" in str(walk.programs[3].problem)
    assert not any("mnli ->" in name for name in executed)


def test_a_failed_replicate_leaves_no_orphans_running():
    walk = Walk(plan_study(builder_of(make_study(intermediates=[], targets=["xnli"]))), lambda _: None)
    first = walk.next()
    assert first is not None
    walk.finish(first.key, manifest_of(first))
    second = walk.next()
    assert second is not None
    walk.fail(second.key, "planted")
    assert walk.is_finished
    assert walk.next() is None, "nobody wants the third replicate any more"


def test_dropped_files_of_a_parent_are_made_again_only_when_needed():
    study = make_study(targets=["xnli"], intermediates=["mnli"])
    store: dict[str, Manifest] = {}
    expected = outcome(run(study, store, random.Random(0))[0])
    dropped = {key: Manifest.model_validate({**dict(found), "files_dropped": True}) for key, found in store.items()}
    assert run(study, dict(dropped), random.Random(0))[1] == [], "numbers alone need no files"
    without_evaluations = {key: found for key, found in dropped.items() if not key.startswith("evaluate-")}
    walk, executed = run(study, without_evaluations, random.Random(0))
    assert outcome(walk) == expected
    assert sum(key.startswith("evaluate-") for key in executed) == 6
    assert sum(key.startswith("train-") for key in executed) == 7, "six winning replicates and the mnli encoder"


def test_a_lost_worker_is_retried():
    walk = Walk(plan_study(builder_of(make_study(targets=["xnli"], intermediates=[]))), lambda _: None)
    first = walk.next()
    assert first is not None
    walk.retry(first.key)
    again = walk.next()
    assert again is not None
    assert again.key == first.key


def test_replicates_of_a_pruned_point_are_not_trained():
    num_trials = set()
    for seed in range(20):
        walk, _ = run(make_study(targets=["xnli"], intermediates=[], seed=seed), {}, random.Random(0))
        trials = walk.programs[0].trials
        assert len({tuple(trial.point.items()) for trial in trials}) == 4
        num_trials.add(len(trials))
    assert min(num_trials) < 12, "with random scores some point loses at its first seed"


def test_what_has_the_most_before_it_comes_first():
    """A pair whose encoder came late has all its rounds to go: the other's second round, though asked for before, can wait."""
    walk = Walk(plan_study(builder_of(make_study(targets=["xnli"], intermediates=["mnli"]))), lambda _: None)
    encoder = walk.next()
    assert encoder is not None
    for _ in range(3):  # the replicates of the baseline's first point
        trial = walk.next()
        assert trial is not None
        walk.finish(trial.key, manifest_of(trial))
    walk.finish(encoder.key, manifest_of(encoder))
    handed_out = [walk.next() for _ in range(2)]
    assert [request.context.intermediate for request in handed_out if request] == ["mnli", "none"]


def test_a_parent_whose_remaking_fails_takes_only_its_own_children_along():
    """Three winners' files are dropped and made again for their evaluations; one comes to nothing."""
    study = make_study(targets=["xnli", "panx"], intermediates=[])
    store: dict[str, Manifest] = {}
    run(study, store, random.Random(0))
    dropped = {
        key: Manifest.model_validate({**dict(found), "files_dropped": True})
        for key, found in store.items()
        if not key.startswith("evaluate-")
    }
    walk = Walk(plan_study(builder_of(study)), dropped.get)
    first = walk.next()
    assert first is not None
    walk.fail(first.key, "planted")
    while (request := walk.next()) is not None:
        walk.finish(request.key, manifest_of(request))
    assert walk.is_finished
    assert {program.problem is None for program in walk.programs if program.pair.target != first.context.target} == {True}
    assert [program.problem for program in walk.programs if program.pair.target == first.context.target] != [None]


def test_a_parent_whose_files_were_lost_meanwhile_is_made_again_once():
    """Two children come back at the same time for want of the same files."""
    study = make_study(targets=["xnli", "panx"], intermediates=["mnli"])
    expected = outcome(run(study, {}, random.Random(0))[0])
    walk = Walk(plan_study(builder_of(study)), lambda _: None)
    encoder = walk.next()
    assert encoder is not None
    walk.finish(encoder.key, manifest_of(encoder))
    handed_out: list[Request] = []
    while (request := walk.next()) is not None:
        handed_out.append(request)
    first, second, *others = sorted(handed_out, key=lambda request: encoder.key not in request.parents)
    assert encoder.key in second.parents
    assert walk.remake(encoder.key, first.key) == encoder
    assert walk.remake(encoder.key, second.key) is None
    assert walk.next() == encoder
    assert walk.next() is None, "its children wait"
    for request in (encoder, *others):
        walk.finish(request.key, manifest_of(request))
    while not walk.is_finished:
        again = walk.next()
        assert again is not None
        walk.finish(again.key, manifest_of(again))
    assert outcome(walk) == expected


def test_what_needs_a_parent_that_cannot_be_made_again_fails_at_once():
    walk = Walk(plan_study(builder_of(make_study(targets=["xnli", "panx"], intermediates=["mnli"]))), lambda _: None)
    encoder = walk.next()
    assert encoder is not None
    walk.finish(encoder.key, manifest_of(encoder))
    children = []
    while (request := walk.next()) is not None:
        children += [request] if encoder.key in request.parents else []
    walk.remake(encoder.key, children[0].key)
    assert walk.next() == encoder
    walk.fail(encoder.key, "planted")
    walk.remake(encoder.key, children[1].key)
    with_encoder = [program for program in walk.programs if program.pair.intermediate == "mnli"]
    assert len(with_encoder) == 2
    assert all("planted" in str(program.problem) for program in with_encoder)
    assert all(program.problem is None for program in walk.programs if program not in with_encoder)
