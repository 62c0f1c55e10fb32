"""Verbs that begin a study, look at it and explain it; each as a user types it."""

import json
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from sweeps.cli import app
from sweeps.study_schema import SCHEMA_FILE, study_schema
from sweeps.yaml_reader import read_yaml
from tests.sweeps.processes import driver
from tests.sweeps.simulation import COST
from trainables.manifest import Manifest
from trainables.stage_log import stage_log
from trainables.store import Store

STUDIES = sorted((SCHEMA_FILE.parent / "studies").glob("*.yaml"))
STUDY = """
name: mine
models: {xlmr: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}}
intermediates: [mnli]
targets: [xnli, panx]
"""
TWELVE_MISTAKES = """
name: "a/b"
sourcelanguage: en
models:
  xlmr: {family: xlm_robert, hub: FacebookAI/xlm-roberta-base}
intermediates: {mnli: {sampler: even}}
targets:
  xnli: {languages: german, num_examples: 0}
intermediate_training: {learning_rate: fast, epochs: -1}
search: {space: learning_rates, trials: none, replicates: 2.5}
resources: {gpus_per_worker: many}
encoder_seeds: some
"""


def polystilts(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("typed", "found"), [("polystilts st", ["status", "stop"]), ("polystilts run --max-", ["--max-hours", "--max-cost"])]
)
def test_the_shell_completes_verbs_and_options(typed: str, found: list[str]) -> None:
    asked = {"_POLYSTILTS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    assert CliRunner().invoke(app, [], prog_name="polystilts", env=asked).stdout.split() == found


def test_the_shell_completes_keys_of_stages(tmp_path: Path) -> None:
    (tmp_path / "store/logs").mkdir(parents=True)
    for key in ("train-12", "train-3", "init-4"):
        (tmp_path / f"store/logs/{key}.txt").touch()
    for verb in ("logs", "why"):
        asked = {"_POLYSTILTS_COMPLETE": "complete_bash", "COMP_WORDS": f"polystilts {verb} tr", "COMP_CWORD": "2"}
        asked["POLYSTILTS_HOME"] = str(tmp_path)
        assert CliRunner().invoke(app, [], prog_name="polystilts", env=asked).stdout.split() == ["train-12", "train-3"]


def test_with_a_folder_of_files_these_are_read_and_all_that_are_wrong_named(tmp_path: Path) -> None:
    folder = tmp_path / "data/snli_cad/NLI/all_combined"
    folder.mkdir(parents=True)
    for split, label in (("train", "maybe"), ("dev", "neutral"), ("test", "never")):
        (folder / f"{split}.tsv").write_text(f"sentence1\tsentence2\tgold_label\nA man.\tA boy.\t{label}\n")
    path = write(tmp_path, STUDY.replace("xnli, panx", "snli_cad").replace("[mnli]", "{}"))
    done = polystilts("validate", path, "--home", tmp_path / "home", "--data", tmp_path / "data")
    assert done.exit_code == 2
    assert [("train.tsv" in line, "test.tsv" in line) for line in done.stderr.splitlines()] == [(True, False), (False, True)], done.stderr


def test_a_log_is_printed_or_given_as_json_by_the_beginning_of_its_key(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "home/store"), tmp_path / "home/cache")
    with stage_log(store.files, "train-0123") as say:
        say("step 1")
    words = ("logs", "train-01", "--home", tmp_path / "home")
    text = polystilts(*words).stdout
    assert [line.split(" ", 2)[2] for line in text.splitlines()[1:]] == ["step 1", "done"]
    assert json.loads(polystilts(*words, "--follow", "--json").stdout) == {"stage": "train-0123", "ended": True, "text": text}
    unknown = polystilts("logs", "train-9", "--home", tmp_path / "home")
    assert (unknown.exit_code, len(unknown.stderr.splitlines())) == (2, 1)


def test_a_hub_that_cannot_be_reached_ends_a_run_at_once_with_the_remedy(tmp_path: Path) -> None:
    done = driver(write(tmp_path, STUDY), tmp_path / "home", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub"))
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "cannot be had from the hub" in line, line.endswith("give the folder of its files by --data")) == (
        2,
        True,
        True,
    )


def test_a_valid_study_is_said_to_be_one(tmp_path: Path) -> None:
    done = polystilts("validate", write(tmp_path, STUDY), "--home", tmp_path / "home")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "mine: is a valid study"


