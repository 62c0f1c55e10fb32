"""Where the labels lie in the files, they are read from there, change the keys with them, and give the head its size."""

import json
from pathlib import Path

import pytest

from tests.trainables.task_cases.licensed import ARTICLES, AUTO_TRAIN, CCG_JIANT, CCG_RELEASE
from tests.trainables.toy_stages import data_spec, evaluate_job, init_job, make_job, train_job, write_toy_data
from trainables.data import load_examples
from trainables.head_files import SHAPES_FILE
from trainables.origins import data_source, with_labels
from trainables.specs import EvaluateSpec, MixtureTask
from trainables.stage import run_stage
from trainables.store import Store
from trainables.task import TASKS

CCG = TASKS.load("ccg")


def write(folder: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("files", "labels"),
    [
        (CCG_JIANT, ("N", "S[dcl]\\NP", ".", "N/N", "NP[nb]/N")),
        (CCG_RELEASE, (".", "N", "N/N", "NP[nb]/N", "S[dcl]\\NP")),
    ],
    ids=["jiant", "release"],
)
def test_labels_of_each_layout(files, labels, tmp_path):
    write(tmp_path, files)
    assert with_labels(CCG, data_spec(tmp_path, "ccg", "train"), tmp_path).labels == labels
    assert with_labels(CCG, data_spec(tmp_path, "ccg", "dev[:1]"), tmp_path).labels == labels
    assert len(load_examples(data_spec(tmp_path, "ccg", "dev"), tmp_path).examples) == 1


def test_the_labels_of_other_tasks_are_their_own(tmp_path):
    assert with_labels(TASKS.load("pawsx"), data_spec(write_toy_data(tmp_path), "pawsx", "train"), tmp_path) is TASKS.load("pawsx")


@pytest.mark.parametrize(
    ("files", "changed", "content"),
    [
        (CCG_JIANT, "ccg/tags_to_id.json", json.dumps({"N": 0, "S[dcl]\\NP": 1, ".": 2, "NP[nb]/N": 4, "N/N": 3, "X": 5})),
        (CCG_RELEASE, f"{ARTICLES}/23/wsj_2301.auto", AUTO_TRAIN.replace("wsj_0201", "wsj_2301").replace("N/N", "NP/N")),
        (CCG_RELEASE, f"{ARTICLES}/23/wsj_2302.auto", AUTO_TRAIN.replace("wsj_0201", "wsj_2302").replace("N/N", "NP/N")),
    ],
    ids=["number", "category", "new file"],
)
def test_a_change_of_the_label_set_changes_every_source(files, changed, content, tmp_path):
    write(tmp_path, files)
    before = [data_source("ccg", split, "en", tmp_path) for split in ("train", "dev")]
    labels = with_labels(CCG, data_spec(tmp_path, "ccg", "train"), tmp_path).labels
    write(tmp_path, {changed: content})
    after = [data_source("ccg", split, "en", tmp_path) for split in ("train", "dev")]
    assert all(one != other for one, other in zip(before, after, strict=True))
    found = with_labels(CCG, data_spec(tmp_path, "ccg", "train"), tmp_path).labels
    assert len(found) == len(labels) + 1
    assert set(found) > set(labels)


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("ccg/ccg.dev", "The end\tNP[nb]/N S\n", "ccg.dev:1: example '0': tag 'S' of word 2 is not one of N, "),
        ("ccg/ccg.dev", "The end\tN\n", "ccg.dev:1: example '0': 2 words but 1 tags"),
        ("ccg/ccg.dev", "The end\n", r"ccg.dev:1: expected 2 columns \(text, tags\), found 1"),
        ("ccg/tags_to_id.json", "[]", r"tags_to_id.json: expected an object, found \[\]"),
        ("ccg/tags_to_id.json", '{\n"N": 0,\n}', "tags_to_id.json:3: expected JSON, but Expecting property name"),
        ("ccg/tags_to_id.json", '{"N": "x"}', "tags_to_id.json: 'N': expected an integer, found \"x\""),
        ("ccg/tags_to_id.json", '{"N": 0, "S": 1.7}', "tags_to_id.json: 'S': expected an integer, found 1.7"),
        ("ccg/tags_to_id.json", '{"N": 1e999}', "tags_to_id.json: 'N': expected an integer, found Infinity"),
        ("ccg/tags_to_id.json", '{"N": false}', "tags_to_id.json: 'N': expected an integer, found false"),
        ("ccg/tags_to_id.json", '{"N": null}', "tags_to_id.json: 'N': expected an integer, found null"),
        ("ccg/tags_to_id.json", '{"N": 0, "S": 2}', "tags_to_id.json: expected the numbers 0 to 1, each once, found 2 for 'S'"),
    ],
)
def test_bad_files_of_jiant_s_layout(path, content, message, tmp_path):
    write(tmp_path, {**CCG_JIANT, path: content})
    with pytest.raises(ValueError, match=message):
        load_examples(data_spec(tmp_path, "ccg", "dev"), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("(<T NP 1 2> )\n", "wsj_0001.auto:1: expected ID=<name>, found '\\(<T NP 1 2> \\)'"),
        ("ID=wsj_0001.1 PARSER=GOLD NUMPARSE=1\n", "wsj_0001.auto:2: expected a derivation with leaves of five fields, found ''"),
        ("ID=wsj_0001.1\n(<T NP 0 1> (<L N NN NN the end N>) )\n", "wsj_0001.auto:2: expected a derivation with leaves of five fields"),
    ],
)
def test_bad_files_of_the_release(content, message, tmp_path):
    write(tmp_path, {**CCG_RELEASE, f"{ARTICLES}/00/wsj_0001.auto": content})
    with pytest.raises(ValueError, match=message):
        load_examples(data_spec(tmp_path, "ccg", "dev"), tmp_path)


def test_missing_files_are_named(tmp_path):
    write(tmp_path, {path: content for path, content in CCG_JIANT.items() if "tags" not in path})
    with pytest.raises(ValueError, match=r"ccg dev en: no files; tried .*ccg/ccg.dev, .*ccg/tags_to_id.json, .*AUTO/00/wsj_\*.auto"):
        data_source("ccg", "dev", "en", tmp_path)
    with pytest.raises(ValueError, match="ccg dev en: the task is not on the hub; give the folder of its files"):
        data_source("ccg", "dev", "en", None)


def test_a_head_has_the_labels_of_the_files(tmp_path):
    """From files to a trained tagger to its score."""
    folder = write(write_toy_data(tmp_path), CCG_JIANT)
    store = Store(str(folder / "store"), folder / "cache")
    encoder = run_stage(init_job(folder), store, lambda _: None)
    entry = MixtureTask(train=data_spec(folder, "ccg", "train"), dev=(data_spec(folder, "ccg", "dev"),), weight=1.0, share=None)
    job = train_job(folder, encoder.key, mixture=(entry,), steps=60, learning_rate=3e-3, batch_size=2)
    trained = run_stage(job, store, lambda _: None)
    heads = json.loads((store.fetch(trained.key) / SHAPES_FILE).read_text())
    assert heads["ccg"]["labels"] == list(with_labels(CCG, entry.train, folder).labels)
    fields = evaluate_job(folder, trained.key).spec.model_dump() | {"task": "ccg", "head": "ccg", "data": (entry.train,)}
    evaluated = run_stage(make_job(folder, EvaluateSpec.model_validate(fields)), store, lambda _: None)
    assert [(each.metric, each.n, each.value) for each in evaluated.measurements] == [("accuracy", 2, 1.0)]
