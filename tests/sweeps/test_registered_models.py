"""The winner of each target, as a user of plain transformers gets it from MLflow's registry: two lines, and the reported score."""

import math
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
import transformers
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from transformers import AutoTokenizer

import trainables.pocket
from tests.sweeps.processes import command, environment, run
from trainables.data import load_examples
from trainables.examples import Choice, Question, Sentence, Text
from trainables.manifest import Manifest
from trainables.metrics import answer_scores, span_counts_of, squad_tokens
from trainables.span_qa import MAX_ANSWER_TOKENS
from trainables.specs import EvaluateSpec

POCKET = Path(trainables.pocket.__file__ or "").parent / "encoder"
STUDY = """
name: winning
source_language: qaa
models: {{pocket: {{family: xlm_roberta, folder: {encoder}}}}}
intermediates: {{pocket_colour_class: {{training: {{steps: 10}}}}}}
targets:
  pocket_flavour_class: {{test: "test[:60]", languages: [qaa, qab]}}
  pocket_flavour_tags: {{test: "test[:60]", languages: [qaa, qab]}}
  pocket_flavour_qa: {{test: "test[:60]", languages: [qaa, qab]}}
  pocket_rank_choice: {{test: "test[:60]", languages: [qaa, qab]}}
  pocket_retrieval: {{test: "test[:20]", languages: [qab]}}
intermediate_training: {{max_length: 64, num_evals: 1}}
target_training: {{steps: 40, max_length: 64, num_evals: 1}}
search: {{space: pocket, trials: 1, replicates: 2}}
"""
TRAINED = ("pocket_flavour_class", "pocket_flavour_tags", "pocket_flavour_qa", "pocket_rank_choice")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("winning")
    (folder / "winning.yaml").write_text(STUDY.format(encoder=POCKET))
    run(folder / "winning.yaml", folder / "home")
    return folder / "home"