EIGHTEEN_MORE = """
name: mine
models:
  xlmr: {family: xlm_robert, hub: FacebookAI/xlm-roberta-base}
  bare: {hub: bert}
intermediates: {none: {}, mnly: {}, mixed: {tasks: {mnli: {}, squod2: {languages: german}}}, weighed: {tasks: {mnli: {weight: 2}}}}
targets:
  xnly: {}
  panx: {num_examples: 0, training: {epochs: 1, steps: 2}}
  xquad: {languages: [de, xx]}
search: {space: learning_rates, sampler: tpes}
resources: {workers: 2, min_workers: 3}
axes: {layers: {top: {target_training: {layers_trained: top_x}}, nothing: {}}}
benchmark: {targets: [panxx]}
seed: true
"""


def test_mistakes_that_hide_behind_others_are_found_and_nothing_is_said_of_what_only_follows(tmp_path: Path) -> None:
    """A name that is unknown, beside fields that are wrong; and a model, a task and a value of an axis that are left out meanwhile."""
    done = polystilts("validate", write(tmp_path, EIGHTEEN_MORE), "--home", tmp_path / "home")
    places = (
        "seed: true",
        "models.xlmr: unknown model family",
        "models.bare.family: field required",
        "intermediates: 'none' is the baseline",
        "intermediates.mnly.tasks.mnly: unknown task",
        "intermediates.mixed.tasks.squod2.languages: ",
        "intermediates.mixed.tasks.squod2: unknown task 'squod2'; did you mean 'squad2'?",
        "intermediates.weighed: tasks.mnli.weight: 2, but sampler is 'proportional'",
        "targets.xnly: unknown task 'xnly'; did you mean 'xnli'?",
        "targets.panx.num_examples: ",
        "targets.panx.training: give either epochs or steps",
        "targets.xquad.languages: xquad has no language 'xx'",
        "search: unknown search space",
        "search.sampler: ",
        "resources: min_workers: 3",
        "resources.workers: 2, but what is timed runs in one process",
        "axes.layers.top.target_training.layers_trained: ",
        "axes.layers.nothing: it changes nothing",
    )
    lines = [line.removeprefix("polystilts: mine.yaml: ") for line in done.stderr.splitlines()]
    assert {place for place in places if any(line.startswith(place) for line in lines)} == set(places)
    assert len(lines) == len(places), lines


def test_what_is_not_there_hides_nothing(tmp_path: Path) -> None:
    text = STUDY.replace("name: mine\n", "").replace("xnli, panx", "xnli")
    text += "source_language: xx\npublished: [nowhere]\nbenchmark: {targets: [panx]}\n"
    done = polystilts("validate", write(tmp_path, text), "--home", tmp_path / "home")
    found = [line.removeprefix("polystilts: mine.yaml: ").partition(":")[0] for line in done.stderr.splitlines()]
    assert found == ["name", "source_language", "published", "benchmark.targets"], done.stderr


@pytest.mark.parametrize("names", ["[xnli, panx]", "{xnli: {}, panx: {}}"])
def test_names_are_a_list_or_a_mapping(tmp_path: Path, names: str) -> None:
    text = STUDY.replace("[xnli, panx]", names) + "benchmark: {targets: [xnli, panx]}\n"
    done = polystilts("validate", write(tmp_path, text), "--home", tmp_path / "home")
    assert done.exit_code == 0, done.stderr
    done = polystilts("validate", write(tmp_path, text + "seed: x\n"), "--home", tmp_path / "home")
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_twelve_mistakes_are_twelve_lines_at_once(tmp_path: Path) -> None:
    done = polystilts("validate", write(tmp_path, TWELVE_MISTAKES), "--home", tmp_path / "home")
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    places = (
        "name: 'a/b' may hold only letters",
        "sourcelanguage: unknown field; did you mean 'source_language'?",
        "models.xlmr: ",
        "intermediates.mnli.sampler: ",
        "targets.xnli.languages",
        "targets.xnli.num_examples: ",
        "intermediate_training.learning_rate: ",
        "intermediate_training.epochs: ",
        "search.trials: ",
        "search.replicates: ",
        "resources.gpus_per_worker: ",
        "encoder_seeds: ",
    )
    assert len(places) == 12
    for place in places:
        assert any(line.startswith(f"polystilts: mine.yaml: {place}") for line in lines), (place, lines)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_names_the_schema_and_keeps_to_it(path: Path) -> None:
    text = path.read_text()
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../study.schema.json"
    jsonschema.Draft202012Validator(study_schema()).validate(read_yaml(text, path.name))


def test_the_schema_that_is_shipped_is_the_one_that_is_printed() -> None:
    """`polystilts schema > sweeps/study.schema.json` writes it again."""
    assert polystilts("schema").stdout == SCHEMA_FILE.read_text()


@pytest.mark.parametrize("wrong", ["targets: [xnly]", "targets: {xnli: {test: 3}}", "models: {x: {family: gpt}}", "search: {trials: 0}"])
def test_the_schema_refuses_what_reading_refuses(wrong: str) -> None:
    study = read_yaml(STUDY, "mine.yaml") | read_yaml(wrong, "mine.yaml")
    assert list(jsonschema.Draft202012Validator(study_schema()).iter_errors(study))


