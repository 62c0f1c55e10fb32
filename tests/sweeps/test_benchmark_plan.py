"""Benchmarks in a plan: what is compared, what is shared, that they run alone, and what is refused."""

import random
from pathlib import Path

import pytest

from sweeps.estimate import count
from sweeps.opened import open_study
from sweeps.plan import plan_benchmarks, plan_study
from sweeps.study import StudyError
from sweeps.walk import Walk
from tests.sweeps.simulation import builder_of, make_study, manifest_of
from tests.sweeps.test_plan import POCKET, STUDIES, STUDY, polystilts, write
from trainables.specs import BenchmarkSpec, HubEncoder, StageEncoder, parents_of

TIMED = STUDY.replace("tatoeba]", "tatoeba]\nbenchmark: {languages: [en, de], lengths: [text, 64]}")
POCKET_TIMED = """
name: timed
source_language: qaa
models:
  shipped: {family: xlm_roberta, folder: %s}
  made:
    family: xlm_roberta
    random: {hidden_size: 128, num_layers: 3, num_heads: 4, intermediate_size: 256, vocabulary_size: 1231, max_positions: 64,
             tokenizer_text: {pocket_text: {num_examples: 200}}}
intermediates: [pocket_rank_class]
targets: [pocket_rank_choice]
intermediate_training: {max_length: 64}
target_training: {max_length: 64}
benchmark: {lengths: [text, 48]}
"""


def walked(study, seed: int) -> tuple[Walk, list[list[str]]]:
    """A plan carried out by up to four at a time; what ran at the same time as each stage that ended."""
    builder, order = builder_of(study), random.Random(seed)
    walk = Walk(plan_study(builder), lambda _: None, plan_benchmarks(builder))
    together, running = [], []
    while not walk.is_finished:
        while len(running) < 4 and (request := walk.next()) is not None:
            running.append(request)
        together.append([request.spec.kind for request in running])
        request = running.pop(order.randrange(len(running)))
        walk.finish(request.key, manifest_of(request))
    return walk, together


@pytest.mark.parametrize("seed", range(5))
def test_a_benchmark_runs_alone(seed):
    _, together = walked(make_study(benchmark={"languages": ["en"]}), seed)
    assert any(len(kinds) > 1 for kinds in together), "other stages share the cluster"
    alone = [kinds for kinds in together if "benchmark" in kinds]
    assert alone == [["benchmark"]] * (2 * 2 + 1), "two intermediates on two trained targets, and the architecture"


def test_each_winner_is_compared_with_its_baseline_s():
    walk, _ = walked(make_study(benchmark={"languages": ["en"], "targets": "xnli"}), 0)
    pairs = {program.pair: program for program in walk.programs}
    for program in walk.benchmarks:
        found = program.result()
        assert found.problem is None
        assert found.manifest is not None
        expected = [pairs[pair].evaluations[0].manifest.parents[0] for pair in (found.direct, found.pair)]
        assert list(found.manifest.parents) == expected, "the winners' first replicates"
    assert [program.pair.pair.intermediate for program in walk.benchmarks] == ["mnli", "squad2"]
    assert len({program.result().architecture.key for program in walk.benchmarks}) == 1


def test_a_failed_winner_fails_the_benchmark_alone():
    builder = builder_of(make_study(targets=["xnli"], intermediates=["mnli"], benchmark={"languages": ["en"]}))
    walk = Walk(plan_study(builder), lambda _: None, plan_benchmarks(builder))
    while not walk.is_finished:
        request = walk.next()
        if request.context.role == "encoder":
            walk.fail(request.key, "planted")
        else:
            walk.finish(request.key, manifest_of(request))
    assert "planted" in walk.benchmarks[0].result().problem
    assert walk.programs[0].problem is None


def test_an_architecture_is_timed_once_for_all_encoders_of_its_shape(tmp_path):
    builder = open_study(write(tmp_path, POCKET_TIMED % POCKET), tmp_path / "runs", None).builder
    one, other = (builder.architecture_benchmark(model) for model in ("shipped", "made"))
    assert one.key == other.key
    assert (one.data, one.lengths, parents_of(one)) == ((), (48,), ())
    pair = [StageEncoder(stage="train-0"), StageEncoder(stage="train-1")]
    way = builder.axes.ways("pocket_rank_choice")["base"]
    keys = {builder.benchmark("shipped", *arms, "pocket_rank_choice", way).key for arms in (pair, pair[::-1])}
    assert len(keys) == 2, "whether weights matter is what a comparison asks"
    assert count(open_study(write(tmp_path, POCKET_TIMED % POCKET), tmp_path / "runs", None)).stages == 1 + 2 + 4 * 12 + 4 * 3 + 2 + 1


