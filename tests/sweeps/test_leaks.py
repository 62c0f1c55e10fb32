"""Leaks that are known before a file is read are named in the plan and in the cells that they touch."""

import json

import pytest

from sweeps.leaks import Reference, find_leaks
from tests.sweeps.simulation import builder_of, make_study
from tests.sweeps.test_plan import polystilts, write
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
    names = [name for name in TASKS.names if TASKS.load(name).has_split("test") and TASKS.load(name).languages[0] != "qaa"]
    trainable = [name for name in names if TASKS.load(name).kind not in ("retrieval", "mlm")]
    builder = builder_of(make_study(targets=trainable))
    assert [target for target in trainable if builder.leaks("mnli", target)] == ["tydiqa", "xnli"]