@pytest.mark.parametrize("model", ["xlm-roberta-base", "xlm-roberta-large", "mbert", "pocket"])
def test_a_first_study_can_be_planned_and_keeps_to_the_schema(model: str, tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    assert polystilts("init", path, "--model", model).exit_code == 0
    jsonschema.Draft202012Validator(study_schema()).validate(read_yaml(path.read_text(), path.name))
    assert polystilts("validate", path, "--home", tmp_path / "home").exit_code == 0
    again = polystilts("init", path, "--model", model)
    assert (again.exit_code, "File exists; give another name" in again.stderr) == (2, True)


def test_a_first_study_has_what_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    assert polystilts("init", path, "--model", "mbert", "--intermediates", "squad1", "--targets", "xnli, tydiqa").exit_code == 0
    study = read_yaml(path.read_text(), path.name)
    assert (study["intermediates"], study["targets"], list(study["models"])) == (["squad1"], ["xnli", "tydiqa"], ["mbert"])
    wrong = polystilts("init", tmp_path / "second.yaml", "--targets", "xnly")
    assert (wrong.exit_code, wrong.stderr) == (2, "polystilts: --targets: unknown task 'xnly'; did you mean 'xnli'?\n")


def publish(store: Store, key: str, **spec: object) -> None:
    fields = {"key": key, "status": "done", "parents": (), "attempt": "a", "files": (), "files_dropped": False, "measurements": ()}
    manifest = Manifest.model_validate({**fields, "curve": (), "score": None, "cost": COST, "spec": spec})
    store.files.write(f"manifests/{key}.json", manifest.model_dump_json().encode())


def test_why_names_the_fields_that_differ_from_the_nearest_stage_and_from_its_parent(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    old, new, far = (f"train-{digit * 16}" for digit in "123")
    parents = [f"init-{digit * 16}" for digit in "45"]
    publish(store, parents[0], seed=0, versions=[["torch", "2.12.0"]])
    publish(store, parents[1], seed=0, versions=[["torch", "2.13.0"]])
    publish(store, old, learning_rate=1e-5, encoder={"stage": parents[0]}, seed=0)
    publish(store, new, learning_rate=1e-5, encoder={"stage": parents[1]}, seed=0)
    publish(store, far, learning_rate=2e-5, encoder={"stage": parents[0]}, seed=7)
    done = polystilts("why", new, "--home", tmp_path)
    assert done.stdout.splitlines() == [
        new,
        f"  {new}: nearest in the store is {old}, which differs in",
        f"    encoder.stage: {parents[1]} here, {parents[0]} there",
        f"      {parents[1]}: nearest in the store is {parents[0]}, which differs in",
        "        versions.torch: 2.13.0 here, 2.12.0 there",
    ]
    assert polystilts("why", "train-9", "--home", tmp_path).exit_code == 2


def test_why_of_a_study_groups_the_stages_that_it_would_start(tmp_path: Path) -> None:
    words = ("why", write(tmp_path, STUDY), "--home", tmp_path / "home")
    assert "has no other train stage" in polystilts(*words).stdout
    found = json.loads(polystilts(*words, "--json").stdout)
    assert any("mnli encoder" in name for name in found)


def test_diff_names_fields_shared_stages_and_cells_of_one_alone(tmp_path: Path) -> None:
    other = STUDY.replace("mine", "other").replace("[xnli, panx]", "[xnli]") + "intermediate_training: {epochs: 1}\n"
    words = ("diff", write(tmp_path, STUDY), write(tmp_path, other, "other.yaml"), "--home", tmp_path / "home")
    found = json.loads(polystilts(*words, "--json").stdout)
    assert {each["field"] for each in found["fields"]} == {"name", "intermediate_training.epochs", "targets.panx"}
    assert (found["num_stages"], found["num_common"]) == (2, 0)
    assert [cell["pair"] for cell in found["cells"]] == ["xlmr: none -> panx", "xlmr: mnli -> panx"]
    assert "xlmr: mnli -> panx: - | -" in polystilts(*words).stdout


def test_the_doctor_looks_at_everything_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done = polystilts("doctor", "--home", tmp_path, "--json")
    found = {each["what"]: each["state"] for each in json.loads(done.stdout)["findings"]}
    assert done.exit_code == 0
    assert len(found) == 10
    assert found["store"] == "ok"
    assert list((tmp_path / "store").iterdir()) == []
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    done = polystilts("doctor", "--home", tmp_path)
    assert done.exit_code == 1
    assert "problem Ray: RAY_ADDRESS is 127.0.0.1:1, where nobody answers" in done.stdout