def test_what_only_the_hub_knows_goes_by_its_name_there():
    spec = builder_of(make_study(benchmark={})).architecture_benchmark("xlmr")
    assert isinstance(spec, BenchmarkSpec)
    assert spec.arms == (HubEncoder(hub="FacebookAI/xlm-roberta-base", revision="main"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TIMED + "resources: {gpus_per_worker: 0.5}", "resources.gpus_per_worker: 0.5, but a benchmark that shares its GPU with a trial"),
        (TIMED + "resources: {workers: 2}", "resources.workers: 2, but what is timed runs in one process"),
        (TIMED.replace("[mnli, squad2]", "[]"), "benchmark: it times models with and without intermediate training, but there are no"),
        (TIMED.replace("[xnli, panx, tatoeba]", "[tatoeba]"), "benchmark: all targets are retrieval tasks, which train no head to time"),
        (TIMED.replace("{languages", "{targets: tatoeba, languages"), "benchmark.targets: 'tatoeba' is a retrieval task"),
        (
            TIMED.replace("{languages", "{targets: xnly, languages"),
            "benchmark.targets: 'xnly' is no target of the study; did you mean 'xnli'?",
        ),
        (TIMED.replace("[en, de]", "[qq]"), "benchmark.languages: xnli is scored in none of qq; its: ar, "),
        (TIMED.replace("[text, 64]", "[word]"), "benchmark.lengths"),
        (TIMED.replace("{languages", "{blocks: 3, languages"), "benchmark.blocks: "),
        (TIMED.replace("{languages", "{repetitions: 5, languages"), "benchmark.repetitions: "),
        (POCKET_TIMED.replace("48", "65") % POCKET, "benchmark.lengths: 65, but models.shipped reads at most 64 tokens; name at most 64"),
    ],
)
def test_what_cannot_be_timed_is_refused_while_planning(tmp_path, text, message):
    with pytest.raises(StudyError) as refused:
        open_study(write(tmp_path, text), tmp_path / "runs", None)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.parametrize("name", ["pocket_latency_mbert", "latency_mbert", "pocket_latency_mt5", "latency_mt5"])
def test_the_latency_studies_plan(name, tmp_path):
    done = polystilts("plan", str(STUDIES / f"{name}.yaml"), "--home", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    builder = open_study(Path(STUDIES / f"{name}.yaml"), tmp_path / "runs", None).builder
    assert (
        len(plan_benchmarks(builder))
        == {
            "pocket_latency_mbert": 1,
            "latency_mbert": 3 * 4,
            "pocket_latency_mt5": 3,
            "latency_mt5": 3 * 3 * 3,
        }[name]
    )


TEXT_TO_TEXT = """
name: written
models:
  head: {family: mt5, hub: google/mt5-small}
  generated: {family: mt5, hub: google/mt5-small, form: generated}
  scored: {family: mt5, hub: google/mt5-small, form: scored}
intermediates: [mnli]
targets: [xnli, xcopa]
benchmark: {languages: [sw], lengths: [text, 64]}
"""


def test_a_model_that_writes_and_one_that_scores_have_the_same_trainings(tmp_path):
    opened = open_study(write(tmp_path, TEXT_TO_TEXT), tmp_path / "runs", None)
    builder = opened.builder
    assert [builder.trained_as(model) for model in ("head", "generated", "scored")] == ["head", "generated", "generated"]
    head, generated, scored = (builder.intermediate(model, "mnli", (), 0) for model in ("head", "generated", "scored"))
    assert (head.form, generated.form) == (None, "scored")
    assert head.key != generated.key == scored.key
    way, encoder = builder.axes.ways("xnli")["base"], StageEncoder(stage="train-0")
    asked = [builder.evaluation(model, encoder, "xnli", way) for model in ("head", "generated", "scored")]
    assert [spec.form for spec in asked] == [None, "generated", "scored"]
    assert len({spec.key for spec in asked}) == 3
    timed = [builder.benchmark(model, encoder, StageEncoder(stage="train-1"), "xnli", way) for model in ("generated", "scored")]
    assert [spec.form for spec in timed] == ["generated", "scored"]
    shapes = {builder.architecture_benchmark(model).key for model in ("head", "generated", "scored")}
    assert len(shapes) == 1, "of an encoder alone nothing is asked in words"
    cost = count(opened).cost
    assert cost is not None
    assert "models.generated, models.scored: the decoder of a text-to-text model is not counted" in cost.unknown


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[xnli, xcopa]", "[xnli, panx]", "targets.panx: panx is of kind tagging, but models.generated is text-to-text"),
        ("[xnli, xcopa]", "[xnli, tatoeba]", "targets.tatoeba: tatoeba is of kind retrieval, but models.generated is text-to-text"),
        ("[mnli]", "[squad1]", "intermediates.squad1.tasks.squad1: squad1 is of kind span_qa, but models.generated is text-to-text"),
        (
            "generated: {family: mt5, hub: google/mt5-small",
            "generated: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base",
            "models.generated: form: 'generated', but a model of the family xlm_roberta has no decoder; leave it out",
        ),
        ("form: scored", "form: guessed", "models.scored.form"),
    ],
)
def test_what_cannot_be_written_is_refused_while_planning(tmp_path, old, new, message):
    with pytest.raises(StudyError) as refused:
        open_study(write(tmp_path, TEXT_TO_TEXT.replace(old, new)), tmp_path / "runs", None)
    assert message in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
