"""`polystilts select`: what it builds is the study cut short, it ends within its budget, and it says what is wrong before it runs."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from sweeps.cli import app
from sweeps.ladder import LEAST_SCORED, NUM_TRANSFER_UNITS, PRIOR_RUNG, RUNGS, Ladder, middle
from sweeps.opened import Opened, open_study, walk_store
from sweeps.plan import Request, plan_study
from sweeps.select_study import SelectionProgram, full_cost, parse_budget, plan_selection
from sweeps.selection import Ask, standardised
from sweeps.study import StudyError
from sweeps.tracking import tracking_uri
from sweeps.walk import Walk
from tests.sweeps.processes import polystilts
from tests.sweeps.simulation import manifest_of
from tests.sweeps.test_plan import STUDY, write
from trainables.manifest import Manifest
from trainables.specs import DataSpec, EvaluateSpec, Spec, TrainSpec
from trainables.task import TASKS

SMALL = Path(__file__).parent / "studies" / "pocket_choice.yaml"
LAST = len(RUNGS) - 1


def one_each(spec: Spec) -> float:
    """As a cost: epochs or steps, and a little for an evaluation."""
    return float(spec.steps or 100 * (spec.epochs or 0)) if isinstance(spec, TrainSpec) else 1.0


def opened(tmp_path: Path, text: str = STUDY) -> Opened:
    return open_study(write(tmp_path, text), tmp_path / "runs", None)


def thousand(data: DataSpec) -> int | None:
    """As if every set had a thousand examples, but for those of one task, of which nothing is known."""
    return None if data.task == "panx" else 1000


def ladder_of(found: Opened) -> Ladder:
    return Ladder(found.builder, "one", thousand)


def program_of(found: Opened, share: float) -> SelectionProgram:
    ladder = ladder_of(found)
    return SelectionProgram(ladder, one_each, share * full_cost(found, ladder, one_each))


def encoders(ladder: Ladder, arms: Sequence[int], rung: int, replicates: Sequence[int]) -> set[str]:
    trials = [ladder.trial(Ask(arm, 0, rung, replicate)) for arm in arms for replicate in replicates]
    return {request.key for requests in trials for request in requests if request.context.role == "encoder"}


def trainings(ladder: Ladder, ask: Ask) -> list[TrainSpec]:
    return [request.spec for request in ladder.trial(ask) if isinstance(request.spec, TrainSpec)]


def test_the_last_rung_has_the_study_s_own_encoders(tmp_path):
    found = opened(tmp_path, STUDY + "encoder_seeds: paired\n")
    own = {spec.key for program in plan_study(found.builder) for spec in program.shared_stages()}
    ladder = ladder_of(found)
    assert encoders(ladder, (1, 2), LAST, range(3)) == own
    assert not encoders(ladder, (1, 2), 0, range(3)) & own


def test_a_rung_shortens_every_training_and_nothing_else(tmp_path):
    text = STUDY.replace("[mnli, squad2]", "{mnli: {training: {steps: 800}}, squad2: {}}")
    ladder = ladder_of(opened(tmp_path, text))
    found = [trainings(ladder, Ask(arm, 0, rung, 0))[0] for arm in (1, 2) for rung in range(LAST + 1)]
    assert [(spec.steps, spec.epochs) for spec in found] == [
        (50, None),
        (200, None),
        (800, None),
        (None, 3 / 16),
        (None, 3 / 4),
        (None, 3.0),
    ]
    (first,), (last,) = (trainings(ladder, Ask(0, 0, rung, 0)) for rung in (0, LAST))
    assert first.epochs == 3 / 4
    assert first.model_dump(exclude={"epochs"}) == last.model_dump(exclude={"epochs"})


def test_a_rung_scores_a_part_of_the_examples_where_their_number_is_known(tmp_path):
    ladder = ladder_of(opened(tmp_path))
    for target, first, last in ((0, 250, None), (1, None, None), (2, None, None)):
        for rung, expected in ((0, first), (LAST, last)):
            spec = ladder.trial(Ask(1, target, rung, 0))[-1].spec
            assert isinstance(spec, EvaluateSpec)
            assert {data.num_examples for data in spec.data} == {expected}, ladder.targets[target]
    few = Ladder(opened(tmp_path).builder, "one", lambda _: 120)
    spec = few.trial(Ask(1, 0, 0, 0))[-1].spec
    assert isinstance(spec, EvaluateSpec)
    assert {data.num_examples for data in spec.data} == {LEAST_SCORED}


def test_all_arms_are_trained_at_the_middle_of_the_space(tmp_path):
    assert middle("learning_rate_and_batch") == {"learning_rate": pytest.approx(math.sqrt(5e-6 * 5e-5)), "batch_size": 32}
    ladder = ladder_of(opened(tmp_path))
    rates = {trainings(ladder, Ask(arm, 0, 1, 0))[-1].learning_rate for arm in range(3)}
    assert rates == {middle("learning_rate")["learning_rate"]}


def test_of_axes_oracles_and_layers_the_first_is_looked_at(tmp_path):
    text = STUDY.replace("[xnli, panx, tatoeba]", "{xnli: {selection: [source, oracle]}, tatoeba: {retrieval: {layer: [4, 8]}}}")
    found = opened(tmp_path, text + "axes: {layers: {top: {target_training: {layers_trained: top_2}}}}\n")
    ladder = ladder_of(found)
    (training,) = trainings(ladder, Ask(0, 0, LAST, 0))
    assert training.layers_trained == "all"
    assert {dev.language for entry in training.mixture for dev in entry.dev} == {"en"}
    spec = ladder.trial(Ask(0, 1, LAST, 0))[-1].spec
    assert isinstance(spec, EvaluateSpec)
    assert spec.retrieval is not None
    assert spec.retrieval.layer == 4
    plain = opened(tmp_path, STUDY.replace("[xnli, panx, tatoeba]", "[xnli, tatoeba]"))
    assert full_cost(found, ladder, one_each) == full_cost(plain, ladder_of(plain), one_each)


def scored(request: Request) -> Manifest:
    """What the stage would have published, under its task's own metric."""
    manifest = manifest_of(request)
    if not isinstance(request.spec, EvaluateSpec):
        return manifest
    metric = TASKS.load(request.spec.task).metrics[0]
    return manifest.model_copy(update={"measurements": tuple(one.model_copy(update={"metric": metric}) for one in manifest.measurements)})


