"""Leaks, known before a file is read and measured where files are, are named in the plan and in the cells that they touch."""

import json
from pathlib import Path

import pytest

from sweeps.leaks import find_leaks, measure_leaks
from sweeps.references import Reference
from sweeps.results import VARIANT
from tests.sweeps.simulation import builder_of, make_study
from tests.sweeps.test_plan import polystilts, write
from tests.trainables.test_tasks import REAL_DATA, real_data
from trainables.examples import Text
from trainables.overlap import hash_texts
from trainables.specs import DataSpec
from trainables.task import TASKS

LEAKING = """
name: leaking
models:
  one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates:
  mnli:
  anli_plus:
  squad_dev: {tasks: {squad1: {train: "dev[:9000]", dev: none}}}
targets:
  xnli:
  xquad:
"""


@pytest.mark.parametrize(
    ("intermediate", "trained", "chosen", "scored", "words"),
    [
        ([("mnli", "train")], ("mnli", "train"), None, ("xnli", "test"), ["mnli is also what xnli trains on"]),
        ([("anli_plus", "train")], ("mnli", "train"), None, ("xnli", "test"), ["mnli is also what xnli trains on"]),
        (
            [("squad1", "dev")],
            ("squad1", "train"),
            None,
            ("xquad", "test"),
            ["squad1 is also", "the original of every XQuAD question"],
        ),
        ([("squad1", "dev[:500]")], None, None, ("lareqa", "test"), ["the original of every XQuAD question"]),
        ([("squad2", "train")], ("squad1", "train"), None, ("xquad", "test"), []),
        ([], ("squad1", "train"), None, ("xquad", "test"), []),
        ([], ("commonsenseqa", "dev[:50%]"), None, ("commonsenseqa", "dev[50%:]"), []),
        ([], ("commonsenseqa", "dev[:50%]"), None, ("commonsenseqa", "dev"), ["the same examples"]),
        ([("commonsenseqa", "dev")], ("commonsenseqa", "train"), None, ("commonsenseqa", "dev[:9]"), ["is also what", "the same examples"]),
        ([], ("commonsenseqa", "train"), ("commonsenseqa", "dev"), ("commonsenseqa", "dev"), ["dev chooses what"]),
        ([], ("commonsenseqa", "train"), ("commonsenseqa", "dev[:50%]"), ("commonsenseqa", "dev[50%:]"), []),
        ([], ("tydiqa", "train"), ("tydiqa", "dev"), ("tydiqa", "test"), ["tydiqa/dev chooses what tydiqa/test then scores"]),
        ([], ("tydiqa", "train"), ("tydiqa", "dev[:50%]"), ("tydiqa", "test[50%:]"), []),
        ([], None, ("bucc2018", "dev"), ("bucc2018", "dev"), ["bucc2018/dev chooses what"]),
        ([], None, ("bucc2018", "dev"), ("bucc2018", "test"), []),
    ],
)
def test_known_relations(intermediate, trained, chosen, scored, words):
    uses = [Reference(*each) for each in intermediate]
    found = find_leaks(uses, trained and Reference(*trained), chosen and Reference(*chosen), Reference(*scored))
    assert len(found) == len(words)
    assert all(word in leak for word, leak in zip(words, found, strict=True))


def test_a_plan_names_every_leaking_pair(tmp_path):
    done = polystilts("plan", str(write(tmp_path, LEAKING)), "--home", str(tmp_path / "runs"), "--json")
    assert done.returncode == 0, done.stderr
    pairs = [leak.partition(":")[0] for leak in json.loads(done.stdout)["leaks"]]
    assert pairs == ["mnli -> xnli", "anli_plus -> xnli", "squad_dev -> xquad", "squad_dev -> xquad"]
    printed = polystilts("plan", str(write(tmp_path, LEAKING)), "--home", str(tmp_path / "runs")).stdout
    assert printed.count("leak: ") == 4


def test_every_target_can_be_asked_for_its_leaks():
    names = [name for name in TASKS.names if TASKS.load(name).has_split("test") and TASKS.load(name).hub]
    trainable = [name for name in names if TASKS.load(name).kind not in ("retrieval", "mlm")]
    builder = builder_of(make_study(targets=trainable))
    assert [target for target in trainable if builder.leaks("mnli", target, VARIANT)] == ["tydiqa", "xnli"]


