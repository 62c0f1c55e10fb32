"""A stage trains on translations in two languages and their original, all on one head, selected on English."""

import json
from pathlib import Path

from tests.trainables.task_cases.case import jsonl
from tests.trainables.toy_stages import data_spec, init_job, train_job, write_toy_data
from trainables.formats import NLI_LABELS
from trainables.head_files import SHAPES_FILE
from trainables.specs import MixtureTask
from trainables.stage import run_stage
from trainables.store import Store


def write_nli(folder: Path) -> Path:
    words = ("yes", "perhaps", "no")
    rows = [(f"a {number}", words[number % 3], NLI_LABELS[number % 3]) for number in range(24)]
    for language in ("de", "sw"):
        path = folder / f"xnli/XNLI-MT-1.0/multinli/multinli.train.{language}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("premise\thypo\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows))
    (folder / "mnli").mkdir()
    dev = jsonl(*({"premise": premise, "hypothesis": hypothesis, "label": label} for premise, hypothesis, label in rows))
    (folder / "mnli" / "dev_matched.unified.jsonl").write_text(dev)
    return folder


def test_translations_and_their_original_train_one_head(tmp_path):
    folder = write_nli(write_toy_data(tmp_path))
    store = Store(str(folder / "store"), folder / "cache")
    encoder = run_stage(init_job(folder), store, lambda _: None)
    dev = data_spec(folder, "mnli", "dev[12:]")
    mixture = (
        MixtureTask(train=data_spec(folder, "mnli", "dev[:12]"), dev=(dev,), weight=1.0, share=None),
        MixtureTask(train=data_spec(folder, "mnli_translated", "train", "de"), dev=(dev,), weight=1.0, share=None),
        MixtureTask(train=data_spec(folder, "mnli_translated", "train", "sw"), dev=(), weight=1.0, share=None),
    )
    trained = run_stage(train_job(folder, encoder.key, mixture=mixture, steps=60, learning_rate=3e-3), store, lambda _: None)
    assert list(json.loads((store.fetch(trained.key) / SHAPES_FILE).read_text())) == ["mnli"]
    assert [(each.task, each.language, each.n) for each in trained.measurements] == [("mnli", "en", 12)] * 2
    assert trained.score == 1
