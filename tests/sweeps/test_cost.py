"""What a plan says that a study will cost: by hand, by what a training then did, and what it does not know."""

import itertools
import json
from pathlib import Path
from typing import cast

import pytest
from transformers import MT5Config, MT5EncoderModel

import trainables.pocket
from sweeps.cost import StudyCost, largest_point
from sweeps.device_rates import DEVICES, UTILISATION, assumed_rate, measured_rate
from sweeps.encoder_shapes import HUB, count_parameters, encoder_of
from sweeps.estimate import count
from sweeps.opened import Opened, open_study, walk_store
from sweeps.sizes import LENGTHS, SIZES
from sweeps.study_models import Model
from sweeps.walk import Walk
from trainables.data import load_examples
from trainables.examples import Choice
from trainables.flops import step_flops
from trainables.layers import Rule
from trainables.manifest import Cost, Effort, Manifest
from trainables.origins import data_source
from trainables.specs import MIN_BLOCKS, DataSpec, Job
from trainables.stage import run_stage
from trainables.task import TASKS

STUDY = """
name: costed
models: {{base: {{family: xlm_roberta, hub: {hub}}}}}
intermediates: {intermediates}
targets: {{{target}}}
intermediate_training: {{epochs: 2, max_length: 128, num_evals: 1}}
target_training: {{epochs: {epochs}, max_length: 128, num_evals: 2}}
search: {{trials: {trials}, replicates: {seeds}}}
"""
SHAPE = "hidden_size: 16, num_layers: 2, num_heads: 2, intermediate_size: 32, vocabulary_size: 400"


def cost(tmp_path: Path, text: str | None = None, **changes: object) -> StudyCost:
    settings = {"hub": "FacebookAI/xlm-roberta-base", "intermediates": "{}", "target": "xnli", "epochs": 1, "trials": 2, "seeds": 3}
    path = tmp_path / "study.yaml"
    path.write_text(text or STUDY.format(**settings | changes))
    found = count(open_study(path, tmp_path / "runs", None)).cost
    assert found is not None
    return found


def run_next(opened: Opened, walk: Walk) -> Manifest:
    """The stage that comes next, in this process."""
    request = walk.next()
    assert request is not None
    job = Job(
        spec=request.spec, store=opened.store.uri, cache=str(opened.home.cache), data=None, encoder_folder=request.folder,
        num_threads=1, num_workers=1, use_gpu=False, stop_below=(), checkpoint_every_s=1e9,
    )  # fmt: skip
    manifest = run_stage(job, opened.store, lambda _: None)
    walk.finish(request.key, manifest)
    return manifest