def text_files(folder: Path, **files: list[tuple[str, str]]) -> Path:
    """SNLI-CAD's and PAWS-X's files of sentence pairs, in the layout that their tasks read."""
    for name, pairs in files.items():
        path = folder / {"cad": "snli_cad/NLI/all_combined/train.tsv", "xnli": "xnli/dev-de.tsv"}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        header = "sentence1\tsentence2\tgold_label\n" if name == "cad" else ""
        path.write_text(header + "".join(f"{one}\t{other}\tneutral\n" for one, other in pairs))
    return folder


MEASURED = """
name: measured
models:
  one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates:
  snli_cad: {tasks: {snli_cad: {dev: none}}}
targets:
  xnli: {train: snli_cad/train, dev: snli_cad/train, test: dev, languages: [de]}
"""


def test_measured_overlap_is_in_the_plan_as_soon_as_there_are_files(tmp_path):
    seen = [("A man.", "He runs."), ("A dog.", "It barks."), ("A cat.", "It sleeps.")]
    scored = [("a MAN. ", "he  runs."), ("A dog.", "It sleeps."), ("A bird.", "It sings.")]
    data = text_files(tmp_path / "data", cad=seen, xnli=scored)
    study = str(write(tmp_path, MEASURED))
    command = ["plan", study, "--home", str(tmp_path / "runs"), "--data", str(data), "--json"]
    done = polystilts(*command)
    assert done.returncode == 0, done.stderr
    leaks = json.loads(done.stdout)["leaks"]
    split = "snli_cad/train was trained on and holds {} of xnli/dev, which is scored: de {} of 3"
    own = [split.format("whole examples", 1), split.format("first texts of pairs", 2), split.format("second texts of pairs", 2)]
    assert leaks == [
        *(f"none -> xnli: {leak}" for leak in own),
        "snli_cad -> xnli: snli_cad is also what xnli trains on: a gain may be more training on the same task",
        *(f"snli_cad -> xnli: {leak}" for leak in own),
    ]
    assert json.loads(polystilts(*command).stdout)["leaks"] == leaks, "from the cache"


def test_a_file_that_cannot_be_read_ends_a_plan_with_one_line(tmp_path):
    data = text_files(tmp_path / "data", cad=[("A man.", "He runs.\tneutral")], xnli=[("A.", "B.")])
    done = polystilts("plan", str(write(tmp_path, MEASURED)), "--home", str(tmp_path / "runs"), "--data", str(data))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "train.tsv:2: expected 3 columns" in done.stderr


def test_a_share_below_one_in_a_hundred_is_noted_for_whole_examples_alone():
    texts = [Text(str(number), f"text {number}", f"pair {number}", "neutral") for number in range(1000)]
    scored = {"de": texts, "fr": [text._replace(text=f"fr {text.text}", pair=f"fr {text.pair}") for text in texts]}
    seen = [texts[0], *(text._replace(pair="other") for text in texts[1:9])]
    specs = {name: data_of(name) for name in ("seen", *scored)}
    hashes = {specs[name]: hash_texts(examples) for name, examples in {"seen": seen, **scored}.items()}
    found = measure_leaks([specs["seen"]], [specs["de"], specs["fr"]], hashes.get)
    assert [leak.rpartition(": ")[2] for leak in found] == ["de 1 of 1,000"], "nine shared texts of a thousand are too few, one example not"
    hashes[specs["seen"]] = hash_texts([*seen, *(text._replace(pair="other") for text in texts[9:12])])
    found = measure_leaks([specs["seen"]], [specs["de"], specs["fr"]], hashes.get)
    assert [leak.rpartition(": ")[2] for leak in found] == ["de 1 of 1,000", "de 12 of 1,000"]


def test_what_is_not_known_is_passed_over():
    assert measure_leaks([data_of("seen")], [data_of("de")], {}.get) == ()


def data_of(language: str) -> DataSpec:
    return DataSpec(task="xnli", task_version=1, split="test", language=language, num_examples=None, source="hub:a@b")


@pytest.mark.realdata
@real_data
def test_published_files_show_that_the_dev_set_of_squad_holds_xquad(tmp_path):
    study = """
        name: squad
        models: {one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}}
        intermediates: {squad_dev: {tasks: {squad1: {train: dev, dev: none}}}}
        targets: {xquad: {train: squad2/train, dev: squad2/train, languages: [de, en]}}
    """
    done = polystilts("plan", str(write(tmp_path, study)), "--home", str(tmp_path / "runs"), "--data", str(REAL_DATA), "--json")
    assert done.returncode == 0, done.stderr
    known, measured = json.loads(done.stdout)["leaks"]
    assert "the original of every XQuAD question" in known
    assert measured.endswith("squad1/dev was trained on and holds whole examples of xquad/test, which is scored: en 1,190 of 1,190")