def walk_to_the_end(walk: Walk) -> list[Request]:
    """With stages that compute nothing."""
    ran = []
    while not walk.is_finished:
        request = walk.next()
        assert request is not None
        ran.append(request)
        walk.finish(request.key, scored(request))
    return ran


@pytest.mark.parametrize("share", [0.15, 0.25, 0.6])
def test_a_selection_walks_to_its_end_within_the_budget(tmp_path, share):
    """The whole road but Ray."""
    found = opened(tmp_path)
    program = program_of(found, share)
    ran = walk_to_the_end(Walk((), {}.get, others=[program]))
    assert program.problem is None
    assert len({request.key for request in ran}) == len(ran)
    whole = full_cost(found, program.ladder, one_each)
    assert 0 < program.ladder.cost_of(ran, one_each) <= program.selector.spent * (1 + 1e-9) <= share * whole * (1 + 1e-9)
    for choice in program.choices():
        assert {ranked.intermediate for ranked in choice.ranking} == {"none", "mnli", "squad2"}
        assert choice.chosen == choice.ranking[0].intermediate
    assert sum(len(event.evaluations) for event in program.events()) == len(program.trials) > 0


def test_a_selection_is_informed_of_transferability_first(tmp_path):
    program = program_of(opened(tmp_path), 1.0)
    walk = Walk((), {}.get, others=[program])
    first = []
    while not program.selector.asked:
        request = walk.next()
        assert request is not None
        first.append(request)
        walk.finish(request.key, scored(request))
    assert {request.key for request in first if request.spec.kind == "train"} == encoders(program.ladder, (1, 2), PRIOR_RUNG, (0,))
    measured = [request for request in first if request.spec.kind == "transfer"]
    assert [(request.context.intermediate, request.spec.data[0].task) for request in measured] == [
        (arm, trained_on) for trained_on in ("mnli", "panx") for arm in ("none", "mnli", "squad2")
    ], "each encoder for each target that trains, on what that trains on"
    for request in measured:
        ((data,), num_units) = request.spec.data, request.spec.num_units
        assert (data.split, num_units) == ("train", NUM_TRANSFER_UNITS)