def test_operations_are_those_of_a_hand_calculation(tmp_path):
    """XLM-R Base on MNLI's training set and XNLI's dev and test sets: six operations a weight and token, twelve a pair of tokens.
    Of the last layer, only a sequence's first token asks and goes on."""
    found = cost(tmp_path)
    weights, size = 12 * (4 * 768**2 + 2 * 768 * 3072), 768

    def flops(num: int, factor: int, length: float, root_mean_square: float) -> float:
        spared = 2 * (2 * 768**2 + 2 * 768 * 3072) * (length - 1)
        return factor * num * (2 * weights * length - spared + 4 * size * (11 * root_mean_square**2 + length))

    steps = -(-392_702 // 32)
    assert found.training_flops == pytest.approx(2 * 3 * flops(32 * steps, 3, 42.5, 46.3), rel=1e-6)
    dev, test = flops(2_490, 1, 40.5, 42.3), flops(5_010, 1, 40.5, 42.3) + 14 * flops(5_010, 1, 55.1, 59.8)
    assert found.evaluation_flops == pytest.approx(2 * 3 * 2 * dev + 3 * test, rel=1e-6)
    total = found.training_flops + found.evaluation_flops
    assert found.device_hours == pytest.approx(total / (UTILISATION * DEVICES["cpu"].peaks["float32"]) / 3600), "it asks for no GPU"
    assert found.checkpoint_gb == pytest.approx(3 * 277_453_056 * 4 / 1e9), "the winner's three seeds"


@pytest.mark.parametrize(("change", "factor"), [({"epochs": 3}, 3), ({"trials": 6}, 3), ({"seeds": 9}, 3)])
def test_more_to_train_costs_as_much_more(tmp_path, change, factor):
    assert cost(tmp_path, **change).training_flops == pytest.approx(factor * cost(tmp_path).training_flops, rel=1e-3)


def test_a_shared_encoder_is_counted_once(tmp_path):
    alone, two = cost(tmp_path, target="xnli, pawsx"), cost(tmp_path, target="xnli, pawsx", intermediates="[qqp]")
    doubled = 2 * alone.training_flops
    assert two.training_flops > doubled
    once = cost(tmp_path, target="tatoeba", intermediates="[qqp]").training_flops
    assert two.training_flops == pytest.approx(doubled + once)


def test_frozen_layers_cost_less(tmp_path):
    text = STUDY.format(hub="FacebookAI/xlm-roberta-base", intermediates="{}", target="xnli", epochs=1, trials=1, seeds=1)
    whole = cost(tmp_path, text)
    top = cost(tmp_path, text.replace("num_evals: 2", "num_evals: 2, layers_trained: top_3"))
    assert top.training_flops < 0.6 * whole.training_flops
    assert top.evaluation_flops == whole.evaluation_flops


def test_what_is_not_known_is_said(tmp_path):
    found = cost(tmp_path, hub="someone/encoder").unknown
    assert found == ("models.base: not counted, for the shape of this encoder of the hub is not known",)
    found = cost(tmp_path, target="bucc2018", intermediates="[qqp, hellaswag]").unknown
    assert set(found) == {
        "qqp: the lengths are counted as max_length",
        "hellaswag/dev (10,042): the number of examples is recalled, or the largest of several languages",
        "bucc2018/test, bucc2018/dev: not counted, for the number of examples is not known",
    }


def test_a_random_encoder_is_counted_without_its_tokenizer_until_a_run_has_made_it(tmp_path):
    text = f"""
name: random
source_language: qaa
models: {{one: {{family: xlm_roberta, random: {{{SHAPE}, tokenizer_text: [pocket_text]}}}}}}
targets: [pocket_rank_class]
"""
    found = cost(tmp_path, text)
    assert found.training_flops > 0
    assert found.unknown == ("pocket_rank_class: the tokenizer is not at hand, and a token is counted for 4 characters",)
    opened = open_study(tmp_path / "study.yaml", tmp_path / "runs", None)
    walk, _ = walk_store(opened)
    made, trained = (run_next(opened, walk) for _ in range(2))
    known = cost(tmp_path, text)
    assert (made.key.partition("-")[0], known.unknown) == ("init", ())
    assert trained.effort is not None
    assert known.training_flops == pytest.approx(12 * trained.effort.flops, rel=0.05), "four points, three seeds"
    assert found.training_flops != pytest.approx(known.training_flops, rel=0.05)


@pytest.mark.parametrize(
    ("hub", "millions"), [("xlm-roberta-base", 277.5), ("xlm-roberta-large", 558.8), ("bert-base-multilingual-cased", 177.3)]
)
def test_parameters_are_those_of_the_published_encoders(hub, millions):
    """278.0, 559.9 and 177.9 million with their poolers."""
    family = "bert" if "bert-base" in hub else "xlm_roberta"
    encoder = encoder_of(Model(family=family, hub=hub), Path())
    assert encoder is not None
    assert encoder.num_parameters / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(("hub", "billions"), [("facebook/xlm-roberta-xl", 3.5), ("facebook/xlm-roberta-xxl", 10.7)])
def test_the_largest_encoders_have_about_as_many_parameters_as_their_paper_says(hub, billions):
    assert count_parameters(HUB[hub]) / 1e9 == pytest.approx(billions, rel=0.02)


@pytest.mark.parametrize("size", ["random", "folder"])
def test_parameters_of_an_mt5_encoder_are_those_that_it_has(size, tmp_path):
    """With heads of 64, as all published ones have."""
    config = MT5Config(vocab_size=300, d_model=128, d_kv=64, d_ff=96, num_layers=3, num_heads=2 if size == "random" else 3)
    encoder = MT5EncoderModel(config)
    made = {"hidden_size": 128, "num_layers": 3, "num_heads": 2, "intermediate_size": 96, "vocabulary_size": 300}
    encoder.save_pretrained(tmp_path)
    origin = {"random": {**made, "tokenizer_text": ["pocket_text"]}} if size == "random" else {"folder": str(tmp_path)}
    found = encoder_of(Model.model_validate({"family": "mt5", **origin}), Path())
    assert found is not None
    assert found.num_parameters == sum(parameter.numel() for parameter in encoder.parameters())


@pytest.mark.parametrize(("size", "millions"), [("small", 147), ("base", 277), ("large", 564), ("xl", 1670), ("xxl", 5700)])
def test_encoders_of_mt5_hold_about_half_of_its_parameters(size, millions):
    assert count_parameters(HUB[f"google/mt5-{size}"]) / 1e6 == pytest.approx(millions, rel=0.01)


@pytest.mark.parametrize("name", [name for name in TASKS.names if TASKS.load(name).generate is not None])
def test_sizes_of_generated_tasks_are_what_they_make(name):
    task = TASKS.load(name)
    assert task.generate is not None
    for split in task.generated_splits:
        if SIZES[name, split].num_examples < 3000:
            assert sum(1 for _ in task.generate(split, task.languages[0])) == SIZES[name, split].num_examples


def test_every_length_and_size_is_of_a_task():
    assert {task for task, _ in SIZES} | set(LENGTHS) <= set(TASKS.names)


def test_the_largest_point_of_a_space_trains_the_most():
    assert largest_point("learning_rate_and_batch") == {"learning_rate": 5e-5, "batch_size": 64}


def a_manifest(device: str, flops: float, seconds: float) -> Manifest:
    spent = Cost(started_at=0.0, seconds=seconds, device_seconds=seconds, num_tokens=1, num_examples=1, peak_memory_bytes=1, device=device)
    effort = Effort(num_examples=1, num_parameters=1, num_trained=1, flops=flops, seconds=seconds)
    return Manifest(
        key="train-0", status="done", spec={}, parents=(), attempt="", files=(), files_dropped=False, measurements=(), curve=(),
        score=None, effort=effort, cost=spent,
    )  # fmt: skip


def test_a_measured_rate_is_of_one_device_and_preferred_to_none():
    gpu, cpu = "NVIDIA A100-SXM4-80GB", "AMD EPYC"
    manifests = [a_manifest(device, flops, seconds) for device, flops, seconds in ((gpu, 4e14, 8.0), (gpu, 2e14, 4.0), (cpu, 9e9, 3.0))]
    found = measured_rate(manifests, None, is_gpu=True)
    assert found is not None
    assert found.of["bfloat16"] == pytest.approx(5e13)
    assert found.words == f"on {gpu}, measured: 50 TFLOP/s a device over 2 trainings in the store"
    slow = measured_rate(manifests, None, is_gpu=False)
    assert slow is not None
    assert slow.of["float32"] == pytest.approx(3e9)
    assert measured_rate(manifests, "h100", is_gpu=True) is None
    assert measured_rate(manifests, "cpu", is_gpu=True) == slow
    rates = [assumed_rate(device).of["bfloat16"] for device in ("cpu", "v100", "a100", "h100")]
    assert all(slower < faster for slower, faster in itertools.pairwise(rates))


SMALL = f"""
name: small
source_language: qaa
models: {{pocket: {{family: xlm_roberta, folder: {Path(trainables.pocket.__file__ or "").parent / "encoder"}}}}}
intermediates:
  two: {{tasks: {{pocket_flavour_qa: {{}}, pocket_text: {{languages: [qab], num_examples: 500, dev: none, share: 0.25}}}}}}
targets: {{pocket_flavour_class: , pocket_rank_choice: }}
intermediate_training: {{epochs: 1, learning_rate: 1e-4, max_length: 64, num_evals: 1}}
target_training: {{epochs: 1, max_length: 64, num_evals: 1, layers_trained: top_2}}
search: {{space: pocket, trials: 1, replicates: 1}}
"""


def test_a_prediction_is_what_the_trainings_then_did(tmp_path):
    """Within 5%: 200 sentences of each set stand for all, and the task of a mixture's step is drawn."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    opened = open_study(path, tmp_path / "runs", None)
    predicted = count(opened).cost
    assert predicted is not None
    walk, _ = walk_store(opened)
    done = []
    while not walk.is_finished:
        done.append(run_next(opened, walk))
    spent = sum(manifest.effort.flops for manifest in done if manifest.effort is not None)
    assert predicted.training_flops == pytest.approx(spent, rel=0.05)
    assert predicted.unknown == ()
    kept = sum(file.num_bytes for manifest in done for file in manifest.files if file.path == "model.safetensors")
    assert predicted.checkpoint_gb * 1e9 == pytest.approx(kept, rel=0.05)
    again = count(opened).cost
    assert again is not None
    assert "measured" in again.rate, "the store knows this machine now"
    assert again.training_flops == predicted.training_flops


def test_the_passes_of_benchmarks_are_counted(tmp_path):
    """Two arms, a pair a language; then one architecture for both targets, in as few blocks as there may be, at fixed lengths alone."""
    timed = STUDY.format(
        hub="FacebookAI/xlm-roberta-base", intermediates="[mnli]", target="xnli: {languages: [en]}, pawsx: {languages: [en]}",
        epochs=1, trials=1, seeds=1,
    )  # fmt: skip
    settings = "benchmark: {batch_sizes: [1, 8], lengths: [text, 64], precisions: [float32], blocks: 20, repetitions: 4, warmup: 2}"
    found, without = cost(tmp_path, f"{timed}{settings}"), cost(tmp_path, timed)
    shape = HUB["FacebookAI/xlm-roberta-base"].shape

    def flops(length: float, root_mean_square: float) -> float:
        return step_flops(shape, Rule(13), length, root_mean_square**2, length)

    texts = flops(40.5, 42.3) + flops(54.8, 56.7)
    expected = 2 * 20 * 6 * 9 * (texts + 2 * flops(64, 64)) + MIN_BLOCKS * 6 * 9 * flops(64, 64)
    assert found.benchmark_flops == pytest.approx(expected)
    assert without.benchmark_flops == 0
    peak = UTILISATION * DEVICES["cpu"].peaks["float32"]
    assert found.device_hours - without.device_hours == pytest.approx(expected / peak / 3600)
    assert "benchmarks: small batches do not reach that rate, so these take longer" in found.unknown


def test_retrieval_costs_the_layers_up_to_the_one_that_embeds(tmp_path):
    """Of XLM-R Base; mT5's are computed whole."""
    costs = [cost(tmp_path, intermediates="{}", target=f"tatoeba: {{retrieval: {{layer: {layer}}}}}") for layer in (3, 6, 12)]
    flops = [each.evaluation_flops for each in costs]
    assert flops == pytest.approx([flops[-1] / 4, flops[-1] / 2, flops[-1]])


def test_files_are_counted_and_remembered(tmp_path):
    rows = [{"premise": "It rained. " * (1 + place % 3), "choice1": "Wet.", "choice2": "Dry.", "question": "effect"} for place in range(40)]
    for split in ("train", "val"):
        path = tmp_path / f"data/copa/{split}-en.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps({**row, "label": place % 2, "idx": place, "changed": False}) for place, row in enumerate(rows))
        path.write_text("".join(f"{line}\n" for line in lines))
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.format(hub="xlm-roberta-base", intermediates="{}", target="copa: {test: dev}", epochs=4, trials=1, seeds=1))
    first, second = (count(open_study(path, tmp_path / "runs", tmp_path / "data")).cost for _ in range(2))
    assert first is not None
    assert first == second
    assert len(list((tmp_path / "runs/cache/samples").iterdir())) == 2, "training and dev; dev is scored too"
    assert first.unknown == ("copa: the tokenizer is not at hand, and a token is counted for 4 characters",)
    spec = DataSpec(
        task="copa", task_version=TASKS.load("copa").version, split="train", language="en", num_examples=None,
        source=data_source("copa", "train", "en", tmp_path / "data"),
    )  # fmt: skip
    examples = cast(list[Choice], load_examples(spec, tmp_path / "data").examples)
    lengths = [-(-len(each.prompt + option) // 4) + 4 for each in examples for option in each.options]
    batches = 32 * 5 / 40  # over all examples: five steps, which are four epochs
    shape = HUB["FacebookAI/xlm-roberta-base"].shape
    tokens, squares = batches * sum(lengths), batches * sum(length**2 for length in lengths)
    expected = step_flops(shape, Rule(0), tokens, squares, batches * len(lengths), is_one_each=True)
    assert first.training_flops == pytest.approx(expected)
