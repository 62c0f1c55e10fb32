"""A plan counts what a study needs, each thing once, in no time and without a training library."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import trainables.pocket
from sweeps.axes import BASE
from sweeps.estimate import count
from sweeps.opened import open_study
from sweeps.plan import plan_study

STUDY = """
name: planned
models:
  one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates: [mnli, squad2]
targets: [xnli, panx, tatoeba]
search: {trials: 4, replicates: 3}
"""

RETRIEVAL_ALONE = """
name: planned
source_language: qaa
models:
  one:
    family: xlm_roberta
    random: {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 32, vocabulary_size: 400, max_positions: 64,
             tokenizer_text: {pocket_text: {num_examples: 200}}}
targets: [pocket_retrieval]
"""

STUDIES = Path(__file__).parents[2] / "sweeps" / "studies"
POCKET = Path(trainables.pocket.__file__ or "").parent / "encoder"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(textwrap.dedent(text))
    return path


def polystilts(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sweeps.cli", *words], capture_output=True, text=True, check=False)


def test_counts_of_a_small_study(tmp_path):
    counts = count(open_study(write(tmp_path, STUDY), tmp_path / "runs", None))
    assert counts.searches == 3 * 2
    assert counts.trainings == 2 + 3 * 2 * 4 * 3, "two intermediates, and for each row and trained target 4 points x 3 seeds"
    assert counts.trainings_without_sharing == counts.trainings + 2 * (3 - 1), "each intermediate for each of three targets"
    assert counts.stages == counts.trainings + 3 * 2 * 3 + 3, "the winners' replicates, and one retrieval a row"
    assert (counts.cached, counts.to_run) == (0, counts.stages)


def test_paired_encoders_are_trained_for_every_seed(tmp_path):
    counts = count(open_study(write(tmp_path, STUDY + "encoder_seeds: paired\n"), tmp_path / "runs", None))
    assert counts.trainings == 2 * 3 + 3 * 2 * 4 * 3
    assert counts.stages == counts.trainings + 3 * 2 * 3 + 1 + 2 * 3


def test_plan_prints_one_json_object_without_torch(tmp_path):
    script = f"""
    import sys
    from sweeps import cli
    sys.argv = ["polystilts", "plan", {str(write(tmp_path, STUDY))!r}, "--home", {str(tmp_path / "runs")!r}, "--json"]
    try:
        cli.main()
    finally:
        heavy = {{"torch", "ray", "transformers", "mlflow"}} & set(sys.modules)
        assert not heavy, heavy
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"stages", "searches", "trainings", "trainings_without_sharing", "cached", "to_run"} <= set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (STUDY.replace("xnli", "xnly"), [], "polystilts: study.yaml: targets.xnly: unknown task 'xnly'; did you mean 'xnli'?"),
        (STUDY, ["--data", "nowhere"], "polystilts: --data nowhere: there is no such folder"),
        (STUDY, ["--data", __file__], f"polystilts: --data {__file__}: is a file; give the folder"),
        (STUDY, ["--home", __file__], f"polystilts: --home {__file__}: File exists; give a folder that can be written to"),
        ("{{study}}", [], "polystilts: study.yaml, line 1: a list or mapping cannot be a key"),
        (STUDY.replace("[xnli,", "[{xnli: {}},"), [], "polystilts: study.yaml: targets: {'xnli': {}} in a list of names"),
        (STUDY, ["--data", "."], "polystilts: intermediates.mnli.tasks.mnli.train: mnli train en: no files; tried"),
        (STUDY.replace("hub: FacebookAI/xlm-roberta-base", "folder: nowhere"), [], "polystilts: models.one.folder:"),
        (
            STUDY.replace("hub: FacebookAI/xlm-roberta-base", f"folder: {POCKET}"),
            [],
            "polystilts: intermediates.mnli: max_length is 256, but models.one reads at most 64 tokens; set max_length: 64 or less",
        ),
        (
            RETRIEVAL_ALONE,
            [],
            "polystilts: targets.pocket_retrieval: max_length is 256, but models.one reads at most 64 tokens; set max_length: 64 or less",
        ),
        (STUDY.replace("panx", "squad1"), [], "polystilts: targets.squad1.test: squad1 test en: rajpurkar/squad has no test split"),
        (
            STUDY.replace("[mnli, squad2]", "{mnli: {tasks: {mnli: {num_examples: 392703}}}}"),
            [],
            "polystilts: intermediates.mnli.tasks.mnli.train: num_examples is 392703, but mnli/train has 392702 examples; name at most",
        ),
        (
            STUDY.replace("[mnli, squad2]", '{mnli: {tasks: {mnli: {train: "train[:10%]", num_examples: 40000}}}}'),
            [],
            "polystilts: intermediates.mnli.tasks.mnli.train: num_examples is 40000, but mnli/train[:10%] has 39270 examples; name at",
        ),
        (
            STUDY.replace("xnli,", "xnli: {dev: 'dev[:3000]'},").replace("[xnli", "{xnli").replace("panx, tatoeba]", "panx: , tatoeba: }"),
            [],
            "polystilts: targets.xnli.dev: dev[:3000] reaches to 3000, but xnli/dev has 2490 examples; name fewer",
        ),
        (
            STUDY.replace("xnli, panx, tatoeba]", "{panx: {num_examples: 20001}}]").replace("[{", "{").replace("}]", "}"),
            [],
            "polystilts: targets.panx.train: num_examples is 20001, but panx/train has 20000 examples; name at most that many",
        ),
        (STUDY + "search: {}\n", [], "polystilts: study.yaml, line 8: the key 'search' is given twice"),
    ],
)
def test_a_wrong_study_is_one_line_and_exit_code_2(tmp_path, text, words, message):
    for verb in ("plan", "run"):
        done = polystilts(verb, str(write(tmp_path, text)), "--home", str(tmp_path / "runs"), *words)
        assert done.returncode == 2
        assert done.stderr.startswith(message)
        assert len(done.stderr.splitlines()) == 1
    assert not list((tmp_path / "runs").rglob("*.json")), "nothing was computed"