def test_a_small_budget_has_no_room_for_a_prior(tmp_path):
    program = program_of(opened(tmp_path), 0.02)
    ran = walk_to_the_end(Walk((), {}.get, others=[program]))
    assert not [request for request in ran if request.spec.kind == "transfer"]


def test_a_prior_is_standardised_for_each_target():
    values = np.array([[1.0, np.nan, np.nan], [2.0, 5.0, np.nan], [3.0, 7.0, np.nan]])
    expected = np.array([[-1.2247, 0.0, 0.0], [0.0, -1.0, 0.0], [1.2247, 1.0, 0.0]])
    assert standardised(values) == pytest.approx(expected, abs=1e-4)


def test_a_stage_that_fails_ends_the_selection_with_its_name(tmp_path):
    program = program_of(opened(tmp_path), 0.5)
    walk = Walk((), {}.get, others=[program])
    request = walk.next()
    assert request is not None
    walk.fail(request.key, "no memory")
    while (other := walk.next()) is not None:
        walk.finish(other.key, scored(other))
    assert walk.is_finished
    assert program.problem is not None
    assert "no memory" in program.problem


@pytest.mark.parametrize("text", ["0%", "150%", "-5%", "a quarter", "0.25", "nan%", "100.1%"])
def test_a_wrong_budget_is_refused(text):
    with pytest.raises(StudyError, match=r"^--budget .*: give a share of .*, above 0% and up to 100%, such as 25%$"):
        parse_budget(text)


@pytest.mark.parametrize(("text", "share"), [("25%", 0.25), ("100%", 1.0), (" 12.5 %", 0.125)])
def test_a_budget_is_a_share(text, share):
    assert parse_budget(text) == share


UNKNOWN_SHAPE = STUDY.replace("FacebookAI/xlm-roberta-base", "someone/an-encoder")


def test_what_a_budget_cannot_be_counted_without_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"^models\.one: .*the shape of this encoder of the hub is not known.*; give its folder$"):
        plan_selection(opened(tmp_path, UNKNOWN_SHAPE), 0.25)


NOTHING_TO_CHOOSE = """
name: alone
source_language: qaa
models: {pocket: {family: xlm_roberta, folder: %s}}
targets: [pocket_flavour_class]
target_training: {max_length: 64}
""" % (Path(__file__).parents[2] / "trainables" / "pocket" / "encoder")


@pytest.mark.parametrize(
    ("study", "budget", "message"),
    [
        (SMALL, "0%", "polystilts: --budget 0%: give a share"),
        (SMALL, "150%", "polystilts: --budget 150%: give a share"),
        (SMALL, "1%", "polystilts: --budget 1%: too little to compare the baseline with even one intermediate; give "),
        (None, "25%", "polystilts: intermediates: there are none to choose among; name at least one"),
    ],
)
def test_wrong_input_is_one_line_before_anything_runs(tmp_path, study, budget, message):
    path = study or write(tmp_path, NOTHING_TO_CHOOSE)
    done = CliRunner().invoke(app, ["select", str(path), "--budget", budget, "--home", str(tmp_path / "runs")])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(message)


@pytest.mark.slow
def test_a_selection_on_the_pocket_world_finds_what_is_planted_and_is_not_repeated(tmp_path):
    words = ["select", str(SMALL), "--budget", "40%", "--home", str(tmp_path), "--json"]
    found = json.loads(polystilts(*words))
    choices = {choice["target"]: choice for choice in found["choices"]}
    assert choices["pocket_flavour_class"]["chosen"] == "flavour"
    assert choices["pocket_flavour_class"]["ranking"][0]["gain"] > 5
    assert 0 < found["spent"] <= 0.4
    assert found["num_computed"] > 0
    client = MlflowClient(tracking_uri(tmp_path))
    experiment = client.get_experiment_by_name("pocket_choice selection")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert {run.data.tags["polystilts.role"] for run in runs} == {"study", "encoder", "pair", "trial"}
    assert {run.info.status for run in runs} == {"FINISHED"}
    again = json.loads(CliRunner().invoke(app, words).stdout)
    assert again["num_computed"] == 0
    assert again["choices"] == found["choices"]
    store = walk_store(open_study(SMALL, tmp_path, None))[0].drain()
    assert any(outcome.was_cached for outcome in store if outcome.request.context.role == "encoder"), "a run goes on from the last rung"