@pytest.fixture
def client(home: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/mlflow.db")
    return MlflowClient()


def manifest(home: Path, key: str) -> Manifest:
    return Manifest.model_validate_json((home / "store" / "manifests" / f"{key}.json").read_bytes())


def versions(client: MlflowClient) -> dict[str, tuple[ModelVersion, ...]]:
    return {model.name: tuple(client.search_model_versions(f"name = '{model.name}'")) for model in client.search_registered_models()}


@torch.inference_mode()
def classify(model: Any, tokenizer: Any, examples: Sequence[Text]) -> float:
    texts = [(each.text,) if each.pair is None else (each.text, each.pair) for each in examples]
    given = tokenizer(*map(list, zip(*texts, strict=True)), padding=True, return_tensors="pt")
    said = model(**given).logits.argmax(-1).tolist()
    return float(np.mean([model.config.id2label[index] == each.label for index, each in zip(said, examples, strict=True)]))


@torch.inference_mode()
def tag(model: Any, tokenizer: Any, examples: Sequence[Sentence]) -> float:
    given = tokenizer([list(each.words) for each in examples], is_split_into_words=True, padding=True, return_tensors="pt")
    best = model(**given).logits.argmax(-1).tolist()
    said = []
    for index, each in enumerate(examples):
        words = given.word_ids(index)
        said.append([model.config.id2label[best[index][words.index(word)]] for word in range(len(each.words))])
    both, predicted, gold = np.sum(span_counts_of(said, [each.tags for each in examples if each.tags]), axis=0)
    return float(2 * both / (predicted + gold))


@torch.inference_mode()
def answer(model: Any, tokenizer: Any, examples: Sequence[Question]) -> float:
    return float(np.mean([answer_scores(find(model, tokenizer, each), each.answers, squad_tokens)[0] for each in examples]))


def find(model: Any, tokenizer: Any, question: Question) -> str:
    given = tokenizer(question.question, question.context, return_tensors="pt", return_offsets_mapping=True)
    offsets = given.pop("offset_mapping")[0].tolist()
    output = model(**given)
    context = [place for place, segment in enumerate(given.sequence_ids(0)) if segment == 1]
    pairs = [(first, last) for first in context for last in context if first <= last < first + MAX_ANSWER_TOKENS]
    first, last = max(pairs, key=lambda pair: float(output.start_logits[0, pair[0]] + output.end_logits[0, pair[1]]))
    return question.context[offsets[first][0] : offsets[last][1]].strip()


@torch.inference_mode()
def choose(model: Any, tokenizer: Any, examples: Sequence[Choice]) -> float:
    right = []
    for each in examples:
        given = tokenizer([each.prompt] * len(each.options), list(each.options), padding=True, return_tensors="pt")
        right.append(int(model(**{name: tensor[None] for name, tensor in given.items()}).logits.argmax()) == each.label)
    return float(np.mean(right))


SCORED: dict[str, Callable[..., float]] = {
    "pocket_flavour_class": classify,
    "pocket_flavour_tags": tag,
    "pocket_flavour_qa": answer,
    "pocket_rank_choice": choose,
}


@pytest.mark.parametrize("target", TRAINED)
def test_two_lines_of_transformers_load_a_winner_that_scores_as_reported(home: Path, client: MlflowClient, target: str) -> None:
    name = f"winning.pocket.{target}"
    (version,) = versions(client)[name]
    code = [line.strip() for line in version.description.splitlines() if line.startswith("    ")]
    assert code[0] == f'folder = mlflow.artifacts.download_artifacts("models:/{name}/1")'
    assert len(code) == 2
    given: dict[str, Any] = {"mlflow": mlflow, "transformers": transformers}
    exec("\n".join(code), given)
    tokenizer = AutoTokenizer.from_pretrained(given["folder"])
    reported = manifest(home, version.tags["evaluate_key"])
    values = [item.value for item in reported.measurements if item.metric == reported.measurements[0].metric]
    spec = EvaluateSpec.model_validate(reported.spec)
    found = [SCORED[target](given["model"].eval(), tokenizer, load_examples(data, None).examples) for data in spec.data]
    assert found == pytest.approx(values, abs=1e-6)
    assert max(values) > 0.05, "a score that says nothing is no evidence"
    assert float(version.tags["test_score"]) == pytest.approx(sum(found) / len(found), abs=1e-6)


def test_a_winner_is_the_best_row_by_dev_score_and_its_first_seed(home: Path, client: MlflowClient) -> None:
    found = versions(client)
    assert set(found) == {f"winning.pocket.{target}" for target in TRAINED}, "retrieval has no dev score that could choose"
    for (version,) in found.values():
        rows: dict[tuple[str, ...], list[float]] = {}
        for path in (home / "store" / "manifests").glob("train-*.json"):
            trained = manifest(home, path.stem)
            if trained.spec["mixture"][0]["train"]["task"] == version.tags["target"] and trained.score is not None:
                rows.setdefault(trained.parents, []).append(trained.score)
        assert len(rows) == 2
        winner = manifest(home, version.tags["stage_key"])
        assert math.fsum(rows[winner.parents]) == max(map(math.fsum, rows.values()))
        assert (version.tags["seed"], winner.spec["seed"]) == ("0", 0)
        assert version.tags["intermediate"] == ("none" if not winner.parents else "pocket_colour_class")
        run_tags = client.get_run(version.run_id).data.tags
        assert run_tags["stage_key"] == version.tags["stage_key"]


def test_nothing_is_copied_into_mlflow_and_the_folder_is_in_the_store(home: Path, client: MlflowClient) -> None:
    for (version,) in versions(client).values():
        folder = home / "store" / "models" / version.tags["stage_key"]
        assert version.source == folder.as_uri()
        assert (folder / "polystilts.json").exists()
    assert not list((home / "mlartifacts").rglob("*.safetensors"))


def test_a_registry_that_was_lost_is_made_again_and_nothing_is_there_twice(home: Path, client: MlflowClient, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/again.db"
    words = [*command(home.parent / "winning.yaml", home)[:3], "sync", str(home.parent / "winning.yaml"), "--home", str(home)]
    for _ in range(2):
        subprocess.run(words, check=True, env=environment(MLFLOW_TRACKING_URI=uri), capture_output=True)
    again = MlflowClient(uri)
    assert shown(versions(again)) == shown(versions(client))
    for name in versions(again):
        assert again.get_model_version_by_alias(name, "winner").version == versions(again)[name][0].version


def shown(found: dict[str, tuple[ModelVersion, ...]]) -> dict[str, list[tuple[object, ...]]]:
    return {name: [(each.version, each.source, each.tags, each.description) for each in all_of] for name, all_of in found.items()}