@pytest.mark.parametrize("name", ["demo", "pocket_encoder", "phang2020", "model_scale"])
def test_the_shipped_studies_plan(name, tmp_path):
    done = polystilts("plan", str(STUDIES / f"{name}.yaml"), "--home", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr


def test_a_wrong_command_line_is_exit_code_2(tmp_path):
    assert polystilts("run", str(write(tmp_path, STUDY)), "--homme", "x").returncode == 2


def test_a_source_language_that_a_task_lacks_is_noted_in_the_plan(tmp_path):
    study = write(tmp_path, STUDY.replace("name: planned", "name: planned\nsource_language: de"))
    done = polystilts("plan", str(study), "--home", str(tmp_path / "runs"))
    assert "note: squad2 has no examples in the source language, de; those in en are used.\n" in done.stdout
    assert "note: mnli has no examples in the source language, de; those in en are used.\n" in done.stdout
    assert "note: panx has no" not in done.stdout


def test_layers_and_poolings_are_variants_of_a_retrieval_target(tmp_path):
    swept = STUDY.replace(
        "targets: [xnli, panx, tatoeba]",
        "targets: {xnli: {}, tatoeba: {retrieval: {layer: [8, 11], pooling: [mean, first]}}, bucc2018: {}}",
    )
    opened = open_study(write(tmp_path, swept), tmp_path / "runs", None)
    programs = plan_study(opened.builder)
    row = [program.pair for program in programs if program.pair.intermediate == "mnli"]
    variants = ["layer8-mean", "layer8-first", "layer11-mean", "layer11-first"]
    assert [(pair.target, pair.variant) for pair in row] == [
        ("xnli", "base"),
        *(("tatoeba", variant) for variant in variants),
        ("bucc2018", "base"),
    ]
    encoder = opened.builder.initial_encoder("one").ref
    specs = [opened.builder.evaluation("one", encoder, "tatoeba", way) for way in opened.builder.axes.ways("tatoeba").values()]
    assert [(spec.retrieval.layer, spec.retrieval.pooling, spec.retrieval.margin) for spec in specs] == [
        (layer, pooling, "none") for layer in (8, 11) for pooling in ("mean", "first")
    ]
    mining = opened.builder.evaluation("one", encoder, "bucc2018", BASE)
    assert (mining.retrieval.margin, mining.retrieval.neighbours) == ("ratio", 4)
    assert [(data.split, data.language) for data in mining.threshold_data] == [("dev", language) for language in ("de", "fr", "ru", "zh")]


def test_a_layer_that_the_encoder_lacks_is_refused(tmp_path):
    targets = "{pocket_retrieval: {retrieval: {layer: [1, 2]}, training: {max_length: 64}}}"
    study = write(tmp_path, RETRIEVAL_ALONE.replace("[pocket_retrieval]", targets))
    done = polystilts("plan", str(study), "--home", str(tmp_path / "runs"))
    assert done.returncode == 2
    assert "retrieval.layer: 2, but models.one has 1 layers; 0 is the embeddings, 1 or -1 the last layer" in done.stderr


def test_an_oracle_selects_on_the_scored_languages_and_is_a_variant(tmp_path):
    for language in ("en", "de", "sw"):
        write_pairs(tmp_path / f"data/xnli/dev-{language}.tsv")
    write_pairs(tmp_path / "data/snli_cad/NLI/all_combined/train.tsv", header="sentence1\tsentence2\tgold_label\n")
    target = "{train: snli_cad/train, dev: 'xnli/dev[:2]', test: 'dev[2:]', languages: [en, sw], selection: [source, oracle]}"
    study = write(tmp_path, STUDY.replace("targets: [xnli, panx, tatoeba]", f"targets: {{xnli: {target}}}").replace("[mnli, squad2]", "[]"))
    opened = open_study(study, tmp_path / "runs", tmp_path / "data")
    assert [str(program.pair) for program in plan_study(opened.builder)] == ["one: none -> xnli", "one: none -> xnli [oracle]"]
    done = polystilts("plan", str(study), "--home", str(tmp_path / "runs"), "--data", str(tmp_path / "data"))
    (marked,) = [line for line in done.stdout.splitlines() if line.startswith("oracle: ")]
    assert marked.startswith("oracle: none -> xnli [oracle]: point and checkpoint are chosen on target-language examples")
    encoder = opened.builder.initial_encoder("one")
    selecting = {}
    for variant in ("base", "oracle"):
        way = opened.builder.axes.ways("xnli")[variant]
        (entry,) = opened.builder.target("one", encoder, "xnli", way, {}, 0).mixture
        selecting[variant] = [(data.task, data.split, data.language) for data in entry.dev]
    assert selecting == {
        "base": [("xnli", "dev[:2]", "en")],
        "oracle": [("xnli", "dev[:2]", "en"), ("xnli", "dev[:2]", "sw")],
    }


def test_an_oracle_without_dev_examples_is_refused(tmp_path):
    (tmp_path / "data/udpos_xtreme").mkdir(parents=True)
    (tmp_path / "data/udpos_xtreme/train-en.tsv").write_text("A\tDET\n")
    targets = "targets: {udpos: {languages: [kk], selection: oracle}}"
    study = write(tmp_path, STUDY.replace("targets: [xnli, panx, tatoeba]", targets).replace("[mnli, squad2]", "[]"))
    done = polystilts("plan", str(study), "--home", str(tmp_path / "runs"), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stderr == "polystilts: targets.udpos.selection: no scored language has udpos/dev, which an oracle selects on\n"


def write_pairs(path: Path, header: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + "".join(f"{path.stem} {number}.\tb\tneutral\n" for number in range(4)))


def test_examples_that_the_hub_lacks_are_absent_from_a_plan_and_refused_by_a_run(tmp_path):
    text = STUDY.replace("[mnli, squad2]", "{ccg: , qqp-de: {tasks: {qqp_translated: {languages: [de]}}}}")
    path, home = str(write(tmp_path, text)), str(tmp_path / "runs")
    planned = polystilts("plan", path, "--home", home, "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["absent"] == [
        f"{place}: the task is not on the hub; give the folder of its files by --data"
        for place in ("ccg train en", "ccg dev en", "qqp_translated train de")
    ]
    ran = polystilts("run", path, "--home", home)
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        "polystilts: intermediates.ccg.tasks.ccg.train: ccg train en: the task is not on the hub; give the folder of its files by --data"
    ]


def test_a_subset_of_files_that_are_too_few_is_refused_while_planning(tmp_path):
    (tmp_path / "data/copa").mkdir(parents=True)
    row = {"premise": "It rained.", "choice1": "Wet.", "choice2": "Dry.", "question": "effect", "label": 0, "changed": False}
    lines = [json.dumps({**row, "premise": f"It rained {place} times.", "idx": place}) for place in range(5)]
    for split in ("train", "val"):
        (tmp_path / f"data/copa/{split}-en.jsonl").write_text("\n".join(lines) + "\n")
    text = """
    name: few
    models: {one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}}
    targets: {copa: {test: dev, num_examples: 6}}
    """
    done = polystilts("plan", str(write(tmp_path, text)), "--home", str(tmp_path / "runs"), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "num_examples is 6, but there are 5 examples" in done.stderr
    assert len(done.stderr.splitlines()) == 1
